//! Copies of live databases: the bytes of their files, read while a read transaction of SQLite's keeps them still.
//!
//! SQLite's online-backup call would do as well, and takes too long: it reads and writes one page after the other, and
//! reading alone costs more than a whole copy of the file with its sync (figures in README.md). So the files are copied in
//! large pieces. What makes that sound, in both modes, is an open read transaction, which SQLite itself begins:
//!
//! * **A rollback journal.** Reading takes a SHARED lock, after a transaction that was cut off was rolled back. While
//!   anyone holds one, nobody writes to the database's file (sqlite.org/lockingv3.html, "Locking"). So the file, up to the
//!   size that the transaction sees, is the state of one committed transaction.
//! * **A write-ahead log.** Two things go on while it is read. Transactions are appended to the log, which does no harm.
//!   And checkpoints copy pages from the log into the database's file; but never what is behind the "end mark" of a
//!   reader, and the log is not begun anew as long as a reader uses it (sqlite.org/wal.html, "Concurrency" and
//!   "Checkpointing"). So the file first and the log after it, put together again by SQLite, give one committed state: a
//!   page that was torn while it was read was being checkpointed, so the log holds it, and the log overrides the file.
//!   The log's last transactions may be cut off in the copy: each frame has a checksum over all before it, and what is
//!   behind the last whole commit does not count (sqlite.org/fileformat2.html, "The Write-Ahead Log").
//! * **A log that is used up**, all of it being in the database's file, may be begun anew under a reader. Such a reader
//!   reads the database's file alone, and holds a lock under which nobody writes to that file (sqlite.org/walformat.html,
//!   `WAL_READ_LOCK(0)`; `WalCkptInfo` in SQLite's source). A log that is begun anew gets a new header, with other salts,
//!   before its first frame. So the header is read before and after: if it changed, the copied log is thrown away, and the
//!   copied file by itself is the state of one committed transaction.
//!
//! * **A write-ahead log that nobody uses**, which is what is there without the log's index (`-shm`): SQLite would make log
//!   and index anew, and a process that is killed leaves them to the app as files of another user. So SQLite is kept away
//!   from it. The file, and a log that a crash left, are copied as they are and looked at before and after: whoever opens
//!   the database makes the index first. If anything changed it is begun again, with whatever way fits then.
//!
//! Where the file system shares blocks between files, the copy of the database's file is made of the same blocks.
//!
//! POSIX locks belong to a process, and closing any descriptor of a file drops all of the process's locks on it. So a
//! live database is opened before SQLite opens it and closed after SQLite closed it. The log carries no locks.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustix::{
    fs::OFlags,
    io::{pread, retry_on_intr},
};

use crate::{
    Error, Result, Step,
    beside::{Beside, same_file},
    database::{distrust, failed, length_of, open_live, patiently, pragma},
    folder::{if_there, remove_file},
    options::Watcher,
    tree::{RelPath, Root},
    walk::Found,
};

/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;
/// Bytes before the first frame of a log; its page size is at 8, its salts at 16 (fileformat2.html, "WAL File Format").
const LOG_HEADER: usize = 32;
/// Bytes before each page in a log; the log's salts are repeated at 8.
const FRAME_HEADER: usize = 24;

/// A live database, open.
#[derive(Debug)]
pub(crate) struct Source {
    pub found: Found,
    /// Bytes of its file and of its log, which is folded in at once.
    size: (u64, u64),
    access: Access,
    file: Arc<File>,
    /// The log that SQLite has open.
    log: Option<Metadata>,
}

#[derive(Debug)]
enum Access {
    /// SQLite keeps it still.
    Locked(Connection),
    /// Nobody has it open.
    Quiet,
}

