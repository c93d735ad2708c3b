//! The exchange of a volume's content: forward, back, what it leaves alone and what it refuses.
#![cfg(test)]

mod swap_support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use config_volume::{
    Error, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, SwapWatcher, UnpackLimits, unpack,
};
use swap_support::{
    Dice, assert_clean, assert_same, case, cramped, cramped_options, failing_at, forward, given_up,
    in_whole_seconds, names, pack, settle_links, tree, tree_without,
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
    assert!(error.to_string().contains("still in .config-backup"), "{error}");
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
