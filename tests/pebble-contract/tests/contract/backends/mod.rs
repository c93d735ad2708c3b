//! The three Pebbles behind one trait.

mod fake;
mod process;

use std::path::{Path, PathBuf};

use juju_charm::pebble::{ExecOutput, Pebble};
use pebble_contract::{Kind, PEBBLE_EXECUTABLE, real_executable};
use system_tests::binaries::Binaries;

/// A Pebble of a test's own, ended when it is dropped.
pub trait Backend {
    fn pebble(&self) -> &dyn Pebble;

    /// Path in the container of `name` in a folder that exists and is the test's.
    fn path(&self, name: &str) -> String;

    /// Where a path of the container is on this machine.
    fn host_path(&self, container_path: &str) -> PathBuf;

    /// The socket.
    fn socket(&self) -> &Path;

    /// Says what a Pebble that runs processes and opens connections finds out for itself.
    fn tell(&self, fact: Fact<'_>);

    /// Ends the test: has the Pebble been asked what it could not know?
    fn finish(&self) -> Result<(), String>;
}

/// What the fake has to be told.
pub enum Fact<'a> {
    /// From now on a check fails, or does not.
    CheckFails { check: &'a str, fails: bool },
    /// A service ends as soon as it is started.
    ServiceExits {
        service: &'a str,
        code: i32,
        output: &'a str,
    },
    /// A service writes a line.
    ServiceWrites { service: &'a str, line: &'a str },
    /// What a command does.
    Exec {
        command: &'a [&'a str],
        output: ExecOutput,
    },
    /// A command runs until its time is over.
    ExecHangs { command: &'a [&'a str] },
    /// A command does not exist.
    ExecMissing { command: &'a [&'a str] },
}

/// How a backend is started.
#[derive(Clone)]
pub enum Start {
    Fake,
    /// Built when the first case needs it.
    Simulated,
    Real(PathBuf),
}

impl Start {
    /// Finds what it takes to start a backend; says why that cannot be had.
    pub fn find(kind: Kind) -> Result<Self, String> {
        match kind {
            Kind::Fake => Ok(Self::Fake),
            Kind::Simulated => Ok(Self::Simulated),
            Kind::Real => match real_executable() {
                Ok(Some(path)) => Ok(Self::Real(path)),
                Ok(None) => Err(format!("{PEBBLE_EXECUTABLE} names no executable")),
                Err(reason) => panic!("{reason}"),
            },
        }
    }

    pub fn start(&self) -> Result<Box<dyn Backend>, String> {
        Ok(match self {
            Self::Fake => Box::new(fake::Fake::new()),
            Self::Simulated => {
                let executable = &Binaries::for_tests()
                    .map_err(|error| format!("{error:#}"))?
                    .juju_sim;
                Box::new(process::Process::start(Kind::Simulated, executable)?)
            }
            Self::Real(executable) => Box::new(process::Process::start(Kind::Real, executable)?),
        })
    }
}
