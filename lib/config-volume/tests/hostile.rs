//! Odd and hostile content: links, fifos, damaged databases, manifests that lie.
#![cfg(test)]

mod common;

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::Path,
};

use common::{back_up_and_restore, damage, judge, listed, make_database, newest_set, snapshot};
use config_volume::{
    DatabaseCheck, Error, Options, Origin, PlaceOptions, ProblemKind, finish, measure, prepare, put_in_place,
    put_in_place_with, verify,
};
use rusqlite::Connection;

#[test]
fn links_are_not_followed_and_special_files_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, outside) = (folder.path().join("config"), folder.path().join("outside"));
    make_database(&outside.join("other.db"), "delete");
    make_database(&volume.join("radarr.db"), "delete");
    symlink(&outside, volume.join("folder")).unwrap();
    symlink(outside.join("other.db"), volume.join("linked.db")).unwrap();
    symlink("nowhere", volume.join("dangling")).unwrap();
    symlink("loop", volume.join("loop")).unwrap();
    let _socket = UnixListener::bind(volume.join("socket")).unwrap();
    config_volume::testing::fifo(&volume.join("fifo")).unwrap();
    fs::write(volume.join(std::ffi::OsStr::from_bytes(b"no-utf8-\xff")), "x").unwrap();
    let before = snapshot(&outside);
    let prepared = prepare(&volume, &Options::default()).unwrap();
    let databases: Vec<_> = prepared
        .manifest
        .databases
        .iter()
        .map(|d| d.path.to_string())
        .collect();
    assert_eq!(databases, ["radarr.db"]);
    let files: Vec<_> = listed(&volume).iter().map(|f| f.path.to_string()).collect();
    assert_eq!(
        files,
        ["dangling", "folder", "linked.db", "loop", "no-utf8-\u{fffd}"]
    );
    assert_eq!(
        prepared.manifest.warnings.len(),
        1,
        "{:?}",
        prepared.manifest.warnings
    );
    finish(&volume).unwrap();
    assert_eq!(snapshot(&outside), before);
}

#[test]
fn a_folder_of_ours_that_is_a_link_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, outside) = (folder.path().join("config"), folder.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    make_database(&volume.join("radarr.db"), "delete");
    symlink(&outside, volume.join(".config-backup")).unwrap();
    assert!(prepare(&volume, &Options::default()).is_err());
    assert!(put_in_place(&volume).is_err());
    assert!(finish(&volume).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_damaged_database_of_the_apps_own_fails_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    let header = b"SQLite format 3\0".as_slice();
    // With a header and without, of a size that a database can have and one that none has.
    for content in [
        [header, &[0x5a; 5104]].concat(),
        [header, &[0x5a; 5000]].concat(),
        vec![0x5a; 5120],
    ] {
        fs::write(volume.join("own.db"), content).unwrap();
        let options = Options {
            databases: vec!["/own.db".to_owned(), "/radarr.db".to_owned()],
            ..Options::default()
        };
        let error = prepare(&volume, &options).unwrap_err();
        assert!(
            matches!(&error, Error::Unsound { path, .. } if path == "own.db"),
            "{error}"
        );
        assert!(!volume.join(".config-backup").exists());
    }
}

#[test]
fn a_damage_that_only_the_check_finds_fails_the_backup_after_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    make_database(&volume.join("sound.db"), "wal");
    damage(&volume.join("radarr.db"));
    let before = snapshot(&volume);
    let options = Options {
        databases: vec!["/radarr.db".to_owned(), "/sound.db".to_owned()],
        ..Options::default()
    };
    prepare(&volume, &options).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    let error = finish(&volume).unwrap_err();
    let Error::DamagedBackup { damage } = &error else {
        panic!("{error}")
    };
    assert!(
        damage.starts_with("radarr.db: ") && !damage.contains("sound.db"),
        "{damage}"
    );
    assert!(error.to_string().contains("repair the database"), "{error}");
    assert_eq!(snapshot(&volume), before, "the set is gone all the same");
    assert!(matches!(finish(&volume), Err(Error::NothingToFinish)));

    // Whoever restores it anyway is told, too.
    let verdict = verify(&restored).unwrap();
    let kinds: Vec<_> = verdict.problems.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [ProblemKind::Corrupt], "{verdict:?}");
    let error = put_in_place(&restored).unwrap_err();
    assert!(matches!(error, Error::DamagedCopy { .. }), "{error}");
    assert!(newest_set(&restored).join("databases/0.sqlite").exists());
    assert!(!restored.join("radarr.db").exists() && !restored.join("sound.db").exists());
}

