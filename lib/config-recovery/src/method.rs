//! How a config volume can get into a backup, and what stands in the way: pure, for whoever has looked.
//!
//! A charm decides by it what it asks for, and a doctor says by it what is wrong. Neither has rules of its own.

use serde::{Deserialize, Serialize};
use velero_backup_config::{BackupSpec, Method};

use crate::backups::names::JUJU_STORAGE_LABEL;
use crate::cluster::ClusterError;

/// Marks the class of snapshots that Velero uses (`pkg/apis/velero/v1/labels_annotations.go`).
pub const SNAPSHOT_CLASS_LABEL: &str = "velero.io/csi-volumesnapshot-class";
/// Selects the pods of Velero's server (`pkg/install/deployment.go` of vmware-tanzu/velero).
pub const SERVERS: &str = "deploy=velero";
/// What the server's argument `--features` has to hold for snapshots of CSI volumes.
pub const CSI_FEATURE: &str = "EnableCSI";

/// Something that may be seen with enough rights only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lookup<T> {
    /// This is it.
    Known(T),
    /// Whoever asked may not look.
    NotAllowed,
    /// It could not be looked at. Nothing keeps that.
    #[serde(skip)]
    Unknown(ClusterError),
}

impl<T> From<Result<T, ClusterError>> for Lookup<T> {
    fn from(result: Result<T, ClusterError>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(ClusterError::NotAllowed { .. }) => Self::NotAllowed,
            Err(error) => Self::Unknown(error),
        }
    }
}

impl<T> Lookup<T> {
    /// What follows from it, asked only where there is something to ask about.
    pub fn and_then<U>(&self, ask: impl FnOnce(&T) -> Result<U, ClusterError>) -> Lookup<U> {
        match self {
            Self::Known(value) => Lookup::from(ask(value)),
            Self::NotAllowed => Lookup::NotAllowed,
            Self::Unknown(error) => Lookup::Unknown(error.clone()),
        }
    }
}

/// What is behind a PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSource {
    /// A CSI driver, by name.
    Csi(String),
    /// A folder of the node. File-system backup refuses these.
    HostPath,
    /// Something else that has files: `local`, NFS, an older driver.
    Other,
}

/// Velero's node agent on a node, which copies files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeAgent {
    /// None runs.
    None,
    /// One runs.
    Runs,
    /// One runs that can do nothing: for this reason Velero's definitions in the cluster do not do for it.
    Refused(String),
}

/// What has been seen of a config volume.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    /// Whether the pod names a folder of its node in place of a claim.
    pub is_host_path_in_pod: bool,
    /// Whether its claim has a volume; `None` while that is not known.
    pub is_bound: Option<bool>,
    /// What is behind the claim.
    pub source: &'a Lookup<VolumeSource>,
    /// Drivers of which Velero makes snapshots: they have a class that is marked for it, and its server has [`CSI_FEATURE`].
    pub snapshot_drivers: &'a Lookup<Vec<String>>,
    /// The node agent on the pod's node.
    pub node_agent: &'a Lookup<NodeAgent>,
}

/// Whether Velero can make a snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshots {
    /// It can, with this driver.
    Made(String),
    /// This driver could, and has no class that is marked for Velero, or Velero runs without [`CSI_FEATURE`].
    NotSetUp(String),
    /// The volume has no CSI driver.
    NoDriver,
    /// Whoever asked may not look.
    NotAllowed,
    /// It could not be looked at.
    Unknown(ClusterError),
}

/// Why a backup would not hold the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The volume is a folder of its node, and file-system backup refuses those.
    HostPath,
    /// Its claim has no volume.
    Unbound,
    /// No node agent runs on the pod's node.
    NoNodeAgent,
    /// The one that runs can do nothing, for this reason.
    NodeAgentRefused(String),
    /// Velero makes no snapshots with this driver.
    NoSnapshots(String),
    /// There is no driver that could.
    NoDriver,
    /// Whether a snapshot would be made may not be looked at. Velero says Completed without a word where it makes none.
    Unverified,
}

/// The method that a spec asks for: a snapshot names the storage, copying files does not.
pub fn of_spec(spec: &BackupSpec) -> Method {
    match spec.label_selector() {
        Some(labels) if labels.contains_key(JUJU_STORAGE_LABEL) => Method::Snapshot,
        _ => Method::Filesystem,
    }
}

/// The same of a spec in Velero's own form.
pub fn of_velero_spec(spec: &velero_api::BackupSpec) -> Method {
    match &spec.label_selector {
        Some(selector) if selector.match_labels.contains_key(JUJU_STORAGE_LABEL) => Method::Snapshot,
        _ => Method::Filesystem,
    }
}

/// Whether a snapshot of the volume would be one.
pub fn snapshots(volume: &Volume<'_>) -> Snapshots {
    match (volume.source, volume.snapshot_drivers) {
        (Lookup::Known(VolumeSource::Csi(driver)), Lookup::Known(drivers)) => {
            match drivers.contains(driver) {
                true => Snapshots::Made(driver.clone()),
                false => Snapshots::NotSetUp(driver.clone()),
            }
        }
        (Lookup::Known(VolumeSource::HostPath | VolumeSource::Other), _) => Snapshots::NoDriver,
        (Lookup::NotAllowed, _) | (_, Lookup::NotAllowed) => Snapshots::NotAllowed,
        (Lookup::Unknown(error), _) | (_, Lookup::Unknown(error)) => Snapshots::Unknown(error.clone()),
    }
}

