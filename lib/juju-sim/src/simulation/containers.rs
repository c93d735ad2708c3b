//! Workload containers: their root folders and the simulated Pebbles in them, each a process of its own.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::Simulation;
use super::charm_folder::{Mount, link, remove_file, remove_folder, unpack};
use crate::error::{Error, Result};
use crate::pebble_news::PebbleNews;

/// How long a Pebble may take to answer after its start, and to go after SIGTERM.
const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// One container of an application, the same for all its units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerSpec {
    pub mounts: Vec<Mount>,
    /// The folder that every root folder starts as a copy of; none: empty.
    pub image: Option<PathBuf>,
    /// The socket of a Pebble that somebody else runs.
    pub external: Option<PathBuf>,
}

/// The Pebbles that this process started.
#[derive(Debug, Default)]
pub(crate) struct Children(BTreeMap<u32, Child>);

impl Simulation {
    /// Starts every container of a unit over a fresh root folder.
    pub(crate) fn start_containers(&mut self, unit: &str) -> Result<()> {
        for (container, spec) in self.container_specs(unit) {
            self.start_container(unit, &container, &spec)?;
        }
        Ok(())
    }

    /// Ends every container of a unit.
    pub(crate) fn stop_containers(&mut self, unit: &str) -> Result<()> {
        let running = self.state.pebbles.remove(unit).unwrap_or_default();
        for (container, pid) in running {
            self.stop_container(unit, &container, pid)?;
        }
        Ok(())
    }

    /// Ends one container and starts it again from its image.
    pub(crate) fn recreate_container(&mut self, unit: &str, container: &str) -> Result<()> {
        let spec = self.container_specs(unit).remove(container);
        let spec =
            spec.ok_or_else(|| Error::refused(format!("unit {unit:?} has no container {container:?}")))?;
        if let Some(pid) = self
            .state
            .pebbles
            .get_mut(unit)
            .and_then(|running| running.remove(container))
        {
            self.stop_container(unit, container, pid)?;
        }
        self.start_container(unit, container, &spec)
    }

    fn container_specs(&self, unit: &str) -> BTreeMap<String, ContainerSpec> {
        let record = self
            .state
            .apps
            .get(juju_hook_tools::model::application_name(unit));
        record.map(|record| record.containers.clone()).unwrap_or_default()
    }

    fn start_container(&mut self, unit: &str, container: &str, spec: &ContainerSpec) -> Result<()> {
        if self.state.options.layout.is_pod() {
            return Ok(());
        }
        let paths = self.paths(unit);
        let folder = paths.containers.join(container);
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let socket = folder.join("pebble.socket");
        if let Some(external) = &spec.external {
            return link(external, &socket);
        }
        let root = paths.roots.join(container);
        remove_folder(&root)?;
        match &spec.image {
            Some(image) => unpack(image, &root)?,
            None => std::fs::create_dir_all(&root).map_err(Error::io("create", &root))?,
        }
        for mount in &spec.mounts {
            self.mount(unit, mount, &root)?;
        }
        remove_file(&socket)?;
        let log = paths.folder.join(format!("pebble-{container}.log"));
        let pid = self.spawn_pebble(&socket, &root, &log)?;
        self.state
            .pebbles
            .entry(unit.to_owned())
            .or_default()
            .insert(container.to_owned(), pid);
        let deadline = Instant::now() + DEADLINE;
        while PebbleNews::at(&socket).boot_id().is_err() {
            if Instant::now() > deadline || self.children.has_ended(pid) {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let reason = format!(
                    "it does not answer at {}; it said: {}",
                    socket.display(),
                    said.trim()
                );
                return Err(Error::Pebble {
                    unit: unit.to_owned(),
                    container: container.to_owned(),
                    reason,
                });
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// A mount is a link from the root folder to the unit's mount point.
    fn mount(&self, unit: &str, mount: &Mount, root: &Path) -> Result<()> {
        let location = mount.location.trim_start_matches('/');
        if location.is_empty() || location.split('/').any(|part| part == "..") {
            return Err(Error::refused(format!(
                "storage {:?} has no usable location",
                mount.storage
            )));
        }
        let at = root.join(location);
        if let Some(parent) = at.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        if at.is_dir() && !at.is_symlink() {
            // What the image has there is hidden by the mount.
            remove_folder(&at)?;
        }
        link(&self.storage_dir(unit, &mount.storage), &at)
    }

    fn spawn_pebble(&mut self, socket: &Path, root: &Path, log: &Path) -> Result<u32> {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(Error::io("open", log))?;
        let errors = output.try_clone().map_err(Error::io("open", log))?;
        let mut command = Command::new(&self.executable);
        command
            .arg("pebble")
            .arg("--socket")
            .arg(socket)
            .arg("--root")
            .arg(root)
            // A workload that runs so long has started; the real second would be most of a test's time.
            .args(["--okay-delay-ms", "50"])
            .current_dir(root)
            .process_group(0)
            .stdout(output)
            .stderr(errors);
        if self.state.options.keep_running {
            command.stdin(Stdio::null());
        } else {
            // It ends when this process does, whatever happens to it.
            command.arg("--until-stdin-closes").stdin(Stdio::piped());
        }
        let child = command.spawn().map_err(Error::io("run", &self.executable))?;
        let pid = child.id();
        self.children.0.insert(pid, child);
        Ok(pid)
    }

    fn stop_container(&mut self, unit: &str, container: &str, pid: u32) -> Result<()> {
        let socket = self.paths(unit).containers.join(container).join("pebble.socket");
        let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        for (signal, last) in [(Signal::TERM, false), (Signal::KILL, true)] {
            if self.is_gone(pid, &socket) {
                break;
            }
            let _ = kill_process(id, signal);
            let deadline = Instant::now() + DEADLINE;
            while !self.is_gone(pid, &socket) && Instant::now() < deadline {
                std::thread::sleep(PAUSE);
            }
            if last && !self.is_gone(pid, &socket) {
                let reason = format!("process {pid} does not end");
                return Err(Error::Pebble {
                    unit: unit.to_owned(),
                    container: container.to_owned(),
                    reason,
                });
            }
        }
        self.children.0.remove(&pid);
        remove_file(&socket)
    }

    /// Whether the process is not there any more, or is another one that got its number.
    fn is_gone(&mut self, pid: u32, socket: &Path) -> bool {
        if self.children.0.contains_key(&pid) {
            return self.children.has_ended(pid);
        }
        let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let socket = socket.as_os_str().as_encoded_bytes();
        !command_line
            .split(|byte| *byte == 0)
            .any(|argument| argument == socket)
    }
}

impl Children {
    fn has_ended(&mut self, pid: u32) -> bool {
        self.0
            .get_mut(&pid)
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }
}
