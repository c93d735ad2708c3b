//! What Velero's uploader (kopia) stores, and what a restore of Velero's brings.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use config_volume::Pattern;

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
    let mut rules = Vec::new();
    if honours_ignore {
        let text = fs::read(volume.join(config_volume::IGNORE_FILE)).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n');
        rules.extend(
            lines
                .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
                .map(|line| Pattern::parse(line, b"").unwrap()),
        );
    }
    copy(volume, to, "", &rules, &|path| !is_beside(path));
    meanwhile();
    copy(volume, to, "", &rules, &is_beside);
    let marker = to.join(config_volume::VELERO_MARKER);
    fs::create_dir_all(&marker).unwrap();
    fs::write(marker.join("0b7c0fe1-0000-4000-8000-000000000000"), "").unwrap();
}

/// Copies a folder with all that is in it, as it is at one moment.
pub fn copy_all(from: &Path, to: &Path) {
    copy(from, to, "", &[], &|_| true);
}

fn copy(from: &Path, to: &Path, path: &str, rules: &[Pattern], wanted: &dyn Fn(&Path) -> bool) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        let text: Vec<char> = path.chars().collect();
        if rules
            .iter()
            .fold(false, |out, rule| rule.leaves_out(out, &text, meta.is_dir()))
        {
            continue;
        }
        let target = to.join(entry.file_name());
        if meta.is_dir() {
            copy(&entry.path(), &target, &path, rules, wanted);
        } else if !wanted(&entry.path()) {
            continue;
        } else if meta.is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
            continue;
        } else {
            fs::copy(entry.path(), &target).unwrap();
            let file = fs::File::options().write(true).open(&target).unwrap();
            file.set_modified(meta.modified().unwrap()).unwrap();
        }
        fs::set_permissions(&target, fs::Permissions::from_mode(meta.mode() & 0o7777)).unwrap();
    }
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
