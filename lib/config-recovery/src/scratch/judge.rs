//! What the states of pod, claim and restore mean: go on waiting, doubt, done, or no hope.

use std::time::Duration;

use velero_api::{Meaning, PodVolumePhase, PodVolumeRestore, RESTORE_WAIT_CONTAINER, Restore, RestorePhase};

use crate::kinds::{ContainerState, PersistentVolumeClaim, Pod};
use crate::wait::{Doubt, Poll};
use crate::{Error, Remedy};

/// A pod that no node takes. A node may just be coming back; more nodes than there are will not come by waiting.
const UNSCHEDULABLE: Duration = Duration::from_secs(15);
/// An image that cannot be pulled. The kubelet has tried twice by then (again after 10 s, then after 20 s).
const IMAGE: Duration = Duration::from_secs(25);
/// A container that cannot be made; the kubelet tries again all the time.
const CONTAINER: Duration = Duration::from_secs(20);
/// A claim without a volume, once a pod waits for it. Volumes of cloud disks take up to a minute.
const UNBOUND: Duration = Duration::from_secs(90);

const SCHEDULING_HINT: &str =
    "make room on a node that can reach the volume, or let pods onto it again (kubectl uncordon)";
const IMAGE_HINT: &str = "check the image's name; credentials of its registry have to be on the nodes, since a scratch namespace has none \
     (imagePullSecrets)";
const POD_HINT: &str = "see kubectl describe pod, then run it again";
const EVICTED_HINT: &str = "see whether the node is ready: kubectl get nodes; run it again once one is ready that has a node agent of Velero";
const CLAIM_HINT: &str =
    "check that the storage class has a provisioner that runs and room left: kubectl describe storageclass";

