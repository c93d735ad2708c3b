//! The charm is killed in the middle of the action restore-from-backup, and its container goes on: whatever the app did
//! since then is not taken back, and what was waited for before is still waited for. And the same of a restore by hand.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use crate::common::radarr;
use crate::common::recovery::good;
use crate::common::unit::{CONTENT, Unit};
use config_recovery::journal::{Journal, Record, Step};
use config_recovery::{ClusterError, Error};
use config_volume::{BY_HAND, RESTORE_FOLDER, Swap, SwapOptions};
use juju_charm::pebble::Pebble;
use juju_charm::testing::{Event, FakePebble, Fault, PebbleFault, PebbleState, RelationState};
use serde_json::json;

/// The volume as the engine has it at a step after the exchange.
fn exchanged(volume: &Path, old: Option<&str>, step: Step) {
    for entry in std::fs::read_dir(volume).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    if let Some(old) = old {
        std::fs::write(volume.join(CONTENT), old).unwrap();
    }
    let mut swap = Swap::begin(volume, "run1", &SwapOptions::default()).unwrap();
    std::fs::write(swap.staged().join(CONTENT), "new").unwrap();
    swap.seal().unwrap();
    swap.commit().unwrap();
    let mut record = Record::new("run1", "radarr-aaaa-1", "aaaa-1", "2026-11-24T03:00:00Z");
    record.step = step;
    Journal::begin(&volume.join(RESTORE_FOLDER).join("run.json"), record).unwrap();
}

/// Runs the action until its process is killed before hook tool `call`. Whether the app was started before that, and the
/// action was not over.
fn is_killed(unit: &mut Unit, call: usize, old: Option<&'static str>) -> bool {
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
    }));
    let (volume, is_first) = (unit.volume(), Cell::new(true));
    unit.recovery.meanwhile = Some(Box::new(move || {
        if is_first.replace(false) {
            exchanged(&volume, old, Step::Start);
        }
    }));
    unit.recovery.well = vec![Ok(())].into();
    let event = Event::Action {
        name: "restore-from-backup".to_owned(),
        id: "1".to_owned(),
        params: json!({"backup-uid": "latest"}).as_object().unwrap().clone(),
    };
    unit.try_run(event, Some(Fault::StopBefore { call }));
    unit.recovery.meanwhile = None;
    unit.volume().join(RESTORE_FOLDER).exists()
}

/// The unit after the first kill that hits the action while the app is waited for.
fn killed(begin: impl Fn() -> Unit, old: Option<&'static str>) -> Unit {
    let mut units = (1..60).filter_map(|call| {
        let mut unit = begin();
        is_killed(&mut unit, call, old).then_some(unit)
    });
    units.next().expect("no kill hit the start of the app")
}

#[test]
fn what_the_app_wrote_since_then_is_not_taken_back_in_a_new_container() {
    let mut unit = killed(|| Unit::settled(&radarr()), Some("old"));
    unit.recovery.well = vec![Ok(())].into();
    unit.run(Event::UpdateStatus);
    assert!(unit.runs(), "{}", unit.status());
    std::fs::write(unit.volume().join("weeks.db"), "weeks of work").unwrap();
    let file = unit.file().unwrap();
    unit.pebble = FakePebble::new(PebbleState::new());
    unit.put_file(file.as_bytes());
    let ready = unit.pebble_ready();
    unit.run(ready);
    assert!(unit.volume().join("weeks.db").exists(), "{}", unit.status());
    assert_eq!(std::fs::read(unit.volume().join(CONTENT)).unwrap(), b"new");
}

#[test]
fn the_next_event_puts_back_what_the_app_is_not_healthy_with() {
    let mut unit = killed(|| Unit::settled(&radarr()), Some("old"));
    unit.recovery.well = vec![Err("it answers 500".to_owned())].into();
    unit.run(Event::UpdateStatus);
    assert!(
        unit.runs() && unit.status().contains("cut off; previous content"),
        "{}",
        unit.status()
    );
    assert_eq!(std::fs::read(unit.volume().join(CONTENT)).unwrap(), b"old");
}

/// Has restores of this unit end so, with the content in place and the app healthy: what the run has left cannot be removed.
fn ends_badly(unit: &mut Unit) {
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
        std::fs::write(folder.join(CONTENT), "of the backup").unwrap();
    }));
    unit.recovery.in_the_end = Some(Box::new(|| {
        ClusterError::unreachable("remove namespace x", "timed out").into()
    }));
}

