//! Two units, of which one has the data, and a leader that has none.

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::pod_failure::{Controller, is_well, marks};
use super::protected::{self, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::pods::{Running, STATE};
use crate::{apply, exec};

pub const SCENARIO: Scenario = Scenario {
    name: "data-stays-with-its-unit",
    says: "when a second unit with an empty volume becomes the leader, the app runs on where its data is and is started \
           nowhere else, the fresh leader says which unit has the data, and a backup made then holds that unit's bytes",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// How often a change may go from unit to unit until nobody has anything to do.
const ROUNDS: usize = 10;

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
    let mut protected = Protected::deploy(ground, app).await?;
    protected.running.in_workload(&fill()).await?;
    let second = scale_to_two(ground, &protected.running).await?;
    let mut units = Units::of(&protected.running, &second).await?;
    units.add_second().await?;
    stays(&units, "with a second unit").await?;

    units.tell(0, "event leader radarr/1").await?;
    for (number, unit) in ["radarr/0", "radarr/1"].into_iter().enumerate() {
        units.tell(number, &format!("event update-status {unit}")).await?;
    }
    stays(&units, "with another leader").await?;
    let said = second.status().await?;
    story.figure("the fresh leader says", &said);
    ensure!(
        !said.starts_with("active") && said.contains("radarr/0"),
        "a leader without data should not be active and say who has it: {said}"
    );

    let running = &protected.running;
    let rows = format!("{WRITER} rows /config/radarr.db");
    let before = running.in_workload(&rows).await?;
    let files = others(running.checksums().await?);
    protected.spec = running.requested_spec().await?;
    let name = format!("two-units-{}", ground.run);
    let bytes = protected.back_up(&name, false).await?.only(&protected.volume())?;
    story.figure("bytes stored", bytes);
    let restored = protected
        .restore(&name, &format!("{}-back", SCENARIO.name))
        .await?;
    restored.put_in_place().await?;
    let found = restored.shell(&rows).await?;
    ensure!(
        found == before,
        "the rows differ: {before} before, {found} restored"
    );
    if let Some(difference) = exec::difference(&files, &others(restored.checksums().await?)) {
        bail!("the restored volume differs: {difference}");
    }
    story.figure("files that came back", files.len());
    protected.running.pod().await?;
    protected.look_again().await?;
    restored.remove().await?;
    protected.stop().await
}

fn fill() -> String {
    format!(
        "cd /config
{WRITER} write radarr.db --megabytes 2 --transactions 20 --until kill > /dev/null
mkdir -p lists
dd if=/dev/urandom of=lists/data bs=1k count=900 2>/dev/null
chown -R 1000:1000 ."
    )
}

/// Without the database, whose bytes are not what counts.
fn others(mut files: crate::pods::Checksums) -> crate::pods::Checksums {
    files.retain(|path, _| !path.starts_with("radarr.db"));
    files
}

/// What Juju does for `add-unit`: another pod with a claim of its own.
async fn scale_to_two<'a>(ground: &'a TestEnv, first: &Running<'a>) -> Result<Running<'a>> {
    let sets = apply::api(&ground.client, "apps/v1", "StatefulSet", &first.app.model);
    let two = json!({"spec": {"replicas": 2}});
    sets.patch(&first.app.name, &PatchParams::default(), &Patch::Merge(two))
        .await?;
    first.another(1).await
}

/// Fails unless the app runs in the first unit's pod, which is marked for backups, and nothing does so in the second's.
async fn stays(units: &Units<'_, '_>, when: &str) -> Result<()> {
    let [first, second] = units.all;
    is_well(first)
        .await
        .with_context(|| format!("the unit with the data, {when}"))?;
    let processes = second.in_workload("ps -o args").await?;
    ensure!(
        !processes.contains("stand-in"),
        "{when} the app runs where its data is not:\n{processes}"
    );
    let chosen = "backup.velero.io/backup-volumes";
    let (first, second) = (marks(&first.pod().await?), marks(&second.pod().await?));
    ensure!(
        first.contains_key(chosen) && !second.contains_key(chosen),
        "{when} the pod with the data should be marked for backups, and no other: {first:?} and {second:?}"
    );
    Ok(())
}

/// The units of an application, each with an agent in its own pod, and the controller that tells each what the others did.
struct Units<'u, 'a> {
    all: [&'u Running<'a>; 2],
    controller: Controller,
}

impl<'u, 'a> Units<'u, 'a> {
    async fn of(first: &'u Running<'a>, second: &'u Running<'a>) -> Result<Self> {
        let controller = Controller::of(first).await?;
        Ok(Self {
            all: [first, second],
            controller,
        })
    }

    /// The first unit's agent adds the second one to the model, whose own agent then begins.
    async fn add_second(&mut self) -> Result<()> {
        let [first, second] = self.all;
        first.sim(&format!("juju add-unit {}", first.app.name)).await?;
        self.controller = Controller::of(first).await?;
        self.controller.tells(second).await?;
        second.join().await?;
        self.controller = Controller::of(second).await?;
        self.settle().await
    }

    /// Runs a command of the simulated Juju in a unit's pod, and then all that follows from it in both.
    async fn tell(&mut self, number: usize, command: &str) -> Result<()> {
        let unit = self.all[number];
        self.controller.tells(unit).await?;
        unit.sim(command).await?;
        self.controller = Controller::of(unit).await?;
        self.settle().await
    }

    async fn settle(&mut self) -> Result<()> {
        let mut before = None;
        for _ in 0..ROUNDS {
            for unit in self.all {
                self.controller.tells(unit).await?;
                unit.sim("event settle").await?;
                self.controller = Controller::of(unit).await?;
            }
            let count = format!("grep -o '\"dispatches\": [0-9]*' {STATE}/model.json");
            let now = self.all[1].in_charm(&count).await?;
            if before.as_ref() == Some(&now) {
                // The first one hears of the last one's words, too.
                return self.controller.tells(self.all[0]).await;
            }
            before = Some(now);
        }
        bail!("the units' events do not end after {ROUNDS} rounds")
    }
}
