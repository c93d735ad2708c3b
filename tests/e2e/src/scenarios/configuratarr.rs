//! What a person at a terminal does: `configuratarr` backs up, verifies and restores, one app and all, and is killed in between.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::Value;
use system_tests::binaries::Binaries;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::exactly::seconds;
use super::fleet::{self, FLEET, Held, Member};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::outside_juju::{self, Installed};
use crate::pods::Running;
use crate::pseudo_terminal::Terminal as PseudoTerminal;

pub const SCENARIO: Scenario = Scenario {
    name: "configuratarr-restores",
    says: "configuratarr backs up, verifies and restores two apps by their charms, by commands and through the wizard; killed when it has started one of them, and again while \
           they restore, it goes on and asks no charm twice; every file and row is as it was",
    beside: Beside::NoEngine,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// How long a screen of the wizard may take to come: charms look into backups, and restore them, in between.
const WIZARD: Duration = Duration::from_secs(180);
const ENTER: &str = "\r";

/// A person's machine: `juju`, a kubeconfig, and the program.
pub struct Terminal<'a> {
    ground: &'a TestEnv,
    model: &'a str,
    home: PathBuf,
    installed: Installed,
}

impl<'a> Terminal<'a> {
    /// One that knows the model's apps.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(ground: &'a TestEnv, model: &'a str, name: &str) -> Result<Self> {
        let home = ground.own_bed()?.folder.join(format!("{name}-terminal"));
        let installed = outside_juju::install(&home)?;
        Ok(Self {
            ground,
            model,
            home,
            installed,
        })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(&Binaries::for_tests()?.configuratarr);
        command
            .args(arguments)
            .args(["--model", self.model])
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", &self.installed.path);
        self.installed
            .equip(&mut command, &self.ground.own_bed()?.kubeconfig);
        Ok(command)
    }

    /// Runs the program to its end; it has to exit with this code. Returns its document.
    ///
    /// # Errors
    /// When it exits with another one.
    pub async fn runs(&self, arguments: &[&str], code: i32) -> Result<Value> {
        let output = self.command(arguments)?.args(["--format", "json"]).output().await;
        let output = output.context("cannot run configuratarr")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.code() == Some(code),
            "configuratarr {arguments:?} should exit with {code}, and not with {}:\n{printed}{said}",
            output.status
        );
        serde_json::from_str(&printed)
            .with_context(|| format!("{arguments:?} printed {printed:?}, and said {said}"))
    }

    /// Runs the program until it says a line with these words, and kills it.
    async fn is_killed_at(&self, arguments: &[&str], words: &str) -> Result<()> {
        let mut running = self
            .command(arguments)?
            .spawn()
            .context("cannot run configuratarr")?;
        let said = running.stderr.take().context("it has no standard error")?;
        let mut lines = BufReader::new(said).lines();
        let mut before = Vec::new();
        while let Some(line) = lines.next_line().await? {
            let is_it = line.contains(words);
            before.push(line);
            if is_it {
                running.kill().await?;
                return Ok(());
            }
        }
        anyhow::bail!("configuratarr {arguments:?} ended before it said {words:?}: {before:#?}")
    }

    /// Restores apps from their newest good backups through the wizard, in a pseudo-terminal, the smallest one for one app: the first of the
    /// model's by name, or all of them. Waits for the report, which has to say that each is restored.
    ///
    /// # Errors
    /// When the wizard does not come to its report.
    pub async fn restores_by_wizard(&self, names: Vec<String>, all: bool) -> Result<()> {
        let command = self.command(&[])?.into_std();
        let model = self.model.to_owned();
        // A screen is waited for on a thread of its own: the scenarios share one.
        let played = tokio::task::spawn_blocking(move || {
            // What came of it is printed in the end, some lines for each app; what was there before has to be seen still.
            let rows = if all { 120 } else { 24 };
            let mut wizard = PseudoTerminal::start(&command, (80, rows));
            wizard.patient(WIZARD).shows(&format!("apps of model {model}"));
            for name in &names {
                wizard.shows(name);
            }
            wizard.types(if all { "ar" } else { "r" }).shows("which apps");
            wizard.types(ENTER).shows("what the charms say before it begins");
            wizard.types(ENTER).shows("Enter to begin");
            let password = match names.as_slice() {
                [one] if !all => one.clone(),
                _ => format!("restore {} apps", names.len()),
            };
            wizard.types(&password).types(ENTER).shows("report of run");
            wizard.types("q");
            let ended = wizard.ends();
            assert!(ended.success(), "it ended with {ended}: {}", wizard.seen());
            wizard.is_as_it_was();
            for name in &names {
                wizard.shows(&format!("{name}: restored"));
            }
        });
        played.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => anyhow!("the wizard: {}", panicked(panic.as_ref())),
            Err(error) => anyhow!("the wizard: {error}"),
        })
    }

    async fn restores(&self, app: &Running<'_>) -> Result<usize> {
        let command = format!(
            "{} juju operations --actions restore-from-backup --format json",
            app.sim_command()
        );
        let all: Value = serde_json::from_str(&app.in_charm(&command).await?)?;
        Ok(all.as_object().map_or(0, serde_json::Map::len))
    }
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let members = &FLEET[..2];
    let apps = fleet::deploy_filled(ground, members, &model).await?;
    let terminal = Terminal::new(ground, &model, SCENARIO.name)?;

    let status = terminal.runs(&["status"], 0).await?;
    ensure!(
        status["apps"][0]["lastGood"].is_null(),
        "nothing was backed up yet: {status}"
    );
    let before = held(members, &apps).await?;
    let began = Instant::now();
    let made = terminal.runs(&["backup", "--all"], 0).await?;
    story.figure("seconds of backup --all, two apps", seconds(began));
    let uids: Vec<&str> = results(&made, "backup-uid")?;
    let status = terminal.runs(&["status"], 0).await?;
    for (number, uid) in uids.iter().enumerate() {
        let last = &status["apps"][number]["lastGood"];
        ensure!(
            last["uid"] == **uid && last["bytes"].as_u64() > Some(0),
            "{status}"
        );
    }
    let began = Instant::now();
    let verified = terminal.runs(&["verify", "--all"], 0).await?;
    story.figure("seconds of verify --all, two apps", seconds(began));
    ensure!(
        results(&verified, "backup-uid")? == uids,
        "the newest ones were to be verified: {verified}"
    );
    // It is written on the Backup, so everybody who lists them knows it.
    let status = terminal.runs(&["status"], 0).await?;
    for (number, uid) in uids.iter().enumerate() {
        let last = &status["apps"][number]["lastVerified"];
        ensure!(
            last["uid"] == **uid && last["outcome"] == "comes back" && last["says"].is_string(),
            "{status}"
        );
    }

    // All of them, killed twice.
    damage(members, &apps).await?;
    let arguments = ["restore", "--all", "--yes"];
    terminal
        .is_killed_at(&arguments, "restore-from-backup on")
        .await?;
    terminal.is_killed_at(&["resume"], "scratch namespace").await?;
    let began = Instant::now();
    let restored = terminal.runs(&["resume"], 0).await?;
    story.figure(
        "seconds of the rest of restore --all after two kills",
        seconds(began),
    );
    ensure!(results(&restored, "backup-uid")? == uids, "{restored}");
    compare(members, &apps, &before).await?;
    for app in &apps {
        let count = terminal.restores(app).await?;
        ensure!(count == 1, "{} was restored {count} times", app.app.name);
    }

    // One of them, by its uid, and nothing of the other one.
    damage(&members[..1], &apps[..1]).await?;
    let name = members[0].name;
    let preview = terminal
        .runs(&["restore", name, "--backup", uids[0], "--dry-run"], 0)
        .await?;
    ensure!(results(&preview, "differences")?.len() == 1, "{preview}");
    let began = Instant::now();
    let restored = terminal
        .runs(&["restore", name, "--backup", uids[0], "--yes"], 0)
        .await?;
    story.figure("seconds of restore of one app", seconds(began));
    story.figure("undo of it", results(&restored, "undo")?[0]);
    compare(members, &apps, &before).await?;
    ensure!(
        terminal.restores(&apps[1]).await? == 1,
        "{} was restored too",
        members[1].name
    );
    // The same through the wizard.
    damage(&members[..1], &apps[..1]).await?;
    let began = Instant::now();
    terminal.restores_by_wizard(vec![name.to_owned()], false).await?;
    story.figure("seconds of a restore through the wizard", seconds(began));
    compare(members, &apps, &before).await?;
    // What is asked for in vain is told, with nothing begun.
    terminal
        .runs(&["restore", name, "--backup", "nosuch", "--yes"], 1)
        .await
        .map(drop)
        .or_else(no_document)
}

