//! When a test restore is due, and when it may be tried. Pure.

use config_recovery::backups::{BackupHealth, LastWord, Outcome, Proof, is_ahead};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use velero_backup_config::Schedule;

use crate::problem::short;

/// After the first try that came to nothing it is waited so long; twice as long after each further one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// It is never waited longer than this.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// A backup that was damaged is followed by a test restore of a newer one after this time, whatever the schedule says: a month of not
/// knowing whether any backup can be restored is too long.
const AFTER_DAMAGE: SignedDuration = SignedDuration::from_hours(24);

/// Of what others say so much is remembered, in characters.
pub(super) const REMEMBERED: usize = 300;

/// What is remembered of test restores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Record {
    /// What was found when a backup was last restored and compared, as far as that was seen, without what it holds. On the Backup object
    /// it goes with the backup, which may be kept for a shorter time than the schedule waits, or be deleted because it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<LastWord>,
    /// What was tried since then, and proved nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<Tries>,
}

/// Test restores that were tried, and proved nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tries {
    /// Since when one is due.
    pub due: Timestamp,
    /// By which schedule. With another one they count no more.
    pub schedule: String,
    /// When the last one began.
    pub last: Timestamp,
    /// How many there were.
    pub count: u32,
    /// Why the last one proved nothing; `None` while it is under way, or after it was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// Why a test restore proved nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Why {
    /// Why.
    pub why: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Tries {
    /// From when on the next one may be tried.
    fn again(&self) -> Timestamp {
        let doubled = self.count.saturating_sub(1).min(10);
        let pause = FIRST_PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE);
        self.last.saturating_add(pause).unwrap_or(Timestamp::MAX)
    }
}

/// The next test restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// When it is due.
    pub due: Timestamp,
    /// From when on it may be tried: later, where it was tried and proved nothing.
    pub from: Timestamp,
}

impl Next {
    /// Whether it may be tried now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.from <= now
    }
}

impl Record {
    /// Whether it says nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What is still to be remembered after the backups were seen to stand so, while this schedule is asked for.
    #[must_use]
    pub fn after(self, standing: &BackupHealth, schedule: Option<&Schedule>, now: Timestamp) -> Self {
        let proof = self.last_proof(standing, now);
        let counts = |tries: &Tries| {
            let is_proven = proof.as_ref().is_some_and(|word| word.looked_at() >= tries.due);
            schedule.is_some_and(|schedule| schedule.as_str() == tries.schedule) && !is_proven
        };
        Self {
            tries: self.tries.filter(counts),
            proof: proof.map(|word| LastWord {
                proof: in_short(word.proof),
                ..word
            }),
        }
    }

    /// What was found when a backup was last restored and compared: what was seen of backups that are there, and what is remembered
    /// of others.
    pub fn last_proof(&self, standing: &BackupHealth, now: Timestamp) -> Option<LastWord> {
        // Of one that is in both the one that was seen counts: it is the last, and says what the backup holds.
        let both = [self.proof.as_ref(), standing.last_proof.as_ref()];
        LastWord::of_all(both.into_iter().flatten().cloned(), now)
    }

    /// The same with one more try, which begins now.
    #[must_use]
    pub fn tried(self, schedule: &Schedule, due: Timestamp, now: Timestamp) -> Self {
        let before = self.tries.map_or(0, |tries| tries.count);
        let tries = Tries {
            due,
            schedule: schedule.as_str().to_owned(),
            last: now,
            count: before.saturating_add(1),
            why: None,
        };
        Self {
            tries: Some(tries),
            ..self
        }
    }

    /// The same where the last try came to nothing for this reason.
    #[must_use]
    pub fn because(mut self, why: Option<Why>) -> Self {
        if let Some(tries) = &mut self.tries {
            tries.why = why;
        }
        self
    }
}

/// The same in fewer words.
fn in_short(proof: Proof) -> Proof {
    let outcome = match proof.outcome {
        Outcome::ComesBack { .. } => Outcome::ComesBack { contents: None },
        Outcome::Damaged { why } => Outcome::Damaged {
            why: short(&why, REMEMBERED),
        },
    };
    Proof { outcome, ..proof }
}

/// When the next test restore is due by `schedule`: its first time after the last proof, or after the first backup where none was
/// proven. One that was tried and proved nothing stays due, whatever backups have come and gone since. Without a good backup there is
/// nothing to restore.
pub fn next(standing: &BackupHealth, schedule: &Schedule, record: &Record, now: Timestamp) -> Option<Next> {
    let newest = standing.last_good()?.time;
    let proof = record.last_proof(standing, now);
    let proven = proof.as_ref().map(LastWord::looked_at);
    let since = proven.or(standing.since).or(newest)?;
    let by_schedule = schedule.next_after(since);
    let damaged = proof.filter(|word| !word.proof.came_back());
    let after_damage = damaged.zip(newest).and_then(|(word, newest)| {
        // One that was there already was passed over for a newer one, which was the damaged one. One that came back since and did not end
        // it is looked at as long after that.
        (newest > word.proof.at).then(|| word.looked_at().saturating_add(AFTER_DAMAGE).ok())?
    });
    let counting = record.clone().after(standing, Some(schedule), now).tries;
    let tried = counting.as_ref().map(|tries| tries.due);
    let due = [by_schedule, after_damage, tried].into_iter().flatten().min()?;
    // A clock that was put back would keep the next try away for as long.
    let counting = counting.filter(|tries| !is_ahead(tries.last, now));
    Some(Next {
        due,
        from: counting.map_or(due, |tries| tries.again().max(due)),
    })
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
