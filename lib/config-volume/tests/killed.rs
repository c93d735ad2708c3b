//! Each operation is killed (SIGKILL) at each of its steps; whatever comes next puts everything right.
#![cfg(test)]

mod common;

use std::{
    collections::HashSet,
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use common::{back_up_and_restore, damage, judge, make_database, snapshot};
use config_volume::{
    Error, Options, PlaceOptions, Step, Watcher, finish, finish_watched, prepare, put_in_place,
    put_in_place_with, verify, withdraw, withdraw_watched,
};
use rustix::process::{Signal, getpid, kill_process};

const DATABASES: [&str; 2] = ["data/b.db", "radarr.db"];

fn options() -> Options {
    Options {
        databases: DATABASES.map(|path| format!("/{path}")).to_vec(),
        ..Options::default()
    }
}

fn volume(folder: &Path) -> PathBuf {
    let volume = folder.join("config");
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("data/b.db"), "delete");
    fs::write(volume.join("config.xml"), "<Config/>").unwrap();
    fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
    volume
}

/// A volume with a damaged database, of which a backup is open.
fn damaged_in_a_backup(folder: &Path) -> PathBuf {
    let volume = volume(folder);
    damage(&volume.join("data/b.db"));
    prepare(&volume, &options()).unwrap();
    volume
}

