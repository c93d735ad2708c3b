//! The ignore file that is in force while backups may run, and the user's own, which is set aside meanwhile. Of the user's nothing is
//! taken for granted: it may be a folder, and a new one may appear while an earlier one is set aside.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Error, FOLDER, IGNORE_FILE, Result, Step,
    folder::{Folder, HEADING, USER_FILE, if_there, read_plain, sync_folder},
    tree::{RelPath, Root},
};

/// Where a user's ignore file goes when the user made a new one in the meantime.
const USER_FILE_BESIDE: &str = ".kopiaignore.before-backup";

/// Whether the ignore file in the root of a volume is one of this program's.
pub(crate) fn is_of_ours(path: &Path) -> Result<bool> {
    Ok(read_plain(path)?.is_some_and(|text| text.starts_with(HEADING.as_bytes())))
}

/// A mount is told by name: it is the one thing that a rename never moves.
fn cannot_set_aside(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices => Error::IgnoreFile {
            path: IGNORE_FILE.to_owned(),
            reason: "it is a mount of its own, which cannot be set aside for a backup: unmount it".to_owned(),
        },
        _ => Error::io("set aside", path)(error),
    }
}

impl Folder<'_> {
    /// The lines of the user's own ignore file, wherever it is at the moment.
    pub fn user_ignore(&self) -> Result<Option<Vec<u8>>> {
        Self::user_ignore_of(self.root())
    }

    /// The same without the lock, for one who only looks.
    pub fn user_ignore_of(root: &Root) -> Result<Option<Vec<u8>>> {
        let current = root.path().join(IGNORE_FILE);
        let saved = root.path().join(FOLDER).join(USER_FILE);
        read_plain(if is_of_ours(&current)? { &saved } else { &current })
    }

    /// Writes an ignore file that is not in force yet, so that no room is wanted any more once the set is there.
    pub fn stage_ignore(&self, text: &[u8]) -> Result<()> {
        self.write(&self.staged_ignore(), text)
    }

    /// Puts the staged ignore file in force, the user's own set aside. That may be a folder or anything else of that name.
    pub fn show_ignore(&self) -> Result<()> {
        let path = self.ignore_path();
        if fs::symlink_metadata(&path).is_ok() && !is_of_ours(&path)? {
            // An earlier one was never put back: neither takes the place of the other.
            self.put_beside()?;
            fs::rename(&path, self.user_file()).map_err(|error| cannot_set_aside(&path, error))?;
            sync_folder(self.base())?;
        }
        self.at(Step::UserFileKept)?;
        fs::rename(self.staged_ignore(), &path).map_err(Error::io("put in force", &path))?;
        sync_folder(self.root().path())?;
        self.at(Step::IgnoreWritten)
    }

    /// Takes the ignore file of ours away and puts the user's back.
    pub fn remove_ignore(&self) -> Result<()> {
        let (path, saved) = (self.ignore_path(), self.user_file());
        let kept = if_there(fs::symlink_metadata(&saved)).map_err(Error::io("look at", &saved))?;
        let ours = is_of_ours(&path)?;
        let absent = fs::symlink_metadata(&path).is_err();
        match kept {
            Some(kept) if ours || absent => {
                // A folder cannot take the place of a file. Killed in between, the next call finds no file of ours.
                if ours && kept.is_dir() {
                    fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                    self.at(Step::IgnoreTakenAway)?;
                }
                fs::rename(&saved, &path).map_err(Error::io("put back", &path))?;
            }
            Some(_) => self.put_beside()?,
            None if ours => fs::remove_file(&path).map_err(Error::io("remove", &path))?,
            None => {}
        }
        sync_folder(self.root().path())?;
        self.at(Step::IgnoreRemoved)
    }

    /// Puts the user's ignore file, if one is set aside, under the first name beside its own that is free.
    fn put_beside(&self) -> Result<()> {
        let saved = RelPath::child(None, format!("{FOLDER}/{USER_FILE}").as_bytes());
        let mut name = USER_FILE_BESIDE.to_owned();
        let mut number = 1u32;
        loop {
            let beside = RelPath::child(None, name.as_bytes());
            match if_there(self.root().rename(&saved, &beside)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("put back", self.root().full(&beside))(error)),
                Ok(_) => return Ok(()),
            }
            number += 1;
            name = format!("{USER_FILE_BESIDE}-{number}");
        }
    }

    fn staged_ignore(&self) -> PathBuf {
        self.local().join("kopiaignore.staged")
    }

    fn ignore_path(&self) -> PathBuf {
        self.root().path().join(IGNORE_FILE)
    }

    fn user_file(&self) -> PathBuf {
        self.base().join(USER_FILE)
    }
}
