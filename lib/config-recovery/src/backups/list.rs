//! Reads all backups of the cluster and what they hold.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::Value;
use velero_api::{
    BACKUP_NAME_LABEL, BACKUP_UID_LABEL, Backup, BackupPhase, BackupSpec, Meaning, ObjectMeta,
    PodVolumeBackup, PodVolumeBackupSpec, PodVolumePhase, SCHEDULE_NAME_LABEL, Schedule, ScheduleSpec,
};

use super::holds::{Held, PodVolumes};
use super::names::BEFORE_RESTORE;
use super::owner;
use super::proven::{self, Proof};
use super::schedules::endpoint_of;
use super::{AppId, BackupSummary};
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// The phase of a backup whose status cannot be read. Velero has none of this name.
pub(super) const UNREADABLE: &str = "Unreadable";

/// The backups of one app, or of all apps, newest first.
///
/// They are looked for in all namespaces, and the number of requests does not depend on the number of apps: one for every
/// 500 backups, one for every 500 pod volume backups, and one more if a backup can only be told by its Schedule. An object
/// that cannot be decoded hides no other: it is listed with a complaint if it can be told whose it is, and logged otherwise.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as
/// [`Cluster::ask`].
pub async fn list(cluster: &Cluster, whose: Option<&AppId>) -> Result<Vec<BackupSummary>> {
    let Listed { mut backups, .. } =
        list_all(cluster, &ListParams::default(), &ListParams::default()).await?;
    backups.retain(|backup| whose.is_none_or(|whose| backup.whose == *whose));
    Ok(backups)
}

/// All backups, and what is being stored.
pub(crate) struct Listed {
    /// The backups of all apps, newest first.
    pub backups: Vec<BackupSummary>,
    /// The pod volume backups that are not at their end.
    pub moving: Vec<PodVolumeBackup>,
}

/// As [`list`] for all apps, of `which` Backups and pod volume backups, and what the same requests tell beside that.
///
/// # Errors
/// As [`list`].
pub(crate) async fn list_all(
    cluster: &Cluster,
    which: &ListParams,
    of_volumes: &ListParams,
) -> Result<Listed> {
    let (backups, volumes) = tokio::join!(
        velero::list_as::<BackupSpec, _>(cluster, "list backups", None, which, |object| Readable::of(
            &object
        )),
        pod_volumes(cluster, "list pod volume backups", None, of_volumes),
    );
    // In this order: whichever answers first, the same refusal has the same text.
    let (backups, volumes) = (backups?, volumes?);
    let moving: Vec<PodVolumeBackup> = volumes
        .iter()
        .filter_map(|volume| volume.read.as_ref().ok())
        .filter(|volume| is_moving(phase_of(volume)))
        .cloned()
        .collect();
    let schedules = if backups.iter().any(Readable::needs_its_schedule) {
        schedules(cluster).await?
    } else {
        HashMap::new()
    };
    let mut volumes = volumes_by_backup(volumes);
    let mut found: Vec<(Option<Timestamp>, BackupSummary)> = backups
        .into_iter()
        .filter_map(|backup| {
            let volumes = volumes.remove(&backup.key()).unwrap_or_default();
            let began = backup.began();
            Some((began, backup.summary(&volumes, &schedules)?))
        })
        .collect();
    found.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| b.name.cmp(&a.name)));
    Ok(Listed {
        backups: found.into_iter().map(|(_, summary)| summary).collect(),
        moving,
    })
}

/// Whether Velero is at work on it, or will be.
pub(crate) fn is_moving(phase: Option<&PodVolumePhase>) -> bool {
    matches!(
        phase.map(PodVolumePhase::meaning),
        None | Some(Meaning::Waits | Meaning::Works | Meaning::Unknown)
    )
}

/// The phase of a volume's backup; `None` before Velero has seen it.
pub(crate) fn phase_of(volume: &PodVolumeBackup) -> Option<&PodVolumePhase> {
    volume.status.as_ref()?.phase.as_ref()
}