impl Source {
    /// Opens a live database; `None` when it went away. Nothing is written to it, but for what SQLite does on the next
    /// opening anyway: a transaction that a killed app left in a rollback journal is rolled back.
    ///
    /// The file is added to `kept`, which has to be dropped after every source: see the module.
    pub fn open(
        root: &Root,
        mut found: Found,
        timeout: Duration,
        kept: &mut Vec<Arc<File>>,
        watcher: &Watcher,
    ) -> Result<Option<Self>> {
        let path = found.path.clone();
        let full = root.full(&path);
        let started = Instant::now();
        loop {
            let Some(file) = if_there(root.read(&path)).map_err(Error::io("open", &full))? else {
                return Ok(None);
            };
            let file = Arc::new(file);
            kept.push(Arc::clone(&file));
            let before = Beside::look(root, &path);
            let is_quiet = before.is_unused() && keeps_a_log(&file).map_err(Error::io("read", &full))?;
            watcher.at(Step::Opening)?;
            let opened = match is_quiet {
                true => None,
                false => Some(open_locked(&path, &full, before.log.is_some(), timeout)),
            };
            let meta = file.metadata().map_err(Error::io("look at", &full))?;
            let there = root.look(&path).ok().flatten();
            let is_there = there.as_ref().is_some_and(|there| same_file(there, &meta));
            let after = Beside::look(root, &path);
            match opened {
                None if is_there && after.is_unused() => {
                    found.meta = meta;
                    return Ok(Some(Self {
                        size: (found.meta.size(), size_of(after.log.as_ref())),
                        found,
                        access: Access::Quiet,
                        file,
                        log: after.log,
                    }));
                }
                // If the last one who had it open closed it in between, SQLite has made log and index anew just now. They
                // go on closing, unless the app is back.
                Some(Ok((connection, _))) if is_there && before.made_anew(&after) => {
                    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
                }
                Some(opened) if is_there => {
                    let (connection, size) = opened?;
                    found.meta = meta;
                    return Ok(Some(Self {
                        size: (size, size_of(after.log.as_ref())),
                        found,
                        access: Access::Locked(connection),
                        file,
                        log: after.log,
                    }));
                }
                // Another file has the name now: SQLite may have opened either.
                _ if there.is_none() => return Ok(None),
                _ => {}
            }
            if started.elapsed() >= timeout {
                return Err(busy(&path, started));
            }
        }
    }

    /// Bytes that a copy takes in a folder of the same volume.
    pub fn room(&self, folder: &Path) -> u64 {
        let (file, log) = self.size;
        match shares_blocks(&self.file, folder) {
            true => log,
            false => file.saturating_add(log),
        }
    }

    /// Closes the database and says which one it was.
    pub fn close(self) -> Found {
        self.found
    }

    /// Copies the database as of one committed transaction; `false` when it went away. The copy is complete but not yet on
    /// disk nor checked.
    pub fn copy(&self, root: &Root, to: &Path, timeout: Duration, watcher: &Watcher) -> Result<bool> {
        let path = &self.found.path;
        let Access::Locked(connection) = &self.access else {
            return self.copy_quiet(root, to, timeout, watcher);
        };
        let started = Instant::now();
        connection
            .execute_batch("BEGIN")
            .map_err(|source| failed(path, source))?;
        let copied = self.copy_while_still(connection, root, to, timeout, watcher);
        // Nothing was written, so there is nothing to lose.
        let _ = connection.execute_batch("ROLLBACK");
        if !self.is_in_place(root) {
            remove_file(to)?;
            remove_file(&beside(to))?;
            return self.copy_anew(root, to, timeout.saturating_sub(started.elapsed()), watcher);
        }
        if let Some(log) = copied? {
            fold_in(path, to, &log)?;
        }
        Ok(true)
    }

    /// Whether what has the database's name, and its log's, is what SQLite has open. The log is read by its name, so that
    /// it could be that of a database that the app has just made anew.
    fn is_in_place(&self, root: &Root) -> bool {
        let is_same = |there: Option<Metadata>, open: Option<&Metadata>| match (there, open) {
            (Some(there), Some(open)) => same_file(&there, open),
            (there, open) => there.is_none() && open.is_none(),
        };
        let there = root.look(&self.found.path).ok().flatten();
        is_same(there, Some(&self.found.meta))
            && is_same(Beside::look(root, &self.found.path).log, self.log.as_ref())
    }

