//! The app runs on the unit whose volume has its data, whoever leads, and no unit starts an empty one beside it.

use std::path::PathBuf;

use juju_sim::Options;
use serde_json::{Map, Value};
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};

const OTHER: &str = "radarr/1";
const STORED: &str = "backup.velero.io/backup-volumes";

fn status(house: &SimulatedModel, unit: &str) -> String {
    let status = house.juju.status(unit).unwrap().workload;
    format!("{}: {}", status.current, status.message)
}

fn runs(house: &SimulatedModel, unit: &str) -> bool {
    use juju_charm::pebble::{Client, Pebble, ServiceStatus};
    let client = Client::for_socket(house.juju.pebble_socket(unit, "radarr"));
    let services = client.services(&["radarr"]).unwrap();
    services
        .iter()
        .any(|service| service.current == ServiceStatus::Active)
}

fn file(house: &SimulatedModel, unit: &str) -> PathBuf {
    house.juju.storage_dir(unit, "config").join("config.xml")
}

fn is_stored(house: &SimulatedModel, unit: &str) -> bool {
    let pod = house.juju.pod(unit).unwrap();
    pod["metadata"]["annotations"].get(STORED).is_some()
}

fn data_unit(house: &SimulatedModel) -> Option<String> {
    house
        .juju
        .app_bag("radarr", "peers")
        .unwrap()
        .get("data-unit")
        .cloned()
}

fn act(house: &mut SimulatedModel, unit: &str, action: &str) -> (String, String) {
    let result = house.juju.run_action(unit, action, Map::new()).unwrap();
    (result.status, result.message)
}

fn update_all(house: &mut SimulatedModel) {
    for unit in house.juju.units("radarr") {
        house.juju.update_status(&unit).unwrap();
    }
}

#[test]
fn the_app_stays_where_its_data_are_when_another_unit_leads() {
    let mut house = SimulatedModel::with_backups().unwrap();
    assert_eq!(data_unit(&house).as_deref(), Some(UNIT));
    let content = std::fs::read(file(&house, UNIT)).unwrap();
    house.juju.add_units("radarr", 1).unwrap();
    house.juju.change_leader(OTHER).unwrap();
    for churned in [None, Some(UNIT), Some(OTHER)] {
        if let Some(unit) = churned {
            house.juju.churn_pod(unit, true).unwrap();
        }
        update_all(&mut house);
        assert!(runs(&house, UNIT) && !runs(&house, OTHER), "{churned:?}");
        assert_eq!(std::fs::read(file(&house, UNIT)).unwrap(), content, "{churned:?}");
        assert!(!file(&house, OTHER).exists(), "an empty app was started");
        assert!(
            is_stored(&house, UNIT) && !is_stored(&house, OTHER),
            "{churned:?}"
        );
        assert!(
            status(&house, UNIT).starts_with("active: "),
            "{}",
            status(&house, UNIT)
        );
        assert_eq!(
            status(&house, OTHER),
            "blocked: standby: radarr/0 has the data; for one unit: juju scale-application radarr 1"
        );
        assert_eq!(data_unit(&house).as_deref(), Some(UNIT));
        assert_eq!(house.juju.schedules().len(), 1);
    }
    // That is safe advice.
    house.juju.scale("radarr", 1).unwrap();
    update_all(&mut house);
    assert!(runs(&house, UNIT));
    assert_eq!(std::fs::read(file(&house, UNIT)).unwrap(), content);
}

#[test]
fn credentials_that_the_leader_replaces_reach_the_unit_that_runs_the_app() {
    let mut house = SimulatedModel::with_radarr(Options::default()).unwrap();
    house.juju.add_units("radarr", 1).unwrap();
    house.juju.change_leader(OTHER).unwrap();
    let old = house.api_key().unwrap();
    let (state, message) = act(&mut house, UNIT, "rotate-api-key");
    assert_eq!(state, "failed");
    assert!(message.contains("run it on radarr/leader"), "{message}");
    assert_eq!(act(&mut house, OTHER, "rotate-api-key").0, "completed");
    let new = house.api_key().unwrap();
    assert_ne!(old, new);
    let text = std::fs::read_to_string(file(&house, UNIT)).unwrap();
    assert!(text.contains(&new), "{text}");
    assert!(runs(&house, UNIT));
}

/// Two units of an app whose data are on the second one: deployed by a charm without a peer relation, then refreshed.
fn data_on_the_second() -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    let deploy = house.radarr().unwrap();
    let metadata = house.charm_dir().join("metadata.yaml");
    let whole = std::fs::read_to_string(&metadata).unwrap();
    let mut without: Map<String, Value> = serde_yaml::from_str(&whole).unwrap();
    assert!(without.remove("peers").is_some());
    std::fs::write(&metadata, serde_yaml::to_string(&without).unwrap()).unwrap();
    house.juju.deploy(deploy).unwrap();
    house.juju.add_units("radarr", 1).unwrap();
    house.relate_velero().unwrap();
    let text = "<Config>\n  <ApiKey>0123456789abcdef0123456789abcdef</ApiKey>\n</Config>\n";
    std::fs::write(file(&house, OTHER), text).unwrap();
    std::fs::write(&metadata, whole).unwrap();
    house.juju.refresh("radarr", house.charm_dir()).unwrap();
    update_all(&mut house);
    house
}

