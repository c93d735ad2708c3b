//! Copies made under a writer are sound, each a committed state; plain file copies are not.
#![cfg(test)]

mod common;

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use common::{WRITER, Writer, back_up_and_restore, judge, watched};
use config_volume::{Options, Step, Watcher, finish, prepare, put_in_place, verify};
use rusqlite::Connection;

/// Backups of one writer; each restored, verified, put in place and judged.
fn rounds(mode: &str, megabytes: &str, count: usize, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("config.xml"), "<Config/>").unwrap();
    let writer = Writer::start(
        &volume.join("radarr.db"),
        &[&["--mode", mode, "--megabytes", megabytes], more].concat(),
    );
    let options = Options::default();
    for round in 0..count {
        if round % 5 == 0 {
            writer.await_more(1);
        }
        prepare(&volume, &options).unwrap();
        let restored = folder.path().join("restored");
        back_up_and_restore(&volume, &restored);
        finish(&volume).unwrap();
        assert!(!restored.join("radarr.db").exists());
        let verdict = verify(&restored).unwrap();
        assert!(verdict.is_as_promised(), "{round}: {verdict:?}");
        assert_eq!(put_in_place(&restored).unwrap().placed.len(), 1);
        let (sound, text) = judge(&restored.join("radarr.db"));
        assert!(sound, "round {round}: {text}");
        fs::remove_dir_all(restored).unwrap();
    }
    let committed = writer.committed();
    writer.stop();
    let (sound, text) = judge(&volume.join("radarr.db"));
    assert!(sound, "the live database after {committed} transactions: {text}");
}

#[test]
fn fifty_backups_under_a_wal_writer_are_committed_states() {
    rounds("wal", "4", 50, &[]);
}

#[test]
fn fifty_backups_under_a_rollback_journal_writer_are_committed_states() {
    rounds("delete", "4", 50, &[]);
}

#[test]
#[ignore = "takes minutes: the size of a grown library"]
fn fifty_backups_of_80_mb_under_either_writer_are_committed_states() {
    rounds("wal", "80", 50, &[]);
    rounds("delete", "80", 50, &[]);
}

/// A log that is begun anew all the time, transactions that are taken back, and frames that are written over within one.
#[test]
fn twenty_backups_under_a_rough_writer_are_committed_states() {
    rounds("wal", "4", 20, &["--rough"]);
    rounds("delete", "4", 20, &["--rough"]);
}

#[test]
#[ignore = "takes minutes: the size of a grown library"]
fn fifty_backups_of_80_mb_under_a_rough_writer_are_committed_states() {
    rounds("wal", "80", 50, &["--rough"]);
    rounds("delete", "80", 50, &["--rough"]);
}

/// A log that is all in the database's file may be begun anew while it is copied. The half that was copied by then
/// would take the database back to where it was once.
#[test]
fn a_log_that_is_begun_anew_under_the_copy_is_left_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir(&volume).unwrap();
    let database = volume.join("radarr.db");
    let write = |path: &Path, more: &[&str]| {
        let mut command = Command::new(WRITER);
        command
            .arg("write")
            .arg(path)
            .args(["--megabytes", "4"])
            .args(more);
        assert!(command.stdin(Stdio::null()).output().unwrap().status.success());
    };
    // Held open, so that the log stays; filled, so that it is longer than one piece; and put into the file.
    let held = Writer::start(&database, &["--megabytes", "4", "--pause-us", "1000000000"]);
    let until = ["--until", "kill", "--transactions"];
    write(&database, &[&until[..], &["20"]].concat());
    write(&database, &[&until[..], &["2", "--rough"]].concat());
    let before = judge(&database);
    let path = database.clone();
    let pieces = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&pieces);
    let watcher = Watcher::new(move |step| {
        if step == Step::LogRead && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            write(&path, &["--until", "kill", "--transactions", "20"]);
        }
        Ok(())
    });
    prepare(&volume, &watched(watcher)).unwrap();
    assert!(pieces.load(Ordering::SeqCst) > 1, "the log was too short");
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    put_in_place(&restored).unwrap();
    let (sound, text) = judge(&restored.join("radarr.db"));
    let state = |text: &str| text.rsplit(": ").next().unwrap().to_owned();
    assert!(sound, "{text}");
    assert_eq!(state(&text), state(&before.1));
    assert_ne!(state(&judge(&database).1), state(&before.1));
    drop(held);
}

/// What a database holds that nobody folded the log of in, with each size of page; and after it shrank.
#[test]
fn a_log_of_any_page_size_is_part_of_the_copy() {
    for page_size in [512, 4096, 65_536] {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("config");
        fs::create_dir(&volume).unwrap();
        let app = Connection::open(volume.join("app.db")).unwrap();
        app.pragma_update(None, "page_size", page_size).unwrap();
        app.pragma_update(None, "journal_mode", "wal").unwrap();
        app.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        app.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, text BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT i, randomblob(400) FROM n;
             PRAGMA wal_checkpoint(PASSIVE);
             DELETE FROM t WHERE id > 1000; VACUUM; UPDATE t SET text = 'new' WHERE id = 7;",
        )
        .unwrap();
        let rows = |connection: &Connection| -> String {
            let query = "SELECT group_concat(id || hex(text)) FROM (SELECT * FROM t ORDER BY id)";
            connection.query_row(query, [], |row| row.get(0)).unwrap()
        };
        prepare(&volume, &Options::default()).unwrap();
        let restored = folder.path().join("restored");
        back_up_and_restore(&volume, &restored);
        assert_eq!(finish(&volume).unwrap().checked, 1);
        assert!(verify(&restored).unwrap().is_as_promised(), "{page_size}");
        put_in_place(&restored).unwrap();
        let copy = Connection::open(restored.join("app.db")).unwrap();
        assert_eq!(rows(&copy), rows(&app), "{page_size}");
    }
}

/// What an uploader without any preparation stores: the files one after the other, each from its beginning to its end,
/// while the writer goes on. An uploader is slow; here it takes as long as the writer takes for some transactions.
fn copy_as_an_uploader_does(volume: &Path, to: &Path, writer: &Writer) {
    fs::create_dir(to).unwrap();
    let mut names: Vec<_> = fs::read_dir(volume)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let Ok(mut from) = File::open(volume.join(&name)) else {
            continue;
        };
        let mut copy = File::create(to.join(&name)).unwrap();
        let mut chunk = vec![0; 1 << 20];
        loop {
            let read = from.read(&mut chunk).unwrap();
            if read == 0 {
                break;
            }
            copy.write_all(&chunk[..read]).unwrap();
            writer.await_more(10);
        }
    }
}

#[test]
fn plain_file_copies_under_the_same_writers_are_torn() {
    for mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("config");
        fs::create_dir(&volume).unwrap();
        let writer = Writer::start(&volume.join("radarr.db"), &["--mode", mode, "--megabytes", "4"]);
        let mut torn = 0;
        for _ in 0..10 {
            let copy = folder.path().join("copy");
            copy_as_an_uploader_does(&volume, &copy, &writer);
            let (sound, text) = judge(&copy.join("radarr.db"));
            if !sound {
                println!("{text}");
                torn += 1;
            }
            fs::remove_dir_all(copy).unwrap();
        }
        println!("{mode}: {torn} of 10 plain copies are torn");
        assert!(
            torn > 0,
            "{mode}: the writer does not show what the copies are for"
        );
    }
}
