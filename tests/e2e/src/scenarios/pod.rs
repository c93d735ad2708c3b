//! The charm in a pod as Juju makes it: the real binary, real Pebble, RBAC enforced.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::radarr;

use super::config_volume::comes_back;
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::{self, Scratch};
use crate::ground::{Need, TestEnv};
use crate::image::Layer;
use crate::juju::{self, App};
use crate::pods::{self, Recipe, Running};

pub const SCENARIO: Scenario = Scenario {
    name: "pod-under-pebble",
    says: "the charm runs its app under real Pebble in a pod as Juju makes it, without and with --trust, and the volume \
           of the request that it publishes comes back",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let binaries = Binaries::for_tests()?;
    let stand_in = Layer::new()
        .program("/app/radarr/bin/Radarr", &binaries.stand_in_radarr)
        .text(
            "/app/radarr/package_info",
            &format!("PackageVersion={}\n", radarr::VERSION),
        );
    let workload = vec![pods::with_libraries(stand_in, &[&binaries.stand_in_radarr])?];
    let programs = pods::images(
        bed,
        Recipe {
            app: "radarr",
            workload,
        },
    )
    .await?;
    for trust in [false, true] {
        let word = if trust { "trusted" } else { "untrusted" };
        let model = ground.namespace(&format!("{}-{word}", SCENARIO.name)).await?;
        let app = App {
            name: "radarr".to_owned(),
            model,
            programs: programs.clone(),
            trust,
            logs: false,
            media: None,
            annotations: json!({}),
        };
        one(ground, story, app, word)
            .await
            .with_context(|| format!("{word} application"))?;
    }
    Ok(())
}

async fn one(ground: &TestEnv, story: &mut ScenarioReport, app: App, word: &str) -> Result<()> {
    let running = Running::start(ground, app).await?;
    let may_read_secrets = running.may("get", "secrets").await?;
    ensure!(
        may_read_secrets == running.app.trust,
        "RBAC is not as Juju leaves it: secrets readable: {may_read_secrets}"
    );
    ensure!(
        running.may("patch", "pods").await?,
        "a charm may patch its own pod, trusted or not"
    );

    running.deploy().await?;
    let status = running.settle().await?;
    story.figure(&format!("status, {word}"), &status);
    let services = running.in_workload("/charm/bin/pebble services").await?;
    ensure!(
        services.contains("active"),
        "Pebble should run Radarr:\n{services}"
    );
    let ping = running
        .in_workload("wget -q -O - http://127.0.0.1:7878/ping")
        .await?;
    ensure!(ping.contains("OK"), "Radarr should answer: {ping}");

    running.sim("juju deploy velero-operator").await?;
    running.sim("juju integrate radarr velero-operator").await?;
    running.settle().await?;
    let spec = running.requested_spec().await?;

    running
        .in_workload("dd if=/dev/urandom of=/config/films.bin bs=1M count=2 2>/dev/null")
        .await?;
    let before = running.checksums().await?;
    let config = running.app.volume("config");
    let pod = annotated(&running, &config).await?;
    story.figure(
        &format!("annotations of the pod, {word}"),
        "by the charm, as its rights allow",
    );

    let name = format!("pod-{word}-{}", ground.run);
    let stored = backups::make(ground, &name, spec).await?;
    story.figure(&format!("bytes stored, {word}"), stored.only(&config)?);
    let scratch = ground
        .namespace(&format!("{}-{word}-back", SCENARIO.name))
        .await?;
    let place = Scratch {
        backup: &name,
        from: &running.app.model,
        to: &scratch,
        volume: &config,
        container: &running.app.name,
    };
    let restored = comes_back(ground, &pod, place).await?;
    running.judge(&before, &restored)?;
    story.figure(&format!("files that came back, {word}"), restored.len());
    Ok(())
}

/// The pod, on which the charm must have said which volume is to be copied and which are not. That RBAC lets it is part of
/// what is proven.
async fn annotated(running: &Running<'_>, volume: &str) -> Result<Value> {
    let pod = running.pod().await?;
    let found = &pod["metadata"]["annotations"];
    let names = |key: &str| -> BTreeSet<String> {
        let list = found[format!("backup.velero.io/{key}")]
            .as_str()
            .unwrap_or_default();
        list.split(',').map(str::to_owned).collect()
    };
    let included = names("backup-volumes");
    let excluded = names("backup-volumes-excludes");
    let others: BTreeSet<String> = juju::volumes(&pod)
        .into_iter()
        .filter(|name| name != volume)
        .collect();
    ensure!(
        included == BTreeSet::from([volume.to_owned()])
            && excluded.is_superset(&others)
            && !excluded.contains(volume),
        "the charm should have put {volume} and {others:?} on its pod; there is {found}"
    );
    Ok(pod)
}
