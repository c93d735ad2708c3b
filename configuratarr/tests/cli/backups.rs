//! `configuratarr backups`.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{App, Backup, TOKEN, Test, ago, from_now};

/// An app with a backup of every kind.
fn every_kind() -> App {
    let of = |minutes: i64, number: u64| move |app: &str| Backup::good(app, number, minutes, 5_243_046);
    App::new("radarr")
        .backup(|app| of(1, 9)(app).running(1_000, 5_000))
        .backup(|app| of(10, 8)(app).safety("0f3c2a71-5b1c-4c8e-9d2a-000000000006"))
        .backup(|app| of(178, 7)(app))
        .backup(|app| of(178 + 1440, 6)(app).empty())
        .backup(|app| of(178 + 2 * 1440, 5)(app).partial())
        .backup(|app| of(178 + 3 * 1440, 4)(app).failed("error getting volume: i/o timeout"))
        .backup(|app| of(178 + 4 * 1440, 3)(app).snapshot())
        .backup(|app| of(178 + 29 * 1440, 2)(app))
        .backup(|app| of(178 + 31 * 1440, 1)(app).expires(ago(60)))
}

fn home() -> Test {
    Test::with([
        every_kind(),
        App::healthy("sonarr", 98_765_432),
        App::of("sonarr", "attic").backup(|app| Backup::of(app, "attic", 1, ago(200), 2_000_000)),
        App::new("gone")
            .gone()
            .backup(|app| Backup::good(app, 1, 27 * 1440, 7_000_000).expires(from_now(2 * 1440))),
    ])
}

#[test]
fn each_verdict_is_shown_with_what_velero_says_against_it() {
    assert_snapshot!(
        "backups_of_one",
        home().run(&["backups", "radarr"]).exits(0).shown()
    );
}

#[test]
fn those_of_several_apps_and_of_all_models_are_told_apart() {
    let test = home();
    assert_snapshot!(
        "backups_of_two",
        test.run(&["backups", "sonarr", "gone"]).exits(0).shown()
    );
    let all = test.run(&["backups", "--all-models"]).exits(0);
    assert_snapshot!("backups_of_all_models", all.shown());
    // Juju is not needed for that.
    assert!(all.juju_calls.is_empty(), "{:?}", all.juju_calls);
}

#[test]
fn an_app_without_backups_is_named_with_the_next_step() {
    let test = home();
    assert_snapshot!(
        "backups_of_none",
        test.run(&["backups", "lidarr", "sonarr"]).exits(1).shown()
    );
    let empty = Test::with([App::new("radarr")]);
    assert_snapshot!("backups_there_are_none", empty.run(&["backups"]).exits(0).shown());
    let quiet = empty.run(&["backups", "--quiet"]).exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let none = empty.run(&["backups", "--format", "json"]).exits(0).json();
    assert_eq!(none["backups"], serde_json::json!([]));
}

#[test]
fn json_tells_all_that_is_known_of_a_backup() {
    let report = home()
        .run(&["backups", "radarr", "--format", "json"])
        .exits(0)
        .json();
    let backups = report["backups"].as_array().unwrap();
    let told: Vec<(&str, Option<u64>, &str)> = backups
        .iter()
        .map(|backup| {
            let text = |key: &str| backup[key].as_str().unwrap();
            (text("verdict"), backup["bytes"].as_u64(), text("holds"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("running", Some(0), "nothing"),
            ("good", Some(5_243_046), "files"),
            ("good", Some(5_243_046), "files"),
            ("EMPTY", Some(0), "nothing"),
            ("PARTIAL", Some(5_243_046), "files"),
            ("FAILED", Some(0), "nothing"),
            ("good", None, "snapshot"),
            ("good", Some(5_243_046), "files"),
            ("expired", Some(5_243_046), "files"),
        ]
    );
    assert_eq!(
        backups[1]["beforeRestore"],
        "0f3c2a71-5b1c-4c8e-9d2a-000000000006"
    );
    assert_eq!(backups[5]["complaints"][0], "error getting volume: i/o timeout");
}

#[test]
fn the_named_cluster_is_asked() {
    let (home, work) = (
        Test::with([App::healthy("radarr", 1)]),
        Test::with([App::healthy("sonarr", 2)]),
    );
    let both = home.cluster.kubeconfig(TOKEN);
    let mut both: Value = serde_json::from_str(&both).unwrap();
    let other: Value = serde_json::from_str(&work.cluster.kubeconfig(TOKEN)).unwrap();
    for (list, key) in [("clusters", "cluster"), ("contexts", "context")] {
        let mut entry = other[list][0].clone();
        entry["name"] = "work".into();
        if key == "context" {
            entry["context"]["cluster"] = "work".into();
        }
        both[list].as_array_mut().unwrap().push(entry);
    }
    std::fs::write(home.path("both"), both.to_string()).unwrap();
    let file = home.path("both").display().to_string();
    // What is typed counts before KUBECONFIG, and a context before the current one.
    home.kubeconfig("no kubeconfig");
    for (arguments, app) in [
        (vec!["backups", "--all-models", "--kubeconfig", &file], "radarr"),
        (
            vec![
                "backups",
                "--all-models",
                "--kubeconfig",
                &file,
                "--context",
                "work",
            ],
            "sonarr",
        ),
    ] {
        let ran = home.run(&[arguments, vec!["--format", "json"]].concat()).exits(0);
        assert_eq!(ran.json()["backups"][0]["app"], app);
    }
}
