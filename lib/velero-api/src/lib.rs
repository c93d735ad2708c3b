//! Velero's custom resources (`velero.io/v1`) as plain serde types.
//!
//! The types follow `pkg/apis/velero/v1/*_types.go` of `vmware-tanzu/velero` (v1.15.2, and the phases of
//! newer ones; what else those add is optional there, and is skipped here when read). Only what a client needs to make backups and to find, check and
//! restore them is modelled.
//!
//! * Reading is lenient: unknown fields are skipped, a missing field and an explicit `null` mean the same.
//! * Writing leaves out what is unset, as Go's `omitempty` does, and writes keys in the order of the declaration, so
//!   that equal values give equal bytes.
//! * Because unknown fields are skipped, do not read an object, change it and write the whole of it back: send a
//!   patch that holds only what is to change.
//!
//! This crate knows no Kubernetes client. An [`Object`] turns into JSON and back; how it travels is the caller's affair.

mod backup;
mod labels;
mod lenient;
mod object;
mod phase;
mod pod_volume_backup;
mod pod_volume_restore;
mod repository;
mod restore;
mod schedule;
mod storage_location;

pub use backup::{Backup, BackupProgress, BackupSpec, BackupStatus, HookStatus};
pub use labels::{
    BACKUP_NAME_LABEL, BACKUP_UID_LABEL, POD_UID_LABEL, PVC_UID_LABEL, RESTORE_NAME_LABEL, RESTORE_UID_LABEL,
    SCHEDULE_NAME_LABEL, STORAGE_LOCATION_LABEL,
};
pub use object::{
    API_GROUP, API_VERSION, Kind, LabelSelector, LabelSelectorRequirement, List, ListMeta, Object,
    ObjectMeta, OwnerReference, SelectorOperator, TypedLocalObjectReference,
};
pub use phase::{
    BackupPhase, BackupStorageLocationPhase, Meaning, PodVolumePhase, RestorePhase, SchedulePhase,
};
pub use pod_volume_backup::{
    DataMoveProgress, PodReference, PodVolumeBackup, PodVolumeBackupSpec, PodVolumeBackupStatus,
};
pub use pod_volume_restore::{
    PodVolumeRestore, PodVolumeRestoreSpec, PodVolumeRestoreStatus, RESTORE_WAIT_CONTAINER,
};
pub use repository::{BackupRepository, BackupRepositorySpec, BackupRepositoryStatus};
pub use restore::{
    ExistingResourcePolicy, Restore, RestoreProgress, RestoreSpec, RestoreStatus, RestoreStatusSpec,
};
pub use schedule::{Schedule, ScheduleSpec, ScheduleStatus};
pub use storage_location::{
    BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, ObjectStorageLocation,
};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