/// A smaller backup was restored, and the next ones are as small: that is no finding.
#[test]
fn a_restore_is_remembered_whatever_becomes_of_the_rest_of_its_run() {
    let mut unit = Unit::settled(&radarr());
    ends_badly(&mut unit);
    let error = unit
        .act("restore-from-backup", json!({"backup-uid": "latest"}))
        .unwrap_err();
    assert!(error.contains("remove namespace x"), "{error}");
    assert!(unit.runs(), "{}", unit.status());
    let facts = unit.gathered(Event::UpdateStatus);
    assert!(facts.remembered.restored.is_some());
    // Who reads the error alone would take it for a restore that was given up.
    assert!(
        unit.logs.iter().any(|line| line.contains("is in place")),
        "{:?}",
        unit.logs
    );
}

#[test]
fn a_restore_takes_over_whatever_becomes_of_the_rest_of_its_run() {
    let mut unit = Unit::new(&radarr()).beside_one_that_is_gone();
    for event in unit.first_events() {
        unit.run(event);
    }
    unit.assert_says("blocked: radarr/1 is gone with the data");
    ends_badly(&mut unit);
    let parameters = json!({"backup-uid": "latest", "safety-backup": false});
    unit.act("restore-from-backup", parameters).unwrap_err();
    assert!(unit.runs(), "{}", unit.status());
}

/// An action that does not end leaves no databag: nothing says yet that the data are here. What the volume holds is no reason against the same
/// command, since a backup brought it.
#[test]
fn a_takeover_that_was_killed_at_its_end_is_run_again() {
    let mut unit = Unit::new(&radarr()).beside_one_that_is_gone();
    let velero = RelationState::new(3, "velero-backup-config", "velero-operator");
    unit.state = unit.state.clone().with_relation(velero);
    for event in unit.first_events() {
        unit.run(event);
    }
    unit.assert_says("blocked: radarr/1 is gone with the data");
    std::fs::write(unit.volume().join(CONTENT), "of a backup").unwrap();
    let begin = |unit: &mut Unit| {
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        unit.recovery.content = Some(Box::new(|folder| {
            std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
            std::fs::write(folder.join(CONTENT), "of the backup").unwrap();
        }));
        unit.act("restore-from-backup", json!({"backup-uid": "latest"}))
    };
    let refused = begin(&mut unit).unwrap_err();
    assert!(refused.contains("is not the app's data"), "{refused}");
    exchanged(&unit.volume(), Some("old"), Step::Clean);
    begin(&mut unit).unwrap();
    assert!(unit.runs(), "{}", unit.status());
}

#[test]
fn restore_on_deploy_is_remembered_whatever_becomes_of_the_rest_of_its_run() {
    let mut unit = Unit::new(&radarr());
    unit.state = unit.state.clone().with_config("restore-on-deploy", "latest");
    ends_badly(&mut unit);
    for event in unit.first_events() {
        unit.run(event);
    }
    unit.run(Event::UpdateStatus);
    assert!(unit.runs(), "{}", unit.status());
    assert!(
        unit.status().contains("comes from backup radarr-aaaa-1"),
        "{}",
        unit.status()
    );
    let facts = unit.gathered(Event::UpdateStatus);
    assert!(facts.remembered.restored.is_some());
}

#[test]
fn restore_on_deploy_is_still_waited_for() {
    let no_velero = || Error::NoVelero("backups.velero.io".to_owned());
    let begin = || {
        let mut unit = Unit::new(&radarr());
        unit.state = unit.state.clone().with_config("restore-on-deploy", "latest");
        unit.recovery.error = Some(Box::new(no_velero));
        for event in unit.first_events() {
            unit.run(event);
        }
        unit.recovery.error = None;
        unit
    };
    let mut unit = killed(begin, None);
    unit.recovery.error = Some(Box::new(no_velero));
    unit.recovery.well = vec![Err("it answers 500".to_owned())].into();
    for _ in 0..2 {
        unit.run(Event::UpdateStatus);
        let status = unit.status();
        assert!(!unit.runs(), "the app was started on nothing: {status}");
        assert!(
            status.starts_with("waiting: restore-on-deploy latest: "),
            "{status}"
        );
    }
}

/// Has the app of this unit been told to end by a charm that was killed then: it saves what it holds as it ends, and has not yet.
fn ends(unit: &mut Unit) {
    unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(PebbleFault::EndsSlowly {
        service: "radarr".to_owned(),
        path: unit.volume().join(CONTENT),
        content: "of the app that ends".to_owned(),
    });
    unit.pebble.stop(&["radarr"]).unwrap();
    assert!(!unit.runs(), "Pebble calls it inactive");
}

