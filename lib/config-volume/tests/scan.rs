//! The reading of a volume: which files are databases, which of them are copied, and what stays out.
#![cfg(test)]

mod common;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, SystemTime},
};

use common::{back_up_and_restore, listed, make_database, newest_set};
use config_volume::{
    BY_HAND, Error, FileEntry, Options, Step, Warning, Watcher, finish, measure, prepare, put_in_place,
    verify,
};

fn own(databases: &[&str]) -> Options {
    Options {
        databases: databases.iter().map(|&path| path.to_owned()).collect(),
        ..Options::default()
    }
}

/// A process that looks days later, when nobody has used the files for long.
fn days_later(databases: &[&str]) -> Options {
    Options {
        now: Some(SystemTime::now() + Duration::from_secs(3 * 86_400)),
        ..own(databases)
    }
}

fn text_of(warnings: &[Warning]) -> Vec<String> {
    warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.path, warning.text))
        .collect()
}

fn paths<'a>(databases: impl IntoIterator<Item = &'a config_volume::RelPath>) -> Vec<String> {
    databases.into_iter().map(ToString::to_string).collect()
}

const HEADER: &[u8] = b"SQLite format 3\0";

#[test]
fn a_stray_file_that_cannot_be_a_database_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    // A header without a database, and one whose download was cut off.
    fs::write(
        volume.join("radarr.db.corrupted"),
        [HEADER, &[0x5a; 5000]].concat(),
    )
    .unwrap();
    fs::write(volume.join("only-a-header"), HEADER).unwrap();
    let contents = measure(&volume, &own(&["/radarr.db"])).unwrap();
    assert_eq!(contents.databases.len(), 1);
    assert_eq!(contents.files, 2);
    let prepared = prepare(&volume, &own(&["/radarr.db"])).unwrap();
    assert_eq!(prepared.manifest.databases.len(), 1);
    assert_eq!(prepared.manifest.warnings, []);
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    assert!(verify(&restored).unwrap().is_as_promised());
    assert!(restored.join("radarr.db.corrupted").exists());
}

/// It would double each backup until somebody removes it, and none of it is in use.
#[test]
fn what_a_restore_by_hand_keeps_is_in_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    let plain = measure(&volume, &own(&["/radarr.db"])).unwrap();
    let kept = volume.join(BY_HAND).join("old");
    make_database(&kept.join("radarr.db"), "delete");
    fs::write(kept.join("config.xml"), vec![b'x'; 5000]).unwrap();
    // Not even where the user's own lines would have it.
    fs::write(
        volume.join(".kopiaignore"),
        "!/.restore-by-hand\n!/.restore-by-hand/**\n",
    )
    .unwrap();
    // It is told until somebody removes it.
    let measured = measure(&volume, &own(&["/radarr.db"])).unwrap();
    assert_eq!(
        text_of(&measured.warnings),
        [".restore-by-hand: kept by a restore by hand, and in no backup; remove it when the app is healthy"]
    );
    assert_eq!(
        (measured.held_bytes, measured.files, measured.databases),
        (plain.held_bytes, plain.files, plain.databases)
    );
    let prepared = prepare(&volume, &days_later(&["/radarr.db", "/**/radarr.db"])).unwrap();
    assert_eq!(
        paths(prepared.manifest.databases.iter().map(|database| &database.path)),
        ["radarr.db"]
    );
    assert!(
        listed(&volume)
            .iter()
            .all(|file| !file.path.to_string().contains(BY_HAND))
    );
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    assert!(!restored.join(BY_HAND).exists());
    assert!(verify(&restored).unwrap().is_as_promised());
    assert!(kept.join("radarr.db").exists() && kept.join("config.xml").exists());
}

/// A backup by an earlier release holds it, and is as good as it was.
#[test]
fn a_backup_that_holds_what_a_restore_by_hand_kept_is_still_taken() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    let of_before = BY_HAND.to_uppercase();
    make_database(&volume.join(&of_before).join("old/radarr.db"), "delete");
    let options = own(&["/radarr.db", "/.RESTORE-BY-HAND/old/radarr.db"]);
    prepare(&volume, &options).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    let head = newest_set(&restored).join("manifest.json");
    let text = fs::read_to_string(&head).unwrap();
    assert!(text.contains(&of_before), "{text}");
    fs::write(&head, text.replace(&of_before, BY_HAND)).unwrap();
    let verdict = verify(&restored).unwrap();
    assert!(verdict.is_as_promised(), "{verdict:?}");
    put_in_place(&restored).unwrap();
    assert!(restored.join("radarr.db").exists());
}

