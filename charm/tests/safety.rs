//! The way back from a restore: a backup of what it is about to replace, made before anything is touched, and never taken for
//! the newest good one.

use crate::common::radarr;
use crate::common::recovery::good;
use crate::common::unit::{CONTENT, Unit};
use config_recovery::Error;
use config_recovery::backups::{BackupContents, BackupSummary};
use config_recovery::journal::{Journal, Record, Step};
use config_volume::RESTORE_FOLDER;
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, Fault};
use serde_json::{Value, json};
use velero_api::BackupPhase;

const RESTORE: &str = "restore-from-backup";
const UNDO: &str = "juju run radarr/0 restore-from-backup backup-uid=safety-1";

/// Radarr that runs, is related to velero-operator or not, and has one backup.
fn unit(is_related: bool) -> Unit {
    let mut unit = Unit::settled(&radarr());
    if is_related {
        unit = unit.related_to_velero();
    }
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.made = Some(safety());
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
    }));
    // Of the same version on both sides, so that there is nothing to say of it.
    unit.is_of_version("6.1.1");
    unit.recovery.about = [("version".to_owned(), "6.1.1".to_owned())].into();
    unit.recovery.calls.take();
    unit
}

/// The newest good backup there is after a restore of aaaa-1.
fn safety() -> BackupSummary {
    BackupSummary {
        before_restore: Some("aaaa-1".to_owned()),
        started: Some(Timestamp::now() - SignedDuration::from_mins(1)),
        ..good("safety-1", "radarr")
    }
}

fn restore(unit: &mut Unit, more: Value) -> Result<serde_json::Map<String, Value>, String> {
    let mut parameters = json!({"backup-uid": "latest"});
    parameters
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    unit.act(RESTORE, parameters)
}

/// What the notes say of safety backups.
fn notes(results: &serde_json::Map<String, Value>) -> String {
    let notes = results.get("notes").and_then(Value::as_str).unwrap_or_default();
    let lines: Vec<&str> = notes.lines().filter(|line| line.contains("safety")).collect();
    lines.join("\n")
}

fn calls(unit: &Unit) -> Vec<String> {
    unit.recovery.calls.take()
}

#[test]
fn what_a_restore_replaces_is_backed_up_and_named_before_the_app_is_stopped() {
    let mut unit = unit(true);
    unit.act("backup-now", json!({})).unwrap();
    let by_hand = unit.recovery.asked_for.take().unwrap();
    calls(&unit);
    let results = restore(&mut unit, json!({})).unwrap();
    assert_eq!(results["safety-backup"], "safety-1");
    assert_eq!(results["undo"], UNDO);
    assert_eq!(results["backup-uid"], "aaaa-1");
    assert_eq!(notes(&results), "", "{results:?}");
    let asked = calls(&unit);
    assert_eq!(asked[..4], ["plan_restore", "list", "backup_now", "restore"]);
    assert_eq!(unit.recovery.safety.take().as_deref(), Some("safety-1"));
    let line = |text: &str| {
        let mut lines = unit.logs.iter();
        lines
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text}: {:?}", unit.logs))
    };
    assert!(line("safety backup safety-1; to undo the restore: juju run ") < line("stopping the app"));

    // As backup-now makes it, but for the label, in the Velero that restores.
    let made = unit.recovery.asked_for.take().unwrap();
    assert_eq!(made.velero_namespace.as_deref(), Some("velero"));
    assert_eq!(made.spec, by_hand.spec);
    let mut labels = by_hand.labels;
    labels.insert("config-recovery/before-restore".to_owned(), "aaaa-1".to_owned());
    assert_eq!(made.labels, labels);
}

