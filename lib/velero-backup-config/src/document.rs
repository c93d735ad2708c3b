//! A request as it goes over the wire: the databag's keys, and the JSON of `spec` with its field names, order and nulls.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cron::Schedule;
use crate::request::{APP_KEY, BackupRequest, MODEL_KEY, RELATION_NAME_KEY, SPEC_KEY};
use crate::retention::Retention;
use crate::spec::BackupSpec;

/// The eleven fields of a spec, in the order in which the Python library writes them.
pub(crate) const FIELDS: [&str; 11] = [
    "include_namespaces",
    "include_resources",
    "exclude_namespaces",
    "exclude_resources",
    "label_selector",
    "ttl",
    "include_cluster_resources",
    "schedule",
    "paused",
    "skip_immediately",
    "use_owner_references_in_backup",
];

/// The application databag of a client as one JSON object, with the text of `spec` decoded.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(title = "velero_backup_config databag, with spec decoded")]
#[expect(
    dead_code,
    reason = "only its schema is used: in a databag the spec is a text"
)]
pub(crate) struct DatabagDocument<'a> {
    /// The client application's name.
    #[schemars(regex(pattern = DNS_LABEL), length(max = 63))]
    app: &'a str,
    /// The client's endpoint name.
    #[schemars(regex(pattern = DNS_LABEL), length(max = 63))]
    relation_name: &'a str,
    /// The client's model: its name, which is its namespace. Clients with patch 1 of the Python library leave it out.
    #[schemars(regex(pattern = DNS_LABEL), length(max = 63))]
    model: Option<&'a str>,
    spec: SpecDocument<'a>,
}

#[cfg(feature = "schema")]
const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
#[cfg(feature = "schema")]
const RESOURCE: &str = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$";
#[cfg(feature = "schema")]
const GO_DURATION: &str = r"^\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$";

/// What is to be backed up, when, and for how long it is kept. A field that is missing and one that is null are the same.
// Declared in wire order; every field is written, unset ones as `null`.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Spec"))]
pub(crate) struct SpecDocument<'a> {
    /// Namespaces that are backed up.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), inner(regex(pattern = DNS_LABEL), length(max = 63))))]
    include_namespaces: &'a [String],
    /// Resources that are backed up, by plural and group: `pods`, `deployments.apps`. Null or empty means all.
    #[cfg_attr(feature = "schema", schemars(inner(regex(pattern = RESOURCE), length(max = 253))))]
    include_resources: Option<&'a [String]>,
    /// Namespaces that are left out.
    #[cfg_attr(feature = "schema", schemars(inner(regex(pattern = DNS_LABEL), length(max = 63))))]
    exclude_namespaces: Option<&'a [String]>,
    /// Resources that are left out.
    #[cfg_attr(feature = "schema", schemars(inner(regex(pattern = RESOURCE), length(max = 253))))]
    exclude_resources: Option<&'a [String]>,
    /// Labels that an object must have, all of them. Null or empty means every object.
    label_selector: Option<&'a BTreeMap<String, String>>,
    /// How long a backup is kept: a Go duration above zero, such as `720h`. Null means Velero's default, 30 days.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = GO_DURATION)))]
    ttl: Option<&'a str>,
    /// Whether cluster-scoped objects are taken. Null takes those that belong to what is backed up.
    include_cluster_resources: Option<bool>,
    /// When backups are made: five cron fields or a descriptor such as `@daily`, after an optional `TZ=ZONE `. Null or empty means on demand only.
    schedule: Option<&'a str>,
    /// Whether the schedule makes no backups for now.
    paused: Option<bool>,
    /// Whether the first due time is skipped.
    skip_immediately: Option<bool>,
    /// Whether deleting the Schedule deletes the Backup objects that it made.
    use_owner_references_in_backup: Option<bool>,
}

impl<'a> From<&'a BackupSpec> for SpecDocument<'a> {
    fn from(spec: &'a BackupSpec) -> Self {
        // No `..`: a new field of the spec must be written.
        let BackupSpec {
            include_namespaces,
            include_resources,
            exclude_namespaces,
            exclude_resources,
            label_selector,
            retention,
            include_cluster_resources,
            schedule,
            paused,
            skip_immediately,
            use_owner_references_in_backup,
        } = spec;
        Self {
            include_namespaces,
            include_resources: include_resources.as_deref(),
            exclude_namespaces: exclude_namespaces.as_deref(),
            exclude_resources: exclude_resources.as_deref(),
            label_selector: label_selector.as_ref(),
            ttl: retention.as_ref().map(Retention::as_str),
            include_cluster_resources: *include_cluster_resources,
            schedule: schedule.as_ref().map(Schedule::as_str),
            paused: *paused,
            skip_immediately: *skip_immediately,
            use_owner_references_in_backup: *use_owner_references_in_backup,
        }
    }
}

impl BackupSpec {
    /// The text that a databag's key `spec` gets; see [`BackupRequest::to_databag`].
    pub fn to_wire_text(&self) -> String {
        // Texts, booleans and maps keyed by text have a JSON form, so nothing can go wrong here; `null` is refused by any reader.
        serde_json::to_string(&SpecDocument::from(self)).unwrap_or_else(|_| "null".to_owned())
    }
}

impl BackupRequest {
    /// The four keys of the application databag; three, if the model is not known.
    ///
    /// The text of `spec` is what the Python library `velero_backup_config` (v0, patch 2) writes for the same spec, byte
    /// for byte: compact JSON, characters beyond ASCII as they are, all eleven fields in a fixed order, unset ones as
    /// `null`. Labels are in the order of their keys, so that equal specs are equal bytes; Python writes them in the order
    /// in which the charm's author did.
    pub fn to_databag(&self) -> BTreeMap<String, String> {
        [
            (APP_KEY, Some(self.app().to_owned())),
            (RELATION_NAME_KEY, Some(self.relation_name().to_owned())),
            (MODEL_KEY, self.model().map(str::to_owned)),
            (SPEC_KEY, Some(self.spec().to_wire_text())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }
}
