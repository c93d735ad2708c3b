//! Step 4. New credentials in place of those that clients know: when an action asks, or when the secret's time has come.
//!
//! The secret gets a new revision, and the rest is what every dispatch does: the config file differs from the secret, so
//! the workload is stopped, its file written, and it is started again. Where another unit runs the app, that one does so
//! when it hears of the revision.

use super::Asks;
use super::prepare_volume::{Reason, Start};
use super::validate::ValidatedApp;
use crate::CharmError;
use crate::credentials::{Credentials, Origin};
use crate::facts::{Container, Facts, Storage};
use crate::profile::AppProfile;

/// Whether there are new credentials.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Nobody asks for them.
    NotDue,
    /// These.
    Due(Credentials),
    /// An action asks for them, and it cannot be done now.
    Refused(String),
}

/// Makes new credentials if it is time. When that cannot be done now, the old ones stay, and Juju says it again.
///
/// # Errors
/// When the system gives no random bytes.
pub fn decide(
    profile: &AppProfile,
    facts: &Facts,
    validated: &ValidatedApp,
    start: &Start,
    asks: Asks,
) -> Result<Rotation, CharmError> {
    if asks == Asks::Nothing && !facts.rotation_is_due {
        return Ok(Rotation::NotDue);
    }
    let reason = match &profile.credentials {
        None => format!("{} has no credentials", profile.title),
        Some(kind) => match refusal(profile, facts, validated, start) {
            None => return Ok(Rotation::Due(Credentials::rotate(kind)?)),
            Some(reason) => reason,
        },
    };
    if asks == Asks::Rotation {
        return Ok(Rotation::Refused(reason));
    }
    log::warn!("credentials are not rotated now: {reason}");
    Ok(Rotation::NotDue)
}

/// Why the swap could not be finished now. Half of it would leave clients with a key that the app does not know.
fn refusal(profile: &AppProfile, facts: &Facts, validated: &ValidatedApp, start: &Start) -> Option<String> {
    if !facts.leader {
        return Some(format!("this unit does not lead; run it on {}/leader", facts.app));
    }
    let not_settled = format!(
        "{} has not settled yet; try again when juju status is active",
        profile.title
    );
    let is_kept = facts
        .credentials
        .as_ref()
        .is_some_and(|found| found.origin() == Origin::Secret);
    match start {
        Ok(_) => {}
        // Another unit runs the app, and follows the secret.
        Err(blocker) if blocker.reason == Reason::Standby => return (!is_kept).then_some(not_settled),
        Err(blocker) => return Some(blocker.text.clone()),
    }
    if let Err(problem) = &facts.metadata {
        return Some(problem.to_string());
    }
    let container = match &facts.container {
        Container::NotReachable => {
            return Some(format!(
                "Pebble of container {} is not responding; try again when juju status is active",
                profile.name
            ));
        }
        Container::Faulty { reason } => return Some(format!("container {}: {reason}", profile.name)),
        Container::Ready(container) => container,
    };
    if facts.storage == Storage::NotMounted {
        return Some("the config volume is not mounted; look at juju storage".to_owned());
    }
    if let Err(problem) = &validated.workload {
        return Some(problem.to_string());
    }
    (!is_kept || container.config_file.is_none()).then_some(not_settled)
}
