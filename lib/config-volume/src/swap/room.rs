//! How much room there is, and how much something takes.

use std::{
    collections::HashSet,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, StatVfs};

use crate::{
    BY_HAND, Error, RESTORE_FOLDER, Result,
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

/// The file system of a folder: its size, and what is free in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes that this process may still write (statvfs, `f_bavail`).
    pub free_bytes: u64,
    /// Files that it can hold in all; 0 where it has no such limit.
    pub inodes: u64,
    /// Files that this process may still make (`f_favail`); no limit where it has none.
    pub free_inodes: u64,
}

impl FileSystem {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The folder cannot be looked at.
    pub fn of(folder: &Path) -> Result<Self> {
        let stat = rustix::fs::statvfs(folder).map_err(|error| Error::io("measure", folder)(error.into()))?;
        Ok((&stat).into())
    }
}

impl From<&StatVfs> for FileSystem {
    fn from(stat: &StatVfs) -> Self {
        Self {
            bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            inodes: stat.f_files,
            // btrfs and others make files as long as there are bytes, and say 0.
            free_inodes: if stat.f_files > 0 { stat.f_favail } else { u64::MAX },
        }
    }
}

/// So many bytes of one file are written before the room is looked at again.
const PIECE: u64 = 4 << 20;

/// A file system that is being filled beside others who write to it: an error comes while they have still room.
#[derive(Debug)]
pub(super) struct WatchedRoom {
    folder: OwnedFd,
    path: PathBuf,
    reserve_bytes: u64,
    reserve_inodes: u64,
    since: u64,
}

impl WatchedRoom {
    pub fn new(folder: &Path, reserve_bytes: u64, reserve_inodes: u64) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(folder, flags, Mode::empty())
            .map_err(|error| Error::io("open the folder", folder)(error.into()))?;
        Ok(Self {
            folder: fd,
            path: folder.to_owned(),
            reserve_bytes,
            reserve_inodes,
            since: 0,
        })
    }

    /// To be called before an entry is made: one inode, and the bytes of a file in whole blocks. Anything else takes one.
    pub fn entry(&mut self, bytes: u64) -> Result<()> {
        self.look(bytes.max(1).div_ceil(BLOCK).saturating_mul(BLOCK), 1)
    }

    /// To be called when bytes of a file were written, with how many are still to come.
    pub fn wrote(&mut self, bytes: u64, left: u64) -> Result<()> {
        self.since = self.since.saturating_add(bytes);
        if self.since < PIECE {
            return Ok(());
        }
        self.look(left, 0)
    }

    fn look(&mut self, bytes: u64, inodes: u64) -> Result<()> {
        self.since = 0;
        // Nobody is to be spared: what the file system itself says is exact, where it compresses say.
        if (self.reserve_bytes, self.reserve_inodes) == (0, 0) {
            return Ok(());
        }
        let stat = rustix::fs::fstatvfs(&self.folder)
            .map_err(|error| Error::io("measure", &self.path)(error.into()))?;
        self.judge(FileSystem::from(&stat), bytes, inodes)
    }

    /// Whether so much more fits, and leaves what is to be left.
    fn judge(&self, is: FileSystem, bytes: u64, inodes: u64) -> Result<()> {
        let needed = bytes.saturating_add(self.reserve_bytes);
        if needed > is.free_bytes {
            return Err(Error::NoRoom {
                needed,
                reserve: self.reserve_bytes,
                free: is.free_bytes,
            });
        }
        let needed = inodes.saturating_add(self.reserve_inodes);
        if needed > is.free_inodes {
            return Err(Error::NoInodes {
                needed,
                reserve: self.reserve_inodes,
                free: is.free_inodes,
            });
        }
        Ok(())
    }
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
            // Neither is a part of a content.
            if folder.is_none()
                && [RESTORE_FOLDER, BY_HAND]
                    .iter()
                    .any(|ours| name == ours.as_bytes())
            {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn watched(reserve_bytes: u64, reserve_inodes: u64) -> (WatchedRoom, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let room = WatchedRoom::new(folder.path(), reserve_bytes, reserve_inodes).unwrap();
        (room, folder)
    }

    #[test]
    fn what_just_fits_fits() {
        let (room, _folder) = watched(100, 10);
        let free = |free_bytes, free_inodes| FileSystem {
            bytes: 1000,
            free_bytes,
            inodes: 1000,
            free_inodes,
        };
        room.judge(free(150, 11), 50, 1).unwrap();
        match room.judge(free(149, 11), 50, 1).unwrap_err() {
            Error::NoRoom {
                needed: 150,
                reserve: 100,
                free: 149,
            } => {}
            other => panic!("{other:?}"),
        }
        match room.judge(free(150, 10), 50, 1).unwrap_err() {
            Error::NoInodes {
                needed: 11,
                reserve: 10,
                free: 10,
            } => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_large_file_is_looked_at_again_after_each_piece_and_not_before() {
        // More than there is: each look finds it.
        let (mut room, _folder) = watched(u64::MAX, 1);
        room.wrote(PIECE - 1, 0).unwrap();
        room.wrote(1, 0).unwrap_err();
        room.wrote(PIECE - 1, 0).unwrap();
        room.wrote(PIECE, 0).unwrap_err();
        room.entry(1).unwrap_err();
        let (mut nobody_to_spare, _folder) = watched(0, 0);
        nobody_to_spare.entry(u64::MAX).unwrap();
    }

    #[test]
    fn a_file_system_that_counts_no_inodes_has_enough() {
        let folder = tempfile::tempdir().unwrap();
        let mut stat = rustix::fs::statvfs(folder.path()).unwrap();
        (stat.f_files, stat.f_favail) = (0, 0);
        assert_eq!(FileSystem::from(&stat).free_inodes, u64::MAX);
        (stat.f_files, stat.f_favail) = (1, 0);
        assert_eq!(FileSystem::from(&stat).free_inodes, 0);
        (stat.f_blocks, stat.f_bavail, stat.f_frsize) = (7, 3, 512);
        let is = FileSystem::from(&stat);
        assert_eq!((is.bytes, is.free_bytes), (7 * 512, 3 * 512));
    }

    #[test]
    fn a_file_of_two_names_is_measured_once_and_a_folder_twice_where_there_are_two() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), [1; 5000]).unwrap();
        let one = measured(folder.path()).unwrap();
        assert_eq!(one.copy, 2 * BLOCK);
        fs::hard_link(at("file"), at("again")).unwrap();
        let two = measured(folder.path()).unwrap();
        assert_eq!((two.copy, two.held), (one.copy, one.held));
        fs::create_dir_all(at("a/inner")).unwrap();
        fs::create_dir_all(at("b/inner")).unwrap();
        assert_eq!(measured(folder.path()).unwrap().copy, one.copy + 4 * BLOCK);
        // Its other names lie elsewhere.
        fs::hard_link(at("file"), at("a/inner/again")).unwrap();
        assert_eq!(measured(&at("a/inner")).unwrap().copy, one.copy);
    }
}
