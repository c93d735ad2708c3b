//! How an app's backups stand: one function, for the status of the charm, the metrics and the command line.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::convert::Infallible;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use velero_api::{BackupPhase, Meaning};

use super::proven::{LastWord, last_word};
use super::schedules::{AppSchedule, Scheduled};
use super::{AppId, BackupSummary, LastGood, Verdict, last_good};
use crate::locations::{Needed, UnusableStorage};
use crate::shown::shown;

/// How an app's backups stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHealth {
    /// Those of each endpoint of the app's that velero-operator knows.
    pub endpoints: BTreeMap<String, EndpointHealth>,
    /// The good one that is kept the longest, of whatever endpoint: until it expires, there is a good one.
    pub kept_longest: Option<LastGood>,
    /// What was found when a backup of these was last restored and compared; of a damaged one until one as new comes back.
    pub last_proof: Option<LastWord>,
    /// When the oldest began that Velero calls completed and still keeps: since then there was something to restore.
    pub since: Option<Timestamp>,
    /// The newest one that came to nothing and was not followed by a good one, of each endpoint.
    pub bad: BTreeMap<String, BadBackup>,
    /// The storage locations that the backups need.
    pub needs: Needed,
    /// The one of these that cannot be used. Whoever looks at them puts it here: [`unusable`](crate::locations::unusable).
    pub storage: Option<UnusableStorage>,
    /// The locations could not be read: nobody knows whether they can be used.
    #[serde(default)]
    pub storage_is_unread: bool,
}

/// How the backups of one endpoint stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointHealth {
    /// The last good one.
    pub last_good: Option<LastGood>,
    /// The Schedule by which they are made.
    pub schedule: Option<Scheduled>,
}

/// A backup that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadBackup {
    /// Name of the Backup object.
    pub name: String,
    /// When it ended; when it began, or was asked for, if Velero does not say.
    pub at: Timestamp,
    /// EMPTY, PARTIAL or FAILED.
    pub is: Verdict,
    /// Velero's reasons, if it gives any.
    pub why: Option<String>,
}

impl BackupHealth {
    /// The last good one of all endpoints.
    pub fn last_good(&self) -> Option<&LastGood> {
        let all = self.endpoints.values();
        all.filter_map(|endpoint| endpoint.last_good.as_ref())
            .max_by_key(|last| last.time)
    }
}

/// Judges the app's backups, which come newest first, by its Schedules. Those of other apps do not count, and a safety backup
/// neither: it is not what a restore of the last good one brings.
pub fn health(
    backups: &[BackupSummary],
    schedules: &[AppSchedule],
    whose: &AppId,
    now: Timestamp,
) -> BackupHealth {
    let inside = |_| Ok::<(), Infallible>(());
    let Ok(health) = judged(backups, schedules, whose, now, inside);
    health
}

