//! Reads a spec as people have it: in Velero's own form, alone, as a Schedule's or as a whole object, or in the form of the
//! wire.
//!
//! What has no place in the relation is an error, with a JSON pointer into the input: a backup without it would be
//! another one. Velero's form is turned into the wire's and judged there, so that there is one judge.

use serde_json::{Map, Value};

use crate::document::FIELDS;
use crate::error::{Error, Errors, Reason, pointer_key};
use crate::reader::{Findings, plain_spelling, read_spec, wrong_type};
use crate::spec::BackupSpec;

/// Name of the backup storage location and of the volume snapshot location that velero-operator uses for everything.
pub const LOCATION: &str = "default";

/// The fields of a Backup's spec that the relation carries: Velero's name, and the wire's.
const BACKUP_FIELDS: [(&str, &str); 6] = [
    ("includedNamespaces", "include_namespaces"),
    ("includedResources", "include_resources"),
    ("excludedNamespaces", "exclude_namespaces"),
    ("excludedResources", "exclude_resources"),
    ("ttl", "ttl"),
    ("includeClusterResources", "include_cluster_resources"),
];
/// The fields of a Schedule's spec beside its template.
const SCHEDULE_FIELDS: [(&str, &str); 4] = [
    ("schedule", "schedule"),
    ("paused", "paused"),
    ("skipImmediately", "skip_immediately"),
    ("useOwnerReferencesInBackup", "use_owner_references_in_backup"),
];
const LABEL_SELECTOR: &str = "labelSelector";
const MATCH_LABELS: &str = "matchLabels";
const TEMPLATE: &str = "template";
/// What a Backup's spec has and the relation has not (`backup_types.go` of Velero 1.15.2 and 1.18.0).
const NOT_CARRIED: [&str; 16] = [
    "metadata",
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
    "orLabelSelectors",
    "snapshotVolumes",
    "hooks",
    "orderedResources",
    "csiSnapshotTimeout",
    "itemOperationTimeout",
    "resourcePolicy",
    "snapshotMoveData",
    "datamover",
    "uploaderConfig",
    "volumeGroupSnapshotLabelKey",
];
/// What velero-operator sets in every Backup, whatever its client says.
const OPERATOR_DECIDES: [&str; 4] = [
    "storageLocation",
    "volumeSnapshotLocations",
    "defaultVolumesToFsBackup",
    "defaultVolumesToRestic",
];
/// What Velero's server fills in on a Backup that it has looked at.
const FILLED_IN_BY_VELERO: [&str; 2] = ["csiSnapshotTimeout", "itemOperationTimeout"];

/// Where an input comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A person wrote it, and means all of it.
    Text,
    /// A cluster holds it, with what the operator decided and what Velero filled in.
    Object,
}

/// Which kinds of fields a mapping may have.
#[derive(Clone, Copy)]
enum Fields {
    Backup,
    Schedule,
    /// A spec outside of any object: whatever it has.
    Both,
}

/// Reads a spec in any form. The errors' pointers begin at the top of `value`.
pub(crate) fn read(value: &Value, source: Source) -> Result<BackupSpec, Errors> {
    let Some(object) = value.as_object() else {
        let error = Error::at("", Some(&value.to_string()), wrong_type("a mapping", value));
        return Err(error.into());
    };
    if object.contains_key("kind") || object.contains_key("apiVersion") {
        return read_object(object, source);
    }
    let is_wire = object
        .keys()
        .any(|key| key.contains('_') && FIELDS.contains(&key.as_str()));
    if is_wire {
        read_wire(value)
    } else {
        read_velero(object, "", Fields::Both, source)
    }
}

/// Reads the spec of a Schedule.
pub(crate) fn read_schedule_spec(value: &Value, source: Source, prefix: &str) -> Result<BackupSpec, Errors> {
    let nothing = Map::new();
    read_velero(
        value.as_object().unwrap_or(&nothing),
        prefix,
        Fields::Schedule,
        source,
    )
}

/// Reads the spec of a Backup.
pub(crate) fn read_backup_spec(value: &Value, source: Source, prefix: &str) -> Result<BackupSpec, Errors> {
    let nothing = Map::new();
    read_velero(
        value.as_object().unwrap_or(&nothing),
        prefix,
        Fields::Backup,
        source,
    )
}