/// One backup with what it holds, as the API server has them now.
///
/// # Errors
/// As [`list`].
pub(crate) async fn summary_of(cluster: &Cluster, backup: &Backup, whose: &AppId) -> Result<BackupSummary> {
    let readable = Readable {
        backup: backup.clone(),
        trouble: None,
    };
    let found = look_into(cluster, &[&readable], whose).await?;
    let unseen = || readable.without_contents(whose);
    Ok(found.into_iter().next().unwrap_or_else(unseen))
}

/// The Backups of an app as they can be told by themselves, newest first.
///
/// # Errors
/// As [`list`].
pub(super) async fn without_contents(
    cluster: &Cluster,
    whose: &AppId,
    which: &ListParams,
) -> Result<Vec<Readable>> {
    let read = |object| Readable::of(&object).filter(|backup| backup.is_of(whose));
    let mut backups = velero::list_as::<BackupSpec, _>(cluster, "list backups", None, which, read).await?;
    backups.sort_by_cached_key(|backup| Reverse((backup.began(), backup.backup.name().to_owned())));
    Ok(backups)
}

/// Backups of one app with what they hold, in their order, in one request: for every 500 pod volume backups of the cluster where there
/// are several.
///
/// # Errors
/// As [`list`].
pub(super) async fn look_into(
    cluster: &Cluster,
    backups: &[&Readable],
    whose: &AppId,
) -> Result<Vec<BackupSummary>> {
    let volumes = match backups {
        [one] => {
            let metadata = &one.backup.metadata;
            let uid = metadata.uid.as_deref().unwrap_or_default();
            let of_backup = ListParams::default().labels(&format!("{BACKUP_UID_LABEL}={uid}"));
            let action = format!("list pod volume backups of backup {}", one.backup.name());
            pod_volumes(cluster, &action, metadata.namespace.as_deref(), &of_backup).await?
        }
        _ => {
            let action = "list pod volume backups";
            pod_volumes(cluster, action, None, &ListParams::default()).await?
        }
    };
    let mut volumes = volumes_by_backup(volumes);
    let summary = |backup: &&Readable| {
        let volumes = volumes.remove(&backup.key()).unwrap_or_default();
        (*backup).clone().summary_as(whose.clone(), &volumes)
    };
    Ok(backups.iter().map(summary).collect())
}

/// Which backup a pod volume backup belongs to: Velero's namespace and the Backup's uid.
type Key = (String, String);

/// A pod volume backup that belongs to a backup.
pub(crate) struct Volume {
    key: Key,
    /// It, or why it cannot be read.
    pub read: std::result::Result<PodVolumeBackup, String>,
}

impl Volume {
    fn of(object: &Value) -> Option<Self> {
        let metadata = metadata(object);
        let Some(uid) = metadata.labels.get(BACKUP_UID_LABEL) else {
            log::debug!("{} belongs to no backup", place("PodVolumeBackup", &metadata));
            return None;
        };
        let key = (metadata.namespace.clone().unwrap_or_default(), uid.clone());
        let read = PodVolumeBackup::deserialize(object).map_err(|error| {
            let backup = metadata.labels.get(BACKUP_NAME_LABEL).map_or("", String::as_str);
            let what = place("PodVolumeBackup", &metadata);
            let error = shown(&error.to_string());
            log::warn!("cannot read {what} of backup {}: {error}", shown(backup));
            format!("{what} cannot be read: {error}")
        });
        // What nobody asks for is most of it.
        let read = read.map(|mut volume| {
            volume.metadata = ObjectMeta {
                labels: [(BACKUP_UID_LABEL.to_owned(), uid.clone())].into(),
                ..ObjectMeta::default()
            };
            volume.spec.tags.clear();
            volume
        });
        Some(Self { key, read })
    }
}

/// The pod volume backups that match.
///
/// # Errors
/// As [`list`].
pub(crate) async fn pod_volumes(
    cluster: &Cluster,
    action: &str,
    namespace: Option<&str>,
    which: &ListParams,
) -> Result<Vec<Volume>> {
    velero::list_as::<PodVolumeBackupSpec, _>(cluster, action, namespace, which, |object| Volume::of(&object))
        .await
}

