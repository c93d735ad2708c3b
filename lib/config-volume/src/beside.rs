//! What SQLite keeps beside a database with a write-ahead log: the log, and its index.

use std::{
    fs::{File, Metadata},
    os::unix::fs::MetadataExt,
};

use crate::tree::{RelPath, Root};

/// A log and its index.
#[derive(Debug)]
pub(crate) struct Beside {
    pub log: Option<Metadata>,
    pub index: Option<Metadata>,
    /// Both: the numbers of removed files come back at once, and those made anew would be taken for the same.
    _held: [Option<File>; 2],
}

impl Beside {
    pub fn look(root: &Root, path: &RelPath) -> Self {
        let hold = |suffix| root.hold(&path.with_suffix(suffix)).ok().flatten();
        let held = [hold("-wal"), hold("-shm")];
        let [log, index] = held.each_ref().map(|file| file.as_ref()?.metadata().ok());
        Self {
            log,
            index,
            _held: held,
        }
    }

    /// Whoever has a database with a log open has both files open.
    pub fn is_unused(&self) -> bool {
        self.log.is_none() || self.index.is_none()
    }

    /// Whether both were there, and are other files now.
    pub fn made_anew(&self, now: &Self) -> bool {
        let is_other = |before: &Option<Metadata>, now: &Option<Metadata>| match (before, now) {
            (Some(before), Some(now)) => !same_file(before, now),
            (before, now) => before.is_some() != now.is_some(),
        };
        !self.is_unused() && (is_other(&self.log, &now.log) || is_other(&self.index, &now.index))
    }
}

/// Whether both are one file: as long as one of them is held, its number is no other's.
pub(crate) fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_and_index_that_were_made_anew_are_other_files_whatever_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let path = RelPath::new(b"radarr.db").unwrap();
        let make = || {
            for suffix in ["-wal", "-shm"] {
                let file = folder.path().join(path.with_suffix(suffix).as_path());
                let _ = std::fs::remove_file(&file);
                std::fs::write(file, "").unwrap();
            }
        };
        make();
        for _ in 0..100 {
            let before = Beside::look(&root, &path);
            assert!(!before.made_anew(&Beside::look(&root, &path)));
            make();
            assert!(before.made_anew(&Beside::look(&root, &path)));
        }
        for suffix in ["-wal", "-shm"] {
            make();
            let before = Beside::look(&root, &path);
            std::fs::remove_file(folder.path().join(path.with_suffix(suffix).as_path())).unwrap();
            let now = Beside::look(&root, &path);
            assert!(before.made_anew(&now), "{suffix} is gone");
            assert!(!now.made_anew(&before), "they were not both there");
        }
    }
}
