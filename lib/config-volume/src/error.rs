//! What can go wrong, each with the way on.

use std::{io, path::PathBuf, time::Duration};

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a volume could not be made ready, put in place or looked at. Each text names the next step where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call of the operating system failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, such as `read` or `write`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The volume has no room for the copies of its databases.
    #[error(
        "cannot copy the databases: {needed} bytes are needed on the volume (a reserve of {reserve} for the app \
         included), {free} are free; make room on the volume or enlarge its claim, then back up again"
    )]
    NoSpace {
        /// Bytes that the copies and the manifest take, and the reserve.
        needed: u64,
        /// Bytes of `needed` that are to stay free for the app.
        reserve: u64,
        /// Bytes that are free for this process.
        free: u64,
    },
    /// A database stayed locked by another process until the deadline.
    #[error(
        "cannot copy the database {path}: it was locked for {waited:?}; back up again when the app is less busy, or \
         allow more time"
    )]
    Busy {
        /// The database, from the root of the volume.
        path: String,
        /// For how long it was tried.
        waited: Duration,
    },
    /// A file with SQLite's header is no database that can be opened.
    #[error(
        "cannot back up the database {path}: it is damaged: {reason}; repair it or restore an older backup"
    )]
    Unsound {
        /// The database, from the root of the volume.
        path: String,
        /// What SQLite says.
        reason: String,
    },
    /// A backup holds copies that the check after it found damaged.
    #[error(
        "cannot vouch for this backup: it holds a damaged database, and the app most likely works with it: {damage}; \
         repair the database or restore an older backup, then back up again"
    )]
    DamagedBackup {
        /// Which databases, from the root of the volume, each with what SQLite says.
        damage: String,
    },
    /// A backup is to be finished, and there are no copies of it.
    #[error(
        "cannot vouch for this backup: the copies of the databases are gone; the app was stopped or its volume restored \
         while the backup ran, or it was never prepared: back up again"
    )]
    NothingToFinish,
    /// A backup holds databases as the files they are, because nobody had them open, and they changed.
    #[error(
        "cannot vouch for this backup: it was made while somebody wrote to databases that nobody had used for long: {paths}; \
         back up again, which copies them"
    )]
    ChangedDuringBackup {
        /// Which databases, from the root of the volume.
        paths: String,
    },
    /// A database could not be opened or copied.
    #[error("cannot copy the database {path}")]
    Database {
        /// The database, from the root of the volume.
        path: String,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// A pattern of the options cannot be used.
    #[error(
        "cannot use the pattern `{pattern}`: {reason}; write a path from the root of the volume, such as `/logs/`"
    )]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A `.kopiaignore` of the user's cannot be used, and would make the backup fail or store a live database.
    #[error("cannot use the file {path}: {reason}; change it or take it away")]
    IgnoreFile {
        /// The file, from the root of the volume.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another run holds the volume.
    #[error("cannot lock {}: another run has held it for {waited:?}; wait for it or end it", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// For how long it was tried.
        waited: Duration,
    },
    /// The manifest of a restored volume cannot be used, and there are copies that it should tell about.
    #[error(
        "cannot read the manifest {}: {reason}; the copies beside it are left as they are: restore another backup, or \
         move the folder away to start without them", path.display()
    )]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest of a restored volume is of a later version of this program.
    #[error(
        "cannot read the manifest {}: a later program made it, with version {version}, and this one reads versions up to \
         {}; the copies beside it are left as they are: go on with the program that made it, or a later one",
        path.display(), crate::VERSION
    )]
    LaterManifest {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The copy of a restored database is not the one that was made.
    #[error(
        "cannot put the database {path} in place: its copy {reason}; restore another backup, or move `.config-backup` \
         away to start without the copies, which are in {}", folder.display()
    )]
    DamagedCopy {
        /// The database, from the root of the volume.
        path: String,
        /// What is wrong with the copy.
        reason: String,
        /// The folder that the copy is in.
        folder: PathBuf,
    },
    /// The volume has no room for something else than the copies of its databases.
    #[error(
        "cannot bring the data into the volume: {needed} bytes are needed (a reserve of {reserve} for the app included), \
         {free} are free; make room on the volume, enlarge its claim, or allow the previous content to be removed first"
    )]
    NoRoom {
        /// Bytes that the data takes, and the reserve.
        needed: u64,
        /// Bytes of `needed` that are to stay free for the app.
        reserve: u64,
        /// Bytes that are free for this process, or would be.
        free: u64,
    },
    /// The volume can hold no more files, whatever their size.
    #[error(
        "cannot bring the data into the volume: its file system has {free} files left to make, and {needed} are needed (a \
         reserve of {reserve} for the app included); remove files from the volume, or use one whose file system has more"
    )]
    NoInodes {
        /// Files that are needed, and the reserve.
        needed: u64,
        /// Files of `needed` that are to stay free for the app.
        reserve: u64,
        /// Files that this process can still make.
        free: u64,
    },
    /// Another restore of the volume was begun and is not finished.
    #[error(
        "cannot begin the restore {wanted}: the restore {unfinished} of this volume is {state}; go on with that one, or \
         roll it back and finish it"
    )]
    Unfinished {
        /// The restore that was to begin.
        wanted: String,
        /// The one that is there.
        unfinished: String,
        /// How far that one is.
        state: &'static str,
    },
    /// A restore is in a state that does not allow what was asked for.
    #[error("cannot do this to the restore {id}: it is {state}; go on with what was begun")]
    WrongState {
        /// The restore.
        id: String,
        /// How far it is.
        state: &'static str,
    },
    /// What a restore brought cannot be put in place.
    #[error("cannot put the restore {id} in place: {reason}")]
    NotReady {
        /// The restore.
        id: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The previous content of a volume is gone.
    #[error(
        "cannot roll the restore {id} back: the previous content was removed to make room, as was allowed; go on with this \
         restore, or bring the data again"
    )]
    NoWayBack {
        /// The restore.
        id: String,
    },
    /// The previous content is gone, and the new one is not all there.
    #[error(
        "cannot complete the restore {id}: the previous content was removed to make room, and {reason}; restore this backup \
         again, or any other one"
    )]
    Incomplete {
        /// The restore.
        id: String,
        /// What became of the new content.
        reason: String,
    },
    /// An entry of the volume's root cannot be moved.
    #[error("cannot exchange the content of the volume: {path} {reason}", path = path.display())]
    Immovable {
        /// The entry.
        path: PathBuf,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The volume is between its previous content and its new one.
    #[error("cannot use the volume: the restore {id} is half put in place; let it end first")]
    RestoreUnderWay {
        /// The restore.
        id: String,
    },
    /// The new content is in place, and nobody knows yet whether it stays.
    #[error(
        "cannot back up the volume: the content of the restore {id} is in place, and the app has not been seen healthy with it; \
         back up again when the restore has ended"
    )]
    RestoreUnproven {
        /// The restore.
        id: String,
    },
    /// A backup may be reading the volume.
    #[error(
        "cannot exchange the content of the volume: a backup of it is running; wait until it has ended and try again"
    )]
    BackupRunning,
    /// The journal of a restore cannot be used.
    #[error(
        "cannot read the journal {}: {reason}; nothing was changed. The volume may hold half of two contents: move all that \
         is in it somewhere else and keep it, then restore a backup", path.display()
    )]
    SwapJournal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of an archive is not accepted.
    #[error("cannot unpack {entry}: {reason}; nothing of the archive is to be used")]
    Entry {
        /// The entry's name, control characters escaped.
        entry: String,
        /// Why.
        reason: String,
    },
    /// A stream is no archive, or not all of one.
    #[error("cannot read the archive after {read} bytes; nothing of it is to be used, bring it again")]
    Archive {
        /// Bytes that were read.
        read: u64,
        /// What is wrong; `UnexpectedEof` when it is cut short.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the file system was full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::NoSpace { .. } | Self::NoRoom { .. } | Self::NoInodes { .. } => true,
            Self::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            Self::Database { source, .. } => {
                matches!(source.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull))
            }
            _ => false,
        }
    }
}

/// An error with its causes, in one line, each said once.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        // Some errors say their cause in their own text already.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that says its cause itself.
    #[derive(Debug, thiserror::Error)]
    #[error("no answer: {0}")]
    struct Wordy(#[source] io::Error);

    #[test]
    fn each_cause_is_said_once() {
        let full = || io::Error::other("the disk is full");
        assert_eq!(causes(&Wordy(full())), "no answer: the disk is full");
        assert_eq!(
            causes(&Error::io("write", "/x")(full())),
            "cannot write /x: the disk is full"
        );
        let without = Error::NothingToFinish;
        assert_eq!(causes(&without), without.to_string());
    }
}
