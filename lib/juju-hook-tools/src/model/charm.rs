//! What the hook tools need to know of a charm: endpoints, options, storage, containers, resources and actions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::yaml::{self, YamlError};

/// What a charm declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Charm {
    /// The charm's name.
    pub name: String,
    /// The endpoints by name, without the implicit `juju-info`.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The configuration options by name.
    pub options: BTreeMap<String, ConfigOption>,
    /// The storages by name.
    pub storage: BTreeMap<String, StorageSpec>,
    /// The names of the workload containers.
    pub containers: BTreeSet<String>,
    /// The names of the resources.
    pub resources: BTreeSet<String>,
    /// The names of extra network bindings.
    pub extra_bindings: BTreeSet<String>,
    /// The actions by name.
    pub actions: BTreeMap<String, ActionSpec>,
}

/// Which part an endpoint plays in a relation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Offers the interface.
    Provider,
    /// Uses the interface.
    #[default]
    Requirer,
    /// Relates the units of one application to each other.
    Peer,
}

/// One endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// The role.
    pub role: Role,
    /// The interface's name.
    pub interface: String,
    /// How many relations it takes; `None` for any number.
    pub limit: Option<u32>,
}

/// The type of a configuration option.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptionType {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// The id of a secret.
    Secret,
}

impl OptionType {
    /// The text that Juju uses.
    pub fn as_str(self) -> &'static str {
        match self {
            OptionType::String => "string",
            OptionType::Int => "int",
            OptionType::Float => "float",
            OptionType::Boolean => "boolean",
            OptionType::Secret => "secret",
        }
    }
}

/// One configuration option.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigOption {
    /// The type.
    #[serde(rename = "type")]
    pub kind: OptionType,
    /// The default; `None` if there is none.
    pub default: Option<Value>,
    /// The description.
    pub description: String,
}

/// One storage that a charm asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageSpec {
    /// `filesystem` or `block`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many instances a new unit gets.
    pub minimum: u32,
}

/// One action and the parameters that it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionSpec {
    /// The description.
    pub description: String,
    /// The JSON Schemas of the parameters by name.
    pub params: Map<String, Value>,
    /// The parameters that must be given.
    pub required: Vec<String>,
    /// Whether parameters that the schema does not know are taken. Juju 4.0's default is not to take them.
    #[serde(rename = "additionalProperties")]
    pub additional_properties: Option<bool>,
}

/// The files of a charm as text. An empty text stands for a missing file.
#[derive(Debug, Clone, Copy, Default)]
pub struct CharmFiles<'a> {
    /// `metadata.yaml`, or `charmcraft.yaml`, which may hold the options and actions as well.
    pub metadata: &'a str,
    /// `config.yaml`.
    pub config: &'a str,
    /// `actions.yaml`.
    pub actions: &'a str,
}

/// A charm whose files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CharmError {
    /// A file is no YAML.
    #[error("cannot read {file}")]
    Yaml {
        /// Which file: `metadata`, `config` or `actions`.
        file: &'static str,
        /// What the YAML library says.
        source: YamlError,
    },
    /// A file is YAML of the wrong shape.
    #[error("cannot understand {file}")]
    Shape {
        /// Which file: `metadata`, `config` or `actions`.
        file: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The metadata names no charm.
    #[error("cannot use metadata without a name: add `name: ...`")]
    NoName,
}

impl Charm {
    /// Reads the parts of a charm's files that matter here, and ignores the others.
    ///
    /// # Errors
    /// When a file is no YAML, when a part of it has the wrong shape, or when the charm has no name.
    pub fn from_files(files: &CharmFiles<'_>) -> Result<Charm, CharmError> {
        let raw: RawMetadata = read("metadata", files.metadata)?;
        let config: RawConfig = read("config", files.config)?;
        let actions: BTreeMap<String, ActionSpec> = read("actions", files.actions)?;
        if raw.name.is_empty() {
            return Err(CharmError::NoName);
        }
        let mut charm = Charm {
            name: raw.name,
            options: raw.config.options,
            containers: raw.containers.into_keys().collect(),
            resources: raw.resources.into_keys().collect(),
            extra_bindings: raw.extra_bindings.into_keys().collect(),
            actions: raw.actions,
            ..Charm::default()
        };
        charm.options.extend(config.options);
        charm.actions.extend(actions);
        for (role, endpoints) in [
            (Role::Provider, raw.provides),
            (Role::Requirer, raw.requires),
            (Role::Peer, raw.peers),
        ] {
            charm.endpoints.extend(
                endpoints
                    .into_iter()
                    .map(|(name, endpoint)| (name, endpoint.with_role(role))),
            );
        }
        charm.storage = raw
            .storage
            .into_iter()
            .map(|(name, storage)| (name, storage.into()))
            .collect();
        Ok(charm)
    }

