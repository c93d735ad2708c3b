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
    error::causes,
    folder::{Folder, make_folder},
    hash::blake3,
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
    /// The copies that were checked.
    copies: Vec<Copy>,
    /// Why there is no telling which copies there are.
    unreadable: Option<String>,
    /// Databases that were stored as files and did not stay the same, each with what happened.
    changed: Vec<String>,
    /// How many of those stayed the same.
    unchanged: u64,
}

/// What is known of one copy.
#[derive(Debug, Serialize, Deserialize)]
struct Copy {
    /// Whose copy it is.
    path: RelPath,
    /// Whether its damage fails the backup.
    fails: bool,
    /// What is wrong with it; `None` when it is sound.
    damage: Option<String>,
}

/// What is known of all sets.
#[derive(Debug)]
pub(crate) struct Findings {
    judged: Vec<Judged>,
}

impl Findings {
    /// Judges all sets; says which open one is to be released. `None` when none is open, or when the copies of the newest are
    /// gone, which then is open no longer.
    pub fn of(folder: &Folder<'_>) -> Result<Option<(Set, Self)>> {
        let sets = folder.sets()?;
        let mut judged = Vec::new();
        // A `prepare` that was cut off before its set could be seen has left it unfinished; the next one clears that away.
        let was_cut_off = fs::symlink_metadata(folder.unfinished()).is_ok();
        let mut newest = None;
        for set in folder.open()?.into_iter().rev() {
            // A run that was killed while it removed the sets has left what it found.
            let found = match sets.contains(&set) {
                true => None,
                false => recall(folder, &set),
            };
            if sets.contains(&set) || found.is_some() {
                judged.extend(found);
                newest = Some(set);
                break;
            }
            if !was_cut_off {
                // An older set is another backup's, and vouches for nothing of this one.
                folder.close(&set.id)?;
                break;
            }
        }
        let Some(newest) = newest else { return Ok(None) };
        for set in &sets {
            let mut found = recall(folder, set).unwrap_or_else(|| judge(set));
            if let Err(error) = found.look_at_files(folder.root(), set) {
                found.unreadable.get_or_insert(causes(&error));
            }
            judged.push(found);
        }
        Ok(Some((newest, Self { judged })))
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
        let copies = all.filter(|copy| copy.damage.is_none()).count() as u64;
        let files = self.judged.iter().map(|judged| judged.unchanged);
        files.fold(copies, u64::saturating_add)
    }

    /// What is damaged and fails nothing, or the opposite.
    fn damaged(&self, fails: bool) -> Vec<String> {
        let all = self.judged.iter().flat_map(|judged| &judged.copies);
        let mut damage: Vec<String> = all
            .filter(|copy| copy.fails == fails)
            .filter_map(|copy| Some(format!("{}: {}", copy.path, copy.damage.as_ref()?)))
            .collect();
        // Sets of several backups tell the same of one database.
        damage.sort_unstable();
        damage.dedup();
        damage
    }

    /// Databases that are damaged and not the app's own.
    pub fn tolerated(&self) -> Vec<String> {
        self.damaged(false)
    }

    /// The error that the backup has to end with, if it has to.
    pub fn failure(&self) -> Option<Error> {
        let mut damage = self.damaged(true);
        damage.extend(self.judged.iter().filter_map(|judged| judged.unreadable.clone()));
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
            let (copies, ()) = each(manifest.databases, |_, entry| check(entry, &databases), || ());
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

/// A copy that is damaged as it was made is the app's own affair where the app can do without the database. One that is not as
/// it was made fails the backup in any case.
fn check(entry: DatabaseEntry, databases: &Path) -> Copy {
    let path = databases.join(&entry.copy);
    let (fails, damage) = match fs::symlink_metadata(&path) {
        Err(error) => (true, Some(format!("its copy cannot be read: {error}"))),
        Ok(meta) if !meta.is_file() || meta.len() != entry.size => {
            let text = format!("its copy has {} bytes instead of {}", meta.len(), entry.size);
            (true, Some(text))
        }
        Ok(_) => match (check_copy(&path), is_as_made(&entry, &path)) {
            (Ok(_), true) => (false, None),
            // What is in a row no check of SQLite's looks at; a restore would refuse it.
            (Ok(_), false) => (true, Some("its copy is not as it was made".to_owned())),
            (Err(damage), as_made) => (entry.own || !as_made, Some(damage)),
        },
    };
    Copy {
        path: entry.path,
        fails,
        damage,
    }
}

fn is_as_made(entry: &DatabaseEntry, path: &Path) -> bool {
    fs::File::open(path)
        .and_then(|mut file| blake3(&mut file, u64::MAX))
        .is_ok_and(|(_, sum)| sum == entry.blake3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JournalMode;

    #[test]
    fn a_copy_that_is_not_as_it_was_made_fails_the_backup_whosever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("0.sqlite");
        let database = rusqlite::Connection::open(&copy).unwrap();
        database
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES ('abc');")
            .unwrap();
        database.close().unwrap();
        let made = fs::read(&copy).unwrap();
        let entry = DatabaseEntry {
            path: RelPath::new("old.db").unwrap(),
            copy: "0.sqlite".to_owned(),
            size: made.len() as u64,
            mode: 0o644,
            uid: 0,
            gid: 0,
            blake3: blake3::hash(&made).to_hex().to_string(),
            journal_mode: JournalMode::Rollback,
            own: false,
        };
        let judged = |entry: &DatabaseEntry| {
            let judged = check(entry.clone(), folder.path());
            (judged.fails, judged.damage.unwrap_or_default())
        };
        let judge = || judged(&entry);
        assert_eq!(judge(), (false, String::new()));
        fs::write(&copy, [made.as_slice(), &[0; 512]].concat()).unwrap();
        let text = format!(
            "its copy has {} bytes instead of {}",
            made.len() + 512,
            made.len()
        );
        assert_eq!(judge(), (true, text));
        let mut changed = made.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&copy, changed).unwrap();
        assert_eq!(judge(), (true, "its copy is not as it was made".to_owned()));
        // Damaged: as it was made, and whose it is counts; or not.
        let damaged = vec![0x5a; made.len()];
        fs::write(&copy, &damaged).unwrap();
        for (own, sum, fails) in [
            (false, &damaged, false),
            (true, &damaged, true),
            (false, &made, true),
            (true, &made, true),
        ] {
            let entry = DatabaseEntry {
                own,
                blake3: blake3::hash(sum).to_hex().to_string(),
                ..entry.clone()
            };
            let (failed, text) = judged(&entry);
            assert_eq!(failed, fails, "{own} {text}");
            assert_eq!(text, "file is not a database");
        }
        fs::remove_file(&copy).unwrap();
        assert!(judge().1.starts_with("its copy cannot be read: "));
        std::os::unix::fs::symlink("elsewhere", &copy).unwrap();
        assert_eq!(
            judge(),
            (true, format!("its copy has 9 bytes instead of {}", made.len()))
        );
    }
}
