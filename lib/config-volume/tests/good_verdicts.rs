//! No backup is called good whose bytes are not what was committed: what changes while it runs, and what is not named.
#![cfg(test)]

mod common;

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{
    back_up_and_restore, copy_by_hand, copy_everything, damage, days_later, make_database, newest_set, own,
};
use config_volume::{
    Error, ManifestState, Options, Origin, Pattern, ProblemKind, Step, VerifyOptions, Watcher, finish,
    prepare, put_in_place, verify, verify_with, withdraw,
};
use rusqlite::Connection;

/// The backup ran from now until days later, so that whatever changes now changed while it ran.
fn ended_later() -> VerifyOptions {
    VerifyOptions {
        backup_ended: Some(SystemTime::now() + Duration::from_secs(3 * 86_400 + 120)),
        ..VerifyOptions::default()
    }
}

fn commit(database: &Path, text: &str) {
    let app = Connection::open(database).unwrap();
    app.execute_batch("CREATE TABLE IF NOT EXISTS films (name TEXT)")
        .unwrap();
    app.execute("INSERT INTO films VALUES (?1)", [text]).unwrap();
}

#[test]
fn a_manifest_from_after_the_backup_vouches_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (live, restored) = (folder.path().join("live"), folder.path().join("restored"));
    commit(&live_database(&live), "first");
    // Made while the clock was ahead; it was set right, and the next backup began without a `prepare` of its own.
    let ahead = Options {
        now: Some(SystemTime::now() + Duration::from_secs(7200)),
        ..own()
    };
    prepare(&live, &ahead).unwrap();
    commit(&live_database(&live), "second");
    back_up_and_restore(&live, &restored);
    let now = SystemTime::now();
    let options = VerifyOptions {
        backup_started: Some(now),
        backup_ended: Some(now + Duration::from_secs(60)),
        ..VerifyOptions::default()
    };
    let verdict = verify_with(&restored, &options).unwrap();
    assert!(!verdict.is_as_promised(), "{verdict:?}");
    assert_eq!(verdict.problems[0].kind, ProblemKind::Stale);
    // Clocks differ a little.
    let made = UNIX_EPOCH + Duration::from_secs(made(&restored));
    for (before, is_stale) in [(0, false), (120, false), (121, true)] {
        let options = VerifyOptions {
            backup_ended: Some(made - Duration::from_secs(before)),
            ..VerifyOptions::default()
        };
        let verdict = verify_with(&restored, &options).unwrap();
        assert_eq!(verdict.is_as_promised(), !is_stale, "{before}: {verdict:?}");
    }
}

fn live_database(live: &Path) -> std::path::PathBuf {
    fs::create_dir_all(live).unwrap();
    live.join("radarr.db")
}

