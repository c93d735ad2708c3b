//! What is wrong with the app's backups, decided once: the status warns of it, and notifications tell of it. Pure, from what was seen.
//!
//! The alert rules of the exporter have the same names with `Config` in front.

mod sizes;

use config_recovery::backups::{self, BackupHealth, LastGood, Outcome, Proof};
use config_recovery::locations::Trouble;
use config_recovery::words::{age, day, size, time};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::sizes::Sizes;
use crate::contents::fewer::Fewer;
use crate::names::{BACKUP_NOW, LIST_BACKUPS, VERIFY_BACKUP};
use crate::problem::short;
use crate::recovery::standing::{
    Asked, ScheduleProblem, due, health_of, scheduled, storage_is_made, told_from,
};
use crate::test_restore::{Next, Tries};
use crate::tiers::{NIGHTLY, Tier};

/// What can be wrong, the more important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The last good backup is about to expire.
    LastBackupExpires,
    /// Nothing can be backed up into the storage location.
    StorageUnavailable,
    /// Velero was asked for backups by a schedule, and makes none.
    ScheduleMissing,
    /// No good backup was made in time.
    BackupOverdue,
    /// The backup that was restored and compared last was damaged.
    VerifyFailed,
    /// The last backup came to nothing.
    BackupBad,
    /// The last good backup has less than half of the bytes, or of the app's things, that one of the week before had.
    BackupShrank,
    /// No backup was restored and compared in time.
    VerifyOverdue,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::LastBackupExpires,
        Self::StorageUnavailable,
        Self::ScheduleMissing,
        Self::BackupOverdue,
        Self::VerifyFailed,
        Self::BackupBad,
        Self::BackupShrank,
        Self::VerifyOverdue,
    ];

    /// Its name, as in the alert rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastBackupExpires => "LastBackupExpires",
            Self::StorageUnavailable => "StorageUnavailable",
            Self::ScheduleMissing => "ScheduleMissing",
            Self::BackupOverdue => "BackupOverdue",
            Self::VerifyFailed => "VerifyFailed",
            Self::BackupBad => "BackupBad",
            Self::BackupShrank => "BackupShrank",
            Self::VerifyOverdue => "VerifyOverdue",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// What, for people: the thing and the reason.
    pub what: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// What to do.
    pub next: String,
}

/// What was seen and what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// How the backups stand.
    pub standing: &'a BackupHealth,
    /// What is asked for.
    pub asked: &'a [Asked<'a>],
    /// When velero-operator was last asked for something else than before.
    pub asked_at: Option<Timestamp>,
    /// Why none of a tier are made, though they are asked for.
    pub held_up: Option<(&'static Tier, &'a ScheduleProblem)>,
    /// What was found when a backup was last restored and compared, also of one that has gone since.
    pub proof: Option<&'a Proof>,
    /// When the next test restore is due, if any is asked for.
    pub test_restore: Option<Next>,
    /// What was tried since, and proved nothing.
    pub tries: Option<&'a Tries>,
    /// What earlier backups held.
    pub sizes: &'a Sizes,
    /// What the last good backup has much less of.
    pub fewer: &'a [Fewer],
    /// When it was seen.
    pub now: Timestamp,
}

/// A test restore may be late by this much: a unit that is not active for some hours, or a storage that is away for a night.
const VERIFY_SLACK: SignedDuration = SignedDuration::from_hours(26);

/// All that is wrong, the more important first.
pub fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let all = [
        last_backup_expires(seen),
        storage_unavailable(seen),
        schedule_missing(seen),
        backup_overdue(seen),
        verify_failed(seen),
        backup_bad(seen),
        backup_shrank(seen),
        verify_overdue(seen),
    ];
    all.into_iter().flatten().collect()
}

/// That there will be no good backup soon.
fn last_backup_expires(seen: &Seen<'_>) -> Option<Finding> {
    let expires = seen.standing.kept_longest.as_ref()?.expires?;
    let from = told_from(seen.standing, seen.asked).filter(|from| *from <= seen.now)?;
    Some(Finding {
        kind: Kind::LastBackupExpires,
        what: format!(
            "the last good backup expires {}, in {}",
            time(expires),
            age(seen.now, expires)
        ),
        since: Some(from),
        next: format!("run {BACKUP_NOW}"),
    })
}

fn storage_unavailable(seen: &Seen<'_>) -> Option<Finding> {
    let storage = seen.standing.storage.as_ref()?;
    if storage_is_made(seen.standing, seen.asked_at, seen.now) {
        return None;
    }
    Some(Finding {
        kind: Kind::StorageUnavailable,
        what: format!("storage location {}: {}", short(&storage.name, 30), storage.why),
        since: None,
        next: match storage.trouble {
            Trouble::Away => "look at the object storage".to_owned(),
            Trouble::ReadOnly => "set its accessMode to ReadWrite".to_owned(),
            Trouble::Missing => "look at juju status velero-operator".to_owned(),
        },
    })
}

