//! When the next good backup is due, when one was missed, and when the last good one is about to go.

use jiff::{SignedDuration, Timestamp};
use velero_backup_config::Schedule;

use super::{EndpointHealth, LastGood};

/// How long after its time a backup may end before it is missed. Many apps may be backed up at once.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// When the next good backup of an endpoint is due by a schedule: after the last good one, or else after the Schedule was made.
pub fn due(health: &EndpointHealth, schedule: &Schedule) -> Option<Timestamp> {
    let last = health.last_good.as_ref().and_then(|last| last.time);
    schedule.next_after(last.or_else(|| health.schedule.as_ref()?.since)?)
}

/// Whether a backup that was due then is missed by now.
pub fn is_missed(due: Timestamp, now: Timestamp) -> bool {
    now.duration_since(due) > GRACE
}

/// From when on somebody is told that the good backup that is kept the longest is about to go. `gap` is the longest pause of the schedule
/// that makes backups most often; `None` without one.
///
/// It is said when a tenth of the backup's life is left, but at least three days before its end, and at least three more tries.
///
/// A backup that is kept for a short time would always be about to go by that. So it is at most half of the time that is left
/// when its successor is overdue: as long as good ones are made nothing is said.
pub fn goes_from(kept_longest: &LastGood, gap: Option<SignedDuration>) -> Option<Timestamp> {
    let (ended, expires) = kept_longest.time.zip(kept_longest.expires)?;
    expires
        .checked_sub(told_before(expires.duration_since(ended), gap))
        .ok()
}

/// How long before the end of a backup that is kept for `life`.
fn told_before(life: SignedDuration, gap: Option<SignedDuration>) -> SignedDuration {
    let overdue = gap.map_or(SignedDuration::ZERO, |gap| gap.saturating_add(GRACE));
    let tries = gap.map_or(SignedDuration::ZERO, |gap| gap.saturating_mul(3));
    let at_most = life.saturating_sub(overdue).max(SignedDuration::ZERO) / 2;
    (life / 10)
        .max(SignedDuration::from_hours(3 * 24))
        .max(tries)
        .min(at_most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::{AppId, BackupSummary, Verdict, health};
    use crate::testing::backup;

    /// The clock of Velero's node jumped ahead for a while.
    #[test]
    fn an_end_of_years_ahead_hides_neither_that_a_backup_is_missing_nor_that_a_good_one_followed() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let hours = |hours: i64| now - SignedDuration::from_hours(hours);
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        let of = |uid: &str, began: i64, bytes: u64| BackupSummary {
            started: Some(hours(began)),
            completed: Some(hours(-24 * 3650)),
            ..backup(uid, &whose, bytes)
        };
        let good = of("good", 58, 7);
        let daily = Schedule::daily_at(0);
        let found = health(std::slice::from_ref(&good), &[], &whose, now);
        let endpoint = &found.endpoints[""];
        assert_eq!(endpoint.last_good.as_ref().unwrap().time, good.started);
        assert!(is_missed(due(endpoint, &daily).unwrap(), now));

        let empty = of("empty", 82, 0);
        assert_eq!(empty.verdict(now), Verdict::Empty);
        let found = health(&[good, empty], &[], &whose, now);
        assert!(found.bad.is_empty(), "{:?}", found.bad);
    }

    #[test]
    fn it_is_told_in_time_that_the_last_good_backup_goes() {
        let hours = SignedDuration::from_hours;
        let days = |days: i64| hours(24 * days);
        for (what, life, gap, expected) in [
            (
                "nightly, 30 days: a tenth, three days and three runs",
                days(30),
                Some(days(1)),
                days(3),
            ),
            ("nightly, a year: a tenth", days(365), Some(days(1)), hours(876)),
            ("weekly, 12 weeks: three runs", days(84), Some(days(7)), days(21)),
            ("monthly, a year: three runs", days(365), Some(days(31)), days(93)),
            ("nightly, 10 days: three days", days(10), Some(days(1)), days(3)),
            (
                "every 6 hours, 7 days: three days",
                days(7),
                Some(hours(6)),
                days(3),
            ),
            ("by hand, 30 days", days(30), None, days(3)),
            // No more than half of what is left when the next one is overdue.
            ("by hand, 2 days", days(2), None, days(1)),
            ("nightly, 3 days", days(3), Some(days(1)), hours(47) / 2),
            ("nightly, 49 hours", hours(49), Some(days(1)), hours(12)),
            (
                "nightly, 1 day: it is overdue when it goes",
                days(1),
                Some(days(1)),
                hours(0),
            ),
            ("kept too short", hours(1), Some(days(1)), hours(0)),
        ] {
            assert_eq!(told_before(life, gap), expected, "{what}");
        }
    }

    #[test]
    fn as_long_as_good_backups_are_made_nothing_goes() {
        for life in [24, 25, 26, 30, 48, 72, 96, 720, 8760_i64] {
            for gap in [1, 6, 24, 168, 744] {
                let (life, gap) = (SignedDuration::from_hours(life), SignedDuration::from_hours(gap));
                // Its successor may be there as late as this.
                let left = life - gap - GRACE;
                let told = told_before(life, Some(gap));
                assert!(told <= left.max(SignedDuration::ZERO), "{life} {gap}: {told}");
            }
        }
    }
}
