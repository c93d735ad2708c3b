//! `Backup` (`pkg/apis/velero/v1/backup_types.go`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::phase::BackupPhase;
use crate::{Kind, LabelSelector, Object, TypedLocalObjectReference};

/// One backup: made by hand, or by Velero from a [`crate::Schedule`].
pub type Backup = Object<BackupSpec, BackupStatus>;

impl Kind for BackupSpec {
    const KIND: &'static str = "Backup";
    const PLURAL: &'static str = "backups";
}

/// What a backup holds and how long it is kept. Also the template of a [`crate::Schedule`].
///
/// Everything unset means *everything in the cluster*: an empty spec is the widest backup there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupSpec {
    /// Namespaces that are backed up; empty means all.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub included_namespaces: Vec<String>,
    /// Namespaces that are left out.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub excluded_namespaces: Vec<String>,
    /// Resources that are backed up, for example `pods` or `deployments.apps`; empty means all.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub included_resources: Vec<String>,
    /// Resources that are left out.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub excluded_resources: Vec<String>,
    /// Only objects with these labels. A pod's claims are taken along whatever their labels are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Objects that match any of these. Velero refuses it beside `label_selector`.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub or_label_selectors: Vec<LabelSelector>,
    /// Whether volumes are snapshotted; unset lets Velero decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_volumes: Option<bool>,
    /// How long the backup is kept: text of a Go duration, for example `720h0m0s`. Unset means the server's default (30 days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Whether cluster-scoped objects are taken; unset takes those that belong to what is backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_cluster_resources: Option<bool>,
    /// Name of the [`crate::BackupStorageLocation`]; unset means the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_location: Option<String>,
    /// Names of the volume snapshot locations.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub volume_snapshot_locations: Vec<String>,
    /// Whether pod volumes are copied file by file unless a pod opts out; unset takes the server's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_volumes_to_fs_backup: Option<bool>,
    /// Resource to a comma list of `namespace/name`: the order in which objects of that resource are backed up.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub ordered_resources: BTreeMap<String, String>,
    /// How long Velero waits for a CSI snapshot: text of a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csi_snapshot_timeout: Option<String>,
    /// How long Velero waits for asynchronous plugin work: text of a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_operation_timeout: Option<String>,
    /// A ConfigMap with volume policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<TypedLocalObjectReference>,
    /// Whether snapshots are moved to object storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_move_data: Option<bool>,
}

/// What Velero reports of a backup.
///
/// Beware: `Completed` says that nothing went wrong, not that anything was saved. A selector that matches nothing, and
/// a backup without the pods whose volumes were meant, complete as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Where the backup stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BackupPhase>,
    /// When Velero will delete the backup: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    /// Why the spec was refused.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub validation_errors: Vec<String>,
    /// When it began: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<String>,
    /// When it ended, well or not: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<String>,
    /// Number of warnings in the backup's log.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_zero"
    )]
    pub warnings: u64,
    /// Number of errors in the backup's log.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_zero"
    )]
    pub errors: u64,
    /// Why the backup failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// Counts objects, not bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<BackupProgress>,
    /// CSI snapshots that were tried.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_zero"
    )]
    pub csi_volume_snapshots_attempted: u64,
    /// CSI snapshots that were made.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_zero"
    )]
    pub csi_volume_snapshots_completed: u64,
    /// What became of the pods' hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_status: Option<HookStatus>,
}

/// Progress of a backup in objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupProgress {
    /// Objects to back up; may grow while the backup runs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub total_items: u64,
    /// Objects backed up so far.
    #[serde(default, deserialize_with = "null_as_default")]
    pub items_backed_up: u64,
}

/// How many hooks ran, and how many of them failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookStatus {
    /// Hooks that were run.
    #[serde(default, deserialize_with = "null_as_default")]
    pub hooks_attempted: u64,
    /// Hooks that failed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub hooks_failed: u64,
}

pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}
