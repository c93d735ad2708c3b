//! The exchange without room for both contents, when what was transferred is lost in between: wherever it was, and whatever
//! became of the folder outside, the volume never counts as restored without its content, and transferring again leads on.
#![cfg(test)]

mod swap_support;

use std::{fs, path::Path};

use config_volume::testing::Loss;
use config_volume::{
    Error, GivenUp, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, SwapWatcher, UnpackLimits, unpack,
};
use swap_support::{
    Case, FILLER, Tree, assert_clean, assert_same, cramped, cramped_options, failing_once_at, given_up,
    in_whole_seconds, names, tree_without,
};

fn options(case: &Case) -> SwapOptions {
    cramped_options(&case.volume)
}

/// Where an exchange is cut off. `Restaged` is: all was lost once already.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Staged,
    Emptying,
    HalfEmptied,
    Filling,
    HalfFilled,
    MovingIn,
    HalfMovedIn,
    Swapped,
    Restaged,
}

impl At {
    const ALL: [Self; 9] = [
        Self::Staged,
        Self::Emptying,
        Self::HalfEmptied,
        Self::Filling,
        Self::HalfFilled,
        Self::MovingIn,
        Self::HalfMovedIn,
        Self::Swapped,
        Self::Restaged,
    ];

    /// Whether the new content is in the volume as a whole.
    fn is_inside(self) -> bool {
        matches!(self, Self::MovingIn | Self::HalfMovedIn | Self::Swapped)
    }
}

fn cut_off(at: At) -> Case {
    let case = cramped();
    let step = match at {
        At::Staged => None,
        At::Emptying => Some(SwapStep::State(SwapState::Emptying)),
        At::HalfEmptied => Some(SwapStep::Removed),
        At::Filling | At::Restaged => Some(SwapStep::State(SwapState::Filling)),
        // Whatever is copied first: not all of it.
        At::HalfFilled => Some(SwapStep::Copied { bytes: 0 }),
        At::MovingIn => Some(SwapStep::State(SwapState::MovingIn)),
        At::HalfMovedIn => Some(SwapStep::Moved),
        At::Swapped => Some(SwapStep::State(SwapState::Swapped)),
    };
    let watcher = match step {
        Some(SwapStep::Copied { .. }) => SwapWatcher::new(|step| match step {
            SwapStep::Copied { .. } => Err(std::io::Error::other("stopped here")),
            _ => Ok(()),
        }),
        Some(step) => failing_once_at(step).watcher,
        None => SwapWatcher::default(),
    };
    let options = SwapOptions {
        watcher,
        ..options(&case)
    };
    let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
    swap.seal().unwrap();
    if step.is_some() {
        let error = swap.commit().unwrap_err();
        assert!(format!("{error:?}").contains("stopped here"), "{at:?}: {error:?}");
    }
    if at == At::Restaged {
        swap.restage().unwrap();
    }
    case
}

fn held(case: &Case) -> Tree {
    let ours = [RESTORE_FOLDER, FILLER, "lost+found"];
    in_whole_seconds(tree_without(&case.volume, &ours))
}

fn is_new(case: &Case) -> bool {
    held(case) == case.new
}

fn is_old(case: &Case) -> bool {
    case.volume.join(FILLER).exists() && {
        let mut old = in_whole_seconds(case.old.clone());
        old.remove(Path::new("lost+found"));
        held(case) == old
    }
}

/// The previous content is there as a whole, and perhaps the lock of backups beside it.
fn holds_old(case: &Case) -> bool {
    let (is, mut old) = (held(case), in_whole_seconds(case.old.clone()));
    old.remove(Path::new("lost+found"));
    case.volume.join(FILLER).exists() && old.iter().all(|(path, entry)| is.get(path) == Some(entry))
}

