//! A restore knows what is in the volume: it shows it beforehand, and gives an app nothing that it cannot read.

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::disaster::delete_model;
use super::fleet::{self, FLEET, Held, Member};
use super::killed_restore::answers;
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "restore-knows-the-app",
    says: "what a backup holds in the app's terms is shown before a restore and is there after it; a backup of a later schema or \
           version is refused with the app running untouched, and one of an earlier schema is taken; the newest backup, made after \
           an accident, is not restored by restore-on-deploy by itself; at= finds the right one where clocks are put back",
    beside: Beside::Calm,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
/// The newest migration in the schema that the volume is filled with.
const NEWEST: u32 = 242;

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(ground.own_bed()?).await?;
    let running = fleet::deploy_one(ground, RADARR, &model, images.clone(), None, &[]).await?;
    running.in_workload(&RADARR.fill()?).await?;
    running.sim("event settle").await?;
    let with_three = held(&running).await?;
    let first = fleet::action(&running, "backup-now").await?;
    sql(
        &running,
        r#"INSERT INTO "Movies" ("Path","Monitored","QualityProfileId","MinimumAvailability","MovieMetadataId") VALUES ('/media/films/Four (2004)',1,1,3,4)"#,
    )
    .await?;
    let second = fleet::action(&running, "backup-now").await?;
    let (first, second) = (uid(&first)?, uid(&second)?);

    let shown = preview(&running, &first).await?;
    story.figure("shown before a restore", &shown);
    later_is_refused(&running, &first, story).await?;
    let forced = restore(&running, &format!("{first} force=true")).await?;
    says(&forced, "notes", "restored by force: ")?;
    holds(&running, &shown).await?;
    is_same(&running, &with_three).await?;
    sql(
        &running,
        &format!(
            r#"INSERT INTO "VersionInfo" VALUES ({}, '2026-02-01T00:00:00', 'a_later_one')"#,
            NEWEST + 1
        ),
    )
    .await?;
    let migrated = restore(&running, &first).await?;
    says(&migrated, "notes", "it migrates the database when it starts")?;
    holds(&running, &shown).await?;
    is_same(&running, &with_three).await?;
    restore(&running, &second).await?;
    let with_four = held(&running).await?;

    running
        .in_workload("rm -r /config/Backups /config/logs.db; : > /config/lists/owner")
        .await?;
    sql(
        &running,
        r#"DELETE FROM "Movies"; DROP TABLE item; DROP TABLE total; VACUUM"#,
    )
    .await?;
    let emptied = uid(&fleet::action(&running, "backup-now").await?)?;
    as_of_a_change_of_clocks(ground, &running, &first, &second).await?;
    nothing_is_left(ground, Some(&model)).await?;
    drop(running);
    delete_model(ground, &model).await?;

    ground.namespace(SCENARIO.name).await?;
    let running = Running::start(ground, RADARR.app(&model, images)).await?;
    running
        .in_workload("echo PackageVersion=6.0.0 > /app/radarr/package_info")
        .await?;
    running.deploy_with(&[("restore-on-deploy", "latest")]).await?;
    running.sim("juju deploy velero-operator").await?;
    running.sim("juju integrate radarr velero-operator").await?;
    is_held_back(&running, "restore-on-deploy=UID").await?;
    let told = fleet::action(&running, "list-backups").await?;
    for candidate in [&emptied, &second] {
        says(&told, "restore-on-deploy", candidate)?;
    }
    running
        .sim(&format!("juju config radarr restore-on-deploy={second}"))
        .await?;
    is_held_back(&running, "juju refresh radarr --resource radarr-image=").await?;
    // A refresh brings a container with the image's own version.
    running.restart_workload().await?;
    running.settle().await?;
    answers(&running).await?;
    is_same(&running, &with_four).await
}

async fn sql(running: &Running<'_>, statements: &str) -> Result<()> {
    running
        .in_workload(&fleet::sql("radarr.db", statements))
        .await
        .map(drop)
}

fn uid(made: &Value) -> Result<String> {
    Ok(made["backup-uid"].as_str().context("no uid")?.to_owned())
}

fn says(results: &Value, key: &str, text: &str) -> Result<()> {
    let found = results[key].as_str().unwrap_or_default();
    ensure!(found.contains(text), "{key} should say {text:?}: {results}");
    Ok(())
}

/// What the volume holds, without the charm's own config file: the app keeps its newer credentials.
async fn held(running: &Running<'_>) -> Result<Held> {
    RADARR.held(running).await
}

async fn is_same(running: &Running<'_>, before: &Held) -> Result<()> {
    before.is_same(&held(running).await?, &["config.xml".to_owned()])
}

async fn restore(running: &Running<'_>, which: &str) -> Result<Value> {
    let restored = fleet::action(
        running,
        &format!("restore-from-backup backup-uid={which} safety-backup=false"),
    )
    .await?;
    says(&restored, "result", "restored")?;
    Ok(restored)
}

