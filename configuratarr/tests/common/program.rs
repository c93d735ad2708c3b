//! The program as a user starts it, in an environment that the test makes.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use juju_sim::{Rights, StandInCluster};
use serde_json::Value;
use tempfile::TempDir;

use super::juju::{Juju, install_simulated};
use super::output::Ran;
use super::{App, Apps, PAUSE};

/// The token of the account that may read everything.
pub const TOKEN: &str = "t0ken-that-nobody-may-see";

/// A home with a `juju`, a kubeconfig and a cluster behind it.
///
/// Nothing of the machine's own environment reaches the program: HOME, PATH and KUBECONFIG are in a folder of the test's.
pub struct Test {
    folder: TempDir,
    /// The cluster.
    pub cluster: StandInCluster,
    environment: RefCell<Vec<(OsString, OsString)>>,
    program: PathBuf,
}

impl Test {
    /// No juju, a cluster without Velero's objects, and a kubeconfig of an account that may read everything.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "bin"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let cluster = StandInCluster::start().unwrap();
        cluster.admit("admin", TOKEN, Rights::Everything);
        let test = Self {
            folder,
            cluster,
            environment: RefCell::default(),
            program: program(),
        };
        test.kubeconfig(&test.cluster.kubeconfig(TOKEN));
        test
    }

    /// Model `home` with these apps: in Juju, and what Velero has of them.
    pub fn with(apps: impl IntoIterator<Item = App>) -> Self {
        let test = Self::new();
        let apps = Apps::of(apps);
        test.juju(&apps.juju());
        test.cluster.put_all(apps.objects()).unwrap();
        test
    }

    /// This `juju` is in PATH.
    pub fn juju(&self, juju: &Juju) -> &Self {
        juju.install(&self.bin());
        self
    }

    /// The simulated `juju` is in PATH; its model is in the folder that is given back.
    pub fn simulated_juju(&self) -> PathBuf {
        install_simulated(&self.bin());
        let folder = self.folder.path().join("model");
        self.env("JUJU_SIM_DIR", &folder);
        folder
    }

    /// Puts an object into the cluster.
    pub fn put(&self, object: Value) -> &Self {
        self.cluster.put(object).unwrap();
        self
    }

    /// Another kubeconfig.
    pub fn kubeconfig(&self, text: &str) -> &Self {
        std::fs::write(self.path("kubeconfig"), text).unwrap();
        self
    }

    /// A kubeconfig of an account with these rights.
    pub fn with_rights(&self, rights: Rights) -> &Self {
        self.cluster.admit("viewer", "t0ken-of-the-viewer", rights);
        self.kubeconfig(&self.cluster.kubeconfig("t0ken-of-the-viewer"))
    }

    /// A variable of the environment.
    pub fn env(&self, name: &str, value: impl Into<OsString>) -> &Self {
        self.environment.borrow_mut().push((name.into(), value.into()));
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of PATH.
    pub fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// Waits until the process of the stand-in juju's last call has ended.
    pub fn juju_has_ended(&self) {
        let pid = std::fs::read_to_string(self.bin().join("juju.pid")).unwrap();
        let stat = Path::new("/proc").join(pid.trim()).join("stat");
        let begin = Instant::now();
        // One that has ended and that nobody has asked about stays as a zombie: `pid (name) Z …`.
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while runs() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{} runs on",
                pid.trim()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// The program with these arguments, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.path("home"))
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", self.bin())
            .env("KUBECONFIG", self.path("kubeconfig"))
            .envs(self.environment.borrow().iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let before = self.cluster.requests().len();
        let calls_before = self.juju_calls().len();
        let output = self.command(arguments).output().unwrap();
        Ran {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
            requests: self.cluster.requests().split_off(before),
            juju_calls: self.juju_calls().split_off(calls_before),
            hidden: vec![
                (self.folder.path().display().to_string(), "[FOLDER]"),
                (self.server(), "[SERVER]"),
            ],
        }
    }

    /// How `juju` was called so far.
    pub fn juju_calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.bin().join("juju.calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// The address of the cluster's API server.
    pub fn server(&self) -> String {
        let kubeconfig: Value = serde_json::from_str(&self.cluster.kubeconfig(TOKEN)).unwrap();
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
        server.trim_start_matches("http://").to_owned()
    }
}

/// The program under test.
fn program() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_configuratarr");
    released().unwrap_or_else(|| built.into())
}

/// What users get, where `cargo xtask dist` names it.
fn released() -> Option<PathBuf> {
    std::env::var_os("CONFIGURATARR_UNDER_TEST").map(PathBuf::from)
}

/// The goal for what users get; for a debug build, on a machine that does other things beside, what shows that nothing is badly wrong.
pub fn goal<T>(of_released: T, of_debug: T) -> T {
    match released() {
        Some(_) => of_released,
        None => of_debug,
    }
}