/// Something that waiting will not change.
pub(super) fn hopeless(what: &str, reason: impl Into<String>, remedy: impl Into<Remedy>) -> Error {
    Error::Hopeless {
        what: what.to_owned(),
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

/// Whether the pod's init container runs: then the volume is mounted. Tells the node's name.
pub(super) fn pod(what: &str, pod: Option<&Pod>) -> Poll<String> {
    let none = |reason: String, hint: &str| Poll::Hopeless(hopeless(what, reason, hint));
    let Some(pod) = pod else {
        return none("somebody has deleted it".to_owned(), "run it again");
    };
    if let Some(why) = pod.evicted() {
        let node = pod.spec.as_ref().and_then(|is| is.node_name.as_deref());
        let reason = format!("it was evicted from node {}: {why}", node.unwrap_or_default());
        return none(reason, EVICTED_HINT);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return none("it is being deleted".to_owned(), "run it again");
    }
    let status = pod.status.clone().unwrap_or_default();
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        let reason = [status.reason, status.message].into_iter().flatten();
        let reason: Vec<String> = reason.collect();
        let reason = match reason.is_empty() {
            true => "it has ended".to_owned(),
            false => reason.join(": "),
        };
        return none(reason, POD_HINT);
    }
    let unschedulable = status.conditions.iter().flatten().find(|is| {
        is.r#type == "PodScheduled" && is.status == "False" && is.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let why = condition.message.clone().unwrap_or_default();
        // The claim's own state says more, and has its own time of grace.
        if why.contains("unbound immediate PersistentVolumeClaims") {
            return Poll::Wait("its volume is being made".to_owned());
        }
        return doubt(what, "no node takes it", why, UNSCHEDULABLE, SCHEDULING_HINT);
    }
    let waits = status
        .init_container_statuses
        .iter()
        .flatten()
        .find(|is| is.name == RESTORE_WAIT_CONTAINER)
        .and_then(|is| is.state.clone())
        .unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    match (waits, node) {
        (ContainerState { running: Some(_), .. }, Some(node)) => Poll::Done(node),
        (
            ContainerState {
                terminated: Some(ended),
                ..
            },
            _,
        ) => {
            let why = ended.message.or(ended.reason).unwrap_or_default();
            let reason = format!("its container ended with exit code {} ({why})", ended.exit_code);
            none(reason, "the image must have sh and sleep; see kubectl logs")
        }
        (
            ContainerState {
                waiting: Some(waiting),
                ..
            },
            _,
        ) => {
            let reason = waiting.reason.unwrap_or_default();
            let text = waiting.message.unwrap_or_default();
            container(what, &reason, text)
        }
        (_, Some(_)) => Poll::Wait("the node has it".to_owned()),
        (_, None) => Poll::Wait("no node has it yet".to_owned()),
    }
}

/// Judges why a container waits (`pkg/kubelet/images/types.go`, `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
fn container(what: &str, reason: &str, text: String) -> Poll<String> {
    match reason {
        "InvalidImageName" | "ErrImageNeverPull" => {
            Poll::Hopeless(hopeless(what, format!("{reason}: {text}"), IMAGE_HINT))
        }
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => doubt(what, "its image cannot be pulled", text, IMAGE, IMAGE_HINT),
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PostStartHookError" => doubt(what, "its container cannot be started", text, CONTAINER, POD_HINT),
        _ => Poll::Wait("its container is being made".to_owned()),
    }
}

fn doubt(what: &str, about: &'static str, why: String, grace: Duration, hint: &str) -> Poll<String> {
    let text = match why.is_empty() {
        true => about.to_owned(),
        false => format!("{about}: {why}"),
    };
    Poll::Doubt(Doubt {
        about,
        then: hopeless(what, text.clone(), hint),
        text,
        grace,
    })
}

/// Whether a claim that a pod waits for has a volume. Tells the volume's name.
pub(super) fn claim(what: &str, claim: Option<&PersistentVolumeClaim>) -> Poll<String> {
    let Some(claim) = claim else {
        return Poll::Hopeless(hopeless(what, "somebody has deleted it", "run it again"));
    };
    if claim.metadata.deletion_timestamp.is_some() {
        return Poll::Hopeless(hopeless(what, "it is being deleted", "run it again"));
    }
    let phase = claim.status.as_ref().and_then(|is| is.phase.as_deref());
    let volume = claim.spec.as_ref().and_then(|is| is.volume_name.clone());
    match (phase, volume) {
        (Some("Bound"), Some(volume)) => Poll::Done(volume),
        (Some("Lost"), _) => Poll::Hopeless(hopeless(what, "its volume is gone", "run it again")),
        // Until a pod is there this may be because the class waits for its first consumer; here there is one.
        _ => doubt(what, "it gets no volume", String::new(), UNBOUND, CLAIM_HINT),
    }
}

/// Whether the node agent has restored the files.
pub(super) fn volume_restore(what: &str, restore: Option<&PodVolumeRestore>) -> Poll<()> {
    let Some(restore) = restore else {
        let reason = "it is gone: somebody has deleted it, or its backup";
        return Poll::Hopeless(hopeless(what, reason, Remedy::LookForBackup));
    };
    let status = restore.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or(PodVolumePhase::New);
    match phase.meaning() {
        Meaning::Good => Poll::Done(()),
        Meaning::Bad | Meaning::Goes => {
            let reason = status
                .message
                .unwrap_or_else(|| format!("it ended as {}", phase.word()));
            // Somebody gave it up, or it took Velero too long: the backup is as good as it was.
            let remedy = match phase {
                PodVolumePhase::Canceled => "run it again".into(),
                _ => Remedy::ChooseBackup,
            };
            Poll::Hopeless(hopeless(what, reason, remedy))
        }
        Meaning::Works if phase == PodVolumePhase::Canceling => Poll::Wait("Velero gives it up".to_owned()),
        Meaning::Works => {
            let progress = status.progress;
            Poll::Wait(format!(
                "{} of {} bytes",
                progress.bytes_done, progress.total_bytes
            ))
        }
        Meaning::Waits => Poll::Wait(
            match phase {
                PodVolumePhase::Accepted => "Velero's node agent makes a pod for it",
                PodVolumePhase::Prepared => {
                    "it waits for its turn: Velero's node agent takes so many at a time (loadConcurrency)"
                }
                _ => "Velero's node agent has not begun with it",
            }
            .to_owned(),
        ),
        Meaning::Unknown => Poll::unknown(what, phase.word()),
    }
}

/// Whether Velero's server has ended a Restore well.
pub(super) fn restore(what: &str, restore: Option<&Restore>) -> Poll<()> {
    let Some(restore) = restore else {
        let reason = "it is gone: somebody has deleted it, or its backup";
        return Poll::Hopeless(hopeless(what, reason, Remedy::LookForBackup));
    };
    let status = restore.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or(RestorePhase::New);
    match phase.meaning() {
        Meaning::Good => Poll::Done(()),
        Meaning::Bad | Meaning::Goes => {
            let mut reasons = status.validation_errors;
            reasons.extend(status.failure_reason);
            if reasons.is_empty() {
                let word = phase.word();
                reasons.push(format!("it ended as {word} with {} errors", status.errors));
            }
            let hint = format!("velero restore describe {} says more", restore.name());
            Poll::Hopeless(hopeless(what, reasons.join("; "), hint.as_str()))
        }
        Meaning::Waits => Poll::Wait("Velero has not begun with it: it works on one at a time".to_owned()),
        Meaning::Works => Poll::Wait("Velero works on it".to_owned()),
        Meaning::Unknown => Poll::unknown(what, phase.word()),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
