//! Before the exchange begins nothing of the app's is touched, whatever is found then; and what was sealed is what counts.
#![cfg(test)]

mod common;
mod swap_support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use common::make_database;
use config_volume::{
    Error, Options, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, SwapWatcher, prepare,
};
use swap_support::{Case, Mount, assert_same, case, failing_once_at, tree, tree_without};

/// A place in the folder of the exchange.
fn ours(case: &Case, name: &str) -> PathBuf {
    case.volume.join(RESTORE_FOLDER).join(name)
}

fn from_outside(case: &Case) -> SwapOptions {
    SwapOptions {
        staged: Some(case.source.clone()),
        reserve: 0,
        ..SwapOptions::default()
    }
}

#[track_caller]
fn assert_untouched(case: &Case, swap: &Swap) {
    assert_eq!(swap.state(), SwapState::Staged);
    case.assert_old("refused");
    assert!(!ours(case, "old").exists());
}

#[test]
fn one_entry_less_than_was_sealed_is_noticed_before_anything_is_moved() {
    let case = case();
    let mut swap = case.sealed(&SwapOptions::default());
    let aside = case.source.with_file_name("aside");
    fs::rename(ours(&case, "staged/data"), &aside).unwrap();
    let error = swap.commit().unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
    assert_untouched(&case, &swap);
    fs::rename(&aside, ours(&case, "staged/data")).unwrap();
    // One more is no loss.
    fs::write(ours(&case, "staged/more"), "").unwrap();
    swap.commit().unwrap();
    fs::remove_file(case.volume.join("more")).unwrap();
    case.assert_new("committed");
}

#[test]
fn one_entry_less_than_was_sealed_is_noticed_after_it_was_moved_in() {
    let case = case();
    let options = failing_once_at(SwapStep::State(SwapState::MovingIn));
    let mut swap = case.sealed(&options);
    swap.commit().unwrap_err();
    fs::remove_dir_all(ours(&case, "staged/data")).unwrap();
    let error = swap.commit().unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
    swap.roll_back().unwrap();
    case.assert_old("rolled back");
}

#[test]
fn what_was_sealed_is_not_cleared() {
    let case = case();
    let mut swap = case.sealed(&SwapOptions::default());
    let error = swap.clear_staged().unwrap_err();
    assert!(matches!(error, Error::WrongState { .. }), "{error:?}");
    swap.commit().unwrap();
    case.assert_new("committed");
}

/// What was copied into the volume by the seal is used from there, also by a later run that names the folder outside again.
#[test]
fn what_the_seal_copied_in_is_not_copied_again() {
    let case = case();
    let options = from_outside(&case);
    let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    assert_eq!(swap.staged(), case.source);
    swap.seal().unwrap();
    drop(swap);
    fs::write(case.source.join("config.xml"), "changed since").unwrap();
    let swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    assert_eq!(swap.staged(), ours(&case, "staged").canonicalize().unwrap());
    case.commits_and_rolls_back(swap);
}

/// Whoever only looks for an unfinished exchange may name a folder that it was not begun with.
#[test]
fn a_folder_outside_that_was_not_asked_for_is_not_used() {
    let case = case();
    drop(Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap());
    let swap = Swap::open(&case.volume, &from_outside(&case)).unwrap().unwrap();
    assert_eq!(swap.staged(), ours(&case, "staged").canonicalize().unwrap());
}

#[test]
fn a_file_is_not_taken_for_the_folder_outside() {
    let case = case();
    let options = SwapOptions {
        staged: Some(case.source.join("config.xml")),
        ..SwapOptions::default()
    };
    let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    let error = swap.seal().unwrap_err();
    assert!(
        matches!(error, Error::NotReady { .. }) && error.to_string().contains("no folder"),
        "{error:?}"
    );
}

/// What was not synced when its seal is on disk is lost by a power cut, and the seal says that it is there.
#[test]
fn what_is_sealed_is_on_disk_before_its_seal_is() {
    for outside in [false, true] {
        let case = case();
        let steps = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&steps);
        let options = SwapOptions {
            staged: outside.then(|| case.source.clone()),
            reserve: 0,
            watcher: SwapWatcher::new(move |step| {
                seen.lock().unwrap().push(step);
                Ok(())
            }),
            ..SwapOptions::default()
        };
        let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
        if !outside {
            case.bring(&swap);
        }
        swap.seal().unwrap();
        let steps = steps.lock().unwrap().clone();
        assert!(
            steps.ends_with(&[SwapStep::Synced, SwapStep::State(SwapState::Staged)]),
            "{steps:?}"
        );
        let copied = steps
            .iter()
            .filter(|step| matches!(step, SwapStep::Copied { .. }))
            .count();
        assert_eq!(copied > 0, outside, "{steps:?}");
    }
}

