//! `relation-ids`, `relation-list`, `relation-get`, `relation-set`, `relation-model-get`.

use super::{Answer, Call, Failure, RELATION, SMART_OUTPUT, Tool, UNUSED_FORMAT, pairs_of_file_and_words};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;
use crate::model::{Model, Relation, application_name};
use crate::session::HookSession;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "relation-ids",
        words: "<name>",
        words_in_relation: Some("[<name>]"),
        summary: "Lists the relations of an endpoint by their ids.",
        flags: &[SMART_OUTPUT],
        run: relation_ids,
    },
    Tool {
        name: "relation-list",
        words: "",
        words_in_relation: None,
        summary: "Lists the units at the other end of a relation.",
        flags: &[SMART_OUTPUT, RELATION, LIST_APPLICATION],
        run: relation_list,
    },
    Tool {
        name: "relation-get",
        words: "<key> <unit id>",
        words_in_relation: Some("[<key> [<unit id>]]"),
        summary: "Reads a databag of a relation, or one key of it.",
        flags: &[SMART_OUTPUT, RELATION, READ_APPLICATION],
        run: relation_get,
    },
    Tool {
        name: "relation-set",
        words: "key=value [key=value ...]",
        words_in_relation: None,
        summary: "Writes to the own databag of a relation.",
        flags: &[UNUSED_FORMAT, RELATION, WRITE],
        run: relation_set,
    },
    Tool {
        name: "relation-model-get",
        words: "",
        words_in_relation: None,
        summary: "Says which model the other end of a relation is in.",
        flags: &[SMART_OUTPUT, RELATION],
        run: relation_model_get,
    },
];

const LIST_APPLICATION: &[Flag] = &[Flag {
    names: &["app"],
    kind: FlagKind::Switch,
    help: "Print the application at the other end instead of its units",
}];

const READ_APPLICATION: &[Flag] = &[Flag {
    names: &["app"],
    kind: FlagKind::Switch,
    help: "Read the application's databag instead of a unit's",
}];

const WRITE: &[Flag] = &[
    Flag {
        names: &["app"],
        kind: FlagKind::Switch,
        help: "Write to the application's databag (only the leader may)",
    },
    Flag {
        names: &["file"],
        kind: FlagKind::Text(""),
        help: "A YAML file with keys and values; - for the standard input",
    },
];

/// The relation that a `-r` means: `3` or `endpoint:3`, of which only the number counts.
pub(super) fn find(session: &HookSession, model: &Model, value: &str) -> Result<u32, String> {
    let number = value.rsplit_once(':').map_or(value, |(_, number)| number);
    let id: i64 = number.parse().map_err(|_| "invalid relation id".to_owned())?;
    u32::try_from(id)
        .ok()
        .filter(|id| {
            model
                .relations
                .get(id)
                .is_some_and(|relation| relation.in_scope(&session.context.unit))
        })
        .ok_or_else(|| "relation not found".to_owned())
}

impl Call<'_> {
    /// The relation of `-r`, else that of the hook.
    pub(super) fn relation_if_any(&self) -> Option<u32> {
        match self.flags.get("r") {
            Some(value) => find(self.session, self.model, value).ok(),
            None => self.session.context.event.relation(),
        }
    }

    pub(super) fn relation(&self) -> Result<u32, Failure> {
        self.relation_if_any()
            .ok_or_else(|| Failure::usage("no relation id specified"))
    }

    pub(super) fn relation_state(&self, id: u32) -> Result<&Relation, Failure> {
        self.model
            .relations
            .get(&id)
            .ok_or_else(|| Failure::run("relation not found"))
    }

    /// The application at the other end.
    pub(super) fn remote_application_of(&self, id: u32) -> Result<&str, Failure> {
        let relation = self.relation_state(id)?;
        Ok(relation
            .remote_application(self.application())
            .unwrap_or_default())
    }
}

fn relation_ids(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let hook_endpoint = call.session.context.event.relation().and_then(|id| {
        let relation = call.model.relations.get(&id)?;
        relation.endpoint_of(call.application())
    });
    let Some(endpoint) = call.word(0).or(hook_endpoint) else {
        return Err(Failure::usage("no endpoint name specified"));
    };
    call.at_most(1)?;
    let mut ids: Vec<String> = call
        .model
        .relations_of_unit(call.unit())
        .filter(|relation| relation.endpoint_of(call.application()) == Some(endpoint))
        .map(|relation| relation.name_for(call.application()))
        .collect();
    ids.sort();
    Ok(Answer::Value(Value::Texts(ids)))
}

