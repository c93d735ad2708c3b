//! Two apps side by side: neither is in the other's backup.

use anyhow::{Result, ensure};
use futures::FutureExt;
use serde_json::json;

use super::protected::{self, COPY, Protected, Restored, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::juju::App;

pub const SCENARIO: Scenario = Scenario {
    name: "two-apps-apart",
    says: "of two apps in one model, each one's backup holds its own config volume and nothing of the other, and \
           restoring one brings neither data nor claims of the other",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let mut apps = Vec::new();
    for program in ["Radarr", "Sonarr"] {
        let app = App {
            name: program.to_lowercase(),
            model: model.clone(),
            programs: protected::images(bed, program, None).await?,
            trust: false,
            logs: true,
            media: None,
            annotations: json!({}),
        };
        let protected = Protected::deploy(ground, app).await?;
        protected
            .running
            .in_workload(&fill(&protected.running.app.name))
            .await?;
        apps.push(protected);
    }
    for (own, other) in [(&apps[0], &apps[1]), (&apps[1], &apps[0])] {
        let name = &own.running.app.name;
        let before = own.running.checksums().await?;
        let rows = |path: &str| format!("{WRITER} rows {path} | sed 's/.*: //'");
        let rows_before = own
            .running
            .in_workload(&rows(&format!("/config/{name}.db")))
            .await?;
        // With everything in by default nothing but the charm's marks keeps a volume out.
        let backup = format!("two-{name}-{}", ground.run);
        let stored = own.back_up(&backup, true).await?;
        story.figure(&format!("bytes stored, {name}"), stored.only(&own.volume())?);

        let restored = own.restore(&backup, &format!("{}-{name}", SCENARIO.name)).await?;
        is_alone(&restored, name, &other.running.app.name).await?;
        let database = format!("{name}.db");
        let same = protected::compare(&before, &restored.checksums().await?, &["logs"], &[&database])?;
        story.figure(&format!("files that came back, {name}"), same);
        let rows_after = restored.shell(&rows(COPY)).await?;
        ensure!(
            rows_before == rows_after && rows_before.trim().len() == 64,
            "the rows of {name} differ: {rows_before} before, {rows_after} restored"
        );
        restored.remove().await?;
    }
    for protected in &apps {
        protected.stop().await?;
    }
    Ok(())
}

/// Files of equal names in both apps, each with its app's name in it.
fn fill(app: &str) -> String {
    format!(
        "cd /config; mkdir -p logs lists
{WRITER} write {app}.db --megabytes 2 --transactions 7 --until kill > /dev/null
echo 'of {app}' > lists/owner
dd if=/dev/urandom of=lists/data bs=1k count=900 2>/dev/null
dd if=/dev/urandom of=logs/cache bs=1M count=3 2>/dev/null
dd if=/dev/urandom of=/logs/{app}.txt bs=1M count=3 2>/dev/null
chown -R 1000:1000 ."
    )
}

/// Fails if anything in the restore's namespace is the other app's.
async fn is_alone(restored: &Restored<'_>, own: &str, other: &str) -> Result<()> {
    let objects = restored.objects().await?;
    let expected = [
        format!("Pod {own}-0"),
        format!("PersistentVolumeClaim {own}-config-"),
        format!("PersistentVolumeClaim {own}-logs-"),
    ];
    ensure!(
        objects.len() == expected.len()
            && expected
                .iter()
                .all(|start| objects.iter().any(|object| object.starts_with(start))),
        "only what is {own}'s should have come back, nothing of {other}'s: {objects:?}"
    );
    let owner = restored.shell("cat /config/lists/owner").await?;
    ensure!(
        owner.trim() == format!("of {own}"),
        "the volume of {own} is {owner}"
    );
    Ok(())
}