/// The same of backups of which not all were looked into. `inside` says whether one was, by its place; the first that it refuses has to be
/// looked into next. What it holds is not read before.
///
/// # Errors
/// Those of `inside`.
pub(super) fn judged<E>(
    backups: &[BackupSummary],
    schedules: &[AppSchedule],
    whose: &AppId,
    now: Timestamp,
    inside: impl Fn(usize) -> Result<(), E>,
) -> Result<BackupHealth, E> {
    let own: Vec<(usize, &BackupSummary)> = backups
        .iter()
        .enumerate()
        .filter(|(_, backup)| backup.whose == *whose && backup.before_restore.is_none())
        .collect();
    let completed: Vec<(usize, &BackupSummary)> = own
        .iter()
        .copied()
        .filter(|(_, backup)| {
            backup.phase == Some(BackupPhase::Completed) && kept_until(backup.expires) > now
        })
        .collect();
    let first_good = |candidates: &[(usize, &BackupSummary)]| {
        for (place, backup) in candidates {
            inside(*place)?;
            if let Some(found) = last_good(std::slice::from_ref(*backup), whose, now) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    };

    let mut needs = Needed::default();
    let mut endpoints: BTreeMap<String, EndpointHealth> = BTreeMap::new();
    for schedule in schedules.iter().filter(|schedule| schedule.whose == *whose) {
        let location = schedule.template.storage_location.clone();
        needs.next.insert((
            schedule.velero_namespace.clone(),
            location.filter(|name| !name.is_empty()),
        ));
        let known = endpoints.entry(schedule.endpoint.clone()).or_default();
        if schedule.scheduled.counts_before(known.schedule.as_ref()) {
            known.schedule = Some(schedule.scheduled.clone());
        }
    }
    let mut by_endpoint: BTreeMap<&str, Vec<(usize, &BackupSummary)>> = BTreeMap::new();
    for (place, backup) in completed.iter().filter(|(_, backup)| !backup.is_of_future(now)) {
        let of_endpoint = by_endpoint.entry(&backup.endpoint).or_default();
        of_endpoint.push((*place, backup));
    }
    for (endpoint, newest_first) in by_endpoint {
        endpoints.entry(endpoint.to_owned()).or_default().last_good = first_good(&newest_first)?;
    }

    // An older one is kept for longer where the retention was shortened. Of equal ones the newest comes first.
    let mut longest_first = completed.clone();
    longest_first.sort_by_key(|(_, backup)| Reverse(kept_until(backup.expires)));
    let kept_longest = first_good(&longest_first)?;

    let mut bad: BTreeMap<String, BadBackup> = BTreeMap::new();
    for (place, backup) in &own {
        let followed_by = endpoints.get(&backup.endpoint);
        let followed_by = followed_by.and_then(|endpoint| endpoint.last_good.as_ref()?.time);
        let Some(at) = backup
            .ended(now)
            .filter(|at| followed_by.is_none_or(|good| good < *at))
        else {
            continue;
        };
        let is_kept = kept_until(backup.expires) > now;
        if bad.contains_key(&backup.endpoint) || !is_kept || !may_be_bad(backup) {
            continue;
        }
        inside(*place)?;
        if let Some(found) = BadBackup::of(backup, at, now) {
            bad.insert(backup.endpoint.clone(), found);
        }
    }

    let mut of_now = completed.iter().filter(|(_, backup)| !backup.is_of_future(now));
    let newest = of_now.next().or(completed.first()).map(|(_, newest)| *newest);
    needs.newest = newest.map(|newest| (newest.velero_namespace.clone(), newest.storage_location.clone()));
    let last_word = last_word(completed.iter().map(|(_, backup)| *backup), now);
    Ok(BackupHealth {
        endpoints,
        kept_longest,
        last_proof: last_word.map(|(_, word)| word),
        since: completed.iter().filter_map(|(_, backup)| backup.started).min(),
        bad,
        needs,
        storage: None,
        storage_is_unread: false,
    })
}

/// Velero keeps one without a time for ever.
fn kept_until(expires: Option<Timestamp>) -> Timestamp {
    expires.unwrap_or(Timestamp::MAX)
}

/// Whether it has ended, as far as its phase tells: one that works holds nothing yet.
fn may_be_bad(backup: &BackupSummary) -> bool {
    let meaning = backup.phase.as_ref().map(BackupPhase::meaning);
    matches!(meaning, Some(Meaning::Good | Meaning::Bad | Meaning::Unknown))
}

impl BadBackup {
    /// What to think of a backup that ended `at` this time, if it came to nothing. One that is damaged is told by its proof.
    fn of(backup: &BackupSummary, at: Timestamp, now: Timestamp) -> Option<Self> {
        let verdict = backup.verdict(now);
        matches!(verdict, Verdict::Empty | Verdict::Partial | Verdict::Failed).then(|| Self {
            name: shown(&backup.name),
            at,
            is: verdict,
            why: (!backup.complaints.is_empty()).then(|| backup.complaints.join("; ")),
        })
    }
}
