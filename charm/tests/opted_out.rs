//! Apps and situations without backups: a volume that nobody has to save, a database outside of it, an app that has to wait
//! for a VPN.

use std::collections::BTreeMap;

use crate::common::unit::Unit;
use crate::common::{app, radarr};
use juju_charm::testing::Event;
use serde_json::json;
use workload_charm::profile::AppProfile;
use workload_charm::{actions, options, packaging};

fn annotations(unit: &Unit) -> BTreeMap<String, String> {
    unit.cluster.seen().unwrap().annotations
}

fn opted_out(one_writer: bool) -> AppProfile {
    let mut profile = radarr();
    let storage = profile.storage.as_mut().unwrap();
    storage.backup = false;
    storage.one_writer = one_writer;
    profile
}

#[test]
fn an_app_that_opts_out_has_a_volume_and_nothing_of_backups() {
    let profile = opted_out(true);
    let metadata = packaging::metadata(&profile).unwrap();
    assert!(metadata.contains("storage: config"), "{metadata}");
    assert!(!metadata.contains("velero-backup-config"), "{metadata}");
    let of_backups = |name: &&str| name.contains("backup") || name.contains("restore");
    let options: Vec<&str> = options::common(&profile).map(|option| option.name).collect();
    assert!(!options.iter().any(of_backups), "{options:?}");
    let actions: Vec<String> = actions::declarations(&profile).map(|(name, _)| name).collect();
    assert_eq!(actions, ["rotate-api-key", "start-empty"]);

    let mut unit = Unit::settled(&profile);
    assert!(unit.runs());
    assert_eq!(unit.status(), "active: ");
    // What can be made again may go.
    std::fs::remove_dir_all(unit.volume()).unwrap();
    std::fs::create_dir(unit.volume()).unwrap();
    let ready = unit.pebble_ready();
    unit.run(ready);
    assert!(unit.runs());
    assert_eq!(unit.status(), "active: ");
}

#[test]
fn one_unit_writes_unless_the_app_says_otherwise() {
    for (one_writer, runs) in [(true, false), (false, true)] {
        let mut unit = Unit::new(&opted_out(one_writer));
        unit.state = unit.state.clone().with_leader(false);
        for event in unit.first_events() {
            if event != Event::LeaderElected {
                unit.run(event);
            }
        }
        assert_eq!(unit.runs(), runs, "one-writer {one_writer}: {}", unit.status());
    }
}

#[test]
fn with_a_database_elsewhere_backups_rest_and_come_back() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    assert_eq!(unit.request_is_paused(), Some(false));
    let marks = annotations(&unit).len();
    assert!(marks > 3, "{marks}");

    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(true));
    assert_eq!(
        unit.status(),
        "active: no backups: PostgresHost in config.xml keeps its database elsewhere"
    );
    // A backup of somebody else's runs no hook of ours.
    let hooks = annotations(&unit);
    assert!(!hooks.keys().any(|key| key.contains("hook")), "{hooks:?}");
    let refused = unit.act("backup-now", json!({})).unwrap_err();
    assert!(refused.contains("PostgresHost in config.xml"), "{refused}");
    let shown = unit.act("show-backup-spec", json!({})).unwrap();
    assert!(
        shown["problem"].as_str().unwrap().contains("PostgresHost"),
        "{shown:?}"
    );

    // Nobody knows better while the file cannot be read.
    unit.pebble.change_state(|state| state.set_reachable(false));
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(true));
    unit.pebble.change_state(|state| state.set_reachable(true));

    unit.has_database_at("");
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(false));
    assert_eq!(annotations(&unit).len(), marks);
}

#[test]
fn an_option_says_it_too() {
    let mut profile = radarr();
    let option = json!({"default": "", "description": "Host."});
    profile.options.insert(
        "postgres-host".to_owned(),
        serde_json::from_value(option).unwrap(),
    );
    profile.storage.as_mut().unwrap().external_database.options = vec!["postgres-host".to_owned()];
    let mut unit = Unit::related_to_velero(Unit::settled(&profile));
    for (host, paused) in [("db.example", true), ("", false)] {
        unit.state = unit.state.clone().with_config("postgres-host", host);
        unit.run(Event::ConfigChanged);
        assert_eq!(
            unit.request_is_paused(),
            Some(paused),
            "{host:?}: {}",
            unit.status()
        );
    }
}

#[test]
fn the_leader_follows_what_the_unit_with_the_data_says_of_its_file() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    unit.state = unit.state.clone().with_leader(false);
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    let said = unit.state.own_unit_data(crate::common::unit::PEERS);
    assert_eq!(said.get("backups").map(String::as_str), Some("paused"));
}

/// An app that shows its address, before its first event.
fn unhidden() -> Unit {
    let mut unit = Unit::new(&app("qbittorrent"));
    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    unit
}

const NO_VPN: &str = "blocked: stopped: no VPN; juju integrate qbittorrent GATEWAY, or juju config qbittorrent unsafe-mode=true";

#[test]
fn an_app_that_shows_its_address_runs_when_the_user_says_so_and_no_longer() {
    let mut unit = unhidden();
    for event in unit.first_events() {
        unit.run(event);
        assert!(!unit.runs());
    }
    assert_eq!(unit.status(), NO_VPN);
    // Nothing is in its volume that a backup could hold.
    let mut unit = Unit::related_to_velero(unit);
    assert_eq!(unit.request_is_paused(), None);

    unit.state = unit.state.clone().with_config("unsafe-mode", true);
    unit.run(Event::ConfigChanged);
    assert!(unit.runs(), "{}", unit.status());
    unit.app_fills_its_volume();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(false));

    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    unit.run(Event::ConfigChanged);
    assert!(!unit.runs());
    assert_eq!(unit.status(), NO_VPN);
    // What it holds is worth a backup all the same.
    assert_eq!(unit.request_is_paused(), Some(false));
    assert!(annotations(&unit).keys().any(|key| key.contains("pre.hook")));
}

#[test]
fn an_app_that_may_not_run_is_not_restored_into() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    unit.run(Event::ConfigChanged);
    let refused = unit
        .act("restore-from-backup", json!({"backup-uid": "latest"}))
        .unwrap_err();
    assert!(refused.contains("unsafe-mode=true"), "{refused}");
    assert_eq!(unit.recovery.calls.borrow().as_slice(), &[] as &[String]);
}
