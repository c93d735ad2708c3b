//! At start, before the app runs: what a restore brought is put where the app looks for it.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use crate::{
    DatabaseEntry, Error, FOLDER, Manifest, Result, Step, VELERO_MARKER,
    database::check_copy,
    folder::Folder,
    hash::blake3,
    manifest::LiveFile,
    options::{LOCK_TIMEOUT, Watcher},
    rules::SIBLINGS,
    tree::{RelPath, Root},
};

/// What [`put_in_place`] found and did. All is empty and false on an ordinary volume.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PutInPlace {
    /// The volume came out of a backup.
    pub restored: bool,
    /// A backup was cut short here, and its copies were dropped.
    pub cut_short: bool,
    /// Databases whose copy is now the live file.
    pub placed: Vec<RelPath>,
    /// Databases that were there already, as another file than the one that was copied; a person has to choose.
    pub kept_aside: Vec<KeptAside>,
    /// Databases whose copy was dropped, because the live file is the very one that was copied.
    pub dropped: Vec<RelPath>,
    /// Databases of the manifest of which there is neither a copy nor a live file.
    pub missing: Vec<RelPath>,
    /// Logs and journals that lay beside a missing database and would have been replayed onto its copy: their new
    /// names. They are of no use but to a person who looks for something.
    pub siblings_moved: Vec<RelPath>,
}

/// A copy that lies beside a live database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAside {
    /// The database, untouched.
    pub database: RelPath,
    /// Where the copy is now.
    pub copy: RelPath,
}

enum Fate {
    Place,
    Drop,
    KeepAside,
    Missing,
    Done,
}

/// Puts the copies of a restored volume in place, and removes what a cut-short backup left. To be run before the app
/// starts, and by whoever restored a volume. Does nothing on an ordinary volume, for the price of one look.
///
/// A live database is never overwritten and no copy is lost: see [`PutInPlace`].
///
/// # Errors
/// A damaged copy or manifest in a restored volume, or a failed call. A rerun goes on where this one stopped.
pub fn put_in_place(volume: &Path) -> Result<PutInPlace> {
    put_in_place_watched(volume, &Watcher::default())
}

/// [`put_in_place`], telling of each step.
///
/// # Errors
/// As [`put_in_place`].
pub fn put_in_place_watched(volume: &Path, watcher: &Watcher) -> Result<PutInPlace> {
    let base = volume.join(FOLDER);
    match fs::symlink_metadata(&base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PutInPlace::default()),
        Err(error) => return Err(Error::io("look at", base)(error)),
        Ok(_) => {}
    }
    let root = Root::open(volume)?;
    match Folder::lock(&root, false, LOCK_TIMEOUT, watcher)? {
        Some(folder) => put_in_place_locked(&root, folder, watcher),
        None => Ok(PutInPlace::default()),
    }
}

pub(crate) fn put_in_place_locked(root: &Root, folder: Folder<'_>, watcher: &Watcher) -> Result<PutInPlace> {
    let restored = folder.is_restored();
    let mut report = PutInPlace {
        restored,
        ..PutInPlace::default()
    };
    if folder.has_set() {
        match folder.manifest() {
            Ok(manifest) => Placing {
                root,
                folder: &folder,
                watcher,
                restored,
            }
            .all(&manifest, &mut report)?,
            // Without a manifest nobody knows where the copies belong, and here they are the only ones.
            Err(error) if restored && has_files(&folder.databases()) => return Err(error),
            // Here the live files are the truth, or a rerun finds what it did not get to delete.
            Err(_) => {}
        }
    }
    report.cut_short = !restored && report.placed.is_empty();
    if restored {
        folder.remove_ignore()?;
        remove_marker(root)?;
        watcher.at(Step::MarkerRemoved)?;
        folder.remove_restored_set()?;
    } else {
        folder.withdraw()?;
    }
    folder.remove()?;
    Ok(report)
}

fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Velero makes the folder to tell its init container that the data is there; nothing reads it afterwards.
fn remove_marker(root: &Root) -> Result<()> {
    let marker = root.path().join(VELERO_MARKER);
    match fs::symlink_metadata(&marker) {
        Ok(meta) if meta.is_dir() => crate::folder::remove_tree(&marker),
        _ => Ok(()),
    }
}

struct Placing<'a> {
    root: &'a Root,
    folder: &'a Folder<'a>,
    watcher: &'a Watcher,
    restored: bool,
}

