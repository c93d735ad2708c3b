//! What a person at a terminal does: `configuratarr` backs up, verifies and restores, one app and all, and is killed in between.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::Value;

use super::exactly::seconds;
use super::fleet::{self, FLEET, Held, Member};
use super::terminal::Terminal;
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "configuratarr-restores",
    says: "configuratarr backs up, verifies and restores two apps by their charms, by commands and through the wizard; killed when it has started one of them, and again while \
           they restore, it goes on and asks no charm twice; cut off from the API server it goes on too; every file and row is as it was",
    beside: Beside::Calm,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let members = &FLEET[..2];
    let apps = fleet::deploy_filled(ground, members, &model).await?;
    let terminal = Terminal::new(ground, &model, SCENARIO.name)?;

    let status = terminal.runs(&["status"], 0).await?;
    ensure!(
        status["apps"][0]["lastGood"].is_null(),
        "nothing was backed up yet: {status}"
    );
    let before = held(members, &apps).await?;
    let began = Instant::now();
    let made = terminal.runs(&["backup", "--all"], 0).await?;
    story.figure("seconds of backup --all, two apps", seconds(began));
    let uids: Vec<&str> = results(&made, "backup-uid")?;
    let status = terminal.runs(&["status"], 0).await?;
    for (number, uid) in uids.iter().enumerate() {
        let last = &status["apps"][number]["lastGood"];
        ensure!(
            last["uid"] == **uid && last["bytes"].as_u64() > Some(0),
            "{status}"
        );
    }
    let began = Instant::now();
    let verified = terminal.runs(&["verify", "--all"], 0).await?;
    story.figure("seconds of verify --all, two apps", seconds(began));
    ensure!(
        results(&verified, "backup-uid")? == uids,
        "the newest ones were to be verified: {verified}"
    );
    // It is written on the Backup, so everybody who lists them knows it.
    let status = terminal.runs(&["status"], 0).await?;
    for (number, uid) in uids.iter().enumerate() {
        let last = &status["apps"][number]["lastVerified"];
        ensure!(
            last["uid"] == **uid && last["outcome"] == "comes back" && last["says"].is_string(),
            "{status}"
        );
    }

    // All of them, killed twice.
    damage(members, &apps).await?;
    let arguments = ["restore", "--all", "--yes"];
    terminal
        .is_killed_at(&arguments, "restore-from-backup on")
        .await?;
    terminal.is_killed_at(&["resume"], "scratch namespace").await?;
    let began = Instant::now();
    let restored = terminal.runs(&["resume"], 0).await?;
    story.figure(
        "seconds of the rest of restore --all after two kills",
        seconds(began),
    );
    ensure!(results(&restored, "backup-uid")? == uids, "{restored}");
    compare(members, &apps, &before).await?;
    for app in &apps {
        let count = restores(app).await?;
        ensure!(count == 1, "{} was restored {count} times", app.app.name);
    }

    // One of them, by its uid, and nothing of the other one.
    damage(&members[..1], &apps[..1]).await?;
    let name = members[0].name;
    let preview = terminal
        .runs(&["restore", name, "--backup", uids[0], "--dry-run"], 0)
        .await?;
    ensure!(results(&preview, "differences")?.len() == 1, "{preview}");
    // In the middle of it the line to the API server is cut, by which Juju is asked too.
    let began = Instant::now();
    let restored = terminal
        .is_cut_off(
            &["restore", name, "--backup", uids[0], "--yes"],
            "scratch namespace",
            "trying again",
        )
        .await?;
    story.figure("seconds of restore of one app, cut off once", seconds(began));
    story.figure("undo of it", results(&restored, "undo")?[0]);
    compare(members, &apps, &before).await?;
    ensure!(
        restores(&apps[1]).await? == 1,
        "{} was restored too",
        members[1].name
    );
    // The same through the wizard.
    damage(&members[..1], &apps[..1]).await?;
    let began = Instant::now();
    terminal.restores_by_wizard(vec![name.to_owned()], false).await?;
    story.figure("seconds of a restore through the wizard", seconds(began));
    compare(members, &apps, &before).await?;
    // What is asked for in vain is told, with nothing begun.
    terminal
        .runs(&["restore", name, "--backup", "nosuch", "--yes"], 1)
        .await
        .map(drop)
        .or_else(no_document)
}

/// What could not be planned prints no document.
fn no_document(error: anyhow::Error) -> Result<()> {
    match format!("{error:#}").contains("there is no backup \"nosuch\"") {
        true => Ok(()),
        false => Err(error),
    }
}

/// What each item of a run tells under this key.
fn results<'a>(run: &'a Value, key: &str) -> Result<Vec<&'a str>> {
    let items = run["progress"].as_array().context("no run was printed")?;
    let of = |item: &'a Value| {
        ensure!(item["state"] == "done", "it is not done: {run}");
        item["results"][key]
            .as_str()
            .with_context(|| format!("no {key} in {run}"))
    };
    items.iter().map(of).collect()
}

/// How often it was asked to restore.
async fn restores(app: &Running<'_>) -> Result<usize> {
    let command = format!(
        "{} juju operations --actions restore-from-backup --format json",
        app.sim_command()
    );
    let all: Value = serde_json::from_str(&app.in_charm(&command).await?)?;
    Ok(all.as_object().map_or(0, serde_json::Map::len))
}

/// What each of these apps' volumes holds.
///
/// # Errors
/// When one cannot be read.
pub async fn held(members: &[Member], apps: &[Running<'_>]) -> Result<Vec<Held>> {
    try_join_all(members.iter().zip(apps).map(|(member, app)| member.held(app))).await
}

/// Fails unless the volumes hold what they held before.
///
/// # Errors
/// The first app with a difference.
pub async fn compare(members: &[Member], apps: &[Running<'_>], before: &[Held]) -> Result<()> {
    let now = held(members, apps).await?;
    for ((member, before), now) in members.iter().zip(before).zip(&now) {
        before
            .is_same(now, &[])
            .with_context(|| format!("{} is not as it was", member.name))?;
    }
    Ok(())
}

/// Every database loses its rows, and a file is there that was not.
async fn damage(members: &[Member], apps: &[Running<'_>]) -> Result<()> {
    for (member, app) in members.iter().zip(apps) {
        let mut script = "echo damaged > /config/damaged\n".to_owned();
        for database in member.databases {
            script += &fleet::sql(database, "DELETE FROM item WHERE id > 1;");
        }
        app.in_workload(&script)
            .await
            .with_context(|| format!("damaging {}", member.name))?;
    }
    Ok(())
}