/// Backups are matched by uid: names are used again. When Velero reads backups back from the object store into a new
/// cluster, it gives them new uids, and puts those on their pod volume backups too
/// (`pkg/controller/backup_sync_controller.go`).
fn volumes_by_backup(volumes: Vec<Volume>) -> HashMap<Key, PodVolumes> {
    let mut found: HashMap<Key, PodVolumes> = HashMap::new();
    for Volume { key, read } in volumes {
        let of_backup = found.entry(key).or_default();
        match read {
            Ok(volume) => of_backup.readable.push(volume),
            Err(why) => of_backup.unreadable.push(why),
        }
    }
    found
}

async fn schedules(cluster: &Cluster) -> Result<HashMap<Key, Schedule>> {
    let objects =
        velero::list::<ScheduleSpec>(cluster, "list schedules", None, &ListParams::default()).await?;
    let mut found = HashMap::new();
    for object in &objects {
        match Schedule::deserialize(object) {
            Ok(schedule) => {
                let key = (
                    schedule.metadata.namespace.clone().unwrap_or_default(),
                    schedule.name().to_owned(),
                );
                found.insert(key, schedule);
            }
            Err(error) => log::warn!(
                "cannot read {}: {}",
                place("Schedule", &metadata(object)),
                shown(&error.to_string())
            ),
        }
    }
    Ok(found)
}

/// As much of an object's metadata as can be read.
fn metadata(object: &Value) -> ObjectMeta {
    ObjectMeta::deserialize(&object["metadata"]).unwrap_or_default()
}

fn place(kind: &str, metadata: &ObjectMeta) -> String {
    let part = |part: &Option<String>| shown(part.as_deref().unwrap_or("?"));
    format!("{kind} {}/{}", part(&metadata.namespace), part(&metadata.name))
}

/// A Backup, with as much of it as could be read.
#[derive(Clone)]
pub(super) struct Readable {
    backup: Backup,
    /// Why the rest could not.
    trouble: Option<String>,
}

impl Readable {
    /// `None` when not even its metadata can be read.
    fn of(object: &Value) -> Option<Self> {
        let error = match Backup::deserialize(object) {
            Ok(mut backup) => {
                // What nobody asks for is most of it.
                backup.metadata.annotations.retain(|key, _| proven::is_ours(key));
                backup.metadata.owner_references.clear();
                backup.spec = BackupSpec {
                    included_namespaces: backup.spec.included_namespaces,
                    label_selector: backup.spec.label_selector,
                    storage_location: backup.spec.storage_location,
                    ..BackupSpec::default()
                };
                return Some(Self {
                    backup,
                    trouble: None,
                });
            }
            Err(error) => shown(&error.to_string()),
        };
        let mut less = object.clone();
        for part in ["status", "spec"] {
            less[part] = Value::Null;
            if let Ok(backup) = Backup::deserialize(&less) {
                let trouble = format!("its {part} cannot be read: {error}");
                log::warn!("{}: {trouble}", place("Backup", &backup.metadata));
                return Some(Self {
                    backup,
                    trouble: Some(trouble),
                });
            }
        }
        log::warn!("cannot read {}: {error}", place("Backup", &metadata(object)));
        None
    }

    /// Whether it is of this app's, as far as it tells by itself.
    fn is_of(&self, whose: &AppId) -> bool {
        let (metadata, spec) = (&self.backup.metadata, &self.backup.spec);
        owner::app(metadata, spec).as_ref() == Some(&whose.app)
            && owner::model(metadata, spec, &[]).as_ref() == Some(&whose.model)
    }

    /// All but what it holds: as if that were nothing.
    pub fn without_contents(&self, whose: &AppId) -> BackupSummary {
        self.clone().summary_as(whose.clone(), &PodVolumes::default())
    }

    fn key(&self) -> Key {
        let metadata = &self.backup.metadata;
        (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.uid.clone().unwrap_or_default(),
        )
    }

    fn schedule_name(&self) -> Option<&String> {
        self.backup.metadata.labels.get(SCHEDULE_NAME_LABEL)
    }

