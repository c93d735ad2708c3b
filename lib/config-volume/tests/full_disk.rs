//! A full file system: the backup fails loudly, nothing half-made stays, the app's files are as they were.
//!
//! With root the file system is a real, small one; without, the failed write is injected at each step.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod common;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use common::{make_database, snapshot};
use config_volume::{Error, Options, Step, Watcher, finish, prepare};

/// A tmpfs that is unmounted again.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, size: &str) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "tmpfs"])
            .arg(at)
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
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

#[test]
fn a_volume_without_room_is_refused_before_anything_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "wal");
    let before = snapshot(&volume);
    let error = prepare(
        &volume,
        &Options {
            reserve: u64::MAX / 2,
            ..Options::default()
        },
    )
    .unwrap_err();
    assert_no_space(&error);
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
        let error = prepare(
            volume,
            &Options {
                reserve: 0,
                watcher,
                ..Options::default()
            },
        )
        .unwrap_err();
        assert_no_space(&error);
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

#[test]
fn a_write_that_fails_at_any_step_leaves_nothing_half_made() {
    for failing in Step::ALL {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("config");
        make_database(&volume.join("radarr.db"), "delete");
        fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
        let before = snapshot(&volume);
        let once = std::sync::atomic::AtomicBool::new(false);
        let watcher = Watcher::new(move |step| {
            if step == failing && !once.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        match prepare(
            &volume,
            &Options {
                watcher,
                ..Options::default()
            },
        ) {
            Ok(_) => drop(finish(&volume).unwrap()),
            // The lock could not even be had, so there is nothing to clean up but its folder.
            Err(_) if failing == Step::Locked => drop(finish(&volume).unwrap()),
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
    let error = prepare(
        &volume,
        &Options {
            reserve: u64::MAX / 2,
            ..Options::default()
        },
    )
    .unwrap_err();
    assert_no_space(&error);
    fs::remove_file(volume.join("new.db")).unwrap();
    assert_eq!(snapshot(&volume), first);
}
