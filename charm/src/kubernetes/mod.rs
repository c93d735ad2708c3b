//! What the charm reads and changes in Kubernetes: its own pod, and what lies behind its volumes.
//!
//! Which of it may be read depends on trust. The Role that Juju gives an application without `--trust` allows get, list
//! and patch of pods in the own namespace and nothing of claims, volumes or classes; with `--trust` everything is allowed
//! (`internal/provider/kubernetes/application/trust.go` of juju/juju). A refusal is an answer here, not a fault.

mod client;
mod connection;
mod kinds;
mod silence;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use client::{KubeCluster, in_runtime};
pub use config_recovery::ClusterError;
pub use config_recovery::method::{NodeAgent, VolumeSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Access to the cluster, as far as the charm needs it. The charm's own namespace is implied.
pub trait Cluster {
    /// Where this pod reaches the API server, as Kubernetes tells every container; `None` outside of a pod.
    fn address(&self) -> Option<IpAddr>;

    /// The pod of this name.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn pod(&self, name: &str) -> Result<Pod, ClusterError>;

    /// Sets annotations of a pod; `None` removes one. Others stay as they are.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn annotate_pod(
        &self,
        name: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError>;

    /// The claim of this name. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn claim(&self, name: &str) -> Result<Claim, ClusterError>;

    /// Changes labels and annotations of a claim. Others stay as they are. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn mark_claim(&self, name: &str, marks: &Marks) -> Result<(), ClusterError>;

    /// Whether a pod that is not of the application `app` mounts the claim. Pods that have ended or are ending do not count.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn others_mount(&self, claim: &str, app: &str) -> Result<bool, ClusterError>;

    /// The pods of an application.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn pods_of(&self, app: &str) -> Result<Vec<Pod>, ClusterError>;

    /// The StatefulSet that makes an application's pods. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn stateful_set(&self, name: &str) -> Result<StatefulSet, ClusterError>;

    /// Changes what the pods of a StatefulSet mount beside what Juju gives them. If that is a change, Kubernetes replaces
    /// the pods. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn change_mount(&self, stateful_set: &str, change: &MountChange) -> Result<(), ClusterError>;

    /// Applies a strategic merge patch to the template of the pods of a StatefulSet. If that is a change, Kubernetes replaces
    /// the pods. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn change_pods(&self, stateful_set: &str, template: &Value) -> Result<(), ClusterError>;

    /// An object of a kind that the charm makes itself; `None` when there is none of that name. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn object(&self, kind: ObjectKind, name: &str) -> Result<Option<FoundObject>, ClusterError>;

    /// Makes an object, or puts it right: server-side apply, which takes over what others have changed. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn apply_object(&self, object: &OwnObject) -> Result<(), ClusterError>;

    /// Deletes an object that the charm has made. That there is none is no error. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn delete_object(&self, kind: ObjectKind, name: &str) -> Result<(), ClusterError>;

    /// What is behind the volume (the PersistentVolume) of this name. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn volume(&self, name: &str) -> Result<VolumeSource, ClusterError>;

    /// The drivers of which Velero makes snapshots: a VolumeSnapshotClass is marked for it, and its server runs with the
    /// feature `EnableCSI`. Without that a backup is Completed and holds nothing. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn snapshot_drivers(&self) -> Result<Vec<String>, ClusterError>;

    /// Velero's node agent on this node. Needs trust.
    ///
    /// # Errors
    /// See [`ClusterError`].
    fn node_agent(&self, node: &str) -> Result<NodeAgent, ClusterError>;
}

/// What the charm looks at in its pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pod {
    /// The node that it runs on; empty before it is scheduled.
    pub node: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its volumes, by name.
    pub volumes: BTreeMap<String, PodVolume>,
    /// Where each container mounts which volume: container, then mount path, then the volume's name.
    pub mounts: BTreeMap<String, BTreeMap<String, String>>,
    /// The image of each container.
    pub images: BTreeMap<String, String>,
    /// The image of each init container.
    pub init_images: BTreeMap<String, String>,
}

/// Applies a change of annotations as a merge patch does: a value is set, `None` removes one, others stay.
pub fn annotate(annotations: &mut BTreeMap<String, String>, change: &BTreeMap<String, Option<String>>) {
    for (key, value) in change {
        match value {
            Some(value) => annotations.insert(key.clone(), value.clone()),
            None => annotations.remove(key),
        };
    }
}

impl Pod {
    /// The volume that `container` mounts at `path`.
    pub fn volume_at(&self, container: &str, path: &str) -> Option<&str> {
        self.mounts.get(container)?.get(path).map(String::as_str)
    }

    /// Where `container` mounts `volume`.
    pub fn path_of(&self, container: &str, volume: &str) -> Option<&str> {
        let mounts = self.mounts.get(container)?;
        mounts
            .iter()
            .find(|(_, name)| *name == volume)
            .map(|(path, _)| path.as_str())
    }
}

/// Where a pod's volume comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodVolume {
    /// A claim, by name.
    Claim(String),
    /// A folder of the node. File-system backup refuses these.
    HostPath,
    /// Something that does not outlive the pod, or holds no data of the app's.
    Other,
}

/// A change of what the pods of an application mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountChange {
    /// Name of the volume in the pods. Nobody else uses it.
    pub volume: String,
    /// The container that mounts it.
    pub container: String,
    /// What it is to be; `None` removes the volume.
    pub mount: Option<Mount>,
    /// Paths at which it is mounted now and shall not be any more.
    pub no_longer_at: Vec<String>,
    /// Annotations that the pods get from their first moment on; `None` removes one.
    pub annotations: BTreeMap<String, Option<String>>,
}

/// A claim and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Name of the claim.
    pub claim: String,
    /// Absolute path in the container.
    pub path: String,
}

/// What the charm looks at in a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatefulSet {
    /// Its id. Another one of the same name has another.
    pub uid: String,
    /// What the next pods are made from.
    pub template: Pod,
}

/// The kinds of objects that the charm makes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// Settings for containers.
    ConfigMap,
    /// What pods may reach.
    NetworkPolicy,
}

impl ObjectKind {
    /// Its name, as in an object's `kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::NetworkPolicy => "NetworkPolicy",
        }
    }
}

/// An object as the charm makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// All of it that the charm decides, with `apiVersion`, `kind` and `metadata.name`.
    pub content: Value,
}

/// Such an object as it is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundObject {
    /// All of it but its metadata.
    pub content: Value,
    /// The ids of the objects with which it goes.
    pub owners: Vec<String>,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claim {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The volume that it is bound to; `None` while it is pending.
    pub volume: Option<String>,
}

/// Labels and annotations of an object that are to change; `None` removes one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Marks {
    /// Labels.
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations.
    pub annotations: BTreeMap<String, Option<String>>,
}

/// A refusal as short as a status shows it. Of a lack of rights the API server says more, which is for the log.
pub fn brief(error: &ClusterError) -> String {
    match error {
        ClusterError::Unreachable { reason, .. } => format!("cannot reach Kubernetes: {reason}"),
        ClusterError::NotAllowed { action, .. } => format!("Kubernetes does not allow the charm to {action}"),
        ClusterError::NotFound { .. }
        | ClusterError::Quota { .. }
        | ClusterError::Policy { .. }
        | ClusterError::Ending { .. }
        | ClusterError::Refused { .. } => error.to_string(),
    }
}
