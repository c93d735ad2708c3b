//! The state of one Juju model: applications, units, relations, secrets and storage.
//!
//! Everything is plain data that serde can write and read, so that a simulator can keep it in a file between commands.
//! The types here hold state; [`ops`] holds what a user or Juju itself does to it; hooks change it through
//! [`HookSession`](crate::session::HookSession). Nothing here reads a clock: [`Model::now`] is set by the caller.

mod charm;
pub mod ops;
mod relation;
mod secret;
mod unit;

pub use charm::{
    ActionSpec, Charm, CharmError, CharmFiles, ConfigOption, Endpoint, OptionType, Role, StorageSpec,
};
pub use ops::ModelError;
pub use relation::{Databag, Relation, RelationEndpoint, RelationUnit};
pub use secret::{Secret, SecretConsumer, SecretGrant, SecretOwner, SecretRevision};
pub use unit::{Port, Protocol, Status, StatusInfo, StorageInstance, Unit};

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of Juju that is simulated, such as `4.0.15`. A few texts differ between 3.6 and 4.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JujuVersion(String);

impl JujuVersion {
    /// A version by its text. Any text is taken: what cannot be read as a version counts as the newest.
    pub fn new(text: impl Into<String>) -> JujuVersion {
        JujuVersion(text.into())
    }

    /// The text as given, as it appears in `JUJU_VERSION`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a 3.x, whose texts and rules differ here and there.
    pub fn is_3(&self) -> bool {
        self.0.split('.').next() == Some("3")
    }
}

impl Default for JujuVersion {
    /// 4.0.15, the version that this crate's texts were recorded from.
    fn default() -> JujuVersion {
        JujuVersion("4.0.15".to_owned())
    }
}

/// One Juju model on a Kubernetes cloud, with everything that hook tools read and write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// The model's name, which is the Kubernetes namespace as well.
    pub name: String,
    /// The model's UUID.
    pub uuid: String,
    /// The version of Juju.
    pub juju_version: JujuVersion,
    /// `CLOUD_API_VERSION`: the version of the Kubernetes API.
    pub cloud_api_version: String,
    /// `JUJU_API_ADDRESSES`: the controller's addresses, separated by spaces.
    pub api_addresses: String,
    /// `JUJU_CHARM_NO_PROXY`: the model's setting.
    pub no_proxy: String,
    /// The time, in seconds since 1970-01-01T00:00:00Z. The caller moves it on.
    pub now: i64,
    /// What `credential-get` answers to a trusted application; `None` if the model holds no credential.
    pub cloud_credential: Option<CloudCredential>,
    /// The applications by name.
    pub applications: BTreeMap<String, Application>,
    /// The units by name, such as `radarr/0`.
    pub units: BTreeMap<String, Unit>,
    /// The relations by id.
    pub relations: BTreeMap<u32, Relation>,
    /// The secrets by bare id (20 characters, no `secret:`).
    pub secrets: BTreeMap<String, Secret>,
    /// The storage instances by id, such as `config/0`.
    pub storages: BTreeMap<String, StorageInstance>,
    /// What is numbered in this model.
    pub counters: Counters,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            name: "test".to_owned(),
            uuid: "8f54e9c3-0b71-4f7c-9f61-2c1c9e4f7a10".to_owned(),
            juju_version: JujuVersion::default(),
            cloud_api_version: "1.34.0".to_owned(),
            api_addresses: "10.96.0.88:17070".to_owned(),
            no_proxy: "127.0.0.1,localhost,::1".to_owned(),
            now: 1_767_225_600,
            cloud_credential: None,
            applications: BTreeMap::new(),
            units: BTreeMap::new(),
            relations: BTreeMap::new(),
            secrets: BTreeMap::new(),
            storages: BTreeMap::new(),
            counters: Counters::default(),
        }
    }
}

/// The cloud specification with its credential, as `credential-get` prints it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CloudCredential(pub Value);

impl fmt::Debug for CloudCredential {
    /// Shows nothing of it: a debug print of the model must not show what is secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CloudCredential")
    }
}

/// The next numbers that Juju gives out. None is ever given twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// The next relation id.
    pub relation: u32,
    /// The next storage number: one sequence for the whole model, as in Juju.
    pub storage: u32,
    /// The number that the next secret id is made from.
    pub secret: u32,
    /// The next operation or task number, which actions take.
    pub task: u32,
    /// The next number of an application, which its UUID and address are made from.
    pub application: u32,
}

/// One application: its charm and what belongs to all of its units.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Application {
    /// The name.
    pub name: String,
    /// Juju's UUID of the application, which appears in an error text of `resource-get`.
    pub uuid: String,
    /// What the charm declares.
    pub charm: Charm,
    /// The options that the user has set; the others have the charm's default.
    pub config: BTreeMap<String, Value>,
    /// Whether the application was deployed with `--trust`.
    pub trust: bool,
    /// The leader's unit name.
    pub leader: Option<String>,
    /// The status that the leader has set for the application.
    pub status: Option<StatusInfo>,
    /// The address of the Kubernetes service.
    pub address: String,
    /// The file in the charm container that each fetched resource is at, by resource name.
    pub resources: BTreeMap<String, String>,
    /// The number of the next unit.
    pub next_unit: u32,
}

impl Application {
    /// The value of an option as `config-get` sees it: what the user set, else the charm's default, else nothing.
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.config
            .get(name)
            .or_else(|| self.charm.options.get(name)?.default.as_ref())
    }
}

impl Model {
    /// A model with that name and UUID, and nothing in it.
    pub fn new(name: impl Into<String>, uuid: impl Into<String>) -> Model {
        Model {
            name: name.into(),
            uuid: uuid.into(),
            ..Model::default()
        }
    }

    /// The application that a unit belongs to, if both exist.
    pub fn application_of(&self, unit: &str) -> Option<&Application> {
        self.applications.get(application_name(unit))
    }

    /// Whether the unit leads its application.
    pub fn is_leader(&self, unit: &str) -> bool {
        self.application_of(unit)
            .is_some_and(|application| application.leader.as_deref() == Some(unit))
    }

    /// The names of an application's units, in order of their number.
    pub fn units_of(&self, application: &str) -> Vec<String> {
        let mut names: Vec<&String> = self
            .units
            .keys()
            .filter(|unit| application_name(unit) == application)
            .collect();
        names.sort_by_key(|unit| unit_number(unit));
        names.into_iter().cloned().collect()
    }

    /// The relations that the unit takes part in now, in order of their id.
    pub fn relations_of_unit<'a>(&'a self, unit: &'a str) -> impl Iterator<Item = &'a Relation> {
        self.relations
            .values()
            .filter(move |relation| relation.in_scope(unit))
    }
}

/// The application part of a unit name: `radarr` of `radarr/0`. A name without a slash is returned as it is.
pub fn application_name(unit: &str) -> &str {
    unit.split_once('/').map_or(unit, |(application, _)| application)
}

/// The number of a unit name; a name that has none sorts last.
pub(crate) fn unit_number(unit: &str) -> u32 {
    unit.split_once('/')
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(u32::MAX)
}
