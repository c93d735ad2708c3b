//! [`FakePebble`]: [`Pebble`]'s operations on a [`PebbleState`].

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::calls::{PebbleCall, PebbleFault};
use super::files::PathFault;
use super::rules::{combined, fate_of, is_notice_key, is_signal};
use super::state::{CommandFate, PebbleState};
use crate::pebble::{
    Change, ChangeId, ChangeSelect, CheckInfo, CheckLevel, Error, ExecOptions, ExecOutput, FileInfo,
    FileOptions, Layer, LogLine, Notice, NoticeType, NoticesQuery, Pebble, Plan, Result, ServiceInfo,
    ServiceStatus, Startup, SystemInfo, duration, validate,
};
use crate::testing::runner::stop;

/// Pebble's limits, from `internals/daemon/api_notices.go`.
const LONGEST_KEY: usize = 256;
const MOST_DATA: usize = 4096;

/// A Pebble in memory. Clones share one state, so that a test keeps one and the code under test has the other.
///
/// A command to which the state has no answer does not run: the call fails, and so does the test, when
/// [`finish`](Self::finish) is asked or the last clone is dropped.
#[derive(Debug, Clone)]
pub struct FakePebble {
    /// Where the socket would be.
    socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    state: PebbleState,
    calls: Vec<PebbleCall>,
    faults: Vec<PebbleFault>,
    refused: Vec<String>,
}

impl Drop for Shared {
    #[expect(
        clippy::panic,
        reason = "a test that asked for what it had not declared fails"
    )]
    fn drop(&mut self) {
        if !self.refused.is_empty() && !std::thread::panicking() {
            panic!("{}", self.refused.join("\n"));
        }
    }
}

impl FakePebble {
    /// A Pebble with this state.
    pub fn new(state: PebbleState) -> Self {
        Self::in_container("fake", state)
    }

    pub(in crate::testing) fn in_container(container: &str, state: PebbleState) -> Self {
        let refused = state.contradictions().to_vec();
        Self {
            socket: format!("/charm/containers/{container}/pebble.socket").into(),
            shared: Arc::new(Mutex::new(Shared {
                state,
                calls: Vec::new(),
                faults: Vec::new(),
                refused,
            })),
        }
    }

    /// With something that goes wrong.
    #[must_use]
    pub fn with_fault(self, fault: PebbleFault) -> Self {
        self.lock().faults.push(fault);
        self
    }

    /// What it holds now.
    pub fn state(&self) -> PebbleState {
        self.lock().state.clone()
    }

    /// Changes what it holds.
    pub fn change_state(&self, change: impl FnOnce(&mut PebbleState)) {
        change(&mut self.lock().state);
    }

    /// The calls so far, in order.
    pub fn calls(&self) -> Vec<PebbleCall> {
        self.lock().calls.clone()
    }

