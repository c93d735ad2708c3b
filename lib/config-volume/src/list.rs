//! The ordinary files of a volume, listed while it is walked: checksums within their limits, then the promise.

use std::{io::Read, path::Path, time::Instant};

use crate::{
    Error, FileEntry, Options, Result,
    files::{FileCount, FilesWriter},
    manifest::link_text,
    tree::{RelPath, Root, Stat},
    walk::{Entry, Found},
};

/// After so many bytes of the list the room on the volume is looked at again.
const LOOK_AFTER: u64 = 4 << 20;

/// A list that the walk of a volume fills: hand [`Listing::add`] each entry.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    root: &'a Root,
    options: &'a Options,
    writer: FilesWriter,
    began: Instant,
    /// Bytes that may still be read for checksums.
    bytes_left: u64,
    looked_at: u64,
    buffer: Vec<u8>,
}

impl<'a> Listing<'a> {
    /// Begins a list in a new file.
    ///
    /// # Errors
    /// A failed call.
    pub fn create(root: &'a Root, path: &Path, options: &'a Options) -> Result<Self> {
        Ok(Self {
            root,
            options,
            writer: FilesWriter::create(path)?,
            began: Instant::now(),
            bytes_left: options.checksum_total_limit,
            looked_at: 0,
            buffer: vec![0; 256 << 10],
        })
    }

    /// Adds what the walk came to.
    ///
    /// # Errors
    /// [`Error::NoSpace`] when the list would take the app's reserve, or a failed call.
    pub fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        let blake3 = self.checksum(entry);
        self.push(FileEntry {
            blake3,
            link: entry.link.as_deref().map(link_text),
            database: entry.database.clone(),
            ..plain(&entry.path, &entry.meta)
        })
    }

    /// Adds a database that could not be copied, as the file it is. Nobody knows who writes to it, so it is not promised.
    ///
    /// # Errors
    /// As [`Listing::add`].
    pub fn add_uncopied(&mut self, found: &Found) -> Result<()> {
        self.push(FileEntry {
            stable: false,
            ..plain(&found.path, &Stat::from(&found.meta))
        })
    }

    /// Takes the promise back for what changed since the list was begun, and brings the list to disk.
    ///
    /// # Errors
    /// A failed call.
    pub fn finish(self) -> Result<FileCount> {
        self.writer.finish(self.root)
    }

    fn push(&mut self, entry: FileEntry) -> Result<()> {
        self.writer.push(&entry)?;
        if self.writer.written() < self.looked_at + LOOK_AFTER {
            return Ok(());
        }
        self.looked_at = self.writer.written();
        let free = self
            .root
            .free()
            .map_err(Error::io("measure the volume", self.root.path()))?;
        let needed = self.options.reserve.saturating_add(LOOK_AFTER);
        if free >= needed {
            return Ok(());
        }
        Err(Error::NoSpace {
            needed,
            reserve: self.options.reserve,
            free,
        })
    }

    /// The checksum of a file that is small enough, while bytes and time are left for it.
    fn checksum(&mut self, entry: &Entry<'_>) -> Option<String> {
        let size = entry.meta.size;
        // A database counts for more than a film: it is to be told from one that was damaged on its way.
        let small = size <= self.options.checksum_file_limit || entry.database.is_some();
        let time_left = self.began.elapsed() < self.options.checksum_time_limit;
        if entry.link.is_some() || !small || size > self.bytes_left || !time_left {
            return None;
        }
        if size == 0 {
            return Some(blake3::hash(b"").to_hex().to_string());
        }
        self.bytes_left -= size;
        let mut file = entry.open().ok()?.take(size);
        let mut digest = blake3::Hasher::new();
        let mut read = 0;
        while read < size {
            match file.read(&mut self.buffer) {
                Ok(0) => return None,
                Ok(count) => {
                    read += count as u64;
                    digest.update(self.buffer.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
            if self.began.elapsed() >= self.options.checksum_time_limit {
                return None;
            }
        }
        Some(digest.finalize().to_hex().to_string())
    }
}

fn plain(path: &RelPath, meta: &Stat) -> FileEntry {
    FileEntry {
        // Velero gives a file that is no UTF-8 another name.
        stable: path.is_utf8(),
        path: path.clone(),
        size: meta.size,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        modified: meta.modified,
        blake3: None,
        link: None,
        database: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_on_the_volume_is_looked_at_after_each_piece_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "a").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let path = RelPath::new("a").unwrap();
        let meta = Stat::from(&root.look(&path).unwrap().unwrap());
        for (reserve, is_enough) in [(0, true), (u64::MAX, false)] {
            let options = Options {
                reserve,
                ..Options::default()
            };
            let list = folder.path().join(reserve.to_string());
            let mut listing = Listing::create(&root, &list, &options).unwrap();
            // Makes the list so many bytes longer.
            let mut push = |bytes: u64| {
                let before = listing.writer.written();
                let entry = |length| FileEntry {
                    link: Some("x".repeat(length)),
                    ..plain(&path, &meta)
                };
                let least = serde_json::to_vec(&entry(0)).unwrap().len() + "\n ".len();
                let pushed = listing.push(entry(usize::try_from(bytes).unwrap() - least));
                assert_eq!(listing.writer.written() - before, bytes);
                match pushed {
                    Ok(()) => true,
                    Err(Error::NoSpace { .. }) => false,
                    Err(error) => panic!("{error:?}"),
                }
            };
            for _ in 0..2 {
                assert!(push(LOOK_AFTER - 1000), "it is not yet looked at");
                assert_eq!(push(1000), is_enough);
            }
        }
    }
}
