//! Removes the place, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use velero_api::{Kind, PodVolumeRestoreSpec, RESTORE_NAME_LABEL, RestoreSpec};

use super::names;
use crate::api::{AnyObject, Api, Object, Resource};
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use crate::wait::{Poll, Wait, Which, for_object, for_objects};
use crate::{Error, Result, velero};

/// How often it is looked whether a pod stays because of its node.
const LOST: Duration = Duration::from_secs(60);

/// Removes everything of a namespace that is ours, and waits until it is gone.
pub(super) async fn everything(cluster: &Cluster, namespace: &str, wait: Wait<'_>) -> Result<()> {
    begin(cluster, namespace).await?;
    gone(cluster, namespace, wait).await?;
    outside(cluster, namespace, wait).await
}

/// Removes everything of a namespace that is ours, and waits until all but the namespace itself is gone.
pub(super) async fn content(cluster: &Cluster, namespace: &str, wait: Wait<'_>) -> Result<()> {
    begin(cluster, namespace).await?;
    none_left_of(cluster, namespace, wait).await?;
    outside(cluster, namespace, wait).await
}

/// Removes pod and claim of a namespace that is ours, and waits until they are gone. What their volumes are told to do when the claim
/// goes stays as it is.
pub(super) async fn pod_and_claim(cluster: &Cluster, namespace: &str, wait: Wait<'_>) -> Result<()> {
    pod_and_claim_go(cluster, namespace).await?;
    none_left_of(cluster, namespace, wait).await
}

async fn none_left_of(cluster: &Cluster, namespace: &str, wait: Wait<'_>) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace);
    let what = format!("the end of what is in namespace {namespace}");
    let wait = Wait { what: &what, ..wait };
    let all = Which::default();
    // A claim stays until its pod is gone.
    without_lost_nodes(
        cluster,
        namespace,
        for_objects(cluster, &pods, &all, wait, none_left),
    )
    .await?;
    for_objects(cluster, &claims, &all, wait, none_left).await
}

fn none_left<K, V>(all: &BTreeMap<K, V>) -> Poll<()> {
    match all.is_empty() {
        true => Poll::Done(()),
        false => Poll::Wait("it is being deleted".to_owned()),
    }
}

/// Removes what lies outside of the namespace, and waits until it is gone. What Velero has to put away itself, it puts
/// away one after the other.
pub(super) async fn outside(cluster: &Cluster, namespace: &str, wait: Wait<'_>) -> Result<()> {
    tokio::try_join!(
        restores::<PodVolumeRestoreSpec>(cluster, namespace),
        restores::<RestoreSpec>(cluster, namespace),
        contents_go(cluster, namespace),
    )?;
    let api = velero::api::<RestoreSpec>(cluster, None);
    let which = Which::labelled(names::selector(namespace));
    let what = format!("the end of the Restore into namespace {namespace}");
    let wait = Wait { what: &what, ..wait };
    let gone = for_objects(cluster, &api, &which, wait, |all| match all.is_empty() {
        true => Poll::Done(()),
        false => Poll::Wait("Velero puts it away".to_owned()),
    });
    match gone.await {
        // No Velero, no Restore.
        Err(Error::Cluster(ClusterError::NotFound { .. })) => Ok(()),
        gone => gone,
    }
}

/// Tells the API server to remove everything of a namespace that is ours: first what Velero works on, then the namespace.
pub(super) async fn begin(cluster: &Cluster, namespace: &str) -> Result<()> {
    tokio::try_join!(
        restores::<PodVolumeRestoreSpec>(cluster, namespace),
        restores::<RestoreSpec>(cluster, namespace),
        volumes_go_too(cluster, namespace),
    )?;
    pod_and_claim_go(cluster, namespace).await?;
    let api: Api<Namespace> = Api::all(cluster.client());
    cluster
        .ask_opt(format!("delete namespace {namespace}"), api.delete(namespace))
        .await?;
    Ok(())
}

