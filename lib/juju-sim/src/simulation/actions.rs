//! `juju run`: an action is enqueued, which needs no more than a look at the model, and run by whoever holds the model.

use juju_hook_tools::context::Event;
use juju_hook_tools::model::{Model, ModelError};
use juju_hook_tools::session::{LogLine, LogTarget};
use serde_json::{Map, Value};

use super::deploy::refusal;
use super::look::action_time;
use super::operations::Operation;
use super::settle::Ran;
use super::{ActionResult, Simulation};
use crate::agent::{AfterCall, Exit};
use crate::error::{Error, Result};

/// What becomes of an action whose agent ended while it ran: `internal/worker/uniter/operation/failaction.go` of juju/juju.
/// Juju never runs it again.
const AGENT_ENDED: &str = "action terminated";

impl Simulation {
    /// `juju run UNIT ACTION …`; the unit may be `APP/leader`. A failed action is an `Ok` with that status.
    /// # Errors
    /// When there is no such unit or action; else as [`Simulation::settle`].
    pub fn run_action(
        &mut self,
        unit: &str,
        action: &str,
        params: Map<String, Value>,
    ) -> Result<ActionResult> {
        let task = self.enqueue_action(unit, action, params)?.task.id;
        if let Some(claimed) = self.claim_task(&task)? {
            self.run_claimed(claimed)?;
        }
        let book = self.operations.all()?;
        let operation = book.into_values().find(|operation| operation.task.id == task);
        Ok(operation.ok_or_else(|| no_task(&task))?.task)
    }

    /// Notes an action that is to be run, and changes nothing of the model: it may be held by another process, which runs
    /// an action. Parameters that do not fit make an operation that has ended, with status `error`.
    /// # Errors
    /// When there is no such unit or action.
    pub fn enqueue_action(&self, unit: &str, action: &str, params: Map<String, Value>) -> Result<Operation> {
        let unit = self.resolve_unit(unit)?;
        if !self.is_operator_unit(&unit) {
            self.known_unit_here(&unit)?;
        }
        let mut params = params;
        let message = match self.state.model.action_parameters(&unit, action, params.clone()) {
            Ok(whole) => {
                // Juju 3 keeps what the action gets (`PrepareActionPayload` in `state/unit.go` of juju/juju), 4.0 what was given: the
                // capture `juju-4.0.14-cli/operations-json`.
                if self.state.model.juju_version.is_3() {
                    params = whole;
                }
                String::new()
            }
            // Refused, yet it has a task number of its own.
            Err(error @ ModelError::BadParameters { .. }) => error.to_string(),
            Err(error) => return Err(refusal(error)),
        };
        let enqueued = self.moment();
        let least = self.state.model.counters.task;
        self.operations.change(|book| {
            let id = book.number(least);
            let status = if message.is_empty() { "pending" } else { "error" };
            let operation = Operation {
                id,
                action: action.to_owned(),
                params,
                completed: None,
                task: ActionResult {
                    id: id.saturating_add(1).to_string(),
                    unit,
                    status: status.to_owned(),
                    message,
                    results: Map::new(),
                    log: Vec::new(),
                    enqueued,
                    started: None,
                },
            };
            book.operations.insert(id, operation.clone());
            operation
        })
    }

    /// Takes the numbers of an operation that never had a task: Juju counts it, and shows it nowhere.
    /// # Errors
    /// When the operations cannot be written.
    pub(crate) fn number_of_nothing(&self) -> Result<u32> {
        let least = self.state.model.counters.task;
        self.operations.change(|book| book.number(least))
    }

    /// Every operation, by its number. The simulation may be one that is only [looked at](Simulation::look).
    /// # Errors
    /// When they cannot be read.
    pub fn operations(&self) -> Result<std::collections::BTreeMap<u32, Operation>> {
        self.operations.all()
    }

    /// Where a process that runs tasks in the background says what went wrong.
    pub(crate) fn operations_errors(&self) -> Result<std::fs::File> {
        self.operations.errors()
    }

    /// `juju cancel-task ID` for a task that is pending.
    /// # Errors
    /// When there is none, or it is no longer pending: the real Juju has the agent end an action that runs, which is not
    /// simulated.
    pub fn cancel_task(&self, task: &str) -> Result<Operation> {
        let now = self.moment();
        self.operations.change(|book| {
            let operation = book.task_mut(task).ok_or_else(|| no_task(task))?;
            match operation.task.status.as_str() {
                "pending" => {
                    operation.task.status = "cancelled".to_owned();
                    operation.completed = Some(now);
                    Ok(operation.clone())
                }
                status => Err(Error::refused(format!(
                    "cannot cancel task {task:?}: it is {status}, and the simulated juju cancels pending tasks only"
                ))),
            }
        })?
    }

    /// Runs what is pending here, the oldest first, up to and with `last`; all of it if none is named.
    /// # Errors
    /// As [`Simulation::run_action`].
    pub fn run_pending(&mut self, last: Option<&str>) -> Result<()> {
        loop {
            let book = self.operations.read()?;
            let mut pending = book.operations.into_values().filter(|operation| {
                operation.task.status == "pending"
                    && (self.is_operator_unit(&operation.task.unit) || self.is_here(&operation.task.unit))
            });
            let Some(operation) = pending.next() else {
                return Ok(());
            };
            let Some(claimed) = self.claim_task(&operation.task.id)? else {
                continue;
            };
            let ran = self.run_claimed(claimed);
            if last == Some(&operation.task.id) {
                return ran;
            }
            // What went wrong with another one is its own result.
        }
    }

