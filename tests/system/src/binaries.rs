//! The programs under test, built by cargo and found by what it reports.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The programs that play a story.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The charm: what Juju runs for every event.
    pub dispatch: PathBuf,
    /// The simulated Juju, its hook tools and its Pebble.
    pub juju_sim: PathBuf,
    /// What stands for Radarr in a simulated container.
    pub stand_in_radarr: PathBuf,
    /// The load of tests of backups, and the judge of what comes back.
    pub config_volume_writer: PathBuf,
}

/// How they are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As tests are.
    Dev,
    /// As users get them.
    Release,
}

impl Binaries {
    /// Builds what is not up to date.
    ///
    /// # Errors
    /// When cargo cannot build them; its own words have gone to standard error.
    pub fn build(profile: Profile) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--message-format=json", "--bins"])
            .args(["-p", "workload-charm", "-p", "juju-sim", "-p", "system-tests"])
            .args(["-p", "config-volume"])
            .stderr(Stdio::inherit());
        if profile == Profile::Release {
            command.arg("--release");
        }
        let output = command.output().context("cannot start cargo")?;
        if !output.status.success() {
            bail!("cannot build the charm and the simulated Juju: cargo build failed");
        }
        let built: BTreeMap<String, PathBuf> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| {
                let name = message.get("target")?.get("name")?.as_str()?.to_owned();
                let executable = message.get("executable")?.as_str()?.into();
                Some((name, executable))
            })
            .collect();
        let find = |name: &str| {
            built
                .get(name)
                .cloned()
                .with_context(|| format!("cargo did not build {name}"))
        };
        Ok(Self {
            dispatch: find("dispatch")?,
            juju_sim: find("juju-sim")?,
            stand_in_radarr: find("stand-in-radarr")?,
            config_volume_writer: find("config-volume-writer")?,
        })
    }

    /// The programs as tests are compiled, built once for each test process.
    ///
    /// # Errors
    /// When they cannot be built.
    pub fn for_tests() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build(Profile::Dev).map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }
}
