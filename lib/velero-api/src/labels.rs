//! Labels that Velero puts on what it makes (`pkg/apis/velero/v1/labels_annotations.go`).

/// On what belongs to a backup, and on every object that a restore of it made: the backup's name.
pub const BACKUP_NAME_LABEL: &str = "velero.io/backup-name";
/// On what belongs to a backup: the uid of the Backup object.
pub const BACKUP_UID_LABEL: &str = "velero.io/backup-uid";
/// On every object that a restore made, except persistent volumes: the restore's name.
pub const RESTORE_NAME_LABEL: &str = "velero.io/restore-name";
/// On what belongs to a restore: the uid of the Restore object.
pub const RESTORE_UID_LABEL: &str = "velero.io/restore-uid";
/// On a Backup that a Schedule made: the schedule's name.
pub const SCHEDULE_NAME_LABEL: &str = "velero.io/schedule-name";
/// On a Backup: the name of the storage location that holds it.
pub const STORAGE_LOCATION_LABEL: &str = "velero.io/storage-location";
/// On a pod volume backup or restore: the uid of the pod.
pub const POD_UID_LABEL: &str = "velero.io/pod-uid";
/// On a pod volume backup or restore: the uid of the claim.
pub const PVC_UID_LABEL: &str = "velero.io/pvc-uid";
