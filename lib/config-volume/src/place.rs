//! At start, before the app runs: what a restore brought is put where the app looks for it.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    DatabaseEntry, Error, FOLDER, IGNORE_FILE, Manifest, Result, Step, VELERO_MARKER,
    database::check_copy,
    folder::{Folder, holds_ours, remove_tree},
    hash::blake3,
    ignore,
    options::{LOCK_TIMEOUT, STALE_AFTER, Watcher},
    rules::SIBLINGS,
    sets::Set,
    tree::{RelPath, Root},
};

/// Where the copies in a volume come from, which says what a live database beside its copy is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// They were made on this very volume, or on one that this is a snapshot of: the live files are the truth.
    Here,
    /// Velero brought the volume, file by file: a live database was stored while the app wrote to it, and the copy is the
    /// sound one.
    Velero,
    /// The volume came in an unknown way, such as a copy of all files while the app was stopped: nobody can tell which is the
    /// newer one, and a person has to choose.
    Elsewhere,
}

/// What the caller of [`put_in_place_with`] knows.
#[derive(Debug, Clone, Default)]
pub struct PlaceOptions {
    /// Where the volume comes from; `None` finds out. Whoever restores says so: [`Origin::Velero`] for an upload file by file,
    /// [`Origin::Here`] for a snapshot.
    pub origin: Option<Origin>,
    /// Databases whose copies [`crate::verify`] has just found sound in this volume, which nobody else writes to: they are not
    /// read a second time.
    pub proven: Vec<RelPath>,
    /// Is told of each step.
    pub watcher: Watcher,
}

/// What [`put_in_place`] found and did. All is empty and false on an ordinary volume.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PutInPlace {
    /// Where the copies came from; `None` when there were none.
    pub origin: Option<Origin>,
    /// A backup may be reading the volume, so its copies were left where they are.
    pub in_use: bool,
    /// A backup was cut short here, and what it left was removed.
    pub cut_short: bool,
    /// Databases whose copy is now the live file.
    pub placed: Vec<RelPath>,
    /// Live databases that an upload had torn: they were moved away for the copy.
    pub set_aside: Vec<Aside>,
    /// Databases that were there already, and nobody knows which is newer: the copies lie beside them. A person has to choose.
    pub kept_aside: Vec<Aside>,
    /// Databases whose copy was dropped, because the volume is the one that was backed up and they are there.
    pub dropped: Vec<RelPath>,
    /// Databases of the manifest of which there is neither a copy nor a live file.
    pub missing: Vec<RelPath>,
    /// Databases that are not the app's own and were damaged when they were backed up, each with what SQLite says. They are
    /// put in place as they are.
    pub damaged: Vec<String>,
    /// Logs and journals that lay beside a missing database and would have been replayed onto its copy: their new
    /// names. They are of no use but to a person who looks for something.
    pub siblings_moved: Vec<RelPath>,
    /// Copies of earlier backups that came with the volume, by the id of their set; they were removed.
    pub older_sets: Vec<String>,
}

impl PutInPlace {
    /// What a person has to know and to act on, each in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let kept = self.kept_aside.iter().map(|kept| {
            format!(
                "{} and its copy {} are both there, and which one is newer is unknown: keep the better one under the first name",
                kept.database, kept.aside
            )
        });
        let missing = self
            .missing
            .iter()
            .map(|path| format!("{path} is missing, and so is its copy"));
        kept.chain(missing).collect()
    }
}

/// A file that lies beside a live database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The database.
    pub database: RelPath,
    /// Where the other file is now.
    pub aside: RelPath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Place,
    /// The live file goes away for the copy.
    Replace,
    Drop,
    KeepAside,
    Missing,
    Done,
}

/// Puts the copies of a restored volume in place, and removes what a cut-short backup left. To be run before the app
/// starts, and by whoever restored a volume. Does nothing on an ordinary volume, for the price of three looks, but for Velero's
/// marker, which goes.
///
/// On the volume that was backed up itself the live databases are the truth; as long as a backup may be reading it, which
/// ends 4 hours after it began, the copies stay. Anywhere else the copies count, by the [`Origin`]. Of several sets the
/// newest counts. No live database is overwritten and no copy is lost: see [`PutInPlace`].
///
/// # Errors
/// A damaged copy or manifest in a restored volume, or a failed call. A rerun goes on where this one stopped.
pub fn put_in_place(volume: &Path) -> Result<PutInPlace> {
    put_in_place_with(volume, &PlaceOptions::default())
}

