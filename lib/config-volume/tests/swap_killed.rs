//! The exchange is killed (SIGKILL) after each thing that it does: each state, each move, each piece of a transfer. Whatever
//! comes next ends with one content as a whole, and nothing left over.
#![cfg(test)]

mod swap_support;

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use config_volume::{GivenUp, RESTORE_FOLDER, Swap, SwapOptions, SwapState, SwapStep, SwapWatcher};
use rustix::process::{Signal, getpid, kill_process};
use swap_support::{
    Case, FILLER, assert_clean, assert_same, case, cramped, cramped_options, failing_once_at, forward,
    given_up, pack, tree_without,
};

/// How the content comes into the volume.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// By an archive, into the volume.
    Unpacked,
    /// From a folder outside, with room for both.
    Copied,
    /// From a folder outside, without room for both: the previous content goes first.
    Emptied,
}

fn options(way: Way, volume: &Path) -> SwapOptions {
    match way {
        Way::Emptied => cramped_options(volume),
        _ => SwapOptions {
            staged: (way == Way::Copied).then(|| volume.with_file_name("source")),
            reserve: 0,
            ..SwapOptions::default()
        },
    }
}

fn case_for(way: Way) -> Case {
    if way == Way::Emptied { cramped() } else { case() }
}

fn is_old(case: &Case) -> bool {
    tree_without(&case.volume, &[RESTORE_FOLDER, FILLER]) == case.old
}

#[track_caller]
fn assert_old(case: &Case, way: Way, at: &str) {
    let is = tree_without(&case.volume, &[RESTORE_FOLDER, FILLER]);
    assert_same(&is, &case.old, at);
    assert_eq!(case.volume.join(FILLER).exists(), way == Way::Emptied, "{at}");
}

fn operation(name: &str, way: Way, volume: &Path, options: &SwapOptions, progress: &mut dyn FnMut()) {
    match name {
        "forward" => {
            let archive = match way {
                Way::Unpacked => pack(&volume.with_file_name("source"), &[]),
                _ => Vec::new(),
            };
            forward(volume, &archive, options, progress).unwrap();
        }
        "back" => drop(given_up(volume, options).unwrap()),
        other => panic!("{other}"),
    }
}

