//! The JSON Schema of the databag, and the check of databags against it.
//!
//! The schema is made from the type that writes the wire, and a copy is kept in `schema/velero_backup_config.schema.json`
//! for other languages and for editors. It describes the databag as one JSON object with `spec` decoded. What a schema
//! cannot say (which cron expressions Velero takes, that a retention is above zero) only the types check.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::document::DatabagDocument;
use crate::error::{Error, Reason};
use crate::reader::Findings;
use crate::request::{KEYS, SPEC_KEY};

static VALIDATOR: LazyLock<Option<Validator>> =
    LazyLock::new(|| jsonschema::validator_for(&json_schema()).ok());

/// The JSON Schema (draft 2020-12) of a databag with `spec` decoded.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(DatabagDocument<'_>).to_value();
    // The same order whatever features of serde_json other crates turn on.
    schema.sort_all_objects();
    schema
}

/// The text of `schema/velero_backup_config.schema.json`: the one place where it is made.
pub fn schema_file_text() -> String {
    format!("{:#}\n", json_schema())
}

/// Checks a databag against the schema alone.
///
/// # Errors
/// Everything that the schema refuses, each with its JSON pointer. A `spec` that is not JSON is left to [`crate::requirer`].
pub fn check(databag: &BTreeMap<String, String>) -> Result<(), Vec<Error>> {
    let mut document = Map::new();
    for key in KEYS {
        // Juju has no empty values: writing one removes the key.
        let Some(text) = databag.get(key).filter(|text| !text.is_empty()) else {
            continue;
        };
        let value = if key == SPEC_KEY {
            serde_json::from_str(text).ok()
        } else {
            Some(Value::from(text.as_str()))
        };
        let Some(value) = value else { return Ok(()) };
        document.insert(key.to_owned(), value);
    }
    let document = Value::Object(document);
    let Some(validator) = VALIDATOR.as_ref() else {
        return Ok(());
    };
    let violations: Vec<Error> = validator
        .iter_errors(&document)
        .map(|violation| {
            let pointer = violation.instance_path().as_str().to_owned();
            Error::at(pointer, None, Reason::Schema(violation.to_string()))
        })
        .collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

/// Adds what the schema refuses and the types let pass, so that the two can never drift apart unseen.
pub(crate) fn add_violations(databag: &BTreeMap<String, String>, findings: &mut Findings) {
    let Err(violations) = check(databag) else { return };
    for violation in violations {
        let is_known = findings
            .errors
            .iter()
            .any(|error| error.pointer().starts_with(violation.pointer()));
        if !is_known {
            findings.errors.push(violation);
        }
    }
}
