//! Which databases are copied and how: stray files, unused ones, those that are opened in the middle, shared blocks.
#![cfg(test)]

mod common;

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use common::{WRITER, Writer, back_up_and_restore, damage, judge, listed, make_database, own, snapshot};
use config_volume::{Error, Options, Prepared, Step, Watcher, finish, prepare, put_in_place, verify};

/// Takes whatever is there already for unused for long. The clock of files is read by seconds.
fn unused_at_once() -> Options {
    Options {
        now: Some(SystemTime::now() + Duration::from_secs(2)),
        idle_after: Duration::ZERO,
        ..own()
    }
}

/// What a judged database holds.
fn state(text: &str) -> &str {
    text.rsplit(": ").next().unwrap()
}

fn copied(prepared: &Prepared) -> Vec<String> {
    let databases = prepared.manifest.databases.iter();
    databases.map(|database| database.path.to_string()).collect()
}

#[test]
fn a_stray_file_that_looks_like_a_database_does_not_fail_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("Backups/dated.db"), "delete");
    damage(&volume.join("Backups/dated.db"));
    let header = b"SQLite format 3\0".as_slice();
    fs::write(
        volume.join("radarr.db.corrupted"),
        [header, &[0x5a; 5104]].concat(),
    )
    .unwrap();
    fs::write(volume.join("header"), [header, &[0; 496]].concat()).unwrap();
    make_database(&volume.join("downloads/half.db"), "delete");
    let half = fs::File::options()
        .write(true)
        .open(volume.join("downloads/half.db"))
        .unwrap();
    half.set_len(40_960).unwrap();
    fs::write(volume.join("downloads/half.db-journal"), "").unwrap();
    let before = snapshot(&volume);

    let prepared = prepare(&volume, &own()).unwrap();
    assert_eq!(copied(&prepared), ["Backups/dated.db", "radarr.db"]);
    let warnings = &prepared.manifest.warnings;
    for stray in ["downloads/half.db", "header", "radarr.db.corrupted"] {
        let is_told = |path: &str, text: &str| {
            path == stray && text.contains("stored as the file it is: it is damaged: ")
        };
        assert!(
            warnings.iter().any(|w| is_told(&w.path.to_string(), &w.text)),
            "{stray}: {warnings:?}"
        );
        let line = format!("/{stray}");
        assert!(
            prepared.manifest.left_out.iter().all(|part| part.pattern != line),
            "{line}"
        );
        let files = listed(&volume);
        let file = files.iter().find(|file| file.path.to_string() == stray);
        assert!(!file.unwrap().stable, "{stray}: nobody knows who writes to it");
    }
    back_up_and_restore(&volume, &restored);
    // The damage that only the check finds is told and fails nothing either.
    let finished = finish(&volume).unwrap();
    assert_eq!(finished.checked, 1);
    assert!(
        finished.damaged[0].starts_with("Backups/dated.db: "),
        "{finished:?}"
    );
    assert_eq!(snapshot(&volume), before);

    let report = put_in_place(&restored).unwrap();
    assert_eq!(report.placed.len(), 2);
    assert!(report.damaged[0].starts_with("Backups/dated.db: "), "{report:?}");
    for name in [
        "Backups/dated.db",
        "downloads/half.db",
        "header",
        "radarr.db.corrupted",
    ] {
        assert_eq!(
            fs::read(restored.join(name)).unwrap(),
            fs::read(volume.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_database_that_nobody_uses_is_stored_as_a_file_and_proven_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("Backups/dated.db"), "wal");
    let prepared = prepare(&volume, &unused_at_once()).unwrap();
    assert_eq!(copied(&prepared), ["radarr.db"], "the app's own is always copied");
    back_up_and_restore(&volume, &restored);
    assert_eq!(finish(&volume).unwrap().checked, 2);
    assert!(verify(&restored).unwrap().is_as_promised());
    let dated = |volume: &Path| fs::read(volume.join("Backups/dated.db")).unwrap();
    assert!(dated(&restored) == dated(&volume));
}

#[test]
fn a_database_that_was_stored_as_a_file_and_written_to_fails_each_backup_that_ran() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("dated.db"), "delete");
    for _ in 0..3 {
        assert_eq!(
            copied(&prepare(&volume, &unused_at_once()).unwrap()),
            ["radarr.db"]
        );
    }
    assert_eq!(
        finish(&volume).unwrap().checked,
        6,
        "a copy and a file of each of three sets"
    );
    fs::File::options()
        .write(true)
        .open(volume.join("dated.db"))
        .unwrap()
        .write_all_at(b"torn", 5000)
        .unwrap();
    for _ in 0..2 {
        let Err(Error::ChangedDuringBackup { paths }) = finish(&volume) else {
            panic!("it was not found")
        };
        assert_eq!(paths, "dated.db was written to while the backup ran");
        // What was found first is what is told, whatever becomes of it.
        let _ = fs::remove_file(volume.join("dated.db"));
    }
    assert!(matches!(finish(&volume), Err(Error::NothingToFinish)));
    assert!(!volume.join(".config-backup").exists());
}

