//! Reads a databag and collects everything that is wrong with it, each with a JSON pointer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cron::Schedule;
use crate::document::FIELDS;
use crate::error::{Error, Reason, pointer_key};
use crate::request::{APP_KEY, BackupRequest, MODEL_KEY, RELATION_NAME_KEY, SPEC_KEY, check_request_name};
use crate::retention::Retention;
use crate::spec::BackupSpec;
use crate::warning::Warning;

/// What was found wrong, and what was skipped.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub errors: Vec<Error>,
    pub warnings: Vec<Warning>,
}

impl Findings {
    /// The first error. There is one whenever nothing was read.
    pub(crate) fn into_first_error(self) -> Error {
        self.errors
            .into_iter()
            .next()
            .unwrap_or_else(|| Error::at("", None, Reason::Empty))
    }

    fn keep<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    fn error(&mut self, pointer: impl Into<String>, value: Option<&str>, reason: Reason) {
        self.errors.push(Error::at(pointer, value, reason));
    }
}

impl BackupRequest {
    /// Reads the application databag of a client. Keys that are not the protocol's are skipped.
    ///
    /// Bags of clients with patch 1 of the Python library are read as well: they have no `model`, and their spec ends after
    /// `include_cluster_resources`.
    ///
    /// # Errors
    /// The first thing that is wrong. See [`crate::requirer::read`] for all of them, and for warnings.
    pub fn from_databag(databag: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut findings = Findings::default();
        match read_databag(databag, &mut findings) {
            Some(request) => Ok(request),
            None => Err(findings.into_first_error()),
        }
    }
}

/// Reads the four keys. `None` goes with at least one error.
pub(crate) fn read_databag(
    databag: &BTreeMap<String, String>,
    findings: &mut Findings,
) -> Option<BackupRequest> {
    let text = |key: &str| {
        databag
            .get(key)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    };
    let [app, relation_name, spec_text] = [APP_KEY, RELATION_NAME_KEY, SPEC_KEY].map(|key| {
        if text(key).is_none() {
            findings.error(format!("/{key}"), None, Reason::Missing);
        }
        text(key)
    });
    let model = text(MODEL_KEY);
    if model.is_none() {
        findings.warnings.push(Warning::without_model());
    }
    let spec = spec_text.and_then(|text| match serde_json::from_str::<Value>(text) {
        Ok(value) => read_spec(&value, findings),
        Err(error) => {
            let reason = Reason::Syntax {
                format: "JSON",
                message: error.to_string(),
            };
            findings.error(format!("/{SPEC_KEY}"), Some(text), reason);
            None
        }
    });
    // Each name on its own, so that all is told even if one is missing or the spec is wrong.
    for (key, name) in [
        (APP_KEY, app),
        (RELATION_NAME_KEY, relation_name),
        (MODEL_KEY, model),
    ] {
        let checked = name.map(|name| check_request_name(key, name));
        checked.and_then(|checked| findings.keep(checked));
    }
    if !findings.errors.is_empty() {
        return None;
    }
    let request = BackupRequest::with_optional_model(app?, relation_name?, model, spec?);
    findings.keep(request)
}

/// Reads a spec in the wire's own form.
pub(crate) fn read_spec(value: &Value, findings: &mut Findings) -> Option<BackupSpec> {
    let Some(object) = value.as_object() else {
        findings.error("/spec", Some(&value.to_string()), wrong_type("an object", value));
        return None;
    };
    report_unknown_keys(object, findings);
    let mut fields = Fields { object, findings };

    let namespaces = fields.texts("include_namespaces");
    let resources = fields.texts("include_resources");
    let excluded_namespaces = fields.texts("exclude_namespaces");
    let excluded_resources = fields.texts("exclude_resources");
    let labels = fields.labels("label_selector");
    let retention = fields.text("ttl").map(|text| {
        Retention::parse(&text).map_err(|error| Error::at("/spec/ttl", Some(&text), Reason::Retention(error)))
    });
    // The operator takes the empty text for no schedule.
    let schedule = fields.text("schedule").map(|text| {
        Schedule::parse_optional(&text)
            .map_err(|error| Error::at("/spec/schedule", Some(&text), Reason::Schedule(error)))
    });
    let include_cluster_resources = fields.boolean("include_cluster_resources");
    let paused = fields.boolean("paused");
    let skip_immediately = fields.boolean("skip_immediately");
    let use_owner_references_in_backup = fields.boolean("use_owner_references_in_backup");

    let retention = retention.and_then(|retention| findings.keep(retention));
    let schedule = schedule.and_then(|schedule| findings.keep(schedule)).flatten();
    // A list that could not be read was reported; it must not be reported as empty once more.
    let unreadable = findings
        .errors
        .iter()
        .any(|error| error.pointer().starts_with("/spec/include_namespaces"));
    if unreadable {
        return None;
    }
    let mut spec = findings.keep(BackupSpec::new(namespaces.unwrap_or_default()))?;
    spec = apply(spec, resources, findings, |spec, names| {
        spec.with_resources(names)
    });
    spec = apply(spec, excluded_namespaces, findings, |spec, names| {
        spec.without_namespaces(names)
    });
    spec = apply(spec, excluded_resources, findings, |spec, names| {
        spec.without_resources(names)
    });
    spec = apply(spec, labels, findings, |spec, labels| spec.with_labels(labels));
    spec.retention = retention;
    spec.schedule = schedule;
    spec.include_cluster_resources = include_cluster_resources;
    spec.paused = paused;
    spec.skip_immediately = skip_immediately;
    spec.use_owner_references_in_backup = use_owner_references_in_backup;
    findings.errors.is_empty().then_some(spec)
}

