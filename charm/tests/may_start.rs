//! One place decides whether the app may run, for every event and every action: no path starts it on a volume that is half,
//! empty by accident, or waits for a restore.

use std::path::Path;

use crate::common::recovery::good;
use crate::common::unit::{CONTENT, PEERS, Unit};
use crate::common::{fresh, radarr};
use config_recovery::Error;
use config_recovery::journal::{Journal, Record, Step};
use config_volume::RESTORE_FOLDER;
use juju_charm::UnitName;
use juju_charm::pebble::{Pebble, ServiceStatus};
use juju_charm::testing::{Event, RelationState};
use serde_json::json;
use workload_charm::data_unit::{Contents, DataUnit};
use workload_charm::facts::Storage;
use workload_charm::steps::prepare_volume::{Situation, judge};

fn related(unit: &mut Unit) {
    unit.state =
        unit.state
            .clone()
            .with_relation(RelationState::new(3, "velero-backup-config", "velero-operator"));
}

/// The volume as a restore leaves it that removed the previous content for want of room and then lost the new one.
fn emptied(volume: &Path) {
    remove_all(volume);
    let folder = volume.join(RESTORE_FOLDER);
    std::fs::create_dir(&folder).unwrap();
    let journal = json!({
        "format": "config-volume-swap", "version": 1, "id": "run1", "state": "filling",
        "keep_old": false, "outside": true, "emptied": true,
    });
    std::fs::write(folder.join("journal.json"), journal.to_string()).unwrap();
    let mut record = Record::new("run1", "radarr-aaaa-1", "aaaa-1", "2026-11-24T03:00:00Z");
    record.step = Step::Swap;
    Journal::begin(&folder.join("run.json"), record).unwrap();
}

fn remove_all(volume: &Path) {
    for entry in std::fs::read_dir(volume).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn assert_blocked(unit: &Unit) {
    let status = unit.status();
    assert!(
        status.starts_with("blocked: ") && status.contains("restore-from-backup"),
        "{status}"
    );
    assert!(!unit.runs(), "the app runs: {status}");
}

#[test]
fn after_a_restore_that_lost_both_contents_no_event_and_no_action_starts_the_app() {
    let mut unit = Unit::settled(&radarr());
    related(&mut unit);
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.made = Some(good("safety-1", "radarr"));
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
    }));
    unit.recovery.breaks = Some(Box::new(|volume| {
        emptied(volume);
        Error::Transfer("the new content was lost".to_owned())
    }));
    let message = unit
        .act(
            "restore-from-backup",
            json!({"backup-uid": "latest", "keep-old": false}),
        )
        .unwrap_err();
    assert!(message.contains("the new content was lost"), "{message}");
    assert_blocked(&unit);
    assert!(
        unit.rotate().unwrap_err().contains("restore-from-backup"),
        "rotation does not say what is wrong"
    );
    assert_blocked(&unit);
    let ready = unit.pebble_ready();
    for event in [Event::UpdateStatus, Event::ConfigChanged, ready] {
        unit.run(event);
        assert_blocked(&unit);
    }
    assert!(unit.act("backup-now", json!({})).is_err());
    assert_eq!(unit.recovery.calls.take().last().unwrap(), "restore");
    assert!(
        !unit.asks_for_backups(),
        "a backup of an empty volume was asked for"
    );
}

#[test]
fn a_volume_that_a_cut_off_restore_blocks_is_not_started_by_a_rotation() {
    let mut unit = Unit::settled(&radarr());
    unit.pebble.stop(&["radarr"]).unwrap();
    emptied(&unit.volume());
    unit.run(Event::ConfigChanged);
    assert_blocked(&unit);
    let key = unit.secret("api-key");
    assert!(unit.rotate().is_err());
    assert_blocked(&unit);
    assert_eq!(unit.secret("api-key"), key, "half of a rotation was done");
    // Nothing came back.
    let remembered = unit.gathered(Event::UpdateStatus).remembered;
    assert_eq!((remembered.restored, remembered.news), (None, None));
}

#[test]
fn a_restore_that_fails_does_not_end_the_wait_of_restore_on_deploy() {
    let mut unit = Unit::new(&radarr());
    unit.state = unit.state.clone().with_config("restore-on-deploy", "latest");
    related(&mut unit);
    unit.recovery.error = Some(Box::new(|| Error::NoVelero("backups.velero.io".to_owned())));
    for event in unit.first_events() {
        unit.run(event);
    }
    assert!(!unit.runs());
    let waits = unit.status();
    unit.act("restore-from-backup", json!({"backup-uid": "latest"}))
        .unwrap_err();
    assert!(!unit.runs(), "{}", unit.status());
    assert_eq!(unit.status(), waits);
    assert_eq!(unit.file(), None, "the app was started fresh");
    assert!(!unit.asks_for_backups());
}

