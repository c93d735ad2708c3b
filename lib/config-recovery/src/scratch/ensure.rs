//! Makes what is not there. What an earlier run left is gone on with, or removed first.

use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::Value;
use velero_api::{
    API_VERSION, Meaning, PodVolumePhase, PodVolumeRestore, PodVolumeRestoreSpec, Restore, RestoreSpec,
};

use super::judge::hopeless;
use super::names::{self, Mark};
use super::{ScratchSpec, objects, remove};
use crate::api::{AnyObject, Api, Object, ObjectMeta};
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::{Namespace, PersistentVolumeClaim, Pod, ServiceAccount, StorageClass};
use crate::wait::Wait;
use crate::{Error, Result, velero};

/// Marks the class that claims without one get; the second key is how it was called before Kubernetes 1.6.
const DEFAULT_CLASS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

/// The backup has to be the one that was chosen: the restore is to be its property.
pub(super) async fn backup_is_there(cluster: &Cluster, spec: &ScratchSpec) -> Result<()> {
    let backup = &spec.backup;
    let api = velero::api::<velero_api::BackupSpec>(cluster, Some(&backup.velero_namespace));
    let found = cluster.ask_opt(
        format!("read backup {}", backup.name),
        api.get_metadata(&backup.name),
    );
    match found.await? {
        Some(found) if found.uid.as_deref() == Some(&backup.uid) => Ok(()),
        _ => {
            // Without Velero's resources there is no backup either, and that is what has to be said.
            let client = cluster.client();
            let known = client.list_api_group_resources(API_VERSION);
            cluster
                .ask("look for Velero", known)
                .await
                .map_err(velero::no_velero::<velero_api::BackupSpec>)?;
            Err(Error::NoSuchBackup(backup.uid.clone()))
        }
    }
}

/// The class is there, or there is a default one.
pub(super) async fn class_is_there(cluster: &Cluster, class: Option<&str>) -> Result<()> {
    let api: Api<StorageClass> = Api::all(cluster.client());
    let hint = "create it, or change the storage of the model: kubectl get storageclass shows what there is";
    if let Some(class) = class {
        let found = cluster
            .ask_opt(format!("read storage class {class}"), api.get_metadata(class))
            .await?;
        return match found {
            Some(_) => Ok(()),
            None => Err(hopeless(
                "the scratch volume",
                format!("there is no storage class {class}"),
                hint,
            )),
        };
    }
    let all = cluster
        .ask("list storage classes", api.list_metadata(&ListParams::default()))
        .await?;
    let is_default = |class: &ObjectMeta| {
        DEFAULT_CLASS
            .iter()
            .any(|key| class.annotations.get(*key).is_some_and(|is| is == "true"))
    };
    match all.iter().any(is_default) {
        true => Ok(()),
        false => Err(hopeless(
            "the scratch volume",
            "the app's claim names no storage class, and the cluster has no default one",
            "mark one as the default: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true",
        )),
    }
}

/// Creates an object; one that is there already stays as it is.
pub(super) async fn ensured<K>(cluster: &Cluster, api: &Api<K>, what: &str, object: Value) -> Result<K>
where
    K: Object,
{
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let create = async {
        match api.create(object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => api.get(&name).await,
            answer => answer,
        }
    };
    match cluster.ask(format!("create {what}"), create).await {
        Err(ClusterError::Ending { .. }) => Err(hopeless(
            what,
            "its namespace is being deleted",
            "run it again when it is gone",
        )),
        answer => Ok(answer?),
    }
}

/// The namespace, of this run and fit to go on with.
///
/// # Errors
/// [`Error::Held`] when another holder has it.
pub(super) async fn namespace(
    cluster: &Cluster,
    spec: &ScratchSpec,
    name: &str,
    wait: Wait<'_>,
) -> Result<()> {
    let api: Api<Namespace> = Api::all(cluster.client());
    loop {
        let started = Timestamp::now().to_string();
        let object = objects::namespace(name, spec, &started);
        let found = ensured(cluster, &api, &format!("namespace {name}"), object).await;
        let found = match found {
            // It went between two requests.
            Err(Error::Cluster(ClusterError::NotFound { .. })) => continue,
            found => found?,
        };
        let mark = Mark::of(&found.metadata, &spec.target);
        if mark.ends {
            remove::gone(cluster, name, wait).await?;
            // Velero puts its Restore away when it comes to it, and this run's would have the same name.
            remove::outside(cluster, name, wait).await?;
            continue;
        }
        if !mark.ours || mark.holder != spec.holder {
            return Err(Error::Held {
                namespace: name.to_owned(),
                holder: mark.holder,
                since: mark.since,
            });
        }
        if mark.run == spec.run && is_usable(cluster, spec, name).await? {
            return Ok(());
        }
        wait.reporter
            .note(&format!("removing what an earlier run left in namespace {name}"));
        remove::everything(cluster, name, wait).await?;
    }
}

