//! The claim of media-storage: mounted by the charm, seen by the app, stored by nobody.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use serde_json::{Value, json};

use super::pod_failure::{self, Controller, FILL};
use super::{Beside, Scenario, ScenarioReport};
use crate::exec::{self, Container};
use crate::ground::{Need, RUN_LABEL, TestEnv};
use crate::juju::App;
use crate::pods::Running;
use crate::{apply, backups};

pub const SCENARIO: Scenario = Scenario {
    name: "media-is-mounted-not-stored",
    says: "without --trust the charm says what it lacks and its app runs; with it the charm mounts the claim of \
           media-storage by a change of the StatefulSet, once, the app's user reads the files, and the app's backup holds \
           no byte of them, though another pod mounts the claim and says nothing of backups",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// The claim that holds the media.
pub const CLAIM: &str = "films";
/// A pod of somebody else that mounts it. It says nothing of backups, and calls the volume as the claim.
pub const LIBRARY: &str = "library";
/// Bytes in it.
pub const MEDIA_BYTES: u64 = 40 * 1024 * 1024;
/// Whose the files are.
const USER: (u32, u32) = (3456, 3457);
/// Name of the volume in the pod.
const VOLUME: &str = "media-storage";

/// A charm that provides the claim, put where the simulated Juju can deploy it from.
fn storage_charm() -> String {
    let (uid, gid) = USER;
    format!(
        "mkdir -p /var/lib/juju/storage-charm
cd /var/lib/juju/storage-charm
cat > metadata.yaml <<END
name: storage
summary: provides media
description: provides media
provides:
  media-storage:
    interface: media-storage
END
cat > dispatch <<'END'
#!/bin/sh
set -eu
case $JUJU_DISPATCH_PATH in
  */media-storage-relation-created) relation-set --app 'config={{\"pvc_name\":\"{CLAIM}\",\"mount_path\":\"/data\",\"puid\":{uid},\"pgid\":{gid}}}' ;;
esac
END
chmod 755 dispatch"
    )
}

/// The claim, and a pod of somebody else who fills it. The files are for their owner alone. Returns the film's checksum.
///
/// # Errors
/// When the pod does not get ready.
pub async fn library(ground: &TestEnv, model: &str) -> Result<String> {
    let labels = json!({RUN_LABEL: ground.run});
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": model, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": LIBRARY, "namespace": model, "labels": labels},
        "spec": {
            "containers": [{
                "name": LIBRARY, "image": ground.shell_image, "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"],
                "volumeMounts": [{"name": CLAIM, "mountPath": "/films"}],
            }],
            "volumes": [{"name": CLAIM, "persistentVolumeClaim": {"claimName": CLAIM}}],
        },
    });
    apply::all(&ground.client, &[claim, pod]).await?;
    ground.ready_pod(model, LIBRARY, Duration::from_secs(120)).await?;
    let (uid, gid) = USER;
    let fill = format!(
        "mkdir -p /films/movies
dd if=/dev/urandom of=/films/movies/film.mkv bs=1M count=40 2>/dev/null
chown -R {uid}:{gid} /films
chmod -R go= /films
sha256sum < /films/movies/film.mkv"
    );
    in_library(ground, model, &fill).await
}

async fn in_library(ground: &TestEnv, model: &str, script: &str) -> Result<String> {
    let place = Container {
        namespace: model,
        pod: LIBRARY,
        name: LIBRARY,
    };
    exec::shell(ground, place, script).await
}

