//! The claim of an app's config volume.

use std::collections::BTreeMap;

use kube::api::ListParams;

use crate::api::{Api, Object};
use crate::backups::AppId;
use crate::backups::names::{CONFIG, JUJU_APP_LABEL, JUJU_STORAGE_LABEL, is_config_volume, unit_of};
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::{PersistentVolume, PersistentVolumeClaim, Pod, StorageClass};
use crate::method::VolumeSource;
use crate::quantity::bytes_of;
use crate::shown::shown;
use crate::{Error, Result};

/// The pod's annotation by which the charm opts the leader's config volume into file-system backup, and no other unit's
/// (`velero-backup-config`, module `pod`).
const BACKED_UP: &str = "backup.velero.io/backup-volumes";

/// Label of nodes by which a volume says where it can be reached.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// The claim of an app's config volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppClaim {
    /// Its name.
    pub claim: String,
    /// The PersistentVolume that it is bound to; `None` while there is none.
    pub volume: Option<String>,
    /// Bytes that it asks for.
    pub requested: u64,
    /// Bytes that it got; `None` while it is not bound.
    pub capacity: Option<u64>,
    /// Its storage class; `None` for a volume without one.
    pub storage_class: Option<String>,
    /// Its labels. A claim that Juju made for `--attach-storage` lacks the application's.
    pub labels: BTreeMap<String, String>,
    /// The pod that mounts it, and the volume's name there; `None` while the app has no pod.
    pub pod: Option<ClaimPod>,
}

/// The pod that mounts a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPod {
    /// Its name.
    pub name: String,
    /// The volume's name in it.
    pub volume: String,
    /// The node that it is on; `None` before it is scheduled.
    pub node: Option<String>,
}

/// What is behind a claim: a PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppVolume {
    /// Its name: what `juju import-filesystem` takes.
    pub name: String,
    /// Where its bytes are.
    pub kind: VolumeKind,
    /// Bytes.
    pub capacity: Option<u64>,
    /// Its storage class.
    pub storage_class: Option<String>,
    /// What becomes of it when its claim goes: `Retain` or `Delete`.
    pub reclaim_policy: Option<String>,
    /// `Bound`, `Released`, `Available` or `Failed`.
    pub phase: Option<String>,
    /// The nodes that can reach it; empty where all can.
    pub nodes: Vec<String>,
}

/// Where the bytes of a volume are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeKind {
    /// A CSI driver has them.
    Csi(String),
    /// In a folder of a node, as a hostPath. File-system backup refuses these.
    HostPath,
    /// In a folder of a node, as a local volume.
    Local,
    /// On an NFS server.
    Nfs,
    /// Somewhere else.
    Other,
}

/// The volume of this name; `None` where there is none. One request.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn volume(cluster: &Cluster, name: &str) -> Result<Option<AppVolume>, ClusterError> {
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let found = cluster
        .ask_opt(format!("look at volume {name}"), volumes.get(name))
        .await?;
    Ok(found.map(|volume| {
        let source = volume.source();
        let spec = volume.spec.unwrap_or_default();
        let kind = match source {
            VolumeSource::Csi(driver) => VolumeKind::Csi(driver),
            VolumeSource::HostPath => VolumeKind::HostPath,
            VolumeSource::Other if spec.local.is_some() => VolumeKind::Local,
            VolumeSource::Other if spec.nfs.is_some() => VolumeKind::Nfs,
            VolumeSource::Other => VolumeKind::Other,
        };
        let terms = spec.node_affinity.and_then(|affinity| affinity.required);
        let conditions = terms
            .into_iter()
            .flat_map(|required| required.node_selector_terms);
        let names = conditions
            .flat_map(|term| term.match_expressions.unwrap_or_default())
            .filter(|condition| condition.key == HOSTNAME && condition.operator == "In")
            .flat_map(|condition| condition.values.unwrap_or_default());
        AppVolume {
            name: name.to_owned(),
            kind,
            capacity: spec
                .capacity
                .and_then(|capacity| bytes_of(capacity.get("storage")?)),
            storage_class: spec.storage_class_name.filter(|class| !class.is_empty()),
            reclaim_policy: spec.persistent_volume_reclaim_policy,
            phase: volume.status.and_then(|status| status.phase),
            nodes: names.collect(),
        }
    }))
}

