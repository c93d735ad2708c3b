//! Checks of a fake Pebble: one that fails is down as soon as it runs.

use std::collections::BTreeMap;

use super::state::{PebbleState, StartedCheck};
use crate::pebble::{
    ChangeId, ChangeStatus, Check, CheckInfo, CheckLevel, CheckStatus, Plan, ServiceAction, ServiceStatus,
    Startup,
};

impl PebbleState {
    /// The plan has changed: checks that are new or modified start. Source: `CheckManager.PlanChanged`.
    pub(super) fn plan_changed(&mut self, before: &Plan) {
        let after = self.plan();
        for (name, check) in &after.checks {
            let disabled = check.startup == Some(Startup::Disabled);
            match before.checks.get(name) {
                Some(old) if old == check => {}
                // One that is running stays as it was when it is disabled.
                Some(_) if disabled => {}
                Some(_) if !self.is_active(name) => {}
                None if disabled => self.put_check(name, None),
                _ => {
                    self.end_check(name);
                    let change = self.begin_check("perform", name, check);
                    self.put_check(name, Some(change));
                }
            }
        }
        self.settle_checks();
    }

    /// Starts enabled checks that do not run. Source: `CheckManager.Replan`.
    pub(super) fn replan_checks(&mut self) {
        let plan = self.plan();
        let enabled = plan
            .checks
            .iter()
            .filter(|(_, check)| check.startup != Some(Startup::Disabled));
        let names: Vec<&str> = enabled.map(|(name, _)| name.as_str()).collect();
        self.start_known_checks(&plan, &names);
    }

    /// Those of the plan that do not run yet, in order of name.
    pub(super) fn start_known_checks(&mut self, plan: &Plan, names: &[&str]) -> Vec<String> {
        let mut started = Vec::new();
        for name in names {
            let Some(check) = plan.checks.get(*name) else {
                continue;
            };
            if !self.is_active(name) {
                let change = self.begin_check("perform", name, check);
                self.put_check(name, Some(change));
                started.push((*name).to_owned());
            }
        }
        self.settle_checks();
        started.sort();
        started
    }

    pub(super) fn stop_known_checks(&mut self, names: &[&str]) -> Vec<String> {
        let mut stopped = Vec::new();
        for name in names {
            if self.is_active(name) {
                self.end_check(name);
                if let Some(check) = self.checks.get_mut(*name) {
                    check.status = CheckStatus::Inactive;
                    check.change = None;
                }
                stopped.push((*name).to_owned());
            }
        }
        stopped.sort();
        stopped
    }

    /// Runs a check of the plan once; `None` if there is no such check. Only one that is active counts it.
    pub(super) fn refresh_known_check(&mut self, name: &str) -> Option<Result<(), String>> {
        let check = self.plan().checks.get(name).cloned()?;
        let failed = self.failing_checks.contains(name);
        if self.is_active(name)
            && let Some(started) = self.checks.get_mut(name)
        {
            match failed {
                true => started.failures += 1,
                false => started.successes += 1,
            }
        }
        Some(if failed {
            Err(error_of(&check).to_owned())
        } else {
            Ok(())
        })
    }

    fn is_active(&self, name: &str) -> bool {
        self.checks.get(name).is_some_and(|check| check.change.is_some())
    }

    fn put_check(&mut self, name: &str, change: Option<ChangeId>) {
        let status = match change {
            Some(_) => CheckStatus::Up,
            None => CheckStatus::Inactive,
        };
        self.checks.insert(
            name.to_owned(),
            StartedCheck {
                status,
                successes: 0,
                failures: 0,
                change: change.map(|id| id.as_str().to_owned()),
            },
        );
    }

    /// Makes the change that performs a check, or waits for its recovery.
    fn begin_check(&mut self, verb: &str, name: &str, check: &Check) -> ChangeId {
        let kind = match (&check.http, &check.tcp) {
            (Some(_), _) => "HTTP",
            (None, Some(_)) => "TCP",
            (None, None) => "exec",
        };
        let title = if verb == "perform" { "Perform" } else { "Recover" };
        let (change_kind, summary) = (format!("{verb}-check"), format!("{title} {kind} check {name:?}"));
        let data = BTreeMap::from([("check-name".to_owned(), name.to_owned())]);
        let id = self.new_change(&change_kind, &summary, &[], &data);
        let mut task = self.new_task(&change_kind, &summary);
        task.status = ChangeStatus::Doing;
        self.finish_change(&id, vec![task]);
        id
    }

