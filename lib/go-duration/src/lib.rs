//! Durations as Go reads and writes them: the text form of `time.Duration`.
//!
//! Velero, Juju and Pebble read durations with Go's `time.ParseDuration` (Velero a `ttl` by
//! `apimachinery/pkg/apis/meta/v1/duration.go`), so that is the judge: `720h`, `1h30m`, `1.5h`, `.5h` and `-1h` are
//! durations, `30d`, `720` and ` 720h` are not. A table made by Go holds this crate to it (`tests/data`).

use std::time::Duration;

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The size of the most negative Go duration, and one more than the largest: 2⁶³ nanoseconds, about 292 years.
const LIMIT: u64 = 1 << 63;

/// Why a text is not a duration as Go reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing, or nothing but a sign.
    #[error("there is no duration in it")]
    Empty,
    /// A number must begin here.
    #[error("there is no number before {0:?}")]
    NoNumber(String),
    /// A number without a unit.
    #[error("its last number has no unit")]
    NoUnit,
    /// A unit that Go does not know.
    #[error("Go knows no unit {0:?}")]
    UnknownUnit(String),
    /// More than 292 years.
    #[error("it is longer than Go can count (292 years)")]
    Overflow,
}

impl DurationError {
    /// What would be right, as a sentence for the person who set the value.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownUnit(unit) if matches!(unit.as_str(), "d" | "D" | "day" | "days") => {
                "write days in hours: 24h for one day, 720h for 30 days".to_owned()
            }
            Self::UnknownUnit(unit) if matches!(unit.as_str(), "w" | "W" | "week" | "weeks") => {
                "write weeks in hours: 168h for one week".to_owned()
            }
            Self::Overflow => "write at most 2562047h".to_owned(),
            _ => {
                "write numbers with the units h, m, s, ms, us or ns and no spaces, for example 720h or 1h30m"
                    .to_owned()
            }
        }
    }
}

/// Reads a duration as Go's `time.ParseDuration` does: signed nanoseconds, its overflow rules included.
///
/// # Errors
/// [`DurationError`] exactly when Go returns an error.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanoseconds, remaining) = leading_term(rest)?;
        rest = remaining;
        // Wrapping, as in Go: two terms of 2⁶³ ns each add up to zero there, and here.
        total = total.wrapping_add(nanoseconds);
        if total > LIMIT {
            return Err(DurationError::Overflow);
        }
    }
    match (negative, i64::try_from(total)) {
        (true, Ok(nanoseconds)) => Ok(-nanoseconds),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Ok(nanoseconds)) => Ok(nanoseconds),
        (false, Err(_)) => Err(DurationError::Overflow),
    }
}

/// One number with its unit, such as `1.5h`: its nanoseconds, and the text after it.
fn leading_term(text: &str) -> Result<(u64, &str), DurationError> {
    let (whole_digits, mut rest) = split_digits(text);
    let mut fraction_digits = "";
    if let Some(after_point) = rest.strip_prefix('.') {
        (fraction_digits, rest) = split_digits(after_point);
    }
    if whole_digits.is_empty() && fraction_digits.is_empty() {
        return Err(DurationError::NoNumber(text.to_owned()));
    }
    let whole = whole_number(whole_digits)?;
    let unit_end = rest
        .find(|next: char| next == '.' || next.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit_text, remaining) = rest.split_at(unit_end);
    let unit = unit(unit_text)?;
    if whole > LIMIT / unit {
        return Err(DurationError::Overflow);
    }
    let nanoseconds = whole * unit + fraction(fraction_digits, unit);
    if nanoseconds > LIMIT {
        return Err(DurationError::Overflow);
    }
    Ok((nanoseconds, remaining))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|next: char| !next.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

fn whole_number(digits: &str) -> Result<u64, DurationError> {
    let mut number: u64 = 0;
    for digit in digits.bytes() {
        number = number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
            .filter(|number| *number <= LIMIT)
            .ok_or(DurationError::Overflow)?;
    }
    Ok(number)
}

/// Nanoseconds of the digits after the point. Digits beyond what fits are dropped, and the product is a float, as in Go.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn fraction(digits: &str, unit: u64) -> u64 {
    let mut number: u64 = 0;
    let mut scale: f64 = 1.0;
    for digit in digits.bytes() {
        if number > (LIMIT - 1) / 10 {
            break;
        }
        let longer = number * 10 + u64::from(digit - b'0');
        if longer > LIMIT {
            break;
        }
        number = longer;
        scale *= 10.0;
    }
    if number == 0 {
        0
    } else {
        (number as f64 * (unit as f64 / scale)) as u64
    }
}

fn unit(text: &str) -> Result<u64, DurationError> {
    match text {
        "" => Err(DurationError::NoUnit),
        "ns" => Ok(NANOSECOND),
        // Two characters look like a mu: the micro sign U+00B5 and the Greek letter U+03BC. Go takes both.
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(MICROSECOND),
        "ms" => Ok(MILLISECOND),
        "s" => Ok(SECOND),
        "m" => Ok(MINUTE),
        "h" => Ok(HOUR),
        other => Err(DurationError::UnknownUnit(other.to_owned())),
    }
}

/// Writes a duration as Go's `Duration.String` does: `1m30s`, `1.5s`, `500ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < u128::from(SECOND) {
        let (unit, size) = match nanos {
            1..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{}{unit}", decimal(nanos, size));
    }
    let minutes = nanos / u128::from(MINUTE);
    let seconds = decimal(nanos % u128::from(MINUTE), u128::from(SECOND));
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u128, unit: u128) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_is_what_go_writes() {
        let cases: [(&str, i64, &str); 14] = [
            ("0", 0, "0s"),
            ("5s", 5_000_000_000, "5s"),
            ("+5s", 5_000_000_000, "5s"),
            ("500ms", 500_000_000, "500ms"),
            ("0.5s", 500_000_000, "500ms"),
            (".5s", 500_000_000, "500ms"),
            ("5.s", 5_000_000_000, "5s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("1h0m1.5s", 3_601_500_000_000, "1h0m1.5s"),
            ("1500us", 1_500_000, "1.5ms"),
            ("1µs2ns", 1_002, "1.002µs"),
            ("720h0m0s", 2_592_000_000_000_000, "720h0m0s"),
            ("2562047h47m16.854775807s", i64::MAX, "2562047h47m16.854775807s"),
        ];
        for (text, nanoseconds, written) in cases {
            assert_eq!(parse(text), Ok(nanoseconds), "{text}");
            let duration = Duration::from_nanos(nanoseconds.unsigned_abs());
            assert_eq!(format(duration), written, "{text}");
            assert_eq!(parse(written), Ok(nanoseconds), "{text}");
        }
    }
}