/// What makes the volumes of a storage class; `None` where there is no such class. One request.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn provisioner(cluster: &Cluster, class: &str) -> Result<Option<String>, ClusterError> {
    let classes: Api<StorageClass> = Api::all(cluster.client());
    let found = cluster.ask_opt(format!("look at storage class {class}"), classes.get(class));
    Ok(found.await?.map(|class| class.provisioner))
}

/// The unit of each app of a model whose config volume is backed up, which is the unit with the data, by what the charms wrote on their pods.
/// One request.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn marked_units(cluster: &Cluster, model: &str) -> Result<BTreeMap<String, u32>> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), model);
    let of_juju = ListParams::default().labels(JUJU_APP_LABEL);
    let pods = cluster
        .ask(
            format!("list the pods of model {model}"),
            pods.list_metadata(&of_juju),
        )
        .await?;
    let marked = pods.into_iter().filter_map(|metadata| {
        let app = metadata.labels.get(JUJU_APP_LABEL)?;
        let is_marked = metadata
            .annotations
            .get(BACKED_UP)
            .is_some_and(|volumes| !volumes.is_empty());
        let unit = unit_of(app, metadata.name.as_deref()?)?;
        is_marked.then(|| (app.clone(), unit))
    });
    Ok(marked.collect())
}

/// Finds the claim of an app's config volume. Of several units it is that of the one that is backed up, which is the
/// leader's, else that of the lowest number.
///
/// This takes two requests, whatever the number of claims and volumes in the cluster: the app's pods, and then the claim
/// that the pod names. Without a pod the claim is told by its labels.
///
/// # Errors
/// [`Error::NoClaim`] when there is none, or several and no pod tells which; otherwise as [`Cluster::ask`].
pub async fn find(cluster: &Cluster, whose: &AppId) -> Result<AppClaim> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &whose.model);
    let of_app = ListParams::default().labels(&format!("{JUJU_APP_LABEL}={}", whose.app));
    let pods = cluster
        .ask(format!("list the pods of {whose}"), pods.list(&of_app))
        .await?;
    let mounted = mounted(whose, &pods.items)?;
    let which = match &mounted {
        Some((claim, _)) => ListParams::default().fields(&format!("metadata.name={claim}")),
        None => of_app.labels(&format!(
            "{JUJU_APP_LABEL}={},{JUJU_STORAGE_LABEL}={CONFIG}",
            whose.app
        )),
    };
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), &whose.model);
    let claims = cluster
        .ask(format!("list the claims of {whose}"), claims.list(&which))
        .await?;
    let Some((name, pod)) = mounted else {
        return Ok(seen(only(whose, claims.items)?, None));
    };
    match claims.items.into_iter().next() {
        Some(claim) => Ok(seen(claim, Some(pod))),
        None => Err(none(
            whose,
            format!("pod {} waits for claim {name}, which is not there", pod.name),
        )),
    }
}

fn none(whose: &AppId, why: String) -> Error {
    Error::NoClaim {
        app: whose.app.clone(),
        model: whose.model.clone(),
        why,
    }
}

