//! What a person reads of backups: sizes, times, ages, and what went wrong with what to do about it.

use config_recovery::Error;
use config_volume::causes;
use jiff::Timestamp;

/// Bytes, rounded: `20 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1000;
    let mut unit = 0;
    // 999.95 and more would be shown as 1000.
    while tenths >= 9995 && unit + 1 < UNITS.len() {
        tenths = tenths.saturating_add(500) / 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let (whole, rest) = (tenths / 10, tenths % 10);
    if whole >= 10 || rest == 0 {
        format!("{} {name}", (tenths + 5) / 10)
    } else {
        format!("{whole}.{rest} {name}")
    }
}

/// A time to the minute: `2026-11-24 03:12 UTC`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How long ago it was, in one unit: `3 h`.
pub fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// An error of the engine, and what to do about it in this charm.
pub fn told(error: &Error, app: &str) -> String {
    let text = causes(error);
    match next_step(error, app) {
        Some(next) => format!("{text}; {next}"),
        None => text,
    }
}

/// What to do about an error of the engine in this charm.
pub fn next_step(error: &Error, app: &str) -> Option<String> {
    match error {
        Error::NotAllowed { .. } => Some(format!("juju trust {app} --scope=cluster")),
        Error::RolledBack { cause, .. } => next_step(cause, app),
        other => other.hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1500, "1.5 kB"),
            (20_131_072, "20 MB"),
            (9_960_000, "10 MB"),
            (999_400, "999 kB"),
            (999_960, "1 MB"),
            (1_250_000_000, "1.3 GB"),
            (u64::MAX, "1845 PB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let ago = |text: &str| age(text.parse().unwrap(), now);
        assert_eq!(ago("2026-11-24T11:59:30Z"), "30 s");
        assert_eq!(ago("2026-11-24T11:00:01Z"), "59 min");
        assert_eq!(ago("2026-11-23T12:00:00Z"), "24 h");
        assert_eq!(ago("2026-11-21T12:00:00Z"), "3 d");
        assert_eq!(ago("2026-11-24T12:00:01Z"), "0 s");
        assert_eq!(time(now), "2026-11-24 12:00 UTC");
    }

    #[test]
    fn what_is_not_allowed_is_granted_by_this_name_also_after_the_way_back() {
        let refused = || Error::NotAllowed {
            action: "list backups".to_owned(),
            reason: "backups.velero.io is forbidden".to_owned(),
        };
        let text = told(&refused(), "films");
        assert!(text.ends_with("; juju trust films --scope=cluster"), "{text}");
        let back = Error::RolledBack {
            cause: Box::new(refused()),
            running: true,
        };
        let text = told(&back, "films");
        assert!(
            text.ends_with("the app runs; juju trust films --scope=cluster"),
            "{text}"
        );
    }
}
