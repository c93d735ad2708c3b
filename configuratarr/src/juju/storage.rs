//! Storage, and what brings a volume into a model and an application out of it and back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{Juju, JujuError};

/// How long a command may take that uploads a charm, or waits for the controller.
const LONG: Duration = Duration::from_secs(600);

/// What `juju storage --format json` says, as far as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Storages {
    storage: BTreeMap<String, Instance>,
    /// 4.0 names the PersistentVolume here, 3.6 its claim.
    filesystems: BTreeMap<String, Backing>,
    /// 3.6 names the PersistentVolume here.
    volumes: BTreeMap<String, Backing>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Instance {
    attachments: Attachments,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Attachments {
    units: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Backing {
    provider_id: String,
    storage: String,
}

impl Storages {
    /// The id of the storage that is this PersistentVolume.
    pub fn of_volume(&self, volume: &str) -> Option<&str> {
        let mut all = self.volumes.values().chain(self.filesystems.values());
        let found = all.find(|backing| backing.provider_id == volume)?;
        Some(&found.storage)
    }

    /// The units that have this storage; `None` where there is no such storage.
    pub fn units_with(&self, storage: &str) -> Option<Vec<&str>> {
        let instance = self.storage.get(storage)?;
        Some(instance.attachments.units.keys().map(String::as_str).collect())
    }
}

impl Juju {
    /// The storage of the model.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn storages(&self) -> Result<Storages, JujuError> {
        let found: Option<Storages> = self.json_if_any(&["storage"]).await?;
        Ok(found.unwrap_or_default())
    }

    /// A command that changes something and prints nothing that is read.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn carry_out(&self, arguments: &[String]) -> Result<(), JujuError> {
        let patient = self.clone().with_limit(self.limit.max(LONG));
        patient.run(arguments).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_found_where_each_juju_names_it() {
        let of_36 = r#"{"storage": {"config/0": {"attachments": {"units": {"radarr/0": {}}}}, "config/7": {}},
            "filesystems": {"0": {"provider-id": "uid-of-the-claim", "storage": "config/0"}},
            "volumes": {"0": {"provider-id": "pvc-a", "storage": "config/0"}, "7": {"provider-id": "pvc-b", "storage": "config/7"}}}"#;
        let found: Storages = serde_json::from_str(of_36).unwrap();
        assert_eq!(found.of_volume("pvc-b"), Some("config/7"));
        assert_eq!(found.of_volume("uid"), None);
        assert_eq!(found.units_with("config/0"), Some(vec!["radarr/0"]));
        assert_eq!(found.units_with("config/7"), Some(vec![]));
        assert_eq!(found.units_with("config/9"), None);
        let of_40 = r#"{"filesystems": {"0": {"provider-id": "pvc-a", "storage": "config/0"}}}"#;
        let found: Storages = serde_json::from_str(of_40).unwrap();
        assert_eq!(found.of_volume("pvc-a"), Some("config/0"));
    }
}
