//! Backups of the volume that run, and what a backup says of itself.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::SystemTime;

use config_recovery::Error;
use config_recovery::backups::{BackupContents, Outcome};
use config_recovery::engine::{self, is_seen_healthy};
use config_recovery::journal::Step;
use config_recovery::report::{Reporter, Silent};
use config_volume::testing::copy_folder;
use config_volume::{Options, SwapStep, SwapWatcher, prepare};
use jiff::{SignedDuration, Timestamp};

use super::support::{KillAt, Stage, files, kill};

fn make_database(path: &std::path::Path) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch("CREATE TABLE films (name TEXT); INSERT INTO films VALUES ('one');")
        .unwrap();
}

#[test]
fn a_restore_while_a_backup_runs_is_refused_when_it_is_planned() {
    let mut stage = Stage::new();
    prepare(&stage.volume(), &Options::default()).unwrap();
    let before = files(&stage.volume());
    stage.running.replace(Some("velero/nightly".to_owned()));
    let error = stage.restore("a").unwrap_err();
    assert!(
        matches!(&error, Error::BackupRunning { backup } if backup == "velero/nightly"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("wait until it has ended"));
    assert_eq!(files(&stage.volume()), before);
    assert_eq!((stage.transfers.get(), stage.app.stops), (0, 0));

    // It has ended, and the volume never heard of that.
    stage.running.take();
    stage.restore("a").unwrap();
    stage.assert_holds("backup-a", "restored");
}

/// The run that goes on has passed its own look at the backups already; it is the plan's that counts then.
#[test]
fn copies_of_a_backup_that_has_ended_since_are_no_obstacle_to_a_run_that_goes_on() {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(Step::Swap)));
    prepare(&stage.volume(), &Options::default()).unwrap();
    stage.restore("a").unwrap();
    assert_eq!(stage.transfers.get(), 1);
    stage.assert_holds("backup-a", "gone on with");
}

/// One that does not read this volume is no obstacle.
#[test]
fn a_backup_of_something_else_is_no_obstacle() {
    let mut stage = Stage::new();
    stage.running.replace(Some("velero/nightly".to_owned()));
    stage.restore("a").unwrap();
    stage.assert_holds("backup-a", "restored");
}

#[test]
fn a_backup_that_began_during_the_transfer_does_not_have_the_app_stopped_in_vain() {
    let mut stage = Stage::new();
    stage.backup_begins_during_the_transfer();
    let error = stage.restore("a").unwrap_err();
    assert!(matches!(error, Error::BackupRunning { .. }), "{error}");
    assert_eq!((stage.transfers.get(), stage.app.stops), (1, 0));
    stage.assert_clean("refused");
    config_volume::finish(&stage.volume()).unwrap();
    assert!(
        stage
            .files("volume")
            .contains_key(std::path::Path::new("only-volume"))
    );
}

/// It is known at the last look that no backup runs, so what was prepared until then is left over.
#[test]
fn a_backup_that_began_and_ended_during_the_transfer_is_no_obstacle() {
    let mut stage = Stage::new();
    let volume = stage.volume();
    stage.while_copying = Rc::new(move || {
        prepare(&volume, &Options::default()).unwrap();
        Ok(())
    });
    stage.restore("a").unwrap();
    stage.assert_holds("backup-a", "restored");
}

#[test]
fn a_backup_of_which_no_byte_comes_back_is_damaged() {
    let mut stage = Stage::new();
    for name in ["config.xml", "sub/list", "only-backup-a"] {
        fs::write(stage.at("backup-a").join(name), "").unwrap();
    }
    match stage.restore("a").unwrap_err() {
        Error::Damaged { problems, .. } => assert_eq!(problems, ["no byte came back"]),
        other => panic!("{other}"),
    }
    assert_eq!(stage.app.stops, 0);
}

/// The folder of a backup as an uploader leaves it that stores everything: the live database beside its copy.
fn stored_wholly(stage: &Stage, torn: bool) -> SystemTime {
    let backup = stage.at("backup-a");
    make_database(&backup.join("radarr.db"));
    prepare(&backup, &Options::default()).unwrap();
    if torn {
        let mut bytes = fs::read(backup.join("radarr.db")).unwrap();
        bytes.truncate(bytes.len() / 2);
        fs::write(backup.join("radarr.db"), bytes).unwrap();
    }
    SystemTime::now()
}

