//! Everything is gone: seven apps, their claims, their volumes, the model's namespace. And comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::future::{join_all, try_join_all};
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::Value;

use super::exactly::seconds;
use super::fleet::{self, FLEET, Held};
use super::{Beside, Scenario, ScenarioReport};
use crate::bed::csi::CLASS;
use crate::ground::{Need, TestEnv};
use crate::juju::Programs;
use crate::pods::Running;
use crate::{apply, node_agent, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "seven-apps-come-back",
    says: "seven apps with data are backed up by their actions and their model's namespace is deleted; redeployed they are \
           brought back in parallel, by action and by the option restore-on-deploy, with every file, owner, mode and row as \
           before",
    beside: Beside::None,
    depends_on_velero: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::OwnImages, Need::Snapshots],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// The volumes are those of a CSI driver. The provisioner of the default class asks the API server five times a second, which
/// makes seven volumes one after the other, and starts a pod for each.
const VOLUMES: Option<&str> = Some(CLASS);

/// What the engine may add to Velero's own part of a restore, in seconds.
const ADDED: f64 = 5.0;
/// How many times as long as one app seven may take at once, beyond what Velero's node agent does one after the other.
const TIMES: f64 = 1.5;

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    bed.snapshots().await?;
    let model = ground.namespace(SCENARIO.name).await?;
    let mut images = BTreeMap::new();
    for member in &FLEET {
        images.insert(member.name, member.images(bed).await?);
    }
    let before = first_life(ground, &model, &images, story).await?;
    delete_model(ground, &model).await?;

    ground.namespace(SCENARIO.name).await?;
    let apps = fleet::deploy(ground, &model, &images, VOLUMES, &[]).await?;
    by_action(ground, &apps, story).await?;
    compare(&apps, &before, true).await?;
    delete_model(ground, &model).await?;

    ground.namespace(SCENARIO.name).await?;
    let began = Instant::now();
    let apps = fleet::deploy(
        ground,
        &model,
        &images,
        VOLUMES,
        &[("restore-on-deploy", "latest")],
    )
    .await?;
    story.figure("seconds to deploy seven with restore-on-deploy", seconds(began));
    compare(&apps, &before, false).await?;
    for running in &apps {
        let log = running.in_charm("cat /var/lib/juju/sim/unit-*.log").await?;
        ensure!(
            log.contains("restore-on-deploy"),
            "the log of {} should say what was brought back",
            running.app.name
        );
    }
    nothing_is_left(ground).await
}

