//! Runs services: the tasks that start and stop them, their processes, and what follows when one ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use juju_charm::pebble::{Service, ServiceAction};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Child;

use super::changes::{Status, TaskId};
use super::container;
use super::daemon::{Daemon, State};
use super::services::{Phase, ServiceData};
use super::users::Wanted;

const KILL_DELAY: Duration = Duration::from_secs(5);
/// How long a process may take to go after SIGKILL.
const FAIL_DELAY: Duration = Duration::from_secs(5);
const BACKOFF_DELAY: Duration = Duration::from_millis(500);
const BACKOFF_FACTOR: f64 = 2.0;
const BACKOFF_LIMIT: Duration = Duration::from_secs(30);
/// A failed start tells so many lines of what the process wrote.
const TOLD_LINES: usize = 20;
/// The exit codes of Pebble when a service or a check ends it.
const SERVICE_FAILURE: u8 = 10;
const CHECK_FAILURE: u8 = 11;

/// Services, one after the other, with their tasks.
pub(crate) type Lane = Vec<(String, TaskId)>;

/// Runs the tasks of a change: all stops, then all starts.
pub(crate) async fn run_lanes(daemon: Arc<Daemon>, stop: Vec<Lane>, start: Vec<Lane>) {
    let mut went_well = true;
    let stops: Vec<_> = stop
        .into_iter()
        .map(|lane| tokio::spawn(run_lane(daemon.clone(), lane, false)))
        .collect();
    for stop in stops {
        went_well &= stop.await.unwrap_or(false);
    }
    if !went_well {
        hold(&daemon, start.iter().flatten());
        return;
    }
    for lane in start {
        tokio::spawn(run_lane(daemon.clone(), lane, true));
    }
}

async fn run_lane(daemon: Arc<Daemon>, lane: Lane, start: bool) -> bool {
    for (index, (name, task)) in lane.iter().enumerate() {
        let begins = daemon.update(|state| {
            // It may have been aborted.
            let waits = state.changes.status(*task) == Some(Status::Do);
            if waits {
                state.changes.set_status(*task, Status::Doing);
            }
            waits
        });
        if !begins {
            return false;
        }
        let result = if start {
            start_service(&daemon, name, *task).await
        } else {
            stop_service(&daemon, name, *task).await
        };
        let went_well = result.is_ok();
        daemon.update(|state| match result {
            Ok(()) => state.changes.set_status(*task, Status::Done),
            Err(reason) => state.changes.fail(*task, &reason),
        });
        if !went_well {
            hold(&daemon, lane.iter().skip(index + 1));
            return false;
        }
    }
    true
}

fn hold<'a>(daemon: &Daemon, tasks: impl Iterator<Item = &'a (String, TaskId)>) {
    daemon.update(|state| {
        for (_, task) in tasks {
            state.changes.set_status(*task, Status::Hold);
        }
    });
}

async fn start_service(daemon: &Arc<Daemon>, name: &str, task: TaskId) -> Result<(), String> {
    let begun = daemon.update(|state| {
        let Some(config) = state.layers.plan.services.get(name).cloned() else {
            return Err(format!("cannot find service {name:?} in plan"));
        };
        let service = state
            .services
            .entry(name.to_owned())
            .or_insert_with(|| ServiceData::new(config.clone()));
        service.config = config;
        match service.phase {
            Phase::Starting | Phase::Running => {
                state
                    .changes
                    .log(task, "INFO", &format!("Service {name:?} already started."));
                return Ok(false);
            }
            Phase::Terminating | Phase::Killing => {
                return Err(format!("cannot start service while {}", service.phase.as_str()));
            }
            Phase::Initial | Phase::Backoff | Phase::Stopped | Phase::Exited => {}
        }
        service.backoff = Duration::ZERO;
        service.started = None;
        if let Err(reason) = spawn(daemon, name, service) {
            service.enter(Phase::Stopped);
            return Err(reason);
        }
        service.enter(Phase::Starting);
        let run = service.run;
        after(daemon, name, run, daemon.okay_delay, |_, _, service| {
            if service.phase == Phase::Starting {
                service.started = Some(Ok(()));
                service.enter(Phase::Running);
            }
        });
        Ok(true)
    })?;
    if !begun {
        return Ok(());
    }
    let outcome = daemon.wait_for(|state| {
        if state.changes.status(task) == Some(Status::Abort) {
            return Some(Err(None));
        }
        state
            .services
            .get_mut(name)?
            .started
            .take()
            .map(|started| started.map_err(Some))
    });
    let Err(reason) = outcome.await else { return Ok(()) };
    daemon.update(|state| match (reason, state.services.get_mut(name)) {
        (Some(reason), service) => {
            if let Some(service) = service {
                let told = format!(
                    "Most recent service output:\n{}",
                    service.log.last(TOLD_LINES, "    ")
                );
                state.changes.log(task, "INFO", &told);
            }
            Err(format!("service start attempt: {reason}"))
        }
        (None, service) => {
            if let Some(service) = service {
                service.enter(Phase::Stopped);
                signal_group(service, Signal::KILL);
            }
            Err("start aborted, sent SIGKILL to process".to_owned())
        }
    })
}