#[test]
fn a_copy_that_went_missing_or_was_changed_fails_the_backup() {
    for harm in [
        |set: &Path| fs::remove_file(set.join("databases/0.sqlite")).unwrap(),
        |set: &Path| damage(&set.join("databases/0.sqlite")),
        |set: &Path| fs::write(set.join("databases/0.sqlite"), "short").unwrap(),
        |set: &Path| fs::write(set.join("manifest.json"), "{").unwrap(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        make_database(&folder.path().join("radarr.db"), "delete");
        prepare(folder.path(), &Options::default()).unwrap();
        harm(&newest_set(folder.path()));
        assert!(matches!(finish(folder.path()), Err(Error::DamagedBackup { .. })));
        assert!(!folder.path().join(".config-backup").exists());
    }
}

#[test]
fn a_locked_database_fails_the_backup_after_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    // Another process: locks belong to one.
    let mut other = std::process::Command::new("sqlite3")
        .arg(volume.join("radarr.db"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(other) = other.as_mut() else {
        println!("no sqlite3 command here");
        return;
    };
    let mut stdin = other.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"BEGIN EXCLUSIVE;\nSELECT 'locked';\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(other.stdout.as_mut().unwrap()),
        &mut line,
    )
    .unwrap();
    let options = Options {
        databases: vec!["/radarr.db".to_owned()],
        busy_timeout: std::time::Duration::from_millis(300),
        ..Options::default()
    };
    let error = prepare(&volume, &options).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    assert!(!volume.join(".config-backup").exists());
    drop(stdin);
    other.wait().unwrap();
    prepare(&volume, &options).unwrap();
}

#[test]
fn a_database_with_parts_of_the_apps_own_is_copied_and_checked_as_far_as_possible() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir(&volume).unwrap();
    {
        let plex = Connection::open(volume.join("plex.db")).unwrap();
        plex.create_collation("icu_root", |a: &str, b: &str| b.cmp(a))
            .unwrap();
        plex.execute_batch(
            "CREATE TABLE title (id INTEGER PRIMARY KEY, name TEXT);
             CREATE INDEX by_name ON title (name COLLATE icu_root);
             INSERT INTO title (name) VALUES ('a'), ('b'), ('c');",
        )
        .unwrap();
    }
    prepare(&volume, &Options::default()).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    assert_eq!(finish(&volume).unwrap().checked, 1);
    let verdict = verify(&restored).unwrap();
    assert!(verdict.is_as_promised());
    assert_eq!(verdict.databases[0].checked, Some(DatabaseCheck::Structure));
    assert_eq!(put_in_place(&restored).unwrap().placed.len(), 1);
}

#[test]
fn a_killed_app_is_backed_up_as_it_would_start_again() {
    // A log that was never folded in, beside a database that nobody has open.
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir(&volume).unwrap();
    let writer = common::Writer::start(&volume.join("radarr.db"), &["--megabytes", "1"]);
    writer.await_more(10);
    drop(writer); // killed
    assert!(volume.join("radarr.db-wal").metadata().unwrap().len() > 0);
    let before = fs::read(volume.join("radarr.db")).unwrap();
    let log = fs::read(volume.join("radarr.db-wal")).unwrap();
    prepare(&volume, &Options::default()).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    assert!(
        before == fs::read(volume.join("radarr.db")).unwrap(),
        "the app folds its log in, not the backup"
    );
    assert!(log == fs::read(volume.join("radarr.db-wal")).unwrap());
    put_in_place(&restored).unwrap();
    let transactions = |path: &Path| {
        let (sound, text) = judge(path);
        assert!(sound, "{text}");
        text.rsplit(' ').nth(1).map(str::to_owned)
    };
    assert_eq!(
        transactions(&restored.join("radarr.db")),
        transactions(&volume.join("radarr.db"))
    );
}