/// The body of a child process: one operation that kills itself at one step. It does nothing in an ordinary test run.
#[test]
fn child() {
    let Ok(operation) = env::var("CONFIG_VOLUME_TEST_OPERATION") else {
        return;
    };
    let volume = PathBuf::from(env::var_os("CONFIG_VOLUME_TEST_VOLUME").unwrap());
    let wanted = env::var("CONFIG_VOLUME_TEST_STEP").unwrap();
    let watcher = Watcher::new(move |step| {
        if format!("{step:?}") == wanted {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        Ok(())
    });
    run(&operation, &volume, watcher);
}

/// One operation, to its end.
fn run(operation: &str, volume: &Path, watcher: Watcher) {
    let age = match operation {
        "prepare-long-ago" => Duration::from_secs(5 * 3600),
        _ => Duration::ZERO,
    };
    match operation {
        "prepare" | "prepare-long-ago" => drop(
            prepare(
                volume,
                &Options {
                    now: Some(SystemTime::now() - age),
                    watcher,
                    ..options()
                },
            )
            .unwrap(),
        ),
        "finish" => match finish_watched(volume, &watcher) {
            Ok(_) | Err(Error::DamagedBackup { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        "put-in-place" => {
            let options = PlaceOptions {
                watcher,
                ..PlaceOptions::default()
            };
            drop(put_in_place_with(volume, &options).unwrap());
        }
        "withdraw" => drop(withdraw_watched(volume, &watcher).unwrap()),
        other => panic!("{other}"),
    }
}

/// Runs an operation in a process that kills itself at the step; `false` when it ended without coming there.
fn killed(operation: &str, volume: &Path, step: Step) -> bool {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("CONFIG_VOLUME_TEST_OPERATION", operation)
        .env("CONFIG_VOLUME_TEST_VOLUME", volume)
        .env("CONFIG_VOLUME_TEST_STEP", format!("{step:?}"))
        .output()
        .unwrap();
    let was_killed = output.status.signal() == Some(Signal::KILL.as_raw());
    assert!(
        was_killed || output.status.success(),
        "{operation} {step:?}: {output:?}"
    );
    was_killed
}

/// A backup that runs now, with or without hooks, can be restored: each database is there and sound.
fn can_be_restored(volume: &Path, at: &str) {
    let restored = tempfile::tempdir().unwrap();
    back_up_and_restore(volume, restored.path());
    put_in_place(restored.path()).unwrap_or_else(|error| panic!("{at}: {error}"));
    for database in DATABASES {
        let (sound, text) = judge(&restored.path().join(database));
        assert!(sound, "{at}: {text}");
    }
    assert!(!restored.path().join(".config-backup").exists(), "{at}");
}

fn finish_all(volume: &Path) {
    while finish(volume).unwrap().still_open > 0 {}
}

/// Nothing of ours is left, and the user's ignore file is back.
fn is_clean(volume: &Path, at: &str) {
    let fresh = tempfile::tempdir().unwrap();
    assert_eq!(names(volume), names(&self::volume(fresh.path())), "{at}");
    let ignore = fs::read_to_string(volume.join(".kopiaignore")).unwrap();
    assert_eq!(ignore, "/unwanted/\n", "{at}");
}

/// Kills the operation at each step it has, on a new volume each time, and hands on.
fn at_each_step(operation: &str, set_up: impl Fn(&Path), check: impl Fn(&Path, Step)) -> HashSet<Step> {
    let reached = Arc::new(Mutex::new(HashSet::new()));
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let seen = Arc::clone(&reached);
    let watcher = Watcher::new(move |step| {
        seen.lock().unwrap().insert(step);
        Ok(())
    });
    run(operation, &folder.path().join("config"), watcher);
    let reached = reached.lock().unwrap().clone();
    for step in &reached {
        let folder = tempfile::tempdir().unwrap();
        set_up(folder.path());
        assert!(
            killed(operation, &folder.path().join("config"), *step),
            "{step:?}"
        );
        check(folder.path(), *step);
    }
    reached
}

fn assert_reached(reached: &HashSet<Step>, steps: &[Step]) {
    for step in steps {
        assert!(reached.contains(step), "{step:?} was never reached");
    }
}

#[test]
fn prepare_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "prepare",
        |folder| drop(volume(folder)),
        |folder, step| {
            let volume = folder.join("config");
            can_be_restored(&volume, &format!("{step:?}"));
            let prepared = prepare(&volume, &options()).unwrap();
            assert_eq!(prepared.manifest.databases.len(), 2);
            can_be_restored(&volume, &format!("{step:?}, then prepared"));
            finish_all(&volume);
            is_clean(&volume, &format!("{step:?}"));
        },
    );
    use Step::*;
    let steps = [
        Locked,
        Cleared,
        SpaceChecked,
        QuietCopied,
        Copied,
        CopiesOnDisk,
        ManifestWritten,
        OpenWritten,
        SetVisible,
        UserFileKept,
        IgnoreWritten,
    ];
    assert_reached(&reached, &steps);
}

#[test]
fn a_start_after_a_killed_prepare_leaves_the_volume_as_it_was() {
    for step in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        let volume = volume(folder.path());
        let before = snapshot(&volume);
        killed("prepare", &volume, step);
        // From here on nobody can tell it from a backup that runs, so that it is left alone, until it is too old for one.
        let is_open = [Step::SetVisible, Step::UserFileKept, Step::IgnoreWritten].contains(&step);
        let report = put_in_place(&volume).unwrap();
        assert!(report.in_use || !is_open, "{step:?}: {report:?}");
        withdraw(&volume).unwrap();
        assert_eq!(snapshot(&volume), before, "{step:?}");
        killed("prepare-long-ago", &volume, step);
        put_in_place(&volume).unwrap();
        assert_eq!(snapshot(&volume), before, "{step:?}");
    }
}

#[test]
fn a_second_prepare_that_is_killed_leaves_the_first_its_copies() {
    let reached = at_each_step(
        "prepare",
        |folder| drop(prepare(&volume(folder), &options()).unwrap()),
        |folder, step| {
            let volume = folder.join("config");
            let restored = folder.join("restored");
            back_up_and_restore(&volume, &restored);
            let verdict = verify(&restored).unwrap();
            assert!(
                verdict.is_as_promised() && verdict.databases.len() == 2,
                "{step:?}: {verdict:?}"
            );
            finish_all(&volume);
            is_clean(&volume, &format!("{step:?}"));
        },
    );
    assert_reached(
        &reached,
        &[Step::ManifestWritten, Step::OpenWritten, Step::SetVisible],
    );
}

/// A volume whose `.kopiaignore` is a folder. A rename cannot exchange it for a file, so that this takes two steps.
fn with_a_folder(folder: &Path) -> PathBuf {
    let volume = volume(folder);
    fs::remove_file(volume.join(".kopiaignore")).unwrap();
    fs::create_dir(volume.join(".kopiaignore")).unwrap();
    fs::write(volume.join(".kopiaignore/mine"), "mine").unwrap();
    volume
}

#[test]
fn a_folder_for_an_ignore_file_is_put_back_after_a_kill_at_each_step() {
    let names = names(&with_a_folder(tempfile::tempdir().unwrap().path()));
    for operation in ["prepare", "finish", "withdraw"] {
        let reached = at_each_step(
            operation,
            |folder| {
                let volume = with_a_folder(folder);
                if operation != "prepare" {
                    prepare(&volume, &options()).unwrap();
                }
            },
            |folder, step| {
                let volume = folder.join("config");
                can_be_restored(&volume, &format!("{operation} {step:?}"));
                // Another backup in between neither loses it nor stumbles over it.
                prepare(&volume, &options()).unwrap();
                finish_all(&volume);
                put_in_place(&volume).unwrap();
                assert_eq!(self::names(&volume), names, "{operation} {step:?}");
            },
        );
        if operation != "prepare" {
            assert_reached(&reached, &[Step::IgnoreTakenAway, Step::IgnoreRemoved]);
        }
    }
}

#[test]
fn finish_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "finish",
        |folder| drop(prepare(&volume(folder), &options()).unwrap()),
        |folder, step| {
            let volume = folder.join("config");
            can_be_restored(&volume, &format!("{step:?}"));
            // Another backup in between has its own copies.
            assert_eq!(finish(&volume).unwrap().checked, 2);
            is_clean(&volume, &format!("{step:?}"));
        },
    );
    assert_reached(
        &reached,
        &[
            Step::SetChecked,
            Step::IgnoreRemoved,
            Step::SetHidden,
            Step::SetRemoved,
        ],
    );
}

