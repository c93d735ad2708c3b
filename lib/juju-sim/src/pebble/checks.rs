//! Checks: each is a change that goes on while the check passes, and another one while it does not.
//!
//! Source: `internals/overlord/checkstate` of canonical/pebble.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use juju_charm::pebble::{Check, CheckLevel, Startup};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::answer::{Answered, Fault, bad_request, not_found, sync};
use super::changes::{NewChange, Status, TaskId};
use super::daemon::{Daemon, State};
use super::plan::effective_check;
use super::probes::{self, Failure};
use super::query::Request;
use super::supervise;

/// What is known of a check.
#[derive(Debug)]
pub(crate) struct CheckData {
    config: Check,
    successes: u64,
    failures: u64,
    /// The change that runs it, and the way to ask for a run at once.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    task: TaskId,
    refresh: mpsc::Sender<Refresh>,
}

/// Somebody waits for the outcome of one run.
type Refresh = oneshot::Sender<Result<(), Failure>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Perform,
    Recover,
}

impl CheckData {
    fn threshold(&self) -> u64 {
        u64::from(
            self.config
                .threshold
                .unwrap_or(juju_charm::pebble::merge::DEFAULT_THRESHOLD),
        )
    }

    fn status(&self) -> &'static str {
        match self.running {
            None => "inactive",
            Some(_) if self.failures >= self.threshold() => "down",
            Some(_) => "up",
        }
    }

    fn level(&self) -> &str {
        self.config.level.as_ref().map_or("", CheckLevel::as_str)
    }

    fn to_json(&self, name: &str) -> Value {
        let startup = if is_enabled(&self.config) {
            "enabled"
        } else {
            "disabled"
        };
        let mut info = json!({
            "name": name,
            "startup": startup,
            "status": self.status(),
            "successes": self.successes,
            "threshold": self.threshold(),
        });
        if !self.level().is_empty() {
            info["level"] = json!(self.level());
        }
        if self.failures > 0 {
            info["failures"] = json!(self.failures);
        }
        if let Some(running) = &self.running {
            info["change-id"] = json!(running.task.change.to_string());
        }
        info
    }
}

fn is_enabled(check: &Check) -> bool {
    check.startup != Some(Startup::Disabled)
}

/// The plan changed: changed checks begin anew, new ones begin, those that are gone end.
pub(crate) fn plan_changed(daemon: &Arc<Daemon>, state: &mut State) {
    let plan = state.layers.plan.clone();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut ended: Vec<String> = Vec::new();
    let mut due: BTreeSet<String> = BTreeSet::new();
    for (name, data) in state.checks.iter().filter(|(_, data)| data.running.is_some()) {
        known.insert(name.clone());
        if let Some(config) = plan.checks.get(name) {
            let config = effective_check(&plan, config);
            // Pebble 1.26 lets a running check go on as it was when it becomes disabled.
            if config == data.config || (!is_enabled(&config) && is_enabled(&data.config)) {
                continue;
            }
            due.insert(name.clone());
        }
        ended.push(name.clone());
    }
    for name in ended {
        if let Some(Running { task, .. }) = state.checks.remove(&name).and_then(|data| data.running) {
            state.changes.abort(task.change);
        }
    }
    for (name, check) in plan.checks.iter().filter(|(name, _)| !known.contains(*name)) {
        if is_enabled(check) {
            due.insert(name.clone());
        } else {
            let config = effective_check(&plan, check);
            state.checks.insert(
                name.clone(),
                CheckData {
                    config,
                    successes: 0,
                    failures: 0,
                    running: None,
                },
            );
        }
    }
    for name in due {
        start(daemon, state, &name);
    }
}

/// Starts every enabled check that does not run.
pub(crate) fn replan(daemon: &Arc<Daemon>, state: &mut State) {
    let stopped = state
        .checks
        .iter()
        .filter(|(_, data)| data.running.is_none() && is_enabled(&data.config));
    let names: Vec<String> = stopped.map(|(name, _)| name.clone()).collect();
    for name in names {
        start(daemon, state, &name);
    }
}

/// Starts a check of the plan, from nothing.
fn start(daemon: &Arc<Daemon>, state: &mut State, name: &str) {
    let Some(check) = state.layers.plan.checks.get(name) else {
        return;
    };
    let config = effective_check(&state.layers.plan, check);
    begin(daemon, state, name, config, Mode::Perform, 0, 0);
}

