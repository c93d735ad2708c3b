//! What the caller may choose.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{Error, Question, Result, pattern::Pattern};

/// How a backup is prepared. `Options::default()` leaves nothing out and suits a Velero pod hook.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the app makes anew by itself: patterns from the root of the volume in gitignore's syntax, such as
    /// `/MediaCover/` or `/logs/*.txt`. What matches is not stored, databases included.
    pub leave_out: Vec<String>,
    /// The app's own databases: paths or patterns as in `leave_out`, such as `/radarr.db`. Each must be copied and sound,
    /// or the backup fails; one that is missing or a link is a warning. What is named by its very path has to be a
    /// database; of what a pattern such as `/data/*.db` names, only what has SQLite's header. Any other file with the header
    /// is copied where that can be done, and else stored as the file it is; its damage fails nothing.
    pub databases: Vec<String>,
    /// A database that is not the app's own, that nobody has open, and that nobody wrote to or changed for so long, is
    /// stored as a file and takes no copy. 24 hours.
    pub idle_after: Duration,
    /// From which age on a set of copies is taken for one that was forgotten. 4 hours.
    pub stale_after: Duration,
    /// For how long one locked database is tried. 60 seconds; a pod hook's timeout should be longer.
    pub busy_timeout: Duration,
    /// For how long another run is waited for. 10 minutes.
    pub lock_timeout: Duration,
    /// Bytes that must stay free for the app while the copies exist. 32 MiB.
    pub reserve: u64,
    /// Ordinary files above this many bytes are promised by size alone. 16 MiB.
    pub checksum_file_limit: u64,
    /// After this many bytes of ordinary files no more checksums are made. 1 GiB.
    pub checksum_total_limit: u64,
    /// After this time no more checksums of ordinary files are made: on a slow disk a backup has to begin at last. 60
    /// seconds.
    pub checksum_time_limit: Duration,
    /// Whether a restored content may be backed up that is in place while its exchange is not finished: the caller knows that the app was
    /// healthy with it. Otherwise it may go again ([`crate::Swap::roll_back`]), and its backup would outlive it.
    pub takes_restored: bool,
    /// The time to work with; `None` is the clock's.
    pub now: Option<SystemTime>,
    /// What the caller writes down in the manifest of the app that uses the volume: its version, say. At most 500 bytes each, in one
    /// line; what is longer or has control characters is left out.
    pub about: BTreeMap<String, String>,
    /// What the databases are asked once they are copied; the answers are in the manifest.
    pub questions: Vec<Question>,
    /// Is told of each step.
    pub watcher: Watcher,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            leave_out: Vec::new(),
            databases: Vec::new(),
            idle_after: Duration::from_secs(24 * 3600),
            stale_after: STALE_AFTER,
            busy_timeout: Duration::from_secs(60),
            lock_timeout: LOCK_TIMEOUT,
            reserve: 32 << 20,
            checksum_file_limit: 16 << 20,
            checksum_total_limit: 1 << 30,
            checksum_time_limit: Duration::from_secs(60),
            takes_restored: false,
            now: None,
            about: BTreeMap::new(),
            questions: Vec::new(),
            watcher: Watcher::default(),
        }
    }
}

/// From which age on a set of copies is taken for one that was forgotten, where no [`Options`] say otherwise: Velero itself gives
/// a volume up after 4 hours (`--fs-backup-timeout`).
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(4 * 3600);
/// A clock may be set back this far, by NTP at boot say, before a set's age counts as unknown.
pub(crate) const CLOCK_SLACK: Duration = Duration::from_secs(300);
/// For how long `finish` and `put_in_place` wait for another run.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

impl Options {
    pub(crate) fn time(&self) -> SystemTime {
        self.now.unwrap_or_else(SystemTime::now)
    }

    pub(crate) fn patterns(list: &[String]) -> Result<Vec<Pattern>> {
        list.iter().map(|text| anchored(text)).collect()
    }
}

