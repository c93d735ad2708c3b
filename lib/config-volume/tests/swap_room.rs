//! The exchange of a volume's content where there is little room, and with content that lies outside the volume.
#![cfg(test)]

mod swap_support;

use std::{fs, path::PathBuf};

use config_volume::{
    Error, GivenUp, Options, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, UnpackLimits, bytes_of,
    prepare, room, unpack,
};
use swap_support::{
    FILLER, Mount, assert_clean, assert_same, case, cramped, cramped_options, failing_once_at, given_up,
    make_old, names, pack, tree, tree_without,
};

#[test]
fn what_a_copy_takes_is_measured_in_whole_blocks() {
    let case = case();
    assert!(room(&case.volume).unwrap() > 0);
    // 600 KiB once, though it has two names; the small files and folders a block each.
    let bytes = bytes_of(&case.source).unwrap();
    assert!((608 << 10..700 << 10).contains(&bytes), "{bytes}");
    let before = bytes_of(&case.volume).unwrap();
    let swap = case.sealed(&SwapOptions::default());
    assert_eq!(bytes_of(&case.volume).unwrap(), before);
    drop(swap);
}

#[test]
fn a_full_volume_keeps_its_old_content() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), "size=2m") else {
        println!("no right to mount: the injected failures have to do");
        return;
    };
    let volume = folder.path();
    make_old(volume);
    fs::write(volume.join("filler"), vec![1; 1 << 20]).unwrap();
    let old = tree(volume);
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("too-big"), vec![2; 3 << 20]).unwrap();
    let mut swap = Swap::begin(volume, "backup-1", &SwapOptions::default()).unwrap();
    let archive = pack(source.path(), &[]);
    let error = unpack(
        archive.as_slice(),
        swap.staged(),
        &UnpackLimits::default(),
        &mut |_| {},
    )
    .unwrap_err();
    assert!(error.is_full(), "{error:?}");
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_same(&tree(volume), &old, "rolled back");
    assert_clean(volume, "rolled back");
}

/// A volume of 8 MiB with 5 in use, and 5 to come from outside.
#[test]
fn without_room_for_both_the_old_content_goes_first_if_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), "size=8m") else {
        println!("no right to mount: tests/swap_killed.rs shows it without");
        return;
    };
    let volume = folder.path();
    make_old(volume);
    fs::write(volume.join("filler"), vec![1; 5 << 20]).unwrap();
    let old = tree(volume);
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("big"), vec![2; 5 << 20]).unwrap();
    fs::write(source.path().join("config.xml"), "new").unwrap();
    let new = tree(source.path());
    let options = |keep_old, reserve| SwapOptions {
        keep_old,
        reserve,
        staged: Some(source.path().to_owned()),
        ..SwapOptions::default()
    };
    let mut swap = Swap::begin(volume, "one", &options(true, 0)).unwrap();
    let error = swap.seal().unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    drop(swap);
    // Not even then: nothing is touched.
    let mut swap = Swap::begin(volume, "one", &options(false, 4 << 20)).unwrap();
    let error = swap.seal().unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    drop(swap);
    assert_same(&tree_without(volume, &[RESTORE_FOLDER]), &old, "refused");
    let mut swap = Swap::begin(volume, "one", &options(false, 1 << 20)).unwrap();
    swap.seal().unwrap();
    assert!(swap.has_old());
    assert_same(&tree_without(volume, &[RESTORE_FOLDER]), &old, "sealed");
    swap.commit().unwrap();
    assert!(!swap.has_old());
    assert!(matches!(swap.roll_back(), Err(Error::NoWayBack { .. })));
    swap.finish().unwrap();
    assert_same(&tree_without(volume, &["lost+found"]), &new, "swapped");
    assert_clean(volume, "swapped");
    assert_same(&tree(source.path()), &new, "the caller's folder is left alone");
}