/// The app's StatefulSet: which claim its pods mount, and how often it was changed.
async fn stateful_set(ground: &TestEnv, model: &str) -> Result<(Option<String>, i64)> {
    let sets = apply::api(&ground.client, "apps/v1", "StatefulSet", model);
    let set = sets.get("radarr").await?;
    let volumes = set.data["spec"]["template"]["spec"]["volumes"].as_array();
    let ours = volumes
        .into_iter()
        .flatten()
        .find(|volume| volume["name"] == VOLUME);
    let claim = ours.and_then(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    Ok((
        claim.map(str::to_owned),
        set.metadata.generation.unwrap_or_default(),
    ))
}

/// Relates an app without trust to a charm that provides the claim. Returns the status, which says what is lacking.
///
/// # Errors
/// When it says something else.
pub async fn offer(running: &Running<'_>) -> Result<String> {
    let name = &running.app.name;
    running.in_charm(&storage_charm()).await?;
    running
        .sim("juju deploy /var/lib/juju/storage-charm storage")
        .await?;
    running.sim(&format!("juju integrate {name} storage")).await?;
    let status = running.status().await?;
    ensure!(
        status.starts_with("blocked: relation media-storage: ")
            && status.ends_with(&format!("juju trust {name} --scope=cluster")),
        "without trust the charm should say what it lacks: {status}"
    );
    Ok(status)
}

/// Only what `juju trust` changes: the rest of an application's objects is as it was.
pub fn rights(ground: &TestEnv, app: &App) -> Vec<Value> {
    let objects = app.objects(ground).into_iter();
    objects
        .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role")))
        .collect()
}

/// Gives an app the trust that it lacks, and waits until it has the media in a new pod.
///
/// # Errors
/// When that does not come.
pub async fn trust(ground: &TestEnv, running: &Running<'_>) -> Result<()> {
    let pod = running.pod().await?;
    let uid = pod["metadata"]["uid"].as_str().context("the pod has no id")?;
    let controller = Controller::of(running).await?;
    let trusted = App {
        trust: true,
        ..running.app.clone()
    };
    apply::all(&ground.client, &rights(ground, &trusted)).await?;
    // The pod ends of what this makes the charm do, and this command with it.
    let cut_off = running
        .sim(&format!("event update-status {}/0", running.app.name))
        .await;
    if let Err(error) = pod_failure::next_pod(ground, running, uid).await {
        let status = running.status().await;
        return Err(error.context(format!(
            "the dispatch before said {cut_off:?}, its status {status:?}"
        )));
    }
    controller.meets_new_pod(running).await?;
    running.settle().await.map(drop)
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let sum = library(ground, &model).await?;
    let app = App {
        name: "radarr".to_owned(),
        model: model.clone(),
        programs: pod_failure::images(ground.own_bed()?).await?,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let running = pod_failure::deploy(ground, app).await?;
    story.figure("status without trust", offer(&running).await?);
    pod_failure::is_well(&running).await?;
    let (claim, generation) = stateful_set(ground, &model).await?;
    ensure!(claim.is_none(), "without trust nothing can be mounted: {claim:?}");

    trust(ground, &running).await?;
    pod_failure::is_well(&running).await?;
    let (claim, changed) = stateful_set(ground, &model).await?;
    ensure!(
        claim.as_deref() == Some(CLAIM) && changed == generation + 1,
        "the charm should have mounted {CLAIM} by one change: {claim:?}, {} changes",
        changed - generation
    );
    running.sim("event update-status radarr/0").await?;
    let (_, again) = stateful_set(ground, &model).await?;
    ensure!(again == changed, "what is mounted was changed again");
    story.figure("changes of the StatefulSet", changed - generation);

    sees(&running, &sum).await?;
    running.in_workload(FILL).await?;
    let config = running.app.volume("config");
    for (setting, all_by_default) in [("default off", false), ("default on", true)] {
        let short = setting.rsplit(' ').next().unwrap_or_default();
        let mut spec = running.requested_spec().await?;
        spec.default_volumes_to_fs_backup = Some(all_by_default);
        spec.storage_location = Some(ground.location.clone());
        let stored = backups::make(ground, &format!("media-{short}-{}", ground.run), spec).await?;
        let bytes = stored.only(&config)?;
        ensure!(
            bytes < 20 * 1024 * 1024,
            "{bytes} bytes were stored: the 40 MB of media among them?"
        );
        story.figure(&format!("bytes stored beside 40 MB of media, {setting}"), bytes);
    }
    Ok(())
}

/// The app runs as the files' owner, and reads and writes them.
async fn sees(running: &Running<'_>, sum: &str) -> Result<()> {
    let (uid, gid) = USER;
    let owner = running
        .in_workload("stat -c '%u:%g' /proc/$(pidof Radarr)")
        .await?;
    ensure!(
        owner.trim() == format!("{uid}:{gid}"),
        "the app should run as {uid}:{gid}, not {owner}"
    );
    let as_owner = format!("/charm/bin/pebble exec --uid {uid} --gid {gid} --");
    let seen = running
        .in_workload(&format!("{as_owner} sh -c 'sha256sum < /data/movies/film.mkv'"))
        .await?;
    ensure!(
        seen.trim() == sum.trim(),
        "the app should see the film of the claim: {seen}, {sum}"
    );
    running
        .in_workload(&format!("{as_owner} touch /data/movies/seen"))
        .await?;
    Ok(())
}
