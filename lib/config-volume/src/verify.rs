//! Is a restored volume what was backed up?

use std::{
    collections::HashSet,
    fmt, io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Checked, DatabaseEntry, Error, FileEntry, Result,
    database::{check_copy, check_live},
    hash::blake3,
    manifest::link_text,
    own::OwnDatabases,
    rules::RootRules,
    sets::{Set, newest},
    tree::{RelPath, Root},
    walk::walk,
};

/// What is known besides the volume itself.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// When the backup ended. A file that was written between the manifest and this moment may differ from what was
    /// promised, which then is a note and no problem.
    pub backup_ended: Option<SystemTime>,
    /// When the backup began. A manifest that is older belongs to another backup: nothing in it vouches for this one.
    pub backup_started: Option<SystemTime>,
    /// Whether a live database counts for more than its copy: the volume was brought by something that copies it as one
    /// whole. After a file-by-file backup it is torn, and the copy counts.
    pub prefers_live: bool,
}

/// What [`verify`] found.
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
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What differs and may.
    pub notes: Vec<Problem>,
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
    /// There is one that cannot be used; `problems` says why.
    Unusable,
}

/// One database that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDatabase {
    /// The database, from the root of the volume.
    pub path: RelPath,
    /// Bytes of its copy, or of its file where there is no manifest.
    pub bytes: u64,
    /// Whether it is sound, and the one that was promised.
    pub sound: bool,
    /// How far it was checked; `None` where the check found something or could not be run.
    pub checked: Option<Checked>,
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
    /// It was made for an earlier backup.
    Stale,
    /// It was written to after the manifest was made, and may differ.
    Written,
}

/// Compares a volume, as a restore brought it, with what its manifest promises.
///
/// * Every database copy has its size and checksum and passes SQLite's check.
/// * Every file that stayed the same while the backup was prepared is there with its size and its checksum, where one
///   was made. A file that begins with what was promised and goes on is a log that was written to: a note.
/// * A different owner or mode is a note: Velero itself does not take it for an error.
///
/// Without a manifest every database that is found is checked as the app would find it; a transaction that was cut off
/// is rolled back then, as the app would do. Nothing else is written. Hostile content gives problems, never a panic.
///
/// # Errors
/// The volume itself cannot be read.
pub fn verify(volume: &Path) -> Result<Verdict> {
    verify_with(volume, &VerifyOptions::default())
}

/// [`verify`] with what is known of the backup.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(volume: &Path, options: &VerifyOptions) -> Result<Verdict> {
    let root = Root::open(volume)?;
    let mut check = Check {
        root: &root,
        made: 0,
        ended: options
            .backup_ended
            .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
            .map(|t| t.as_secs()),
        verdict: Verdict {
            manifest: ManifestState::Absent,
            databases: Vec::new(),
            files: 0,
            bytes: 0,
            problems: Vec::new(),
            notes: Vec::new(),
        },
    };
    let Some(set) = newest(&root)? else {
        check.without_manifest()?;
        return Ok(check.verdict);
    };
    let path = set.manifest_path();
    match root.look(&path) {
        Ok(None) => check.without_manifest()?,
        _ => match set.read() {
            Ok((manifest, files)) => {
                check.made = manifest.made;
                check.verdict.manifest = ManifestState::Read { made: manifest.made };
                manifest
                    .databases
                    .iter()
                    .for_each(|database| check.database(&set, database));
                for file in files.entries()? {
                    check.file(&file?);
                }
            }
            Err(error) => {
                let reason = match error {
                    Error::Manifest { reason, .. } => reason,
                    other => other.to_string(),
                };
                check.verdict.manifest = ManifestState::Unusable;
                check.problem(&path, ProblemKind::ForeignManifest, reason);
                check.without_manifest()?;
            }
        },
    }
    Ok(check.verdict)
}

struct Check<'a> {
    root: &'a Root,
    made: u64,
    ended: Option<u64>,
    verdict: Verdict,
}

