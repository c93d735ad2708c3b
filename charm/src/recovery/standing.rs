//! How the app's backups stand: when the last good one was, whether one is overdue, and whether the last good one is about to go.

use config_recovery::backups::{self, BackupHealth, EndpointHealth, LastGood, Outcome, Rests, Scheduled};
use config_recovery::words::{age, day, size, time};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use velero_backup_config::Schedule;

use super::own_id;
use crate::backup::{self, BackupFacts};
use crate::env::Env;
use crate::names::{BACKUP_NOW, LIST_BACKUPS};
use crate::tiers::{NIGHTLY, Tier};

/// What was seen of the app's backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        /// The last good one, if there is one.
        last: Option<String>,
        /// When a backup was last restored and compared, and came back.
        verified: Option<String>,
        /// That the last good one is about to go, or that one is overdue.
        warning: Option<String>,
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
}

/// How long velero-operator may take until there is a Schedule as the charm asks for it. It restarts Velero for each change of
/// its own, which took up to 3.4 minutes.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Reads how the backups stand of an app that is backed up, on the unit with the data. Only with trust, and where the pod was
/// looked at: this takes three requests.
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
        Ok(standing) => HealthLookup::Read(standing),
        // The next event asks again, and list-backups says why. To log it would be a line every five minutes.
        Err(_) => HealthLookup::Unknown,
    }
}

/// What the status says of what was `seen`, where these are `asked` for, since `asked_at`.
pub fn told(
    seen: &HealthLookup,
    asked: &[Asked<'_>],
    asked_at: Option<Timestamp>,
    now: Timestamp,
) -> BackupStatus {
    let standing = match seen {
        HealthLookup::NotAsked => return BackupStatus::NotAsked,
        HealthLookup::NotAllowed => return BackupStatus::NotAllowed,
        HealthLookup::Unknown => return BackupStatus::Unknown,
        HealthLookup::Read(standing) => standing,
    };
    let mut told = of(standing, asked, now);
    if let BackupStatus::Seen { held_up, .. } = &mut told
        && asked_at.is_some_and(|asked| now.duration_since(asked) < PATIENCE)
    {
        *held_up = None;
    }
    told
}

impl HealthLookup {
    /// Until when nothing that was seen can have changed but by somebody's hand; `None` if something is missing yet, wrong or due.
    pub fn holds_until(&self, asked: &[Asked<'_>], now: Timestamp) -> Option<Timestamp> {
        let standing = match self {
            Self::NotAsked | Self::NotAllowed => return Some(Timestamp::MAX),
            Self::Unknown => return None,
            Self::Read(standing) => standing,
        };
        // Somebody waits for the first one.
        standing.last_good()?;
        if held_up(standing, asked).is_some() {
            return None;
        }
        let due = scheduled(asked).filter_map(|(tier, schedule)| due(standing, tier, schedule));
        let until = due.chain(told_from(standing, asked)).min();
        let until = until.unwrap_or(Timestamp::MAX);
        (now < until).then_some(until)
    }
}

/// The tiers that have a schedule, with it.
fn scheduled<'a>(asked: &[Asked<'a>]) -> impl Iterator<Item = (&'static Tier, &'a Schedule)> {
    asked
        .iter()
        .filter_map(|asked| Some((asked.tier, asked.schedule?)))
}

fn health_of<'a>(standing: &'a BackupHealth, tier: &Tier) -> Option<&'a EndpointHealth> {
    standing.endpoints.get(tier.name())
}

/// When the next good backup of a tier is due.
fn due(standing: &BackupHealth, tier: &Tier, schedule: &Schedule) -> Option<Timestamp> {
    backups::due(health_of(standing, tier)?, schedule)
}

/// From when on it is said that the good backup that is kept the longest is about to go.
fn told_from(standing: &BackupHealth, asked: &[Asked<'_>]) -> Option<Timestamp> {
    let gaps = scheduled(asked).filter_map(|(_, schedule)| schedule.longest_gap().try_into().ok());
    backups::goes_from(standing.kept_longest.as_ref()?, gaps.min())
}

/// What the status says of a standing.
fn of(standing: &BackupHealth, asked: &[Asked<'_>], now: Timestamp) -> BackupStatus {
    let last = standing.last_good();
    BackupStatus::Seen {
        held_up: held_up(standing, asked),
        last: last.map(|last| {
            let bytes = last.bytes.map(|bytes| format!(", {}", size(bytes)));
            let when = last.time.map(time).unwrap_or_default();
            format!("last good {when}{}", bytes.unwrap_or_default())
        }),
        verified: standing
            .last_proof
            .as_ref()
            .and_then(|proof| match proof.outcome {
                Outcome::ComesBack { .. } => Some(format!("verified {}", day(proof.at))),
                Outcome::Damaged { .. } => None,
            }),
        warning: goes(standing, asked, now)
            .or_else(|| missed(standing, asked, now))
            .or_else(|| damaged(standing)),
    }
}

/// That there will be no good backup soon.
fn goes(standing: &BackupHealth, asked: &[Asked<'_>], now: Timestamp) -> Option<String> {
    let expires = standing.kept_longest.as_ref()?.expires?;
    told_from(standing, asked).filter(|from| *from <= now)?;
    Some(format!(
        "warning: the last good backup expires {}, in {}; run {BACKUP_NOW}",
        time(expires),
        age(now, expires)
    ))
}

/// That the backup that was read back last did not come back as it was. One that comes back later ends it.
fn damaged(standing: &BackupHealth) -> Option<String> {
    let proof = standing.last_proof.as_ref()?;
    matches!(proof.outcome, Outcome::Damaged { .. }).then(|| {
        format!(
            "warning: a backup was damaged when it was read back {}; run {LIST_BACKUPS}, {BACKUP_NOW}",
            day(proof.at)
        )
    })
}

/// That a tier has none, though one was due.
fn missed(standing: &BackupHealth, asked: &[Asked<'_>], now: Timestamp) -> Option<String> {
    let (tier, due) = scheduled(asked)
        .filter_map(|(tier, schedule)| Some((tier, due(standing, tier, schedule)?)))
        .find(|(_, due)| backups::is_missed(*due, now))?;
    let last: Option<&LastGood> = health_of(standing, tier)?.last_good.as_ref();
    let since = last.map(|last| last.time);
    // The first tier is what a backup is without more words, and theirs leave no room for the time.
    let (which, since) = match tier.name() == NIGHTLY.name() {
        true => (String::new(), since.map(|since| since.map(time))),
        false => (format!("{}: ", tier.name()), since.map(|since| since.map(day))),
    };
    let (due, since) = (time(due), since.map(Option::unwrap_or_default));
    Some(match since {
        Some(since) => format!("warning: {which}no good backup since {since}, due {due}; run {LIST_BACKUPS}"),
        None => format!("warning: {which}no good backup yet, one was due {due}; run {LIST_BACKUPS}"),
    })
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