    /// Copies whatever has the database's name now.
    fn copy_anew(&self, root: &Root, to: &Path, timeout: Duration, watcher: &Watcher) -> Result<bool> {
        let mut kept = Vec::new();
        match Self::open(root, self.found.clone(), timeout, &mut kept, watcher)? {
            None => Ok(false),
            Some(_) if timeout.is_zero() => Err(busy(&self.found.path, Instant::now())),
            Some(source) => source.copy(root, to, timeout, watcher),
        }
    }

    /// Copies the file, and a log that is to be folded in: answers where its copy is.
    fn copy_while_still(
        &self,
        connection: &Connection,
        root: &Root,
        to: &Path,
        timeout: Duration,
        watcher: &Watcher,
    ) -> Result<Option<PathBuf>> {
        let path = &self.found.path;
        let writing = |error| Error::io("write", to)(error);
        // The first read of a transaction takes the lock, and it is kept to the transaction's end.
        let pages = patiently(path, timeout, || pragma(connection, "page_count").map(Some))?;
        let page_size = patiently(path, timeout, || pragma(connection, "page_size").map(Some))?;
        let size = pages.saturating_mul(page_size);
        let mode: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .map_err(|source| failed(path, source))?;
        let mut out = make(to).map_err(writing)?;
        if mode != "wal" {
            let copied = share_or_copy(&self.file, &mut out, size).map_err(writing)?;
            long_enough(path, copied, size)?;
            return Ok(None);
        }
        let log_path = path.with_suffix("-wal");
        let log = root
            .read(&log_path)
            .map_err(Error::io("open", root.full(&log_path)))?;
        let before = log_header(&log).map_err(writing)?;
        let copied = share_or_copy(&self.file, &mut out, u64::MAX).map_err(writing)?;
        let log_copy = beside(to);
        let mut frames = 0;
        if let Some(header) = &before {
            frames = copy_log(&log, header, &log_copy, watcher)?;
        }
        if frames > 0 && log_header(&log).map_err(writing)? == before {
            return Ok(Some(log_copy));
        }
        remove_file(&log_copy)?;
        long_enough(path, copied, size)?;
        out.set_len(size).map_err(writing)?;
        Ok(None)
    }

    /// Copies a database that nobody has open, or, when somebody opened it meanwhile, as one that is in use.
    fn copy_quiet(&self, root: &Root, to: &Path, timeout: Duration, watcher: &Watcher) -> Result<bool> {
        let path = &self.found.path;
        let started = Instant::now();
        // Whatever has the name now, once it was opened again.
        let mut again = None;
        loop {
            let source: &Self = again.as_ref().unwrap_or(self);
            let before = source.quiet_state(root);
            if let Some(state) = &before {
                let (log, began) = source.copy_as_it_is(root, to, watcher)?;
                watcher.at(Step::QuietCopied)?;
                if source.quiet_state(root) == before && is_settled(state, began) {
                    match log {
                        Some(log) => fold_in(path, to, &log)?,
                        None => shorten(path, to)?,
                    }
                    return Ok(true);
                }
                remove_file(to)?;
                remove_file(&beside(to))?;
            }
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(busy(path, started));
            }
            // Closed in this order, and after `self.file`'s locks are of no use any more: there are none.
            let mut kept = Vec::new();
            match Self::open(root, self.found.clone(), left, &mut kept, watcher)? {
                None => return Ok(false),
                Some(
                    source @ Self {
                        access: Access::Locked(_),
                        ..
                    },
                ) => {
                    return source.copy(root, to, left, watcher);
                }
                source => again = source,
            }
        }
    }

    /// What must stay the same while a database that nobody has open is copied; `None` when it is in use or another file.
    fn quiet_state(&self, root: &Root) -> Option<QuietState> {
        let path = &self.found.path;
        let there = root.look(path).ok().flatten()?;
        let beside = Beside::look(root, path);
        let is_quiet = same_file(&there, &self.file.metadata().ok()?)
            && beside.is_unused()
            && keeps_a_log(&self.file).unwrap_or(false);
        is_quiet.then(|| (stamp(&there), beside.log.as_ref().map(stamp)))
    }

    /// Copies file and log as they lie there; answers where a copy of the log is that has to be folded in, and when it began, by
    /// the clock of the file system.
    fn copy_as_it_is(
        &self,
        root: &Root,
        to: &Path,
        watcher: &Watcher,
    ) -> Result<(Option<PathBuf>, (i64, i64))> {
        let writing = |error| Error::io("write", to)(error);
        let mut out = make(to).map_err(writing)?;
        let began = stamp(&out.metadata().map_err(writing)?).3;
        share_or_copy(&self.file, &mut out, u64::MAX).map_err(writing)?;
        let log_path = self.found.path.with_suffix("-wal");
        let opening = Error::io("open", root.full(&log_path));
        let Some(log) = if_there(root.read(&log_path)).map_err(opening)? else {
            return Ok((None, began));
        };
        let Some(header) = log_header(&log).map_err(writing)? else {
            return Ok((None, began));
        };
        let log_copy = beside(to);
        if copy_log(&log, &header, &log_copy, watcher)? == 0 {
            remove_file(&log_copy)?;
            return Ok((None, began));
        }
        Ok((Some(log_copy), began))
    }
}

