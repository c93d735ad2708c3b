//! What Pebble tells of its checks.

use serde::{Deserialize, Serialize};

use super::change::ChangeId;
use super::layer::{CheckLevel, Startup};
use super::lenient;
use super::text_enum::text_enum;

text_enum! {
    /// What a check found.
    CheckStatus {
        /// Fewer failures in a row than its threshold.
        Up = "up",
        /// As many failures in a row as its threshold, or more.
        Down = "down",
        /// It does not run.
        Inactive = "inactive",
    }
}

/// A check of the plan and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckInfo {
    /// Its name.
    pub name: String,
    /// Which Kubernetes probe it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<CheckLevel>,
    /// Whether it runs without being asked for.
    #[serde(default = "enabled")]
    pub startup: Startup,
    /// What it found.
    pub status: CheckStatus,
    /// Runs that went well. Not in old Pebbles.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub successes: u64,
    /// Failures in a row.
    #[serde(
        default,
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "is_zero"
    )]
    pub failures: u64,
    /// Failures in a row that make it down.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub threshold: u64,
    /// The change that performs it, or waits for its recovery; none when it is inactive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_id: Option<ChangeId>,
}

fn enabled() -> Startup {
    Startup::Enabled
}

// The signature is serde's.
fn is_zero(number: &u64) -> bool {
    *number == 0
}
