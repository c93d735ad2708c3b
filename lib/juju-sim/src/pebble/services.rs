//! Services: the requests about them, and what each of them does just now. [`super::supervise`] runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use juju_charm::pebble::{Plan, Service, ServiceAction, Startup};
use rustix::process::Pid;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Answered, bad_request, internal, sync};
use super::changes::NewChange;
use super::daemon::{Daemon, State};
use super::logs::Log;
use super::order::{self, Lanes};
use super::query::Request;
use super::{checks, supervise};

/// Where a service stands. Source: `internals/overlord/servstate/handlers.go` of canonical/pebble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Initial,
    Starting,
    Running,
    Terminating,
    Killing,
    Stopped,
    Backoff,
    Exited,
}

/// A service that was started once.
#[derive(Debug)]
pub(crate) struct ServiceData {
    /// As it was in the plan when it was started.
    pub config: Service,
    pub phase: Phase,
    pub since: Timestamp,
    pub log: Log,
    /// Counts the processes, so that timers of an older one are told from those of this one.
    pub run: u64,
    pub pid: Option<Pid>,
    pub backoff: Duration,
    /// It is stopped because a check failed, to be started again.
    pub restarting: bool,
    /// How the start went that somebody waits for.
    pub started: Option<Result<(), String>>,
    /// How the stop went that somebody waits for.
    pub stopped: Option<Result<(), String>>,
}

impl Phase {
    pub fn status(self) -> &'static str {
        match self {
            Phase::Starting | Phase::Running => "active",
            Phase::Terminating | Phase::Killing | Phase::Stopped => "inactive",
            Phase::Backoff => "backoff",
            Phase::Initial | Phase::Exited => "error",
        }
    }

    /// How Pebble calls it in errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Initial => "initial",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Terminating => "terminating",
            Phase::Killing => "killing",
            Phase::Stopped => "stopped",
            Phase::Backoff => "backoff",
            Phase::Exited => "exited",
        }
    }
}

impl ServiceData {
    pub fn new(config: Service) -> ServiceData {
        ServiceData {
            config,
            phase: Phase::Initial,
            since: Timestamp::now(),
            log: Log::default(),
            run: 0,
            pid: None,
            backoff: Duration::ZERO,
            restarting: false,
            started: None,
            stopped: None,
        }
    }

    /// Moves on. The time is that of the last change of what is told as status.
    pub fn enter(&mut self, phase: Phase) {
        if self.phase.status() != phase.status() {
            self.since = Timestamp::now();
        }
        self.phase = phase;
        self.restarting = false;
    }

    /// What has to follow the end of its process: the action, and the key that says so.
    pub fn action(&self, code: i32) -> (ServiceAction, &'static str) {
        let (action, key) = match code {
            0 => (&self.config.on_success, "on-success"),
            _ => (&self.config.on_failure, "on-failure"),
        };
        let action = action.clone().filter(|action| !action.as_str().is_empty());
        (action.unwrap_or(ServiceAction::Restart), key)
    }
}

fn is_enabled(service: &Service) -> bool {
    service.startup == Some(Startup::Enabled)
}

/// `GET /v1/services`
pub(crate) fn list(daemon: &Daemon, request: &Request) -> Answered {
    let names = request.list("names");
    sync(daemon.read(|state| {
        let wanted = state
            .layers
            .plan
            .services
            .iter()
            .filter(|(name, _)| names.is_empty() || names.contains(name));
        let info = |(name, service): (&String, &Service)| {
            let startup = if is_enabled(service) {
                "enabled"
            } else {
                "disabled"
            };
            let mut info = json!({"name": name, "startup": startup, "current": "inactive"});
            if let Some(data) = state.services.get(name) {
                info["current"] = json!(data.phase.status());
                info["current-since"] = json!(data.since.to_string());
            }
            info
        };
        wanted.map(info).collect()
    }))
}

/// `POST /v1/services`
pub(crate) fn post(daemon: &Arc<Daemon>, request: &Request) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        action: String,
        #[serde(default)]
        services: Option<Vec<String>>,
    }
    let payload: Payload = request.json("data from request body")?;
    let action = payload.action;
    let mut names = payload.services.unwrap_or_default();
    match action.as_str() {
        "replan" | "autostart" if !names.is_empty() => {
            return Err(bad_request(format!("{action} accepts no service names")));
        }
        "replan" => {}
        "autostart" => {
            names = daemon
                .read(|state| default_services(&state.layers.plan))
                .map_err(internal)?;
            if names.is_empty() {
                return Err(bad_request("no default services").of_kind("no-default-services"));
            }
        }
        _ if names.is_empty() => {
            return Err(bad_request(format!("must specify services for {action} action")));
        }
        _ => {}
    }
    daemon.update(|state| {
        let orders = |order: Result<Lanes, String>| {
            order.map_err(|reason| bad_request(format!("cannot {action} services: {reason}")))
        };
        let plan = &state.layers.plan.services;
        let (kind, stop, start) = match action.as_str() {
            "start" => ("start", Lanes::new(), orders(order::start(plan, &names))?),
            "autostart" => ("autostart", Lanes::new(), orders(order::start(plan, &names))?),
            "stop" => ("stop", orders(order::stop(plan, &names))?, Lanes::new()),
            "restart" => {
                let named: BTreeSet<&String> = names.iter().collect();
                let mut stop = orders(order::stop(plan, &names))?;
                for lane in &mut stop {
                    lane.retain(|name| named.contains(name));
                }
                stop.retain(|lane| !lane.is_empty());
                ("restart", stop, orders(order::start(plan, &names))?)
            }
            "replan" => {
                let (stop, start) = replan(state)
                    .map_err(|reason| bad_request(format!("cannot {action} services: {reason}")))?;
                checks::replan(daemon, state);
                let all: BTreeSet<&String> = stop.iter().chain(&start).flatten().collect();
                names = all.into_iter().cloned().collect();
                ("replan", stop, start)
            }
            _ => return Err(bad_request(format!("invalid action {action:?}"))),
        };
        let change = begin(daemon, state, kind, names, stop, start);
        Ok(Answer::Async(change.to_string(), Value::Null))
    })
}

