//! What a stored volume holds when it is restored, and what may not be left in a live one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use config_volume::{FOLDER, IGNORE_FILE, RESTORE_FOLDER, VerifyOptions};

use crate::app;
use crate::content::Content;
use crate::velero;

/// What a stored volume is.
pub struct Found {
    /// Its manifest tells what it has to hold, and it does.
    pub is_as_promised: bool,
    pub problems: Vec<String>,
    /// What an app finds in it.
    pub content: Result<Content, String>,
}

/// Brings a stored volume back into a folder of its own and looks at it, as a restore does.
pub fn stored(stored: &Path, place: &Path, began: SystemTime, ended: SystemTime) -> Found {
    velero::copy_all(stored, place);
    let options = VerifyOptions {
        backup_started: Some(began),
        backup_ended: Some(ended),
        ..VerifyOptions::default()
    };
    let verdict = config_volume::verify_with(place, &options).unwrap();
    let content = match config_volume::put_in_place(place) {
        Ok(_) => app::read(place),
        Err(error) => Err(error.to_string()),
    };
    Found {
        is_as_promised: verdict.is_as_promised(),
        problems: verdict.problems.iter().map(ToString::to_string).collect(),
        content,
    }
}

/// Fails where something of a backup or of a restore is left.
pub fn nothing_is_left(volume: &Path) -> Result<(), String> {
    for name in [FOLDER, RESTORE_FOLDER] {
        if fs::symlink_metadata(volume.join(name)).is_ok() {
            return Err(format!("{name} is left"));
        }
    }
    match fs::read_to_string(volume.join(IGNORE_FILE)) {
        Ok(text) => Err(format!("{IGNORE_FILE} is left: {text:?}")),
        Err(_) => Ok(()),
    }
}

/// Fails where no database of the volume's root has the rows of a content that something was put over.
pub fn is_aside(volume: &Path, content: &Content) -> Result<(), String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(volume).unwrap() {
        let path = entry.unwrap().path();
        let beside = ["-wal", "-shm", "-journal"];
        if path.is_file()
            && !beside
                .iter()
                .any(|suffix| path.to_string_lossy().ends_with(suffix))
        {
            all.extend(app::rows(&path));
        }
    }
    let is_there = |rows: &BTreeSet<u32>| rows.is_empty() || all.iter().any(|found| found.is_superset(rows));
    match content.rows.iter().all(is_there) {
        true => Ok(()),
        false => Err(format!("what the volume held is gone: {}", content.shown())),
    }
}