/// A whole object. Its name and labels are its own affair, so its metadata is not looked at.
fn read_object(object: &Map<String, Value>, source: Source) -> Result<BackupSpec, Errors> {
    let mut errors = Vec::new();
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let shown = |key: &str| object.get(key).map(ToString::to_string);
    if text("apiVersion").is_some_and(|version| version != velero_api::API_VERSION)
        || object
            .get("apiVersion")
            .is_some_and(|version| !version.is_string())
    {
        let reason = Reason::NotOneOf(velero_api::API_VERSION);
        errors.push(Error::at("/apiVersion", shown("apiVersion").as_deref(), reason));
    }
    let fields = match text("kind") {
        Some("Backup") => Some(Fields::Backup),
        Some("Schedule") => Some(Fields::Schedule),
        _ => {
            let reason = Reason::NotOneOf("Backup, Schedule");
            errors.push(Error::at("/kind", shown("kind").as_deref(), reason));
            None
        }
    };
    for key in object.keys() {
        if !matches!(
            key.as_str(),
            "apiVersion" | "kind" | "metadata" | "spec" | "status"
        ) {
            errors.push(unknown_key("", key));
        }
    }
    let spec = match object.get("spec") {
        Some(Value::Object(spec)) => Some(spec),
        None | Some(Value::Null) => {
            errors.push(Error::at("/spec", None, Reason::Missing));
            None
        }
        Some(other) => {
            errors.push(Error::at(
                "/spec",
                Some(&other.to_string()),
                wrong_type("a mapping", other),
            ));
            None
        }
    };
    let spec = spec
        .zip(fields)
        .map(|(spec, fields)| read_velero(spec, "/spec", fields, source));
    match spec {
        Some(Ok(spec)) if errors.is_empty() => Ok(spec),
        Some(Err(more)) => {
            errors.extend(more);
            Err(Errors::from_vec(errors))
        }
        _ => Err(Errors::from_vec(errors)),
    }
}

/// The wire's own form. Other than in a databag, a key that no one knows is an error: a person wrote it and meant something.
fn read_wire(value: &Value) -> Result<BackupSpec, Errors> {
    let mut findings = Findings::default();
    let spec = read_spec(value, &mut findings);
    let mut errors: Vec<Error> = findings
        .errors
        .into_iter()
        .map(|error| {
            let pointer = error
                .pointer()
                .strip_prefix("/spec")
                .unwrap_or_default()
                .to_owned();
            let error = error.moved_to(pointer);
            match error.reason() {
                Reason::MisspelledKey { expected } => {
                    let meant = Some(*expected);
                    error.because(Reason::UnknownKey { meant })
                }
                _ => error,
            }
        })
        .collect();
    errors.extend(findings.warnings.iter().map(|warning| {
        let pointer = warning.pointer().strip_prefix("/spec").unwrap_or_default();
        Error::at(pointer, None, Reason::UnknownKey { meant: None })
    }));
    match spec {
        Some(spec) if errors.is_empty() => Ok(spec),
        _ => Err(Errors::from_vec(errors)),
    }
}

fn read_velero(
    object: &Map<String, Value>,
    prefix: &str,
    fields: Fields,
    source: Source,
) -> Result<BackupSpec, Errors> {
    let mut translation = Translation {
        source,
        wire: Map::new(),
        errors: Vec::new(),
    };
    let template = object.get(TEMPLATE).filter(|template| !template.is_null());
    for (key, value) in object {
        let is_schedule_field = key == TEMPLATE || wire_name(&SCHEDULE_FIELDS, key).is_some();
        match fields {
            Fields::Schedule | Fields::Both if is_schedule_field => {
                translation.schedule_field(prefix, key, value);
            }
            Fields::Both if template.is_some() => {
                let reason = Reason::BesideTemplate;
                translation
                    .errors
                    .push(Error::at(join(prefix, key), None, reason));
            }
            Fields::Backup | Fields::Both => translation.backup_field(prefix, key, value),
            Fields::Schedule => translation.errors.push(unknown_key(prefix, key)),
        }
    }
    let is_in_template = template.is_some() || matches!(fields, Fields::Schedule);
    let backup_prefix = if is_in_template {
        join(prefix, TEMPLATE)
    } else {
        prefix.to_owned()
    };

    let mut findings = Findings::default();
    let spec = read_spec(&Value::Object(translation.wire), &mut findings);
    let mut errors = translation.errors;
    errors.extend(findings.errors.into_iter().map(|error| {
        let pointer = velero_pointer(error.pointer(), prefix, &backup_prefix);
        error.moved_to(pointer)
    }));
    match spec {
        Some(spec) if errors.is_empty() => Ok(spec),
        _ => Err(Errors::from_vec(errors)),
    }
}

struct Translation {
    source: Source,
    wire: Map<String, Value>,
    errors: Vec<Error>,
}

impl Translation {
    fn schedule_field(&mut self, prefix: &str, key: &str, value: &Value) {
        if let Some(name) = wire_name(&SCHEDULE_FIELDS, key) {
            self.wire.insert(name.to_owned(), value.clone());
            return;
        }
        let prefix = join(prefix, TEMPLATE);
        match value {
            Value::Null => {}
            Value::Object(template) => {
                for (key, value) in template {
                    self.backup_field(&prefix, key, value);
                }
            }
            other => self.errors.push(Error::at(
                prefix,
                Some(&other.to_string()),
                wrong_type("a mapping", other),
            )),
        }
    }

