//! Writing files with owner, mode and time into a folder, without ever following a link.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    num::NonZeroU64,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{Advice, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};

use crate::{
    Error, Result,
    tree::{RelPath, Root},
};

const BUFFER: usize = 256 << 10;
/// After so many bytes of a file the disk begins with them, so that what is written last is all that a sync waits for.
const EARLY: u64 = 8 << 20;

/// Owner, permission bits and time of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub mode: u32,
    pub owner: (u32, u32),
    /// Seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
}

impl Attributes {
    fn mode(self) -> Mode {
        Mode::from_raw_mode(self.mode & 0o7777)
    }

    fn times(self) -> Timestamps {
        let time = Timespec {
            tv_sec: self.modified.0,
            tv_nsec: self.modified.1.into(),
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }

    fn ids(self) -> (Option<Uid>, Option<Gid>) {
        (
            Some(Uid::from_raw(self.owner.0)),
            Some(Gid::from_raw(self.owner.1)),
        )
    }
}

/// Makes a tree. Folders get their attributes at the end, so that one that is read-only can be filled.
pub(super) struct Builder {
    root: OwnedFd,
    path: PathBuf,
    /// The folder that was written to last: most files of an archive follow their siblings.
    last: Option<(RelPath, OwnedFd)>,
    folders: Vec<(RelPath, Attributes)>,
    keep_owner: bool,
}

const FOLDER_FLAGS: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Builder {
    pub fn open(folder: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(folder, flags, Mode::empty())
            .map_err(|error| Error::io("open the folder", folder)(error.into()))?;
        Ok(Self {
            root,
            path: folder.to_owned(),
            last: None,
            folders: Vec::new(),
            // Only root may give files away; anybody else keeps them.
            keep_owner: rustix::process::geteuid().is_root(),
        })
    }

    pub fn full(&self, path: &RelPath) -> PathBuf {
        self.path.join(path.as_path())
    }

    /// Opens the folder above a path, and makes what is missing of it.
    fn parent(&mut self, path: &RelPath) -> io::Result<OwnedFd> {
        let Some(parent) = path.parent() else {
            return self.root.try_clone();
        };
        if let Some((known, fd)) = &self.last
            && *known == parent
        {
            return fd.try_clone();
        }
        let mut at = self.root.try_clone()?;
        for part in parent.as_path() {
            at = match rustix::fs::openat(&at, part, FOLDER_FLAGS, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => {
                    rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755))?;
                    rustix::fs::openat(&at, part, FOLDER_FLAGS, Mode::empty())?
                }
                other => other?,
            };
        }
        self.last = Some((parent, at.try_clone()?));
        Ok(at)
    }

    /// Makes a folder; one that is there already only gets its attributes.
    pub fn folder(&mut self, path: &RelPath, attributes: Attributes) -> io::Result<()> {
        let parent = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, path.name(), Mode::from_raw_mode(0o700)) {
            Err(rustix::io::Errno::EXIST) => {
                rustix::fs::openat(&parent, path.name(), FOLDER_FLAGS, Mode::empty())?;
            }
            other => other?,
        }
        self.folders.push((path.clone(), attributes));
        Ok(())
    }

    /// Makes an empty file; never over something.
    pub fn file(&mut self, path: &RelPath) -> io::Result<File> {
        let parent = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            &parent,
            path.name(),
            flags,
            Mode::from_raw_mode(0o600),
        )?))
    }

    /// Gives a file that was filled its owner, mode and time. In this order: giving away drops set-user-id, and
    /// either changes nothing of the time.
    pub fn dress(&self, file: impl AsFd, attributes: Attributes) -> io::Result<()> {
        if self.keep_owner {
            let (uid, gid) = attributes.ids();
            rustix::fs::fchown(&file, uid, gid)?;
        }
        rustix::fs::fchmod(&file, attributes.mode())?;
        Ok(rustix::fs::futimens(&file, &attributes.times())?)
    }

    pub fn symlink(&mut self, path: &RelPath, target: &[u8], attributes: Attributes) -> io::Result<()> {
        let parent = self.parent(path)?;
        rustix::fs::symlinkat(target, &parent, path.name())?;
        self.dress_name(&parent, path, attributes)
    }

    /// Gives a file a second name. Both paths are walked without following a link.
    pub fn hard_link(&mut self, path: &RelPath, to: &RelPath) -> io::Result<()> {
        let there = self.parent(to)?;
        let parent = self.parent(path)?;
        Ok(rustix::fs::linkat(
            &there,
            to.name(),
            &parent,
            path.name(),
            AtFlags::empty(),
        )?)
    }

    pub fn fifo(&mut self, path: &RelPath, attributes: Attributes) -> io::Result<()> {
        let parent = self.parent(path)?;
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(&parent, path.name(), FileType::Fifo, mode, 0)?;
        // A fifo has just been made here, so no link is followed.
        rustix::fs::chmodat(&parent, path.name(), attributes.mode(), AtFlags::empty())?;
        self.dress_name(&parent, path, attributes)
    }

    fn dress_name(&self, parent: &OwnedFd, path: &RelPath, attributes: Attributes) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if self.keep_owner {
            let (uid, gid) = attributes.ids();
            rustix::fs::chownat(parent, path.name(), uid, gid, flags)?;
        }
        Ok(rustix::fs::utimensat(
            parent,
            path.name(),
            &attributes.times(),
            flags,
        )?)
    }

    /// Gives the folders their attributes, the deepest first.
    pub fn finish(mut self) -> Result<()> {
        self.last = None;
        // The last word of a folder that was named twice counts.
        let mut folders = std::mem::take(&mut self.folders);
        folders.reverse();
        folders.sort_by(|a, b| b.0.cmp(&a.0));
        folders.dedup_by(|a, b| a.0 == b.0);
        let root = Root::open(&self.path)?;
        for (path, attributes) in folders {
            root.read(&path)
                .and_then(|folder| self.dress(&folder, attributes))
                .map_err(Error::io("set owner and mode of", self.full(&path)))?;
        }
        Ok(())
    }
}

