//! What Velero's parser takes and this crate refuses: schedules that never fire, and ones that fire too often.

use jiff::civil::Date;

use super::next::weekday;
use super::syntax::{Clock, Timing};
use crate::error::Reason;

/// The shortest time between two runs that is taken, in seconds: ten minutes. A backup takes minutes, and each keeps its
/// data for its whole retention.
pub const SHORTEST_GAP_SECONDS: u64 = 600;

const DAY_MINUTES: u64 = 24 * 60;
/// The calendar repeats itself, weekdays included, after this many days: 400 years.
const CALENDAR_DAYS: usize = 146_097;
/// Days of each month; February has its 29th in some years.
const LONGEST_MONTHS: [i8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Judges by the clock, without regard to nights in which clocks change.
pub(super) fn check(timing: &Timing) -> Result<(), Reason> {
    let gap_seconds = match timing {
        Timing::Every { seconds } => seconds.unsigned_abs(),
        Timing::Clock(clock) => {
            if never_fires(clock) {
                return Err(Reason::NeverFires);
            }
            smallest_gap_minutes(clock).saturating_mul(60)
        }
    };
    if gap_seconds < SHORTEST_GAP_SECONDS {
        Err(Reason::TooOften { gap_seconds })
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

/// The smallest number of minutes between two runs.
fn smallest_gap_minutes(clock: &Clock) -> u64 {
    let mut times = clock.hours.values().flat_map(|hour| {
        clock
            .minutes
            .values()
            .map(move |minute| u64::from(hour.unsigned_abs()) * 60 + u64::from(minute.unsigned_abs()))
    });
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
