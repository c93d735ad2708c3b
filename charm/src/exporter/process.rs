//! The exporter as a process: started by a hook that does not wait for it, found again by the next one, ended with the relation.
//!
//! Juju waits until a hook's output is closed, so the exporter has none of the hook's files; it has a session of its own and nothing of
//! the hook's environment but how to reach Kubernetes. Which process it is it writes down itself, once it has the port: two that
//! were started at once cannot both be it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, setsid};
use serde::{Deserialize, Serialize};

use super::EXPORTER;
use crate::unit_file;

/// Which process it is, in the folder of the unit's agent.
const FILE: &str = "exporter-process.json";
/// What it says before it can be asked, in the same folder.
const LOG: &str = "exporter.log";
/// The charm's program.
const PROGRAM: &str = "dispatch";

/// What it has of the hook's environment.
const ENVIRONMENT: [&str; 3] = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECONFIG"];

/// A process. Numbers are used again, also while the machine runs: the time of its start tells it from another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The process of this number, if there is one.
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, which may hold anything. State is the third; the start is
        // the 22nd (proc_pid_stat(5)). A zombie has ended.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let has_ended = matches!(*fields.first()?, "Z" | "X");
        let started = fields.get(19)?.parse().ok()?;
        (!has_ended).then_some(Self { pid, started })
    }

    /// The one that was written down, if it is still there.
    fn noted(charm_dir: &Path) -> Option<Self> {
        let noted: Self = serde_json::from_slice(&fs::read(unit_file::path(charm_dir, FILE)).ok()?).ok()?;
        Self::of(noted.pid).filter(|found| *found == noted)
    }

    /// Whether it runs the program as it is on the disk now, and not that of the charm before.
    fn runs(&self, program: &Path) -> bool {
        // The link leads to the file also when that has no name any more.
        let running = fs::metadata(format!("/proc/{}/exe", self.pid));
        let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let (Ok(running), Ok(program)) = (running, fs::metadata(program)) else {
            return false;
        };
        place(running) == place(program)
    }
}

/// Whether the exporter of this very charm runs.
pub fn is_running(charm_dir: &Path) -> bool {
    Process::noted(charm_dir).is_some_and(|process| process.runs(&charm_dir.join(PROGRAM)))
}

/// Starts it, in the place of the one of an earlier charm if there is one.
///
/// # Errors
/// When the program cannot be started.
pub fn start(charm_dir: &Path) -> io::Result<()> {
    end(charm_dir)?;
    let charm_dir = fs::canonicalize(charm_dir)?;
    let log = File::create(unit_file::path(&charm_dir, LOG))?;
    let environment = ENVIRONMENT
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new(charm_dir.join(PROGRAM))
        .arg(EXPORTER)
        .arg(&charm_dir)
        .env_clear()
        .envs(environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map(drop)
}

/// Ends it. One that does not run is ended.
///
/// # Errors
/// When it runs and cannot be ended.
pub fn end(charm_dir: &Path) -> io::Result<()> {
    if let Some(process) = Process::noted(charm_dir)
        && let Some(pid) = Pid::from_raw(process.pid)
    {
        match kill_process(pid, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    unit_file::remove(&unit_file::path(charm_dir, FILE))
}

/// In the exporter: has a session of its own from now on, so that what ends the hook's processes does not end it.
pub(super) fn leave_session() {
    // Only the first of a group cannot, and that one has its own.
    let _ = setsid();
}

/// In the exporter: writes down that it is this process.
pub(super) fn note(charm_dir: &Path) -> io::Result<()> {
    let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let process = Process::of(pid).ok_or(io::ErrorKind::NotFound)?;
    let text = serde_json::to_vec(&process).map_err(io::Error::other)?;
    let path: PathBuf = unit_file::path(charm_dir, FILE);
    unit_file::write(&path, &text)
}
