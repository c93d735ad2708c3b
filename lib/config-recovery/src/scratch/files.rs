//! The files of a file-system backup, restored by Velero's node agent.
//!
//! Velero's server would do it too, by a Restore: but it works on one Restore at a time and blocks until the volumes of
//! that one are back (`pkg/controller/restore_controller.go`), so that seven apps would take seven times as long as one.
//! The node agent needs no Restore: it works on PodVolumeRestores.

use std::cell::RefCell;

use futures_util::future::{Either, select};
use jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use velero_api::{Meaning, PodVolumePhase, PodVolumeRestore, PodVolumeRestoreSpec};

use super::ensure::ensured;
use super::turn::Turn;
use super::{Scratch, ScratchSpec, Worked, judge, names, objects, place};
use crate::api::{AnyObject, Api, Object, ObjectMeta, Resource};
use crate::backups::FilesBackup;
use crate::cluster::{Cluster, ClusterError};
use crate::journal::Step;
use crate::kinds::{Container, PersistentVolumeClaim, Pod};
use crate::report::Silent;
use crate::wait::{Doubt, Poll, Wait, Which, for_object, for_objects};
use crate::{Result, definitions, velero};

/// How long a node may be without a running node agent. It may just be restarted.
const NO_AGENT: std::time::Duration = std::time::Duration::from_secs(20);

/// Tells the node agent what to do; it begins when the pod runs.
pub(super) async fn order(
    cluster: &Cluster,
    spec: &ScratchSpec,
    files: &FilesBackup,
    namespace: &str,
    pod: &Pod,
    claim: &PersistentVolumeClaim,
) -> Result<()> {
    let repository = match files.uploader.as_str() {
        "restic" => restic_repository(cluster, spec, files).await?,
        _ => String::new(),
    };
    let uid = |of: &ObjectMeta| of.uid.clone().unwrap_or_default();
    let (pod_uid, claim_uid) = (uid(&pod.metadata), uid(&claim.metadata));
    let restore = objects::volume_restore(namespace, spec, files, &repository, &pod_uid, &claim_uid);
    let what = format!(
        "PodVolumeRestore {}/{}",
        spec.backup.velero_namespace,
        restore.name()
    );
    let value = serde_json::to_value(&restore)
        .map_err(|error| ClusterError::refused(format!("create {what}"), error.to_string()))?;
    let api = velero::api::<PodVolumeRestoreSpec>(cluster, Some(&spec.backup.velero_namespace));
    let made = ensured(cluster, &api, &what, value).await;
    made.map(drop).map_err(velero::no_velero::<PodVolumeRestoreSpec>)
}

/// Restic is told where its repository is; kopia finds it by the namespace.
async fn restic_repository(cluster: &Cluster, spec: &ScratchSpec, files: &FilesBackup) -> Result<String> {
    let resource = Resource {
        api_version: velero_api::API_VERSION,
        kind: "BackupRepository",
        plural: "backuprepositories",
    };
    let place = &spec.backup.velero_namespace;
    let api: Api<AnyObject> = Api::of(cluster.client(), resource, Some(place));
    let all = cluster
        .ask("list backup repositories", api.list(&ListParams::default()))
        .await?;
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = all.items.iter().map(|is| &is.content["spec"]).find(|is| {
        text(is, "volumeNamespace") == files.source_namespace
            && text(is, "backupStorageLocation") == files.storage_location
            && text(is, "repositoryType") == "restic"
    });
    found.map(|is| text(is, "resticIdentifier")).ok_or_else(|| {
        judge::hopeless(
            &format!("the repository of namespace {}", files.source_namespace),
            "Velero has no restic repository of it",
            "make a backup in that namespace, so that Velero finds its repository, then run it again",
        )
    })
}

/// Waits until the files are there.
pub(super) async fn arrive(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>) -> Result<Worked> {
    let turn = &RefCell::default();
    let came = std::pin::pin!(came(scratch, cluster, wait, turn));
    let trouble = std::pin::pin!(async {
        let nudge = nudge(scratch, cluster, wait, turn);
        tokio::try_join!(trouble(scratch, cluster, wait, turn), nudge).map(drop)
    });
    let worked = match select(came, trouble).await {
        Either::Left((came, _)) => came?,
        Either::Right((Err(trouble), _)) => return Err(trouble),
        Either::Right((Ok(()), came)) => came.await?,
    };
    if let Some(hint) = turn.borrow().hint(&scratch.velero_namespace, worked.copied()) {
        wait.reporter.note(&hint);
    }
    Ok(worked)
}

async fn came(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>, turn: &RefCell<Turn>) -> Result<Worked> {
    let (place, name) = (&scratch.velero_namespace, &scratch.restore);
    let api = velero::api::<PodVolumeRestoreSpec>(cluster, Some(place));
    let what = format!("PodVolumeRestore {place}/{name}");
    let inner = Wait { what: &what, ..wait };
    for_object(cluster, &api, name, inner, |found| {
        let restore: Option<PodVolumeRestore> = match found.map(velero::typed).transpose() {
            Ok(restore) => restore,
            Err(error) => return Poll::Hopeless(error),
        };
        if let Some(status) = restore.as_ref().and_then(|is| is.status.as_ref()) {
            turn.borrow_mut()
                .is(status.phase.as_ref().unwrap_or(&PodVolumePhase::New));
            let (done, total) = (status.progress.bytes_done, status.progress.total_bytes);
            if total > 0 || status.phase == Some(PodVolumePhase::InProgress) {
                let total = (total > 0).then_some(total).or(scratch.stored);
                wait.reporter.bytes(Step::BringBack, done, total);
            }
        }
        judge::volume_restore(&what, restore.as_ref())
            .and_then(|()| Poll::Done(restore.as_ref().map(worked).unwrap_or_default()))
    })
    .await
}

