//! Whether the app becomes healthy: it answers at its health URL, or its process ends.

use std::time::Duration;

use juju_charm::pebble::ServiceStatus;

use crate::env::Env;

/// How many lines of the service's log are looked through for one that tells why it ended.
const LOG_LINES: u32 = 20;

/// Waits until the app answers at `url`, no longer than `patience`. Ends early when Pebble says that the service is not
/// active any more: nothing will answer then.
///
/// # Errors
/// What it answered last, or that its process ended, with the last line of its log.
pub fn wait(env: Env<'_>, url: &str, patience: Duration) -> Result<(), String> {
    env.recovery.becomes_healthy(url, patience, &|| ended(env))
}

/// That the service runs no more, in words. A Pebble that gives no answer says nothing about it.
fn ended(env: Env<'_>) -> Option<String> {
    let name = env.profile.name.as_str();
    let services = env.pebble.services(&[name]).ok()?;
    let status = services.into_iter().find(|service| service.name == name)?.current;
    if status == ServiceStatus::Active {
        return None;
    }
    let lines = env.pebble.logs(&[name], LOG_LINES).unwrap_or_default();
    let last = lines.iter().rev().map(|line| line.message.trim());
    let last = last
        .filter(|message| !message.is_empty())
        .map(|message| format!(": {message}"))
        .next();
    Some(format!(
        "its process ended (Pebble: {status}){}",
        last.unwrap_or_default()
    ))
}
