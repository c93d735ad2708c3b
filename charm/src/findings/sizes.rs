//! How many bytes earlier good backups held, so that one that shrank is told without another look at all of them.

use config_recovery::backups::{BackupHealth, WEEK, is_halved};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::last_restore::LastRestore;

/// So far apart are those that are kept: what is remembered stays small where backups are made every few minutes.
const APART: SignedDuration = SignedDuration::from_hours(12);

/// What a good backup held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// When it ended.
    pub at: Timestamp,
    /// Its bytes.
    pub bytes: u64,
}

/// What good backups held, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes(Vec<Size>);

impl Sizes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with the last good backup. What is older than a week before it goes, but for the newest one before it, and so does what a
    /// clock that was wrong has left, and what was before the content was `restored`: whoever restored a smaller backup has seen that.
    #[must_use]
    pub fn after(mut self, standing: &BackupHealth, restored: LastRestore) -> Self {
        self.0.retain(|size| restored.is_before(size.at));
        let last = standing.last_good();
        let last = last.filter(|last| {
            let began = last.started.or(last.time);
            began.is_some_and(|began| restored.is_before(began))
        });
        let Some((at, bytes)) = last.and_then(|last| last.time.zip(last.bytes)) else {
            return self;
        };
        let newest = self.newest_before(at).map(|size| size.at);
        self.0
            .retain(|size| size.at <= at && (at.duration_since(size.at) <= WEEK || Some(size.at) == newest));
        if self
            .0
            .last()
            .is_none_or(|last| at.duration_since(last.at) >= APART)
        {
            self.0.push(Size { at, bytes });
        }
        self
    }

    /// The largest of the week before, and of the one before whenever that was made, if it is more than twice as large as a backup that
    /// ended `at` this time.
    pub fn larger_than(&self, at: Timestamp, bytes: u64) -> Option<&Size> {
        let is_of_the_week = |size: &&Size| size.at < at && at.duration_since(size.at) <= WEEK;
        let of_the_week = self.0.iter().filter(is_of_the_week);
        let largest = of_the_week
            .chain(self.newest_before(at))
            .max_by_key(|size| size.bytes)?;
        is_halved(bytes, largest.bytes).then_some(largest)
    }

    /// The last one before a time. Where backups are made once a week or less often, none is of the week before.
    fn newest_before(&self, at: Timestamp) -> Option<&Size> {
        self.0.iter().rfind(|size| size.at < at)
    }
}
