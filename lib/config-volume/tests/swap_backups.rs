//! The exchange of a volume's content and the backups of it: what each refuses because of the other, and what neither takes for content.
#![cfg(test)]

mod common;
mod swap_support;

use std::{
    fs,
    time::{Duration, SystemTime},
};

use common::{back_up_and_restore, listed, make_database, newest_set};
use config_volume::{
    BY_HAND, Error, GivenUp, Options, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, UnpackLimits,
    finish, measure, prepare, put_in_place, unpack, verify,
};
use swap_support::{assert_clean, assert_same, case, failing_once_at, names, pack, tree, tree_without};

/// A snapshot may hold a volume in the middle of another restore.
#[test]
fn a_backup_of_a_half_restored_volume_is_refused() {
    let outer = case();
    let inner = case();
    drop({
        let mut swap = inner.sealed(&failing_once_at(SwapStep::Moved));
        swap.commit().unwrap_err();
        swap
    });
    let mut swap = Swap::begin(&outer.volume, "backup-1", &SwapOptions::default()).unwrap();
    let archive = pack(&inner.volume, &[]);
    unpack(
        archive.as_slice(),
        swap.staged(),
        &UnpackLimits::default(),
        &mut |_| {},
    )
    .unwrap();
    let error = swap.seal().unwrap_err();
    assert!(error.to_string().contains("restore another backup"), "{error}");
    assert_eq!(swap.give_up().unwrap(), GivenUp::Old);
    outer.assert_old("refused");
    assert_clean(&outer.volume, "refused");
}

/// A restore by hand keeps the previous content until a person removes it: a later restore does not, whichever way it ends.
#[test]
fn what_a_restore_by_hand_has_kept_stays() {
    for is_rolled_back in [false, true] {
        let case = case();
        let kept = case.volume.join(BY_HAND).join("old/config.xml");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, "kept").unwrap();
        let mut swap = case.sealed(&SwapOptions::default());
        swap.commit().unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
        if is_rolled_back {
            swap.roll_back().unwrap();
        }
        swap.finish().unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), "kept", "{is_rolled_back}");
    }
}

/// A backup that was made beside it holds it too, and it is not what a restore is for.
#[test]
fn what_a_backup_holds_of_a_restore_by_hand_does_not_come_back() {
    let case = case();
    let mut swap = Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap();
    fs::write(swap.staged().join("config.xml"), "new").unwrap();
    fs::create_dir(swap.staged().join(BY_HAND)).unwrap();
    fs::write(swap.staged().join(BY_HAND).join("exchanging"), "").unwrap();
    swap.seal().unwrap();
    swap.commit().unwrap();
    swap.finish().unwrap();
    assert!(!case.volume.join(BY_HAND).exists());
    assert_eq!(fs::read_to_string(case.volume.join("config.xml")).unwrap(), "new");
}

#[test]
fn no_backup_holds_what_is_being_restored() {
    let case = case();
    make_database(&case.volume.join("radarr.db"), "delete");
    let plain = measure(&case.volume, &Options::default()).unwrap();
    let swap = case.sealed(&SwapOptions::default());
    make_database(&swap.staged().join("other.db"), "delete");
    assert_eq!(measure(&case.volume, &Options::default()).unwrap(), plain);
    let prepared = prepare(&case.volume, &Options::default()).unwrap();
    assert_eq!(prepared.manifest.databases.len(), 1);
    assert!(
        listed(&case.volume)
            .iter()
            .all(|file| !file.path.to_string().contains(RESTORE_FOLDER))
    );
    let restored = tempfile::tempdir().unwrap();
    back_up_and_restore(&case.volume, restored.path());
    assert!(!restored.path().join(RESTORE_FOLDER).exists());
    assert!(verify(restored.path()).unwrap().is_as_promised());
    finish(&case.volume).unwrap();
}

