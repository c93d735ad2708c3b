//! The volume, reached folder by folder without ever following a link.

use std::{
    ffi::OsStr,
    fmt,
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, folder::if_there};

/// A path from the root of the volume: no leading `/`, no `.` or `..`, never empty.
///
/// In JSON it is a string; a name that is no UTF-8 is `{"hex": "…"}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Hex { hex: String },
}

impl RelPath {
    /// Takes a path apart and refuses what could lead out of the volume.
    ///
    /// # Errors
    /// What is wrong, in words: absolute, empty, `.` or `..` in it, or a zero byte.
    pub fn new(bytes: impl Into<Vec<u8>>) -> std::result::Result<Self, String> {
        let bytes = bytes.into();
        let shown = String::from_utf8_lossy(&bytes).escape_debug().to_string();
        if bytes.contains(&0) {
            return Err(format!("`{shown}` holds a zero byte"));
        }
        if bytes
            .split(|b| *b == b'/')
            .any(|part| matches!(part, b"" | b"." | b".."))
        {
            return Err(format!("`{shown}` is no plain path from the root of the volume"));
        }
        Ok(Self(bytes))
    }

    pub(crate) fn child(parent: Option<&Self>, name: &[u8]) -> Self {
        let mut bytes = parent
            .map(|p| [p.0.as_slice(), b"/"].concat())
            .unwrap_or_default();
        bytes.extend(name);
        Self(bytes)
    }

    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        Self([self.0.as_slice(), suffix.as_bytes()].concat())
    }

    pub(crate) fn without_suffix(&self, suffix: &str) -> Option<Self> {
        self.0
            .strip_suffix(suffix.as_bytes())
            .map(|rest| Self(rest.to_vec()))
    }

    /// The bytes, parts separated by `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as a relative path of the standard library.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether the path is UTF-8. kopia stores names as JSON text, so that others do not survive a backup.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.0).is_ok()
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|b| *b == b'/')?;
        self.0.get(..slash).map(|parent| Self(parent.to_vec()))
    }

    pub(crate) fn name(&self) -> &OsStr {
        self.0
            .rsplit(|b| *b == b'/')
            .next()
            .map(OsStr::from_bytes)
            .unwrap_or_default()
    }

    fn parts(&self) -> impl Iterator<Item = &OsStr> {
        self.0.split(|b| *b == b'/').map(OsStr::from_bytes)
    }
}

