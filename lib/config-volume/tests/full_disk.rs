//! A full file system: the backup fails loudly, nothing half-made stays, the app's files are as they were.
//!
//! With root the file system is a real, small one; without, the failed write is injected at each step.
#![cfg(test)]

mod common;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use common::{back_up_and_restore, make_database, snapshot};
use config_volume::testing::Mount;
use config_volume::{
    Error, Options, Step, Watcher, finish, finish_watched, prepare, put_in_place, verify, withdraw,
};

/// A run whose write fails at the step, the first time that it gets there.
fn failing_once(failing: Step) -> Options {
    let once = std::sync::atomic::AtomicBool::new(false);
    let watcher = Watcher::new(move |step| {
        if step == failing && !once.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    Options {
        watcher,
        ..Options::default()
    }
}

fn assert_no_space(error: &Error) {
    let Error::NoSpace { needed, free, .. } = error else {
        panic!("{error:?}")
    };
    let text = error.to_string();
    for part in [needed.to_string(), free.to_string(), "make room".to_owned()] {
        assert!(text.contains(&part), "{text}");
    }
}

/// A backup that wants to leave more free than there can be.
fn assert_refused_for_space(volume: &Path) {
    let options = Options {
        reserve: u64::MAX / 2,
        ..Options::default()
    };
    assert_no_space(&prepare(volume, &options).unwrap_err());
}

#[test]
fn a_volume_without_room_is_refused_before_anything_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "wal");
    let before = snapshot(&volume);
    assert_refused_for_space(&volume);
    assert_eq!(snapshot(&volume), before);
}

#[test]
fn a_real_file_system_that_fills_up_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), "size=4m") else {
        println!("no right to mount: the injected failures have to do");
        return;
    };
    let volume = folder.path();
    make_database(&volume.join("radarr.db"), "wal");
    fs::write(volume.join("config.xml"), "<Config/>").unwrap();
    let before = snapshot(volume);
    for full_at in [
        Step::SpaceChecked,
        Step::Copied,
        Step::CopiesOnDisk,
        Step::ManifestWritten,
        Step::OpenWritten,
        Step::SetVisible,
    ] {
        // Something else takes the room after it was measured.
        let filler = volume.join("filler");
        let path = filler.clone();
        let watcher = Watcher::new(move |step| {
            if step == full_at {
                while fs::File::options()
                    .create(true)
                    .append(true)
                    .open(&path)
                    .and_then(|mut file| io::Write::write_all(&mut file, &[0; 4096]))
                    .is_ok()
                {}
            }
            Ok(())
        });
        let prepared = prepare(
            volume,
            &Options {
                reserve: 0,
                watcher,
                ..Options::default()
            },
        );
        // What comes after the last file that holds something needs no room, nor does the end of the backup.
        let is_written = matches!(
            full_at,
            Step::ManifestWritten | Step::OpenWritten | Step::SetVisible
        );
        if is_written {
            prepared.unwrap();
            assert_eq!(finish(volume).unwrap().checked, 1);
        } else {
            assert_no_space(&prepared.unwrap_err());
        }
        fs::remove_file(filler).unwrap();
        assert_eq!(snapshot(volume), before, "{full_at:?}");
    }
    prepare(
        volume,
        &Options {
            reserve: 0,
            ..Options::default()
        },
    )
    .unwrap();
    finish(volume).unwrap();
    assert_eq!(snapshot(volume), before);
}

/// A volume with a database, and an ignore file of the user's.
fn with_an_ignore_file(folder: &Path) -> PathBuf {
    let volume = folder.join("config");
    make_database(&volume.join("radarr.db"), "delete");
    fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
    volume
}

#[test]
fn a_write_that_fails_at_any_step_leaves_nothing_half_made() {
    for failing in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        let volume = with_an_ignore_file(folder.path());
        let before = snapshot(&volume);
        match prepare(&volume, &failing_once(failing)) {
            Ok(_) => drop(finish(&volume).unwrap()),
            // The lock could not even be had, so there is nothing to clean up but its folder.
            Err(_) if failing == Step::Locked => drop(put_in_place(&volume).unwrap()),
            Err(error) => assert_no_space(&error),
        }
        assert_eq!(snapshot(&volume), before, "{failing:?}");
    }
}

#[test]
fn a_second_backup_that_fails_leaves_the_first_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    prepare(&volume, &Options::default()).unwrap();
    let first = snapshot(&volume);
    make_database(&volume.join("new.db"), "delete");
    assert_refused_for_space(&volume);
    fs::remove_file(volume.join("new.db")).unwrap();
    assert_eq!(snapshot(&volume), first);
}

#[test]
fn a_second_backup_that_fails_at_any_step_leaves_the_first_a_sound_one() {
    for failing in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        let volume = with_an_ignore_file(folder.path());
        let before = snapshot(&volume);
        prepare(&volume, &Options::default()).unwrap();
        match prepare(&volume, &failing_once(failing)) {
            Ok(_) => drop(finish(&volume).unwrap()),
            Err(_) if failing == Step::Locked => {}
            Err(error) => assert_no_space(&error),
        }
        let restored = folder.path().join("restored");
        back_up_and_restore(&volume, &restored);
        let verdict = verify(&restored).unwrap();
        assert!(
            verdict.is_as_promised() && verdict.databases.len() == 1,
            "{failing:?}: {verdict:?}"
        );
        assert_eq!(finish(&volume).unwrap().still_open, 0, "{failing:?}");
        assert_eq!(snapshot(&volume), before, "{failing:?}");
    }
}

#[test]
fn an_end_that_fails_at_any_step_is_put_right_by_the_next_run() {
    for failing in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        let volume = with_an_ignore_file(folder.path());
        let before = snapshot(&volume);
        for again in 0..2 {
            prepare(&volume, &Options::default()).unwrap();
            if finish_watched(&volume, &failing_once(failing).watcher).is_err() && again == 0 {
                finish(&volume).unwrap();
            }
            // The second time nobody ends it, and the app goes away.
            withdraw(&volume).unwrap();
            assert_eq!(snapshot(&volume), before, "{failing:?}");
        }
    }
}
