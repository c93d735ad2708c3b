//! What others put into the folder of this program, such as the index that a NAS keeps in each folder: it stops nothing, and is not lost.
#![cfg(test)]

mod common;
mod swap_support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{back_up_and_restore, judge, make_database, own};
use config_volume::{
    FOLDER, Options, PutInPlace, RESTORE_FOLDER, Swap, SwapOptions, finish, prepare, put_in_place, verify,
    withdraw,
};
use swap_support::{Case, case};

/// Paths in the folder that are none of this program's.
const FOREIGN: [&str; 3] = ["@eaDir/index", ".nfs0000000000a1b2c3", "set.txt"];

fn add_foreign(volume: &Path) {
    for name in FOREIGN {
        let path = volume.join(FOLDER).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
}

/// All of it is there, and nothing besides.
#[track_caller]
fn assert_only_foreign(volume: &Path) {
    let base = volume.join(FOLDER);
    for name in FOREIGN {
        assert_eq!(fs::read_to_string(base.join(name)).unwrap(), name);
    }
    assert_eq!(fs::read_dir(&base).unwrap().count(), FOREIGN.len());
}

fn app(folder: &Path) -> PathBuf {
    let volume = folder.join("config");
    make_database(&volume.join("radarr.db"), "wal");
    add_foreign(&volume);
    volume
}

/// A backup of an app with such names, as it comes back.
fn brought_back(folder: &Path) {
    let live = tempfile::tempdir().unwrap();
    let live = app(live.path());
    prepare(&live, &own()).unwrap();
    back_up_and_restore(&live, folder);
    finish(&live).unwrap();
    assert_only_foreign(&live);
    let verdict = verify(folder).unwrap();
    assert!(verdict.is_as_promised(), "{verdict:?}");
}

fn restore(case: &Case, mut swap: Swap) {
    brought_back(swap.staged());
    put_in_place(swap.staged()).unwrap();
    assert_only_foreign(swap.staged());
    swap.seal().unwrap();
    swap.commit().unwrap();
    swap.finish().unwrap();
    let (sound, text) = judge(&case.volume.join("radarr.db"));
    assert!(sound, "{text}");
    assert_only_foreign(&case.volume);
}

#[test]
fn a_backup_with_foreign_names_is_restored_with_them() {
    let case = case();
    let swap = Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap();
    restore(&case, swap);
}

#[test]
fn a_backup_with_foreign_names_is_restored_from_outside() {
    let case = case();
    let outside = tempfile::tempdir().unwrap();
    let options = SwapOptions {
        staged: Some(outside.path().to_owned()),
        reserve: 0,
        ..SwapOptions::default()
    };
    let swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    restore(&case, swap);
}

/// They are part of the previous content.
#[test]
fn foreign_names_come_back_with_the_previous_content() {
    let case = case();
    add_foreign(&case.volume);
    let mut swap = case.sealed(&SwapOptions::default());
    swap.commit().unwrap();
    assert!(!case.volume.join(FOLDER).exists());
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_only_foreign(&case.volume);
}

#[test]
fn a_start_finds_no_backup_in_foreign_names() {
    let folder = tempfile::tempdir().unwrap();
    let volume = app(folder.path());
    assert_eq!(put_in_place(&volume).unwrap(), PutInPlace::default());
    assert!(!withdraw(&volume).unwrap());
    assert_only_foreign(&volume);
    // What is this program's is seen beside them, and goes.
    prepare(&volume, &Options::default()).unwrap();
    assert!(put_in_place(&volume).unwrap().in_use);
    assert!(withdraw(&volume).unwrap());
    assert_only_foreign(&volume);
}

/// Nothing says that copies were being made then.
#[test]
fn a_volume_without_a_set_is_not_suspect_for_foreign_names() {
    let folder = tempfile::tempdir().unwrap();
    let volume = app(folder.path());
    let verdict = verify(&volume).unwrap();
    assert!(verdict.problems.is_empty(), "{verdict:?}");
    for ours in ["lock", "README.txt"] {
        fs::write(volume.join(FOLDER).join(ours), "").unwrap();
        let verdict = verify(&volume).unwrap();
        assert_eq!(verdict.problems.len(), 1, "{ours}: {verdict:?}");
        fs::remove_file(volume.join(FOLDER).join(ours)).unwrap();
    }
}

#[test]
fn the_lock_that_a_killed_run_left_goes_and_foreign_names_stay() {
    let case = case();
    drop(case.sealed(&SwapOptions::default()));
    add_foreign(&case.volume);
    fs::write(case.volume.join(FOLDER).join("lock"), "").unwrap();
    let mut swap = Swap::open(&case.volume, &SwapOptions::default())
        .unwrap()
        .unwrap();
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_only_foreign(&case.volume);
}

/// An exchange that refuses to begin leaves no lock beside them.
#[test]
fn an_exchange_that_does_not_begin_leaves_foreign_names_only() {
    let case = case();
    add_foreign(&case.volume);
    let mut swap = case.sealed(&SwapOptions::default());
    let Some(mount) = swap_support::Mount::new(&case.volume.join("logs"), "size=1m") else {
        println!("no right to mount: not tried");
        return;
    };
    swap.commit().unwrap_err();
    drop(mount);
    assert_only_foreign(&case.volume);
}

#[test]
fn what_was_not_put_in_place_is_refused_in_words_for_a_person() {
    let case = case();
    let mut swap = Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap();
    brought_back(swap.staged());
    let error = swap.seal().unwrap_err().to_string();
    assert!(!error.contains("put_in_place"), "{error}");
    assert!(error.contains("restore the backup again"), "{error}");
    case.assert_old("refused");
    assert!(case.volume.join(RESTORE_FOLDER).exists());
}
