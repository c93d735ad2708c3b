//! The recovery engine is killed everywhere, and run again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use config_recovery::engine::{self, Settled};
use config_recovery::journal::Step;
use futures::FutureExt;

use super::fleet::{FLEET, Held, Member};
use super::protected::Protected;
use super::{Beside, Scenario, ScenarioReport};
use crate::engine_process::{Ended, KillAt, Task};
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "killed-restore-comes-back",
    says: "the engine is killed by SIGKILL at the beginning of every step, while Velero works and in the middle of the \
           copy; until the app is stopped its files are as they were and it runs; run again, it ends with the backup's \
           data, and nothing is left over",
    beside: Beside::Calm,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];

/// Where the run is killed, and whether the app was sick in it, so that the steps of the way back were taken.
const KILLS: [(KillAt, u32); 13] = [
    (KillAt::Begins(Step::MakeScratch), 0),
    (KillAt::Begins(Step::BringBack), 0),
    (KillAt::Waiting, 0),
    (KillAt::Begins(Step::Transfer), 0),
    (KillAt::Copied(50), 0),
    (KillAt::Begins(Step::Check), 0),
    (KillAt::Begins(Step::Stop), 0),
    (KillAt::Begins(Step::Swap), 0),
    (KillAt::Begins(Step::Start), 0),
    (KillAt::Begins(Step::Clean), 0),
    (KillAt::Begins(Step::PutBack), 1),
    (KillAt::Begins(Step::Restart), 1),
    (KillAt::Begins(Step::Clean), 1),
];

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let programs = RADARR.images(bed).await?;
    let image = programs.workload().to_owned();
    let protected = Protected::deploy(ground, RADARR.app(&model, programs)).await?;
    let running = &protected.running;
    running.in_workload(&RADARR.fill()?).await?;
    running.sim("event settle").await?;
    let wanted = RADARR.held(running).await?;
    let stored = protected
        .back_up(&format!("killed-restore-{}", ground.run), false)
        .await?;
    story.figure("bytes stored", stored.only(&protected.volume())?);
    let task = Task {
        kubeconfig: bed.folder.join("kubeconfig"),
        app: RADARR.name.to_owned(),
        model: model.clone(),
        backup: stored.backup.metadata.uid.context("the backup has no uid")?,
        volume: volume_folder(ground, running).await?,
        image,
        kill_at: None,
        sick: 0,
    };
    for (kill_at, sick) in KILLS {
        let damaged = damage(running).await?;
        let killed = Task {
            kill_at: Some(kill_at),
            sick,
            ..task.clone()
        };
        let ended = killed.play().await?;
        ensure!(
            ended == Ended::Killed,
            "{kill_at:?}: the engine should have been killed: {ended:?}"
        );
        if is_before_the_stop(kill_at) {
            is_as_before(running, &damaged)
                .await
                .with_context(|| format!("{kill_at:?}"))?;
        }
        let again = task.play().await?;
        ensure!(
            again == Ended::Done,
            "{kill_at:?}: run again it should have ended well: {again:?}"
        );
        is_restored(ground, running, &task.volume, &wanted)
            .await
            .with_context(|| format!("run again after {kill_at:?}, sick {sick}"))?;
    }
    story.figure("places where the engine was killed and run again", KILLS.len());
    let settled = settle_instead(running, &task, &wanted).await?;
    story.figure(
        "places where a killed run was settled without the cluster",
        settled,
    );
    put_back_when_sick(ground, running, &task).await
}

fn is_before_the_stop(kill_at: KillAt) -> bool {
    match kill_at {
        KillAt::Begins(step) => step <= Step::Stop,
        KillAt::Waiting | KillAt::Copied(_) => true,
    }
}

/// The folder of the app's config volume on this machine.
pub(super) async fn volume_folder(ground: &TestEnv, running: &Running<'_>) -> Result<PathBuf> {
    ground.folder_of(&running.app.model, &running.claim()).await
}

