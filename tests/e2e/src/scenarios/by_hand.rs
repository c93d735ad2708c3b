//! A restore by hand, with the commands that a dry run shows.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use config_recovery::backups::{BackupContents, BackupSummary};
use futures::FutureExt;
use velero_backup_config::Method;

use super::exactly::seconds;
use super::fleet::{self, FLEET, Held};
use super::pod_failure::Controller;
use super::scratch::back_up;
use super::scratch_snapshot::nothing_of_snapshots_is_left;
use super::snapshot::with_feature;
use super::{Beside, Scenario, ScenarioReport};
use crate::bed::csi::{CLASS, Snapshots};
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "dry-run-works-by-hand",
    says: "the commands that a dry run of restore-from-backup shows, run by bash as they are, bring a damaged app back, from \
           files and from a snapshot: every file, mode and row as before, and nothing left over",
    beside: Beside::NoRestore,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::OwnImages, Need::Snapshots],
    run: |ground, story| run(ground, story).boxed_local(),
};

const DAMAGE: &str = "cd /config
rm -r Backups
echo nonsense > radarr.db
echo more > stray";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let snapshots = ground.own_bed()?.snapshots().await?;
    let played = play(ground, snapshots, story).await;
    played.map_err(|error| anyhow!("{error:#}\n{}", snapshots.last_words()))
}

async fn play(ground: &TestEnv, snapshots: &Snapshots, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let radarr = &FLEET[0];
    let images = radarr.images(bed).await?;
    let running = fleet::deploy_one(ground, radarr, &model, images, Some(CLASS), &[]).await?;
    running.in_workload(&radarr.fill()?).await?;
    running.sim("event settle").await?;
    let before = radarr.held(&running).await?;

    let with_snapshots = with_feature(ground, SCENARIO.name).await?;
    for (velero, method) in [(ground, Method::Filesystem), (&with_snapshots, Method::Snapshot)] {
        // The marks that one method needs would keep the volume out of a backup by the other.
        let choose = format!("juju config radarr backup-method={}", method.as_str());
        running.sim(&choose).await?;
        running.settle().await?;
        // By a Velero of choice: a charm does not know which of several is meant.
        let name = format!("{}-{}-{}", SCENARIO.name, method.as_str(), ground.run);
        let backup = back_up(velero, &running.app, method, &name).await?;
        ensure!(
            matches!(
                (method, &backup.holds),
                (Method::Filesystem, BackupContents::Files(_))
                    | (Method::Snapshot, BackupContents::Snapshot { count: 1 })
            ),
            "the backup should hold the volume: {:?}",
            backup.holds
        );
        let stored = snapshots.all()?;
        comes_back(ground, &running, &before, &backup, story)
            .await
            .with_context(|| format!("from {:?}", backup.holds))?;
        ensure!(snapshots.all()? == stored, "snapshots should be as they were");
    }
    nothing_of_snapshots_is_left(ground, &with_snapshots).await
}

/// Damages the app's volume, and restores it by the commands.
async fn comes_back(
    ground: &TestEnv,
    running: &Running<'_>,
    before: &Held,
    backup: &BackupSummary,
    story: &mut ScenarioReport,
) -> Result<()> {
    running.in_workload(DAMAGE).await?;
    let dry_run = format!("restore-from-backup backup-uid={} dry-run=true", backup.uid);
    let plan = fleet::action(running, &dry_run).await?;
    nothing_is_left(ground, Some(&running.app.model)).await?;
    let commands = plan["commands"].as_str().context("a dry run shows no commands")?;
    let controller = Controller::of(running).await?;
    let began = Instant::now();
    ground.own_bed()?.by_bash(commands).await?;
    let lines = commands.lines().filter(|line| !line.starts_with('#')).count();
    story.figure(&format!("seconds of {lines} lines of commands"), seconds(began));
    controller.meets_new_pod(running).await?;
    running.settle().await?;
    let last = commands.lines().last().and_then(|line| line.split_once(": "));
    let last = last.and_then(|(_, command)| command.strip_suffix('\''));
    let last = last.context("the commands do not end with what removes the previous content")?;
    // Until somebody has seen the app, it is there.
    let folder = last.rsplit(' ').next().unwrap_or_default();
    running.in_charm(&format!("test -e {folder}/old/stray")).await?;
    ground.own_bed()?.by_bash(last).await?;

    let now = FLEET[0].held(running).await?;
    story.figure("files compared", now.files.len());
    without_owners_of_links(before.clone()).is_same(&without_owners_of_links(now), &[])?;
    nothing_is_left(ground, Some(&running.app.model)).await
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
