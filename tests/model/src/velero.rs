//! What Velero's uploader (kopia) stores, and what a restore of Velero's brings.

use std::fs;
use std::path::Path;

use config_volume::testing::{copy_folder, ignore_rules, leave_marker};

/// Whether a path is one of the files beside a database: those that are read last.
fn is_beside(path: &Path) -> bool {
    let name = path.to_string_lossy();
    ["-wal", "-shm", "-journal"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

/// Stores a volume file by file. While it is read, `meanwhile` happens: after the databases and before their logs.
/// `honours_ignore` says whether the uploader reads `.kopiaignore`. What is stored is as a restore brings it, with Velero's marker.
pub fn upload(volume: &Path, to: &Path, honours_ignore: bool, meanwhile: impl FnOnce()) {
    let rules = match honours_ignore {
        true => ignore_rules(volume).unwrap(),
        false => Vec::new(),
    };
    copy_folder(volume, to, &rules, &|path| !is_beside(path)).unwrap();
    meanwhile();
    copy_folder(volume, to, &rules, &is_beside).unwrap();
    leave_marker(to).unwrap();
}

/// Copies a folder with all that is in it, as it is at one moment.
pub fn copy_all(from: &Path, to: &Path) {
    copy_folder(from, to, &[], &|_| true).unwrap();
}

/// Bytes of all files in a folder.
pub fn bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        bytes += if meta.is_dir() {
            self::bytes(&entry.path())
        } else {
            meta.len()
        };
    }
    bytes
}
