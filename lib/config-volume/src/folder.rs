//! This program's own folder in the volume: its layout, its lock, and the ignore file that goes with it.
//!
//! ```text
//! .kopiaignore                  in force while a backup may run
//! .config-backup/
//!   lock                        held (flock) by whoever changes anything here
//!   local/                      never stored in a backup: where it is missing, the volume was restored
//!     users                     how many backups use the set
//!     checked.json              what the check of the copies found, while other backups use the set
//!     unfinished/               a set that is being made
//!     removing/                 a set that is being deleted
//!   set/
//!     manifest.json
//!     files.jsonl
//!     databases/0.sqlite ...    the copies
//!   kopiaignore.user            the user's own ignore file, set aside
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use crate::{
    Error, FOLDER, IGNORE_FILE, Manifest, Result, Step,
    manifest::{MANIFEST, read_set},
    options::Watcher,
    swap::state::refuse_halfway,
    tree::Root,
};

/// The first line of an ignore file of this program's.
pub(crate) const HEADING: &str = "# made by config-volume for the time of a backup; it is removed afterwards";
/// A larger ignore file is not read to its end.
const IGNORE_FILE_LIMIT: u64 = 512 << 20;
/// Where a user's ignore file goes when the user made a new one in the meantime.
const USER_FILE_BESIDE: &str = ".kopiaignore.before-backup";

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

    pub fn set(&self) -> PathBuf {
        self.base.join("set")
    }

    pub fn databases(&self) -> PathBuf {
        self.set().join("databases")
    }

    pub fn unfinished(&self) -> PathBuf {
        self.local().join("unfinished")
    }

    pub fn local(&self) -> PathBuf {
        self.base.join("local")
    }

    fn manifest_path(&self) -> PathBuf {
        self.set().join(MANIFEST)
    }

    pub fn has_set(&self) -> bool {
        fs::symlink_metadata(self.set()).is_ok()
    }

    /// Whether the set came out of a backup: what marks a set that was made here is never stored.
    pub fn is_restored(&self) -> bool {
        self.has_set() && fs::symlink_metadata(self.local()).is_err()
    }

    /// Makes the folder that is never stored, and an empty one for an unfinished set.
    pub fn start_unfinished(&self) -> Result<PathBuf> {
        make_folder(&self.local())?;
        let unfinished = self.unfinished();
        remove_tree(&unfinished)?;
        make_folder(&unfinished)?;
        let databases = unfinished.join("databases");
        make_folder(&databases)?;
        Ok(databases)
    }

    pub fn manifest(&self) -> Result<Manifest> {
        read_set(&self.set()).map(|(manifest, _)| manifest)
    }

    /// Writes the manifest into a folder, whole or not at all.
    pub fn write_manifest(&self, folder: &Path, manifest: &Manifest) -> Result<()> {
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(io::Error::from)
            .map_err(Error::io("write", self.manifest_path()))?;
        self.write(&folder.join(MANIFEST), &text)
    }

    /// How many backups use the set; 0 when nobody said.
    pub fn users(&self) -> u32 {
        fs::read_to_string(self.local().join("users"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    pub fn write_users(&self, users: u32) -> Result<()> {
        self.write(&self.local().join("users"), format!("{users}\n").as_bytes())
    }

    /// Gives the unfinished set its final name.
    pub fn show_set(&self) -> Result<()> {
        fs::rename(self.unfinished(), self.set()).map_err(Error::io("rename", self.unfinished()))?;
        sync_folder(&self.base)
    }

    /// The lines of the user's own ignore file, wherever it is at the moment.
    pub fn user_ignore(&self) -> Result<Option<Vec<u8>>> {
        Self::user_ignore_of(self.root)
    }

    /// The same without the lock, for one who only looks.
    pub fn user_ignore_of(root: &Root) -> Result<Option<Vec<u8>>> {
        let current = root.path().join(IGNORE_FILE);
        let saved = root.path().join(FOLDER).join("kopiaignore.user");
        read_plain(if is_ignore_file_of_ours(&current)? {
            &saved
        } else {
            &current
        })
    }

    /// The ignore file of this program's that is in force, if one is.
    pub fn ignore_in_force(&self) -> Result<Option<Vec<u8>>> {
        let path = self.ignore_path();
        if is_ignore_file_of_ours(&path)? {
            read_plain(&path)
        } else {
            Ok(None)
        }
    }

    /// Puts an ignore file in force, the user's own set aside.
    pub fn write_ignore(&self, text: &[u8]) -> Result<()> {
        let path = self.ignore_path();
        if fs::symlink_metadata(&path).is_ok() && !is_ignore_file_of_ours(&path)? {
            fs::rename(&path, self.user_file()).map_err(Error::io("set aside", &path))?;
            sync_folder(&self.base)?;
        }
        self.watcher.at(Step::UserFileKept)?;
        self.write(&path, text)?;
        self.watcher.at(Step::IgnoreWritten)
    }

    /// Takes the ignore file of ours away and puts the user's back.
    pub fn remove_ignore(&self) -> Result<()> {
        let (path, saved) = (self.ignore_path(), self.user_file());
        let has_saved = fs::symlink_metadata(&saved).is_ok();
        let ours = is_ignore_file_of_ours(&path)?;
        let absent = fs::symlink_metadata(&path).is_err();
        if has_saved {
            let back = if ours || absent {
                path
            } else {
                self.root.path().join(USER_FILE_BESIDE)
            };
            fs::rename(&saved, &back).map_err(Error::io("put back", &back))?;
        } else if ours {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        sync_folder(self.root.path())?;
        self.watcher.at(Step::IgnoreRemoved)
    }

    /// Takes back whatever is there of a set that was made here, in the order that lets a backup that starts in
    /// between store the live files.
    pub fn withdraw(&self) -> Result<()> {
        self.remove_ignore()?;
        let removing = self.local().join("removing");
        if self.has_set() {
            make_folder(&self.local())?;
            remove_tree(&removing)?;
            fs::rename(self.set(), &removing).map_err(Error::io("rename", self.set()))?;
            sync_folder(&self.base)?;
            self.watcher.at(Step::SetHidden)?;
        }
        remove_tree(&removing)?;
        remove_tree(&self.unfinished())?;
        self.watcher.at(Step::SetRemoved)
    }

    /// Deletes the set of a restored volume, whose copies are all in place.
    pub fn remove_restored_set(&self) -> Result<()> {
        remove_tree(&self.set())?;
        self.watcher.at(Step::SetRemoved)
    }

    /// Removes the folder, the lock last. Another process may lock a new one at once, which then stays.
    pub fn remove(self) -> Result<()> {
        remove_tree(&self.local())?;
        let lock = self.base.join("lock");
        match fs::remove_file(&lock) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", lock)(error));
            }
            _ => {}
        }
        match fs::remove_dir(&self.base) {
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                ) =>
            {
                Err(Error::io("remove", &self.base)(error))
            }
            _ => sync_folder(self.root.path()),
        }
    }

    fn ignore_path(&self) -> PathBuf {
        self.root.path().join(IGNORE_FILE)
    }

    fn user_file(&self) -> PathBuf {
        self.base.join("kopiaignore.user")
    }

    /// Writes a file under another name first, so that it is there whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        make_folder(&self.local())?;
        let unfinished = self.local().join("file.unfinished");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &unfinished)(error));
            }
            _ => {}
        }
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

