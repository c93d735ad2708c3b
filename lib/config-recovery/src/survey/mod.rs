//! What backups need in a cluster, looked at for all apps of a model at once: as many requests for a hundred apps as for one.
//!
//! Each part is an answer of its own. Who may not look at one sees the others all the same.

mod read;

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::backups::AppId;
use crate::backups::names::{is_config_volume, unit_of};
use crate::cluster::ClusterError;
use crate::method::{Lookup, NodeAgent, Volume, VolumeSource, has_csi_feature};
pub use read::{objects, snapshot_drivers, survey};

/// What a look gave, or why nothing.
pub type Answer<T> = Result<T, ClusterError>;

/// All of it.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The clock of the API server less the one here; `None` where it does not tell.
    pub clock: Answer<Option<SignedDuration>>,
    /// The pods and claims of the model, and what is behind them.
    pub objects: Objects,
    /// Storage classes: what makes their volumes.
    pub storage_classes: Answer<BTreeMap<String, String>>,
    /// Nodes, and whether each has not been heard of for so long that nobody knows how it is.
    pub nodes: Answer<BTreeMap<String, bool>>,
    /// Applications of the model with what Juju's ClusterRole lets them do: everything, or next to nothing.
    pub trusted: Answer<BTreeMap<String, bool>>,
    /// The classes of snapshots.
    pub snapshot_classes: Answer<Vec<SnapshotClass>>,
    /// The pods of Velero's servers.
    pub servers: Answer<Vec<VeleroPod>>,
    /// The pods of its node agents.
    pub agents: Answer<Vec<VeleroPod>>,
    /// What is wrong with Velero's definitions for the image of the node agents.
    pub definitions: Answer<Vec<String>>,
    /// The namespaces that a Velero is in.
    pub veleros: Vec<Velero>,
}

/// Pods, claims and volumes.
#[derive(Debug, Clone)]
pub struct Objects {
    /// Pods.
    pub pods: Answer<Vec<Pod>>,
    /// Claims.
    pub claims: Answer<Vec<Claim>>,
    /// The volumes of the cluster (PersistentVolumes) by name.
    pub volumes: Answer<BTreeMap<String, VolumeSource>>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The node that it is on; empty before it is scheduled.
    pub node: String,
    /// Its volumes.
    pub volumes: Vec<PodVolume>,
}

/// A pod's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodVolume {
    /// Its name in the pod.
    pub name: String,
    /// Where it comes from.
    pub source: PodVolumeSource,
}

/// Where a pod's volume comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodVolumeSource {
    /// A claim of this name.
    Claim(String),
    /// A folder of the node.
    HostPath,
    /// Something of Kubernetes' own: a Secret, a ConfigMap, a token. File-system backup passes these over.
    OfKubernetes,
    /// Something else that has files: a folder that goes with the pod, for one.
    Other,
}

/// A claim (PersistentVolumeClaim).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its volume; `None` while it has none.
    pub volume: Option<String>,
    /// Its storage class.
    pub storage_class: Option<String>,
}

/// A class of snapshots (VolumeSnapshotClass).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotClass {
    /// Its name.
    pub name: String,
    /// The driver that makes them.
    pub driver: String,
    /// Whether it is marked for Velero.
    pub is_marked: bool,
}

/// A pod of Velero's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VeleroPod {
    /// Its namespace.
    pub namespace: String,
    /// The node that it is on.
    pub node: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Velero's image.
    pub image: String,
    /// Velero's arguments.
    pub arguments: Vec<String>,
}

/// A namespace that a Velero is in.
#[derive(Debug, Clone)]
pub struct Velero {
    /// Its name.
    pub namespace: String,
    /// The password of its repositories.
    pub password: Answer<Password>,
    /// The ConfigMap that its node agents read, with what it says; `None` if they read none.
    pub configuration: Option<Configuration>,
}

/// The password of Velero's repositories, as far as anybody needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// There is none yet. Velero makes the public one when it begins.
    NotSet,
    /// It is the one in Velero's source.
    Public,
    /// It is another one.
    Own,
}

/// The ConfigMap of a node agent.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Its name.
    pub name: String,
    /// How many volumes are copied at a time on a node, or why that cannot be read. `None` where there is no such ConfigMap.
    pub concurrency: Answer<Option<Result<u32, String>>>,
}

impl Objects {
    /// The pod of an application whose config volume is backed up, and that volume: the one that says so, else that of the lowest
    /// number. `None` without pods or without such a volume.
    pub fn stored(&self, whose: &AppId) -> Option<(&Pod, &PodVolume)> {
        let pods = self.pods.as_ref().ok()?;
        let mut units: Vec<(bool, u32, &Pod, &PodVolume)> = pods
            .iter()
            .filter(|pod| pod.namespace == whose.model)
            .filter_map(|pod| {
                let unit = unit_of(&whose.app, &pod.name)?;
                let volume = pod
                    .volumes
                    .iter()
                    .find(|volume| is_config_volume(&whose.app, &volume.name))?;
                Some((!pod.opts_in(&volume.name), unit, pod, volume))
            })
            .collect();
        units.sort_by_key(|(other, unit, ..)| (*other, *unit));
        units.first().map(|(_, _, pod, volume)| (*pod, *volume))
    }

