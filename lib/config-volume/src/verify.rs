//! Is a restored volume what was backed up?

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    CheckedDatabase, DatabaseEntry, Error, FOLDER, FileEntry, Manifest, ManifestState, Problem, ProblemKind,
    Result, Verdict,
    database::{check_copy, check_live},
    files::Files,
    folder::holds_ours,
    hash::blake3,
    manifest::link_text,
    own::OwnDatabases,
    rules::RootRules,
    sets::{Set, newest},
    sums::{Sum, Summed},
    tree::{Kind, LastFolder, RelPath, Root},
    walk::walk,
};

/// How far the clocks of the machine that made the manifest and of the one that ran the backup may be apart.
const CLOCK_SLACK: u64 = 120;
/// What that means of a manifest.
const OTHER: &str = "for another one, or the clocks of the app's node and of Velero's server differ";
/// So many problems, and so many notes, are listed. A volume whose files all differ has millions.
const LISTED: usize = 1000;

/// What is known besides the volume itself.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// When the backup ended. A file that was written between the manifest and this moment may differ from what was
    /// promised, which then is a note and no problem; but for a database. A manifest that is later belongs to another backup.
    pub backup_ended: Option<SystemTime>,
    /// When the backup began. A manifest that is older belongs to another backup: nothing in it vouches for this one.
    pub backup_started: Option<SystemTime>,
    /// Whether a live database counts for more than its copy: the volume was brought by something that copies it as one
    /// whole. After a file-by-file backup it is torn, and the copy counts.
    pub prefers_live: bool,
}

/// Compares a volume, as a restore brought it, with what its manifest promises.
///
/// * Every database copy has its size and checksum and passes SQLite's check. So does a database that was stored as a file
///   because nobody used it.
/// * A database that is not the app's own may be damaged when it is byte for byte what was backed up: a note.
/// * Every file that stayed the same while the backup was prepared is there with its size and its checksum, where one
///   was made. A file that begins with what was promised and goes on is a log that was written to: a note.
/// * A database that is in no list appeared while the backup ran: it is checked as the app would find it.
/// * A different owner or mode is a note: Velero itself does not take it for an error.
/// * The manifest was made while the backup ran ([`VerifyOptions::backup_started`], [`VerifyOptions::backup_ended`]): an
///   older or later one vouches for nothing.
///
/// * Copies that were being made when the volume was stored are no set, and a problem.
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
    verify_watched(volume, options, &mut |_| {})
}

