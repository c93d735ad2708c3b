//! The volume that a backup came back into, handed over: it stays, and nothing holds it, so that somebody else can take it.
//!
//! These are all writes to Kubernetes that an import of a restored volume makes beside the place itself. Each can be made again.

use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use velero_api::RESTORE_NAME_LABEL;

use super::{By, Purpose, is_of_run, names, removal, remove};
use crate::api::{Api, Object};
use crate::backups::AppId;
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::{Container, PersistentVolume, PersistentVolumeClaim, Pod};
use crate::quantity::bytes_of;
use crate::report::Reporter;
use crate::wait::{Poll, Wait, for_object};
use crate::{Error, Result};

/// What becomes of a volume when its claim goes: it stays.
const RETAIN: &str = "Retain";

/// A volume that a backup came back into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredVolume {
    /// The PersistentVolume: what `juju import-filesystem` takes.
    pub volume: String,
    /// Uid of the claim that it was made for.
    pub claim_uid: String,
    /// Bytes that it has.
    pub capacity: Option<u64>,
    /// Its storage class.
    pub storage_class: Option<String>,
}

/// Finds the volume that came back for this app, by its claim: Velero labels restored claims and no volumes.
///
/// # Errors
/// [`Error::Held`] when the place is another run's, [`Error::Hopeless`] when it has no claim with a volume of its own; otherwise
/// as [`Cluster::ask`].
pub async fn restored_volume(cluster: &Cluster, target: &AppId, by: By<'_>) -> Result<RestoredVolume> {
    let place = names::namespace(target, Purpose::Restore);
    let nothing = |reason: &str| Error::Hopeless {
        what: format!("the restored volume in namespace {place}"),
        reason: reason.to_owned(),
        remedy: "restore again".into(),
    };
    if !is_of_run(cluster, target, by, &place).await? {
        return Err(nothing("the namespace is not there"));
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), &place);
    let all = ListParams::default();
    let action = format!("list the claims in namespace {place}");
    let mut found = cluster.ask(action, claims.list(&all)).await?.items;
    // Files come back into the claim that was made for them, a snapshot with a claim of Velero's.
    found.retain(|claim| {
        claim.name() == names::CLAIM || claim.metadata.labels.contains_key(RESTORE_NAME_LABEL)
    });
    found.sort_by(|one, other| one.name().cmp(other.name()));
    let claim = found
        .into_iter()
        .next()
        .ok_or_else(|| nothing("no claim came back"))?;
    let uid = claim.metadata.uid.clone().unwrap_or_default();
    let name = claim.spec.and_then(|spec| spec.volume_name);
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(nothing("its claim has no volume"));
    };
    let volume = look(cluster, &name).await?;
    let volume = volume.ok_or_else(|| nothing("the volume of its claim is not there"))?;
    if claim_of(&volume).as_deref() != Some(&uid) {
        return Err(nothing("the volume of its claim belongs to another claim"));
    }
    let spec = volume.spec.unwrap_or_default();
    Ok(RestoredVolume {
        volume: name,
        claim_uid: uid,
        capacity: spec
            .capacity
            .and_then(|capacity| bytes_of(capacity.get("storage")?)),
        storage_class: spec.storage_class_name.filter(|class| !class.is_empty()),
    })
}

/// Lets a volume stay when its claim goes. Tells what was said of it before, and looks whether it is so.
///
/// # Errors
/// [`ClusterError::NotFound`] when there is no such volume, [`Error::Hopeless`] when it was patched and is not so; otherwise as
/// [`Cluster::ask`].
pub async fn keep_volume(cluster: &Cluster, name: &str) -> Result<String> {
    let policy = |volume: Option<PersistentVolume>| {
        let volume = volume.ok_or_else(|| ClusterError::NotFound {
            action: format!("keep volume {name}"),
        })?;
        let spec = volume.spec.unwrap_or_default();
        Ok::<_, Error>(spec.persistent_volume_reclaim_policy.unwrap_or_default())
    };
    let before = policy(look(cluster, name).await?)?;
    if before == RETAIN {
        return Ok(before);
    }
    let patch = json!({"spec": {"persistentVolumeReclaimPolicy": RETAIN}});
    change(cluster, name, format!("keep volume {name}"), patch).await?;
    match policy(look(cluster, name).await?)?.as_str() {
        RETAIN => Ok(before),
        other => Err(Error::Hopeless {
            what: format!("volume {name}"),
            reason: format!("its reclaim policy is {other} again after it was set to {RETAIN}"),
            remedy: "see what sets it: kubectl get pv NAME --show-managed-fields -o yaml".into(),
        }),
    }
}

