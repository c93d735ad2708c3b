//! Everything is gone: seven apps, their claims, their volumes, the model's namespace. And comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::future::{join_all, try_join_all};
use kube::api::{DeleteParams, ListParams};

use super::exactly::seconds;
use super::fleet::{self, FLEET, Held};
use super::terminal::Terminal;
use super::{Beside, Scenario, ScenarioReport, in_parallel};
use crate::bed::csi::CLASS;
use crate::ground::{Need, TestEnv};
use crate::juju::Programs;
use crate::pods::Running;
use crate::{apply, left, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "seven-apps-come-back",
    says: "seven apps with data are backed up by their actions and their model's namespace is deleted; redeployed they are \
           restored in parallel, by action, by one command of configuratarr and by the option restore-on-deploy, with every \
           file, owner, mode and row as before",
    beside: Beside::None,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::OwnImages, Need::Snapshots],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// The volumes are those of a CSI driver. The provisioner of the default class asks the API server five times a second, which
/// makes seven volumes one after the other, and starts a pod for each.
const VOLUMES: Option<&str> = Some(CLASS);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    bed.snapshots().await?;
    let model = ground.namespace(SCENARIO.name).await?;
    let mut images = BTreeMap::new();
    for member in &FLEET {
        images.insert(member.name, member.images(bed).await?);
    }
    let (before, counted) = first_life(ground, &model, &images, story).await?;
    delete_model(ground, &model).await?;

    ground.namespace(SCENARIO.name).await?;
    let apps = fleet::deploy(ground, &model, &images, VOLUMES, &[]).await?;
    in_parallel::measure(ground, &apps, story).await?;
    compare(&apps, &before, true).await?;
    for ((member, running), before) in FLEET.iter().zip(&apps).zip(&counted) {
        let now = member.contents(running).await?;
        ensure!(
            now == *before,
            "{} counted {before:?}, and now {now:?}",
            member.name
        );
        story.figure(&format!("counted before and after, {}", member.name), now);
    }
    let terminal = Terminal::new(ground, &model, SCENARIO.name)?;
    by_one_command(&terminal, &apps, story).await?;
    compare(&apps, &before, true).await?;
    if ground.thorough {
        by_wizard(&terminal, &apps, story).await?;
        compare(&apps, &before, true).await?;
    }
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
            "the log of {} should say what was restored",
            running.app.name
        );
    }
    left::nothing_is_left(ground, None).await
}

/// Damages all of them, and restores all with one command.
async fn by_one_command(
    terminal: &Terminal<'_>,
    apps: &[Running<'_>],
    story: &mut ScenarioReport,
) -> Result<()> {
    damage(apps).await?;
    let began = Instant::now();
    let run = terminal.runs(&["restore", "--all", "--yes"], 0).await?;
    story.figure(
        "seconds of configuratarr restore --all, seven apps with a safety backup each",
        seconds(began),
    );
    let restored = run["plan"]["items"].as_array().map_or(0, Vec::len);
    ensure!(
        restored == apps.len(),
        "{restored} of {} apps were restored: {run}",
        apps.len()
    );
    Ok(())
}

/// Damages all of them again, and restores all through the wizard.
async fn by_wizard(terminal: &Terminal<'_>, apps: &[Running<'_>], story: &mut ScenarioReport) -> Result<()> {
    damage(apps).await?;
    let names = apps.iter().map(|app| app.app.name.clone()).collect();
    let began = Instant::now();
    terminal.restores_by_wizard(names, true).await?;
    story.figure("seconds of the same through the wizard", seconds(began));
    Ok(())
}

async fn damage(apps: &[Running<'_>]) -> Result<()> {
    let damaged = apps
        .iter()
        .map(|app| app.in_workload("rm -rf /config/lists; echo damaged > /config/Backups/manual/1.zip"));
    try_join_all(damaged).await.map(drop)
}

/// Deploys, fills and backs up. Returns what each volume holds, and what the charm counts in it.
async fn first_life(
    ground: &TestEnv,
    model: &str,
    images: &BTreeMap<&str, Programs>,
    story: &mut ScenarioReport,
) -> Result<(Vec<Held>, Vec<String>)> {
    let apps = fleet::deploy(ground, model, images, VOLUMES, &[]).await?;
    let filled = FLEET.iter().zip(&apps).map(|(member, running)| async move {
        running.in_workload(&member.fill()?).await?;
        // The configuration that an app keeps is what its charm has seen of it.
        running.sim("event settle").await?;
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(filled).await?;
    let before = held(&apps).await?;
    let counted = FLEET
        .iter()
        .zip(&apps)
        .map(|(member, running)| member.contents(running));
    let counted = try_join_all(counted).await?;
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
    Ok((before, counted))
}

async fn held(apps: &[Running<'_>]) -> Result<Vec<Held>> {
    let held = FLEET
        .iter()
        .zip(apps)
        .map(|(member, running)| member.held(running));
    try_join_all(held).await
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
pub async fn delete_model(ground: &TestEnv, model: &str) -> Result<()> {
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
