//! What is known of the config volume in the cluster.

pub use config_recovery::method::Lookup;
use serde::{Deserialize, Serialize};

use crate::kubernetes::{Claim, Cluster, ClusterError, NodeAgent, Pod, PodVolume, VolumeSource};

/// Name of the container that Juju runs the charm in.
pub const CHARM_CONTAINER: &str = "charm";

/// The config volume in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupFacts {
    /// Not looked at: nobody is asked for backups.
    NotRead,
    /// Nobody is asked for backups, so that it does not matter how the volume is saved; this pod may carry marks of before.
    Marks(Box<Pod>),
    /// The pod could not be read.
    Failed(ClusterError),
    /// The pod mounts no volume where the storage should be.
    NoSuchVolume,
    /// This is it.
    Read(Box<VolumeFacts>),
}

/// The config volume, and what lies behind it as far as the charm may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// The unit's pod.
    pub pod: Pod,
    /// The volume's name in the pod.
    pub name: String,
    /// Where the charm container mounts it.
    pub charm_path: String,
    /// Name of its claim.
    pub claim_name: Option<String>,
    /// Its claim.
    pub claim: Lookup<Claim>,
    /// What is behind the claim.
    pub source: Lookup<VolumeSource>,
    /// Drivers with snapshot classes for Velero.
    pub snapshot_drivers: Lookup<Vec<String>>,
    /// Velero's node agent on the pod's node.
    pub node_agent: Lookup<NodeAgent>,
}

impl BackupFacts {
    /// What a pod tells of which only the marks matter.
    pub fn of_marks(pod: &Result<Pod, ClusterError>) -> Self {
        match pod {
            Ok(pod) => Self::Marks(Box::new(pod.clone())),
            Err(error) => Self::Failed(error.clone()),
        }
    }
}

/// Reads what is behind the volume that `container` mounts at `mount_path` in `pod`.
///
/// Without trust this is one request; the first refusal answers for all that would follow.
pub fn look(
    cluster: &dyn Cluster,
    pod: &Result<Pod, ClusterError>,
    container: &str,
    mount_path: &str,
) -> BackupFacts {
    let pod = match pod {
        Ok(pod) => pod.clone(),
        Err(error) => return BackupFacts::Failed(error.clone()),
    };
    let Some(name) = pod.volume_at(container, mount_path).map(str::to_owned) else {
        return BackupFacts::NoSuchVolume;
    };
    let Some(charm_path) = pod.path_of(CHARM_CONTAINER, &name).map(str::to_owned) else {
        return BackupFacts::NoSuchVolume;
    };
    let claim_name = match pod.volumes.get(&name) {
        Some(PodVolume::Claim(claim)) => Some(claim.clone()),
        _ => None,
    };
    let no_claim = || ClusterError::NotFound {
        action: "read its claim".to_owned(),
    };
    let claim = match &claim_name {
        Some(claim) => Lookup::from(cluster.claim(claim)),
        None => Lookup::Unknown(no_claim()),
    };
    let source = claim.and_then(|claim| match &claim.volume {
        Some(volume) => cluster.volume(volume),
        None => Err(no_claim()),
    });
    // Of a volume without a driver no snapshot is made, whatever drivers there are.
    let snapshot_drivers = source.and_then(|source| match source {
        VolumeSource::Csi(_) => cluster.snapshot_drivers(),
        VolumeSource::HostPath | VolumeSource::Other => Ok(Vec::new()),
    });
    let node_agent = claim.and_then(|_| cluster.node_agent(&pod.node));
    BackupFacts::Read(Box::new(VolumeFacts {
        pod,
        name,
        charm_path,
        claim_name,
        claim,
        source,
        snapshot_drivers,
        node_agent,
    }))
}
