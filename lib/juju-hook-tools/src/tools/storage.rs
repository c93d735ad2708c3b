//! `storage-list`, `storage-get`, `storage-add`.

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;
use crate::model::Model;
use crate::session::HookSession;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "storage-list",
        words: "[<storage-name>]",
        words_in_relation: None,
        summary: "Lists the storage that is attached to the unit.",
        flags: &[SMART_OUTPUT],
        run: storage_list,
    },
    Tool {
        name: "storage-get",
        words: "[<key>]",
        words_in_relation: None,
        summary: "Prints the kind and the location of a storage instance.",
        flags: &[SMART_OUTPUT, STORAGE],
        run: storage_get,
    },
    Tool {
        name: "storage-add",
        words: "<charm storage name>[=count] ...",
        words_in_relation: None,
        summary: "Asks for more storage.",
        flags: &[],
        run: storage_add,
    },
];

const STORAGE: &[Flag] = &[Flag {
    names: &["s"],
    kind: FlagKind::Storage,
    help: "The storage instance by its id, such as config/0",
}];

/// A storage instance as `storage-get` sees it.
pub(super) struct Found {
    kind: String,
    location: String,
}

/// The storage that a `-s` means: one of the unit's, mounted.
pub(super) fn find(session: &HookSession, model: &Model, id: &str) -> Result<Found, String> {
    let is_valid = id.split_once('/').is_some_and(|(name, number)| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && !number.is_empty()
            && number.chars().all(|digit| digit.is_ascii_digit())
    });
    if !is_valid {
        return Err(format!("invalid storage ID {}", quote(id)));
    }
    let unit = session.context.unit.as_str();
    let Some(instance) = model
        .storages
        .get(id)
        .filter(|instance| instance.unit.as_deref() == Some(unit))
    else {
        return Err(format!("storage instance {} not found", quote(id)));
    };
    let Some(location) = &instance.location else {
        let tag = quote(&format!("storage-{}", id.replace('/', "-")));
        let unit = quote(unit);
        return Err(format!(
            "mount point for storage attachment {tag} for unit {unit} missing"
        ));
    };
    Ok(Found {
        kind: instance.kind.clone(),
        location: location.clone(),
    })
}

fn storage_list(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(1)?;
    let wanted = call.word(0).filter(|name| !name.is_empty());
    let ids = call
        .model
        .storages
        .values()
        .filter(|instance| instance.unit.as_deref() == Some(call.unit()))
        .filter(|instance| wanted.is_none_or(|name| instance.name() == name))
        .map(|instance| instance.id.clone());
    Ok(Answer::Value(Value::Texts(ids.collect())))
}

fn storage_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(id) = call.flags.get("s").or(call.session.context.event.storage()) else {
        return Err(Failure::usage("no storage instance specified"));
    };
    call.at_most(1)?;
    let found = find(call.session, call.model, id).map_err(Failure::run)?;
    match call.word(0).unwrap_or_default() {
        "" => Ok(Answer::Value(Value::sorted([
            ("kind", Value::text(found.kind)),
            ("location", Value::text(found.location)),
        ]))),
        "kind" => Ok(Answer::Value(Value::text(found.kind))),
        "location" => Ok(Answer::Value(Value::text(found.location))),
        other => Err(Failure::run(format!(
            "invalid storage attribute {}",
            quote(other)
        ))),
    }
}

/// Checks the words and does nothing: on Kubernetes a 4.0.15 takes any storage name here, commits, and adds nothing.
fn storage_add(call: &mut Call<'_>) -> Result<Answer, Failure> {
    if call.words().is_empty() {
        return Err(Failure::usage("storage add requires a storage directive"));
    }
    for word in call.words() {
        let (name, directive) = word.split_once('=').unwrap_or((word, "1"));
        if name.is_empty() {
            return Err(Failure::usage(format!(
                "expected \"name=count\", got {}",
                quote(word)
            )));
        }
        let is_count = directive.parse::<u64>().is_ok_and(|count| count > 0);
        if !is_count {
            return Err(Failure::usage(format!(
                "only count can be specified for {}",
                quote(name)
            )));
        }
    }
    Ok(Answer::Nothing)
}