#[test]
fn a_torn_live_database_gives_way_to_its_copy_and_that_is_said() {
    let mut stage = Stage::new();
    stored_wholly(&stage, true);
    let mut plan = stage.plan("a", true).unwrap();
    plan.scratch.backup.started = Some(Timestamp::now() - SignedDuration::from_secs(5));
    plan.scratch.backup.completed = Some(Timestamp::now());
    let checked = stage.carry_out(&plan, &Silent).unwrap();
    let says = |text: &str| {
        checked
            .notes
            .iter()
            .any(|note| note.starts_with("radarr.db") && note.contains(text))
    };
    assert!(says("beside the sound copy"), "{checked:?}");
    let database = rusqlite::Connection::open(stage.volume().join("radarr.db")).unwrap();
    let name: String = database
        .query_row("SELECT name FROM films", [], |row| row.get(0))
        .unwrap();
    assert_eq!(name, "one");
    assert_eq!(stage.app.promised, [true]);
}

#[test]
fn what_the_backup_says_of_itself_is_told() {
    let mut stage = Stage::new();
    let backup = stage.at("backup-a");
    make_database(&backup.join("radarr.db"));
    let options = Options {
        databases: vec!["/radarr.db".to_owned(), "/logs.db".to_owned()],
        ..Options::default()
    };
    prepare(&backup, &options).unwrap();
    let mut plan = stage.plan("a", true).unwrap();
    plan.scratch.backup.started = Some(Timestamp::now() - SignedDuration::from_secs(5));
    plan.scratch.backup.completed = Some(Timestamp::now());
    let checked = stage.carry_out(&plan, &Silent).unwrap();
    let says = |note: &String| note.starts_with("logs.db: it is missing");
    assert!(checked.notes.iter().any(says), "{checked:?}");
}

#[test]
fn a_manifest_of_an_earlier_backup_makes_this_one_damaged() {
    let mut stage = Stage::new();
    stored_wholly(&stage, false);
    let mut plan = stage.plan("a", true).unwrap();
    plan.scratch.backup.started = Some(Timestamp::now() + SignedDuration::from_hours(1));
    plan.scratch.backup.completed = Some(Timestamp::now() + SignedDuration::from_hours(2));
    let error = stage.carry_out(&plan, &Silent).unwrap_err();
    let Error::Damaged { problems, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        problems.iter().any(|problem| problem.contains("manifest")),
        "{error}"
    );
    assert_eq!(stage.app.stops, 0);
}

/// Such a backup is as good as any: who reads it has to be as new.
#[test]
fn a_backup_by_a_later_program_is_not_called_damaged_and_not_restored() {
    let mut stage = Stage::new();
    stored_wholly(&stage, false);
    let sets = stage.at("backup-a").join(".config-backup/sets");
    let set = fs::read_dir(sets).unwrap().next().unwrap().unwrap();
    let manifest = set.path().join("manifest.json");
    let mut head: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let later = config_volume::VERSION + 1;
    head["version"] = later.into();
    head["of-tomorrow"] = true.into();
    fs::write(&manifest, head.to_string()).unwrap();
    let before = stage.files("volume");
    let error = stage.restore("a").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot restore backup radarr-a: a later program made it, with a manifest of version {later}, and this one reads versions up to {}",
            config_volume::VERSION
        )
    );
    assert_eq!(
        error.hint().unwrap(),
        "go on with the program that made the backup, or a later one"
    );
    assert_eq!((stage.files("volume"), stage.app.stops), (before, 0));
    assert!(stage.proofs.borrow().is_empty(), "nobody knows whether it is");
    stage.assert_clean("refused");
}

/// A manifest names each file; without one only the bytes tell that something is missing, and that nobody can say so.
#[test]
fn without_a_manifest_as_many_bytes_have_to_come_back_as_were_stored() {
    let mut stage = Stage::new();
    let bytes: usize = stage.files("backup-a").values().map(Vec::len).sum();
    let mut restored = |stored: u64| {
        let mut plan = stage.plan("a", true).unwrap();
        if let BackupContents::Files(files) = &mut plan.scratch.backup.holds {
            files.bytes = stored;
        }
        stage.carry_out(&plan, &Silent)
    };
    let bytes = bytes as u64;
    match restored(bytes + 1).unwrap_err() {
        Error::Damaged { problems, .. } => {
            assert_eq!(problems, [format!("{bytes} of {} bytes came back", bytes + 1)]);
        }
        other => panic!("{other}"),
    }
    for stored in [bytes, bytes - 1] {
        let checked = restored(stored).unwrap();
        assert!(
            matches!(checked.notes.as_slice(), [note] if note.starts_with("the backup has no manifest: ")),
            "{checked:?}"
        );
    }
}

