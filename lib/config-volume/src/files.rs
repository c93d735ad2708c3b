//! The list of the ordinary files of a set: `files.jsonl`, one JSON object a line, in no order.
//!
//! It is written and read line by line, so that memory does not grow with the number of files. Whether a file stayed the
//! same is known only after all were read; the mark for it is the first thing in a line, and has the same length either
//! way, so that it can be taken back in place.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::fs::OFlags;

use crate::{
    Error, FileEntry, Result,
    tree::{Kind, LastFolder, Root, Stat},
};

/// The list's name in a set.
pub(crate) const FILES: &str = "files.jsonl";
/// A longer line is not read. The longest path has 4,095 bytes and so has a link's target, and JSON makes six of one byte
/// at most.
const LINE_LIMIT: usize = 64 << 10;
/// Bytes that are written at once.
const PIECE: usize = 256 << 10;
/// How long a clock that stands still is waited for.
const LONGEST_TICK: Duration = Duration::from_millis(50);
const STABLE: &[u8] = b"{\"stable\": true,";
const CHANGED: &[u8] = b"{\"stable\":false,";
/// How serde writes what [`STABLE`] says.
const STABLE_BY_SERDE: &[u8] = b"{\"stable\":true,";

/// What a list holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FileCount {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A list that is being written.
#[derive(Debug)]
pub(crate) struct FilesWriter {
    path: PathBuf,
    out: BufWriter<File>,
    written: u64,
    count: FileCount,
    /// When the list was begun, by the clock of the file system that it is on: later than all that was changed before.
    began: (i64, u32),
}

impl FilesWriter {
    /// Makes a new list.
    ///
    /// # Errors
    /// There is a file already, or a failed call.
    pub fn create(path: &Path) -> Result<Self> {
        let make = || -> io::Result<(File, (i64, u32))> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o644)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)?;
            let began = next_tick(|| {
                file.set_modified(SystemTime::now())?;
                Ok(Stat::from(&file.metadata()?).changed)
            })?;
            Ok((file, began))
        };
        let (file, began) = make().map_err(Error::io("make", path))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(PIECE, file),
            written: 0,
            count: FileCount::default(),
            began,
        })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// A failed call.
    pub fn push(&mut self, entry: &FileEntry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)
            .map_err(io::Error::from)
            .map_err(Error::io("write", &self.path))?;
        if line.starts_with(STABLE_BY_SERDE) {
            line.splice(..STABLE_BY_SERDE.len(), STABLE.iter().copied());
        }
        line.push(b'\n');
        self.out
            .write_all(&line)
            .map_err(Error::io("write", &self.path))?;
        self.written += line.len() as u64;
        self.count.files += 1;
        self.count.bytes = self.count.bytes.saturating_add(entry.size);
        Ok(())
    }

    /// Bytes of the list so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Looks at each promised file once more, takes the promise back for those that changed since the list was begun, and
    /// brings the list to disk.
    ///
    /// # Errors
    /// A failed call.
    pub fn finish(mut self, root: &Root) -> Result<FileCount> {
        self.out.flush().map_err(Error::io("write", &self.path))?;
        let (count, began) = (self.count, self.began);
        let mut folder = LastFolder::new(root);
        let mut at = 0;
        for line in Lines::open(&self.path)? {
            let line = line.map_err(Error::io("read", &self.path))?;
            let entry: FileEntry = serde_json::from_slice(&line)
                .map_err(io::Error::from)
                .map_err(Error::io("read", &self.path))?;
            if entry.stable && !is_as_listed(&entry, &mut folder, began) {
                self.out
                    .get_ref()
                    .write_all_at(CHANGED, at)
                    .map_err(Error::io("write", &self.path))?;
            }
            at += line.len() as u64 + 1;
        }
        self.out
            .get_ref()
            .sync_all()
            .map_err(Error::io("write", &self.path))?;
        Ok(count)
    }
}

