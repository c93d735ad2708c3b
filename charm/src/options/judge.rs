//! What the text of an option means, or why it means nothing that can be used, and what could be written instead.

use config_recovery::backups::Choice;
use jiff::tz::TimeZone;
use velero_backup_config::{DurationError, Retention, RetentionError, Schedule};

use crate::backup::MethodOption;
use crate::backup_time::Interval;
use crate::notify::{NotifyTo, Receiver};
use crate::problem::Unfit;

/// When backups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// Only when somebody asks.
    Never,
    /// This often, at a time that follows from model and app.
    Every(Interval),
    /// By this schedule.
    By(Schedule),
}

/// What an app is restored from before it first runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreOnDeploy {
    /// Nothing.
    None,
    /// This backup.
    From(Choice),
}

fn unfit<T>(reason: impl Into<String>, instead: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::new(reason, instead))
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, Unfit> {
    // Juju takes nothing else for a boolean.
    Ok(text == "true")
}

pub(super) fn backup_method(text: &str) -> Result<MethodOption, Unfit> {
    match text {
        "auto" => Ok(MethodOption::Auto),
        _ => text
            .parse()
            .map(MethodOption::Only)
            .or_else(|_| unfit("must be auto, filesystem or snapshot", "auto")),
    }
}

/// `instead` is a retention that can be used.
pub(crate) fn retention(text: &str, instead: &str) -> Result<Retention, Unfit> {
    // What somebody meant is too long as well, perhaps, or below nothing.
    let or_instead = |meant: Option<String>| {
        meant
            .filter(|meant| Retention::parse(meant).is_ok())
            .unwrap_or_else(|| instead.to_owned())
    };
    Retention::parse(text).or_else(|error| match error {
        RetentionError::Duration(DurationError::UnknownUnit(unit)) => {
            let hours = match unit.as_str() {
                "d" | "D" | "day" | "days" => 24,
                "w" | "W" | "week" | "weeks" => 7 * 24,
                _ => return unfit(format!("has no unit {unit:?}; units are h, m, s"), instead),
            };
            let count = text
                .strip_suffix(&unit)
                .and_then(|count| count.parse::<u32>().ok());
            let in_hours = count.map(|count| format!("{}h", u64::from(count.max(1)) * hours));
            unfit("days and weeks are written in hours", or_instead(in_hours))
        }
        RetentionError::Duration(DurationError::NoUnit) => unfit(
            "its last number has no unit",
            or_instead(Some(format!("{text}h"))),
        ),
        RetentionError::Duration(DurationError::Overflow) => unfit("must be shorter than 292 years", instead),
        RetentionError::Duration(DurationError::Empty | DurationError::NoNumber(_)) => {
            unfit("must be a duration of hours", instead)
        }
        RetentionError::Zero | RetentionError::Negative => unfit("must be longer than nothing", instead),
    })
}

/// `instead` is a schedule that can be used.
pub(crate) fn schedule(text: &str, instead: &str) -> Result<Runs, Unfit> {
    match text {
        "" => Ok(Runs::Never),
        "daily" => Ok(Runs::Every(Interval::Day)),
        "weekly" => Ok(Runs::Every(Interval::Week)),
        "monthly" => Ok(Runs::Every(Interval::Month)),
        "off" | "none" | "never" | "no" | "false" | "disabled" => {
            unfit("to make no scheduled backups, leave it empty", "")
        }
        _ => Schedule::parse(text).map(Runs::By).or_else(|error| {
            let reason = error.to_string();
            unfit(reason.strip_prefix("it ").unwrap_or(&reason), instead)
        }),
    }
}

/// Nothing of the URL is in the reason: what is behind its host may be a password.
pub(super) fn notify_url(text: &str) -> Result<NotifyTo, Unfit> {
    match text {
        "" => Ok(NotifyTo::Nobody),
        _ if text.starts_with("secret:") => match text.parse() {
            Ok(id) => Ok(NotifyTo::Secret(id)),
            Err(_) => unfit("is no id of a secret", ""),
        },
        _ => Receiver::parse(text)
            .map(NotifyTo::Url)
            .or_else(|reason| unfit(reason, "https://ntfy.sh/TOPIC")),
    }
}

pub(super) fn verify_schedule(text: &str) -> Result<Runs, Unfit> {
    match text {
        "none" | "never" => Ok(Runs::Never),
        "off" | "no" | "false" | "disabled" => unfit("to make no test restores, write none", "none"),
        _ => schedule(text, "weekly"),
    }
}

