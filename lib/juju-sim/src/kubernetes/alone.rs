//! The stand-in Kubernetes by itself, without a model: for programs that a person runs against a cluster.

use std::collections::BTreeMap;

use serde_json::Value;

use super::resources::Resources;
use super::{ClusterRequest, Server, SharedObjects};
use crate::error::{Error, Result};

/// What an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
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
            Self::Everything => true,
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
}

impl People {
    /// The name of the account that has this token, and whether it may read these objects.
    pub fn account(&self, token: &str, plural: &str) -> Option<(String, bool)> {
        let (name, rights) = self.accounts.get(token)?;
        Some((name.clone(), rights.has(plural)))
    }
}

/// An API server that holds what is put there, lists it in pages to accounts that may read it, and counts what it is asked.
///
/// It is read only. A token that it does not know has expired.
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
