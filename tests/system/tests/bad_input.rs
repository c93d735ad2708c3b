//! Bad input ends in a status or an error that names thing, reason and next step, and nothing is lost.

use juju_sim::Fault;
use juju_sim::Options;
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};

#[test]
fn a_bad_option_is_named_and_the_last_good_request_stays() {
    let cases = [
        (
            "backup-schedule",
            "0 0 3 * * *",
            "backup-schedule \"0 0 3 * * *\": ",
            "; juju config radarr backup-schedule=\"0 3 * * *\"",
        ),
        (
            "backup-schedule",
            "0 0 31 2 *",
            "backup-schedule \"0 0 31 2 *\": ",
            "; juju config radarr backup-schedule=\"0 3 * * *\"",
        ),
        (
            "backup-schedule",
            "@every 1m",
            "backup-schedule \"@every 1m\": ",
            "; juju config radarr backup-schedule=\"0 3 * * *\"",
        ),
        (
            "backup-retention",
            "30d",
            "backup-retention \"30d\": ",
            "; juju config radarr backup-retention=720h",
        ),
        (
            "backup-retention",
            "-1h",
            "backup-retention \"-1h\": ",
            "; juju config radarr backup-retention=720h",
        ),
        (
            "backup-method",
            "tape",
            "backup-method \"tape\": ",
            "; juju config radarr backup-method=auto",
        ),
        (
            "timezone",
            "Mars/Olympus",
            "timezone \"Mars/Olympus\": ",
            "; juju config radarr timezone=Europe/Berlin",
        ),
        (
            "url-base",
            "radarr/",
            "url-base \"radarr/\": ",
            "; juju config radarr url-base=/radarr",
        ),
        (
            "url-base",
            "/a<b",
            "url-base \"/a<b\": '<' cannot be in it",
            "; juju config radarr url-base=/a-b",
        ),
        (
            "url-base",
            "/meine filme",
            "url-base \"/meine filme\": ' ' cannot be in it",
            "; juju config radarr url-base=/meine-filme",
        ),
        (
            "backup-schedule",
            "off",
            "backup-schedule \"off\": to make no scheduled backups, leave it empty",
            "; juju config radarr backup-schedule=\"\"",
        ),
        (
            "credential-rotation",
            "disabled",
            "credential-rotation \"disabled\": to rotate none, write none",
            "; juju config radarr credential-rotation=none",
        ),
    ];
    let mut house = SimulatedModel::with_backups().unwrap();
    let good = house.seen().unwrap();
    for (option, value, thing, next_step) in cases {
        house.juju.set_config("radarr", &[(option, value)]).unwrap();
        let seen = house.seen().unwrap();
        assert!(
            seen.status.starts_with(&format!("blocked: {thing}")),
            "{option}={value}: {}",
            seen.status
        );
        assert!(
            seen.status.ends_with(next_step),
            "{option}={value}: {}",
            seen.status
        );
        assert_eq!(seen.databag, good.databag, "{option}={value}");
        assert_eq!(seen.config_xml, good.config_xml, "{option}={value}");
        assert!(seen.runs, "{option}={value}: the app was stopped");
        house.juju.reset_config("radarr", &[option]).unwrap();
        assert_eq!(house.seen().unwrap(), good, "{option} mended");
    }
}

#[test]
fn every_hook_tool_may_fail_and_the_error_names_it() {
    for tool in [
        "is-leader",
        "config-get",
        "secret-get",
        "relation-ids",
        "relation-get",
        "status-get",
        "opened-ports",
        "storage-list",
        "storage-get",
    ] {
        let mut house = SimulatedModel::with_backups().unwrap();
        let good = house.seen().unwrap();
        house
            .juju
            .inject(
                UNIT,
                Fault::fail(tool, "ERROR the controller is on fire").on("hooks/config-changed"),
            )
            .unwrap();
        house
            .juju
            .set_config("radarr", &[("backup-retention", "1000h")])
            .unwrap();
        let status = house.status().unwrap();
        assert_eq!(status, "error: hook failed: \"config-changed\"", "{tool}");
        let log = house.juju.unit_log(UNIT).unwrap();
        assert!(
            log.contains(tool) && log.contains("the controller is on fire"),
            "{tool}: {log}"
        );
        assert!(!log.contains("panicked"), "{tool}: {log}");
        assert_eq!(
            house.seen().unwrap().databag,
            good.databag,
            "{tool}: written in a failed hook"
        );
        house.juju.resolved(UNIT, true).unwrap();
        assert_eq!(
            house.status().unwrap().split(',').next(),
            good.status.split(',').next(),
            "{tool}"
        );
        assert!(
            house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].contains("1000h"),
            "{tool}"
        );
    }
}

#[test]
fn a_metadata_file_without_the_storage_is_blocked_and_starts_nothing() {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    let deploy = house.radarr().unwrap();
    let path = house.charm_dir().join("metadata.yaml");
    let mut metadata: serde_json::Value =
        serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    metadata.as_object_mut().unwrap().remove("storage");
    metadata["containers"]["radarr"]
        .as_object_mut()
        .unwrap()
        .remove("mounts");
    std::fs::write(&path, metadata.to_string()).unwrap();
    house.juju.deploy(deploy).unwrap();
    assert_eq!(
        house.status().unwrap(),
        "blocked: metadata.yaml of the charm: has no storage \"config\"; pack the charm again and juju refresh it"
    );
    assert!(
        !house.runs().unwrap(),
        "it would write into the container's own disk"
    );
}

#[test]
fn a_damaged_config_file_is_kept_beside_the_new_one() {
    let mut house = SimulatedModel::with_radarr(Options::default()).unwrap();
    let key = house.api_key().unwrap();
    let damaged = "<Config><LogLevel>debug</LogLevel><Po";
    std::fs::write(house.config_path("config.xml"), damaged).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert!(house.config_xml().unwrap().contains(&key), "the key of before");
    let kept: Vec<_> = std::fs::read_dir(house.juju.storage_dir(UNIT, "config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("config.xml.damaged-"))
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), damaged);
    assert!(house.runs().unwrap());
    assert!(house.juju.unit_log(UNIT).unwrap().contains("config.xml.damaged-"));
}

#[test]
fn an_action_that_is_not_ours_is_refused_by_name() {
    let mut house = SimulatedModel::with_radarr(Options::default()).unwrap();
    let refused = house.juju.run_action(UNIT, "make-coffee", serde_json::Map::new());
    let text = match refused {
        Err(error) => error.to_string(),
        Ok(result) => result.message,
    };
    assert!(text.contains("make-coffee"), "{text}");
}
