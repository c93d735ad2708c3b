//! All that can be told of one app's backups, for whoever watches them: a fixed number of lists, however many backups there are.
//!
//! [`standing`](crate::backups::standing) asks for less where less is to be said: a status needs the last good backup alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::Value;
use velero_api::{BackupPhase, BackupRepository, BackupRepositorySpec};

use crate::backups::{
    self, AppId, BackupHealth, BackupSummary, BadBackup, EndpointHealth, LastGood, Verdict, last_good,
    newest_proof,
};
use crate::cluster::Cluster;
use crate::overview::{self, AppSchedule, Location};
use crate::shown::shown;
use crate::{Result, velero};

/// So many objects are in memory as Kubernetes writes them at a time: each has some kilobytes, most of which nobody asks for.
const PAGE: u32 = 50;

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The app's backups, newest first.
    pub backups: Vec<BackupSummary>,
    /// The Schedules that velero-operator made for it.
    pub schedules: Vec<AppSchedule>,
    /// Where Velero stores backups, of whatever app.
    pub locations: Vec<Location>,
    /// The repositories of the files of the app's namespace.
    pub repositories: Vec<Repository>,
}

/// Where Velero keeps the files of a namespace's volumes in a storage location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Velero's namespace.
    pub velero_namespace: String,
    /// Name of the backup storage location.
    pub storage_location: String,
    /// `kopia` or `restic`.
    pub uploader: String,
    /// Whether Velero can use it.
    pub is_ready: bool,
}

/// Reads it: a list each of the app's Backups, its Schedules, the storage locations, the repositories, and of the pod volume backups of
/// the cluster, which carry no label of the app's.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as [`Cluster::ask`].
pub async fn watched(cluster: &Cluster, whose: &AppId) -> Result<Watched> {
    let page = ListParams::default().limit(PAGE);
    let of_app = page.clone().labels(&backups::of_app(&whose.app));
    // One after the other: each page is let go before the next one comes.
    let mut backups = backups::list_all(cluster, &of_app, &page).await?.backups;
    backups.retain(|backup| backup.whose == *whose);
    let mut schedules = overview::schedules_of(cluster, &of_app).await?;
    schedules.retain(|schedule| schedule.whose == *whose);
    Ok(Watched {
        backups,
        schedules,
        locations: overview::locations(cluster).await?,
        repositories: repositories(cluster, &whose.model, &page).await?,
    })
}

async fn repositories(cluster: &Cluster, namespace: &str, page: &ListParams) -> Result<Vec<Repository>> {
    let read = |object: Value| {
        let repository = BackupRepository::deserialize(object).ok()?;
        (repository.spec.volume_namespace == namespace).then(|| Repository {
            velero_namespace: shown(repository.metadata.namespace.as_deref().unwrap_or_default()),
            storage_location: shown(&repository.spec.backup_storage_location),
            uploader: shown(&repository.spec.repository_type),
            is_ready: repository
                .status
                .is_some_and(|status| status.phase.as_deref() == Some("Ready")),
        })
    };
    let what = "list backup repositories";
    velero::list_as::<BackupRepositorySpec, _>(cluster, what, None, page, read).await
}

impl Watched {
    /// How the backups stand: what [`standing`](crate::backups::standing) says of the same cluster.
    pub fn health(&self, whose: &AppId, now: Timestamp) -> BackupHealth {
        let mut endpoints: BTreeMap<String, EndpointHealth> = BTreeMap::new();
        for schedule in &self.schedules {
            let known = endpoints.entry(schedule.endpoint.clone()).or_default();
            if schedule.scheduled.counts_before(known.schedule.as_ref()) {
                known.schedule = Some(schedule.scheduled.clone());
            }
        }
        for backup in &self.backups {
            let known = endpoints.entry(backup.endpoint.clone()).or_default();
            let found = last_good(std::slice::from_ref(backup), whose, now);
            // They come newest first.
            known.last_good = known.last_good.take().or(found);
        }
        let bad = endpoints.iter().filter_map(|(name, known)| {
            let bad = self.bad(name, known.last_good.as_ref(), now)?;
            Some((name.clone(), bad))
        });
        let bad = bad.collect();
        let is_completed = |backup: &&BackupSummary| {
            let is_over = backup.expires.is_some_and(|end| end <= now);
            backup.phase == Some(BackupPhase::Completed) && backup.before_restore.is_none() && !is_over
        };
        let proofs = self
            .backups
            .iter()
            .filter(is_completed)
            .filter_map(|backup| Some(((), backup.proof.clone()?)));
        BackupHealth {
            endpoints,
            kept_longest: self.kept_longest(whose, now),
            last_proof: newest_proof(proofs, now).map(|((), proof)| proof),
            since: self
                .backups
                .iter()
                .filter(is_completed)
                .filter_map(|backup| backup.started)
                .min(),
            bad,
            stored_in: self
                .backups
                .iter()
                .find(is_completed)
                .map(|newest| (newest.velero_namespace.clone(), newest.storage_location.clone()))
                .filter(|(_, name)| !name.is_empty()),
            storage: None,
        }
    }

    /// The newest one of an endpoint that came to nothing, if no good one has ended since.
    fn bad(&self, endpoint: &str, last_good: Option<&LastGood>, now: Timestamp) -> Option<BadBackup> {
        let last_good = last_good.and_then(|last| last.time);
        let mut all = self.backups.iter();
        let bad = all.find_map(|backup| {
            let verdict = backup.verdict(now);
            let is_bad = matches!(verdict, Verdict::Empty | Verdict::Partial | Verdict::Failed);
            let counts = backup.endpoint == endpoint && backup.before_restore.is_none();
            (is_bad && counts).then(|| BadBackup {
                name: backup.name.clone(),
                at: backup.completed.or(backup.started).unwrap_or(now),
                is: verdict.to_string(),
                why: (!backup.complaints.is_empty()).then(|| backup.complaints.join("; ")),
            })
        });
        bad.filter(|bad| last_good.is_none_or(|last| last < bad.at))
    }

    fn kept_longest(&self, whose: &AppId, now: Timestamp) -> Option<LastGood> {
        let good = self
            .backups
            .iter()
            .filter_map(|backup| last_good(std::slice::from_ref(backup), whose, now));
        // Of equal ones the newest, which comes first.
        good.rev()
            .max_by_key(|last| last.expires.unwrap_or(Timestamp::MAX))
    }

    /// Whether Velero can use the location that the app's backups are stored in; `None` where none is known yet.
    pub fn storage_is_available(&self) -> Option<bool> {
        let used = |location: &&Location| {
            self.schedules.iter().any(|schedule| {
                schedule.velero_namespace == location.velero_namespace
                    && match &schedule.template.storage_location {
                        Some(name) => *name == location.name,
                        None => location.is_default,
                    }
            })
        };
        let of_app: Vec<&Location> = self.locations.iter().filter(used).collect();
        let all: Vec<&Location> = match self.schedules.is_empty() {
            true => self.locations.iter().collect(),
            // A Schedule whose location is gone stores nothing.
            false if of_app.is_empty() => return Some(false),
            false => of_app,
        };
        let known: Vec<bool> = all
            .into_iter()
            .filter_map(|location| location.is_available)
            .collect();
        (!known.is_empty()).then(|| known.into_iter().all(|is_available| is_available))
    }

    /// Whether Velero can use all repositories of the app's namespace; `None` before there is one.
    pub fn repository_is_ready(&self) -> Option<bool> {
        let mut all = self.repositories.iter();
        (!self.repositories.is_empty()).then(|| all.all(|repository| repository.is_ready))
    }
}
