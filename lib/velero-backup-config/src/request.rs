//! One request: who wants a backup, and the spec of it. It is what one databag holds.

use crate::error::{Error, Reason};
use crate::names::check_dns_label;
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
/// [`BackupRequest::to_databag`] writes it, [`BackupRequest::from_databag`] reads it.
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
}

/// Checks the name that a databag has at `key`.
pub(crate) fn check_request_name(key: &str, name: &str) -> Result<(), Error> {
    check_dns_label(name).map_err(|error| Error::at(format!("/{key}"), Some(name), Reason::Name(error)))
}