fn schedule_missing(seen: &Seen<'_>) -> Option<Finding> {
    let (tier, problem) = seen.held_up?;
    let endpoint = tier.name();
    let (what, next) = match problem {
        ScheduleProblem::NoSchedule => (
            format!("{endpoint}: velero-operator made no Schedule"),
            "look at juju status velero-operator and juju debug-log".to_owned(),
        ),
        ScheduleProblem::Refused(why) => (
            format!("{endpoint}: Schedule refused: {why}"),
            format!("change option {}", tier.schedule.name()),
        ),
        ScheduleProblem::Paused(name) => (
            format!("{endpoint}: Schedule paused"),
            format!("velero schedule unpause {name}"),
        ),
        ScheduleProblem::PausedByCharm => (
            format!("{endpoint}: Schedule paused, since the app must not start"),
            "do what juju status says".to_owned(),
        ),
    };
    Some(Finding {
        kind: Kind::ScheduleMissing,
        what,
        since: match problem {
            ScheduleProblem::NoSchedule | ScheduleProblem::PausedByCharm => seen.asked_at,
            ScheduleProblem::Refused(_) | ScheduleProblem::Paused(_) => None,
        },
        next,
    })
}

/// That a tier has none, though one was due.
fn backup_overdue(seen: &Seen<'_>) -> Option<Finding> {
    let (tier, due) = scheduled(seen.asked)
        .filter_map(|(tier, schedule)| Some((tier, due(seen.standing, tier, schedule)?)))
        .find(|(_, due)| backups::is_missed(*due, seen.now))?;
    let last: Option<&LastGood> = health_of(seen.standing, tier)?.last_good.as_ref();
    let since = last.map(|last| last.time);
    // The first tier is what a backup is without more words, and theirs leave no room for the time.
    let since = since.map(|since| match tier.name() == NIGHTLY.name() {
        true => since.map(time).unwrap_or_default(),
        false => since.map(day).unwrap_or_default(),
    });
    let which = which(tier.name());
    Some(Finding {
        kind: Kind::BackupOverdue,
        what: match since {
            Some(since) => format!("{which}no good backup since {since}, due {}", time(due)),
            None => format!("{which}no good backup yet, one was due {}", time(due)),
        },
        since: Some(due),
        next: format!("run {LIST_BACKUPS}"),
    })
}

/// Names an endpoint that is not the first.
fn which(endpoint: &str) -> String {
    match endpoint == NIGHTLY.name() {
        true => String::new(),
        false => format!("{endpoint}: "),
    }
}

/// That the backup that was read back last did not come back as it was. One as new that comes back later ends it; that the damaged one is
/// deleted does not: nobody knows whether any other comes back.
fn verify_failed(seen: &Seen<'_>) -> Option<Finding> {
    let proof = seen.proof?;
    let Outcome::Damaged { why } = &proof.outcome else {
        return None;
    };
    let why = match why.is_empty() {
        true => String::new(),
        false => format!(": {why}"),
    };
    Some(Finding {
        kind: Kind::VerifyFailed,
        what: format!(
            "a backup was damaged when it was read back {}{why}",
            day(proof.at)
        ),
        since: Some(proof.at),
        next: format!("run {BACKUP_NOW}, then {VERIFY_BACKUP}"),
    })
}

/// That the last backup of a tier came to nothing, and no good one followed.
fn backup_bad(seen: &Seen<'_>) -> Option<Finding> {
    let is_asked = |endpoint: &str| seen.asked.iter().any(|asked| asked.tier.name() == endpoint);
    let bad = seen.standing.bad.iter();
    let (endpoint, bad) = bad
        .filter(|(endpoint, _)| is_asked(endpoint))
        .max_by_key(|(_, bad)| bad.at)?;
    let why = bad.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(Finding {
        kind: Kind::BackupBad,
        what: format!(
            "{}the backup of {} is {}{why}",
            which(endpoint),
            time(bad.at),
            bad.is
        ),
        since: Some(bad.at),
        next: format!("run {LIST_BACKUPS}"),
    })
}

/// That the last good backup holds much less than others did: as one does that was made after an accident.
fn backup_shrank(seen: &Seen<'_>) -> Option<Finding> {
    let last = seen.standing.last_good()?;
    let at = last.time?;
    let in_bytes = || {
        let bytes = last.bytes?;
        let larger = seen.sizes.larger_than(at, bytes)?;
        Some((size(bytes), larger.at, size(larger.bytes)))
    };
    let in_things = || {
        let fewer = seen.fewer.first()?;
        let count = |count: u64| format!("{count} {}", short(&fewer.name, 20));
        Some((count(fewer.now), fewer.at, fewer.before.to_string()))
    };
    // What the app has less of says more than bytes.
    let (has, then, had) = in_things().or_else(in_bytes)?;
    Some(Finding {
        kind: Kind::BackupShrank,
        what: format!("the last good backup has {has}, that of {} had {had}", day(then)),
        since: Some(at),
        next: format!("run {LIST_BACKUPS}"),
    })
}

/// That no backup was proven, though a test restore was due more than a day ago.
fn verify_overdue(seen: &Seen<'_>) -> Option<Finding> {
    let due = seen.test_restore?.due;
    if seen.now.duration_since(due) <= VERIFY_SLACK {
        return None;
    }
    let since = format!("no test restore since it was due {}", day(due));
    let told = seen.tries.and_then(|tries| tries.why.as_ref());
    let (what, next) = match told {
        Some(told) => (format!("{since}: {}", told.why), told.next.clone()),
        None => (since, None),
    };
    Some(Finding {
        kind: Kind::VerifyOverdue,
        what,
        since: Some(due),
        next: next.unwrap_or_else(|| format!("run {VERIFY_BACKUP}")),
    })
}

#[cfg(test)]
mod tests;