/// Control characters are escaped: the name may come from a hostile backup and end on a terminal.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in String::from_utf8_lossy(&self.0).chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?
            } else {
                write!(f, "{c}")?
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Written::Text(text.to_owned()),
            Err(_) => Written::Hex {
                hex: crate::hash::hex(&self.0),
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let bytes = match Written::deserialize(deserializer)? {
            Written::Text(text) => text.into_bytes(),
            Written::Hex { hex } => crate::hash::unhex(&hex).ok_or_else(|| {
                serde::de::Error::custom(format!("`{}` is no hexadecimal text", hex.escape_debug()))
            })?,
        };
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// To go through a folder; a link is refused.
const PASS_FOLDER: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// To read what is in a folder; a link is refused.
const READ_FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// To hold whatever it is, a link itself included, without opening it.
const HOLD: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// To read what should be a file: a link is refused, a fifo does not block, a terminal takes no hold of the process.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The volume's root folder, held open.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the volume. The path itself may go through links; nothing below it may.
    pub fn open(volume: &Path) -> Result<Self> {
        let path = volume
            .canonicalize()
            .map_err(Error::io("open the volume", volume))?;
        let fd = rustix::fs::open(&path, READ_FOLDER, Mode::empty())
            .map_err(io::Error::from)
            .map_err(Error::io("open the volume", &path))?;
        Ok(Self { fd, path })
    }

    /// The volume's path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn full(&self, path: &RelPath) -> PathBuf {
        self.path.join(path.as_path())
    }

    fn folder(&self, path: Option<&RelPath>) -> io::Result<OwnedFd> {
        let mut at = rustix::fs::openat(&self.fd, ".", PASS_FOLDER, Mode::empty())?;
        for part in path.into_iter().flat_map(RelPath::parts) {
            at = rustix::fs::openat(&at, part, PASS_FOLDER, Mode::empty())?;
        }
        Ok(at)
    }

    /// The names in a folder, sorted, for a folder that may be held in memory as a whole. `None` is the root.
    pub fn names(&self, path: Option<&RelPath>) -> io::Result<Vec<Vec<u8>>> {
        let mut names: Vec<_> = self.open_folder(path)?.listing()?.collect::<io::Result<_>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a folder to read it and to reach what is in it. `None` is the root.
    pub fn open_folder(&self, path: Option<&RelPath>) -> io::Result<OpenFolder> {
        let folder = self.folder(path)?;
        let fd = rustix::fs::openat(&folder, ".", READ_FOLDER, Mode::empty())?;
        Ok(OpenFolder { fd })
    }

    /// What is at the path itself, links not followed. `None` when there is nothing.
    pub fn look(&self, path: &RelPath) -> io::Result<Option<Metadata>> {
        self.hold(path)?.map(|held| held.metadata()).transpose()
    }

    /// The same, held without being opened: as long as it is, no other file gets its inode number. Unlike a file that was opened
    /// it takes no lock of this process with it when it is closed.
    pub fn hold(&self, path: &RelPath) -> io::Result<Option<File>> {
        if_there(self.open_at(path, HOLD))
    }

    /// Opens a file to read. A link is refused; a fifo does not block.
    pub fn read(&self, path: &RelPath) -> io::Result<File> {
        self.open_at(path, READ)
    }

    fn open_at(&self, path: &RelPath, flags: OFlags) -> io::Result<File> {
        let folder = self.folder(path.parent().as_ref())?;
        Ok(File::from(rustix::fs::openat(
            &folder,
            path.name(),
            flags,
            Mode::empty(),
        )?))
    }

    /// Where a link points to.
    pub fn target(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        let folder = self.folder(path.parent().as_ref())?;
        Ok(rustix::fs::readlinkat(&folder, path.name(), Vec::new())?.into_bytes())
    }

    /// Makes the folders above a path that are missing. They get the owner that is given.
    pub fn make_parents(&self, path: &RelPath, owner: (u32, u32)) -> io::Result<()> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        let mut at = self.folder(None)?;
        for part in parent.parts() {
            let made = match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(rustix::io::Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            if made {
                chown_at(&at, part, owner)?;
            }
            at = rustix::fs::openat(&at, part, PASS_FOLDER, Mode::empty())?;
        }
        Ok(())
    }

    /// Moves a file of ours to a path of the app's, whose last part is given by the path; never over something.
    pub fn move_in(&self, from: &Path, to: &RelPath) -> io::Result<()> {
        let folder = self.folder(to.parent().as_ref())?;
        rename_to_free(rustix::fs::CWD, from.as_os_str(), &folder, to.name())
    }

    /// Gives a file of the app's another name in its folder; never over something.
    pub fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        let (old, new) = (
            self.folder(from.parent().as_ref())?,
            self.folder(to.parent().as_ref())?,
        );
        rename_to_free(&old, from.name(), &new, to.name())
    }

    pub fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        let folder = self.folder(path.parent().as_ref())?;
        Ok(rustix::fs::unlinkat(&folder, path.name(), AtFlags::empty())?)
    }

    /// Makes renames in a folder last through a power cut.
    pub fn sync(&self, folder: Option<&RelPath>) -> io::Result<()> {
        let at = self.folder(folder)?;
        let readable = rustix::fs::openat(&at, ".", READ_FOLDER, Mode::empty())?;
        Ok(rustix::fs::fsync(&readable)?)
    }

    /// Bytes that this process may still write.
    pub fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.fd)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// What kind of thing an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    /// A socket, fifo or device: kopia stores none of them.
    Other,
}

/// What one call says about an entry of a folder, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub kind: Kind,
    pub inode: u64,
    /// Bytes; for a link those of its target's text.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// When the content was last written: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// When content, owner, mode or name last changed: seconds and nanoseconds since 1970.
    pub changed: (i64, u32),
}