fn relation_list(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = call.relation()?;
    call.at_most(0)?;
    if call.flags.is_on("app") {
        return Ok(Answer::Value(Value::text(call.remote_application_of(id)?)));
    }
    Ok(Answer::Value(Value::Texts(call.session.members(call.model, id))))
}

/// Whose databag `relation-get` reads.
enum Target {
    Unit(String),
    Application(String),
}

fn relation_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = call.relation()?;
    let key = call
        .word(0)
        .filter(|key| *key != "-")
        .unwrap_or_default()
        .to_owned();
    let target = relation_get_target(call)?;
    call.at_most(2)?;
    let data = match &target {
        Target::Unit(unit) if unit == call.unit() => call.session.own_data(call.model, id, false),
        Target::Application(name) if name == call.application() && call.is_leader() => {
            call.session.own_data(call.model, id, true)
        }
        Target::Unit(unit) => {
            let relation = call.relation_state(id)?;
            let Some(member) = relation.units.get(unit) else {
                return Err(Failure::run("relation unit not found"));
            };
            // 3.x keeps the data of the own application's other units from a unit, 4.0 does not.
            let is_own_side = application_name(unit) == call.application() && !relation.is_peer();
            if is_own_side && call.model.juju_version.is_3() {
                return Err(Failure::run("permission denied"));
            }
            member.data.clone()
        }
        Target::Application(name) => {
            let relation = call.relation_state(id)?;
            if relation.endpoint_of(name).is_none() {
                return Err(Failure::run(
                    "getting relation endpoint UUID: application not found in relation",
                ));
            }
            // 3.x keeps the own application's data from all but the leader, 4.0 does not.
            if call.model.juju_version.is_3() && name == call.application() && !relation.is_peer() {
                return Err(Failure::run("permission denied"));
            }
            relation.application_data.get(name).cloned().unwrap_or_default()
        }
    };
    let value = if key.is_empty() {
        Value::texts_by_key(&data)
    } else {
        data.get(&key).map_or(Value::Null, Value::text)
    };
    Ok(Answer::Value(value))
}

fn relation_get_target(call: &Call<'_>) -> Result<Target, Failure> {
    let context = &call.session.context;
    let of_application = call.flags.is_on("app");
    if let Some(named) = call.word(1) {
        if of_application {
            return Ok(Target::Application(application_name(named).to_owned()));
        }
        if is_unit_name(named) {
            return Ok(Target::Unit(named.to_owned()));
        }
        if is_application_name(named) {
            return Err(Failure::usage(format!(
                "expected unit name, got application name {}",
                quote(named)
            )));
        }
        return Err(Failure::usage(format!("invalid unit name {}", quote(named))));
    }
    if !of_application && let Some(unit) = context.event.remote_unit() {
        return Ok(Target::Unit(unit.to_owned()));
    }
    match context.remote_application(call.model) {
        Some(application) => Ok(Target::Application(application.to_owned())),
        None => Err(Failure::usage("no unit or application specified")),
    }
}

fn relation_set(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = call.relation()?;
    let pairs = pairs_of_file_and_words(call)?;
    call.warn_about_format();
    call.relation_state(id)?;
    let of_application = call.flags.is_on("app");
    if of_application && !call.is_leader() {
        return Err(Failure::run("cannot write relation settings"));
    }
    for (key, value) in pairs {
        call.session.pending.write(id, of_application, key, value);
    }
    Ok(Answer::Nothing)
}

fn relation_model_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = call.relation()?;
    call.at_most(0)?;
    call.relation_state(id)?;
    let uuid = Value::text(&call.model.uuid);
    Ok(Answer::Value(Value::record([("uuid", uuid)])))
}

/// Juju's rule for application names (`names.IsValidApplication`): parts of letters and digits between single dashes,
/// each with a letter.
pub(super) fn is_application_name(name: &str) -> bool {
    let parts_are_fine = name.split('-').all(|part| {
        !part.is_empty()
            && part
                .chars()
                .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit())
            && part.chars().any(|character| character.is_ascii_lowercase())
    });
    parts_are_fine && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// Juju's rule for unit names (`names.IsValidUnit`).
pub(super) fn is_unit_name(name: &str) -> bool {
    name.split_once('/').is_some_and(|(application, number)| {
        is_application_name(application)
            && !number.is_empty()
            && number.chars().all(|digit| digit.is_ascii_digit())
            && (number == "0" || !number.starts_with('0'))
    })
}
