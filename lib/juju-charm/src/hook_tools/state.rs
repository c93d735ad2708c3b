//! `state-get`, `state-set`, `state-delete`: texts that Juju keeps for this unit, whatever happens to its pod.

use std::collections::BTreeMap;

use super::invocation::Invocation;
use crate::error::Error;
use crate::runner::ToolRunner;

/// The whole stored state, with what this hook has written.
///
/// There is no way to ask for one key on purpose: `state-get KEY` answers the same for a missing key and an empty value.
/// Empty state is `{}` in Juju 3 and `null` in Juju 4.
///
/// # Errors
/// When the tool fails.
pub fn state_get(runner: &dyn ToolRunner) -> Result<BTreeMap<String, String>, Error> {
    Invocation::new(runner, "state-get")
        .arg("--format=json")
        .json_text_map()
}

/// Stores texts; keys that are not named stay, and an empty value is a value. Kept when the hook ends well.
///
/// # Errors
/// When the tool fails: Juju 4 refuses values over 64 KiB at once, Juju 3 a total over 2 MiB at the hook's end.
pub fn state_set(runner: &dyn ToolRunner, state: &BTreeMap<String, String>) -> Result<(), Error> {
    Invocation::new(runner, "state-set").map_on_stdin(state).run()
}

/// Forgets a key; one that is not there is fine.
///
/// # Errors
/// When the tool fails.
pub fn state_delete(runner: &dyn ToolRunner, key: &str) -> Result<(), Error> {
    Invocation::new(runner, "state-delete").text_arg(key).run()
}
