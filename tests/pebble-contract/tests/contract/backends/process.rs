//! A Pebble that is a process: `juju-sim pebble`, or Canonical's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use juju_charm::pebble::{Client, Pebble};
use pebble_contract::Kind;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{Backend, Fact};
use crate::support::DEADLINE;

pub struct Process {
    kind: Kind,
    child: Child,
    client: Client,
    /// Holds the socket, the log and, in `root`, the container's files.
    folder: TempDir,
}

impl Process {
    pub fn start(kind: Kind, executable: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("pebble").tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("files")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(executable);
        let socket = match kind {
            Kind::Real => {
                command.args(["run", "--create-dirs", "--hold"]);
                command.env("PEBBLE", folder.path().join("pebble"));
                folder.path().join("pebble/.pebble.socket")
            }
            _ => {
                let socket = folder.path().join("pebble.socket");
                command
                    .args(["pebble", "--until-stdin-closes", "--socket"])
                    .arg(&socket);
                command.arg("--root").arg(&root);
                socket
            }
        };
        let child = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", executable.display()))?;
        let mut process = Self {
            kind,
            child,
            client: Client::for_socket(socket),
            folder,
        };
        process.wait_until_it_answers()?;
        Ok(process)
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            match self.client.system_info() {
                Ok(_) => return Ok(()),
                Err(error) => {
                    let ended = self.child.try_wait().unwrap();
                    if ended.is_some() || begin.elapsed() > DEADLINE {
                        let log = std::fs::read_to_string(self.folder.path().join("log"));
                        return Err(format!("{error}; ended: {ended:?}; its log: {}", log.unwrap()));
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }
}

impl Backend for Process {
    fn pebble(&self) -> &dyn Pebble {
        &self.client
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
        self.client.socket()
    }

    fn tell(&self, _fact: Fact<'_>) {}

    fn finish(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Drop for Process {
    /// SIGTERM, so that it ends its services; SIGKILL if it does not go.
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.child.id()).unwrap()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
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