fn made(volume: &Path) -> u64 {
    let text = fs::read(newest_set(volume).join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    manifest["made"].as_u64().unwrap()
}

#[test]
fn an_unused_database_that_was_used_while_the_backup_ran_is_a_problem() {
    type Use = fn(&Path);
    let uses: [(&str, Use); 3] = [
        ("written to", |old| {
            commit(old, "late");
            let later = SystemTime::now() + Duration::from_secs(3 * 86_400 + 60);
            let file = fs::File::options().write(true).open(old).unwrap();
            file.set_modified(later).unwrap();
        }),
        // SQLite replays it onto a file that it does not belong to any more.
        ("a log beside it", |old| {
            fs::write(old.with_extension("db-wal"), [7; 4096]).unwrap();
        }),
        ("a journal beside it", |old| {
            fs::write(old.with_extension("db-journal"), [7; 4096]).unwrap();
        }),
    ];
    for (what, act) in uses {
        let folder = tempfile::tempdir().unwrap();
        let (live, restored) = (folder.path().join("live"), folder.path().join("restored"));
        make_database(&live.join("radarr.db"), "delete");
        make_database(&live.join("old.db"), "delete");
        prepare(&live, &days_later()).unwrap();
        act(&live.join("old.db"));
        // Its `finish`, which would tell, is lost.
        back_up_and_restore(&live, &restored);
        let verdict = verify_with(&restored, &ended_later()).unwrap();
        assert!(!verdict.is_as_promised(), "{what}: {verdict:?}");
        assert_eq!(verdict.problems[0].path.to_string(), "old.db");
    }
}

#[test]
fn no_pattern_of_the_caller_leaves_the_copies_out() {
    for pattern in [
        "/**/*.sqlite",
        "/**/databases/",
        "/*/sets/",
        "/**/*.json",
        "/.config-backup/sets/",
        "/**/0*",
        "/*/*",
        "/**",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (live, restored) = (folder.path().join("live"), folder.path().join("restored"));
        commit(&live_database(&live), "first");
        for user in [None, Some("*.sqlite\nsets\n")] {
            if let Some(user) = user {
                fs::write(live.join(".kopiaignore"), user).unwrap();
            }
            let options = Options {
                leave_out: vec![pattern.to_owned()],
                ..own()
            };
            match prepare(&live, &options) {
                Ok(_) => {}
                Err(Error::Pattern { .. }) => continue,
                Err(error) => panic!("{pattern}: {error}"),
            }
            let _ = fs::remove_dir_all(&restored);
            back_up_and_restore(&live, &restored);
            let is_good = finish(&live).is_ok();
            let verdict = verify(&restored).unwrap();
            assert_eq!(verdict.is_as_promised(), is_good, "{pattern}: {verdict:?}");
            assert_eq!(
                verdict.manifest,
                ManifestState::Read {
                    made: made(&restored)
                }
            );
            assert!(!restored.join(".config-backup/local").exists());
        }
    }
}

#[test]
fn a_database_of_the_apps_that_appears_while_the_backup_runs_is_not_stored_torn() {
    for is_empty in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (live, restored) = (folder.path().join("live"), folder.path().join("restored"));
        fs::create_dir(&live).unwrap();
        fs::write(live.join("config.xml"), "<Config/>").unwrap();
        if is_empty {
            fs::write(live.join("radarr.db"), "").unwrap();
        }
        prepare(&live, &own()).unwrap();
        commit(&live.join("radarr.db"), "first");
        // What an uploader reads while the app goes on writing.
        let app = fs::read(live.join("radarr.db")).unwrap();
        fs::write(live.join("radarr.db"), &app[..app.len() - 512]).unwrap();
        back_up_and_restore(&live, &restored);
        finish(&live).unwrap();
        let verdict = verify_with(&restored, &ended_later()).unwrap();
        let is_torn = restored.join("radarr.db").exists();
        assert!(
            !(is_torn && verdict.is_as_promised()),
            "{is_empty}: a torn database is called good: {verdict:?}"
        );
        assert!(!is_torn, "{is_empty}");
    }
}

#[test]
fn a_damaged_database_that_no_list_names_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let (live, restored) = (folder.path().join("live"), folder.path().join("restored"));
    make_database(&live.join("radarr.db"), "delete");
    fs::write(live.join("noise"), "SQLite format 3\0, it says").unwrap();
    prepare(&live, &own()).unwrap();
    // The app makes one more while the backup runs, and the uploader reads it while it is written.
    make_database(&live.join("new/jobs.db"), "delete");
    back_up_and_restore(&live, &restored);
    finish(&live).unwrap();
    let verdict = verify_with(&restored, &ended_later()).unwrap();
    assert!(verdict.is_as_promised(), "it is sound: {verdict:?}");
    assert!(
        verdict
            .databases
            .iter()
            .any(|d| d.path.to_string() == "new/jobs.db" && d.sound),
        "{verdict:?}"
    );
    damage(&restored.join("new/jobs.db"));
    let verdict = verify_with(&restored, &ended_later()).unwrap();
    assert!(!verdict.is_as_promised(), "{verdict:?}");
    let problem = &verdict.problems[0];
    assert_eq!(
        (problem.path.to_string().as_str(), problem.kind),
        ("new/jobs.db", ProblemKind::Corrupt)
    );
}

