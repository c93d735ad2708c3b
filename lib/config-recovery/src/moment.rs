//! A moment, as a person says it: `2026-11-20T03:00`, `2026-11-20`, `3 days ago`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const FORMS: &str = "cannot be understood; say 2026-11-20T03:00 (UTC), 2026-11-20T03:00+01:00, \"2026-11-20 03:00 Europe/Berlin\", \
                     2026-11-20 (the end of that day), or \"3 days ago\"";

/// The moment that `text` names. Without an offset or a zone it is UTC. A day alone is its end, a minute too: what is shown to the
/// minute began some time within it. A day ago is 24 hours ago. What is not over yet is `now`.
///
/// # Errors
/// What cannot be understood, and the forms that can; a local time that a change of clocks leaves out or gives twice; a
/// moment after `now`.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let cannot = |reason: String| format!("at {text:?}: {reason}");
    let Span { first, last } = match ago(text) {
        Some(ago) => {
            let then = now.checked_sub(ago);
            let then = then.map_err(|_| cannot("is too long ago".to_owned()))?;
            Span {
                first: then,
                last: then,
            }
        }
        None => span(text).map_err(cannot)?,
    };
    match first > now {
        true => Err(cannot(
            "is in the future; latest is the newest good backup".to_owned(),
        )),
        false => Ok(last.min(now)),
    }
}

/// From where to where a text may mean.
struct Span {
    first: Timestamp,
    last: Timestamp,
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

/// A date, a time perhaps, and an offset or a zone perhaps. Each part is judged by its shape first: a parser takes more than a
/// person means.
fn span(text: &str) -> Result<Span, String> {
    let cannot = || FORMS.to_owned();
    let (date, rest) = text.split_at_checked(10).ok_or_else(cannot)?;
    if !is_like(date, "0000-00-00") {
        return Err(cannot());
    }
    let date: Date = date.parse().map_err(|_| cannot())?;
    let (time, place) = match rest.strip_prefix(['T', 't', ' ']) {
        Some(rest) => {
            let end = rest.find(|is: char| !is.is_ascii_digit() && is != ':' && is != '.');
            rest.split_at(end.unwrap_or(rest.len()))
        }
        None => ("", rest),
    };
    let place = place.trim();
    if time.is_empty() && rest.starts_with(['T', 't']) {
        return Err(cannot());
    }
    if time.is_empty() {
        let zone = zone(place)?;
        let begins = |date: Date| zone.to_timestamp(date.to_datetime(Time::midnight()));
        let next = date.tomorrow().map_err(|_| cannot())?;
        let first = begins(date).map_err(|_| cannot())?;
        return lasting(first, begins(next).map_err(|_| cannot())?.duration_since(first));
    }
    let whole = match time.split_once('.') {
        Some((whole, part)) if !part.is_empty() && !part.contains(['.', ':']) => whole,
        Some(_) => return Err(cannot()),
        None => time,
    };
    let lasts = match whole {
        minute if is_like(minute, "00:00") && minute == time => SignedDuration::from_secs(60),
        second if is_like(second, "00:00:00") => SignedDuration::from_nanos(1),
        _ => return Err(cannot()),
    };
    let local: DateTime = format!("{date}T{time}").parse().map_err(|_| cannot())?;
    let first = match place.starts_with(['+', '-', 'Z', 'z']) {
        true => format!("{date}T{time}{place}").parse().map_err(|_| cannot())?,
        false => on_the_clock(local, &zone(place)?, &format!("{date}T{time}"))?,
    };
    lasting(first, lasts)
}

fn lasting(first: Timestamp, lasts: SignedDuration) -> Result<Span, String> {
    let last = first.checked_add(lasts - SignedDuration::from_nanos(1));
    let last = last.map_err(|_| FORMS.to_owned())?;
    Ok(Span { first, last })
}

/// Whether a text has digits where the shape has, and otherwise what the shape has.
fn is_like(text: &str, shape: &str) -> bool {
    let fits =
        |(is, wanted): (u8, u8)| is == wanted && wanted != b'0' || wanted == b'0' && is.is_ascii_digit();
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        name if !name.starts_with(|first: char| first.is_ascii_alphabetic()) => Err(FORMS.to_owned()),
        name => {
            TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?}; one is Europe/Berlin"))
        }
    }
}

