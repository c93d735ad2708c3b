//! Before a backup: copies, manifest, ignore file.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    DatabaseEntry, Error, FileEntry, Manifest, Options, Result, Step, check,
    copy::Source,
    database::settle,
    files::{FILES, FilesWriter, files},
    folder::Folder,
    list::Listing,
    manifest::{FORMAT, LiveFile, VERSION, link_text},
    own::OwnDatabases,
    parallel::each,
    place,
    rules::RootRules,
    tree::{RelPath, Root, Stat},
    walk::{Entry, Found, Scan, walk},
};

/// A clock may be set back this far, by NTP at boot say, before a set's age counts as unknown.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

/// What is ready for a backup.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prepared {
    /// Whether another backup had the copies made, and this one uses them too.
    pub joined: bool,
    /// How many backups use them now.
    pub users: u32,
    /// What the backup will hold and what it will not.
    pub manifest: Manifest,
}

/// Makes a volume ready to be backed up file by file; to be run before each backup.
///
/// A second call while the copies of a first are in use joins it; [`crate::finish`] is to be called once for each. A
/// volume that was restored and never put in place is put in place first.
///
/// # Errors
/// A bad pattern, a full file system, a database that stays locked or that cannot be opened, or a failed call. Whether the
/// copies are sound all the way through is checked after the backup, by [`crate::finish`]. After an error nothing of this call is left, and the app's files are as they were.
pub fn prepare(volume: &Path, options: &Options) -> Result<Prepared> {
    Options::patterns(&options.leave_out)?;
    let own = OwnDatabases::new(options)?;
    let root = Root::open(volume)?;
    let lock = || Folder::lock(&root, true, options.lock_timeout, &options.watcher);
    let Some(mut folder) = lock()? else {
        return Err(gone(&root));
    };
    // The copies of a restored volume are the only ones there are.
    if folder.is_restored() {
        place::put_in_place_locked(&root, folder, &options.watcher)?;
        folder = lock()?.ok_or_else(|| gone(&root))?;
    }
    let job = Job {
        root: &root,
        options,
        own,
    };
    if let Some(manifest) = job.set_in_use(&folder) {
        let joined = job.join(&folder, manifest);
        if joined.is_err() {
            // The other backup goes on; only what this call began goes away.
            let _ = crate::folder::remove_tree(&folder.unfinished());
        }
        return joined;
    }
    match job.build(&folder) {
        Ok(prepared) => Ok(prepared),
        Err(error) => {
            let full = error.is_full();
            // If this fails too, the next run does it; the first error is the one to know.
            let _ = folder.withdraw().and_then(|()| folder.remove());
            Err(if full { job.no_space(error) } else { error })
        }
    }
}

fn gone(root: &Root) -> Error {
    Error::io("use the volume", root.path())(std::io::ErrorKind::NotFound.into())
}

struct Job<'a> {
    root: &'a Root,
    options: &'a Options,
    own: OwnDatabases,
}

