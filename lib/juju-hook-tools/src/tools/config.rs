//! `config-get` and `is-leader`.

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "config-get",
        words: "[<key>]",
        words_in_relation: None,
        summary: "Prints the application's options, or one of them.",
        flags: &[SMART_OUTPUT, ALL],
        run: config_get,
    },
    Tool {
        name: "is-leader",
        words: "",
        words_in_relation: None,
        summary: "Says whether this unit leads its application.",
        flags: &[SMART_OUTPUT],
        run: is_leader,
    },
];

const ALL: &[Flag] = &[Flag {
    names: &["a", "all"],
    kind: FlagKind::Switch,
    help: "Print the options that have no value as well",
}];

fn config_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let all = call.flags.is_on("a");
    if let Some(key) = call.word(0)
        && all
    {
        let text = format!("cannot use argument --all together with key {}", quote(key));
        return Err(Failure::usage(text));
    }
    call.at_most(1)?;
    let Some(application) = call.model.applications.get(call.application()) else {
        return Err(Failure::run("application not found"));
    };
    if let Some(key) = call.word(0).filter(|key| !key.is_empty()) {
        let value = application.option(key).map_or(Value::Null, Value::from);
        return Ok(Answer::Value(value));
    }
    let options = application.charm.options.keys().filter_map(|name| {
        let value = application.option(name).map_or(Value::Null, Value::from);
        (all || value != Value::Null).then_some((name, value))
    });
    Ok(Answer::Value(Value::sorted(options)))
}

fn is_leader(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    Ok(Answer::Value(Value::Bool(call.is_leader())))
}