/// Going on with what is there ends with the new content as a whole, or says that it is not there and changes nothing.
#[test]
fn a_volume_is_restored_with_its_content_or_not_at_all() {
    for at in At::ALL {
        for loss in Loss::ALL {
            for give_up in [false, true] {
                let case = cut_off(at);
                loss.befalls(&case.source, "data/big").unwrap();
                let what = format!("{at:?}, {loss:?}, given up: {give_up}");
                let ended = if give_up {
                    given_up(&case.volume, &options(&case)).map(|is| is == Some(GivenUp::Old))
                } else {
                    Swap::begin(&case.volume, "backup-1", &options(&case)).and_then(|mut swap| {
                        swap.commit()?;
                        swap.finish().map(|()| false)
                    })
                };
                match ended {
                    Ok(true) => assert!(is_old(&case), "{what}"),
                    Ok(false) => {
                        assert!(is_new(&case), "{what}: {:?}", held(&case).keys());
                        assert!(loss == Loss::None || at.is_inside(), "{what}");
                        assert_clean(&case.volume, &what);
                    }
                    // Nothing of the app's was touched.
                    Err(Error::NotReady { .. }) => {
                        assert!(
                            (at == At::Staged && is_old(&case)) || at == At::Restaged,
                            "{what}"
                        );
                    }
                    Err(error @ Error::Incomplete { .. }) => {
                        assert!(loss != Loss::None || at == At::Restaged, "{what}: {error}");
                        assert!(!at.is_inside() && at != At::Staged, "{what}: {error}");
                        // Looked at before the first entry of the previous content went.
                        assert!(at != At::Emptying || holds_old(&case), "{what}");
                        assert!(error.to_string().contains("restore"), "{what}: {error}");
                    }
                    Err(error) => panic!("{what}: {error:?}"),
                }
            }
        }
    }
}

/// Whatever was lost: the same backup or another one, transferred again into the volume or beside it, ends as it should.
#[test]
fn transferring_again_leads_on_from_everywhere() {
    for at in At::ALL {
        for loss in Loss::ALL {
            for id in ["backup-1", "backup-2"] {
                for outside in [false, true] {
                    let case = cut_off(at);
                    loss.befalls(&case.source, "data/big").unwrap();
                    let what = format!("{at:?}, {loss:?}, {id}, outside: {outside}");
                    let again = tempfile::tempdir().unwrap();
                    transfer_again(&case, id, outside.then(|| again.path()))
                        .unwrap_or_else(|error| panic!("{what}: {error:?}"));
                    let is = held(&case);
                    assert_eq!(is.len(), 2, "{what}: {:?}", is.keys());
                    assert_eq!(
                        fs::read(case.volume.join("sub/list")).unwrap(),
                        b"again",
                        "{what}"
                    );
                    assert_clean(&case.volume, &what);
                }
            }
        }
    }
}