/// The body of a child process: one operation that kills itself after so many steps. It does nothing in an ordinary test run.
#[test]
fn child() {
    let Ok(name) = env::var("CONFIG_VOLUME_TEST_OPERATION") else {
        return;
    };
    let volume = PathBuf::from(env::var_os("CONFIG_VOLUME_TEST_VOLUME").unwrap());
    let wanted: usize = env::var("CONFIG_VOLUME_TEST_STEP").unwrap().parse().unwrap();
    let way = match env::var("CONFIG_VOLUME_TEST_WAY").unwrap().as_str() {
        "Unpacked" => Way::Unpacked,
        "Copied" => Way::Copied,
        _ => Way::Emptied,
    };
    let count = Arc::new(AtomicUsize::new(0));
    let step = move || {
        if count.fetch_add(1, Ordering::SeqCst) == wanted {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    };
    let at_step = step.clone();
    let options = SwapOptions {
        watcher: SwapWatcher::new(move |_| {
            at_step();
            Ok(())
        }),
        ..options(way, &volume)
    };
    operation(&name, way, &volume, &options, &mut || step());
}

/// Held by whoever starts a child, and by one alone while its volume is cramped, which starts its own: what others start would hold the room
/// of files that are removed there (`swap_support`).
static CHILDREN: RwLock<()> = RwLock::new(());

/// Runs an operation in a process that kills itself after so many steps; `false` when it ended before.
fn killed(name: &str, way: Way, volume: &Path, step: usize) -> bool {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("CONFIG_VOLUME_TEST_OPERATION", name)
        .env("CONFIG_VOLUME_TEST_VOLUME", volume)
        .env("CONFIG_VOLUME_TEST_WAY", format!("{way:?}"))
        .env("CONFIG_VOLUME_TEST_STEP", step.to_string())
        .output()
        .unwrap();
    let was_killed = output.status.signal() == Some(Signal::KILL.as_raw());
    assert!(
        was_killed || output.status.success(),
        "{name} {step}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    was_killed
}

/// Kills an operation after each of its steps, on a new volume each time, and hands on. Answers the states that were on disk
/// then.
fn after_each_step(
    name: &str,
    way: Way,
    set_up: impl Fn() -> Case,
    check: impl Fn(&Case, &str),
) -> Vec<SwapState> {
    let mut states = Vec::new();
    for step in 0.. {
        let (_alone, _one_of_many) = match way {
            Way::Emptied => (
                Some(CHILDREN.write().unwrap_or_else(PoisonError::into_inner)),
                None,
            ),
            _ => (
                None,
                Some(CHILDREN.read().unwrap_or_else(PoisonError::into_inner)),
            ),
        };
        let case = set_up();
        if !killed(name, way, &case.volume, step) {
            break;
        }
        if let Ok(text) = fs::read(case.volume.join(".config-restore/journal.json")) {
            let journal: serde_json::Value = serde_json::from_slice(&text).unwrap();
            states.push(serde_json::from_value(journal["state"].clone()).unwrap());
        }
        check(&case, &format!("{name} {way:?}, killed after step {step}"));
    }
    states
}

#[track_caller]
fn assert_all_in(states: &[SwapState], wanted: &[SwapState]) {
    for state in wanted {
        assert!(states.contains(state), "{state:?} was never killed in");
    }
}

/// A volume that is being exchanged, stopped at the first step of a kind.
fn stopped_at(step: SwapStep) -> Case {
    let case = case();
    let mut swap = case.sealed(&failing_once_at(step));
    swap.commit().unwrap_err();
    case
}

/// A volume whose content was exchanged, and on which the app ran.
fn swapped() -> Case {
    let case = case();
    let mut swap = case.sealed(&SwapOptions::default());
    swap.commit().unwrap();
    fs::write(case.volume.join("made-by-the-app"), "").unwrap();
    fs::write(case.volume.join("config.xml"), "changed by the app").unwrap();
    case
}

#[test]
fn killed_on_the_way_forward_and_run_again() {
    use SwapState::*;
    let through: [(Way, &[SwapState]); 3] = [
        (
            Way::Unpacked,
            &[Staging, Staged, MovingOut, MovingIn, Swapped, Removing],
        ),
        (
            Way::Copied,
            &[Staging, Staged, MovingOut, MovingIn, Swapped, Removing],
        ),
        (
            Way::Emptied,
            &[Staging, Staged, Emptying, Filling, MovingIn, Swapped, Removing],
        ),
    ];
    for (way, wanted) in through {
        let states = after_each_step(
            "forward",
            way,
            || case_for(way),
            |case, at| {
                operation(
                    "forward",
                    way,
                    &case.volume,
                    &options(way, &case.volume),
                    &mut || {},
                );
                case.assert_new(at);
                assert_clean(&case.volume, at);
            },
        );
        assert_all_in(&states, wanted);
    }
}

/// The charm starts after a kill, and nobody goes on: the app gets the previous content while there is one.
#[test]
fn killed_on_the_way_forward_and_given_up() {
    for way in [Way::Unpacked, Way::Copied, Way::Emptied] {
        let states = after_each_step(
            "forward",
            way,
            || case_for(way),
            |case, at| {
                let options = options(way, &case.volume);
                let swap = Swap::open(&case.volume, &options).unwrap();
                let found = swap.map(|swap| (swap.state(), swap.has_old()));
                let ended = given_up(&case.volume, &options).unwrap();
                match (found, ended) {
                    // Nothing was begun, or nothing is to be ended any more.
                    (None, None) if is_old(case) => assert_old(case, way, at),
                    (None, None) => case.assert_new(at),
                    (Some((_, true)), Some(GivenUp::Old)) => assert_old(case, way, at),
                    (Some((_, false)), Some(GivenUp::New)) => case.assert_new(at),
                    other => panic!("{at}: {other:?}"),
                }
                assert_clean(&case.volume, at);
                assert_eq!(given_up(&case.volume, &options).unwrap(), None, "{at}");
            },
        );
        assert!(states.len() > 20, "{states:?}");
    }
}

/// A name, how the volume is made, and the states that a kill must meet.
type Start = (&'static str, fn() -> Case, &'static [SwapState]);

#[test]
fn killed_on_the_way_back() {
    use SwapState::*;
    let starts: [Start; 5] = [
        (
            "staged",
            || {
                let case = case();
                drop(case.sealed(&SwapOptions::default()));
                case
            },
            &[Staged, RolledBack, Removing],
        ),
        (
            "moving out",
            || stopped_at(SwapStep::Moved),
            &[MovingOut, PuttingBack, RolledBack, Removing],
        ),
        (
            "moved out",
            || stopped_at(SwapStep::State(MovingIn)),
            &[MovingIn, TakingOut, PuttingBack, RolledBack],
        ),
        (
            "moved in",
            || stopped_at(SwapStep::State(Swapped)),
            &[Swapped, TakingOut, PuttingBack, RolledBack],
        ),
        (
            "swapped",
            swapped,
            &[Swapped, TakingOut, PuttingBack, RolledBack, Removing],
        ),
    ];
    for (name, set_up, wanted) in starts {
        let states = after_each_step("back", Way::Unpacked, set_up, |case, at| {
            let ended = given_up(&case.volume, &SwapOptions::default()).unwrap();
            assert!(
                matches!(ended, None | Some(GivenUp::Old)),
                "{name}: {at}: {ended:?}"
            );
            assert_old(case, Way::Unpacked, &format!("{name}: {at}"));
            assert_clean(&case.volume, at);
        });
        assert_all_in(&states, wanted);
    }
}

/// Where the previous content is gone, the way back is the way forward.
#[test]
fn killed_while_it_gives_up_without_the_old_content() {
    let stopped = || {
        let case = case_for(Way::Emptied);
        let options = SwapOptions {
            watcher: failing_once_at(SwapStep::State(SwapState::Filling)).watcher,
            ..options(Way::Emptied, &case.volume)
        };
        let mut swap = Swap::begin(&case.volume, "backup-1", &options).unwrap();
        swap.seal().unwrap();
        swap.commit().unwrap_err();
        case
    };
    let states = after_each_step("back", Way::Emptied, stopped, |case, at| {
        given_up(&case.volume, &options(Way::Emptied, &case.volume)).unwrap();
        case.assert_new(at);
        assert_clean(&case.volume, at);
    });
    assert_all_in(
        &states,
        &[
            SwapState::Filling,
            SwapState::MovingIn,
            SwapState::Swapped,
            SwapState::Removing,
        ],
    );
}

/// A journal that is half written counts for nothing, at each byte.
#[test]
fn killed_while_the_journal_is_written() {
    let case = case();
    drop(case.sealed(&SwapOptions::default()));
    let base = case.volume.join(RESTORE_FOLDER);
    let text = fs::read_to_string(base.join("journal.json")).unwrap();
    let next = text.replace("\"staged\"", "\"moving-out\"");
    assert_ne!(next, text);
    for length in 0..=next.len() {
        fs::write(base.join("journal.json.new"), next.get(..length).unwrap()).unwrap();
        let swap = Swap::open(&case.volume, &SwapOptions::default())
            .unwrap()
            .unwrap();
        assert_eq!(swap.state(), SwapState::Staged);
    }
    let mut swap = Swap::open(&case.volume, &SwapOptions::default())
        .unwrap()
        .unwrap();
    swap.commit().unwrap();
    swap.finish().unwrap();
    case.assert_new("finished");
    assert_clean(&case.volume, "finished");
}
