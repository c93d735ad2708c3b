//! A snapshot, restored by Velero's server as a claim of its own.
//!
//! Only the server knows how: it makes the snapshot known in the scratch namespace and a claim that is filled from it. That
//! takes a second or some, so it does not matter that it works on one Restore at a time.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::future::{Either, select};
use jiff::Timestamp;
use kube::api::ListParams;
use velero_api::{RESTORE_NAME_LABEL, Restore, RestoreSpec};

use super::ensure::ensured;
use super::{Scratch, ScratchSpec, Worked, judge, names, objects, place};
use crate::api::{Api, Object, ObjectMeta};
use crate::backups::names::{CONFIG, JUJU_APP_LABEL, JUJU_STORAGE_LABEL};
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::{PersistentVolumeClaim, Pod};
use crate::report::Silent;
use crate::wait::{Poll, Wait, Which, for_object, for_objects};
use crate::{Result, velero};

/// What is restored. Whatever else a backup holds stays where it is: a wide one holds the app's pods too. Velero needs the
/// volumes to be among it, or the claims wait for the old ones.
const RESOURCES: [&str; 4] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "volumesnapshots.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
];

/// Tells Velero what to do.
pub(super) async fn order(cluster: &Cluster, spec: &ScratchSpec, namespace: &str) -> Result<()> {
    let restore = restore(spec, namespace);
    let what = format!("Restore {}/{}", spec.backup.velero_namespace, restore.name());
    let value = serde_json::to_value(&restore)
        .map_err(|error| ClusterError::refused(format!("create {what}"), error.to_string()))?;
    let api = velero::api::<RestoreSpec>(cluster, Some(&spec.backup.velero_namespace));
    let made = ensured(cluster, &api, &what, value).await;
    made.map(drop).map_err(velero::no_velero::<RestoreSpec>)
}

pub(super) fn restore(spec: &ScratchSpec, namespace: &str) -> Restore {
    let backup = &spec.backup;
    let metadata = ObjectMeta {
        name: Some(names::restore(namespace, &spec.run)),
        namespace: Some(backup.velero_namespace.clone()),
        labels: names::labels(namespace, &spec.run),
        annotations: names::whose(spec),
        ..ObjectMeta::default()
    };
    // Velero puts a claim's labels on its snapshot too.
    let labels = [
        (JUJU_APP_LABEL, backup.whose.app.as_str()),
        (JUJU_STORAGE_LABEL, CONFIG),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let model = &backup.whose.model;
    let wanted = RestoreSpec {
        backup_name: Some(backup.name.clone()),
        included_namespaces: vec![model.clone()],
        included_resources: RESOURCES.map(str::to_owned).into(),
        namespace_mapping: BTreeMap::from([(model.clone(), namespace.to_owned())]),
        label_selector: Some(velero_api::LabelSelector::labels(labels.into())),
        ..RestoreSpec::default()
    };
    Restore::new(metadata, wanted)
}

/// Waits until the claim is there and a pod has its volume.
pub(super) async fn arrive(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>) -> Result<Worked> {
    let (claim, worked) = claim(scratch, cluster, wait).await?;
    let api: Api<Pod> = Api::namespaced(cluster.client(), &scratch.namespace);
    let patience = scratch.patience.as_secs();
    let pod = objects::reader(&scratch.namespace, &claim, &scratch.spec, patience);
    ensured(cluster, &api, &scratch.pod_name(), pod).await?;
    place::runs(scratch, &claim, cluster, wait).await?;
    Ok(worked)
}

/// The claim that came back. It is enough that it is there: what it is filled from is there before it, and a pod gets it
/// when it is filled. Velero itself looks every ten seconds whether it is bound.
async fn claim(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>) -> Result<(String, Worked)> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), &scratch.namespace);
    let came = format!(
        "{RESTORE_NAME_LABEL}={},{JUJU_STORAGE_LABEL}={CONFIG}",
        scratch.restore
    );
    let which = Which::labelled(came.as_str());
    let what = format!("a claim in namespace {}", scratch.namespace);
    let quiet = Wait {
        what: &what,
        deadline: wait.deadline,
        reporter: &Silent,
    };
    let made = pin!(for_objects(cluster, &api, &which, quiet, |claims| {
        if claims.is_empty() {
            return Poll::Wait("Velero has not made it".to_owned());
        }
        match chosen(claims.values().cloned().collect()) {
            Ok(claim) => Poll::Done(claim),
            Err(why) => Poll::Hopeless(scratch.unfit(why)),
        }
    }));
    let ended = pin!(ended(scratch, cluster, wait));
    let claim = match select(made, ended).await {
        Either::Left((made, _)) => made?,
        // With or without a claim: it has done all that it does.
        Either::Right((ended, _)) => {
            ended?;
            let came = ListParams::default().labels(&came);
            let claims = cluster.ask(format!("look for {what}"), api.list(&came)).await?;
            chosen(claims.items).map_err(|why| scratch.unfit(why))?
        }
    };
    let worked = Worked {
        ordered: ordered(scratch, cluster).await?,
        started: None,
        completed: time(&claim.metadata),
        bytes: None,
    };
    Ok((claim.name().to_owned(), worked))
}

