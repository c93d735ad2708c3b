//! The handle that a charm uses: typed reads, each done once and only when asked for; writes that skip what does not
//! differ. It does not touch Pebble or files; it knows where they are.
//!
//! Every hook tool is a process that asks the unit's agent over a socket, 4 to 10 ms each: their number is the cost of a
//! dispatch. So one value is never asked for twice, and a write updates what is remembered.

mod actions;
mod model;
mod relations;
mod secrets;
mod unit;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::context::JujuContext;
use crate::error::Error;
use crate::hook_tools::{CloudCredential, GoalState};
use crate::names::{Port, RelationId, StorageId, UnitName};
use crate::pebble;
use crate::runner::{ProcessRunner, ToolRunner};
use crate::secret::SecretContent;
use crate::status::CurrentStatus;
use crate::variables::ContextError;

/// Juju, as the unit of a charm sees it during one dispatch.
///
/// What is read is remembered until the handle is dropped: make one for each dispatch, and keep it no longer.
pub struct Juju {
    context: JujuContext,
    runner: Arc<dyn ToolRunner>,
    reads: Reads,
}

/// What has been read, or written and is therefore known.
#[derive(Default)]
struct Reads {
    leader: OnceCell<bool>,
    config: OnceCell<Config>,
    relations: RefCell<BTreeMap<String, Vec<RelationId>>>,
    relation_units: RefCell<BTreeMap<RelationId, Vec<UnitName>>>,
    remote_apps: RefCell<BTreeMap<RelationId, Option<String>>>,
    /// By relation and owner: a unit's or an application's name, which cannot be mistaken for one another.
    bags: RefCell<BTreeMap<(RelationId, String), BTreeMap<String, String>>>,
    status: RefCell<Option<CurrentStatus>>,
    application_status: RefCell<Option<CurrentStatus>>,
    ports: RefCell<Option<Vec<Port>>>,
    secrets: RefCell<BTreeMap<String, Option<SecretContent>>>,
    state: RefCell<Option<BTreeMap<String, String>>>,
    storages: RefCell<BTreeMap<String, Vec<StorageId>>>,
    goal_state: OnceCell<GoalState>,
    resources: RefCell<BTreeMap<String, PathBuf>>,
    cloud_credential: OnceCell<CloudCredential>,
    remote_models: RefCell<BTreeMap<RelationId, Option<String>>>,
}

impl Juju {
    /// A handle on a given context, with hook tools run by `runner`.
    pub fn new(context: JujuContext, runner: Box<dyn ToolRunner>) -> Self {
        Self {
            context,
            runner: runner.into(),
            reads: Reads::default(),
        }
    }

    /// The handle of this process: its environment, hook tools as processes.
    ///
    /// # Errors
    /// When the environment is not that of a hook or an action.
    pub fn from_env() -> Result<Self, ContextError> {
        Ok(Self::new(JujuContext::from_env()?, Box::new(ProcessRunner)))
    }

    /// What the environment says.
    pub fn context(&self) -> &JujuContext {
        &self.context
    }

    /// The Pebble of a workload container. Making the client does nothing; a container that has not started shows at its
    /// first call.
    pub fn pebble(&self, container: &str) -> pebble::Client {
        pebble::Client::for_socket(self.context.pebble_socket(container))
    }

    /// What runs the hook tools, for [`crate::hook_tools`] that this handle does not wrap. It then does not know what they
    /// changed.
    pub fn runner(&self) -> &dyn ToolRunner {
        self.runner.as_ref()
    }

    /// The same, to keep.
    pub(crate) fn shared_runner(&self) -> Arc<dyn ToolRunner> {
        Arc::clone(&self.runner)
    }
}

impl fmt::Debug for Juju {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Juju")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// A value that is read once.
fn read_once<T>(cell: &OnceCell<T>, read: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
    match cell.get() {
        Some(value) => Ok(value),
        None => {
            let value = read()?;
            Ok(cell.get_or_init(|| value))
        }
    }
}

/// One of several values that are each read once, and may be changed by writing.
fn read_each_once<K: Ord, T: Clone>(
    cell: &RefCell<BTreeMap<K, T>>,
    key: K,
    read: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    if let Some(value) = cell.borrow().get(&key) {
        return Ok(value.clone());
    }
    let value = read()?;
    cell.borrow_mut().insert(key, value.clone());
    Ok(value)
}

/// A value that is read once, and may be changed by writing.
fn read_latest<T: Clone>(
    cell: &RefCell<Option<T>>,
    read: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    if let Some(value) = cell.borrow().as_ref() {
        return Ok(value.clone());
    }
    let value = read()?;
    *cell.borrow_mut() = Some(value.clone());
    Ok(value)
}
