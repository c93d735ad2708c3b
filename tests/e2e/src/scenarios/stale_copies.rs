//! What happens between the two hooks of a backup is in the backup, or the backup is not called good.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use serde_json::json;
use velero_api::BackupPhase;

use super::exactly::seconds;
use super::pod_failure::is_well;
use super::protected::{self, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::backups;
use crate::ground::{Need, TestEnv};
use crate::juju::App;

pub const SCENARIO: Scenario = Scenario {
    name: "stale-copies-are-no-backup",
    says: "a backup after one whose after-backup was lost holds the rows that were committed before its own before-backup; a \
           backup during which the app is started anew holds its copies, or is not Completed; one whose copies are removed \
           meanwhile is PartiallyFailed",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let programs = protected::images(ground.own_bed()?, "Radarr", None).await?;
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let protected = Protected::deploy(ground, app).await?;
    protected.running.in_workload(&write(20)).await?;
    after_a_lost_hook(ground, story, &protected).await?;
    started_anew(ground, story, &protected).await?;
    removed_meanwhile(ground, story, &protected).await?;
    protected.stop().await
}

/// Commits so many transactions.
fn write(transactions: u32) -> String {
    format!(
        "cd /config; {WRITER} write radarr.db --megabytes 2 --transactions {transactions} --until kill > /dev/null
chown 1000:1000 radarr.db*"
    )
}

/// One checksum of all rows, and how many transactions they come from.
fn rows(folder: &str) -> String {
    format!("{WRITER} rows {folder}/radarr.db && {WRITER} check {folder}/radarr.db")
}

async fn after_a_lost_hook(
    ground: &TestEnv,
    story: &mut ScenarioReport,
    protected: &Protected<'_>,
) -> Result<()> {
    let running = &protected.running;
    let volume = protected.volume();
    protected.without_last_hook().await?;
    let first = format!("stale-lost-{}", ground.run);
    protected.back_up_bare(&first, false).await?.only(&volume)?;
    running.in_workload(&write(15)).await?;
    let before = running.in_workload(&rows("/config")).await?;
    // The first event after an action looks at the cluster, and puts the charm's marks back.
    running.sim("juju run radarr/0 show-backup-spec").await?;
    running.sim("event update-status radarr/0").await?;

    let next = format!("stale-next-{}", ground.run);
    let bytes = protected.back_up(&next, false).await?.only(&volume)?;
    story.figure("bytes stored after a lost hook", bytes);
    has_rows(protected, &next, &before)
        .await
        .context("a backup after one whose last hook was lost")?;
    story.figure("its rows", "those committed before its own before-backup");
    Ok(())
}

/// Restores a backup and compares the rows that the app would find.
async fn has_rows(protected: &Protected<'_>, backup: &str, wanted: &str) -> Result<()> {
    let restored = protected
        .restore(backup, &format!("{}-{backup}", SCENARIO.name))
        .await?;
    restored.put_in_place().await?;
    let found = restored.shell(&rows("/config")).await?;
    ensure!(
        found == wanted && wanted.contains("sound"),
        "backup {backup} should hold the rows\n{wanted}but holds\n{found}"
    );
    restored.remove().await
}

/// The workload's container ends while a backup waits to be copied, as when it is killed for want of memory.
async fn started_anew(ground: &TestEnv, story: &mut ScenarioReport, protected: &Protected<'_>) -> Result<()> {
    let running = &protected.running;
    let name = format!("stale-started-{}", ground.run);
    let before = running.in_workload(&rows("/config")).await?;
    protected.hold_first_hook().await?;
    protected.ask_for_backup(&name).await?;
    protected.first_hook_is_held().await?;
    let began = Instant::now();
    running.restart_workload().await?;
    running.settle().await?;
    is_well(running).await?;
    story.figure("seconds until the app ran again", seconds(began));
    protected.let_first_hook_go().await?;
    let phase = phase(ground, &name).await?;
    story.figure(
        "a backup during which the app was started anew is",
        format!("{phase:?}"),
    );
    if phase == BackupPhase::Completed {
        has_rows(protected, &name, &before)
            .await
            .context("a backup during which the app was started anew is Completed")?;
    }
    Ok(())
}

async fn phase(ground: &TestEnv, backup: &str) -> Result<BackupPhase> {
    let status = backups::end(ground, backup).await?.status.unwrap_or_default();
    status.phase.context("the backup has no phase")
}

async fn removed_meanwhile(
    ground: &TestEnv,
    story: &mut ScenarioReport,
    protected: &Protected<'_>,
) -> Result<()> {
    let running = &protected.running;
    let name = format!("stale-removed-{}", ground.run);
    let before = running.in_workload(&rows("/config")).await?;
    protected.hold_first_hook().await?;
    protected.ask_for_backup(&name).await?;
    protected.first_hook_is_held().await?;
    running
        .in_workload("rm -r /config/.config-backup/set* /config/.kopiaignore")
        .await?;
    protected.let_first_hook_go().await?;
    let phase = phase(ground, &name).await?;
    story.figure(
        "a backup whose copies were removed meanwhile is",
        format!("{phase:?}"),
    );
    ensure!(
        phase == BackupPhase::PartiallyFailed,
        "a backup whose copies were removed meanwhile should be PartiallyFailed, not {phase:?}"
    );
    ensure!(
        before == running.in_workload(&rows("/config")).await?,
        "the app's own database has changed"
    );
    is_well(running).await
}
