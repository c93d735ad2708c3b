//! The folder of an exchange in the volume, locked and held open, and the moves between its parts and the volume's root.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::{
    options::{SwapStep, SwapWatcher},
    state::{FOLDER_FLAGS, JOURNAL, Journal, NEW_JOURNAL, SwapState},
};
use crate::{
    BY_HAND, Error, RESTORE_FOLDER, Result, VELERO_MARKER,
    folder::{lock_in, remove_if_empty, remove_tree, sync_folder},
    tree::{Root, rename_to_free},
};

const LOCK: &str = "lock";
/// A file that is given up when the volume is full, so that there is always a way back: a journal, folders that grow.
const BALLAST: &str = "ballast";
const BALLAST_SIZE: usize = 256 << 10;
/// Made by ext4 in the root of a volume, and none of the app's.
const LOST_AND_FOUND: &str = "lost+found";
/// Entries of a volume's root that stay where they are. What a restore by hand has kept is for a person to remove, and for nobody else.
const STAYING: [&str; 3] = [RESTORE_FOLDER, BY_HAND, LOST_AND_FOUND];
/// Entries in the root of what was brought that do not go into the volume.
pub(super) const DROPPED: [&str; 4] = [RESTORE_FOLDER, BY_HAND, LOST_AND_FOUND, VELERO_MARKER];

/// Where content can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The root of the volume.
    Root,
    /// What was brought.
    Staged,
    /// What was there before.
    Old,
    /// What was taken out again on the way back.
    TakenOut,
    /// What something else wrote into the volume while it was half exchanged.
    Strays,
}

impl Place {
    const ASIDE: [Self; 4] = [Self::Staged, Self::Old, Self::TakenOut, Self::Strays];

    const fn name(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Staged => "staged",
            Self::Old => "old",
            Self::TakenOut => "taken-out",
            Self::Strays => "strays",
        }
    }

    fn keeps(self, name: &[u8]) -> bool {
        let list: &[&str] = match self {
            Self::Root => &STAYING,
            Self::Staged => &DROPPED,
            Self::Old | Self::TakenOut | Self::Strays => &[],
        };
        list.iter().any(|kept| kept.as_bytes() == name)
    }
}

/// The folder, locked for as long as the value lives.
#[derive(Debug)]
pub(super) struct Base {
    pub root: Root,
    root_fd: OwnedFd,
    path: PathBuf,
    fd: OwnedFd,
    watcher: SwapWatcher,
    _lock: File,
}

impl Base {
    /// Locks the folder; makes it when `create`, else answers `None` when there is none.
    pub fn open(
        volume: &Path,
        create: bool,
        timeout: Duration,
        watcher: &SwapWatcher,
    ) -> Result<Option<Self>> {
        let root = Root::open(volume)?;
        let path = root.path().join(RESTORE_FOLDER);
        let Some(lock) = lock_in(&path, create, timeout)? else {
            return Ok(None);
        };
        let open = |path: &Path| {
            rustix::fs::open(path, FOLDER_FLAGS, Mode::empty())
                .map_err(|error| Error::io("open", path)(error.into()))
        };
        let (root_fd, fd) = (open(root.path())?, open(&path)?);
        if create {
            sync_folder(root.path())?;
        }
        watcher.at(SwapStep::Locked)?;
        Ok(Some(Self {
            root,
            root_fd,
            path,
            fd,
            watcher: watcher.clone(),
            _lock: lock,
        }))
    }

    pub fn at(&self, step: SwapStep) -> Result<()> {
        self.watcher.at(step)
    }

    pub fn watcher(&self) -> &SwapWatcher {
        &self.watcher
    }

    pub fn path(&self, place: Place) -> PathBuf {
        match place {
            Place::Root => self.root.path().to_owned(),
            other => self.path.join(other.name()),
        }
    }

    /// The journal, if there is one. Content without a journal is nothing to go on with, and nothing to remove.
    pub fn read_journal(&self) -> Result<Option<Journal>> {
        let journal = Journal::read(&self.fd, &self.path)?;
        if journal.is_none() {
            let names = names(&self.fd).map_err(Error::io("read", &self.path))?;
            let content = Place::ASIDE.map(Place::name);
            if let Some(place) = content
                .iter()
                .find(|place| names.iter().any(|name| name == place.as_bytes()))
            {
                return Err(Error::SwapJournal {
                    path: self.path.join(JOURNAL),
                    reason: format!("it is missing, and there is `{place}`"),
                });
            }
        }
        Ok(journal)
    }