#[test]
fn a_leader_beside_units_that_it_does_not_know_starts_nothing() {
    // Other units; what this one's status says, and whether it runs.
    type Others = &'static [(u32, Option<&'static str>)];
    let cases: [(Others, &str, bool); 5] = [
        (&[], "active: ", true),
        (&[(1, Some("empty"))], "active: ", true),
        (&[(1, None)], "waiting: waiting for radarr/1: ", false),
        (&[(1, Some("data"))], "blocked: radarr/1 has the data", false),
        (
            &[(1, Some("data")), (2, Some("data"))],
            "blocked: radarr/1, radarr/2 have data",
            false,
        ),
    ];
    for (others, status, runs) in cases {
        let mut unit = Unit::new(&radarr());
        let mut peers = RelationState::peer(PEERS, "peers");
        for (number, report) in others {
            peers = match report {
                Some(report) => peers.with_remote_unit(*number, [("config-volume", report)]),
                None => peers.with_remote_unit(*number, []),
            };
        }
        unit.state = unit.state.clone().with_relation(peers);
        related(&mut unit);
        for event in unit.first_events() {
            unit.run(event);
        }
        let found = unit.status();
        assert!(found.starts_with(status), "{others:?}: {found}");
        assert_eq!(unit.runs(), runs, "{others:?}: {found}");
        assert_eq!(unit.file().is_some(), runs, "{others:?}");
        let bound = unit.state.own_app_data(PEERS).get("data-unit").cloned();
        let expected = match others {
            [(1, Some("data"))] => Some("radarr/1".to_owned()),
            _ => runs.then(|| "radarr/0".to_owned()),
        };
        assert_eq!(bound, expected, "{others:?}");
    }
}

#[test]
fn a_unit_that_leaves_takes_back_what_a_backup_put_into_its_volume() {
    for event in [
        Event::Stop,
        Event::Remove,
        Event::StorageDetaching {
            storage: "config/0".to_owned(),
        },
    ] {
        let mut unit = Unit::settled(&radarr());
        let options = config_volume::Options::default();
        config_volume::prepare(&unit.volume(), &options).unwrap();
        assert!(unit.volume().join(config_volume::IGNORE_FILE).exists());
        unit.run(event.clone());
        let left: Vec<_> = std::fs::read_dir(unit.volume())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [CONTENT], "{event:?}");
    }
}

#[test]
fn an_app_that_runs_is_not_restarted_without_a_look_at_its_volume() {
    // A steady event reads no storage; the file differs, so the app would be stopped and started.
    let mut unit = Unit::settled(&radarr());
    emptied(&unit.volume());
    let sound = unit.file().unwrap();
    unit.put_file(sound.replace("7878", "1").as_bytes());
    unit.run(Event::UpdateStatus);
    assert_blocked(&unit);
}

#[test]
fn an_app_that_runs_is_not_restarted_on_a_volume_that_lost_its_content() {
    let mut unit = Unit::settled(&radarr());
    related(&mut unit);
    remove_all(&unit.volume());
    let calls = unit.pebble.calls().len();
    let lost = "blocked: config volume: empty, and it had content; restore-from-backup, or start-empty to give it up";
    // Another environment would restart it, and so would another config file.
    unit.state = unit.state.clone().with_config("timezone", "Europe/Berlin");
    unit.run(Event::ConfigChanged);
    assert_eq!(unit.status(), lost);
    let sound = unit.file().unwrap();
    unit.put_file(sound.replace("7878", "1").as_bytes());
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.status(), lost);
    unit.put_file(sound.as_bytes());
    unit.state = unit.state.clone().with_config("timezone", "Etc/UTC");
    unit.run(Event::ConfigChanged);
    unit.run(Event::UpdateStatus);
    assert_eq!(
        unit.status(),
        lost,
        "it was forgotten where nothing else had to be done"
    );
    assert!(unit.act("backup-now", json!({})).is_err());
    assert!(unit.rotate().is_err());
    assert_eq!(unit.pebble_writes(calls), Vec::<String>::new());
    assert!(!unit.asks_for_backups());
    // An app that is stopped is not there for nothing: a person gives the content up, and it is started anew.
    unit.act("start-empty", json!({})).unwrap();
    assert!(
        unit.runs() && unit.status().starts_with("active: "),
        "{}",
        unit.status()
    );
}

#[test]
fn what_pebble_would_start_again_by_itself_is_stopped_where_the_app_may_not_start() {
    type Spoils = fn(&Path);
    let cases: [(Spoils, &str); 2] = [
        (remove_all, "blocked: config volume: empty, and it had content"),
        (
            |volume| {
                std::fs::create_dir(volume.join(RESTORE_FOLDER)).unwrap();
                std::fs::write(volume.join(RESTORE_FOLDER).join("journal.json"), "{").unwrap();
            },
            "blocked: config volume: a restore was cut off: ",
        ),
    ];
    for (spoils, text) in cases {
        let mut unit = Unit::settled(&radarr());
        spoils(&unit.volume());
        unit.pebble
            .change_state(|state| state.set_exiting_service("radarr", 1, "no database"));
        unit.pebble.restart(&["radarr"]).unwrap();
        let service = |unit: &Unit| unit.pebble.state().service("radarr");
        assert_eq!(service(&unit), Some(ServiceStatus::Backoff));
        unit.run(Event::UpdateStatus);
        assert!(unit.status().starts_with(text), "{}", unit.status());
        assert_eq!(service(&unit), Some(ServiceStatus::Inactive), "{text}");
    }
}