    /// Ends the change of a check that is stopped.
    fn end_check(&mut self, name: &str) {
        self.end_check_change(name, None);
    }

    fn end_check_change(&mut self, name: &str, error: Option<&str>) {
        let id = self.checks.get(name).and_then(|check| check.change.clone());
        let Some(id) = id.map(ChangeId::from) else { return };
        let change = self.changes.iter().find(|entry| entry.change.id == id);
        let mut tasks = change.map(|entry| entry.change.tasks.clone()).unwrap_or_default();
        let now = self.tick();
        for task in &mut tasks {
            task.status = ChangeStatus::Done;
            if let Some(error) = error {
                task.status = ChangeStatus::Error;
                task.log.push(format!("{now} ERROR {error}"));
            }
        }
        self.finish_change(&id, tasks);
    }

    /// Runs every active check as often as it takes to make a difference.
    pub(super) fn settle_checks(&mut self) {
        let plan = self.plan();
        for (name, check) in &plan.checks {
            let Some(started) = self.checks.get(name) else {
                continue;
            };
            let (status, successes) = (started.status.clone(), started.successes);
            match (status, self.failing_checks.contains(name)) {
                (CheckStatus::Up, true) => {
                    self.end_check_change(name, Some(error_of(check)));
                    let change = self.begin_check("recover", name, check);
                    self.checks.insert(
                        name.clone(),
                        StartedCheck {
                            status: CheckStatus::Down,
                            successes,
                            failures: u64::from(check.threshold.unwrap_or(3)),
                            change: Some(change.as_str().to_owned()),
                        },
                    );
                    self.restart_after(name);
                }
                (CheckStatus::Down, false) => {
                    self.end_check_change(name, None);
                    let change = self.begin_check("perform", name, check);
                    self.put_check(name, Some(change));
                    if let Some(started) = self.checks.get_mut(name) {
                        started.successes = successes + 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// What `on-check-failure` says of the services that run.
    fn restart_after(&mut self, check: &str) {
        let now = self.tick();
        for service in self.services.values_mut() {
            if service.status != ServiceStatus::Active {
                continue;
            }
            match service.config.on_check_failure.get(check) {
                None | Some(ServiceAction::Ignore) => {}
                Some(ServiceAction::Restart) => service.since.clone_from(&now),
                // Pebble ends, and with it the container.
                Some(_) => self.reachable = false,
            }
        }
    }

    pub(super) fn check_infos(&self) -> Vec<CheckInfo> {
        let plan = self.plan();
        let info = |(name, started): (&String, &StartedCheck)| {
            let check = plan.checks.get(name)?;
            Some(CheckInfo {
                name: name.clone(),
                level: check.level.clone(),
                startup: check.startup.clone().unwrap_or(Startup::Enabled),
                status: started.status.clone(),
                successes: started.successes,
                failures: started.failures,
                threshold: u64::from(check.threshold.unwrap_or(3)),
                change_id: started.change.clone().map(ChangeId::from),
            })
        };
        self.checks.iter().filter_map(info).collect()
    }

    pub(super) fn is_healthy(&self, level: Option<CheckLevel>) -> bool {
        let counts = |info: &CheckInfo| match &level {
            None => true,
            // Ready implies alive.
            Some(CheckLevel::Ready) => info.level.is_some(),
            Some(level) => info.level.as_ref() == Some(level),
        };
        let down = |info: &CheckInfo| info.status == CheckStatus::Down && counts(info);
        !self.check_infos().iter().any(down)
    }
}

/// What a check that fails says.
fn error_of(check: &Check) -> &'static str {
    match (&check.http, &check.tcp) {
        (Some(_), _) => "non-2xx status code 500",
        (None, Some(_)) => "connection refused",
        (None, None) => "exit status 1",
    }
}
