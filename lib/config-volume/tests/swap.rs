//! The exchange of a volume's content: forward, back, what it leaves alone and what it refuses.
#![cfg(test)]

mod common;
mod swap_support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use common::{back_up_and_restore, listed, make_database, newest_set};
use config_volume::{
    BY_HAND, Error, GivenUp, Options, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, SwapWatcher,
    UnpackLimits, finish, measure, prepare, put_in_place, unpack, verify,
};
use swap_support::{
    Dice, assert_clean, assert_same, case, cramped, cramped_options, failing_at, failing_once_at, forward,
    given_up, in_whole_seconds, names, pack, settle_links, tree, tree_without,
};

#[test]
fn forward_then_finished() {
    let case = case();
    let options = SwapOptions::default();
    let mut swap = case.sealed(&options);
    case.assert_old("sealed");
    swap.commit().unwrap();
    assert_eq!(swap.state(), SwapState::Swapped);
    case.assert_new("committed");
    assert_same(
        &tree(&case.volume.join(".config-restore/old")),
        &case
            .old
            .clone()
            .into_iter()
            .filter(|(path, _)| path != Path::new("lost+found"))
            .collect(),
        "old",
    );
    swap.finish().unwrap();
    case.assert_new("finished");
    assert_clean(&case.volume, "finished");
    assert_eq!(given_up(&case.volume, &SwapOptions::default()).unwrap(), None);
}

#[test]
fn back_from_each_state() {
    for state in [SwapState::Staging, SwapState::Staged, SwapState::Swapped] {
        let case = case();
        let mut swap = Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap();
        case.bring(&swap);
        if state != SwapState::Staging {
            swap.seal().unwrap();
        }
        if state == SwapState::Swapped {
            swap.commit().unwrap();
            // The app ran on it.
            fs::write(case.volume.join("made-by-the-app"), "").unwrap();
            fs::write(case.volume.join("config.xml"), "changed").unwrap();
        }
        swap.roll_back().unwrap();
        case.assert_old("rolled back");
        assert!(matches!(swap.commit(), Err(Error::WrongState { .. })));
        swap.finish().unwrap();
        case.assert_old("finished");
        assert_clean(&case.volume, "finished");
    }
}

#[test]
fn what_was_said_at_the_beginning_counts_from_the_seal_on() {
    let case = cramped();
    let keep_old = |keep_old| SwapOptions {
        keep_old,
        ..cramped_options(&case.volume)
    };
    let mut swap = Swap::begin(&case.volume, "backup-1", &keep_old(false)).unwrap();
    swap.seal().unwrap();
    drop(swap);
    let mut swap = Swap::begin(&case.volume, "backup-1", &keep_old(true)).unwrap();
    // There is room for one content only.
    swap.commit().unwrap();
    case.assert_new("committed");
}

#[test]
fn random_trees_go_in_and_back_as_they_are() {
    for seed in 1..40 {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["config", "source"].map(|name| folder.path().join(name));
        let [volume, source] = &paths;
        for path in &paths {
            fs::create_dir(path).unwrap();
        }
        let mut dice = Dice::new(seed);
        dice.fill(volume, true);
        dice.fill(source, true);
        fs::write(source.join("one-at-least"), "").unwrap();
        settle_links(source);
        let (old, new) = (tree(volume), tree(source));
        // In the volume itself, by an archive; or from outside of it, as it is.
        let options = SwapOptions {
            staged: (seed % 2 == 0).then(|| source.clone()),
            ..SwapOptions::default()
        };
        let mut swap = Swap::begin(volume, "one", &options).unwrap();
        let new = if options.staged.is_none() {
            let archive = pack(source, &[]);
            unpack(
                archive.as_slice(),
                swap.staged(),
                &UnpackLimits::default(),
                &mut |_| {},
            )
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            in_whole_seconds(new)
        } else {
            new
        };
        swap.seal().unwrap();
        swap.commit().unwrap();
        assert_same(
            &tree_without(volume, &[RESTORE_FOLDER]),
            &new,
            &format!("seed {seed}"),
        );
        swap.roll_back().unwrap();
        assert_same(
            &tree_without(volume, &[RESTORE_FOLDER]),
            &old,
            &format!("seed {seed}, back"),
        );
        swap.finish().unwrap();
        assert_same(&tree(volume), &old, &format!("seed {seed}, finished"));
    }
}

#[test]
fn another_restore_has_to_end_first() {
    let case = case();
    let options = SwapOptions::default();
    let swap = case.sealed(&options);
    let impatient = SwapOptions {
        lock_timeout: Duration::ZERO,
        ..SwapOptions::default()
    };
    let locked = Swap::begin(&case.volume, "backup-1", &impatient).unwrap_err();
    assert!(matches!(locked, Error::Locked { .. }), "{locked:?}");
    drop(swap);
    let error = Swap::begin(&case.volume, "backup-2", &options).unwrap_err();
    let text = error.to_string();
    for part in ["backup-1", "backup-2", "ready", "roll it back"] {
        assert!(text.contains(part), "{text}");
    }
    for id in ["", "a\u{1b}[2J", &"x".repeat(300)] {
        assert!(Swap::begin(&case.volume, id, &options).is_err());
    }
    let again = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    assert_eq!((again.id(), again.state()), ("backup-1", SwapState::Staged));
    drop(again);
    forward(&case.volume, &case.archives.new, &options, &mut || {}).unwrap();
    case.assert_new("finished");
    assert_clean(&case.volume, "finished");
}

