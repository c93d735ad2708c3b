//! One request: who wants a backup, and the spec of it. It is what one databag holds.

use std::collections::BTreeMap;

use crate::error::{Error, Reason};
use crate::names::check_dns_label;
use crate::reader;
use crate::spec::BackupSpec;

/// Databag key: the client application's name.
pub const APP_KEY: &str = "app";
/// Databag key: the client's endpoint name.
pub const RELATION_NAME_KEY: &str = "relation_name";
/// Databag key: the client's model, by name. Clients with patch 1 of the Python library do not write it.
pub const MODEL_KEY: &str = "model";
/// Databag key: the spec as JSON text.
pub const SPEC_KEY: &str = "spec";
/// All keys of a databag that belong to the relation's protocol.
pub const KEYS: [&str; 4] = [APP_KEY, RELATION_NAME_KEY, MODEL_KEY, SPEC_KEY];

/// A request for backups: what a client application writes into its own application databag.
///
/// There is no request without a spec: velero-operator takes a databag without one to ask for every object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackupRequest {
    app: String,
    relation_name: String,
    model: Option<String>,
    spec: BackupSpec,
}

impl BackupRequest {
    /// A request of application `app` in model `model` (its name, not its UUID), over its endpoint `relation_name`.
    ///
    /// # Errors
    /// When one of the three names is not a DNS label of at most 63 characters. velero-operator makes labels of them and
    /// names its objects `APP-ENDPOINT-…`; what Kubernetes refuses there only shows in the operator's log.
    pub fn new(app: &str, relation_name: &str, model: &str, spec: BackupSpec) -> Result<Self, Error> {
        Self::with_optional_model(app, relation_name, Some(model), spec)
    }

    /// A request as it is read: older clients do not name their model.
    pub(crate) fn with_optional_model(
        app: &str,
        relation_name: &str,
        model: Option<&str>,
        spec: BackupSpec,
    ) -> Result<Self, Error> {
        let names = [
            (APP_KEY, Some(app)),
            (RELATION_NAME_KEY, Some(relation_name)),
            (MODEL_KEY, model),
        ];
        for (key, name) in names {
            let Some(name) = name else { continue };
            check_request_name(key, name)?;
        }
        Ok(Self {
            app: app.to_owned(),
            relation_name: relation_name.to_owned(),
            model: model.map(str::to_owned),
            spec,
        })
    }

    /// The client application's name.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The client's endpoint name.
    pub fn relation_name(&self) -> &str {
        &self.relation_name
    }

    /// The client's model, by name. `None` only for a request that was read from a client with patch 1 of the Python
    /// library, which does not write it.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// What is to be backed up.
    pub fn spec(&self) -> &BackupSpec {
        &self.spec
    }

    /// The four keys of the application databag; three, if the model is not known.
    ///
    /// The text of `spec` is what the Python library `velero_backup_config` (v0, patch 2) writes for the same spec, byte
    /// for byte: compact JSON, all eleven fields in a fixed order, unset ones as `null`. Labels are in the order of their
    /// keys, so that equal specs are equal bytes; Python writes them in the order in which the charm's author did.
    pub fn to_databag(&self) -> BTreeMap<String, String> {
        [
            (APP_KEY, Some(self.app.clone())),
            (RELATION_NAME_KEY, Some(self.relation_name.clone())),
            (MODEL_KEY, self.model.clone()),
            (SPEC_KEY, Some(self.spec.to_wire_text())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }

    /// Reads the application databag of a client. Keys that are not the protocol's are skipped.
    ///
    /// Bags of clients with patch 1 of the Python library are read as well: they have no `model`, and their spec ends after
    /// `include_cluster_resources`.
    ///
    /// # Errors
    /// The first thing that is wrong. See [`crate::requirer`] for all of them, and for warnings.
    pub fn from_databag(databag: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut findings = reader::Findings::default();
        match reader::read_databag(databag, &mut findings) {
            Some(request) => Ok(request),
            None => Err(findings.into_first_error()),
        }
    }
}

/// Checks the name that a databag has at `key`.
pub(crate) fn check_request_name(key: &str, name: &str) -> Result<(), Error> {
    check_dns_label(name).map_err(|error| Error::at(format!("/{key}"), Some(name), Reason::Name(error)))
}
