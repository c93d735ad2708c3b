//! What events tell a unit about: of it the agent remembers what it has told.

use std::collections::BTreeMap;

use juju_hook_tools::model::{Databag, Model, Relation, application_name};
use serde_json::{Value, json};

/// What config-changed tells a charm about, as one value.
pub(super) fn configuration(model: &Model, unit: &str) -> Value {
    let application = model.application_of(unit);
    let options: BTreeMap<&String, Option<&Value>> = application
        .map(|application| {
            application
                .charm
                .options
                .keys()
                .map(|name| (name, application.option(name)))
                .collect()
        })
        .unwrap_or_default();
    let address = model.units.get(unit).and_then(|unit| unit.address.as_ref());
    json!({ "options": options, "trust": application.is_some_and(|application| application.trust), "address": address })
}

/// The bag whose changes a unit is told of: the remote application's, in a peer relation its own.
pub(super) fn remote_application_bag(relation: &Relation, unit: &str) -> Databag {
    let remote = relation.remote_application(application_name(unit));
    remote
        .and_then(|name| relation.application_data.get(name))
        .cloned()
        .unwrap_or_default()
}
