//! Time goes by: what is written on a disk gets older. The clock cannot be moved, since the code under test reads it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use config_volume::FOLDER;

/// Makes everything in a volume, or in a stored one, older.
pub fn age(volume: &Path, by: Duration) {
    let mut folders = vec![volume.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_file() {
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(meta.modified().unwrap() - by).unwrap();
            }
        }
    }
    let base = volume.join(FOLDER);
    manifest(&base.join("set"), by);
    for entry in fs::read_dir(base.join("sets")).into_iter().flatten() {
        manifest(&entry.unwrap().path(), by);
    }
    for folder in [base.join("sets"), base.join("local/open")] {
        ids(&folder, by);
    }
}

/// Sets are named by the nanosecond in which they were made.
fn ids(folder: &Path, by: Duration) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if let Ok(id) = name.parse::<u128>() {
            let older = format!("{:0width$}", id - by.as_nanos(), width = name.len());
            fs::rename(entry.path(), folder.join(older)).unwrap();
        }
    }
}

fn manifest(set: &Path, by: Duration) {
    let path = set.join("manifest.json");
    let Ok(text) = fs::read_to_string(&path) else {
        return;
    };
    let Ok(mut manifest) = serde_json::from_str::<serde_json::Value>(&text) else {
        return;
    };
    if let Some(made) = manifest["made"].as_u64() {
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        manifest["made"] = (made - by.as_secs()).into();
        fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
    }
}
