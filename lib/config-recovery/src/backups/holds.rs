//! What a backup holds of an app's config volume.

use velero_api::{BackupSpec, BackupStatus, Meaning, PodVolumeBackup, PodVolumePhase};

use super::names::{CONFIG, JUJU_STORAGE_LABEL, is_config_volume, unit_of};
use super::owner;
use super::{AppId, BackupContents, FilesBackup};
use crate::shown::shown;

/// How many things of one kind are named before the rest is counted.
const NAMED: usize = 3;

/// The pod volume backups of one backup.
#[derive(Debug, Default)]
pub(super) struct PodVolumes {
    /// Those that could be decoded.
    pub readable: Vec<PodVolumeBackup>,
    /// Why the others could not.
    pub unreadable: Vec<String>,
}

/// What is held, and what is wrong with it.
pub(super) struct Held {
    pub holds: BackupContents,
    pub complaints: Vec<String>,
}

fn is_config_of(app: &str, volume: &PodVolumeBackup) -> bool {
    unit_of(app, &volume.spec.pod.name).is_some() && is_config_volume(app, &volume.spec.volume)
}

fn bytes_of(volume: &PodVolumeBackup) -> u64 {
    volume
        .status
        .as_ref()
        .map_or(0, |status| status.progress.bytes_done)
}

fn is_completed(volume: &PodVolumeBackup) -> bool {
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_ref());
    phase.is_some_and(|phase| phase.meaning() == Meaning::Good)
}

/// "volume radarr-media of pod media/radarr-0"
fn name_of(volume: &PodVolumeBackup) -> String {
    let pod = &volume.spec.pod;
    shown(&format!(
        "volume {} of pod {}/{}",
        volume.spec.volume, pod.namespace, pod.name
    ))
}

impl PodVolumes {
    /// The namespaces in which a config volume of an app of this name was stored.
    pub fn namespaces_of(&self, app: &str) -> Vec<String> {
        let mut found: Vec<String> = self
            .readable
            .iter()
            .filter(|volume| is_config_of(app, volume) && is_completed(volume))
            .map(|volume| volume.spec.pod.namespace.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// What is held of the config volume of `whose`. Other pods and other volumes do not count.
    pub fn held(&self, whose: &AppId, spec: &BackupSpec, status: &BackupStatus) -> Held {
        let is_own = |volume: &&PodVolumeBackup| {
            is_config_of(&whose.app, volume) && volume.spec.pod.namespace == whose.model
        };
        let (own, others): (Vec<&PodVolumeBackup>, Vec<_>) = self.readable.iter().partition(is_own);
        let mut complaints = Vec::new();
        let files = stored(&own, &mut complaints);
        complaints.extend(self.unreadable.iter().cloned());
        let others: Vec<String> = others.into_iter().map(name_of).collect();
        if !others.is_empty() {
            complaints.push(format!("it also has {}", several(&others)));
        }
        let holds = files.or_else(|| snapshots(spec, status, &mut complaints));
        Held {
            holds: holds.unwrap_or(BackupContents::Nothing),
            complaints,
        }
    }
}

/// The files of the config volume, if any were stored.
fn stored(own: &[&PodVolumeBackup], complaints: &mut Vec<String>) -> Option<BackupContents> {
    let mut stored: Vec<FilesBackup> = Vec::new();
    let mut pods: Vec<String> = Vec::new();
    for volume in own {
        let name = name_of(volume);
        let status = volume.status.clone().unwrap_or_default();
        let phase = status.phase.unwrap_or(PodVolumePhase::New);
        match phase.meaning() {
            Meaning::Good => {}
            Meaning::Bad => {
                let no_reason = || format!("{} without a reason", phase.word());
                let reason = status.message.as_deref().map_or_else(no_reason, shown);
                complaints.push(format!("{name} was not stored: {reason}"));
                continue;
            }
            Meaning::Unknown => {
                let word = shown(phase.word());
                complaints.push(format!("{name} is {word}, which says nothing here"));
                continue;
            }
            // It runs, or does no more because the backup has ended; the backup's own phase tells.
            Meaning::Waits | Meaning::Works | Meaning::Goes => continue,
        }
        let snapshot_id = status.snapshot_id.filter(|id| !id.is_empty());
        let Some(snapshot_id) = snapshot_id.filter(|_| bytes_of(volume) > 0) else {
            complaints.push(format!("{name} was empty"));
            continue;
        };
        pods.push(format!(
            "{} ({} bytes)",
            shown(&volume.spec.pod.name),
            bytes_of(volume)
        ));
        stored.push(FilesBackup {
            bytes: bytes_of(volume),
            volume: volume.spec.volume.clone(),
            snapshot_id,
            uploader: volume.spec.uploader_type.clone(),
            source_namespace: volume.spec.pod.namespace.clone(),
            storage_location: volume.spec.backup_storage_location.clone(),
        });
    }
    if stored.len() > 1 {
        // Of several units only the leader's volume is backed up by our spec. Otherwise none can be told from here.
        complaints.push(format!(
            "it holds the volumes of several pods: {}; the largest counts",
            several(&pods)
        ));
    }
    stored
        .into_iter()
        .max_by_key(|files| files.bytes)
        .map(BackupContents::Files)
}

/// Snapshots are counted, not named: they are of the config volume if the backup asked for nothing else.
fn snapshots(
    spec: &BackupSpec,
    status: &BackupStatus,
    complaints: &mut Vec<String>,
) -> Option<BackupContents> {
    let attempted = status.csi_volume_snapshots_attempted;
    let count = status.csi_volume_snapshots_completed;
    if attempted > count {
        complaints.push(format!("snapshots that failed: {}", attempted - count));
    }
    if count == 0 {
        return None;
    }
    if owner::selected(spec, JUJU_STORAGE_LABEL).as_deref() != Some(CONFIG) {
        complaints.push(format!(
            "it has {count} snapshots, and does not tell whether one is of the config volume"
        ));
        return None;
    }
    Some(BackupContents::Snapshot { count })
}

fn several(names: &[String]) -> String {
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
