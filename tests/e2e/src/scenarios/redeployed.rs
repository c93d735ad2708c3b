//! An app is removed with its volume, and `configuratarr redeploy` deploys it again with its backup.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use kube::api::ListParams;
use serde_json::Value;

use super::configuratarr::{compare, held};
use super::exactly::seconds;
use super::fleet::{self, FLEET};
use super::terminal::{Terminal, while_events_come};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::pods;
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "configuratarr-redeploys",
    says: "an app is removed from Juju with its claim and volume; configuratarr redeploy, killed while its charm restores and gone on with, \
           deploys it from a bundle and a charm file with its option, its backup and its relation: every file, owner, mode and row is as \
           it was, and nothing of the app beside it is touched",
    beside: Beside::Calm,
    depends_on_velero: false,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// An option that the app has, and has again.
const OPTION: (&str, &str) = ("backup-schedule", "13 2 * * *");

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let members = &FLEET[..2];
    let name = members[0].name;
    let apps = fleet::deploy_filled(ground, members, &model).await?;
    let terminal = Terminal::new(ground, &model, SCENARIO.name)?;
    terminal.knows(&apps[0])?;
    let charm = terminal.path("charm");
    pods::charm_folder(name, &charm)?;
    apps[0]
        .sim(&format!("juju config {name} '{}={}'", OPTION.0, OPTION.1))
        .await?;

    let made = terminal.runs(&["backup", name], 0).await?;
    let uid = &made["progress"][0]["results"]["backup-uid"];
    let before = held(members, &apps).await?;
    let bundle = terminal.path("home.yaml");
    std::fs::write(&bundle, terminal.juju(&["export-bundle"]).await?)?;
    terminal
        .juju(&["remove-application", name, "--destroy-storage", "--no-prompt"])
        .await?;
    no_volume_is_left(ground, &model, &apps[0].claim()).await?;

    let charm = format!("{name}={}", charm.display());
    let bundle = bundle.display().to_string();
    let without_image = ["redeploy", name, "--bundle", &bundle, "--charm", &charm, "--yes"];
    let image = format!("{name}:{name}-image={}", apps[0].app.programs.workload());
    let arguments = [&without_image[..], &["--resource", &image]].concat();
    // A charm from a file has no image, and a bundle of such an app names none: it is asked for before anything begins.
    refused(
        &terminal,
        &without_image,
        2,
        &format!("needs an image for resource {name}-image"),
    )
    .await?;
    let began = Instant::now();
    let deployed = while_events_come(&apps, async {
        terminal
            .is_killed_at(&arguments, "deployed; its charm restores the backup")
            .await?;
        terminal.runs(&["resume"], 0).await
    })
    .await?;
    story.figure("seconds of redeploy of one app, killed once", seconds(began));
    let end = &deployed["progress"][0];
    ensure!(
        end["state"] == "finished" && end["results"]["backup-uid"] == *uid,
        "backup {uid} should be restored: {deployed}"
    );
    compare(members, &apps, &before).await?;
    is_as_before(&terminal, name).await?;
    // One that is there is not deployed again.
    refused(&terminal, &arguments, 1, "is deployed in model").await
}

/// The command says this, exits so, and prints no run.
async fn refused(terminal: &Terminal<'_>, arguments: &[&str], code: i32, why: &str) -> Result<()> {
    terminal
        .runs(arguments, code)
        .await
        .map(drop)
        .or_else(|error| match format!("{error:#}").contains(why) {
            true => Ok(()),
            false => Err(error),
        })
}

/// With its claim its volume goes too: what comes back comes from the backup.
async fn no_volume_is_left(ground: &TestEnv, model: &str, claim: &str) -> Result<()> {
    let volumes = apply::api(&ground.client, "v1", "PersistentVolume", "");
    wait::until("the app's volume is gone", Duration::from_secs(120), || {
        let volumes = volumes.clone();
        async move {
            let all = volumes.list(&ListParams::default()).await?.items;
            let mut of = all.iter().map(|volume| &volume.data["spec"]["claimRef"]);
            let is_there = of.any(|of| of["namespace"] == model && of["name"] == claim);
            Ok((!is_there).then_some(()))
        }
    })
    .await
}

/// Its option and its relation are there again.
async fn is_as_before(terminal: &Terminal<'_>, app: &str) -> Result<()> {
    let status: Value = serde_json::from_str(&terminal.juju(&["status", "--format", "json"]).await?)?;
    let relations = &status["applications"][app]["relations"]["velero-backup-config"];
    ensure!(
        relations[0]["related-application"] == "velero-operator",
        "it should be related again: {status}"
    );
    let said = terminal.juju(&["config", app, OPTION.0]).await;
    let said = said.context("its option")?;
    ensure!(said.trim() == OPTION.1, "{} is {said:?}", OPTION.0);
    Ok(())
}
