//! What came before a backup: whether it holds much less than others did, as one does that was made after an accident.

use jiff::{SignedDuration, Timestamp};

use super::BackupSummary;

/// Backups of so long before one are what it is compared with: an accident is not noticed in the first night.
pub const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The good backups of the same app before one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Earlier {
    /// The newest.
    pub newest: Option<BackupSummary>,
    /// The largest of the week before, and of the one before whenever that was made, if this one holds less than half of its bytes.
    pub larger: Option<BackupSummary>,
}

/// Whether what there is now is less than half of what there was: bytes, or an app's things.
pub const fn is_halved(now: u64, before: u64) -> bool {
    now < before.div_ceil(2)
}

/// Looks for the good backups before `backup`. A snapshot has no bytes that could be compared.
pub fn earlier<'a>(
    list: impl IntoIterator<Item = &'a BackupSummary>,
    backup: &BackupSummary,
    now: Timestamp,
) -> Earlier {
    let mut before: Vec<&BackupSummary> = list
        .into_iter()
        .filter(|other| other.whose == backup.whose && other.uid != backup.uid && other.is_good(now))
        // What was to be replaced is nothing to compare with.
        .filter(|other| other.started < backup.started && other.before_restore.is_none())
        .collect();
    before.sort_by_key(|other| std::cmp::Reverse((other.started, other.completed)));
    let newest = before.first().copied();
    let is_recent = |other: &BackupSummary| {
        let apart = backup.started.zip(other.started);
        apart.is_some_and(|(this, other)| this.duration_since(other) <= WEEK)
    };
    let bytes = backup.holds.bytes();
    let is_larger = |other: &BackupSummary| {
        let both = bytes.zip(other.holds.bytes());
        both.is_some_and(|(this, other)| is_halved(this, other))
    };
    let larger = before
        .iter()
        .enumerate()
        .filter(|(number, other)| (*number == 0 || is_recent(other)) && is_larger(other))
        .map(|(_, other)| *other)
        // Of equal ones the newest: it is the first.
        .rev()
        .max_by_key(|other| other.holds.bytes());
    Earlier {
        newest: newest.cloned(),
        larger: larger.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::{AppId, BackupContents};
    use crate::testing;

    fn backup(uid: &str, started: &str, bytes: u64) -> BackupSummary {
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        let mut backup = testing::backup(uid, &whose, bytes);
        uid.clone_into(&mut backup.uid);
        backup.started = Some(started.parse().unwrap());
        backup.completed = backup.started;
        backup.expires = None;
        backup
    }

    #[test]
    fn one_that_holds_less_than_half_of_another_of_the_week_is_told_with_the_larger_one() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let last = |bytes| backup("last", "2026-11-20T03:00:00Z", bytes);
        let night = |day: u8, bytes| {
            backup(
                &format!("of-{day}"),
                &format!("2026-11-{day:02}T03:00:00Z"),
                bytes,
            )
        };
        let other_app = {
            let mut other = night(19, 9000);
            "sonarr".clone_into(&mut other.whose.app);
            other
        };
        let mut safety = night(19, 9000);
        safety.before_restore = Some("of-1".to_owned());
        let mut snapshot = night(19, 0);
        snapshot.holds = BackupContents::Snapshot { count: 1 };
        for (before, bytes, newest, larger) in [
            (vec![], 1, None, None),
            (vec![night(19, 1000)], 500, Some("of-19"), None),
            (vec![night(19, 1000)], 499, Some("of-19"), Some("of-19")),
            (vec![night(19, 1001)], 500, Some("of-19"), Some("of-19")),
            // It was not noticed in the first night.
            (
                vec![night(19, 400), night(18, 1000), night(17, 1000)],
                400,
                Some("of-19"),
                Some("of-18"),
            ),
            (vec![night(19, 400), night(12, 1000)], 400, Some("of-19"), None),
            // However long ago it was, when there is none between.
            (vec![night(2, 1000)], 400, Some("of-2"), Some("of-2")),
            (vec![other_app], 400, None, None),
            (vec![safety], 400, None, None),
            (vec![snapshot], 400, Some("of-19"), None),
            // Later ones say nothing about it.
            (vec![night(21, 1000)], 400, None, None),
        ] {
            let last = last(bytes);
            let mut list = before.clone();
            list.push(last.clone());
            let found = earlier(&list, &last, now);
            let uid = |backup: Option<BackupSummary>| backup.map(|backup| backup.uid);
            assert_eq!(uid(found.newest).as_deref(), newest, "{before:?}");
            assert_eq!(uid(found.larger).as_deref(), larger, "{before:?}");
        }
    }
}