#[test]
fn a_database_of_the_apps_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&folder.path().join("elsewhere/app.db"), "delete");
    make_database(&volume.join("left-out/app.db"), "delete");
    symlink("../elsewhere/app.db", volume.join("linked.db")).unwrap();
    symlink("../elsewhere", volume.join("linked-folder")).unwrap();
    fs::write(volume.join("empty.db"), "").unwrap();
    fs::create_dir(volume.join("folder.db")).unwrap();
    make_database(&volume.join("data/there.db"), "wal");
    let options = Options {
        leave_out: vec!["/left-out/".to_owned()],
        ..own(&[
            "/radarr.db",
            "/data/*.db",
            "/logs/*.db",
            "/linked.db",
            "/linked-folder/app.db",
            "/left-out/app.db",
            "/empty.db",
            "/folder.db",
        ])
    };
    let measured = text_of(&measure(&volume, &options).unwrap().warnings);
    for wanted in [
        "radarr.db: it is missing",
        "logs/*.db: it is missing",
        "linked.db: it is a symbolic link to ../elsewhere/app.db",
        "linked-folder/app.db: it is a database of the app's and not in this backup: linked-folder is a symbolic link to \
         ../elsewhere",
        "left-out/app.db: it is a database of the app's and not in this backup: a line",
        "empty.db: it is a database of the app's, and empty",
        "folder.db: a database of the app's is expected there, and it is no file",
    ] {
        assert!(
            measured.iter().any(|text| text.starts_with(wanted)),
            "{wanted}: {measured:#?}"
        );
    }
    assert_eq!(measured.len(), 7, "{measured:#?}");
    // It is told with the backup, too, and whoever looks at that is told.
    let manifest = prepare(&volume, &options).unwrap().manifest;
    let told = text_of(&manifest.warnings);
    assert!(measured.iter().all(|text| told.contains(text)), "{told:#?}");
    assert_eq!(
        paths(manifest.databases.iter().map(|d| &d.path)),
        ["data/there.db"]
    );
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    assert_eq!(text_of(&verify(&restored).unwrap().warnings), told);
}

#[test]
fn what_a_pattern_names_need_not_be_a_database_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("data/radarr.db"), "delete");
    fs::write(volume.join("data/notes.db"), vec![b'x'; 1024]).unwrap();
    let contents = measure(&volume, &own(&["/data/*.db"])).unwrap();
    assert_eq!(
        paths(contents.databases.iter().map(|(path, _)| path)),
        ["data/radarr.db"]
    );
    assert_eq!(
        text_of(&contents.warnings),
        ["data/notes.db: it has the name of a database of the app's, and is none"]
    );
}

#[test]
fn a_database_that_nobody_uses_takes_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    for name in ["radarr.db", "old/plex.db-2026-11-01", "killed.db"] {
        make_database(&volume.join(name), "wal");
    }
    // What is left of a process that was killed: somebody may have it open.
    fs::write(volume.join("killed.db-wal"), "").unwrap();
    let databases = |options: &Options| {
        let contents = measure(&volume, options).unwrap();
        paths(contents.databases.iter().map(|(path, _)| path))
    };
    let all = ["killed.db", "old/plex.db-2026-11-01", "radarr.db"];
    assert_eq!(
        databases(&own(&["/radarr.db"])),
        all,
        "it was written a moment ago"
    );
    assert_eq!(
        databases(&days_later(&["/radarr.db"])),
        ["killed.db", "radarr.db"]
    );
    assert_eq!(databases(&days_later(&[])), ["killed.db"]);
    let long = Options {
        idle_after: Duration::from_secs(5 * 86_400),
        ..days_later(&[])
    };
    assert_eq!(databases(&long), all);

    let manifest = prepare(&volume, &days_later(&["/radarr.db"])).unwrap().manifest;
    assert_eq!(
        paths(manifest.databases.iter().map(|d| &d.path)),
        ["killed.db", "radarr.db"]
    );
    assert!(
        manifest
            .databases
            .iter()
            .all(|d| d.own == (d.path.to_string() == "radarr.db"))
    );
    let files: Vec<FileEntry> = listed(&volume);
    assert_eq!(
        paths(files.iter().map(|file| &file.path)),
        ["old/plex.db-2026-11-01"]
    );
    assert!(files[0].database.is_some() && files[0].stable && files[0].blake3.is_some());
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    assert_eq!(
        fs::read(restored.join("old/plex.db-2026-11-01")).unwrap(),
        fs::read(volume.join("old/plex.db-2026-11-01")).unwrap()
    );
    let verdict = verify(&restored).unwrap();
    assert!(
        verdict.is_as_promised() && verdict.notes.is_empty(),
        "{verdict:?}"
    );
    assert_eq!(verdict.databases.len(), 3);
    assert!(verdict.databases.iter().all(|database| database.sound));
}