/// The claim that a pod of the app mounts as its config volume, and the pod. `None` when it has no pods.
fn mounted(whose: &AppId, pods: &[Pod]) -> Result<Option<(String, ClaimPod)>> {
    let mut units: Vec<(bool, u32, &Pod)> = pods
        .iter()
        .filter_map(|pod| {
            let unit = unit_of(&whose.app, pod.name())?;
            Some((!is_backed_up(&whose.app, pod), unit, pod))
        })
        .collect();
    units.sort_by_key(|(other, unit, _)| (*other, *unit));
    let Some((_, _, pod)) = units.first() else {
        return Ok(None);
    };
    let name = pod.name().to_owned();
    let volumes = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.volumes.as_deref())
        .unwrap_or_default();
    let Some(volume) = volumes
        .iter()
        .find(|volume| is_config_volume(&whose.app, &volume.name))
    else {
        return Err(none(
            whose,
            format!("pod {name} mounts no volume of storage {CONFIG}"),
        ));
    };
    let Some(claim) = &volume.persistent_volume_claim else {
        let why = format!(
            "volume {} of pod {name} is no claim: it goes with the pod",
            volume.name
        );
        return Err(none(whose, why));
    };
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let pod = ClaimPod {
        name,
        volume: volume.name.clone(),
        node: node.filter(|node| !node.is_empty()),
    };
    Ok(Some((claim.claim_name.clone(), pod)))
}

fn is_backed_up(app: &str, pod: &Pod) -> bool {
    let volumes = pod.metadata.annotations.get(BACKED_UP);
    volumes.is_some_and(|volumes| {
        volumes
            .split(',')
            .any(|volume| is_config_volume(app, volume.trim()))
    })
}

/// The one claim among those that have the labels.
fn only(whose: &AppId, claims: Vec<PersistentVolumeClaim>) -> Result<PersistentVolumeClaim> {
    let mut claims: Vec<PersistentVolumeClaim> = claims
        .into_iter()
        .filter(|claim| claim.metadata.deletion_timestamp.is_none())
        .collect();
    if claims.len() > 1 {
        // Units of one application differ in the number only; a claim that an earlier deployment left has another uid.
        claims.sort_by_key(|claim| unit_of_claim(&whose.app, claim.name()));
        let volume =
            |claim: &PersistentVolumeClaim| unit_of_claim(&whose.app, claim.name()).map(|(volume, _)| volume);
        let first = volume(&claims[0]);
        if first.is_none() || claims.iter().any(|claim| volume(claim) != first) {
            let mut names: Vec<&str> = claims.iter().map(Object::name).collect();
            names.sort();
            let why = format!(
                "it has no pod, and several claims may be the one: {}",
                names.join(", ")
            );
            return Err(none(whose, why));
        }
    }
    claims
        .into_iter()
        .next()
        .ok_or_else(|| none(whose, "it has no pod, and no claim has its labels".to_owned()))
}

/// Volume and unit of a claim's name: `radarr-config-fec125-radarr-0` is of `radarr-config-fec125`, unit 0.
fn unit_of_claim(app: &str, claim: &str) -> Option<(String, u32)> {
    let (start, unit) = claim.rsplit_once('-')?;
    let volume = start.strip_suffix(app)?.strip_suffix('-')?;
    is_config_volume(app, volume).then_some(())?;
    Some((volume.to_owned(), unit.parse().ok()?))
}

fn seen(claim: PersistentVolumeClaim, pod: Option<ClaimPod>) -> AppClaim {
    let name = claim.name().to_owned();
    let spec = claim.spec.unwrap_or_default();
    let status = claim.status.unwrap_or_default();
    let storage = |quantities: Option<BTreeMap<String, String>>| {
        let quantity = quantities?.remove("storage")?;
        let bytes = bytes_of(&quantity);
        if bytes.is_none() {
            log::warn!("claim {name}: {} is no size", shown(&quantity));
        }
        bytes
    };
    let is_bound = status.phase.as_deref() == Some("Bound");
    AppClaim {
        volume: spec.volume_name.filter(|volume| is_bound && !volume.is_empty()),
        requested: storage(spec.resources.and_then(|resources| resources.requests)).unwrap_or_default(),
        capacity: storage(status.capacity).filter(|_| is_bound),
        storage_class: spec.storage_class_name.filter(|class| !class.is_empty()),
        labels: claim.metadata.labels,
        claim: name,
        pod,
    }
}
