//! One hook execution: tools are run in it, its writes are kept back, and at the end it is committed or abandoned.
//!
//! Juju sends what a hook has written in one transaction when the dispatch exits with 0: databags, state, ports and
//! secrets. The hook itself sees its writes at once. Status, workload version, log lines and action results are not part
//! of the transaction: they take effect immediately and stay when the hook fails.

mod commit;
mod pending;
mod secrets;

pub(crate) use commit::secret_changes;
pub use commit::{Change, CommitError};
pub(crate) use pending::{Pending, PortOperation};
pub(crate) use secrets::{SecretOperation, SecretUpdate};

use std::io;

use serde_json::{Map, Value};

use crate::context::{Event, HookContext};
use crate::model::{Databag, Model, ModelError};
use crate::tools;

/// One call of a hook tool.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// The tool's name, such as `relation-get`.
    pub tool: &'a str,
    /// The arguments, without the tool's name.
    pub args: &'a [String],
    /// What the caller piped into the tool.
    pub stdin: &'a [u8],
    /// Reads a file that an argument names (`--file`, `key#file=`). Relative paths are relative to the caller's working
    /// directory: resolving them is up to this function.
    pub read_file: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
}

impl<'a> Invocation<'a> {
    /// A call without input, for which no file exists.
    pub fn new(tool: &'a str, args: &'a [String]) -> Invocation<'a> {
        Invocation {
            tool,
            args,
            stdin: &[],
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// What a hook tool answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolOutput {
    /// The exit code: 0 if all is well, 1 if the tool failed, 2 if it was called wrongly.
    pub code: i32,
    /// What goes to standard output.
    pub stdout: String,
    /// What goes to standard error.
    pub stderr: String,
    /// The file that standard output is to be written to instead, from `--output`.
    pub output_file: Option<String>,
    /// What the call logged (`juju-log`) or told the user (`action-log`).
    pub log: Vec<LogLine>,
}

/// One line from `juju-log` or `action-log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it goes.
    pub target: LogTarget,
    /// The text, which may have several lines. In relation hooks Juju prefixes it with `endpoint:id: `.
    pub text: String,
}

/// Where a logged text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// The model's log, at this level.
    Unit(LogLevel),
    /// The user who waits for the action.
    Action,
}

/// The levels of Juju's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The finest.
    Trace,
    /// For the charm's author.
    Debug,
    /// The default.
    Info,
    /// Something is odd.
    Warning,
    /// Something failed.
    Error,
    /// The unit cannot go on.
    Critical,
}

impl LogLevel {
    /// The text that Juju's log shows.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warning => "WARNING",
            LogLevel::Error => "ERROR",
            LogLevel::Critical => "CRITICAL",
        }
    }
}

/// What an action has said so far about its outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionOutcome {
    /// What `action-set` has set: nested maps with texts at the ends.
    pub results: Map<String, Value>,
    /// Whether `action-fail` was called.
    pub failed: bool,
    /// The message of `action-fail`; empty if it was not called.
    pub message: String,
}

/// One hook or action that is running.
#[derive(Debug, Clone)]
pub struct HookSession {
    pub(crate) context: HookContext,
    pub(crate) pending: Pending,
    pub(crate) action: Option<ActionOutcome>,
}

impl HookSession {
    /// Starts the run of an event. For a relation-created the unit must have [entered the
    /// scope](Model::enter_scope) before, as Juju's agent has it.
    ///
    /// # Errors
    /// When the model has no such unit.
    pub fn begin(model: &Model, context: HookContext) -> Result<HookSession, ModelError> {
        if !model.units.contains_key(&context.unit) {
            return Err(ModelError::NoUnit {
                unit: context.unit.clone(),
            });
        }
        let action = context.event.is_action().then(ActionOutcome::default);
        Ok(HookSession {
            context,
            pending: Pending::default(),
            action,
        })
    }

    /// What this session runs for.
    pub fn context(&self) -> &HookContext {
        &self.context
    }

    /// Runs one hook tool. Whatever the arguments are, this answers as Juju does and never panics.
    pub fn run(&mut self, model: &mut Model, invocation: &Invocation<'_>) -> ToolOutput {
        tools::run(self, model, invocation)
    }

    /// What the action has said so far; `None` in a hook.
    pub fn action(&self) -> Option<&ActionOutcome> {
        self.action.as_ref()
    }

    /// Ends the run with everything that it has written. Call it when the dispatch has exited with 0.
    ///
    /// The changes say what Juju tells whom because of it. A write that changes nothing causes none.
    ///
    /// # Errors
    /// When Juju would refuse a write now: the hook counts as failed then, and the model is left as it was.
    pub fn commit(self, model: &mut Model) -> Result<Vec<Change>, CommitError> {
        commit::commit(self, model)
    }

    /// Ends the run and drops what it has written. Call it when the dispatch has failed.
    pub fn abandon(self) {}

    /// A databag of the own side as this hook sees it: with its own writes.
    pub(crate) fn own_data(&self, model: &Model, relation: u32, application: bool) -> Databag {
        let stored = model.relations.get(&relation).and_then(|relation| {
            if application {
                relation.application_data.get(self.context.application())
            } else {
                relation.units.get(&self.context.unit).map(|member| &member.data)
            }
        });
        let mut data = stored.cloned().unwrap_or_default();
        self.pending.overlay(relation, application, &mut data);
        data
    }

    /// The units that `relation-list` shows: those whose relation-joined has run or runs now, less one that departs.
    pub(crate) fn members(&self, model: &Model, relation: u32) -> Vec<String> {
        let Some(member) = model
            .relations
            .get(&relation)
            .and_then(|relation| relation.units.get(&self.context.unit))
        else {
            return Vec::new();
        };
        let mut names = member.joined.clone();
        if self.context.event.relation() == Some(relation) {
            match &self.context.event {
                Event::RelationDeparted { remote_unit, .. } => {
                    names.remove(remote_unit);
                }
                event => names.extend(event.remote_unit().map(str::to_owned)),
            }
        }
        names.into_iter().collect()
    }
}
