//! When backups are made: schedules as Velero's parser takes them.
//!
//! Velero parses with `ParseStandard` of `robfig/cron` v3 (`parser.go`, `spec.go`). It takes five fields (minute, hour,
//! day of month, month, day of week) or a descriptor (`@daily`, `@every 6h`), after an optional `TZ=ZONE ` or
//! `CRON_TZ=ZONE `. There is no field for seconds, no `L`, `W` or `#`, and the days of the week end at 6.
//!
//! * [`syntax`] says what a text means, exactly as that parser does.
//! * [`next`] says when it fires, exactly as that library does, also in nights in which clocks change.
//! * [`policy`] refuses what the parser takes and nobody wants: schedules that never fire, and ones that leave no time
//!   between two backups.

mod error;
mod next;
mod policy;
mod syntax;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

pub use error::CronError;
pub use policy::SHORTEST_GAP_SECONDS;
use syntax::Timing;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// Hour and minute of a minute of the day.
const fn clock(minute_of_day: u16) -> (u16, u16) {
    let minute_of_day = minute_of_day % DAY_MINUTES;
    (minute_of_day / 60, minute_of_day % 60)
}

/// A schedule that Velero takes, and that this crate finds sensible. It keeps its text; two schedules are equal when their texts are.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    timing: Timing,
}

impl Schedule {
    /// Reads a schedule such as `30 2 * * *`, `@daily`, `@every 6h` or `TZ=Europe/Berlin 0 3 * * MON-FRI`.
    ///
    /// # Errors
    /// * When Velero's parser refuses the text.
    /// * When it never fires (`0 0 31 2 *`): Velero then makes one backup after the other.
    /// * When two runs are less than ten minutes apart, by the clock; that a zone's change of clocks may bring two runs
    ///   closer in one night of the year is not counted.
    /// * When it names a time zone that the bundled time zone database does not hold.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let timing = syntax::parse_standard(text)?;
        policy::check(&timing)?;
        Ok(Self {
            text: text.to_owned(),
            timing,
        })
    }

    /// Reads a schedule where an empty text stands for none, which is a backup on demand only: in a databag, in a spec, in the option
    /// of a charm. What is not empty is read as [`Schedule::parse`] does.
    ///
    /// # Errors
    /// As [`Schedule::parse`].
    pub fn parse_optional(text: &str) -> Result<Option<Self>, CronError> {
        match text {
            "" => Ok(None),
            text => Self::parse(text).map(Some),
        }
    }

    /// Once a day, this many minutes after midnight. A day has 1440 minutes; more wrap around.
    pub fn daily_at(minute_of_day: u16) -> Self {
        let (hour, minute) = clock(minute_of_day);
        Self {
            text: format!("{minute} {hour} * * *"),
            timing: Timing::daily(hour, minute),
        }
    }

    /// Once a week, this many minutes after midnight of this day. Sunday is 0; days from 7 on and minutes from 1440 on wrap around.
    pub fn weekly_at(weekday: u16, minute_of_day: u16) -> Self {
        let weekday = weekday % 7;
        let (hour, minute) = clock(minute_of_day);
        Self {
            text: format!("{minute} {hour} * * {weekday}"),
            timing: Timing::weekly(weekday, hour, minute),
        }
    }

    /// Once a month, this many minutes after midnight of this day: 1 to 28, which every month has. Others are taken for the nearest of
    /// these; minutes from 1440 on wrap around.
    pub fn monthly_at(day: u16, minute_of_day: u16) -> Self {
        let day = day.clamp(1, 28);
        let (hour, minute) = clock(minute_of_day);
        Self {
            text: format!("{minute} {hour} {day} * *"),
            timing: Timing::monthly(day, hour, minute),
        }
    }

    /// The text that it was read from, which is what goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The longest time from one run to the next, by the clock: that a zone's change of clocks may add an hour is not counted. A backup
    /// that is kept for less leaves a time without any.
    pub fn longest_gap(&self) -> Duration {
        Duration::from_secs(policy::longest_gap_seconds(&self.timing))
    }

    /// The first time after `after` at which a backup is due, or `None` if there is none in the next five years (a
    /// 29 February of the year 2100 is not). A schedule without a time zone runs by the clock of Velero's container, taken to be UTC.
    ///
    /// In a night in which clocks change this is what Velero's library does, not what one might wish for: a time that
    /// is skipped is not made up for until it comes round again, and a time that comes twice fires twice.
    /// `@every` counts from `after`.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        next::next_after(&self.timing, after)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Schedule").field(&self.text).finish()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl Hash for Schedule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
