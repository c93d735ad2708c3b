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

use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::backups::BackupSummary;

#[doc(hidden)]
pub use beside::Beside;
pub use commands::{BY_HAND, UnitPod, exchanged_by_hand};
#[doc(hidden)]
pub use plan::plan_restore_beside;
#[cfg(feature = "testing")]
pub(crate) use plan::run_of;
pub use plan::{RestorePlan, RestoreRequest, VerifyPlan, plan_restore, plan_verify};
pub use restore::restore;
#[doc(hidden)]
pub use restore::restore_beside;
pub use settle::{Settled, needs_elsewhere, settle, unfinished};
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

    /// Looks at a restored volume in `folder`: does the app's own file read as such? `promised` says whether a manifest told
    /// what has to be there; without one the app's databases are looked for here. What is wrong, a line each.
    fn examine(&mut self, folder: &Path, promised: bool) -> Vec<String>;
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
