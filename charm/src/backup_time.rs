//! When `daily`, `weekly` and `monthly` are.

use velero_backup_config::Schedule;

use crate::digest::sha256;

/// Backups start in the four hours from 01:00 UTC.
const FIRST_MINUTE: u64 = 60;
const MINUTES: u64 = 4 * 60;

/// How often backups are made, at a time that follows from model and app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Every night.
    Day,
    /// One night of each week.
    Week,
    /// One night of each month.
    Month,
}

/// The schedule of this interval for the app of this name in this model, and how people say it: `daily at 02:41 UTC`.
///
/// It follows from the names alone, so that it never moves by itself, and differs from app to app, so that the apps of a
/// model do not all start at once. The three of one app are 80 minutes apart: Velero makes the backups of a namespace one after the
/// other, and in a night of two, the second would wait for the first.
pub fn slot(interval: Interval, model: &str, app: &str) -> (Schedule, String) {
    let slots = Slots::of(model, app);
    let minute = |shift: u64| slots.minute(shift);
    let clock = |minute: u16| format!("{:02}:{:02} UTC", minute / 60, minute % 60);
    match interval {
        Interval::Day => {
            let minute = minute(0);
            (Schedule::daily_at(minute), format!("daily at {}", clock(minute)))
        }
        Interval::Week => {
            const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
            let (minute, day) = (minute(MINUTES / 3), slots.weekday());
            let name = NAMES.get(usize::from(day)).copied().unwrap_or_default();
            (
                Schedule::weekly_at(day, minute),
                format!("weekly on {name} at {}", clock(minute)),
            )
        }
        Interval::Month => {
            let (minute, day) = (minute(2 * MINUTES / 3), slots.day());
            (
                Schedule::monthly_at(day, minute),
                format!("monthly on day {day} at {}", clock(minute)),
            )
        }
    }
}

/// The same for test restores, 40 minutes after the minute of the nightly backups, so that the one of that night is there. It is as far from the
/// weekly backups, and further from the monthly ones.
pub fn test_restore_slot(interval: Interval, model: &str, app: &str) -> Schedule {
    const AFTER_BACKUP: u16 = 40;
    let slots = Slots::of(model, app);
    let minute = slots.minute(0) + AFTER_BACKUP;
    match interval {
        Interval::Day => Schedule::daily_at(minute),
        Interval::Week => Schedule::weekly_at(slots.weekday(), minute),
        Interval::Month => Schedule::monthly_at(slots.day(), minute),
    }
}

/// What follows from the names of model and app.
struct Slots(Vec<u64>);

impl Slots {
    fn of(model: &str, app: &str) -> Self {
        let digest = sha256(format!("{model}/{app}"));
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        Self(digest.chunks(8).map(number).collect())
    }

    fn number(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or_default()
    }

    /// Minute of the day.
    fn minute(&self, shift: u64) -> u16 {
        small(FIRST_MINUTE + (self.number(0) % MINUTES + shift) % MINUTES)
    }

    fn weekday(&self) -> u16 {
        small(self.number(1) % 7)
    }

    /// Day of the month: every month has 28.
    fn day(&self) -> u16 {
        small(1 + self.number(2) % 28)
    }
}

/// A number that is small by how it was made.
fn small(number: u64) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [Interval; 3] = [Interval::Day, Interval::Week, Interval::Month];

    /// The numbers of a schedule: minute of the day, day of the month, day of the week.
    type Numbers = (u16, Option<u16>, Option<u16>);

    fn read(interval: Interval, app: &str) -> Numbers {
        let (schedule, _) = slot(interval, "homelab", app);
        let fields: Vec<Option<u16>> = schedule
            .as_str()
            .split(' ')
            .map(|field| field.parse().ok())
            .collect();
        let [Some(minute), Some(hour), day, None, weekday] = fields[..] else {
            panic!("{schedule}")
        };
        (hour * 60 + minute, day, weekday)
    }

    #[test]
    fn the_minute_is_in_the_night_and_never_moves() {
        for interval in ALL {
            assert_eq!(read(interval, "films"), read(interval, "films"));
            for app in 0..1000 {
                let (minute, ..) = read(interval, &format!("app{app}"));
                assert!((60..300).contains(&minute), "{minute}");
            }
        }
    }

    /// The daily one is as charms before the tiers had it: another one would restart Velero with each refresh.
    #[test]
    fn the_slots_are_these() {
        let told = |interval| {
            let (schedule, text) = slot(interval, "homelab", "radarr");
            (schedule.as_str().to_owned(), text)
        };
        let of = |schedule: &str, text: &str| (schedule.to_owned(), text.to_owned());
        assert_eq!(told(Interval::Day), of("28 1 * * *", "daily at 01:28 UTC"));
        assert_eq!(
            told(Interval::Week),
            of("48 2 * * 3", "weekly on Wed at 02:48 UTC")
        );
        assert_eq!(
            told(Interval::Month),
            of("8 4 21 * *", "monthly on day 21 at 04:08 UTC")
        );
    }

    #[test]
    fn ten_apps_do_not_start_at_once() {
        let apps = [
            "films", "series", "music", "books", "indexers", "torrents", "usenet", "videos", "photos",
            "requests",
        ];
        for interval in ALL {
            let times: BTreeSet<_> = apps.iter().map(|app| read(interval, app)).collect();
            assert!(times.len() >= 9, "{times:?}");
        }
    }

    #[test]
    fn the_backups_of_one_app_are_more_than_an_hour_apart() {
        for app in 0..1000 {
            let minutes = ALL.map(|interval| read(interval, &format!("app{app}")).0);
            for (place, one) in minutes.iter().enumerate() {
                for other in &minutes[..place] {
                    assert!(one.abs_diff(*other) >= 80, "{minutes:?}");
                }
            }
        }
    }

    #[test]
    fn a_test_restore_comes_after_the_nightly_backup_and_beside_no_other() {
        for app in 0..1000 {
            let app = format!("app{app}");
            let of = |interval| {
                let schedule = test_restore_slot(interval, "homelab", &app);
                let fields: Vec<u16> = schedule
                    .as_str()
                    .split(' ')
                    .filter_map(|field| field.parse().ok())
                    .collect();
                (fields[1] * 60 + fields[0], fields.get(2).copied())
            };
            let (minute, _) = of(Interval::Week);
            let [day, week, month] = ALL.map(|interval| read(interval, &app));
            assert_eq!(minute, day.0 + 40);
            assert!(minute.abs_diff(week.0) >= 40 && minute.abs_diff(month.0) >= 40);
            // The same nights, so that it is that night's weekly one that is tried.
            assert_eq!(of(Interval::Week).1, week.2);
            assert_eq!(of(Interval::Month).1, month.1);
            assert_eq!(of(Interval::Day), (minute, None));
        }
        let radarr = test_restore_slot(Interval::Week, "homelab", "radarr");
        assert_eq!(radarr.as_str(), "8 2 * * 3");
    }

    #[test]
    fn every_night_of_a_week_and_of_a_month_has_its_apps() {
        let days = |interval, of: fn(Numbers) -> Option<u16>| {
            let all = (0..2000).filter_map(|app| of(read(interval, &format!("app{app}"))));
            all.collect::<BTreeSet<u16>>()
        };
        let weekdays = days(Interval::Week, |(_, _, weekday)| weekday);
        assert_eq!(weekdays, (0..7).collect());
        assert_eq!(days(Interval::Month, |(_, day, _)| day), (1..29).collect());
    }
}