#[test]
fn what_a_running_backup_has_a_copy_of_is_copied_for_the_next_one_too() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("dated.db"), "delete");
    let both = ["dated.db", "radarr.db"];
    assert_eq!(copied(&prepare(&volume, &own()).unwrap()), both);
    assert_eq!(copied(&prepare(&volume, &unused_at_once()).unwrap()), both);
    back_up_and_restore(&volume, &restored);
    assert!(verify(&restored).unwrap().is_as_promised());
    assert_eq!(put_in_place(&restored).unwrap().placed.len(), 2);
    // One that can no longer be copied would be in neither backup.
    fs::write(
        volume.join("dated.db"),
        [b"SQLite format 3\0".as_slice(), &[0x5a; 5104]].concat(),
    )
    .unwrap();
    assert!(matches!(prepare(&volume, &own()), Err(Error::Unsound { .. })));
}

/// Something happens to a database that nobody had open, when it was just copied.
fn opened_in_the_middle(open: impl Fn(&Path) + Send + Sync + 'static) -> (PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    make_database(&volume.join("radarr.db"), "wal");
    let database = volume.join("radarr.db");
    let before = judge(&database).1;
    let times = Arc::new(Mutex::new(0));
    let (count, path) = (Arc::clone(&times), database.clone());
    let watcher = Watcher::new(move |step| {
        if step == Step::QuietCopied {
            let mut count = count.lock().unwrap();
            *count += 1;
            if *count == 1 {
                open(&path);
            }
        }
        Ok(())
    });
    prepare(&volume, &Options { watcher, ..own() }).unwrap();
    assert!(
        *times.lock().unwrap() > 0,
        "it was not copied as one that nobody has open"
    );
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    put_in_place(&restored).unwrap();
    let (sound, text) = judge(&restored.join("radarr.db"));
    assert!(sound, "{text}");
    assert_ne!(
        state(&text),
        state(&before),
        "it is the state before it was written to"
    );
    (database, folder)
}

#[test]
fn a_database_that_is_written_to_while_it_is_copied_is_copied_again() {
    let (database, _folder) = opened_in_the_middle(|path| {
        let writer = Writer::start(path, &["--megabytes", "1"]);
        writer.await_more(2);
        writer.stop();
    });
    assert!(!database.with_file_name("radarr.db-shm").exists());
}

#[test]
fn a_database_that_is_opened_while_it_is_copied_is_copied_as_one_in_use() {
    let writer = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&writer);
    let (database, _folder) = opened_in_the_middle(move |path| {
        let writer = Writer::start(path, &["--megabytes", "1"]);
        writer.await_more(2);
        *kept.lock().unwrap() = Some(writer);
    });
    writer.lock().unwrap().take().unwrap().stop();
    let (sound, text) = judge(&database);
    assert!(sound, "{text}");
}

