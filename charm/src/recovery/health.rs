//! Whether the app is healthy: it passes its health check, or its process ends.
//!
//! Pebble runs the check, and the charm asks it to. A check that is started counts as passed from its first moment on, so the charm
//! starts it when the app has passed it once: until then nothing claims that the app is well. The check of an app that does not
//! pass in time is started too, so that Pebble tells of it: it fails, and it recovers.

use std::cell::Cell;
use std::time::{Duration, Instant};

use config_recovery::shown::shown;
use juju_charm::pebble::{Pebble, ServiceStatus};

use crate::env::Env;
use crate::names::check_name;
use crate::profile::AppProfile;
use crate::service::own_service;

/// How many lines of the service's log are looked through for one that tells why it ended.
const LOG_LINES: u32 = 20;
/// How long a dispatch waits for an app that it has started: three runs of Pebble's check, the time that an app has until Pebble
/// calls it down. Whatever takes longer recovers, and Pebble tells it.
pub const STARTS: Duration = Duration::from_secs(30);
/// Failures in a row after which Pebble calls a check down, where the layer says nothing else.
const THRESHOLD: u32 = 3;
/// Time between two runs of the check.
const PAUSE: Duration = Duration::from_millis(250);

/// Why an app is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwell {
    /// It does not pass its check.
    NotPassed(String),
    /// Its process ended: nothing will pass.
    Ended(String),
    /// Pebble cannot run the check.
    NotAsked(String),
}

impl std::fmt::Display for Unwell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotPassed(reason) | Self::Ended(reason) => f.write_str(reason),
            Self::NotAsked(reason) => write!(f, "Pebble cannot run the health check: {reason}"),
        }
    }
}

/// Waits until the app is healthy, no longer than `patience`, and starts the check that tells it from then on.
///
/// # Errors
/// Why it is not.
pub fn settle(env: Env<'_>, patience: Duration) -> Result<(), Unwell> {
    let (began, is_started) = (Instant::now(), Cell::new(false));
    // After that many runs Pebble calls the app down, and Juju is told when it recovers. Kubernetes, too, has to know that it is
    // not ready.
    let goes_down = || {
        if !is_started.replace(true) {
            is_down(env.pebble, env.profile);
        }
    };
    let healthy = wait_with(env, patience, &|| {
        if began.elapsed() > STARTS {
            goes_down();
        }
        ended(env)
    });
    match &healthy {
        // One that is started has passed nothing.
        Ok(()) => run_started(env.pebble, env.profile, 1),
        Err(_) => goes_down(),
    }
    healthy
}

/// Starts the check of an app that does not pass it, so that Pebble calls it down.
pub fn is_down(pebble: &dyn Pebble, profile: &AppProfile) {
    run_started(pebble, profile, THRESHOLD);
}

/// Starts the check and runs it.
fn run_started(pebble: &dyn Pebble, profile: &AppProfile, times: u32) {
    let name = check_name(profile);
    let started = pebble.start_checks(&[&name]);
    let ran = started.and_then(|_| (0..times).try_for_each(|_| pebble.refresh_check(&name).map(drop)));
    if let Err(error) = ran {
        log::warn!("health check {name}: {}", crate::causes(&error));
    }
}

/// Waits until the app is healthy, no longer than `patience`; asks once at least. Ends early when Pebble says that the service
/// is not active any more.
///
/// # Errors
/// Why it is not.
pub fn wait(env: Env<'_>, patience: Duration) -> Result<(), Unwell> {
    wait_with(env, patience, &|| ended(env))
}

fn wait_with(env: Env<'_>, patience: Duration, ended: &dyn Fn() -> Option<String>) -> Result<(), Unwell> {
    let check = check_name(env.profile);
    env.recovery.becomes_healthy(env.pebble, &check, patience, ended)
}