#[test]
fn a_copy_that_is_sound_and_not_the_one_that_was_made_fails_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let volume = &folder.path().join("live");
    fs::create_dir(volume).unwrap();
    commit(&volume.join("radarr.db"), "a film of great length");
    prepare(volume, &own()).unwrap();
    let copy = newest_set(volume).join("databases/0.sqlite");
    let mut bytes = fs::read(&copy).unwrap();
    let at = bytes.windows(5).position(|part| part == b"great").unwrap();
    // In a row's text, where no check of SQLite's looks.
    bytes[at] = b'G';
    fs::write(&copy, bytes).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(volume, &restored);
    assert!(!verify(&restored).unwrap().is_as_promised());
    let finished = finish(volume);
    assert!(
        matches!(finished, Err(Error::DamagedBackup { .. })),
        "{finished:?}"
    );
}

#[test]
fn a_charm_that_goes_away_leaves_no_ignore_file_on_a_foreign_volume_either() {
    let folder = tempfile::tempdir().unwrap();
    let (live, moved) = (folder.path().join("live"), folder.path().join("moved"));
    commit(&live_database(&live), "first");
    fs::write(live.join(".kopiaignore"), "*.tmp\n").unwrap();
    prepare(&live, &own()).unwrap();
    copy_by_hand(&live, &moved);
    withdraw(&moved).unwrap();
    assert_eq!(fs::read_to_string(moved.join(".kopiaignore")).unwrap(), "*.tmp\n");
    assert!(newest_set(&moved).join("databases/0.sqlite").exists());
    let text = fs::read(moved.join(".kopiaignore")).unwrap();
    assert!(Pattern::parse(text.trim_ascii(), b"").is_ok());
}