    fn needs_its_schedule(&self) -> bool {
        self.schedule_name().is_some() && owner::app(&self.backup.metadata, &self.backup.spec).is_none()
    }

    /// When it began, or was asked for.
    fn began(&self) -> Option<Timestamp> {
        let status = self.backup.status.as_ref();
        status
            .and_then(|status| status.start_timestamp.as_deref())
            .or(self.backup.metadata.creation_timestamp.as_deref())
            .and_then(|text| text.parse().ok())
    }

    /// `None` when it is of no app's.
    fn summary(self, volumes: &PodVolumes, schedules: &HashMap<Key, Schedule>) -> Option<BackupSummary> {
        let metadata = &self.backup.metadata;
        let of_schedule = || {
            let key = (
                metadata.namespace.clone().unwrap_or_default(),
                self.schedule_name()?.clone(),
            );
            let schedule = schedules.get(&key)?;
            owner::app(&schedule.metadata, &schedule.spec.template)
        };
        let app = owner::app(metadata, &self.backup.spec).or_else(of_schedule)?;
        let Some(model) = owner::model(metadata, &self.backup.spec, &volumes.namespaces_of(&app)) else {
            log::debug!("{} does not tell its model", place("Backup", metadata));
            return None;
        };
        Some(self.summary_as(AppId { app, model }, volumes))
    }

    fn summary_as(self, whose: AppId, volumes: &PodVolumes) -> BackupSummary {
        let schedule = self.schedule_name().cloned();
        let before_restore = self.backup.metadata.labels.get(BEFORE_RESTORE).cloned();
        let endpoint = endpoint_of(&self.backup.metadata);
        let proof = Proof::read(&self.backup.metadata.annotations);
        let Backup {
            metadata,
            spec,
            status,
            ..
        } = self.backup;
        let status = status.unwrap_or_default();
        let mut complaints: Vec<String> = self.trouble.iter().cloned().collect();
        let mut time = |what: &str, text: Option<&str>| {
            let text = text?;
            text.parse::<Timestamp>()
                .map_err(|_| complaints.push(format!("its {what} is no time: {}", shown(text))))
                .ok()
        };
        let started = time("start", status.start_timestamp.as_deref());
        let completed = time("end", status.completion_timestamp.as_deref());
        let created = time("creation", metadata.creation_timestamp.as_deref());
        let expires = time("expiration", status.expiration.as_deref());
        let Held {
            holds,
            complaints: of_volumes,
        } = volumes.held(&whose, &spec, &status);
        complaints.extend(status.validation_errors.iter().map(|error| shown(error)));
        complaints.extend(status.failure_reason.as_deref().map(shown));
        complaints.extend(of_volumes);
        complaints.extend(counted(status.errors, "error"));
        // A sound backup has one for each volume that is no snapshot ("No volume ID returned by volume snapshotter", seen with
        // Velero 1.15). Where nothing was stored, the log may say why: that a volume is a hostPath, for example.
        if !holds.is_something() {
            complaints.extend(counted(status.warnings, "warning"));
        }
        let failed_hooks = status.hook_status.map_or(0, |hooks| hooks.hooks_failed);
        if failed_hooks > 0 {
            complaints.push(format!("hooks that failed: {failed_hooks}"));
        }
        let phase = if metadata.deletion_timestamp.is_some() {
            Some(BackupPhase::Deleting)
        } else if self.trouble.is_some() {
            Some(BackupPhase::Other(UNREADABLE.to_owned()))
        } else {
            status.phase
        };
        BackupSummary {
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            velero_namespace: metadata.namespace.unwrap_or_default(),
            storage_location: spec.storage_location.unwrap_or_else(|| "default".to_owned()),
            whose,
            schedule,
            endpoint,
            before_restore,
            phase,
            created,
            started,
            completed,
            expires,
            holds,
            complaints,
            proof,
        }
    }
}

/// Velero counts in the object and names in the log, which is in the object store.
fn counted(count: u64, what: &str) -> Option<String> {
    (count > 0).then(|| format!("{what}s in Velero's log of it: {count}"))
}
