//! What a backup by a spec would store of the bytes in a cluster: Velero's own rules, on what was seen. Pure.
//!
//! Velero says `Completed` whatever it stored, so this is asked before.

use velero_api::{BackupSpec, LabelSelector, SelectorOperator};

use std::collections::{BTreeMap, BTreeSet};

use crate::method::VolumeSource;
use crate::survey::{Claim, Objects, Pod, PodVolume, PodVolumeSource};

/// Objects with this label are in no backup, whatever a spec says (`pkg/apis/velero/v1/labels_annotations.go`).
const EXCLUDED: &str = "velero.io/exclude-from-backup";

/// Names by which a spec may call a resource: the API server's, with those that it takes in their place.
const PODS: [&str; 3] = ["pods", "pod", "po"];
const CLAIMS: [&str; 3] = ["persistentvolumeclaims", "persistentvolumeclaim", "pvc"];
const VOLUMES: [&str; 3] = ["persistentvolumes", "persistentvolume", "pv"];

/// What becomes of the volumes that a spec reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// The volumes, by namespace and name.
    pub volumes: Vec<VolumePreview>,
    /// Names of the pods that are in the backup: `NAMESPACE/NAME`.
    pub pods: Vec<String>,
    /// Names of the claims that are in the backup, as objects at least: `NAMESPACE/NAME`.
    pub claims: Vec<String>,
}

/// What becomes of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePreview {
    /// Its namespace.
    pub namespace: String,
    /// The pod that mounts it, and its name there.
    pub pod: Option<(String, String)>,
    /// Its claim.
    pub claim: Option<String>,
    /// How.
    pub stored: Stored,
}

/// Whether the bytes of a volume are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// The node agent copies the files.
    Files,
    /// Its driver makes a snapshot.
    Snapshot,
    /// No, for this reason.
    No(No),
}

/// Why the bytes of a volume are not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// The pod does not opt it into file-system backup.
    NotOptedIn,
    /// The pod opts it out of file-system backup.
    OptedOut,
    /// It is a folder of the node, and file-system backup refuses those.
    HostPath,
    /// Only the claim is in the backup, and files are copied out of pods.
    NoPod,
    /// Velero takes it for a volume of file-system backup, so it makes no snapshot, and the pod is not in the backup.
    FilesWithoutPod,
    /// Its volume is not among the resources, so there is nothing of which a snapshot could be made.
    NoVolumes,
    /// Velero makes no snapshots with its driver, or it has none.
    NoDriver,
    /// Whether Velero makes snapshots is not known.
    NotKnown,
}

impl Stored {
    /// Whether there are bytes.
    pub fn is_something(&self) -> bool {
        !matches!(self, Self::No(_))
    }
}

/// What would be stored. `drivers` are those with which Velero makes snapshots; `None` where that is not known.
pub fn preview(
    spec: &BackupSpec,
    pods: &[Pod],
    claims: &[Claim],
    volumes: &BTreeMap<String, VolumeSource>,
    drivers: Option<&[String]>,
) -> Preview {
    let as_files = |pod: &Pod, volume: &PodVolume| files(spec, pod, volume);
    let chosen: Vec<&Pod> = pods
        .iter()
        .filter(|pod| includes(spec, &PODS) && takes(spec, &pod.namespace, &pod.labels))
        .collect();
    let mut found = Vec::new();
    // A pod brings its claims, whatever their labels are.
    let mut brought: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut copied: BTreeSet<(&str, &str)> = BTreeSet::new();
    for pod in &chosen {
        for volume in &pod.volumes {
            let claim = match &volume.source {
                PodVolumeSource::Claim(claim) => {
                    brought.insert((&pod.namespace, claim));
                    Some(claim.as_str())
                }
                PodVolumeSource::HostPath | PodVolumeSource::OfKubernetes | PodVolumeSource::Other => None,
            };
            let source = claim
                .and_then(|name| claim_of(claims, &pod.namespace, name)?.volume.as_ref())
                .and_then(|name| volumes.get(name));
            let is_host_path =
                volume.source == PodVolumeSource::HostPath || source == Some(&VolumeSource::HostPath);
            let stored = match as_files(pod, volume) {
                Ok(()) if is_host_path => Stored::No(No::HostPath),
                Ok(()) => Stored::Files,
                Err(why) => Stored::No(why),
            };
            if let (Some(claim), true) = (claim, as_files(pod, volume).is_ok()) {
                copied.insert((&pod.namespace, claim));
            }
            // Of what is no claim only stored bytes are of interest.
            if claim.is_some() || stored.is_something() {
                found.push(VolumePreview {
                    namespace: pod.namespace.clone(),
                    pod: Some((pod.name.clone(), volume.name.clone())),
                    claim: claim.map(str::to_owned),
                    stored,
                });
            }
        }
    }
    let is_excluded = |claim: &Claim| claim.labels.get(EXCLUDED).is_some_and(|value| value == "true");
    let in_backup: Vec<&Claim> = claims
        .iter()
        .filter(|claim| includes(spec, &CLAIMS) && !is_excluded(claim))
        .filter(|claim| {
            brought.contains(&(claim.namespace.as_str(), claim.name.as_str()))
                || takes(spec, &claim.namespace, &claim.labels)
        })
        .collect();
    for claim in &in_backup {
        let key = (claim.namespace.as_str(), claim.name.as_str());
        if copied.contains(&key) {
            continue;
        }
        let mounts = pods
            .iter()
            .filter(|pod| pod.namespace == claim.namespace)
            .flat_map(|pod| {
                let own = pod
                    .volumes
                    .iter()
                    .filter(|volume| volume.source == PodVolumeSource::Claim(claim.name.clone()));
                own.map(move |volume| (pod, volume))
            });
        let is_for_files = mounts.clone().any(|(pod, volume)| as_files(pod, volume).is_ok());
        let source = claim.volume.as_ref().and_then(|name| volumes.get(name));
        let snapshot = match (source, drivers) {
            _ if is_for_files => Stored::No(No::FilesWithoutPod),
            (Some(VolumeSource::Csi(_)), _) if !includes(spec, &VOLUMES) => Stored::No(No::NoVolumes),
            _ if spec.snapshot_volumes == Some(false) => Stored::No(No::NoDriver),
            (Some(VolumeSource::Csi(_)), None) => Stored::No(No::NotKnown),
            (Some(VolumeSource::Csi(driver)), Some(drivers)) if drivers.contains(driver) => Stored::Snapshot,
            _ => Stored::No(No::NoDriver),
        };
        let known = found.iter_mut().find(|volume| {
            volume.namespace == claim.namespace && volume.claim.as_deref() == Some(claim.name.as_str())
        });
        match known {
            // What keeps the files out is the better reason, unless there is a snapshot.
            Some(known) if snapshot.is_something() => known.stored = snapshot,
            Some(_) => {}
            None => {
                let stored = match snapshot {
                    Stored::No(No::NoDriver) => Stored::No(No::NoPod),
                    other => other,
                };
                found.push(VolumePreview {
                    namespace: claim.namespace.clone(),
                    pod: mounts
                        .clone()
                        .next()
                        .map(|(pod, volume)| (pod.name.clone(), volume.name.clone())),
                    claim: Some(claim.name.clone()),
                    stored,
                });
            }
        }
    }
    let name = |namespace: &str, name: &str| format!("{namespace}/{name}");
    Preview {
        volumes: found,
        pods: chosen.iter().map(|pod| name(&pod.namespace, &pod.name)).collect(),
        claims: in_backup
            .iter()
            .map(|claim| name(&claim.namespace, &claim.name))
            .collect(),
    }
}

