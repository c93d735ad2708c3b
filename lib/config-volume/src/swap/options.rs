//! What the caller of an exchange may choose.

use std::{
    fmt, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::state::SwapState;
use crate::{Error, Options, RESTORE_FOLDER, Result};

/// How a volume's content is exchanged. `SwapOptions::default()` keeps the previous content until the end.
#[derive(Debug, Clone)]
pub struct SwapOptions {
    /// Whether the previous content must be there until [`crate::Swap::finish`]. When `false` it is removed before the new
    /// content is copied in, but only where `staged` lies outside the volume and the volume has no room for both. There
    /// is no way back then. What [`crate::Swap::begin`] was told counts, from [`crate::Swap::seal`] on for good.
    pub keep_old: bool,
    /// Where the new content lies, when it is not to be in the volume itself: a folder of the caller's, which is read and
    /// never removed. It is not written down in the volume, so whoever goes on with the exchange names it again.
    pub staged: Option<PathBuf>,
    /// Bytes that must stay free for the app. As [`Options::reserve`].
    pub reserve: u64,
    /// For how long another run is waited for. 10 seconds.
    pub lock_timeout: Duration,
    /// From which age on a backup's copies in the volume are taken for forgotten. As [`Options::stale_after`].
    pub stale_after: Duration,
    /// Copies of backups that were made until then are known to be left over, of a backup whose end was never heard of: no
    /// backup was running at that moment. Later ones are not.
    pub sets_before: Option<SystemTime>,
    /// Is told of each step.
    pub watcher: SwapWatcher,
}

impl Default for SwapOptions {
    fn default() -> Self {
        let Options {
            reserve, stale_after, ..
        } = Options::default();
        Self {
            keep_old: true,
            staged: None,
            reserve,
            lock_timeout: Duration::from_secs(10),
            stale_after,
            sets_before: None,
            watcher: SwapWatcher::default(),
        }
    }
}

/// Something that was done. Tests end the process after each of them, or make it fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwapStep {
    /// The lock is held; nothing is written down yet.
    Locked,
    /// The state is on disk.
    State(SwapState),
    /// What a backup left in the live volume is cleared away.
    Cleared,
    /// One entry of a volume's root was moved.
    Moved,
    /// One entry was removed.
    Removed,
    /// So many bytes of files were copied in from outside the volume.
    Copied {
        /// Bytes since the copying began.
        bytes: u64,
    },
    /// All that was done so far is on disk.
    Synced,
    /// The journal is gone.
    JournalRemoved,
}

type Watch = dyn Fn(SwapStep) -> io::Result<()> + Send + Sync;

/// Is told of each step; may end the process, or answer with an error, which then is the step's own.
#[derive(Clone, Default)]
pub struct SwapWatcher(Option<Arc<Watch>>);

impl SwapWatcher {
    /// Calls the function at each step.
    pub fn new(watch: impl Fn(SwapStep) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watch)))
    }

    pub(super) fn at(&self, step: SwapStep) -> Result<()> {
        let Some(watch) = &self.0 else { return Ok(()) };
        watch(step).map_err(Error::io("go on after a step in", RESTORE_FOLDER))
    }
}

impl fmt::Debug for SwapWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "SwapWatcher(set)"
        } else {
            "SwapWatcher(none)"
        })
    }
}