#[test]
fn a_backup_after_a_killed_finish_is_none_of_its_business() {
    at_each_step(
        "finish",
        |folder| drop(prepare(&volume(folder), &options()).unwrap()),
        |folder, step| {
            let volume = folder.join("config");
            let prepared = prepare(&volume, &options()).unwrap();
            can_be_restored(&volume, &format!("{step:?}"));
            for still_open in (0..prepared.open).rev() {
                assert_eq!(finish(&volume).unwrap().still_open, still_open, "{step:?}");
            }
            is_clean(&volume, &format!("{step:?}"));
        },
    );
}

#[test]
fn a_killed_finish_does_not_forget_a_damaged_copy() {
    // One that is killed at the same step twice, of two backups at once, is as right as one that is not.
    let reached = at_each_step(
        "finish",
        |folder| drop(prepare(&damaged_in_a_backup(folder), &options()).unwrap()),
        |folder, step| {
            let volume = folder.join("config");
            killed("finish", &volume, step);
            for _ in 0..2 {
                match finish(&volume) {
                    Err(Error::DamagedBackup { damage }) => {
                        assert!(damage.starts_with("data/b.db: "), "{step:?}: {damage}");
                    }
                    other => panic!("{step:?}: {other:?}"),
                }
            }
            assert!(matches!(finish(&volume), Err(Error::NothingToFinish)));
            is_clean(&volume, &format!("{step:?}"));
        },
    );
    assert_reached(&reached, &[Step::SetChecked]);
}

#[test]
fn the_last_finish_does_not_forget_a_damaged_copy_when_it_is_killed() {
    let reached = at_each_step(
        "finish",
        |folder| drop(damaged_in_a_backup(folder)),
        |folder, step| {
            let volume = folder.join("config");
            assert!(
                matches!(finish(&volume), Err(Error::DamagedBackup { .. })),
                "{step:?}"
            );
            assert!(matches!(finish(&volume), Err(Error::NothingToFinish)), "{step:?}");
        },
    );
    assert_reached(
        &reached,
        &[Step::SetChecked, Step::IgnoreRemoved, Step::SetHidden],
    );
}

