//! What the check of a restored volume finds.

use std::{collections::BTreeMap, fmt};

use crate::{DatabaseCheck, Warning, tree::RelPath};

/// What [`crate::verify`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether there is a manifest, and when it was made (seconds since 1970).
    pub manifest: ManifestState,
    /// Each database that was looked at.
    pub databases: Vec<CheckedDatabase>,
    /// Ordinary files that were compared with what was promised.
    pub files: u64,
    /// Bytes of the databases and files that were read.
    pub bytes: u64,
    /// What is wrong; the first thousand.
    pub problems: Vec<Problem>,
    /// What differs and may; the first thousand.
    pub notes: Vec<Problem>,
    /// Problems and notes that are not listed.
    pub unlisted: u64,
    /// What the manifest says that a person should know, such as a database of the app's that was missing.
    pub warnings: Vec<Warning>,
    /// What the manifest says of the app that used the volume; empty before version 3.
    pub about: BTreeMap<String, String>,
}

impl Verdict {
    /// Whether everything that was promised is there.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        matches!(self.manifest, ManifestState::Read { .. }) && self.problems.is_empty()
    }
}

/// Whether a volume has a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestState {
    /// It has one.
    Read {
        /// When it was made: seconds since 1970.
        made: u64,
    },
    /// It has none: it was not backed up by this program, or is in use already.
    Absent,
    /// A later program made it. It says nothing against the backup, though it is among the `problems`: the files cannot be compared.
    Later {
        /// Its version.
        version: u32,
    },
    /// There is one that cannot be used; `problems` says why.
    Unusable,
}

/// One database that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDatabase {
    /// The database, from the root of the volume.
    pub path: RelPath,
    /// Whether its copy was looked at, and not the file in its place.
    pub is_copy: bool,
    /// Bytes of its copy, or of its file where that was looked at.
    pub bytes: u64,
    /// Whether it is sound, and the one that was promised.
    pub sound: bool,
    /// How far it was checked; `None` where the check found something or could not be run.
    pub checked: Option<DatabaseCheck>,
}

/// One thing that is wrong or different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which file; a database's copy goes by the database.
    pub path: RelPath,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// The particulars, in words.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.text)
    }
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// It is not there.
    Missing,
    /// It is shorter than promised.
    Truncated,
    /// Size, checksum or target differ.
    Changed,
    /// SQLite finds it damaged.
    Corrupt,
    /// Another kind of thing is at its place: a folder, a link.
    WrongKind,
    /// It cannot be read.
    Unreadable,
    /// The manifest is of another format or version, or damaged.
    ForeignManifest,
    /// Owner, group or mode differ.
    OwnerOrMode,
    /// It was made for another backup.
    Stale,
    /// It was written to after the manifest was made, and may differ.
    Written,
}
