//! A new revision of the charm in a pod that stays: what runs goes on running.

use anyhow::{Result, bail, ensure};
use futures::FutureExt;
use serde_json::json;

use super::pod_failure::{self, FILL};
use super::{Beside, Scenario, ScenarioReport};
use crate::exec;
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::pods::Running;

/// Juju also starts a new pod for another revision of a charm with containers, and the app with it; what that does is shown
/// by `killed-pod-comes-back`.
pub const SCENARIO: Scenario = Scenario {
    name: "refresh-keeps-running",
    says: "from one revision of the charm to the next, with another binary and app file and in the same pod, no byte of the \
           volume changes and Pebble is not told to touch the app, unless its layer differs; played are the charm's new \
           files and all events of a refresh, while Juju would replace the pod besides",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const CHARM: &str = "/var/lib/juju/agents/unit-radarr-0/charm";
const NEXT: &str = "/var/lib/juju/next";

/// What tells one start of the app from another: its process, when that began, what Pebble says of it, and all that Pebble
/// was ever told to change. Its own checks are left out.
const STARTS: &str = "pid=$(pidof Radarr)
echo \"process $pid began $(cut -d' ' -f22 /proc/$pid/stat)\"
/charm/bin/pebble services --abs-time radarr
/charm/bin/pebble changes --abs-time | grep -v check";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs: pod_failure::images(ground.own_bed()?).await?,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let running = pod_failure::deploy(ground, app).await?;
    running.in_workload(FILL).await?;
    let before = pod_failure::see(&running).await?;
    let starts = running.in_workload(STARTS).await?;

    // A build of another day has other bytes; what follows the program in its file is not read.
    refresh(
        &running,
        "echo another build >> dispatch; sed -i 's/^summary: .*/summary: Another text./' app.yaml metadata.yaml",
    )
    .await?;
    let after = pod_failure::see(&running).await?;
    if let Some(difference) = exec::difference(&before.files, &after.files) {
        bail!("the config volume differs: {difference}");
    }
    ensure!(
        after.marks == before.marks,
        "the pod's marks differ: before {:?}, after {:?}",
        before.marks,
        after.marks
    );
    let starts_after = running.in_workload(STARTS).await?;
    ensure!(
        starts == starts_after,
        "the app was touched. Before:\n{starts}\nafter:\n{starts_after}"
    );
    story.figure("files with the bytes that they had", after.files.len());
    story.figure(
        "the app, before and after",
        starts.lines().next().unwrap_or_default(),
    );

    refresh(&running, "sed -i 's,TMPDIR: /tmp,TMPDIR: /var/tmp,' app.yaml").await?;
    let restarted = running.in_workload(STARTS).await?;
    let process = |text: &str| text.lines().next().map(str::to_owned);
    ensure!(
        process(&restarted) != process(&starts),
        "a revision with another layer should restart the app:\n{restarted}"
    );
    let plan = running.in_workload("/charm/bin/pebble plan").await?;
    ensure!(
        plan.contains("TMPDIR: /var/tmp"),
        "the app should run with the new layer: {plan}"
    );
    let last = pod_failure::see(&running).await?;
    if let Some(difference) = exec::difference(&before.files, &last.files) {
        bail!("the config volume differs after the app was restarted: {difference}");
    }
    story.figure(
        "the app after a revision with another layer",
        process(&restarted).unwrap_or_default(),
    );
    Ok(())
}

/// Makes the next revision from the one that is there, by a script in its folder, and refreshes to it.
async fn refresh(running: &Running<'_>, change: &str) -> Result<()> {
    running
        .in_charm(&format!(
            "rm -rf {NEXT}; cp -r {CHARM} {NEXT}; cd {NEXT}; {change}"
        ))
        .await?;
    let files = |folder: &str| format!("cd {folder}; sha256sum dispatch app.yaml metadata.yaml");
    let old = running.in_charm(&files(CHARM)).await?;
    let next = running.in_charm(&files(NEXT)).await?;
    ensure!(old != next, "the revisions should differ: {old}");
    running.sim(&format!("juju refresh radarr --path {NEXT}")).await?;
    running.settle().await?;
    pod_failure::is_well(running).await?;
    let found = running.in_charm(&files(CHARM)).await?;
    ensure!(
        found == next,
        "the charm should be the next revision. There is:\n{found}"
    );
    let log = running.in_charm("cat /var/lib/juju/sim/unit-*.log").await?;
    ensure!(
        log.contains("ran \"upgrade-charm\" hook"),
        "the charm should have been told:\n{log}"
    );
    Ok(())
}