/// A volume that comes from a backup, with another file in the place of one of its databases.
fn restored(folder: &Path) -> PathBuf {
    let live = folder.join("live");
    fs::create_dir(&live).unwrap();
    let live = volume(&live);
    prepare(&live, &options()).unwrap();
    let restored = folder.join("config");
    back_up_and_restore(&live, &restored);
    // As a plain restore of an older version of this program leaves it.
    fs::copy(live.join(".kopiaignore"), restored.join(".kopiaignore")).unwrap();
    fs::write(restored.join("radarr.db-journal"), "of another database").unwrap();
    fs::write(restored.join("data/b.db"), "another database").unwrap();
    fs::write(restored.join("data/b.db-wal"), "and its log").unwrap();
    restored
}

#[test]
fn putting_in_place_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "put-in-place",
        |folder| drop(restored(folder)),
        |folder, step| {
            let volume = folder.join("config");
            put_in_place(&volume).unwrap();
            for database in DATABASES {
                let (sound, text) = judge(&volume.join(database));
                assert!(sound, "{step:?}: {text}");
            }
            let torn = find(&volume, "data/b.db.torn-");
            assert_eq!(fs::read_to_string(&torn).unwrap(), "another database", "{step:?}");
            is_clean_but_for_asides(&volume, step);
        },
    );
    use Step::*;
    let steps = [
        SiblingsMoved,
        SetAside,
        Placed,
        IgnoreRemoved,
        MarkerRemoved,
        SetHidden,
        SetRemoved,
    ];
    assert_reached(&reached, &steps);
}

#[test]
fn keeping_copies_aside_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "put-in-place",
        |folder| fs::remove_dir_all(restored(folder).join(".velero")).unwrap(),
        |folder, step| {
            let volume = folder.join("config");
            put_in_place(&volume).unwrap();
            let live = fs::read_to_string(volume.join("data/b.db")).unwrap();
            assert_eq!(live, "another database", "{step:?}");
            for database in [volume.join("radarr.db"), find(&volume, "data/b.db.from-backup-")] {
                let (sound, text) = judge(&database);
                assert!(sound, "{step:?}: {text}");
            }
            fs::remove_file(volume.join("data/b.db-wal")).unwrap();
            is_clean_but_for_asides(&volume, step);
        },
    );
    assert_reached(&reached, &[Step::KeptAside, Step::Placed, Step::SetHidden]);
}

#[test]
fn withdrawing_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "withdraw",
        |folder| {
            let volume = volume(folder);
            prepare(&volume, &options()).unwrap();
            fs::remove_file(volume.join("radarr.db")).unwrap();
        },
        |folder, step| {
            let volume = folder.join("config");
            withdraw(&volume).unwrap();
            for database in DATABASES {
                let (sound, text) = judge(&volume.join(database));
                assert!(sound, "{step:?}: {text}");
            }
            is_clean(&volume, &format!("{step:?}"));
            assert!(!withdraw(&volume).unwrap());
        },
    );
    assert_reached(
        &reached,
        &[
            Step::IgnoreRemoved,
            Step::Placed,
            Step::SetHidden,
            Step::SetRemoved,
        ],
    );
}

fn find(volume: &Path, start: &str) -> PathBuf {
    let all = snapshot(volume).into_iter().map(|(name, ..)| name);
    let mut found = all.filter(|name| name.starts_with(start) && !name.ends_with("-wal"));
    volume.join(found.next().unwrap())
}

fn is_clean_but_for_asides(volume: &Path, step: Step) {
    for (name, ..) in snapshot(volume) {
        if [".torn-", ".from-backup-", ".before-restore-"]
            .iter()
            .any(|part| name.contains(part))
        {
            fs::remove_file(volume.join(name)).unwrap();
        }
    }
    let text = format!("{step:?}");
    // The user's own file was not in the backup.
    fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
    is_clean(volume, &text);
}

/// The names in the volume.
fn names(volume: &Path) -> Vec<String> {
    snapshot(volume).into_iter().map(|(name, ..)| name).collect()
}
