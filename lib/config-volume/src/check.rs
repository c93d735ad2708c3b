//! The check of the sets, after a backup.
//!
//! Before it would make every backup wait: the check of a database takes several times as long as copying it. So a backup
//! holds copies that nobody has checked yet, and fails afterwards if one is damaged.
//!
//! What was found of a set is remembered, for the others that have yet to end and for a run after a kill, until all sets
//! are removed. Copies do not change, so they are checked once. A database that is stored as the file it is can change as
//! long as any backup may be reading it, so one that was found unchanged is looked at again.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    DatabaseEntry, Error, Result,
    database::check_copy,
    folder::{Folder, make_folder},
    idle::change,
    parallel::each,
    sets::Set,
    tree::{RelPath, Root},
};

/// What is known of one set.
#[derive(Debug, Serialize, Deserialize)]
struct Judged {
    /// Its id.
    #[serde(skip)]
    id: String,
    /// The copies that were checked, each with what is wrong with it; `None` when it is sound.
    copies: Vec<(RelPath, Option<String>)>,
    /// Why there is no telling which copies there are.
    unreadable: Option<String>,
    /// Databases that were stored as files and did not stay the same, each with what happened.
    changed: Vec<String>,
    /// How many of those stayed the same.
    unchanged: u64,
}

/// What is known of all sets.
#[derive(Debug)]
pub(crate) struct Findings {
    judged: Vec<Judged>,
}

impl Findings {
    /// Judges all sets, of which `newest` is to be released.
    pub fn of(folder: &Folder<'_>, newest: &Set) -> Result<Self> {
        let sets = folder.sets()?;
        let mut judged = Vec::new();
        if !sets.contains(newest) {
            // A run that was killed while it removed the sets has left what it found.
            judged.push(recall(folder, newest).ok_or(Error::NothingToFinish)?);
        }
        for set in &sets {
            let mut found = recall(folder, set).unwrap_or_else(|| judge(set));
            if let Err(error) = found.look_at_files(folder.root(), set) {
                found.unreadable.get_or_insert(crate::error::causes(&error));
            }
            judged.push(found);
        }
        Ok(Self { judged })
    }

    pub fn remember(&self, folder: &Folder<'_>) -> Result<()> {
        make_folder(&folder.local().join("checked"))?;
        for judged in &self.judged {
            let path = folder.findings(&judged.id);
            let text = serde_json::to_vec_pretty(judged)
                .map_err(io::Error::from)
                .map_err(Error::io("write", &path))?;
            folder.write(&path, &text)?;
        }
        Ok(())
    }

    /// How many were found sound.
    pub fn sound(&self) -> u64 {
        let all = self.judged.iter().flat_map(|judged| &judged.copies);
        let copies = all.filter(|(_, damage)| damage.is_none()).count() as u64;
        let files = self.judged.iter().map(|judged| judged.unchanged);
        files.fold(copies, u64::saturating_add)
    }

    /// The error that the backup has to end with, if it has to.
    pub fn failure(&self) -> Option<Error> {
        let mut damage: Vec<String> = Vec::new();
        for judged in &self.judged {
            let copies = judged.copies.iter();
            damage.extend(copies.filter_map(|(path, damage)| Some(format!("{path}: {}", damage.as_ref()?))));
            damage.extend(judged.unreadable.clone());
        }
        // Sets of several backups tell the same of one database.
        damage.sort_unstable();
        damage.dedup();
        if !damage.is_empty() {
            return Some(Error::DamagedBackup {
                damage: damage.join("; "),
            });
        }
        let mut changed: Vec<&str> = self
            .judged
            .iter()
            .flat_map(|judged| &judged.changed)
            .map(String::as_str)
            .collect();
        changed.sort_unstable();
        changed.dedup();
        (!changed.is_empty()).then(|| Error::ChangedDuringBackup {
            paths: changed.join("; "),
        })
    }
}

impl Judged {
    /// Looks at each database that is stored as a file, unless one was found changed already.
    fn look_at_files(&mut self, root: &Root, set: &Set) -> Result<()> {
        if !self.changed.is_empty() || self.unreadable.is_some() {
            return Ok(());
        }
        self.unchanged = 0;
        for entry in set.read()?.1.entries()? {
            let entry = entry?;
            if entry.database.is_none() {
                continue;
            }
            match change(root, &entry) {
                Some(change) => self.changed.push(format!("{} {change}", entry.path)),
                None => self.unchanged += 1,
            }
        }
        Ok(())
    }
}

/// What cannot be read is checked again.
fn recall(folder: &Folder<'_>, set: &Set) -> Option<Judged> {
    let text = fs::read(folder.findings(&set.id)).ok()?;
    let judged: Judged = serde_json::from_slice(&text).ok()?;
    Some(Judged {
        id: set.id.clone(),
        ..judged
    })
}

fn judge(set: &Set) -> Judged {
    let id = set.id.clone();
    match set.manifest() {
        Err(error) => Judged {
            id,
            copies: Vec::new(),
            unreadable: Some(error.to_string()),
            changed: Vec::new(),
            unchanged: 0,
        },
        Ok(manifest) => {
            let databases = set.databases();
            let (copies, ()) = each(
                manifest.databases,
                |_, entry: DatabaseEntry| {
                    let damage = damage_of(&entry, &databases);
                    (entry.path, damage)
                },
                || (),
            );
            Judged {
                id,
                copies,
                unreadable: None,
                changed: Vec::new(),
                unchanged: 0,
            }
        }
    }
}

fn damage_of(entry: &DatabaseEntry, databases: &Path) -> Option<String> {
    let path = databases.join(&entry.copy);
    match fs::symlink_metadata(&path) {
        Err(error) => Some(format!("its copy cannot be read: {error}")),
        Ok(meta) if !meta.is_file() || meta.len() != entry.size => Some(format!(
            "its copy has {} bytes instead of {}",
            meta.len(),
            entry.size
        )),
        Ok(_) => check_copy(&path).err(),
    }
}
