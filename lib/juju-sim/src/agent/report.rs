//! What a dispatch did and cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a dispatch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Exit code 0: everything it wrote was committed.
    Success,
    /// Another exit code: its writes were dropped.
    Failed(i32),
    /// Ended by this signal, as when a pod goes away: its writes were dropped, and Juju runs the hook again.
    Terminated(i32),
    /// Exit code 0, but Juju could not commit what it wrote, and counts it as failed.
    CommitFailed,
    /// The charm has neither `dispatch` nor a file for this event.
    Skipped,
}

impl Exit {
    /// Whether the event counts as done.
    pub fn is_done(self) -> bool {
        matches!(self, Exit::Success | Exit::Skipped)
    }
}

/// One call of a hook tool within a dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Name of the tool, `relation-set`.
    pub tool: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What was piped into it.
    pub stdin: String,
    /// Its exit code.
    pub code: i32,
    /// What it printed on standard error.
    pub stderr: String,
    /// Time from the request to the reply, without the start of the tool's process.
    pub duration: Duration,
}

/// One run of a charm's code, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchReport {
    /// The unit, `radarr/0`.
    pub unit: String,
    /// `JUJU_DISPATCH_PATH`, `hooks/config-changed` or `actions/backup-now`.
    pub path: String,
    /// Relation of the event, `velero-backup-config:1`, else empty.
    pub relation: String,
    /// Remote unit of the event, else empty.
    pub remote_unit: String,
    /// How it ended.
    pub exit: Exit,
    /// Every hook tool that it called, in order.
    pub tools: Vec<ToolCall>,
    /// How many requests it made to the stand-in Kubernetes that change something.
    #[serde(default)]
    pub cluster_writes: usize,
    /// Time from start to end.
    pub wall: Duration,
    /// Processor time in user mode, of the process and its ended children.
    pub user: Duration,
    /// Processor time in the kernel, of the process and its ended children.
    pub system: Duration,
    /// Peak of resident memory in bytes, of the biggest process.
    pub max_resident: u64,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl DispatchReport {
    /// How often a tool was called.
    pub fn calls_of(&self, tool: &str) -> usize {
        self.tools.iter().filter(|call| call.tool == tool).count()
    }
}
