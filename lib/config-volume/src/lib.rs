//! Make a folder with live SQLite databases safe to back up file by file, and put it back after a restore.
//!
//! A backup that copies files while an app writes them holds torn databases. [`prepare`] runs before it: each database is
//! copied into `.config-backup/` as of one committed transaction, and the live files are left out by a `.kopiaignore`.
//! [`finish`] checks the copies and takes all of that away again. A restored volume then holds copies and no live databases:
//! [`put_in_place`] moves them to where the app looks, and [`verify`] says beforehand whether all is there. [`withdraw`] takes
//! everything back where nobody will finish it, [`measure`] tells what a backup would hold.
//!
//! The crate knows no Juju, no Kubernetes and no app. README.md has the layout, the promises and the measurements.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let volume = folder.path();
//! # std::fs::write(volume.join("config.xml"), "<Config/>")?;
//! use config_volume::{Options, finish, prepare, put_in_place};
//!
//! let options = Options { leave_out: vec!["/MediaCover/".into()], ..Options::default() };
//! let prepared = prepare(volume, &options)?; // before the backup
//! assert_eq!(prepared.open, 1);
//! assert_eq!(finish(volume)?.still_open, 0); // after it
//! assert!(put_in_place(volume)?.origin.is_none()); // before the app starts
//! # Ok(())
//! # }
//! ```

mod ask;
mod beside;
mod check;
mod copy;
mod database;
mod error;
mod files;
mod finish;
mod folder;
mod hash;
mod identity;
mod idle;
mod ignore;
mod list;
mod manifest;
mod measure;
mod names;
mod options;
mod own;
mod parallel;
mod pattern;
mod place;
mod prepare;
mod rules;
mod sets;
mod sums;
mod swap;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tree;
mod verdict;
mod verify;
mod walk;

pub use ask::{
    Answer, AnswerKind, Answers, Question, Secret, Secrets, SecretsQuestion, Source, Unanswered, ask,
    ask_restored, is_plain, secrets, secrets_restored,
};
pub use database::DatabaseCheck;
pub use error::{Error, Result, causes};
pub use finish::{Finished, finish, finish_watched};
pub use manifest::{
    DatabaseEntry, FORMAT, FileEntry, IdleDatabase, JournalMode, LeftOut, Manifest, Reason, VERSION, Warning,
};
pub use measure::{Contents, measure};
pub use names::{BY_HAND, FOLDER, IGNORE_FILE, RESTORE_FOLDER, VELERO_MARKER};
pub use options::{Options, Step, Watcher};
pub use pattern::Pattern;
pub use place::{
    Aside, Origin, PlaceOptions, PutInPlace, put_in_place, put_in_place_with, withdraw, withdraw_watched,
};
pub use prepare::{Prepared, prepare};
pub use sets::{OpenSet, open_sets};
pub use swap::{
    FileSystem, GivenUp, OutsideLinks, Swap, SwapOptions, SwapPeek, SwapState, SwapStep, SwapWatcher,
    UnpackLimits, Unpacked, bytes_of, room, unpack,
};
pub use tree::RelPath;
pub use verdict::{CheckedDatabase, ManifestState, Problem, ProblemKind, Verdict};
pub use verify::{VerifyOptions, verify, verify_watched, verify_with};
