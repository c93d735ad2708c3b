//! Runs events until nothing is left to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use juju_hook_tools::context::{Event, HookContext, Paths, environment};
use juju_hook_tools::model::{Model, application_name};
use juju_hook_tools::session::{ActionOutcome, Change, CommitError, HookSession, LogLine, LogTarget};

use super::deploy::refusal;
use super::{Simulation, StartOrder, charm_folder};
use crate::agent::{DispatchReport, Exit, Finished, Running, next_event, run_process};
use crate::error::{Error, Result};
use crate::pebble_news::PebbleNews;

/// A hook that a signal ended is run again this often; then something is wrong with the charm.
const MOST_TERMINATIONS: u32 = 3;
/// Between two looks at the Pebbles in [`Simulation::settle_until`].
const PAUSE: Duration = Duration::from_millis(10);
/// The `PATH` of Juju's charm container, behind the hook tools.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/charm/bin";

/// What one run of an event left behind.
pub(crate) struct Ran {
    pub report: DispatchReport,
    pub action: Option<ActionOutcome>,
    pub log: Vec<LogLine>,
    /// The whole pod was killed.
    pub pod_lost: bool,
}

/// What the model made of a hook's writes, or how else the hook ended.
type Committed = std::result::Result<std::result::Result<Vec<Change>, CommitError>, Exit>;

impl Simulation {
    /// Asks every Pebble for news and runs every event that is due, unit by unit, until nothing is left.
    ///
    /// # Errors
    /// When the charm cannot be run at all, or when its events never end. A hook that fails is no error.
    pub fn settle(&mut self) -> Result<()> {
        let mut dispatches = 0;
        let mut resting = Vec::new();
        loop {
            let mut idle = true;
            self.ask_pebbles();
            for unit in self.units_here() {
                let options = &self.state.options;
                let agent = self.state.agents.get(&unit).filter(|_| !resting.contains(&unit));
                let due = agent.and_then(|agent| next_event(&self.state.model, &unit, agent, options));
                let Some(event) = due else { continue };
                idle = false;
                dispatches += 1;
                let ran = self.run_event(&unit, event)?;
                if matches!(ran.report.exit, Exit::Terminated(_)) && !self.state.options.retry_terminated {
                    resting.push(unit.clone());
                }
                if dispatches >= self.state.options.most_dispatches {
                    let last = format!("{unit} {}", ran.report.path);
                    self.save()?;
                    return Err(Error::NeverSettles { dispatches, last });
                }
            }
            idle &= !self.bury()?;
            idle &= !self.replace_outdated_pods()?;
            idle &= !self.reconcile_operators();
            self.drop_ended_relations()?;
            if idle {
                return self.save();
            }
        }
    }