/// Opens a live database by SQLite, and says how long it is in bytes.
fn open_locked(path: &RelPath, full: &Path, keeps_log: bool, timeout: Duration) -> Result<(Connection, u64)> {
    let connection = open_live(full, keeps_log).map_err(|error| failed(path, error))?;
    let pages = patiently(path, timeout, || pragma(&connection, "page_count").map(Some))?;
    let page_size = patiently(path, timeout, || pragma(&connection, "page_size").map(Some))?;
    Ok((connection, pages.saturating_mul(page_size)))
}

fn busy(path: &RelPath, since: Instant) -> Error {
    Error::Busy {
        path: path.to_string(),
        waited: since.elapsed(),
    }
}

/// Whether the database is in the mode of a write-ahead log: the two version numbers at 18 (fileformat2.html, "File format
/// version numbers").
pub(crate) fn keeps_a_log(file: &File) -> io::Result<bool> {
    let mut versions = [0; 2];
    Ok(fill(file, &mut versions, 18)? == 2 && versions.contains(&2))
}

/// Inode, bytes, time of writing and time of change of a file: nobody writes to it and leaves all of them as they were.
type Stamp = (u64, u64, (i64, i64), (i64, i64));

fn stamp(meta: &Metadata) -> Stamp {
    (
        meta.ino(),
        meta.size(),
        (meta.mtime(), meta.mtime_nsec()),
        (meta.ctime(), meta.ctime_nsec()),
    )
}

/// What must stay the same while a database that nobody has open is copied: its file's, and its log's.
type QuietState = (Stamp, Option<Stamp>);

/// Whether another write, after a copy began, would show in the times. A file system's clock may tick every few milliseconds
/// only: one in the tick of the last one would not.
fn is_settled((file, log): &QuietState, began: (i64, i64)) -> bool {
    file.3 != began && log.is_none_or(|log| log.3 != began)
}

fn size_of(meta: Option<&Metadata>) -> u64 {
    meta.map_or(0, MetadataExt::size)
}

/// Whether a copy in the folder can be made of the blocks of the file. Tried out: no call tells.
fn shares_blocks(file: &File, folder: &Path) -> bool {
    let probe = folder.join("probe");
    let shared = make(&probe).is_ok_and(|out| rustix::fs::ioctl_ficlone(&out, file).is_ok());
    let _ = fs::remove_file(probe);
    shared
}

/// Makes `to`, which is empty, of the blocks of `from`, or copies up to `limit` bytes; says how many there are.
fn share_or_copy(from: &File, to: &mut File, limit: u64) -> io::Result<u64> {
    if rustix::fs::ioctl_ficlone(&*to, from).is_err() {
        return copy_bytes(from, to, limit);
    }
    let size = to.metadata()?.size().min(limit);
    to.set_len(size)?;
    Ok(size)
}

fn long_enough(path: &RelPath, copied: u64, size: u64) -> Result<()> {
    if copied >= size {
        return Ok(());
    }
    Err(Error::Unsound {
        path: path.to_string(),
        reason: format!("its file ends after {copied} bytes of {size}"),
    })
}

