//! What a run tells of itself, and an app that does not do what it is told.

use std::path::Path;
use std::time::Duration;

use config_recovery::backups::Proof;
use config_recovery::engine::{self, Beside};
use config_recovery::journal::Step;
use config_recovery::report::{Reporter, Silent};
use config_recovery::scratch::Until;
use config_recovery::{Error, Result};
use config_volume::{UnpackLimits, Unpacked};

use super::support::{Ears, KillAt, Place, Stage, run};

/// Steps that begin and end well.
fn whole(steps: &[&str]) -> Vec<String> {
    let both = |step: &&str| [format!(">{step}"), format!("<{step}")];
    steps.iter().flat_map(both).collect()
}

const TO_THE_START: [&str; 6] = ["MakeScratch", "BringBack", "Transfer", "Check", "Stop", "Swap"];

#[test]
fn each_step_is_told_when_it_begins_and_when_it_has_ended() {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    let ears = Ears::default();
    stage.carry_out(&plan, &ears).unwrap();
    let told = [&TO_THE_START[..], &["Start", "Clean"]].concat();
    assert_eq!(ears.all(), whole(&told));
    // What is beside the app goes while the rest is done.
    assert_eq!(stage.released.get(), 1);

    stage.app.sick = 1;
    let ears = Ears::default();
    stage.carry_out(&plan, &ears).unwrap_err();
    let failed = [
        ">Start",
        "starting the app did not work: cannot start the app: it is not healthy",
    ];
    let told = [
        whole(&TO_THE_START),
        failed.map(str::to_owned).to_vec(),
        whole(&["PutBack", "Restart", "Clean"]),
    ];
    assert_eq!(ears.all(), told.concat());
}

#[test]
fn a_test_restore_tells_its_steps_and_how_long_it_took() {
    let mut stage = Stage::new();
    let plan = stage.test_restore("a");
    let (place, ears) = (stage.place("a"), Ears::default());
    let checked = run(engine::verify_beside(place, &plan, &mut stage.app, &ears)).unwrap();
    assert_eq!(ears.all(), whole(&["Transfer", "Check", "Clean"]));
    assert!(checked.took > Duration::ZERO);
    assert_eq!(stage.released.get(), 1);
}

/// A place to which the bytes come for ever: a file of them is there already.
struct Endless(Place);

impl Beside for Endless {
    async fn make(&mut self, reporter: &dyn Reporter) -> Result<()> {
        self.0.make(reporter).await
    }

    async fn restore_bytes(&mut self, reporter: &dyn Reporter) -> Result<Option<Duration>> {
        self.0.restore_bytes(reporter).await
    }

    async fn unpack_into(
        &mut self,
        folder: &Path,
        _limits: &UnpackLimits,
        _reporter: &dyn Reporter,
    ) -> Result<Unpacked> {
        std::fs::write(folder.join("half"), "of it").unwrap();
        std::future::pending().await
    }

    async fn let_go(&mut self) -> Result<()> {
        self.0.let_go().await
    }

    async fn remove(&mut self, until: Until) -> Result<()> {
        assert_eq!(until, Until::Gone);
        self.0.let_go().await?;
        self.0.remove(until).await
    }

    async fn running_backup(&mut self) -> Result<Option<String>> {
        self.0.running_backup().await
    }

    async fn prove(&mut self, proof: &Proof) -> Result<()> {
        self.0.prove(proof).await
    }
}

#[test]
fn a_test_restore_whose_time_is_over_is_given_up_and_removed() {
    let mut stage = Stage::new();
    let mut plan = stage.test_restore("a");
    plan.limit = Some(Duration::from_secs(1800));
    let place = Endless(stage.place("a"));
    // Nobody waits for the half hour: the clock stands, and goes on to the next thing that is waited for.
    let given_up = async {
        tokio::time::pause();
        engine::verify_beside(place, &plan, &mut stage.app, &Silent).await
    };
    let error = run(given_up).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "waited 1800 s for the test restore of backup {}; last seen: it was under way",
            plan.backup().name
        )
    );
    assert!(!plan.folder.exists());
    assert_eq!(stage.released.get(), 1, "the place is removed");
    assert_eq!(*stage.proofs.borrow(), [], "nothing is proven");
}

