//! The bed lives in namespaces of its own: processes, mounts and network.
//!
//! Nothing in it can reach beyond this machine, no port or address can collide, and when its first process ends, however
//! it ends, the kernel ends all others, unmounts everything and removes bridge, addresses and rules. So a killed run
//! leaves nothing behind but cgroup folders without processes, which the next run removes.

use std::fs::{File, TryLockError};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::veleros::Velero;

/// Set in the process that runs inside, to the name of the Velero that it brings up.
const INSIDE: &str = "CONFIGURATARR_E2E_INSIDE";

/// Runs this program again inside new namespaces, with the same arguments, and waits for it. There it brings up this Velero.
/// Returns its exit code.
///
/// # Errors
/// When `unshare` cannot be started.
pub fn enter(velero: &Velero) -> Result<u8> {
    remove_stale_cgroups();
    let process_file = process_file()?;
    // setpriv: when this program is killed, the kernel kills unshare, and unshare's end is the end of all inside.
    let mut unshare = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args([
            "--mount",
            "--net",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["--propagation", "private", "--"])
        .arg(std::env::current_exe().context("cannot find this program")?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, velero.name())
        // There is no network inside, and what cargo needs is there.
        .env("CARGO_NET_OFFLINE", "true")
        .env(PROCESS_FILE, &process_file)
        .spawn()
        .context("cannot start setpriv and unshare (package util-linux)")?;
    std::fs::write(&process_file, first_child(unshare.id()).to_string())
        .context("cannot note the process")?;
    let status = unshare.wait()?;
    remove_stale_cgroups();
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(1))
}

/// The process that unshare (here `process`, once setpriv has become it) forks to be the first one inside.
fn first_child(process: u32) -> u32 {
    let list = format!("/proc/{process}/task/{process}/children");
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        let children = std::fs::read_to_string(&list).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next().and_then(|id| id.parse().ok()) {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // Some kernels do not list children. Most of what is inside is reached through the parent too.
    process
}

/// Names the file with the id of the first process inside.
const PROCESS_FILE: &str = "CONFIGURATARR_E2E_PROCESS";

fn process_file() -> Result<PathBuf> {
    let folder = crate::report::folder();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.join("process"))
}

/// The first process inside, by the id that it has outside. Inside it is always 1.
///
/// # Errors
/// When it was not noted or has gone.
pub fn outer_process() -> Result<String> {
    let file = std::env::var_os(PROCESS_FILE).context("this process runs in no namespaces of its own")?;
    let unshare =
        std::fs::read_to_string(file).context("cannot read which process carries the namespaces")?;
    Ok(unshare.trim().to_owned())
}

/// Whether this process may make namespaces and mounts.
pub fn is_root() -> bool {
    // The owner of a process is the owner of its folder.
    std::fs::metadata("/proc/self").is_ok_and(|is| std::os::unix::fs::MetadataExt::uid(&is) == 0)
}

/// Keeps a second run away: both would use the same control groups. `None` when there is one. Released when the file
/// is closed, however this process ends.
///
/// # Errors
/// When the file cannot be made.
pub fn lock() -> Result<Option<File>> {
    let file = File::create("/run/configuratarr-e2e.lock").context("cannot make a lock")?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock"),
    }
}

/// The Velero to bring up, when this process runs inside.
///
/// # Errors
/// When that is none that the bed knows.
pub fn inside() -> Result<Option<&'static Velero>> {
    let Some(name) = std::env::var_os(INSIDE) else {
        return Ok(None);
    };
    let velero = Velero::named(&name.to_string_lossy()).map_err(|said| anyhow!(said));
    velero.map(Some).with_context(|| format!("cannot use {INSIDE}"))
}

/// Name of the cgroup below which the bed's pods are.
pub const CGROUP: &str = "configuratarr-e2e";

/// Control groups outlive their processes. Empty ones are removed, innermost first; one in use refuses to be.
fn remove_stale_cgroups() {
    let Ok(hierarchies) = std::fs::read_dir("/sys/fs/cgroup") else {
        return;
    };
    for hierarchy in hierarchies.flatten() {
        remove_empty(&hierarchy.path().join(CGROUP));
    }
    remove_empty(&Path::new("/sys/fs/cgroup").join(CGROUP));
}

fn remove_empty(group: &Path) {
    let Ok(entries) = std::fs::read_dir(group) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            remove_empty(&entry.path());
        }
    }
    // Refused while something runs in it: then it is not ours to remove.
    let _ = std::fs::remove_dir(group);
}