/// [`put_in_place`] with what is known of the volume.
///
/// # Errors
/// As [`put_in_place`].
pub fn put_in_place_with(volume: &Path, options: &PlaceOptions) -> Result<PutInPlace> {
    let Some(root) = with_something_of_ours(volume)? else {
        if is_marked(volume) {
            // Nothing came with it. Later it would lie about copies that are made here.
            remove_marker(&Root::open(volume)?)?;
        }
        return Ok(PutInPlace::default());
    };
    match lock(&root, &options.watcher)? {
        Some(folder) => put_in_place_locked(folder, options, InUse::Leave),
        None => Ok(PutInPlace::default()),
    }
}

/// Takes back all that backups have on a volume, also one that is running, and puts databases in place that are missing: for a
/// charm that goes away, after which nobody else would do so, and what stays would leave the live databases out of every
/// later backup. A backup that is running fails by [`Error::NothingToFinish`]. Says whether there was something.
///
/// The copies of a restored volume that were never put in place stay: they are the only ones there are. An ignore file that
/// came with them goes.
///
/// # Errors
/// A copy whose database is missing is damaged, or a failed call. The ignore file is gone by then where it could be removed.
pub fn withdraw(volume: &Path) -> Result<bool> {
    withdraw_watched(volume, &Watcher::default())
}

/// [`withdraw`], telling of each step.
///
/// # Errors
/// As [`withdraw`].
pub fn withdraw_watched(volume: &Path, watcher: &Watcher) -> Result<bool> {
    let Some(root) = with_something_of_ours(volume)? else {
        return Ok(false);
    };
    let Some(folder) = lock(&root, watcher)? else {
        return Ok(false);
    };
    folder.remove_ignore()?;
    if folder.is_foreign()? {
        return Ok(false);
    }
    let options = PlaceOptions {
        watcher: watcher.clone(),
        ..PlaceOptions::default()
    };
    put_in_place_locked(folder, &options, InUse::TakeBack).map(|_| true)
}

/// Opens a volume that has something of ours in the folder, or an ignore file of ours.
fn with_something_of_ours(volume: &Path) -> Result<Option<Root>> {
    if holds_ours(volume)? || ignore::is_of_ours(&volume.join(IGNORE_FILE))? {
        return Root::open(volume).map(Some);
    }
    Ok(None)
}

/// The folder, made anew where somebody deleted it and left the ignore file.
fn lock<'a>(root: &'a Root, watcher: &Watcher) -> Result<Option<Folder<'a>>> {
    let is_gone = fs::symlink_metadata(root.path().join(FOLDER)).is_err();
    Folder::lock(root, is_gone, LOCK_TIMEOUT, watcher)
}

/// What becomes of copies that a backup may be reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InUse {
    /// They stay.
    Leave,
    /// They go.
    TakeBack,
}

pub(crate) fn put_in_place_locked(
    folder: Folder<'_>,
    options: &PlaceOptions,
    in_use: InUse,
) -> Result<PutInPlace> {
    let root = folder.root();
    let (is_of_here, sets) = (folder.is_of_here(), folder.sets()?);
    let mut report = PutInPlace::default();
    if is_of_here && options.origin.is_none() && in_use == InUse::Leave {
        report.in_use = !folder.in_use(SystemTime::now(), STALE_AFTER)?.is_empty();
    }
    if let Some(newest) = sets.first() {
        let origin = match options.origin {
            Some(known) => known,
            None if is_of_here => Origin::Here,
            None if is_marked(root.path()) => Origin::Velero,
            None => Origin::Elsewhere,
        };
        report.origin = Some(origin);
        match newest.manifest() {
            Ok(manifest) => Placing {
                root,
                folder: &folder,
                set: newest,
                options,
                origin,
            }
            .all(&manifest, &mut report)?,
            // Without a manifest nobody knows where the copies belong, and here they are the only ones.
            Err(error) if origin != Origin::Here && sets.iter().any(Set::has_copies) => return Err(error),
            // Here the live files are the truth, or a rerun finds what it did not get to delete.
            Err(_) => {}
        }
        if origin != Origin::Here {
            report.older_sets = sets.iter().skip(1).map(|set| set.id.clone()).collect();
        }
    }
    if report.in_use {
        return Ok(report);
    }
    let came_from_elsewhere = matches!(report.origin, Some(Origin::Velero | Origin::Elsewhere));
    report.cut_short = !came_from_elsewhere && report.placed.is_empty();
    folder.remove_ignore()?;
    // On a volume of our own it is of a restore long ago.
    remove_marker(root)?;
    if came_from_elsewhere {
        options.watcher.at(Step::MarkerRemoved)?;
    }
    folder.withdraw()?;
    folder.remove()?;
    Ok(report)
}

