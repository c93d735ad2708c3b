//! The life of a volume: backup, second backup, end, restore, start.
#![cfg(test)]

mod common;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use common::{back_up_and_restore, damage, judge, make_database, newest_set, snapshot};
use config_volume::{
    Error, Options, Origin, ProblemKind, Reason, finish, measure, prepare, put_in_place, verify, withdraw,
};
use rustix::process::geteuid;

struct Bed {
    folder: tempfile::TempDir,
    volume: PathBuf,
}

/// A volume such as an app leaves behind: two databases, a config file, caches, a log, a link.
fn bed() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("data/without a name*"), "delete");
    fs::set_permissions(volume.join("radarr.db"), fs::Permissions::from_mode(0o640)).unwrap();
    if geteuid().is_root() {
        chown(volume.join("radarr.db"), Some(568), Some(1568)).unwrap();
    }
    fs::write(volume.join("config.xml"), "<Config/>").unwrap();
    fs::create_dir_all(volume.join("MediaCover/1")).unwrap();
    fs::write(volume.join("MediaCover/1/poster.jpg"), vec![1; 40_000]).unwrap();
    fs::create_dir(volume.join("asp")).unwrap();
    fs::write(volume.join("asp/key.xml"), vec![2; 700]).unwrap();
    symlink("config.xml", volume.join("link")).unwrap();
    Bed { folder, volume }
}

fn options() -> Options {
    Options {
        leave_out: vec!["/MediaCover/".to_owned()],
        ..Options::default()
    }
}

/// A backup that nobody can be reading any more.
fn long_ago() -> Options {
    Options {
        now: Some(SystemTime::now() - Duration::from_secs(5 * 3600)),
        ..options()
    }
}

