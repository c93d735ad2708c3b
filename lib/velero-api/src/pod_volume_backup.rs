//! `PodVolumeBackup` (`pkg/apis/velero/v1/pod_volume_backup_types.go`): made by Velero, read by us.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::phase::PodVolumePhase;
use crate::{Kind, Object};

/// The file-system backup of one volume of one pod.
///
/// A completed one with bytes is the only proof that a file-system backup saved a volume.
pub type PodVolumeBackup = Object<PodVolumeBackupSpec, PodVolumeBackupStatus>;

impl Kind for PodVolumeBackupSpec {
    const KIND: &'static str = "PodVolumeBackup";
    const PLURAL: &'static str = "podvolumebackups";
}

/// Which volume is backed up, and where to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeBackupSpec {
    /// The node that the pod runs on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub node: String,
    /// The pod.
    #[serde(default, deserialize_with = "null_as_default")]
    pub pod: PodReference,
    /// The volume's name in the pod's spec (not the claim's name).
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume: String,
    /// Name of the backup storage location.
    #[serde(default, deserialize_with = "null_as_default")]
    pub backup_storage_location: String,
    /// What copies the files: `kopia` or `restic`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub uploader_type: String,
    /// Kept with the snapshot in the repository, for example `backup` and `pvc-uid`.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub tags: BTreeMap<String, String>,
}

/// The pod that a volume belongs to: the used part of Kubernetes' `ObjectReference`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReference {
    /// The pod's namespace.
    #[serde(default, deserialize_with = "null_as_default")]
    pub namespace: String,
    /// The pod's name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The pod's uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// What became of a volume's backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeBackupStatus {
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PodVolumePhase>,
    /// The snapshot in the repository. Empty when there was nothing to store.
    #[serde(default, rename = "snapshotID", skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it began: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<String>,
    /// When it ended, well or not: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<String>,
    /// Bytes of the volume.
    #[serde(default, deserialize_with = "null_as_default")]
    pub progress: DataMoveProgress,
}

/// Progress in bytes (`pkg/apis/velero/shared/data_move_operation_progress.go`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataMoveProgress {
    /// Bytes in all; unknown (zero) at first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub total_bytes: u64,
    /// Bytes done so far.
    #[serde(default, deserialize_with = "null_as_default")]
    pub bytes_done: u64,
}
