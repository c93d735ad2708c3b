//! The part of the line by which a restore starts the app with the content that it has just exchanged.

use std::time::Duration;

use super::apply;
use super::gather::{Look, gather};
use super::planned;
use super::prepare_volume::Situation;
use super::status::{self, Told};
use crate::env::Env;

/// Starts the app, and returns when it is healthy.
///
/// # Errors
/// Why it is not, in words.
pub fn start_restored(env: Env<'_>, patience: Duration) -> Result<(), String> {
    let failed = |error| crate::causes(&error);
    let profile = env.profile;
    let facts = gather(env, Look::AllButBackups).map_err(failed)?;
    let (start, validated, plan) = planned(profile, &facts, Situation::Restoring);
    if let Err(blocker) = &start {
        return Err(blocker.text.clone());
    }
    if let Err(problem) = &validated.workload {
        return Err(problem.to_string());
    }
    let plan = plan.without_new_pods().with_patience(patience);
    let outcome = apply::apply(env, plan).map_err(failed)?;
    match outcome.health {
        Some(healthy) => healthy.map_err(|unwell| unwell.to_string()),
        // It was not started: the status says why.
        None => {
            let told = Told::only(&start);
            let decided = status::decide(profile, &facts, &validated, &outcome, told);
            Err(decided.status.message().to_owned())
        }
    }
}
