//! Before a backup: copies, manifest, ignore file.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    DatabaseEntry, Error, LeftOut, Manifest, Options, PlaceOptions, Reason, Result, Step, Unanswered,
    Warning,
    ask::ask_copies,
    copy::Source,
    database::settle,
    error::causes,
    files::FILES,
    folder::{Folder, remove_file, sync_folder},
    list::Listing,
    manifest::{FORMAT, VERSION, said},
    own::OwnDatabases,
    parallel::each,
    place::{InUse, put_in_place_locked},
    rules::RootRules,
    swap::state::refuse_unproven,
    tree::{RelPath, Root},
    walk::{Found, Scan, live_line, walk},
};

/// Bytes for the head of the manifest, for blocks that are not full, and for folders.
const BESIDES: u64 = 256 << 10;

/// What is ready for a backup.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prepared {
    /// The set that was made for this backup, by its id.
    pub set: String,
    /// How many backups have not ended, this one included.
    pub open: u32,
    /// What the backup will hold and what it will not.
    pub manifest: Manifest,
    /// What was asked and could not be answered.
    pub unanswered: Vec<Unanswered>,
    /// The counts of which the backup holds none, since their database is not in it ([`crate::Answers::lacking`]).
    pub lacking: Vec<String>,
}

/// Makes a volume ready to be backed up file by file; to be run before each backup, with one [`crate::finish`] after it.
///
/// Each backup gets a set of copies of its own, which holds what was committed when this was called; several may run at once.
/// Sets that no backup can be reading any more are removed first: those older than [`Options::stale_after`], and all when
/// none is open. A volume that was restored and never put in place is put in place first.
///
/// # Errors
/// A bad pattern, a restore that is not at its end, a full file system, a database of the app's own that stays locked or that cannot be opened, or a failed
/// call. Whether the copies are sound all the way through is checked after the backup, by [`crate::finish`]. After an error
/// nothing of this call is left that another backup does not need, and the app's files are as they were.
pub fn prepare(volume: &Path, options: &Options) -> Result<Prepared> {
    Options::patterns(&options.leave_out)?;
    let own = OwnDatabases::new(options)?;
    let root = Root::open(volume)?;
    let lock =
        || Folder::lock(&root, true, options.lock_timeout, &options.watcher)?.ok_or_else(|| gone(&root));
    // Before the lock, which leaves a folder behind; and under it, since an exchange may have got so far meanwhile.
    let refuse_unproven = || match options.takes_restored {
        true => Ok(()),
        false => refuse_unproven(&root),
    };
    refuse_unproven()?;
    let mut folder = lock()?;
    refuse_unproven()?;
    // The copies of a restored volume are the only ones there are. With Velero's marker no start has used it yet, and a live
    // database is what an upload tore. Without it the app may be running, and a live database stays whatever it is worth.
    if folder.is_foreign()? {
        let options = PlaceOptions {
            watcher: options.watcher.clone(),
            ..PlaceOptions::default()
        };
        put_in_place_locked(folder, &options, InUse::Leave)?;
        folder = lock()?;
    }
    let mut job = Job {
        root: &root,
        options,
        own,
    };
    let mut progress = Progress::default();
    match job.build(&folder, &mut progress) {
        Ok(prepared) => Ok(prepared),
        Err(error) => {
            let full = error.is_full();
            // If this fails too, the next run does it; the first error is the one to know.
            let _ = job.take_back(folder, &progress);
            Err(if full { job.no_space(error) } else { error })
        }
    }
}

fn gone(root: &Root) -> Error {
    Error::io("use the volume", root.path())(std::io::ErrorKind::NotFound.into())
}

/// How far a run came, for one that fails.
#[derive(Debug, Default)]
struct Progress {
    /// The id of the set that is said to be open.
    open: Option<String>,
}

struct Job<'a> {
    root: &'a Root,
    options: &'a Options,
    own: OwnDatabases,
}

