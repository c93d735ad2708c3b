//! This program's own folder in the volume: its layout and its lock. What is in it is made and removed in [`crate::sets`] and
//! [`crate::ignore`].
//!
//! ```text
//! .kopiaignore                  in force while a backup may run
//! .config-backup/
//!   README.txt                  for a person who restores without the charm
//!   lock                        held (flock) by whoever changes anything here
//!   local/                      stored in no backup by an uploader that reads .kopiaignore
//!     born, here                show that the folder was made on this very volume
//!     open/<id>                 an empty file for each backup that has not ended
//!     checked/<id>.json         what the check of the copies of a set found
//!     unfinished/               a set that is being made
//!     removing/                 sets that are being deleted
//!   sets/<id>/
//!     manifest.json
//!     files.jsonl
//!     databases/0.sqlite ...    the copies
//!   kopiaignore.user            the user's own ignore file, set aside
//! ```

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use crate::{
    Error, FOLDER, Manifest, Result, Step,
    manifest::MANIFEST,
    options::Watcher,
    sets::{OLD_SET, SETS},
    swap::state::refuse_halfway,
    tree::Root,
};

/// The first line of an ignore file of this program's.
pub(crate) const HEADING: &str = "# made by config-volume for the time of a backup; it is removed afterwards";
const README: &str = "README.txt";
const LOCK: &str = "lock";
const LOCAL: &str = "local";
/// The user's ignore file, set aside.
pub(crate) const USER_FILE: &str = "kopiaignore.user";
/// All names that this program gives in the folder. Any other is somebody else's, such as `@eaDir` of a NAS: it is stored and comes
/// back as it is, and says nothing about backups.
const OURS: [&str; 6] = [README, LOCK, LOCAL, SETS, OLD_SET, USER_FILE];
/// A larger file is not read to its end. The largest is a user's ignore file.
const SIZE_LIMIT: u64 = 512 << 20;

/// The folder, locked for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder<'a> {
    root: &'a Root,
    base: PathBuf,
    watcher: Watcher,
    _lock: File,
}

impl<'a> Folder<'a> {
    /// Locks the folder; makes it when `create`, else answers `None` when there is none.
    pub fn lock(root: &'a Root, create: bool, timeout: Duration, watcher: &Watcher) -> Result<Option<Self>> {
        let base = root.path().join(FOLDER);
        let Some(lock) = lock_in(&base, create, timeout)? else {
            return Ok(None);
        };
        // Whoever makes the folder wants to read the app's files as one whole.
        if create {
            refuse_halfway(root)?;
        }
        watcher.at(Step::Locked)?;
        Ok(Some(Self {
            root,
            base,
            watcher: watcher.clone(),
            _lock: lock,
        }))
    }

    pub fn root(&self) -> &'a Root {
        self.root
    }

    pub fn base(&self) -> &Path {
        &self.base
    }

    pub fn local(&self) -> PathBuf {
        self.base.join(LOCAL)
    }

    /// Whether there is nothing of ours but the lock.
    pub fn is_bare(&self) -> Result<bool> {
        let names = names_in(&self.base).map_err(Error::io("read", &self.base))?;
        Ok(!names.iter().any(|name| is_of_ours(name) && name != LOCK))
    }

    pub fn unfinished(&self) -> PathBuf {
        self.local().join("unfinished")
    }

    pub fn at(&self, step: Step) -> Result<()> {
        self.watcher.at(step)
    }

    /// Makes an empty folder for an unfinished set; answers where the copies in it go.
    pub fn start_unfinished(&self) -> Result<PathBuf> {
        let unfinished = self.unfinished();
        remove_tree(&unfinished)?;
        make_folder(&unfinished)?;
        let databases = unfinished.join("databases");
        make_folder(&databases)?;
        Ok(databases)
    }

    /// Writes the manifest into a folder, whole or not at all.
    pub fn write_manifest(&self, folder: &Path, manifest: &Manifest) -> Result<()> {
        let path = folder.join(MANIFEST);
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(io::Error::from)
            .map_err(Error::io("write", &path))?;
        self.write(&path, &text)
    }

    /// Writes what a person without the charm has to do.
    pub fn write_readme(&self) -> Result<()> {
        self.write(&self.base.join(README), include_bytes!("readme.txt"))
    }

    /// Takes back whatever was made here for backups, in the order that lets a backup that starts in between store the live
    /// files. That sets are open is still known afterwards, until [`Folder::remove`].
    pub fn withdraw(&self) -> Result<()> {
        self.remove_ignore()?;
        self.remove_sets()?;
        remove_tree(&self.unfinished())?;
        self.at(Step::SetRemoved)
    }

    /// Removes what is ours, the lock last, and the folder where nothing of others' is in it. Another process may lock a new one at
    /// once, which then stays.
    pub fn remove(self) -> Result<()> {
        let Self {
            root,
            base,
            _lock: lock,
            ..
        } = self;
        remove_tree(&base.join(LOCAL))?;
        for name in [README, LOCK] {
            remove_file(&base.join(name))?;
        }
        // NFS keeps a removed file under another name as long as it is open.
        drop(lock);
        remove_if_empty(&base, root.path())
    }

    /// Writes a file under another name first, so that it is there whole or not at all.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        make_folder(&self.local())?;
        let unfinished = self.local().join("file.unfinished");
        remove_file(&unfinished)?;
        // Readable for all: kopia may run as another user, and nothing in it is secret.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&unfinished)
            .map_err(Error::io("make", &unfinished))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", &unfinished))?;
        fs::rename(&unfinished, path).map_err(Error::io("rename", &unfinished))?;
        path.parent().map_or(Ok(()), sync_folder)
    }
}

