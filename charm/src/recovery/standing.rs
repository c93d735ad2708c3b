//! How the app's backups stand: when the last good one was, whether one is overdue, and whether the last good one is about to go.

use config_recovery::backups::{self, BackupHealth, EndpointHealth, Rests, Scheduled};
use config_recovery::locations::{self, Trouble};
use config_recovery::words::{day, size, time};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use velero_backup_config::Schedule;

use super::own_id;
use crate::backup::{self, BackupFacts};
use crate::contents::fewer::Fewer;
use crate::env::Env;
use crate::findings::{Finding, Kind, Seen, Sizes, findings};
use crate::test_restore::{Next, Record};
use crate::tiers::Tier;

/// What was seen of the app's backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "a dispatch has one or two of it, and no list"
)]
pub enum HealthLookup {
    /// Nothing: they were not looked at.
    NotAsked,
    /// The charm may not look at them.
    NotAllowed,
    /// They could not be looked at. Nothing keeps that: the next event looks.
    #[serde(skip)]
    Unknown,
    /// This.
    Read(BackupHealth),
}

/// What the status says of the app's backups.
#[derive(Debug, Clone)]
pub enum BackupStatus {
    /// Nothing: they were not looked at.
    NotAsked,
    /// The charm may not look at them, so that nobody knows whether they hold anything.
    NotAllowed,
    /// They could not be looked at.
    Unknown,
    /// What was seen.
    Seen {
        /// The last good one, if there is one; and the same in fewer words.
        last: Option<(String, String)>,
        /// When a backup was last restored and compared, and came back.
        verified: Option<String>,
        /// All that is wrong, the more important first.
        findings: Vec<Finding>,
        /// Of these nobody can say now whether they are wrong.
        undecided: Vec<Kind>,
        /// Why none of this tier are made, though they are asked for.
        held_up: Option<(&'static Tier, ScheduleProblem)>,
    },
}

/// A tier of backups that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The tier.
    pub tier: &'static Tier,
    /// When they are to be made; `None` if only by hand.
    pub schedule: Option<&'a Schedule>,
}

/// Why no backups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleProblem {
    /// velero-operator has made no Schedule.
    NoSchedule,
    /// Velero refuses the Schedule, for this reason.
    Refused(String),
    /// The Schedule of this name is paused.
    Paused(String),
    /// The charm has it paused, since a backup would hold nothing worth to be the newest one.
    PausedByCharm,
}

/// How long velero-operator may take until there is a Schedule as the charm asks for it. It restarts Velero for each change of
/// its own, which took up to 3.4 minutes.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Reads how the backups stand of an app that is backed up, on the unit with the data. Only with trust, and where the pod was
/// looked at: this takes four requests.
pub fn look(env: Env<'_>, volume: &BackupFacts) -> HealthLookup {
    let BackupFacts::Read(volume) = volume else {
        return HealthLookup::NotAsked;
    };
    match volume.claim {
        backup::Lookup::Known(_) => {}
        // Whoever may not read a claim may not read a backup.
        backup::Lookup::NotAllowed => return HealthLookup::NotAllowed,
        backup::Lookup::Unknown(_) => return HealthLookup::NotAsked,
    }
    match env.recovery.standing(&own_id(env.juju)) {
        Ok(mut standing) => {
            // That they cannot be read says nothing against them, and nothing for them.
            match env.recovery.storage_locations() {
                Ok(all) => standing.storage = locations::unusable(&all, &standing.needs),
                Err(_) => standing.storage_is_unread = true,
            }
            HealthLookup::Read(standing)
        }
        // The next event asks again, and list-backups says why. To log it would be a line every five minutes.
        Err(_) => HealthLookup::Unknown,
    }
}

/// What is asked for, and what is known beside what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    /// These are asked for.
    pub asked: &'a [Asked<'a>],
    /// When velero-operator was last asked for something else than before.
    pub asked_at: Option<Timestamp>,
    /// Whether it was asked to pause, until somebody has done what the app needs to start.
    pub are_to_rest: bool,
    /// When the next test restore is due, if any is asked for.
    pub test_restore: Option<Next>,
    /// What earlier dispatches have seen of test restores.
    pub record: &'a Record,
    /// What earlier backups held.
    pub sizes: &'a Sizes,
    /// What the last good backup has much less of.
    pub fewer: &'a [Fewer],
    /// When it was seen.
    pub now: Timestamp,
}

/// What the status says of what was `seen`.
pub fn told(seen: &HealthLookup, asks: &Asks<'_>) -> BackupStatus {
    match seen {
        HealthLookup::NotAsked => BackupStatus::NotAsked,
        HealthLookup::NotAllowed => BackupStatus::NotAllowed,
        HealthLookup::Unknown => BackupStatus::Unknown,
        HealthLookup::Read(standing) => of(standing, asks),
    }
}

