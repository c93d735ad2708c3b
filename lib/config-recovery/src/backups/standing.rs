//! How an app's backups stand, in few requests: for a status that is asked for every five minutes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use velero_api::{
    Backup, BackupPhase, BackupSpec, BackupStorageLocation, BackupStorageLocationSpec, ObjectMeta, Schedule,
    SchedulePhase, ScheduleSpec,
};

use super::list::summaries_of;
use super::names::{APP_LABEL, BEFORE_RESTORE, ENDPOINT_LABEL};
use super::proven::{Proof, newest_proof};
use super::trouble::{BadBackup, StoredIn, UnusableStorage};
use super::{AppId, BackupSummary, LastGood, last_good, owner, summary_of};
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// So many completed backups are looked into one by one for one that holds something. That is the first one, as a rule; where it is
/// none of these, what all the others hold is read at once.
const LOOKED_INTO: usize = 5;

/// How an app's backups stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHealth {
    /// Those of each endpoint of the app's that velero-operator knows.
    pub endpoints: BTreeMap<String, EndpointHealth>,
    /// The good one that is kept the longest, of whatever endpoint: until it expires, there is a good one.
    pub kept_longest: Option<LastGood>,
    /// What was found when a backup of these was last restored and compared.
    #[serde(default)]
    pub last_proof: Option<Proof>,
    /// When the oldest began that Velero calls completed and still keeps: since then there was something to restore.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The newest one that came to nothing and was not followed by a good one, of each endpoint.
    #[serde(default)]
    pub bad: BTreeMap<String, BadBackup>,
    /// Where the newest one is stored.
    #[serde(default)]
    pub stored_in: Option<StoredIn>,
    /// Its storage location, if nothing can be backed up into it. Whoever looks for that too puts it here: [`unusable_storage`](super::unusable_storage).
    #[serde(default)]
    pub storage: Option<UnusableStorage>,
}

/// How the backups of one endpoint stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointHealth {
    /// The last good one.
    pub last_good: Option<LastGood>,
    /// The Schedule by which they are made.
    pub schedule: Option<Scheduled>,
}

