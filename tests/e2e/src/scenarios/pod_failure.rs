//! The pod is killed without a chance to end, and comes back as it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::radarr;

use super::{Beside, Scenario, ScenarioReport};
use crate::bed::Bed;
use crate::ground::{Need, TestEnv};
use crate::image::Layer;
use crate::juju::{App, Programs};
use crate::pods::{self, Recipe, Running, STATE};
use crate::{exec, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "killed-pod-comes-back",
    says: "a pod that is deleted without grace comes back with every byte of its config volume, its app running and well \
           under the key that its clients know, and marked for backups again",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Where the simulated Juju keeps its model, compressed and as text: one line that fits into a command.
const REMEMBER: &str = "gzip -c /var/lib/juju/sim/model.json | base64 | tr -d '\\n'";
/// How long a new pod may take: its image is there.
const NEW_POD: Duration = Duration::from_secs(120);

/// Fills the config volume.
pub const FILL: &str = "cd /config
mkdir -p Backups 'Media Cover/1'
dd if=/dev/urandom of=films.bin bs=1M count=8 2>/dev/null
dd if=/dev/urandom of='Media Cover/1/poster.jpg' bs=1k count=300 2>/dev/null
echo kept > Backups/note
: > empty
chown -R 1000:1000 .
sync";

/// What a running app is known by: the pod, its marks, its files, and the key in its file.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the charm put on the pod for backups.
    pub marks: BTreeMap<String, String>,
    /// SHA-256 of every file of the config volume.
    pub files: pods::Checksums,
}

/// What the controller knows of the model. Juju keeps it outside of the pod; the simulated agent keeps it in the pod, so it
/// has to be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller(String);

impl Controller {
    /// Reads what is known.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(running: &Running<'_>) -> Result<Self> {
        let text = running.in_charm(REMEMBER).await?;
        ensure!(!text.is_empty(), "the simulated Juju has no model");
        Ok(Self(text))
    }

    /// Tells the agent of a new pod what is known, and that its pod is a new one that the old one did not take leave of.
    ///
    /// # Errors
    /// When it cannot be told, or a dispatch cannot be run.
    pub async fn meets_new_pod(&self, running: &Running<'_>) -> Result<()> {
        self.tells(running).await?;
        let unit = running.unit();
        running.sim(&format!("event pod-churn {unit} --killed")).await?;
        Ok(())
    }

    /// Tells the agent of a pod what is known now.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn tells(&self, running: &Running<'_>) -> Result<()> {
        let put = format!("echo {} | base64 -d | gunzip -c > {STATE}/model.json", self.0);
        running.in_charm(&put).await?;
        Ok(())
    }
}

/// Images of Radarr, whose program is a stand-in.
///
/// # Errors
/// When they cannot be made.
pub async fn images(bed: &Bed) -> Result<Programs> {
    let binaries = Binaries::for_tests()?;
    let program = &binaries.stand_in_radarr;
    let layer = Layer::new().program("/app/radarr/bin/Radarr", program).text(
        "/app/radarr/package_info",
        &format!("PackageVersion={}\n", radarr::VERSION),
    );
    let workload = vec![pods::with_libraries(layer, &[program])?];
    pods::images(
        bed,
        Recipe {
            app: "radarr",
            workload,
        },
    )
    .await
}

/// Deploys the charm and relates it to the stand-in velero-operator.
///
/// # Errors
/// When the unit does not get active.
pub async fn deploy<'a>(ground: &'a TestEnv, app: App) -> Result<Running<'a>> {
    let running = Running::start(ground, app).await?;
    running.deploy().await?;
    running.settle().await?;
    running.sim("juju deploy velero-operator").await?;
    running.sim("juju integrate radarr velero-operator").await?;
    running.settle().await?;
    is_well(&running).await?;
    Ok(running)
}