/// Whether what an earlier try of this run left can still come to a good end.
async fn is_usable(cluster: &Cluster, spec: &ScratchSpec, namespace: &str) -> Result<bool> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace);
    let velero_namespace = Some(spec.backup.velero_namespace.as_str());
    let restores = velero::api::<PodVolumeRestoreSpec>(cluster, velero_namespace);
    let server_restores = velero::api::<RestoreSpec>(cluster, velero_namespace);
    let name = names::restore(namespace, &spec.run);
    let (pod, claim, restore, server_restore) = tokio::try_join!(
        cluster.ask_opt("look for the scratch pod", pods.get(names::READER)),
        cluster.ask_opt("look for the scratch claim", claims.get(names::CLAIM)),
        cluster.ask_opt("look for the restore", restores.get(&name)),
        cluster.ask_opt("look for the restore", server_restores.get(&name)),
    )?;
    // What Velero has still to put away comes to no good end, whatever its phase.
    let ends = |found: &Option<AnyObject>| {
        let found = found.as_ref();
        found.is_some_and(|found| found.metadata.deletion_timestamp.is_some())
    };
    if ends(&server_restore) || ends(&restore) {
        return Ok(false);
    }
    let restore = restore.map(|found| velero::typed(&found)).transpose()?;
    let server_restore: Option<Restore> = server_restore.map(|found| velero::typed(&found)).transpose()?;
    let failed = server_restore.and_then(|is| is.status).and_then(|is| is.phase);
    if failed.is_some_and(|phase| phase.meaning() == Meaning::Bad) {
        return Ok(false);
    }
    Ok(fits_together(pod.as_ref(), claim.as_ref(), restore.as_ref()))
}

fn fits_together(
    pod: Option<&Pod>,
    claim: Option<&PersistentVolumeClaim>,
    restore: Option<&PodVolumeRestore>,
) -> bool {
    let pod_is_well = pod.is_none_or(|pod| {
        let ended = pod.status.as_ref().and_then(|is| is.phase.as_deref());
        pod.metadata.deletion_timestamp.is_none() && !matches!(ended, Some("Failed" | "Succeeded"))
    });
    let claim_is_well = claim.is_none_or(|claim| {
        let phase = claim.status.as_ref().and_then(|is| is.phase.as_deref());
        claim.metadata.deletion_timestamp.is_none() && phase != Some("Lost")
    });
    let restore_is_well = restore.is_none_or(|restore| {
        let of = restore.spec.pod.uid.as_deref();
        let is_of_the_pod = pod.is_some_and(|pod| pod.metadata.uid.as_deref() == of);
        let phase = restore.status.as_ref().and_then(|is| is.phase.as_ref());
        is_of_the_pod
            && restore.metadata.deletion_timestamp.is_none()
            && phase
                .is_none_or(|phase| phase.meaning() != Meaning::Bad && *phase != PodVolumePhase::Canceling)
    });
    pod_is_well && claim_is_well && restore_is_well
}

/// The account of a pod.
pub(super) async fn account(cluster: &Cluster, spec: &ScratchSpec, namespace: &str) -> Result<()> {
    let api: Api<ServiceAccount> = Api::namespaced(cluster.client(), namespace);
    let what = format!("account {namespace}/{}", names::READER);
    let account = objects::account(namespace, spec);
    ensured(cluster, &api, &what, account).await.map(drop)
}

/// The account, the claim and the pod.
pub(super) async fn pod(
    cluster: &Cluster,
    spec: &ScratchSpec,
    namespace: &str,
    patience: u64,
) -> Result<(Pod, PersistentVolumeClaim)> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace);
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let what = |kind: &str, name: &str| format!("{kind} {namespace}/{name}");
    let its_claim = what("claim", names::CLAIM);
    // Both to their end: which of two errors is told must not be a matter of luck.
    let (account, claim) = tokio::join!(
        account(cluster, spec, namespace),
        ensured(cluster, &claims, &its_claim, objects::claim(namespace, spec)),
    );
    account?;
    let claim = claim?;
    let pod = objects::reader(namespace, names::CLAIM, spec, patience);
    let pod = ensured(cluster, &pods, &what("pod", names::READER), pod).await?;
    Ok((pod, claim))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_left_is_used_only_if_it_can_come_to_a_good_end() {
        let pod = |uid: &str, phase: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {"uid": uid}, "status": {"phase": phase}})).unwrap()
        };
        let claim = |phase: &str| -> PersistentVolumeClaim {
            serde_json::from_value(json!({"status": {"phase": phase}})).unwrap()
        };
        let restore = |uid: &str, phase: &str| -> PodVolumeRestore {
            serde_json::from_value(json!({"spec": {"pod": {"uid": uid}}, "status": {"phase": phase}}))
                .unwrap()
        };
        assert!(fits_together(None, None, None));
        assert!(fits_together(None, Some(&claim("Pending")), None));
        let well = (pod("1", "Pending"), claim("Bound"), restore("1", "Completed"));
        assert!(fits_together(Some(&well.0), Some(&well.1), Some(&well.2)));
        assert!(!fits_together(
            Some(&pod("1", "Failed")),
            Some(&well.1),
            Some(&well.2)
        ));
        assert!(!fits_together(Some(&well.0), Some(&claim("Lost")), Some(&well.2)));
        for phase in ["Failed", "Canceling", "Canceled"] {
            let restore = restore("1", phase);
            let fits = fits_together(Some(&well.0), Some(&well.1), Some(&restore));
            assert!(!fits, "{phase}");
        }
        // The pod that it was for is another one, or gone.
        assert!(!fits_together(
            Some(&well.0),
            Some(&well.1),
            Some(&restore("2", "New"))
        ));
        assert!(!fits_together(None, Some(&well.1), Some(&well.2)));
    }
}
