//! Runs a charm once: state in, event, state out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use juju_hook_tools::context::{Event, HookContext, Paths, environment};
use juju_hook_tools::model::{Charm, CharmError, CharmFiles};
use juju_hook_tools::session::{ActionOutcome, CommitError, HookSession, LogLine};
use log::{LevelFilter, Log, Metadata, Record};

use super::consistency;
use super::pebble::{PebbleCall, PebbleFault};
use super::pebbles::Pebbles;
use super::runner::{Call, Fault, ModelRunner, Stopped};
use super::state::State;
use crate::context::JujuContext;
use crate::juju::Juju;
use crate::log::JujuLogger;

/// What does not change from event to event: the charm's declarations and where its files are.
#[derive(Debug, Clone, Default)]
pub struct Context {
    charm: Option<Charm>,
    charm_dir: Option<PathBuf>,
    containers_dir: Option<PathBuf>,
    faults: Vec<Fault>,
    /// With the container.
    pebble_faults: Vec<(String, PebbleFault)>,
}

/// The state and the event contradict each other, Juju could never have such a state, or the charm asked for something
/// that the state does not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot test this event: {}", problems.join("; "))]
pub struct InconsistentState {
    /// What is impossible, or was not declared.
    pub problems: Vec<String>,
}

/// Why an event's changes were not kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E> {
    /// The charm failed: Juju shows the unit in error and runs the hook again.
    #[error("the charm failed")]
    Charm(E),
    /// The charm ended well, and Juju then refused what it had written.
    #[error("Juju refused what the charm had written")]
    Commit(#[source] CommitError),
    /// A [`Fault`] killed the charm.
    #[error("the charm was killed")]
    Killed,
}

/// What an event came to.
pub struct Outcome<E> {
    /// What Juju knows now. Of a run that failed it has only what takes effect at once: status, workload version.
    pub state: State,
    /// How the run ended.
    pub result: Result<(), RunError<E>>,
    /// Every hook tool that was called, in order.
    pub calls: Vec<Call>,
    /// Every call of a Pebble by container, in order.
    pub pebble_calls: BTreeMap<String, Vec<PebbleCall>>,
    /// What was logged, by `juju-log`, `action-log` or the `log` crate.
    pub logs: Vec<LogLine>,
    /// What an action has said of its results; `None` in a hook.
    pub action: Option<ActionOutcome>,
    /// What is odd about the state or the event, but possible.
    pub warnings: Vec<String>,
}

impl<E: fmt::Debug> fmt::Debug for Outcome<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            state: _,
            result,
            calls,
            pebble_calls,
            logs,
            action,
            warnings,
        } = self;
        formatter
            .debug_struct("Outcome")
            .field("result", result)
            .field("calls", calls)
            .field("pebble_calls", pebble_calls)
            .field("logs", logs)
            .field("action", action)
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}

impl<E> Outcome<E> {
    /// The calls of a tool.
    pub fn calls_of(&self, tool: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.tool == tool).collect()
    }

    /// The calls that write; none in an event that changes nothing.
    pub fn writes(&self) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.writes()).collect()
    }

    /// The calls of a container's Pebble that write; none in an event that changes nothing.
    pub fn pebble_writes(&self, container: &str) -> Vec<&PebbleCall> {
        let calls = self.pebble_calls.get(container).into_iter().flatten();
        calls.filter(|call| call.writes()).collect()
    }
}

impl Context {
    /// A charm without declarations: events are checked against the state only.
    pub fn new() -> Self {
        Self::default()
    }

    /// A charm with its declarations, to which state and events are held.
    ///
    /// # Errors
    /// When a file is no YAML of the right form.
    pub fn with_files(files: &CharmFiles<'_>) -> Result<Self, CharmError> {
        Ok(Self {
            charm: Some(Charm::from_files(files)?),
            ..Self::default()
        })
    }

    /// Where the charm's files are: [`JujuContext::charm_dir`].
    #[must_use]
    pub fn with_charm_dir(mut self, charm_dir: impl Into<PathBuf>) -> Self {
        self.charm_dir = Some(charm_dir.into());
        self
    }

    /// Where the Pebble sockets are: [`JujuContext::containers_dir`].
    #[must_use]
    pub fn with_containers_dir(mut self, containers_dir: impl Into<PathBuf>) -> Self {
        self.containers_dir = Some(containers_dir.into());
        self
    }

    /// Makes something go wrong.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Makes something go wrong with the Pebble of a container.
    #[must_use]
    pub fn with_pebble_fault(mut self, container: &str, fault: PebbleFault) -> Self {
        self.pebble_faults.push((container.to_owned(), fault));
        self
    }

    /// Runs `charm` once, as Juju would: in a real environment for `event`, with hook tools that answer from `state`; its
    /// writes are kept if it succeeds and Juju takes them.
    ///
    /// What `charm` logs through the `log` crate on this thread is logged by `juju-log`, unless the test process has set a
    /// logger of its own. A [`Fault`] that kills unwinds the charm, so its destructors run, which a kill would not.
    ///
    /// # Errors
    /// When state and event contradict each other. How the charm fared is in the [`Outcome`].
    pub fn run<E>(
        &self,
        charm: impl FnOnce(&Juju) -> Result<(), E>,
        event: Event,
        state: &State,
    ) -> Result<Outcome<E>, InconsistentState> {
        self.run_with_pebbles(|juju, _| charm(juju), event, state)
    }

