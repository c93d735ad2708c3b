//! What Pebble tells of itself and of its services.

use serde::{Deserialize, Serialize};

use super::layer::Startup;
use super::lenient;
use super::text_enum::text_enum;

/// What Pebble tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SystemInfo {
    /// Another one for each start of Pebble (in a container: of Pebble, not of the machine).
    #[serde(deserialize_with = "lenient::or_default")]
    pub boot_id: String,
    /// Where it serves health probes, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_address: Option<String>,
    /// Version, such as `v1.26.0`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub version: String,
}

text_enum! {
    /// What a service does just now.
    ServiceStatus {
        /// It runs.
        Active = "active",
        /// It does not run, and nobody wants it to.
        Inactive = "inactive",
        /// It ended, and Pebble will start it again.
        Backoff = "backoff",
        /// It ended, and Pebble will not start it again.
        Error = "error",
    }
}

/// A service of the plan and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceInfo {
    /// Its name.
    pub name: String,
    /// Whether autostart and replan start it.
    pub startup: Startup,
    /// What it does just now.
    pub current: ServiceStatus,
    /// Since when, RFC 3339; none if it was never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_since: Option<String>,
}

/// One line that a service wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, RFC 3339.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub time: String,
    /// Name of the service.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service: String,
    /// The line.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub message: String,
}
