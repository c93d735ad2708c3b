//! New credentials in place of those that clients know: by action, or when the secret's time has come.
//!
//! The secret gets a new revision, and the rest is what every dispatch does: the config file differs from the secret, so
//! the workload is stopped, its file written, and it is started again.

use std::collections::BTreeMap;

use juju_charm::pebble::Pebble;
use juju_charm::{Event, Juju};
use serde_json::{Value, json};

use crate::CharmError;
use crate::apply::Applied;
use crate::credentials::{self, Credentials, Origin};
use crate::facts::{Container, Facts, Storage};
use crate::kubernetes::Cluster;
use crate::profile::{AppProfile, Credentials as Kind};
use crate::recovery::Recovery;
use crate::validate::{self, ValidatedApp};

/// Name of the action; `None` for an app without credentials.
pub fn action(profile: &AppProfile) -> Option<&'static str> {
    profile.credentials.as_ref().map(|kind| match kind {
        Kind::ApiKey {} => "rotate-api-key",
        Kind::Login { .. } => "rotate-credentials",
    })
}

/// The action's entry in `actions.yaml`.
pub fn declaration(profile: &AppProfile) -> Value {
    let what = match profile.credentials {
        Some(Kind::Login { .. }) => "password",
        _ => "API key",
    };
    json!({
        "description": format!(
            "Makes a new {what} for {}: a new revision of the app's secret, then the config file, with the app stopped \
             while it is written. Clients that read the secret follow; others have to be told. On the leader only. \
             Results: `secret` is the id of the secret, for juju show-secret --reveal; `result` is `rotated`.",
            profile.title
        ),
        "additionalProperties": false,
    })
}

/// Runs the action.
///
/// # Errors
/// When a hook tool fails.
pub fn run_action(
    juju: &Juju,
    pebble: &dyn Pebble,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
) -> Result<(), CharmError> {
    let mut facts = crate::gather::gather(juju, pebble, cluster, profile)?;
    let validated = validate::validate(profile, &facts);
    if let Err(reason) = renew(profile, &mut facts, &validated)? {
        return Ok(juju.action_fail(&format!("cannot rotate: {reason}"))?);
    }
    if let Applied::Failed { reason } =
        crate::finish(juju, pebble, cluster, recovery, profile, &mut facts, &validated)?
    {
        let message = format!(
            "{reason}; the secret holds the new credentials, and the app gets them with the next event that works"
        );
        return Ok(juju.action_fail(&message)?);
    }
    let label = profile.credentials.as_ref().map_or("", credentials::label);
    let mut results = BTreeMap::from([("result".to_owned(), "rotated".to_owned())]);
    if let Some(info) = juju.secret_info(label)? {
        // Juju prints the bare id; with its prefix everybody knows what it is.
        results.insert("secret".to_owned(), format!("secret:{}", info.id.unique_id()));
    }
    Ok(juju.action_set(&results)?)
}

/// In the event that says that the secret's time has come: puts new credentials into `facts`. When that cannot be done now,
/// the old ones stay, and Juju says it again.
///
/// # Errors
/// When the system gives no random bytes.
pub fn when_it_is_time(
    juju: &Juju,
    profile: &AppProfile,
    facts: &mut Facts,
    validated: &ValidatedApp,
) -> Result<(), CharmError> {
    let Event::SecretRotate(event) = juju.context().event() else {
        return Ok(());
    };
    let label = profile.credentials.as_ref().map(credentials::label);
    // The app owns one secret; a label that is not said can only mean that one.
    if event.label.is_some() && event.label.as_deref() != label {
        return Ok(());
    }
    if let Err(reason) = renew(profile, facts, validated)? {
        log::warn!("credentials are not rotated now: {reason}");
    }
    Ok(())
}

/// Puts new credentials into `facts`, or says why not.
fn renew(
    profile: &AppProfile,
    facts: &mut Facts,
    validated: &ValidatedApp,
) -> Result<Result<(), String>, CharmError> {
    let Some(kind) = &profile.credentials else {
        return Ok(Err(format!("{} has no credentials", profile.title)));
    };
    if let Some(reason) = refusal(profile, facts, validated) {
        return Ok(Err(reason));
    }
    facts.credentials = Some(Credentials::rotate(kind)?);
    Ok(Ok(()))
}

/// Why the swap could not be finished now. Half of it would leave clients with a key that the app does not know.
fn refusal(profile: &AppProfile, facts: &Facts, validated: &ValidatedApp) -> Option<String> {
    if !facts.leader {
        return Some(format!("this unit does not lead; run it on {}/leader", facts.app));
    }
    if let Err(problem) = &facts.metadata {
        return Some(problem.to_string());
    }
    let container = match &facts.container {
        Container::NotReachable => {
            return Some(format!(
                "Pebble of container {} does not answer; try again when juju status is active",
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
    let kept = facts
        .credentials
        .as_ref()
        .is_some_and(|found| found.origin() == Origin::Secret);
    if !kept || container.config_file.is_none() {
        return Some(format!(
            "{} has not settled yet; try again when juju status is active",
            profile.title
        ));
    }
    None
}