#[test]
fn where_there_is_room_nothing_is_removed_though_it_is_allowed() {
    let case = case();
    let options = SwapOptions {
        keep_old: false,
        staged: Some(case.source.clone()),
        ..SwapOptions::default()
    };
    let mut swap = Swap::begin(&case.volume, "one", &options).unwrap();
    swap.seal().unwrap();
    // It is in the volume now: the folder outside may go.
    fs::remove_dir_all(&case.source).unwrap();
    case.commits_and_rolls_back(swap);
}

#[test]
fn when_old_and_new_are_both_gone_nothing_starts_until_it_is_brought_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), "size=8m") else {
        println!("no right to mount");
        return;
    };
    let volume = folder.path();
    make_old(volume);
    fs::write(volume.join("filler"), vec![1; 5 << 20]).unwrap();
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("big"), vec![2; 5 << 20]).unwrap();
    let options = SwapOptions {
        keep_old: false,
        reserve: 0,
        staged: Some(source.path().to_owned()),
        watcher: failing_once_at(SwapStep::State(SwapState::Filling)).watcher,
        ..SwapOptions::default()
    };
    let mut swap = Swap::begin(volume, "one", &options).unwrap();
    swap.seal().unwrap();
    swap.commit().unwrap_err();
    drop(swap);
    for options in [
        SwapOptions::default(),
        SwapOptions {
            staged: Some(PathBuf::from("/nonexistent")),
            ..SwapOptions::default()
        },
    ] {
        let error = given_up(volume, &options).unwrap_err();
        assert!(matches!(error, Error::Incomplete { .. }), "{error:?}");
        assert!(matches!(
            prepare(volume, &Options::default()),
            Err(Error::RestoreUnderWay { .. })
        ));
    }
    // The folder is there after all.
    let found = SwapOptions {
        staged: Some(source.path().to_owned()),
        ..SwapOptions::default()
    };
    let mut swap = Swap::open(volume, &SwapOptions::default()).unwrap().unwrap();
    swap.restage().unwrap();
    assert!(matches!(swap.give_up(), Err(Error::Incomplete { .. })));
    let mut swap = Swap::begin(volume, "one", &SwapOptions::default()).unwrap();
    fs::write(swap.staged().join("config.xml"), "brought again").unwrap();
    assert!(matches!(swap.roll_back(), Err(Error::NoWayBack { .. })));
    swap.seal().unwrap();
    swap.commit().unwrap();
    drop(swap);
    assert_eq!(given_up(volume, &found).unwrap(), Some(GivenUp::New));
    assert_eq!(names(volume), ["config.xml", "lost+found"]);
}

/// Whoever measures whether a transfer fits counts what goes when it begins, and only that.
#[test]
fn what_an_earlier_exchange_brought_and_nothing_needs_can_be_had_again() {
    let case = case();
    let freed = || Swap::reclaimable(&case.volume).unwrap();
    assert_eq!(freed(), 0);
    let mut swap = case.sealed(&SwapOptions::default());
    // 600 KiB once, though it has two names, and some small files.
    assert!((600 << 10..700 << 10).contains(&freed()), "{}", freed());
    swap.commit().unwrap();
    assert_eq!(freed(), 0);
    swap.finish().unwrap();
    assert_eq!(freed(), 0);
}

#[test]
fn what_is_left_of_an_old_content_that_was_to_go_can_be_had_again() {
    let case = cramped();
    let filler = fs::metadata(case.volume.join(FILLER)).unwrap().len();
    let freed = || Swap::reclaimable(&case.volume).unwrap();
    let cut_off_at = |state| {
        let options = SwapOptions {
            watcher: failing_once_at(SwapStep::State(state)).watcher,
            ..cramped_options(&case.volume)
        };
        let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
        if swap.state() == SwapState::Staging {
            swap.seal().unwrap();
        }
        swap.commit().unwrap_err();
        assert_eq!(swap.state(), state);
    };
    cut_off_at(SwapState::Emptying);
    assert!((filler..filler + (64 << 10)).contains(&freed()), "{}", freed());
    cut_off_at(SwapState::Filling);
    assert_eq!(freed(), 0);
}
