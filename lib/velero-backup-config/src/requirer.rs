//! The operator's half: what each client asks for, or precisely what is wrong with it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::Error;
use crate::reader::{Findings, read_databag};
use crate::request::{APP_KEY, BackupRequest, KEYS, MODEL_KEY, RELATION_NAME_KEY, SPEC_KEY};
use crate::text;
pub use crate::warning::Warning;

/// What one relation's databag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client has written nothing yet. Its event will come.
    NotReady,
    /// A request.
    Request {
        /// What is asked for.
        request: Box<BackupRequest>,
        /// What was skipped.
        warnings: Vec<Warning>,
    },
    /// Something that no backup must be made from.
    Invalid {
        /// All that is wrong; at least one.
        errors: Vec<Error>,
    },
}

/// Reads one client's application databag.
///
/// A bag without any of the protocol's keys is [`Outcome::NotReady`], not an error.
pub fn read(databag: &BTreeMap<String, String>) -> Outcome {
    if !KEYS
        .into_iter()
        .any(|key| databag.get(key).is_some_and(|value| !value.is_empty()))
    {
        return Outcome::NotReady;
    }
    let mut findings = Findings::default();
    let request = read_databag(databag, &mut findings);
    #[cfg(feature = "schema")]
    crate::schema::add_violations(databag, &mut findings);
    match request {
        Some(request) if findings.errors.is_empty() => Outcome::Request {
            request: Box::new(request),
            warnings: findings.warnings,
        },
        _ => Outcome::Invalid {
            errors: findings.errors,
        },
    }
}

/// The databag that a YAML or JSON text holds, if it is one and not a spec: a mapping with one of the protocol's keys that no spec has,
/// or with a text for `spec`. What is no text in it becomes its JSON, as a databag has it.
///
/// ```
/// use velero_backup_config::requirer::databag_in;
///
/// let bag = databag_in("{app: radarr, relation_name: backup, spec: {include_namespaces: [media]}}").unwrap();
/// assert_eq!(bag["spec"], r#"{"include_namespaces":["media"]}"#);
/// assert_eq!(databag_in("{includedNamespaces: [media]}"), None);
/// ```
pub fn databag_in(text: &str) -> Option<BTreeMap<String, String>> {
    let Ok(Value::Object(object)) = text::parse(text) else {
        return None;
    };
    let has = |key: &str| object.contains_key(key);
    let is_databag = [APP_KEY, RELATION_NAME_KEY, MODEL_KEY].into_iter().any(has)
        || object.get(SPEC_KEY).is_some_and(Value::is_string);
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    is_databag.then(|| {
        object
            .into_iter()
            .map(|(key, value)| (key, text(value)))
            .collect()
    })
}

/// Reads the databags of all relations, each on its own: what is wrong with one says nothing about the others.
///
/// `bags` maps the id of each relation, of whatever type, to the remote application's databag.
pub fn read_all<Id: Clone + Ord>(bags: &BTreeMap<Id, BTreeMap<String, String>>) -> BTreeMap<Id, Outcome> {
    bags.iter()
        .map(|(relation_id, databag)| (relation_id.clone(), read(databag)))
        .collect()
}