    /// Ends the test.
    ///
    /// # Errors
    /// The commands that were run without an answer to them.
    pub fn finish(&self) -> Result<(), String> {
        match std::mem::take(&mut self.lock().refused) {
            refused if refused.is_empty() => Ok(()),
            refused => Err(refused.join("\n")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one operation, unless a fault says otherwise.
    fn operate<T>(
        &self,
        operation: &'static str,
        subject: impl Into<String>,
        work: impl FnOnce(&mut PebbleState) -> Result<T>,
    ) -> Result<T> {
        let mut shared = self.lock();
        shared.calls.push(PebbleCall {
            operation,
            subject: subject.into(),
        });
        let number = shared.calls.len();
        let is_first = shared
            .calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
            == 1;
        for fault in shared.faults.clone() {
            match fault {
                PebbleFault::GoneBefore { call } if call <= number => shared.state.set_reachable(false),
                PebbleFault::StopBefore { call } if call == number => {
                    drop(shared);
                    stop();
                }
                PebbleFault::Refuse {
                    operation: refused,
                    status,
                    message,
                } if refused == operation => return Err(api(operation, status, message)),
                PebbleFault::RefuseFirst {
                    operation: refused,
                    status,
                    message,
                } if is_first && refused == operation => return Err(api(operation, status, message)),
                _ => {}
            }
        }
        if !shared.state.is_reachable() {
            return Err(Error::NotReachable {
                socket: self.socket.clone(),
                source: io::ErrorKind::NotFound.into(),
            });
        }
        let result = work(&mut shared.state);
        let stops = |fault: &PebbleFault| matches!(fault, PebbleFault::StopAfter { call } if *call == number);
        if shared.faults.iter().any(stops) {
            drop(shared);
            stop();
        }
        result
    }

    /// Whether the read of this file that has just been done was the one that came too early.
    fn is_torn(&self, path: &str) -> bool {
        let shared = self.lock();
        let is_told =
            |fault: &PebbleFault| matches!(fault, PebbleFault::TornRead { path: torn } if torn == path);
        let calls = shared.calls.iter();
        let reads = calls.filter(|call| call.operation == "read_file" && call.subject == path);
        shared.faults.iter().any(is_told) && reads.count() == 1
    }

    pub(in crate::testing) fn refuse(&self, problem: String) {
        self.lock().refused.push(problem);
    }
}

fn api(operation: impl Into<String>, status: u16, message: impl Into<String>) -> Error {
    Error::Api {
        operation: operation.into(),
        status,
        kind: String::new(),
        message: message.into(),
    }
}

fn path_error(operation: &'static str, path: &str, fault: PathFault) -> Error {
    Error::Path {
        operation,
        path: path.to_owned(),
        kind: fault.kind,
        message: fault.message,
    }
}

fn change_services(
    state: &mut PebbleState,
    action: &str,
    names: &[&str],
    work: impl FnOnce(&mut PebbleState) -> Result<ChangeId, validate::PlanError>,
) -> Result<ChangeId> {
    let operation = format!("{action} {}", names.join(", "));
    let takes_names = ["start", "stop", "restart"].contains(&action);
    if takes_names && names.is_empty() {
        return Err(api(
            operation,
            400,
            format!("must specify services for {action} action"),
        ));
    }
    work(state).map_err(|error| api(operation, 400, format!("cannot {action} services: {error}")))
}

fn known_checks(state: &PebbleState, action: &str, names: &[&str]) -> Result<Plan> {
    let plan = state.plan();
    let operation = format!("{action} checks {}", names.join(", "));
    if names.is_empty() {
        return Err(api(
            operation,
            400,
            format!("must specify checks for {action} action"),
        ));
    }
    let mut missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !plan.checks.contains_key(*name))
        .collect();
    missing.sort_unstable();
    if missing.is_empty() {
        return Ok(plan);
    }
    let message = format!(
        "cannot {action} checks: cannot find checks in plan: {}",
        missing.join(", ")
    );
    Err(api(operation, 400, message))
}

fn find_change(state: &PebbleState, operation: String, id: &ChangeId) -> Result<Change> {
    let found = state.changes.iter().find(|entry| entry.change.id == *id);
    let change = found.map(|entry| entry.change.clone());
    change.ok_or_else(|| api(operation, 404, format!("cannot find change with id \"{id}\"")))
}

impl Pebble for FakePebble {
    fn system_info(&self) -> Result<SystemInfo> {
        self.operate("system_info", "", |_| {
            Ok(SystemInfo {
                boot_id: "00000000-0000-4000-8000-000000000001".to_owned(),
                http_address: None,
                version: "v1.26.0".to_owned(),
            })
        })
    }

    fn add_layer(&self, label: &str, layer: &Layer, combine: bool) -> Result<()> {
        self.operate("add_layer", label, |state| {
            let joined = state.join_layer(label, layer, combine);
            joined.map_err(|message| api(format!("add layer {label:?}"), 400, message))
        })
    }

    fn plan(&self) -> Result<Plan> {
        self.operate("plan", "", |state| Ok(state.plan()))
    }

    fn services(&self, names: &[&str]) -> Result<Vec<ServiceInfo>> {
        self.operate("services", names.join(" "), |state| {
            let plan = state.plan();
            let wanted = plan
                .services
                .iter()
                .filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()));
            let info = |(name, service): (&String, &crate::pebble::Service)| {
                let started = state.services.get(name);
                let enabled = service.startup == Some(Startup::Enabled);
                ServiceInfo {
                    name: name.clone(),
                    startup: if enabled {
                        Startup::Enabled
                    } else {
                        Startup::Disabled
                    },
                    current: started.map_or(ServiceStatus::Inactive, |started| started.status.clone()),
                    current_since: started.map(|started| started.since.clone()),
                }
            };
            Ok(wanted.map(info).collect())
        })
    }