async fn stop_service(daemon: &Arc<Daemon>, name: &str, task: TaskId) -> Result<(), String> {
    let begun = daemon.update(|state| {
        let Some(service) = state.services.get_mut(name) else {
            state
                .changes
                .log(task, "INFO", &format!("Service {name:?} has never been started."));
            return false;
        };
        let said = match service.phase {
            Phase::Terminating | Phase::Killing => "already stopping",
            Phase::Stopped | Phase::Initial => "already stopped",
            Phase::Exited => {
                service.enter(Phase::Stopped);
                "had already exited"
            }
            Phase::Backoff => {
                service.enter(Phase::Stopped);
                return false;
            }
            Phase::Starting | Phase::Running => {
                if service.phase == Phase::Starting {
                    let delay = juju_charm::pebble::duration::format(daemon.okay_delay);
                    service.started = Some(Err(format!("stopped before the {delay} okay delay")));
                }
                service.stopped = None;
                terminate(daemon, name, service, false);
                return true;
            }
        };
        state
            .changes
            .log(task, "INFO", &format!("Service {name:?} {said}."));
        false
    });
    if !begun {
        return Ok(());
    }
    let stopped = daemon
        .wait_for(|state| state.services.get_mut(name)?.stopped.take())
        .await;
    stopped.map_err(|reason| format!("cannot stop service: {reason}"))
}

/// Asks a process to end, and makes it end when it does not.
fn terminate(daemon: &Arc<Daemon>, name: &str, service: &mut ServiceData, restarting: bool) {
    signal_group(service, Signal::TERM);
    service.enter(Phase::Terminating);
    service.restarting = restarting;
    let delay = service.config.kill_delay.unwrap_or(KILL_DELAY);
    after(daemon, name, service.run, delay, |_, _, service| {
        if service.phase == Phase::Terminating {
            signal_group(service, Signal::KILL);
            let restarting = service.restarting;
            service.enter(Phase::Killing);
            service.restarting = restarting;
        }
    });
    after(daemon, name, service.run, delay + FAIL_DELAY, |_, _, service| {
        if service.phase == Phase::Killing {
            service.stopped = Some(Err("process still running after SIGTERM and SIGKILL".to_owned()));
            service.enter(Phase::Stopped);
        }
    });
}

/// Starts the process of a service. The service's phase is the caller's affair.
fn spawn(daemon: &Arc<Daemon>, name: &str, service: &mut ServiceData) -> Result<(), String> {
    let config = &service.config;
    let words = container::split_command(config.command.as_deref().unwrap_or_default())
        .map_err(|reason| format!("cannot parse service {name:?} command: {reason}"))?;
    let environment = environment(daemon, config)?;
    let cannot = |reason: String| format!("cannot start service: {reason}");
    let mut command = daemon
        .container
        .command(&words, &environment, config.working_dir.as_deref())
        .map_err(cannot)?;
    let (output, writer) = output_pipe().map_err(|error| cannot(container::reason(&error)))?;
    let errors = writer
        .try_clone()
        .map_err(|error| cannot(container::reason(&error)))?;
    let word = words.first().map(String::as_str).unwrap_or_default();
    let child = command
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .map_err(|error| cannot(format!("fork/exec {word}: {}", container::reason(&error))))?;
    // The command holds the writing ends, and nobody else may.
    drop(command);
    service.run += 1;
    service.pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let kept_open = service.config.kill_delay.unwrap_or(KILL_DELAY) * 9 / 10;
    tokio::spawn(watch(
        daemon.clone(),
        name.to_owned(),
        service.run,
        child,
        output,
        kept_open,
    ));
    let limit = service.config.backoff_limit.unwrap_or(BACKOFF_LIMIT);
    after(daemon, name, service.run, limit, |_, _, service| {
        if service.phase == Phase::Running {
            service.backoff = Duration::ZERO;
        }
    });
    Ok(())
}

