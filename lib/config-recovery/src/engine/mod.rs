//! The straight line of a restore: one plan is made, can be shown, and is carried out step by step.
//!
//! Everything is checked before the app is stopped. A run that is killed is run again: what the cluster has to have is
//! ensured, not made, and the journal says whether the app's own content was touched.

mod begin;
mod beside;
mod check;
mod commands;
mod plan;
mod restore;
mod room;
mod settle;
mod undo;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::backups::BackupSummary;

#[doc(hidden)]
pub use beside::Beside;
pub use commands::{UnitPod, exchanged_by_hand, kept_by_hand};
#[doc(hidden)]
pub use plan::plan_restore_beside;
#[cfg(feature = "testing")]
pub(crate) use plan::run_of;
pub use plan::{RestorePlan, RestoreRequest, VerifyPlan, plan_restore, plan_verify};
pub use restore::restore;
#[doc(hidden)]
pub use restore::restore_beside;
pub use settle::{Settled, foresee, is_seen_healthy, needs_elsewhere, settle, unfinished};
pub use verify::verify;
#[doc(hidden)]
pub use verify::verify_beside;

/// The app that a backup comes back to, as far as the engine has to know it.
pub trait App {
    /// Stops it, and returns when nothing of it runs any more. One that does not run is no error.
    ///
    /// # Errors
    /// Why it could not be stopped, in words.
    fn stop(&mut self) -> Result<(), String>;

    /// Starts it, and returns when it is healthy, or when it was not for so long as `patience`. One that runs already is no
    /// error.
    ///
    /// # Errors
    /// Why it is not healthy, in words.
    fn start(&mut self, patience: Duration) -> Result<(), String>;

    /// The restored content is in place, and the app is healthy with it. From now on it stays, whatever becomes of
    /// the rest of the run. What anybody has to know of that later is written down here: when the restore has ended, nothing else tells.
    /// Whoever comes after a kill until then is told by the journal (`foresee`), and not by this.
    fn came_back(&mut self, checked: &CheckedBackup);

    /// Looks at a restored volume: does the app's own file read as such, and can this app take it? Without a manifest the app's
    /// databases are looked for here.
    fn examine(&mut self, restored: &Restored<'_>) -> Examined;
}

/// A volume as it came out of a backup: checked, its databases where the app looks for them, and used by nobody yet.
#[derive(Debug, Clone, Copy)]
pub struct Restored<'a> {
    /// Where it is.
    pub folder: &'a Path,
    /// The backup.
    pub backup: &'a BackupSummary,
    /// When its manifest was made, in seconds since 1970; `None` without one.
    pub made: Option<u64>,
    /// What the manifest says of the app: see [`config_volume::Manifest::about`].
    pub about: &'a BTreeMap<String, String>,
}

/// Why an app cannot take a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Why, as the end of "cannot restore backup NAME: …".
    pub why: String,
    /// What to do first.
    pub next: String,
}

/// What a look at a restored volume found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// What is wrong with the content, a line each: the backup is damaged.
    pub problems: Vec<String>,
    /// Why this app cannot take the content, sound as it is.
    pub unfit: Option<Unfit>,
    /// What a person should know, a line each.
    pub notes: Vec<String>,
    /// What the content is in the app's own terms, in one line: it is written on the backup.
    pub contents: Option<String>,
}

/// What came back and was checked.
#[derive(Debug, Clone)]
pub struct CheckedBackup {
    /// The backup.
    pub backup: BackupSummary,
    /// Files that came back.
    pub files: u64,
    /// Bytes that came back, counted as Velero counts what it stores: those of files, and those of the targets of symbolic links.
    pub bytes: u64,
    /// Databases that are sound.
    pub databases: u64,
    /// Whether a manifest said what had to come back. Without one only the databases and the app's own file were judged.
    pub promised: bool,
    /// What a person should know, a line each.
    pub notes: Vec<String>,
    /// Velero's own part of the time, by its timestamps; they have whole seconds.
    pub velero_took: Option<Duration>,
    /// The whole time.
    pub took: Duration,
}

/// An error of the volume's files, with what was to be done: "exchange the content".
fn volume(action: &str) -> impl FnOnce(config_volume::Error) -> Error {
    let action = action.to_owned();
    move |source| Error::Volume { action, source }
}

/// An error of the app, with what was to be done.
fn workload(action: &str, reason: String) -> Error {
    Error::Workload {
        action: action.to_owned(),
        reason,
    }
}