/// Runs the check until it passes, `ended` tells that it never will, or `patience` is over; at least once.
///
/// # Errors
/// What `ended` said, or what the last run found.
pub(super) fn until_passed(
    pebble: &dyn Pebble,
    check: &str,
    patience: Duration,
    ended: &dyn Fn() -> Option<String>,
) -> Result<(), Unwell> {
    let began = Instant::now();
    loop {
        let passed = match pebble.refresh_check(check) {
            // It is restarting, perhaps.
            Err(error) if error.is_not_reachable() => Err(crate::causes(&error)),
            Err(error) => return Err(Unwell::NotAsked(crate::causes(&error))),
            Ok(passed) => passed,
        };
        let Err(reason) = passed else { return Ok(()) };
        if let Some(why) = ended() {
            return Err(Unwell::Ended(why));
        }
        if began.elapsed() >= patience {
            let seconds = patience.as_secs();
            return Err(Unwell::NotPassed(format!(
                "it did not pass its health check within {seconds} s: {reason}"
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// That the service runs no more, in words. A Pebble that gives no answer says nothing about it.
fn ended(env: Env<'_>) -> Option<String> {
    let status = own_service(env.pebble, env.profile).ok()??;
    if status == ServiceStatus::Active {
        return None;
    }
    Some(match last_line(env.pebble, env.profile) {
        Some(line) => format!("its process ended: {line}"),
        None => format!("its process ended (Pebble: {status})"),
    })
}

/// What the app wrote last, without what a terminal would obey; `None` where it wrote nothing, or Pebble does not say.
pub fn last_line(pebble: &dyn Pebble, profile: &AppProfile) -> Option<String> {
    let lines = pebble.logs(&[&profile.name], LOG_LINES).ok()?;
    let mut messages = lines.iter().rev().map(|line| plain(&line.message));
    messages.find(|message| !message.is_empty())
}

/// A line of a log without colours and other commands of a terminal's.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            // ESC [ parameters, and a letter at the end (ECMA-48, 5.4).
            '\u{1b}' if characters.as_str().starts_with('[') => {
                characters.next();
                characters.find(|end| matches!(end, '@'..='~'));
            }
            '\t' => text.push(' '),
            control if control.is_control() => {}
            other => text.push(other),
        }
    }
    shown(text.trim())
}

#[cfg(test)]
mod tests {
    use juju_charm::pebble::Layer;
    use juju_charm::testing::{FakePebble, PebbleState};

    use super::*;

    const CHECK: &str = "app-ready";

    fn pebble(fails: bool) -> FakePebble {
        let text = "checks: {app-ready: {override: replace, startup: disabled, tcp: {port: 1}}}";
        let layer: Layer = serde_yaml::from_str(text).unwrap();
        let mut state = PebbleState::new().with_layer("app", layer);
        state.set_failing_check(CHECK, fails);
        FakePebble::new(state)
    }

    fn runs(pebble: &FakePebble) -> usize {
        let calls = pebble.calls();
        calls
            .iter()
            .filter(|call| call.operation == "refresh_check")
            .count()
    }

    #[test]
    fn a_line_of_a_log_commands_no_terminal() {
        let coloured = "\u{1b}[1;31m[error]\u{1b}[39m:\tno\u{7}database\r\u{1b}";
        assert_eq!(plain(coloured), "[error]: nodatabase");
        assert_eq!(plain("\u{202e}x"), "\\u{202e}x");
        assert_eq!(plain(" \u{1b}[2J \u{1b}["), "");
    }

    #[test]
    fn it_is_asked_until_it_passes_or_never_will_or_the_time_is_over() {
        let long = Duration::from_secs(3600);
        let healthy = pebble(false);
        assert_eq!(until_passed(&healthy, CHECK, Duration::ZERO, &|| None), Ok(()));
        assert_eq!(runs(&healthy), 1);

        let late = pebble(true);
        let comes_up = || {
            late.change_state(|state| state.set_failing_check(CHECK, false));
            None
        };
        assert_eq!(until_passed(&late, CHECK, long, &comes_up), Ok(()));
        assert_eq!(runs(&late), 2);

        let why = || Some("its process ended".to_owned());
        assert_eq!(
            until_passed(&pebble(true), CHECK, long, &why),
            Err(Unwell::Ended("its process ended".to_owned()))
        );
        let slow = pebble(true);
        assert_eq!(
            until_passed(&slow, CHECK, Duration::ZERO, &|| None),
            Err(Unwell::NotPassed(
                "it did not pass its health check within 0 s: connection refused".to_owned()
            ))
        );
        assert_eq!(runs(&slow), 1);
        // A check that Pebble does not know is not passed.
        let unknown = until_passed(&healthy, "other", long, &|| None);
        assert!(matches!(unknown, Err(Unwell::NotAsked(_))), "{unknown:?}");
    }
}
