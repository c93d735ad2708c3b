//! Hook tools without processes: each call is answered by the pure tools of [`juju_hook_tools`], recorded, and can be made
//! to go wrong.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use juju_hook_tools::model::Model;
use juju_hook_tools::session::{HookSession, Invocation, LogLine};
use juju_hook_tools::tools;

use crate::runner::{ToolOutput, ToolRunner};

/// Something that goes wrong on purpose. Calls are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A call does nothing and fails with exit code 1.
    FailCall {
        /// Which call.
        call: usize,
        /// What it writes to standard error, such as `ERROR boom`.
        stderr: String,
    },
    /// Every call of a tool does nothing and fails.
    FailTool {
        /// Name of the tool.
        tool: String,
        /// Exit code.
        exit_code: i32,
        /// What it writes to standard error.
        stderr: String,
    },
    /// The charm is killed when it makes a call, before the tool has done anything.
    StopBefore {
        /// Which call.
        call: usize,
    },
    /// The charm is killed when a call has done its work, before it can read the answer.
    StopAfter {
        /// Which call.
        call: usize,
    },
}

/// One call of a hook tool.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// Name of the tool.
    pub tool: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its standard input, if it had one.
    pub stdin: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i32>,
}

/// Tools that change nothing in the model. A log line is no change either, but it costs a call.
const READING_TOOLS: [&str; 20] = [
    "action-get",
    "config-get",
    "credential-get",
    "goal-state",
    "is-leader",
    "network-get",
    "opened-ports",
    "relation-get",
    "relation-ids",
    "relation-list",
    "relation-model-get",
    "resource-get",
    "secret-get",
    "secret-ids",
    "secret-info-get",
    "state-get",
    "status-get",
    "storage-get",
    "storage-list",
    "unit-get",
];

impl Call {
    /// True if the tool is one that writes: an event that changes nothing has no such call.
    pub fn writes(&self) -> bool {
        !READING_TOOLS.contains(&self.tool.as_str())
    }
}

/// As on a command line, with the input behind.
impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.tool, self.args.join(" "))?;
        match &self.stdin {
            Some(stdin) => write!(formatter, " < {stdin}"),
            None => Ok(()),
        }
    }
}

/// What unwinds the charm when a fault kills it.
pub(super) struct Stopped;

/// Answers hook tools from a model.
#[derive(Clone)]
pub(super) struct ModelRunner {
    shared: Arc<Mutex<Running>>,
}

/// A hook that runs.
pub(super) struct Running {
    pub(super) model: Model,
    pub(super) session: HookSession,
    pub(super) calls: Vec<Call>,
    pub(super) log: Vec<LogLine>,
    faults: Vec<Fault>,
}

impl ModelRunner {
    pub(super) fn new(model: Model, session: HookSession, faults: Vec<Fault>) -> Self {
        let running = Running {
            model,
            session,
            calls: Vec::new(),
            log: Vec::new(),
            faults,
        };
        Self {
            shared: Arc::new(Mutex::new(running)),
        }
    }

    /// What is known now.
    pub(super) fn lock(&self) -> MutexGuard<'_, Running> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ToolRunner for ModelRunner {
    fn run(&self, tool: &str, args: &[&str], stdin: Option<&[u8]>) -> io::Result<ToolOutput> {
        let mut running = self.lock();
        let number = running.calls.len() + 1;
        running.calls.push(Call {
            tool: tool.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            stdin: stdin.map(|stdin| String::from_utf8_lossy(stdin).into_owned()),
            exit_code: None,
        });
        let fault = running.fault_for(number, tool).cloned();
        if let Some(Fault::StopBefore { .. }) = fault {
            drop(running);
            stop();
        }
        let output = match &fault {
            Some(Fault::FailCall { stderr, .. }) => failed(1, stderr),
            Some(Fault::FailTool {
                exit_code, stderr, ..
            }) => failed(*exit_code, stderr),
            _ => running.answer(tool, args, stdin.unwrap_or_default())?,
        };
        if let Some(call) = running.calls.last_mut() {
            call.exit_code = output.exit_code;
        }
        if let Some(Fault::StopAfter { .. }) = fault {
            drop(running);
            stop();
        }
        Ok(output)
    }
}

impl Running {
    fn fault_for(&self, number: usize, tool: &str) -> Option<&Fault> {
        self.faults.iter().find(|fault| match fault {
            Fault::FailCall { call, .. } | Fault::StopBefore { call } | Fault::StopAfter { call } => {
                *call == number
            }
            Fault::FailTool { tool: name, .. } => name == tool,
        })
    }

    fn answer(&mut self, tool: &str, args: &[&str], stdin: &[u8]) -> io::Result<ToolOutput> {
        if !tools::NAMES.contains(&tool) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let read_file = |path: &str| std::fs::read(path);
        let invocation = Invocation {
            tool,
            args: &args,
            stdin,
            read_file: &read_file,
        };
        let mut output = self.session.run(&mut self.model, &invocation);
        if let Some(path) = &output.output_file {
            std::fs::write(path, std::mem::take(&mut output.stdout))?;
        }
        self.log.append(&mut output.log);
        Ok(ToolOutput {
            exit_code: Some(output.code),
            stdout: output.stdout.into_bytes(),
            stderr: output.stderr.into_bytes(),
        })
    }
}

fn failed(exit_code: i32, stderr: &str) -> ToolOutput {
    ToolOutput {
        exit_code: Some(exit_code),
        stdout: Vec::new(),
        stderr: stderr.into(),
    }
}

/// Ends the charm where it is. Unwinding without a panic message: nothing is wrong.
pub(super) fn stop() -> ! {
    std::panic::resume_unwind(Box::new(Stopped))
}