    fn autostart(&self) -> Result<ChangeId> {
        self.operate("autostart", "", |state| {
            let plan = state.plan();
            let enabled = plan
                .services
                .iter()
                .filter(|(_, service)| service.startup == Some(Startup::Enabled));
            let names: Vec<&str> = enabled.map(|(name, _)| name.as_str()).collect();
            if names.is_empty() {
                return Err(Error::Api {
                    operation: "autostart services".to_owned(),
                    status: 400,
                    kind: "no-default-services".to_owned(),
                    message: "no default services".to_owned(),
                });
            }
            change_services(state, "autostart", &names, |state| {
                state.start_services("autostart", &names)
            })
        })
    }

    fn replan(&self) -> Result<ChangeId> {
        self.operate("replan", "", |state| {
            state.has_ended(None);
            change_services(state, "replan", &[], PebbleState::replan_services)
        })
    }

    fn start(&self, names: &[&str]) -> Result<ChangeId> {
        self.operate("start", names.join(" "), |state| {
            state.has_ended(None);
            change_services(state, "start", names, |state| {
                state.start_services("start", names)
            })
        })
    }

    fn stop(&self, names: &[&str]) -> Result<ChangeId> {
        let faults = self.lock().faults.clone();
        self.operate("stop", names.join(" "), |state| {
            faults.iter().for_each(|fault| fault.save_at_stop(state, names));
            let slow = faults.iter().find_map(|fault| fault.ends_slowly(state, names));
            let id = change_services(state, "stop", names, |state| state.stop_services(names))?;
            if let Some((path, content)) = slow {
                state.is_ending(&id, path, content);
            }
            Ok(id)
        })
    }

    fn restart(&self, names: &[&str]) -> Result<ChangeId> {
        self.operate("restart", names.join(" "), |state| {
            change_services(state, "restart", names, |state| state.restart_services(names))
        })
    }

    fn change(&self, id: &ChangeId) -> Result<Change> {
        self.operate("change", id.as_str(), |state| {
            find_change(state, format!("read change {id}"), id)
        })
    }

    fn changes(&self, select: ChangeSelect, for_service: Option<&str>) -> Result<Vec<Change>> {
        self.operate("changes", for_service.unwrap_or_default(), |state| {
            let selected = state.changes.iter().filter(|entry| match select {
                ChangeSelect::All => true,
                ChangeSelect::Ready => entry.change.ready,
                ChangeSelect::InProgress => !entry.change.ready,
            });
            let wanted = selected.filter(|entry| {
                for_service.is_none_or(|service| entry.services.iter().any(|name| name == service))
            });
            Ok(wanted.map(|entry| entry.change.clone()).collect())
        })
    }

    /// What is not ready now will not be: the time passes at once.
    fn wait_change(&self, id: &ChangeId, timeout: Duration) -> Result<Change> {
        self.operate("wait_change", id.as_str(), |state| {
            state.has_ended(Some(id));
            let change = find_change(state, format!("wait for change {id}"), id)?;
            if !change.ready {
                state.pass(timeout);
                return Err(Error::ChangeTimeout {
                    id: id.clone(),
                    timeout,
                });
            }
            crate::pebble::finished(change)
        })
    }