impl From<&Metadata> for Stat {
    fn from(meta: &Metadata) -> Self {
        let kind = match meta.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        Self {
            kind,
            inode: meta.ino(),
            size: meta.size(),
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            modified: (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0)),
            changed: (meta.ctime(), u32::try_from(meta.ctime_nsec()).unwrap_or(0)),
        }
    }
}

/// A folder, open: its entries are reached by their name alone, without a way down from the root for each.
#[derive(Debug)]
pub(crate) struct OpenFolder {
    fd: OwnedFd,
}

impl OpenFolder {
    /// The entries as the file system lists them, read piece by piece: in no order, and never all at once.
    pub fn listing(&self) -> io::Result<Listing> {
        Dir::read_from(&self.fd).map(Listing).map_err(io::Error::from)
    }

    /// What an entry is; `None` when there is none of this name.
    pub fn stat(&self, name: &[u8]) -> io::Result<Option<Stat>> {
        let stat = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            other => other?,
        };
        let time = |seconds, nanoseconds| (seconds, u32::try_from(nanoseconds).unwrap_or(0));
        Ok(Some(Stat {
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            },
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }))
    }

    /// Opens a file to read. A link is refused; a fifo does not block.
    pub fn read(&self, name: &[u8]) -> io::Result<File> {
        Ok(File::from(rustix::fs::openat(
            &self.fd,
            name,
            READ,
            Mode::empty(),
        )?))
    }

    /// Where a link points to.
    pub fn target(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }
}

/// The names in a folder, one by one.
pub(crate) struct Listing(Dir);

impl Listing {
    /// Begins again from the first entry.
    pub fn rewind(&mut self) {
        self.0.rewind();
    }
}

impl Iterator for Listing {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = match self.0.read()? {
                Ok(entry) => entry.file_name().to_bytes().to_vec(),
                Err(error) => return Some(Err(error.into())),
            };
            if name != b"." && name != b".." {
                return Some(Ok(name));
            }
        }
    }
}

/// The folder of the last path that was asked for, kept open: entries that come folder by folder cost one call each.
#[derive(Debug)]
pub(crate) struct LastFolder<'a> {
    root: &'a Root,
    last: Option<(Option<RelPath>, OpenFolder)>,
}

impl<'a> LastFolder<'a> {
    pub fn new(root: &'a Root) -> Self {
        Self { root, last: None }
    }

    /// The folder that a path is in.
    pub fn of(&mut self, path: &RelPath) -> io::Result<&OpenFolder> {
        let parent = path.parent();
        let kept = self.last.take().filter(|(known, _)| *known == parent);
        let entry = match kept {
            Some(kept) => kept,
            None => {
                let folder = self.root.open_folder(parent.as_ref())?;
                (parent, folder)
            }
        };
        Ok(&self.last.insert(entry).1)
    }
}

/// File systems without `RENAME_NOREPLACE` (NFS among them) say so in different ways.
fn no_such_call(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    matches!(error, Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP)
}

fn refuse_taken(folder: impl AsFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::openat(folder, name, HOLD, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// Moves an entry of a folder to a name in another, never over something.
pub(crate) fn rename_to_free(from: impl AsFd, old: &OsStr, to: impl AsFd, new: &OsStr) -> io::Result<()> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(&from, old, &to, new, flags) {
        Err(error) if no_such_call(error) => {
            refuse_taken(&to, new)?;
            Ok(rustix::fs::renameat(&from, old, &to, new)?)
        }
        other => Ok(other?),
    }
}

fn chown_at(folder: &OwnedFd, name: &OsStr, (uid, gid): (u32, u32)) -> io::Result<()> {
    let file = File::from(rustix::fs::openat(folder, name, READ_FOLDER, Mode::empty())?);
    let have = file.metadata()?;
    if (have.uid(), have.gid()) == (uid, gid) {
        return Ok(());
    }
    std::os::unix::fs::fchown(&file, Some(uid), Some(gid))
}

/// When a file was made, as seconds and nanoseconds since 1970, where the file system tells.
pub(crate) fn born(meta: &Metadata) -> Option<(u64, u32)> {
    let since = meta.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((since.as_secs(), since.subsec_nanos()))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
