//! The config volume as the charm container sees it.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use config_volume::{BY_HAND, FOLDER, RESTORE_FOLDER, VELERO_MARKER};
use rustix::fs::OFlags;

/// Whether a volume holds nothing: what the file system and this charm leave in an empty one does not count. One that
/// cannot be read is taken to hold something.
pub fn holds_nothing(volume: &Path) -> bool {
    let Ok(entries) = fs::read_dir(volume) else {
        return false;
    };
    for entry in entries {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name();
        let counts_for_nothing = name == "lost+found"
            || name == RESTORE_FOLDER
            || name == VELERO_MARKER
            || name == BY_HAND
            // With a set it is a restored volume, whose databases are not in place yet.
            || (name == FOLDER && !holds_a_set(&entry.path()));
        if !counts_for_nothing {
            return false;
        }
    }
    true
}

/// Whether the folder of a backup's copies has some, in the present layout or in that of earlier charms.
fn holds_a_set(folder: &Path) -> bool {
    let has_entries = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    folder.join("set").exists() || has_entries(&folder.join("sets"))
}

/// A config file has no more bytes than this.
const FILE: u64 = 16 << 20;

/// Reads an ordinary file of a volume that may come from anywhere: no link is followed, and nothing is waited for.
///
/// # Errors
/// When it is no ordinary file, is too large, or cannot be read.
pub fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if meta.len() > FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut content = Vec::new();
    file.take(FILE).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nobodys_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        assert!(holds_nothing(volume));
        for nothing in ["lost+found", RESTORE_FOLDER, FOLDER, VELERO_MARKER, BY_HAND] {
            fs::create_dir(volume.join(nothing)).unwrap();
        }
        assert!(holds_nothing(volume));
        let sets = volume.join(FOLDER).join("sets");
        fs::create_dir(&sets).unwrap();
        assert!(holds_nothing(volume), "a folder for sets without one");
        for set in [volume.join(FOLDER).join("set"), sets.join("0001")] {
            fs::create_dir(&set).unwrap();
            assert!(!holds_nothing(volume));
            fs::remove_dir(&set).unwrap();
        }
        for something in ["config.xml", ".hidden", "lost+found2"] {
            fs::write(volume.join(something), "").unwrap();
            assert!(!holds_nothing(volume), "{something}");
            fs::remove_file(volume.join(something)).unwrap();
        }
        assert!(!holds_nothing(&volume.join("not-there")));
    }
}