/// Sets one field, or reports why it cannot be set and goes on, so that the other fields are looked at too.
fn apply<T>(
    spec: BackupSpec,
    value: Option<T>,
    findings: &mut Findings,
    set: impl FnOnce(BackupSpec, T) -> Result<BackupSpec, Error>,
) -> BackupSpec {
    let Some(value) = value else { return spec };
    findings.keep(set(spec.clone(), value)).unwrap_or(spec)
}

/// The fields of a spec by name. A missing field and `null` are the same.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    findings: &'a mut Findings,
}

impl Fields<'_> {
    fn set(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn wrong(&mut self, pointer: String, expected: &'static str, value: &Value) {
        self.findings
            .error(pointer, Some(&value.to_string()), wrong_type(expected, value));
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match self.set(field)?.clone() {
            Value::String(text) => Some(text),
            other => {
                self.wrong(format!("/spec/{field}"), "a text", &other);
                None
            }
        }
    }

    fn boolean(&mut self, field: &str) -> Option<bool> {
        match self.set(field)?.clone() {
            Value::Bool(flag) => Some(flag),
            other => {
                self.wrong(format!("/spec/{field}"), "true or false", &other);
                None
            }
        }
    }

    fn texts(&mut self, field: &str) -> Option<Vec<String>> {
        let items = match self.set(field)?.clone() {
            Value::Array(items) => items,
            other => {
                self.wrong(format!("/spec/{field}"), "a list of texts", &other);
                return None;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                other => self.wrong(format!("/spec/{field}/{index}"), "a text", &other),
            }
        }
        Some(texts)
    }

    fn labels(&mut self, field: &str) -> Option<BTreeMap<String, String>> {
        let entries = match self.set(field)?.clone() {
            Value::Object(entries) => entries,
            other => {
                self.wrong(format!("/spec/{field}"), "an object of texts", &other);
                return None;
            }
        };
        let mut labels = BTreeMap::new();
        for (key, value) in entries {
            match value {
                Value::String(text) => {
                    labels.insert(key, text);
                }
                other => self.wrong(format!("/spec/{field}/{}", pointer_key(&key)), "a text", &other),
            }
        }
        Some(labels)
    }
}

/// velero-operator skips keys that it does not know. A known key under another spelling is more than that: what it was
/// to leave out would be backed up.
fn report_unknown_keys(object: &Map<String, Value>, findings: &mut Findings) {
    for (key, value) in object {
        if FIELDS.contains(&key.as_str()) {
            continue;
        }
        let pointer = format!("/spec/{}", pointer_key(key));
        match intended_field(key) {
            Some(expected) if !object.contains_key(expected) && !value.is_null() => {
                findings
                    .errors
                    .push(Error::at(pointer, None, Reason::MisspelledKey { expected }));
            }
            _ => findings.warnings.push(Warning::unknown_key(pointer)),
        }
    }
}

/// The field that a key in another spelling stands for: `include-namespaces` as in the interface's own description,
/// `includedNamespaces` as in Velero's objects.
fn intended_field(key: &str) -> Option<&'static str> {
    let plain = plain_spelling(key);
    FIELDS.into_iter().find(|field| plain_spelling(field) == plain)
}

/// A key without what people spell differently: `include-namespaces` and `includedNamespaces` are the same then.
pub(crate) fn plain_spelling(key: &str) -> String {
    key.to_ascii_lowercase()
        .replace(['-', '_', ' '], "")
        .replace("included", "include")
        .replace("excluded", "exclude")
}

pub(crate) fn wrong_type(expected: &'static str, found: &Value) -> Reason {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Reason::WrongType { expected, found }
}
