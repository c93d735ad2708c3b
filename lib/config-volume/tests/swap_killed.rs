//! The exchange is killed (SIGKILL) after each thing that it does: each state, each move, each piece of a transfer. Whatever
//! comes next ends with one content as a whole, and nothing left over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod swap_support;

use std::{
    env,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use config_volume::{
    RESTORE_FOLDER, Recovered, Swap, SwapOptions, SwapState, SwapStep, SwapWatcher, recover_with, room,
};
use rustix::process::{Signal, getpid, kill_process};
use swap_support::{Case, assert_clean, assert_same, case, failing_once_at, forward, pack, tree_without};

const FILLER: &str = "filler";

/// How the content comes into the volume.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// By an archive, into the volume.
    Unpacked,
    /// From a folder outside, with room for both.
    Copied,
    /// From a folder outside, without room for both: the old content goes first.
    Emptied,
}

/// The options of a run. The want of room is made by a reserve, between what is free and what would be.
fn options(way: Way, volume: &Path) -> SwapOptions {
    let filler = fs::metadata(volume.join(FILLER)).map_or(0, |meta| meta.len());
    SwapOptions {
        keep_old: way != Way::Emptied,
        staged: (way != Way::Unpacked).then(|| volume.with_file_name("source")),
        reserve: match way {
            Way::Emptied if filler > 0 => room(volume).unwrap() + filler / 2,
            _ => 0,
        },
        ..SwapOptions::default()
    }
}

fn case_for(way: Way) -> Case {
    let case = case();
    if way == Way::Emptied {
        // Large enough that other programs do not fill or free as much meanwhile; it is never written or read.
        let filler = File::create(case.volume.join(FILLER)).unwrap();
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, 1 << 30).unwrap();
    }
    case
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
        "back" => back(volume, options),
        "recover" => drop(recover_with(volume, options).unwrap()),
        other => panic!("{other}"),
    }
}

/// The way back, from wherever it is, to the end.
fn back(volume: &Path, options: &SwapOptions) {
    let Some(mut swap) = Swap::open(volume, options).unwrap() else {
        return;
    };
    if swap.state() != SwapState::Removing {
        swap.roll_back().unwrap();
    }
    swap.finish().unwrap();
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

#[test]
fn killed_on_the_way_forward_and_rolled_back() {
    let states = after_each_step(
        "forward",
        Way::Unpacked,
        || case_for(Way::Unpacked),
        |case, at| {
            let options = SwapOptions::default();
            let state = Swap::open(&case.volume, &options)
                .unwrap()
                .map(|swap| swap.state());
            back(&case.volume, &options);
            match state {
                // Nothing was begun, or nothing is to be ended any more.
                None if is_old(case) => {}
                None | Some(SwapState::Removing) => case.assert_new(at),
                Some(_) => assert_old(case, Way::Unpacked, at),
            }
            assert_clean(&case.volume, at);
        },
    );
    assert!(states.len() > 30, "{states:?}");
}

/// The charm starts after a kill: the volume holds one content as a whole, whoever began the exchange can go on.
#[test]
fn killed_on_the_way_forward_and_recovered() {
    for way in [Way::Unpacked, Way::Copied, Way::Emptied] {
        after_each_step(
            "forward",
            way,
            || case_for(way),
            |case, at| {
                let options = options(way, &case.volume);
                let recovered = recover_with(&case.volume, &options).unwrap();
                match &recovered {
                    Recovered::Nothing if is_old(case) => assert_old(case, way, at),
                    Recovered::Untouched { .. } => assert_old(case, way, at),
                    _ => case.assert_new(at),
                }
                // A second start finds the same.
                let again = recover_with(&case.volume, &options).unwrap();
                match recovered {
                    Recovered::Completed { id } => assert_eq!(again, Recovered::Swapped { id }, "{at}"),
                    Recovered::Finished { .. } => assert_eq!(again, Recovered::Nothing, "{at}"),
                    other => assert_eq!(again, other, "{at}"),
                }
                operation(
                    "forward",
                    way,
                    &case.volume,
                    &self::options(way, &case.volume),
                    &mut || {},
                );
                case.assert_new(at);
                assert_clean(&case.volume, at);
            },
        );
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
            back(&case.volume, &SwapOptions::default());
            assert_old(case, Way::Unpacked, &format!("{name}: {at}"));
            assert_clean(&case.volume, at);
        });
        assert_all_in(&states, wanted);
        // The charm starts before anybody goes on: it holds either content as a whole, and the way back stays open.
        after_each_step("back", Way::Unpacked, set_up, |case, at| {
            let at = format!("{name}: {at}");
            match recover_with(&case.volume, &SwapOptions::default()).unwrap() {
                Recovered::Completed { .. } => case.assert_new(&at),
                // Killed before the first step back.
                Recovered::Swapped { .. } => assert!(case.volume.join("same").exists(), "{at}"),
                _ => assert_old(case, Way::Unpacked, &at),
            }
            back(&case.volume, &SwapOptions::default());
            assert_old(case, Way::Unpacked, &at);
            assert_clean(&case.volume, &at);
        });
    }
}

#[test]
fn killed_while_it_recovers() {
    for step in [SwapStep::Moved, SwapStep::State(SwapState::MovingIn)] {
        let states = after_each_step(
            "recover",
            Way::Unpacked,
            || stopped_at(step),
            |case, at| {
                recover_with(&case.volume, &SwapOptions::default()).unwrap();
                case.assert_new(at);
                let swap = Swap::open(&case.volume, &SwapOptions::default()).unwrap();
                swap.unwrap().finish().unwrap();
                case.assert_new(at);
                assert_clean(&case.volume, at);
            },
        );
        assert_all_in(&states, &[SwapState::MovingIn, SwapState::Swapped]);
    }
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
