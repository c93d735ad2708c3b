//! An event that finds everything as it should be writes nothing, and a steady one costs little.

use juju_sim::Event;
use system_tests::house::{SimulatedModel, UNIT};

/// Tools that change something, or that a steady event has no reason to call.
const WRITES: [&str; 16] = [
    "relation-set",
    "status-set",
    "secret-add",
    "secret-set",
    "secret-grant",
    "secret-revoke",
    "secret-remove",
    "state-set",
    "state-delete",
    "open-port",
    "close-port",
    "application-version-set",
    "juju-log",
    "storage-add",
    "action-set",
    "juju-reboot",
];

#[test]
fn a_steady_update_status_calls_seven_tools() {
    let mut house = SimulatedModel::with_backups().unwrap();
    // The first one after an event that changed something looks once more.
    house.juju.update_status(UNIT).unwrap();
    house.juju.update_status(UNIT).unwrap();
    let report = house.juju.dispatches().last().unwrap().clone();
    let called: Vec<&str> = report.tools.iter().map(|call| call.tool.as_str()).collect();
    assert_eq!(
        called,
        [
            "is-leader",
            "config-get",
            "relation-ids",
            "relation-get",
            "relation-list",
            "relation-get",
            "status-get",
        ]
    );
}

/// Juju makes a service account for each hook that reads a secret, and leaves it there with the app's label.
#[test]
fn update_status_leaves_no_account_however_often_it_comes() {
    let mut house = SimulatedModel::with_backups().unwrap();
    house.juju.update_status(UNIT).unwrap();
    let before = house.juju.service_accounts("radarr");
    // Two hours. A day of it is no other: each is like the one before.
    for _ in 0..24 {
        house.juju.update_status(UNIT).unwrap();
    }
    assert_eq!(house.juju.service_accounts("radarr"), before);
    let spec = house.seen().unwrap().schedules.remove(0).template;
    assert!(
        !spec
            .included_resources
            .iter()
            .any(|kind| kind == "serviceaccounts"),
        "a backup holds all {} accounts",
        before.len()
    );
}

#[test]
fn a_key_that_somebody_changed_is_put_right_at_the_next_update_status() {
    let mut house = SimulatedModel::with_backups().unwrap();
    house.juju.update_status(UNIT).unwrap();
    let (key, text) = (house.api_key().unwrap(), house.config_xml().unwrap());
    let drifted = text.replace(&key, "0123456789abcdef0123456789abcdef");
    assert_ne!(drifted, text);
    std::fs::write(house.config_path("config.xml"), drifted).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(house.config_xml().unwrap(), text);
    assert_eq!(house.api_key().unwrap(), key);
}

#[test]
fn an_unchanged_event_writes_nothing() {
    let mut house = SimulatedModel::with_backups().unwrap();
    let changes_before = pebble_changes(&house);
    let before = house.juju.dispatches().len();
    for event in [
        Event::ConfigChanged,
        Event::UpdateStatus,
        Event::Start,
        Event::LeaderElected,
        Event::UpgradeCharm,
    ] {
        house.juju.dispatch(UNIT, event).unwrap();
    }
    for report in &house.juju.dispatches()[before..] {
        let written: Vec<_> = report
            .tools
            .iter()
            .filter(|call| WRITES.contains(&call.tool.as_str()))
            .collect();
        assert!(written.is_empty(), "{}: {written:?}", report.path);
    }
    assert_eq!(
        pebble_changes(&house),
        changes_before,
        "Pebble was told to change something"
    );
}

/// Every change that Pebble was asked for: starting, stopping, replanning.
fn pebble_changes(house: &SimulatedModel) -> usize {
    use juju_charm::pebble::{ChangeSelect, Client, Pebble};
    let client = Client::for_socket(house.juju.pebble_socket(UNIT, "radarr"));
    client
        .changes(ChangeSelect::All, None)
        .unwrap()
        .into_iter()
        .filter(|change| !change.kind.ends_with("-check"))
        .count()
}
