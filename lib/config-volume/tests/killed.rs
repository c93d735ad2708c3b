//! Each operation is killed (SIGKILL) at each of its steps; whatever comes next puts everything right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod common;

use std::{
    collections::HashSet,
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

use common::{back_up_and_restore, damage, judge, make_database, snapshot};
use config_volume::{
    Error, Finished, Options, Step, Watcher, finish, finish_watched, prepare, put_in_place,
    put_in_place_watched, verify,
};
use rustix::process::{Signal, getpid, kill_process};

const DATABASES: [&str; 2] = ["data/b.db", "radarr.db"];

fn volume(folder: &Path) -> PathBuf {
    let volume = folder.join("config");
    make_database(&volume.join("radarr.db"), "wal");
    make_database(&volume.join("data/b.db"), "delete");
    fs::write(volume.join("config.xml"), "<Config/>").unwrap();
    fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
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
    match operation.as_str() {
        "prepare" => drop(
            prepare(
                &volume,
                &Options {
                    watcher,
                    ..Options::default()
                },
            )
            .unwrap(),
        ),
        "finish" => match finish_watched(&volume, &watcher) {
            Ok(_) | Err(Error::DamagedBackup { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        "put-in-place" => drop(put_in_place_watched(&volume, &watcher).unwrap()),
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
    while let Finished::StillUsed { .. } = finish(volume).unwrap() {}
}

/// Kills the operation at each step it has, on a new volume each time, and hands on.
fn at_each_step(operation: &str, set_up: impl Fn(&Path), check: impl Fn(&Path, Step)) -> HashSet<Step> {
    let mut reached = HashSet::new();
    for step in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        set_up(folder.path());
        if killed(operation, &folder.path().join("config"), step) {
            reached.insert(step);
            check(folder.path(), step);
        }
    }
    reached
}

#[test]
fn prepare_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "prepare",
        |folder| drop(volume(folder)),
        |folder, step| {
            let volume = folder.join("config");
            can_be_restored(&volume, &format!("{step:?}"));
            let prepared = prepare(&volume, &Options::default()).unwrap();
            assert_eq!(prepared.manifest.databases.len(), 2);
            can_be_restored(&volume, &format!("{step:?}, then prepared"));
            finish_all(&volume);
            let fresh = tempfile::tempdir().unwrap();
            forget_empty_log(&volume);
            assert_eq!(names(&volume), names(&self::volume(fresh.path())), "{step:?}");
        },
    );
    use Step::*;
    for step in [
        Locked,
        Cleared,
        SpaceChecked,
        Copied,
        CopiesOnDisk,
        ManifestWritten,
        UsersWritten,
        SetVisible,
        UserFileKept,
        IgnoreWritten,
    ] {
        assert!(reached.contains(&step), "{step:?} was never reached");
    }
}

#[test]
fn a_start_after_a_killed_prepare_leaves_the_volume_as_it_was() {
    for step in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        let volume = volume(folder.path());
        let before = snapshot(&volume);
        killed("prepare", &volume, step);
        put_in_place(&volume).unwrap();
        forget_empty_log(&volume);
        assert_eq!(snapshot(&volume), before, "{step:?}");
    }
}

#[test]
fn a_second_prepare_that_is_killed_leaves_the_first_its_copies() {
    let reached = at_each_step(
        "prepare",
        |folder| drop(prepare(&volume(folder), &Options::default()).unwrap()),
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
            assert!(!volume.join(".config-backup").exists(), "{step:?}");
            assert_eq!(
                fs::read_to_string(volume.join(".kopiaignore")).unwrap(),
                "/unwanted/\n"
            );
        },
    );
    assert!(
        reached.contains(&Step::ManifestWritten) && reached.contains(&Step::UsersWritten),
        "{reached:?}"
    );
}

#[test]
fn finish_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "finish",
        |folder| drop(prepare(&volume(folder), &Options::default()).unwrap()),
        |folder, step| {
            let volume = folder.join("config");
            can_be_restored(&volume, &format!("{step:?}"));
            finish(&volume).unwrap();
            assert!(!volume.join(".config-backup").exists(), "{step:?}");
            assert_eq!(
                fs::read_to_string(volume.join(".kopiaignore")).unwrap(),
                "/unwanted/\n",
                "{step:?}"
            );
        },
    );
    assert!(
        reached.contains(&Step::IgnoreRemoved) && reached.contains(&Step::SetHidden),
        "{reached:?}"
    );
}

