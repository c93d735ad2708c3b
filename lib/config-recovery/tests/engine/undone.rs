//! What is left, removed and told when a run fails before it comes to the app, or cannot remove what it used.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use config_recovery::Error;
use config_recovery::engine;
use config_recovery::journal::Step;
use config_recovery::report::{Reporter, Silent};
use config_volume::{RESTORE_FOLDER, SwapState, SwapStep, SwapWatcher};

use super::support::{Ears, KillAt, Stage, files, run};

/// Looks what is in a folder when the run begins to clean up.
struct AtClean {
    folder: PathBuf,
    seen: RefCell<Vec<Vec<PathBuf>>>,
}

impl Reporter for AtClean {
    fn begins(&self, step: Step) {
        if step == Step::Clean {
            self.seen
                .borrow_mut()
                .push(files(&self.folder).into_keys().collect());
        }
    }
}

/// The volume may be nearly full, and the place in the cluster takes minutes to go.
#[test]
fn what_was_transferred_in_vain_goes_before_anything_is_waited_for() {
    let mut stage = Stage::new();
    fs::remove_file(stage.at("backup-a/config.xml")).unwrap();
    let plan = stage.plan("a", true).unwrap();
    let looks = AtClean {
        folder: stage.volume().join(RESTORE_FOLDER).join("staged"),
        seen: RefCell::default(),
    };
    let error = stage.carry_out(&plan, &looks).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(*looks.seen.borrow(), [Vec::<PathBuf>::new()]);
    stage.assert_clean("damaged");
}

/// What was sealed is given up with the exchange, and there is nothing to say about that.
#[test]
fn a_run_that_fails_after_the_check_says_why_and_nothing_else() {
    let mut stage = Stage::new();
    stage.backup_begins_during_the_transfer();
    let plan = stage.plan("a", true).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert_eq!(
        ears.notes(),
        [format!("{} did not work: {error}", Step::Check.words())]
    );
    stage.assert_clean("refused");
}

