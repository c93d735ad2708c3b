//! When a schedule fires next, as `robfig/cron` v3.0.1 (`spec.go`, `constantdelay.go`) computes it.
//!
//! The library walks the local clock forward: months by calendar arithmetic, days likewise, hours, minutes and seconds by
//! real time. What it does in nights in which clocks change follows from that walk, so the walk is the same here, and so
//! is Go's way (`time.Date`) of choosing an instant for a local time that does not exist or exists twice.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};

use super::syntax::{Clock, Timing};

/// The library gives up after this many years.
const YEARS_SEARCHED: i16 = 5;
const HOUR: i64 = 3600;
const MINUTE: i64 = 60;
const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;
/// More steps than five years of hours take: a stop for a walk that a strange time zone sends in circles.
const STEP_LIMIT: u32 = 100_000;

pub(super) fn next_after(timing: &Timing, after: Timestamp) -> Option<Timestamp> {
    // Whole seconds from here on: the walk starts at the next one.
    let whole_seconds = i64::try_from(after.as_nanosecond().div_euclid(NANOSECONDS_PER_SECOND)).ok()?;
    let seconds = match timing {
        Timing::Every { seconds } => whole_seconds.checked_add(*seconds)?,
        Timing::Clock(clock) => Walk::start(clock, whole_seconds.checked_add(1)?)?.run()?,
    };
    Timestamp::from_second(seconds).ok()
}

/// The walk: an instant in whole seconds since the Unix epoch, seen through the schedule's zone.
struct Walk<'a> {
    clock: &'a Clock,
    instant: i64,
    /// The local time of `instant`.
    local: DateTime,
    /// Whether the smaller fields are at their lowest already, because a larger one was moved.
    moved: bool,
    last_year: i16,
    steps: u32,
}

/// What a step of the walk found.
enum Step {
    /// The field matches.
    Matches,
    /// A larger field may have changed: begin again with the months.
    Wrapped,
}

impl<'a> Walk<'a> {
    fn start(clock: &'a Clock, instant: i64) -> Option<Self> {
        let local = local_time(&clock.zone, instant)?;
        Some(Self {
            clock,
            instant,
            local,
            moved: false,
            last_year: local.year().saturating_add(YEARS_SEARCHED),
            steps: 0,
        })
    }

    fn run(mut self) -> Option<i64> {
        while self.local.year() <= self.last_year {
            let fields = [
                Self::find_month,
                Self::find_day,
                Self::find_hour,
                Self::find_minute,
                Self::find_second,
            ];
            let mut matching = 0;
            for find in fields {
                match find(&mut self)? {
                    Step::Matches => matching += 1,
                    Step::Wrapped => break,
                }
            }
            if matching == fields.len() {
                return Some(self.instant);
            }
        }
        None
    }

    fn find_month(&mut self) -> Option<Step> {
        while !self.clock.months.has(self.local.month()) {
            if self.is_first_move() {
                let first = self.local.date().first_of_month();
                self.go_to_local(first.to_datetime(jiff::civil::Time::midnight()))?;
            }
            self.go_to_local(one_month_later(self.local)?)?;
            if self.local.month() == 1 {
                return Some(Step::Wrapped);
            }
        }
        Some(Step::Matches)
    }

    fn find_day(&mut self) -> Option<Step> {
        while !self
            .clock
            .day_matches(self.local.day(), weekday(self.local.date()))
        {
            if self.is_first_move() {
                self.go_to_local(self.local.date().to_datetime(jiff::civil::Time::midnight()))?;
            }
            let tomorrow = self.local.checked_add(Span::new().days(1)).ok()?;
            self.go_to_local(tomorrow)?;
            // There may be no midnight on that day. The library then goes to the nearest one by whole hours.
            let hour = i64::from(self.local.hour());
            if hour > 12 {
                self.advance((24 - hour) * HOUR)?;
            } else if hour != 0 {
                self.advance(-hour * HOUR)?;
            }
            if self.local.day() == 1 {
                return Some(Step::Wrapped);
            }
        }
        Some(Step::Matches)
    }

    fn find_hour(&mut self) -> Option<Step> {
        while !self.clock.hours.has(self.local.hour()) {
            if self.is_first_move() {
                let whole_hour = self.local.date().at(self.local.hour(), 0, 0, 0);
                self.go_to_local(whole_hour)?;
            }
            self.advance(HOUR)?;
            if self.local.hour() == 0 {
                return Some(Step::Wrapped);
            }
        }
        Some(Step::Matches)
    }

    fn find_minute(&mut self) -> Option<Step> {
        while !self.clock.minutes.has(self.local.minute()) {
            if self.is_first_move() {
                self.advance(-self.instant.rem_euclid(MINUTE))?;
            }
            self.advance(MINUTE)?;
            if self.local.minute() == 0 {
                return Some(Step::Wrapped);
            }
        }
        Some(Step::Matches)
    }

    /// The second is always zero: there is no field for it.
    fn find_second(&mut self) -> Option<Step> {
        while self.local.second() != 0 {
            self.moved = true;
            self.advance(1)?;
            if self.local.second() == 0 {
                return Some(Step::Wrapped);
            }
        }
        Some(Step::Matches)
    }

    fn is_first_move(&mut self) -> bool {
        !std::mem::replace(&mut self.moved, true)
    }

    fn advance(&mut self, seconds: i64) -> Option<()> {
        self.go_to(self.instant.checked_add(seconds)?)
    }

    fn go_to_local(&mut self, local: DateTime) -> Option<()> {
        self.go_to(instant_of(&self.clock.zone, local)?)
    }

    fn go_to(&mut self, instant: i64) -> Option<()> {
        self.steps += 1;
        if self.steps > STEP_LIMIT {
            return None;
        }
        self.local = local_time(&self.clock.zone, instant)?;
        self.instant = instant;
        Some(())
    }
}

/// A day that the next month does not have runs over into the month after it, as in Go's `AddDate`.
fn one_month_later(local: DateTime) -> Option<DateTime> {
    let first = local
        .date()
        .first_of_month()
        .checked_add(Span::new().months(1))
        .ok()?;
    let date = first.checked_add(Span::new().days(local.day() - 1)).ok()?;
    Some(date.to_datetime(local.time()))
}

/// Sunday is 0, as in cron.
pub(super) fn weekday(date: Date) -> i8 {
    date.weekday().to_sunday_zero_offset()
}

fn local_time(zone: &TimeZone, instant: i64) -> Option<DateTime> {
    Some(zone.to_datetime(Timestamp::from_second(instant).ok()?))
}

/// The instant of a local time as Go's `time.Date` chooses it: the offset is looked up at the local time read as UTC, and
/// once more at the instant which that offset gives.
fn instant_of(zone: &TimeZone, local: DateTime) -> Option<i64> {
    let as_utc = Offset::UTC.to_timestamp(local).ok()?.as_second();
    let first_guess = offset_at(zone, as_utc)?;
    if first_guess == 0 {
        return Some(as_utc);
    }
    Some(as_utc - offset_at(zone, as_utc - first_guess)?)
}

fn offset_at(zone: &TimeZone, instant: i64) -> Option<i64> {
    Some(i64::from(
        zone.to_offset(Timestamp::from_second(instant).ok()?).seconds(),
    ))
}
