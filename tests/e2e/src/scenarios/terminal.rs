//! A person's machine: `juju`, a kubeconfig, and `configuratarr`.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use system_tests::binaries::Binaries;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::ground::TestEnv;
use crate::line::Line;
use crate::outside_juju::{self, Installed};
use crate::pods::Running;
use crate::pseudo_terminal::Terminal as PseudoTerminal;

/// How long a screen of the wizard may take to come: charms look into backups, and restore them, in between.
const WIZARD: Duration = Duration::from_secs(180);
const ENTER: &str = "\r";

/// A person's machine: `juju`, a kubeconfig, and the program.
pub struct Terminal<'a> {
    ground: &'a TestEnv,
    model: &'a str,
    home: PathBuf,
    installed: Installed,
    /// Its line to the API server, by which Juju is asked too.
    line: Line,
    /// Leads over that line.
    kubeconfig: PathBuf,
}

impl<'a> Terminal<'a> {
    /// One that knows the model's apps.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(ground: &'a TestEnv, model: &'a str, name: &str) -> Result<Self> {
        let home = ground.own_bed()?.folder.join(format!("{name}-terminal"));
        let installed = outside_juju::install(&home)?;
        let (line, text) = over_a_line(&std::fs::read_to_string(&ground.own_bed()?.kubeconfig)?)?;
        let kubeconfig = home.join("kubeconfig");
        std::fs::write(&kubeconfig, text)?;
        Ok(Self {
            ground,
            model,
            home,
            installed,
            line,
            kubeconfig,
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
        self.installed.equip(&mut command, &self.kubeconfig);
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
    ///
    /// # Errors
    /// When it ends before.
    pub async fn is_killed_at(&self, arguments: &[&str], words: &str) -> Result<()> {
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

    /// Runs the program to its end, which has to be a good one, and cuts its line when it says the first words, until it says the others.
    /// Returns its document.
    ///
    /// # Errors
    /// When it does not say them, or does not end well.
    pub async fn is_cut_off(&self, arguments: &[&str], from: &str, to: &str) -> Result<Value> {
        let mut command = self.command(arguments)?;
        let mut running = command
            .args(["--format", "json"])
            .spawn()
            .context("cannot run configuratarr")?;
        let said = running.stderr.take().context("it has no standard error")?;
        let mut lines = BufReader::new(said).lines();
        let mut before = Vec::new();
        let mut waits_for = [from, to].into_iter().peekable();
        while let Some(line) = lines.next_line().await? {
            if waits_for.peek().is_some_and(|words| line.contains(words)) {
                match waits_for.next() == Some(from) {
                    true => self.line.cut(),
                    false => self.line.mend(),
                }
            }
            before.push(line);
        }
        self.line.mend();
        let output = running.wait_with_output().await?;
        ensure!(
            output.status.success() && waits_for.next().is_none(),
            "configuratarr {arguments:?} should say {from:?}, then {to:?}, and end well, and not with {}: {before:#?}",
            output.status
        );
        Ok(serde_json::from_slice(&output.stdout)?)
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

    /// Runs this machine's `juju`, which has to end well.
    ///
    /// # Errors
    /// When it does not.
    pub async fn juju(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.installed.path.join("juju"));
        command.args(arguments).args(["-m", self.model]);
        self.installed.equip(&mut command, &self.kubeconfig);
        let output = command.output().await.context("cannot run juju")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "juju {arguments:?} failed: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// From now on this machine's `juju` can remove this app, and deploy it again.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn knows(&self, app: &Running<'_>) -> Result<()> {
        self.installed.knows(&app.app.name, &app.app.objects(self.ground))
    }

    /// A file or folder of this machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }
}

/// What the terminal was waiting for.
fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// A line to the server of a kubeconfig, and the kubeconfig that leads over it.
fn over_a_line(kubeconfig: &str) -> Result<(Line, String)> {
    let kubeconfig: Value = serde_yaml::from_str(kubeconfig)?;
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str();
    let server = server.and_then(|server| server.strip_prefix("https://"));
    let server = server.context("the kubeconfig names no server")?.to_owned();
    let line = Line::to(server)?;
    let mut kubeconfig = kubeconfig;
    kubeconfig["clusters"][0]["cluster"]["server"] = format!("https://{}", line.address()).into();
    Ok((line, kubeconfig.to_string()))
}

/// Lets events come to apps while something else is done: Juju's agents would see to it by themselves.
///
/// # Errors
/// What is done.
pub async fn while_events_come<T>(apps: &[Running<'_>], done: impl Future<Output = Result<T>>) -> Result<T> {
    let events = async {
        loop {
            for app in apps {
                // One that is being removed or deployed has none.
                let _ = app.sim("event settle").await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        result = done => result,
        () = events => unreachable!("events never end"),
    }
}