    /// Settles again and again until `reached` holds, for news that come from Pebble in their own time. Says whether it
    /// came to that within `deadline`.
    ///
    /// # Errors
    /// As [`Simulation::settle`].
    pub fn settle_until(
        &mut self,
        deadline: Duration,
        reached: impl Fn(&Simulation) -> bool,
    ) -> Result<bool> {
        let end = Instant::now() + deadline;
        loop {
            self.settle()?;
            if reached(self) {
                return Ok(true);
            }
            if Instant::now() > end {
                return Ok(false);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Lets five minutes pass for a unit: update-status. Nothing happens on a unit in error, as in Juju.
    ///
    /// # Errors
    /// When there is no such unit; else as [`Simulation::settle`].
    pub fn update_status(&mut self, unit: &str) -> Result<()> {
        self.state.lingering.clear();
        if self.operator_update_status(unit) {
            return self.settle();
        }
        self.known_unit(unit)?;
        if let Some(agent) = self
            .state
            .agents
            .get_mut(unit)
            .filter(|agent| agent.failed.is_none())
        {
            agent.queue.push(Event::UpdateStatus);
        }
        self.settle()
    }

    /// Runs an event for a unit at once, whether or not its turn has come, and then what follows from it.
    ///
    /// # Errors
    /// When there is no such unit; else as [`Simulation::settle`].
    pub fn dispatch(&mut self, unit: &str, event: Event) -> Result<DispatchReport> {
        self.known_unit_here(unit)?;
        let report = self.run_event(unit, event)?.report;
        self.settle()?;
        Ok(report)
    }

    /// `juju resolved UNIT`: runs the failed hook again, or with `--no-retry` goes on as if it had succeeded.
    ///
    /// # Errors
    /// When there is no such unit or it is not in error.
    pub fn resolved(&mut self, unit: &str, retry: bool) -> Result<()> {
        self.known_unit_here(unit)?;
        let model = &self.state.model;
        let agent = self.state.agents.get_mut(unit);
        let Some((agent, event)) = agent.and_then(|agent| agent.failed.take().map(|event| (agent, event)))
        else {
            return Err(Error::refused(format!("unit {unit:?} is not in an error state")));
        };
        if retry {
            self.run_event(unit, event)?;
        } else {
            agent.note(&event, model, unit);
        }
        self.settle()
    }

    /// Runs one event, and again where Juju would.
    pub(crate) fn run_event(&mut self, unit: &str, event: Event) -> Result<Ran> {
        let (mut failures, mut terminations) = (0, 0);
        loop {
            let ran = self.run_once(unit, &event)?;
            if ran.pod_lost {
                self.replace_pod(unit, false)?;
            }
            match ran.report.exit {
                Exit::Terminated(_) if self.state.options.retry_terminated && !event.is_action() => {
                    terminations += 1;
                    if terminations > MOST_TERMINATIONS {
                        self.set_failed(unit, &event);
                        return Ok(ran);
                    }
                }
                Exit::Failed(_) | Exit::CommitFailed if !event.is_action() => {
                    failures += 1;
                    if failures > self.state.options.automatic_retries {
                        self.set_failed(unit, &event);
                        return Ok(ran);
                    }
                }
                _ => return Ok(ran),
            }
        }
    }

    fn set_failed(&mut self, unit: &str, event: &Event) {
        if let Some(agent) = self.state.agents.get_mut(unit) {
            agent.failed = Some(event.clone());
        }
    }

    fn run_once(&mut self, unit: &str, event: &Event) -> Result<Ran> {
        self.prepare(unit, event)?;
        let before = self.state.model.clone();
        let context = HookContext::new(unit, event.clone(), self.nonce());
        let dispatch_path = format!(
            "{}/{}",
            if event.is_action() { "actions" } else { "hooks" },
            event.name(&before, unit)
        );
        let session = HookSession::begin(&before, context.clone()).map_err(refusal)?;
        let paths = self.paths(unit);
        let relation = event.relation().and_then(|id| before.relations.get(&id));
        let mut ran = Ran {
            report: DispatchReport {
                unit: unit.to_owned(),
                path: dispatch_path.clone(),
                relation: relation
                    .map(|relation| relation.name_for(application_name(unit)))
                    .unwrap_or_default(),
                remote_unit: event.remote_unit().unwrap_or_default().to_owned(),
                exit: Exit::Skipped,
                tools: Vec::new(),
                cluster_writes: 0,
                wall: Duration::ZERO,
                user: Duration::ZERO,
                system: Duration::ZERO,
                max_resident: 0,
                stdout: String::new(),
                stderr: String::new(),
            },
            action: None,
            log: Vec::new(),
            pod_lost: false,
        };
        let Some(program) = charm_folder::executable(&paths.charm, &dispatch_path) else {
            let committed = Ok(session.commit(&mut self.state.model));
            self.finish(event, &before, committed, &mut ran, None)?;
            return Ok(ran);
        };
        let group = Arc::new(AtomicI32::new(0));
        let fault = self.take_fault(unit, &dispatch_path);
        let takes_pod = fault.as_ref().is_some_and(|fault| fault.with_pod);
        let begun = self.begin_writes(unit, fault.as_ref(), &group);
        self.tell_cluster_of_trust();
        let variables = self.variables(&before, &context);
        let publish = self.publish(event)?;
        let socket = self
            .sockets
            .get(unit)
            .ok_or_else(|| Error::refused(format!("unit {unit:?} not found")))?;
        socket.begin(Running {
            model: std::mem::take(&mut self.state.model),
            session,
            context_id: context.id(&before),
            fault,
            calls: Vec::new(),
            log: Vec::new(),
            group: Arc::clone(&group),
            after_call: publish,
        });
        let finished = run_process(&program, &paths.charm, &variables, |started| {
            group.store(started, Ordering::SeqCst)
        });
        let Some(ended) = socket.end() else {
            return Err(Error::refused("the hook was ended twice"));
        };
        self.state.model = ended.model;
        ran.report.tools = ended.calls;
        self.tell_cluster_of_hook(&ran.report);
        ran.action = ended.session.action().cloned();
        ran.log = ended.log;
        let (writes, cut_off) = self.end_writes(unit, &begun);
        ran.report.cluster_writes = writes;
        let unused = ended.fault.filter(|_| !cut_off);
        ran.pod_lost = takes_pod && unused.is_none();
        if let Some(unused) = unused {
            // A tool that was never called, or an object that was not changed: the fault waits for a dispatch that does it.
            self.state
                .faults
                .entry(unit.to_owned())
                .or_default()
                .insert(0, unused);
        }
        let finished = finished?;
        let committed = match finished.code {
            Some(0) => Ok(ended.session.commit(&mut self.state.model)),
            Some(code) => Err(Exit::Failed(code)),
            None => Err(Exit::Terminated(finished.signal.unwrap_or(0))),
        };
        self.finish(event, &before, committed, &mut ran, Some(finished))?;
        Ok(ran)
    }

    /// Notes what came of an event, in the agent's memory, the log and the reports.
    fn finish(
        &mut self,
        event: &Event,
        before: &Model,
        committed: Committed,
        ran: &mut Ran,
        finished: Option<Finished>,
    ) -> Result<()> {
        let unit = ran.report.unit.clone();
        let mut refused = None;
        ran.report.exit = match committed {
            Ok(Ok(changes)) => {
                self.queue_owner_events(&changes);
                if let Some(agent) = self.state.agents.get_mut(&unit) {
                    agent.note(event, before, &unit);
                    if *event == Event::ConfigChanged && agent.started {
                        let twice = self.state.options.liberties.config_changed_late_and_twice;
                        agent.config_again = twice && !agent.config_again;
                    }
                    agent.failed = None;
                }
                self.after(&unit, event);
                if finished.is_some() {
                    Exit::Success
                } else {
                    Exit::Skipped
                }
            }
            Ok(Err(error)) => {
                refused = Some(error.to_string());
                Exit::CommitFailed
            }
            Err(exit) => exit,
        };
        if let Some(finished) = finished {
            ran.report.wall = finished.wall;
            ran.report.user = finished.user;
            ran.report.system = finished.system;
            ran.report.max_resident = finished.max_resident;
            ran.report.stdout = String::from_utf8_lossy(&finished.stdout).into_owned();
            ran.report.stderr = String::from_utf8_lossy(&finished.stderr).into_owned();
        }
        self.state.dispatches += 1;
        self.log(ran, event, refused.as_deref())?;
        self.reports.push(ran.report.clone());
        Ok(())
    }

    /// What Juju does before a hook.
    fn prepare(&mut self, unit: &str, event: &Event) -> Result<()> {
        self.state.model.now = self.now();
        match event {
            Event::RelationCreated { relation } => _ = self.state.model.enter_scope(*relation, unit),
            Event::StorageAttached { storage } => self.mount_storage(unit, storage)?,
            _ => {}
        }
        Ok(())
    }

    /// What Juju knows once the first hook has run: the pod's address, and sooner or later its volumes.
    fn after(&mut self, unit: &str, event: &Event) {
        if *event != Event::Install {
            return;
        }
        let address = self.pod_address(unit);
        if let Some(stored) = self.state.model.units.get_mut(unit) {
            stored.address = Some(address);
        }
        if self.state.options.start_order == StartOrder::PebbleFirst {
            for storage in self.storage_of(unit) {
                // It is there: this unit's own list was just read.
                let _ = self.mount_storage(unit, &storage);
            }
        }
    }

    fn mount_storage(&mut self, unit: &str, storage: &str) -> Result<()> {
        let (name, _) = storage.split_once('/').unwrap_or((storage, ""));
        let location = self.storage_dir(unit, name).display().to_string();
        self.state
            .model
            .mount_storage(storage, &location)
            .map(|_| ())
            .map_err(refusal)
    }

    /// A secret's owner is told of revisions that nobody reads. The other changes are seen by the agents themselves.
    fn queue_owner_events(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Event {
                unit,
                event: event @ Event::SecretRemove { .. },
            } = change
                && let Some(agent) = self.state.agents.get_mut(unit)
            {
                agent.queue.push(event.clone());
            }
        }
    }

    /// Which Pebbles run, and what they have to tell.
    fn ask_pebbles(&mut self) {
        for unit in self.units_here() {
            let containers: Vec<String> = self
                .state
                .apps
                .get(application_name(&unit))
                .map(|record| record.containers.keys().cloned().collect())
                .unwrap_or_default();
            for container in containers {
                let news = PebbleNews::at(&self.pebble_socket(&unit, &container));
                let Some(agent) = self.state.agents.get_mut(&unit) else {
                    continue;
                };
                let seen = agent.containers.entry(container.clone()).or_default();
                seen.running = news.boot_id().ok();
                if seen.running.is_none() || seen.running != seen.ready {
                    continue;
                }
                // A Pebble that went away in between is asked again the next time.
                if let Ok((events, newest)) = news.events(&container, seen.notices_after.as_deref()) {
                    seen.notices_after = newest;
                    agent.queue.extend(events);
                }
            }
        }
    }

    fn drop_ended_relations(&mut self) -> Result<()> {
        let relations = self.state.model.relations.values();
        let is_over = |units: &BTreeMap<String, _>| {
            !units
                .values()
                .any(|member: &juju_hook_tools::model::RelationUnit| member.in_scope)
        };
        let ended: Vec<u32> = relations
            .filter(|relation| relation.dying && is_over(&relation.units))
            .map(|relation| relation.id)
            .collect();
        for id in ended {
            self.state.model.remove_relation(id).map_err(refusal)?;
        }
        Ok(())
    }

    fn variables(&self, model: &Model, context: &HookContext) -> BTreeMap<String, String> {
        let paths = self.paths(&context.unit);
        let in_pod = self.state.options.layout.is_pod();
        let juju = Paths {
            charm_dir: paths.charm.display().to_string(),
            tools_dir: paths.tools.display().to_string(),
            agent_socket: paths.socket.display().to_string(),
            path: PATH.to_owned(),
        };
        let mut variables = self.state.options.environment.clone();
        variables.extend(environment(model, context, &juju));
        if !in_pod {
            variables.insert(
                "JUJU_CONTAINERS_DIR".to_owned(),
                paths.containers.display().to_string(),
            );
            variables.insert(
                "KUBECONFIG".to_owned(),
                self.kubeconfig(&context.unit).display().to_string(),
            );
        }
        variables
    }

    fn take_fault(&mut self, unit: &str, dispatch_path: &str) -> Option<crate::agent::Fault> {
        let faults = self.state.faults.get_mut(unit)?;
        let position = faults
            .iter()
            .position(|fault| fault.is_meant_for(dispatch_path))?;
        Some(faults.remove(position))
    }

    /// 32 hexadecimal digits that differ from run to run, and are the same when the same story is told again.
    fn nonce(&self) -> String {
        let mut nonce = String::with_capacity(32);
        let mut state = self.state.dispatches.wrapping_mul(2);
        for _ in 0..2 {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let _ = write!(nonce, "{:016x}", mixed ^ (mixed >> 31));
        }
        nonce
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.moment().div_euclid(1_000_000_000)
    }

    /// Nanoseconds since 1970.
    pub(crate) fn moment(&self) -> i64 {
        super::look::moment(self.state.options.clock, self.state.dispatches)
    }

    /// Writes the unit's log as `juju debug-log` shows it.
    fn log(&self, ran: &Ran, event: &Event, refused: Option<&str>) -> Result<()> {
        let report = &ran.report;
        let (unit, path) = (&report.unit, self.paths(&report.unit).log);
        let name = event.name(&self.state.model, unit);
        let mut lines: Vec<(&str, String, &str)> = Vec::new();
        for line in &ran.log {
            if let LogTarget::Unit(level) = line.target {
                lines.push((level.as_str(), format!("unit.{unit}.juju-log"), &line.text));
            }
        }
        for (level, text) in [("DEBUG", &report.stdout), ("WARNING", &report.stderr)] {
            lines.extend(
                text.lines()
                    .map(|line| (level, format!("unit.{unit}.{name}"), line)),
            );
        }
        let operation = "juju.worker.uniter.operation".to_owned();
        let outcome = match report.exit {
            Exit::Success => format!("ran {name:?} hook (via hook dispatching script: dispatch)"),
            Exit::Skipped => format!("skipped {name:?} hook (missing)"),
            Exit::Failed(code) => format!("hook {name:?} failed: exit status {code}"),
            Exit::Terminated(signal) => format!("hook {name:?} was terminated by signal {signal}"),
            Exit::CommitFailed => format!("hook {name:?} failed: {}", refused.unwrap_or_default()),
        };
        lines.push((
            if report.exit.is_done() { "INFO" } else { "ERROR" },
            operation,
            &outcome,
        ));
        let time = super::look::clock_time(self.now());
        let dashed = unit.replace('/', "-");
        let text: String = lines
            .iter()
            .map(|(level, logger, line)| format!("unit-{dashed}: {time} {level} {logger} {line}\n"))
            .collect();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        file.write_all(text.as_bytes()).map_err(Error::io("write", &path))
    }
}
