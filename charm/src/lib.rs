//! The charm of every media app: one binary, and one data file for each app.
//!
//! A dispatch is one straight line, a module a step:
//! [`gather`] reads the world once, [`recovery`] puts the config volume right where the app may not start on it as it is, [`validate`] judges the user's options, [`plan`] says what should change (pure),
//! [`apply`] changes it, [`status`] says how things stand (pure). Any event may be the first, come twice, or be cut off
//! anywhere: each starts from what it finds, and writes only what differs.

pub mod apply;
pub mod backup;
pub mod backup_time;
pub mod config_file;
pub mod credentials;
pub mod credentials_seen;
pub mod facts;
pub mod gather;
pub mod ingress;
pub mod kubernetes;
pub mod media;
pub mod metadata;
pub mod names;
pub mod options;
pub mod packaging;
pub mod plan;
pub mod problem;
pub mod profile;
pub mod recovery;
pub mod rotate;
pub mod schema;
pub mod status;
pub mod template;
pub mod validate;

use juju_charm::pebble::Pebble;
use juju_charm::{Event, Juju};

use crate::apply::Applied;
use crate::facts::{Facts, RecoveryFacts};
use crate::kubernetes::Cluster;
use crate::names::{SHOW_BACKUP_SPEC, is_recovery};
use crate::profile::AppProfile;
use crate::recovery::cut_off::{self, Mended};
use crate::recovery::on_deploy::{self, OnDeploy};
use crate::recovery::{Recovery, standing};
use crate::validate::ValidatedApp;

/// Why a dispatch could not go on. Juju shows the unit in error and runs the hook again.
#[derive(Debug, thiserror::Error)]
pub enum CharmError {
    /// A hook tool failed.
    #[error("cannot talk to Juju")]
    Juju(#[from] juju_charm::Error),
    /// No credentials could be made.
    #[error(transparent)]
    NoRandomness(#[from] credentials::NoRandomness),
    /// Somebody changed the app's own secret.
    #[error(
        "secret {label:?} has no key {key:?}; put it back with a revision that has it, or remove the secret to have a new one made"
    )]
    SecretWithoutKey {
        /// Label of the secret.
        label: &'static str,
        /// Key that its content should have.
        key: &'static str,
    },
}

/// Handles one event.
///
/// # Errors
/// When a hook tool fails; see [`CharmError`].
pub fn dispatch(
    juju: &Juju,
    pebble: &dyn Pebble,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
) -> Result<(), CharmError> {
    match juju.context().event() {
        // The pod is going away, or the volume is: whatever starts now would only be cut off.
        Event::Stop | Event::Remove | Event::StorageDetaching(_) => Ok(()),
        Event::Action(action) if Some(action.name.as_str()) == rotate::action(profile) => {
            rotate::run_action(juju, pebble, cluster, recovery, profile)
        }
        Event::Action(action) if action.name == SHOW_BACKUP_SPEC && profile.storage.is_some() => {
            backup::show::run_action(juju, pebble, cluster, profile)
        }
        Event::Action(action) if is_recovery(&action.name) && profile.storage.is_some() => {
            recovery::actions::run(&action.name, juju, pebble, cluster, recovery, profile)
        }
        Event::Action(action) => {
            let message = format!(
                "action {:?} is not known to this charm; see juju actions",
                action.name
            );
            Ok(juju.action_fail(&message)?)
        }
        _ => reconcile(juju, pebble, cluster, recovery, profile),
    }
}

fn reconcile(
    juju: &Juju,
    pebble: &dyn Pebble,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
) -> Result<(), CharmError> {
    let mut facts = gather::gather(juju, pebble, cluster, profile)?;
    put_volume_right(juju, pebble, cluster, recovery, profile, &mut facts)?;
    let validated = validate::validate(profile, &facts);
    rotate::when_it_is_time(juju, profile, &mut facts, &validated)?;
    finish(juju, pebble, cluster, recovery, profile, &mut facts, &validated).map(drop)
}

/// What has to be done with the config volume before the app may start on it. What that changes is read anew.
fn put_volume_right(
    juju: &Juju,
    pebble: &dyn Pebble,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
    facts: &mut Facts,
) -> Result<(), CharmError> {
    let mut said = RecoveryFacts::default();
    match cut_off::mend(pebble, profile, facts) {
        Mended::Nothing => {}
        Mended::Whole(text) => {
            said.news.push(text);
            *facts = gather::gather(juju, pebble, cluster, profile)?;
        }
        Mended::Not(held_up) => said.held_up = Some(held_up),
    }
    if said.held_up.is_none() {
        match on_deploy::run(juju, cluster, recovery, profile, facts) {
            OnDeploy::NotWanted => {}
            OnDeploy::Fresh(text) => said.news.push(text),
            OnDeploy::Restored(text) => {
                said.news.push(text);
                *facts = gather::gather(juju, pebble, cluster, profile)?;
            }
            OnDeploy::Not(held_up) => said.held_up = Some(held_up),
        }
    }
    facts.recovery = said;
    Ok(())
}

/// The second half of a dispatch: plan, apply, status.
fn finish(
    juju: &Juju,
    pebble: &dyn Pebble,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
    facts: &mut Facts,
    validated: &ValidatedApp,
) -> Result<Applied, CharmError> {
    facts.recovery.standing = standing::look(juju, recovery, facts, validated);
    let plan = plan::plan(profile, facts, validated);
    let outcome = apply::apply(juju, pebble, cluster, profile, plan)?;
    juju.set_status(&status::decide(profile, facts, validated, &outcome))?;
    Ok(outcome.workload)
}

/// An error with its causes, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