/// What Velero was told to restore into the namespace, in whichever namespace Velero runs.
async fn restores<S: Kind>(cluster: &Cluster, namespace: &str) -> Result<()> {
    let all = velero::api::<S>(cluster, None);
    let ours = ListParams::default().labels(&names::selector(namespace));
    let found = cluster
        .ask_opt(format!("list {}", S::PLURAL), all.list_metadata(&ours))
        .await?;
    for restore in found.into_iter().flatten() {
        let (Some(name), Some(place)) = (restore.name, restore.namespace) else {
            continue;
        };
        let one = velero::api::<S>(cluster, Some(&place));
        let delete = one.delete(&name);
        cluster
            .ask_opt(format!("delete {} {name}", S::KIND), delete)
            .await?;
    }
    Ok(())
}

/// A class may say that volumes stay when their claims go. These hold a copy that nobody would ever look for.
async fn volumes_go_too(cluster: &Cluster, namespace: &str) -> Result<()> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace);
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let all = ListParams::default();
    let list = claims.list(&all);
    for claim in cluster
        .ask(format!("list claims in namespace {namespace}"), list)
        .await?
        .items
    {
        let Some(name) = claim.spec.and_then(|spec| spec.volume_name) else {
            continue;
        };
        let action = format!("read volume {name}");
        let Some(volume) = cluster.ask_opt(action, volumes.get(&name)).await? else {
            continue;
        };
        if !stays_and_is_of(&volume, claim.metadata.uid.as_deref()) {
            continue;
        }
        let (parameters, patch) = (
            PatchParams::default(),
            Patch::Merge(json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}})),
        );
        let patched = volumes.patch(&name, &parameters, &patch);
        cluster
            .ask_opt(format!("let volume {name} go with its claim"), patched)
            .await?;
    }
    Ok(())
}

/// Whether a volume would stay, though a provisioner made it for this very claim.
fn stays_and_is_of(volume: &PersistentVolume, claim: Option<&str>) -> bool {
    let was_made = volume
        .metadata
        .annotations
        .contains_key("pv.kubernetes.io/provisioned-by");
    let is = volume.spec.as_ref();
    let stays = is.and_then(|is| is.persistent_volume_reclaim_policy.as_deref()) == Some("Retain");
    let of = is
        .and_then(|is| is.claim_ref.as_ref())
        .and_then(|of| of.uid.as_deref());
    was_made && stays && claim.is_some() && of == claim
}

/// The namespace controller begins after five seconds, and comes back eight seconds later when a claim is still in use by
/// then (`pkg/controller/namespace`). What is told to go now is gone by the time that it begins.
async fn pod_and_claim_go(cluster: &Cluster, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace);
    let go = pods.delete_collection();
    cluster
        .ask_opt(format!("delete the pods in namespace {namespace}"), go)
        .await?;
    let go = claims.delete_collection();
    cluster
        .ask_opt(format!("delete the claims in namespace {namespace}"), go)
        .await?;
    Ok(())
}

/// Waits for the end of pods. One whose node does not answer would stay, and its namespace with it, until the node is back: it is
/// removed without the node. It holds nothing but a copy.
async fn without_lost_nodes<T>(
    cluster: &Cluster,
    namespace: &str,
    end: impl Future<Output = Result<T>>,
) -> Result<T> {
    let removed = async {
        loop {
            tokio::time::sleep(LOST).await;
            if let Err(error) = lost_pods_go(cluster, namespace).await {
                log::warn!("{error}");
            }
        }
    };
    tokio::select! {
        biased;
        ended = end => ended,
        never = removed => never,
    }
}

async fn lost_pods_go(cluster: &Cluster, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let nodes: Api<Node> = Api::all(cluster.client());
    let all = ListParams::default();
    let action = format!("list the pods in namespace {namespace}");
    let found = cluster.ask_opt(action, pods.list(&all)).await?;
    let found = found.into_iter().flat_map(|list| list.items);
    for pod in found.filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
        let (Some(name), Some(node)) = (pod.metadata.name, pod.spec.and_then(|spec| spec.node_name)) else {
            continue;
        };
        let there = cluster
            .ask_opt(format!("read node {node}"), nodes.get(&node))
            .await?;
        if there.is_none_or(|node| node.is_lost()) {
            let action = format!("delete pod {namespace}/{name}, whose node does not answer");
            cluster.ask_opt(action, pods.delete_at_once(&name)).await?;
        }
    }
    Ok(())
}

