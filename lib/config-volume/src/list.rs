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
/// After so many bytes of a file the clock is looked at again.
const PIECE: u64 = 256 << 10;

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
        if entry.link.is_some() || !small || size > self.bytes_left || self.is_time_over() {
            return None;
        }
        if size == 0 {
            return Some(blake3::hash(b"").to_hex().to_string());
        }
        self.bytes_left -= size;
        let mut file = entry.open().ok()?.take(size);
        let mut digest = blake3::Hasher::new();
        while digest.count() < size {
            let before = digest.count();
            digest.update_reader((&mut file).take(PIECE)).ok()?;
            if digest.count() == before || self.is_time_over() {
                return None;
            }
        }
        Some(digest.finalize().to_hex().to_string())
    }

    fn is_time_over(&self) -> bool {
        self.began.elapsed() >= self.options.checksum_time_limit
    }
}

pub(crate) fn plain(path: &RelPath, meta: &Stat) -> FileEntry {
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
    use std::{
        fs,
        io::Write,
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::{own::OwnDatabases, rules::RootRules, walk::walk};

    /// Which of these files get a checksum, one after the other: `true` when it is that of what was first in it. A name that
    /// ends in `.link` is made a link, and what is at `then` befalls the file when it was looked at.
    fn checksums(options: &Options, files: &[(&str, usize)], then: fn(&Path)) -> Vec<bool> {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let list = folder.path().join("list");
        let mut listing = Listing::create(&root, &list, options).unwrap();
        // In the order in which they are given, one folder each.
        for (number, (name, size)) in files.iter().enumerate() {
            let volume = folder.path().join(number.to_string());
            fs::create_dir(&volume).unwrap();
            let file = volume.join(name);
            match name.ends_with(".link") {
                true => std::os::unix::fs::symlink("x".repeat(*size), &file).unwrap(),
                false => fs::write(&file, "x".repeat(*size)).unwrap(),
            }
            let volume = Root::open(&volume).unwrap();
            let own = OwnDatabases::default();
            walk(&volume, &RootRules::everything(), &own, &mut |entry| {
                then(&file);
                listing.add(&entry)
            })
            .unwrap();
        }
        listing.writer.finish(&root).unwrap();
        crate::files::files(&list)
            .unwrap()
            .zip(files)
            .map(|(entry, (_, size))| {
                let hash = || blake3::hash("x".repeat(*size).as_bytes()).to_hex().to_string();
                entry.unwrap().blake3.map(|sum| assert_eq!(sum, hash())).is_some()
            })
            .collect()
    }

    #[test]
    fn checksums_are_made_within_their_limits() {
        let options = Options {
            checksum_file_limit: 100,
            checksum_total_limit: 150,
            ..Options::default()
        };
        let with = |files: &[(&str, usize)]| checksums(&options, files, |_| {});
        assert_eq!(with(&[("a", 100), ("b", 50)]), [true, true]);
        assert_eq!(with(&[("a", 100), ("b", 51)]), [true, false]);
        assert_eq!(with(&[("a", 101), ("b", 100)]), [false, true]);
        assert_eq!(
            with(&[("a", 100), ("b", 100), ("c", 50), ("d", 0)]),
            [true, false, true, true]
        );
        assert_eq!(
            with(&[("a", 100), ("b.link", 50), ("c", 50)]),
            [true, false, true],
            "a link's target is read by no checksum"
        );
        let too_late = Options {
            checksum_time_limit: Duration::ZERO,
            ..Options::default()
        };
        assert_eq!(checksums(&too_late, &[("a", 100)], |_| {}), [false]);
        let large = 3 * usize::try_from(PIECE).unwrap() + 1;
        assert_eq!(checksums(&Options::default(), &[("a", large)], |_| {}), [true]);
    }

    #[test]
    fn a_checksum_is_that_of_the_bytes_that_were_counted() {
        let checksums = |then| checksums(&Options::default(), &[("a", 1000)], then);
        let grows = |path: &Path| {
            let mut file = fs::File::options().append(true).open(path).unwrap();
            file.write_all(b"more").unwrap();
        };
        assert_eq!(checksums(grows), [true]);
        assert_eq!(checksums(|path| fs::write(path, "x").unwrap()), [false]);
        assert_eq!(checksums(|path| fs::remove_file(path).unwrap()), [false]);
    }

    #[test]
    fn a_database_that_nobody_uses_gets_a_checksum_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let database = rusqlite::Connection::open(folder.path().join("old.db")).unwrap();
        database.execute("CREATE TABLE t (x)", []).unwrap();
        database.close().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let options = Options {
            now: Some(SystemTime::now() + Duration::from_secs(2)),
            idle_after: Duration::ZERO,
            checksum_file_limit: 100,
            ..Options::default()
        };
        let own = OwnDatabases::new(&options).unwrap();
        let list = tempfile::tempdir().unwrap();
        let mut listing = Listing::create(&root, &list.path().join("list"), &options).unwrap();
        let mut sums = Vec::new();
        walk(&root, &RootRules::everything(), &own, &mut |entry| {
            sums.push((entry.database.is_some(), listing.checksum(&entry).is_some()));
            Ok(())
        })
        .unwrap();
        assert_eq!(sums, [(true, true)]);
    }

    #[test]
    fn the_room_on_the_volume_is_looked_at_after_each_piece_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
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