#[test]
fn the_same_command_again_means_the_same_backup_and_undo_the_safety_backup() {
    let mut unit = unit(true);
    unit.recovery.backups = Some(vec![safety(), good("aaaa-1", "radarr")]);
    for parameters in [json!({}), json!({"backup-uid": "", "at": "1 minute ago"})] {
        let results = restore(&mut unit, parameters).unwrap();
        assert_eq!(results["backup-uid"], "aaaa-1");
        // The first one is not forgotten: that run may have been cut off.
        let notes = notes(&results);
        assert!(
            notes.starts_with("an earlier restore of this backup has left safety backup safety-1 of 20"),
            "{notes}"
        );
    }
    let listed = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(listed["latest-good"], "aaaa-1");
    assert_eq!(listed["backups"]["safety-1"]["before-restore"], "aaaa-1");
    assert_eq!(listed["backups"]["aaaa-1"].get("before-restore"), None);
    let table = listed["table"].as_str().unwrap();
    let purpose = |line: usize| table.lines().nth(line).unwrap().contains("  safety  ");
    assert!(purpose(1) && !purpose(2), "{table}");
    assert_eq!(
        unit.act("verify-backup", json!({})).unwrap()["backup-uid"],
        "aaaa-1"
    );

    // The command of the results, which can be undone in turn.
    let uid = UNDO.rsplit_once('=').unwrap().1;
    unit.recovery.made = Some(good("safety-2", "radarr"));
    let results = restore(&mut unit, json!({"backup-uid": uid})).unwrap();
    assert_eq!(
        (&results["backup-uid"], &results["safety-backup"]),
        (&json!("safety-1"), &json!("safety-2"))
    );
    let made = unit.recovery.asked_for.take().unwrap();
    assert_eq!(made.labels["config-recovery/before-restore"], "safety-1");
}

type Spoil = fn(&mut Unit);

#[test]
fn where_it_cannot_be_made_nothing_is_touched_and_somebody_has_to_say_so() {
    let cases: [(Spoil, &str); 4] = [
        (
            |unit| unit.recovery.made = None,
            "cannot backup_now: the fake was not told of it; ",
        ),
        (
            |unit| {
                unit.recovery.made.as_mut().unwrap().holds = BackupContents::Nothing;
            },
            "backup radarr-safety-1 is Completed and holds no byte of the config volume; ",
        ),
        (
            |unit| {
                let made = unit.recovery.made.as_mut().unwrap();
                made.phase = Some(BackupPhase::PartiallyFailed);
                made.complaints = vec!["hooks that failed: 1".to_owned()];
            },
            "backup radarr-safety-1 is PARTIAL (PartiallyFailed): hooks that failed: 1; ",
        ),
        (
            |unit| unit.has_database_at("10.0.0.7"),
            "the database is outside of the config volume, which alone is no backup; ",
        ),
    ];
    for (spoil, reason) in cases {
        let mut unit = unit(true);
        spoil(&mut unit);
        let writes = unit.pebble.calls().len();
        let message = restore(&mut unit, json!({})).unwrap_err();
        assert!(
            message.starts_with("cannot restore: no safety backup: ") && message.contains(reason),
            "{message}"
        );
        assert!(
            message.ends_with("; nothing was changed; to restore without a way back: safety-backup=false"),
            "{message}"
        );
        assert!(!calls(&unit).contains(&"restore".to_owned()), "{reason}");
        assert_eq!(unit.pebble_writes(writes), Vec::<String>::new());
        assert!(!unit.volume().join("config.xml").exists() && unit.runs());

        let results = restore(&mut unit, json!({"safety-backup": false})).unwrap();
        assert_eq!(notes(&results), "no safety backup: safety-backup=false");
        assert_eq!((results.get("safety-backup"), results.get("undo")), (None, None));
        assert!(!calls(&unit).contains(&"backup_now".to_owned()));
    }
}

/// A restore that made its safety backup and failed then, saying so, has this result `undo`.
fn assert_undo(error: impl Fn() -> Error + 'static, says: &str, undo: &str) {
    let mut unit = unit(true);
    unit.recovery.breaks = Some(Box::new(move |_| error()));
    let outcome = unit.run(Event::Action {
        name: RESTORE.to_owned(),
        id: "1".to_owned(),
        params: json!({"backup-uid": "latest"}).as_object().unwrap().clone(),
    });
    let action = outcome.action.unwrap();
    assert!(action.failed && action.message.contains(says));
    assert_eq!(action.results["safety-backup"], "safety-1");
    assert_eq!(action.results["undo"], undo);
}

