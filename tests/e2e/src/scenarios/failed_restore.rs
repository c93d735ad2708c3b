//! A restore that could not keep the previous content ends half way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::fleet::{self, FLEET, Held, Member};
use super::killed_restore::answers;
use super::pod_failure::{Controller, next_pod};
use super::{Beside, Scenario, ScenarioReport};
use crate::bed::{STORAGE_CLASS, run as command};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::left::nothing_is_left;
use crate::pods::Running;
use crate::{apply, node_processes, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "failed-restore-starts-nothing",
    says: "a restore with keep-old=false into a volume without room for both contents is killed while it fills the volume: \
           until a restore has ended well no event and no action starts the app; the same restore after the pod's own disk \
           is lost, too, and a restore of another backup bring every file and row",
    beside: Beside::Calm,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
/// Size of the volume in MiB. A backup of the app's 45 fits with its copies and the reserve; a second content does not.
const MEGABYTES: u64 = 96;
/// State of an exchange in which the volume holds neither content.
const FILLING: &str = "\"filling\"";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(bed).await?;
    let volume = small_volume(ground, &RADARR.app(&model, images.clone())).await?;
    let running = fleet::deploy_one(ground, RADARR, &model, images, None, &[]).await?;
    running.in_workload(&RADARR.fill()?).await?;
    let more = "dd if=/dev/urandom of=/config/Backups/manual/2.zip bs=1M count=22 2>/dev/null; chown 1000:1000 /config/Backups/manual/2.zip";
    running.in_workload(more).await?;
    running.sim("event settle").await?;
    let one = RADARR.held(&running).await?;
    let first = uid(&fleet::action(&running, "backup-now").await?)?;
    running
        .in_workload(
            "cd /config; echo other > lists/other; echo changed > lists/owner; chown -R 1000:1000 lists",
        )
        .await?;
    let other = RADARR.held(&running).await?;
    let second = uid(&fleet::action(&running, "backup-now").await?)?;

    // The pod's own disk is lost as well: what was to be put into the volume is nowhere any more.
    kill_while_filling(&running, &volume, &first).await?;
    starts_nothing(&running, story).await?;
    lose_pod(ground, &running).await?;
    is_held(&running, "in a new pod").await?;
    ends_well(ground, &running, &first, &one)
        .await
        .context("the same restore, run again in a new pod")?;

    kill_while_filling(&running, &volume, &first).await?;
    running.sim("event update-status radarr/0").await?;
    is_held(&running, "after update-status").await?;
    ends_well(ground, &running, &second, &other)
        .await
        .context("a restore of another backup")?;
    story.figure("files compared, twice", other.files.len());
    Ok(())
}

fn uid(results: &Value) -> Result<String> {
    let uid = results["backup-uid"].as_str().context("the backup has no uid")?;
    Ok(uid.to_owned())
}

/// Makes a small volume and keeps it for the app's claim. Returns its folder.
///
/// # Errors
/// When it cannot be mounted, or is refused.
pub(super) async fn small_volume(ground: &TestEnv, app: &App) -> Result<PathBuf> {
    let bed = ground.own_bed()?;
    let folder = bed.folder.join("volumes").join(&app.model);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.to_str().context("the bed's folder is not UTF-8")?;
    let size = format!("size={MEGABYTES}m,mode=0777");
    command("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", path])?;
    let claim = format!("{}-{}", app.volume("config"), app.pod());
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("small-{}", app.model)},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
            "storageClassName": STORAGE_CLASS, "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": app.model, "name": claim},
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]},
            ]}},
        },
    });
    apply::one(&ground.client, &volume).await?;
    Ok(folder)
}

/// Restores a backup and kills the charm's process when the volume is being filled.
async fn kill_while_filling(running: &Running<'_>, volume: &Path, backup: &str) -> Result<()> {
    let restore = format!("restore-from-backup backup-uid={backup} keep-old=false safety-backup=false");
    let pod = running.pod().await?;
    let pod = pod["metadata"]["uid"]
        .as_str()
        .context("the pod has no uid")?
        .to_owned();
    let journal = volume.join(config_volume::RESTORE_FOLDER).join("journal.json");
    let at = journal.clone();
    // The volume is filled in some milliseconds: whoever waits for that may do nothing else.
    let killer = tokio::task::spawn_blocking(move || kill_at(&at, FILLING, &pod));
    let (task, killed) = tokio::join!(fleet::task(running, &restore), killer);
    let task = task?;
    killed?.with_context(|| format!("the action said {task}"))?;
    ensure!(
        task["status"] != "completed",
        "the action ended before it was killed"
    );
    let left = std::fs::read_to_string(&journal).unwrap_or_default();
    ensure!(
        left.contains(FILLING),
        "the action should have been killed while it filled the volume; its journal says: {left}"
    );
    Ok(())
}

