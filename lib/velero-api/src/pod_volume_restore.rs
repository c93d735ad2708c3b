//! `PodVolumeRestore` (`pkg/apis/velero/v1/pod_volume_restore_type.go`): what Velero's node agent works on.

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::phase::PodVolumePhase;
use crate::pod_volume_backup::{DataMoveProgress, PodReference};
use crate::{Kind, Object};

/// Brings one volume of one pod back from a file-system backup.
///
/// The node agent of the pod's node takes it up as soon as the pod's init container `restore-wait` runs
/// (`pkg/controller/pod_volume_restore_controller.go`), writes the files, and ends with a file `.velero/UID` in the volume,
/// where UID is that of the controller among the owners. A restore without such an owner fails.
pub type PodVolumeRestore = Object<PodVolumeRestoreSpec, PodVolumeRestoreStatus>;

impl Kind for PodVolumeRestoreSpec {
    const KIND: &'static str = "PodVolumeRestore";
    const PLURAL: &'static str = "podvolumerestores";
}

/// Name of the init container that the node agent waits for (`pkg/restorehelper/util.go`).
pub const RESTORE_WAIT_CONTAINER: &str = "restore-wait";

/// Which volume, and from what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeRestoreSpec {
    /// The pod, which has to be there already.
    #[serde(default, deserialize_with = "null_as_default")]
    pub pod: PodReference,
    /// The volume's name in the pod's spec.
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume: String,
    /// Name of the backup storage location.
    #[serde(default, deserialize_with = "null_as_default")]
    pub backup_storage_location: String,
    /// The repository, for restic. Empty for kopia, which finds it by `source_namespace`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub repo_identifier: String,
    /// What wrote the files: `kopia` or `restic`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub uploader_type: String,
    /// The snapshot in the repository.
    #[serde(default, rename = "snapshotID", deserialize_with = "null_as_default")]
    pub snapshot_id: String,
    /// The namespace that the backup was made of.
    #[serde(default, deserialize_with = "null_as_default")]
    pub source_namespace: String,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeRestoreStatus {
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PodVolumePhase>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was taken up: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<String>,
    /// When it ended, well or not: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<String>,
    /// Bytes written so far.
    #[serde(default, deserialize_with = "null_as_default")]
    pub progress: DataMoveProgress,
}