pub(super) fn rotation(text: &str) -> Result<&'static str, Unfit> {
    match text {
        "" | "none" | "never" => Ok("never"),
        "daily" => Ok("daily"),
        "monthly" => Ok("monthly"),
        "yearly" => Ok("yearly"),
        "off" | "no" | "false" | "disabled" => unfit("to rotate none, write none", "none"),
        _ => unfit("must be none, daily, monthly or yearly", "monthly"),
    }
}

#[allow(clippy::unnecessary_wraps)] // As every other: whether there is such a backup, the cluster says.
pub(super) fn restore_on_deploy(text: &str) -> Result<RestoreOnDeploy, Unfit> {
    Ok(match text {
        "" | "none" => RestoreOnDeploy::None,
        text => RestoreOnDeploy::From(Choice::from(text)),
    })
}

/// In the database's own spelling: the apps look it up as a file, and one that they do not find is UTC for them, without a word.
pub(super) fn timezone(text: &str) -> Result<String, Unfit> {
    match TimeZone::get(text) {
        // `Etc/Unknown` is a zone for whoever asks, and no file.
        Ok(zone) if !zone.is_unknown() => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        Ok(_) | Err(_) => unfit("no such IANA time zone", "Europe/Berlin"),
    }
}

pub(super) fn url_base(text: &str) -> Result<String, Unfit> {
    let instead = |text: &str| {
        let plain = |c: char| if is_plain(c) { c } else { '-' };
        // Of a whole URL its path is meant.
        let path = text.split_once("://").map_or(text, |(_, rest)| {
            rest.find('/')
                .map_or("", |begin| rest.get(begin..).unwrap_or_default())
        });
        path.split('/')
            .map(|part| part.chars().map(plain).collect::<String>())
            .filter(|part| part.contains(|c: char| c.is_ascii_alphanumeric()))
            .map(|part| format!("/{part}"))
            .collect::<String>()
    };
    let refuse = |reason: String| unfit(reason, instead(text));
    if text.is_empty() {
        Ok(String::new())
    } else if let Some(odd) = text.chars().find(|c| !is_plain(*c)) {
        refuse(format!("{odd:?} cannot be in it"))
    } else if !text.starts_with('/') {
        refuse("must start with /".to_owned())
    } else if text.ends_with('/') {
        refuse("must not end with /".to_owned())
    } else if text.contains("//") {
        refuse("must not have // in it".to_owned())
    } else if text.split('/').any(is_dots) {
        // Whoever asks resolves them before the app sees the path (RFC 3986, 5.2.4).
        refuse("must not have a part . or ..".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn is_dots(part: &str) -> bool {
    matches!(part, "." | "..")
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-_.~".contains(c)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::super::{
        BACKUP_METHOD, CREDENTIAL_ROTATION, RESTORE_ON_DEPLOY, TIMEZONE, TextOption, URL_BASE,
        VERIFY_SCHEDULE,
    };
    use super::*;
    use crate::tiers::{MONTHLY, NIGHTLY, WEEKLY};

    /// The first of `refused` is what somebody may write, the second what to write in its place, and that can be used.
    fn holds<T: Debug>(option: &TextOption<T>, taken: &[&str], refused: &[(&str, &str)]) {
        for text in taken.iter().chain([&option.declaration.default]) {
            assert!(option.takes(text), "{} {text:?}", option.name());
        }
        for (text, instead) in refused {
            let unfit = (option.judge)(text).unwrap_err();
            assert_eq!(
                unfit.instead,
                *instead,
                "{} {text:?}: {}",
                option.name(),
                unfit.reason
            );
            assert!(option.takes(instead), "{} {instead:?}", option.name());
            assert!(
                !unfit.reason.is_empty() && unfit.reason.len() < 60,
                "{}",
                unfit.reason
            );
        }
    }

    #[test]
    fn a_text_is_used_or_said_what_to_write_instead() {
        holds(
            &BACKUP_METHOD,
            &["filesystem", "snapshot"],
            &[("Auto", "auto"), ("", "auto")],
        );
        holds(
            &NIGHTLY.retention,
            &["48h", "1h30m"],
            &[
                ("30d", "720h"),
                ("2weeks", "336h"),
                ("0d", "24h"),
                ("1y", "720h"),
                ("720", "720h"),
                ("0h", "720h"),
                ("-1h", "720h"),
                ("", "720h"),
                ("99999999h", "720h"),
            ],
        );
        holds(
            &NIGHTLY.schedule,
            &["", "0 3 * * *", "@every 6h", "TZ=Europe/Berlin 0 3 * * *"],
            &[
                ("off", ""),
                ("none", ""),
                ("* * * * *", "0 3 * * *"),
                ("nightly", "0 3 * * *"),
            ],
        );
        holds(
            &WEEKLY.schedule,
            &["", "daily", "0 3 * * SUN"],
            &[("off", ""), ("sundays", "0 3 * * SUN")],
        );
        holds(
            &WEEKLY.retention,
            &["336h"],
            &[("8w", "1344h"), ("long", "2016h")],
        );
        holds(&MONTHLY.schedule, &["weekly"], &[("0 3 L * *", "0 3 1 * *")]);
        holds(
            &MONTHLY.retention,
            &["17520h"],
            &[("365d", "8760h"), ("1y", "8760h")],
        );
        holds(
            &CREDENTIAL_ROTATION,
            &["", "none", "daily", "yearly"],
            &[("disabled", "none"), ("off", "none"), ("hourly", "monthly")],
        );
        holds(
            &VERIFY_SCHEDULE,
            &[
                "",
                "none",
                "never",
                "daily",
                "monthly",
                "0 4 * * SAT",
                "TZ=Europe/Berlin 0 4 * * *",
            ],
            &[("off", "none"), ("false", "none"), ("sometimes", "weekly")],
        );
        holds(&RESTORE_ON_DEPLOY, &["", "latest", "radarr-1"], &[]);
        holds(
            &TIMEZONE,
            &[
                "Europe/Berlin",
                "UTC",
                "Etc/UTC",
                "America/Argentina/Buenos_Aires",
            ],
            &[("Mars/Olympus", "Europe/Berlin"), ("", "Europe/Berlin")],
        );
        holds(
            &URL_BASE,
            &["/films", "/a/b", "/a.b", "/..a"],
            &[
                ("/meine filme", "/meine-filme"),
                ("films", "/films"),
                ("/films/", "/films"),
                ("/a//b", "/a/b"),
                ("/", ""),
                ("/../films", "/films"),
                ("/films/..", "/films"),
                ("/./films", "/films"),
                ("/ä", ""),
                ("https://media.example/films", "/films"),
                ("https://media.example", ""),
            ],
        );
    }

    /// Whatever somebody writes, what is said to write instead can be used.
    #[track_caller]
    fn leads_on<T: Debug>(option: &TextOption<T>, text: &str) {
        if let Err(unfit) = (option.judge)(text) {
            assert!(
                option.takes(&unfit.instead),
                "{} {text:?}: {}; {:?} cannot be used either",
                option.name(),
                unfit.reason,
                unfit.instead
            );
        }
    }

    #[test]
    fn what_is_said_to_write_instead_can_be_used_at_the_edges() {
        for text in [
            "4294967295d",
            "200000d",
            "99999w",
            "-5",
            "99999999",
            "1.5",
            "0",
            "-",
            ".",
            "1h30",
            "-1d",
        ] {
            leads_on(&NIGHTLY.retention, text);
        }
        for text in ["/..", "/a/../b", "/.", "..", "/ä", "//", "/a/./b", "%2e%2e"] {
            leads_on(&URL_BASE, text);
        }
        assert!(!URL_BASE.takes("/.."), "clients leave it out of an address");
        assert!(!URL_BASE.takes("/a/./b"), "clients leave it out of an address");
        assert!(!TIMEZONE.takes("Etc/Unknown"), "it is UTC for the app");
    }

    proptest::proptest! {
        #[test]
        fn what_is_said_to_write_instead_can_be_used(
            text in "[-+]?[0-9]{0,12}[.]?[0-9]{0,3}(h|m|s|d|w|days|weeks|y|)([0-9]{0,3}(h|m|)|)",
            path in "[/.a-zA-Z%ä ]{0,12}",
        ) {
            leads_on(&NIGHTLY.retention, &text);
            leads_on(&URL_BASE, &path);
        }
    }

    #[test]
    fn what_is_switched_off_has_a_word_for_it() {
        assert_eq!(schedule("", "daily"), Ok(Runs::Never));
        assert_eq!(schedule("weekly", "daily"), Ok(Runs::Every(Interval::Week)));
        assert_eq!(rotation("none"), rotation(""));
        assert_eq!(timezone("europe/berlin").as_deref(), Ok("Europe/Berlin"));
        assert_eq!(timezone("etc/utc").as_deref(), Ok("Etc/UTC"));
        assert_eq!(restore_on_deploy("none"), restore_on_deploy(""));
        assert_eq!(
            restore_on_deploy("latest").unwrap(),
            RestoreOnDeploy::From(Choice::from("latest"))
        );
    }
}