    /// Adds an endpoint; for charms made by a test.
    #[must_use]
    pub fn with_endpoint(mut self, name: &str, role: Role, interface: &str, limit: Option<u32>) -> Charm {
        let endpoint = Endpoint {
            role,
            interface: interface.to_owned(),
            limit,
        };
        self.endpoints.insert(name.to_owned(), endpoint);
        self
    }

    /// The name of the charm's peer endpoints.
    pub fn peers(&self) -> impl Iterator<Item = (&String, &Endpoint)> {
        self.endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.role == Role::Peer)
    }

    /// Whether `network-get` knows the name: an endpoint, an extra binding or `juju-info`.
    pub fn has_binding(&self, name: &str) -> bool {
        name == "juju-info" || self.endpoints.contains_key(name) || self.extra_bindings.contains(name)
    }
}

fn read<T: Default + serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<T, CharmError> {
    let value: Value = yaml::from_str::<Option<Value>>(text)
        .map_err(|source| CharmError::Yaml { file, source })?
        .unwrap_or_default();
    if value.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(value).map_err(|source| CharmError::Shape { file, source })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMetadata {
    name: String,
    provides: BTreeMap<String, RawEndpoint>,
    requires: BTreeMap<String, RawEndpoint>,
    peers: BTreeMap<String, RawEndpoint>,
    storage: BTreeMap<String, RawStorage>,
    containers: BTreeMap<String, Value>,
    resources: BTreeMap<String, Value>,
    #[serde(rename = "extra-bindings")]
    extra_bindings: BTreeMap<String, Value>,
    config: RawConfig,
    actions: BTreeMap<String, ActionSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConfig {
    options: BTreeMap<String, ConfigOption>,
}

/// An endpoint is a map, or in old charms only the interface's name.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawEndpoint {
    Interface(String),
    Full {
        interface: String,
        #[serde(default)]
        limit: Option<u32>,
    },
}

impl RawEndpoint {
    fn with_role(self, role: Role) -> Endpoint {
        match self {
            RawEndpoint::Interface(interface) => Endpoint {
                role,
                interface,
                limit: None,
            },
            RawEndpoint::Full { interface, limit } => Endpoint {
                role,
                interface,
                limit,
            },
        }
    }
}

#[derive(Deserialize)]
struct RawStorage {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    multiple: Option<RawMultiple>,
}

#[derive(Deserialize)]
struct RawMultiple {
    #[serde(default)]
    range: Value,
}

impl From<RawStorage> for StorageSpec {
    fn from(raw: RawStorage) -> StorageSpec {
        // `range` is "0-", "1-4", "2+" or a number: the first number is the minimum.
        let minimum = raw.multiple.map_or(1, |multiple| match multiple.range {
            Value::Number(number) => number.as_u64().unwrap_or(1),
            Value::String(text) => {
                let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().unwrap_or(1)
            }
            _ => 1,
        });
        StorageSpec {
            kind: raw.kind,
            minimum: u32::try_from(minimum).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "
name: probe
provides:
  backup: {interface: velero_backup_config, limit: 1}
requires:
  old: mysql
peers:
  replicas: {interface: probe_peers}
storage:
  config: {type: filesystem, location: /config}
  extra: {type: filesystem, multiple: {range: 0-}}
containers:
  app: {resource: app-image, mounts: [{storage: config, location: /config}]}
resources:
  app-image: {type: oci-image}
config:
  options:
    port: {type: int, default: 8080, description: the port}
";

    #[test]
    fn a_charm_is_read_from_its_files() {
        let charm = Charm::from_files(&CharmFiles {
            metadata: METADATA,
            config: "options:\n  token: {type: secret}\n",
            actions: "rotate:\n  description: d\n  params:\n    name: {type: string, default: x}\n  required: [name]\n",
        })
        .unwrap();
        assert_eq!(charm.endpoints["backup"].limit, Some(1));
        assert_eq!(charm.endpoints["old"].interface, "mysql");
        assert_eq!(charm.endpoints["replicas"].role, Role::Peer);
        assert_eq!(charm.storage["config"].minimum, 1);
        assert_eq!(charm.storage["extra"].minimum, 0);
        assert_eq!(charm.options["port"].default, Some(Value::from(8080)));
        assert_eq!(charm.options["token"].kind, OptionType::Secret);
        assert_eq!(charm.actions["rotate"].required, ["name"]);
        assert!(charm.containers.contains("app") && charm.resources.contains("app-image"));
    }

    #[test]
    fn a_charm_without_a_name_or_with_broken_yaml_is_refused() {
        for metadata in ["", "summary: x", "name: [", "name: {a: b}"] {
            let files = CharmFiles {
                metadata,
                ..CharmFiles::default()
            };
            assert!(Charm::from_files(&files).is_err(), "{metadata} was taken");
        }
    }
}