/// Makes the change that runs a check, and runs it.
fn begin(
    daemon: &Arc<Daemon>,
    state: &mut State,
    name: &str,
    config: Check,
    mode: Mode,
    successes: u64,
    failures: u64,
) {
    let kind = match config {
        Check { http: Some(_), .. } => "HTTP",
        Check { tcp: Some(_), .. } => "TCP",
        _ => "exec",
    };
    let (change, verb) = match mode {
        Mode::Perform => ("perform-check", "Perform"),
        Mode::Recover => ("recover-check", "Recover"),
    };
    let summary = format!("{verb} {kind} check {name:?}");
    let new = NewChange {
        kind: change,
        tasks: vec![(change, summary.clone())],
        summary,
        notice_data: BTreeMap::from([("check-name".to_owned(), name.to_owned())]),
        services: Vec::new(),
    };
    let (_, tasks) = state.changes.add(new);
    let Some(task) = tasks.first().copied() else {
        return;
    };
    state.changes.set_status(task, Status::Doing);
    let (refresh, asked) = mpsc::channel(1);
    let data = CheckData {
        config: config.clone(),
        successes,
        failures,
        running: Some(Running { task, refresh }),
    };
    state.checks.insert(name.to_owned(), data);
    tokio::spawn(repeat(daemon.clone(), name.to_owned(), config, mode, task, asked));
}

/// Runs a check again and again, until it changes sides or is aborted.
async fn repeat(
    daemon: Arc<Daemon>,
    name: String,
    config: Check,
    mode: Mode,
    task: TaskId,
    mut asked: mpsc::Receiver<Refresh>,
) {
    let period = config
        .period
        .unwrap_or_default()
        .max(std::time::Duration::from_millis(1));
    let mut ticker = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let aborted = daemon.wait_for(|state| (state.changes.status(task) != Some(Status::Doing)).then_some(()));
    tokio::pin!(aborted);
    loop {
        let reply = tokio::select! {
            () = &mut aborted => break,
            _ = ticker.tick() => None,
            Some(reply) = asked.recv() => {
                ticker.reset();
                Some(reply)
            }
        };
        let result = tokio::select! {
            () = &mut aborted => break,
            result = probes::run(&daemon.container, &config) => result,
        };
        let ends = daemon.update(|state| judge(&daemon, state, &name, mode, task, &result));
        if let Some(reply) = reply {
            // Whoever asked may have gone.
            let _ = reply.send(result);
        }
        if ends {
            return;
        }
    }
    daemon.update(|state| state.changes.set_status(task, Status::Done));
}

/// Counts the outcome of a run. True when another change takes over.
fn judge(
    daemon: &Arc<Daemon>,
    state: &mut State,
    name: &str,
    mode: Mode,
    task: TaskId,
    result: &Result<(), Failure>,
) -> bool {
    let State { checks, changes, .. } = state;
    let is_current =
        |data: &&mut CheckData| data.running.as_ref().is_some_and(|running| running.task == task);
    let Some(data) = checks.get_mut(name).filter(is_current) else {
        return false;
    };
    match (mode, result) {
        (Mode::Perform, Ok(())) => {
            data.successes += 1;
            if data.failures > 0 {
                let plural = if data.failures == 1 { "failure" } else { "failures" };
                changes.log(
                    task,
                    "INFO",
                    &format!("succeeded after {} {plural}", data.failures),
                );
                data.failures = 0;
            }
            false
        }
        (Mode::Perform, Err(failure)) => {
            data.failures += 1;
            if data.failures < data.threshold() {
                changes.log(task, "ERROR", &failure.in_full());
                return false;
            }
            let (config, successes, failures) = (data.config.clone(), data.successes, data.failures);
            supervise::check_failed(daemon, state, name);
            // Only the reason here, as Pebble has it.
            state.changes.fail(task, &failure.reason);
            begin(daemon, state, name, config, Mode::Recover, successes, failures);
            true
        }
        (Mode::Recover, Err(failure)) => {
            data.failures += 1;
            changes.log(task, "ERROR", &failure.in_full());
            false
        }
        (Mode::Recover, Ok(())) => {
            let config = data.config.clone();
            changes.set_status(task, Status::Done);
            begin(daemon, state, name, config, Mode::Perform, 1, 0);
            true
        }
    }
}