    fn backup_field(&mut self, prefix: &str, key: &str, value: &Value) {
        let refuse = |reason| Error::at(join(prefix, key), Some(&shown(value)), reason);
        if let Some(name) = wire_name(&BACKUP_FIELDS, key) {
            // Go writes a duration that is unset as `0s`.
            let is_unset = self.source == Source::Object && key == "ttl" && value == "0s";
            if !is_unset {
                self.wire.insert(name.to_owned(), value.clone());
            }
        } else if key == LABEL_SELECTOR {
            self.label_selector(&join(prefix, key), value);
        } else if OPERATOR_DECIDES.contains(&key) {
            if !(says_nothing(value) || self.is_the_operators_choice(key, value)) {
                self.errors.push(refuse(Reason::OperatorDecides));
            }
        } else if NOT_CARRIED.contains(&key) {
            let is_filled_in = self.source == Source::Object
                && (FILLED_IN_BY_VELERO.contains(&key)
                    || (key == "snapshotMoveData" && value == &Value::Bool(false)));
            if !(says_nothing(value) || is_filled_in) {
                self.errors.push(refuse(Reason::NotCarried));
            }
        } else {
            self.errors.push(unknown_key(prefix, key));
        }
    }

    fn is_the_operators_choice(&self, key: &str, value: &Value) -> bool {
        match key {
            "storageLocation" => value == LOCATION,
            "volumeSnapshotLocations" => value
                .as_array()
                .is_some_and(|locations| locations.iter().all(|location| location == LOCATION)),
            _ => self.source == Source::Object,
        }
    }

    fn label_selector(&mut self, pointer: &str, value: &Value) {
        let selector = match value {
            Value::Null => return,
            Value::Object(selector) => selector,
            other => {
                let reason = wrong_type("a mapping with matchLabels", other);
                self.errors
                    .push(Error::at(pointer, Some(&other.to_string()), reason));
                return;
            }
        };
        for (key, value) in selector {
            match key.as_str() {
                MATCH_LABELS => {
                    self.wire.insert("label_selector".to_owned(), value.clone());
                }
                "matchExpressions" => {
                    if !says_nothing(value) {
                        let reason = Reason::NotCarried;
                        self.errors
                            .push(Error::at(join(pointer, key), Some(&shown(value)), reason));
                    }
                }
                // `labelSelector: {app: radarr}` is a label that lacks its matchLabels.
                _ => self.errors.push(Error::at(
                    join(pointer, key),
                    None,
                    Reason::UnknownKey {
                        meant: Some(MATCH_LABELS),
                    },
                )),
            }
        }
    }
}

/// Whether a field has a value that means the same as leaving it out.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty() || text == "0s",
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(says_nothing),
    }
}

fn wire_name(fields: &[(&'static str, &'static str)], key: &str) -> Option<&'static str> {
    let (_, name) = fields.iter().find(|(velero, _)| *velero == key)?;
    Some(name)
}

/// From the wire's pointer, `/spec/include_namespaces/0`, to one into Velero's form.
fn velero_pointer(pointer: &str, prefix: &str, backup_prefix: &str) -> String {
    let path = pointer.strip_prefix("/spec/").unwrap_or_default();
    let (field, rest) = path
        .split_once('/')
        .map_or((path, String::new()), |(field, rest)| (field, format!("/{rest}")));
    let named = |fields: &[(&'static str, &'static str)]| {
        let (velero, _) = fields.iter().find(|(_, wire)| *wire == field)?;
        Some(*velero)
    };
    if let Some(velero) = named(&SCHEDULE_FIELDS) {
        format!("{prefix}/{velero}{rest}")
    } else if let Some(velero) = named(&BACKUP_FIELDS) {
        format!("{backup_prefix}/{velero}{rest}")
    } else if field == "label_selector" {
        format!("{backup_prefix}/{LABEL_SELECTOR}/{MATCH_LABELS}{rest}")
    } else {
        backup_prefix.to_owned()
    }
}

fn unknown_key(prefix: &str, key: &str) -> Error {
    let plain = plain_spelling(key);
    let known = BACKUP_FIELDS
        .iter()
        .chain(&SCHEDULE_FIELDS)
        .map(|(velero, _)| *velero);
    let meant = known
        .chain([LABEL_SELECTOR, TEMPLATE])
        .find(|velero| *velero != key && plain_spelling(velero) == plain);
    Error::at(join(prefix, key), None, Reason::UnknownKey { meant })
}

fn join(prefix: &str, key: &str) -> String {
    format!("{prefix}/{}", pointer_key(key))
}

/// A text as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
