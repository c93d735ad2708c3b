//! How the config volume gets into a backup: by which method, what the pod and its claim have to carry for it, and what
//! stands in the way.
//!
//! [`look`] reads the cluster; [`decide`] is pure. What is not known is left as it is: a cluster that does not answer for
//! a moment must not turn a databag over, which costs velero-operator two restarts of Velero.

mod facts;
pub mod hooks;
pub(crate) mod refused;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use config_recovery::definitions;
use config_recovery::method::{self, Obstacle, Snapshots};
use velero_backup_config::{Method, pod};

pub use facts::{BackupFacts, CHARM_CONTAINER, Lookup, VolumeFacts, look};

use crate::kubernetes::{Pod, PodVolume, brief};
use crate::media;
use crate::problem::{Problem, short};

/// Label of claims that says whose they are. The claims that Juju makes for `--attach-storage` lack it.
pub const APP_LABEL: &str = "app.kubernetes.io/name";
/// Label of claims that says which storage of the charm they are.
pub const STORAGE_LABEL: &str = "storage.juju.is/name";

/// How long Velero waits for a copy of the databases. A hundred times what a database of 1 GB takes.
const HOOK_TIMEOUT: &str = "30m";

/// Verb of `dispatch` that makes the volume fit for a backup.
pub const BEFORE: &str = "before-backup";
/// Verb of `dispatch` that ends what [`BEFORE`] began.
pub const AFTER: &str = "after-backup";

/// What the option `backup-method` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodOption {
    /// A snapshot where there can be one, else the files.
    Auto,
    /// This one.
    Only(Method),
}

/// Who asks, and about what.
#[derive(Debug, Clone, Copy)]
pub struct BackupInputs<'a> {
    /// The application.
    pub app: &'a str,
    /// The unit's pod.
    pub pod: &'a str,
    /// Whether there is a relation that asks for backups. Without one nothing of ours stays on the pod: a backup of somebody
    /// else must not run our hooks, or leave volumes out because of us.
    pub is_related: bool,
    /// Whether this unit's volume is what a backup has to hold: it has the app's data, and the app may run on it.
    pub is_stored: bool,
    /// The charm's storage that is backed up.
    pub storage: &'a str,
    /// Folder of the charm, with `dispatch` in it.
    pub charm_dir: &'a Path,
    /// What the user asked for.
    pub option: MethodOption,
    /// The method of the request that is in the databag now.
    pub current: Option<Method>,
}

/// What follows for the backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The method.
    pub method: Method,
    /// Why it is this one, for people.
    pub why: String,
    /// Annotations of the pod to set, or to remove. Only those that differ.
    pub annotations: BTreeMap<String, Option<String>>,
    /// The claim, and the labels that it lacks. Only those that differ.
    pub labels: Option<(String, BTreeMap<String, String>)>,
    /// Why no backup would hold the bytes, if that is so.
    pub problem: Option<Problem>,
}

/// Decides how the volume is backed up.
pub fn decide(question: &BackupInputs<'_>, facts: &BackupFacts) -> Decision {
    let volume = match facts {
        BackupFacts::Read(volume) => volume,
        BackupFacts::NotRead => return undecided(question, "nothing was looked at in this event", None),
        BackupFacts::Marks(pod) => {
            return Decision {
                annotations: pod::differences(&pod.annotations, &without_relation(pod)),
                ..undecided(question, "nobody is asked for backups", None)
            };
        }
        BackupFacts::Failed(error) => {
            let problem = Problem::new(
                format!("pod {}", question.pod),
                brief(error),
                "retrying at update-status",
            );
            return undecided(question, "Kubernetes gave no answer", Some(problem));
        }
        BackupFacts::NoSuchVolume => {
            let problem = Problem::new(
                format!("pod {}", question.pod),
                format!("mounts no volume for storage {}", question.storage),
                "pack the charm again and juju refresh it",
            );
            return undecided(question, "the pod has no such volume", Some(problem));
        }
    };
    let (method, why) = choose(question, volume);
    let problem = problem(method, question, volume);
    let wanted = match method {
        _ if !question.is_related => without_relation(&volume.pod),
        Method::Filesystem => wanted_annotations(question, volume),
        // Velero makes no snapshot of a volume that it takes for one of file-system backup, because the pod or the server
        // says so: then the backup is Completed and holds nothing (measured: e2e scenario snapshot-comes-back).
        Method::Snapshot => pod::none_of(volume.pod.volumes.keys().map(String::as_str)),
    };
    let annotations = pod::differences(&volume.pod.annotations, &wanted);
    Decision {
        method,
        why,
        annotations,
        labels: if question.is_related {
            missing_labels(question, volume)
        } else {
            None
        },
        problem,
    }
}

fn undecided(question: &BackupInputs<'_>, why: &str, problem: Option<Problem>) -> Decision {
    let method = match question.option {
        MethodOption::Only(method) => method,
        MethodOption::Auto => question.current.unwrap_or(Method::Filesystem),
    };
    Decision {
        method,
        why: why.to_owned(),
        annotations: BTreeMap::new(),
        labels: None,
        problem,
    }
}

