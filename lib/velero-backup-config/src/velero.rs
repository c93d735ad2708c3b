//! Velero's objects, as velero-operator makes them of a request, and back.
//!
//! The mapping is that of `canonical/velero-operator` (April 2026): what a client can choose, and what the operator sets
//! whatever the client says. An operator in Rust, and a simulated one, can call these functions as they are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use velero_api::{Backup, LabelSelector, ObjectMeta, Schedule, ScheduleSpec};

use crate::error::{Error, Errors, Reason};
use crate::request::BackupRequest;
use crate::spec::BackupSpec;
use crate::text;
pub use crate::velero_form::LOCATION;
use crate::velero_form::{self, Source};

/// Label of Backups and Schedules: the client application.
pub const APP_LABEL: &str = "app";
/// Label of Backups and Schedules: the client's endpoint.
pub const ENDPOINT_LABEL: &str = "endpoint";
/// Label of Backups and Schedules: a model's name. On a Backup that was asked for by an action it is the client's, on a
/// Schedule and the Backups that it makes it is the operator's.
pub const MODEL_LABEL: &str = "model";
/// Label of Schedules, and of the Backups that they make. Backups on demand have none.
pub const MANAGED_BY_LABEL: &str = "managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "velero-operator";
/// Annotation of Backups on demand: Unix time in seconds, as text.
pub const CREATED_AT_ANNOTATION: &str = "created-at";

/// What the operator puts into Velero's objects, and no client can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator<'a> {
    /// The operator's own model, which is the namespace of Velero and of its objects.
    pub model: &'a str,
    /// The operator's option `default-volumes-to-fs-backup`.
    pub default_volumes_to_fs_backup: bool,
}