    fn send_signal(&self, signal: &str, services: &[&str]) -> Result<()> {
        self.operate(
            "send_signal",
            format!("{signal} {}", services.join(" ")),
            |state| {
                let refuse = |status, message| {
                    api(
                        format!("send {signal} to {}", services.join(", ")),
                        status,
                        message,
                    )
                };
                if services.is_empty() {
                    return Err(refuse(400, "must specify one or more services".to_owned()));
                }
                let mut problems = Vec::new();
                for service in services {
                    let started = state.services.get(*service);
                    let reason = match started.map(|started| &started.status) {
                        Some(ServiceStatus::Active) if is_signal(signal) => {
                            state.signals.push((signal.to_owned(), (*service).to_owned()));
                            continue;
                        }
                        Some(ServiceStatus::Active) => format!("invalid signal name {signal:?}"),
                        _ => "service is not running".to_owned(),
                    };
                    problems.push(format!("cannot send signal to {service:?}: {reason}"));
                }
                match problems.is_empty() {
                    true => Ok(()),
                    false => Err(refuse(500, problems.join("; "))),
                }
            },
        )
    }

    fn logs(&self, services: &[&str], lines: u32) -> Result<Vec<LogLine>> {
        self.operate("logs", services.join(" "), |state| {
            let wanted = |line: &&LogLine| services.is_empty() || services.contains(&line.service.as_str());
            let mut newest: Vec<LogLine> = state.logs.iter().filter(wanted).cloned().collect();
            let count = usize::try_from(lines).unwrap_or(usize::MAX);
            Ok(newest.split_off(newest.len().saturating_sub(count)))
        })
    }

    fn checks(&self) -> Result<Vec<CheckInfo>> {
        self.operate("checks", "", |state| Ok(state.check_infos()))
    }

    fn start_checks(&self, names: &[&str]) -> Result<Vec<String>> {
        self.operate("start_checks", names.join(" "), |state| {
            let plan = known_checks(state, "start", names)?;
            Ok(state.start_known_checks(&plan, names))
        })
    }

    fn stop_checks(&self, names: &[&str]) -> Result<Vec<String>> {
        self.operate("stop_checks", names.join(" "), |state| {
            known_checks(state, "stop", names)?;
            Ok(state.stop_known_checks(names))
        })
    }

    fn refresh_check(&self, name: &str) -> Result<std::result::Result<(), String>> {
        self.operate("refresh_check", name.to_owned(), |state| {
            state.refresh_known_check(name).ok_or_else(|| {
                let message = format!("cannot find check with name {name:?}");
                api(format!("refresh check {name}"), 404, message)
            })
        })
    }

    fn health(&self, level: Option<CheckLevel>) -> Result<bool> {
        self.operate("health", "", |state| Ok(state.is_healthy(level)))
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let mut content = self.operate("read_file", path, |state| {
            state
                .files
                .read(path)
                .map_err(|fault| path_error("read", path, fault))
        })?;
        if self.is_torn(path) {
            content.truncate(content.len() / 2);
        }
        Ok(content)
    }

    fn write_file(&self, path: &str, content: &[u8], options: &FileOptions) -> Result<()> {
        self.operate("write_file", path, |state| {
            let now = state.tick();
            let written = state.files.write(path, content, options, &now);
            written.map_err(|fault| path_error("write", path, fault))
        })
    }

    fn list_files(&self, path: &str, itself: bool) -> Result<Vec<FileInfo>> {
        self.operate("list_files", path, |state| {
            if !path.starts_with('/') {
                let message = format!("path must be absolute, got {path:?}");
                return Err(api(format!("list {path}"), 400, message));
            }
            state
                .files
                .list(path, itself)
                .map_err(|fault| path_error("list", path, fault))
        })
    }

    fn make_dir(&self, path: &str, options: &FileOptions) -> Result<()> {
        self.operate("make_dir", path, |state| {
            let now = state.tick();
            let made = state.files.make_dir(path, options, &now);
            made.map_err(|fault| path_error("make folder", path, fault))
        })
    }