fn transfer_again(case: &Case, id: &str, outside: Option<&Path>) -> config_volume::Result<()> {
    let options = SwapOptions {
        staged: outside.map(Path::to_owned),
        ..options(case)
    };
    let fits = SwapOptions {
        reserve: 0,
        ..options.clone()
    };
    // Whoever goes on with another backup ends first what can be ended.
    if id != "backup-1" {
        match given_up(&case.volume, &options) {
            Ok(_) | Err(Error::Incomplete { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut swap = Swap::begin(&case.volume, id, if outside.is_some() { &options } else { &fits })?;
    if id == "backup-1" && matches!(swap.state(), SwapState::MovingIn | SwapState::Swapped) {
        swap.commit()?;
        swap.finish()?;
        swap = Swap::begin(&case.volume, id, &options)?;
    }
    swap.restage()?;
    swap.clear_staged()?;
    unpack(
        case.archives.again.as_slice(),
        swap.staged(),
        &UnpackLimits::default(),
        &mut |_| {},
    )?;
    swap.seal()?;
    swap.commit()?;
    swap.finish()
}

/// What is left of the previous content goes first: the new one is to have its room.
#[test]
fn the_rest_of_the_old_content_goes_before_the_new_one_is_brought_again() {
    for id in ["backup-1", "backup-2"] {
        let case = cut_off(At::HalfEmptied);
        assert!(!held(&case).is_empty() || case.volume.join(FILLER).exists());
        let mut swap = Swap::begin(&case.volume, id, &options(&case)).unwrap();
        swap.restage().unwrap();
        assert_eq!(names(&case.volume), [RESTORE_FOLDER, "lost+found"], "{id}");
    }
}

/// Another backup does not need somebody to end the exchange first, where its previous content is gone.
#[test]
fn another_backup_takes_over_where_the_old_content_is_gone() {
    for at in At::ALL {
        let case = cut_off(at);
        let begun = Swap::begin(&case.volume, "backup-2", &options(&case));
        if at == At::Staged {
            assert!(matches!(begun, Err(Error::Unfinished { .. })), "{begun:?}");
            continue;
        }
        let swap = begun.unwrap_or_else(|error| panic!("{at:?}: {error:?}"));
        assert_eq!(
            (swap.id(), swap.state()),
            ("backup-2", SwapState::Staging),
            "{at:?}"
        );
        // What was in the volume as a whole is its content now.
        assert_eq!(swap.has_old(), at.is_inside(), "{at:?}");
        if at.is_inside() {
            assert_same(&held(&case), &case.new, &format!("{at:?}"));
        }
    }
}

/// As it was seen: the copying fails, the folder is made anew, and the second run finds it empty.
#[test]
fn a_folder_that_was_made_anew_is_not_taken_for_the_content() {
    let case = cut_off(At::HalfFilled);
    Loss::Emptied.befalls(&case.source, "data/big").unwrap();
    let mut swap = Swap::begin(&case.volume, "backup-1", &options(&case)).unwrap();
    let error = swap.commit().unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error:?}");
    drop(swap);
    let seen = Swap::peek(&case.volume).unwrap().unwrap();
    assert!(
        seen.old_is_gone && seen.is_incomplete && seen.needs_outside(),
        "{seen:?}"
    );
}

/// A folder in the volume is none outside of it: it would be emptied with the rest.
#[test]
fn a_folder_in_the_volume_is_not_taken_for_one_outside() {
    let case = cramped();
    for inside in [case.volume.clone(), case.volume.join("logs")] {
        let options = SwapOptions {
            staged: Some(inside),
            ..options(&case)
        };
        let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
        assert!(matches!(swap.seal(), Err(Error::NotReady { .. })));
        drop(swap);
        assert!(is_old(&case));
    }
}

/// Journals of earlier versions have no inventory: what is there is used, but never nothing.
#[test]
fn a_journal_without_an_inventory_is_gone_on_with() {
    for loss in [Loss::None, Loss::Gone, Loss::Emptied] {
        let case = cut_off(At::Filling);
        let path = case.volume.join(RESTORE_FOLDER).join("journal.json");
        let mut journal: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        journal["version"] = 1.into();
        journal.as_object_mut().unwrap().remove("inventory");
        fs::write(&path, journal.to_string()).unwrap();
        loss.befalls(&case.source, "data/big").unwrap();
        match given_up(&case.volume, &options(&case)) {
            Ok(ended) => {
                assert_eq!((ended, loss), (Some(GivenUp::New), Loss::None));
                assert!(is_new(&case));
            }
            Err(error) => assert!(
                matches!(error, Error::Incomplete { .. }) && loss != Loss::None,
                "{loss:?}: {error:?}"
            ),
        }
    }
}

/// The previous content is gone, and what was copied into the volume, too: it is said, and can be transferred again.
#[test]
fn what_is_lost_inside_the_volume_can_be_transferred_again() {
    for folder_stays in [false, true] {
        let case = cut_off(At::MovingIn);
        let staged = case.volume.join(RESTORE_FOLDER).join("staged");
        fs::remove_dir_all(&staged).unwrap();
        fs::remove_dir_all(&case.source).unwrap();
        if folder_stays {
            fs::create_dir(&staged).unwrap();
        }
        for give_up in [true, false] {
            let mut swap = Swap::begin(&case.volume, "backup-1", &options(&case)).unwrap();
            let error = match give_up {
                true => swap.give_up().unwrap_err(),
                false => swap.commit().unwrap_err(),
            };
            assert!(matches!(error, Error::Incomplete { .. }), "{error:?}");
        }
        let inside = SwapOptions {
            staged: None,
            ..options(&case)
        };
        let mut swap = Swap::begin(&case.volume, "backup-2", &inside).unwrap();
        unpack(
            case.archives.new.as_slice(),
            swap.staged(),
            &UnpackLimits::default(),
            &mut |_| {},
        )
        .unwrap();
        swap.seal().unwrap();
        swap.commit().unwrap();
        swap.finish().unwrap();
        assert!(is_new(&case));
    }
}