/// Velero counts what the uploader read, and a file that grew meanwhile counts more than what it stored.
#[test]
fn with_a_manifest_the_files_count_and_not_the_sum_of_their_bytes() {
    let mut stage = Stage::new();
    stored_wholly(&stage, false);
    let mut plan = stage.plan("a", true).unwrap();
    plan.scratch.backup.started = Some(Timestamp::now() - SignedDuration::from_secs(5));
    plan.scratch.backup.completed = Some(Timestamp::now());
    if let BackupContents::Files(files) = &mut plan.scratch.backup.holds {
        files.bytes = 1 << 30;
    }
    let checked = stage.carry_out(&plan, &Silent).unwrap();
    assert!(checked.promised);
    let says_none = |note: &String| note.contains("has no manifest");
    assert!(!checked.notes.iter().any(says_none), "{checked:?}");
}

/// Without a manifest it is the app that knows what has to be there.
#[test]
fn a_backup_without_a_manifest_and_without_the_apps_database_is_damaged() {
    let mut stage = Stage::new();
    stage.app.database = Some("radarr.db");
    let error = stage.restore("a").unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { problems, .. } if problems == &["radarr.db is missing"]),
        "{error}"
    );
    assert_eq!(
        (stage.app.promised.as_slice(), stage.app.stops),
        ([false].as_slice(), 0)
    );
    make_database(&stage.at("backup-a/radarr.db"));
    stage.restore("a").unwrap();
}

/// Hears how many bytes are checked, and kills the run when they are so many.
#[derive(Default)]
struct Checked {
    kill_at: Option<usize>,
    told: RefCell<Vec<(u64, Option<u64>)>>,
}

impl Reporter for Checked {
    fn begins(&self, _: Step) {}

    fn bytes(&self, step: Step, done: u64, total: Option<u64>) {
        if step != Step::Check {
            return;
        }
        let mut told = self.told.borrow_mut();
        told.push((done, total));
        if self.kill_at == Some(told.len()) {
            kill();
        }
    }
}

#[test]
fn the_check_tells_its_bytes_and_a_kill_in_it_leaves_the_app_alone() {
    let mut stage = Stage::new();
    stored_wholly(&stage, true);
    let before = files(&stage.volume());
    let mut plan = stage.plan("a", true).unwrap();
    plan.scratch.backup.started = Some(Timestamp::now() - SignedDuration::from_secs(5));
    plan.scratch.backup.completed = Some(Timestamp::now());
    // The copy of the database, then each file.
    for kill_at in [1, 2] {
        let killer = Checked {
            kill_at: Some(kill_at),
            ..Checked::default()
        };
        assert!(stage.is_killed(&plan, &killer));
        assert_eq!(files(&stage.volume()), before);
        assert_eq!(stage.app.stops, 0);
    }
    let ears = Checked::default();
    stage.carry_out(&plan, &ears).unwrap();
    assert_eq!(stage.transfers.get(), 3);
    let told = ears.told.take();
    assert!(told.len() >= 4, "{told:?}");
    assert!(told.is_sorted(), "{told:?}");
    let total = told[0].1.unwrap();
    assert!(
        told.iter().all(|(done, of)| *done <= total && *of == Some(total)),
        "{told:?}"
    );
    assert!(files(&stage.volume()).contains_key(std::path::Path::new("radarr.db")));
    stage.assert_clean("restored");
}

/// Nothing holds a snapshot up, and it has the whole volume, with what a restore keeps in it.
#[test]
fn a_snapshot_of_the_middle_of_a_restore_is_damaged_and_one_after_the_app_was_healthy_is_not() {
    for (step, why) in [
        (Step::Swap, None),
        (
            Step::Start,
            Some("before the app was seen healthy with a restored content"),
        ),
        (Step::Clean, None),
    ] {
        let mut stage = Stage::new();
        let plan = stage.plan("a", true).unwrap();
        assert!(stage.is_killed(&plan, &KillAt(step)));
        copy_folder(&stage.volume(), &stage.at("backup-c"), &[], &|_| true).unwrap();
        match (stage.verify("c"), why) {
            (Ok(_), None) => {}
            (Err(Error::Damaged { problems, .. }), Some(why)) => {
                assert!(
                    matches!(problems.as_slice(), [problem] if problem.contains(why)),
                    "{problems:?}"
                );
            }
            (found, _) => panic!("{step}: {found:?}"),
        }
    }
    let mut stage = Stage::new();
    stage.watcher = SwapWatcher::new(|step| match step {
        SwapStep::Moved => kill(),
        _ => Ok(()),
    });
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &Silent));
    stage.watcher = SwapWatcher::default();
    copy_folder(&stage.volume(), &stage.at("backup-c"), &[], &|_| true).unwrap();
    // By its app alone it would be a good one.
    fs::write(stage.at("backup-c/config.xml"), "<Config/>").unwrap();
    let error = stage.verify("c").unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { problems, .. } if problems[0].contains("neither content as a whole")),
        "{error}"
    );
    assert!(matches!(
        stage.proofs.borrow().last().unwrap().outcome,
        Outcome::Damaged { .. }
    ));
}

