//! A folder with room. The charm leaves 15 % of a node's disk free, and the node's disk of a simulated model is the one that its
//! folder is on: on a machine whose disk is nearly full a restore would be refused, as it should be.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use config_volume::FileSystem;
use tempfile::TempDir;

/// Hundredths of the disk that have to be free.
const FREE: u64 = 20;

/// A temporary folder, in the first of the usual places that has room.
///
/// # Errors
/// When none of them has, or the folder cannot be made.
pub fn folder() -> Result<TempDir> {
    let places = [
        std::env::temp_dir(),
        PathBuf::from("/dev/shm"),
        PathBuf::from("/var/tmp"),
    ];
    let has_room = |place: &&PathBuf| {
        FileSystem::of(place).is_ok_and(|disk| disk.bytes > 0 && disk.free_bytes / FREE >= disk.bytes / 100)
    };
    let Some(place) = places.iter().find(has_room) else {
        let names: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        bail!(
            "cannot restore on this machine: less than {FREE} % of the disk is free in {}; free some, or set TMPDIR to a folder on a disk with room",
            names.join(", ")
        );
    };
    tempfile::tempdir_in(place).with_context(|| format!("cannot make a folder in {}", place.display()))
}