/// A rename would fail in the middle.
#[test]
fn a_mount_in_the_volume_is_refused_before_anything_is_moved() {
    let case = case();
    let mut swap = case.sealed(&SwapOptions::default());
    let Some(mount) = Mount::new(&case.volume.join("logs"), "size=1m") else {
        println!("no right to mount: not tried");
        return;
    };
    let old = tree_without(&case.volume, &[RESTORE_FOLDER]);
    let error = swap.commit().unwrap_err();
    assert!(
        matches!(&error, Error::Immovable { path, .. } if path.ends_with("logs")),
        "{error:?}"
    );
    assert_same(&tree_without(&case.volume, &[RESTORE_FOLDER]), &old, "refused");
    drop(mount);
    assert_untouched(&case, &swap);
    swap.commit().unwrap();
    case.assert_new("committed");
}

#[test]
fn a_mount_in_what_was_brought_is_not_sealed() {
    let case = case();
    let mut swap = Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap();
    case.bring(&swap);
    let Some(mount) = Mount::new(&swap.staged().join("logs"), "size=1m") else {
        println!("no right to mount: not tried");
        return;
    };
    let error = swap.seal().unwrap_err();
    assert!(
        matches!(&error, Error::Immovable { path, .. } if path.ends_with("logs")),
        "{error:?}"
    );
    assert_eq!(swap.state(), SwapState::Staging);
    drop(mount);
    swap.seal().unwrap();
}

/// It was not there when the exchange began. A name that is taken is not what stands in the way, so nothing goes to the strays.
#[test]
fn a_mount_that_comes_later_stops_the_exchange_until_it_is_gone() {
    let case = case();
    let mut swap = case.sealed(&failing_once_at(SwapStep::State(SwapState::MovingOut)));
    swap.commit().unwrap_err();
    let Some(mount) = Mount::new(&case.volume.join("logs"), "size=1m") else {
        println!("no right to mount: not tried");
        return;
    };
    let error = swap.commit().unwrap_err();
    assert!(
        matches!(&error, Error::Io { action: "move", path, .. } if path.ends_with("logs")),
        "{error:?}"
    );
    assert!(!ours(&case, "strays").exists());
    drop(mount);
    swap.commit().unwrap();
    case.assert_new("committed");
    swap.roll_back().unwrap();
    case.assert_old("rolled back");
}

/// What cannot be removed is said: it would be in the next backup.
#[test]
fn a_folder_of_ours_that_cannot_go_is_an_error() {
    let case = case();
    let folder = case.volume.join(RESTORE_FOLDER);
    fs::create_dir(&folder).unwrap();
    let Some(mount) = Mount::new(&folder, "size=1m") else {
        println!("no right to mount: not tried");
        return;
    };
    let error = Swap::open(&case.volume, &SwapOptions::default()).unwrap_err();
    assert!(
        matches!(&error, Error::Io { action: "remove", path, .. } if path.ends_with(RESTORE_FOLDER)),
        "{error:?}"
    );
    drop(mount);
    assert!(
        Swap::open(&case.volume, &SwapOptions::default())
            .unwrap()
            .is_none()
    );
    assert!(!folder.exists());
}

fn rolled_back(volume: &Path) {
    let mut swap = Swap::open(volume, &SwapOptions::default()).unwrap().unwrap();
    swap.roll_back().unwrap();
    swap.finish().unwrap();
}

/// A run that was killed while it looked whether a backup was at work leaves the lock of backups, and nothing else.
#[test]
fn the_lock_that_a_killed_run_left_goes_on_the_way_back() {
    let case = case();
    drop(case.sealed(&SwapOptions::default()));
    fs::create_dir(case.volume.join(".config-backup")).unwrap();
    fs::write(case.volume.join(".config-backup/lock"), "").unwrap();
    rolled_back(&case.volume);
    case.assert_old("rolled back");
}

/// The copies are of the content that stays.
#[test]
fn a_backup_of_the_old_content_goes_on_after_the_way_back() {
    let case = case();
    make_database(&case.volume.join("radarr.db"), "delete");
    drop(case.sealed(&SwapOptions::default()));
    prepare(&case.volume, &Options::default()).unwrap();
    let old = tree_without(&case.volume, &[RESTORE_FOLDER]);
    assert!(old.contains_key(Path::new(".config-backup/lock")));
    rolled_back(&case.volume);
    assert_same(&tree(&case.volume), &old, "rolled back");
}

/// A ballast that a power cut or a full volume left short is none.
#[test]
fn the_room_for_the_way_back_is_laid_by_anew_where_it_is_short() {
    let case = case();
    let size = || fs::metadata(ours(&case, "ballast")).unwrap().len();
    drop(Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap());
    let whole = size();
    assert!(whole > 0);
    fs::File::options()
        .write(true)
        .open(ours(&case, "ballast"))
        .unwrap()
        .set_len(1)
        .unwrap();
    drop(Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap());
    assert_eq!(size(), whole);
}
