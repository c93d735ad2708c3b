//! All that can be told of one app's backups, for whoever watches them: a fixed number of lists, however many backups there are.
//!
//! [`standing`](crate::backups::standing) asks for less where less is to be said: a status needs the last good backup alone.

use jiff::Timestamp;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::Value;
use velero_api::{BackupRepository, BackupRepositorySpec};

use crate::backups::{self, AppId, AppSchedule, BackupHealth, BackupSummary};
use crate::cluster::Cluster;
use crate::locations::{self, Location};
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
    let mut schedules = backups::schedules_of(cluster, &of_app).await?;
    schedules.retain(|schedule| schedule.whose == *whose);
    Ok(Watched {
        backups,
        schedules,
        locations: locations::locations(cluster).await?,
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
        let mut health = backups::health(&self.backups, &self.schedules, whose, now);
        health.storage = locations::unusable(&self.locations, &health.needs);
        health
    }

    /// Whether Velero can use the locations that the app's backups need; `None` where that is not known yet.
    pub fn storage_is_usable(&self, health: &BackupHealth) -> Option<bool> {
        locations::is_usable(&self.locations, &health.needs)
    }

    /// Whether Velero can use the repositories of the app's namespace in the locations that its backups need; `None` before there is one. That of
    /// a location that was left for another one may be gone.
    pub fn repository_is_ready(&self, health: &BackupHealth) -> Option<bool> {
        let needed = |repository: &&Repository| {
            let (namespace, location) = (&repository.velero_namespace, &repository.storage_location);
            locations::is_needed(&self.locations, &health.needs, namespace, location)
        };
        let mut all = self.repositories.iter().filter(needed).peekable();
        all.peek()?;
        Some(all.all(|repository| repository.is_ready))
    }
}
