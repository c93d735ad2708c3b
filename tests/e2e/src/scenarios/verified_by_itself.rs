//! A test restore that is due is made by the charm itself.

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::fleet::{self, FLEET, Member};
use super::untouched::Untouched;
use super::{Beside, Scenario, ScenarioReport, scraped};
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "test-restore-by-itself",
    says: "when verify-schedule is due, an update-status restores the newest backup beside the app and compares it: the backup, the \
           status and the metrics say so, the app is the same process with the same bytes, nothing is left, and the next \
           update-status makes none",
    beside: Beside::Calm,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
/// Annotations in which the charm writes on a backup what it has proven of it.
const PROVEN_AT: &str = "config-recovery/proven-at";
const PROVEN_AS: &str = "config-recovery/proven-as";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(bed).await?;
    let config = [("verify-schedule", "weekly")];
    let running = fleet::deploy_one(ground, RADARR, &model, images, None, &config).await?;
    running.in_workload(&RADARR.fill()?).await?;
    let schedule = scraped::relate(ground, &running).await?;
    let played = play(ground, &running, story).await;
    let schedules = ground.velero("Schedule");
    let removed = schedules.delete(&schedule, &DeleteParams::default()).await;
    played?;
    removed?;
    Ok(())
}

async fn play(ground: &TestEnv, running: &Running<'_>, story: &mut ScenarioReport) -> Result<()> {
    let made = fleet::action(running, "backup-now").await?;
    let name = made["backup-name"].as_str().context("the backup has no name")?;
    let update = format!("event update-status {}", running.unit());

    // A week has to pass until the first one is due.
    running.sim(&update).await?;
    let status = running.status().await?;
    ensure!(
        status.starts_with("active: ") && !status.contains("verified"),
        "nothing was verified yet: {status}"
    );
    ensure!(proof(ground, name).await? == Value::Null, "nothing is due yet");

    let week_ago = Timestamp::now() - SignedDuration::from_hours(8 * 24);
    let earlier = json!({"metadata": {"annotations": {
        PROVEN_AT: Timestamp::from_second(week_ago.as_second())?.to_string(), PROVEN_AS: "comes-back",
    }}});
    let backups = ground.velero("Backup");
    backups
        .patch(name, &PatchParams::default(), &Patch::Merge(earlier))
        .await?;
    scraped::look_again(running, 1).await?;
    let due = scraped::metric(running, "config_backup_verify_due_timestamp_seconds").await?;
    ensure!(
        due < seconds(Timestamp::now())?,
        "a test restore should be due: {due}"
    );

    let before = Untouched::of(running).await?;
    let begun = Timestamp::now();
    running.sim(&update).await?;
    story.figure(
        "seconds of the update-status that makes the test restore",
        Timestamp::now().duration_since(begun).as_secs(),
    );
    let first = proof(ground, name).await?;
    let proven: Timestamp = first.as_str().context("no proof is written")?.parse()?;
    ensure!(
        proven.as_second() >= begun.as_second(),
        "the backup should have been proven now: {proven}"
    );
    let status = running.status().await?;
    story.figure("the status after it", &status);
    let day = proven.strftime("%Y-%m-%d").to_string();
    ensure!(
        status.starts_with("active: ") && status.contains(&format!("verified {day}")),
        "the status should say what was verified: {status}"
    );
    before.is_still_so(running).await?;
    nothing_is_left(ground, Some(&running.app.model)).await?;

    scraped::look_again(running, 2).await?;
    let metric = async |what: &str| {
        let name = format!("config_backup_{what}");
        scraped::metric(running, &name).await
    };
    let came_back = metric("last_verify_success").await?;
    ensure!(came_back == 1.0, "it came back, and the metric is {came_back}");
    let at = metric("last_verify_timestamp_seconds").await?;
    ensure!(
        at == seconds(proven)?,
        "it was at {proven}, and the metric is {at}"
    );
    let took = metric("last_verify_duration_seconds").await?;
    ensure!(took > 0.0, "it took a while, and the metric is {took}");
    let due = metric("verify_due_timestamp_seconds").await?;
    ensure!(
        due > seconds(Timestamp::now())?,
        "none is due any more, and the metric is {due}"
    );
    running.sim(&update).await?;
    ensure!(
        proof(ground, name).await? == first,
        "one test restore was due, and no second one"
    );
    Ok(())
}

/// As Prometheus has times.
fn seconds(time: Timestamp) -> Result<f64> {
    Ok(f64::from(u32::try_from(time.as_second())?))
}

/// When the backup was last proven, as it is written on it.
async fn proof(ground: &TestEnv, name: &str) -> Result<Value> {
    let backup = serde_json::to_value(ground.velero("Backup").get(name).await?)?;
    Ok(backup["metadata"]["annotations"][PROVEN_AT].clone())
}
