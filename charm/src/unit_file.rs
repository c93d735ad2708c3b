//! Small files of the unit's own, beside the charm's folder, on the pod's disk: a new pod has none of them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the file `name` of the unit with this charm folder is.
pub fn path(charm_dir: &Path, name: &str) -> PathBuf {
    charm_dir.with_file_name(name)
}

/// Writes a file as a whole or not at all, for this user alone.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // One of a run that was cut off may have other rights.
    remove(&unfinished)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    fs::rename(&unfinished, path)
}

/// Removes a file that may not be there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