/// The same of what was looked at.
///
/// # Errors
/// What could not be looked at.
pub fn preview_of(
    spec: &BackupSpec,
    objects: &Objects,
    drivers: Option<&[String]>,
) -> crate::survey::Answer<Preview> {
    let pods = objects.pods.as_ref().map_err(Clone::clone)?;
    let claims = objects.claims.as_ref().map_err(Clone::clone)?;
    let volumes = objects.volumes.as_ref().map_err(Clone::clone)?;
    Ok(preview(spec, pods, claims, volumes, drivers))
}

/// Whether pods are among what is backed up; only then files are copied.
pub fn takes_pods(spec: &BackupSpec) -> bool {
    includes(spec, &PODS)
}

/// Whether volumes (PersistentVolumes) are among what is backed up. Without them a restore of files never ends.
pub fn takes_volumes(spec: &BackupSpec) -> bool {
    includes(spec, &VOLUMES)
}

/// Whether the node agent would copy a pod's volume (`GetVolumesByPod` in `pkg/util/podvolume/pod_volume.go` of
/// vmware-tanzu/velero).
fn files(spec: &BackupSpec, pod: &Pod, volume: &PodVolume) -> Result<(), No> {
    if spec.default_volumes_to_fs_backup != Some(true) {
        return if pod.opts_in(&volume.name) {
            Ok(())
        } else {
            Err(No::NotOptedIn)
        };
    }
    match volume.source {
        PodVolumeSource::HostPath => Err(No::HostPath),
        PodVolumeSource::OfKubernetes => Err(No::OptedOut),
        PodVolumeSource::Claim(_) | PodVolumeSource::Other if pod.opts_out(&volume.name) => Err(No::OptedOut),
        PodVolumeSource::Claim(_) | PodVolumeSource::Other => Ok(()),
    }
}

fn claim_of<'a>(claims: &'a [Claim], namespace: &str, name: &str) -> Option<&'a Claim> {
    claims
        .iter()
        .find(|claim| claim.namespace == namespace && claim.name == name)
}

fn includes(spec: &BackupSpec, names: &[&str]) -> bool {
    let names_it = |list: &[String]| {
        list.iter()
            .any(|entry| entry == "*" || names.contains(&entry.as_str()))
    };
    (spec.included_resources.is_empty() || names_it(&spec.included_resources))
        && !names_it(&spec.excluded_resources)
}

fn takes(spec: &BackupSpec, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    let names_it = |list: &[String]| list.iter().any(|entry| entry == "*" || entry == namespace);
    let is_included = spec.included_namespaces.is_empty() || names_it(&spec.included_namespaces);
    if !is_included || names_it(&spec.excluded_namespaces) {
        return false;
    }
    if labels.get(EXCLUDED).is_some_and(|value| value == "true") {
        return false;
    }
    let any = &spec.or_label_selectors;
    spec.label_selector
        .iter()
        .all(|selector| selects(selector, labels))
        && (any.is_empty() || any.iter().any(|selector| selects(selector, labels)))
}

fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    let mut conditions = selector.match_expressions.iter();
    equal
        && conditions.all(|condition| {
            let value = labels.get(&condition.key);
            let is_one = value.is_some_and(|value| condition.values.contains(value));
            match condition.operator {
                SelectorOperator::In => is_one,
                SelectorOperator::NotIn => !is_one,
                SelectorOperator::Exists => value.is_some(),
                SelectorOperator::DoesNotExist => value.is_none(),
            }
        })
}

#[cfg(test)]
#[path = "preview_tests.rs"]
mod tests;