#[test]
fn after_a_refresh_from_a_charm_without_peers_the_app_starts_where_data_are() {
    let house = data_on_the_second();
    assert_eq!(data_unit(&house).as_deref(), Some(OTHER));
    assert!(runs(&house, OTHER) && !runs(&house, UNIT));
    assert!(!file(&house, UNIT).exists(), "an empty app was started");
    assert!(is_stored(&house, OTHER) && !is_stored(&house, UNIT));
    let text = std::fs::read_to_string(file(&house, OTHER)).unwrap();
    assert!(
        text.contains("0123456789abcdef0123456789abcdef") && text.contains("7878"),
        "{text}"
    );
    assert_eq!(
        status(&house, UNIT),
        "blocked: radarr/1 has the data: backup-now there, scale down, then restore-from-backup on radarr/0"
    );
    let warning = "active: scaling down removes this unit's data: backup-now before, restore-from-backup on radarr/0 after";
    assert!(
        status(&house, OTHER).starts_with(warning),
        "{}",
        status(&house, OTHER)
    );
}

#[test]
fn data_that_went_with_their_unit_are_not_replaced_by_an_empty_app() {
    let mut house = data_on_the_second();
    house.juju.scale("radarr", 1).unwrap();
    update_all(&mut house);
    assert_eq!(
        status(&house, UNIT),
        "blocked: radarr/1 is gone with the data: restore-from-backup, or juju scale-application radarr 2"
    );
    assert!(!runs(&house, UNIT) && !file(&house, UNIT).exists() && !is_stored(&house, UNIT));
    let spec = house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].clone();
    assert!(spec.contains("\"paused\":true"), "{spec}");

    // Juju gives the unit a new volume: it is not the one that had the data.
    house.juju.scale("radarr", 2).unwrap();
    update_all(&mut house);
    let lost = "blocked: config volume: empty, and it had content; restore-from-backup, or start-empty to give it up";
    assert_eq!(status(&house, OTHER), lost);
    assert!(!runs(&house, OTHER) && !runs(&house, UNIT));
    house.juju.scale("radarr", 1).unwrap();

    // Only a person gives the data up.
    let (state, message) = act(&mut house, UNIT, "start-empty");
    assert_eq!(state, "completed", "{message}");
    assert!(runs(&house, UNIT), "{}", status(&house, UNIT));
    assert_eq!(data_unit(&house).as_deref(), Some(UNIT));
    update_all(&mut house);
    assert!(
        status(&house, UNIT).starts_with("active: "),
        "{}",
        status(&house, UNIT)
    );
    let spec = house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].clone();
    assert!(spec.contains("\"paused\":null"), "{spec}");
}

/// Removes everything from a unit's volume.
fn lose_content(house: &SimulatedModel, unit: &str) {
    for entry in std::fs::read_dir(house.juju.storage_dir(unit, "config")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn backups_pause_while_the_data_are_lost_on_a_unit_that_does_not_lead() {
    let mut house = SimulatedModel::with_backups().unwrap();
    house.juju.add_units("radarr", 1).unwrap();
    house.juju.change_leader(OTHER).unwrap();
    update_all(&mut house);
    let paused = |house: &SimulatedModel| {
        let spec = house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].clone();
        spec.contains("\"paused\":true")
    };
    assert!(!paused(&house));
    lose_content(&house, UNIT);
    house.juju.churn_pod(UNIT, true).unwrap();
    update_all(&mut house);
    assert!(!runs(&house, UNIT) && !runs(&house, OTHER));
    assert!(paused(&house), "an empty volume would be the newest backup");

    // Another leader takes over what was said.
    house.juju.change_leader(UNIT).unwrap();
    house.juju.change_leader(OTHER).unwrap();
    update_all(&mut house);
    assert!(paused(&house));
    house.juju.change_leader(UNIT).unwrap();
    let (state, message) = act(&mut house, UNIT, "start-empty");
    assert_eq!(state, "completed", "{message}");
    house.juju.change_leader(OTHER).unwrap();
    update_all(&mut house);
    assert!(runs(&house, UNIT) && !paused(&house));
}

#[test]
fn a_volume_that_lost_its_content_is_not_started_on_until_somebody_gives_it_up() {
    let mut house = SimulatedModel::with_backups().unwrap();
    update_all(&mut house);
    lose_content(&house, UNIT);
    house.juju.churn_pod(UNIT, true).unwrap();
    let lost = "blocked: config volume: empty, and it had content; restore-from-backup, or start-empty to give it up";
    for _ in 0..2 {
        assert_eq!(status(&house, UNIT), lost);
        assert!(!runs(&house, UNIT) && !is_stored(&house, UNIT));
        update_all(&mut house);
    }
    let key = house.api_key();
    assert_eq!(act(&mut house, UNIT, "rotate-api-key").0, "failed");
    assert_eq!(act(&mut house, UNIT, "backup-now").0, "failed");
    assert_eq!((status(&house, UNIT).as_str(), house.api_key()), (lost, key));
    let (state, message) = act(&mut house, UNIT, "start-empty");
    assert_eq!(state, "completed", "{message}");
    assert!(runs(&house, UNIT) && is_stored(&house, UNIT));
    let (state, message) = act(&mut house, UNIT, "start-empty");
    assert_eq!(state, "failed");
    assert!(message.contains("not empty"), "{message}");
    house.juju.churn_pod(UNIT, true).unwrap();
    assert!(runs(&house, UNIT), "{}", status(&house, UNIT));
}
