//! The action `verify-backup`.

use config_recovery::backups::Choice;
use serde_json::{Value, json};

use super::choice::{choice, with_choice};
use super::contents::{found, warn_of_less};
use super::{Call, Results, Stopped, declared, of_check};
use crate::env::Env;
use crate::test_restore;

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Restores a backup into a scratch namespace, checks it and removes it again: every file against the manifest, every \
         database by an integrity check, the app's own config file. The app is not touched. Runs on the unit with the data; \
         needs trust. Results: `backup-name`, `backup-uid`, `backup-time`; `files` and `bytes` restored; `databases` found sound; \
         `manifest`: whether a manifest was available to compare against; `seconds` in all, `velero-seconds` of them by Velero; \
         `contents`: what the backup holds in the app's terms; `contents-now`: what the volume holds; `differences`, one per line; \
         `settings-that-differ` in the app's config file, by name; `notes`, if any.",
        with_choice(json!({}), true),
        &[],
    )
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let Env { juju, .. } = call.env;
    let parameters = juju.action_parameters()?;
    let choice = choice(call, &parameters)?.unwrap_or(Choice::Latest);
    let plan = test_restore::plan(call.env, choice.clone())?;
    call.say(&format!("checking backup {}", plan.backup().name));
    let say = |line: &str| call.say(line);
    warn_of_less(call, &choice, plan.backup(), &plan.earlier);
    let (checked, examiner) = test_restore::carry_out(call.env, call.facts, &plan, &say)?;
    let mut results = of_check(&checked);
    results.extend(found(call, examiner, plan.backup())?);
    Ok(results)
}
