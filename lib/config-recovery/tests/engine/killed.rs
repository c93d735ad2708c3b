//! A run that is killed when a step begins: what a start makes of it, and what the next run makes of it.

use std::cell::Cell;
use std::rc::Rc;

use config_recovery::engine::{self, Settled};
use config_recovery::journal::Step;
use config_recovery::report::Silent;
use config_volume::{SwapState, SwapStep, SwapWatcher};

use super::support::{KillAt, Stage, kill};

const FORWARD: [Step; 8] = [
    Step::MakeScratch,
    Step::BringBack,
    Step::Transfer,
    Step::Check,
    Step::Stop,
    Step::Swap,
    Step::Start,
    Step::Clean,
];

fn killed_at(step: Step) -> Stage {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(step)), "{step:?}");
    stage
}

/// The previous content is removed when the app was seen healthy with the new one, and not before.
#[test]
fn a_start_keeps_the_new_content_only_if_the_app_was_seen_healthy_with_it() {
    for step in FORWARD {
        for app_is_healthy in [false, true] {
            let stage = killed_at(step);
            let before = Stage::new().files("volume");
            let what = format!("{step:?}, healthy: {app_is_healthy}");
            let foreseen = engine::foresee(&stage.volume(), app_is_healthy).unwrap();
            let settled = engine::settle(&stage.volume(), app_is_healthy).unwrap();
            assert_eq!(foreseen.as_ref(), Some(&settled), "{what}");
            if step == Step::Clean || (step == Step::Start && app_is_healthy) {
                assert!(
                    matches!(settled, Settled::NewContent(Some(_))),
                    "{what}: {settled:?}"
                );
                stage.assert_holds("backup-a", &what);
            } else {
                assert!(
                    matches!(settled, Settled::OldContent(Some(_))),
                    "{what}: {settled:?}"
                );
                assert_eq!(stage.files("volume"), before, "{what}");
                stage.assert_clean(&what);
            }
            let foreseen = engine::foresee(&stage.volume(), app_is_healthy).unwrap();
            assert_eq!(foreseen, Some(Settled::Nothing), "{what}");
            let again = engine::settle(&stage.volume(), app_is_healthy).unwrap();
            assert_eq!(again, Settled::Nothing, "{what}");
        }
    }
}

#[test]
fn the_next_run_ends_right_with_either_backup() {
    for step in FORWARD {
        for next in ["a", "b"] {
            let mut stage = killed_at(step);
            let what = format!("{step:?}, then {next}");
            let transfers = stage.transfers.get();
            stage
                .restore(next)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            stage.assert_holds(&format!("backup-{next}"), &what);
            assert!(stage.app.runs, "{what}");
            // What was checked already is not transferred again.
            let goes_on = next == "a" && matches!(step, Step::Stop | Step::Swap | Step::Start);
            assert_eq!(stage.transfers.get() - transfers, u32::from(!goes_on), "{what}");
        }
    }
}

/// Whoever goes on, or undoes it, has to know the backup of what was there before.
#[test]
fn wherever_it_is_killed_the_journal_names_the_safety_backup() {
    for step in FORWARD {
        for next in ["a", "b"] {
            let mut stage = Stage::new();
            let mut plan = stage.plan("a", true).unwrap();
            plan.safety_backup = Some("before-a".to_owned());
            assert!(stage.is_killed(&plan, &KillAt(step)), "{step:?}");
            let left = engine::unfinished(&stage.volume()).unwrap().unwrap();
            assert_eq!(left.safety_backup(), Some("before-a"), "{step:?}");
            let is_whole = step < Step::Stop || step == Step::Clean;
            assert_eq!(left.is_whole(), is_whole, "{step:?}");
            // One that goes on keeps what the first has written; any other one writes its own.
            let again = stage.plan(next, true).unwrap();
            assert!(stage.is_killed(&again, &KillAt(Step::Clean)), "{step:?}");
            let goes_on = next == "a" && matches!(step, Step::Stop | Step::Swap | Step::Start);
            let left = engine::unfinished(&stage.volume()).unwrap().unwrap();
            let expected = goes_on.then_some("before-a");
            assert_eq!(left.safety_backup(), expected, "{step:?}, then {next}");
        }
    }
}