#[test]
fn a_manifest_that_lies_leads_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    make_database(&volume.join("logs.db"), "delete");
    fs::write(folder.path().join("outside"), "outside").unwrap();
    prepare(&volume, &Options::default()).unwrap();
    let text = fs::read_to_string(newest_set(&volume).join("manifest.json")).unwrap();
    let lies = [
        ("\"radarr.db\"", "\"../radarr.db\""),
        ("\"radarr.db\"", "\"/etc/passwd\""),
        ("\"radarr.db\"", "\".config-backup/set/manifest.json\""),
        ("\"radarr.db\"", "\"\""),
        ("\"0.sqlite\"", "\"../../../../outside\""),
        ("\"0.sqlite\"", "\"..\""),
        // One copy for two databases, and one database with two copies.
        ("\"0.sqlite\"", "\"1.sqlite\""),
        ("\"radarr.db\"", "\"logs.db\""),
        ("\"version\": 3", "\"version\": 4"),
        // What a person is shown of the app is short lines.
        ("\"about\": {", "\"about\": {\"version\": \"\\u001b[2J\""),
        (
            "\"answers\": [",
            "\"answers\": [{\"kind\": \"count\", \"name\": \"a\\nb\", \"value\": \"1\"}",
        ),
        ("\"format\": \"config-volume\"", "\"format\": null"),
        ("\"size\":", "\"size\": -"),
        ("{", "["),
    ];
    for (from, to) in lies {
        let restored = folder.path().join("restored");
        back_up_and_restore(&volume, &restored);
        let lie = text.replace(from, to);
        assert_ne!(lie, text);
        fs::write(newest_set(&restored).join("manifest.json"), lie).unwrap();
        let verdict = verify(&restored).unwrap();
        assert!(!verdict.is_as_promised(), "{to}");
        assert!(
            matches!(
                put_in_place(&restored),
                Err(Error::Manifest { .. } | Error::LaterManifest { .. })
            ),
            "{to}"
        );
        assert!(
            newest_set(&restored).join("databases/0.sqlite").exists(),
            "{to}: no copy is lost"
        );
        fs::remove_dir_all(restored).unwrap();
    }
    // Text cut off anywhere, and bytes changed anywhere.
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    for cut in (0..text.len()).step_by(7) {
        let mut bytes = text.as_bytes().to_vec();
        bytes[cut] ^= 0x15;
        fs::write(newest_set(&restored).join("manifest.json"), &bytes).unwrap();
        verify(&restored).unwrap();
        bytes.truncate(cut);
        fs::write(newest_set(&restored).join("manifest.json"), &bytes).unwrap();
        assert!(!verify(&restored).unwrap().is_as_promised());
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("outside")).unwrap(),
        "outside"
    );
}

#[test]
fn a_live_path_through_a_link_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, outside) = (folder.path().join("config"), folder.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    make_database(&volume.join("data/radarr.db"), "delete");
    prepare(&volume, &Options::default()).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    fs::remove_dir(restored.join("data")).unwrap();
    symlink(&outside, restored.join("data")).unwrap();
    let report = put_in_place(&restored).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(
        judge(&restored.join(report.kept_aside[0].aside.as_path())).0,
        "{report:?}"
    );
}

#[test]
fn what_took_the_place_of_a_database_is_not_moved_away_for_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    prepare(&volume, &Options::default()).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    fs::create_dir(restored.join("radarr.db")).unwrap();
    fs::write(restored.join("radarr.db/inside"), "of the app").unwrap();
    let options = PlaceOptions {
        origin: Some(Origin::Velero),
        ..PlaceOptions::default()
    };
    let report = put_in_place_with(&restored, &options).unwrap();
    assert_eq!(
        fs::read_to_string(restored.join("radarr.db/inside")).unwrap(),
        "of the app"
    );
    assert!(
        judge(&restored.join(report.kept_aside[0].aside.as_path())).0,
        "{report:?}"
    );
}

#[test]
fn a_folder_that_kopia_takes_for_a_cache_is_not_promised() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir_all(volume.join("cache")).unwrap();
    fs::write(
        volume.join("cache/CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55\n",
    )
    .unwrap();
    fs::write(volume.join("cache/thumbnail"), [0; 1000]).unwrap();
    fs::write(volume.join("config.xml"), "<Config/>").unwrap();
    let contents = measure(&volume, &Options::default()).unwrap();
    assert_eq!((contents.files, contents.held_bytes), (1, 9));
    fs::copy(volume.join("cache/CACHEDIR.TAG"), volume.join("CACHEDIR.TAG")).unwrap();
    assert!(matches!(
        prepare(&volume, &Options::default()),
        Err(Error::IgnoreFile { .. })
    ));
}
