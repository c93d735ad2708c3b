//! One `juju` command outside of the pods starts and follows the actions of two apps, and may die meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::Value;
use tokio::process::Command;

use super::exactly::seconds;
use super::fleet::{self, FLEET};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::outside_juju::{self, Installed};
use crate::pods::Running;
use crate::wait;

pub const SCENARIO: Scenario = Scenario {
    name: "juju-from-outside",
    says: "one juju command outside of the pods runs actions of two apps in the background, follows them by their log and \
           shows their results as the pods' own agents have them, under numbers that no two share; an action goes on \
           when the command that started or follows it is killed",
    beside: Beside::Calm,
    depends_on_velero: false,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// What the command said.
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

/// A machine with the command.
struct Machine<'a> {
    ground: &'a TestEnv,
    model: &'a str,
    installed: Installed,
}

impl Machine<'_> {
    fn command(&self, arguments: &str) -> Result<Command> {
        let bed = self.ground.own_bed()?;
        let mut command = Command::new(self.installed.path.join("juju"));
        command.args(arguments.split(' '));
        // What tells of all models takes none.
        if !arguments.starts_with("models") {
            command.args(["-m", self.model]);
        }
        self.installed.equip(&mut command, &bed.kubeconfig);
        Ok(command)
    }

    async fn juju(&self, arguments: &str) -> Result<Said> {
        let output = self.command(arguments)?.output().await;
        let output = output.context("cannot run juju")?;
        Ok(Said {
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
            code: output.status.code(),
        })
    }

    async fn json(&self, arguments: &str) -> Result<Value> {
        let said = self.juju(&format!("{arguments} --format json")).await?;
        ensure!(
            said.code == Some(0),
            "juju {arguments} failed: {}{}",
            said.out,
            said.err
        );
        serde_json::from_str(&said.out).with_context(|| format!("no answer of {arguments}: {}", said.out))
    }

    /// Starts an action in the background, and says the number of its operation.
    async fn start(&self, unit: &str, action: &str) -> Result<u32> {
        let said = self
            .juju(&format!("run {unit} {action} --background --format json"))
            .await?;
        ensure!(
            said.code == Some(0) && said.out.is_empty(),
            "{}{}",
            said.out,
            said.err
        );
        let first = said.err.lines().next().unwrap_or_default();
        let number = first
            .strip_prefix("Scheduled operation ")
            .and_then(|rest| rest.split(' ').next());
        let number: u32 = number
            .with_context(|| format!("no operation in {}", said.err))?
            .parse()?;
        ensure!(
            first == format!("Scheduled operation {number} with task {}", number + 1),
            "the task should have the next number: {first}"
        );
        Ok(number)
    }

    /// Follows an operation to its end, and says how many lines of its log were seen before.
    async fn follow(&self, operation: u32) -> Result<(Value, usize)> {
        let seen = std::cell::Cell::new(0);
        let task = (operation + 1).to_string();
        let ended = wait::until("the operation has ended", Duration::from_secs(120), || async {
            let shown = self.json(&format!("show-operation {operation}")).await?;
            let log = shown["tasks"][&task]["log"].as_array().map_or(0, Vec::len);
            match shown["status"].as_str() {
                Some("pending") => Ok(None),
                Some("running") => {
                    seen.set(seen.get().max(log));
                    Ok(None)
                }
                _ => Ok(Some(shown)),
            }
        })
        .await?;
        Ok((ended, seen.get()))
    }
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let apps = fleet::deploy_filled(ground, &FLEET[..2], &model).await?;
    let folder = bed.folder.join(SCENARIO.name);
    let machine = Machine {
        ground,
        model: &model,
        installed: outside_juju::install(&folder)?,
    };
    sees_the_model(&machine, &apps).await?;

    let began = Instant::now();
    for action in ["backup-now", "verify-backup", "list-backups"] {
        let started = apps
            .iter()
            .map(|app| async { machine.start(&app.unit(), action).await });
        let operations = try_join_all(started).await?;
        ensure!(operations[0] != operations[1], "two operations have one number");
        let followed = operations.iter().map(|operation| machine.follow(*operation));
        let followed = try_join_all(followed).await?;
        for ((app, operation), (ended, seen)) in apps.iter().zip(&operations).zip(followed) {
            ensure!(
                ended["status"] == "completed" && ended["action"]["name"] == action,
                "{action} of {} should have completed: {ended}",
                app.unit()
            );
            is_as_in_the_pod(&machine, app, *operation).await?;
            if action == "verify-backup" {
                ensure!(
                    seen > 0,
                    "no line of the log was seen while {action} ran: {ended}"
                );
                story.figure(&format!("lines seen while it ran, {}", app.unit()), seen);
            }
        }
    }
    story.figure("seconds of three actions of two apps", seconds(began));
    goes_on_without_its_commands(&machine, &apps[0], story).await?;
    refusals(&machine).await
}