/// What a service's process gets on top of Pebble's own environment. The user is looked up as if it were switched.
fn environment(daemon: &Daemon, config: &Service) -> Result<BTreeMap<String, String>, String> {
    let mut environment = config.environment.clone();
    let wanted = Wanted {
        user_id: config.user_id,
        user: config.user.as_deref(),
        group_id: config.group_id,
        group: config.group.as_deref(),
    };
    let owner = daemon.container.users.resolve(&wanted)?;
    if let Some(user) = owner.and_then(|owner| daemon.container.users.user(owner.user)) {
        for (key, value) in [("HOME", user.home), ("USER", user.name)] {
            let set = environment.entry(key.to_owned()).or_default();
            if set.is_empty() {
                *set = value;
            }
        }
    }
    Ok(environment)
}

/// A pipe whose reading end is waited for, and whose writing end is for processes.
pub(crate) fn output_pipe() -> std::io::Result<(pipe::Receiver, std::io::PipeWriter)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((pipe::Receiver::from_owned_fd(reader.into())?, writer))
}

/// Waits for a process and for the end of its output. A process of its own may keep that open, but not for long.
async fn watch(
    daemon: Arc<Daemon>,
    name: String,
    run: u64,
    mut child: Child,
    output: pipe::Receiver,
    kept_open: Duration,
) {
    let mut reading = tokio::spawn(read_output(daemon.clone(), name.clone(), output));
    let code = child.wait().await.map_or(-1, exit_code);
    if tokio::time::timeout(kept_open, &mut reading).await.is_err() {
        reading.abort();
    }
    daemon.update(|state| exited(&daemon, state, &name, run, code));
}

async fn read_output(daemon: Arc<Daemon>, name: String, output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|count| count > 0)
    {
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        // Whoever runs this Pebble sees it as well. That nobody reads it is no reason to stop.
        let _ = writeln!(std::io::stdout(), "{} [{name}] {text}", jiff::Timestamp::now());
        daemon.update(|state| {
            if let Some(service) = state.services.get_mut(&name) {
                service.log.push(text);
            }
        });
        line.clear();
    }
}

/// What follows the end of a service's process.
fn exited(daemon: &Arc<Daemon>, state: &mut State, name: &str, run: u64, code: i32) {
    let Some(service) = state.services.get_mut(name).filter(|service| service.run == run) else {
        return;
    };
    service.pid = None;
    match service.phase {
        Phase::Starting | Phase::Running => {
            let (action, _) = service.action(code);
            if service.phase == Phase::Starting {
                let reason = format!("exited quickly with code {code}, will {action}");
                service.started = Some(Err(reason));
            }
            match action {
                ServiceAction::Ignore if code == 0 => service.enter(Phase::Stopped),
                ServiceAction::Ignore => service.enter(Phase::Exited),
                ServiceAction::Shutdown | ServiceAction::SuccessShutdown | ServiceAction::FailureShutdown => {
                    let failed = action == ServiceAction::FailureShutdown
                        || (action == ServiceAction::Shutdown && code != 0);
                    daemon.end(if failed { SERVICE_FAILURE } else { 0 });
                    service.enter(Phase::Exited);
                }
                _ => back_off(daemon, name, service),
            }
        }
        Phase::Terminating | Phase::Killing if service.restarting => back_off(daemon, name, service),
        Phase::Terminating | Phase::Killing => {
            service.stopped = Some(Ok(()));
            service.enter(Phase::Stopped);
        }
        Phase::Initial | Phase::Stopped | Phase::Backoff | Phase::Exited => {}
    }
}