/// Deploys, fills and backs up. Returns what each volume holds.
async fn first_life(
    ground: &TestEnv,
    model: &str,
    images: &BTreeMap<&str, Programs>,
    story: &mut ScenarioReport,
) -> Result<Vec<Held>> {
    let apps = fleet::deploy(ground, model, images, VOLUMES, &[]).await?;
    let filled = FLEET.iter().zip(&apps).map(|(member, running)| async move {
        running.in_workload(&member.fill()).await?;
        // The configuration that an app keeps is what its charm has seen of it.
        running.sim("event settle").await?;
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(filled).await?;
    let before = held(&apps).await?;
    let began = Instant::now();
    let made = join_all(apps.iter().map(|running| fleet::action(running, "backup-now"))).await;
    story.figure("seconds of seven backups", seconds(began));
    for (running, results) in apps.iter().zip(made) {
        let results = results?;
        let bytes: u64 = results["bytes"].as_str().context("no bytes")?.parse()?;
        ensure!(
            bytes > 15 << 20,
            "the backup of {} should hold its 15 MB and more: {results}",
            running.app.name
        );
        story.figure(&format!("bytes stored, {}", running.app.name), bytes);
    }
    Ok(before)
}

async fn held(apps: &[Running<'_>]) -> Result<Vec<Held>> {
    let held = FLEET
        .iter()
        .zip(apps)
        .map(|(member, running)| member.held(running));
    try_join_all(held).await
}

/// Restores one app alone, three times, then all seven at once, and tells what they waited for.
///
/// The node agent opens its repository twice for each restore, in a loop that works on one restore at a time
/// (`pkg/controller/pod_volume_restore_controller.go` and `pkg/datapath/file_system.go` of Velero 1.15.2), and each opening
/// derives a key by scrypt: half a second of work at least, which no `loadConcurrency` shortens. Apart from that queue
/// seven are to come back beside each other.
async fn by_action(ground: &TestEnv, apps: &[Running<'_>], story: &mut ScenarioReport) -> Result<()> {
    let mut alone = Vec::new();
    for running in apps.iter().take(3) {
        alone.push(restored(ground, std::slice::from_ref(running)).await?);
    }
    alone.sort_by(|one, other| one.took.total_cmp(&other.took));
    let told: Vec<String> = alone
        .iter()
        .map(|is| {
            format!(
                "{:.1} (node agent {:.1}, beside Velero {:.1})",
                is.took, is.agent, is.added
            )
        })
        .collect();
    story.figure("seconds of one, three times", told.join(", "));
    let one = alone.get(1).context("there is no middle one")?;
    // Their namespaces take some seconds to end, and the same app would wait for that.
    nothing_is_left(ground).await?;

    let seven = restored(ground, apps).await?;
    for (running, results) in apps.iter().zip(&seven.results) {
        story.figure(&format!("results, {}", running.app.name), results);
    }
    let queue = seven.agent - one.agent;
    let beyond = seven.took - queue;
    story.figure(
        "seconds of seven in parallel",
        format!(
            "{:.1}, {:.2} times one, the node agent {:.1} of them; without its queue {beyond:.1}, {:.2} times one; the engine \
             at most {:.1} beside Velero for one of them",
            seven.took,
            seven.took / one.took,
            seven.agent,
            beyond / one.took,
            seven.added
        ),
    );
    ensure!(
        beyond <= TIMES * one.took,
        "seven in parallel took {beyond:.1} s beside the node agent's queue of {queue:.1} s, more than {TIMES} times the \
         {:.1} s of one",
        one.took
    );
    let most = alone.iter().map(|is| is.added).fold(seven.added, f64::max);
    ensure!(
        most <= ADDED,
        "the engine added {most:.1} s to Velero's own time, more than {ADDED}"
    );
    Ok(())
}

/// How restores went that were begun at the same time. All in seconds.
struct Restored {
    /// Until the last one was done.
    took: f64,
    /// Time in which the node agent worked on any of them.
    agent: f64,
    /// The most that one of them took beyond Velero's own time.
    added: f64,
    results: Vec<Value>,
}

async fn restored(ground: &TestEnv, apps: &[Running<'_>]) -> Result<Restored> {
    let actions = async {
        let began = Instant::now();
        let restores = apps
            .iter()
            .map(|running| fleet::action(running, "restore-from-backup backup-uid=latest"));
        let results: Result<Vec<Value>> = join_all(restores).await.into_iter().collect();
        results.map(|results| (results, began.elapsed().as_secs_f64()))
    };
    let (results, worked) = node_agent::during(&ground.velero("PodVolumeRestore"), actions).await?;
    let (results, took) = results?;
    ensure!(
        worked.restores() == apps.len(),
        "the node agent should have worked on {} restores, not on {}",
        apps.len(),
        worked.restores()
    );
    let mut most: f64 = 0.0;
    for result in &results {
        most = most.max(added(result)?);
    }
    Ok(Restored {
        took,
        agent: worked.busy().as_secs_f64(),
        added: most,
        results,
    })
}

/// Seconds of a restore that were not Velero's own.
fn added(results: &Value) -> Result<f64> {
    let number = |key: &str| -> Result<f64> {
        let text = results[key]
            .as_str()
            .with_context(|| format!("no {key} in {results}"))?;
        Ok(text.parse()?)
    };
    Ok(number("seconds")? - number("velero-seconds")?)
}

/// Compares every file and row. After an action the key in the app's file is the one of the secret, which is newer than the
/// backup. So is a password, of which the file holds a hash only: a fresh charm cannot take it over.
async fn compare(apps: &[Running<'_>], before: &[Held], has_new_key: bool) -> Result<()> {
    let now = held(apps).await?;
    for ((member, before), now) in FLEET.iter().zip(before).zip(&now) {
        let config_file = member
            .config_file()?
            .filter(|_| has_new_key || member.keeps_a_password());
        let but: Vec<String> = config_file.into_iter().collect();
        before
            .is_same(now, &but)
            .with_context(|| format!("{} is not as it was", member.name))?;
    }
    Ok(())
}

/// Deletes the namespace and waits until it and the volumes of its claims are gone.
async fn delete_model(ground: &TestEnv, model: &str) -> Result<()> {
    let pods = ground.pods(model);
    for pod in pods.list(&ListParams::default()).await?.items {
        let name = pod.metadata.name.unwrap_or_default();
        pods.delete(&name, &DeleteParams::default().grace_period(0))
            .await?;
    }
    let namespaces = apply::api(&ground.client, "v1", "Namespace", "");
    namespaces.delete(model, &DeleteParams::default()).await?;
    let volumes = apply::api(&ground.client, "v1", "PersistentVolume", "");
    wait::until(
        "the model and its volumes are gone",
        Duration::from_secs(120),
        || {
            let (namespaces, volumes) = (namespaces.clone(), volumes.clone());
            async move {
                let is_there = namespaces.get_opt(model).await?.is_some();
                let all = volumes.list(&ListParams::default()).await?.items;
                let has_volumes = all
                    .iter()
                    .any(|volume| volume.data["spec"]["claimRef"]["namespace"] == model);
                Ok((!is_there && !has_volumes).then_some(()))
            }
        },
    )
    .await
}

/// Nothing that the engine made is there any more, once the namespaces that are ending have ended.
pub async fn nothing_is_left(ground: &TestEnv) -> Result<()> {
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=configuratarr");
    let restores = ground.velero("PodVolumeRestore").list(&ours).await?.items;
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