/// Waits until a file system's clock, which may stand still for 10 ms (timekeeping of the kernel's tick), has moved on, and
/// answers its time, which `touch` tells. What was changed before the call is older than the answer; where the clock is
/// coarser than [`LONGEST_TICK`], it may be as old.
fn next_tick(mut touch: impl FnMut() -> io::Result<(i64, u32)>) -> io::Result<(i64, u32)> {
    let (first, asked) = (touch()?, Instant::now());
    loop {
        let now = touch()?;
        if now > first || asked.elapsed() >= LONGEST_TICK {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A change that leaves size and time of writing as they were moves the time of change, which nobody can set. One in the
/// very tick in which the list was begun may have come before the file was read or after it.
fn is_as_listed(entry: &FileEntry, folder: &mut LastFolder<'_>, began: (i64, u32)) -> bool {
    let name = entry.path.name().as_encoded_bytes();
    let Ok(Some(now)) = folder.of(&entry.path).and_then(|folder| folder.stat(name)) else {
        return false;
    };
    let kind = if entry.link.is_some() {
        Kind::Link
    } else {
        Kind::File
    };
    (now.kind, now.size, now.modified) == (kind, entry.size, entry.modified) && now.changed < began
}

/// Where the list of a set is.
#[derive(Debug)]
pub(crate) enum Files {
    /// In its head: version 1.
    Inline(Vec<FileEntry>),
    /// In a file of its own.
    Lines(PathBuf),
}

/// The entries of a list, one by one.
pub(crate) type Entries = Box<dyn Iterator<Item = Result<FileEntry>>>;

impl Files {
    /// The entries, read as they are asked for.
    ///
    /// # Errors
    /// As [`files`].
    pub fn entries(self) -> Result<Entries> {
        Ok(match self {
            Self::Inline(entries) => Box::new(entries.into_iter().map(Ok)),
            Self::Lines(path) => Box::new(files(&path)?),
        })
    }
}

/// The entries of a list, read as they are asked for. After an error there are no more. Hostile text never panics, and no
/// line of it is held that is longer than any of ours.
///
/// # Errors
/// [`Error::Manifest`]: there is no list or it cannot be read. Each entry: it is damaged.
pub(crate) fn files(path: &Path) -> Result<impl Iterator<Item = Result<FileEntry>> + use<>> {
    let path = path.to_owned();
    let mut lines = Lines::open(&path)?;
    let mut number = 0u64;
    let mut ended = false;
    Ok(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        number += 1;
        let entry = lines
            .next()?
            .map_err(|error| error.to_string())
            .and_then(|line| serde_json::from_slice(&line).map_err(|error| error.to_string()))
            .map_err(|error| Error::Manifest {
                path: path.clone(),
                reason: format!("line {number} is damaged: {error}"),
            });
        ended = entry.is_err();
        Some(entry)
    }))
}

/// The lines of a file without their ends, each of at most [`LINE_LIMIT`] bytes.
struct Lines(BufReader<File>);

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let open = || {
            let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
            if file.metadata()?.is_file() {
                Ok(file)
            } else {
                Err(io::Error::other("it is no file"))
            }
        };
        let file = open().map_err(|error| Error::Manifest {
            path: path.to_owned(),
            reason: match error.kind() {
                ErrorKind::NotFound => "it is missing".to_owned(),
                _ => error.to_string(),
            },
        })?;
        Ok(Self(BufReader::with_capacity(PIECE, file)))
    }
}