/// Starts a service again after a while that grows each time.
fn back_off(daemon: &Arc<Daemon>, name: &str, service: &mut ServiceData) {
    let config = &service.config;
    let limit = config.backoff_limit.unwrap_or(BACKOFF_LIMIT);
    service.backoff = if service.backoff.is_zero() {
        config.backoff_delay.unwrap_or(BACKOFF_DELAY)
    } else {
        let factor = config.backoff_factor.unwrap_or(BACKOFF_FACTOR);
        let next = service.backoff.as_secs_f64() * factor;
        Duration::try_from_secs_f64(next).unwrap_or(limit).min(limit)
    };
    service.enter(Phase::Backoff);
    // The real one adds up to a tenth by chance, against services in step with each other; tests want none of that.
    after(
        daemon,
        name,
        service.run,
        service.backoff,
        |daemon, name, service| {
            if service.phase == Phase::Backoff && spawn(daemon, name, service).is_ok() {
                service.enter(Phase::Running);
            }
        },
    );
}

/// What services do when a check fails.
pub(crate) fn check_failed(daemon: &Arc<Daemon>, state: &mut State, check: &str) {
    for (name, service) in &mut state.services {
        let Some(action) = service.config.on_check_failure.get(check) else {
            continue;
        };
        let concerned = matches!(service.phase, Phase::Running | Phase::Backoff | Phase::Exited);
        match action {
            _ if !concerned => {}
            ServiceAction::Shutdown => daemon.end(CHECK_FAILURE),
            ServiceAction::SuccessShutdown => daemon.end(0),
            ServiceAction::Restart => match service.phase {
                Phase::Running => terminate(daemon, name, service, true),
                Phase::Exited => back_off(daemon, name, service),
                _ => {}
            },
            _ => {}
        }
    }
}

/// Does something with a service after a while, unless it has another process by then.
fn after(
    daemon: &Arc<Daemon>,
    name: &str,
    run: u64,
    delay: Duration,
    act: impl FnOnce(&Arc<Daemon>, &str, &mut ServiceData) + Send + 'static,
) {
    let (daemon, name) = (daemon.clone(), name.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        daemon.update(|state| {
            if let Some(service) = state.services.get_mut(&name).filter(|service| service.run == run) {
                act(&daemon, &name, service);
            }
        });
    });
}

/// Ends every process of every service: asks first, and does not wait long.
pub(crate) async fn stop_all(daemon: &Arc<Daemon>, limit: Duration) {
    daemon.update(|state| {
        for service in state.services.values_mut() {
            if service.pid.is_some() {
                signal_group(service, Signal::TERM);
                service.enter(Phase::Terminating);
            } else {
                service.enter(Phase::Stopped);
            }
        }
    });
    let all = |state: &mut State| {
        state
            .services
            .values()
            .all(|service| service.pid.is_none())
            .then_some(())
    };
    if tokio::time::timeout(limit, daemon.wait_for(all)).await.is_err() {
        daemon.read(|state| {
            state
                .services
                .values()
                .for_each(|service| signal_group(service, Signal::KILL))
        });
        let _ = tokio::time::timeout(limit, daemon.wait_for(all)).await;
    }
}

fn signal_group(service: &ServiceData, signal: Signal) {
    if let Some(pid) = service.pid {
        // It may be gone already.
        let _ = kill_process_group(pid, signal);
    }
}

/// Sends a signal by its name, `SIGHUP`.
pub(crate) fn signal(pid: Pid, name: &str) -> Result<(), String> {
    let signal = signal_by_name(name).ok_or_else(|| format!("invalid signal name {name:?}"))?;
    kill_process(pid, signal).map_err(|error| container::reason(&error.into()))
}

fn signal_by_name(name: &str) -> Option<Signal> {
    Some(match name {
        "SIGHUP" => Signal::HUP,
        "SIGINT" => Signal::INT,
        "SIGQUIT" => Signal::QUIT,
        "SIGABRT" => Signal::ABORT,
        "SIGKILL" => Signal::KILL,
        "SIGUSR1" => Signal::USR1,
        "SIGUSR2" => Signal::USR2,
        "SIGPIPE" => Signal::PIPE,
        "SIGALRM" => Signal::ALARM,
        "SIGTERM" => Signal::TERM,
        "SIGCHLD" => Signal::CHILD,
        "SIGCONT" => Signal::CONT,
        "SIGSTOP" => Signal::STOP,
        "SIGTSTP" => Signal::TSTP,
        "SIGWINCH" => Signal::WINCH,
        _ => return None,
    })
}

/// The exit code as a shell tells it: 128 and more for death by a signal.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
