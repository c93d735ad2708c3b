//! What a dispatch does with the config volume before the app may start, on a recovery engine that does what it was told.

use std::path::Path;

use crate::common::radarr;
use crate::common::recovery::good;
use crate::common::unit::{Unit, writes};
use config_recovery::backups::{BackupContents, BackupSummary};
use config_recovery::journal::{Journal, Record, Step};
use config_recovery::{ClusterError, Error};
use config_volume::{RESTORE_FOLDER, Swap, SwapOptions};
use jiff::SignedDuration;
use juju_charm::testing::{Event, FakeFile, RelationState};
use workload_charm::profile::User;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A Radarr before its first event, to be restored from `backup`.
fn new(backup: &str) -> Unit {
    named("radarr", backup)
}

/// The same, deployed under this name.
fn named(app: &str, backup: &str) -> Unit {
    let mut unit = Unit::named(app, &radarr());
    unit.state = unit
        .state
        .clone()
        .with_config("restore-on-deploy", backup)
        .with_relation(RelationState::new(3, "velero-backup-config", "velero-operator"));
    unit
}

/// The engine has a good backup, whose file shows in the container, as a mount does.
fn with_backup(unit: &mut Unit) {
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr"), good("bbbb-1", "sonarr")]);
    let (pebble, path) = (
        unit.pebble.clone(),
        unit.profile.config_file.as_ref().unwrap().path.clone(),
    );
    let User { uid, gid } = unit.profile.workload.user.unwrap();
    unit.recovery.content = Some(Box::new(move |folder: &Path| {
        let content = format!("<Config>\n  <ApiKey>{KEY}</ApiKey>\n</Config>\n");
        std::fs::write(folder.join("config.xml"), &content).unwrap();
        // What it holds cannot be told. One that is missing would be as after an accident.
        std::fs::write(folder.join("radarr.db"), "a database").unwrap();
        pebble.change_state(|state| {
            let file = FakeFile::new(content.as_bytes(), 0o600, uid, gid);
            *state = state.clone().with_owned_file(&path, file);
        });
    }));
}

fn start(unit: &mut Unit) {
    for event in unit.first_events() {
        unit.run(event);
    }
}

#[test]
fn the_way_on_without_a_backup_is_a_whole_command_for_the_longest_name_too() {
    let app = "a".repeat(60);
    let mut unit = named(&app, "latest");
    unit.recovery.error = Some(Box::new(|| Error::NoGoodBackup {
        app: "a".repeat(60),
        model: "homelab".to_owned(),
    }));
    start(&mut unit);
    let status = unit.status();
    assert!(status.starts_with("blocked: restore-on-deploy"), "{status}");
    assert!(
        status.ends_with(&format!("; juju config {app} restore-on-deploy=none")),
        "{status}"
    );
}

#[test]
fn an_empty_volume_is_brought_back_before_anything_is_written_and_its_key_is_kept() {
    for backup in ["latest", "aaaa-1", "radarr-aaaa-1", " latest "] {
        let mut unit = new(backup);
        std::fs::create_dir(unit.volume().join("lost+found")).unwrap();
        with_backup(&mut unit);
        let ready = unit.pebble_ready();
        unit.run(ready);
        assert_eq!(
            unit.recovery.calls.take(),
            ["plan_restore", "restore"],
            "{backup}"
        );
        assert_eq!(unit.secret("api-key").as_deref(), Some(KEY));
        assert!(unit.file().unwrap().contains(KEY));
        assert!(unit.runs() && unit.asks_for_backups());
        let status = unit.status();
        let expected = "active: the config volume comes from backup radarr-aaaa-1 of ";
        assert!(
            status.starts_with(expected) && status.ends_with(", 20 MB"),
            "{status}"
        );
        // Nobody reads a status that is gone with the next hook, also where the pod is another one.
        for loses_its_disk in [false, true] {
            if loses_its_disk {
                unit.loses_its_disk();
            }
            unit.run(Event::UpdateStatus);
            assert_eq!(unit.status(), status);
        }
        let outcome = unit.run(Event::ConfigChanged);
        assert_eq!(writes(&outcome), Vec::<String>::new());
        assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
        let listed = unit.act("list-backups", serde_json::json!({})).unwrap();
        let told = listed["restore-on-deploy"].as_str().unwrap();
        assert!(told.contains("comes from backup radarr-aaaa-1"), "{told}");
        // Whoever has read it says so by setting the option back.
        unit.state = unit.state.clone().with_config("restore-on-deploy", "none");
        unit.run(Event::ConfigChanged);
        assert!(!unit.status().contains("comes from backup"), "{}", unit.status());
        let kept = format!("{:?}", unit.state.model());
        assert!(!kept.contains("comes from backup"), "{kept}");
    }
}

