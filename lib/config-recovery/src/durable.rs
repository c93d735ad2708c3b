//! Files that are there as a whole or not at all, whatever happens to the process or the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{Result, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file by a rename, and has it on the disk before it returns: a kill or a power cut leaves the old content or the new one. A file that is
/// new may be used by whom `mode` says, less what the process takes away from new files.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The name, too, has to outlive a loss of power.
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