/// It is the only thing that is left of what was there.
#[test]
fn a_restore_that_fails_later_has_named_it_too() {
    let broke = || Error::Transfer("the disk broke".to_owned());
    assert_undo(broke, "the disk broke", UNDO);
}

/// Whoever did it would lose what the app has done since.
#[test]
fn after_a_backup_that_was_not_taken_no_undo_is_told() {
    let not_taken = || Error::NotTaken {
        backup: "radarr-aaaa-1".to_owned(),
        why: "it is a backup of sonarr".to_owned(),
        next: "choose another".to_owned(),
    };
    let nothing = "nothing was replaced: there is nothing to undo";
    assert_undo(not_taken, "it is a backup of sonarr", nothing);
}

#[test]
fn without_a_relation_there_is_none_unless_it_is_asked_for() {
    let mut unit = unit(false);
    let results = restore(&mut unit, json!({})).unwrap();
    let none =
        "no safety backup: there is no relation velero-backup-config; juju integrate radarr velero-operator";
    assert_eq!(notes(&results), none);
    assert_eq!(results.get("undo"), None);
    assert_eq!(unit.recovery.safety.take(), None);
    assert_eq!(calls(&unit)[..2], ["plan_restore", "restore"]);
    for dry_run in [false, true] {
        let message = restore(&mut unit, json!({"safety-backup": true, "dry-run": dry_run})).unwrap_err();
        assert!(
            message.starts_with(&format!("cannot restore: {none}; nothing was changed; ")),
            "{message}"
        );
        assert_eq!(calls(&unit)[..1], ["plan_restore"]);
    }
}

#[test]
fn a_dry_run_says_whether_there_would_be_a_way_back_and_makes_none() {
    let cases = [
        (
            true,
            json!({}),
            "1. the current content is backed up: ",
            "# First a way back: juju run radarr/0 backup-now, ",
        ),
        (
            true,
            json!({"safety-backup": false}),
            "1. no safety backup: safety-backup=false\n2. Velero restores",
            "# No safety backup: safety-backup=false.\n",
        ),
        (
            false,
            json!({}),
            "1. no safety backup: there is no relation velero-backup-config; ",
            "# No safety backup: there is no relation ",
        ),
    ];
    for (is_related, parameters, step, comment) in cases {
        let mut unit = unit(is_related);
        let mut parameters = parameters;
        parameters["dry-run"] = json!(true);
        let results = restore(&mut unit, parameters).unwrap();
        let text = |key: &str| results[key].as_str().unwrap();
        assert!(text("steps").starts_with(step), "{results:?}");
        assert!(text("commands").starts_with(comment), "{results:?}");
        assert_eq!(calls(&unit), ["plan_restore"]);
    }
    let mut unit = unit(true);
    unit.has_database_at("10.0.0.7");
    let message = restore(&mut unit, json!({"dry-run": true})).unwrap_err();
    assert!(message.contains("no safety backup: "), "{message}");
}

#[test]
fn a_volume_that_holds_nothing_yet_is_not_backed_up() {
    let mut unit = Unit::new(&radarr()).related_to_velero();
    for event in unit.first_events() {
        unit.run(event);
    }
    unit.is_of_version("6.1.1");
    unit.recovery.about = [("version".to_owned(), "6.1.1".to_owned())].into();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
    }));
    unit.recovery.calls.take();
    let results = restore(&mut unit, json!({"safety-backup": true})).unwrap();
    assert_eq!(notes(&results), "no safety backup: the config volume is empty");
    assert_eq!(calls(&unit)[..2], ["plan_restore", "restore"]);
}

