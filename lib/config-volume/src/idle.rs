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

/// The header of a database: 100 bytes (sqlite.org/fileformat2.html, "The Database Header").
pub(crate) struct Header([u8; 100]);

impl Header {
    /// Reads the header of an open file with its metadata; `None` in its place when the file has none.
    pub fn read(file: &File) -> io::Result<(Metadata, Option<Self>)> {
        let meta = file.metadata()?;
        let mut bytes = [0; 100];
        let has = meta.is_file() && file.read_at(&mut bytes, 0)? == bytes.len() && bytes.starts_with(MAGIC);
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