#[test]
fn a_volume_that_a_restore_left_incomplete_is_not_given_up() {
    let mut unit = Unit::settled(&radarr());
    unit.pebble.stop(&["radarr"]).unwrap();
    emptied(&unit.volume());
    let message = unit.act("start-empty", json!({})).unwrap_err();
    assert!(message.contains("a restore was cut off"), "{message}");
    // Nothing of it is remembered when the rest of the restore is gone.
    remove_all(&unit.volume());
    unit.run(Event::UpdateStatus);
    assert_blocked(&unit);
}

#[test]
fn no_text_advises_to_remove_a_unit_with_data() {
    let profile = radarr();
    let unit = |number: u64| format!("radarr/{number}").parse::<UnitName>().unwrap();
    let text = |own: u64, with_data: u64, contents: Contents| {
        let mut facts = fresh(&profile);
        facts.unit = unit(own);
        facts.data = DataUnit::Elsewhere {
            unit: unit(with_data),
            is_present: true,
        };
        if let Storage::Mounted { contents: found, .. } = &mut facts.storage {
            *found = contents;
        }
        judge(&profile, &facts, Situation::Dispatch).unwrap_err().text
    };
    assert!(text(1, 0, Contents::Empty).ends_with("; for one unit: juju scale-application radarr 1"));
    let saves = |unit: &str| {
        format!("{unit} has the data, and this volume some: save it before you scale down or restore here")
    };
    assert_eq!(text(1, 0, Contents::Data), saves("radarr/0"));
    // A unit that has met only the one with the data.
    let met = "radarr/1 has the data: backup-now there, scale down, then restore-from-backup on radarr/0";
    assert_eq!(text(2, 1, Contents::Empty), met);
    assert_eq!(text(0, 1, Contents::Data), saves("radarr/1"));
}

#[test]
fn a_data_unit_that_cannot_be_is_none() {
    for (bound, expected) in [
        ("sonarr/0", "blocked: radarr/1 has the data"),
        ("radarr/-1", "blocked: radarr/1 has the data"),
        (
            "radarr/18446744073709551615",
            "blocked: radarr/18446744073709551615 is gone with the data: ",
        ),
    ] {
        let mut unit = Unit::new(&radarr());
        let peers = RelationState::peer(PEERS, "peers")
            .with_own_app_data([("data-unit", bound)])
            .with_remote_unit(1, [("config-volume", "data")]);
        unit.state = unit.state.clone().with_relation(peers);
        let ready = unit.pebble_ready();
        unit.run(ready);
        assert!(unit.status().starts_with(expected), "{bound}: {}", unit.status());
        assert!(!unit.runs());
    }
}

#[test]
fn restore_on_deploy_is_for_a_first_start_and_not_for_a_volume_that_lost_its_content() {
    for leads in [true, false] {
        let mut unit = Unit::new(&radarr());
        let peers = RelationState::peer(PEERS, "peers")
            .with_own_app_data([("data-unit", "radarr/0"), ("config-volume", "data")])
            .with_own_unit_data([("config-volume", "data")]);
        unit.state = unit
            .state
            .clone()
            .with_leader(leads)
            .with_config("restore-on-deploy", "latest")
            .with_relation(peers);
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        let ready = unit.pebble_ready();
        unit.run(ready);
        let status = unit.status();
        assert!(
            status.starts_with("blocked: config volume: empty, and it had content; "),
            "{status}"
        );
        assert!(!unit.runs());
        assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
        // What a person gives up starts as on the first day, which includes the option.
        unit.state = unit.state.clone().with_config("restore-on-deploy", "none");
        unit.act("start-empty", json!({})).unwrap();
        assert!(unit.runs(), "{}", unit.status());
        let again = unit.act("start-empty", json!({})).unwrap_err();
        assert!(again.starts_with("cannot start empty: "), "{again}");
    }
}

#[test]
fn an_app_that_is_to_start_empty_is_not_restored_instead() {
    let mut unit = Unit::settled(&radarr());
    remove_all(&unit.volume());
    unit.pebble.stop(&["radarr"]).unwrap();
    unit.state = unit.state.clone().with_config("restore-on-deploy", "latest");
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config><ApiKey>k</ApiKey></Config>").unwrap();
    }));
    unit.run(Event::ConfigChanged);
    assert_blocked(&unit);
    let refused = unit.act("start-empty", json!({})).unwrap_err();
    assert_eq!(
        refused,
        "cannot start empty: restore-on-deploy latest would restore a backup instead; \
         juju config radarr restore-on-deploy=none"
    );
    assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
    assert_blocked(&unit);
    // What it says to do works.
    unit.state = unit.state.clone().with_config("restore-on-deploy", "none");
    unit.run(Event::ConfigChanged);
    assert_eq!(unit.act("start-empty", json!({})).unwrap()["result"], "started");
    assert!(unit.runs(), "{}", unit.status());
    assert_eq!(std::fs::read_dir(unit.volume()).unwrap().count(), 0);
}
