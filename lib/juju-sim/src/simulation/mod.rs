//! A model with its applications, units, agents and containers, in a folder.

mod actions;
mod charm_folder;
mod charmhub;
mod cluster;
mod containers;
mod deploy;
mod imports;
mod look;
mod operate;
mod operations;
mod settle;
mod store;
mod types;
mod velero;

pub use charm_folder::deployable;
pub use charmhub::CharmhubOrigin;
pub(crate) use charmhub::find as charmhub;
pub(crate) use imports::{Imports, VOLUMES};
pub use look::find_executable;
pub(crate) use look::{action_time, clock_time, plain_time, status_time, table_time};
pub use operations::Operation;
pub use types::*;
pub(crate) use velero::created_object;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use juju_hook_tools::model::Model;

use crate::agent::{AgentSocket, DispatchReport};
use crate::error::{Error, Result};
use crate::kubernetes::{Server, no_namespace};
use crate::layout::{UnitPaths, app_of, short_root};
use crate::names;
use charm_folder::{link, remove_file, remove_folder};
use containers::Children;
use operations::Operations;
use store::{State, Store};

/// How long one command waits for another.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);

/// A simulated Juju: one controller, one model, on one Kubernetes.
///
/// Every method that changes something runs all events that follow from it before it returns, and stores the model.
/// When it is dropped every process that it started ends, unless [`Options::keep_running`] says otherwise; its folder
/// stays until [`Simulation::destroy`].
#[derive(Debug)]
pub struct Simulation {
    state: State,
    operations: Operations,
    executable: PathBuf,
    children: Children,
    sockets: BTreeMap<String, AgentSocket>,
    kubernetes: Option<Server>,
    reports: Vec<DispatchReport>,
    /// The unit in whose pod this runs; none: all units are here.
    own: Option<String>,
    /// The last one that goes: who waits for the folder makes sockets where ours are.
    store: Store,
}

impl Simulation {
    /// Makes a new, empty model in `dir`, which is created; an earlier simulation in it goes away.
    ///
    /// # Errors
    /// When Juju or Kubernetes would refuse the model's name, when the folder holds something else, is used by another process or
    /// cannot be written, or when there is no `juju-sim` executable.
    pub fn create(dir: impl AsRef<Path>, options: Options) -> Result<Simulation> {
        names::check_model(&options.model)?;
        // In a real pod there is a real namespace already.
        if let Some(problem) = no_namespace(&options.model).filter(|_| !options.layout.is_pod()) {
            return Err(Error::refused(problem));
        }
        let store = Store::lock(dir.as_ref(), Some(LOCK_DEADLINE))?;
        let executable = find_executable(options.executable.as_deref())?;
        let earlier = store.load()?;
        if earlier.is_none() && !store.is_empty()? {
            let reason = "cannot make a model in {}: it holds other files; name a new or empty folder";
            return Err(Error::Usage(
                reason.replace("{}", &store.dir().display().to_string()),
            ));
        }
        let mut simulation = Simulation::assemble(store, earlier.unwrap_or_default(), executable);
        simulation.end_everything()?;
        simulation.store.clear()?;
        simulation.state = State::new(options);
        simulation.start_cluster()?;
        let dir = simulation.store.dir().to_path_buf();
        let short = short_root(&dir);
        if short != dir {
            link(&dir, &short)?;
        }
        simulation.save()?;
        Ok(simulation)
    }

    /// Opens the model that `dir` holds.
    ///
    /// # Errors
    /// When there is none, or another process uses it.
    pub fn open(dir: impl AsRef<Path>) -> Result<Simulation> {
        Simulation::open_for(dir, None)
    }

    /// [`Simulation::open`] in the pod of `own`: of its application only this unit's events are run here, and the other units
    /// are out of reach. Each pod of an application has a state folder of its own; whoever plays the controller carries
    /// `model.json` from one to the next.
    ///
    /// # Errors
    /// As [`Simulation::open`].
    pub fn open_for(dir: impl AsRef<Path>, own: Option<String>) -> Result<Simulation> {
        Simulation::open_within(dir.as_ref(), own, Some(LOCK_DEADLINE))
    }

