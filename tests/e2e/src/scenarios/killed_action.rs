//! The charm is killed in the middle of restore-from-backup, in its own container.

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;

use super::disaster::nothing_is_left;
use super::fleet::{self, FLEET, Held, Member};
use super::killed_restore::{answers, damage, held_without_ours};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "killed-action-comes-back",
    says: "the charm's own process is killed by SIGKILL in the middle of the action restore-from-backup; the next event leaves \
           the app running with the previous content or the new one as a whole, and the action run again restores it and leaves \
           nothing over",
    beside: Beside::NoEngine,
    depends_on_velero: true,
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

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(bed).await?;
    let running = fleet::deploy_one(ground, RADARR, &model, images, None, &[]).await?;
    running.in_workload(&RADARR.fill()?).await?;
    running.sim("event settle").await?;
    let wanted = RADARR.held(&running).await?;
    fleet::action(&running, "backup-now").await?;
    for steps in KILLS {
        let killed = kill_at(&running, &wanted, steps).await;
        let killed = killed.with_context(|| format!("killed at {steps}"))?;
        story.figure(&format!("killed at {steps}"), killed);
        fleet::action(&running, "restore-from-backup backup-uid=latest").await?;
        let restored = wanted.is_same(&RADARR.held(&running).await?, &[]);
        restored.with_context(|| format!("run again after it was killed at {steps}"))?;
        answers(&running).await?;
        nothing_is_left(ground).await?;
    }
    Ok(())
}

/// Kills a restore and lets the next event see to it. Returns at which step it was, and which content the app has then.
async fn kill_at(running: &Running<'_>, wanted: &Held, steps: &str) -> Result<String> {
    let damaged = damage(running).await?;
    let action = fleet::task(running, "restore-from-backup backup-uid=latest");
    let killer = killer(steps);
    let (task, killed) = futures::join!(action, running.in_charm(&killer));
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
