//! Changes: what Pebble does after it has answered.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::lenient;
use super::text_enum::text_enum;

/// Number of a change, counted from the start of a Pebble.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeId(String);

impl ChangeId {
    /// The id as Pebble writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChangeId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl From<String> for ChangeId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_enum! {
    /// Where a change or task stands. Source: `internals/overlord/state/change.go` of canonical/pebble.
    ChangeStatus {
        /// Not decided yet.
        Default = "Default",
        /// Waits for being released.
        Hold = "Hold",
        /// Will be done.
        Do = "Do",
        /// Is being done.
        Doing = "Doing",
        /// Done.
        Done = "Done",
        /// Is to be aborted.
        Abort = "Abort",
        /// Will be undone.
        Undo = "Undo",
        /// Is being undone.
        Undoing = "Undoing",
        /// Undone.
        Undone = "Undone",
        /// Failed.
        Error = "Error",
    }
}

/// Which changes to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChangeSelect {
    /// Those that something may still happen to.
    #[default]
    InProgress,
    /// Those that nothing more will happen to. Pebble forgets them after a week, or when there are a thousand.
    Ready,
    /// All.
    All,
}

impl ChangeSelect {
    /// The word as Pebble reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in-progress",
            Self::Ready => "ready",
            Self::All => "all",
        }
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Its number.
    pub id: ChangeId,
    /// What asked for it: `replan`, `start`, `exec`, `perform-check`…
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub kind: String,
    /// What it is for.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub summary: String,
    /// Where it stands.
    pub status: ChangeStatus,
    /// Its parts.
    #[serde(
        default,
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tasks: Vec<Task>,
    /// True when nothing more will happen.
    #[serde(default)]
    pub ready: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub err: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub spawn_time: String,
    /// When it became ready, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_time: Option<String>,
    /// More about it; what depends on its kind.
    #[serde(
        default,
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub data: BTreeMap<String, serde_json::Value>,
}

/// One part of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Task {
    /// Its number, counted over all changes.
    pub id: String,
    /// What it does: `start`, `stop`, `exec`…
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub kind: String,
    /// What it is for.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub summary: String,
    /// Where it stands.
    pub status: ChangeStatus,
    /// What happened, among it the last lines that a failed process wrote.
    #[serde(
        default,
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub log: Vec<String>,
    /// How far it is.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub progress: Progress,
    /// When it was made, RFC 3339.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub spawn_time: String,
    /// When it became ready, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_time: Option<String>,
    /// More about it; what depends on its kind.
    #[serde(
        default,
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub data: BTreeMap<String, serde_json::Value>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What is being counted.
    #[serde(deserialize_with = "lenient::or_default")]
    pub label: String,
    /// How much is done.
    pub done: i64,
    /// How much there is.
    pub total: i64,
}