    /// [`run`](Self::run), for a charm that is handed the Pebbles of its containers. What a Pebble does it does at once: it
    /// stays, however the run ends.
    ///
    /// # Errors
    /// When state and event contradict each other, and when the charm has run a command that the state knows no answer to,
    /// or asked for a container that it does not have. How the charm fared is in the [`Outcome`].
    pub fn run_with_pebbles<E>(
        &self,
        charm: impl FnOnce(&Juju, &Pebbles) -> Result<(), E>,
        event: Event,
        state: &State,
    ) -> Result<Outcome<E>, InconsistentState> {
        let mut prepared = state.clone();
        if let Some(charm) = &self.charm {
            prepared.application_mut().charm = charm.clone();
        } else {
            consistency::declare_what_is_used(&mut prepared);
        }
        let findings = consistency::check(&prepared, &event);
        if !findings.errors.is_empty() {
            return Err(InconsistentState {
                problems: findings.errors,
            });
        }
        if let Event::RelationBroken { relation, .. } = &event {
            forget_remote_units(&mut prepared, *relation);
        }
        let one_problem = |problem: String| InconsistentState {
            problems: vec![problem],
        };
        let hook = HookContext::new(prepared.unit(), event, "0123456789abcdef0123456789abcdef");
        let context = self
            .juju_context(&prepared, &hook)
            .map_err(|error| one_problem(error.to_string()))?;
        let session =
            HookSession::begin(prepared.model(), hook).map_err(|error| one_problem(error.to_string()))?;

        let runner = ModelRunner::new(prepared.model().clone(), session, self.faults.clone());
        let juju = Juju::new(context, Box::new(runner.clone()));
        let containers = prepared.application().map(|app| &app.charm.containers);
        let pebbles = Pebbles::new(
            state.pebbles(),
            containers.into_iter().flatten(),
            &self.pebble_faults,
        );
        let ended = logging_to(&runner, || {
            std::panic::catch_unwind(AssertUnwindSafe(|| charm(&juju, &pebbles)))
        });
        let undeclared = pebbles.problems();
        let result = match ended {
            Ok(result) => result.map_err(RunError::Charm),
            Err(payload) if payload.is::<Stopped>() => Err(RunError::Killed),
            Err(payload) => std::panic::resume_unwind(payload),
        };
        if !undeclared.is_empty() {
            return Err(InconsistentState { problems: undeclared });
        }
        prepared.set_pebbles(pebbles.states(state.pebbles()));
        let mut running = runner.lock();
        let session = running.session.clone();
        let action = session.action().cloned();
        let result = match result {
            Ok(()) => session
                .commit(&mut running.model)
                .map(drop)
                .map_err(RunError::Commit),
            Err(error) => {
                session.abandon();
                Err(error)
            }
        };
        *prepared.model_mut() = running.model.clone();
        // The declarations are the context's, not the state's: what comes out compares with what went in.
        prepared.application_mut().charm = state
            .application()
            .map(|app| app.charm.clone())
            .unwrap_or_default();
        Ok(Outcome {
            state: prepared,
            result,
            calls: running.calls.clone(),
            pebble_calls: pebbles.calls(),
            logs: running.log.clone(),
            action,
            warnings: findings.warnings,
        })
    }

    fn juju_context(&self, state: &State, hook: &HookContext) -> Result<JujuContext, crate::ContextError> {
        let mut paths = Paths::of_unit(state.unit());
        if let Some(charm_dir) = &self.charm_dir {
            paths.charm_dir = display(charm_dir);
        }
        let mut variables = environment(state.model(), hook, &paths);
        if let Some(containers_dir) = &self.containers_dir {
            variables.push(("JUJU_CONTAINERS_DIR".to_owned(), display(containers_dir)));
        }
        JujuContext::from_vars(variables)
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// In relation-broken every remote unit has departed.
fn forget_remote_units(state: &mut State, relation: u32) {
    let unit = state.unit().to_owned();
    let record = state.model_mut().relations.get_mut(&relation);
    if let Some(member) = record.and_then(|record| record.units.get_mut(&unit)) {
        member.joined.clear();
    }
}

thread_local! {
    /// Where records of this thread go while a charm runs on it.
    static LOGGER: RefCell<Option<JujuLogger>> = const { RefCell::new(None) };
}

/// The one logger of the process: each thread runs its own charm.
struct ThreadLogger;

impl Log for ThreadLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Info
    }

    fn log(&self, record: &Record<'_>) {
        LOGGER.with_borrow(|logger| {
            if let Some(logger) = logger {
                logger.log(record);
            }
        });
    }

    fn flush(&self) {}
}

fn logging_to<T>(runner: &ModelRunner, run: impl FnOnce() -> T) -> T {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        if log::set_logger(&ThreadLogger).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    });
    LOGGER.set(Some(JujuLogger::new(Arc::new(runner.clone()), LevelFilter::Info)));
    let result = run();
    LOGGER.set(None);
    result
}
