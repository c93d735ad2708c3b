//! The JSON forms are a contract: what is printed is what the schemas in the repository say.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{App, Backup, Test, location};

fn checked_in(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    std::fs::read_to_string(&path).unwrap_or_default()
}

#[test]
fn schemas_are_those_of_the_program() {
    for (name, text) in configuratarr::report::schema_files() {
        assert_eq!(checked_in(name), text, "{name}: cargo xtask generate");
    }
}

/// Times have to be times.
fn validator(schema: &Value) -> jsonschema::Validator {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(schema).unwrap()
}

#[track_caller]
fn fits(name: &str, document: &Value) {
    let schema: Value = serde_json::from_str(&checked_in(name)).unwrap();
    let validator = validator(&schema);
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

/// Something of everything that can be printed.
fn home() -> Test {
    let test = Test::with([
        App::healthy("radarr", 5_243_046).backup(|app| Backup::good(app, 2, 1, 0).running(1, 2)),
        App::new("sonarr").backup(|app| Backup::good(app, 1, 178, 0).failed("i/o timeout")),
        App::new("bazarr").backup(|app| Backup::good(app, 1, 178, 0).snapshot()),
        App::new("lidarr")
            .backup(|app| Backup::good(app, 1, 9, 99).safety("uid"))
            .unrelated(),
        App::new("gone").gone().backup(|app| Backup::good(app, 1, 178, 7)),
    ]);
    test.put(location("spare", "Unavailable", "no such bucket"));
    test
}

#[test]
fn what_is_printed_fits_its_schema_as_json_and_as_yaml() {
    let test = home();
    for (command, schema) in [("status", "status.json"), ("backups", "backups.json")] {
        let document = test.run(&[command, "--format", "json"]).json();
        fits(schema, &document);
        let yaml = test.run(&[command, "--format", "yaml"]);
        let mut same: Value = serde_yaml::from_str(&yaml.stdout).unwrap();
        // The times at which the two were asked.
        same["time"] = document["time"].clone();
        fits(schema, &same);
        let ages = |document: &Value| {
            let apps = document["apps"].as_array().cloned().unwrap_or_default();
            apps.iter()
                .map(|app| app["lastGood"]["ageSeconds"].clone())
                .collect::<Vec<_>>()
        };
        for (number, age) in ages(&document)
            .into_iter()
            .enumerate()
            .filter(|(_, age)| !age.is_null())
        {
            same["apps"][number]["lastGood"]["ageSeconds"] = age;
        }
        assert_eq!(same, document, "{command}");
    }
}

#[test]
fn what_could_not_be_asked_fits_too() {
    let test = home();
    test.cluster.forget_group("velero.io");
    let document = test.run(&["status", "--format", "json"]).exits(3).json();
    fits("status.json", &document);
    assert!(document["clusterProblem"].is_string(), "{document}");
    assert_eq!(document["apps"][0]["state"], "unknown");
    let test = home();
    std::fs::remove_file(test.bin().join("juju")).unwrap();
    let document = test
        .run(&["status", "-m", "home", "--format", "json"])
        .exits(3)
        .json();
    fits("status.json", &document);
    assert!(document["jujuProblem"].is_string(), "{document}");
    assert_eq!(document["apps"].as_array().unwrap().len(), 5);
}

#[test]
fn a_schema_refuses_what_is_not_its_document() {
    let schema: Value = serde_json::from_str(&checked_in("status.json")).unwrap();
    let validator = validator(&schema);
    let document = home().run(&["status", "--format", "json"]).json();
    assert!(validator.is_valid(&document));
    for (pointer, value) in [
        ("/schema", json!("configuratarr/status/v2")),
        ("/time", json!("yesterday")),
        ("/apps/0/state", json!("fine")),
        ("/apps/0/protected", json!("maybe")),
        ("/apps/0/backups", json!(-1)),
    ] {
        let mut other = document.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&other), "{pointer}");
    }
}