/// The way back, cut off while the app that was not healthy ends.
#[test]
fn what_an_app_saves_as_it_ends_is_in_the_content_that_it_had() {
    let mut unit = Unit::settled(&radarr());
    exchanged(&unit.volume(), Some("old"), Step::Start);
    let mut journal = Journal::open(&unit.volume().join(RESTORE_FOLDER).join("run.json"))
        .unwrap()
        .unwrap();
    journal.begins(Step::PutBack).unwrap();
    ends(&mut unit);
    unit.run(Event::UpdateStatus);
    assert!(unit.runs(), "{}", unit.status());
    assert_eq!(
        std::fs::read_to_string(unit.volume().join(CONTENT)).unwrap(),
        "old"
    );
}

/// A restore whose action was killed while the app ended is run again, or somebody stops the app meanwhile: what the app saves is in the
/// content that is replaced.
#[test]
fn a_restore_waits_for_the_end_of_an_app_that_somebody_else_told_to_end() {
    for is_before in [true, false] {
        let mut unit = Unit::settled(&radarr());
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(PebbleFault::EndsSlowly {
            service: "radarr".to_owned(),
            path: unit.volume().join(CONTENT),
            content: "of the app that ends".to_owned(),
        });
        let pebble = unit.pebble.clone();
        let stop = move || drop(pebble.stop(&["radarr"]).unwrap());
        if is_before {
            stop();
        }
        unit.recovery.content = Some(Box::new(move |folder| {
            if !is_before {
                stop();
            }
            std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
            std::fs::write(folder.join(CONTENT), "of the backup").unwrap();
        }));
        let volume = unit.volume();
        unit.act("restore-from-backup", json!({"backup-uid": "latest"}))
            .unwrap();
        assert!(unit.runs());
        let content = std::fs::read_to_string(volume.join(CONTENT)).unwrap();
        assert_eq!(content, "of the backup", "{is_before}");
    }
}

/// Runs the part of the commands that exchanges the content, in this pod; each `mv` after the first `moves` is the last.
fn by_hand(commands: &str, moves: u32, volume: &Path) {
    let begin = commands.find("# Stop the app.").unwrap();
    let end = commands.find("# Start the pod anew").unwrap();
    let bin = tempfile::tempdir().unwrap();
    let shim = |name: &str, script: &str| {
        test_programs::write(&bin.path().join(name), &format!("#!/bin/sh\n{script}\n")).unwrap();
    };
    shim(
        "kubectl",
        "while test \"$1\" != --; do shift; done; shift; case $1 in sh) exec \"$@\";; esac",
    );
    let count = bin.path().join("count").display().to_string();
    shim(
        "mv",
        &format!(
            "for to; do :; done; while test $# -gt 1; do\n\
             echo >> {count}; test $(wc -l < {count}) -le {moves} || {{ kill -9 $PPID; exit 1; }}\n\
             /bin/mv \"$1\" \"$to\"; shift; done"
        ),
    );
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let new = volume.join(BY_HAND).join("new");
    std::fs::create_dir_all(&new).unwrap();
    for name in [CONTENT, "config.xml"] {
        std::fs::write(new.join(name), "new").unwrap();
    }
    let script = format!("set -euo pipefail\n{}", &commands[begin..end]);
    let ran = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", path)
        .status();
    assert_eq!(ran.unwrap().success(), moves >= 4);
}

#[test]
fn the_app_is_not_started_between_the_commands_of_a_restore_by_hand() {
    for moves in 0..=4 {
        let mut unit = Unit::settled(&radarr());
        std::fs::write(unit.volume().join("config.xml"), "old").unwrap();
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        let dry_run = json!({"backup-uid": "latest", "dry-run": true});
        let plan = unit.act("restore-from-backup", dry_run).unwrap();
        by_hand(plan["commands"].as_str().unwrap(), moves, &unit.volume());
        unit.pebble.stop(&["radarr"]).unwrap();
        for event in [Event::UpdateStatus, Event::ConfigChanged] {
            unit.run(event);
            let status = unit.status();
            assert_eq!(unit.runs(), moves == 4, "{moves} moves: {status}");
            let says =
                "a restore was cut off: by hand; run its commands from \"Exchange the content\" on again";
            assert_eq!(status.contains(says), moves < 4, "{status}");
        }
    }
}