    /// The claim of this name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Claim> {
        let mut claims = self.claims.iter().flatten();
        claims.find(|claim| claim.namespace == namespace && claim.name == name)
    }

    /// What is behind a pod's volume.
    pub fn source(&self, pod: &Pod, volume: &PodVolume) -> Lookup<VolumeSource> {
        let no_claim = || ClusterError::NotFound {
            action: format!("read the claim of volume {}", volume.name),
        };
        let PodVolumeSource::Claim(name) = &volume.source else {
            return Lookup::Unknown(no_claim());
        };
        let claims = Lookup::from(self.claims.as_ref().map_err(Clone::clone));
        claims.and_then(|_| {
            let claim = self.claim(&pod.namespace, name).ok_or_else(no_claim)?;
            let name = claim.volume.as_ref().ok_or_else(no_claim)?;
            let volumes = self.volumes.as_ref().map_err(Clone::clone)?;
            volumes.get(name).cloned().ok_or_else(no_claim)
        })
    }

    /// Whether a pod's volume is a claim that has a volume; `None` while that is not known.
    pub fn is_bound(&self, pod: &Pod, volume: &PodVolume) -> Option<bool> {
        let PodVolumeSource::Claim(name) = &volume.source else {
            return None;
        };
        Some(self.claim(&pod.namespace, name)?.volume.is_some())
    }
}

impl Pod {
    /// Whether it opts this volume into file-system backup.
    pub fn opts_in(&self, volume: &str) -> bool {
        self.lists(velero_backup_config::pod::BACKUP_VOLUMES, volume)
    }

    /// Whether it opts this volume out of file-system backup.
    pub fn opts_out(&self, volume: &str) -> bool {
        self.lists(velero_backup_config::pod::BACKUP_VOLUMES_EXCLUDES, volume)
    }

    fn lists(&self, annotation: &str, volume: &str) -> bool {
        let listed = self.annotations.get(annotation);
        listed.is_some_and(|listed| listed.split(',').any(|name| name.trim() == volume))
    }
}

/// What was looked at of a config volume, for [`crate::method`].
#[derive(Debug, Clone)]
pub struct ConfigVolume {
    is_host_path_in_pod: bool,
    is_bound: Option<bool>,
    source: Lookup<VolumeSource>,
    snapshot_drivers: Lookup<Vec<String>>,
    node_agent: Lookup<NodeAgent>,
}

impl ConfigVolume {
    /// As the rules want it.
    pub fn as_volume(&self) -> Volume<'_> {
        Volume {
            is_host_path_in_pod: self.is_host_path_in_pod,
            is_bound: self.is_bound,
            source: &self.source,
            snapshot_drivers: &self.snapshot_drivers,
            node_agent: &self.node_agent,
        }
    }
}

impl Survey {
    /// What was looked at of a pod's volume.
    pub fn config_volume(&self, pod: &Pod, volume: &PodVolume) -> ConfigVolume {
        ConfigVolume {
            is_host_path_in_pod: volume.source == PodVolumeSource::HostPath,
            is_bound: self.objects.is_bound(pod, volume),
            source: self.objects.source(pod, volume),
            snapshot_drivers: self.snapshot_drivers().into(),
            node_agent: self.node_agent(&pod.node).into(),
        }
    }

    /// Drivers of which Velero makes snapshots.
    ///
    /// # Errors
    /// What could not be looked at.
    pub fn snapshot_drivers(&self) -> Answer<Vec<String>> {
        drivers(&self.snapshot_classes, &self.servers)
    }

    /// The node agent of a node. Whether its definitions do is said for all nodes at once.
    ///
    /// # Errors
    /// What could not be looked at.
    pub fn node_agent(&self, node: &str) -> Answer<NodeAgent> {
        let agents = self.agents.as_ref().map_err(Clone::clone)?;
        let runs = agents.iter().any(|agent| agent.is_running && agent.node == node);
        Ok(if runs { NodeAgent::Runs } else { NodeAgent::None })
    }
}

/// Drivers of which Velero makes snapshots: they have a class that is marked for it, and a server has the feature.
fn drivers(classes: &Answer<Vec<SnapshotClass>>, servers: &Answer<Vec<VeleroPod>>) -> Answer<Vec<String>> {
    let classes = classes.as_ref().map_err(Clone::clone)?;
    let marked = classes.iter().filter(|class| class.is_marked);
    let marked: Vec<String> = marked.map(|class| class.driver.clone()).collect();
    if marked.is_empty() {
        return Ok(marked);
    }
    let servers = servers.as_ref().map_err(Clone::clone)?;
    let makes_them = servers.iter().any(|server| has_csi_feature(&server.arguments));
    Ok(if makes_them { marked } else { Vec::new() })
}
