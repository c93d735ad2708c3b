//! Checksums of the files of a list, made by all processors at once, while they are judged one after the other.

use std::{collections::VecDeque, io, vec};

use crate::{
    FileEntry, Result,
    hash::blake3,
    parallel::each,
    tree::{Kind, LastFolder, Root},
};

/// So many entries are read ahead.
const AHEAD: usize = 512;
/// So many of them at most, neighbours mostly, are one thread's work at once: their folder is opened once.
const TOGETHER: usize = 16;
/// With so many bytes that is enough, so that large files are not one thread's work alone.
const BYTES_TOGETHER: u64 = 4 << 20;

/// The checksum of what a file of the list begins with, as long as was promised. `None` where the list has none to compare
/// it with, or the file is shorter or no file.
pub(crate) type Sum = Option<io::Result<String>>;

/// The entries of a list, in its order, each with its checksum.
pub(crate) struct Summed<'a, E> {
    root: &'a Root,
    entries: E,
    ready: VecDeque<(FileEntry, Sum)>,
    /// What came after those.
    error: Option<crate::Error>,
}

impl<'a, E: Iterator<Item = Result<FileEntry>>> Summed<'a, E> {
    /// The entries of a list of the volume's.
    pub fn of(root: &'a Root, entries: E) -> Self {
        Self {
            root,
            entries,
            ready: VecDeque::new(),
            error: None,
        }
    }

    fn read_ahead(&mut self) {
        let mut ahead = Vec::with_capacity(AHEAD);
        for entry in self.entries.by_ref().take(AHEAD) {
            match entry {
                Ok(entry) => ahead.push(entry),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        let root = self.root;
        let (done, ()) = each(portions(ahead), |_, entries| summed(root, entries), || ());
        self.ready.extend(done.into_iter().flatten());
    }
}

impl<E: Iterator<Item = Result<FileEntry>>> Iterator for Summed<'_, E> {
    type Item = Result<(FileEntry, Sum)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && self.error.is_none() {
            self.read_ahead();
        }
        match self.ready.pop_front() {
            Some(ready) => Some(Ok(ready)),
            None => self.error.take().map(Err),
        }
    }
}

/// The entries in their order, as many together as one thread takes.
fn portions(entries: Vec<FileEntry>) -> Vec<Vec<FileEntry>> {
    let mut portions: Vec<Vec<FileEntry>> = Vec::new();
    let mut bytes = 0u64;
    for entry in entries {
        let size = entry.size;
        match portions.last_mut() {
            Some(last) if last.len() < TOGETHER && bytes < BYTES_TOGETHER => last.push(entry),
            _ => {
                bytes = 0;
                portions.push(vec![entry]);
            }
        }
        bytes = bytes.saturating_add(size);
    }
    portions
}

fn summed(root: &Root, entries: Vec<FileEntry>) -> vec::IntoIter<(FileEntry, Sum)> {
    let mut folder = LastFolder::new(root);
    let summed: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            let sum = sum(&mut folder, &entry);
            (entry, sum)
        })
        .collect();
    summed.into_iter()
}

fn sum(folder: &mut LastFolder<'_>, entry: &FileEntry) -> Sum {
    let is_asked = entry.stable || entry.database.is_some();
    if entry.blake3.is_none() || entry.link.is_some() || !is_asked {
        return None;
    }
    let name = entry.path.name().as_encoded_bytes();
    // Whoever judges it says what is wrong with one that is not there, no file or too short.
    let folder = folder.of(&entry.path).ok()?;
    let meta = folder.stat(name).ok()??;
    if meta.kind != Kind::File || meta.size < entry.size {
        return None;
    }
    let read = folder
        .read(name)
        .and_then(|mut file| blake3(&mut file, entry.size));
    Some(read.map(|(_, sum)| sum))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Error, tree::RelPath};

    fn entry(number: usize, text: &str) -> FileEntry {
        FileEntry {
            stable: true,
            path: RelPath::new(format!("{}/{number}", number / 100)).unwrap(),
            size: text.len() as u64,
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: (0, 0),
            blake3: Some(::blake3::hash(text.as_bytes()).to_hex().to_string()),
            link: None,
            database: None,
        }
    }

    #[test]
    fn small_neighbours_are_one_threads_work_and_large_files_are_not() {
        let of_size = |(number, size): (usize, u64)| FileEntry {
            size,
            ..entry(number, "")
        };
        let sizes = |sizes: &[u64]| -> Vec<usize> {
            let entries = sizes.iter().copied().enumerate().map(of_size).collect();
            portions(entries).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[10; 40]), [16, 16, 8]);
        assert_eq!(sizes(&[100 << 20; 5]), [1; 5]);
        assert_eq!(sizes(&[10, 3 << 20, 3 << 20, 10, u64::MAX, 10]), [3, 2, 1]);
    }

    #[test]
    fn the_sums_are_those_of_the_files_in_the_order_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let count = AHEAD + 3 * TOGETHER + 1;
        let mut entries = Vec::new();
        for number in 0..count {
            let entry = entry(number, &format!("number {number}"));
            let path = folder.path().join(entry.path.as_path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            // What comes after what was promised is no part of it.
            fs::write(path, format!("number {number} and more")).unwrap();
            entries.push(entry);
        }
        let root = Root::open(folder.path()).unwrap();
        let summed: Vec<_> = Summed::of(&root, entries.clone().into_iter().map(Ok)).collect();
        assert_eq!(summed.len(), count);
        for (expected, summed) in entries.iter().zip(summed) {
            let (entry, sum) = summed.unwrap();
            assert_eq!(entry, *expected);
            assert_eq!(sum.unwrap().unwrap(), *expected.blake3.as_ref().unwrap());
        }
    }

    #[test]
    fn what_is_not_compared_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("0/5")).unwrap();
        for number in 1..5 {
            fs::write(folder.path().join(format!("0/{number}")), "text").unwrap();
        }
        let root = Root::open(folder.path()).unwrap();
        let mut entries: Vec<FileEntry> = (0..6).map(|number| entry(number, "text")).collect();
        entries[1].blake3 = None;
        entries[2].stable = false;
        entries[3].link = Some("text".to_owned());
        entries[4].size = 5;
        for summed in Summed::of(&root, entries.into_iter().map(Ok)) {
            let (entry, sum) = summed.unwrap();
            assert!(sum.is_none(), "{}", entry.path);
        }
    }

    #[test]
    fn what_comes_before_an_error_is_told_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let error = || Error::io("read", "list")(io::ErrorKind::UnexpectedEof.into());
        let entries = [Ok(entry(0, "")), Ok(entry(1, "")), Err(error()), Ok(entry(2, ""))];
        let told: Vec<bool> = Summed::of(&root, entries.into_iter())
            .take(3)
            .map(|is| is.is_ok())
            .collect();
        assert_eq!(told, [true, true, false]);
    }
}