/// What the terminal was waiting for.
fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// What could not be planned prints no document.
fn no_document(error: anyhow::Error) -> Result<()> {
    match format!("{error:#}").contains("there is no backup \"nosuch\"") {
        true => Ok(()),
        false => Err(error),
    }
}

/// What each item of a run tells under this key.
fn results<'a>(run: &'a Value, key: &str) -> Result<Vec<&'a str>> {
    let items = run["progress"].as_array().context("no run was printed")?;
    let of = |item: &'a Value| {
        ensure!(item["state"] == "done", "it is not done: {run}");
        item["results"][key]
            .as_str()
            .with_context(|| format!("no {key} in {run}"))
    };
    items.iter().map(of).collect()
}

async fn held(members: &[Member], apps: &[Running<'_>]) -> Result<Vec<Held>> {
    try_join_all(members.iter().zip(apps).map(|(member, app)| member.held(app))).await
}

async fn compare(members: &[Member], apps: &[Running<'_>], before: &[Held]) -> Result<()> {
    let now = held(members, apps).await?;
    for ((member, before), now) in members.iter().zip(before).zip(&now) {
        before
            .is_same(now, &[])
            .with_context(|| format!("{} is not as it was", member.name))?;
    }
    Ok(())
}

/// Every database loses its rows, and a file is there that was not.
async fn damage(members: &[Member], apps: &[Running<'_>]) -> Result<()> {
    for (member, app) in members.iter().zip(apps) {
        let mut script = "echo damaged > /config/damaged\n".to_owned();
        for database in member.databases {
            script += &fleet::sql(database, "DELETE FROM item WHERE id > 1;");
        }
        app.in_workload(&script)
            .await
            .with_context(|| format!("damaging {}", member.name))?;
    }
    Ok(())
}