    /// [`Simulation::open_for`] that waits until nobody else has the model, however long that takes.
    /// # Errors
    /// When there is none.
    pub fn open_in_turn(dir: impl AsRef<Path>, own: Option<String>) -> Result<Simulation> {
        Simulation::open_within(dir.as_ref(), own, None)
    }

    /// The model that `dir` holds as it was stored last, to look at and to enqueue actions, while another process may have it.
    /// # Errors
    /// When there is none.
    pub fn look(dir: impl AsRef<Path>, own: Option<String>) -> Result<Looked> {
        let dir = dir.as_ref();
        if !dir.is_dir() {
            return Err(no_model(dir));
        }
        let store = Store::look(dir)?;
        let state = store.load()?.ok_or_else(|| no_model(dir))?;
        let mut simulation = Simulation::assemble(store, state, PathBuf::new());
        simulation.own = own;
        Ok(Looked(simulation))
    }

    fn open_within(dir: &Path, own: Option<String>, deadline: Option<Duration>) -> Result<Simulation> {
        if !dir.is_dir() {
            return Err(no_model(dir));
        }
        let store = Store::lock(dir, deadline)?;
        let state = store.load()?.ok_or_else(|| no_model(dir))?;
        let executable = find_executable(state.options.executable.as_deref())?;
        let mut simulation = Simulation::assemble(store, state, executable);
        simulation.own = own;
        simulation.start_cluster()?;
        simulation.listen_for_all()?;
        simulation.end_abandoned_tasks()?;
        Ok(simulation)
    }

    /// Ends every process of the simulation and removes its folder.
    ///
    /// # Errors
    /// When a process does not end or the folder cannot be removed.
    pub fn destroy(mut self) -> Result<()> {
        self.end_everything()?;
        let dir = self.store.dir().to_path_buf();
        remove_folder(&dir)?;
        let short = short_root(&dir);
        if short.is_symlink() {
            remove_file(&short)
        } else {
            Ok(())
        }
    }

    /// The whole state of the model, to look at.
    pub fn model(&self) -> &Model {
        &self.state.model
    }

    /// The state folder.
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// How this Juju behaves.
    pub fn options(&self) -> &Options {
        &self.state.options
    }

    /// Where the files of a unit lie.
    pub fn paths(&self, unit: &str) -> UnitPaths {
        self.state.options.layout.unit(self.store.dir(), unit)
    }

    /// Whether a unit's pod is the one that this runs in.
    pub(crate) fn is_here(&self, unit: &str) -> bool {
        // Other applications have no pods of their own in such a bed: they are played where they were deployed.
        self.own
            .as_deref()
            .is_none_or(|own| own == unit || app_of(own) != app_of(unit))
    }

    /// The units of all applications whose pods can be reached from here.
    pub(crate) fn units_here(&self) -> Vec<String> {
        let all = self.state.agents.keys();
        all.filter(|unit| self.is_here(unit)).cloned().collect()
    }

    fn assemble(store: Store, state: State, executable: PathBuf) -> Simulation {
        let (children, sockets, reports) = (Children::default(), BTreeMap::new(), Vec::new());
        let operations = Operations::of(store.dir());
        Simulation {
            store,
            state,
            operations,
            executable,
            children,
            sockets,
            kubernetes: None,
            reports,
            own: None,
        }
    }

    fn end_everything(&mut self) -> Result<()> {
        self.sockets.clear();
        let units: Vec<String> = self.state.pebbles.keys().cloned().collect();
        units.iter().try_for_each(|unit| self.stop_containers(unit))
    }

    fn save(&self) -> Result<()> {
        self.store.save(&self.state)
    }
}

/// A simulation that is only looked at: what would change the model needs the simulation itself.
#[derive(Debug)]
pub struct Looked(Simulation);

impl std::ops::Deref for Looked {
    type Target = Simulation;

    fn deref(&self) -> &Simulation {
        &self.0
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let is_ours = self.store.is_locked() && !self.state.options.keep_running;
        if is_ours && self.end_everything().is_ok() && self.store.dir().exists() {
            // Nobody is left to be told; the next process finds what was stored last.
            let _ = self.save();
        }
    }
}

fn no_model(dir: &Path) -> Error {
    Error::Usage(format!(
        "cannot open a model in {}: make one with `juju-sim add-model`",
        dir.display()
    ))
}