/// Makes the change that stops and starts services, and runs it.
fn begin(
    daemon: &Arc<Daemon>,
    state: &mut State,
    kind: &'static str,
    names: Vec<String>,
    stop: Lanes,
    start: Lanes,
) -> u64 {
    let mut title = kind.to_owned();
    title
        .get_mut(..1)
        .map(str::make_ascii_uppercase)
        .unwrap_or_default();
    // Pebble counts what it stops or starts, by whichever it ordered last; a replan counts each service once.
    let count = match kind {
        "replan" => names.len(),
        "stop" => stop.iter().flatten().count(),
        _ => start.iter().flatten().count(),
    };
    let first = names.first().cloned().unwrap_or_default();
    let summary = match count {
        0 => format!("{title} - no services"),
        1 => format!("{title} service {first:?}"),
        count => format!("{title} service {first:?} and {} more", count - 1),
    };
    let stops = stop
        .iter()
        .flatten()
        .map(|name| ("stop", format!("Stop service {name:?}")));
    let starts = start
        .iter()
        .flatten()
        .map(|name| ("start", format!("Start service {name:?}")));
    let tasks = stops.chain(starts).collect();
    let new = NewChange {
        kind,
        summary,
        tasks,
        notice_data: BTreeMap::new(),
        services: names,
    };
    let (change, tasks) = state.changes.add(new);
    let mut tasks = tasks.into_iter();
    let mut numbered = |lanes: Lanes| -> Vec<supervise::Lane> {
        lanes
            .into_iter()
            .map(|lane| lane.into_iter().zip(&mut tasks).collect())
            .collect()
    };
    let stop = numbered(stop);
    let start = numbered(start);
    if !(stop.is_empty() && start.is_empty()) {
        tokio::spawn(supervise::run_lanes(daemon.clone(), stop, start));
    }
    change
}

fn default_services(plan: &Plan) -> Result<Vec<String>, String> {
    let enabled = plan.services.iter().filter(|(_, service)| is_enabled(service));
    let names: Vec<String> = enabled.map(|(name, _)| name.clone()).collect();
    Ok(order::start(&plan.services, &names)?
        .into_iter()
        .flatten()
        .collect())
}

/// What a replan stops, and what it starts. Whatever was started once and is configured differently now is stopped; that and all enabled ones are started.
fn replan(state: &mut State) -> Result<(Lanes, Lanes), String> {
    let plan = &state.layers.plan.services;
    let mut changed = BTreeSet::new();
    for (name, data) in &mut state.services {
        match plan.get(name) {
            Some(config) if *config == data.config => continue,
            Some(config) => data.config = config.clone(),
            None => {}
        }
        changed.insert(name.clone());
    }
    let start: Vec<String> = plan
        .iter()
        .filter(|(name, service)| changed.contains(*name) || is_enabled(service))
        .map(|(name, _)| name.clone())
        .collect();
    let stop: Vec<String> = changed.into_iter().collect();
    Ok((order::stop(plan, &stop)?, order::start(plan, &start)?))
}

/// `POST /v1/signals`
pub(crate) fn signal(daemon: &Daemon, request: &Request) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        signal: String,
        #[serde(default)]
        services: Option<Vec<String>>,
    }
    let payload: Payload = request.json("request body")?;
    let services = payload.services.unwrap_or_default();
    if services.is_empty() {
        return Err(bad_request("must specify one or more services"));
    }
    let faults: Vec<String> = daemon.read(|state| {
        let faults = services.iter().filter_map(|name| {
            let fault = match state.services.get(name) {
                Some(ServiceData {
                    phase: Phase::Starting | Phase::Running,
                    pid: Some(pid),
                    ..
                }) => supervise::signal(*pid, &payload.signal).err(),
                _ => Some("service is not running".to_owned()),
            };
            fault.map(|fault| format!("cannot send signal to {name:?}: {fault}"))
        });
        faults.collect()
    });
    if faults.is_empty() {
        sync(json!(true))
    } else {
        Err(internal(faults.join("; ")))
    }
}
