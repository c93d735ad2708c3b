//! Volumes that are brought into the model: `juju import-filesystem` and `--attach-storage`.
//!
//! On a simulated Juju only: of 4.0.15 it is recorded that neither works on Kubernetes; what 3.6 does is read from juju/juju
//! (`internal/provider/kubernetes/storage.go` of 3.6, release notes of 3.6.9 to 3.6.12).

use std::collections::BTreeMap;
use std::path::Path;

use juju_hook_tools::model::StorageInstance;
use serde_json::Value;

use super::Simulation;
use crate::error::{Error, Result};

/// Volumes of a cluster that somebody else plays, by name: a file in the state folder.
pub(crate) const VOLUMES: &str = "volumes.json";
/// The variable in which the client is told of its flags, and the one that 3.6.9 to 3.6.11 want.
const FLAGS: &str = "JUJU_DEV_FEATURE_FLAGS";
const FLAG: &str = "k8s-attach-storage";

/// What a version of Juju makes of an import on Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imports {
    /// It imports.
    Yes,
    /// `Juju command … not supported on container models`.
    NotSupported,
    /// Nobody has written it.
    NotWritten,
}

impl Imports {
    /// What this version does, for a client in this process' environment.
    pub fn of(version: &str) -> Self {
        let mut numbers = version
            .split(['.', '-'])
            .map_while(|part| part.parse::<u32>().ok());
        let (major, minor) = (numbers.next().unwrap_or(4), numbers.next().unwrap_or(0));
        match (major, minor, numbers.next().unwrap_or(0)) {
            (3, 6, 12..) => Self::Yes,
            (3, 6, 9..) if has_flag() => Self::Yes,
            (..=3, ..) => Self::NotSupported,
            _ => Self::NotWritten,
        }
    }
}

fn has_flag() -> bool {
    let flags = std::env::var(FLAGS).unwrap_or_default();
    flags.split(',').any(|flag| flag.trim() == FLAG)
}

impl Simulation {
    /// Whether this Juju is a 3.6: it has volumes beside filesystems, and knows how to import.
    pub(crate) fn is_36(&self) -> bool {
        self.state.options.juju_version.starts_with("3.")
    }

    /// `juju import-filesystem kubernetes VOLUME STORAGE`, without `--force`. Gives back the id. The same volume can be imported
    /// twice: 3.6 has no guard.
    ///
    /// # Errors
    /// Where Juju refuses the volume.
    pub(crate) fn import_filesystem(&mut self, volume: &str, storage: &str) -> Result<String> {
        let is_name = !storage.is_empty() && storage.chars().all(|is| is.is_ascii_lowercase() || is == '-');
        if !is_name {
            return Err(Error::refused(format!("{storage:?} is not a valid storage name")));
        }
        let found = self.volume(volume)?;
        let found = found.ok_or_else(|| Error::refused(format!("persistent volume {volume:?} not found")))?;
        let policy = found["spec"]["persistentVolumeReclaimPolicy"]
            .as_str()
            .unwrap_or("Delete");
        if policy != "Retain" {
            return Err(Error::refused(format!(
                "importing volume {volume:?} with reclaim policy {policy:?} not supported (must be \"Retain\")"
            )));
        }
        if !found["spec"]["claimRef"].is_null() {
            return Err(Error::refused(format!(
                "importing volume {volume:?} already bound to a claim not supported"
            )));
        }
        let model = &mut self.state.model;
        let id = format!("{storage}/{}", model.counters.storage);
        model.counters.storage = model.counters.storage.saturating_add(1);
        let instance = StorageInstance {
            id: id.clone(),
            unit: None,
            kind: "filesystem".to_owned(),
            location: None,
        };
        model.storages.insert(id.clone(), instance);
        let mut objects = self.state.cluster.lock();
        objects.imported.insert(id.clone(), volume.to_owned());
        drop(objects);
        self.save()?;
        Ok(id)
    }

    /// Pods, claims and volumes that the cluster has of this model.
    pub(crate) fn in_cluster(&self) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
        let objects = self.state.cluster.lock();
        let all = |objects: &BTreeMap<String, Value>| objects.values().cloned().collect();
        (all(&objects.pods), all(&objects.claims), all(&objects.volumes))
    }

    /// The PersistentVolume of a storage instance that was imported.
    pub(crate) fn volume_of(&self, storage: &str) -> Option<String> {
        self.state.cluster.lock().imported.get(storage).cloned()
    }

    /// A volume of the cluster: of the one that somebody else plays, where there is one.
    fn volume(&self, name: &str) -> Result<Option<Value>> {
        let path = self.dir().join(VOLUMES);
        match played(&path)? {
            Some(mut volumes) => Ok(volumes.remove(name)),
            None => Ok(self.state.cluster.lock().volumes.get(name).cloned()),
        }
    }

    /// Whether these can be attached to the one unit of an application to come.
    pub(crate) fn may_attach(&self, storages: &[String], units: u32) -> Result<()> {
        if !storages.is_empty() && units != 1 {
            return Err(Error::refused("--attach-storage cannot be used with -n"));
        }
        for id in storages {
            match self.state.model.storages.get(id) {
                None => return Err(Error::refused(format!("storage {id:?} not found"))),
                Some(storage) if storage.unit.is_some() => {
                    return Err(Error::refused(format!("storage {id:?} is attached")));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Puts these in the place of what a new unit got.
    pub(super) fn attach(&mut self, unit: &str, storages: &[String]) {
        let model = &mut self.state.model;
        for id in storages {
            let name = id.split('/').next().unwrap_or_default();
            let is_new =
                |storage: &StorageInstance| storage.unit.as_deref() == Some(unit) && storage.name() == name;
            model.storages.retain(|_, storage| !is_new(storage));
            if let Some(storage) = model.storages.get_mut(id) {
                storage.unit = Some(unit.to_owned());
            }
        }
    }
}

/// What is in the file of such a cluster; `None` where nobody plays one.
fn played(path: &Path) -> Result<Option<BTreeMap<String, Value>>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let read = serde_json::from_slice(&text);
    read.map(Some).map_err(|error| Error::Malformed {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}
