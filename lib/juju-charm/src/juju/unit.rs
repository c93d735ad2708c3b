//! The unit: leadership, options, status, ports, stored state, storage, network.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Juju, read_each_once, read_latest, read_once};
use crate::config::Config;
use crate::error::Error;
use crate::hook_tools::{self, Network};
use crate::names::{Port, StorageId};
use crate::status::{CurrentStatus, Status};
use crate::typed;

impl Juju {
    /// True if this unit leads its application.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn is_leader(&self) -> Result<bool, Error> {
        read_once(&self.reads.leader, || hook_tools::is_leader(self.runner())).copied()
    }

    /// The charm's options.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn config(&self) -> Result<&Config, Error> {
        self.config_beside(|| ()).0
    }

    /// The charm's options, and what `meanwhile` gives, which is done while Juju is asked for them: a question to somebody else.
    /// It is done in any case.
    ///
    /// # Errors
    /// The first value, when the tool fails.
    pub fn config_beside<T>(&self, mut meanwhile: impl FnMut() -> T) -> (Result<&Config, Error>, T) {
        let mut done = None;
        let config = read_once(&self.reads.config, || {
            let mut beside = || done = Some(meanwhile());
            hook_tools::config_get_beside(self.runner(), &mut beside).map(Config::new)
        });
        let done = done.unwrap_or_else(meanwhile);
        (config, done)
    }

    /// The unit's status.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn status(&self) -> Result<CurrentStatus, Error> {
        read_latest(&self.reads.status, || hook_tools::status_get(self.runner()))
    }

    /// Sets the unit's status if it differs from what Juju shows. True if it did.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn set_status(&self, status: &Status) -> Result<bool, Error> {
        if self.status()? == *status {
            return Ok(false);
        }
        hook_tools::status_set(self.runner(), false, status)?;
        *self.reads.status.borrow_mut() = Some(status.into());
        Ok(true)
    }

    /// The application's status.
    ///
    /// # Errors
    /// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader may ask.
    pub fn application_status(&self) -> Result<CurrentStatus, Error> {
        read_latest(&self.reads.application_status, || {
            hook_tools::application_status_get(self.runner())
        })
    }

    /// Sets the application's status if it differs from what Juju shows. True if it did.
    ///
    /// # Errors
    /// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader may.
    pub fn set_application_status(&self, status: &Status) -> Result<bool, Error> {
        if self.application_status()? == *status {
            return Ok(false);
        }
        hook_tools::status_set(self.runner(), true, status)?;
        *self.reads.application_status.borrow_mut() = Some(status.into());
        Ok(true)
    }

    /// The ports that this unit has open.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn opened_ports(&self) -> Result<Vec<Port>, Error> {
        read_latest(&self.reads.ports, || hook_tools::opened_ports(self.runner()))
    }

    /// Opens a port if it is not open. True if it was not.
    ///
    /// # Errors
    /// When the tool fails; on Kubernetes also for a range and for ICMP.
    pub fn open_port(&self, port: Port) -> Result<bool, Error> {
        let mut ports = self.opened_ports()?;
        if ports.contains(&port) {
            return Ok(false);
        }
        hook_tools::open_port(self.runner(), port)?;
        ports.push(port);
        *self.reads.ports.borrow_mut() = Some(ports);
        Ok(true)
    }

    /// Closes a port if it is open. True if it was.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn close_port(&self, port: Port) -> Result<bool, Error> {
        let mut ports = self.opened_ports()?;
        if !ports.contains(&port) {
            return Ok(false);
        }
        hook_tools::close_port(self.runner(), port)?;
        ports.retain(|open| *open != port);
        *self.reads.ports.borrow_mut() = Some(ports);
        Ok(true)
    }

    /// Sets the workload's version that `juju status` shows. Juju has no tool that reads it, so this always writes.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn set_workload_version(&self, version: &str) -> Result<(), Error> {
        hook_tools::application_version_set(self.runner(), version)
    }

    /// What this unit has stored with Juju. It outlives the pod, unlike the charm's files.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn state(&self) -> Result<BTreeMap<String, String>, Error> {
        read_latest(&self.reads.state, || hook_tools::state_get(self.runner()))
    }

    /// Stores texts, those that differ; keys that are not named stay. True if any differed.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn state_set(&self, values: &BTreeMap<String, String>) -> Result<bool, Error> {
        let mut state = self.state()?;
        let differs = |(key, value): &(&String, &String)| state.get(*key) != Some(*value);
        let differences: BTreeMap<String, String> = values
            .iter()
            .filter(differs)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if differences.is_empty() {
            return Ok(false);
        }
        hook_tools::state_set(self.runner(), &differences)?;
        state.extend(differences);
        *self.reads.state.borrow_mut() = Some(state);
        Ok(true)
    }

    /// What this unit has stored under a key with [`store`](Self::store); `None` if there is nothing. A charm that was refreshed reads
    /// what an older one wrote: new fields need a default.
    ///
    /// # Errors
    /// When the tool fails. [`Error::Value`] when it is not what `T` reads.
    pub fn stored<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let state = self.state()?;
        let text = state.get(key);
        text.map(|text| typed::from_json(&format!("stored state {key:?}"), text))
            .transpose()
    }

    /// Stores a value under a key, as JSON, if it differs from what is there. True if it did. A map without an order, such as a
    /// `HashMap`, differs each time.
    ///
    /// # Errors
    /// When the tool fails. [`Error::Value`] when it cannot be written as JSON.
    pub fn store<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<bool, Error> {
        let value = typed::to_json(&format!("stored state {key:?}"), value)?;
        self.state_set(&BTreeMap::from([(key.to_owned(), value.to_string())]))
    }

    /// Forgets a stored text. True if it was there.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn state_delete(&self, key: &str) -> Result<bool, Error> {
        let mut state = self.state()?;
        if state.remove(key).is_none() {
            return Ok(false);
        }
        hook_tools::state_delete(self.runner(), key)?;
        *self.reads.state.borrow_mut() = Some(state);
        Ok(true)
    }

    /// The instances of one of the charm's storages.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn storages(&self, name: &str) -> Result<Vec<StorageId>, Error> {
        read_each_once(&self.reads.storages, name.to_owned(), || {
            hook_tools::storage_list(self.runner(), name)
        })
    }

    /// Where a storage instance is mounted in the charm container; `None` while it is not, which is so in hooks before
    /// `storage-attached`. The path differs between Jujus: never build it.
    ///
    /// # Errors
    /// When the tool fails, also for an instance that does not exist.
    pub fn storage_location(&self, id: &StorageId) -> Result<Option<PathBuf>, Error> {
        match hook_tools::storage_get(self.runner(), id) {
            Ok(storage) => Ok(Some(storage.location).filter(|location| !location.as_os_str().is_empty())),
            Err(error) if error.is_missing_mount_point() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for more instances of one of the charm's storages; they come with events of their own, `storage-attached`. Juju 4.0 takes
    /// any name and any count, and on Kubernetes nothing comes of it.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn storage_add(&self, name: &str, count: u32) -> Result<(), Error> {
        hook_tools::storage_add(self.runner(), name, count)?;
        self.reads.storages.borrow_mut().remove(name);
        Ok(())
    }

    /// The network of an endpoint.
    ///
    /// # Errors
    /// When the charm has no such endpoint.
    pub fn network(&self, endpoint: &str) -> Result<Network, Error> {
        hook_tools::network_get(self.runner(), endpoint)
    }
}
