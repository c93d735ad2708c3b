//! A Pebble that is a process: `juju-sim pebble`, or Canonical's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use juju_charm::pebble::Pebble;
use pebble_contract::Kind;
use pebble_contract::process;
use serde_json::Value;
use tempfile::TempDir;

use super::{Backend, Fact};

pub struct Process {
    kind: Kind,
    process: process::Process,
    /// Holds the socket, the log and, in `root`, the container's files.
    folder: TempDir,
}

impl Process {
    pub fn start(kind: Kind, executable: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("pebble").tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("files")).unwrap();
        let process = match kind {
            Kind::Real => process::Process::real(executable, folder.path())?,
            _ => process::Process::simulated(executable, folder.path(), &root)?,
        };
        Ok(Self {
            kind,
            process,
            folder,
        })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }
}

impl Backend for Process {
    fn pebble(&self) -> &dyn Pebble {
        self.process.client()
    }

    fn path(&self, name: &str) -> String {
        match self.kind {
            // Its container is this machine.
            Kind::Real => self.root().join("files").join(name).to_str().unwrap().to_owned(),
            _ => format!("/files/{name}"),
        }
    }

    fn host_path(&self, container_path: &str) -> PathBuf {
        match self.kind {
            Kind::Real => container_path.into(),
            _ => self.root().join(container_path.trim_start_matches('/')),
        }
    }

    fn socket(&self) -> &Path {
        self.process.client().socket()
    }

    fn tell(&self, _fact: Fact<'_>) {}

    fn finish(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The simulated Pebble, built once for the test process.
pub fn simulated_executable() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build_juju_sim).as_deref().map_err(Clone::clone)
}

/// Builds juju-sim; what cargo reports says where it is.
fn build_juju_sim() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--message-format=json",
            "-p",
            "juju-sim",
            "--bin",
            "juju-sim",
        ])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err("cannot build juju-sim: cargo build failed".to_owned());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message
                .pointer("/target/name")
                .is_some_and(|name| name == "juju-sim")
        })
        .find_map(|message| Some(message.get("executable")?.as_str()?.into()))
        .ok_or_else(|| "cargo did not build juju-sim".to_owned())
}
