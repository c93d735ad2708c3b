//! Unpacking an archive that comes from somewhere else.

use std::{
    cell::Cell,
    io::{self, Read},
    path::Path,
};

use tar::{Archive, EntryType};

use super::{
    build::{Attributes, Builder, Pourer},
    room::WatchedRoom,
};
use crate::{
    Error, Result, VELERO_MARKER,
    tree::{RelPath, Root},
};

const BLOCK: u64 = 512;
/// What may stand before an entry: long names, extended headers, the map of a sparse file. Without a limit a hostile
/// archive would be read into memory.
const DESCRIPTION_LIMIT: u64 = 4 << 20;

/// What [`unpack`] takes at most, and what it does with links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Bytes of all files, holes included. No limit.
    pub bytes: u64,
    /// Entries of the archive. 5 million.
    pub entries: u64,
    /// What happens to symbolic links that lead out of the folder.
    pub outside_links: OutsideLinks,
    /// Bytes of the file system that stay free for others who write to it. None.
    pub reserve_bytes: u64,
    /// Files that others can still make in it, where it has a limit. None.
    pub reserve_inodes: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            bytes: u64::MAX,
            entries: 5_000_000,
            outside_links: OutsideLinks::Refuse,
            reserve_bytes: 0,
            reserve_inodes: 0,
        }
    }
}

/// What happens to symbolic links that are absolute or lead above the folder that is unpacked into. Nothing in this
/// crate follows a link in either case. A hard link that leads outside is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideLinks {
    /// They make the archive unacceptable.
    Refuse,
    /// They are made as they are. Right where the app itself makes such links, to `/dev/stdout` or another volume say.
    Keep,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unpacked {
    /// Files, links and fifos; folders are not counted.
    pub files: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
}

/// Unpacks a tar stream into a folder, and reads the stream to its end. Names of any bytes, long names, owners (as root;
/// otherwise everything belongs to who runs this), modes, times (to the nanosecond where the archive has them), symbolic
/// and hard links, and holes of GNU's sparse files are kept; extended attributes are not. What the archive says of the folder
/// itself, and Velero's marker `.velero` in its root, is passed over. `progress` is told after each piece.
///
/// The room is looked at before each entry and after every 4 MiB of a file, in whole blocks and in files: whoever writes to the
/// same file system keeps what the limits reserve for it.
///
/// No link is followed, whatever the archive holds and whatever was there before. Nothing is written over: the folder
/// should be empty. What was unpacked before an error stays there, and nothing is synced ([`crate::Swap::seal`] does that).
///
/// # Errors
/// [`Error::Entry`] names an entry that is not accepted: absolute, `..`, a link that leads outside, a device, a kind that is
/// not known, a second one of the same name, more than the limits. [`Error::Archive`] if the stream is no archive, ends
/// before the archive's end mark, or goes on after it. [`Error::NoRoom`] and [`Error::NoInodes`] before the reserve is touched.
/// Otherwise a failed call.
pub fn unpack(
    reader: impl Read,
    into: &Path,
    limits: &UnpackLimits,
    progress: &mut dyn FnMut(Unpacked),
) -> Result<Unpacked> {
    let position = Cell::new(0);
    let end = Cell::new(u64::MAX);
    let metered = Metered {
        reader,
        position: &position,
        end: &end,
    };
    let mut archive = Archive::new(metered);
    let broken = |source| Error::Archive {
        read: position.get(),
        source,
    };
    let root = Root::open(into)?;
    let mut unpacking = Unpacking {
        builder: Builder::open(root.path())?,
        room: WatchedRoom::new(root.path(), limits.reserve_bytes, limits.reserve_inodes)?,
        root,
        limits,
        pourer: Pourer::new(),
        done: Unpacked::default(),
    };
    let mut number = 0u64;
    // Where the archive must go on, in whole blocks, after the last entry.
    let mut after = 0;
    let mut entries = archive.entries().map_err(broken)?;
    loop {
        end.set(position.get().saturating_add(DESCRIPTION_LIMIT));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(broken)?;
        end.set(u64::MAX);
        number += 1;
        let name = entry.path_bytes().into_owned();
        let refused = |reason: String| Error::Entry {
            entry: shown(&name),
            reason,
        };
        if number > limits.entries {
            return Err(refused(format!("it is more than {} entries", limits.entries)));
        }
        let described = describe(&mut entry).map_err(refused)?;
        if let Some(described) = described {
            unpacking.take(&mut entry, described, progress, &broken, &refused)?;
        }
        // What was not wanted is read all the same.
        io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
        after = position.get().next_multiple_of(BLOCK);
    }
    end.set(u64::MAX);
    end_mark(archive.into_inner(), &position, after)?;
    unpacking.builder.finish()?;
    Ok(unpacking.done)
}