/// What the dry run shows of the first backup, which it has not restored.
async fn preview(running: &Running<'_>, first: &str) -> Result<String> {
    let shown = fleet::action(
        running,
        &format!("restore-from-backup backup-uid={first} dry-run=true"),
    )
    .await?;
    says(&shown, "contents", "films 3,")?;
    says(&shown, "contents", &format!("schema of radarr.db {NEWEST}"))?;
    says(&shown, "contents-now", "films 4,")?;
    says(&shown, "differences", "films 4 → 3")?;
    Ok(shown["contents"].as_str().unwrap_or_default().to_owned())
}

/// The volume holds what was shown.
async fn holds(running: &Running<'_>, shown: &str) -> Result<()> {
    let spec = fleet::action(running, "show-backup-spec").await?;
    let now = spec["contents-now"].as_str().unwrap_or_default();
    ensure!(now == shown, "there should be {shown:?}, and there is {now:?}");
    Ok(())
}

/// The app knows one migration less than the backup has.
async fn later_is_refused(running: &Running<'_>, first: &str, story: &mut ScenarioReport) -> Result<()> {
    sql(
        running,
        &format!(r#"DELETE FROM "VersionInfo" WHERE "Version" = {NEWEST}"#),
    )
    .await?;
    let pid = "pidof Radarr httpd busybox | tr ' ' '\\n' | sort -n | head -n 1";
    let (before, process) = (held(running).await?, running.in_workload(pid).await?);
    let task = fleet::task(
        running,
        &format!("restore-from-backup backup-uid={first} safety-backup=false"),
    )
    .await?;
    let message = task["message"].as_str().unwrap_or_default();
    story.figure("refused", message);
    ensure!(
        task["status"] == "failed"
            && message.contains(&format!("has schema {NEWEST}"))
            && message.contains("juju refresh radarr --resource radarr-image="),
        "the backup of a later schema should be refused: {task}"
    );
    ensure!(
        running.in_workload(pid).await? == process,
        "Radarr should not have been stopped"
    );
    answers(running).await?;
    before.is_same(&held(running).await?, &[])
}

async fn is_held_back(running: &Running<'_>, next: &str) -> Result<()> {
    running.sim("event settle").await?;
    let status = running.status().await?;
    ensure!(
        status.starts_with("blocked: restore-on-deploy ") && status.contains(next),
        "the app should be held back: {status}"
    );
    let there = running.in_workload("ls -A /config").await?;
    ensure!(
        there.trim().is_empty() || there.trim() == "lost+found",
        "the volume should be empty: {there}"
    );
    Ok(())
}

/// The two backups are made to have begun at the same time by the clock on the wall, before and after it was put back.
async fn as_of_a_change_of_clocks(
    ground: &TestEnv,
    running: &Running<'_>,
    first: &str,
    second: &str,
) -> Result<()> {
    let backups = ground.velero("Backup");
    let all = backups.list(&kube::api::ListParams::default()).await?.items;
    let mut as_it_was = Vec::new();
    for (uid, began) in [(first, "2026-10-25T00:30:00Z"), (second, "2026-10-25T01:30:00Z")] {
        let named = all
            .iter()
            .find(|backup| backup.metadata.uid.as_deref() == Some(uid));
        let backup = named.context("no such backup")?;
        let name = backup.metadata.name.clone().context("no name")?;
        let status = &backup.data["status"];
        as_it_was.push((
            name.clone(),
            times(&status["startTimestamp"], &status["completionTimestamp"]),
        ));
        let ended = began.parse::<Timestamp>()? + jiff::SignedDuration::from_secs(20);
        let changed = times(&json!(began), &json!(ended.to_string()));
        backups
            .patch(&name, &PatchParams::default(), &Patch::Merge(changed))
            .await?;
    }
    for (at, found) in [
        ("2026-10-25T02:45+02:00", first),
        ("2026-10-25T02:15+01:00", first),
        ("2026-10-25T02:45+01:00", second),
        ("2026-10-25T03:10 Europe/Berlin", second),
        ("2026-10-25T01:00", first),
    ] {
        let chosen = fleet::action(running, &format!("restore-from-backup \"at={at}\" dry-run=true")).await?;
        ensure!(
            chosen["backup-uid"] == found,
            "at={at} should be {found}: {}",
            chosen["backup-uid"]
        );
    }
    // Half past two was twice.
    let task = fleet::task(
        running,
        "restore-from-backup \"at=2026-10-25T02:45 Europe/Berlin\" dry-run=true",
    )
    .await?;
    ensure!(
        task["status"] == "failed",
        "it was a quarter to three twice: {task}"
    );
    // A manifest that was made at another time than its backup is none of it.
    for (name, times) in as_it_was {
        backups
            .patch(&name, &PatchParams::default(), &Patch::Merge(times))
            .await?;
    }
    Ok(())
}

fn times(began: &Value, ended: &Value) -> Value {
    json!({"status": {"startTimestamp": began, "completionTimestamp": ended}})
}
