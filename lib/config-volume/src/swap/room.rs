//! How much room there is, and how much something takes.

use std::{collections::HashSet, os::unix::fs::MetadataExt, path::Path};

use crate::{
    Error, RESTORE_FOLDER, Result,
    tree::{RelPath, Root},
};

/// Blocks of the usual file systems.
const BLOCK: u64 = 4096;

/// Bytes that this process may still write to a volume (statvfs, `f_bavail`).
///
/// # Errors
/// The volume cannot be looked at.
pub fn room(volume: &Path) -> Result<u64> {
    let root = Root::open(volume)?;
    root.free().map_err(Error::io("measure the volume", root.path()))
}

/// Bytes that a copy of a folder takes: each file in whole blocks of 4 KiB, one block for each folder and link. A file
/// with several names counts once. `.config-restore` in it is not counted.
///
/// # Errors
/// Something in it cannot be looked at.
pub fn bytes_of(folder: &Path) -> Result<u64> {
    measured(folder).map(|size| size.copy)
}

/// Fails when a volume has no room for so many bytes beside the reserve that is to stay free for the app.
///
/// # Errors
/// [`Error::NoRoom`], or the volume cannot be looked at.
pub fn fits(volume: &Path, needed: u64, reserve: u64) -> Result<()> {
    let free = room(volume)?;
    let needed = needed.saturating_add(reserve);
    if needed > free {
        return Err(Error::NoRoom {
            needed,
            reserve,
            free,
        });
    }
    Ok(())
}

pub(super) struct Size {
    /// What a copy takes.
    pub copy: u64,
    /// What it takes where it is, holes not counted.
    pub held: u64,
}

pub(super) fn measured(folder: &Path) -> Result<Size> {
    let root = Root::open(folder)?;
    let mut size = Size { copy: 0, held: 0 };
    let mut known = HashSet::new();
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        let shown = folder
            .as_ref()
            .map_or_else(|| root.path().to_owned(), |path| root.full(path));
        let names = root.names(folder.as_ref()).map_err(Error::io("read", shown))?;
        for name in names {
            if folder.is_none() && name == RESTORE_FOLDER.as_bytes() {
                continue;
            }
            let path = RelPath::child(folder.as_ref(), &name);
            let Some(meta) = root.look(&path).map_err(Error::io("look at", root.full(&path)))? else {
                continue;
            };
            if meta.nlink() > 1 && !meta.is_dir() && !known.insert((meta.dev(), meta.ino())) {
                continue;
            }
            size.held = size.held.saturating_add(meta.blocks().saturating_mul(512));
            let copy = if meta.is_file() {
                meta.size().div_ceil(BLOCK).saturating_mul(BLOCK)
            } else {
                BLOCK
            };
            size.copy = size.copy.saturating_add(copy);
            if meta.is_dir() {
                folders.push(Some(path));
            }
        }
    }
    Ok(size)
}
