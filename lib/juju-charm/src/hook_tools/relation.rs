//! `relation-ids`, `relation-list`, `relation-get`, `relation-set`, `relation-model-get`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::invocation::Invocation;
use crate::error::Error;
use crate::names::{RelationId, UnitName};
use crate::runner::ToolRunner;

/// Whose databag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bag<'a> {
    /// The application's: written by its leader.
    App(&'a str),
    /// The unit's: written by the unit.
    Unit(&'a UnitName),
}

/// The relations of an endpoint. Empty when there are none, and when there is no such endpoint.
///
/// In `relation-broken` the relation that breaks may still be listed: Juju 4.0 does.
///
/// # Errors
/// When the tool fails.
pub fn relation_ids(runner: &dyn ToolRunner, endpoint: &str) -> Result<Vec<RelationId>, Error> {
    let invocation = Invocation::new(runner, "relation-ids")
        .arg("--format=json")
        .arg(endpoint);
    invocation.json_list("a relation id")
}

/// The remote units of a relation. Empty while none has joined.
///
/// # Errors
/// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
pub fn relation_list(runner: &dyn ToolRunner, id: &RelationId) -> Result<Vec<UnitName>, Error> {
    let invocation = Invocation::new(runner, "relation-list")
        .arg("--format=json")
        .arg("-r")
        .arg(id.to_string());
    invocation.json_list("a unit name")
}

/// The remote application of a relation (`relation-list --app`): this one itself for a peer relation.
///
/// # Errors
/// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
pub fn relation_list_app(runner: &dyn ToolRunner, id: &RelationId) -> Result<Option<String>, Error> {
    let invocation = Invocation::new(runner, "relation-list")
        .arg("--format=json")
        .arg("--app")
        .arg("-r")
        .arg(id.to_string());
    let app: String = invocation.json_as()?;
    Ok(if app.is_empty() { None } else { Some(app) })
}

/// A whole databag, with what this hook has written to it. Empty when nobody has written.
///
/// Unit bags hold keys of Juju's own: `ingress-address`, `egress-subnets`, and `private-address` in Juju 3.
///
/// # Errors
/// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation): the relation (exit code 2) or the unit in it (exit code 1) is gone.
/// [`NotAllowed`](crate::ErrorKind::NotAllowed): Juju 3 lets only the leader read its own application's bag.
pub fn relation_get(
    runner: &dyn ToolRunner,
    id: &RelationId,
    bag: Bag<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let invocation = Invocation::new(runner, "relation-get")
        .arg("--format=json")
        .arg("-r")
        .arg(id.to_string());
    // The key `-` asks for all of them.
    let invocation = match bag {
        Bag::App(app) => invocation.arg("--app").arg("-").arg(app),
        Bag::Unit(unit) => invocation.arg("-").arg(unit.to_string()),
    };
    invocation.json_text_map()
}

/// Writes keys of the own databag: this unit's, or with `app` the application's. An empty value deletes its key; keys that
/// are not named stay. Others see it when the hook has ended well.
///
/// The data goes by `--file -`, a map on standard input, which Juju 3.6 and 4.0 both take (`relation-set.go`, `SetStdin`).
///
/// # Errors
/// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation). [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader
/// writes the application's bag.
pub fn relation_set(
    runner: &dyn ToolRunner,
    id: &RelationId,
    app: bool,
    data: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let invocation = Invocation::new(runner, "relation-set")
        .arg("-r")
        .arg(id.to_string());
    let invocation = if app { invocation.arg("--app") } else { invocation };
    invocation.map_on_stdin(data).run()
}

/// UUID of the model that the remote application is in.
///
/// # Errors
/// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
pub fn relation_model_get(runner: &dyn ToolRunner, id: &RelationId) -> Result<Option<String>, Error> {
    let invocation = Invocation::new(runner, "relation-model-get")
        .arg("--format=json")
        .arg("-r")
        .arg(id.to_string());
    let model = invocation.json()?;
    Ok(model.get("uuid").and_then(Value::as_str).map(str::to_owned))
}