#[test]
fn a_file_that_is_written_while_the_backup_is_prepared_is_not_promised() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    for name in ["same", "grown", "other", "gone", "touched"] {
        fs::write(volume.join(name), "before").unwrap();
    }
    symlink("same", volume.join("link")).unwrap();
    let times = fs::metadata(volume.join("other")).unwrap().modified().unwrap();
    let at = volume.clone();
    let watcher = Watcher::new(move |step| {
        if step == Step::CopiesOnDisk {
            fs::write(at.join("grown"), "before and after").unwrap();
            fs::remove_file(at.join("gone")).unwrap();
            // Size and time of writing stay; what nobody can set does not.
            let other = fs::File::options().write(true).open(at.join("other")).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&other, b"after!", 0).unwrap();
            other.set_modified(times).unwrap();
            fs::write(at.join("touched"), "before").unwrap();
        }
        Ok(())
    });
    let options = Options {
        watcher,
        ..Options::default()
    };
    prepare(&volume, &options).unwrap();
    let stable = listed(&volume)
        .iter()
        .filter(|file| file.stable)
        .map(|file| file.path.to_string())
        .collect::<Vec<_>>();
    assert_eq!(stable, ["link", "same"]);
}

#[test]
fn a_line_that_the_backup_program_stops_at_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("data/radarr.db"), "delete");
    let long = |bytes: usize| format!("#{}\n", "x".repeat(bytes - 1));
    for file in [".kopiaignore", "data/.kopiaignore"] {
        // Comments and the carriage return count: kopia reads lines before it looks at them.
        for (text, is_refused) in [
            (long(65_535), false),
            (long(65_536), true),
            (long(65_535).replace('\n', "\r\n"), true),
            (format!("/a\n{}/b\n", long(70_000)), true),
        ] {
            fs::write(volume.join(file), &text).unwrap();
            let prepared = prepare(&volume, &Options::default());
            match prepared {
                Ok(_) => {
                    assert!(!is_refused, "{file} {}", text.len());
                    finish(&volume).unwrap();
                }
                Err(error) => {
                    assert!(is_refused && matches!(error, Error::IgnoreFile { .. }), "{error}");
                    assert!(error.to_string().contains(file), "{error}");
                    assert!(error.to_string().len() < 1000);
                }
            }
        }
        fs::remove_file(volume.join(file)).unwrap();
    }
    let options = Options {
        leave_out: vec![format!("/{}", "x".repeat(65_535))],
        ..Options::default()
    };
    let error = prepare(&volume, &options).unwrap_err();
    assert!(matches!(error, Error::Pattern { .. }) && error.to_string().len() < 1000);
}

#[test]
fn a_plain_restore_brings_no_ignore_file_that_would_empty_later_backups() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    fs::create_dir(volume.join("below")).unwrap();
    fs::write(volume.join("below/.kopiaignore"), "*.tmp\n").unwrap();
    for user in [None, Some("/logs/\n")] {
        if let Some(text) = user {
            fs::write(volume.join(".kopiaignore"), text).unwrap();
        }
        prepare(&volume, &Options::default()).unwrap();
        let restored = folder.path().join(format!("restored-{}", user.is_some()));
        back_up_and_restore(&volume, &restored);
        finish(&volume).unwrap();
        assert!(!restored.join(".kopiaignore").exists());
        assert!(
            restored.join("below/.kopiaignore").exists(),
            "only the root's is ours"
        );
        // A backup of the restored volume, without the charm: everything is in it.
        let again = folder.path().join(format!("again-{}", user.is_some()));
        back_up_and_restore(&restored, &again);
        assert_eq!(put_in_place(&again).unwrap().placed.len(), 1);
        assert_eq!(
            fs::read_to_string(again.join(".kopiaignore")).ok().as_deref(),
            user,
            "the user's own comes back"
        );
    }
}

#[test]
fn odd_names_do_not_fill_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir(&volume).unwrap();
    for number in 0..300u16 {
        let name = [b"bad-\xff-".as_slice(), number.to_string().as_bytes()].concat();
        fs::write(
            volume.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(
                &name,
            )),
            "",
        )
        .unwrap();
    }
    let contents = measure(&volume, &own(&["/radarr.db"])).unwrap();
    let warnings = text_of(&contents.warnings);
    assert_eq!(warnings.len(), 201);
    assert!(
        warnings[199].ends_with("; 100 more warnings are not listed"),
        "{}",
        warnings[199]
    );
    assert!(
        warnings[200].starts_with("radarr.db: it is missing"),
        "what counts is not lost"
    );
}

#[test]
fn a_path_that_no_program_reaches_is_told_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    make_deep(&volume, 25);
    let prepared = prepare(&volume, &Options::default()).unwrap();
    let warnings = text_of(&prepared.manifest.warnings);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("its path is too long"), "{}", warnings[0]);
    finish(&volume).unwrap();
}

/// Folders in each other with names of 200 bytes, reached one by one.
fn make_deep(volume: &Path, depth: usize) {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = openat(CWD, volume, flags, Mode::empty()).unwrap();
    let name = "d".repeat(200);
    for _ in 0..depth {
        mkdirat(&at, name.as_str(), Mode::from_raw_mode(0o755)).unwrap();
        at = openat(&at, name.as_str(), flags, Mode::empty()).unwrap();
    }
}