/// A new file; readable for all as SQLite makes them, in a folder that is not.
fn make(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

fn beside(copy: &Path) -> PathBuf {
    let mut name = copy.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Fills a buffer from a place in a file; fewer bytes only at the file's end.
fn fill(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        let count = retry_on_intr(|| pread(file, &mut *buffer, at))?;
        if count == 0 {
            break;
        }
        (total, at) = (total + count, at + count as u64);
        buffer = buffer.get_mut(count..).unwrap_or_default();
    }
    Ok(total)
}

/// Copies up to `limit` bytes; says how many there were.
fn copy_bytes(from: &File, to: &mut File, limit: u64) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    while total < limit {
        let wanted = usize::try_from(limit - total).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        let read = fill(from, piece, total)?;
        to.write_all(piece.get(..read).unwrap_or_default())?;
        total += read as u64;
        if read < wanted {
            break;
        }
    }
    Ok(total)
}

fn log_header(log: &File) -> io::Result<Option<[u8; LOG_HEADER]>> {
    let mut header = [0; LOG_HEADER];
    Ok((fill(log, &mut header, 0)? == LOG_HEADER).then_some(header))
}

/// Copies the header and every whole frame that belongs to it, up to the first that does not: what lies behind is of an
/// earlier log. Says how many frames there were. Which of them count is for SQLite to say.
fn copy_log(log: &File, header: &[u8; LOG_HEADER], to: &Path, watcher: &Watcher) -> Result<u64> {
    let writing = |error| Error::io("write", to)(error);
    let mut out = make(to).map_err(writing)?;
    out.write_all(header).map_err(writing)?;
    let [.., a, b, c, d] = *header.first_chunk::<12>().unwrap_or(&[0; 12]);
    let page_size = u32::from_be_bytes([a, b, c, d]) as usize;
    if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
        return Ok(0);
    }
    let salts = header.get(16..24);
    let frame = FRAME_HEADER + page_size;
    let mut buffer = vec![0; (PIECE / frame).max(1) * frame];
    let (mut at, mut frames) = (LOG_HEADER as u64, 0);
    loop {
        let read = fill(log, &mut buffer, at).map_err(writing)?;
        let ours = buffer
            .get(..read)
            .unwrap_or_default()
            .chunks_exact(frame)
            .take_while(|frame| frame.get(8..16) == salts)
            .count();
        out.write_all(buffer.get(..ours * frame).unwrap_or_default())
            .map_err(writing)?;
        watcher.at(Step::LogRead)?;
        (at, frames) = (at + (ours * frame) as u64, frames + ours as u64);
        if ours * frame < buffer.len() {
            return Ok(frames);
        }
    }
}

/// Has SQLite put a copied log into its copied database, as it does on the first opening after a power cut.
fn fold_in(path: &RelPath, copy: &Path, log: &Path) -> Result<()> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let fold = || -> rusqlite::Result<(i64, u64)> {
        let connection = Connection::open_with_flags(copy, flags)?;
        distrust(&connection)?;
        // Nobody else opens the copy, so the log's index needs no file; and one sync at the very end is enough, since a
        // copy that is cut off is thrown away.
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF;")?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        let size = pragma(&connection, "page_count")?.saturating_mul(pragma(&connection, "page_size")?);
        connection.close().map_err(|(_, error)| error)?;
        Ok((busy, size))
    };
    let (busy, size) = fold().map_err(|source| failed(path, source))?;
    if busy != 0 || fs::symlink_metadata(log).is_ok() {
        return Err(Error::Unsound {
            path: path.to_string(),
            reason: "its log cannot be put into it".to_owned(),
        });
    }
    shorten_to(copy, size)
}

/// Cuts a copy that has no log to the length of the database in it.
fn shorten(path: &RelPath, copy: &Path) -> Result<()> {
    let length = length_of(copy).map_err(|source| failed(path, source))?;
    shorten_to(copy, length)
}

/// A file may be longer than the database in it, where room was made for more at once.
fn shorten_to(copy: &Path, size: u64) -> Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .open(copy)
        .map_err(Error::io("open", copy))?;
    let length = file.metadata().map_err(Error::io("look at", copy))?.size();
    // One that is shorter is damaged, and stays so.
    file.set_len(length.min(size)).map_err(Error::io("shorten", copy))
}

#[cfg(test)]
mod tests;