impl Job<'_> {
    fn build(&mut self, folder: &Folder<'_>, progress: &mut Progress) -> Result<Prepared> {
        let now = self.options.time();
        folder.remove_leftovers(now, self.options.stale_after)?;
        folder.certify()?;
        self.options.watcher.at(Step::Cleared)?;
        // What another backup leaves out because it has a copy must be copied for this one too: whichever ignore file and
        // whichever sets an uploader comes to see, the newest of them then holds it.
        for set in folder.sets()? {
            // Without its manifest that one is lost anyway, as its `finish` finds.
            let databases = set
                .manifest()
                .map(|manifest| manifest.databases)
                .unwrap_or_default();
            self.own
                .copy_also(databases.into_iter().map(|database| database.path));
        }
        let databases = folder.start_unfinished()?;
        let mut rules = RootRules::new(folder.user_ignore()?.as_deref(), &self.options.leave_out)?;
        let mut listing = Listing::create(self.root, &folder.unfinished().join(FILES), self.options)?;
        let mut awaited: Vec<_> = self.own.awaited(self.root).collect();
        let scan = walk(self.root, &rules, &self.own, &mut |entry| listing.add(&entry))?;
        let Scan {
            databases: found,
            mut left_out,
            mut warnings,
            ..
        } = scan;
        let own: Vec<_> = found
            .iter()
            .filter(|found| found.own)
            .map(|found| found.path.clone())
            .collect();
        let (entries, uncopied) = self.copy_all(found, &databases)?;
        // All of them were copied, unless the app has just removed one.
        for path in own {
            if entries.iter().all(|entry| entry.path != path) {
                warnings.push(Warning {
                    path: path.clone(),
                    text: "it is missing: the app removed it while the backup was prepared".to_owned(),
                });
                awaited.push(path);
            }
        }
        for Uncopied { found, reason } in uncopied {
            listing.add_uncopied(&found)?;
            left_out.retain(|part: &LeftOut| {
                (part.reason, part.pattern.as_str())
                    != (Reason::LiveDatabase, live_line(&found.path).as_str())
            });
            warnings.push(Warning {
                path: found.path,
                text: format!("it looks like a database and cannot be copied, so it is stored as the file it is: {reason}"),
            });
        }
        let count = listing.finish()?;
        for entry in &entries {
            rules.push_database(&entry.path)?;
        }
        for path in awaited {
            rules.push_awaited(&path)?;
        }
        let copy_of = |path: &RelPath| entries.iter().find(|entry| entry.path == *path);
        let answers = ask_copies(
            self.root,
            &self.options.questions,
            |path| Some(databases.join(&copy_of(path)?.copy)),
            |path| self.own.named(path).is_some(),
        );
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            made: seconds(now),
            databases: entries,
            file_count: count.files,
            file_bytes: count.bytes,
            left_out,
            warnings,
            about: said(&self.options.about),
            answers: answers.given,
        };
        folder.write_manifest(&folder.unfinished(), &manifest)?;
        folder.write_readme()?;
        folder.stage_ignore(rules.text())?;
        self.options.watcher.at(Step::ManifestWritten)?;
        let set = folder.new_id(now)?;
        progress.open = Some(set.clone());
        folder.write_open(&set)?;
        self.options.watcher.at(Step::OpenWritten)?;
        folder.show_set(&set)?;
        self.options.watcher.at(Step::SetVisible)?;
        folder.show_ignore()?;
        let open = folder.in_use(now, self.options.stale_after)?.len();
        Ok(Prepared {
            set,
            open: u32::try_from(open).unwrap_or(u32::MAX),
            manifest,
            unanswered: answers.unanswered,
            lacking: answers.lacking,
        })
    }

    /// Takes back what a failed run did. While other backups run, a set that was to be seen stays until they have ended: they
    /// may be reading it.
    fn take_back(&self, folder: Folder<'_>, progress: &Progress) -> Result<()> {
        if let Some(id) = &progress.open {
            folder.close(id)?;
        }
        folder.remove_leftovers(self.options.time(), self.options.stale_after)?;
        if folder
            .in_use(self.options.time(), self.options.stale_after)?
            .is_empty()
        {
            return folder.remove();
        }
        Ok(())
    }

    /// Copies the databases. Those that are not the app's own and cannot be copied are answered besides.
    fn copy_all(&self, found: Vec<Found>, to: &Path) -> Result<(Vec<DatabaseEntry>, Vec<Uncopied>)> {
        // Closed after the last database: see `copy`.
        let mut kept = Vec::new();
        let (mut sources, mut uncopied) = (Vec::new(), Vec::new());
        for found in found {
            let again = found.clone();
            let Options {
                busy_timeout,
                watcher,
                ..
            } = self.options;
            match Source::open(self.root, found, *busy_timeout, &mut kept, watcher) {
                Ok(source) => sources.extend(source),
                Err(error) => uncopied.push(self.may_stay_a_file(again, error)?),
            }
        }
        let copies = sources
            .iter()
            .map(|source| source.room(to))
            .fold(0, u64::saturating_add);
        let needed = copies + BESIDES + self.options.reserve;
        let free = self
            .root
            .free()
            .map_err(Error::io("measure the volume", self.root.path()))?;
        if needed > free {
            return Err(Error::NoSpace {
                needed,
                reserve: self.options.reserve,
                free,
            });
        }
        self.options.watcher.at(Step::SpaceChecked)?;
        let (copied, ()) = each(sources, |number, source| self.copy_one(source, number, to), || ());
        let mut entries = Vec::new();
        for copied in copied {
            match copied? {
                Copy::Made(entry) => entries.push(entry),
                Copy::Failed(failed) => uncopied.push(failed),
                Copy::Gone => {}
            }
        }
        sync_folder(to)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.options.watcher.at(Step::CopiesOnDisk)?;
        Ok((entries, uncopied))
    }

    fn copy_one(&self, source: Source, number: usize, to: &Path) -> Result<Copy> {
        let copy = format!("{number}.sqlite");
        let path = to.join(&copy);
        let copied = source
            .copy(self.root, &path, self.options.busy_timeout, &self.options.watcher)
            .and_then(|there| {
                self.options.watcher.at(Step::Copied)?;
                there.then(|| settle(&source.found.path, &path)).transpose()
            });
        let found = source.close();
        let copied = match copied {
            Ok(Some(copied)) => copied,
            Ok(None) => return Ok(Copy::Gone),
            Err(error) => {
                let failed = self.may_stay_a_file(found, error)?;
                for suffix in ["", "-wal", "-shm", "-journal"] {
                    remove_file(&to.join(format!("{copy}{suffix}")))?;
                }
                return Ok(Copy::Failed(failed));
            }
        };
        Ok(Copy::Made(DatabaseEntry {
            path: found.path,
            copy,
            size: copied.size,
            mode: found.meta.mode() & 0o7777,
            uid: found.meta.uid(),
            gid: found.meta.gid(),
            blake3: copied.blake3,
            journal_mode: found.journal_mode,
            own: found.own,
        }))
    }

    /// A stray file that only looks like a database does not fail the backup. A full volume does, and so does a database of the
    /// app's own, or one that a running backup leaves out because it could be copied a moment ago.
    fn may_stay_a_file(&self, found: Found, error: Error) -> Result<Uncopied> {
        if found.own || error.is_full() || self.own.must_be_copied(&found.path) {
            return Err(error);
        }
        let reason = match error {
            Error::Unsound { reason, .. } => format!("it is damaged: {reason}"),
            Error::Busy { waited, .. } => format!("it was locked for {waited:?}"),
            other => causes(&other),
        };
        Ok(Uncopied { found, reason })
    }

    fn no_space(&self, error: Error) -> Error {
        if matches!(error, Error::NoSpace { .. }) {
            return error;
        }
        // What was there has been cleaned up; what is free now is what the next try will find.
        let free = self.root.free().unwrap_or(0);
        let user = Folder::user_ignore_of(self.root).unwrap_or_default();
        let sizes = RootRules::new(user.as_deref(), &self.options.leave_out)
            .and_then(|rules| walk(self.root, &rules, &self.own, &mut |_| Ok(())))
            .unwrap_or_default()
            .databases;
        let copies = sizes
            .iter()
            .map(|found| found.meta.size())
            .fold(0, u64::saturating_add);
        Error::NoSpace {
            needed: copies + BESIDES + self.options.reserve,
            reserve: self.options.reserve,
            free,
        }
    }
}

/// What became of a database that was to be copied.
enum Copy {
    Made(DatabaseEntry),
    /// It went away.
    Gone,
    Failed(Uncopied),
}

/// A database that is stored as the file it is.
struct Uncopied {
    found: Found,
    reason: String,
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
