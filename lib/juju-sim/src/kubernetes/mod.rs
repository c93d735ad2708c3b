//! The stand-in Kubernetes: the objects around the units' pods, behind the few requests that a charm makes of them.
//!
//! It holds StatefulSets, pods, claims, volumes and service accounts as Juju and a provisioner make them, takes merge patches of metadata and
//! strategic ones of what a StatefulSet's pods mount and of containers beside Juju's, keeps ConfigMaps and NetworkPolicies that a charm
//! applies, and allows what the Role of an application allows: without trust its
//! pods, with trust everything. Pods that are not what their StatefulSet says are replaced, as its controller does. Whatever it was not told of it
//! refuses with a `Status` object, and every request is noted, so that tests can say what was asked and what was changed.
//! Sources: the recorded objects of a Juju 4.0.15 for the shapes, `internal/provider/kubernetes/application/trust.go` of
//! juju/juju for the Role.

mod accounts;
mod alone;
mod applied;
mod kill;
mod limits;
mod living;
mod names;
mod objects;
mod patch;
mod person;
mod resources;
mod server;
mod stateful_set;
mod velero;
mod working;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use alone::{Rights, StandInCluster};
pub(crate) use kill::PlannedKill;
pub(crate) use limits::{NoPods, no_namespace};
pub(crate) use objects::{PodParts, StorageParts};
pub(crate) use server::Server;
pub(crate) use velero::VeleroObjects;
pub(crate) use working::{STORAGE, Working};

/// How the stand-in cluster is made up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterOptions {
    /// What the provisioner makes.
    pub volumes: VolumeKind,
    /// Drivers with a VolumeSnapshotClass that is marked for Velero. Empty: the cluster does not know snapshots.
    pub snapshot_drivers: Vec<String>,
    /// Whether Velero's server runs with the feature `EnableCSI`.
    pub csi_feature: bool,
    /// Whether Velero's node agent runs.
    pub node_agent: bool,
    /// Whether applications without trust may patch pods, as Juju's Role allows; `false` stands for a stricter policy.
    pub pods_may_be_patched: bool,
    /// Whether applications with trust may patch claims, as their Role allows; `false` stands for a stricter policy.
    pub claims_may_be_patched: bool,
    /// Whether there are pods for applications whose names are too long for Kubernetes. No Kubernetes does that today; with it a
    /// test can see what a charm makes of every name that Juju takes.
    pub pods_of_long_names: bool,
    /// Whether the cluster knows Velero's resources.
    pub velero: bool,
    /// Whether a Velero makes the backups and restores of files that applications with trust ask for, at once, in a folder beside the
    /// model. Without it nothing comes of such an object, and what is listed was put there.
    pub velero_works: bool,
    /// Whether a Velero has read what is stored in the locations of the stand-in velero-operators, and so lists all of it. One that works
    /// has.
    pub velero_has_read: bool,
    /// Whether anybody answers.
    pub answers: bool,
}

impl Default for ClusterOptions {
    fn default() -> ClusterOptions {
        ClusterOptions {
            volumes: VolumeKind::Local,
            snapshot_drivers: Vec::new(),
            csi_feature: true,
            node_agent: true,
            pods_may_be_patched: true,
            claims_may_be_patched: true,
            pods_of_long_names: false,
            velero: true,
            velero_works: false,
            velero_has_read: false,
            answers: true,
        }
    }
}

/// What is behind the volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// Type `local`.
    Local,
    /// Type `hostPath`, the default of small clusters, which file-system backup refuses.
    HostPath,
    /// A CSI driver of this name.
    Csi(String),
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRequest {
    /// The unit whose token it carried.
    pub unit: String,
    /// `GET`, `PATCH`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The answer's status.
    pub status: u16,
}

impl ClusterRequest {
    /// Whether it asks for a change.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

/// The objects, and who may do what with them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Objects {
    pub namespace: String,
    pub options: ClusterOptions,
    /// By application. Not in a real pod, where Kubernetes is real too.
    pub stateful_sets: BTreeMap<String, Value>,
    pub pods: BTreeMap<String, Value>,
    pub claims: BTreeMap<String, Value>,
    pub volumes: BTreeMap<String, Value>,
    /// Volumes that were imported, by the id of their storage.
    pub imported: BTreeMap<String, String>,
    /// ServiceAccounts: one of each application, and those that Juju makes for whoever reads a secret.
    pub accounts: BTreeMap<String, Value>,
    /// ConfigMaps and NetworkPolicies that charms have applied, by kind as in a path, then by name.
    pub applied: BTreeMap<String, BTreeMap<String, Value>>,
    /// What can be listed of Velero's.
    pub velero: VeleroObjects,
    /// What a Velero at work has beside the model's objects.
    #[serde(skip)]
    pub working: Working,
    /// Applications with trust.
    pub trusted: BTreeSet<String>,
    pub requests: Vec<ClusterRequest>,
    /// Persons, for a cluster without a model.
    #[serde(skip)]
    pub people: alone::People,
    /// The dispatch that is to be cut off at one of its writes.
    #[serde(skip)]
    pub kill: Option<PlannedKill>,
}

/// The objects, shared with the thread that answers requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedObjects(Arc<Mutex<Objects>>);

impl SharedObjects {
    pub fn lock(&self) -> MutexGuard<'_, Objects> {
        // Nothing is left half-changed where a thread could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serialize for SharedObjects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lock().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedObjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Objects::deserialize(deserializer).map(|objects| SharedObjects(Arc::new(Mutex::new(objects))))
    }
}
