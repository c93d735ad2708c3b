//! Whatever differs from what the manifest promises is named, by its kind.
#![cfg(test)]

mod common;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use common::{back_up_and_restore, copy_everything, make_database, newest_set};
use config_volume::{Options, ProblemKind, Verdict, prepare, verify};

fn append(path: &Path) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"more").unwrap();
}

fn shorten(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
}

fn copy(volume: &Path) -> std::path::PathBuf {
    newest_set(volume).join("databases/0.sqlite")
}

fn relink(volume: &Path, target: &str) {
    fs::remove_file(volume.join("link")).unwrap();
    symlink(target, volume.join("link")).unwrap();
}

type Change = fn(&Path);

/// What is done to a volume, and what is said of which path; a note where nothing is a problem.
const CHANGES: [(Change, &str, ProblemKind, &str); 14] = [
    (
        |v| fs::remove_file(v.join("file")).unwrap(),
        "file",
        ProblemKind::Missing,
        "is missing",
    ),
    (
        |v| fs::remove_dir_all(v.join("sub")).unwrap(),
        "sub/file",
        ProblemKind::Missing,
        "is missing",
    ),
    (
        |v| {
            fs::remove_dir_all(v.join("sub")).unwrap();
            fs::write(v.join("sub"), "").unwrap();
        },
        "sub/file",
        ProblemKind::Unreadable,
        "cannot be reached: ",
    ),
    (
        |v| {
            fs::remove_file(v.join("file")).unwrap();
            fs::create_dir(v.join("file")).unwrap();
        },
        "file",
        ProblemKind::WrongKind,
        "is no file",
    ),
    (
        |v| fs::write(v.join("file"), "gnat").unwrap(),
        "file",
        ProblemKind::Changed,
        "has another content",
    ),
    (
        |v| shorten(&v.join("file")),
        "file",
        ProblemKind::Truncated,
        "has 3 bytes instead of 4",
    ),
    (
        |v| append(&v.join("empty")),
        "empty",
        ProblemKind::Changed,
        "has 4 bytes instead of 0",
    ),
    (
        |v| relink(v, "sub"),
        "link",
        ProblemKind::Changed,
        "is a link to somewhere else",
    ),
    (
        |v| {
            fs::remove_file(v.join("link")).unwrap();
            fs::write(v.join("link"), "file").unwrap();
        },
        "link",
        ProblemKind::WrongKind,
        "is no link",
    ),
    (
        |v| fs::remove_file(copy(v)).unwrap(),
        "radarr.db",
        ProblemKind::Missing,
        "has no copy in the backup",
    ),
    (
        |v| {
            fs::remove_file(copy(v)).unwrap();
            fs::create_dir(copy(v)).unwrap();
        },
        "radarr.db",
        ProblemKind::WrongKind,
        "has something else than a file for its copy",
    ),
    (
        |v| shorten(&copy(v)),
        "radarr.db",
        ProblemKind::Truncated,
        "has a copy of ",
    ),
    (
        |v| append(&copy(v)),
        "radarr.db",
        ProblemKind::Changed,
        "has a copy of ",
    ),
    (
        |v| fs::remove_file(newest_set(v).join("files.jsonl")).unwrap(),
        "",
        ProblemKind::ForeignManifest,
        "has a list of files that cannot be used: it is missing",
    ),
];

fn restored(folder: &Path) -> std::path::PathBuf {
    let (live, volume) = (folder.join("live"), folder.join("volume"));
    make_database(&live.join("radarr.db"), "delete");
    fs::create_dir(live.join("sub")).unwrap();
    fs::write(live.join("sub/file"), "text").unwrap();
    fs::write(live.join("file"), "text").unwrap();
    fs::write(live.join("empty"), "").unwrap();
    symlink("file", live.join("link")).unwrap();
    prepare(&live, &Options::default()).unwrap();
    back_up_and_restore(&live, &volume);
    volume
}

fn sound(verdict: &Verdict) -> bool {
    verdict.databases.iter().all(|database| database.sound)
}

#[test]
fn each_difference_is_named_with_its_path_and_kind() {
    let folder = tempfile::tempdir().unwrap();
    let sound_one = restored(folder.path());
    for (number, (change, path, kind, text)) in CHANGES.into_iter().enumerate() {
        let volume = folder.path().join(number.to_string());
        copy_everything(&sound_one, &volume);
        change(&volume);
        let verdict = verify(&volume).unwrap();
        let first = verdict
            .problems
            .first()
            .unwrap_or_else(|| panic!("{number}: nothing is said"));
        assert_eq!(first.kind, kind, "{number}: {first}");
        assert!(first.text.starts_with(text), "{number}: {first}");
        assert!(
            path.is_empty() || first.path.to_string() == path,
            "{number}: {first}"
        );
        assert_eq!(first.to_string(), format!("{} {}", first.path, first.text));
        // A copy that was cut off is damaged, too.
        let about_other = verdict
            .problems
            .iter()
            .filter(|problem| problem.path != first.path);
        assert_eq!(about_other.count(), 0, "{number}: {:?}", verdict.problems);
        assert_eq!(sound(&verdict), path != "radarr.db", "{number}");
        assert!(!verdict.is_as_promised());
    }
}

#[test]
fn what_is_no_damage_is_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let volume = restored(folder.path());
    let before = verify(&volume).unwrap();
    assert!(before.is_as_promised() && before.notes.is_empty() && sound(&before));
    let copied = fs::metadata(copy(&volume)).unwrap().len();
    assert_eq!((before.files, before.bytes), (4, copied + 8));
    append(&volume.join("file"));
    fs::set_permissions(volume.join("sub/file"), fs::Permissions::from_mode(0o600)).unwrap();
    let verdict = verify(&volume).unwrap();
    assert!(verdict.is_as_promised(), "{:?}", verdict.problems);
    let mut notes: Vec<_> = verdict
        .notes
        .iter()
        .map(|note| (note.path.to_string(), note.kind))
        .collect();
    notes.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        notes,
        [
            ("file".to_owned(), ProblemKind::Written),
            ("sub/file".to_owned(), ProblemKind::OwnerOrMode),
        ]
    );
}
