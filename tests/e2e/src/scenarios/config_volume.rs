//! The main promise: the config volume comes back, and nothing else was stored.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use serde_json::{Value, json};
use velero_backup_config::{BackupSpec, Method};

use super::{Beside, Scenario, ScenarioReport};
use crate::apply;
use crate::backups::{self, Scratch};
use crate::exec::{self, Container};
use crate::ground::{Need, TestEnv};
use crate::juju::{self, App};

pub const SCENARIO: Scenario = Scenario {
    name: "config-volume-comes-back",
    says: "the spec of this project stores exactly the config volume, and it comes back byte for byte beside the app",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Files of a media app: a database, a config file, a name with a space, an empty one.
const FILL: &str = "mkdir -p '/config/Media Cover/1'
dd if=/dev/urandom of=/config/radarr.db bs=1M count=8 2>/dev/null
echo '<Config><ApiKey>1</ApiKey></Config>' > /config/config.xml
dd if=/dev/urandom of='/config/Media Cover/1/poster.jpg' bs=1k count=300 2>/dev/null
: > /config/empty
dd if=/dev/urandom of=/logs/radarr.txt bs=1M count=3 2>/dev/null
dd if=/dev/urandom of=/media/film.mkv bs=1M count=12 2>/dev/null";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let app = App {
        media: Some("media".to_owned()),
        ..App::waiting(ground, &model)
    };
    apply::all(&ground.client, &app.objects(ground)).await?;
    let pod_name = app.pod();
    ground
        .ready_pod(&model, &pod_name, Duration::from_secs(120))
        .await?;
    let workload = Container {
        namespace: &model,
        pod: &pod_name,
        name: &app.name,
    };
    exec::shell(ground, workload, FILL).await?;
    let before = exec::checksums(ground, workload, "/config").await?;
    ensure!(before.len() == 4, "the volume should hold 4 files: {before:?}");
    let config = app.volume("config");
    let pod = annotate(ground, &model, &pod_name, &config).await?;

    for (operator_setting, fs_backup) in [("opt-in", false), ("opt-out", true)] {
        let name = format!("config-{operator_setting}-{}", ground.run);
        let spec = BackupSpec::config_volume(&app.name, &model, Method::Filesystem)?;
        let mut spec = spec.to_velero_backup_spec(fs_backup);
        spec.storage_location = Some(ground.location.clone());
        let stored = backups::make(ground, &name, spec).await?;
        let bytes = stored.only(&config)?;
        story.figure(&format!("bytes stored, {operator_setting}"), bytes);
        if let Some(bed) = &ground.bed {
            let held = bed.repository_bytes(&model);
            story.figure(
                &format!("bytes in the bucket's repository, {operator_setting}"),
                held,
            );
            // The files are random, so they do not shrink; the film alone would be more than all of them.
            ensure!(
                (bytes..bytes + 2_000_000).contains(&held),
                "{held} bytes are stored for {bytes}"
            );
        }

        let scratch = ground
            .namespace(&format!("{}-{operator_setting}", SCENARIO.name))
            .await?;
        let restored = comes_back(
            ground,
            &pod,
            Scratch {
                backup: &name,
                from: &model,
                to: &scratch,
                volume: &config,
                container: &app.name,
            },
        )
        .await?;
        if let Some(difference) = exec::difference(&before, &restored) {
            bail!("the restored volume differs: {difference}");
        }
        story.figure(
            &format!("files that came back, {operator_setting}"),
            restored.len(),
        );
    }
    Ok(())
}

/// Puts the annotations on the pod that the charm would put there. Returns the pod.
pub async fn annotate(ground: &TestEnv, model: &str, pod: &str, volume: &str) -> Result<Value> {
    let pods = ground.pods(model);
    let found = serde_json::to_value(pods.get(pod).await?)?;
    let patch = json!({"metadata": {"annotations": juju::backup_annotations(&found, volume)}});
    let patched = pods
        .patch(
            pod,
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(patch),
        )
        .await;
    Ok(serde_json::to_value(patched.context("cannot annotate the pod")?)?)
}

/// Restores into a scratch namespace and returns the checksums of what is in the volume there.
pub async fn comes_back(
    ground: &TestEnv,
    pod: &Value,
    scratch: Scratch<'_>,
) -> Result<std::collections::BTreeMap<String, String>> {
    backups::restore(ground, pod, scratch).await?;
    let name = pod["metadata"]["name"].as_str().context("the pod has no name")?;
    let restored = ground
        .ready_pod(scratch.to, name, Duration::from_secs(120))
        .await?;
    let volumes = juju::volumes(&restored);
    ensure!(
        volumes == [scratch.volume],
        "the restored pod should have one volume; it has {volumes:?}"
    );
    exec::checksums(
        ground,
        Container {
            namespace: scratch.to,
            pod: name,
            name: scratch.container,
        },
        "/config",
    )
    .await
}