/// Waits until Pebble's check of the app is up, and the app itself answers.
///
/// # Errors
/// When that takes too long, with what Pebble says.
pub async fn is_well(running: &Running<'_>) -> Result<()> {
    let waited = wait::until("Radarr is well", Duration::from_secs(60), || async {
        let checks = running.in_workload("/charm/bin/pebble checks").await?;
        let is_up = checks
            .lines()
            .any(|line| line.starts_with("radarr-ready") && line.contains(" up "));
        let answer = running
            .in_workload("wget -q -O - http://127.0.0.1:7878/ping || true")
            .await?;
        Ok((is_up && answer.contains("OK")).then_some(()))
    })
    .await;
    match waited {
        Ok(()) => Ok(()),
        Err(error) => {
            let said = running
                .in_workload("/charm/bin/pebble services; /charm/bin/pebble checks")
                .await?;
            Err(error.context(said))
        }
    }
}

/// Looks at an app.
///
/// # Errors
/// When it cannot be looked at.
pub async fn see(running: &Running<'_>) -> Result<Seen> {
    Ok(Seen {
        marks: marks(&running.pod().await?),
        files: running.checksums().await?,
    })
}

/// The annotations of a pod that are about backups, without the volume of the account's token: each pod has its own.
pub fn marks(pod: &Value) -> BTreeMap<String, String> {
    let annotations = pod["metadata"]["annotations"].as_object();
    annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.contains("backup.velero.io/"))
        .map(|(key, value)| {
            let value = value.as_str().unwrap_or_default().split(',');
            let lasting: Vec<&str> = value
                .filter(|part| !part.starts_with("kube-api-access-"))
                .collect();
            (key.clone(), lasting.join(","))
        })
        .collect()
}

/// Waits until a pod of another id than `uid` is ready in the place of the old one.
///
/// # Errors
/// When it is not in time.
pub async fn next_pod(ground: &TestEnv, running: &Running<'_>, uid: &str) -> Result<Value> {
    let pods = ground.pods(&running.app.model);
    let name = running.app.pod();
    wait::until("the pod is another one", NEW_POD, || {
        let (pods, name) = (pods.clone(), name.clone());
        async move {
            let pod = pods.get_opt(&name).await?;
            let other = pod.is_some_and(|pod| pod.metadata.uid.is_some_and(|found| found != uid));
            Ok(other.then_some(()))
        }
    })
    .await?;
    running.pod().await
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs: images(ground.own_bed()?).await?,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let running = deploy(ground, app).await?;
    running.in_workload(FILL).await?;
    let before = see(&running).await?;
    ensure!(
        before.files.len() >= 5 && before.marks.len() >= 4,
        "the app should have files and marks: {before:?}"
    );
    let pod = running.pod().await?;
    let uid = pod["metadata"]["uid"].as_str().context("the pod has no id")?;
    let controller = Controller::of(&running).await?;

    let killed = Instant::now();
    let pods = ground.pods(&running.app.model);
    pods.delete(&running.app.pod(), &DeleteParams::default().grace_period(0))
        .await?;
    let fresh = next_pod(ground, &running, uid).await?;
    story.figure("seconds from the kill to a pod that is ready", seconds(killed));
    ensure!(
        marks(&fresh).is_empty(),
        "a fresh pod should have no marks of the charm: {:?}",
        marks(&fresh)
    );
    controller.meets_new_pod(&running).await?;
    running.settle().await?;
    is_well(&running).await?;
    story.figure(
        "seconds from the kill to an app that is well and marked for backups, its agent started by hand",
        seconds(killed),
    );
    let after = see(&running).await?;
    ensure!(
        after.marks == before.marks,
        "the pod's marks differ: before {:?}, after {:?}",
        before.marks,
        after.marks
    );
    if let Some(difference) = exec::difference(&before.files, &after.files) {
        bail!("the config volume differs: {difference}");
    }
    story.figure("files with the bytes that they had", after.files.len());
    story.figure("annotations that are on again", after.marks.len());
    Ok(())
}

fn seconds(since: Instant) -> String {
    format!("{:.1}", since.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_backups_counts_as_a_mark() {
        let pod = json!({"metadata": {"annotations": {
            "juju.is/version": "4.0.15",
            "backup.velero.io/backup-volumes-excludes": "a,kube-api-access-57jkz,b",
            "pre.hook.backup.velero.io/command": "[]",
        }}});
        let expected = [
            ("backup.velero.io/backup-volumes-excludes", "a,b"),
            ("pre.hook.backup.velero.io/command", "[]"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(marks(&pod), BTreeMap::from(expected));
        assert!(marks(&json!({})).is_empty());
    }
}
