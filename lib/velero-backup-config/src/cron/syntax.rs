//! What a schedule's text means, as `ParseStandard` of `robfig/cron` v3.0.1 (`parser.go`) reads it.
//!
//! Some of it is surprising, and is kept: empty items of a list are skipped (`,5,` is `5`, and `,` is a field that never
//! matches), what follows `*-` is not looked at (`*-x` is `*`), numbers may have a plus sign, and `*` or `?` without a
//! step above one marks a field as unrestricted, which decides whether both days must match or one of them.

use jiff::tz::TimeZone;

use super::error::CronError;

/// The bit that says that a field is unrestricted. The values of all fields fit below it.
const STAR: u64 = 1 << 63;
const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// When a schedule fires.
#[derive(Clone)]
pub(super) enum Timing {
    /// At fixed times of the clock.
    Clock(Box<Clock>),
    /// Again and again after this many whole seconds, at least one.
    Every {
        /// The delay.
        seconds: i64,
    },
}

/// The times of the clock: one bit per value, and [`STAR`].
#[derive(Clone)]
pub(super) struct Clock {
    pub minutes: Field,
    pub hours: Field,
    pub days: Field,
    pub months: Field,
    pub weekdays: Field,
    pub zone: TimeZone,
}

/// The values of one field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field(u64);

impl Field {
    pub fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|shift| shift < 63 && self.0 & (1 << shift) != 0)
    }

    /// The values in ascending order.
    pub fn values(self) -> impl Iterator<Item = i8> {
        (0..63).filter(move |value| self.has(*value))
    }

    pub fn is_star(self) -> bool {
        self.0 & STAR != 0
    }

    fn one(value: u16) -> Self {
        Self(1u64.checked_shl(u32::from(value)).unwrap_or(0))
    }

    fn all(bounds: &Bounds) -> Self {
        Self(bits(bounds.min, bounds.max, 1) | STAR)
    }
}

impl Clock {
    /// Whether a day is one on which it fires: both days must match if one of them is unrestricted, else one of them.
    pub fn day_matches(&self, day: i8, weekday: i8) -> bool {
        let (day_matches, weekday_matches) = (self.days.has(day), self.weekdays.has(weekday));
        if self.days.is_star() || self.weekdays.is_star() {
            day_matches && weekday_matches
        } else {
            day_matches || weekday_matches
        }
    }
}

impl Timing {
    /// Once a day.
    pub fn daily(hour: u16, minute: u16) -> Self {
        Self::at(hour, minute, Field::all(&DAYS), Field::all(&WEEKDAYS))
    }

    /// Once a week.
    pub fn weekly(weekday: u16, hour: u16, minute: u16) -> Self {
        Self::at(hour, minute, Field::all(&DAYS), Field::one(weekday))
    }

    /// Once a month.
    pub fn monthly(day: u16, hour: u16, minute: u16) -> Self {
        Self::at(hour, minute, Field::one(day), Field::all(&WEEKDAYS))
    }

    /// At one minute of such days, by UTC.
    fn at(hour: u16, minute: u16, days: Field, weekdays: Field) -> Self {
        Self::clock(
            Field::one(minute),
            Field::one(hour),
            days,
            Field::all(&MONTHS),
            weekdays,
            TimeZone::UTC,
        )
    }

    fn clock(
        minutes: Field,
        hours: Field,
        days: Field,
        months: Field,
        weekdays: Field,
        zone: TimeZone,
    ) -> Self {
        Self::Clock(Box::new(Clock {
            minutes,
            hours,
            days,
            months,
            weekdays,
            zone,
        }))
    }
}

