//! Why the hooks refused the last backup of this unit's volume. Velero keeps what they say in the log of that backup, which nobody
//! reads who has no Velero at hand, so they leave it in a file beside the charm's folder.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::hooks::HookError;
use crate::unit_file;

/// The file's name, in the folder of the unit's agent.
const FILE: &str = "backup-refused";
/// So many characters of a reason are kept: it may name files.
const LONGEST: usize = 600;

/// Keeps what came of the hook before a backup.
pub(super) fn before<T>(charm_dir: &Path, came: &Result<T, HookError>) {
    let path = unit_file::path(charm_dir, FILE);
    let done = match came {
        Ok(_) => unit_file::remove(&path),
        Err(error) => write(&path, error),
    };
    told(done);
}

/// The same of the one after it. Of a backup that was refused beforehand it says no more than that it has nothing to look after.
pub(super) fn after<T>(charm_dir: &Path, came: &Result<T, HookError>) {
    let path = unit_file::path(charm_dir, FILE);
    if let Err(error) = came
        && !path.exists()
    {
        told(write(&path, error));
    }
}

fn write(path: &Path, error: &HookError) -> std::io::Result<()> {
    let reason: String = crate::causes(error).chars().take(LONGEST).collect();
    unit_file::write(path, format!("{} {reason}\n", Timestamp::now()).as_bytes())
}

/// Without the file less is told, and that is all.
fn told(done: std::io::Result<()>) {
    if let Err(error) = done {
        eprintln!("what came of this hook cannot be kept: {error}");
    }
}

/// Why the last backup was refused, if it was, and that not before `since`.
pub fn last(charm_dir: &Path, since: Timestamp) -> Option<String> {
    let text = fs::read_to_string(unit_file::path(charm_dir, FILE)).ok()?;
    let (at, reason) = text.trim_end().split_once(' ')?;
    let at: Timestamp = at.parse().ok()?;
    (at >= since).then(|| reason.to_owned())
}