impl HealthLookup {
    /// Until when nothing that was seen can have changed but by somebody's hand; `None` if something is missing yet, wrong or due. What
    /// was asked for `asked_at` this time may still be under way.
    pub fn holds_until(
        &self,
        asked: &[Asked<'_>],
        asked_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let standing = match self {
            Self::NotAsked | Self::NotAllowed => return Some(Timestamp::MAX),
            Self::Unknown => return None,
            Self::Read(standing) => standing,
        };
        // Somebody waits for the first one.
        standing.last_good()?;
        let storage_is_well = standing.storage.is_none() && !standing.storage_is_unread;
        if held_up(standing, asked).is_some() || !storage_is_well {
            return None;
        }
        let due = scheduled(asked).filter_map(|(tier, schedule)| due(standing, tier, schedule));
        let is_made = asked_at
            .filter(|_| is_patient(asked_at, now))
            .map(|asked| asked + PATIENCE);
        let until = due.chain(told_from(standing, asked)).chain(is_made).min();
        let until = until.unwrap_or(Timestamp::MAX);
        (now < until).then_some(until)
    }
}

/// The tiers that have a schedule, with it.
pub(crate) fn scheduled<'a>(asked: &[Asked<'a>]) -> impl Iterator<Item = (&'static Tier, &'a Schedule)> {
    asked
        .iter()
        .filter_map(|asked| Some((asked.tier, asked.schedule?)))
}

/// How the backups of a tier stand.
pub(crate) fn health_of<'a>(standing: &'a BackupHealth, tier: &Tier) -> Option<&'a EndpointHealth> {
    standing.endpoints.get(tier.name())
}

/// When the next good backup of a tier is due.
pub(crate) fn due(standing: &BackupHealth, tier: &Tier, schedule: &Schedule) -> Option<Timestamp> {
    backups::due(health_of(standing, tier)?, schedule)
}

/// From when on it is said that the good backup that is kept the longest is about to go.
pub(crate) fn told_from(standing: &BackupHealth, asked: &[Asked<'_>]) -> Option<Timestamp> {
    let gaps = scheduled(asked).filter_map(|(_, schedule)| schedule.longest_gap().try_into().ok());
    backups::goes_from(standing.kept_longest.as_ref()?, gaps.min())
}

/// Whether velero-operator may still be at what it was asked for.
fn is_patient(asked_at: Option<Timestamp>, now: Timestamp) -> bool {
    asked_at.is_some_and(|asked| now.duration_since(asked) < PATIENCE)
}

/// Whether the storage location is missing since velero-operator makes it anew, as for each change of its relations.
pub(crate) fn storage_is_made(standing: &BackupHealth, asked_at: Option<Timestamp>, now: Timestamp) -> bool {
    let trouble = standing.storage.as_ref().map(|storage| storage.trouble);
    trouble == Some(Trouble::Missing) && is_patient(asked_at, now)
}

/// What the status says of a standing.
fn of(standing: &BackupHealth, asks: &Asks<'_>) -> BackupStatus {
    let now = asks.now;
    let is_patient = is_patient(asks.asked_at, now);
    let held_up = held_up(standing, asks.asked);
    let undecided = [
        (
            Kind::StorageUnavailable,
            standing.storage_is_unread || storage_is_made(standing, asks.asked_at, now),
        ),
        (Kind::ScheduleMissing, held_up.is_some() && is_patient),
    ];
    let undecided = undecided
        .into_iter()
        .filter_map(|(kind, is)| is.then_some(kind))
        .collect();
    let held_up = held_up
        .filter(|_| !is_patient)
        .map(|(tier, problem)| match problem {
            // Whoever unpaused it would have backups of nothing.
            ScheduleProblem::Paused(_) if asks.are_to_rest => (tier, ScheduleProblem::PausedByCharm),
            problem => (tier, problem),
        });
    let proof = asks.record.last_proof(standing, now).map(|word| word.proof);
    let findings = findings(&Seen {
        standing,
        proof: proof.as_ref(),
        asked: asks.asked,
        asked_at: asks.asked_at,
        held_up: held_up.as_ref().map(|(tier, problem)| (*tier, problem)),
        test_restore: asks.test_restore,
        tries: asks.record.tries.as_ref(),
        sizes: asks.sizes,
        fewer: asks.fewer,
        now,
    });
    let last = standing.last_good().map(|last| {
        let bytes = last.bytes.map(|bytes| format!(", {}", size(bytes)));
        let bytes = bytes.unwrap_or_default();
        let told = |when: fn(Timestamp) -> String| {
            let when = last.time.map(when).unwrap_or_default();
            format!("last good {when}{bytes}")
        };
        (told(time), told(day))
    });
    BackupStatus::Seen {
        held_up,
        last,
        verified: proof
            .filter(|proof| proof.came_back())
            .map(|proof| format!("verified {}", day(proof.at))),
        findings,
        undecided,
    }
}

/// The first tier that asks for backups by a schedule, and is not given any.
fn held_up(standing: &BackupHealth, asked: &[Asked<'_>]) -> Option<(&'static Tier, ScheduleProblem)> {
    scheduled(asked).find_map(|(tier, _)| {
        let made = health_of(standing, tier).and_then(|health| health.schedule.as_ref());
        Some((tier, problem_of(made)?))
    })
}

fn problem_of(made: Option<&Scheduled>) -> Option<ScheduleProblem> {
    let Some(made) = made else {
        return Some(ScheduleProblem::NoSchedule);
    };
    Some(match made.rests.as_ref()? {
        Rests::Refused { why } => ScheduleProblem::Refused(why.clone()),
        Rests::Paused => ScheduleProblem::Paused(made.name.clone()),
    })
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
