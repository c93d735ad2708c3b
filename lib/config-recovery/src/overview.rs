//! What somebody who looks after many apps asks of a cluster: few requests, however many apps and backups there are.

use std::collections::BTreeMap;

use kube::api::ListParams;
use serde::Deserialize;
use serde_json::Value;
use velero_api::{BACKUP_UID_LABEL, PodVolumeBackup, PodVolumeRestore, PodVolumeRestoreSpec};

use crate::backups::{self, AppId, AppSchedule, BackupSummary};
use crate::cluster::Cluster;
use crate::locations::{self, Location};
use crate::scratch::{self, Purpose};
use crate::{Result, velero};

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// The backups of all apps, newest first.
    pub backups: Vec<BackupSummary>,
    /// The Schedules that velero-operator made for apps.
    pub schedules: Vec<AppSchedule>,
    /// Where Velero stores backups.
    pub locations: Vec<Location>,
    /// Restores into scratch namespaces that Velero is at work on.
    pub restores: Vec<MovingRestore>,
    /// How far Velero is with the volumes of the backups that it is at work on, by the uid of the Backup.
    pub moving: BTreeMap<String, Progress>,
}

/// How many bytes of a volume are there so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all; `None` while that is not known.
    pub total: Option<u64>,
}

/// A restore into a scratch namespace that Velero is at work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovingRestore {
    /// The scratch namespace, which tells whose it is: [`MovingRestore::is_of`].
    pub namespace: String,
    /// How far it is.
    pub progress: Progress,
}

impl MovingRestore {
    /// Whether it is one of the app's, for this purpose.
    pub fn is_of(&self, whose: &AppId, purpose: Purpose) -> bool {
        self.namespace == scratch::namespace(whose, purpose)
    }
}

/// Reads it: one request each for the storage locations and the restores, and for every 500 backups, pod volume backups and Schedules.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as [`Cluster::ask`].
pub async fn overview(cluster: &Cluster) -> Result<Overview> {
    let everything = ListParams::default();
    // By itself, and first: a list of backups is whole only where Velero had read its object storage before.
    let locations = locations::locations(cluster).await;
    let (backups, schedules, restores) = tokio::join!(
        backups::list_all(cluster, &everything, &everything),
        backups::schedules(cluster),
        moving_restores(cluster),
    );
    // In this order: whichever answers first, the same refusal has the same text.
    let backups = backups?;
    let mut moving = BTreeMap::new();
    for volume in &backups.moving {
        if let Some(uid) = volume.metadata.labels.get(BACKUP_UID_LABEL) {
            add(&mut moving, uid.clone(), volume);
        }
    }
    Ok(Overview {
        backups: backups.backups,
        moving,
        schedules: schedules?,
        locations: locations?,
        restores: restores?,
    })
}

/// Restores into scratch namespaces that Velero is at work on: one request.
///
/// # Errors
/// As [`overview`].
pub async fn moving_restores(cluster: &Cluster) -> Result<Vec<MovingRestore>> {
    let ours = ListParams::default().labels(&scratch::ours());
    let all = velero::list::<PodVolumeRestoreSpec>(cluster, "list pod volume restores", None, &ours).await?;
    let read = |object: &Value| {
        let restore = PodVolumeRestore::deserialize(object).ok()?;
        let status = restore.status.unwrap_or_default();
        backups::is_moving(status.phase.as_ref()).then(|| MovingRestore {
            namespace: restore.spec.pod.namespace,
            progress: Progress::of(status.progress.bytes_done, status.progress.total_bytes),
        })
    };
    Ok(all.iter().filter_map(read).collect())
}

/// How far Velero is with the volumes of each pod that it is at work on for a backup, by the pod's namespace and name: one request.
///
/// # Errors
/// As [`overview`].
pub async fn moving_backups(cluster: &Cluster) -> Result<BTreeMap<(String, String), Progress>> {
    let what = "list pod volume backups";
    let all = backups::pod_volumes(cluster, what, None, &ListParams::default()).await?;
    let mut moving = BTreeMap::new();
    let volumes = all.iter().filter_map(|volume| volume.read.as_ref().ok());
    for volume in volumes.filter(|volume| backups::is_moving(backups::phase_of(volume))) {
        let pod = &volume.spec.pod;
        add(&mut moving, (pod.namespace.clone(), pod.name.clone()), volume);
    }
    Ok(moving)
}

/// Counts what is there of a volume in.
fn add<K: Ord>(moving: &mut BTreeMap<K, Progress>, key: K, volume: &PodVolumeBackup) {
    let progress = volume.status.as_ref().map(|status| &status.progress);
    let more = progress.map_or_else(Progress::default, |progress| {
        Progress::of(progress.bytes_done, progress.total_bytes)
    });
    let known = moving.entry(key).or_default();
    known.done = known.done.saturating_add(more.done);
    known.total = match (known.total, more.total) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
}

impl Progress {
    fn of(done: u64, total: u64) -> Self {
        Self {
            done,
            total: (total > 0).then_some(total),
        }
    }
}
