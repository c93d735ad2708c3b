//! `state-get`, `state-set`, `state-delete`.

use std::collections::BTreeMap;

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool, pairs_of_file_and_words};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;

/// The longest key, in bytes (`core/quota/limits.go` of juju/juju).
const MAX_KEY_BYTES: usize = 256;
/// The longest value, in bytes (the same file).
const MAX_VALUE_BYTES: usize = 65_536;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "state-get",
        words: "[<key>]",
        words_in_relation: None,
        summary: "Prints what the charm has kept, or one value of it.",
        flags: &[SMART_OUTPUT, STRICT],
        run: state_get,
    },
    Tool {
        name: "state-set",
        words: "key=value [key=value ...]",
        words_in_relation: None,
        summary: "Keeps values for the charm.",
        flags: &[FILE],
        run: state_set,
    },
    Tool {
        name: "state-delete",
        words: "<key>",
        words_in_relation: None,
        summary: "Forgets one value that the charm has kept.",
        flags: &[],
        run: state_delete,
    },
];

const STRICT: &[Flag] = &[Flag {
    names: &["strict"],
    kind: FlagKind::Switch,
    help: "Fail if there is no such key",
}];

const FILE: &[Flag] = &[Flag {
    names: &["file"],
    kind: FlagKind::Text(""),
    help: "A YAML file with keys and values; - for the standard input",
}];

impl Call<'_> {
    fn state(&self) -> BTreeMap<String, String> {
        let stored = || self.model.units.get(self.unit()).map(|unit| unit.state.clone());
        self.session
            .pending
            .state
            .clone()
            .or_else(stored)
            .unwrap_or_default()
    }
}

fn state_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(1)?;
    let state = call.state();
    let key = call.word(0).filter(|key| !key.is_empty() && *key != "-");
    let Some(key) = key else {
        // 4.0 holds an empty state as nil, 3.x does not.
        let is_nil = state.is_empty() && !call.model.juju_version.is_3();
        let value = if is_nil {
            Value::NilMap
        } else {
            Value::texts_by_key(&state)
        };
        return Ok(Answer::Value(value));
    };
    match state.get(key) {
        None if call.flags.is_on("strict") => Err(Failure::run(format!("{} not found", quote(key)))),
        value => Ok(Answer::Value(Value::text(value.cloned().unwrap_or_default()))),
    }
}

fn state_set(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let pairs = pairs_of_file_and_words(call)?;
    let mut state = call.state();
    for (key, value) in pairs {
        if key.len() > MAX_KEY_BYTES {
            return Err(Failure::run(format!(
                "max allowed key length ({MAX_KEY_BYTES}): quota limit exceeded"
            )));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(Failure::run(format!(
                "max allowed value length ({MAX_VALUE_BYTES}): quota limit exceeded"
            )));
        }
        state.insert(key, value);
    }
    call.session.pending.state = Some(state);
    Ok(Answer::Nothing)
}

fn state_delete(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(key) = call.word(0).filter(|key| !key.is_empty()) else {
        return Err(Failure::usage("no key specified"));
    };
    call.at_most(1)?;
    let mut state = call.state();
    state.remove(key);
    call.session.pending.state = Some(state);
    Ok(Answer::Nothing)
}