#[test]
fn what_is_not_checked_or_not_whole_is_not_put_in_place() {
    let case = case();
    let options = SwapOptions::default();
    let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    assert!(matches!(swap.commit(), Err(Error::NotReady { .. })));
    // Nothing was brought, or nothing of the app's.
    for name in ["", ".velero", "lost+found"] {
        if !name.is_empty() {
            fs::create_dir(swap.staged().join(name)).unwrap();
        }
        let error = swap.seal().unwrap_err();
        assert!(error.to_string().contains("holds nothing"), "{error}");
    }
    case.bring(&swap);
    fs::create_dir(swap.staged().join(".config-backup")).unwrap();
    let error = swap.seal().unwrap_err();
    assert!(error.to_string().contains("put_in_place"), "{error}");
    assert!(matches!(swap.finish(), Err(Error::WrongState { .. })));
    case.assert_old("nothing was touched");
    let mut swap = Swap::open(&case.volume, &options).unwrap().unwrap();
    assert_eq!(swap.state(), SwapState::Staging);
    swap.clear_staged().unwrap();
    assert!(names(swap.staged()).is_empty());
}

#[test]
fn names_of_ours_in_what_was_brought_do_not_go_into_the_volume() {
    let case = case();
    let mut swap = Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).unwrap();
    case.bring(&swap);
    fs::create_dir_all(swap.staged().join(".config-restore/old/x")).unwrap();
    fs::create_dir_all(swap.staged().join("lost+found/x")).unwrap();
    fs::create_dir_all(swap.staged().join(".velero")).unwrap();
    swap.seal().unwrap();
    swap.commit().unwrap();
    swap.finish().unwrap();
    case.assert_new("finished");
    assert_clean(&case.volume, "finished");
    assert!(names(&case.volume.join("lost+found")).is_empty());
}

#[test]
fn a_link_in_the_place_of_ours_is_not_followed() {
    let case = case();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("precious"), "").unwrap();
    symlink(elsewhere.path(), case.volume.join(RESTORE_FOLDER)).unwrap();
    assert!(Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).is_err());
    assert!(given_up(&case.volume, &SwapOptions::default()).is_err());
    fs::remove_file(case.volume.join(RESTORE_FOLDER)).unwrap();
    let mut swap = case.sealed(&SwapOptions::default());
    let old = case.volume.join(".config-restore/old");
    symlink(elsewhere.path(), &old).unwrap();
    assert!(swap.commit().is_err());
    fs::remove_file(&old).unwrap();
    swap.commit().unwrap();
    symlink(elsewhere.path(), case.volume.join(".config-restore/strays")).unwrap();
    swap.finish().unwrap();
    assert_eq!(names(elsewhere.path()), ["precious"]);
}

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