/// What pours bytes from one file into another. Most files are small, and a buffer of its own would be cleared for each.
pub(super) struct Pourer {
    buffer: Vec<u8>,
}

impl Pourer {
    pub fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER],
        }
    }

    /// Copies bytes until the reader ends, and answers how many. With `holes`, what is zero stays unwritten.
    ///
    /// # Errors
    /// The first is of reading, the second of writing, or what `told` answers.
    pub fn pour(
        &mut self,
        mut from: impl Read,
        to: &mut File,
        holes: bool,
        mut told: impl FnMut(u64) -> Result<()>,
        (reading, writing): (impl Fn(io::Error) -> Error, impl Fn(io::Error) -> Error),
    ) -> Result<u64> {
        let buffer = &mut self.buffer;
        let (mut done, mut begun) = (0u64, 0u64);
        loop {
            let read = match from.read(buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(reading(error)),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            if holes {
                for part in bytes.chunks(4096) {
                    if part.iter().all(|byte| *byte == 0) {
                        to.seek(SeekFrom::Current(part.len().try_into().unwrap_or(0)))
                            .map_err(&writing)?;
                    } else {
                        to.write_all(part).map_err(&writing)?;
                    }
                }
            } else {
                to.write_all(bytes).map_err(&writing)?;
            }
            done += read as u64;
            told(read as u64)?;
            if done - begun >= EARLY {
                write_back(to, begun, done - begun);
                begun = done;
            }
        }
        if holes {
            to.set_len(done).map_err(&writing)?;
        }
        Ok(done)
    }
}

/// Has the disk begin with a part of a file that was just written, and does not wait for it: that is what the kernel does
/// with pages that are said to be of no more use and are not on the disk yet (`generic_fadvise` in its `mm/fadvise.c`). Those
/// that are on the disk by then have to be read again. Where it does nothing, the sync at the end has more to do.
fn write_back(file: &File, from: u64, length: u64) {
    let _ = rustix::fs::fadvise(file, from, NonZeroU64::new(length), Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each piece comes after a signal.
    struct Interrupted<'a>(&'a [u8], bool);

    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.read(buffer)
        }
    }

    fn errors() -> (impl Fn(io::Error) -> Error, impl Fn(io::Error) -> Error) {
        (
            |error| Error::io("read", "from")(error),
            |error| Error::io("write", "to")(error),
        )
    }

    #[test]
    fn what_is_poured_comes_out_as_it_was_with_and_without_holes() {
        let mut bytes = vec![3; 4096];
        bytes.extend([0; 8192]);
        bytes.extend([1, 0, 2]);
        bytes.extend([0; 5000]);
        for holes in [false, true] {
            let mut file = tempfile::tempfile().unwrap();
            let mut told = 0;
            let count = |read| {
                told += read;
                Ok(())
            };
            let done = Pourer::new()
                .pour(Interrupted(&bytes, false), &mut file, holes, count, errors())
                .unwrap();
            assert_eq!((done, told), (bytes.len() as u64, bytes.len() as u64));
            let mut is = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut is).unwrap();
            assert!(is == bytes, "holes: {holes}");
        }
    }

    #[test]
    fn a_reader_that_fails_is_said_to_have() {
        struct Gone;
        impl Read for Gone {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut file = tempfile::tempfile().unwrap();
        let error = Pourer::new()
            .pour(Gone, &mut file, false, |_| Ok(()), errors())
            .unwrap_err();
        assert!(matches!(error, Error::Io { action: "read", .. }), "{error:?}");
    }

    #[test]
    fn nothing_is_built_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Builder::open(file.path()).is_err());
    }
}
