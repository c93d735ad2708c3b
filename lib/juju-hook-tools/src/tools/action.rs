//! `action-get`, `action-set`, `action-fail`.

use serde_json::Map;
use serde_json::Value as Json;

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool};
use crate::context::Event;
use crate::flags::quote;
use crate::format::Value;
use crate::session::ActionOutcome;

/// What Juju fills in itself.
const RESERVED: [&str; 4] = ["stdout", "stdout-encoding", "stderr", "stderr-encoding"];
/// The message of an `action-fail` without one.
const NO_REASON: &str = "action failed without reason given, check action for errors";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "action-get",
        words: "[<key>[.<key>.<key>...]]",
        words_in_relation: None,
        summary: "Prints the action's parameters, or one of them.",
        flags: &[SMART_OUTPUT],
        run: action_get,
    },
    Tool {
        name: "action-set",
        words: "<key>=<value> [<key>=<value> ...]",
        words_in_relation: None,
        summary: "Adds to the action's results.",
        flags: &[],
        run: action_set,
    },
    Tool {
        name: "action-fail",
        words: "[\"<failure message>\"]",
        words_in_relation: None,
        summary: "Has the action count as failed.",
        flags: &[],
        run: action_fail,
    },
];

/// The outcome that the action builds up; hooks have none.
pub(super) fn outcome<'a>(call: &'a mut Call<'_>) -> Result<&'a mut ActionOutcome, Failure> {
    call.session
        .action
        .as_mut()
        .ok_or_else(|| Failure::run("not running an action"))
}

fn action_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(1)?;
    let Event::Action { params, .. } = &call.session.context.event else {
        return Err(Failure::run("not running an action"));
    };
    let Some(path) = call.word(0) else {
        return Ok(Answer::Value(Value::from(&Json::Object(params.clone()))));
    };
    let mut keys = path.split('.');
    let first = keys.next().and_then(|key| params.get(key));
    let found = keys.try_fold(first, |value, key| match value {
        Some(Json::Object(map)) => Some(map.get(key)),
        _ => None,
    });
    Ok(Answer::Value(found.flatten().map_or(Value::Null, Value::from)))
}

fn action_set(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let mut entries: Vec<(Vec<String>, String)> = Vec::new();
    for word in call.words() {
        let Some((path, value)) = word.split_once('=') else {
            return Err(Failure::usage(format!(
                "argument {} must be of the form key...=value",
                quote(word)
            )));
        };
        let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
        for key in &keys {
            if !is_result_key(key) {
                return Err(Failure::usage(format!(
                    "key {} must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens",
                    quote(key)
                )));
            }
            if RESERVED.contains(&key.as_str()) {
                return Err(Failure::usage(format!(
                    "cannot set reserved action key {}",
                    quote(key)
                )));
            }
        }
        entries.push((keys, value.to_owned()));
    }
    let outcome = outcome(call)?;
    for (keys, value) in entries {
        insert(&mut outcome.results, &keys, value);
    }
    Ok(Answer::Nothing)
}

/// Letters, digits and dashes, with a letter or digit at both ends.
fn is_result_key(key: &str) -> bool {
    let is_alphanumeric = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    key.starts_with(is_alphanumeric)
        && key.ends_with(is_alphanumeric)
        && key
            .chars()
            .all(|character| is_alphanumeric(character) || character == '-')
}

/// Sets a value under a path; what stands in the way is replaced.
fn insert(results: &mut Map<String, Json>, keys: &[String], value: String) {
    match keys {
        [] => {}
        [last] => {
            results.insert(last.clone(), Json::String(value));
        }
        [first, rest @ ..] => {
            let entry = results
                .entry(first.clone())
                .or_insert_with(|| Json::Object(Map::new()));
            if !entry.is_object() {
                *entry = Json::Object(Map::new());
            }
            if let Json::Object(inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}

fn action_fail(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(1)?;
    let message = call
        .word(0)
        .filter(|message| !message.is_empty())
        .unwrap_or(NO_REASON)
        .to_owned();
    let outcome = outcome(call)?;
    outcome.failed = true;
    outcome.message = message;
    Ok(Answer::Nothing)
}
