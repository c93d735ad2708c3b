//! What the app has much less of than it had: as after an accident.

use config_recovery::backups::{WEEK, is_halved};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::seen::{List, Seen};
use crate::last_restore::LastRestore;

/// A thing of which a backup has less than half of what one of the week before had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fewer {
    /// What it is, as in the app file: `films`.
    pub name: String,
    /// How many the backup has.
    pub now: u64,
    /// How many there were.
    pub before: u64,
    /// When there were that many.
    pub at: Timestamp,
}

/// Whether a count tells of an accident when it falls. A queue that was worked off tells of none.
pub fn is_essential(essential: &[String], name: &str) -> bool {
    essential.iter().any(|essential| essential == name)
}

/// Compares the `essential` counts of one of the list with those of the week before it, and with the one before whenever that was made,
/// whatever came of the backups that they were made for: what the app had is what counts. What it had before its content was `restored`
/// does not: whoever restored a backup with fewer things has seen that.
pub fn fewer(list: &List, this: &Seen, essential: &[String], restored: LastRestore) -> Vec<Fewer> {
    let week = this.made.saturating_sub(WEEK.unsigned_abs().as_secs());
    let of = |(name, now): (&str, u64)| {
        let count = |(made, seen): (&u64, &Seen)| {
            let count = seen.counts().find(|(other, _)| *other == name)?.1;
            Some((count, *made))
        };
        // Where backups are made once a week or less often, none is of the week before.
        let newest = list.range(..this.made).next_back();
        let before = list.range(week..this.made).chain(newest);
        let counts = |(made, _): &(&u64, &Seen)| time(**made).is_some_and(|made| restored.is_before(made));
        let counted = before.filter(counts).filter_map(count);
        // Of equal ones the newest.
        let (before, made) = counted.max().filter(|(before, _)| is_halved(now, *before))?;
        Some(Fewer {
            name: name.to_owned(),
            now,
            before,
            at: time(made)?,
        })
    };
    this.counts()
        .filter(|(name, _)| is_essential(essential, name))
        .filter_map(of)
        .collect()
}

fn time(made: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(made).ok()?).ok()
}