#[test]
fn a_volume_that_holds_anything_is_never_touched() {
    for option in ["latest", "aaaa-1", "none", ""] {
        for name in ["config.xml", "something"] {
            let mut unit = new(option);
            with_backup(&mut unit);
            std::fs::write(unit.volume().join(name), "mine").unwrap();
            start(&mut unit);
            assert_eq!(
                unit.recovery.calls.take(),
                Vec::<String>::new(),
                "{option} {name}"
            );
            assert_eq!(std::fs::read(unit.volume().join(name)).unwrap(), b"mine");
            assert!(unit.runs());
        }
    }
    for option in ["none", ""] {
        let mut unit = new(option);
        start(&mut unit);
        assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
        assert!(unit.runs());
    }
}

#[test]
fn a_unit_that_does_not_lead_brings_nothing_back() {
    let mut unit = new("latest");
    unit.state = unit.state.clone().with_leader(false);
    let ready = unit.pebble_ready();
    unit.run(ready);
    assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
}

/// Velero makes the objects of what it finds in the object storage one after the other.
#[test]
fn the_newest_backup_is_that_of_all_and_not_of_those_that_velero_has_read_so_far() {
    let older = || {
        let newer = good("aaaa-1", "radarr");
        let a_day = SignedDuration::from_hours(24);
        BackupSummary {
            started: newer.started.map(|at| at - a_day),
            completed: newer.completed.map(|at| at - a_day),
            ..newer
        }
    };
    for (option, backups) in [
        ("latest", vec![older()]),
        ("latest", vec![]),
        // What it holds is read after it.
        (
            "latest",
            vec![BackupSummary {
                holds: BackupContents::Nothing,
                ..older()
            }],
        ),
        ("cccc-1", vec![older()]),
    ] {
        let mut unit = new(option);
        with_backup(&mut unit);
        unit.recovery.backups = Some(backups);
        unit.recovery.are_read = Some(false);
        start(&mut unit);
        assert_eq!(
            unit.status(),
            format!(
                "waiting: restore-on-deploy {option}: Velero has not read storage location default yet; retrying at update-status"
            ),
        );
        assert!(!unit.runs() && !unit.asks_for_backups());
        let calls = unit.recovery.calls.take();
        assert!(!calls.contains(&"restore".to_owned()), "{calls:?}");
        unit.recovery.are_read = Some(true);
        unit.recovery.backups = Some(vec![good("cccc-1", "radarr"), older()]);
        unit.run(Event::UpdateStatus);
        unit.assert_says("active: the config volume comes from backup radarr-cccc-1 of ");
    }
    // One that is there and named is no other when all are read.
    let mut unit = new("aaaa-1");
    with_backup(&mut unit);
    unit.recovery.are_read = Some(false);
    start(&mut unit);
    unit.assert_says("active: the config volume comes from backup radarr-aaaa-1 of ");
}

#[test]
fn without_any_backup_the_app_starts_fresh_once_that_is_certain() {
    let mut unit = new("latest");
    unit.recovery.backups = Some(vec![good("bbbb-1", "sonarr")]);
    unit.recovery.are_read = Some(false);
    start(&mut unit);
    unit.assert_says("waiting: restore-on-deploy latest: Velero has not read storage location default yet; ");
    assert!(!unit.runs() && !unit.asks_for_backups());
    unit.recovery.are_read = Some(true);
    unit.run(Event::UpdateStatus);
    assert_eq!(
        unit.status().split("; ").take(2).collect::<Vec<_>>(),
        [
            "active: restore-on-deploy latest: there is no backup of radarr in model homelab",
            "starting with an empty volume"
        ]
    );
    assert!(unit.runs() && unit.asks_for_backups());
}

