//! A claim as Juju makes it for `--attach-storage`: without the app's label.

use anyhow::{Result, ensure};
use futures::FutureExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::protected::{self, COPY, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::apply;
use crate::ground::{Need, TestEnv};
use crate::juju::App;

pub const SCENARIO: Scenario = Scenario {
    name: "reattached-claim",
    says: "a claim without the app's label, as after a recovery by --attach-storage, is in the next backup with its bytes, \
           and a charm with --trust puts the label back",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const LABEL: &str = "app.kubernetes.io/name";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let programs = protected::images(ground.own_bed()?, "Radarr", None).await?;
    for trust in [false, true] {
        let word = if trust { "trusted" } else { "untrusted" };
        let app = App {
            name: "radarr".to_owned(),
            model: ground.namespace(&format!("{}-{word}", SCENARIO.name)).await?,
            programs: programs.clone(),
            trust,
            logs: false,
            media: None,
            annotations: json!({}),
        };
        let protected = Protected::deploy(ground, app).await?;
        if trust {
            gets_its_label_back(ground, story, &protected).await?;
        } else {
            is_stored(ground, story, &protected).await?;
        }
        protected.stop().await?;
    }
    Ok(())
}

async fn is_stored(ground: &TestEnv, story: &mut ScenarioReport, protected: &Protected<'_>) -> Result<()> {
    let running = &protected.running;
    let fill = format!(
        "cd /config
{WRITER} write radarr.db --megabytes 2 --transactions 9 --until kill > /dev/null
dd if=/dev/urandom of=list bs=1k count=700 2>/dev/null
chown -R 1000:1000 ."
    );
    running.in_workload(&fill).await?;
    unlabel(ground, protected).await?;
    running.sim("event update-status radarr/0").await?;
    ensure!(
        label_of(ground, protected).await?.is_null(),
        "without trust the charm cannot have put the label back"
    );
    let before = running.checksums().await?;
    let rows = |path: &str| format!("{WRITER} rows {path} | sed 's/.*: //'");
    let rows_before = running.in_workload(&rows("/config/radarr.db")).await?;
    let name = format!("reattached-{}", ground.run);
    let stored = protected.back_up(&name, false).await?;
    let bytes = stored.only(&protected.volume())?;
    story.figure("bytes stored of a claim without the label", bytes);
    let restored = protected
        .restore(&name, &format!("{}-back", SCENARIO.name))
        .await?;
    let same = protected::compare(&before, &restored.checksums().await?, &[], &["radarr.db"])?;
    story.figure("files that came back", same);
    let rows_after = restored.shell(&rows(COPY)).await?;
    ensure!(
        rows_before == rows_after && rows_before.trim().len() == 64,
        "the rows differ: {rows_before} before, {rows_after} restored"
    );
    restored.remove().await
}

async fn gets_its_label_back(
    ground: &TestEnv,
    story: &mut ScenarioReport,
    protected: &Protected<'_>,
) -> Result<()> {
    unlabel(ground, protected).await?;
    ensure!(
        label_of(ground, protected).await?.is_null(),
        "the label should be gone"
    );
    protected.running.sim("event update-status radarr/0").await?;
    let found = label_of(ground, protected).await?;
    ensure!(
        found == "radarr",
        "with trust the charm should have put the label back; it is {found}"
    );
    story.figure(
        "label that the charm put back, trusted",
        format!("{LABEL}=radarr"),
    );
    Ok(())
}

async fn unlabel(ground: &TestEnv, protected: &Protected<'_>) -> Result<()> {
    let patch = json!({"metadata": {"labels": {LABEL: null}}});
    let claims = apply::api(
        &ground.client,
        "v1",
        "PersistentVolumeClaim",
        &protected.running.app.model,
    );
    claims
        .patch(&protected.claim(), &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

async fn label_of(ground: &TestEnv, protected: &Protected<'_>) -> Result<Value> {
    let claims = apply::api(
        &ground.client,
        "v1",
        "PersistentVolumeClaim",
        &protected.running.app.model,
    );
    let claim = claims.get(&protected.claim()).await?;
    let labels = claim.metadata.labels.unwrap_or_default();
    Ok(labels.get(LABEL).map_or(Value::Null, |value| json!(value)))
}
