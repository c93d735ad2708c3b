//! What Velero's parser takes and this crate refuses: schedules that never fire, and ones that fire too often.

use jiff::civil::Date;

use super::error::CronError;
use super::next::weekday;
use super::syntax::{Clock, Timing};

/// The shortest time between two runs that is taken, in seconds: ten minutes. A backup takes minutes, and each keeps its
/// data for its whole retention.
pub const SHORTEST_GAP_SECONDS: u64 = 600;

const DAY_MINUTES: u64 = 24 * 60;
/// The calendar repeats itself, weekdays included, after this many days: 400 years.
const CALENDAR_DAYS: usize = 146_097;
/// Leap years repeat themselves after this many days while no century is left out: 4 years.
const LEAP_DAYS: usize = 4 * 365 + 1;
/// Weekdays and leap years do after this many: 28 years.
const GAP_DAYS: usize = 7 * LEAP_DAYS;
/// Days of each month; February has its 29th in some years.
const LONGEST_MONTHS: [i8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Judges by the clock, without regard to nights in which clocks change.
pub(super) fn check(timing: &Timing) -> Result<(), CronError> {
    let gap_seconds = match timing {
        Timing::Every { seconds } => seconds.unsigned_abs(),
        Timing::Clock(clock) => {
            if never_fires(clock) {
                return Err(CronError::NeverFires);
            }
            smallest_gap_minutes(clock).saturating_mul(60)
        }
    };
    if gap_seconds < SHORTEST_GAP_SECONDS {
        Err(CronError::TooOften { gap_seconds })
    } else {
        Ok(())
    }
}

/// Whether no time of no day of the calendar matches.
fn never_fires(clock: &Clock) -> bool {
    let is_empty = |field: super::syntax::Field| field.values().next().is_none();
    if is_empty(clock.minutes) || is_empty(clock.hours) || is_empty(clock.months) {
        return true;
    }
    let some_date_exists = (1..)
        .zip(LONGEST_MONTHS)
        .any(|(month, longest)| clock.months.has(month) && clock.days.values().any(|day| day <= longest));
    let some_weekday = !is_empty(clock.weekdays);
    // Every date falls on every day of the week in some year, so that the two can be looked at one by one.
    let some_day = if clock.days.is_star() || clock.weekdays.is_star() {
        some_date_exists && some_weekday
    } else {
        some_date_exists || some_weekday
    };
    !some_day
}

/// The times of a day on which it fires, in minutes after midnight, from the first to the last.
fn minutes_of_day(clock: &Clock) -> impl Iterator<Item = u64> {
    clock.hours.values().flat_map(|hour| {
        let minutes = clock.minutes.values();
        minutes.map(move |minute| u64::from(hour.unsigned_abs()) * 60 + u64::from(minute.unsigned_abs()))
    })
}

/// The smallest number of minutes between two runs.
fn smallest_gap_minutes(clock: &Clock) -> u64 {
    let mut times = minutes_of_day(clock);
    let Some(first) = times.next() else {
        return u64::MAX;
    };
    let (mut last, mut smallest) = (first, u64::MAX);
    for time in times {
        smallest = smallest.min(time - last);
        last = time;
    }
    let over_midnight = first + DAY_MINUTES - last;
    if over_midnight < smallest
        && over_midnight * 60 < SHORTEST_GAP_SECONDS
        && fires_on_two_days_in_a_row(clock)
    {
        smallest = over_midnight;
    }
    smallest
}

/// The longest time between two runs, in seconds, without regard to nights in which clocks change.
pub(super) fn longest_gap_seconds(timing: &Timing) -> u64 {
    let clock = match timing {
        Timing::Every { seconds } => return seconds.unsigned_abs(),
        Timing::Clock(clock) => clock,
    };
    let times: Vec<u64> = minutes_of_day(clock).collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return u64::MAX;
    };
    let within_a_day = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    let over_midnight = longest_gap_days(clock).saturating_mul(DAY_MINUTES) + first - last;
    over_midnight.max(within_a_day.unwrap_or(0)).saturating_mul(60)
}

/// How many days have to be looked at to see every pause between days on which it fires: two rounds of what repeats itself, or all 28
/// years, which are ten thousand days. A charm asks in each of its events.
fn days_to_look_at(clock: &Clock) -> usize {
    let fires_by = |day: i8| (0..7).map(move |weekday| clock.day_matches(day, weekday));
    let is_every_month = (1..=12).all(|month| clock.months.has(month));
    if is_every_month && (1..=31).all(|day| fires_by(day).eq(fires_by(1))) {
        2 * 7
    } else if (1..=31).all(|day| fires_by(day).all(|fires| fires == clock.day_matches(day, 0))) {
        2 * LEAP_DAYS
    } else {
        GAP_DAYS
    }
}

/// The most days from one on which it fires to the next.
fn longest_gap_days(clock: &Clock) -> u64 {
    // Not by spans of time: their general arithmetic took milliseconds for all these days.
    let days = std::iter::successors(Some(Date::constant(2000, 1, 1)), |date| date.tomorrow().ok());
    let fires = |date: &Date| clock.months.has(date.month()) && clock.day_matches(date.day(), weekday(*date));
    let firing = days
        .zip(0u64..)
        .take(days_to_look_at(clock))
        .filter(|(date, _)| fires(date));
    let mut last = None;
    let mut longest = 0;
    for (_, day) in firing {
        longest = longest.max(day - last.replace(day).unwrap_or(day));
    }
    // Once in all these days, or never.
    if longest == 0 {
        u64::MAX / (2 * DAY_MINUTES)
    } else {
        longest
    }
}

fn fires_on_two_days_in_a_row(clock: &Clock) -> bool {
    let mut yesterday_matches = false;
    for date in Date::constant(2000, 1, 1)
        .series(jiff::Span::new().days(1))
        .take(CALENDAR_DAYS)
    {
        let matches = clock.months.has(date.month()) && clock.day_matches(date.day(), weekday(date));
        if matches && yesterday_matches {
            return true;
        }
        yesterday_matches = matches;
    }
    false
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::super::Schedule;

    #[test]
    fn the_longest_gap_is_the_longest_that_is_seen_in_28_years() {
        let begin: Timestamp = "2000-01-01T00:00:00Z".parse().unwrap();
        let end = begin + SignedDuration::from_hours(28 * 366 * 24);
        let texts = [
            "0 3 * * *",
            "0 3,5 * * *",
            "*/30 1-4 * * *",
            "0 0 * * MON-FRI",
            "30 2 * * SUN",
            "0 3 31 * *",
            "0 3,23 1,15 * *",
            "0 3 13 * FRI",
            "0 0 29 2 *",
            "0 12 1 1,7 *",
            "0 12 * 1,7 *",
            "0 12 * 3 SUN",
            "0 12 */2 * SUN",
            "0 12 */7 * */3",
            "@weekly",
            "@every 6h",
        ];
        for text in texts {
            let schedule = Schedule::parse(text).unwrap();
            let runs = std::iter::successors(schedule.next_after(begin), |run| schedule.next_after(*run));
            // What is more often than daily repeats itself each day.
            let runs: Vec<Timestamp> = runs.take_while(|run| *run < end).take(1_500).collect();
            let longest = runs.windows(2).map(|pair| pair[1].duration_since(pair[0])).max();
            assert_eq!(
                SignedDuration::try_from(schedule.longest_gap()).ok(),
                longest,
                "{text}"
            );
        }
    }
}
