//! The recovery engine in a process of its own, so that it can be killed where a scenario says.
//!
//! This program starts itself again, told by a variable of the environment what to restore and where to die. The app is a
//! real one under real Pebble; its volume is a folder of this machine, which is the node.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use config_recovery::backups::{AppId, Choice};
use config_recovery::cluster::Cluster;
use config_recovery::engine::{self, App, CheckedBackup, Examined, RestoreRequest, Restored};
use config_recovery::journal::Step;
use config_recovery::report::Reporter;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::{Deserialize, Serialize};

use crate::exec::{self, Container};
use crate::ground::TestEnv;

/// BackupContents the task, as JSON.
pub const VARIABLE: &str = "CONFIGURATARR_E2E_ENGINE";
/// SIGKILL.
const KILL: i32 = 9;

/// What the process does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Administrator's access to the bed.
    pub kubeconfig: PathBuf,
    /// The app.
    pub app: String,
    /// Its model.
    pub model: String,
    /// Uid of the backup, or `latest`.
    pub backup: String,
    /// Its volume on this machine.
    pub volume: PathBuf,
    /// Image of the scratch pod.
    pub image: String,
    /// Where it kills itself.
    pub kill_at: Option<KillAt>,
    /// How often the app does not get healthy.
    pub sick: u32,
}

/// Where a process kills itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillAt {
    /// When this step has been written down and nothing of it was done.
    Begins(Step),
    /// While Velero restores the bytes.
    Waiting,
    /// When so many hundredths of the bytes are copied into the volume.
    Copied(u64),
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The restore is done.
    Done,
    /// It could not be done.
    Failed(String),
    /// It killed itself.
    Killed,
}

impl Task {
    /// Plays it in a process of its own and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started or ends in no way that is known.
    pub async fn play(&self) -> Result<Ended> {
        // By this name it is found even when a newer one was built in its place.
        let output = tokio::process::Command::new("/proc/self/exe")
            .env(VARIABLE, serde_json::to_string(self)?)
            .output()
            .await
            .context("cannot start the engine's process")?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        use std::os::unix::process::ExitStatusExt;
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => Ok(Ended::Done),
            (Some(1), _) => Ok(Ended::Failed(said)),
            (None, Some(KILL)) => Ok(Ended::Killed),
            _ => bail!("the engine's process ended with {}: {said}", output.status),
        }
    }
}

/// Does the task, if this process was given one.
pub fn run() -> Option<ExitCode> {
    let task = std::env::var(VARIABLE).ok()?;
    Some(match restore(&task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            // The charm has next steps of its own.
            if let Some(hint) = error
                .downcast_ref::<config_recovery::Error>()
                .and_then(config_recovery::Error::hint)
            {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(1)
        }
    })
}

fn restore(task: &str) -> Result<()> {
    let task: Task = serde_json::from_str(task).context("cannot read the task")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster = Cluster::new(client(&task.kubeconfig).await?);
        let target = AppId {
            app: task.app.clone(),
            model: task.model.clone(),
        };
        let wanted = RestoreRequest {
            target,
            from: None,
            choice: Choice::from(task.backup.as_str()),
            holder: "e2e".to_owned(),
            image: task.image.clone(),
            program: None,
            patience: None,
        };
        let elsewhere = std::env::temp_dir().join(format!("restore-{}", task.app));
        let plan = engine::plan_restore(&cluster, &wanted, &task.volume, true, &elsewhere).await?;
        let mut app = PodApp {
            task: &task,
            sick: task.sick,
        };
        let killer = Killer {
            at: task.kill_at,
            is_back: Cell::new(false),
        };
        engine::restore(&cluster, &plan, &mut app, &killer).await?;
        Ok(())
    })
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The app in its pod, as somebody with a terminal would stop and start it.
struct PodApp<'a> {
    task: &'a Task,
    sick: u32,
}

impl PodApp<'_> {
    /// Runs a script in the workload's container. The engine's own thread is busy with calling this.
    fn in_workload(&self, script: &str) -> Result<String, String> {
        let task = self.task;
        let work = || -> Result<String> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let ground = TestEnv::of_cluster(client(&task.kubeconfig).await?, "").await?;
                let pod = format!("{}-0", task.app);
                let place = Container {
                    namespace: &task.model,
                    pod: &pod,
                    name: &task.app,
                };
                exec::shell(&ground, place, script).await
            })
        };
        let done = std::thread::scope(|scope| scope.spawn(work).join());
        match done {
            Ok(said) => said.map_err(|error| format!("{error:#}")),
            Err(_) => Err("the command's thread panicked".to_owned()),
        }
    }
}

impl App for PodApp<'_> {
    fn stop(&mut self) -> Result<(), String> {
        self.in_workload(&format!("/charm/bin/pebble stop {}", self.task.app))
            .map(drop)
    }

    fn start(&mut self, _: Duration) -> Result<(), String> {
        if self.sick > 0 {
            self.sick -= 1;
            return Err("it does not get healthy, as the scenario wants it".to_owned());
        }
        let start = format!(
            "/charm/bin/pebble start {}
timeout 30 sh -c 'until wget -q -O /dev/null http://127.0.0.1:7878/ping; do sleep 0.1; done'",
            self.task.app
        );
        self.in_workload(&start).map(drop)
    }

    // What the charm writes down of it is the charm's.
    fn came_back(&mut self, _: &CheckedBackup) {}

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        let problems = match std::fs::read_to_string(restored.folder.join("config.xml")) {
            Ok(text) if text.contains("</Config>") => Vec::new(),
            Ok(_) => vec!["config.xml is damaged".to_owned()],
            Err(error) => vec![format!("config.xml: {error}")],
        };
        Examined {
            problems,
            ..Examined::default()
        }
    }
}

/// Hears how far the engine is, and kills it there.
struct Killer {
    at: Option<KillAt>,
    is_back: Cell<bool>,
}

impl Killer {
    fn kill(&self) {
        let own = std::process::id().to_string();
        // No signal of our own making is as hard as this one.
        let _ = Command::new("kill").args(["-KILL", &own]).status();
        // It may take a moment to arrive; nothing may be done in it.
        loop {
            std::thread::park();
        }
    }
}

impl Reporter for Killer {
    fn begins(&self, step: Step) {
        eprintln!("{step}");
        self.is_back.set(step > Step::BringBack);
        if self.at == Some(KillAt::Begins(step)) {
            self.kill();
        }
    }

    fn bytes(&self, step: Step, done: u64, total: Option<u64>) {
        if let (Some(KillAt::Copied(hundredths)), Step::Transfer, Some(total)) = (self.at, step, total)
            && done * 100 >= total * hundredths
        {
            self.kill();
        }
    }

    fn waits(&self, what: &str) {
        eprintln!("waits: {what}");
        if self.at == Some(KillAt::Waiting) && !self.is_back.get() {
            self.kill();
        }
    }

    fn note(&self, text: &str) {
        eprintln!("note: {text}");
    }
}
