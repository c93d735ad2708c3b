//! The app is gone, its volume comes out of a backup, and the charm's start makes it the app's again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::exactly::seconds;
use super::protected::{self, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::{apply, exec, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "restored-app-starts",
    says: "after the app, its claim and its volume are gone, a fresh pod on the restored claim starts: the charm puts the \
           databases in place first, and rows, files, owners and modes are as before",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const DATABASES: [&str; 2] = ["radarr.db", "old data/second.db"];

/// Two databases; the first is left as an app that was killed leaves it, with committed rows in its log only. Files of
/// several owners and modes.
fn fill() -> String {
    format!(
        "cd /config
mkdir -p 'old data' Backups
{WRITER} write radarr.db --megabytes 4 --until kill > /tmp/fill.log 2>&1 &
until grep -q 'committed 30$' /tmp/fill.log; do sleep 0.1; done
kill -KILL $!
test -s radarr.db-wal
{WRITER} write 'old data/second.db' --mode delete --megabytes 1 --transactions 5 --until kill > /dev/null
dd if=/dev/urandom of=Backups/1.zip bs=1k count=700 2>/dev/null
: > empty
chown -R 1000:1000 .
chown 1000:0 Backups/1.zip
chmod 0640 radarr.db
chmod 0604 Backups/1.zip
chmod 0750 'old data'
chmod 0600 'old data/second.db'"
    )
}

/// Mode, owner and kind of everything. A log and its index come and go with whoever opens the database; the copies of
/// Velero's marker and the like are no part of the app.
const OWNERS: &str = "cd /config; find . ! -path './.velero*' ! -name '*.db-*' \
                      -exec stat -c '%n %a %u:%g %F' {} + | sort";

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
    let protected = Protected::deploy(ground, app.clone()).await?;
    let running = &protected.running;
    running.in_workload(&fill()).await?;
    let key = "sed -n 's/.*<ApiKey>\\(.*\\)<.*/\\1/p' /config/config.xml";
    let key_before = running.in_workload(key).await?;
    ensure!(
        key_before.trim().len() == 32,
        "Radarr should have a key: {key_before}"
    );

    let name = format!("restored-app-{}", ground.run);
    let stored = protected.back_up(&name, false).await?;
    story.figure("bytes stored", stored.only(&protected.volume())?);
    // After the backup: reading rows moves the log into the database.
    let owners_before = running.in_workload(OWNERS).await?;
    let rows_before = running.in_workload(&rows()).await?;
    let files_before = others(running.checksums().await?);

    delete_everything(ground, &app.model).await?;
    let began = Instant::now();
    let uid = comes_back(ground, &protected, &name, &app.model).await?;
    story.figure("seconds until the volume is back", seconds(began));

    let began = Instant::now();
    let again = Protected::deploy(ground, app).await?;
    let running = &again.running;
    story.figure("seconds until the fresh app is active and marked", seconds(began));
    ensure!(
        claim_uid(ground, &again).await? == uid,
        "the fresh pod should have the restored claim"
    );
    let log = running.in_charm("cat /var/lib/juju/sim/unit-*.log").await?;
    ensure!(
        log.contains("it comes from a backup; 2 databases are in place"),
        "the charm should have put two databases in place; its log:\n{log}"
    );
    let left = running
        .in_workload("cd /config; ls -d .config-backup .kopiaignore 2>/dev/null || true")
        .await?;
    ensure!(left.is_empty(), "the copies should be gone: {left}");
    let ping = running
        .in_workload("wget -q -O - http://127.0.0.1:7878/ping")
        .await?;
    ensure!(ping.contains("OK"), "Radarr should answer: {ping}");

    let owners_after = running.in_workload(OWNERS).await?;
    ensure!(
        owners_before == owners_after,
        "owners or modes differ. Before:\n{owners_before}\nafter:\n{owners_after}"
    );
    let rows_after = running.in_workload(&rows()).await?;
    ensure!(
        rows_before == rows_after && rows_before.lines().count() == DATABASES.len(),
        "rows differ. Before:\n{rows_before}\nafter:\n{rows_after}"
    );
    let files_after = others(running.checksums().await?);
    if let Some(difference) = exec::difference(&files_before, &files_after) {
        bail!("files differ: {difference}");
    }
    let key_after = running.in_workload(key).await?;
    ensure!(
        key_before == key_after,
        "clients of Radarr know another key than it has now"
    );
    story.figure("databases with the rows that they had", DATABASES.len());
    story.figure("other files with the bytes that they had", files_after.len());
    story.figure(
        "paths with the owner and mode that they had",
        owners_after.lines().count(),
    );
    again.stop().await
}

fn rows() -> String {
    let databases: Vec<String> = DATABASES.iter().map(|path| format!("'{path}'")).collect();
    format!("cd /config; {WRITER} rows {}", databases.join(" "))
}

/// Without the databases, whose bytes are not what counts.
fn others(
    mut files: std::collections::BTreeMap<String, String>,
) -> std::collections::BTreeMap<String, String> {
    files.retain(|path, _| !DATABASES.iter().any(|database| path.starts_with(database)));
    files
}

async fn delete_everything(ground: &TestEnv, model: &str) -> Result<()> {
    let kinds = [
        ("apps/v1", "StatefulSet"),
        ("v1", "Pod"),
        ("v1", "PersistentVolumeClaim"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
    ];
    for (version, kind) in kinds {
        let api = apply::api(&ground.client, version, kind, model);
        for object in api.list(&ListParams::default()).await?.items {
            let name = object.metadata.name.unwrap_or_default();
            if name != "default" {
                api.delete(&name, &DeleteParams::default().grace_period(0))
                    .await?;
            }
        }
    }
    let volumes = apply::api(&ground.client, "v1", "PersistentVolume", "");
    wait::until("the app's volume is gone", Duration::from_secs(60), || {
        let volumes = volumes.clone();
        async move {
            let all = volumes.list(&ListParams::default()).await?.items;
            let ours = all
                .iter()
                .any(|volume| volume.data["spec"]["claimRef"]["namespace"] == model);
            Ok((!ours).then_some(()))
        }
    })
    .await
}

/// Restores into the model itself, and removes the pod that the restore brings: it holds the claim. Returns the claim's id.
async fn comes_back(
    ground: &TestEnv,
    protected: &Protected<'_>,
    backup: &str,
    model: &str,
) -> Result<String> {
    let restored = protected.restore_into(backup, model.to_owned()).await?;
    let pod = protected.running.app.pod();
    drop(restored);
    let pods = ground.pods(model);
    pods.delete(&pod, &DeleteParams::default().grace_period(0))
        .await?;
    wait::until("the restored pod is gone", Duration::from_secs(60), || {
        let (pods, pod) = (pods.clone(), pod.clone());
        async move { Ok(pods.get_opt(&pod).await?.is_none().then_some(())) }
    })
    .await?;
    claim_uid(ground, protected).await
}

async fn claim_uid(ground: &TestEnv, protected: &Protected<'_>) -> Result<String> {
    let claims = apply::api(
        &ground.client,
        "v1",
        "PersistentVolumeClaim",
        &protected.running.app.model,
    );
    let claim = claims.get(&protected.claim()).await?;
    claim.metadata.uid.context("the claim has no id")
}
