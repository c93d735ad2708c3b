//! The check of a set's copies, after a backup.
//!
//! Before it would make every backup wait: the check of a database takes several times as long as copying it. So a backup
//! holds copies that nobody has checked yet, and fails afterwards if one is damaged.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    DatabaseEntry, Error, Result,
    database::check_copy,
    folder::{Folder, sync_folder},
    parallel::each,
    tree::RelPath,
};

/// What is known of one copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Judged {
    /// Its name in the set, which no other copy of this set gets.
    copy: String,
    /// Whose copy it is.
    path: RelPath,
    /// What is wrong with it; `None` when it is sound.
    damage: Option<String>,
}

/// What is known of the copies of a set: of those that other backups had checked, and of all the others.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    judged: Vec<Judged>,
    /// Why there is no telling which copies there are.
    unreadable: Option<String>,
}

impl Findings {
    /// Checks each copy that was not checked before.
    pub fn of(folder: &Folder<'_>) -> Self {
        // What cannot be read is checked again.
        let mut judged: Vec<Judged> = fs::read(store(folder))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        if !folder.has_set() {
            return Self {
                judged,
                unreadable: None,
            };
        }
        let manifest = match folder.manifest() {
            Ok(manifest) => manifest,
            Err(error) => {
                return Self {
                    judged,
                    unreadable: Some(error.to_string()),
                };
            }
        };
        let new: Vec<DatabaseEntry> = manifest
            .databases
            .into_iter()
            .filter(|entry| judged.iter().all(|known| known.copy != entry.copy))
            .collect();
        let databases = folder.databases();
        let (found, ()) = each(new, |_, entry| check(entry, &databases), || ());
        judged.extend(found);
        Self {
            judged,
            unreadable: None,
        }
    }

    /// Remembers what was found, so that each backup that uses the set is told, also after a kill.
    pub fn remember(&self, folder: &Folder<'_>) -> io::Result<()> {
        let path = store(folder);
        let unfinished = path.with_extension("unfinished");
        let text = serde_json::to_vec_pretty(&self.judged)?;
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    }

    /// The error that a backup with these copies has to end with, if it has to.
    pub fn damage(&self) -> Option<Error> {
        let mut damage: Vec<String> = self
            .judged
            .iter()
            .filter_map(|judged| Some(format!("{}: {}", judged.path, judged.damage.as_ref()?)))
            .collect();
        damage.extend(self.unreadable.clone());
        (!damage.is_empty()).then(|| Error::DamagedBackup {
            damage: damage.join("; "),
        })
    }
}

/// Forgets what was found: the set is another one now.
pub(crate) fn forget(folder: &Folder<'_>) -> Result<()> {
    let path = store(folder);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove", path)(error)),
        Ok(()) => path.parent().map_or(Ok(()), sync_folder),
    }
}

/// Beside the number of users: it is never stored in a backup.
fn store(folder: &Folder<'_>) -> PathBuf {
    folder.local().join("checked.json")
}

fn check(entry: DatabaseEntry, databases: &Path) -> Judged {
    let path = databases.join(&entry.copy);
    let damage = match fs::symlink_metadata(&path) {
        Err(error) => Some(format!("its copy cannot be read: {error}")),
        Ok(meta) if !meta.is_file() || meta.len() != entry.size => Some(format!(
            "its copy has {} bytes instead of {}",
            meta.len(),
            entry.size
        )),
        Ok(_) => check_copy(&path).err(),
    };
    Judged {
        copy: entry.copy,
        path: entry.path,
        damage,
    }
}
