//! `juju status`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Juju, JujuError};

/// What `juju status --format json` says of a model, as far as it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Status {
    /// The model.
    pub model: ModelInfo,
    /// Its applications by name.
    pub applications: BTreeMap<String, Application>,
    /// What it uses of other models, by the name that it has here.
    pub application_endpoints: BTreeMap<String, Remote>,
}

/// An offer of another model that is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Remote {
    /// Its endpoints.
    pub endpoints: BTreeMap<String, RemoteEndpoint>,
}

/// An endpoint of an offer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RemoteEndpoint {
    /// What it speaks.
    pub interface: String,
    /// `provider` or `requirer`.
    pub role: String,
}

/// The model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ModelInfo {
    /// Its name, which is its namespace.
    pub name: String,
    /// `caas` for Kubernetes.
    pub r#type: String,
    /// The controller's name.
    pub controller: String,
    /// Juju's version there.
    pub version: String,
}

/// An application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Application {
    /// The charm: `radarr-k8s`, or `local:radarr-0`.
    pub charm: String,
    /// `charmhub`, or `local`.
    pub charm_origin: String,
    /// The channel that it is refreshed from, of Charmhub.
    pub charm_channel: String,
    /// The charm's name.
    pub charm_name: String,
    /// Its revision.
    pub charm_rev: i64,
    /// The workload's version.
    pub version: String,
    /// `alive`, `dying` or `dead`.
    pub life: String,
    /// The application's status.
    pub application_status: ApplicationStatus,
    /// What it is related to, by its endpoint.
    pub relations: BTreeMap<String, Vec<Related>>,
    /// All endpoints that it has, and the space that each is bound to.
    pub endpoint_bindings: BTreeMap<String, String>,
    /// Its units by name.
    pub units: BTreeMap<String, Unit>,
}

/// A status with its message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApplicationStatus {
    /// `active`, `blocked`, `waiting`, `maintenance`, `error`, `unknown`.
    pub current: String,
    /// What it says.
    pub message: String,
    /// Since when, by Juju's clock: `27 Nov 2026 20:43:28Z`.
    pub since: String,
}

/// The other side of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Related {
    /// Its application.
    pub related_application: String,
    /// What both speak.
    #[serde(default)]
    pub interface: String,
}

/// A unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Unit {
    /// The workload's status.
    pub workload_status: ApplicationStatus,
    /// The agent's: `idle`, `executing`, `allocating`, `lost`.
    pub juju_status: ApplicationStatus,
    /// Whether it leads.
    pub leader: bool,
    /// The charm that it still has, while the application has another one (`unitStatus` in `cmd/juju/status/formatted.go` of juju/juju).
    pub upgrading_from: String,
}

/// What `juju show-model --format json` says of a model, as far as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Shown {
    model_uuid: String,
}

/// What `juju whoami --format json` says, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Who {
    model: String,
}

impl Juju {
    /// The uuid of the model: what tells it from another one that gets its name. `juju status` does not say it.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn model_uuid(&self) -> Result<String, JujuError> {
        // The model is a word of its own here: this command has no -m (`WrapSkipModelFlags` in `cmd/juju/model/show.go` of juju/juju).
        let command: Vec<&str> = std::iter::once("show-model").chain(self.model()).collect();
        let shown: BTreeMap<String, Shown> = self.json(&command).await?;
        let mut uuids = shown.into_values().map(|model| model.model_uuid);
        match uuids.next().filter(|uuid| !uuid.is_empty()) {
            Some(uuid) => Ok(uuid),
            None => Err(self.not_understood(&command, "it names no uuid")),
        }
    }

    /// The current model: `home`, or `bob/home` where it is of somebody else (`cmd/juju/user/whoami.go` of juju/juju).
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn current_model(&self) -> Result<String, JujuError> {
        let who: Who = self.json(&["whoami"]).await?;
        match who.model.is_empty() {
            false => Ok(who.model),
            true => Err(self.not_understood(&["whoami"], "it names no model")),
        }
    }

    /// The model as it is.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn status(&self) -> Result<Status, JujuError> {
        let read: Result<Status, JujuError> = self.json(&["status"]).await;
        let why = match read {
            // Every field has a default, so that a Juju that leaves one out is understood. What has no model is no status.
            Ok(status) if !status.model.name.is_empty() => return Ok(status),
            Ok(_) => self.not_understood(&["status"], "it names no model"),
            Err(error @ JujuError::NotUnderstood { .. }) => error,
            Err(error) => return Err(error),
        };
        // An old Juju has another form: that it is old is what helps.
        match self.version().await {
            Err(old @ JujuError::TooOld { .. }) => Err(old),
            _ => Err(why),
        }
    }
}