    /// Makes the ballast where it is missing. Without room for it the exchange has to do without.
    pub fn lay_by(&self) {
        let path = self.path.join(BALLAST);
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.len() == BALLAST_SIZE as u64) {
            return;
        }
        // Not all alike: some file systems would store nothing of that.
        let mut number = 1u32;
        let bytes = std::iter::repeat_with(|| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            number.to_be_bytes()[0]
        });
        let bytes: Vec<u8> = bytes.take(BALLAST_SIZE).collect();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let _ = rustix::fs::openat(&self.fd, BALLAST, flags, Mode::from_raw_mode(0o600))
            .map_err(io::Error::from)
            .and_then(|file| {
                let mut file = File::from(file);
                file.write_all(&bytes)?;
                file.sync_all()
            });
    }

    /// Does something, and once more without the ballast when the volume was full.
    fn with_ballast<T>(&self, act: impl Fn() -> Result<T>) -> Result<T> {
        act().or_else(|error| {
            let spent = error.is_full() && rustix::fs::unlinkat(&self.fd, BALLAST, AtFlags::empty()).is_ok();
            if spent { act() } else { Err(error) }
        })
    }

    pub fn write_journal(&self, journal: &Journal) -> Result<()> {
        self.with_ballast(|| journal.write(&self.fd, &self.path))?;
        self.at(SwapStep::State(journal.state))
    }

    /// Opens a place, and makes it where it is missing.
    fn open_place(&self, place: Place) -> Result<OwnedFd> {
        let open = || -> io::Result<OwnedFd> {
            if place == Place::Root {
                return self.root_fd.try_clone();
            }
            match rustix::fs::mkdirat(&self.fd, place.name(), Mode::from_raw_mode(0o700)) {
                Ok(()) => rustix::fs::fsync(&self.fd)?,
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(rustix::fs::openat(
                &self.fd,
                place.name(),
                FOLDER_FLAGS,
                Mode::empty(),
            )?)
        };
        self.with_ballast(|| open().map_err(Error::io("open", self.path(place))))
    }

    /// Removes the rest of an previous content that was being removed.
    pub fn end_emptying(&self, state: SwapState) -> Result<()> {
        match state {
            SwapState::Emptying => self.empty(Place::Root),
            _ => Ok(()),
        }
    }

    /// Where the new content lies in a volume.
    pub fn staged_in(volume: &Path) -> PathBuf {
        volume.join(RESTORE_FOLDER).join(Place::Staged.name())
    }

    pub fn make_place(&self, place: Place) -> Result<()> {
        self.open_place(place).map(drop)
    }

    /// The names of the entries in a place that may be moved, sorted.
    fn movable_in(&self, fd: &OwnedFd, place: Place) -> Result<Vec<Vec<u8>>> {
        let mut names = names(fd).map_err(Error::io("read", self.path(place)))?;
        names.retain(|name| !place.keeps(name));
        Ok(names)
    }

    /// How many entries of a place may be moved.
    pub fn count(&self, place: Place) -> Result<u64> {
        let fd = self.open_place(place)?;
        Ok(self.movable_in(&fd, place)?.len() as u64)
    }

    /// Refuses entries that a rename would fail on, before the first one is moved.
    pub fn check_movable(&self, place: Place) -> Result<()> {
        let fd = self.open_place(place)?;
        let look = |fd: &OwnedFd, name: &OsStr| rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW);
        let own = rustix::fs::fstat(&self.root_fd)
            .map_err(|error| Error::io("look at", self.root.path())(error.into()))?;
        for name in self.movable_in(&fd, place)? {
            let name = OsStr::from_bytes(&name);
            let path = self.path(place).join(name);
            let stat = look(&fd, name).map_err(|error| Error::io("look at", &path)(error.into()))?;
            let reason = if stat.st_dev != own.st_dev {
                "is a mount of its own; unmount it first"
            } else if FileType::from_raw_mode(stat.st_mode).is_dir()
                && rustix::fs::accessat(&fd, name, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS).is_err()
            {
                // The kernel writes the new parent into a folder that is moved.
                "cannot be moved by this user; make it writable, or run this as root"
            } else {
                continue;
            };
            return Err(Error::Immovable { path, reason });
        }
        Ok(())
    }

    /// Moves all entries from one place to another. What has been moved already stays, so it may be repeated.
    ///
    /// A name that is taken means that somebody wrote into the volume in between. Neither is lost: what is in the root is
    /// put with the strays, since the rest is where an earlier run moved it.
    pub fn move_all(&self, from: Place, to: Place) -> Result<()> {
        let (source, target) = (self.open_place(from)?, self.open_place(to)?);
        for name in self.movable_in(&source, from)? {
            if !self.rename(&source, &name, &target, &name)? {
                if from == Place::Root {
                    self.stray(&source, &name)?;
                } else {
                    self.stray(&target, &name)?;
                    if !self.rename(&source, &name, &target, &name)? {
                        let path = self.path(to).join(OsStr::from_bytes(&name));
                        return Err(Error::io("move to", path)(io::ErrorKind::AlreadyExists.into()));
                    }
                }
            }
            self.at(SwapStep::Moved)?;
        }
        // The target first: what is in neither after a power cut would be lost.
        for (fd, place) in [(&target, to), (&source, from)] {
            rustix::fs::fsync(fd).map_err(|error| Error::io("sync", self.path(place))(error.into()))?;
        }
        self.at(SwapStep::Synced)
    }

    fn stray(&self, from: &OwnedFd, name: &[u8]) -> Result<()> {
        let strays = self.open_place(Place::Strays)?;
        let mut number = 0u64;
        loop {
            number += 1;
            // A number of its own: the name with a suffix might be too long.
            if self.rename(from, name, &strays, number.to_string().as_bytes())? {
                return rustix::fs::fsync(&strays)
                    .map_err(|error| Error::io("sync", self.path(Place::Strays))(error.into()));
            }
        }
    }

    /// Moves one entry; `false` when the name is taken there.
    fn rename(&self, from: &OwnedFd, name: &[u8], to: &OwnedFd, new: &[u8]) -> Result<bool> {
        let (name, new) = (OsStr::from_bytes(name), OsStr::from_bytes(new));
        self.with_ballast(|| match rename_to_free(from, name, to, new) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::io("move", self.root.path().join(name))(error)),
        })
    }

    /// Removes all entries of a place; of the root those that may be moved.
    pub fn empty(&self, place: Place) -> Result<()> {
        let fd = self.open_place(place)?;
        let names = match place {
            Place::Root => self.movable_in(&fd, place)?,
            _ => names(&fd).map_err(Error::io("read", self.path(place)))?,
        };
        for name in names {
            remove_tree(&self.path(place).join(OsStr::from_bytes(&name)))?;
            self.at(SwapStep::Removed)?;
        }
        sync_folder(&self.path(place))?;
        self.at(SwapStep::Synced)
    }

    /// Makes all that was written to the volume last through a power cut, contents included.
    pub fn sync_all(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root_fd)
            .map_err(|error| Error::io("sync", self.root.path())(error.into()))?;
        self.at(SwapStep::Synced)
    }

    /// Begins with [`sync_all`](Self::sync_all) in a thread of its own, and does not wait.
    pub fn sync_meanwhile(&self) {
        if let Ok(fd) = self.opened_anew() {
            // Without a thread there is more to do at the end.
            let _ = std::thread::Builder::new().spawn(move || rustix::fs::syncfs(fd));
        }
    }

    /// The volume's root once more. The kernel tells what it could not write once to each that opened (`f_sb_err` of its `struct file`): a copy
    /// of the descriptor would take away what `sync_all` has to hear.
    fn opened_anew(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.root_fd, ".", flags, Mode::empty())?)
    }

    /// Removes all that is in the folder, the journal after the rest, then the folder itself.
    pub fn remove(self) -> Result<()> {
        for name in names(&self.fd).map_err(Error::io("read", &self.path))? {
            if name != LOCK.as_bytes() && name != JOURNAL.as_bytes() {
                remove_tree(&self.path.join(OsStr::from_bytes(&name)))?;
                self.at(SwapStep::Removed)?;
            }
        }
        sync_folder(&self.path)?;
        remove_tree(&self.path.join(JOURNAL))?;
        sync_folder(&self.path)?;
        self.at(SwapStep::JournalRemoved)?;
        self.leave()
    }

    /// Removes what is there for a moment only, and the folder if nothing else is in it.
    pub fn leave(self) -> Result<()> {
        for name in [NEW_JOURNAL, BALLAST, LOCK] {
            remove_tree(&self.path.join(name))?;
        }
        self.at(SwapStep::Removed)?;
        // There may be a file of the caller's, or another run has begun its own already.
        remove_if_empty(&self.path, self.root.path())
    }
}

fn names(fd: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel could not write is told once to each that opened: who syncs early must not be the one who hears of it.
    #[test]
    fn a_sync_that_is_not_waited_for_hears_no_error_of_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let base = Base::open(folder.path(), true, Duration::ZERO, &SwapWatcher::default())
            .unwrap()
            .unwrap();
        let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd).unwrap();
        let (before, anew) = (flags(&base.root_fd), base.opened_anew().unwrap());
        // A flag of the open file is seen through each copy of its descriptor.
        rustix::fs::fcntl_setfl(&anew, flags(&anew) | OFlags::APPEND).unwrap();
        assert_eq!(flags(&base.root_fd), before);
        rustix::fs::syncfs(&anew).unwrap();
    }
}