/// What an earlier run has left.
fn left(unit: &Unit, step: Step, safety: Option<&str>) {
    let mut record = serde_json::to_value(Record::new(
        "run1",
        "radarr-aaaa-1",
        "aaaa-1",
        "2026-11-24T03:00:00Z",
    ))
    .unwrap();
    record["step"] = json!(step);
    if let Some(safety) = safety {
        record["safety_backup"] = json!(safety);
    }
    let record: Record = serde_json::from_value(record).unwrap();
    std::fs::create_dir_all(unit.volume().join(RESTORE_FOLDER)).unwrap();
    Journal::begin(&unit.volume().join(RESTORE_FOLDER).join("run.json"), record).unwrap();
}

/// From when the app was stopped the volume may hold anything; before, and after the end, it holds what the app goes on to change.
#[test]
fn a_run_that_goes_on_makes_no_second_one_and_names_the_first() {
    for step in Step::ALL {
        for safety in [Some("first-1"), None, Some("first\nrm -rf /")] {
            let mut unit = unit(true);
            left(&unit, step, safety);
            let is_whole = step < Step::Stop || step == Step::Clean;
            let dry = restore(&mut unit, json!({"dry-run": true})).unwrap();
            let results = restore(&mut unit, json!({})).unwrap();
            let what = format!("{step:?}, {safety:?}: {results:?}");
            let steps = dry["steps"].as_str().unwrap();
            let made = calls(&unit).contains(&"backup_now".to_owned());
            let notes = notes(&results);
            let named = results.get("safety-backup").and_then(Value::as_str);
            let expected = match (is_whole, safety) {
                (true, _) => (true, Some("safety-1"), ""),
                (false, Some("first-1")) => (
                    false,
                    Some("first-1"),
                    "the safety backup is the one of the restore that was cut off",
                ),
                (false, _) => (
                    false,
                    None,
                    "no safety backup: an earlier restore is unfinished, and may have replaced the content in part",
                ),
            };
            assert_eq!((made, named, notes.as_str()), expected, "{what}");
            assert_eq!(unit.recovery.safety.take().as_deref(), named, "{what}");
            let said = match expected {
                (true, ..) => "1. the current content is backed up",
                (_, Some(_), _) => "1. no new safety backup: that of the restore that was cut off is first-1",
                (_, None, _) => "1. no safety backup: an earlier restore is unfinished",
            };
            assert!(steps.starts_with(said), "{what}: {steps}");
            assert!(
                !dry["commands"].as_str().unwrap().contains("rm -rf /\n"),
                "{what}"
            );
        }
    }
}

/// The steps alone do not tell it: content that was lost is transferred again, from the first step on.
#[test]
fn a_volume_without_a_whole_content_is_not_backed_up() {
    let mut unit = unit(true);
    left(&unit, Step::MakeScratch, Some("first-1"));
    let exchange = json!({
        "format": "config-volume-swap", "version": 1, "id": "run1", "state": "filling",
        "keep_old": false, "outside": true, "emptied": true,
    });
    let journal = unit.volume().join(RESTORE_FOLDER).join("journal.json");
    std::fs::write(&journal, exchange.to_string()).unwrap();
    // What this engine puts beside that is no restore, so the app does not start on it.
    restore(&mut unit, json!({"safety-backup": true})).unwrap_err();
    assert_eq!(unit.recovery.safety.take().as_deref(), Some("first-1"));
    assert!(!calls(&unit).contains(&"backup_now".to_owned()));

    // And what an exchange has left without the journal of its run tells nothing.
    let mut unit = self::unit(true);
    std::fs::create_dir_all(unit.volume().join(RESTORE_FOLDER)).unwrap();
    let staging = json!({
        "format": "config-volume-swap", "version": 1, "id": "run1", "state": "staging",
        "keep_old": true, "outside": false, "emptied": false,
    });
    std::fs::write(
        unit.volume().join(RESTORE_FOLDER).join("journal.json"),
        staging.to_string(),
    )
    .unwrap();
    let results = restore(&mut unit, json!({})).unwrap();
    assert_eq!(results.get("safety-backup"), None);
    assert!(!calls(&unit).contains(&"backup_now".to_owned()));
}