#[test]
fn a_backup_and_the_exchange_wait_for_each_other() {
    let case = case();
    make_database(&case.volume.join("radarr.db"), "delete");
    let old = tree(&case.volume);
    let mut swap = case.sealed(&failing_once_at(SwapStep::Moved));
    prepare(&case.volume, &Options::default()).unwrap();
    assert!(matches!(swap.commit(), Err(Error::BackupRunning)));
    assert_eq!(swap.state(), SwapState::Staged);
    finish(&case.volume).unwrap();
    // Refused for another reason it leaves nothing behind either.
    assert_same(&tree_without(&case.volume, &[RESTORE_FOLDER]), &old, "refused");
    swap.commit().unwrap_err();
    assert_eq!(swap.state(), SwapState::MovingOut);
    let error = prepare(&case.volume, &Options::default()).unwrap_err();
    assert!(
        matches!(&error, Error::RestoreUnderWay { id } if id == "backup-1"),
        "{error:?}"
    );
    swap.commit().unwrap();
    // Whole again, and it may be rolled back: a backup of it would be the newest one of a content that did not do.
    let before = names(&case.volume);
    let error = prepare(&case.volume, &Options::default()).unwrap_err();
    assert!(
        matches!(&error, Error::RestoreUnproven { id } if id == "backup-1"),
        "{error:?}"
    );
    assert_eq!(names(&case.volume), before);
    let proven = Options {
        takes_restored: true,
        ..Options::default()
    };
    prepare(&case.volume, &proven).unwrap();
    finish(&case.volume).unwrap();
    swap.roll_back().unwrap();
    prepare(&case.volume, &Options::default()).unwrap();
    finish(&case.volume).unwrap();
    swap.finish().unwrap();
    assert_same(&tree(&case.volume), &old, "rolled back");
}

/// Whoever looked into the cluster knows that a set is left over, before Velero's own limit has passed.
#[test]
fn a_set_that_is_known_to_be_left_over_is_no_obstacle_and_a_later_one_is() {
    let case = case();
    make_database(&case.volume.join("radarr.db"), "delete");
    prepare(&case.volume, &Options::default()).unwrap();
    let looked = SystemTime::now();
    let options = SwapOptions {
        sets_before: Some(looked),
        ..SwapOptions::default()
    };
    let mut swap = case.sealed(&options);
    prepare(&case.volume, &Options::default()).unwrap();
    assert!(matches!(swap.commit(), Err(Error::BackupRunning)));
    assert_eq!(swap.state(), SwapState::Staged);
    // Of both backups the younger one ends first.
    finish(&case.volume).unwrap();
    swap.commit().unwrap();
    case.assert_new("committed");
    swap.finish().unwrap();
}

#[test]
fn what_a_cut_short_backup_left_is_cleared_away() {
    let case = case();
    make_database(&case.volume.join("radarr.db"), "delete");
    let old = tree(&case.volume);
    let options = SwapOptions {
        stale_after: Duration::ZERO,
        ..SwapOptions::default()
    };
    let mut swap = case.sealed(&options);
    prepare(&case.volume, &Options::default()).unwrap();
    assert!(case.volume.join(".config-backup/local").exists());
    swap.commit().unwrap();
    assert!(!case.volume.join(".config-restore/old/.config-backup").exists());
    case.assert_new("committed");
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_same(&tree(&case.volume), &old, "rolled back");
}

#[test]
fn a_volume_that_was_never_put_in_place_goes_back_as_it_was() {
    let case = case();
    let live = tempfile::tempdir().unwrap();
    make_database(&live.path().join("radarr.db"), "delete");
    prepare(live.path(), &Options::default()).unwrap();
    back_up_and_restore(live.path(), &case.volume);
    // The copy is damaged, so it cannot be put in place. That must not stand in the way.
    let copy = newest_set(&case.volume).join("databases/0.sqlite");
    fs::write(&copy, "damaged").unwrap();
    assert!(put_in_place(&case.volume).is_err());
    let mut swap = case.sealed(&SwapOptions::default());
    swap.commit().unwrap();
    case.assert_new("committed");
    assert!(names(&case.volume).iter().all(|name| name != ".config-backup"));
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_eq!(fs::read(&copy).unwrap(), b"damaged");
    assert!(!case.volume.join(".config-backup/local").exists());
}