impl BackupHealth {
    /// The last good one of all endpoints.
    pub fn last_good(&self) -> Option<&LastGood> {
        let all = self.endpoints.values();
        all.filter_map(|endpoint| endpoint.last_good.as_ref())
            .max_by_key(|last| last.time)
    }
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

impl Scheduled {
    /// Whether it tells more of an endpoint than another one: one that makes backups counts before one that rests, and then the
    /// oldest.
    pub(crate) fn counts_before(&self, other: Option<&Self>) -> bool {
        let rank = |schedule: &Self| (schedule.rests.is_some(), schedule.since);
        other.is_none_or(|other| rank(self) < rank(other))
    }
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

/// How the backups stand that velero-operator makes for an app, endpoint by endpoint.
///
/// Two requests, however many backups the cluster holds, for the Backups and the Schedules with the operator's labels, and one for
/// each endpoint: what its newest completed one holds. A completed one that holds nothing costs one more, up to five, and then
/// what all others hold is read. So does one that is kept for longer than the newest good ones.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as
/// [`Cluster::ask`].
pub async fn standing(cluster: &Cluster, whose: &AppId) -> Result<BackupHealth> {
    let of_app = ListParams::default().labels(&of_app(&whose.app));
    // One after the other: beside the first, the second would open a connection of its own, and a handshake takes longer than a list.
    let backups = velero::list::<BackupSpec>(cluster, "list backups", None, &of_app).await?;
    let schedules = velero::list::<ScheduleSpec>(cluster, "list schedules", None, &of_app).await?;
    let mut endpoints: BTreeMap<String, EndpointHealth> = BTreeMap::new();
    for schedule in &schedules {
        let Ok(schedule) = Schedule::deserialize(schedule) else {
            continue;
        };
        if owner::model(&schedule.metadata, &schedule.spec.template, &[]).as_ref() != Some(&whose.model) {
            continue;
        }
        let known = endpoints.entry(endpoint_of(&schedule.metadata)).or_default();
        let found = scheduled(schedule);
        if found.counts_before(known.schedule.as_ref()) {
            known.schedule = Some(found);
        }
    }
    let now = Timestamp::now();
    let mut completed: Vec<Completed> = backups
        .iter()
        .filter_map(|object| Completed::of(object, whose, now))
        .collect();
    completed.sort_by_key(|backup| Reverse(backup.started));
    let mut by_endpoint: BTreeMap<String, Vec<&Completed>> = BTreeMap::new();
    for backup in &completed {
        let endpoint = endpoint_of(&backup.object.metadata);
        by_endpoint.entry(endpoint).or_default().push(backup);
    }
    let mut hold_nothing = BTreeSet::new();
    for (endpoint, newest_first) in by_endpoint {
        let last_good = first_good(cluster, whose, &newest_first, now, &mut hold_nothing).await?;
        endpoints.entry(endpoint).or_default().last_good = last_good;
    }
    let newest = endpoints
        .values()
        .filter_map(|endpoint| endpoint.last_good.clone());
    let mut kept_longest = newest.max_by_key(|last| kept_until(last.expires));
    // An older one is kept for longer where the retention was shortened.
    if let Some(longest) = &mut kept_longest {
        let until = kept_until(longest.expires);
        let mut longer: Vec<&Completed> = completed
            .iter()
            .filter(|backup| kept_until(backup.expires) > until)
            .filter(|backup| !hold_nothing.contains(&backup.uid()))
            .collect();
        longer.sort_by_key(|backup| Reverse(kept_until(backup.expires)));
        if let Some(found) = first_good(cluster, whose, &longer, now, &mut hold_nothing).await? {
            *longest = found;
        }
    }
    let bad = bad_ones(&backups, whose, &endpoints, &hold_nothing);
    let stored_in = completed.first().map(|newest| {
        let spec = &newest.object.spec;
        let name = spec.storage_location.clone().unwrap_or_default();
        (newest.object.metadata.namespace.clone().unwrap_or_default(), name)
    });
    let proofs = completed
        .iter()
        .filter_map(|backup| Some(((), backup.proof.clone()?)));
    Ok(BackupHealth {
        endpoints,
        kept_longest,
        last_proof: newest_proof(proofs, now).map(|((), proof)| proof),
        since: completed.iter().filter_map(|backup| backup.started).min(),
        bad,
        // Velero fills the name in when it begins.
        stored_in: stored_in.filter(|(_, name)| !name.is_empty()),
        storage: None,
    })
}

/// The newest one of each endpoint that came to nothing, if no good one has ended since. One whose proof says that it is damaged is
/// told by that.
fn bad_ones(
    backups: &[Value],
    whose: &AppId,
    endpoints: &BTreeMap<String, EndpointHealth>,
    hold_nothing: &BTreeSet<String>,
) -> BTreeMap<String, BadBackup> {
    let mut found: BTreeMap<String, BadBackup> = BTreeMap::new();
    for object in backups {
        let Ok(object) = Backup::deserialize(object) else {
            continue;
        };
        let metadata = &object.metadata;
        let is_own = owner::model(metadata, &object.spec, &[]).as_ref() == Some(&whose.model);
        let is_safety = metadata.labels.contains_key(BEFORE_RESTORE);
        let uid = metadata.uid.clone().unwrap_or_default();
        let is_empty = hold_nothing.contains(&uid) && Proof::read(&metadata.annotations).is_none();
        let Some(bad) = BadBackup::of(&object, is_empty).filter(|_| is_own && !is_safety) else {
            continue;
        };
        let endpoint = endpoint_of(metadata);
        let last_good = endpoints
            .get(&endpoint)
            .and_then(|endpoint| endpoint.last_good.as_ref()?.time);
        let is_newest = found.get(&endpoint).is_none_or(|known| known.at < bad.at);
        if is_newest && last_good.is_none_or(|last| last < bad.at) {
            found.insert(endpoint, bad);
        }
    }
    found
}

/// Selects what velero-operator made for the app of this name, of whatever model, and for whichever endpoint.
pub(crate) fn of_app(app: &str) -> String {
    format!("{APP_LABEL}={app},{ENDPOINT_LABEL}")
}

/// The app that velero-operator made a Schedule for.
pub(crate) fn whose_schedule(schedule: &Schedule) -> Option<AppId> {
    Some(AppId {
        app: owner::app(&schedule.metadata, &schedule.spec.template)?,
        model: owner::model(&schedule.metadata, &schedule.spec.template, &[])?,
    })
}

/// Velero keeps one without a time for ever.
fn kept_until(expires: Option<Timestamp>) -> Timestamp {
    expires.unwrap_or(Timestamp::MAX)
}

/// The endpoint of the app that velero-operator made something for.
pub(crate) fn endpoint_of(metadata: &ObjectMeta) -> String {
    metadata.labels.get(ENDPOINT_LABEL).cloned().unwrap_or_default()
}

/// A backup that Velero calls completed, and that has not expired.
struct Completed {
    object: Backup,
    proof: Option<Proof>,
    started: Option<Timestamp>,
    expires: Option<Timestamp>,
}

impl Completed {
    fn of(object: &Value, whose: &AppId, now: Timestamp) -> Option<Self> {
        let object = Backup::deserialize(object).ok()?;
        let status = object.status.as_ref()?;
        let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let (started, expires) = (time(&status.start_timestamp), time(&status.expiration));
        let is_completed = status.phase == Some(BackupPhase::Completed);
        let is_own = owner::model(&object.metadata, &object.spec, &[]).as_ref() == Some(&whose.model);
        // One from before a restore is not what a restore of the last good one brings.
        let is_safety = object.metadata.labels.contains_key(BEFORE_RESTORE);
        let proof = Proof::read(&object.metadata.annotations);
        (is_completed && is_own && !is_safety && kept_until(expires) > now).then_some(Self {
            object,
            proof,
            started,
            expires,
        })
    }

    fn uid(&self) -> String {
        self.object.metadata.uid.clone().unwrap_or_default()
    }
}

/// What a Schedule tells of whether backups are made.
pub(crate) fn scheduled(schedule: Schedule) -> Scheduled {
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

/// The first of them that holds something. The uids of those that do not are added.
async fn first_good(
    cluster: &Cluster,
    whose: &AppId,
    candidates: &[&Completed],
    now: Timestamp,
    hold_nothing: &mut BTreeSet<String>,
) -> Result<Option<LastGood>> {
    let mut good = |summary: BackupSummary| {
        let found = last_good(std::slice::from_ref(&summary), whose, now);
        if found.is_none() {
            hold_nothing.insert(summary.uid);
        }
        found
    };
    let (one_by_one, rest) = candidates.split_at(candidates.len().min(LOOKED_INTO));
    for backup in one_by_one {
        if let Some(found) = good(summary_of(cluster, &backup.object, whose).await?) {
            return Ok(Some(found));
        }
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let rest: Vec<&Backup> = rest.iter().map(|backup| &backup.object).collect();
    let summaries = summaries_of(cluster, &rest, whose).await?;
    Ok(summaries.into_iter().find_map(good))
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
    let is_read = |object: &Value| {
        BackupStorageLocation::deserialize(object)
            .ok()
            .and_then(|location| location.status)
            .is_some_and(|status| status.last_synced_time.is_some())
    };
    Ok(!locations.is_empty() && locations.iter().all(is_read))
}