/// Killed before each hook tool in turn: nothing is touched before the safety backup was named, and it is there to be found
/// afterwards.
#[test]
fn wherever_the_charm_is_killed_the_safety_backup_was_named_before_the_app_was_touched() {
    let (mut before, mut after) = (0, 0);
    for call in 1..80 {
        let mut unit = unit(true);
        let event = Event::Action {
            name: RESTORE.to_owned(),
            id: "1".to_owned(),
            params: json!({"backup-uid": "latest"}).as_object().unwrap().clone(),
        };
        let writes = unit.pebble.calls().len();
        let outcome = unit.try_run(event, Some(Fault::StopBefore { call }));
        if outcome.result.is_ok() {
            assert!(before > 0 && after > 0, "{before} {after}");
            return;
        }
        let asked = calls(&unit);
        let is_named = outcome.logs.iter().any(|line| format!("{line:?}").contains(UNDO));
        if asked.contains(&"restore".to_owned()) {
            assert!(is_named, "call {call}: {:?}", outcome.logs);
            after += 1;
        } else {
            assert_eq!(unit.pebble_writes(writes), Vec::<String>::new(), "call {call}");
            before += 1;
        }
        if asked.contains(&"backup_now".to_owned()) {
            unit.recovery.backups = Some(vec![safety(), good("aaaa-1", "radarr")]);
            unit.recovery.made = Some(good("safety-2", "radarr"));
            unit.run(Event::UpdateStatus);
            let results = restore(&mut unit, json!({})).unwrap();
            let notes = results["notes"].as_str().unwrap();
            assert!(notes.contains("safety backup safety-1"), "call {call}: {notes}");
            assert_eq!(results["backup-uid"], "aaaa-1", "call {call}");
        }
    }
    panic!("the action never ended");
}

/// The run that would have said it was killed after the app was healthy with the new content.
#[test]
fn content_that_stays_after_a_kill_comes_with_the_way_back() {
    for (safety, end) in [
        (Some("first-1"), "it stays; its safety backup: list-backups"),
        (None, "it stays"),
    ] {
        let mut unit = unit(true);
        let mut swap =
            config_volume::Swap::begin(&unit.volume(), "run1", &config_volume::SwapOptions::default())
                .unwrap();
        std::fs::write(swap.staged().join(CONTENT), "new").unwrap();
        swap.seal().unwrap();
        swap.commit().unwrap();
        drop(swap);
        left(&unit, Step::Clean, safety);
        let outcome = unit.run(Event::ConfigChanged);
        assert_eq!(std::fs::read(unit.volume().join(CONTENT)).unwrap(), b"new");
        let status = unit.status();
        assert!(status.contains(end), "{status}");
        let undo = "to undo it: juju run radarr/0 restore-from-backup backup-uid=first-1";
        let said = outcome.logs.iter().any(|line| format!("{line:?}").contains(undo));
        assert_eq!(said, safety.is_some(), "{:?}", outcome.logs);
    }
}

#[test]
fn restore_on_deploy_does_not_take_a_safety_backup_by_itself() {
    let mut unit = Unit::new(&radarr());
    unit.state = unit.state.clone().with_config("restore-on-deploy", "latest");
    unit.recovery.backups = Some(vec![safety()]);
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
    }));
    for event in unit.first_events() {
        unit.run(event);
    }
    let status = unit.status();
    assert!(
        status.starts_with("blocked: restore-on-deploy latest: only safety backups"),
        "{status}"
    );
    assert!(
        status.ends_with("name one: juju config radarr restore-on-deploy=UID"),
        "{status}"
    );
    assert!(!unit.runs());
    unit.state = unit.state.clone().with_config("restore-on-deploy", "safety-1");
    unit.run(Event::ConfigChanged);
    assert!(unit.runs(), "{}", unit.status());
}
