//! `juju run`.

use juju_hook_tools::context::Event;
use juju_hook_tools::model::ModelError;
use juju_hook_tools::session::LogTarget;
use serde_json::{Map, Value};

use super::deploy::refusal;
use super::look::action_time;
use super::settle::Ran;
use super::{ActionResult, Simulation};
use crate::agent::Exit;
use crate::error::{Error, Result};

impl Simulation {
    /// `juju run UNIT ACTION …`; the unit may be `APP/leader`. A failed action is an `Ok` with that status.
    ///
    /// # Errors
    /// When there is no such unit or action; else as [`Simulation::settle`].
    pub fn run_action(
        &mut self,
        unit: &str,
        action: &str,
        params: Map<String, Value>,
    ) -> Result<ActionResult> {
        let unit = self.resolve_unit(unit)?;
        let is_operator = self.is_operator_unit(&unit);
        if !is_operator {
            self.known_unit_here(&unit)?;
        }
        self.state.model.now = self.now();
        let enqueued = self.state.model.now;
        let mut result = ActionResult {
            id: String::new(),
            unit: unit.clone(),
            status: "error".to_owned(),
            message: String::new(),
            results: Map::new(),
            log: Vec::new(),
            enqueued,
            started: None,
        };
        let event = match self.state.model.start_action(&unit, action, params) {
            Ok(event) => event,
            Err(error @ ModelError::BadParameters { .. }) => {
                // Refused, yet it has a task number of its own.
                let task = self.state.model.counters.task.saturating_add(1);
                self.state.model.counters.task = task.saturating_add(1);
                result.id = task.to_string();
                result.message = error.to_string();
                self.save()?;
                return Ok(result);
            }
            Err(error) => return Err(refusal(error)),
        };
        if let Event::Action { id, .. } = &event {
            result.id.clone_from(id);
        }
        result.started = Some(self.now());
        if is_operator {
            self.run_operator_action(&mut result, &event);
            self.settle()?;
            return Ok(result);
        }
        let ran = self.run_event(&unit, event)?;
        self.fill_in(&mut result, ran, action);
        self.settle()?;
        Ok(result)
    }

    fn fill_in(&self, result: &mut ActionResult, ran: Ran, action: &str) {
        let report = ran.report;
        let outcome = ran.action.unwrap_or_default();
        result.results = outcome.results;
        let time = action_time(self.now());
        let said = ran
            .log
            .into_iter()
            .filter(|line| line.target == LogTarget::Action);
        result.log = said.map(|line| format!("{time} {}", line.text)).collect();
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
            Exit::Terminated(_) => Some("action terminated".to_owned()),
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

    /// `APP/leader` as the leader's name; another name as it is.
    pub(crate) fn resolve_unit(&self, unit: &str) -> Result<String> {
        let Some(app) = unit.strip_suffix("/leader") else {
            return Ok(unit.to_owned());
        };
        let application = self.state.model.applications.get(app);
        let application = application.ok_or_else(|| super::deploy::not_found(app))?;
        application
            .leader
            .clone()
            .ok_or_else(|| Error::refused(format!("could not determine leader for {app:?}")))
    }
}