    /// Takes a task, if it is pending still, so that nobody cancels it any more.
    fn claim_task(&self, task: &str) -> Result<Option<Operation>> {
        let started = self.moment();
        self.operations.change(|book| {
            let operation = book.task_mut(task)?;
            if operation.task.status != "pending" {
                return None;
            }
            operation.task.status = "running".to_owned();
            operation.task.started = Some(started);
            Some(operation.clone())
        })
    }

    fn run_claimed(&mut self, mut operation: Operation) -> Result<()> {
        let ran = self.run_task(&mut operation);
        if let Err(error) = &ran {
            operation.task.status = "failed".to_owned();
            operation.task.message = error.to_string();
        }
        self.end_task(operation)?;
        ran?;
        self.settle()
    }

    fn run_task(&mut self, operation: &mut Operation) -> Result<()> {
        let task = &mut operation.task;
        self.state.model.now = self.now();
        // The number that the task has already.
        self.state.model.counters.task = operation.id;
        let started = self
            .state
            .model
            .start_action(&task.unit, &operation.action, operation.params.clone());
        let event = started.map_err(refusal)?;
        if self.is_operator_unit(&task.unit) {
            let mut log = self.operations.begin_log(&task.id)?;
            self.run_operator_action(task, &event);
            task.log.iter().for_each(|line| log.add(line));
            return Ok(());
        }
        let unit = task.unit.clone();
        let ran = self.run_event(&unit, event)?;
        fill_in(task, ran, &operation.action);
        Ok(())
    }

    fn end_task(&self, mut operation: Operation) -> Result<()> {
        operation.completed = Some(self.moment());
        // It stands in the task's own file.
        operation.task.log.clear();
        self.operations
            .change(|book| _ = book.operations.insert(operation.id, operation))
    }

    /// Ends the tasks whose process is gone. Whoever holds the model knows that none of them runs.
    pub(crate) fn end_abandoned_tasks(&self) -> Result<()> {
        let runs = |operation: &Operation| operation.task.status == "running";
        if !self.operations.read()?.operations.values().any(runs) {
            return Ok(());
        }
        let now = self.moment();
        self.operations.change(|book| {
            for operation in book.operations.values_mut().filter(|operation| runs(operation)) {
                operation.task.status = "failed".to_owned();
                operation.task.message = AGENT_ENDED.to_owned();
                operation.completed = Some(now);
            }
        })
    }

    /// What is to be done after each hook tool of an action: its log goes to a file, a status to the model's, so that others
    /// see it while the action runs, as Juju shows it.
    pub(crate) fn publish(&self, event: &Event) -> Result<Option<AfterCall>> {
        let Event::Action { id, .. } = event else {
            return Ok(None);
        };
        let mut log = self.operations.begin_log(id)?;
        let clock = self.state.options.clock;
        let dispatches = self.state.dispatches;
        let (dir, mut state) = (self.store.dir().to_path_buf(), self.state.clone());
        super::store::save(&dir, &state)?;
        Ok(Some(Box::new(
            move |tool: &str, model: &Model, lines: &[LogLine]| {
                let said = lines.iter().filter(|line| line.target == LogTarget::Action);
                for line in said {
                    let time = action_time(super::look::moment(clock, dispatches));
                    log.add(&format!("{time} {}", line.text));
                }
                if tool == "status-set" {
                    state.model = model.clone();
                    // Who looks sees the status before; the end of the action stores it again.
                    let _ = super::store::save(&dir, &state);
                }
            },
        )))
    }

    /// `APP/leader` as the leader's name; another name as it is.
    pub(crate) fn resolve_unit(&self, unit: &str) -> Result<String> {
        let Some(app) = unit.strip_suffix("/leader") else {
            return Ok(unit.to_owned());
        };
        let application = self.state.model.applications.get(app);
        let application = application.ok_or_else(|| {
            Error::refused(format!(
                "getting leader unit for {app}: application {app:?} not found in leases (not found)"
            ))
        })?;
        application
            .leader
            .clone()
            .ok_or_else(|| Error::refused(format!("could not determine leader for {app:?}")))
    }
}

fn no_task(task: &str) -> Error {
    Error::refused(format!("task {task} not found"))
}

fn fill_in(result: &mut ActionResult, ran: Ran, action: &str) {
    let report = ran.report;
    let outcome = ran.action.unwrap_or_default();
    result.results = outcome.results;
    let return_code = match report.exit {
        Exit::Success | Exit::CommitFailed => Some(0),
        Exit::Failed(code) => Some(code),
        Exit::Terminated(_) | Exit::Skipped => None,
    };
    if let Some(code) = return_code {
        result.results.insert("return-code".to_owned(), code.into());
    }
    for (name, text) in [("stdout", report.stdout), ("stderr", report.stderr)] {
        if !text.is_empty() {
            result.results.insert(name.to_owned(), text.into());
        }
    }
    let problem = match report.exit {
        Exit::Failed(code) => Some(format!("exit status {code}")),
        Exit::Terminated(_) => Some("terminated".to_owned()),
        Exit::CommitFailed => Some("cannot commit the action; see debug-log".to_owned()),
        Exit::Skipped => Some(format!(
            "action not implemented on unit {:?}: {action}",
            report.unit
        )),
        Exit::Success if outcome.failed && outcome.message.is_empty() => {
            Some("action failed without reason given, check action for errors".to_owned())
        }
        Exit::Success => outcome.failed.then_some(outcome.message),
    };
    result.status = if problem.is_some() { "failed" } else { "completed" }.to_owned();
    result.message = problem.unwrap_or_default();
}