/// All apps are in one status, and the operations that nobody asked for from here have numbers too.
async fn sees_the_model(machine: &Machine<'_>, apps: &[Running<'_>]) -> Result<()> {
    let status = machine.json("status").await?;
    for app in apps {
        let unit = &status["applications"][&app.app.name]["units"][app.unit()];
        ensure!(unit["workload-status"]["current"] == "active", "{status}");
        fleet::action(app, "list-backups").await?;
    }
    let operations = machine.json("operations").await?;
    let hosts: Vec<&Value> = operations
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(_, one)| one["tasks"].as_object().into_iter().flatten())
        .map(|(_, task)| &task["host"])
        .collect();
    ensure!(
        hosts.len() == apps.len(),
        "one operation of each app: {operations}"
    );
    let models = machine.json("models").await?;
    let models = models["models"].as_array().context("no models")?;
    ensure!(
        models.iter().any(|one| one["short-name"] == machine.model),
        "{models:?}"
    );
    Ok(())
}

/// The task is what the pod's own agent says of it, but for its number.
async fn is_as_in_the_pod(machine: &Machine<'_>, app: &Running<'_>, operation: u32) -> Result<()> {
    let number = (operation + 1).to_string();
    let mut outside = machine.json(&format!("show-task {number}")).await?;
    ensure!(outside["id"] == number.as_str(), "{outside}");
    let all: Value = serde_json::from_str(
        &app.in_charm(&format!("{} juju operations --format json", app.sim_command()))
            .await?,
    )?;
    let newest = all
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(id, _)| id.parse::<u32>().ok());
    let newest = newest.max().context("the pod knows no operation")?;
    let task = format!(
        "{} juju show-task {} --format json",
        app.sim_command(),
        newest + 1
    );
    let mut inside: Value = serde_json::from_str(&app.in_charm(&task).await?)?;
    ensure!(inside["results"].is_object(), "it should have results: {inside}");
    for one in [&mut outside, &mut inside] {
        one["id"] = Value::Null;
    }
    ensure!(outside == inside, "outside {outside}, in the pod {inside}");
    Ok(())
}

/// The command that started an action is killed, and the one that follows it.
async fn goes_on_without_its_commands(
    machine: &Machine<'_>,
    app: &Running<'_>,
    story: &mut ScenarioReport,
) -> Result<()> {
    let operation = machine.start(&app.unit(), "verify-backup").await?;
    // This one holds a connection to the pod for as long as the action runs.
    let mut watching = machine
        .command(&format!("show-operation {operation} --watch"))?
        .spawn()?;
    wait::until("the action runs", Duration::from_secs(60), || async {
        let shown = machine.json(&format!("show-operation {operation}")).await?;
        Ok((shown["status"] != "pending").then_some(()))
    })
    .await?;
    let was_watching = watching.try_wait()?.is_none();
    watching.kill().await?;
    story.figure("the follower was killed while the action ran", was_watching);
    let (ended, _) = machine.follow(operation).await?;
    ensure!(ended["status"] == "completed", "{ended}");

    // The command that starts an action is killed, with its connection, as soon as the action is there.
    let before = machine
        .json("operations")
        .await?
        .as_object()
        .map_or(0, serde_json::Map::len);
    let mut starting = machine
        .command(&format!("run {} verify-backup --background", app.unit()))?
        .spawn()?;
    let operation = wait::until("the action is there", Duration::from_secs(60), || async {
        let operations = machine.json("operations").await?;
        let operations = operations.as_object().context("no operations")?;
        let numbers = operations.keys().filter_map(|id| id.parse::<u32>().ok());
        Ok((operations.len() > before).then(|| numbers.max()).flatten())
    })
    .await?;
    let was_starting = starting.try_wait()?.is_none();
    starting.kill().await?;
    story.figure("the starter was killed before it ended", was_starting);
    let (ended, _) = machine.follow(operation).await?;
    ensure!(ended["status"] == "completed", "{ended}");
    Ok(())
}

/// What is not there is refused as Juju does it.
async fn refusals(machine: &Machine<'_>) -> Result<()> {
    for (arguments, err, code) in [
        ("show-operation 999", "ERROR operation \"999\" not found\n", 1),
        ("show-task 999", "ERROR task 999 not found\n", 1),
        (
            "run nosuch/leader list-backups",
            "ERROR getting leader unit for nosuch: application \"nosuch\" not found in leases (not found)\n",
            1,
        ),
    ] {
        let said = machine.juju(&format!("{arguments} --format json")).await?;
        ensure!(
            (said.out.as_str(), said.err.as_str(), said.code) == ("{}\n", err, Some(code)),
            "{arguments}: {}{}",
            said.out,
            said.err
        );
    }
    let said = machine.juju("run radarr/9 list-backups --format json").await?;
    ensure!(
        said.code == Some(0) && said.err.contains("failed to schedule any tasks"),
        "{}{}",
        said.out,
        said.err
    );
    Ok(())
}