/// Kills the charm's process in a pod as soon as a journal says `state`.
fn kill_at(journal: &Path, state: &str, pod: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut process = None;
    while Instant::now() < deadline {
        let said = std::fs::read_to_string(journal).unwrap_or_default();
        if said.contains(state)
            && let Some(process) = process.or_else(|| charm_process(pod))
        {
            command("kill", &["-KILL", &format!("{process}")])?;
            return Ok(());
        }
        if process.is_none() && !said.is_empty() {
            process = charm_process(pod);
        }
    }
    bail!("no process of the charm came to {state}")
}

/// The charm's process in a pod, by this machine's number.
fn charm_process(pod: &str) -> Option<u32> {
    let mut numbers = node_processes::of_pod(pod).ok()?.into_iter();
    numbers.find(|number| node_processes::program(*number).ends_with("/dispatch"))
}

/// Lets everything happen that could start the app.
async fn starts_nothing(running: &Running<'_>, story: &mut ScenarioReport) -> Result<()> {
    let events = [
        "event update-status radarr/0",
        "juju config radarr backup-retention=48h",
    ];
    let actions = [
        "rotate-api-key",
        "backup-now",
        "list-backups",
        "show-backup-spec",
        "restore-from-backup backup-uid=nothing keep-old=false safety-backup=false",
    ];
    for event in events {
        running.sim(event).await?;
        is_held(running, &format!("after {event}")).await?;
    }
    running.restart_workload().await?;
    running.sim("event settle").await?;
    is_held(running, "after pebble-ready").await?;
    for action in actions {
        let task = fleet::task(running, action).await?;
        story.figure(&format!("{action} on a volume that is half filled"), said(&task));
        is_held(running, &format!("after the action {action}")).await?;
        ensure!(
            action != "backup-now" || task["status"] != "completed",
            "a backup of a volume that is half filled should not be called good: {task}"
        );
    }
    story.figure(
        "events and actions that started nothing",
        events.len() + 1 + actions.len(),
    );
    story.figure("the unit says", running.status().await?);
    Ok(())
}

/// What Juju says of an action, in a line.
fn said(task: &Value) -> String {
    let (status, message) = (task["status"].as_str(), task["message"].as_str());
    format!("{}: {}", status.unwrap_or("unknown"), message.unwrap_or_default())
}

/// Fails unless the app does not run, and its unit says what to do.
async fn is_held(running: &Running<'_>, when: &str) -> Result<()> {
    let services = running
        .in_workload("/charm/bin/pebble services; ps -o args")
        .await?;
    ensure!(
        !services.contains(" active ") && !services.contains("httpd -f"),
        "{when} the app runs on a volume that is half filled:\n{services}"
    );
    let said = running.status().await?;
    ensure!(
        said.starts_with("blocked") && said.contains("restore-from-backup"),
        "{when} the unit should be blocked and say what to do: {said}"
    );
    Ok(())
}

async fn lose_pod(ground: &TestEnv, running: &Running<'_>) -> Result<()> {
    let pod = running.pod().await?;
    let uid = pod["metadata"]["uid"].as_str().context("the pod has no uid")?;
    let controller = Controller::of(running).await?;
    ground
        .pods(&running.app.model)
        .delete(&running.pod_name(), &DeleteParams::default().grace_period(0))
        .await?;
    next_pod(ground, running, uid).await?;
    controller.meets_new_pod(running).await
}

async fn ends_well(ground: &TestEnv, running: &Running<'_>, backup: &str, wanted: &Held) -> Result<()> {
    let restore = format!("restore-from-backup backup-uid={backup} keep-old=false safety-backup=false");
    fleet::action(running, &restore).await?;
    // The key in the app's own file is the one that it has now.
    let but: Vec<String> = RADARR.config_file()?.into_iter().collect();
    wanted.is_same(&RADARR.held(running).await?, &but)?;
    wait::until("the app answers", Duration::from_secs(30), || async {
        Ok(answers(running).await.ok())
    })
    .await?;
    nothing_is_left(ground, Some(&running.app.model)).await
}