/// Whether there is something of ours in the folder of a volume. An empty folder is what a run that was killed leaves; what is no
/// folder is for [`lock_in`] to refuse.
pub(crate) fn holds_ours(volume: &Path) -> Result<bool> {
    let base = volume.join(FOLDER);
    match if_there(fs::symlink_metadata(&base)).map_err(Error::io("look at", &base))? {
        Some(meta) if meta.is_dir() => {}
        other => return Ok(other.is_some()),
    }
    let names = if_there(names_in(&base)).map_err(Error::io("read", &base))?;
    Ok(names.is_some_and(|names| names.is_empty() || names.iter().any(|name| is_of_ours(name))))
}

fn names_in(base: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(base)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect()
}

fn is_of_ours(name: &OsStr) -> bool {
    OURS.iter().any(|ours| name == *ours)
}

/// Locks a folder of ours by the file `lock` in it; makes both when `create`, else answers `None` when there is no folder.
pub(crate) fn lock_in(base: &Path, create: bool, timeout: Duration) -> Result<Option<File>> {
    let path = base.join(LOCK);
    let started = Instant::now();
    loop {
        match if_there(fs::symlink_metadata(base)).map_err(Error::io("look at", base))? {
            Some(meta) if meta.is_dir() => {}
            Some(_) => {
                return Err(Error::io("use", base)(io::ErrorKind::NotADirectory.into()));
            }
            None if create => make_folder(base)?,
            None => return Ok(None),
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path);
        // The last user may have removed the folder in between.
        let Some(lock) = if_there(opened).map_err(Error::io("open the lock", &path))? else {
            continue;
        };
        while let Err(error) = lock.try_lock() {
            match error {
                TryLockError::Error(source) => return Err(Error::io("lock", &path)(source)),
                TryLockError::WouldBlock if started.elapsed() >= timeout => {
                    return Err(Error::Locked {
                        path,
                        waited: started.elapsed(),
                    });
                }
                TryLockError::WouldBlock => thread::sleep(Duration::from_millis(20)),
            }
        }
        let own = lock.metadata().map_err(Error::io("look at", &path))?;
        // A file that was removed while it was waited for locks nobody out.
        if let Ok(there) = fs::symlink_metadata(&path)
            && (there.dev(), there.ino()) == (own.dev(), own.ino())
        {
            return Ok(Some(lock));
        }
    }
}

/// The bytes of a regular file; `None` when there is none or it is something else.
pub(crate) fn read_plain(path: &Path) -> Result<Option<Vec<u8>>> {
    // A socket or a device is not opened: the call fails, or does something.
    match if_there(fs::symlink_metadata(path)).map_err(Error::io("read", path))? {
        Some(meta) if meta.is_file() => {}
        _ => return Ok(None),
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        // ELOOP: a link, which kopia does not read either.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(None);
        }
        opened => opened,
    };
    let Some(file) = if_there(opened).map_err(Error::io("read", path))? else {
        return Ok(None);
    };
    if !file.metadata().map_err(Error::io("read", path))?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}

/// Makes a folder of ours if it is not there. What else is in its place, a link say, is none of ours, and goes.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    let make = || DirBuilder::new().mode(0o700).create(path);
    if make().is_ok() || fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        return Ok(());
    }
    remove_file(path)?;
    make().map_err(Error::io("make the folder", path))
}

/// What a call answers about something that need not be there: `None` when it is not.
pub(crate) fn if_there<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

/// Deletes a file if it is there.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    if_there(fs::remove_file(path)).map_err(Error::io("remove", path))?;
    Ok(())
}