    fn remove_path(&self, path: &str, recursive: bool) -> Result<()> {
        self.operate("remove_path", path, |state| {
            state
                .files
                .remove(path, recursive)
                .map_err(|fault| path_error("remove", path, fault))
        })
    }

    fn exec(&self, options: &ExecOptions) -> Result<ExecOutput> {
        let Some(executable) = options.command.first() else {
            return self.operate("exec", "", |_| {
                Err(api("run a command", 400, "must specify command"))
            });
        };
        let operation = format!("run {executable}");
        let result = self.operate("exec", options.command.join(" "), |state| {
            let Some(fate) = fate_of(state, options) else {
                return Ok(None);
            };
            if fate == CommandFate::IsMissing {
                let message = format!("cannot find executable {executable:?}");
                return Err(api(&operation, 400, message));
            }
            let context = options.service_context.as_deref().unwrap_or_default();
            if !context.is_empty() && !state.plan().services.contains_key(context) {
                return Err(api(
                    &operation,
                    400,
                    format!("context service {context:?} not found"),
                ));
            }
            let (user, group) = (options.user.as_deref(), options.group.as_deref());
            let owner = state
                .files
                .user_and_group(options.user_id, user, options.group_id, group);
            owner.map_err(|message| api(&operation, 400, message))?;
            state.executed.push(options.clone());
            match fate {
                CommandFate::Ends(output) => {
                    state.record_exec(executable, output.exit_code, None);
                    Ok(Some(combined(output, options.combine_stderr)))
                }
                _ => {
                    let timeout = duration::format(options.effective_timeout());
                    state.pass(options.effective_timeout());
                    let error = format!("timed out after {timeout}: context deadline exceeded");
                    let id = state.record_exec(executable, -1, Some(error));
                    crate::pebble::finished(find_change(state, operation.clone(), &id)?)?;
                    Ok(None)
                }
            }
        })?;
        result.ok_or_else(|| {
            let words = &options.command;
            self.refuse(format!(
                "the command {words:?} was run, and the test has no answer to it: PebbleState::with_command gives one"
            ));
            Error::Protocol {
                operation,
                reason: format!("the test has no answer to the command {words:?}"),
            }
        })
    }

    fn notify(
        &self,
        key: &str,
        data: &BTreeMap<String, String>,
        repeat_after: Option<Duration>,
    ) -> Result<String> {
        self.operate("notify", key, |state| {
            let refuse = |message: String| Err(api(format!("raise notice {key}"), 400, message));
            if !is_notice_key(key) {
                return refuse(format!(
                    "invalid key {key:?} (must be in \"example.com/path\" format)"
                ));
            }
            if key.len() > LONGEST_KEY {
                return refuse(format!("key must be {LONGEST_KEY} bytes or less"));
            }
            // Pebble counts the bytes of the JSON.
            if serde_json::to_vec(data).is_ok_and(|json| json.len() > MOST_DATA) {
                return refuse(format!("total size of data must be {MOST_DATA} bytes or less"));
            }
            let repeat_after = repeat_after.filter(|time| !time.is_zero());
            Ok(state.add_notice(NoticeType::Custom, key, data.clone(), repeat_after))
        })
    }

    /// What is not there now will not come: the time passes at once.
    fn notices(&self, query: &NoticesQuery) -> Result<Vec<Notice>> {
        self.operate("notices", query.keys.join(" "), |state| {
            let NoticesQuery {
                types,
                keys,
                after,
                timeout,
            } = query;
            let wanted = |notice: &&Notice| {
                (types.is_empty() || types.contains(&notice.notice_type))
                    && (keys.is_empty() || keys.contains(&notice.key))
                    && after.as_ref().is_none_or(|after| notice.last_repeated > *after)
            };
            let mut notices: Vec<Notice> = state.notices.iter().filter(wanted).cloned().collect();
            notices.sort_by(|a, b| a.last_repeated.cmp(&b.last_repeated));
            if notices.is_empty() {
                state.pass(timeout.unwrap_or_default());
            }
            Ok(notices)
        })
    }
}