/// What stands in the way of a backup by this method, as far as it is known.
pub fn obstacle(method: Method, volume: &Volume<'_>) -> Option<Obstacle> {
    let unbound = (volume.is_bound == Some(false)).then_some(Obstacle::Unbound);
    match method {
        Method::Filesystem => {
            if volume.is_host_path_in_pod || *volume.source == Lookup::Known(VolumeSource::HostPath) {
                return Some(Obstacle::HostPath);
            }
            unbound.or_else(|| match volume.node_agent {
                Lookup::Known(NodeAgent::None) => Some(Obstacle::NoNodeAgent),
                Lookup::Known(NodeAgent::Refused(reason)) => Some(Obstacle::NodeAgentRefused(reason.clone())),
                Lookup::Known(NodeAgent::Runs) | Lookup::NotAllowed | Lookup::Unknown(_) => None,
            })
        }
        Method::Snapshot => unbound.or_else(|| match snapshots(volume) {
            Snapshots::NotSetUp(driver) => Some(Obstacle::NoSnapshots(driver)),
            Snapshots::NoDriver => Some(Obstacle::NoDriver),
            Snapshots::NotAllowed => Some(Obstacle::Unverified),
            Snapshots::Made(_) | Snapshots::Unknown(_) => None,
        }),
    }
}

/// Whether a server with these arguments makes snapshots of CSI volumes.
pub fn has_csi_feature(arguments: &[String]) -> bool {
    arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix("--features="))
        .any(|features| features.split(',').any(|feature| feature == CSI_FEATURE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csi() -> Lookup<VolumeSource> {
        Lookup::Known(VolumeSource::Csi("csi.example.com".to_owned()))
    }

    #[test]
    fn what_stands_in_the_way_depends_on_the_method() {
        let drivers = Lookup::Known(vec!["csi.example.com".to_owned()]);
        let none: Lookup<Vec<String>> = Lookup::Known(Vec::new());
        let runs = Lookup::Known(NodeAgent::Runs);
        let no_agent = Lookup::Known(NodeAgent::None);
        let refused = Lookup::Known(NodeAgent::Refused("old".to_owned()));
        let host_path = Lookup::Known(VolumeSource::HostPath);
        let other = Lookup::Known(VolumeSource::Other);
        let lost = Lookup::Unknown(ClusterError::unreachable("look", "gone"));
        let files = Method::Filesystem;
        let snapshot = Method::Snapshot;
        let cases = [
            (
                "files of a driver's volume",
                files,
                Some(true),
                &csi(),
                &none,
                &runs,
                None,
            ),
            (
                "files, no agent",
                files,
                Some(true),
                &other,
                &none,
                &no_agent,
                Some(Obstacle::NoNodeAgent),
            ),
            (
                "files, an agent that hangs",
                files,
                Some(true),
                &other,
                &none,
                &refused,
                Some(Obstacle::NodeAgentRefused("old".to_owned())),
            ),
            (
                "files, hostPath first",
                files,
                Some(false),
                &host_path,
                &none,
                &no_agent,
                Some(Obstacle::HostPath),
            ),
            (
                "files, no volume yet",
                files,
                Some(false),
                &lost,
                &none,
                &runs,
                Some(Obstacle::Unbound),
            ),
            (
                "files, nothing known",
                files,
                None,
                &lost,
                &none,
                &Lookup::NotAllowed,
                None,
            ),
            (
                "a snapshot",
                snapshot,
                Some(true),
                &csi(),
                &drivers,
                &no_agent,
                None,
            ),
            (
                "a snapshot without a class",
                snapshot,
                Some(true),
                &csi(),
                &none,
                &runs,
                Some(Obstacle::NoSnapshots("csi.example.com".to_owned())),
            ),
            (
                "a snapshot of a folder",
                snapshot,
                Some(true),
                &host_path,
                &drivers,
                &runs,
                Some(Obstacle::NoDriver),
            ),
            (
                "a snapshot in the dark",
                snapshot,
                None,
                &Lookup::NotAllowed,
                &drivers,
                &runs,
                Some(Obstacle::Unverified),
            ),
            (
                "a snapshot while the cluster is away",
                snapshot,
                None,
                &lost,
                &drivers,
                &runs,
                None,
            ),
        ];
        for (what, method, is_bound, source, snapshot_drivers, node_agent, expected) in cases {
            let volume = Volume {
                is_host_path_in_pod: false,
                is_bound,
                source,
                snapshot_drivers,
                node_agent,
            };
            assert_eq!(obstacle(method, &volume), expected, "{what}");
        }
        let in_pod = Volume {
            is_host_path_in_pod: true,
            is_bound: None,
            source: &lost,
            snapshot_drivers: &none,
            node_agent: &runs,
        };
        assert_eq!(obstacle(files, &in_pod), Some(Obstacle::HostPath));
    }

    #[test]
    fn the_feature_is_one_of_a_list() {
        let has = |argument: &str| has_csi_feature(&["server".to_owned(), argument.to_owned()]);
        assert!(has("--features=EnableCSI"));
        assert!(has("--features=A,EnableCSI,B"));
        assert!(!has("--features="));
        assert!(!has("--features=EnableCSIs"));
        assert!(!has("--uploader-type=EnableCSI"));
    }
}