#[test]
fn whatever_else_keeps_it_from_being_brought_back_keeps_the_app_from_starting() {
    type MakesError = fn() -> Error;
    let cases: [(MakesError, &str, &str); 6] = [
        (
            || ClusterError::not_allowed("list backups", "forbidden").into(),
            "blocked",
            "juju trust radarr --scope=cluster",
        ),
        (
            || ClusterError::unreachable("list backups", "connection refused").into(),
            "waiting",
            "retrying at update-status",
        ),
        (
            || Error::NoVelero("backups.velero.io".to_owned()),
            "waiting",
            "; deploy velero-operator",
        ),
        (
            || Error::NoGoodBackup {
                app: "radarr".to_owned(),
                model: "homelab".to_owned(),
            },
            "blocked",
            "juju config radarr restore-on-deploy=none",
        ),
        (
            || Error::Damaged {
                backup: "radarr-1".to_owned(),
                problems: vec!["radarr.db is not sound".to_owned()],
            },
            "blocked",
            "choose another backup: list-backups shows them",
        ),
        // There is nothing to give up, and no parameter to do it by.
        (
            || Error::NoRoom {
                place: "the volume".to_owned(),
                needed: 2,
                free: 1,
            },
            "blocked",
            "; make room or grow the volume",
        ),
    ];
    for (error, kind, next_step) in cases {
        let mut unit = new("latest");
        unit.recovery.error = Some(Box::new(error));
        start(&mut unit);
        let status = unit.status();
        assert!(
            status.starts_with(&format!("{kind}: restore-on-deploy latest: ")),
            "{status}"
        );
        assert!(status.ends_with(next_step), "{status}");
        assert!(!unit.runs() && !unit.asks_for_backups(), "{status}");
        assert!(
            unit.state.model().secrets.is_empty(),
            "a secret would win over the key in the backup"
        );
        assert_eq!(unit.file(), None);
        assert_eq!(std::fs::read_dir(unit.volume()).unwrap().count(), 0);

        // It is tried again at every event, and given up when somebody says so.
        unit.recovery.calls.take();
        let outcome = unit.run(Event::UpdateStatus);
        let asked_again = !unit.recovery.calls.take().is_empty();
        assert_eq!(unit.status(), status);
        assert_eq!(writes(&outcome), Vec::<String>::new());
        // One that is damaged stays so: it is not copied again every five minutes.
        assert_eq!(asked_again, !status.contains("damaged"));
        let mut fresh = unit;
        fresh.state = fresh.state.clone().with_config("restore-on-deploy", "none");
        fresh.run(Event::ConfigChanged);
        assert!(fresh.runs() && fresh.asks_for_backups());
        assert_eq!(fresh.recovery.calls.take(), Vec::<String>::new());
    }
    for (backup, text) in [
        ("no-such", "there is no backup \"no-such\""),
        ("bbbb-1", "backup sonarr-bbbb-1 is one of "),
    ] {
        let mut unit = new(backup);
        with_backup(&mut unit);
        start(&mut unit);
        let status = unit.status();
        assert!(
            status.starts_with("blocked: ") && status.contains(text),
            "{status}"
        );
        assert!(!unit.runs());
    }
}

/// A restore that was killed in the middle: the previous content is aside, the new one half in place.
fn cut_off(volume: &Path, step: Step, committed: bool) {
    std::fs::write(volume.join("config.xml"), "old").unwrap();
    let mut swap = Swap::begin(volume, "run1", &SwapOptions::default()).unwrap();
    std::fs::write(swap.staged().join("config.xml"), "new").unwrap();
    if committed {
        swap.seal().unwrap();
        swap.commit().unwrap();
    }
    let path = volume.join(RESTORE_FOLDER).join("run.json");
    let mut record = Record::new("run1", "radarr-aaaa-1", "aaaa-1", "2026-11-24T03:00:00Z");
    record.step = step;
    Journal::begin(&path, record).unwrap();
}

#[test]
fn a_restore_that_was_cut_off_is_put_right_before_the_app_starts() {
    let old =
        "restore of radarr-aaaa-1 was cut off; previous content restored; run restore-from-backup again";
    let new = "restore of radarr-aaaa-1 was cut off with its content in place; it stays";
    let cases = [
        (Step::Transfer, false, "old", old),
        (Step::Swap, true, "old", old),
        (Step::PutBack, true, "old", old),
        // It was never seen healthy.
        (Step::Start, true, "old", old),
        (Step::Clean, true, "new", new),
    ];
    for (step, committed, content, text) in cases {
        let mut unit = Unit::new(&radarr());
        cut_off(&unit.volume(), step, committed);
        let ready = unit.pebble_ready();
        unit.run(ready);
        let found = std::fs::read_to_string(unit.volume().join("config.xml")).unwrap();
        assert_eq!(found, content, "{step:?}");
        assert!(!unit.volume().join(RESTORE_FOLDER).exists(), "{step:?}");
        assert!(unit.runs());
        assert!(unit.status().contains(text), "{}", unit.status());
        unit.run(Event::UpdateStatus);
        assert!(unit.status().contains(text), "{}", unit.status());
        // What it held before is no measure of the backups that follow. The run that was killed could not write that down.
        let record = std::fs::read_to_string(unit.volume().with_file_name("remembered")).unwrap();
        assert_eq!(record.contains("\"restored\":"), content == "new", "{record}");
    }
}

