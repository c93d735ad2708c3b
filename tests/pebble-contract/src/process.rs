//! A Pebble that is a process: `juju-sim pebble`, or Canonical's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use juju_charm::pebble::{Client, Pebble};
use rustix::process::{Pid, Signal, kill_process};

/// How long it may take to answer after its start, and to go after SIGTERM.
const DEADLINE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// Makes a folder the root of Canonical's Pebble, in namespaces that are those of this shell: `$1` is the folder, further arguments are
/// pairs of a folder outside and where it is mounted inside.
const ENTER: &str = r#"set -eu
root=$1
shift
ip link set lo up
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
while [ $# -gt 0 ]; do
    mount --bind "$1" "$root$2"
    shift 2
done
exec chroot "$root" /bin/pebble run --create-dirs --hold
"#;

/// Where Canonical's Pebble listens below its root, unless its environment says otherwise.
const SOCKET: &str = "var/lib/pebble/default/.pebble.socket";

/// A running Pebble; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    client: Client,
}

impl Process {
    /// `juju-sim pebble` over the files of `root`, with socket and log in `folder`.
    ///
    /// # Errors
    /// When it does not answer, with what it said.
    pub fn simulated(executable: &Path, folder: &Path, root: &Path) -> Result<Self, String> {
        let socket = folder.join("pebble.socket");
        let mut command = Command::new(executable);
        command
            .args(["pebble", "--until-stdin-closes", "--socket"])
            .arg(&socket)
            .arg("--root")
            .arg(root);
        Self::start(command, socket, folder)
    }

    /// Canonical's over the files of this machine, with socket and log in `folder`.
    ///
    /// # Errors
    /// When it does not answer, with what it said.
    pub fn real(executable: &Path, folder: &Path) -> Result<Self, String> {
        let mut command = Command::new(executable);
        command
            .args(["run", "--create-dirs", "--hold"])
            .env("PEBBLE", folder.join("pebble"));
        Self::start(command, folder.join("pebble/.pebble.socket"), folder)
    }

    /// Canonical's in a container: `root` is its `/`, which has to hold what a workload needs; each of `mounts` is a folder and where it is
    /// in the container. Mounts, processes and network are its own; its users are those of this machine, so this takes root and the
    /// programs `unshare`, `mount` and `ip`. The log is in `folder`.
    ///
    /// # Errors
    /// When the container cannot be made, or it does not answer, with what it said.
    pub fn real_in_container(
        executable: &Path,
        folder: &Path,
        root: &Path,
        mounts: &[(PathBuf, PathBuf)],
    ) -> Result<Self, String> {
        let places = ["dev", "proc", "tmp", "bin"].map(Path::new);
        for place in places
            .into_iter()
            .chain(mounts.iter().map(|(_, at)| at.as_path()))
        {
            let place = root.join(place.strip_prefix("/").unwrap_or(place));
            std::fs::create_dir_all(&place)
                .map_err(|error| format!("cannot make {}: {error}", place.display()))?;
        }
        let own = root.join("bin/pebble");
        test_programs::copy(executable, &own).map_err(|error| error.to_string())?;
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--net",
                "--pid",
                "--ipc",
                "--fork",
                "--kill-child",
                "--",
            ])
            .args(["sh", "-c", ENTER, "container"])
            .arg(root)
            .env_remove("PEBBLE")
            .env_remove("PEBBLE_SOCKET");
        for (from, at) in mounts {
            command.arg(from).arg(at);
        }
        Self::start(command, root.join(SOCKET), folder)
    }

    fn start(mut command: Command, socket: PathBuf, folder: &Path) -> Result<Self, String> {
        let log = folder.join("log");
        let cannot = |error| {
            format!(
                "cannot start {}: {error}",
                Path::new(command.get_program()).display()
            )
        };
        let output = File::create(&log).map_err(cannot)?;
        let errors = output.try_clone().map_err(cannot)?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| {
                format!(
                    "cannot start {}: {error}",
                    Path::new(command.get_program()).display()
                )
            })?;
        let client = Client::for_socket(socket);
        let mut process = Self { child, client };
        process.wait_until_it_answers(&log)?;
        Ok(process)
    }

    fn wait_until_it_answers(&mut self, log: &Path) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let Err(error) = self.client.system_info() else {
                return Ok(());
            };
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || begin.elapsed() > DEADLINE {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("{error}; ended: {ended:?}; its log: {log}"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks it.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for Process {
    /// SIGTERM, so that it ends its services; SIGKILL if it does not go.
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
