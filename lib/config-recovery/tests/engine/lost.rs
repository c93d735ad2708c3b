//! A restore that removes the previous content first, and what was transferred is lost.

use std::cell::Cell;
use std::fs;
use std::io;
use std::rc::Rc;

use config_recovery::Error;
use config_recovery::engine::{self, Settled};
use config_recovery::report::Silent;
use config_volume::testing::Loss;
use config_volume::{Swap, SwapState, SwapStep, SwapWatcher};

use super::support::{Stage, kill};

/// A watcher that kills at the first step that is one of this kind.
fn kill_at(kind: fn(SwapStep) -> bool) -> SwapWatcher {
    SwapWatcher::new(move |step| if kind(step) { kill() } else { Ok(()) })
}

/// Whether a step is one to be killed at, and its name.
type Kill = (fn(SwapStep) -> bool, &'static str);

/// Each state, and the middle of what is done in them.
const KILLS: [Kill; 11] = [
    (|step| step == SwapStep::State(SwapState::Staging), "staging"),
    (|step| step == SwapStep::State(SwapState::Staged), "staged"),
    (|step| step == SwapStep::Cleared, "cleared"),
    (|step| step == SwapStep::State(SwapState::Emptying), "emptying"),
    (|step| step == SwapStep::Removed, "half emptied"),
    (|step| step == SwapStep::State(SwapState::Filling), "filling"),
    (|step| matches!(step, SwapStep::Copied { .. }), "half filled"),
    (|step| step == SwapStep::State(SwapState::MovingIn), "moving in"),
    (|step| step == SwapStep::Moved, "half moved in"),
    (|step| step == SwapStep::State(SwapState::Swapped), "swapped"),
    (|step| step == SwapStep::State(SwapState::Removing), "removing"),
];

/// Killed wherever the exchange is, with each loss, the app starts or not, and then the same backup or another
/// one is restored: it always ends with that one, and in between the app never runs on half a content.
#[test]
fn every_state_is_left_by_restoring_again() {
    for (kind, at) in KILLS {
        for (loss, next) in Loss::ALL.into_iter().flat_map(|loss| [(loss, "a"), (loss, "b")]) {
            let Some(mut stage) = Stage::cramped() else { return };
            let before = stage.files("volume");
            let plan = stage.plan("a", false).unwrap();
            assert!(plan.stage_elsewhere.is_some());
            stage.watcher = kill_at(kind);
            assert!(stage.is_killed(&plan, &Silent), "{at}: there is no such step");
            stage.watcher = SwapWatcher::default();
            let what = format!("killed when {at}, {loss:?}, then {next}");
            loss.befalls(&stage.elsewhere(), "sub/list").unwrap();
            // The charm starts in between, in half of the cases.
            if next == "b" {
                let foreseen = engine::foresee(&stage.volume(), false).unwrap();
                let settled = engine::settle(&stage.volume(), false);
                match (&settled, &foreseen) {
                    (Ok(settled), Some(foreseen)) => assert_eq!(foreseen, settled, "{what}"),
                    // What is lost is seen when it is looked for.
                    (Ok(Settled::NewContent(_)) | Err(_), None) => {}
                    _ => panic!("{what}: {foreseen:?}, and {settled:?}"),
                }
                match settled {
                    Ok(Settled::OldContent(_)) => assert_eq!(stage.files("volume"), before, "{what}"),
                    Ok(Settled::NewContent(_)) => {
                        assert_eq!(stage.files("volume"), stage.files("backup-a"), "{what}");
                    }
                    Ok(Settled::Nothing) => panic!("{what}: nothing was found"),
                    Err(error) => {
                        assert!(
                            error.to_string().contains("cannot end the exchange"),
                            "{what}: {error}"
                        );
                        assert!(engine::needs_elsewhere(&stage.volume()), "{what}");
                    }
                }
            }
            stage
                .restore_without_old(next)
                .unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_eq!(
                stage.files("volume"),
                stage.files(&format!("backup-{next}")),
                "{what}"
            );
            stage.assert_clean(&what);
            assert!(stage.app.runs, "{what}");
        }
    }
}

/// The copying into the emptied volume fails, as it was seen.
fn failed_while_filling() -> Option<Stage> {
    let mut stage = Stage::cramped()?;
    stage.watcher = SwapWatcher::new(|step| match step {
        SwapStep::Copied { .. } => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    let error = stage.restore_without_old("a").unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(error.hint().unwrap().contains("restore again"));
    assert!(!stage.app.runs);
    stage.watcher = SwapWatcher::default();
    Some(stage)
}

#[test]
fn what_was_transferred_stays_while_it_is_the_only_copy() {
    let Some(mut stage) = failed_while_filling() else {
        return;
    };
    assert_eq!(super::support::files(&stage.elsewhere()), stage.files("backup-a"));
    assert!(engine::settle(&stage.volume(), false).is_err());
    assert!(engine::needs_elsewhere(&stage.volume()));
    let transfers = stage.transfers.get();
    // Whatever is asked for now: there is nothing left to keep.
    stage.restore("a").unwrap();
    assert_eq!(stage.transfers.get(), transfers, "it was transferred in vain");
    stage.assert_holds("backup-a", "second run");
    assert!(stage.app.runs);
}

#[test]
fn what_is_lost_is_transferred_again_by_the_same_run_and_the_app_stays_stopped_meanwhile() {
    let Some(mut stage) = failed_while_filling() else {
        return;
    };
    fs::remove_dir_all(stage.elsewhere()).unwrap();
    fs::create_dir_all(stage.elsewhere()).unwrap();
    let volume = stage.volume();
    let seen = Rc::new(Cell::new(false));
    let was_seen = Rc::clone(&seen);
    let transfers = stage.transfers.get();
    stage.while_copying = Rc::new(move || {
        let peek = Swap::peek(&volume).unwrap().unwrap();
        // With room found now it comes into the volume itself.
        assert!(
            peek.is_incomplete && peek.old_is_gone && !peek.is_outside,
            "{peek:?}"
        );
        was_seen.set(true);
        Ok(())
    });
    stage.restore("a").unwrap();
    assert!(seen.get() && stage.transfers.get() == transfers + 1);
    stage.assert_holds("backup-a", "transferred again");
    assert!(stage.app.runs);
}

#[test]
fn a_transfer_that_fails_again_leaves_the_app_stopped_and_the_way_open() {
    let Some(mut stage) = failed_while_filling() else {
        return;
    };
    fs::remove_dir_all(stage.elsewhere()).unwrap();
    for backup in ["a", "b", "a"] {
        stage.while_copying = Rc::new(|| Err(Error::Transfer("the stream broke off".to_owned())));
        let error = stage.restore(backup).unwrap_err();
        assert!(matches!(error, Error::Incomplete { .. }), "{error}");
        assert!(!stage.app.runs && stage.app.starts.is_empty());
        assert!(engine::settle(&stage.volume(), false).is_err());
    }
    stage.while_copying = Rc::new(|| Ok(()));
    stage.restore("b").unwrap();
    stage.assert_holds("backup-b", "in the end");
    assert!(stage.app.runs);
}

/// A plan that names the volume itself as the folder outside would empty it.
#[test]
fn a_folder_that_is_not_apart_from_the_volume_is_refused() {
    let mut stage = Stage::new();
    let before = stage.files("volume");
    let mut plan = stage.plan("a", true).unwrap();
    plan.elsewhere = stage.volume();
    let error = stage.carry_out(&plan, &Silent).unwrap_err();
    assert!(matches!(error, Error::NotApart { .. }), "{error}");
    // It is not even planned.
    let planned = super::support::run(engine::plan_restore_beside(
        &mut stage.place("a"),
        &stage.wanted("a"),
        plan.scratch,
        &stage.volume(),
        true,
        &stage.volume(),
    ));
    assert!(matches!(planned, Err(Error::NotApart { .. })), "{planned:?}");
    assert_eq!(stage.files("volume"), before);
}