#[test]
fn what_somebody_writes_in_between_is_not_lost_and_not_mixed_in() {
    let case = case();
    let volume = case.volume.clone();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let options = SwapOptions {
        watcher: SwapWatcher::new(move |step| {
            // After each move something makes the same names anew, as an app that was not stopped would.
            if step == SwapStep::Moved {
                for name in ["config.xml", "only-old", "same"] {
                    if !volume.join(name).exists() {
                        fs::write(volume.join(name), "stray")?;
                        seen.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
            Ok(())
        }),
        ..SwapOptions::default()
    };
    let mut swap = case.sealed(&options);
    swap.commit().unwrap();
    assert!(count.load(Ordering::SeqCst) > 0);
    let text = |path: &str| fs::read_to_string(case.volume.join(path)).unwrap();
    assert_eq!(text("config.xml"), "<Config>new</Config>");
    assert_eq!(text(".config-restore/old/config.xml"), "<Config>old</Config>");
    assert_eq!(text(".config-restore/old/only-old"), "old");
    assert_eq!(text(".config-restore/strays/1"), "stray");
    drop(swap);
    let mut swap = Swap::open(&case.volume, &SwapOptions::default())
        .unwrap()
        .unwrap();
    swap.roll_back().unwrap();
    case.assert_old("rolled back");
}

#[test]
fn a_failure_at_any_step_can_be_gone_on_from_in_both_directions() {
    let mut number = 0;
    loop {
        for back in [false, true] {
            let case = case();
            let options = failing_at(number);
            let failed = forward(&case.volume, &case.archives.new, &options, &mut || {}).is_err();
            if !failed {
                assert!(number > 25, "only {number} steps");
                case.assert_new("no failure");
                return;
            }
            let at = format!("step {number}");
            let Some(mut swap) = Swap::open(&case.volume, &SwapOptions::default()).unwrap() else {
                continue;
            };
            if back && swap.state() != SwapState::Removing {
                swap.roll_back().unwrap();
                case.assert_old(&at);
                swap.finish().unwrap();
                case.assert_old(&at);
            } else {
                drop(swap);
                forward(
                    &case.volume,
                    &case.archives.new,
                    &SwapOptions::default(),
                    &mut || {},
                )
                .unwrap();
                case.assert_new(&at);
            }
            assert_clean(&case.volume, &at);
        }
        number += 1;
    }
}

/// The same value goes on after an error, whatever of it had reached the disk.
#[test]
fn a_failed_commit_is_called_again() {
    for number in 0.. {
        let case = case();
        drop(case.sealed(&SwapOptions::default()));
        let mut swap = match Swap::open(&case.volume, &failing_at(number)) {
            Ok(swap) => swap.unwrap(),
            Err(_) => continue,
        };
        let failed = swap.commit();
        if failed.is_ok() {
            assert!(number > 10);
            return;
        }
        assert!(failed.unwrap_err().is_full());
        if number % 2 == 0 {
            swap.commit().unwrap();
            case.assert_new("called again");
        } else {
            swap.roll_back().unwrap();
            case.assert_old("rolled back");
        }
        swap.finish().unwrap();
        assert_clean(&case.volume, "finished");
    }
}

/// The volume belongs to the app, which may write there what it likes.
#[test]
fn a_forged_or_damaged_journal_leads_nowhere() {
    let case = case();
    let base = case.volume.join(RESTORE_FOLDER);
    fs::create_dir(&base).unwrap();
    let secret = case.source.to_str().unwrap();
    for (text, fails) in [
        ("", true),
        ("{}", true),
        ("null", true),
        (
            &format!(
                r#"{{"format":"config-volume-swap","version":1,"id":"x","state":"filling","keep_old":false,
                    "outside":true,"emptied":true,"staged":"{secret}"}}"#
            ),
            true,
        ),
        (
            r#"{"format":"config-volume-swap","version":1,"id":"x","state":"removing","keep_old":false,
                "outside":false,"emptied":false}"#,
            false,
        ),
    ] {
        fs::create_dir_all(&base).unwrap();
        fs::write(base.join("journal.json"), text).unwrap();
        assert_eq!(
            given_up(&case.volume, &SwapOptions::default()).is_err(),
            fails,
            "{text}"
        );
        case.assert_old(text);
    }
    assert_clean(&case.volume, "removed");
    // Without a journal nothing is taken for ours but what is there for a moment only.
    fs::create_dir(&base).unwrap();
    fs::write(base.join("journal.json.new"), "{\"for").unwrap();
    assert_eq!(given_up(&case.volume, &SwapOptions::default()).unwrap(), None);
    assert_clean(&case.volume, "no journal");
    fs::create_dir_all(base.join("old/x")).unwrap();
    assert!(matches!(
        given_up(&case.volume, &SwapOptions::default()),
        Err(Error::SwapJournal { .. })
    ));
    assert!(Swap::begin(&case.volume, "backup-1", &SwapOptions::default()).is_err());
    assert!(base.join("old/x").exists());
}

/// The engine has a journal of its own there, which begins earlier and ends with the exchange.
#[test]
fn a_file_of_the_callers_is_left_alone_until_the_end() {
    let case = case();
    let file = case.volume.join(RESTORE_FOLDER).join("run.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "{}").unwrap();
    assert_eq!(given_up(&case.volume, &SwapOptions::default()).unwrap(), None);
    let mut swap = case.sealed(&SwapOptions::default());
    swap.commit().unwrap();
    drop(swap);
    assert_eq!(fs::read(&file).unwrap(), b"{}");
    let swap = Swap::open(&case.volume, &SwapOptions::default()).unwrap();
    swap.unwrap().finish().unwrap();
    assert_clean(&case.volume, "finished");
    case.assert_new("finished");
}

#[test]
fn content_that_is_gone_before_it_is_put_in_place_is_not_taken_for_an_empty_one() {
    for state in [SwapState::Staged, SwapState::MovingOut, SwapState::MovingIn] {
        for is_folder_gone in [false, true] {
            let case = case();
            let options = SwapOptions::default();
            let mut swap = case.sealed(&options);
            if state != SwapState::Staged {
                drop(swap);
                let mut failing = Swap::begin(
                    &case.volume,
                    "backup-1",
                    &SwapOptions {
                        watcher: SwapWatcher::new(move |step| match step {
                            SwapStep::State(reached) if reached == state => {
                                Err(std::io::ErrorKind::Other.into())
                            }
                            _ => Ok(()),
                        }),
                        ..options.clone()
                    },
                )
                .unwrap();
                failing.commit().unwrap_err();
                assert_eq!(failing.state(), state);
                drop(failing);
                swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
            }
            let staged = case.volume.join(".config-restore/staged");
            fs::remove_dir_all(&staged).unwrap();
            if !is_folder_gone {
                fs::create_dir(&staged).unwrap();
            }
            let error = swap.commit().unwrap_err();
            assert!(matches!(error, Error::NotReady { .. }), "{state:?}: {error:?}");
            swap.roll_back().unwrap();
            swap.finish().unwrap();
            case.assert_old("rolled back");
        }
    }
}
