//! Points in time as Juju prints and reads them. Nothing here reads a clock.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// `2026-07-01 12:00:00Z`, the form of `goal-state`.
pub(crate) fn with_space(seconds: i64) -> String {
    format(seconds, "%Y-%m-%d %H:%M:%SZ")
}

/// `2026-07-01T12:00:00Z`, the form of `secret-info-get`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    format(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

fn format(seconds: i64, pattern: &str) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime(pattern).to_string()
}

/// Reads a time with or without a zone, as `secret-add --expire` takes it. Without one it is UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    // Go takes exactly these two forms; jiff takes more.
    if text.get(10..11) != Some("T") {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    let civil: DateTime = text.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
}

/// Reads a duration as Go's `time.ParseDuration` does, in whole seconds (a part of a second is dropped).
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    Some(go_duration::parse(text).ok()? / NANOSECONDS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_juju_prints_them() {
        assert_eq!(with_space(1_782_907_200), "2026-07-01 12:00:00Z");
        assert_eq!(rfc3339(1_782_907_200), "2026-07-01T12:00:00Z");
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        for (text, expected) in [
            ("2026-07-01T12:00:00Z", Some(1_782_907_200)),
            ("2026-07-01T14:00:00+02:00", Some(1_782_907_200)),
            ("2026-07-01T12:00:00", Some(1_782_907_200)),
            ("2026-07-01", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("24h", Some(86_400)),
            ("1h30m", Some(5_400)),
            ("1.5h", Some(5_400)),
            ("-1h", Some(-3_600)),
            ("0", Some(0)),
            ("1500ms", Some(1)),
            ("1d", None),
            ("5", None),
            ("", None),
            ("-", None),
            ("h", None),
            (".h", None),
            ("1e3s", None),
            ("999999999999h", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