#[test]
fn a_killed_finish_does_not_forget_a_damaged_copy() {
    // One that is killed at the same step twice, of two backups with one set, is as right as one that is not.
    let reached = at_each_step(
        "finish",
        |folder| {
            let volume = volume(folder);
            damage(&volume.join("data/b.db"));
            prepare(&volume, &Options::default()).unwrap();
            prepare(&volume, &Options::default()).unwrap();
        },
        |folder, step| {
            let volume = folder.join("config");
            killed("finish", &volume, step);
            let mut told = 0;
            for _ in 0..3 {
                match finish(&volume) {
                    Err(Error::DamagedBackup { damage }) => {
                        assert!(damage.starts_with("data/b.db: "), "{step:?}: {damage}");
                        told += 1;
                    }
                    Ok(Finished::Nothing) => {}
                    other => panic!("{step:?}: {other:?}"),
                }
            }
            // A kill between the release and the exit has told its own backup by the kill.
            assert!(told >= 1, "{step:?}");
            assert!(!volume.join(".config-backup").exists(), "{step:?}");
            assert_eq!(
                fs::read_to_string(volume.join(".kopiaignore")).unwrap(),
                "/unwanted/\n",
                "{step:?}"
            );
        },
    );
    assert!(reached.contains(&Step::SetChecked), "{reached:?}");
}

#[test]
fn the_last_finish_does_not_forget_a_damaged_copy_when_it_is_killed() {
    let reached = at_each_step(
        "finish",
        |folder| {
            let volume = volume(folder);
            damage(&volume.join("data/b.db"));
            prepare(&volume, &Options::default()).unwrap();
        },
        |folder, step| {
            let volume = folder.join("config");
            assert!(
                matches!(finish(&volume), Err(Error::DamagedBackup { .. })),
                "{step:?}"
            );
            assert_eq!(finish(&volume).unwrap(), Finished::Nothing, "{step:?}");
        },
    );
    for step in [Step::SetChecked, Step::IgnoreRemoved, Step::SetHidden] {
        assert!(reached.contains(&step), "{step:?} was never reached");
    }
}

#[test]
fn putting_in_place_may_be_killed_at_each_step() {
    let reached = at_each_step(
        "put-in-place",
        |folder| {
            let live = folder.join("live");
            fs::create_dir(&live).unwrap();
            let live = volume(&live);
            prepare(&live, &Options::default()).unwrap();
            let restored = folder.join("config");
            back_up_and_restore(&live, &restored);
            fs::write(restored.join("radarr.db-journal"), "of another database").unwrap();
            fs::write(restored.join("data/b.db"), "another database").unwrap();
        },
        |folder, step| {
            let volume = folder.join("config");
            put_in_place(&volume).unwrap();
            let names = names(&volume);
            assert_eq!(names.len(), 5, "{step:?}: {names:?}");
            for name in [".kopiaignore", "config.xml", "data", "radarr.db"] {
                assert!(names.iter().any(|n| n == name), "{step:?}: {names:?}");
            }
            let aside = names
                .iter()
                .find(|n| n.starts_with("data/b.db.from-backup-"))
                .unwrap();
            for database in ["radarr.db", aside] {
                let (sound, text) = judge(&volume.join(database));
                assert!(sound, "{step:?}: {text}");
            }
        },
    );
    use Step::*;
    for step in [
        SiblingsMoved,
        Placed,
        KeptAside,
        IgnoreRemoved,
        MarkerRemoved,
        SetRemoved,
    ] {
        assert!(reached.contains(&step), "{step:?} was never reached");
    }
}

/// A killed reader of a database in WAL mode leaves SQLite's own empty log and its index; whoever opens the database next
/// removes them on closing. They are SQLite's to remove, since the app may have it open.
fn forget_empty_log(volume: &Path) {
    let log = volume.join("radarr.db-wal");
    if log.exists() {
        assert_eq!(log.metadata().unwrap().len(), 0);
        fs::remove_file(log).unwrap();
        fs::remove_file(volume.join("radarr.db-shm")).unwrap();
    }
}

/// The names in the volume, and in `data`, that do not belong to every volume here.
fn names(volume: &Path) -> Vec<String> {
    let all = snapshot(volume).into_iter().map(|(name, ..)| name);
    all.filter(|name| name != "data/b.db" && !name.contains(".before-restore-"))
        .collect()
}