impl Job<'_> {
    /// The manifest of a set that is whole, in force, in use and of a believable age.
    fn set_in_use(&self, folder: &Folder<'_>) -> Option<Manifest> {
        if !folder.has_set() || folder.users() == 0 || !matches!(folder.ignore_in_force(), Ok(Some(_))) {
            return None;
        }
        let manifest = folder.manifest().ok()?;
        let made = UNIX_EPOCH + Duration::from_secs(manifest.made);
        let fresh = match self.options.time().duration_since(made) {
            Ok(age) => age < self.options.stale_after,
            Err(ahead) => ahead.duration() <= CLOCK_SLACK,
        };
        let whole = manifest.databases.iter().all(|database| {
            fs::symlink_metadata(folder.databases().join(&database.copy))
                .is_ok_and(|meta| meta.is_file() && meta.size() == database.size)
        });
        (fresh && whole).then_some(manifest)
    }

    fn build(&self, folder: &Folder<'_>) -> Result<Prepared> {
        folder.withdraw()?;
        check::forget(folder)?;
        self.options.watcher.at(Step::Cleared)?;
        let databases = folder.start_unfinished()?;
        let mut rules = RootRules::new(folder.user_ignore()?.as_deref(), &self.options.leave_out)?;
        let mut listing = Listing::create(self.root, &folder.unfinished().join(FILES), self.options)?;
        let scan = walk(self.root, &rules, &self.own, &mut |entry| listing.add(&entry))?;
        let made = seconds(self.options.time());
        let Scan {
            databases: found,
            left_out,
            warnings,
            ..
        } = scan;
        let entries = self.copy_all(found, &databases, 0)?;
        let count = listing.finish()?;
        for entry in &entries {
            rules.push_database(&entry.path)?;
        }
        let format = FORMAT.to_owned();
        let databases = entries;
        let manifest = Manifest {
            format,
            version: VERSION,
            made,
            databases,
            file_count: count.files,
            file_bytes: count.bytes,
            left_out,
            warnings,
        };
        folder.write_manifest(&folder.unfinished(), &manifest)?;
        self.options.watcher.at(Step::ManifestWritten)?;
        folder.write_users(1)?;
        self.options.watcher.at(Step::UsersWritten)?;
        folder.show_set()?;
        self.options.watcher.at(Step::SetVisible)?;
        folder.write_ignore(rules.text())?;
        Ok(Prepared {
            joined: false,
            users: 1,
            manifest,
        })
    }

    /// Uses the set of another backup. What changed since it was made is no longer promised, since either backup may
    /// hold it either way; a database that is new gets its copy.
    fn join(&self, folder: &Folder<'_>, mut manifest: Manifest) -> Result<Prepared> {
        let unfinished = folder.start_unfinished()?;
        let mut rules = RootRules::new(folder.user_ignore()?.as_deref(), &self.options.leave_out)?;
        let known: HashMap<RelPath, FileEntry> = files(&folder.set().join(FILES))?
            .map(|entry| entry.map(|entry| (entry.path.clone(), entry)))
            .collect::<Result<_>>()?;
        let list = folder.unfinished().join(FILES);
        let mut writer = FilesWriter::create(&list)?;
        let mut walk = walk(self.root, &rules, &self.own, &mut |entry| {
            writer.push(&match known.get(&entry.path) {
                Some(old) if is_as_recorded(old, &entry) => old.clone(),
                _ => file_entry(&entry),
            })
        })?;
        walk.databases
            .retain(|found| manifest.databases.iter().all(|known| known.path != found.path));
        let first = manifest
            .databases
            .iter()
            .filter_map(|d| copy_number(&d.copy))
            .max()
            .map_or(0, |n| n + 1);
        let new = self.copy_all(walk.databases, &unfinished, first)?;
        for entry in &new {
            let (from, to) = (unfinished.join(&entry.copy), folder.databases().join(&entry.copy));
            fs::rename(&from, to).map_err(Error::io("rename", from))?;
        }
        crate::folder::sync_folder(&folder.databases())?;
        manifest.databases.extend(new);
        let count = writer.finish(self.root)?;
        fs::rename(&list, folder.set().join(FILES)).map_err(Error::io("rename", list))?;
        (manifest.file_count, manifest.file_bytes) = (count.files, count.bytes);
        (manifest.left_out, manifest.warnings) = (walk.left_out, walk.warnings);
        for entry in &manifest.databases {
            rules.push_database(&entry.path)?;
        }
        folder.write_manifest(&folder.set(), &manifest)?;
        self.options.watcher.at(Step::ManifestWritten)?;
        if folder.ignore_in_force()?.as_deref() != Some(rules.text()) {
            folder.write_ignore(rules.text())?;
        }
        crate::folder::remove_tree(&folder.unfinished())?;
        let users = folder.users().saturating_add(1);
        folder.write_users(users)?;
        self.options.watcher.at(Step::UsersWritten)?;
        Ok(Prepared {
            joined: true,
            users,
            manifest,
        })
    }

    fn copy_all(&self, found: Vec<Found>, to: &Path, first: usize) -> Result<Vec<DatabaseEntry>> {
        // Closed after the last database: see `copy`.
        let mut kept = Vec::new();
        let mut sources = Vec::new();
        for found in found {
            sources.extend(Source::open(
                self.root,
                found,
                self.options.busy_timeout,
                &mut kept,
            )?);
        }
        let copies = sources
            .iter()
            .map(|source| source.bytes)
            .fold(0, u64::saturating_add);
        // The head of the manifest, blocks and folders.
        let needed = copies + (256 << 10) + self.options.reserve;
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
        let (copied, ()) = each(
            sources,
            |number, source| self.copy_one(source, first + number, to),
            || (),
        );
        let mut entries = copied.into_iter().collect::<Result<Vec<_>>>()?;
        crate::folder::sync_folder(to)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.options.watcher.at(Step::CopiesOnDisk)?;
        Ok(entries)
    }

    fn copy_one(&self, source: Source, number: usize, to: &Path) -> Result<DatabaseEntry> {
        let copy = format!("{number}.sqlite");
        let path = to.join(&copy);
        source.copy(self.root, &path, self.options.busy_timeout, &self.options.watcher)?;
        let Found {
            path: live,
            meta,
            journal_mode,
            own,
        } = source.close();
        self.options.watcher.at(Step::Copied)?;
        let copied = settle(&live, &path)?;
        Ok(DatabaseEntry {
            path: live,
            copy,
            size: copied.size,
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            blake3: copied.blake3,
            journal_mode,
            own,
            live: LiveFile::of(&meta),
        })
    }

    fn no_space(&self, error: Error) -> Error {
        if matches!(error, Error::NoSpace { .. }) {
            return error;
        }
        // What was there has been cleaned up; what is free now is what the next try will find.
        let free = self.root.free().unwrap_or(0);
        let sizes = walk(self.root, &RootRules::everything(), &self.own, &mut |_| Ok(()))
            .unwrap_or_default()
            .databases;
        let copies = sizes
            .iter()
            .map(|found| found.meta.size())
            .fold(0, u64::saturating_add);
        let needed = copies + (256 << 10) + self.options.reserve;
        Error::NoSpace {
            needed,
            reserve: self.options.reserve,
            free,
        }
    }
}

fn copy_number(name: &str) -> Option<usize> {
    name.strip_suffix(".sqlite")?.parse().ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn is_as_recorded(old: &FileEntry, entry: &Entry<'_>) -> bool {
    old.size == entry.meta.size
        && old.modified == entry.meta.modified
        && old.link == entry.link.as_deref().map(link_text)
}

fn file_entry(entry: &Entry<'_>) -> FileEntry {
    let Stat {
        size,
        mode,
        uid,
        gid,
        modified,
        ..
    } = entry.meta;
    FileEntry {
        stable: false,
        path: entry.path.clone(),
        size,
        mode,
        uid,
        gid,
        modified,
        blake3: None,
        link: entry.link.as_deref().map(link_text),
        database: entry.database.clone(),
    }
}