#[test]
fn a_database_that_is_closed_while_it_is_opened_gets_no_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    fs::create_dir(&volume).unwrap();
    let writer = Writer::start(&volume.join("radarr.db"), &["--megabytes", "1"]);
    let writer = Mutex::new(Some(writer));
    let watcher = Watcher::new(move |step| {
        if step == Step::Opening
            && let Some(writer) = writer.lock().unwrap().take()
        {
            writer.stop();
        }
        Ok(())
    });
    prepare(&volume, &Options { watcher, ..own() }).unwrap();
    assert!(!volume.join("radarr.db-wal").exists() && !volume.join("radarr.db-shm").exists());
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    put_in_place(&restored).unwrap();
    let (sound, text) = judge(&restored.join("radarr.db"));
    assert!(sound, "{text}");
    assert_eq!(state(&text), state(&judge(&volume.join("radarr.db")).1));
}

#[test]
fn a_log_without_its_index_is_part_of_the_copy_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    fs::create_dir(&volume).unwrap();
    let writer = Writer::start(&volume.join("radarr.db"), &["--megabytes", "1"]);
    writer.await_more(10);
    drop(writer); // killed
    fs::remove_file(volume.join("radarr.db-shm")).unwrap();
    assert!(volume.join("radarr.db-wal").metadata().unwrap().len() > 0);
    let before = snapshot(&volume);
    prepare(&volume, &own()).unwrap();
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    assert_eq!(snapshot(&volume), before);
    put_in_place(&restored).unwrap();
    let (sound, text) = judge(&restored.join("radarr.db"));
    assert!(sound, "{text}");
    assert_eq!(state(&text), state(&judge(&volume.join("radarr.db")).1));
}

/// A file system whose files can share blocks, where one can be made and mounted.
struct Sharing(tempfile::TempDir);

impl Sharing {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (image, at) = (folder.path().join("image"), folder.path().join("mounted"));
        fs::create_dir(&at).unwrap();
        fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        let run = |program: &str, arguments: &[&str], last: &[&Path]| {
            let output = Command::new(program).args(arguments).args(last).output();
            output.is_ok_and(|output| output.status.success())
        };
        let is_there = run("mkfs.xfs", &["-q", "-m", "reflink=1"], &[&image])
            && run("mount", &["-o", "loop"], &[&image, &at]);
        is_there.then_some(Self(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("mounted")
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[test]
fn copies_take_no_room_where_files_can_share_blocks() {
    let Some(sharing) = Sharing::new() else {
        println!("no xfs here");
        return;
    };
    let volume = sharing.path().join("config");
    fs::create_dir(&volume).unwrap();
    for (name, mode) in [("radarr.db", "wal"), ("rollback.db", "delete")] {
        let mut command = Command::new(WRITER);
        command.arg("write").arg(volume.join(name));
        command.args(["--mode", mode, "--megabytes", "6", "--transactions", "3"]);
        assert!(command.stdin(Stdio::null()).output().unwrap().status.success());
    }
    // Held open, with a log.
    let arguments = ["--megabytes", "6", "--pause-us", "1000000000"];
    let held = Writer::start(&volume.join("used.db"), &arguments);
    let free = || {
        let stat = rustix::fs::statvfs(&volume).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    // There is room for the log, and for none of the copies.
    let options = Options {
        reserve: free() - (5 << 20),
        ..own()
    };
    let prepared = prepare(&volume, &options);
    drop(held);
    assert_eq!(copied(&prepared.unwrap()).len(), 3);
    let restored = sharing.path().join("restored");
    back_up_and_restore(&volume, &restored);
    assert_eq!(finish(&volume).unwrap().checked, 3);
    assert_eq!(put_in_place(&restored).unwrap().placed.len(), 3);
    for name in ["radarr.db", "rollback.db", "used.db"] {
        let (sound, text) = judge(&restored.join(name));
        assert!(sound, "{text}");
    }
}
