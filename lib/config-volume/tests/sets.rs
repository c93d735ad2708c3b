//! Each backup has a set of its own: two at once, a lost end, a start in between, a copy of a volume elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod common;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use common::{back_up_and_restore, copy_everything, judge, make_database};
use config_volume::{Options, Step, Watcher, finish, prepare, put_in_place};
use rusqlite::Connection;

/// Commits a row, as the app does.
fn write_row(volume: &Path, text: &str) {
    let app = Connection::open(volume.join("radarr.db")).unwrap();
    app.execute_batch("CREATE TABLE IF NOT EXISTS films (name TEXT)")
        .unwrap();
    app.execute("INSERT INTO films VALUES (?1)", [text]).unwrap();
}

fn rows(database: &Path) -> Vec<String> {
    let app = Connection::open(database).unwrap();
    let mut statement = app.prepare("SELECT name FROM films ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// What a backup that runs now holds, after it is restored and put in place.
fn rows_of_a_backup(volume: &Path) -> Vec<String> {
    let restored = tempfile::tempdir().unwrap();
    back_up_and_restore(volume, restored.path());
    put_in_place(restored.path()).unwrap();
    rows(&restored.path().join("radarr.db"))
}

#[test]
fn a_backup_after_a_lost_finish_holds_what_was_committed_since() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    prepare(volume, &Options::default()).unwrap();
    // Its `finish` is lost.
    write_row(volume, "second");
    prepare(volume, &Options::default()).unwrap();
    assert_eq!(rows_of_a_backup(volume), ["first", "second"]);
    finish(volume).unwrap();
}

#[test]
fn a_start_while_a_backup_runs_leaves_it_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    prepare(volume, &Options::default()).unwrap();
    put_in_place(volume).unwrap();
    let restored = tempfile::tempdir().unwrap();
    back_up_and_restore(volume, restored.path());
    assert!(
        !restored.path().join("radarr.db").exists(),
        "the live file would be torn"
    );
    assert!(restored.path().join(".config-backup").exists());
    finish(volume).unwrap();
    assert!(finish(volume).is_err(), "there are no copies to vouch for");
}

#[test]
fn what_an_uploader_that_stores_everything_tore_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    fs::create_dir(&volume).unwrap();
    write_row(&volume, "first");
    prepare(&volume, &Options::default()).unwrap();
    copy_everything(&volume, &restored);
    fs::write(restored.join("radarr.db"), "torn").unwrap();
    put_in_place(&restored).unwrap();
    assert_eq!(rows(&restored.join("radarr.db")), ["first"]);
}

#[test]
fn a_database_that_nobody_has_open_gets_no_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "wal");
    assert!(!volume.join("radarr.db-wal").exists());
    let beside = Arc::new(Mutex::new(Vec::new()));
    let (seen, live) = (Arc::clone(&beside), volume.clone());
    let watcher = Watcher::new(move |step: Step| {
        for name in ["radarr.db-wal", "radarr.db-shm"] {
            if live.join(name).exists() {
                seen.lock().unwrap().push((step, name));
            }
        }
        Ok(())
    });
    prepare(
        &volume,
        &Options {
            watcher,
            ..Options::default()
        },
    )
    .unwrap();
    assert_eq!(*beside.lock().unwrap(), []);
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    put_in_place(&restored).unwrap();
    assert!(judge(&restored.join("radarr.db")).0);
}

#[test]
fn a_plain_restore_leaves_nothing_that_empties_later_backups() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    fs::create_dir(&volume).unwrap();
    write_row(&volume, "first");
    prepare(&volume, &Options::default()).unwrap();
    back_up_and_restore(&volume, &restored);
    // A person without the charm does what the README says.
    let copy = walk(&restored.join(".config-backup"))
        .into_iter()
        .find(|name| name.ends_with(".sqlite"))
        .unwrap();
    fs::copy(
        restored.join(".config-backup").join(copy),
        restored.join("radarr.db"),
    )
    .unwrap();
    write_row(&restored, "second");
    let later = folder.path().join("later");
    back_up_and_restore(&restored, &later);
    assert_eq!(rows(&later.join("radarr.db")), ["first", "second"]);
    assert!(restored.join(".config-backup/README.txt").exists());
}

fn walk(folder: &Path) -> Vec<String> {
    common::snapshot(folder)
        .into_iter()
        .map(|(name, ..)| name)
        .collect()
}