/// Other content than the backup's: something is gone, something changed, something new. Returns what it is.
pub(super) async fn damage(running: &Running<'_>) -> Result<Held> {
    running
        .in_workload("cd /config; rm -rf lists; echo damaged > Backups/manual/1.zip; mkdir -p new; echo new > new/file")
        .await?;
    RADARR.held(running).await
}

async fn is_as_before(running: &Running<'_>, damaged: &Held) -> Result<()> {
    let now = held_without_ours(running).await?;
    damaged
        .is_same(&now, &[])
        .context("the app's files were touched before it was stopped")?;
    answers(running).await
}

pub(super) async fn answers(running: &Running<'_>) -> Result<()> {
    running
        .in_workload("wget -q -O /dev/null http://127.0.0.1:7878/ping")
        .await
        .context("the app does not run")?;
    Ok(())
}

/// The content without the folder of the exchange.
pub(super) async fn held_without_ours(running: &Running<'_>) -> Result<Held> {
    let mut held = RADARR.held(running).await?;
    held.files
        .retain(|path, _| !path.starts_with(config_volume::RESTORE_FOLDER));
    let lines: Vec<&str> = held
        .owners
        .lines()
        .filter(|line| !line.starts_with(&format!("./{}", config_volume::RESTORE_FOLDER)))
        .collect();
    held.owners = lines.iter().map(|line| format!("{line}\n")).collect();
    Ok(held)
}

async fn is_restored(ground: &TestEnv, running: &Running<'_>, volume: &Path, wanted: &Held) -> Result<()> {
    ensure!(
        !volume.join(config_volume::RESTORE_FOLDER).exists(),
        "the folder of the exchange is left in the volume"
    );
    wanted.is_same(&RADARR.held(running).await?, &[])?;
    answers(running).await?;
    nothing_is_left(ground, Some(&running.app.model)).await
}

/// A charm that starts after a kill makes the volume whole without the cluster.
async fn settle_instead(running: &Running<'_>, task: &Task, wanted: &Held) -> Result<usize> {
    let places = [Step::Transfer, Step::Stop, Step::Swap, Step::Start, Step::Clean];
    for step in places {
        let damaged = damage(running).await?;
        let killed = Task {
            kill_at: Some(KillAt::Begins(step)),
            ..task.clone()
        };
        let ended = killed.play().await?;
        ensure!(ended == Ended::Killed, "{step:?}: {ended:?}");
        running.in_workload("/charm/bin/pebble stop radarr").await?;
        let settled = engine::settle(&task.volume, false)?;
        let expected = match (&settled, step) {
            // Only then the app was seen healthy with it.
            (Settled::NewContent(Some(_)), Step::Clean) => wanted,
            (Settled::OldContent(Some(_)), Step::Transfer | Step::Stop | Step::Swap | Step::Start) => {
                &damaged
            }
            _ => bail!("{step:?}: settled as {settled:?}"),
        };
        expected
            .is_same(&RADARR.held(running).await?, &[])
            .with_context(|| format!("settled after a kill at {step:?}"))?;
        ensure!(
            engine::settle(&task.volume, false)? == Settled::Nothing,
            "{step:?}: something is left"
        );
        running.in_workload("/charm/bin/pebble start radarr").await?;
    }
    Ok(places.len())
}

/// An app that does not get healthy with the backup has its previous content back, and runs with it.
async fn put_back_when_sick(ground: &TestEnv, running: &Running<'_>, task: &Task) -> Result<()> {
    let damaged = damage(running).await?;
    let sick = Task {
        sick: 1,
        ..task.clone()
    };
    match sick.play().await? {
        Ended::Failed(said) => ensure!(
            said.contains("rolled back: the previous content is restored and the app runs"),
            "the engine should say how things stand: {said}"
        ),
        other => bail!("a sick app should fail the restore: {other:?}"),
    }
    is_restored(ground, running, &task.volume, &damaged).await
}