/// Locks a folder of ours by the file `lock` in it; makes both when `create`, else answers `None` when there is no folder.
pub(crate) fn lock_in(base: &Path, create: bool, timeout: Duration) -> Result<Option<File>> {
    let path = base.join("lock");
    let started = Instant::now();
    loop {
        match fs::symlink_metadata(base) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                return Err(Error::io("use", base)(io::ErrorKind::NotADirectory.into()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !create {
                    return Ok(None);
                }
                make_folder(base)?;
            }
            Err(error) => return Err(Error::io("look at", base)(error)),
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path);
        let lock = match opened {
            Ok(lock) => lock,
            // The last user removed the folder in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("open the lock", &path)(error)),
        };
        while let Err(error) = lock.try_lock() {
            match error {
                TryLockError::Error(source) => return Err(Error::io("lock", &path)(source)),
                TryLockError::WouldBlock if started.elapsed() > timeout => {
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
fn read_plain(path: &Path) -> Result<Option<Vec<u8>>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // ELOOP: a link, which kopia does not read either.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if !file.metadata().map_err(Error::io("read", path))?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(IGNORE_FILE_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}

fn is_ignore_file_of_ours(path: &Path) -> Result<bool> {
    Ok(read_plain(path)?.is_some_and(|text| text.starts_with(HEADING.as_bytes())))
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::io("make the folder", path)(error))
        }
        _ => Ok(()),
    }
}

/// Deletes a folder with all that is in it; links are deleted, not followed.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("sync", path))
}