/// `GET /v1/checks`
pub(crate) fn list(daemon: &Daemon, request: &Request) -> Answered {
    let level = level(request)?;
    let names = request.list("names");
    sync(daemon.read(|state| {
        let wanted = state.checks.iter().filter(|(name, data)| {
            (level.is_empty() || level == data.level()) && (names.is_empty() || names.contains(name))
        });
        wanted.map(|(name, data)| data.to_json(name)).collect()
    }))
}

/// `GET /v1/health`
pub(crate) fn health(daemon: &Daemon, request: &Request) -> Answered {
    let level = level(request)?;
    let names = request.list("names");
    let healthy = daemon.read(|state| {
        !state.checks.iter().any(|(name, data)| {
            let counts =
                level.is_empty() || level == data.level() || (level == "ready" && data.level() == "alive");
            counts && (names.is_empty() || names.contains(name)) && data.status() == "down"
        })
    });
    let status = if healthy {
        hyper::StatusCode::OK
    } else {
        hyper::StatusCode::BAD_GATEWAY
    };
    Ok(super::answer::Answer::Sync(status, json!({ "healthy": healthy })))
}

fn level(request: &Request) -> Result<&str, Fault> {
    let level = request.get("level");
    if ["", "alive", "ready"].contains(&level) {
        return Ok(level);
    }
    Err(bad_request("level must be \"alive\" or \"ready\""))
}

/// `POST /v1/checks`
pub(crate) fn post(daemon: &Arc<Daemon>, request: &Request) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        action: String,
        #[serde(default)]
        checks: Option<Vec<String>>,
    }
    let payload: Payload = request.json("data from request body")?;
    let action = payload.action;
    let mut names = payload.checks.unwrap_or_default();
    if names.is_empty() {
        return Err(bad_request(format!("must specify checks for {action} action")));
    }
    if !["start", "stop"].contains(&action.as_str()) {
        return Err(bad_request(format!("invalid action {action:?}")));
    }
    names.sort_unstable();
    daemon.update(|state| {
        let mut missing = names
            .iter()
            .filter(|name| !state.layers.plan.checks.contains_key(*name))
            .peekable();
        if missing.peek().is_some() {
            let missing: Vec<&str> = missing.map(String::as_str).collect();
            return Err(bad_request(format!(
                "cannot {action} checks: cannot find checks in plan: {}",
                missing.join(", ")
            )));
        }
        let mut changed = Vec::new();
        for name in names {
            let Some(data) = state.checks.get_mut(&name) else {
                continue;
            };
            match (action.as_str(), &data.running) {
                ("start", None) => start(daemon, state, &name),
                ("stop", Some(running)) => {
                    let change = running.task.change;
                    data.running = None;
                    state.changes.abort(change);
                }
                _ => continue,
            }
            changed.push(name);
        }
        // As Pebble 1.26 writes an empty list.
        let changed = if changed.is_empty() {
            Value::Null
        } else {
            json!(changed)
        };
        sync(json!({ "changed": changed }))
    })
}

/// `POST /v1/checks/refresh`
pub(crate) async fn refresh(daemon: &Arc<Daemon>, request: &Request) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        name: String,
    }
    let Payload { name } = request.json("data from request body")?;
    if name.is_empty() {
        return Err(bad_request("must specify check name"));
    }
    let found = daemon.read(|state| {
        let data = state.checks.get(&name)?;
        Some((
            data.config.clone(),
            data.running.as_ref().map(|running| running.refresh.clone()),
        ))
    });
    let (config, running) =
        found.ok_or_else(|| not_found(format!("cannot find check with name {name:?}")))?;
    let result = match running {
        None => probes::run(&daemon.container, &config).await,
        Some(refresh) => {
            let (reply, answer) = oneshot::channel();
            // When the check ends meanwhile, nobody answers.
            let _ = refresh.send(reply).await;
            answer
                .await
                .unwrap_or_else(|_| Err("context canceled".to_owned().into()))
        }
    };
    let info = daemon.read(|state| state.checks.get(&name).map(|data| data.to_json(&name)));
    let mut answer = json!({ "info": info });
    if let Err(failure) = result {
        answer["error"] = json!(failure.in_full());
    }
    sync(answer)
}