struct Bounds {
    name: &'static str,
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds {
    name: "minute",
    min: 0,
    max: 59,
    names: &[],
};
const HOURS: Bounds = Bounds {
    name: "hour",
    min: 0,
    max: 23,
    names: &[],
};
const DAYS: Bounds = Bounds {
    name: "day of month",
    min: 1,
    max: 31,
    names: &[],
};
/// The names stand for `min`, `min + 1` and so on.
const MONTHS: Bounds = Bounds {
    name: "month",
    min: 1,
    max: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAYS: Bounds = Bounds {
    name: "day of week",
    min: 0,
    max: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// Reads a schedule as `ParseStandard` does.
pub(super) fn parse_standard(text: &str) -> Result<Timing, CronError> {
    if text.is_empty() {
        return Err(CronError::Empty);
    }
    let named_zone = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ="));
    let (zone, text) = match named_zone {
        // The name ends at the first space. A tab or another white space belongs to the name.
        Some(rest) => match rest.split_once(' ') {
            Some((name, schedule)) => (time_zone(name)?, schedule.trim()),
            None => return Err(CronError::NothingAfterTimeZone),
        },
        None => (TimeZone::UTC, text),
    };
    if text.starts_with('@') {
        return descriptor(text, zone);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(CronError::FieldCount(fields.len()));
    };
    Ok(Timing::clock(
        field(minute, &MINUTES)?,
        field(hour, &HOURS)?,
        field(day, &DAYS)?,
        field(month, &MONTHS)?,
        field(weekday, &WEEKDAYS)?,
        zone,
    ))
}

/// The zone of a name, as Go's `time.LoadLocation` finds it on a system with a full time zone database.
fn time_zone(name: &str) -> Result<TimeZone, CronError> {
    // Go takes the empty name for UTC, and `Local` for the zone of Velero's container, which is UTC.
    if matches!(name, "" | "UTC" | "Local") {
        return Ok(TimeZone::UTC);
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err(CronError::BadTimeZone(name.to_owned()));
    }
    // The database is asked by name without regard to case; Go opens a file of exactly that name.
    match TimeZone::get(name) {
        Ok(zone) if zone.iana_name() == Some(name) && !zone.is_unknown() => Ok(zone),
        _ => Err(CronError::UnknownTimeZone(name.to_owned())),
    }
}

fn descriptor(text: &str, zone: TimeZone) -> Result<Timing, CronError> {
    let midnight = Field::one(0);
    let first = Field::one(1);
    let sunday = Field::one(0);
    let (hours, days, months, weekdays) = match text {
        "@yearly" | "@annually" => (midnight, first, first, Field::all(&WEEKDAYS)),
        "@monthly" => (midnight, first, Field::all(&MONTHS), Field::all(&WEEKDAYS)),
        "@weekly" => (midnight, Field::all(&DAYS), Field::all(&MONTHS), sunday),
        "@daily" | "@midnight" => (
            midnight,
            Field::all(&DAYS),
            Field::all(&MONTHS),
            Field::all(&WEEKDAYS),
        ),
        "@hourly" => (
            Field::all(&HOURS),
            Field::all(&DAYS),
            Field::all(&MONTHS),
            Field::all(&WEEKDAYS),
        ),
        _ => {
            let duration = text
                .strip_prefix("@every ")
                .ok_or_else(|| CronError::UnknownDescriptor(text.to_owned()))?;
            let nanoseconds = go_duration::parse(duration).map_err(CronError::EveryDuration)?;
            // Whole seconds, and at least one (`constantdelay.go`).
            return Ok(Timing::Every {
                seconds: (nanoseconds / NANOSECONDS_PER_SECOND).max(1),
            });
        }
    };
    Ok(Timing::clock(Field::one(0), hours, days, months, weekdays, zone))
}

/// A comma list of items. Empty items are skipped.
fn field(text: &str, bounds: &Bounds) -> Result<Field, CronError> {
    let mut all_bits = 0;
    for item in text.split(',').filter(|item| !item.is_empty()) {
        all_bits |= item_bits(item, bounds)?;
    }
    Ok(Field(all_bits))
}

/// One item: `*`, `?`, `N`, `N-M`, each with an optional `/STEP`.
fn item_bits(item: &str, bounds: &Bounds) -> Result<u64, CronError> {
    let too_many = |sign| CronError::TooMany {
        field: bounds.name,
        text: item.to_owned(),
        sign,
    };
    let (range, step_text) = match item.split_once('/') {
        None => (item, None),
        Some((_, step)) if step.contains('/') => return Err(too_many('/')),
        Some((range, step)) => (range, Some(step)),
    };
    let (low, high) = match range.split_once('-') {
        None => (range, None),
        Some((low, high)) => (low, Some(high)),
    };
    let (start, mut end, is_star) = if matches!(low, "*" | "?") {
        // Whatever follows a hyphen here is not looked at.
        (bounds.min, bounds.max, true)
    } else {
        let start = number_or_name(low, bounds)?;
        match high {
            None => (start, start, false),
            Some(high) if high.contains('-') => return Err(too_many('-')),
            Some(high) => (start, number_or_name(high, bounds)?, false),
        }
    };
    let step = match step_text {
        None => 1,
        Some(step_text) => {
            // `N/STEP` is `N-MAX/STEP`.
            if high.is_none() {
                end = bounds.max;
            }
            number(step_text, bounds)?
        }
    };
    for value in [start, end] {
        if value < bounds.min || value > bounds.max {
            return Err(CronError::OutOfRange {
                field: bounds.name,
                value,
                min: bounds.min,
                max: bounds.max,
            });
        }
    }
    if start > end {
        return Err(CronError::BackwardRange {
            field: bounds.name,
            text: item.to_owned(),
        });
    }
    if step == 0 {
        return Err(CronError::ZeroStep {
            field: bounds.name,
            text: item.to_owned(),
        });
    }
    let star = if is_star && step == 1 { STAR } else { 0 };
    Ok(bits(start, end, step) | star)
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, CronError> {
    // Go lowers each character on its own: the Turkish capital I with a dot becomes a plain i.
    let lowered: String = text
        .chars()
        .filter_map(|character| character.to_lowercase().next())
        .collect();
    match bounds.names.iter().position(|name| *name == lowered) {
        Some(position) => Ok(bounds.min + position as u64),
        None => number(text, bounds),
    }
}

/// A number as Go's `strconv.Atoi` reads it, that is not negative.
fn number(text: &str, bounds: &Bounds) -> Result<u64, CronError> {
    let not_a_number = || CronError::NotANumber {
        field: bounds.name,
        text: text.to_owned(),
    };
    // Rust's reader takes the same texts: digits after an optional sign, no more than fits.
    let number: i64 = text.parse().map_err(|_| not_a_number())?;
    u64::try_from(number).map_err(|_| not_a_number())
}

fn bits(start: u64, end: u64, step: u64) -> u64 {
    let mut bits = 0;
    let mut value = Some(start);
    while let Some(current) = value.filter(|current| *current <= end) {
        bits |= 1 << current;
        value = current.checked_add(step);
    }
    bits
}
