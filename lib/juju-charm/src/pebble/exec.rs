//! One-shot commands: what to run and what came out.

use std::collections::BTreeMap;
use std::time::Duration;

/// A command to run in the workload container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecOptions {
    /// Executable and arguments. There is no shell: no `$VAR`, no pipes.
    pub command: Vec<String>,
    /// Service whose environment, user and folder are used.
    pub service_context: Option<String>,
    /// Variables on top.
    pub environment: BTreeMap<String, String>,
    /// Folder it starts in; the home folder of the user, or `/`, if not given.
    pub working_dir: Option<String>,
    /// Pebble kills it after this time. Not given: after [`ExecOptions::DEFAULT_TIMEOUT`], as a hook must end.
    pub timeout: Option<Duration>,
    /// User it runs as.
    pub user_id: Option<u32>,
    /// User it runs as, by name.
    pub user: Option<String>,
    /// Group it runs as.
    pub group_id: Option<u32>,
    /// Group it runs as, by name.
    pub group: Option<String>,
    /// What it reads; nothing if empty.
    pub stdin: Vec<u8>,
    /// Puts what it writes to standard error into its output, in order.
    pub combine_stderr: bool,
}

impl ExecOptions {
    /// How long a command may run when nothing else is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

    /// A command with nothing special.
    pub fn command<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: words.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Time after which Pebble kills it.
    pub fn effective_timeout(&self) -> Duration {
        self.timeout.unwrap_or(Self::DEFAULT_TIMEOUT)
    }
}

/// What a command left behind. An exit code other than 0 is not an error of the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecOutput {
    /// Exit code; 128 and more for death by a signal, as Pebble says it.
    pub exit_code: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error; empty with `combine_stderr`.
    pub stderr: Vec<u8>,
}

impl ExecOutput {
    /// True for exit code 0.
    pub fn success(&self) -> bool {
        self.exit_code == 0
    }
}
