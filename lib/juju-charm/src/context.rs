//! The environment of a dispatch, read once. Nothing else in this crate reads environment variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::event::Event;
use crate::names::UnitName;
use crate::variables::{ContextError, Variables};

/// Where Juju mounts each workload container's Pebble socket in the charm container.
const CONTAINERS_DIR: &str = "/charm/containers";

/// What the environment says about this dispatch.
///
/// The variables are those of `internal/worker/uniter/runner/context/context.go` of juju/juju.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JujuContext {
    event: Event,
    unit: UnitName,
    model_name: String,
    model_uuid: String,
    juju_version: String,
    api_addresses: String,
    charm_dir: PathBuf,
    containers_dir: PathBuf,
}

impl JujuContext {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// When it is not that of a hook or an action.
    pub fn from_env() -> Result<Self, ContextError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads `vars`: names and values of environment variables.
    ///
    /// # Errors
    /// When they are not those of a hook or an action.
    pub fn from_vars<N, V>(vars: impl IntoIterator<Item = (N, V)>) -> Result<Self, ContextError>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = Variables::new(vars);
        let unit = variables.required("JUJU_UNIT_NAME")?;
        Ok(Self {
            event: Event::from_variables(&variables)?,
            unit: unit.parse().map_err(|_| ContextError::Invalid {
                variable: "JUJU_UNIT_NAME",
                value: unit.to_owned(),
                expected: "a unit name like web/0",
            })?,
            model_name: variables.required("JUJU_MODEL_NAME")?.to_owned(),
            model_uuid: variables.required("JUJU_MODEL_UUID")?.to_owned(),
            juju_version: variables.required("JUJU_VERSION")?.to_owned(),
            api_addresses: variables.get("JUJU_API_ADDRESSES").unwrap_or_default().to_owned(),
            charm_dir: variables.get("JUJU_CHARM_DIR").unwrap_or(".").into(),
            containers_dir: variables
                .get("JUJU_CONTAINERS_DIR")
                .unwrap_or(CONTAINERS_DIR)
                .into(),
        })
    }

    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// This unit.
    pub fn unit(&self) -> &UnitName {
        &self.unit
    }

    /// The application that this unit is one of.
    pub fn app(&self) -> &str {
        self.unit.app()
    }

    /// Name of the model, which on Kubernetes is the namespace.
    pub fn model_name(&self) -> &str {
        &self.model_name
    }

    /// UUID of the model.
    pub fn model_uuid(&self) -> &str {
        &self.model_uuid
    }

    /// Version of the unit's agent, such as `3.6.9` or `4.0.15`.
    pub fn juju_version(&self) -> &str {
        &self.juju_version
    }

    /// Addresses of the controller, as the agent knows them: IP addresses or host names, without ports.
    pub fn controllers(&self) -> Vec<&str> {
        let addresses = self.api_addresses.split_ascii_whitespace();
        addresses
            .map(|address| {
                let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
                host.trim_start_matches('[').trim_end_matches(']')
            })
            .collect()
    }

    /// Where the charm's files are.
    pub fn charm_dir(&self) -> &Path {
        &self.charm_dir
    }

    /// Folder with a folder for each workload container, its Pebble socket within: `/charm/containers`, unless
    /// `JUJU_CONTAINERS_DIR` says otherwise. Juju never sets that one: a simulated Juju does, so that it needs no mount
    /// namespace.
    pub fn containers_dir(&self) -> &Path {
        &self.containers_dir
    }

    /// The Pebble socket of a workload container. It is there once the container has started.
    pub fn pebble_socket(&self, container: &str) -> PathBuf {
        self.containers_dir.join(container).join("pebble.socket")
    }
}