/// Waits until a namespace is gone.
pub(super) async fn gone(cluster: &Cluster, name: &str, wait: Wait<'_>) -> Result<()> {
    let api: Api<Namespace> = Api::all(cluster.client());
    let what = format!("the end of namespace {name}");
    let wait = Wait { what: &what, ..wait };
    let end = for_object(cluster, &api, name, wait, |namespace| match namespace {
        None => Poll::Done(()),
        Some(namespace) => Poll::Wait(why_it_stays(namespace)),
    });
    without_lost_nodes(cluster, name, end).await
}

fn why_it_stays(namespace: &Namespace) -> String {
    let conditions = namespace
        .status
        .iter()
        .flat_map(|is| is.conditions.iter().flatten());
    let reasons: Vec<&str> = conditions
        .filter(|is| is.status == "True")
        .filter_map(|is| is.message.as_deref())
        .collect();
    match reasons.is_empty() {
        true => "it is being deleted".to_owned(),
        false => reasons.join("; "),
    }
}

/// What Velero made for the scratch namespace outside of it: the snapshot's content under a name of its own. The
/// snapshot itself stays; it is the backup's.
pub(super) async fn contents_go(cluster: &Cluster, namespace: &str) -> Result<()> {
    let resource = Resource {
        api_version: "snapshot.storage.k8s.io/v1",
        kind: "VolumeSnapshotContent",
        plural: "volumesnapshotcontents",
    };
    let api: Api<AnyObject> = Api::of(cluster.client(), resource, None);
    let made = ListParams::default().labels(RESTORE_NAME_LABEL);
    // A cluster without snapshots knows no such resource.
    let found = cluster.ask_opt("list snapshot contents", api.list(&made)).await?;
    for content in found.into_iter().flat_map(|list| list.items) {
        if is_left_of(&content, namespace) {
            let name = content.name();
            cluster
                .ask_opt(format!("delete snapshot content {name}"), api.delete(name))
                .await?;
        }
    }
    Ok(())
}

/// Whether it is of that namespace, and the snapshot stays when it goes.
fn is_left_of(content: &AnyObject, namespace: &str) -> bool {
    let spec = &content.content["spec"];
    spec["volumeSnapshotRef"]["namespace"] == namespace && spec["deletionPolicy"] == "Retain"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_volumes_that_were_made_for_the_claim_are_let_go() {
        let volume = |made: Value, policy: &str, of: &str| -> PersistentVolume {
            let value = json!({
                "metadata": {"annotations": made},
                "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"uid": of}},
            });
            serde_json::from_value(value).unwrap()
        };
        let made = json!({"pv.kubernetes.io/provisioned-by": "x"});
        assert!(stays_and_is_of(&volume(made.clone(), "Retain", "1"), Some("1")));
        assert!(!stays_and_is_of(&volume(made.clone(), "Delete", "1"), Some("1")));
        assert!(!stays_and_is_of(&volume(made.clone(), "Retain", "2"), Some("1")));
        assert!(!stays_and_is_of(&volume(made, "Retain", "1"), None));
        // Somebody's own volume that the claim happened to get.
        assert!(!stays_and_is_of(&volume(json!({}), "Retain", "1"), Some("1")));
    }

    #[test]
    fn a_content_of_another_namespace_or_one_that_would_take_the_snapshot_along_stays() {
        let content = |namespace: &str, policy: &str| -> AnyObject {
            let spec = json!({"volumeSnapshotRef": {"namespace": namespace}, "deletionPolicy": policy});
            serde_json::from_value(json!({"metadata": {"name": "c"}, "spec": spec})).unwrap()
        };
        assert!(is_left_of(&content("restore-x", "Retain"), "restore-x"));
        assert!(!is_left_of(&content("media", "Retain"), "restore-x"));
        assert!(!is_left_of(&content("restore-x", "Delete"), "restore-x"));
    }
}
