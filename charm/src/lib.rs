//! The charm of every media app: one binary, and one data file for each app.
//!
//! A dispatch is one straight line, a module a step: [`steps`]. Actions are in [`actions`], and go through the same line
//! where they change anything. Any event may be the first, come twice, or be cut off anywhere: each starts from what it
//! finds, and writes only what differs.

pub mod actions;
pub mod alerts;
pub mod backup;
pub mod backup_time;
pub mod bag_config;
pub mod charm_yaml;
pub mod cluster_seen;
pub mod config_file;
pub mod contents;
pub mod cos;
pub mod credentials;
pub mod credentials_seen;
pub mod data_unit;
mod digest;
pub mod endpoints;
pub mod env;
pub mod exporter;
pub mod facts;
pub mod findings;
pub mod ingress;
pub mod kubernetes;
pub mod last_restore;
pub mod media;
pub mod metadata;
pub mod names;
pub mod notify;
pub mod options;
pub mod packaging;
pub mod problem;
pub mod profile;
pub mod recovery;
pub mod remembered;
pub mod schema;
mod service;
pub mod steps;
pub mod template;
pub mod test_restore;
pub mod tiers;
pub mod unit_file;
pub mod volume;
pub mod vpn;

pub use config_volume::causes;
use juju_charm::Event;

use crate::env::Env;
use crate::steps::Asks;

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
pub fn dispatch(env: Env<'_>) -> Result<(), CharmError> {
    let done = match env.juju.context().event() {
        Event::Stop | Event::Remove | Event::StorageDetaching(_) => {
            steps::leave::leave(env);
            Ok(())
        }
        Event::Action(action) => actions::run(env, &action.name),
        _ => steps::run(env, Asks::Nothing).map(drop),
    };
    done.inspect_err(|_| steps::in_doubt::stop_in_doubt(env))
}
