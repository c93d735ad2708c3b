//! A restore by hand, with the commands that a dry run shows.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use tokio::process::Command;

use super::disaster::nothing_is_left;
use super::exactly::seconds;
use super::fleet::{self, FLEET, Held};
use super::pod_failure::Controller;
use super::{Beside, Scenario, Story};
use crate::bed::Bed;
use crate::ground::{Ground, Need};

pub const SCENARIO: Scenario = Scenario {
    name: "dry-run-works-by-hand",
    says: "the commands that a dry run of restore-from-backup shows, run by bash as they are, bring a damaged app back: every \
           file, mode and row as before, and nothing left over",
    beside: Beside::NoEngine,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const DAMAGE: &str = "cd /config
rm -r Backups
echo nonsense > radarr.db
echo more > stray";

async fn run(ground: &Ground, story: &mut Story) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let radarr = &FLEET[0];
    let running = fleet::deploy_one(ground, radarr, &model, radarr.images(bed).await?, None, &[]).await?;
    running.in_workload(&radarr.fill()).await?;
    running.sim("event settle").await?;
    let before = radarr.held(&running).await?;
    fleet::action(&running, "backup-now").await?;
    running.in_workload(DAMAGE).await?;

    let plan = fleet::action(&running, "restore-from-backup backup-uid=latest dry-run=true").await?;
    nothing_is_left(ground).await?;
    let commands = plan["commands"].as_str().context("a dry run shows no commands")?;
    let controller = Controller::of(&running).await?;
    let began = Instant::now();
    play(bed, commands).await?;
    story.figure(
        "commands",
        commands.lines().filter(|line| !line.starts_with('#')).count(),
    );
    story.figure("seconds that they took", seconds(began));
    controller.meets_new_pod(&running).await?;
    running.settle().await?;

    let now = radarr.held(&running).await?;
    let before = without_owners_of_links(before);
    before
        .is_same(&without_owners_of_links(now.clone()), &[])
        .context("after the commands")?;
    story.figure("files compared", now.files.len());
    nothing_is_left(ground).await
}

/// The charm container of this bed has busybox's `tar`, which leaves links to whoever unpacks them. Juju's has GNU's.
fn without_owners_of_links(mut held: Held) -> Held {
    let lines: Vec<&str> = held
        .owners
        .lines()
        .filter(|line| !line.ends_with("symbolic link"))
        .collect();
    held.owners = lines.join("\n");
    held
}

/// Runs them as a person would who has pasted them.
async fn play(bed: &Bed, commands: &str) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", commands])
        .env("KUBECONFIG", &bed.kubeconfig)
        .env("PATH", format!("{}:{path}", bed.parts.folder().display()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run bash")?;
    ensure!(
        output.status.success(),
        "the commands ended with {}:\n{}{}\nThey were:\n{commands}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
