//! Units, their statuses, ports and storage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// One unit of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// The name, such as `radarr/0`.
    pub name: String,
    /// The workload status.
    pub status: StatusInfo,
    /// The workload version that the charm has set.
    pub workload_version: String,
    /// What the charm keeps with `state-set`.
    pub state: BTreeMap<String, String>,
    /// The opened ports by endpoint; the empty name stands for all endpoints.
    pub opened_ports: BTreeMap<String, BTreeSet<Port>>,
    /// The pod's address; `None` while the pod is starting, which Juju shows as `<nil>`.
    pub address: Option<String>,
}

/// The workload statuses of Juju (`core/status/status.go`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The unit does something that it must do before it can serve.
    Maintenance,
    /// The unit needs a person.
    Blocked,
    /// The unit waits for another application.
    Waiting,
    /// The unit serves.
    Active,
    /// Nothing has set a status yet.
    #[default]
    Unknown,
    /// A hook has failed. Only Juju sets this.
    Error,
    /// The unit has no pod yet. Only Juju sets this.
    Allocating,
    /// The unit is gone. Only Juju sets this.
    Terminated,
}

impl Status {
    /// The four that a charm may set, in the order in which Juju names them.
    pub const SETTABLE: [Status; 4] = [
        Status::Maintenance,
        Status::Blocked,
        Status::Waiting,
        Status::Active,
    ];

    /// The text that Juju uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Maintenance => "maintenance",
            Status::Blocked => "blocked",
            Status::Waiting => "waiting",
            Status::Active => "active",
            Status::Unknown => "unknown",
            Status::Error => "error",
            Status::Allocating => "allocating",
            Status::Terminated => "terminated",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A status with its message and the time at which it was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusInfo {
    /// The status.
    pub status: Status,
    /// The message, maybe empty.
    pub message: String,
    /// When it was set, in seconds since 1970-01-01T00:00:00Z.
    pub since: i64,
}

impl StatusInfo {
    /// A status with a message, set at `since` (seconds since 1970-01-01T00:00:00Z).
    pub fn new(status: Status, message: impl Into<String>, since: i64) -> StatusInfo {
        StatusInfo {
            status,
            message: message.into(),
            since,
        }
    }
}

/// The protocol of an opened port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// ICMP, which has no port number.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// The text that Juju uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Icmp => "icmp",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// One opened port. Juju opens no ranges on Kubernetes. The order is Juju's: by protocol, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The number, 1 to 65535; 0 for ICMP.
    pub number: u16,
}

impl Port {
    /// A TCP port.
    pub fn tcp(number: u16) -> Port {
        Port {
            protocol: Protocol::Tcp,
            number,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Icmp => formatter.write_str("icmp"),
            Protocol::Tcp | Protocol::Udp => write!(formatter, "{}/{}", self.number, self.protocol.as_str()),
        }
    }
}

/// One storage instance: a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageInstance {
    /// The id, such as `config/0`.
    pub id: String,
    /// The unit that it is attached to; `None` if it is detached.
    pub unit: Option<String>,
    /// `filesystem` or `block`.
    pub kind: String,
    /// The mount point in the charm container; `None` while the volume is not mounted yet.
    pub location: Option<String>,
}

impl StorageInstance {
    /// The name in the charm's metadata: `config` of `config/0`.
    pub fn name(&self) -> &str {
        self.id.split_once('/').map_or(self.id.as_str(), |(name, _)| name)
    }
}
