//! The charm is killed in the middle of restore-from-backup, in its own container, and each restore is undone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::Value;

use super::exactly::seconds;
use super::fleet::{self, FLEET, Held, Member};
use super::killed_restore::{answers, damage, held_without_ours};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::pods::Running;
use crate::wait;

pub const SCENARIO: Scenario = Scenario {
    name: "killed-action-comes-back",
    says: "the charm's own process is killed by SIGKILL in the middle of the action restore-from-backup; the next event leaves \
           the app running with the previous content or the new one as a whole, and the action run again restores it and leaves \
           nothing over; the safety backup of the killed run is there and named, `latest` never means it, the command of the \
           results undoes a restore byte for byte, and Velero reads the mark of a safety backup from the object storage again",
    beside: Beside::Calm,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];

/// The step that is waited for; some are over so soon that a later one may be the first that is seen.
const KILLS: [&str; 4] = [
    "bring-back",
    "transfer|check|stop|swap|start",
    "stop|swap|start|clean",
    "start|clean",
];

/// What others put into a volume: a NAS its thumbnails, also into the folder of the copies, and somebody a folder in the place of the
/// ignore file.
const FOREIGN: &str = "cd /config; mkdir -p .config-backup/@eaDir .kopiaignore; echo thumb >.config-backup/@eaDir/thumb; \
                       echo note >.kopiaignore/note; chown -R 1000:1000 .config-backup .kopiaignore";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(bed).await?;
    let running = fleet::deploy_one(ground, RADARR, &model, images, None, &[]).await?;
    running.in_workload(&RADARR.fill()?).await?;
    running.in_workload(FOREIGN).await?;
    running.sim("event settle").await?;
    let wanted = RADARR.held(&running).await?;
    let began = Instant::now();
    let backup = text(&fleet::action(&running, "backup-now").await?, "backup-uid")?;
    story.figure("seconds of backup-now", seconds(began));
    for steps in KILLS {
        let before = safety_backups(&running, &backup).await?;
        let killed = kill_at(&running, &wanted, steps).await;
        let killed = killed.with_context(|| format!("killed at {steps}"))?;
        story.figure(&format!("killed at {steps}"), killed);
        let after = safety_backups(&running, &backup).await?;
        let of_killed: Vec<&String> = after.difference(&before).collect();
        let [of_killed] = of_killed.as_slice() else {
            bail!(
                "the run that was killed at {steps} should have left one safety backup: {before:?} {after:?}"
            );
        };
        let again = fleet::action(&running, "restore-from-backup backup-uid=latest").await?;
        ensure!(
            again["backup-uid"] == backup.as_str(),
            "another backup was restored: {again}"
        );
        ensure!(
            again.to_string().contains(of_killed.as_str()),
            "run again, it should name safety backup {of_killed}: {again}"
        );
        let restored = wanted.is_same(&RADARR.held(&running).await?, &[]);
        restored.with_context(|| format!("run again after it was killed at {steps}"))?;
        answers(&running).await?;
        nothing_is_left(ground, Some(&model)).await?;
    }
    undone(&running, &backup, &wanted, story).await?;
    is_marked_in_the_object_storage(ground, &running, &backup, story).await
}

fn text(results: &Value, key: &str) -> Result<String> {
    let text = results[key].as_str();
    Ok(text.with_context(|| format!("no {key} in {results}"))?.to_owned())
}

/// The good safety backups from before restores of a backup.
async fn safety_backups(running: &Running<'_>, backup: &str) -> Result<BTreeSet<String>> {
    let listed = fleet::action(running, "list-backups").await?;
    ensure!(
        listed["latest-good"] == backup,
        "another one is the latest: {listed}"
    );
    let all = listed["backups"].as_object().context("no backups are listed")?;
    let safety = all
        .iter()
        .filter(|(_, one)| one["before-restore"] == backup && one["verdict"] == "good");
    Ok(safety.map(|(uid, _)| uid.clone()).collect())
}