/// A run that failed is undone, and that is killed.
#[test]
fn a_kill_on_the_way_back_is_put_right() {
    for step in [Step::PutBack, Step::Restart, Step::Clean] {
        let mut stage = Stage::new();
        let before = stage.files("volume");
        stage.app.sick = 1;
        let plan = stage.plan("a", true).unwrap();
        assert!(stage.is_killed(&plan, &KillAt(step)), "{step:?}");
        let settled = engine::settle(&stage.volume(), true).unwrap();
        assert!(
            matches!(settled, Settled::OldContent(Some(_))),
            "{step:?}: {settled:?}"
        );
        assert_eq!(stage.files("volume"), before, "{step:?}");
        stage.assert_clean("settled");
    }
}

/// The new content is large, and to remove it takes a while.
#[test]
fn a_kill_while_the_new_content_is_removed_is_not_taken_for_a_restore() {
    let kinds: [fn(SwapStep) -> bool; 2] = [
        |step| step == SwapStep::State(SwapState::Removing),
        |step| step == SwapStep::JournalRemoved,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let mut stage = Stage::new();
        let before = stage.files("volume");
        stage.app.sick = 1;
        stage.watcher = SwapWatcher::new(move |step| if kind(step) { kill() } else { Ok(()) });
        let plan = stage.plan("a", true).unwrap();
        assert!(stage.is_killed(&plan, &Silent), "{number}");
        let foreseen = engine::foresee(&stage.volume(), true).unwrap();
        let settled = engine::settle(&stage.volume(), true).unwrap();
        assert!(
            matches!(settled, Settled::OldContent(_) | Settled::Nothing),
            "{number}: {settled:?}"
        );
        assert_eq!(foreseen, Some(settled), "{number}");
        assert_eq!(stage.files("volume"), before, "{number}");
        stage.assert_clean("settled");
    }
}

/// Whoever has to note it has done so before anything that tells of the run is gone.
#[test]
fn that_a_backup_came_back_is_told_before_the_run_ends_and_only_then() {
    for step in FORWARD {
        let stage = killed_at(step);
        // Killed before it begins to clean up: the journal tells it to whoever comes.
        assert_eq!(stage.app.came_back, [""; 0], "{step:?}");
        let foreseen = engine::foresee(&stage.volume(), false).unwrap();
        assert_eq!(
            matches!(foreseen, Some(Settled::NewContent(_))),
            step == Step::Clean,
            "{step:?}"
        );
    }
    // It was cut off before that, and another run goes on.
    let mut stage = killed_at(Step::Start);
    stage.restore("a").unwrap();
    assert_eq!(stage.app.came_back, ["a"]);

    let mut sick = Stage::new();
    sick.app.sick = 1;
    sick.restore("a").unwrap_err();
    assert_eq!(sick.app.came_back, [""; 0]);
}

/// Its process was killed while it removed what it had made, and somebody restores the next backup at once. The files of an app that runs are
/// not moved, and if the next backup is none, the app has what it had.
#[test]
fn content_that_the_app_was_healthy_with_is_not_rolled_back_under_it() {
    let mut stage = killed_at(Step::Clean);
    assert!(stage.app.runs);
    let (seen, volume, stops) = (Rc::new(Cell::new(false)), stage.volume(), stage.app.stops);
    let looks = Rc::clone(&seen);
    stage.while_copying = Rc::new(move || {
        looks.set(volume.join("only-backup-a").exists());
        Ok(())
    });
    std::fs::remove_file(stage.at("backup-b/config.xml")).unwrap();
    let error = stage.restore("b").unwrap_err();
    assert!(matches!(error, config_recovery::Error::Damaged { .. }), "{error}");
    assert!(seen.get(), "it was moved away");
    assert_eq!((stage.app.stops, stage.app.runs), (stops, true));
    stage.assert_holds("backup-a", "the next one failed");
}

/// An app that was stopped because of an earlier run runs again when this one fails before it comes to it.
#[test]
fn an_app_that_was_stopped_for_an_earlier_runs_sake_runs_again() {
    let mut stage = killed_at(Step::Swap);
    std::fs::remove_file(stage.at("backup-b/config.xml")).unwrap();
    let before = Stage::new().files("volume");
    let error = stage.restore("b").unwrap_err();
    assert!(matches!(error, config_recovery::Error::Damaged { .. }), "{error}");
    assert_eq!(stage.files("volume"), before);
    assert!(stage.app.runs);
}