/// By the run itself, which looks at nothing else than its own steps.
#[test]
fn no_backup_is_prepared_between_the_exchange_and_the_health_check() {
    let prepared = |stage: &Stage| {
        let volume = stage.volume();
        let options = Options {
            takes_restored: is_seen_healthy(&volume),
            ..Options::default()
        };
        let is_prepared = prepare(&volume, &options).is_ok();
        if is_prepared {
            config_volume::finish(&volume).unwrap();
        }
        is_prepared
    };
    for (step, is) in [
        (Step::Check, true),
        (Step::Swap, true),
        (Step::Start, false),
        (Step::Clean, true),
    ] {
        let mut stage = Stage::new();
        let plan = stage.plan("a", true).unwrap();
        assert!(stage.is_killed(&plan, &KillAt(step)));
        assert_eq!(prepared(&stage), is, "{step}");
    }
    // The previous content is back before the app is started with it.
    let mut stage = Stage::new();
    stage.app.sick = 1;
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(Step::PutBack)));
    assert!(!prepared(&stage));
    engine::settle(&stage.volume(), false).unwrap();
    assert!(prepared(&stage));
}

#[test]
fn what_was_proven_is_written_on_the_backup_and_nothing_else_is() {
    let mut stage = Stage::new();
    let comes_back = || Outcome::ComesBack {
        contents: Some("films 3".to_owned()),
    };
    let written = |stage: &Stage| -> Vec<Outcome> {
        stage
            .proofs
            .borrow_mut()
            .drain(..)
            .map(|proof| proof.outcome)
            .collect()
    };
    let before = Timestamp::now().as_second();
    stage.restore("a").unwrap();
    assert!(stage.proofs.borrow()[0].at.as_second() >= before);
    assert_eq!(written(&stage), [comes_back()]);
    stage.verify("a").unwrap();
    assert_eq!(written(&stage), [comes_back()]);

    // The bytes are right, and this app cannot take them.
    stage.app.refuses = Some("it is of a later version");
    assert!(matches!(stage.restore("b"), Err(Error::NotTaken { .. })));
    assert_eq!(written(&stage), [comes_back()]);
    stage.app.refuses = None;

    // Nothing was proven where the bytes did not come at all.
    stage.while_copying = Rc::new(|| Err(Error::Transfer("the stream broke".to_owned())));
    stage.verify("b").unwrap_err();
    assert_eq!(written(&stage), []);
    stage.while_copying = Rc::new(|| Ok(()));

    fs::remove_file(stage.at("backup-b").join("config.xml")).unwrap();
    for error in [stage.restore("b").unwrap_err(), stage.verify("b").unwrap_err()] {
        let Error::Damaged { problems, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(problems, ["config.xml is missing"]);
        let why = "config.xml is missing".to_owned();
        let last = stage.proofs.borrow_mut().pop().unwrap();
        assert_eq!(last.outcome, Outcome::Damaged { why });
    }
}

/// A later release may have made it: what is not understood is no good backup, and `latest` passes it over.
#[test]
fn a_snapshot_with_a_restore_in_it_that_nobody_understands_is_damaged() {
    let mut stage = Stage::new();
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(&plan, &KillAt(Step::Swap)));
    let made = stage.at("backup-c");
    copy_folder(&stage.volume(), &made, &[], &|_| true).unwrap();
    let journal = made.join(".config-restore/journal.json");
    assert!(journal.is_file());
    fs::write(&journal, r#"{"version": 99}"#).unwrap();
    match stage.verify("c") {
        Err(Error::Damaged { problems, .. }) => {
            assert!(
                matches!(problems.as_slice(), [problem] if problem.contains("is not known")),
                "{problems:?}"
            );
        }
        found => panic!("{found:?}"),
    }
}
