//! Everything that is about the unit and the charm: `is-leader`, `config-get`, ports, network, version, resources, log,
//! goal state and credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::invocation::Invocation;
use crate::error::Error;
use crate::names::Port;
use crate::runner::ToolRunner;

/// True if this unit leads its application. Juju guarantees a true answer for 30 seconds, longer than a dispatch should be.
///
/// # Errors
/// When the tool fails.
pub fn is_leader(runner: &dyn ToolRunner) -> Result<bool, Error> {
    Invocation::new(runner, "is-leader")
        .arg("--format=json")
        .json_as()
}

/// The charm's options. Those without value and default are left out.
///
/// # Errors
/// When the tool fails.
pub fn config_get(runner: &dyn ToolRunner) -> Result<BTreeMap<String, Value>, Error> {
    config_get_beside(runner, &mut || {})
}

/// The same, with something to do while the tool runs: see [`ToolRunner::run_beside`].
///
/// # Errors
/// When the tool fails.
pub fn config_get_beside(
    runner: &dyn ToolRunner,
    meanwhile: &mut dyn FnMut(),
) -> Result<BTreeMap<String, Value>, Error> {
    Invocation::new(runner, "config-get")
        .arg("--format=json")
        .beside(meanwhile)
        .json_as()
}

/// Opens a port. On Kubernetes it becomes a port of the application's service, after the hook.
///
/// # Errors
/// When the tool fails; on Kubernetes also for a range and for ICMP.
pub fn open_port(runner: &dyn ToolRunner, port: Port) -> Result<(), Error> {
    Invocation::new(runner, "open-port").arg(port.to_string()).run()
}

/// Closes a port; one that is not open is fine.
///
/// # Errors
/// When the tool fails.
pub fn close_port(runner: &dyn ToolRunner, port: Port) -> Result<(), Error> {
    Invocation::new(runner, "close-port").arg(port.to_string()).run()
}

/// The ports that this unit has open, with what this hook has opened and closed.
///
/// # Errors
/// When the tool fails.
pub fn opened_ports(runner: &dyn ToolRunner) -> Result<Vec<Port>, Error> {
    Invocation::new(runner, "opened-ports")
        .arg("--format=json")
        .json_list("a port")
}

/// Sets the workload's version that `juju status` shows.
///
/// # Errors
/// When the tool fails.
pub fn application_version_set(runner: &dyn ToolRunner, version: &str) -> Result<(), Error> {
    Invocation::new(runner, "application-version-set")
        .text_arg(version)
        .run()
}

/// Path of a resource's file. An OCI image is a YAML file with `registrypath`, `username` and `password`.
///
/// # Errors
/// When there is no such resource or Juju cannot get it.
pub fn resource_get(runner: &dyn ToolRunner, name: &str) -> Result<PathBuf, Error> {
    // No --format: the tool prints the plain path.
    Invocation::new(runner, "resource-get")
        .arg(name)
        .text()
        .map(PathBuf::from)
}

/// `private-address` or `public-address` of the unit.
///
/// # Errors
/// When Juju knows no such address: on Kubernetes there is no private one.
pub fn unit_get(runner: &dyn ToolRunner, attribute: &str) -> Result<String, Error> {
    Invocation::new(runner, "unit-get")
        .arg("--format=json")
        .arg(attribute)
        .json_as()
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// `TRACE`
    Trace,
    /// `DEBUG`
    Debug,
    /// `INFO`
    Info,
    /// `WARNING`
    Warning,
    /// `ERROR`
    Error,
}

impl LogLevel {
    /// Juju's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// Writes to the model's log. Several lines may go in one call; an argument of more than 131071 bytes the kernel refuses,
/// see [`crate::log`].
///
/// # Errors
/// When the tool fails.
pub fn juju_log(runner: &dyn ToolRunner, level: LogLevel, message: &str) -> Result<(), Error> {
    Invocation::new(runner, "juju-log")
        .arg("--log-level")
        .arg(level.name())
        .text_arg(message)
        .run()
}

/// What `network-get` says of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Network {
    /// Interfaces to bind to.
    #[serde(deserialize_with = "null_as_default")]
    pub bind_addresses: Vec<BindAddress>,
    /// Addresses for others to connect to.
    #[serde(deserialize_with = "null_as_default")]
    pub ingress_addresses: Vec<String>,
    /// Networks that traffic from this unit comes from.
    #[serde(deserialize_with = "null_as_default")]
    pub egress_subnets: Vec<String>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct BindAddress {
    /// Name of the interface; on Kubernetes a placeholder.
    pub interface_name: String,
    /// Its addresses.
    #[serde(deserialize_with = "null_as_default")]
    pub addresses: Vec<InterfaceAddress>,
}

/// An address of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InterfaceAddress {
    /// Host name.
    pub hostname: String,
    /// The address. Until the pod has one, Juju 4.0 writes the text `<nil>`.
    pub value: String,
    /// The network.
    pub cidr: String,
}

impl Network {
    /// The first address to bind to; `None` while the pod has none.
    pub fn bind_address(&self) -> Option<IpAddr> {
        self.bind_addresses
            .iter()
            .flat_map(|interface| &interface.addresses)
            .find_map(|address| address.value.parse().ok())
    }

    /// The first address for others to connect to; `None` while there is none. On Kubernetes that of the service.
    pub fn ingress_address(&self) -> Option<&str> {
        self.ingress_addresses
            .iter()
            .map(String::as_str)
            .find(|address| !address.is_empty() && *address != "<nil>")
    }
}

/// The network of an endpoint or extra binding.
///
/// # Errors
/// When the charm has no such endpoint.
pub fn network_get(runner: &dyn ToolRunner, endpoint: &str) -> Result<Network, Error> {
    Invocation::new(runner, "network-get")
        .arg("--format=json")
        .arg(endpoint)
        .json_as()
}

/// Units and relations that are planned, whether or not they are there yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GoalState {
    /// Units of this application.
    #[serde(deserialize_with = "null_as_default")]
    pub units: BTreeMap<String, GoalStatus>,
    /// For each endpoint, remote applications and their units.
    #[serde(deserialize_with = "null_as_default")]
    pub relations: BTreeMap<String, BTreeMap<String, GoalStatus>>,
}

impl GoalState {
    /// How many units the application is to have: those that are there or on their way, without those that are going (status
    /// `dying`).
    pub fn planned_units(&self) -> usize {
        let staying = self.units.values().filter(|unit| unit.status != "dying");
        staying.count()
    }
}

/// How far a unit or relation has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GoalStatus {
    /// A workload status, or `joined` and the like for a relation.
    pub status: String,
    /// When, as `2026-07-01 12:00:00Z`.
    pub since: String,
}

/// What is planned.
///
/// # Errors
/// When the tool fails.
pub fn goal_state(runner: &dyn ToolRunner) -> Result<GoalState, Error> {
    Invocation::new(runner, "goal-state")
        .arg("--format=json")
        .json_as()
}

/// A cloud specification with its credentials, as Juju gives it. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudCredential(
    /// The specification.
    pub Value,
);

impl fmt::Debug for CloudCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CloudCredential(…)")
    }
}

/// The credentials of the cloud that the model is in.
///
/// # Errors
/// [`NotAllowed`](crate::ErrorKind::NotAllowed): the application was not deployed with `--trust`.
pub fn credential_get(runner: &dyn ToolRunner) -> Result<CloudCredential, Error> {
    Invocation::new(runner, "credential-get")
        .arg("--format=json")
        .json()
        .map(CloudCredential)
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
