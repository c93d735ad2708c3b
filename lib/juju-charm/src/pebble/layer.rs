//! Layers and the plan they make: services, checks and log targets, as Pebble defines them.
//!
//! The keys, and their order in what is written, are those of `internals/plan/plan.go` of canonical/pebble.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use super::{duration, lenient};

text_enum! {
    /// How an entry of a layer joins the entry of that name in the layers below.
    Override {
        /// Fields that are set win; lists are appended; maps are joined.
        Merge = "merge",
        /// The entry below is forgotten.
        Replace = "replace",
    }
}

text_enum! {
    /// Whether a service or check is started without being asked for by name.
    Startup {
        /// It is.
        Enabled = "enabled",
        /// It is not.
        Disabled = "disabled",
    }
}

text_enum! {
    /// Which Kubernetes probe a check counts for. A check without a level counts for none.
    CheckLevel {
        /// Liveness and readiness: Kubernetes restarts the container when it fails.
        Alive = "alive",
        /// Readiness.
        Ready = "ready",
    }
}

text_enum! {
    /// What Pebble does when a service ends, or a check that it names fails.
    ServiceAction {
        /// Start it again, with back-off.
        Restart = "restart",
        /// End Pebble, and with it the container.
        Shutdown = "shutdown",
        /// End Pebble with a failure.
        FailureShutdown = "failure-shutdown",
        /// End Pebble with success.
        SuccessShutdown = "success-shutdown",
        /// Nothing.
        Ignore = "ignore",
    }
}

text_enum! {
    /// Protocol of a log target.
    LogTargetType {
        /// Grafana Loki's push API.
        Loki = "loki",
        /// OpenTelemetry over HTTP.
        OpenTelemetry = "opentelemetry",
        /// Syslog; not in Pebble 1.26, which Juju ships.
        Syslog = "syslog",
    }
}

/// One layer: what a charm sends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// One line on what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// More on what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Services by name.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub services: BTreeMap<String, Service>,
    /// Checks by name.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub checks: BTreeMap<String, Check>,
    /// Log targets by name.
    #[serde(
        rename = "log-targets",
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub log_targets: BTreeMap<String, LogTarget>,
}

impl Layer {
    /// The text that is sent to Pebble: JSON, which is YAML as well. Equal layers give equal texts.
    pub fn to_json(&self) -> String {
        // Maps with text keys and plain values: nothing that serde_json refuses.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// All layers of a Pebble joined, with the defaults that Pebble writes out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Services by name.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub services: BTreeMap<String, Service>,
    /// Checks by name.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub checks: BTreeMap<String, Check>,
    /// Log targets by name.
    #[serde(
        rename = "log-targets",
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub log_targets: BTreeMap<String, LogTarget>,
}

/// A process that Pebble starts and watches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Service {
    /// One line on what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// More on what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether autostart and replan start it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
    /// How it joins the layers below. Pebble refuses a layer without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#override: Option<Override>,
    /// Executable and arguments, split as a shell does but run without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Services that are started before this one.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub after: Vec<String>,
    /// Services that are started after this one.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub before: Vec<String>,
    /// Services that are started and stopped with this one.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub requires: Vec<String>,
    /// Name of a workload of the plan; not used with Juju.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Variables on top of Pebble's own environment.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::text_map"
    )]
    pub environment: BTreeMap<String, String>,
    /// User it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// User it runs as, by the container's own list of users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Group it runs as. Needed with a `user_id` that the container's list of users does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<u32>,
    /// Group it runs as, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Folder it starts in; `/` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What follows exit code 0; restart if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_success: Option<ServiceAction>,
    /// What follows any other end; restart if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<ServiceAction>,
    /// What follows the failure of a check, by the check's name.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub on_check_failure: BTreeMap<String, ServiceAction>,
    /// Time before the first restart; 500 ms if not given.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub backoff_delay: Option<Duration>,
    /// What the time is multiplied by for each further restart; 2 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_factor: Option<f64>,
    /// The longest time before a restart; 30 s if not given.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub backoff_limit: Option<Duration>,
    /// Time between SIGTERM and SIGKILL; 5 s if not given.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub kill_delay: Option<Duration>,
}

/// A test that Pebble repeats. Exactly one of `http`, `tcp` and `exec` is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Check {
    /// How it joins the layers below. Pebble refuses a layer without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#override: Option<Override>,
    /// Which Kubernetes probe it counts for; none if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<CheckLevel>,
    /// Whether it runs without being asked for; enabled if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
    /// Time from one run to the next; 10 s if not given.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub period: Option<Duration>,
    /// Time that one run may take; 3 s if not given, and never more than the period.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub timeout: Option<Duration>,
    /// Failures in a row that make it down. Pebble writes its default, 3, into the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
    /// A GET that has to answer with a status from 200 to 299.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// A port that has to accept connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheck>,
    /// A command that has to exit with code 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecCheck>,
}

/// A GET as a check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpCheck {
    /// Where, as seen in the workload container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of the request.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::text_map"
    )]
    pub headers: BTreeMap<String, String>,
}

/// A TCP connection as a check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpCheck {
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Host; localhost if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A command as a check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ExecCheck {
    /// Executable and arguments, split as a shell does but run without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Service whose environment, user and folder are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_context: Option<String>,
    /// Variables on top.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::text_map"
    )]
    pub environment: BTreeMap<String, String>,
    /// User it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// User it runs as, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Group it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<u32>,
    /// Group it runs as, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Folder it starts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
}

/// A server that Pebble sends the output of services to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogTarget {
    /// Protocol.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub target_type: Option<LogTargetType>,
    /// Full URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Names of services, `all`, or either with a leading `-`; the last that fits decides.
    #[serde(deserialize_with = "lenient::or_default")]
    pub services: Vec<String>,
    /// How it joins the layers below. Pebble refuses a layer without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#override: Option<Override>,
    /// Labels on every line. `$NAME` is taken from the service's environment.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::text_map"
    )]
    pub labels: BTreeMap<String, String>,
}
