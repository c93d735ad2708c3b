//! When the content of the config volume was last replaced: from then on backups are compared with one another.

use config_recovery::backups::is_ahead;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// When the content of the config volume was last replaced by that of a backup, if it ever was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastRestore(Option<Timestamp>);

impl LastRestore {
    /// What was noted. What a clock that ran ahead has left says nothing: until that time no backup could be compared with any other.
    pub fn noted(at: Option<Timestamp>, now: Timestamp) -> Self {
        Self(at.filter(|at| !is_ahead(*at, now)))
    }

    /// When it was.
    pub const fn at(self) -> Option<Timestamp> {
        self.0
    }

    /// Whether a backup that `began` then is a measure for those after it, or to be measured: it has nothing of the content before.
    /// Whoever restored a smaller backup has seen that it is. Velero and a backup's record say the time to the second.
    pub fn is_before(self, began: Timestamp) -> bool {
        self.0
            .is_none_or(|restored| began.as_second() >= restored.as_second())
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn what_began_in_the_second_of_the_restore_or_later_counts() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-11-26T03:00:00Z");
        let restored = LastRestore::noted(Some(time("2026-11-25T10:00:00.7Z")), now);
        assert!(!restored.is_before(time("2026-11-25T09:59:59Z")));
        assert!(restored.is_before(time("2026-11-25T10:00:00Z")), "to the second");
        assert!(restored.is_before(now));
        assert!(LastRestore::default().is_before(Timestamp::MIN));
    }

    #[test]
    fn one_of_the_future_hides_no_backup_that_shrank() {
        let now = Timestamp::now();
        let noted = |at: Timestamp| LastRestore::noted(Some(at), now).at();
        let before = now - SignedDuration::from_hours(1);
        assert_eq!(noted(before), Some(before));
        assert_eq!(noted(now), Some(now));
        assert_eq!(noted(now + SignedDuration::from_hours(24 * 365)), None);
    }
}