#[test]
fn whatever_is_in_the_place_of_a_folder_of_ours_does_not_stop_backups_for_ever() {
    for name in [
        "local",
        "local/open",
        "local/checked",
        "local/unfinished",
        "local/removing",
        "sets",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        commit(&volume.join("radarr.db"), "first");
        prepare(volume, &own()).unwrap();
        let path = volume.join(".config-backup").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::write(&path, "").unwrap();
        // One run may fail for it, and no later one.
        let _ = finish(volume);
        let _ = prepare(volume, &own());
        let _ = finish(volume);
        prepare(volume, &own()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        finish(volume).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

#[test]
fn a_nested_ignore_file_that_is_not_read_to_its_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    commit(&volume.join("radarr.db"), "first");
    make_database(&volume.join("data/app.db"), "delete");
    let mut lines = "# nothing\n".repeat(120_000);
    lines.push_str("!app.db\n");
    fs::write(volume.join("data/.kopiaignore"), lines).unwrap();
    let prepared = prepare(volume, &own());
    assert!(matches!(prepared, Err(Error::IgnoreFile { .. })), "{prepared:?}");
}

/// A database in the mode of a write-ahead log that stays open, with its log.
fn open_with_log(database: &Path, text: &str) -> Connection {
    let app = Connection::open(database).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;")
        .unwrap();
    app.execute_batch("CREATE TABLE films (name TEXT);").unwrap();
    let insert = |number: u32| {
        app.execute("INSERT INTO films VALUES (?1)", [format!("{text} {number:0300}")])
            .unwrap();
    };
    (0..200).for_each(insert);
    app.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    insert(200);
    app
}

#[test]
fn a_database_that_the_app_makes_anew_while_it_is_copied_is_not_mixed_with_the_log_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (live, beside) = (folder.path().join("live"), folder.path().join("beside"));
    for folder in [&live, &beside] {
        fs::create_dir(folder).unwrap();
    }
    let first = open_with_log(&live.join("radarr.db"), "first");
    let second = open_with_log(&beside.join("radarr.db"), "second");
    let (from, to) = (beside, live.clone());
    let replace = move |step| {
        if step == Step::SpaceChecked && from.join("radarr.db").exists() {
            for name in ["radarr.db-wal", "radarr.db-shm", "radarr.db"] {
                fs::rename(from.join(name), to.join(name))?;
            }
        }
        Ok(())
    };
    let options = Options {
        watcher: Watcher::new(replace),
        busy_timeout: Duration::from_secs(5),
        ..own()
    };
    prepare(&live, &options).unwrap();
    let copy = Connection::open(newest_set(&live).join("databases/0.sqlite")).unwrap();
    let mut names = copy.prepare("SELECT name FROM films").unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(|name| name.unwrap_or_else(|error| error.to_string()))
        .collect();
    let of = |text: &str| names.iter().filter(|name| name.starts_with(text)).count();
    let (of_first, of_second) = (of("first"), of("second"));
    assert!(
        (of_first, of_second) == (201, 0) || (of_first, of_second) == (0, 201),
        "{of_first} and {of_second} of {}; {:?}",
        names.len(),
        finish(&live)
    );
    drop((first, second));
}

#[test]
fn a_marker_of_a_restore_long_ago_says_nothing_of_a_volume_that_was_moved() {
    let folder = tempfile::tempdir().unwrap();
    let (live, moved) = (folder.path().join("live"), folder.path().join("moved"));
    commit(&live_database(&live), "first");
    // A restore by Velero of a backup without copies. The app starts, and runs for long.
    fs::create_dir(live.join(".velero")).unwrap();
    fs::write(live.join(".velero/0b7c0fe1"), "").unwrap();
    put_in_place(&live).unwrap();
    prepare(&live, &own()).unwrap();
    commit(&live_database(&live), "second");
    // The app is stopped, and its volume copied to another one as it is.
    copy_by_hand(&live, &moved);
    let placed = put_in_place(&moved).unwrap();
    assert_eq!(placed.origin, Some(Origin::Elsewhere), "{placed:?}");
    assert_eq!(
        fs::read(moved.join("radarr.db")).unwrap(),
        fs::read(live.join("radarr.db")).unwrap()
    );
    assert_eq!(placed.problems().len(), 1);
}

/// Velero may come to a volume hours after its hook, when the copies of its own are given up and another backup makes some.
#[test]
fn a_volume_that_was_stored_while_copies_were_made_is_no_good_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (live, stored) = (folder.path().join("live"), folder.path().join("stored"));
    let database = live_database(&live);
    commit(&database, "first");
    let to = (live.clone(), stored.clone());
    let watcher = Watcher::new(move |step| {
        if step == Step::Copied && !to.1.exists() {
            copy_everything(&to.0, &to.1);
        }
        Ok(())
    });
    prepare(&live, &Options { watcher, ..own() }).unwrap();
    finish(&live).unwrap();
    let verdict = verify(&stored).unwrap();
    assert_eq!(verdict.manifest, ManifestState::Absent);
    let problem = &verdict.problems[0];
    assert_eq!(
        (problem.kind, problem.path.to_string().as_str()),
        (ProblemKind::Missing, ".config-backup")
    );
    // A snapshot holds all at one moment: what was being made is none of its.
    let snapshot = VerifyOptions {
        prefers_live: true,
        ..VerifyOptions::default()
    };
    let verdict = verify_with(&stored, &snapshot).unwrap();
    assert_eq!(verdict.problems, []);
    assert_eq!(verdict.notes[0].kind, ProblemKind::Missing);
    // A volume that no hook has seen promises nothing, and lacks nothing.
    let untouched = verify(&live).unwrap();
    assert!(untouched.problems.is_empty() && untouched.notes.is_empty());
}
