//! Databases by their header, and those that nobody uses: stored as the file they are, and proven unchanged afterwards.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::FileExt,
};

use crate::{
    FileEntry, JournalMode,
    rules::SIBLINGS,
    tree::{OpenFolder, Root, Stat},
};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The header of a database: 100 bytes (sqlite.org/fileformat2.html, "The Database Header"), zeros for those that were cut
/// off.
pub(crate) struct Header([u8; 100]);

impl Header {
    /// Reads the header of an open file with its metadata; `None` in its place when the file has none.
    pub fn read(file: &File) -> io::Result<(Metadata, Option<Self>)> {
        let meta = file.metadata()?;
        let mut bytes = [0; 100];
        let has = meta.is_file() && file.read_at(&mut bytes, 0)? >= MAGIC.len() && bytes.starts_with(MAGIC);
        Ok((meta, has.then_some(Self(bytes))))
    }

    pub fn journal_mode(&self) -> JournalMode {
        match self.0[18] {
            2 => JournalMode::Wal,
            _ => JournalMode::Rollback,
        }
    }

    pub fn change_counter(&self) -> u32 {
        let [a, b, c, d] = [self.0[24], self.0[25], self.0[26], self.0[27]];
        u32::from_be_bytes([a, b, c, d])
    }
}

/// Whether SQLite keeps something beside a database: somebody has it open, or was killed.
pub(crate) fn has_sibling(folder: &OpenFolder, name: &[u8]) -> io::Result<bool> {
    for suffix in SIBLINGS {
        if folder.stat(&[name, suffix.as_bytes()].concat())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What happened, after a backup, to a database that was stored as a file: in words, `None` when nobody wrote to it. An
/// entry of anything else did not change.
pub(crate) fn change(root: &Root, entry: &FileEntry) -> Option<String> {
    let before = entry.database.as_ref()?;
    let look = || -> io::Result<Option<&str>> {
        let folder = root.open_folder(entry.path.parent().as_ref())?;
        let name = entry.path.name().as_encoded_bytes();
        let (meta, header) = Header::read(&folder.read(name)?)?;
        let now = Stat::from(&meta);
        let is_same = now.inode == before.inode
            && now.size == entry.size
            && now.modified == entry.modified
            && now.changed == before.changed
            && header.is_some_and(|header| header.change_counter() == before.change_counter);
        Ok(if !is_same {
            Some("was written to while the backup ran")
        } else if has_sibling(&folder, name)? {
            Some("was opened while the backup ran")
        } else {
            None
        })
    };
    match look() {
        Ok(change) => change.map(str::to_owned),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some("was removed while the backup ran".to_owned())
        }
        Err(error) => Some(format!("cannot be read after the backup: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use rusqlite::Connection;

    use super::*;
    use crate::{list::plain, manifest::IdleDatabase, tree::RelPath};

    fn listed(folder: &Path, name: &str) -> FileEntry {
        let file = File::open(folder.join(name)).unwrap();
        let (meta, header) = Header::read(&file).unwrap();
        let stat = Stat::from(&meta);
        FileEntry {
            database: Some(IdleDatabase {
                inode: stat.inode,
                changed: stat.changed,
                change_counter: header.unwrap().change_counter(),
            }),
            ..plain(&RelPath::new(name).unwrap(), &stat)
        }
    }

    #[test]
    fn each_way_to_use_a_database_is_a_change() {
        type Way = (&'static str, fn(&Path));
        let ways: [Way; 7] = [
            ("written to", |path| {
                let database = Connection::open(path).unwrap();
                database.execute("INSERT INTO t VALUES (2)", []).unwrap();
            }),
            // Where the clock stands still, size and times stay as well.
            ("written to", |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[27] ^= 1;
                fs::write(path, bytes).unwrap();
            }),
            ("written to", |path| {
                fs::copy(path, path.with_extension("new")).unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            }),
            ("written to", |path| fs::write(path, "no database").unwrap()),
            ("opened", |path| {
                fs::write(path.with_extension("db-journal"), "").unwrap();
            }),
            ("removed", |path| fs::remove_file(path).unwrap()),
            ("cannot be read", |path| {
                fs::rename(path, path.with_extension("elsewhere")).unwrap();
                std::os::unix::fs::symlink("old.elsewhere", path).unwrap();
            }),
        ];
        for (number, (expected, way)) in ways.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("old.db");
            let database = Connection::open(&path).unwrap();
            database
                .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);")
                .unwrap();
            database.close().unwrap();
            let root = Root::open(folder.path()).unwrap();
            let mut entry = listed(folder.path(), "old.db");
            assert_eq!(change(&root, &entry), None);
            way(&path);
            let found = change(&root, &entry).unwrap();
            assert!(found.contains(expected), "{number}: {found}");
            entry.database = None;
            assert_eq!(change(&root, &entry), None, "any other file may change");
        }
    }

    #[test]
    fn whatever_differs_by_itself_is_a_change() {
        type Edit = fn(&mut FileEntry, &mut IdleDatabase);
        let edits: [Edit; 5] = [
            |_, database| database.inode += 1,
            |entry, _| entry.size += 1,
            |entry, _| entry.modified.0 += 1,
            |_, database| database.changed.0 += 1,
            |_, database| database.change_counter += 1,
        ];
        let folder = tempfile::tempdir().unwrap();
        let database = Connection::open(folder.path().join("old.db")).unwrap();
        database.execute("CREATE TABLE t (x)", []).unwrap();
        database.close().unwrap();
        let root = Root::open(folder.path()).unwrap();
        for (number, edit) in edits.into_iter().enumerate() {
            let mut entry = listed(folder.path(), "old.db");
            let mut idle = entry.database.clone().unwrap();
            assert_eq!(change(&root, &entry), None);
            edit(&mut entry, &mut idle);
            entry.database = Some(idle);
            let found = change(&root, &entry);
            assert!(found.is_some_and(|text| text.contains("written to")), "{number}");
        }
    }

    #[test]
    fn a_header_tells_the_mode_and_counts_the_changes() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, expected) in [("wal", JournalMode::Wal), ("delete", JournalMode::Rollback)] {
            let path = folder.path().join(mode);
            let database = Connection::open(&path).unwrap();
            database.pragma_update(None, "journal_mode", mode).unwrap();
            database.execute("CREATE TABLE t (x)", []).unwrap();
            database.close().unwrap();
            let file = File::options().read(true).write(true).open(path).unwrap();
            file.write_all_at(&[1, 2, 3, 4], 24).unwrap();
            let header = Header::read(&file).unwrap().1.unwrap();
            assert_eq!(header.journal_mode(), expected, "{mode}");
            assert_eq!(header.change_counter(), 0x0102_0304);
        }
    }
}