#[test]
fn new_content_stays_after_a_cut_off_start_only_if_the_app_is_healthy_with_it() {
    let cases = [
        (Ok(()), "new"),
        (Err("non-2xx status code 500".to_owned()), "old"),
    ];
    for (answer, content) in cases {
        let mut unit = Unit::settled(&radarr());
        cut_off(&unit.volume(), Step::Start, true);
        unit.recovery.well = vec![answer.clone()].into();
        let calls = unit.pebble.calls().len();
        unit.run(Event::ConfigChanged);
        let found = std::fs::read_to_string(unit.volume().join("config.xml")).unwrap();
        assert_eq!(found, content, "{answer:?}");
        assert!(!unit.volume().join(RESTORE_FOLDER).exists());
        assert!(unit.runs());
        let is_stopped = unit
            .pebble_writes(calls)
            .iter()
            .any(|call| call.starts_with("stop "));
        assert_eq!(is_stopped, content == "old", "{answer:?}");
    }
}

#[test]
fn what_a_cut_off_run_left_beside_a_running_app_goes_at_the_next_thorough_event() {
    let mut unit = Unit::settled(&radarr());
    cut_off(&unit.volume(), Step::Transfer, false);
    let calls = unit.pebble.calls().len();
    unit.run(Event::ConfigChanged);
    assert!(!unit.volume().join(RESTORE_FOLDER).exists());
    assert_eq!(
        unit.pebble_writes(calls),
        Vec::<String>::new(),
        "the app was disturbed"
    );

    // An app that runs on half of a content is stopped first.
    cut_off(&unit.volume(), Step::Swap, true);
    unit.run(Event::ConfigChanged);
    let written = unit.pebble_writes(calls);
    assert_eq!(
        written[..2],
        ["stop_checks radarr-ready", "stop radarr"],
        "{written:?}"
    );
    assert!(unit.runs(), "{written:?}");
    assert_eq!(std::fs::read(unit.volume().join("config.xml")).unwrap(), b"old");
}

#[test]
fn new_content_that_the_app_was_started_with_stays_if_the_app_answers() {
    for (step, answers, content) in [
        (Step::Start, true, "new"),
        (Step::Start, false, "old"),
        (Step::Swap, true, "old"),
    ] {
        let mut unit = Unit::settled(&radarr());
        cut_off(&unit.volume(), step, true);
        let answer = if answers {
            Ok(())
        } else {
            Err("it answers 500".to_owned())
        };
        unit.recovery.well = vec![answer].into();
        unit.run(Event::ConfigChanged);
        let case = format!("{step:?} {answers}: {}", unit.status());
        let found = std::fs::read(unit.volume().join("config.xml")).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), content, "{case}");
        assert!(unit.runs(), "{case}");
    }
}

#[test]
fn what_was_put_right_is_remembered_though_the_backup_is_not_brought_back() {
    let kept = |unit: &Unit| format!("{:?}", unit.state.model().units["radarr/0"].state);
    type MakesError = fn() -> Error;
    let errors: [MakesError; 2] = [
        || Error::NoVelero("backups.velero.io".to_owned()),
        || Error::Damaged {
            backup: "radarr-1".to_owned(),
            problems: vec!["radarr.db is not sound".to_owned()],
        },
    ];
    for error in errors {
        let mut unit = new("latest");
        cut_off(&unit.volume(), Step::Transfer, false);
        std::fs::remove_file(unit.volume().join("config.xml")).unwrap();
        unit.recovery.error = Some(Box::new(error));
        let ready = unit.pebble_ready();
        unit.run(ready);
        assert!(!unit.runs(), "{}", unit.status());
        let status = unit.status();
        assert!(status.contains("restore-on-deploy latest: "), "{status}");
        assert!(
            kept(&unit).contains("restore of radarr-aaaa-1 was cut off"),
            "{}",
            kept(&unit)
        );
        let is_damaged = matches!(error(), Error::Damaged { .. });
        assert_eq!(
            kept(&unit).contains("is not sound"),
            is_damaged,
            "{}",
            kept(&unit)
        );
    }
}

#[test]
fn a_volume_that_cannot_be_put_right_keeps_the_app_from_starting() {
    let mut unit = Unit::new(&radarr());
    let folder = unit.volume().join(RESTORE_FOLDER);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("run.json"), "{").unwrap();
    start(&mut unit);
    let status = unit.status();
    assert!(
        status.starts_with("blocked: config volume: a restore was cut"),
        "{status}"
    );
    assert!(!unit.runs());
    std::fs::remove_dir_all(&folder).unwrap();
    unit.run(Event::UpdateStatus);
    assert!(unit.runs());
}