fn choose(question: &BackupInputs<'_>, volume: &VolumeFacts) -> (Method, String) {
    if let MethodOption::Only(method) = question.option {
        return (method, format!("backup-method is {method}"));
    }
    let files = |why: String| (Method::Filesystem, why);
    match method::snapshots(&seen(volume)) {
        Snapshots::Made(driver) => {
            let why = format!(
                "driver {driver} has a VolumeSnapshotClass that is marked for Velero, which makes snapshots"
            );
            (Method::Snapshot, why)
        }
        Snapshots::NotSetUp(driver) => files(format!(
            "driver {driver} has no VolumeSnapshotClass that is marked for Velero, or Velero runs without the feature EnableCSI"
        )),
        Snapshots::NoDriver => files("the volume has no driver that makes snapshots".to_owned()),
        Snapshots::NotAllowed => files(format!(
            "without trust the charm cannot look for snapshot classes; juju trust {} --scope=cluster allows it",
            question.app
        )),
        Snapshots::Unknown(error) => (question.current.unwrap_or(Method::Filesystem), brief(&error)),
    }
}

/// The volume as the rules see it, which a doctor outside of the charm goes by too.
fn seen(volume: &VolumeFacts) -> method::Volume<'_> {
    let is_bound = match &volume.claim {
        Lookup::Known(claim) => Some(claim.volume.is_some()),
        Lookup::NotAllowed | Lookup::Unknown(_) => None,
    };
    method::Volume {
        is_host_path_in_pod: matches!(volume.pod.volumes.get(&volume.name), Some(PodVolume::HostPath)),
        is_bound,
        source: &volume.source,
        snapshot_drivers: &volume.snapshot_drivers,
        node_agent: &volume.node_agent,
    }
}

/// What keeps a backup by this method from holding the bytes.
fn problem(method: Method, question: &BackupInputs<'_>, volume: &VolumeFacts) -> Option<Problem> {
    let storage = || format!("storage {}", question.storage);
    let way_out = || format!("juju config {} backup-method=filesystem", question.app);
    Some(match method::obstacle(method, &seen(volume))? {
        Obstacle::HostPath => Problem::new(
            storage(),
            "is a hostPath, which file-system backup refuses",
            format!("configuratarr doctor {}", question.app),
        ),
        Obstacle::Unbound => Problem::new(
            storage(),
            "its claim is not bound to a volume",
            format!(
                "kubectl describe pvc {}",
                volume.claim_name.as_deref().unwrap_or_default()
            ),
        ),
        Obstacle::NoNodeAgent => Problem::new(
            "Velero's node agent",
            format!("is not on node {}", short(&volume.pod.node, 24)),
            "juju config velero-operator use-node-agent=true",
        ),
        Obstacle::NodeAgentRefused(reason) => Problem::new("backups would hang", reason, definitions::REMEDY),
        Obstacle::NoSnapshots(driver) => Problem::new(
            "backup-method \"snapshot\"",
            format!("Velero makes none with driver {}", short(&driver, 24)),
            way_out(),
        ),
        Obstacle::NoDriver => Problem::new(
            "backup-method \"snapshot\"",
            "the volume has no CSI driver",
            way_out(),
        ),
        // Velero says Completed without a word where it makes none.
        Obstacle::Unverified => Problem::new(
            "backup-method snapshot",
            "unverified, may be 0 bytes",
            format!("juju trust {} --scope=cluster", question.app),
        ),
    })
}

/// Everything that file-system backup needs on the pod. Nothing is stored of a unit on which the app must not run: its volume
/// does not have the app's data, and its other volumes have the credentials of Juju's agent.
pub fn wanted_annotations(question: &BackupInputs<'_>, volume: &VolumeFacts) -> BTreeMap<String, String> {
    let volumes = volume.pod.volumes.keys().map(String::as_str);
    if !question.is_stored {
        return pod::none_of(volumes);
    }
    let dispatch = question.charm_dir.join("dispatch").display().to_string();
    let command = |verb: &str| vec![dispatch.clone(), verb.to_owned(), volume.charm_path.clone()];
    let hooks = pod::BackupHooks {
        container: CHARM_CONTAINER.to_owned(),
        before: command(BEFORE),
        after: command(AFTER),
        timeout: HOOK_TIMEOUT.to_owned(),
    };
    pod::annotations(&volume.name, volumes, Some(&hooks))
}

/// What a pod carries that nobody asks to back up: that the media stay out, which it got with their mount.
fn without_relation(pod: &Pod) -> BTreeMap<String, String> {
    let media = pod.volumes.contains_key(media::VOLUME);
    let excluded = media.then(|| (pod::BACKUP_VOLUMES_EXCLUDES.to_owned(), media::VOLUME.to_owned()));
    excluded.into_iter().collect()
}

fn missing_labels(
    question: &BackupInputs<'_>,
    volume: &VolumeFacts,
) -> Option<(String, BTreeMap<String, String>)> {
    let Lookup::Known(claim) = &volume.claim else {
        return None;
    };
    let wanted = [(APP_LABEL, question.app), (STORAGE_LABEL, question.storage)];
    let labels: BTreeMap<String, String> = wanted
        .into_iter()
        .filter(|(key, value)| claim.labels.get(*key).map(String::as_str) != Some(*value))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let name = volume.claim_name.clone()?;
    (!labels.is_empty()).then_some((name, labels))
}