/// An archive ends with two blocks of zeros. Without them it is cut short, even between two entries; whatever follows
/// them (GNU tar fills up to 10 KiB) must be zeros too, or there is a second archive that nobody would unpack.
fn end_mark(mut reader: impl Read, position: &Cell<u64>, after: u64) -> Result<()> {
    let broken = |source| Error::Archive {
        read: position.get(),
        source,
    };
    let mut buffer = vec![0; 32 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) if buffer.iter().take(read).any(|byte| *byte != 0) => {
                return Err(broken(io::Error::other("it goes on after its end mark")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
    if position.get() < after + 2 * BLOCK {
        return Err(broken(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// Counts what is read, and ends where the description of an entry grows without end.
struct Metered<'a, R> {
    reader: R,
    position: &'a Cell<u64>,
    end: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position.get() >= self.end.get() {
            return Err(io::Error::other("the description of an entry is too long"));
        }
        let left = usize::try_from(self.end.get() - self.position.get()).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.reader.read(buffer.get_mut(..length).unwrap_or_default())?;
        self.position.set(self.position.get() + read as u64);
        Ok(read)
    }
}

enum Kind {
    File { holes: bool },
    Folder,
    Symlink(Vec<u8>),
    HardLink(RelPath),
    Fifo,
}

struct Described {
    path: RelPath,
    attributes: Attributes,
    kind: Kind,
}

/// What an entry is, `None` for one that is passed over, or why it is not accepted.
fn describe<R: Read>(entry: &mut tar::Entry<'_, R>) -> std::result::Result<Option<Described>, String> {
    let mut modified = None;
    let unreadable = |error: io::Error| format!("its header cannot be read: {error}");
    // The library reads the whole of an entry that is an extended header by itself; such an entry is refused below.
    let kind = entry.header().entry_type();
    if !kind.is_pax_global_extensions()
        && !kind.is_pax_local_extensions()
        && let Some(extensions) = entry.pax_extensions().map_err(unreadable)?
    {
        for extension in extensions {
            // The library goes on with a shorter name where a record is not what it expects.
            let extension = extension.map_err(|_| "its extended header cannot be read".to_owned())?;
            match extension.key_bytes() {
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err("it is a sparse file in a form that cannot be read here".to_owned());
                }
                b"mtime" => modified = extension.value().ok().and_then(seconds),
                _ => {}
            }
        }
    }
    let Some(path) = plain(&entry.path_bytes())? else {
        return Ok(None);
    };
    let first = path.as_bytes().split(|byte| *byte == b'/').next();
    if first == Some(VELERO_MARKER.as_bytes()) {
        return Ok(None);
    }
    let header = entry.header();
    let number = |number: io::Result<u64>| {
        let number = number.map_err(unreadable)?;
        u32::try_from(number).map_err(|_| format!("its owner {number} is out of range"))
    };
    let attributes = Attributes {
        mode: header.mode().map_err(unreadable)?,
        owner: (number(header.uid())?, number(header.gid())?),
        modified: match modified {
            Some(modified) => modified,
            None => (
                header.mtime().map_err(unreadable)?.try_into().unwrap_or(i64::MAX),
                0,
            ),
        },
    };
    let target = || {
        let target = entry.link_name_bytes().map(|name| name.into_owned());
        target
            .filter(|target| !target.is_empty() && !target.contains(&0))
            .ok_or("it is a link without a target")
    };
    let kind = match header.entry_type() {
        // Archives of before 1988 have a folder as a file with a slash.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous => Kind::File { holes: false },
        EntryType::GNUSparse => Kind::File { holes: true },
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Symlink(target()?),
        EntryType::Link => {
            let to = plain(&target()?)
                .map_err(|reason| format!("it is a hard link that leads outside: {reason}"))?;
            Kind::HardLink(to.ok_or("it is a hard link to a folder")?)
        }
        EntryType::Fifo => Kind::Fifo,
        EntryType::Char | EntryType::Block => return Err("it is a device".to_owned()),
        other => {
            return Err(format!(
                "it is of a kind that is not known here ({:?})",
                char::from(other.as_byte())
            ));
        }
    };
    Ok(Some(Described {
        path,
        attributes,
        kind,
    }))
}

/// A name of an archive as a path; `None` for the folder itself.
fn plain(name: &[u8]) -> std::result::Result<Option<RelPath>, String> {
    if name.starts_with(b"/") {
        return Err("its path is absolute".to_owned());
    }
    let parts: Vec<&[u8]> = name
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if parts.contains(&b"..".as_slice()) {
        return Err("its path leads outside by `..`".to_owned());
    }
    if parts.is_empty() {
        return Ok(None);
    }
    RelPath::new(parts.join(&b'/')).map(Some)
}

/// Whether a symbolic link leads out of the folder, by its words.
fn leads_outside(path: &RelPath, target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return true;
    }
    let mut depth = path.as_bytes().iter().filter(|byte| **byte == b'/').count();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

/// Seconds since 1970 with a fraction, as extended headers have them: `1700000000.123456789`, or `-1.5`.
fn seconds(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

/// A name for a message, at most some hundred characters of it.
fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name).escape_debug().take(300).collect();
    if text.is_empty() {
        "(without a name)".to_owned()
    } else {
        text
    }
}

struct Unpacking<'a> {
    root: Root,
    builder: Builder,
    room: WatchedRoom,
    limits: &'a UnpackLimits,
    pourer: Pourer,
    done: Unpacked,
}

impl Unpacking<'_> {
    fn take<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        Described {
            path,
            attributes,
            kind,
        }: Described,
        progress: &mut dyn FnMut(Unpacked),
        broken: &dyn Fn(io::Error) -> Error,
        refused: &dyn Fn(String) -> Error,
    ) -> Result<()> {
        let full = self.builder.full(&path);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                refused("it is there already, or the archive has it twice".to_owned())
            }
            // The kernel's answer for a link where a folder should be, too.
            io::ErrorKind::NotADirectory => refused("a part of its path is a file or a link".to_owned()),
            _ => Error::io("make", &full)(error),
        };
        self.room.entry(match kind {
            // Of a file with holes what is in the archive.
            Kind::File { holes: true } => entry.header().entry_size().unwrap_or_default(),
            Kind::File { holes: false } => entry.size().min(self.limits.bytes),
            _ => 0,
        })?;
        match kind {
            Kind::Folder => return self.builder.folder(&path, attributes).map_err(failed),
            Kind::File { holes } => {
                let size = entry.size();
                if size > self.limits.bytes.saturating_sub(self.done.bytes) {
                    return Err(refused(format!(
                        "with its {size} bytes the files are more than {} bytes",
                        self.limits.bytes
                    )));
                }
                let mut file = self.builder.file(&path).map_err(failed)?;
                let (done, room) = (&mut self.done, &mut self.room);
                let mut left = if holes { 0 } else { size };
                let told = |read| {
                    done.bytes += read;
                    left = left.saturating_sub(read);
                    progress(*done);
                    room.wrote(read, left)
                };
                let writing = |error| Error::io("write", &full)(error);
                let errors = (broken, writing);
                if self.pourer.pour(entry, &mut file, holes, told, errors)? != size {
                    return Err(broken(io::ErrorKind::UnexpectedEof.into()));
                }
                self.builder
                    .dress(&file, attributes)
                    .map_err(Error::io("set owner and mode of", &full))?;
            }
            Kind::Symlink(target) => {
                if self.limits.outside_links == OutsideLinks::Refuse && leads_outside(&path, &target) {
                    return Err(refused(format!(
                        "it is a link that leads outside, to {}",
                        shown(&target)
                    )));
                }
                self.builder.symlink(&path, &target, attributes).map_err(failed)?;
            }
            Kind::HardLink(to) => {
                let there = self.root.look(&to).map_err(failed)?;
                if there.is_none_or(|meta| meta.is_dir()) {
                    return Err(refused(format!("it is a hard link to {to}, which is not there")));
                }
                self.builder.hard_link(&path, &to).map_err(failed)?;
            }
            Kind::Fifo => self.builder.fifo(&path, attributes).map_err(failed)?,
        }
        self.done.files += 1;
        progress(self.done);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_archives() {
        let path = |name: &str| plain(name.as_bytes()).map(|path| path.map(|path| path.to_string()));
        assert_eq!(path("./a//b/./c/"), Ok(Some("a/b/c".to_owned())));
        assert_eq!(path("./"), Ok(None));
        assert_eq!(path(""), Ok(None));
        for name in ["/a", "//", "../a", "a/../../b", "a/..", "a\0b"] {
            assert!(path(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn links_that_lead_outside() {
        let outside = |path: &str, target: &str| {
            leads_outside(&RelPath::new(path.as_bytes()).unwrap(), target.as_bytes())
        };
        for (path, target) in [
            ("a", "b"),
            ("a/b", "../c"),
            ("a/b/c", "../../d/./e"),
            ("a", "x/.."),
        ] {
            assert!(!outside(path, target), "{path} {target}");
        }
        for (path, target) in [
            ("a", "/b"),
            ("a", ".."),
            ("a/b", "../../c"),
            ("a", "x/../../y"),
            ("a", "./.."),
            ("a", "x//../../y"),
        ] {
            assert!(outside(path, target), "{path} {target}");
        }
    }

    #[test]
    fn times_with_fractions() {
        assert_eq!(
            seconds("1700000000.123456789"),
            Some((1_700_000_000, 123_456_789))
        );
        assert_eq!(seconds("17"), Some((17, 0)));
        assert_eq!(seconds("1.5"), Some((1, 500_000_000)));
        assert_eq!(seconds("1.1234567899"), Some((1, 123_456_789)));
        assert_eq!(seconds("-1"), Some((-1, 0)));
        assert_eq!(seconds("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(seconds("-0.25"), Some((-1, 750_000_000)));
        for text in ["", "x", "1.x", "1.-5"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
    /// Answers one after the other, then nothing more.
    struct Answers(Vec<io::Result<usize>>);

    impl Read for Answers {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let answer = self.0.pop().unwrap_or(Ok(0));
            if let Ok(read) = answer {
                buffer.get_mut(..read).unwrap().fill(0);
            }
            answer
        }
    }

    #[test]
    fn a_call_that_a_signal_interrupts_at_the_end_of_an_archive_is_made_again() {
        let position = Cell::new(2 * BLOCK);
        let ends = |kind: io::ErrorKind| end_mark(Answers(vec![Ok(8), Err(kind.into())]), &position, 0);
        ends(io::ErrorKind::Interrupted).unwrap();
        match ends(io::ErrorKind::ConnectionReset).unwrap_err() {
            Error::Archive { source, .. } => assert_eq!(source.kind(), io::ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    }
}