/// Deletes a folder with all that is in it, or whatever else is in its place; links are deleted, not followed.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    let removed = if is_folder {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        // With a file in the place of the folder above there is nothing either.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Deletes a folder in the volume's root, unless there is something of somebody else's in it.
pub(crate) fn remove_if_empty(folder: &Path, root: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(Error::io("remove", folder)(error))
        }
        _ => sync_folder(root),
    }
}

pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("sync", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What cannot be told from nothing by a call that finds nothing: a name that no file system takes.
    fn impossible(folder: &Path) -> PathBuf {
        folder.join("x".repeat(300))
    }

    #[test]
    fn only_what_is_not_there_is_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let impossible = impossible(folder.path());
        assert_eq!(read_plain(&missing).unwrap(), None);
        assert!(read_plain(&impossible).is_err());
        remove_file(&missing).unwrap();
        assert!(remove_file(&impossible).is_err());
        assert!(remove_file(folder.path()).is_err());
        remove_tree(&missing).unwrap();
        assert!(remove_tree(&impossible).is_err());
        assert!(lock_in(&missing, false, Duration::ZERO).unwrap().is_none());
        assert!(lock_in(&impossible, false, Duration::ZERO).is_err());
        assert!(!missing.exists());
        sync_folder(folder.path()).unwrap();
        assert!(sync_folder(&missing).is_err());
    }

    #[test]
    fn a_link_is_not_read_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "a").unwrap();
        symlink("file", &link).unwrap();
        assert_eq!(read_plain(&file).unwrap().as_deref(), Some(b"a".as_slice()));
        assert_eq!(read_plain(&link).unwrap(), None);
        assert_eq!(read_plain(folder.path()).unwrap(), None);
        for place in [&link, &file] {
            remove_tree(place).unwrap();
            assert!(fs::symlink_metadata(place).is_err(), "{}", place.display());
            assert!(file.exists() || place == &file);
        }
        // Below a file there is nothing.
        fs::write(&file, "a").unwrap();
        remove_tree(&file.join("below")).unwrap();
        let full = folder.path().join("full");
        fs::create_dir_all(full.join("of/folders")).unwrap();
        remove_tree(&full).unwrap();
        assert!(!full.exists());
    }

    #[test]
    fn what_is_in_the_place_of_a_folder_of_ours_goes_and_the_folder_itself_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, target) = (folder.path().join("ours"), folder.path().join("target"));
        fs::create_dir(&target).unwrap();
        symlink("target", &ours).unwrap();
        make_folder(&ours).unwrap();
        fs::write(ours.join("kept"), "a").unwrap();
        make_folder(&ours).unwrap();
        assert!(ours.join("kept").exists());
        assert!(!target.join("kept").exists());
        assert!(make_folder(&folder.path().join("missing/ours")).is_err());
    }

    #[test]
    fn each_step_is_told_to_the_watcher_and_may_fail() {
        let volume = tempfile::tempdir().unwrap();
        let root = Root::open(volume.path()).unwrap();
        let watcher = Watcher::new(|step| match step {
            Step::SetRemoved => Err(io::Error::other("killed")),
            _ => Ok(()),
        });
        let folder = Folder::lock(&root, true, Duration::ZERO, &watcher);
        assert!(folder.unwrap().unwrap().withdraw().is_err());
    }

    #[test]
    fn a_lock_is_waited_for_and_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        let held = lock_in(&base, true, Duration::ZERO).unwrap().unwrap();
        let timeout = Duration::from_millis(30);
        match lock_in(&base, true, timeout) {
            Err(Error::Locked { waited, .. }) => assert!(waited >= timeout),
            other => panic!("{other:?}"),
        }
        drop(held);
        assert!(lock_in(&base, false, Duration::ZERO).unwrap().is_some());
        fs::remove_file(base.join("lock")).unwrap();
        symlink("elsewhere", base.join("lock")).unwrap();
        assert!(lock_in(&base, true, Duration::ZERO).is_err());
    }

    #[test]
    fn a_folder_stays_while_something_of_others_is_in_it_and_what_is_none_is_told() {
        let volume = tempfile::tempdir().unwrap();
        let root = Root::open(volume.path()).unwrap();
        let lock = || {
            let folder = Folder::lock(&root, true, Duration::ZERO, &Watcher::default());
            folder.unwrap().unwrap()
        };
        let base = volume.path().join(FOLDER);
        let folder = lock();
        fs::write(base.join("note"), "a").unwrap();
        folder.remove().unwrap();
        assert_eq!(fs::read_dir(&base).unwrap().count(), 1);
        fs::remove_file(base.join("note")).unwrap();
        lock().remove().unwrap();
        assert!(!base.exists());
        let folder = lock();
        fs::rename(&base, volume.path().join("moved")).unwrap();
        symlink("moved", &base).unwrap();
        assert!(folder.remove().is_err());
    }
}