/// Sound as it is: nothing of the app was touched, and nothing of the run is left.
#[test]
fn what_the_app_cannot_take_is_refused_before_it_is_stopped() {
    let mut stage = Stage::new();
    let before = stage.files("volume");
    stage.app.refuses = Some("it is of a later version");
    let plan = stage.plan("a", true).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert!(matches!(error, Error::NotTaken { .. }), "{error}");
    assert!(error.to_string().ends_with("it is of a later version"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("refresh the app first"));
    assert_eq!((stage.app.stops, stage.app.runs), (0, true));
    assert_eq!(stage.files("volume"), before);
    stage.assert_clean("refused");
    // A damaged one is damaged first of all.
    fs::remove_file(stage.at("backup-a/config.xml")).unwrap();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn a_place_that_cannot_be_removed_is_told_and_does_not_hide_what_went_wrong() {
    let mut stage = Stage::new();
    let before = stage.files("volume");
    fs::remove_file(stage.at("backup-a/config.xml")).unwrap();
    stage.while_removing = Rc::new(|| Err(Error::Transfer("the namespace stays".to_owned())));
    let plan = stage.plan("a", true).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(ears.heard("the namespace stays"), "{:?}", ears.all());
    assert_eq!(stage.files("volume"), before);
    assert!(stage.app.runs);
}

#[test]
fn a_folder_outside_that_cannot_be_removed_is_told() {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    // A file is no folder.
    fs::create_dir_all(stage.elsewhere().parent().unwrap()).unwrap();
    fs::write(stage.elsewhere(), "somebody's").unwrap();
    let ears = Ears::default();
    stage.carry_out(&plan, &ears).unwrap();
    assert_eq!(stage.files("volume"), stage.files("backup-a"));
    let told = ears.notes();
    let begins = format!("cannot remove {}: ", stage.elsewhere().display());
    assert!(
        matches!(told.as_slice(), [note] if note.starts_with(&begins)),
        "{told:?}"
    );
    assert_eq!(fs::read(stage.elsewhere()).unwrap(), b"somebody's");
}

#[test]
fn a_test_restore_does_not_begin_in_a_folder_that_cannot_be_emptied() {
    let mut stage = Stage::new();
    let plan = stage.test_restore("a");
    fs::write(&plan.folder, "somebody's").unwrap();
    let place = stage.place("a");
    let error = run(engine::verify_beside(place, &plan, &mut stage.app, &Silent)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("cannot empty {}", plan.folder.display())),
        "{error}"
    );
    assert_eq!(stage.transfers.get(), 0);
    assert_eq!(fs::read(&plan.folder).unwrap(), b"somebody's");
}

#[test]
fn a_test_restore_says_what_could_not_be_removed_and_did_not_go_well_then() {
    let mut stage = Stage::new();
    stage.while_removing = Rc::new(|| Err(Error::Transfer("the namespace stays".to_owned())));
    let plan = stage.test_restore("a");
    let place = stage.place("a");
    let error = run(engine::verify_beside(place, &plan, &mut stage.app, &Silent)).unwrap_err();
    assert!(error.to_string().contains("the namespace stays"), "{error}");
    // What went wrong first counts, and the other is told.
    fs::remove_file(stage.at("backup-a/config.xml")).unwrap();
    let (place, ears) = (stage.place("a"), Ears::default());
    let error = run(engine::verify_beside(place, &plan, &mut stage.app, &ears)).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(ears.heard("the namespace stays"), "{:?}", ears.all());
}

/// A plan that is shown says where the content of a run that goes on is.
#[test]
fn a_plan_that_goes_on_with_content_in_the_volume_names_no_folder_outside() {
    for step in [Step::Stop, Step::Swap, Step::Start] {
        let mut stage = Stage::new();
        let plan = stage.plan("a", true).unwrap();
        assert!(stage.is_killed(&plan, &KillAt(step)), "{step:?}");
        assert_eq!(stage.plan("a", true).unwrap().stage_elsewhere, None, "{step:?}");
    }
}

/// With its previous content gone the volume has room, and yet the content waits outside.
#[test]
fn a_plan_that_goes_on_with_content_outside_names_the_folder() {
    let Some(mut stage) = Stage::cramped() else { return };
    let plan = stage.plan("a", false).unwrap();
    assert_eq!(plan.stage_elsewhere, Some(stage.elsewhere()));
    stage.watcher = SwapWatcher::new(|step| match step {
        SwapStep::State(SwapState::Filling) => super::support::kill(),
        _ => Ok(()),
    });
    assert!(stage.is_killed(&plan, &Silent));
    stage.watcher = SwapWatcher::default();
    let again = stage.plan("a", false).unwrap();
    assert_eq!(again.stage_elsewhere, Some(stage.elsewhere()));
    // Another backup has to be transferred, and there is room for it now.
    assert_eq!(stage.plan("b", false).unwrap().stage_elsewhere, None);
}

/// What was transferred and is lost in the same run would be lost again.
#[test]
fn what_is_lost_twice_is_not_transferred_by_the_same_run_without_end() {
    let Some(mut stage) = Stage::cramped() else { return };
    let elsewhere = stage.elsewhere();
    stage.watcher = SwapWatcher::new(move |step| {
        if step == SwapStep::State(SwapState::Filling) {
            fs::remove_dir_all(&elsewhere)?;
        }
        Ok(())
    });
    let error = stage.restore_without_old("a").unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert_eq!(stage.transfers.get(), 1);
    assert!(!stage.app.runs);
}

/// The run stopped the app for an earlier one's sake, and has touched nothing.
#[test]
fn an_app_whose_lost_content_cannot_be_transferred_again_has_its_previous_one() {
    let Some(mut stage) = Stage::cramped() else { return };
    let before = stage.files("volume");
    let plan = stage.plan("a", false).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(Step::Swap)));
    fs::remove_dir_all(stage.elsewhere()).unwrap();
    stage.while_copying = Rc::new(|| Err(Error::Transfer("the stream broke off".to_owned())));
    let plan = stage.plan("a", false).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert!(matches!(error, Error::Transfer(_)), "{error}");
    assert!(ears.heard("it is transferred again"), "{:?}", ears.all());
    assert_eq!(stage.files("volume"), before);
    stage.assert_clean("given up");
    assert!(stage.app.runs);
}

/// Without a content nothing may run, and nothing of that may stay unsaid.
#[test]
fn what_cannot_be_done_while_the_volume_has_no_content_is_told() {
    let Some(mut stage) = Stage::cramped() else { return };
    stage.watcher = SwapWatcher::new(|step| match step {
        SwapStep::Copied { .. } => Err(std::io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    stage.while_removing = Rc::new(|| Err(Error::Transfer("the namespace stays".to_owned())));
    let plan = stage.plan("a", false).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(ears.heard("the namespace stays"), "{:?}", ears.all());
}