/// Removes the place around a volume that stays: pod and claim, then the volume's mark of the claim, then the rest. Whoever comes
/// next gets a volume that is `Available`.
///
/// # Errors
/// [`Error::Held`] when the place is another run's, [`Error::Hopeless`] when the volume would go with its claim or is somebody
/// else's by now, [`Error::TimedOut`]; otherwise as [`Cluster::ask`].
pub async fn let_volume_free(
    cluster: &Cluster,
    target: &AppId,
    by: By<'_>,
    restored: &RestoredVolume,
    reporter: &dyn Reporter,
) -> Result<()> {
    let place = names::namespace(target, Purpose::Restore);
    let name = &restored.volume;
    let hopeless = |reason: String| Error::Hopeless {
        what: format!("volume {name}"),
        reason,
        remedy: "restore again".into(),
    };
    let volume = look(cluster, name).await?;
    let volume = volume.ok_or_else(|| hopeless("it is not there any more".to_owned()))?;
    let spec = volume.spec.as_ref();
    if spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()) != Some(RETAIN) {
        return Err(hopeless("it would go with its claim".to_owned()));
    }
    let there = is_of_run(cluster, target, by, &place).await?;
    if there {
        remove::pod_and_claim(cluster, &place, removal("the restored claim", reporter)).await?;
    }
    match claim_of(&volume) {
        None => {}
        Some(uid) if uid == restored.claim_uid => {
            // Of this very state of it: whoever binds it in between has it.
            let patch = json!({
                "metadata": {"resourceVersion": look(cluster, name).await?.and_then(|is| is.metadata.resource_version)},
                "spec": {"claimRef": null},
            });
            change(cluster, name, format!("let volume {name} free"), patch).await?;
        }
        Some(_) => return Err(hopeless("another claim has it".to_owned())),
    }
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let what = format!("volume {name}");
    for_object(cluster, &volumes, name, removal(&what, reporter), |volume| {
        let phase = volume.and_then(|is| is.status.as_ref()?.phase.clone());
        match phase.as_deref() {
            Some("Available") => Poll::Done(()),
            Some(phase) => Poll::Wait(format!("it is {phase}")),
            None => Poll::Hopeless(hopeless("it is not there any more".to_owned())),
        }
    })
    .await?;
    // Without claims the rest takes no volume along.
    match there {
        true => remove::everything(cluster, &place, removal("the scratch namespace", reporter)).await,
        false => remove::outside(cluster, &place, removal("the scratch namespace", reporter)).await,
    }
}

/// Removes the place and the volume in it, of a restore that came to nothing. The place of another run is left alone.
///
/// # Errors
/// As [`super::remove`].
pub async fn remove_restored(
    cluster: &Cluster,
    target: &AppId,
    by: By<'_>,
    reporter: &dyn Reporter,
) -> Result<()> {
    let place = names::namespace(target, Purpose::Restore);
    let wait: Wait<'_> = removal("the scratch namespace", reporter);
    match is_of_run(cluster, target, by, &place).await? {
        true => remove::everything(cluster, &place, wait).await,
        false => remove::outside(cluster, &place, wait).await,
    }
}

/// The image that a scratch pod for the app can run from: of the charm's container, which is public where the app's own image may need
/// credentials that a scratch namespace lacks; of another container where there is no such one. `None` where none has an image.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn reader_image(cluster: &Cluster, whose: &AppId, pod: &str) -> Result<Option<String>> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &whose.model);
    let found = cluster.ask(format!("look at pod {pod}"), pods.get(pod)).await?;
    let containers = found.spec.and_then(|spec| spec.containers).unwrap_or_default();
    let of = |wanted: &dyn Fn(&Container) -> bool| {
        let mut with_image = containers.iter().filter(|is| is.image.is_some());
        with_image.find(|is| wanted(is)).and_then(|is| is.image.clone())
    };
    Ok(of(&|container| container.name == "charm").or_else(|| of(&|_| true)))
}

async fn look(cluster: &Cluster, name: &str) -> Result<Option<PersistentVolume>> {
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let found = cluster.ask_opt(format!("look at volume {name}"), volumes.get(name));
    Ok(found.await?)
}

async fn change(cluster: &Cluster, name: &str, action: String, patch: serde_json::Value) -> Result<()> {
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let (how, patch) = (PatchParams::default(), Patch::Merge(patch));
    let changed = volumes.patch(name, &how, &patch);
    Ok(cluster.ask(action, changed).await?)
}

fn claim_of(volume: &PersistentVolume) -> Option<String> {
    volume.spec.as_ref()?.claim_ref.as_ref()?.uid.clone()
}