/// [`verify_with`], and `progress` is told how many bytes of databases and files are judged.
///
/// # Errors
/// As [`verify`].
pub fn verify_watched(
    volume: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Verdict> {
    let root = Root::open(volume)?;
    let mut check = Check {
        root: &root,
        options,
        progress,
        made: 0,
        ended: options.backup_ended.and_then(seconds),
        folder: LastFolder::new(&root),
        problems: 0,
        verdict: Verdict {
            manifest: ManifestState::Absent,
            databases: Vec::new(),
            files: 0,
            bytes: 0,
            problems: Vec::new(),
            notes: Vec::new(),
            unlisted: 0,
            warnings: Vec::new(),
            about: BTreeMap::new(),
        },
    };
    let Some(set) = newest(&root)? else {
        check.no_set_was_being_made();
        check.without_manifest()?;
        return Ok(check.verdict);
    };
    let path = set.manifest_path();
    match set.read() {
        Ok((manifest, files)) => check.set(&set, &manifest, files)?,
        Err(error) => {
            check.verdict.manifest = match error {
                Error::LaterManifest { version, .. } => ManifestState::Later { version },
                _ => ManifestState::Unusable,
            };
            check.problem(&path, ProblemKind::ForeignManifest, reason(error));
            check.without_manifest()?;
        }
    }
    Ok(check.verdict)
}

fn reason(error: Error) -> String {
    match error {
        Error::Manifest { reason, .. } => reason,
        other => other.to_string(),
    }
}

fn seconds(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

struct Check<'a> {
    root: &'a Root,
    options: &'a VerifyOptions,
    progress: &'a mut dyn FnMut(u64),
    made: u64,
    ended: Option<u64>,
    folder: LastFolder<'a>,
    /// How many problems there are, listed or not.
    problems: u64,
    verdict: Verdict,
}

impl Check<'_> {
    fn list(&mut self, path: &RelPath, kind: ProblemKind, text: String, is_problem: bool) {
        let list = if is_problem {
            &mut self.verdict.problems
        } else {
            &mut self.verdict.notes
        };
        if list.len() >= LISTED {
            self.verdict.unlisted += 1;
            return;
        }
        list.push(Problem {
            path: path.clone(),
            kind,
            text,
        });
    }

    fn judged(&mut self, bytes: u64) {
        self.verdict.bytes += bytes;
        (self.progress)(self.verdict.bytes);
    }

    fn problem(&mut self, path: &RelPath, kind: ProblemKind, text: impl Into<String>) {
        self.problems += 1;
        self.list(path, kind, text.into(), true);
    }

    fn note(&mut self, path: &RelPath, kind: ProblemKind, text: impl Into<String>) {
        self.list(path, kind, text.into(), false);
    }

    /// Compares the volume with what a set promises.
    fn set(&mut self, set: &Set, manifest: &Manifest, files: Files) -> Result<()> {
        let path = &set.manifest_path();
        if let Some(text) = self.of_another_time(manifest) {
            if self.options.prefers_live {
                // What a backup that was cut short left in the volume; the live files do not need it.
                self.note(path, ProblemKind::Stale, text);
                return self.without_manifest();
            }
            self.problem(path, ProblemKind::Stale, text);
        }
        self.made = manifest.made;
        self.verdict.manifest = ManifestState::Read { made: manifest.made };
        self.verdict.warnings.clone_from(&manifest.warnings);
        self.verdict.about.clone_from(&manifest.about);
        for database in &manifest.databases {
            self.database(set, database);
        }
        let mut unlisted = self.other_databases(manifest)?;
        let mut listed = 0;
        let entries = match files.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(path, ProblemKind::ForeignManifest, list_trouble(error));
                return Ok(());
            }
        };
        for entry in Summed::of(self.root, entries) {
            match entry {
                Ok((entry, sum)) => {
                    listed += 1;
                    let is_known_file = !entry.stable && self.is_warned_of(manifest, &entry.path);
                    if self.file(&entry, sum) || is_known_file || entry.database.is_some() {
                        unlisted.remove(&entry.path);
                    }
                }
                Err(error) => {
                    self.problem(path, ProblemKind::ForeignManifest, list_trouble(error));
                    return Ok(());
                }
            }
        }
        if listed != manifest.file_count {
            self.problem(
                path,
                ProblemKind::ForeignManifest,
                format!("has a list of {listed} files instead of {}", manifest.file_count),
            );
        }
        // Made while the backup ran: whatever was written to them then, they may have been read half of it.
        for path in unlisted {
            self.live(&path);
        }
        Ok(())
    }

    /// What looks like a database in the volume and is none of those that were copied.
    fn other_databases(&self, manifest: &Manifest) -> Result<BTreeSet<RelPath>> {
        let copied: HashSet<&RelPath> = manifest.databases.iter().map(|entry| &entry.path).collect();
        let own = OwnDatabases::default();
        let found = walk(self.root, &RootRules::everything(), &own, &mut |_| Ok(()))?;
        let paths = found.databases.into_iter().map(|database| database.path);
        Ok(paths.filter(|path| !copied.contains(path)).collect())
    }

    /// The folder is there while a backup needs it, or for what others put into it. With something of ours and without a set in it, the volume was stored while copies were being made: the
    /// live databases were in use then, and no copy vouches for them.
    fn no_set_was_being_made(&mut self) {
        let folder = RelPath::child(None, FOLDER.as_bytes());
        // What cannot be read is not known to be somebody else's.
        if holds_ours(self.root.path()).unwrap_or(true) {
            let text =
                "holds no set of copies that was finished: the volume was stored while one was being made";
            let is_problem = !self.options.prefers_live;
            self.problems += u64::from(is_problem);
            self.list(&folder, ProblemKind::Missing, text.to_owned(), is_problem);
        }
    }

    /// Whether the manifest says something of a path: that it looks like a database and is stored as a file, for one.
    fn is_warned_of(&self, manifest: &Manifest, path: &RelPath) -> bool {
        manifest.warnings.iter().any(|warning| warning.path == *path)
    }

    /// Why a manifest is none of this backup's, by its time.
    fn of_another_time(&self, manifest: &Manifest) -> Option<String> {
        let started = self.options.backup_started.and_then(seconds);
        let apart =
            |from: Option<u64>, to: Option<u64>| to?.checked_sub(from?).filter(|apart| *apart > CLOCK_SLACK);
        let made = Some(manifest.made);
        if let Some(early) = apart(made, started) {
            return Some(format!(
                "was made {early} seconds before this backup began: {OTHER}"
            ));
        }
        // Left over from when the clock was ahead.
        apart(self.ended, made)
            .map(|late| format!("was made {late} seconds after this backup had ended: {OTHER}"))
    }

    fn database(&mut self, set: &Set, entry: &DatabaseEntry) {
        // A manifest whose copies have no plain names was refused.
        let copy = set.copy(&entry.copy).unwrap_or_else(|_| set.manifest_path());
        if matches!(self.root.look(&entry.path), Ok(Some(_))) {
            if self.options.prefers_live {
                self.note(
                    &entry.path,
                    ProblemKind::Written,
                    "is there besides its copy, which will be kept aside",
                );
                return self.live(&entry.path);
            }
            self.note(
                &entry.path,
                ProblemKind::Written,
                "is there besides its copy: it was stored while it may have been written to, and will be kept aside",
            );
        }
        let before = self.problems;
        let (mut bytes, mut checked, mut damaged) = (0, None, false);
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
                // Both read all of it: the second one out of the page cache.
                let full = self.root.full(&copy);
                let (as_made, found) = thread::scope(|scope| {
                    let checking = scope.spawn(|| check_copy(&full));
                    let as_made = self.copy(entry, &copy, bytes);
                    let found = checking.join();
                    (
                        as_made,
                        found.unwrap_or_else(|_| Err("the check ended early".to_owned())),
                    )
                });
                match found {
                    Ok(how_far) => checked = Some(how_far),
                    Err(found) => {
                        damaged = true;
                        self.damage(&entry.path, &found, as_made && !entry.own);
                    }
                }
            }
        }
        self.judged(bytes);
        let sound = self.problems == before && !damaged;
        self.verdict.databases.push(CheckedDatabase {
            is_copy: true,
            path: entry.path.clone(),
            bytes,
            sound,
            checked,
        });
    }

    /// Whether a copy has the size and the checksum that were promised.
    fn copy(&mut self, entry: &DatabaseEntry, copy: &RelPath, size: u64) -> bool {
        let (kind, text) = if size != entry.size {
            let kind = if size < entry.size {
                ProblemKind::Truncated
            } else {
                ProblemKind::Changed
            };
            (
                kind,
                format!("has a copy of {size} bytes instead of {}", entry.size),
            )
        } else {
            match self
                .root
                .read(copy)
                .and_then(|mut file| blake3(&mut file, u64::MAX))
            {
                Ok((_, sum)) if sum == entry.blake3 => return true,
                Ok(_) => (
                    ProblemKind::Changed,
                    "has a copy with another checksum".to_owned(),
                ),
                Err(error) => (ProblemKind::Unreadable, format!("cannot be read: {error}")),
            }
        };
        self.problem(&entry.path, kind, text);
        false
    }

    /// `was_before` says that the backup holds what was there, and nobody needs it.
    fn damage(&mut self, path: &RelPath, found: &str, was_before: bool) {
        if was_before {
            self.note(
                path,
                ProblemKind::Corrupt,
                format!("is damaged, and was before the backup: {found}"),
            );
        } else {
            self.problem(path, ProblemKind::Corrupt, format!("is damaged: {found}"));
        }
    }

    /// Checks a database as the app would find it.
    fn live(&mut self, path: &RelPath) {
        let bytes = self.root.look(path).ok().flatten().map_or(0, |meta| meta.size());
        let checked = match check_live(&self.root.full(path)) {
            Ok(how_far) => Some(how_far),
            Err(found) => {
                self.damage(path, &found, false);
                None
            }
        };
        self.judged(bytes);
        self.verdict.databases.push(CheckedDatabase {
            is_copy: false,
            path: path.clone(),
            bytes,
            sound: checked.is_some(),
            checked,
        });
    }

    /// Says whether a file is the one that was promised.
    fn file(&mut self, entry: &FileEntry, sum: Sum) -> bool {
        if entry.database.is_none() {
            return entry.stable && self.is_as_promised(entry, sum);
        }
        // It was to stay the same for as long as the backup runs, and under its name.
        let as_promised = !entry.path.is_utf8() || self.is_as_promised(entry, sum);
        self.database_file(entry, as_promised);
        as_promised
    }

    /// A database that nobody used, which was stored as the file it is.
    fn database_file(&mut self, entry: &FileEntry, as_promised: bool) {
        let path = &entry.path;
        let look = self
            .folder
            .of(path)
            .and_then(|folder| folder.stat(path.name().as_encoded_bytes()));
        let Ok(Some(meta)) = look else { return };
        if meta.kind != Kind::File {
            return;
        }
        let before = self.problems;
        for suffix in ["-wal", "-journal"] {
            let beside = path.with_suffix(suffix);
            if matches!(self.root.look(&beside), Ok(Some(meta)) if meta.size() > 0) {
                self.problem(
                    path,
                    ProblemKind::Changed,
                    format!("was opened while the backup ran: {beside} would be replayed onto it"),
                );
            }
        }
        let as_promised = as_promised && self.problems == before;
        let checked = check_copy(&self.root.full(path));
        if let Err(found) = &checked {
            let was_before = entry.stable && as_promised && entry.blake3.is_some();
            self.damage(path, found, was_before);
        }
        self.verdict.databases.push(CheckedDatabase {
            is_copy: false,
            path: path.clone(),
            bytes: meta.size,
            sound: as_promised && checked.is_ok(),
            checked: checked.ok(),
        });
    }

    /// Compares a file that is promised; says whether nothing but owner and mode differ.
    fn is_as_promised(&mut self, entry: &FileEntry, sum: Sum) -> bool {
        let path = &entry.path;
        let name = path.name().as_encoded_bytes();
        let meta = match self.folder.of(path).and_then(|folder| folder.stat(name)) {
            Ok(Some(meta)) => meta,
            Ok(None) => {
                self.problem(path, ProblemKind::Missing, "is missing");
                return false;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.problem(path, ProblemKind::Missing, "is missing");
                return false;
            }
            Err(error) => {
                self.problem(
                    path,
                    ProblemKind::Unreadable,
                    format!("cannot be reached: {error}"),
                );
                return false;
            }
        };
        self.verdict.files += 1;
        if let Some(link) = &entry.link {
            let target = self.folder.of(path).and_then(|folder| folder.target(name));
            let (kind, text) = match target {
                _ if meta.kind != Kind::Link => (ProblemKind::WrongKind, "is no link"),
                Ok(target) if link_text(&target) == *link => return true,
                _ => (ProblemKind::Changed, "is a link to somewhere else"),
            };
            self.problem(path, kind, text);
            return false;
        }
        if meta.kind != Kind::File {
            self.problem(path, ProblemKind::WrongKind, "is no file");
            return false;
        }
        self.judged(meta.size);
        if (meta.uid, meta.gid, meta.mode) != (entry.uid, entry.gid, entry.mode) {
            let text = format!(
                "has owner {}:{} and mode {:o} instead of {}:{} and {:o}",
                meta.uid, meta.gid, meta.mode, entry.uid, entry.gid, entry.mode
            );
            self.note(path, ProblemKind::OwnerOrMode, text);
        }
        let Some((kind, text)) = difference(entry, meta.size, sum) else {
            return true;
        };
        let written = u64::try_from(meta.modified.0).unwrap_or(0);
        let was_written = kind == ProblemKind::Written
            || self.ended.is_some_and(|end| (self.made..=end).contains(&written));
        // A database is no log that may grow, and half a change damages it.
        if entry.database.is_none() && was_written {
            self.note(path, ProblemKind::Written, text);
        } else {
            self.problem(path, kind, text);
        }
        false
    }

    fn without_manifest(&mut self) -> Result<()> {
        let own = OwnDatabases::default();
        let found = walk(self.root, &RootRules::everything(), &own, &mut |_| Ok(()))?;
        for database in found.databases {
            self.live(&database.path);
        }
        Ok(())
    }
}

fn difference(entry: &FileEntry, size: u64, sum: Sum) -> Option<(ProblemKind, String)> {
    let resized = format!("has {size} bytes instead of {}", entry.size);
    if size < entry.size {
        return Some((ProblemKind::Truncated, resized));
    }
    let Some(wanted) = &entry.blake3 else {
        return (size != entry.size).then_some((ProblemKind::Changed, resized));
    };
    match sum {
        // It was not there, or too short, when it was to be read.
        None => Some((ProblemKind::Unreadable, "changed while it was read".to_owned())),
        Some(Err(error)) => Some((ProblemKind::Unreadable, format!("cannot be read: {error}"))),
        Some(Ok(sum)) if sum != *wanted => Some((ProblemKind::Changed, "has another content".to_owned())),
        // A promise of nothing is no beginning.
        Some(Ok(_)) if size > entry.size && entry.size == 0 => Some((ProblemKind::Changed, resized)),
        Some(Ok(_)) if size > entry.size => {
            Some((ProblemKind::Written, format!("was written to: it {resized}")))
        }
        Some(Ok(_)) => None,
    }
}

fn list_trouble(error: Error) -> String {
    format!("has a list of files that cannot be used: {}", reason(error))
}