/// A pattern that says where it begins, so that it cannot hit a file of the user's that has the same name elsewhere.
fn anchored(text: &str) -> Result<Pattern> {
    let wrong = |reason: &str| Error::Pattern {
        pattern: text.to_owned(),
        reason: reason.to_owned(),
    };
    if !text.starts_with('/') {
        return Err(wrong("it does not begin with `/`"));
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err(wrong("it is more than one line"));
    }
    let pattern = Pattern::parse(text.as_bytes(), b"").map_err(|reason| wrong(&reason))?;
    let ours = crate::pattern::runes(format!("/{}", crate::FOLDER).as_bytes());
    if pattern.leaves_out(false, &ours, true) {
        return Err(wrong("it leaves out the copies of the databases"));
    }
    Ok(pattern)
}

/// A named step. Tests end the process, or make the step fail, at each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The lock is held.
    Locked,
    /// An earlier set was removed, or there was none.
    Cleared,
    /// A database is about to be opened, in the way that fits whether anybody has it open.
    Opening,
    /// The volume was read, the databases are open, and there is room.
    SpaceChecked,
    /// A piece of a database's log was copied, and the database can still be read as it was at the beginning.
    LogRead,
    /// A database that nobody has open was copied, and is not yet known to have stayed the same.
    QuietCopied,
    /// One database was copied, and is not yet on disk.
    Copied,
    /// All copies are on disk.
    CopiesOnDisk,
    /// The manifest is on disk, still under the unfinished name.
    ManifestWritten,
    /// That a backup uses the set is on disk.
    OpenWritten,
    /// The set has its final name.
    SetVisible,
    /// The user's own ignore file is set aside.
    UserFileKept,
    /// The ignore file is in force.
    IgnoreWritten,
    /// All copies were checked after a backup, and what has to last of the result is on disk.
    SetChecked,
    /// The ignore file is gone, and what the user has in its place, a folder, is not back yet.
    IgnoreTakenAway,
    /// The ignore file is gone, or the user's is back.
    IgnoreRemoved,
    /// The set lost its final name.
    SetHidden,
    /// The set's files are deleted.
    SetRemoved,
    /// Siblings of a missing database were moved out of the way.
    SiblingsMoved,
    /// A torn database was moved away for its copy.
    SetAside,
    /// One database was put in place.
    Placed,
    /// One copy was kept beside a live database.
    KeptAside,
    /// Velero's marker folder is gone.
    MarkerRemoved,
}

impl Step {
    /// All steps, in the order of their declaration.
    pub const ALL: [Self; 23] = [
        Self::Locked,
        Self::Cleared,
        Self::Opening,
        Self::SpaceChecked,
        Self::LogRead,
        Self::QuietCopied,
        Self::Copied,
        Self::CopiesOnDisk,
        Self::ManifestWritten,
        Self::OpenWritten,
        Self::SetVisible,
        Self::UserFileKept,
        Self::IgnoreWritten,
        Self::SetChecked,
        Self::IgnoreTakenAway,
        Self::IgnoreRemoved,
        Self::SetHidden,
        Self::SetRemoved,
        Self::SiblingsMoved,
        Self::SetAside,
        Self::Placed,
        Self::KeptAside,
        Self::MarkerRemoved,
    ];
}

type Watch = dyn Fn(Step) -> io::Result<()> + Send + Sync;

/// Is told of each step; may end the process, or answer with an error, which then is the step's own.
#[derive(Clone, Default)]
pub struct Watcher(Option<Arc<Watch>>);

impl Watcher {
    /// Calls the function at each step.
    pub fn new(watch: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watch)))
    }

    pub(crate) fn at(&self, step: Step) -> Result<()> {
        let Some(watch) = &self.0 else { return Ok(()) };
        watch(step).map_err(Error::io("go on after a step in", crate::FOLDER))
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Watcher(set)"
        } else {
            "Watcher(none)"
        })
    }
}
