//! The ignore file that is in force while backups may run, and the user's own, which is set aside meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error, FOLDER, IGNORE_FILE, Result, Step,
    folder::{Folder, HEADING, read_plain, sync_folder},
    tree::Root,
};

/// Where a user's ignore file goes when the user made a new one in the meantime.
const USER_FILE_BESIDE: &str = ".kopiaignore.before-backup";

/// Whether the ignore file in the root of a volume is one of this program's.
pub(crate) fn is_of_ours(path: &Path) -> Result<bool> {
    Ok(read_plain(path)?.is_some_and(|text| text.starts_with(HEADING.as_bytes())))
}

impl Folder<'_> {
    /// The lines of the user's own ignore file, wherever it is at the moment.
    pub fn user_ignore(&self) -> Result<Option<Vec<u8>>> {
        Self::user_ignore_of(self.root())
    }

    /// The same without the lock, for one who only looks.
    pub fn user_ignore_of(root: &Root) -> Result<Option<Vec<u8>>> {
        let current = root.path().join(IGNORE_FILE);
        let saved = root.path().join(FOLDER).join("kopiaignore.user");
        read_plain(if is_of_ours(&current)? { &saved } else { &current })
    }

    /// Writes an ignore file that is not in force yet, so that no room is wanted any more once the set is there.
    pub fn stage_ignore(&self, text: &[u8]) -> Result<()> {
        self.write(&self.staged_ignore(), text)
    }

    /// Puts the staged ignore file in force, the user's own set aside.
    pub fn show_ignore(&self) -> Result<()> {
        let path = self.ignore_path();
        if fs::symlink_metadata(&path).is_ok() && !is_of_ours(&path)? {
            fs::rename(&path, self.user_file()).map_err(Error::io("set aside", &path))?;
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
        let has_saved = fs::symlink_metadata(&saved).is_ok();
        let ours = is_of_ours(&path)?;
        let absent = fs::symlink_metadata(&path).is_err();
        if has_saved {
            let back = if ours || absent {
                path
            } else {
                self.root().path().join(USER_FILE_BESIDE)
            };
            fs::rename(&saved, &back).map_err(Error::io("put back", &back))?;
        } else if ours {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        sync_folder(self.root().path())?;
        self.at(Step::IgnoreRemoved)
    }

    fn staged_ignore(&self) -> PathBuf {
        self.local().join("kopiaignore.staged")
    }

    fn ignore_path(&self) -> PathBuf {
        self.root().path().join(IGNORE_FILE)
    }

    fn user_file(&self) -> PathBuf {
        self.base().join("kopiaignore.user")
    }
}
