//! Durations as Pebble writes them: the text form of Go's `time.Duration`.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A text is not a duration that Pebble takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read duration {text:?}: {reason}; write it like 500ms, 10s or 1m30s")]
pub struct DurationError {
    text: String,
    reason: &'static str,
}

/// Reads a duration: numbers with units, such as `1h30m`, `1.5s` or `500ms`. Units are `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`.
///
/// The rules are those of `ParseDuration` in Go's `time/format.go`, except that a negative one is refused.
///
/// # Errors
/// When `text` is something else, is negative, or is longer than Go can hold (about 292 years).
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = |reason| DurationError {
        text: text.to_owned(),
        reason,
    };
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (negative, mut rest) = match unsigned.strip_prefix('-') {
        Some(rest) if unsigned.len() == text.len() => (true, rest),
        _ => (false, unsigned),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error("it has no number"));
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (number, after_number) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after_unit) = split_where(after_number, |c| c.is_ascii_digit() || c == '.');
        rest = after_unit;
        let unit = nanos_of(unit).ok_or_else(|| {
            error(if unit.is_empty() {
                "a number has no unit"
            } else {
                "it has an unknown unit"
            })
        })?;
        let part = nanos_in(number, unit).ok_or_else(|| error("it has a malformed number"))?;
        nanos = nanos.saturating_add(part);
    }
    let nanos = i64::try_from(nanos).map_err(|_| error("it is too long"))?;
    if negative && nanos != 0 {
        return Err(error("it is negative"));
    }
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// Writes a duration as Go's `Duration.String` does: `1m30s`, `1.5s`, `500ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < NANOS_PER_SECOND {
        let (unit, size) = match nanos {
            1..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{}{unit}", decimal(nanos, size));
    }
    let minutes = nanos / (60 * NANOS_PER_SECOND);
    let seconds = decimal(nanos % (60 * NANOS_PER_SECOND), NANOS_PER_SECOND);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

fn nanos_of(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // Both code points that look like a micro sign.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3600 * NANOS_PER_SECOND,
        _ => return None,
    })
}

/// `number` (digits with at most one point) of a unit. More than 18 digits do not fit Go's range anyway.
fn nanos_in(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    // What is beyond 18 digits after the point is below a nanosecond, whatever the unit.
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = digits(fraction)?.checked_mul(unit)? / scale;
    digits(whole)?.checked_mul(unit)?.checked_add(fraction)
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

/// For `#[serde(with = …)]`: an optional duration. A text that is none is read as if the key were absent, as a client
/// cannot mend a plan that Pebble accepted.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_str(&super::format(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        Ok(text.and_then(|text| super::parse(&text).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        let cases: [(&str, u64, &str); 14] = [
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
            (
                "2562047h47m16.854775807s",
                i64::MAX as u64,
                "2562047h47m16.854775807s",
            ),
        ];
        for (text, nanos, written) in cases {
            assert_eq!(parse(text).map(|d| d.as_nanos()), Ok(u128::from(nanos)), "{text}");
            assert_eq!(format(Duration::from_nanos(nanos)), written, "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "", "-", "+", ".", "1", "s", "1d", "1.s.", "1..5s", "1 s", "five", "-1s", "--1s", "+-1s",
            "2562048h", "1é",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
