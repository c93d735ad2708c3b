//! The Schedules that velero-operator makes for apps.

use jiff::Timestamp;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use velero_api::{BackupSpec, ObjectMeta, Schedule, SchedulePhase, ScheduleSpec};

use super::names::ENDPOINT_LABEL;
use super::{AppId, owner};
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// A Schedule of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSchedule {
    /// Whose backups it makes.
    pub whose: AppId,
    /// The endpoint of the app's that asked for it.
    pub endpoint: String,
    /// Velero's namespace.
    pub velero_namespace: String,
    /// Its name, since when it is there, and why it makes no backups, if so.
    pub scheduled: Scheduled,
    /// When it makes them, in Velero's words.
    pub cron: String,
    /// When it made the last one.
    pub last_run: Option<Timestamp>,
    /// What each of its backups asks for.
    pub template: BackupSpec,
}

/// A Schedule, as far as it tells whether backups are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub since: Option<Timestamp>,
    /// Why no backups are made by it, if that is so.
    pub rests: Option<Rests>,
}

/// Why no backups are made by a Schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rests {
    /// Velero refuses it (phase FailedValidation).
    Refused {
        /// Velero's words.
        why: String,
    },
    /// It is paused.
    Paused,
}

impl Scheduled {
    /// Whether it tells more of an endpoint than another one: one that makes backups counts before one that rests, and then the
    /// oldest.
    pub(super) fn counts_before(&self, other: Option<&Self>) -> bool {
        let rank = |schedule: &Self| (schedule.rests.is_some(), schedule.since);
        other.is_none_or(|other| rank(self) < rank(other))
    }

    fn of(schedule: Schedule) -> Self {
        let status = schedule.status.unwrap_or_default();
        let rests = match status.phase {
            Some(SchedulePhase::FailedValidation) => Some(Rests::Refused {
                why: shown(&status.validation_errors.join("; ")),
            }),
            _ if schedule.spec.paused == Some(true) => Some(Rests::Paused),
            _ => None,
        };
        Self {
            name: shown(&schedule.metadata.name.unwrap_or_default()),
            since: schedule
                .metadata
                .creation_timestamp
                .and_then(|text| text.parse().ok()),
            rests,
        }
    }
}

/// Reads those of all apps: one request for every 500.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as [`Cluster::ask`].
pub async fn schedules(cluster: &Cluster) -> Result<Vec<AppSchedule>> {
    schedules_of(cluster, &ListParams::default()).await
}

/// `which` of them.
///
/// # Errors
/// As [`schedules`].
pub(crate) async fn schedules_of(cluster: &Cluster, which: &ListParams) -> Result<Vec<AppSchedule>> {
    let all = velero::list::<ScheduleSpec>(cluster, "list schedules", None, which).await?;
    Ok(all.iter().filter_map(read).collect())
}

fn read(object: &Value) -> Option<AppSchedule> {
    let schedule = Schedule::deserialize(object).ok()?;
    let (metadata, template) = (&schedule.metadata, &schedule.spec.template);
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    Some(AppSchedule {
        whose: AppId {
            app: owner::app(metadata, template)?,
            model: owner::model(metadata, template, &[])?,
        },
        endpoint: shown(&endpoint_of(metadata)),
        velero_namespace: shown(metadata.namespace.as_deref().unwrap_or_default()),
        cron: shown(&schedule.spec.schedule),
        last_run: time(
            &schedule
                .status
                .as_ref()
                .and_then(|status| status.last_backup.clone()),
        ),
        template: template.clone(),
        scheduled: Scheduled::of(schedule),
    })
}

/// The endpoint of the app that velero-operator made something for.
pub(super) fn endpoint_of(metadata: &ObjectMeta) -> String {
    metadata.labels.get(ENDPOINT_LABEL).cloned().unwrap_or_default()
}
