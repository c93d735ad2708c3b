//! `Schedule` (`pkg/apis/velero/v1/schedule_types.go`).

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::phase::SchedulePhase;
use crate::{BackupSpec, Kind, Object};

/// Makes a [`crate::Backup`] from a template, again and again.
///
/// The backups are named `SCHEDULE-YYYYMMDDhhmmss` and get the schedule's labels (`pkg/builder/backup_builder.go`).
pub type Schedule = Object<ScheduleSpec, ScheduleStatus>;

impl Kind for ScheduleSpec {
    const KIND: &'static str = "Schedule";
    const PLURAL: &'static str = "schedules";
}

/// When backups are made, and what each of them is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// The spec of every backup.
    #[serde(default, deserialize_with = "null_as_default")]
    pub template: BackupSpec,
    /// A cron expression, as Velero's parser takes it: five fields or a descriptor such as `@daily`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub schedule: String,
    /// Whether the Schedule owns its Backups, so that deleting it deletes the Backup objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_owner_references_in_backup: Option<bool>,
    /// Whether no backups are made for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Whether the backup that is due when the Schedule is created is skipped. Velero sets it back to false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_immediately: Option<bool>,
}

/// What Velero reports of a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// Whether the schedule was understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<SchedulePhase>,
    /// When a backup was last made: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<String>,
    /// When a backup was last skipped: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_skipped: Option<String>,
    /// Why the schedule was refused.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub validation_errors: Vec<String>,
}
