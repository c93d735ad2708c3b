//! The state folder: one file with everything that lasts from command to command, and a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use juju_hook_tools::model::{JujuVersion, Model};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::Options;
use super::charm_folder::{remove_file, remove_folder};
use super::containers::ContainerSpec;
use crate::agent::{AgentState, Fault};
use crate::error::{Error, Result};
use crate::kubernetes::SharedObjects;

const FILE: &str = "model.json";
const LOCK: &str = "lock";
const PAUSE: Duration = Duration::from_millis(20);

/// The file of a lock, which is made if it is not there.
fn lock_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::io("open", path))
}

/// A lock that no other process has. Waits for it for ever; it is held until this is dropped.
pub(super) fn locked(path: &Path) -> Result<File> {
    let lock = lock_file(path)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| Error::io("lock", path)(error.into()))?;
    Ok(lock)
}

/// Everything that lasts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub options: Options,
    pub model: Model,
    pub apps: BTreeMap<String, AppRecord>,
    pub agents: BTreeMap<String, AgentState>,
    pub faults: BTreeMap<String, Vec<Fault>>,
    /// Process ids of simulated Pebbles, by unit and container.
    pub pebbles: BTreeMap<String, BTreeMap<String, u32>>,
    pub operators: BTreeMap<String, super::velero::OperatorRecord>,
    /// The ends of relations that were removed and still count as there: a liberty of Juju's.
    pub lingering: BTreeSet<BTreeSet<String>>,
    /// Numbers context ids, and moves a clock that stands still otherwise.
    pub dispatches: u64,
    /// Numbers pods, for their addresses.
    pub pods: u32,
    /// The objects of the stand-in Kubernetes.
    pub cluster: SharedObjects,
}

/// What is known of an application besides the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AppRecord {
    /// The unpacked charm that units are given a copy of.
    pub charm_dir: PathBuf,
    /// `charm-rev`: 0 for the first local charm of that name, one more with each refresh.
    pub revision: u32,
    /// Where it comes from, if not from a file.
    pub charmhub: Option<super::CharmhubOrigin>,
    /// The OCI images that were given with the charm, by the names of their resources.
    pub images: BTreeSet<String>,
    pub containers: BTreeMap<String, ContainerSpec>,
    /// No new units, and gone with the last one.
    pub dying: bool,
}

impl State {
    /// An empty model.
    pub fn new(options: Options) -> State {
        let mut model = Model {
            name: options.model.clone(),
            ..Model::default()
        };
        model.juju_version = JujuVersion::new(&options.juju_version);
        if let Some(uuid) = &options.model_uuid {
            model.uuid.clone_from(uuid);
        }
        let cluster = SharedObjects::default();
        cluster.lock().namespace.clone_from(&model.name);
        cluster.lock().options = options.cluster.clone();
        State {
            options,
            model,
            cluster,
            ..State::default()
        }
    }
}

/// The state folder, for as long as this value lives no other process's, unless it is only looked at.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    lock: Option<File>,
}

impl Store {
    /// The folder, to read what is there.
    pub fn look(dir: &Path) -> Result<Store> {
        let dir = std::fs::canonicalize(dir).map_err(Error::io("find", dir))?;
        Ok(Store { dir, lock: None })
    }

    /// Makes the folder if it is not there, and waits until no other process uses it, for ever without a deadline.
    pub fn lock(dir: &Path, deadline: Option<Duration>) -> Result<Store> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let dir = std::fs::canonicalize(dir).map_err(Error::io("find", dir))?;
        let path = dir.join(LOCK);
        let Some(patience) = deadline else {
            let lock = Some(locked(&path)?);
            return Ok(Store { dir, lock });
        };
        let lock = lock_file(&path)?;
        let deadline = Instant::now() + patience;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(Error::io("lock", &path)(error.into()));
            }
            if Instant::now() > deadline {
                return Err(Error::Locked {
                    path: dir,
                    seconds: patience.as_secs(),
                });
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Store {
            dir,
            lock: Some(lock),
        })
    }

    /// Whether it is this process's alone.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The folder, as an absolute path without links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether nothing but the lock is in it.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.entries()?.is_empty())
    }

    /// Removes everything but the lock.
    pub fn clear(&self) -> Result<()> {
        for path in self.entries()? {
            if path.is_dir() && !path.is_symlink() {
                remove_folder(&path)?
            } else {
                remove_file(&path)?
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))?;
        let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(Error::io("list", &self.dir))?;
        paths.retain(|path| !path.ends_with(LOCK));
        Ok(paths)
    }

    /// What an earlier process stored; none if nothing.
    pub fn load(&self) -> Result<Option<State>> {
        let path = self.dir.join(FILE);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read", &path))?,
        };
        let state = serde_json::from_slice(&text);
        state.map(Some).map_err(|error| Error::Malformed {
            path,
            reason: error.to_string(),
        })
    }

    /// Stores the state: the old or the new one is there at any time.
    pub fn save(&self, state: &State) -> Result<()> {
        save(&self.dir, state)
    }
}

/// Stores the state in the folder `dir`, which is this process's.
pub(crate) fn save(dir: &Path, state: &State) -> Result<()> {
    let path = dir.join(FILE);
    let text = serde_json::to_vec_pretty(state).map_err(|error| Error::Malformed {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let new = dir.join("model.json.new");
    let mut file = File::create(&new).map_err(Error::io("write", &new))?;
    file.write_all(&text).map_err(Error::io("write", &new))?;
    std::fs::rename(&new, &path).map_err(Error::io("write", &path))
}
