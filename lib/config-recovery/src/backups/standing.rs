//! How an app's backups stand, in few requests: for a status that is asked for every five minutes.

use jiff::Timestamp;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use velero_api::{
    Backup, BackupPhase, BackupSpec, BackupStorageLocation, BackupStorageLocationSpec, Schedule,
    SchedulePhase, ScheduleSpec,
};

use super::names::{APP_LABEL, BEFORE_RESTORE, ENDPOINT_LABEL};
use super::{AppId, LastGood, last_good, owner, summary_of};
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// So many completed backups are looked into for one that holds something.
const LOOKED_INTO: usize = 5;

/// How an app's backups stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHealth {
    /// The last good one, if there is one among the newest.
    pub last_good: Option<LastGood>,
    /// The Schedule by which the app is backed up.
    pub schedule: Option<Scheduled>,
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

/// How the backups stand that velero-operator makes for an app's endpoint.
///
/// Three requests, however many backups the cluster holds: the Backups and the Schedules with the operator's labels, and
/// what the newest completed one holds. A completed one that holds nothing costs one more, up to five.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as
/// [`Cluster::ask`].
pub async fn standing(cluster: &Cluster, whose: &AppId, endpoint: &str) -> Result<BackupHealth> {
    let of_endpoint =
        ListParams::default().labels(&format!("{APP_LABEL}={},{ENDPOINT_LABEL}={endpoint}", whose.app));
    let (backups, schedules) = tokio::join!(
        velero::list::<BackupSpec>(cluster, "list backups", None, &of_endpoint),
        velero::list::<ScheduleSpec>(cluster, "list schedules", None, &of_endpoint),
    );
    let (backups, schedules) = (backups?, schedules?);
    let schedule = schedules
        .iter()
        .filter_map(|object| Schedule::deserialize(object).ok())
        .filter(|schedule| {
            owner::model(&schedule.metadata, &schedule.spec.template, &[]).as_ref() == Some(&whose.model)
        })
        .map(scheduled)
        // One that makes backups counts before one that rests, and then the oldest.
        .min_by_key(|schedule| (schedule.rests.is_some(), schedule.since));
    Ok(BackupHealth {
        last_good: newest_good(cluster, whose, &backups).await?,
        schedule,
    })
}

fn scheduled(schedule: Schedule) -> Scheduled {
    let Schedule {
        metadata,
        spec,
        status,
        ..
    } = schedule;
    let status = status.unwrap_or_default();
    let rests = match status.phase {
        Some(SchedulePhase::FailedValidation) => Some(Rests::Refused {
            why: shown(&status.validation_errors.join("; ")),
        }),
        _ if spec.paused == Some(true) => Some(Rests::Paused),
        _ => None,
    };
    Scheduled {
        name: shown(&metadata.name.unwrap_or_default()),
        since: metadata.creation_timestamp.and_then(|text| text.parse().ok()),
        rests,
    }
}

async fn newest_good(
    cluster: &Cluster,
    whose: &AppId,
    objects: &[serde_json::Value],
) -> Result<Option<LastGood>> {
    let mut completed: Vec<(Option<Timestamp>, Backup)> = objects
        .iter()
        .filter_map(|object| Backup::deserialize(object).ok())
        .filter(|backup| {
            let status = backup.status.as_ref();
            // One from before a restore is not what a restore of the last good one brings.
            !backup.metadata.labels.contains_key(BEFORE_RESTORE)
                && status.and_then(|status| status.phase.as_ref()) == Some(&BackupPhase::Completed)
                && owner::model(&backup.metadata, &backup.spec, &[]).as_ref() == Some(&whose.model)
        })
        .map(|backup| {
            let started = backup
                .status
                .as_ref()
                .and_then(|status| status.start_timestamp.as_deref());
            (started.and_then(|text| text.parse().ok()), backup)
        })
        .collect();
    completed.sort_by_key(|(started, _)| std::cmp::Reverse(*started));
    for (_, backup) in completed.iter().take(LOOKED_INTO) {
        let summary = summary_of(cluster, backup, whose).await?;
        if let Some(found) = last_good(&[summary], whose, Timestamp::now()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether Velero has read each of its storage locations once. Before that it knows of no backup that an earlier cluster
/// has made, and an empty list says nothing.
///
/// # Errors
/// As [`standing`].
pub async fn are_read(cluster: &Cluster) -> Result<bool> {
    let locations = velero::list::<BackupStorageLocationSpec>(
        cluster,
        "list backup storage locations",
        None,
        &ListParams::default(),
    )
    .await?;
    let is_read = |object: &serde_json::Value| {
        BackupStorageLocation::deserialize(object)
            .ok()
            .and_then(|location| location.status)
            .is_some_and(|status| status.last_synced_time.is_some())
    };
    Ok(!locations.is_empty() && locations.iter().all(is_read))
}