#[test]
fn what_becomes_of_an_earlier_run_is_told() {
    for (next, does) in [("a", "going on with it"), ("b", "it is undone first")] {
        let mut stage = Stage::new();
        let plan = stage.plan("a", true).unwrap();
        let backup = plan.backup().name.clone();
        assert!(stage.is_killed(&plan, &KillAt(Step::Swap)));
        let plan = stage.plan(next, true).unwrap();
        let ears = Ears::default();
        let checked = stage.carry_out(&plan, &ears).unwrap();
        let says = format!("a run with backup {backup} was cut off while exchanging the content: {does}");
        assert_eq!(ears.notes(), [says]);
        let is_told = |note: &String| note.contains("was checked by the run that was cut off");
        assert_eq!(checked.notes.iter().any(is_told), next == "a", "{checked:?}");
        // What came back is told by whichever run puts it in place.
        let files = stage.files(&format!("backup-{next}"));
        let bytes: usize = files.values().map(Vec::len).sum();
        assert_eq!(
            (checked.files, checked.bytes),
            (files.len() as u64, bytes as u64),
            "{next}"
        );
    }
}

/// For one the next event of its charm has started it.
#[test]
fn an_app_that_was_started_in_between_is_stopped_before_its_content_is_exchanged() {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(Step::Swap)));
    let stops = stage.app.stops;
    stage.app.runs = true;
    stage.restore("a").unwrap();
    assert_eq!(stage.app.stops, stops + 1);
}

#[test]
fn an_app_that_cannot_be_stopped_keeps_its_content() {
    let mut stage = Stage::new();
    let before = stage.files("volume");
    stage.app.is_stuck = true;
    let plan = stage.plan("a", true).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    let Error::RolledBack { cause, running: true } = &error else {
        panic!("{error}");
    };
    assert_eq!(cause.to_string(), "cannot stop the app: it does not end");
    assert!(!ears.all().contains(&"<Stop".to_owned()), "{:?}", ears.all());
    assert!(ears.notes().contains(&cause.to_string()), "{:?}", ears.all());
    assert_eq!(stage.files("volume"), before);
    stage.assert_clean("rolled back");
}

#[test]
fn an_app_that_runs_on_the_content_of_an_earlier_run_keeps_it_when_it_cannot_be_stopped() {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(Step::Start)));
    let before = stage.files("volume");
    assert_eq!(before, stage.files("backup-a"));
    stage.app.is_stuck = true;
    let error = stage.restore("b").unwrap_err();
    assert!(matches!(error, Error::Workload { .. }), "{error}");
    assert_eq!(stage.files("volume"), before);
    // It can be tried again.
    stage.app.is_stuck = false;
    stage.restore("b").unwrap();
    stage.assert_holds("backup-b", "tried again");
}

#[test]
fn an_app_that_does_not_start_with_its_previous_content_either_is_told() {
    let mut stage = Stage::new();
    let before = stage.files("volume");
    stage.app.sick = 2;
    stage.while_removing = std::rc::Rc::new(|| Err(Error::Transfer("the namespace stays".to_owned())));
    let plan = stage.plan("a", true).unwrap();
    let ears = Ears::default();
    let error = stage.carry_out(&plan, &ears).unwrap_err();
    assert!(
        matches!(error, Error::RolledBack { running: false, .. }),
        "{error}"
    );
    for text in [
        "with its previous content: it is not healthy",
        "the namespace stays",
    ] {
        assert!(ears.heard(text), "{text}: {:?}", ears.all());
    }
    assert_eq!(stage.files("volume"), before);
    // The next run ends what this one could not.
    stage.while_removing = std::rc::Rc::new(|| Ok(()));
    stage.carry_out(&plan, &Silent).unwrap();
    stage.assert_holds("backup-a", "in the end");
}
