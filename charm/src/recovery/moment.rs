//! A moment, as a person says it: `2026-11-20T03:00`, `2026-11-20`, `3 days ago`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const FORMS: &str = "say 2026-11-20T03:00 (UTC), 2026-11-20T03:00+01:00, \"2026-11-20T03:00 Europe/Berlin\", 2026-11-20 (the end of that day), \
                     or \"3 days ago\"";

/// The moment that `text` names. Without an offset or a zone it is UTC; a day alone is its end, a day ago 24 hours.
///
/// # Errors
/// What cannot be understood, and the forms that can; a local time that a change of clocks leaves out or gives twice; a
/// moment after `now`.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let cannot = |reason: &str| format!("at {text:?}: {reason}");
    let found = match ago(text) {
        Some(ago) => now.checked_sub(ago).map_err(|_| cannot("is too long ago"))?,
        None => match text.parse::<Timestamp>() {
            Ok(found) => found,
            Err(_) => local(text).map_err(|reason| cannot(&reason))?,
        },
    };
    if found > now {
        return Err(cannot(
            "is in the future; leave it out for the newest good backup",
        ));
    }
    Ok(found)
}

/// A number and a unit before `ago`.
fn ago(text: &str) -> Option<SignedDuration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [number, unit, "ago"] = words.as_slice() else {
        return None;
    };
    let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" | "min" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    };
    number.checked_mul(seconds).map(SignedDuration::from_secs)
}

/// A date, or a date and a time, and a zone perhaps.
fn local(text: &str) -> Result<Timestamp, String> {
    let (when, zone) = match text.split_once(' ') {
        Some((when, zone)) if zone.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            (when, zone.trim())
        }
        _ => (text, "UTC"),
    };
    let cannot = |_| format!("cannot be understood; {FORMS}");
    let local = when.parse::<DateTime>().map_err(cannot)?;
    // A parser that reads an offset and leaves it away would be hours off.
    if when.ends_with(['Z', 'z']) || when.get(10..).is_some_and(|time| time.contains(['+', '-', '['])) {
        return Err(format!("cannot be understood; {FORMS}"));
    }
    let tz =
        TimeZone::get(zone).map_err(|_| format!("there is no time zone {zone:?}; one is Europe/Berlin"))?;
    if when.parse::<Date>().is_ok() && !when.contains([':', 'T']) {
        // The last moment before the next day begins, whatever the clocks do at midnight.
        let next = local.date().tomorrow().map_err(cannot)?;
        let begins = tz
            .to_timestamp(next.to_datetime(Time::midnight()))
            .map_err(cannot)?;
        return begins.checked_sub(SignedDuration::from_nanos(1)).map_err(cannot);
    }
    match tz.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).map_err(cannot),
        AmbiguousOffset::Gap { .. } => Err(format!("the clocks of {zone} leave this time out")),
        AmbiguousOffset::Fold { before, after } => Err(format!(
            "the clocks of {zone} show this time twice; say {when}{before} or {when}{after}",
            before = offset(before),
            after = offset(after)
        )),
    }
}

/// `+01:00`.
fn offset(of: jiff::tz::Offset) -> String {
    let minutes = of.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-29T12:00:00Z";

    fn at(text: &str) -> Result<String, String> {
        moment(text, NOW.parse().unwrap()).map(|found| found.to_string())
    }

    #[test]
    fn a_moment_is_what_a_person_means() {
        for (text, expected) in [
            ("2026-11-20T03:00:00Z", "2026-11-20T03:00:00Z"),
            ("2026-11-20T03:00+01:00", "2026-11-20T02:00:00Z"),
            ("2026-11-20T03:00", "2026-11-20T03:00:00Z"),
            ("2026-11-20T03:00 Europe/Berlin", "2026-11-20T02:00:00Z"),
            ("2026-11-20", "2026-11-20T23:59:59.999999999Z"),
            ("2026-11-20 Europe/Berlin", "2026-11-20T22:59:59.999999999Z"),
            (" 3 days ago ", "2026-11-26T12:00:00Z"),
            ("1 day ago", "2026-11-28T12:00:00Z"),
            ("90 minutes ago", "2026-11-29T10:30:00Z"),
            ("2 weeks ago", "2026-11-15T12:00:00Z"),
            ("0 hours ago", NOW),
        ] {
            assert_eq!(at(text), Ok(expected.to_owned()), "{text}");
        }
    }

    /// Clocks went back in Berlin on 2026-10-25 and forward on 2026-03-29, where 02:30 does not exist.
    #[test]
    fn a_night_in_which_clocks_change_leaves_no_doubt() {
        assert_eq!(
            at("2026-10-25T01:30 Europe/Berlin"),
            Ok("2026-10-24T23:30:00Z".to_owned())
        );
        assert_eq!(
            at("2026-10-25T03:30 Europe/Berlin"),
            Ok("2026-10-25T02:30:00Z".to_owned())
        );
        let twice = at("2026-10-25T02:30 Europe/Berlin").unwrap_err();
        assert!(
            twice.ends_with("say 2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00"),
            "{twice}"
        );
        assert_eq!(
            at("2026-10-25T02:30+02:00"),
            Ok("2026-10-25T00:30:00Z".to_owned())
        );
        assert_eq!(
            at("2026-10-25T02:30+01:00"),
            Ok("2026-10-25T01:30:00Z".to_owned())
        );
        let never = at("2026-03-29T02:30 Europe/Berlin").unwrap_err();
        assert!(never.contains("leave this time out"), "{never}");
        // That day has 25 hours.
        assert_eq!(
            at("2026-10-25 Europe/Berlin"),
            Ok("2026-10-25T22:59:59.999999999Z".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_the_forms() {
        for text in [
            "",
            "yesterday",
            "3 days",
            "-3 days ago",
            "2026-13-01",
            "2026-11-20T25:00",
            "20.11.2026",
            "3 ago",
            "99999999999999999999 days ago",
            "2026-11-20T03:00+01:00 Europe/Berlin",
            "2026-11-20T03:00Z UTC",
            "\u{1b}[2J",
        ] {
            let said = at(text).unwrap_err();
            assert!(said.contains("2026-11-20T03:00 (UTC)"), "{text:?}: {said}");
            assert!(!said.contains('\u{1b}'), "{said:?}");
        }
        assert!(
            at("2026-11-20T03:00 Europe/Nowhere")
                .unwrap_err()
                .contains("no time zone")
        );
        assert!(at("2026-11-30T03:00").unwrap_err().contains("in the future"));
        assert!(at("9223372036854775807 weeks ago").is_err());
        assert!(at("99999999999 weeks ago").unwrap_err().contains("too long ago"));
    }
}
