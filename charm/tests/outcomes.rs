//! What a dispatch does to the cluster, and what it says where the app does not answer or cannot be given new credentials.

use crate::common::unit::{PEERS, Unit};
use crate::common::{app, radarr};
use config_recovery::backups::BackupHealth;
use juju_charm::testing::{Event, FakePebble, PebbleState, RelationState};
use workload_charm::credentials;
use workload_charm::names::check_name;

fn related(unit: &mut Unit) {
    let relation = RelationState::new(3, "velero-backup-config", "velero-operator");
    unit.state = unit.state.clone().with_relation(relation);
}

#[test]
fn the_pod_is_marked_for_backups_once() {
    let mut unit = Unit::settled(&radarr());
    related(&mut unit);
    assert_eq!(unit.cluster.patches(), 0);
    unit.run(Event::UpdateStatus);
    assert!(!unit.cluster.seen().unwrap().annotations.is_empty());
    assert_eq!(unit.cluster.patches(), 1);
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.cluster.patches(), 1);
}

#[test]
fn an_app_that_runs_as_it_should_and_does_not_answer_is_told() {
    let mut unit = Unit::settled(&radarr());
    let check = check_name(&unit.profile);
    unit.pebble
        .change_state(|state| state.set_failing_check(&check, true));
    unit.run(Event::UpdateStatus);
    let status = unit.status();
    assert!(status.starts_with("waiting: Radarr: no answer at "), "{status}");
    unit.pebble
        .change_state(|state| state.set_failing_check(&check, false));
    unit.run(Event::UpdateStatus);
    assert!(unit.status().starts_with("active: "), "{}", unit.status());
}

#[test]
fn backups_are_looked_for_only_where_they_are_asked_for() {
    let mut unit = Unit::settled(&radarr());
    unit.cluster.trust();
    unit.recovery.standing = Some(BackupHealth::default());
    // The pod is read: an older charm may have left marks on it.
    unit.run(Event::UpgradeCharm);
    assert!(unit.cluster.asked().contains(&"pod"));
    assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
    related(&mut unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.recovery.calls.take(), ["standing", "storage_locations"]);
}

#[test]
fn nothing_is_rotated_before_there_is_a_secret_and_a_file() {
    // The container is a new one, and so is the file.
    let mut unit = Unit::settled(&radarr());
    unit.pebble = FakePebble::new(PebbleState::new());
    let before = unit.secret("api-key");
    let message = unit.rotate().unwrap_err();
    assert!(message.contains("Radarr has not settled yet"), "{message}");
    assert_eq!(unit.secret("api-key"), before);

    // The app makes its own key, which its clients will know.
    let mut unit = Unit::new(&app("overseerr"));
    for event in unit.first_events() {
        unit.run(event);
    }
    let message = unit.rotate().unwrap_err();
    assert!(message.contains("has not settled yet"), "{message}");
    assert_eq!(unit.secret("api-key"), None);
}

#[test]
fn a_leader_beside_the_unit_with_the_data_rotates_what_the_secret_holds() {
    let mut unit = Unit::new(&radarr());
    let peers = RelationState::peer(PEERS, "peers")
        .with_own_app_data([("data-unit", "radarr/1")])
        .with_remote_unit(1, [("config-volume", "data")]);
    unit.state = unit.state.clone().with_relation(peers);
    for event in unit.first_events() {
        unit.run(event);
    }
    let message = unit.rotate().unwrap_err();
    assert!(message.contains("Radarr has not settled yet"), "{message}");
    let kind = unit.profile.credentials.clone().unwrap();
    let held = credentials::Credentials::generate(&kind).unwrap().content();
    unit.state = unit
        .state
        .clone()
        .with_app_secret(credentials::label(&kind), &held);
    let before = unit.secret("api-key").unwrap();
    unit.rotate().unwrap();
    assert_ne!(unit.secret("api-key").unwrap(), before);
    assert_eq!(unit.state.own_app_data(PEERS)["rotations"], "1");
}