/// A restore is undone by the command that it names, and that is undone by the command that this one names.
async fn undone(
    running: &Running<'_>,
    backup: &str,
    wanted: &Held,
    story: &mut ScenarioReport,
) -> Result<()> {
    damage(running).await?;
    // As files of the app: the charm gives it what is not its own when it starts on a restored volume.
    running.in_workload("chown -R 1000:1000 /config/new").await?;
    let damaged = RADARR.held(running).await?;
    let began = Instant::now();
    let restored = fleet::action(running, "restore-from-backup backup-uid=latest").await?;
    story.figure("seconds of a restore with its safety backup", seconds(began));
    story.figure("seconds of it in the engine", text(&restored, "seconds")?);
    wanted.is_same(&RADARR.held(running).await?, &[])?;
    let mut results = restored;
    for (what, expected) in [("undone", &damaged), ("undone twice", wanted)] {
        let undo = text(&results, "undo")?;
        let safety = text(&results, "safety-backup")?;
        let command = undo
            .strip_prefix(&format!("juju run {} ", running.unit()))
            .with_context(|| format!("no command of this unit: {undo}"))?;
        results = fleet::action(running, command).await?;
        ensure!(results["backup-uid"] == safety.as_str(), "{what}: {results}");
        let now = RADARR.held(running).await?;
        expected.is_same(&now, &[]).with_context(|| what.to_owned())?;
        story.figure(&format!("files compared, {what}"), now.files.len());
        answers(running).await?;
    }
    let latest = fleet::action(running, "restore-from-backup backup-uid=latest dry-run=true").await?;
    ensure!(latest["backup-uid"] == backup, "latest means {latest}");
    Ok(())
}

/// What a new cluster would know: the objects are gone, and Velero reads its object storage.
async fn is_marked_in_the_object_storage(
    ground: &TestEnv,
    running: &Running<'_>,
    backup: &str,
    story: &mut ScenarioReport,
) -> Result<()> {
    let api = ground.velero("Backup");
    let marked = ListParams::default().labels(&format!("config-recovery/before-restore={backup}"));
    let names = || async {
        let found = api.list(&marked).await?.items;
        let old: BTreeSet<(String, String)> = found
            .into_iter()
            .filter_map(|one| Some((one.metadata.name?, one.metadata.uid?)))
            .collect();
        anyhow::Ok(old)
    };
    let before = names().await?;
    let (name, uid) = before.first().context("there is no safety backup")?.clone();
    let began = Instant::now();
    api.delete(&name, &DeleteParams::default()).await?;
    wait::until(
        "Velero has read the backup again",
        Duration::from_secs(180),
        || async {
            let now = names().await?;
            Ok(now
                .iter()
                .any(|(same, new)| *same == name && *new != uid)
                .then_some(()))
        },
    )
    .await?;
    story.figure(
        "seconds until Velero has read a deleted safety backup again",
        seconds(began),
    );
    safety_backups(running, backup).await.map(drop)
}

/// Kills a restore and lets the next event see to it. Returns at which step it was, and which content the app has then.
async fn kill_at(running: &Running<'_>, wanted: &Held, steps: &str) -> Result<String> {
    let damaged = damage(running).await?;
    let action = fleet::task(running, "restore-from-backup backup-uid=latest");
    let killer = killer(steps);
    let (task, killed) = tokio::join!(action, running.in_charm(&killer));
    let step = killed?.trim().to_owned();
    let status = &task?["status"];
    ensure!(
        status != "completed",
        "the action ended before it was killed at {step}"
    );
    let unit = format!("{}/0", running.app.name);
    running.sim(&format!("event update-status {unit}")).await?;
    running.settle().await?;
    answers(running).await?;
    let now = held_without_ours(running).await?;
    let whole = [("old", &damaged), ("new", wanted)];
    match whole.iter().find(|(_, held)| held.is_same(&now, &[]).is_ok()) {
        Some((which, _)) => Ok(format!("{step}, then it had the {which} content")),
        None => bail!("killed at {step}, the app has neither content as a whole: {now:?}"),
    }
}

/// Waits until the journal names one of the steps, kills the charm's process, and says which step it was.
fn killer(steps: &str) -> String {
    format!(
        "end=$(($(date +%s) + 120))
until step=$(cat /var/lib/juju/storage/*/.config-restore/run.json /var/lib/juju/storage/*/*/.config-restore/run.json 2>/dev/null | grep -oE '\"({steps})\"')
do test $(date +%s) -lt $end; done
kill -KILL $(pidof dispatch)
echo $step | tr -d '\"'"
    )
}