/// The labels by which the operator finds the Schedule of a client.
///
/// The model is the operator's own, not the client's: two clients of the same name and endpoint in two models share one
/// Schedule there, and each overwrites or deletes the other's.
pub fn schedule_labels(app: &str, endpoint: &str, operator_model: &str) -> BTreeMap<String, String> {
    let mut labels = client_labels(app, endpoint, operator_model);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

fn client_labels(app: &str, endpoint: &str, model: &str) -> BTreeMap<String, String> {
    [(APP_LABEL, app), (ENDPOINT_LABEL, endpoint), (MODEL_LABEL, model)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

impl BackupSpec {
    /// Reads a spec from YAML or JSON text, in any of these forms:
    /// * Velero's: `includedNamespaces`, `labelSelector: {matchLabels: …}`, `ttl: 720h0m0s`, with the fields of a
    ///   Schedule (`schedule`, `paused`, `skipImmediately`, `useOwnerReferencesInBackup`) beside them if wanted;
    /// * a Schedule's spec, with the Backup's spec as `template`;
    /// * a whole Backup or Schedule object, of which the metadata and the status are not looked at;
    /// * the wire's: `include_namespaces`, `label_selector`, …
    ///
    /// ```
    /// use velero_backup_config::BackupSpec;
    ///
    /// let spec = BackupSpec::from_text("
    /// includedNamespaces: [media]
    /// labelSelector:
    ///   matchLabels: {app.kubernetes.io/name: radarr}
    /// ttl: 720h0m0s
    /// schedule: '@daily'
    /// ")?;
    /// assert_eq!(spec.retention().map(|kept| kept.duration().as_secs()), Some(30 * 86_400));
    ///
    /// let errors = BackupSpec::from_text("{includedNamespaces: [media], orLabelSelectors: [{}]}").unwrap_err();
    /// assert_eq!(errors.first().pointer(), "/orLabelSelectors");
    /// # Ok::<(), velero_backup_config::Errors>(())
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong, with JSON pointers into the text. What the relation cannot carry (`matchExpressions`,
    /// `orLabelSelectors`, `resourcePolicy`, `hooks`, …), what velero-operator decides (`defaultVolumesToFsBackup`,
    /// another `storageLocation` than `default`) and keys that nobody knows are errors too; only values that say nothing,
    /// such as `hooks: {}`, are skipped.
    pub fn from_text(text: &str) -> Result<Self, Errors> {
        velero_form::read(&text::parse(text)?, Source::Text)
    }

    /// The spec of the Backup that velero-operator makes, or the template of its Schedule.
    pub fn to_velero_backup_spec(&self, default_volumes_to_fs_backup: bool) -> velero_api::BackupSpec {
        // No `..` in the pattern: a new field must be mapped.
        let Self {
            include_namespaces,
            include_resources,
            exclude_namespaces,
            exclude_resources,
            label_selector,
            retention,
            include_cluster_resources,
            schedule: _,
            paused: _,
            skip_immediately: _,
            use_owner_references_in_backup: _,
        } = self;
        velero_api::BackupSpec {
            included_namespaces: include_namespaces.clone(),
            included_resources: include_resources.clone().unwrap_or_default(),
            excluded_namespaces: exclude_namespaces.clone().unwrap_or_default(),
            excluded_resources: exclude_resources.clone().unwrap_or_default(),
            label_selector: label_selector
                .clone()
                .filter(|labels| !labels.is_empty())
                .map(LabelSelector::labels),
            ttl: retention.as_ref().map(ToString::to_string),
            include_cluster_resources: *include_cluster_resources,
            storage_location: Some(LOCATION.to_owned()),
            volume_snapshot_locations: vec![LOCATION.to_owned()],
            default_volumes_to_fs_backup: Some(default_volumes_to_fs_backup),
            ..velero_api::BackupSpec::default()
        }
    }

    /// The spec of the Schedule that velero-operator makes, or `None` without a schedule: the operator then deletes the
    /// Schedule that there was.
    pub fn to_velero_schedule_spec(&self, default_volumes_to_fs_backup: bool) -> Option<ScheduleSpec> {
        let schedule = self.schedule.as_ref()?;
        Some(ScheduleSpec {
            template: self.to_velero_backup_spec(default_volumes_to_fs_backup),
            schedule: schedule.as_str().to_owned(),
            use_owner_references_in_backup: self.use_owner_references_in_backup,
            paused: self.paused,
            skip_immediately: self.skip_immediately,
        })
    }

    /// The spec that a Backup of the cluster was made from.
    ///
    /// What the operator decides is not part of it, nor the timeouts that Velero fills in. Beware: Velero fills in a `ttl`
    /// too, and Velero 1.18 adds its snapshot objects to `excludedResources`. Of what [`velero_api`] does not model, such
    /// as `hooks`, nothing is seen here; [`BackupSpec::from_text`] sees all of an object.
    ///
    /// # Errors
    /// Everything that a request cannot say, with JSON pointers into the spec.
    pub fn from_velero_backup_spec(spec: &velero_api::BackupSpec) -> Result<Self, Errors> {
        velero_form::read_backup_spec(&json(spec), Source::Object, "")
    }

    /// The spec that a Schedule of the cluster was made from; see [`BackupSpec::from_velero_backup_spec`].
    ///
    /// # Errors
    /// Everything that a request cannot say, with JSON pointers into the spec.
    pub fn from_velero_schedule_spec(spec: &ScheduleSpec) -> Result<Self, Errors> {
        velero_form::read_schedule_spec(&json(spec), Source::Object, "")
    }
}

impl BackupRequest {
    /// The Backup that velero-operator makes when its action `create-backup` is run for this request.
    ///
    /// `created_at` is Unix time in seconds. A request without a model, which the action does not find, is taken to be of
    /// the operator's.
    pub fn to_backup(&self, operator: &Operator<'_>, created_at: u64) -> Backup {
        let model = self.model().unwrap_or(operator.model);
        let metadata = ObjectMeta {
            annotations: BTreeMap::from([(CREATED_AT_ANNOTATION.to_owned(), created_at.to_string())]),
            ..self.metadata(operator, client_labels(self.app(), self.relation_name(), model))
        };
        let spec = self
            .spec()
            .to_velero_backup_spec(operator.default_volumes_to_fs_backup);
        Backup::new(metadata, spec)
    }

    /// The Schedule that velero-operator keeps for this request, or `None` without a schedule.
    ///
    /// It has no annotations, and its label `model` is the operator's model ([`schedule_labels`]).
    pub fn to_schedule(&self, operator: &Operator<'_>) -> Option<Schedule> {
        let spec = self
            .spec()
            .to_velero_schedule_spec(operator.default_volumes_to_fs_backup)?;
        let labels = schedule_labels(self.app(), self.relation_name(), operator.model);
        Some(Schedule::new(self.metadata(operator, labels), spec))
    }

    fn metadata(&self, operator: &Operator<'_>, labels: BTreeMap<String, String>) -> ObjectMeta {
        ObjectMeta {
            generate_name: Some(format!("{}-{}-", self.app(), self.relation_name())),
            namespace: Some(operator.model.to_owned()),
            labels,
            ..ObjectMeta::default()
        }
    }

    /// The request that a Backup on demand was made from, by its labels and spec.
    ///
    /// Beware: a Backup that a Schedule made has the operator's model in its label, not the client's.
    ///
    /// # Errors
    /// Everything that is missing or that a request cannot say, with JSON pointers into the object.
    pub fn from_backup(backup: &Backup) -> Result<Self, Errors> {
        let spec = velero_form::read_backup_spec(&json(&backup.spec), Source::Object, "/spec");
        let model = label(&backup.metadata, MODEL_LABEL);
        from_labels(&backup.metadata, model, spec)
    }

    /// The request that a Schedule was made from, by its labels and spec. `model` is the client's model, which the
    /// Schedule does not tell.
    ///
    /// # Errors
    /// Everything that is missing or that a request cannot say, with JSON pointers into the object.
    pub fn from_schedule(schedule: &Schedule, model: &str) -> Result<Self, Errors> {
        let spec = velero_form::read_schedule_spec(&json(&schedule.spec), Source::Object, "/spec");
        from_labels(&schedule.metadata, Ok(model), spec)
    }
}

fn from_labels(
    metadata: &ObjectMeta,
    model: Result<&str, Error>,
    spec: Result<BackupSpec, Errors>,
) -> Result<BackupRequest, Errors> {
    let mut errors = Vec::new();
    let mut keep =
        |label: Result<&str, Error>| label.map(str::to_owned).map_err(|error| errors.push(error)).ok();
    let names = [label(metadata, APP_LABEL), label(metadata, ENDPOINT_LABEL), model].map(&mut keep);
    let spec = spec.map_err(|more| errors.extend(more)).ok();
    match (names, spec) {
        ([Some(app), Some(endpoint), Some(model)], Some(spec)) => {
            BackupRequest::new(&app, &endpoint, &model, spec).map_err(|error| {
                let label = match error.pointer() {
                    "/app" => APP_LABEL,
                    "/relation_name" => ENDPOINT_LABEL,
                    _ => MODEL_LABEL,
                };
                error.moved_to(label_pointer(label)).into()
            })
        }
        _ => Err(Errors::from_vec(errors)),
    }
}

fn label<'a>(metadata: &'a ObjectMeta, key: &str) -> Result<&'a str, Error> {
    metadata
        .labels
        .get(key)
        .map(String::as_str)
        .ok_or_else(|| Error::at(label_pointer(key), None, Reason::Missing))
}

fn label_pointer(key: &str) -> String {
    format!("/metadata/labels/{key}")
}

/// Maps keyed by text, lists, texts and booleans: there is nothing in a spec that has no JSON form.
fn json<T: Serialize>(spec: &T) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}
