//! The stand-in Kubernetes by itself, without a model: for programs that a person runs against a cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::resources::Resources;
use super::{ClusterRequest, Server, SharedObjects};
use crate::error::{Error, Result};
use crate::simulation::{Simulation, VOLUMES};

/// What an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
    /// Read and change everything.
    Admin,
    /// Read everything.
    Everything,
    /// Read everything but resources of these plural names.
    AllBut(Vec<String>),
    /// Nothing.
    Nothing,
}

impl Rights {
    fn has(&self, plural: &str) -> bool {
        match self {
            Self::Admin | Self::Everything => true,
            Self::AllBut(denied) => !denied.iter().any(|denied| denied == plural),
            Self::Nothing => false,
        }
    }
}

/// Persons who ask, by their tokens, and what there is for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct People {
    accounts: BTreeMap<String, (String, Rights)>,
    pub(super) resources: Resources,
    /// The state folder of a model whose pods, claims and volumes are here too.
    model: Option<PathBuf>,
    pub(super) strike: Option<Strike>,
}

/// Something that happens at one of the writes to come.
#[derive(Clone)]
pub(crate) struct Strike {
    /// Writes until then, this one included.
    write: usize,
    /// Whether the write takes effect.
    pub after: bool,
    act: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Strike {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Strike")
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}

impl Strike {
    /// Lets it happen.
    pub fn strike(&self) {
        (self.act)();
    }
}

impl People {
    /// The name of the account that has this token, and whether it may read these objects.
    pub fn account(&self, token: &str, plural: &str, is_write: bool) -> Option<(String, bool)> {
        let (name, rights) = self.accounts.get(token)?;
        let may = rights.has(plural) && (!is_write || *rights == Rights::Admin);
        Some((name.clone(), may))
    }

    /// Counts a write. Gives back what is to happen at it.
    pub fn writes(&mut self) -> Option<Strike> {
        if let Some(strike) = &mut self.strike {
            strike.write = strike.write.saturating_sub(1);
        }
        self.strike.take_if(|strike| strike.write == 0)
    }

    /// Puts what the model has now in the place of what it had.
    pub fn look_at_model(&mut self) {
        let Some(Ok(model)) = self.model.as_ref().map(|folder| Simulation::look(folder, None)) else {
            return;
        };
        let namespace = model.model().name.clone();
        let (pods, claims, volumes) = model.in_cluster();
        self.resources.mirror(&namespace, pods, claims, volumes);
    }

    /// Tells the model which volumes there are.
    pub fn tell_model(&self) {
        let Some(folder) = &self.model else {
            return;
        };
        let volumes = self.resources.matching("/api/v1/persistentvolumes");
        let volumes: BTreeMap<&str, &Value> = volumes
            .iter()
            .map(|volume| (volume["metadata"]["name"].as_str().unwrap_or_default(), volume))
            .collect();
        let (file, new) = (folder.join(VOLUMES), folder.join("volumes.new"));
        let text = serde_json::to_vec(&volumes).unwrap_or_default();
        // A test whose folder is gone has ended.
        let _ = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &file));
    }
}

/// An API server that holds what is put there, lists it in pages to accounts that may read it, and counts what it is asked.
///
/// Only an account with [`Rights::Admin`] may change something, and of what follows from a change only some is played. A token that it does not know has expired.
///
/// ```
/// use juju_sim::{Rights, StandInCluster};
/// # fn main() -> juju_sim::Result<()> {
/// let cluster = StandInCluster::start()?;
/// cluster.put(serde_json::json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "home"}}))?;
/// cluster.admit("admin", "s3cret", Rights::Everything);
/// let kubeconfig = cluster.kubeconfig("s3cret");
/// assert!(kubeconfig.contains("http://127.0.0.1:"));
/// assert!(cluster.requests().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StandInCluster {
    objects: SharedObjects,
    server: Server,
}

impl StandInCluster {
    /// Starts one without objects and accounts, on a free port of the loopback interface. It ends when it is dropped.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub fn start() -> Result<Self> {
        let objects = SharedObjects::default();
        let server = Server::start(objects.clone())?;
        Ok(Self { objects, server })
    }

    /// Lets an account in.
    pub fn admit(&self, name: &str, token: &str, rights: Rights) {
        let account = (name.to_owned(), rights);
        self.objects
            .lock()
            .people
            .accounts
            .insert(token.to_owned(), account);
    }

    /// The login with this token has ended.
    pub fn expire(&self, token: &str) {
        self.objects.lock().people.accounts.remove(token);
    }

    /// Puts an object there, in the place of the one of the same kind, namespace and name.
    ///
    /// # Errors
    /// When its kind is not known.
    pub fn put(&self, object: Value) -> Result<()> {
        let put = self.objects.lock().people.resources.put(object);
        put.map_err(unknown)
    }

    /// Puts many objects there, none of which is there already.
    ///
    /// # Errors
    /// When a kind is not known.
    pub fn put_all(&self, objects: Vec<Value>) -> Result<()> {
        let put = self.objects.lock().people.resources.put_all(objects);
        put.map_err(unknown)
    }

    /// The definitions of this group are not installed: `velero.io`.
    pub fn forget_group(&self, group: &str) {
        self.objects.lock().people.resources.forget_group(group);
    }

    /// From now on the pods, claims and volumes of the model in this state folder are here too, and the model imports volumes from here.
    pub fn plays_for(&self, model: impl Into<PathBuf>) {
        let people = &mut self.objects.lock().people;
        people.model = Some(model.into());
        people.look_at_model();
        people.tell_model();
    }

    /// At the write of this number from now on, before it or after it has taken effect, this happens.
    pub fn at_write(&self, number: usize, after: bool, act: impl Fn() + Send + Sync + 'static) {
        let act: Arc<dyn Fn() + Send + Sync> = Arc::new(act);
        let write = number;
        self.objects.lock().people.strike = Some(Strike { write, after, act });
    }

    /// An object, by its path.
    pub fn get(&self, path: &str) -> Option<Value> {
        let people = &mut self.objects.lock().people;
        people.look_at_model();
        people.resources.get(path)
    }

    /// All objects of a path.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let people = &mut self.objects.lock().people;
        people.look_at_model();
        people.resources.matching(path)
    }

    /// Whether anybody answers. Otherwise the API server says that it cannot.
    pub fn answers(&self, answers: bool) {
        self.objects.lock().options.answers = answers;
    }

    /// A kubeconfig with this token, whose one context is `home`.
    pub fn kubeconfig(&self, token: &str) -> String {
        self.server.kubeconfig_of("home", "person", token, "default")
    }

    /// All requests so far. The account is in the place of the unit.
    pub fn requests(&self) -> Vec<ClusterRequest> {
        self.objects.lock().requests.clone()
    }
}

fn unknown(kind: String) -> Error {
    Error::refused(format!("the stand-in Kubernetes does not know the kind {kind}"))
}