/// The folder of a restore by hand has the only copy of what is not in the volume any more, and an exchange removes what was there before.
#[test]
fn a_restore_by_hand_that_was_cut_off_is_not_restored_over() {
    for moves in 0..4 {
        for parameters in [
            json!({}),
            json!({"safety-backup": false}),
            json!({"keep-old": false}),
        ] {
            let mut unit = Unit::settled(&radarr());
            std::fs::write(unit.volume().join("config.xml"), "old").unwrap();
            unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
            let dry_run = json!({"backup-uid": "latest", "dry-run": true});
            let plan = unit.act("restore-from-backup", dry_run.clone()).unwrap();
            by_hand(plan["commands"].as_str().unwrap(), moves, &unit.volume());
            unit.pebble.stop(&["radarr"]).unwrap();
            unit.recovery.calls.take();

            let mut asked = json!({"backup-uid": "latest"});
            asked
                .as_object_mut()
                .unwrap()
                .extend(parameters.as_object().unwrap().clone());
            let error = unit.act("restore-from-backup", asked).unwrap_err();
            let says = "cannot restore: a restore was cut off: by hand; run its commands from";
            assert!(error.starts_with(says), "{moves} {parameters}: {error}");
            let calls = unit.recovery.calls.take();
            let touched = ["restore", "backup_now"];
            assert!(
                !calls.iter().any(|call| touched.contains(&call.as_str())),
                "{calls:?}"
            );
            // Who has lost the commands gets them again.
            let again = unit.act("restore-from-backup", dry_run).unwrap();
            assert!(
                again["commands"]
                    .as_str()
                    .unwrap()
                    .contains("# Exchange the content")
            );
        }
    }
}

/// The third step of `docs/src/howto/from-python-charms.md`.
#[test]
fn the_app_is_not_started_between_the_commands_of_a_move_from_the_python_charms() {
    let book = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/src/howto/from-python-charms.md"
    );
    let text = std::fs::read_to_string(book).unwrap();
    let step = text.split("\n3. ").nth(1).unwrap().split("\n4. ").next().unwrap();
    let block = step.split("```sh").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<&str> = block
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert!(commands.last().unwrap().contains("delete pod"), "{commands:?}");

    let mut unit = Unit::settled(&radarr());
    let volume = unit.volume();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("old")).unwrap();
    for name in [CONTENT, "config.xml"] {
        std::fs::write(home.path().join("old").join(name), "of the old app").unwrap();
    }
    // Runs what is behind `--`, where it is no Pebble's, on this unit's volume.
    let kubectl = format!(
        "kubectl() {{ test \"$1\" = exec || return 0; while test \"$1\" != --; do shift; done; shift; \
         case $1 in /charm/bin/pebble) return 0 ;; esac; \"${{@//\\/config/{}}}\"; }}",
        volume.display()
    );
    let run = |command: &str| {
        let script = format!("set -euo pipefail\n{kubectl}\n{command}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(home.path());
        assert!(bash.status().unwrap().success(), "{command}");
    };
    run("tar -C old -cf radarr-config.tar .");
    for (number, command) in commands.iter().enumerate() {
        run(command);
        let is_last = number + 1 == commands.len();
        if number > 0 && !is_last {
            // Each may take long, and the charm looks every five minutes.
            unit.pebble.stop(&["radarr"]).unwrap();
            unit.run(Event::UpdateStatus);
            let is_whole = command.contains("rm -r /config/.restore-by-hand");
            assert_eq!(unit.runs(), is_whole, "{command}: {}", unit.status());
        }
    }
    assert_eq!(
        std::fs::read_to_string(volume.join(CONTENT)).unwrap(),
        "of the old app"
    );
    assert!(!volume.join(BY_HAND).exists());
}

/// No backup of files holds it, and the next restore by hand is refused for it.
#[test]
fn what_a_restore_by_hand_keeps_is_told_with_the_backups_until_it_is_removed() {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    let told = |unit: &mut Unit| {
        let listed = unit.act("list-backups", json!({})).unwrap();
        listed.get("kept-by-hand").cloned()
    };
    let folder = unit.volume().join(BY_HAND);
    assert_eq!(told(&mut unit), None);
    std::fs::create_dir_all(folder.join("new")).unwrap();
    assert_eq!(told(&mut unit), None);
    std::fs::create_dir(folder.join("old")).unwrap();
    // Nobody is told to remove what may be all that is left of it.
    std::fs::write(folder.join("exchanging"), "").unwrap();
    let exchanging =
        "the content is being exchanged by hand; run its commands from \"Exchange the content\" on again";
    assert_eq!(told(&mut unit), Some(json!(exchanging)));
    std::fs::remove_file(folder.join("exchanging")).unwrap();
    assert_eq!(
        told(&mut unit),
        Some(json!(format!(
            "a restore by hand keeps the previous content in {0}; when the app is healthy: juju ssh radarr/0 rm -r {0}",
            folder.display()
        )))
    );
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(told(&mut unit), None);
}