/// A local time is one moment, but for the nights in which clocks change.
fn on_the_clock(local: DateTime, zone: &TimeZone, said: &str) -> Result<Timestamp, String> {
    let name = zone.iana_name().unwrap_or("that zone");
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).map_err(|_| FORMS.to_owned()),
        AmbiguousOffset::Gap { .. } => Err(format!("the clocks of {name} leave this time out")),
        AmbiguousOffset::Fold { before, after } => Err(format!(
            "the clocks of {name} show this time twice; say {said}{} or {said}{}",
            shown(before),
            shown(after)
        )),
    }
}

/// `+01:00`.
fn shown(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
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
            ("2026-11-20T03:00:00.5Z", "2026-11-20T03:00:00.5Z"),
            ("2026-11-20t03:00:00+01:00", "2026-11-20T02:00:00Z"),
            // A minute is all of it: a list shows no seconds.
            ("2026-11-20T03:00+01:00", "2026-11-20T02:00:59.999999999Z"),
            ("2026-11-20T03:00", "2026-11-20T03:00:59.999999999Z"),
            ("2026-11-20 03:00 UTC", "2026-11-20T03:00:59.999999999Z"),
            ("2026-11-20T03:00 Europe/Berlin", "2026-11-20T02:00:59.999999999Z"),
            ("2026-11-20 03:00 Europe/Berlin", "2026-11-20T02:00:59.999999999Z"),
            ("2026-11-20", "2026-11-20T23:59:59.999999999Z"),
            ("2026-11-20 Europe/Berlin", "2026-11-20T22:59:59.999999999Z"),
            // Not over yet.
            ("2026-11-29", NOW),
            ("2026-11-29T12:00", NOW),
            (" 3 days ago ", "2026-11-26T12:00:00Z"),
            ("1 day ago", "2026-11-28T12:00:00Z"),
            ("90 minutes ago", "2026-11-29T10:30:00Z"),
            ("2 weeks ago", "2026-11-15T12:00:00Z"),
            ("0 hours ago", NOW),
        ] {
            assert_eq!(at(text), Ok(expected.to_owned()), "{text}");
        }
    }

    /// Whoever copies a time from a list means that backup.
    #[test]
    fn a_time_that_is_shown_is_understood() {
        let began: Timestamp = "2026-11-24T03:12:07Z".parse().unwrap();
        let found = moment(&crate::words::time(began), NOW.parse().unwrap()).unwrap();
        let later = found.duration_since(began);
        assert!(
            !later.is_negative() && later < SignedDuration::from_secs(60),
            "{found}"
        );
    }

    /// Clocks went back in Berlin on 2026-10-25 and forward on 2026-03-29, where 02:30 does not exist.
    #[test]
    fn a_night_in_which_clocks_change_leaves_no_doubt() {
        assert_eq!(
            at("2026-10-25T01:30 Europe/Berlin"),
            Ok("2026-10-24T23:30:59.999999999Z".to_owned())
        );
        assert_eq!(
            at("2026-10-25T03:30 Europe/Berlin"),
            Ok("2026-10-25T02:30:59.999999999Z".to_owned())
        );
        let twice = at("2026-10-25T02:30 Europe/Berlin").unwrap_err();
        assert!(
            twice.ends_with("say 2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00"),
            "{twice}"
        );
        assert_eq!(
            at("2026-10-25T02:30+02:00"),
            Ok("2026-10-25T00:30:59.999999999Z".to_owned())
        );
        assert_eq!(
            at("2026-10-25T02:30+01:00"),
            Ok("2026-10-25T01:30:59.999999999Z".to_owned())
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
            "2026-11-20 0300",
            "2026-11-20 03",
            "2026-11-20t03",
            "2026-11-20T03:0",
            "2026-11-20T03:00:0",
            "2026-11-20T03:00.5",
            "2026-11-20T03:00:00.1.2",
            "20261120",
            "2026-11-20T",
            "\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}",
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