fn is_marked(volume: &Path) -> bool {
    fs::symlink_metadata(volume.join(VELERO_MARKER)).is_ok_and(|meta| meta.is_dir())
}

/// Velero makes the folder to tell its init container that the data is there; nothing reads it afterwards.
fn remove_marker(root: &Root) -> Result<()> {
    if is_marked(root.path()) {
        remove_tree(&root.path().join(VELERO_MARKER))?;
    }
    Ok(())
}

struct Placing<'a> {
    root: &'a Root,
    folder: &'a Folder<'a>,
    set: &'a Set,
    options: &'a PlaceOptions,
    origin: Origin,
}

impl Placing<'_> {
    fn all(&self, manifest: &Manifest, report: &mut PutInPlace) -> Result<()> {
        let fates = manifest
            .databases
            .iter()
            .map(|database| (database, self.fate(database)))
            .collect::<Vec<_>>();
        // All are judged before the first is moved.
        for (database, fate) in &fates {
            if matches!(fate, Fate::Place | Fate::Replace | Fate::KeepAside)
                && !self.options.proven.contains(&database.path)
                && let Some(damage) = self.check(database)?
            {
                report.damaged.push(format!("{}: {damage}", database.path));
            }
        }
        for (database, fate) in fates {
            match fate {
                Fate::Replace => {
                    self.set_aside(database, manifest, report)?;
                    self.place(database, manifest, report)?;
                }
                Fate::Place => self.place(database, manifest, report)?,
                Fate::KeepAside => {
                    let aside = self.keep_aside(database, manifest)?;
                    report.kept_aside.push(Aside {
                        database: database.path.clone(),
                        aside,
                    });
                }
                Fate::Drop if report.in_use => {}
                Fate::Drop => report.dropped.push(database.path.clone()),
                Fate::Missing => report.missing.push(database.path.clone()),
                Fate::Done => {}
            }
        }
        Ok(())
    }

    fn copy(&self, database: &DatabaseEntry) -> PathBuf {
        self.set.databases().join(&database.copy)
    }

    fn fate(&self, database: &DatabaseEntry) -> Fate {
        let has_copy = fs::symlink_metadata(self.copy(database)).is_ok();
        // An error: a folder above it is something else now, so the place is taken.
        let live = self.root.look(&database.path);
        match (has_copy, live, self.origin) {
            (true, Ok(None), _) => Fate::Place,
            (true, Ok(Some(live)), Origin::Velero) if live.is_file() => Fate::Replace,
            (true, Ok(Some(_)), Origin::Here) => Fate::Drop,
            (true, ..) => Fate::KeepAside,
            (false, Ok(Some(_)), _) => Fate::Done,
            (false, ..) => Fate::Missing,
        }
    }

    /// Fails for a copy that is not as it was made, or is of a damaged database of the app's own. The damage of any other is
    /// the answer: the app had it like that.
    fn check(&self, database: &DatabaseEntry) -> Result<Option<String>> {
        let damaged = |reason: String| Error::DamagedCopy {
            path: database.path.to_string(),
            reason,
            folder: self.set.databases(),
        };
        let path = self.set.copy(&database.copy).map_err(damaged)?;
        let read = self.root.read(&path).and_then(|mut file| {
            let size = file.metadata()?.size();
            if file.metadata()?.is_file() {
                Ok((size, blake3(&mut file, u64::MAX)?.1))
            } else {
                Ok((0, String::new()))
            }
        });
        let (size, sum) = read.map_err(|error| damaged(format!("cannot be read: {error}")))?;
        if size != database.size {
            return Err(damaged(format!("has {size} bytes instead of {}", database.size)));
        }
        if sum != database.blake3 {
            return Err(damaged("has another checksum than when it was made".to_owned()));
        }
        // The backup held it before anybody checked it, and may have been kept although the check failed.
        match check_copy(&self.copy(database)) {
            Ok(_) => Ok(None),
            Err(reason) if database.own => Err(damaged(format!("was damaged when it was made: {reason}"))),
            Err(reason) => Ok(Some(reason)),
        }
    }

    /// Moves a torn database away, with its log or journal beside it under the new name, for a person who looks for something.
    fn set_aside(
        &self,
        database: &DatabaseEntry,
        manifest: &Manifest,
        report: &mut PutInPlace,
    ) -> Result<()> {
        let live = &database.path;
        let aside = self.free_name(live, "torn", manifest.made)?;
        let rename = |from: &RelPath, to: &RelPath| {
            self.root
                .rename(from, to)
                .map_err(Error::io("move away", self.root.full(from)))
        };
        rename(live, &aside)?;
        for suffix in ["-wal", "-journal"] {
            let sibling = live.with_suffix(suffix);
            if matches!(self.root.look(&sibling), Ok(Some(meta)) if meta.is_file()) {
                rename(&sibling, &aside.with_suffix(suffix))?;
            }
        }
        report.set_aside.push(Aside {
            database: live.clone(),
            aside,
        });
        self.options.watcher.at(Step::SetAside)
    }

    fn place(&self, database: &DatabaseEntry, manifest: &Manifest, report: &mut PutInPlace) -> Result<()> {
        for suffix in SIBLINGS {
            let sibling = database.path.with_suffix(suffix);
            let Some(meta) = self
                .root
                .look(&sibling)
                .map_err(Error::io("look at", self.root.full(&sibling)))?
            else {
                continue;
            };
            // Without its database a log is of no use, but it may be the last trace of something. An index of a log,
            // and anything empty, is not.
            if meta.is_file() && (suffix == "-shm" || meta.size() == 0) {
                self.root
                    .remove_file(&sibling)
                    .map_err(Error::io("remove", self.root.full(&sibling)))?;
            } else {
                let aside = self.free_name(&sibling, "before-restore", manifest.made)?;
                self.root
                    .rename(&sibling, &aside)
                    .map_err(Error::io("move", self.root.full(&sibling)))?;
                report.siblings_moved.push(aside);
            }
        }
        self.options.watcher.at(Step::SiblingsMoved)?;
        let owner = (database.uid, database.gid);
        let live = self.root.full(&database.path);
        self.root
            .make_parents(&database.path, owner)
            .map_err(Error::io("make the folder of", &live))?;
        let copy = match report.in_use {
            true => self.copy_of_copy(database)?,
            false => self.copy(database),
        };
        dress(&copy, database)?;
        self.root
            .move_in(&copy, &database.path)
            .map_err(Error::io("put in place", &live))?;
        self.root
            .sync(database.path.parent().as_ref())
            .map_err(Error::io("sync the folder of", &live))?;
        report.placed.push(database.path.clone());
        self.options.watcher.at(Step::Placed)
    }

    /// Another one of a copy that a backup may be reading.
    fn copy_of_copy(&self, database: &DatabaseEntry) -> Result<PathBuf> {
        let path = self.folder.local().join("placing");
        fs::copy(self.copy(database), &path).map_err(Error::io("write", &path))?;
        Ok(path)
    }

    fn keep_aside(&self, database: &DatabaseEntry, manifest: &Manifest) -> Result<RelPath> {
        let copy = self.copy(database);
        dress(&copy, database)?;
        let beside = match self.root.look(&database.path) {
            Ok(_) => database.path.clone(),
            Err(_) => RelPath::child(None, std::os::unix::ffi::OsStrExt::as_bytes(database.path.name())),
        };
        let name = self.free_name(&beside, "from-backup", manifest.made)?;
        let full = self.root.full(&name);
        self.root
            .move_in(&copy, &name)
            .map_err(Error::io("keep aside", &full))?;
        self.root
            .sync(name.parent().as_ref())
            .map_err(Error::io("sync the folder of", &full))?;
        self.options.watcher.at(Step::KeptAside)?;
        Ok(name)
    }

    /// `radarr.db.from-backup-1732464000`, or the first of `-2`, `-3` … that is free.
    fn free_name(&self, path: &RelPath, what: &str, made: u64) -> Result<RelPath> {
        let mut name = path.with_suffix(&format!(".{what}-{made}"));
        let mut number = 1u32;
        while self
            .root
            .look(&name)
            .map_err(Error::io("look at", self.root.full(&name)))?
            .is_some()
        {
            number += 1;
            name = path.with_suffix(&format!(".{what}-{made}-{number}"));
        }
        Ok(name)
    }
}

/// Gives a copy the owner and the mode of the database.
fn dress(copy: &Path, database: &DatabaseEntry) -> Result<()> {
    let dress = || -> io::Result<()> {
        let file = File::open(copy)?;
        let have = file.metadata()?;
        if (have.uid(), have.gid()) != (database.uid, database.gid) {
            fchown(&file, Some(database.uid), Some(database.gid))?;
        }
        // A manifest may be hostile: no set-user-id.
        file.set_permissions(Permissions::from_mode(database.mode & 0o777))?;
        file.sync_all()
    };
    dress().map_err(Error::io("set owner and mode of", copy))
}
