//! A Pebble that is a process: `juju-sim pebble`, or Canonical's.

use std::path::{Path, PathBuf};

use juju_charm::pebble::Pebble;
use pebble_contract::Kind;
use pebble_contract::process;
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
