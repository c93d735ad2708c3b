//! `action-get`, `action-set`, `action-fail`, `action-log`. Outside an action all four fail with `not running an action`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::invocation::Invocation;
use crate::error::Error;
use crate::runner::ToolRunner;

/// The action's parameters, declared defaults filled in.
///
/// # Errors
/// When this is no action.
pub fn action_get(runner: &dyn ToolRunner) -> Result<Map<String, Value>, Error> {
    Invocation::new(runner, "action-get")
        .arg("--format=json")
        .json_as()
}

/// Sets results, which the user sees when the action has ended. A key may be a path, as `backup.name`; each part holds
/// lowercase letters, digits and dashes. About 100 KB in all: results are arguments, the tool takes nothing else.
///
/// # Errors
/// When this is no action. [`BadArguments`](crate::ErrorKind::BadArguments): a key that Juju refuses, such as `stdout`.
pub fn action_set(runner: &dyn ToolRunner, results: &BTreeMap<String, String>) -> Result<(), Error> {
    let results = results.iter().map(|(key, value)| format!("{key}={value}"));
    Invocation::new(runner, "action-set").args(results).run()
}

/// Marks the action as failed, with what the user reads. It runs on: the charm ends it, with exit code 0 so that its writes
/// are kept.
///
/// # Errors
/// When this is no action.
pub fn action_fail(runner: &dyn ToolRunner, message: &str) -> Result<(), Error> {
    Invocation::new(runner, "action-fail").text_arg(message).run()
}

/// Tells the user something while the action runs.
///
/// # Errors
/// When this is no action.
pub fn action_log(runner: &dyn ToolRunner, message: &str) -> Result<(), Error> {
    Invocation::new(runner, "action-log").text_arg(message).run()
}