impl Iterator for Lines {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match (&mut self.0)
            .take(LINE_LIMIT as u64 + 1)
            .read_until(b'\n', &mut line)
        {
            Ok(0) => None,
            Ok(_) if line.pop_if(|end| *end == b'\n').is_some() => Some(Ok(line)),
            Ok(count) if count > LINE_LIMIT => Some(Err(io::Error::other("it is too long"))),
            // The last one, which has no end: it was cut off, perhaps where what is left has a meaning.
            Ok(_) => Some(Err(ErrorKind::UnexpectedEof.into())),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tree::RelPath;

    const LINE: &str = r#"{"stable": true,"path":"a","size":1,"mode":420,"uid":0,"gid":0,"modified":[1,0]}"#;

    /// What reading a list of this text gives: so many entries, and how it ended.
    fn read(text: &str) -> (usize, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILES);
        fs::write(&path, text).unwrap();
        let mut count = 0;
        for entry in files(&path).unwrap() {
            match entry {
                Ok(_) => count += 1,
                Err(Error::Manifest { reason, .. }) => return (count, Some(reason)),
                Err(other) => panic!("{other:?}"),
            }
        }
        (count, None)
    }

    #[test]
    fn a_list_is_read_up_to_the_first_line_that_is_none_of_ours() {
        let longest = format!("{LINE}{}", " ".repeat(LINE_LIMIT - LINE.len()));
        assert_eq!(read(&format!("{LINE}\n{longest}\n{LINE}\n")), (3, None));
        for (third, reason) in [
            ("{}\n", "missing field"),
            (&*format!("{longest} \n"), "it is too long"),
            (&*format!("{longest} "), "it is too long"),
            // Cut off, where what is left has a meaning.
            (&*longest, "unexpected end of file"),
            (LINE, "unexpected end of file"),
        ] {
            let (count, text) = read(&format!("{LINE}\n{LINE}\n{third}"));
            let text = text.unwrap();
            assert_eq!(count, 2, "{text}");
            let expected = format!("line 3 is damaged: {reason}");
            assert!(text.starts_with(&expected), "{text} instead of {expected}");
        }
    }

    #[test]
    fn a_list_is_a_plain_file_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name| folder.path().join(name);
        let refusal = |name| match Lines::open(&at(name)).map(|_| ()) {
            Err(Error::Manifest { reason, .. }) => reason,
            other => panic!("{name}: {other:?}"),
        };
        fs::write(at("list"), format!("{LINE}\n")).unwrap();
        std::os::unix::fs::symlink("list", at("link")).unwrap();
        assert_eq!(refusal("missing"), "it is missing");
        assert!(refusal("link").contains("symbolic link"), "{}", refusal("link"));
        crate::testing::fifo(&at("fifo")).unwrap();
        assert_eq!(refusal("fifo"), "it is no file");
    }

    #[test]
    fn a_list_is_begun_in_a_tick_of_its_own() {
        let begun = |times: &[(i64, u32)]| {
            let mut asked = 0;
            let time = next_tick(|| {
                let time = times.get(asked).or(times.last()).copied();
                asked += 1;
                Ok(time.unwrap())
            });
            (time.unwrap(), asked)
        };
        assert_eq!(begun(&[(1, 0), (1, 4)]), ((1, 4), 2), "the clock is fine");
        assert_eq!(begun(&[(1, 0), (1, 0), (1, 0), (2, 0)]), ((2, 0), 4));
        let started = Instant::now();
        assert_eq!(begun(&[(1, 0)]).0, (1, 0), "the clock stands still");
        assert!(started.elapsed() >= LONGEST_TICK);
    }

    #[test]
    fn what_was_changed_in_the_tick_in_which_the_list_was_begun_is_not_promised() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        let stat = Stat::from(&fs::metadata(folder.path().join("a")).unwrap());
        let entry = crate::list::plain(&RelPath::new("a").unwrap(), &stat);
        let root = Root::open(folder.path()).unwrap();
        let is_as_listed = |began| is_as_listed(&entry, &mut LastFolder::new(&root), began);
        let (seconds, nanoseconds) = stat.changed;
        assert!(!is_as_listed((seconds - 1, nanoseconds)));
        assert!(!is_as_listed((seconds, nanoseconds)));
        assert!(is_as_listed((seconds + 1, nanoseconds)));
        let list = FilesWriter::create(&folder.path().join("list")).unwrap();
        assert!(is_as_listed(list.began), "what was changed before is older");
    }
}