fn worked(restore: &PodVolumeRestore) -> Worked {
    let time = |text: Option<&String>| text.and_then(|text| text.parse::<Timestamp>().ok());
    let status = restore.status.as_ref();
    Worked {
        ordered: time(restore.metadata.creation_timestamp.as_ref()),
        started: time(status.and_then(|is| is.start_timestamp.as_ref())),
        completed: time(status.and_then(|is| is.completion_timestamp.as_ref())),
        bytes: status.map(|is| is.progress.bytes_done),
    }
}

/// Has the node agent look again whenever it has ended another restore.
///
/// It works on one at a time unless it is told otherwise (`loadConcurrency`), and looks at one that it could not begin
/// again after five seconds only, but at once when the object changes (`pkg/controller/pod_volume_restore_controller.go`).
async fn nudge(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>, turn: &RefCell<Turn>) -> Result<()> {
    let (place, name) = (&scratch.velero_namespace, &scratch.restore);
    let api = velero::api::<PodVolumeRestoreSpec>(cluster, Some(place));
    let (ended, mut ends) = mpsc::unbounded_channel();
    let what = format!("the other restores in namespace {place}");
    let inner = Wait {
        what: &what,
        reporter: &Silent,
        ..wait
    };
    let mut known: Option<usize> = None;
    let all = Which::default();
    let watched = for_objects(cluster, &api, &all, inner, |all| {
        let means = |is: &AnyObject| {
            let phase = PodVolumePhase::deserialize(&is.content["status"]["phase"]);
            phase.map_or(Meaning::Waits, |phase| phase.meaning())
        };
        // Once it is begun there is nothing to hurry.
        let is_waiting = |is: &&AnyObject| means(is) == Meaning::Waits;
        if !all.values().any(|is| is.name() == name && is_waiting(&is)) {
            return Poll::Done(());
        }
        let under_way = all.values().filter(|is| means(is) == Meaning::Works).count();
        turn.borrow_mut()
            .among(under_way + all.values().filter(is_waiting).count());
        if known.is_some_and(|before| under_way < before) {
            let _ = ended.send(());
        }
        known = Some(under_way);
        Poll::Wait(format!("{under_way} are under way"))
    });
    let mut count = 0u32;
    let told = async {
        while ends.recv().await.is_some() {
            count += 1;
            let patch = json!({"metadata": {"annotations": {names::NUDGES: count.to_string()}}});
            let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
            let patched = cluster
                .ask("touch the restore", api.patch(name, &parameters, &patch))
                .await;
            if let Err(error) = patched {
                // The node agent looks by itself too, a little later.
                log::debug!("{error}");
            }
        }
        Ok(())
    };
    tokio::select! { watched = watched => watched, told = told => told }
}

/// Ends only when there is no hope any more: as long as there is, the restore itself is what counts.
async fn trouble(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>, turn: &RefCell<Turn>) -> Result<()> {
    let node = place::runs(scratch, &scratch.claim, cluster, wait).await?;
    let agent = agent_runs(scratch, cluster, &node, wait).await?;
    turn.borrow_mut().agent_has(&agent.args.unwrap_or_default());
    turn.borrow_mut().pod_runs();
    let image = agent.image.unwrap_or_default();
    // Who gets no answer here has no reason to give up.
    let too_old = definitions::too_old(cluster, definitions::OF_RESTORES, &image).await;
    if let Ok(Some(reason)) = too_old {
        let what = format!(
            "PodVolumeRestore {}/{}",
            scratch.velero_namespace, scratch.restore
        );
        return Err(judge::hopeless(&what, reason, definitions::REMEDY));
    }
    place::ends(scratch, cluster, wait).await
}

/// Waits until a node agent runs on the node. Tells its container.
async fn agent_runs(scratch: &Scratch, cluster: &Cluster, node: &str, wait: Wait<'_>) -> Result<Container> {
    let place = &scratch.velero_namespace;
    let api: Api<Pod> = Api::namespaced(cluster.client(), place);
    let what = format!("Velero's node agent on node {node}");
    let inner = Wait {
        what: &what,
        reporter: &Silent,
        ..wait
    };
    let which = Which {
        fields: Some(format!("spec.nodeName={node}")),
        labels: Some(definitions::AGENTS.to_owned()),
    };
    for_objects(cluster, &api, &which, inner, |agents| {
        let runs = |pod: &Pod| pod.status.as_ref().and_then(|is| is.phase.as_deref()) == Some("Running");
        if let Some(agent) = agents.values().find(|pod| runs(pod)) {
            let containers = agent.spec.as_ref().and_then(|is| is.containers.as_ref());
            let mut containers = containers.into_iter().flatten();
            let agent = containers.find(|is| is.name == definitions::AGENT_CONTAINER);
            return Poll::Done(agent.cloned().unwrap_or_default());
        }
        let text = format!("none runs in namespace {place}");
        let hint = "let Velero's daemon set node-agent run on that node too: velero-operator's option use-node-agent";
        Poll::Doubt(Doubt {
            about: "no node agent",
            grace: NO_AGENT,
            then: judge::hopeless(&what, text.clone(), hint),
            text,
        })
    })
    .await
}
