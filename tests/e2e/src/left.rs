//! What the recovery engine has left in the cluster.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};

use crate::ground::TestEnv;
use crate::{apply, wait};

/// Nothing that the engine made for the apps of a model, or for any, is there any more, once the namespaces that are ending have ended.
pub async fn nothing_is_left(ground: &TestEnv, model: Option<&str>) -> Result<()> {
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=configuratarr");
    // What does not say whose it is counts for each.
    let counts = |object: &DynamicObject| {
        let target = object.annotations().get("config-recovery/target");
        let of = target.and_then(|target| target.split_once('/'));
        model.zip(of).is_none_or(|(model, (of, _))| model == of)
    };
    let mut restores = ground.velero("PodVolumeRestore").list(&ours).await?.items;
    restores.retain(counts);
    let names = |objects: &[DynamicObject]| -> Vec<String> {
        objects
            .iter()
            .filter_map(|object| object.metadata.name.clone())
            .collect()
    };
    ensure!(
        restores.is_empty(),
        "restores of the engine are left: {:?}",
        names(&restores)
    );
    let namespaces = apply::api(&ground.client, "v1", "Namespace", "");
    wait::until(
        "the engine's namespaces have ended",
        Duration::from_secs(60),
        || {
            let (namespaces, ours) = (namespaces.clone(), ours.clone());
            async move {
                let mut places = namespaces.list(&ours).await?.items;
                places.retain(counts);
                let none = places.is_empty();
                places.retain(|place| place.metadata.deletion_timestamp.is_none());
                ensure!(
                    places.is_empty(),
                    "namespaces of the engine are left: {:?}",
                    names(&places)
                );
                Ok(none.then_some(()))
            }
        },
    )
    .await
}
