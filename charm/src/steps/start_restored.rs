//! The part of the line by which a restore starts the app with the content that it has just exchanged.

use std::time::Duration;

use super::apply::{self, Applied};
use super::gather::{Look, gather};
use super::plan::{self, WorkloadPlan, health_url};
use super::prepare_volume::{Situation, judge};
use super::rotation::Rotation;
use super::status::{self, Told};
use super::validate;
use crate::env::Env;
use crate::recovery::health;
use crate::recovery::standing::Told as Backups;

/// Starts the app, and returns when it is healthy.
///
/// # Errors
/// Why it is not, in words.
pub fn start_restored(env: Env<'_>, patience: Duration) -> Result<(), String> {
    let failed = |error| crate::causes(&error);
    let profile = env.profile;
    let facts = gather(env, Look::Everything).map_err(failed)?;
    let start = judge(profile, &facts, Situation::Restoring);
    if let Err(blocker) = &start {
        return Err(blocker.text.clone());
    }
    let validated = validate::validate(profile, &facts, &start);
    let settings = validated.workload.as_ref().map_err(ToString::to_string)?;
    let plan = plan::plan(profile, &facts, &validated, &start, &Rotation::NotDue).without_new_pods();
    if let Some(path) = plan.puts_aside() {
        let known = &facts.remembered;
        let told = known.clone().with_put_aside(Some(path.to_owned()));
        told.keep(env.juju, known).map_err(failed)?;
    }
    let starts = matches!(plan.workload, WorkloadPlan::Run(..) | WorkloadPlan::Keep(_));
    let outcome = apply::apply(env, plan).map_err(failed)?;
    if let Applied::Failed(failure) = &outcome.workload {
        return Err(failure.to_string());
    }
    if !starts {
        let told = Told {
            start: &start,
            news: None,
            put_aside: None,
            backups: &Backups::NotAsked,
        };
        let decided = status::decide(profile, &facts, &validated, &outcome, told);
        return Err(decided.status.message().to_owned());
    }
    health::wait(env, &health_url(profile, settings), patience)
}