fn names(volume: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(volume)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_holds_what_was_promised_and_the_app_notices_nothing() {
    let bed = bed();
    let before = snapshot(&bed.volume);
    let measured = measure(&bed.volume, &options()).unwrap();
    assert_eq!(snapshot(&bed.volume), before, "measure changes nothing");

    let prepared = prepare(&bed.volume, &options()).unwrap();
    assert_eq!(prepared.open, 1);
    assert_eq!(prepared.manifest.held_bytes(), measured.held_bytes);
    assert_eq!(measured.databases.len(), 2);
    let cache = measured
        .left_out
        .iter()
        .find(|l| l.reason == Reason::Cache)
        .unwrap();
    assert_eq!(
        (cache.pattern.as_str(), cache.files, cache.bytes),
        ("/MediaCover/", 1, 40_000)
    );

    let restored = bed.folder.path().join("restored");
    back_up_and_restore(&bed.volume, &restored);
    let finished = finish(&bed.volume).unwrap();
    assert_eq!((finished.checked, finished.still_open), (2, 0));
    assert_eq!(
        snapshot(&bed.volume),
        before,
        "nothing of the app's changed, nothing of ours stayed"
    );
    assert!(matches!(finish(&bed.volume), Err(Error::NothingToFinish)));

    assert_eq!(
        names(&restored),
        [".config-backup", ".velero", "asp", "config.xml", "data", "link"]
    );
    assert_eq!(names(&restored.join(".config-backup")), ["README.txt", "sets"]);
    assert_eq!(names(&restored.join("data")), Vec::<String>::new());
    let verdict = verify(&restored).unwrap();
    assert!(
        verdict.is_as_promised() && verdict.notes.is_empty(),
        "{verdict:?}"
    );
    assert_eq!((verdict.databases.len(), verdict.files), (2, 3));

    let report = put_in_place(&restored).unwrap();
    assert_eq!(report.origin, Some(Origin::Velero), "{report:?}");
    assert!(!report.cut_short && report.problems().is_empty(), "{report:?}");
    assert_eq!(report.placed.len(), 2);
    assert_eq!(
        names(&restored),
        ["asp", "config.xml", "data", "link", "radarr.db"]
    );
    let (old, new) = (bed.volume.join("radarr.db"), restored.join("radarr.db"));
    let (old, new) = (fs::metadata(old).unwrap(), fs::metadata(new).unwrap());
    assert_eq!(
        (old.uid(), old.gid(), old.mode()),
        (new.uid(), new.gid(), new.mode())
    );
    for database in ["radarr.db", "data/without a name*"] {
        let (sound, text) = judge(&restored.join(database));
        assert!(sound, "{text}");
    }
    assert_eq!(put_in_place(&restored).unwrap(), Default::default());
}

#[test]
fn the_users_own_ignore_file_stays_in_force_and_comes_back() {
    let bed = bed();
    let own = bed.volume.join(".kopiaignore");
    fs::write(&own, "asp/\n.*\n").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    let before = snapshot(&bed.volume);
    prepare(&bed.volume, &options()).unwrap();
    prepare(&bed.volume, &options()).unwrap();
    let restored = bed.folder.path().join("restored");
    back_up_and_restore(&bed.volume, &restored);
    assert!(!restored.join("asp").exists());
    assert!(verify(&restored).unwrap().is_as_promised());
    finish(&bed.volume).unwrap();
    finish(&bed.volume).unwrap();
    assert_eq!(snapshot(&bed.volume), before);
    put_in_place(&restored).unwrap();
    assert_eq!(
        fs::read_to_string(restored.join(".kopiaignore")).unwrap(),
        "asp/\n.*\n"
    );
}

#[test]
fn a_line_that_would_store_a_live_database_or_break_the_backup_is_refused() {
    let bed = bed();
    fs::write(bed.volume.join("data/.kopiaignore"), "!*\n").unwrap();
    let error = prepare(&bed.volume, &options()).unwrap_err();
    assert!(matches!(error, Error::IgnoreFile { .. }), "{error}");
    fs::write(bed.volume.join("data/.kopiaignore"), "[\n").unwrap();
    let error = prepare(&bed.volume, &options()).unwrap_err().to_string();
    assert!(
        error.contains("data/.kopiaignore") && error.contains("line 1"),
        "{error}"
    );
    assert!(!bed.volume.join(".config-backup").exists());
    for pattern in ["logs/", "/", "/*", "/.config-backup/", "!/logs/", "/a\nb"] {
        let options = Options {
            leave_out: vec![pattern.to_owned()],
            ..Options::default()
        };
        fs::remove_file(bed.volume.join("data/.kopiaignore")).ok();
        let refused = prepare(&bed.volume, &options).is_err();
        assert!(refused || pattern == "/", "{pattern}");
    }
}

#[test]
fn a_cut_short_backup_is_cleaned_up_at_start_and_the_live_database_stays() {
    let bed = bed();
    let before = snapshot(&bed.volume);
    prepare(&bed.volume, &long_ago()).unwrap();
    let report = put_in_place(&bed.volume).unwrap();
    assert!(report.cut_short && !report.in_use, "{report:?}");
    assert_eq!(report.origin, Some(Origin::Here));
    assert_eq!((report.dropped.len(), report.placed.len()), (2, 0));
    assert_eq!(snapshot(&bed.volume), before);
}

#[test]
fn a_log_beside_a_missing_database_is_not_replayed_onto_its_copy() {
    let bed = bed();
    prepare(&bed.volume, &options()).unwrap();
    let restored = bed.folder.path().join("restored");
    back_up_and_restore(&bed.volume, &restored);
    fs::write(restored.join("radarr.db-wal"), "frames of another database").unwrap();
    fs::write(restored.join("radarr.db-shm"), "an index").unwrap();
    fs::write(restored.join("radarr.db-journal"), "").unwrap();
    let report = put_in_place(&restored).unwrap();
    assert_eq!(report.siblings_moved.len(), 1);
    let moved = fs::read_to_string(restored.join(report.siblings_moved[0].as_path())).unwrap();
    assert_eq!(moved, "frames of another database");
    for name in ["radarr.db-wal", "radarr.db-shm", "radarr.db-journal"] {
        assert!(!restored.join(name).exists(), "{name}");
    }
    assert!(judge(&restored.join("radarr.db")).0);
}

#[test]
fn the_copies_of_a_restored_volume_survive_a_backup_and_its_end() {
    let bed = bed();
    prepare(&bed.volume, &options()).unwrap();
    let restored = bed.folder.path().join("restored");
    back_up_and_restore(&bed.volume, &restored);
    assert!(matches!(finish(&restored), Err(Error::NothingToFinish)));
    assert!(!withdraw(&restored).unwrap(), "the copies are the only ones");
    let late = SystemTime::now() + Duration::from_secs(12 * 3600);
    let prepared = prepare(
        &restored,
        &Options {
            now: Some(late),
            ..options()
        },
    )
    .unwrap();
    assert_eq!(prepared.manifest.databases.len(), 2);
    assert!(judge(&restored.join("radarr.db")).0, "it was put in place first");
    assert_eq!(finish(&restored).unwrap().checked, 2);
}

#[test]
fn what_is_wrong_with_a_restored_volume_is_named() {
    let bed = bed();
    prepare(&bed.volume, &options()).unwrap();
    let damage: [Damage; 7] = [
        ("config.xml", ProblemKind::Missing, |v| {
            fs::remove_file(v.join("config.xml")).unwrap()
        }),
        ("asp/key.xml", ProblemKind::Truncated, |v| {
            fs::write(v.join("asp/key.xml"), "short").unwrap()
        }),
        ("config.xml", ProblemKind::Changed, |v| {
            fs::write(v.join("config.xml"), "<Konfig/>").unwrap()
        }),
        ("radarr.db", ProblemKind::Missing, |v| {
            fs::remove_file(copy_in(v)).unwrap()
        }),
        ("radarr.db", ProblemKind::Truncated, |v| {
            fs::File::options()
                .write(true)
                .open(copy_in(v))
                .unwrap()
                .set_len(40_960)
                .unwrap();
        }),
        ("radarr.db", ProblemKind::Corrupt, |v| {
            damage(&copy_in(v));
        }),
        ("manifest.json", ProblemKind::ForeignManifest, |v| {
            fs::write(
                newest_set(v).join("manifest.json"),
                "{\"format\": \"x\", \"version\": 1}",
            )
            .unwrap();
        }),
    ];
    for (path, kind, harm) in damage {
        let folder = tempfile::tempdir().unwrap();
        back_up_and_restore(&bed.volume, folder.path());
        harm(folder.path());
        let verdict = verify(folder.path()).unwrap();
        assert!(!verdict.is_as_promised());
        let found = verdict
            .problems
            .iter()
            .any(|p| p.path.to_string().ends_with(path) && p.kind == kind);
        assert!(found, "{path} {kind:?}: {:?}", verdict.problems);
        // A damaged copy is not put where an app would take it for its own.
        if path == "radarr.db" && kind != ProblemKind::Missing {
            assert!(matches!(
                put_in_place(folder.path()),
                Err(Error::DamagedCopy { .. })
            ));
            assert!(!folder.path().join("radarr.db").exists() && copy_in(folder.path()).exists());
        }
    }
}

/// Where, what is found, and how it is done.
type Damage = (&'static str, ProblemKind, fn(&Path));

/// The copy of `radarr.db`: `data/…` sorts before it.
fn copy_in(volume: &Path) -> PathBuf {
    newest_set(volume).join("databases/1.sqlite")
}

#[test]
fn a_log_that_grew_is_a_note_and_a_volume_without_manifest_is_checked_all_the_same() {
    let bed = bed();
    fs::write(bed.volume.join("app.log"), "one\n").unwrap();
    prepare(&bed.volume, &options()).unwrap();
    fs::write(bed.volume.join("app.log"), "one\ntwo\n").unwrap();
    let restored = bed.folder.path().join("restored");
    back_up_and_restore(&bed.volume, &restored);
    let verdict = verify(&restored).unwrap();
    assert!(verdict.is_as_promised(), "{verdict:?}");
    assert_eq!(verdict.notes.len(), 1);
    finish(&bed.volume).unwrap();

    let verdict = verify(&bed.volume).unwrap();
    assert!(
        !verdict.is_as_promised() && verdict.problems.is_empty(),
        "{verdict:?}"
    );
    assert!(verdict.databases.len() == 2 && verdict.databases.iter().all(|d| d.sound));
    damage(&bed.volume.join("radarr.db"));
    let verdict = verify(&bed.volume).unwrap();
    assert_eq!(verdict.problems[0].kind, ProblemKind::Corrupt);
}