/// Waits until Velero has ended the Restore well.
async fn ended(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>) -> Result<()> {
    let (place, name) = (&scratch.velero_namespace, &scratch.restore);
    let api = velero::api::<RestoreSpec>(cluster, Some(place));
    let what = format!("Restore {place}/{name}");
    let wait = Wait { what: &what, ..wait };
    for_object(cluster, &api, name, wait, |found| {
        match found.map(velero::typed).transpose() {
            Ok(restore) => judge::restore(&what, restore.as_ref()),
            Err(error) => Poll::Hopeless(error),
        }
    })
    .await
}

async fn ordered(scratch: &Scratch, cluster: &Cluster) -> Result<Option<Timestamp>> {
    let api = velero::api::<RestoreSpec>(cluster, Some(&scratch.velero_namespace));
    let found = api.get_metadata(&scratch.restore);
    let found = cluster
        .ask_opt(format!("read Restore {}", scratch.restore), found)
        .await?;
    Ok(found.and_then(|is| time(&is)))
}

/// When it was made.
fn time(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.creation_timestamp.as_ref()?.parse().ok()
}

/// A Restore is `Completed` as well when it brings nothing, or a claim that will be empty.
fn chosen(mut claims: Vec<PersistentVolumeClaim>) -> Result<PersistentVolumeClaim, &'static str> {
    // Of several units the first one's.
    claims.sort_by(|one, other| one.name().cmp(other.name()));
    let Some(claim) = claims.into_iter().next() else {
        return Err("Velero restores no config volume from it");
    };
    let is = claim.spec.as_ref();
    // A snapshot of Velero's own plugins comes back as a volume; one of a CSI driver as the claim's source.
    let is_filled = is.is_some_and(|is| {
        is.data_source.is_some() || is.data_source_ref.is_some() || is.volume_name.is_some()
    });
    match is_filled {
        true => Ok(claim),
        false => Err("Velero restores an empty config volume: the backup holds no snapshot of it"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_a_claim_that_will_be_filled_is_chosen() {
        let claim = |name: &str, spec: Value| -> PersistentVolumeClaim {
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
        };
        let source = json!({"dataSource": {"kind": "VolumeSnapshot", "name": "s"}});
        let (second, first) = (claim("c-1", source.clone()), claim("c-0", source));
        assert_eq!(chosen(vec![second, first]).unwrap().name(), "c-0");
        assert_eq!(
            chosen(vec![claim("c", json!({"volumeName": "pv"}))])
                .unwrap()
                .name(),
            "c"
        );
        assert!(chosen(vec![claim("c", json!({}))]).unwrap_err().contains("empty"));
        assert!(chosen(vec![]).unwrap_err().contains("no config volume"));
    }
}