impl Placing<'_> {
    fn all(&self, manifest: &Manifest, report: &mut PutInPlace) -> Result<()> {
        let fates = manifest
            .databases
            .iter()
            .map(|d| Ok((d, self.fate(d)?)))
            .collect::<Result<Vec<_>>>()?;
        // All are judged before the first is moved.
        for (database, fate) in &fates {
            if matches!(fate, Fate::Place | Fate::KeepAside) {
                self.check(database)?;
            }
        }
        for (database, fate) in fates {
            match fate {
                Fate::Place => self.place(database, manifest, report)?,
                Fate::KeepAside => {
                    let copy = self.keep_aside(database, manifest)?;
                    report.kept_aside.push(KeptAside {
                        database: database.path.clone(),
                        copy,
                    });
                }
                Fate::Drop => report.dropped.push(database.path.clone()),
                Fate::Missing => report.missing.push(database.path.clone()),
                Fate::Done => {}
            }
        }
        Ok(())
    }

    fn copy(&self, database: &DatabaseEntry) -> PathBuf {
        self.folder.databases().join(&database.copy)
    }

    fn fate(&self, database: &DatabaseEntry) -> Result<Fate> {
        let copy = fs::symlink_metadata(self.copy(database)).is_ok();
        let live = match self.root.look(&database.path) {
            Ok(live) => live,
            // A folder above it is something else now: the place is taken.
            Err(_) => return Ok(if copy { Fate::KeepAside } else { Fate::Missing }),
        };
        Ok(match (copy, live) {
            (true, None) => Fate::Place,
            (true, Some(live)) if !self.restored && database.live.is(&LiveFile::of(&live)) => Fate::Drop,
            (true, Some(_)) => Fate::KeepAside,
            (false, Some(_)) => Fate::Done,
            (false, None) => Fate::Missing,
        })
    }

    fn check(&self, database: &DatabaseEntry) -> Result<()> {
        let damaged = |reason: String| Error::DamagedCopy {
            path: database.path.to_string(),
            reason,
        };
        let path = RelPath::new(format!("{FOLDER}/set/databases/{}", database.copy)).map_err(damaged)?;
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
        check_copy(&self.copy(database))
            .map(drop)
            .map_err(|reason| damaged(format!("was damaged when it was made: {reason}")))
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
        self.watcher.at(Step::SiblingsMoved)?;
        let owner = (database.uid, database.gid);
        let live = self.root.full(&database.path);
        self.root
            .make_parents(&database.path, owner)
            .map_err(Error::io("make the folder of", &live))?;
        self.dress(database)?;
        self.root
            .move_in(&self.copy(database), &database.path)
            .map_err(Error::io("put in place", &live))?;
        self.root
            .sync(database.path.parent().as_ref())
            .map_err(Error::io("sync the folder of", &live))?;
        report.placed.push(database.path.clone());
        self.watcher.at(Step::Placed)
    }

    /// Gives a copy the owner and the mode of the database.
    fn dress(&self, database: &DatabaseEntry) -> Result<()> {
        let path = self.copy(database);
        let dress = || -> io::Result<()> {
            let file = File::open(&path)?;
            let have = file.metadata()?;
            if (have.uid(), have.gid()) != (database.uid, database.gid) {
                fchown(&file, Some(database.uid), Some(database.gid))?;
            }
            // A manifest may be hostile: no set-user-id.
            file.set_permissions(Permissions::from_mode(database.mode & 0o777))?;
            file.sync_all()
        };
        dress().map_err(Error::io("set owner and mode of", &path))
    }

    fn keep_aside(&self, database: &DatabaseEntry, manifest: &Manifest) -> Result<RelPath> {
        self.dress(database)?;
        let beside = match self.root.look(&database.path) {
            Ok(_) => database.path.clone(),
            Err(_) => RelPath::child(None, std::os::unix::ffi::OsStrExt::as_bytes(database.path.name())),
        };
        let name = self.free_name(&beside, "from-backup", manifest.made)?;
        let full = self.root.full(&name);
        self.root
            .move_in(&self.copy(database), &name)
            .map_err(Error::io("keep aside", &full))?;
        self.root
            .sync(name.parent().as_ref())
            .map_err(Error::io("sync the folder of", &full))?;
        self.watcher.at(Step::KeptAside)?;
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