impl Check<'_> {
    fn problem(&mut self, path: &RelPath, kind: ProblemKind, text: impl Into<String>) {
        self.verdict.problems.push(Problem {
            path: path.clone(),
            kind,
            text: text.into(),
        });
    }

    fn note(&mut self, path: &RelPath, kind: ProblemKind, text: impl Into<String>) {
        self.verdict.notes.push(Problem {
            path: path.clone(),
            kind,
            text: text.into(),
        });
    }

    fn database(&mut self, set: &Set, entry: &DatabaseEntry) {
        let before = self.verdict.problems.len();
        let (mut bytes, mut checked) = (0, None);
        // A manifest whose copies have no plain names was refused.
        let copy = set.copy(&entry.copy).unwrap_or_else(|_| set.manifest_path());
        match self.root.look(&copy) {
            Ok(None) => self.problem(&entry.path, ProblemKind::Missing, "has no copy in the backup"),
            Err(error) => self.problem(
                &entry.path,
                ProblemKind::Unreadable,
                format!("cannot be read: {error}"),
            ),
            Ok(Some(meta)) if !meta.is_file() => {
                self.problem(
                    &entry.path,
                    ProblemKind::WrongKind,
                    "has something else than a file for its copy",
                );
            }
            Ok(Some(meta)) => {
                bytes = meta.size();
                checked = self.copy(entry, &copy, bytes);
            }
        }
        self.verdict.bytes += bytes;
        let sound = self.verdict.problems.len() == before;
        self.verdict.databases.push(CheckedDatabase {
            path: entry.path.clone(),
            bytes,
            sound,
            checked,
        });
        if matches!(self.root.look(&entry.path), Ok(Some(_))) {
            self.note(
                &entry.path,
                ProblemKind::Written,
                "is there besides its copy, which will be kept aside",
            );
        }
    }

    fn copy(&mut self, entry: &DatabaseEntry, copy: &RelPath, size: u64) -> Option<Checked> {
        if size != entry.size {
            let kind = if size < entry.size {
                ProblemKind::Truncated
            } else {
                ProblemKind::Changed
            };
            self.problem(
                &entry.path,
                kind,
                format!("has a copy of {size} bytes instead of {}", entry.size),
            );
        } else {
            match self.sum(copy, u64::MAX) {
                Ok(sum) if sum == entry.blake3 => {}
                Ok(_) => self.problem(
                    &entry.path,
                    ProblemKind::Changed,
                    "has a copy with another checksum",
                ),
                Err(error) => {
                    self.problem(
                        &entry.path,
                        ProblemKind::Unreadable,
                        format!("cannot be read: {error}"),
                    );
                }
            }
        }
        let checked = check_copy(&self.root.full(copy));
        if let Err(found) = &checked {
            self.problem(&entry.path, ProblemKind::Corrupt, format!("is damaged: {found}"));
        }
        checked.ok()
    }

    fn sum(&self, path: &RelPath, limit: u64) -> io::Result<String> {
        blake3(&mut self.root.read(path)?, limit).map(|(_, sum)| sum)
    }

    fn file(&mut self, entry: &FileEntry) {
        if !entry.stable {
            return;
        }
        let path = &entry.path;
        let meta = match self.root.look(path) {
            Ok(Some(meta)) => meta,
            Ok(None) => return self.problem(path, ProblemKind::Missing, "is missing"),
            Err(error) => {
                return self.problem(
                    path,
                    ProblemKind::Unreadable,
                    format!("cannot be reached: {error}"),
                );
            }
        };
        self.verdict.files += 1;
        if let Some(link) = &entry.link {
            if !meta.is_symlink() {
                self.problem(path, ProblemKind::WrongKind, "is no link");
            } else if self
                .root
                .target(path)
                .map_or_else(|e| e.to_string(), |t| link_text(&t))
                != *link
            {
                self.problem(path, ProblemKind::Changed, "is a link to somewhere else");
            }
            return;
        }
        if !meta.is_file() {
            return self.problem(path, ProblemKind::WrongKind, "is no file");
        }
        self.verdict.bytes += meta.size();
        if (meta.uid(), meta.gid(), meta.mode() & 0o7777) != (entry.uid, entry.gid, entry.mode) {
            let text = format!(
                "has owner {}:{} and mode {:o} instead of {}:{} and {:o}",
                meta.uid(),
                meta.gid(),
                meta.mode() & 0o7777,
                entry.uid,
                entry.gid,
                entry.mode
            );
            self.note(path, ProblemKind::OwnerOrMode, text);
        }
        let Some((kind, text)) = self.difference(entry, meta.size()) else {
            return;
        };
        let written = u64::try_from(meta.mtime()).unwrap_or(0);
        if kind == ProblemKind::Written || self.ended.is_some_and(|end| (self.made..=end).contains(&written))
        {
            self.note(path, ProblemKind::Written, text);
        } else {
            self.problem(path, kind, text);
        }
    }

    fn difference(&self, entry: &FileEntry, size: u64) -> Option<(ProblemKind, String)> {
        let resized = format!("has {size} bytes instead of {}", entry.size);
        if size < entry.size {
            return Some((ProblemKind::Truncated, resized));
        }
        let Some(wanted) = &entry.blake3 else {
            return (size != entry.size).then_some((ProblemKind::Changed, resized));
        };
        match self.sum(&entry.path, entry.size) {
            Err(error) => Some((ProblemKind::Unreadable, format!("cannot be read: {error}"))),
            Ok(sum) if sum != *wanted => Some((ProblemKind::Changed, "has another content".to_owned())),
            // A promise of nothing is no beginning.
            Ok(_) if size > entry.size && entry.size == 0 => Some((ProblemKind::Changed, resized)),
            Ok(_) if size > entry.size => {
                Some((ProblemKind::Written, format!("was written to: it {resized}")))
            }
            Ok(_) => None,
        }
    }

    fn without_manifest(&mut self) -> Result<()> {
        let rules = RootRules::default();
        let found = walk(self.root, &rules, &OwnDatabases::default(), &mut |_| Ok(()))?;
        let mut seen = HashSet::new();
        for database in found.databases {
            if !seen.insert(database.path.clone()) {
                continue;
            }
            let bytes = database.meta.size();
            let result = check_live(&self.root.full(&database.path));
            let checked = result.as_ref().ok().copied();
            if let Err(reason) = result {
                self.problem(
                    &database.path,
                    ProblemKind::Corrupt,
                    format!("is damaged: {reason}"),
                );
            }
            self.verdict.bytes += bytes;
            self.verdict.databases.push(CheckedDatabase {
                path: database.path,
                bytes,
                sound: checked.is_some(),
                checked,
            });
        }
        Ok(())
    }
}
