//! `configuratarr doctor` and `configuratarr claim`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use juju_sim::Rights;
use serde_json::{Value, json};

use crate::common::{Juju, home, put, without_cron};
use crate::schemas::fits;

/// The checks that did not end well: name, app and state.
fn not_ok(document: &Value) -> Vec<String> {
    let checks = document["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["state"] != "ok")
        .map(|check| {
            format!(
                "{} {}",
                check["check"].as_str().unwrap(),
                check["state"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn all_that_is_well_is_shown_with_what_was_seen() {
    insta::assert_snapshot!(without_cron(&home(1).run(&["doctor"]).exits(0).shown()));
}

#[test]
fn a_hundred_apps_take_as_many_requests_as_one() {
    let ran = |count| {
        let test = home(count);
        let ran = test.run(&["doctor", "--format", "json"]).exits(0);
        assert_eq!(ran.juju_calls.len(), 2, "{:?}", ran.juju_calls);
        let checks = ran.json()["checks"].as_array().unwrap().len();
        (ran.requests.len(), checks)
    };
    let ((one, checks_of_one), (hundred, checks_of_hundred)) = (ran(1), ran(100));
    assert_eq!(one, hundred);
    assert!(one <= 16, "{one}");
    assert_eq!(checks_of_hundred - checks_of_one, 99 * 8);
}

#[test]
fn a_failure_is_exit_code_1_with_what_to_do_about_it() {
    let test = home(1);
    put(&test, "Pod", "node-agent", &[("/status/phase", json!("Pending"))]);
    put(
        &test,
        "ClusterRole",
        "home-radarr",
        &[("/rules/0/verbs", json!(["get"]))],
    );
    put(&test, "Pod", "radarr-0", &[("/metadata/annotations", json!({}))]);
    put(
        &test,
        "Secret",
        "velero-repo-credentials",
        &[("/data/repository-password", json!("c3RhdGljLXBhc3N3MHJk"))],
    );
    insta::assert_snapshot!(without_cron(&test.run(&["doctor", "radarr"]).exits(1).shown()));
}

#[test]
fn a_warning_is_no_failure() {
    let test = home(1);
    put(
        &test,
        "ClusterRole",
        "home-radarr",
        &[("/rules/0/verbs", json!(["get"]))],
    );
    let document = test.run(&["doctor", "--format", "json"]).exits(0).json();
    assert_eq!(not_ok(&document), ["trust WARN"]);
}

#[test]
fn what_an_account_may_not_read_could_not_be_checked_and_is_no_failure() {
    let test = home(1);
    let denied = [
        "clusterroles",
        "secrets",
        "persistentvolumes",
        "storageclasses",
        "nodes",
        "volumesnapshotclasses",
    ];
    test.with_rights(Rights::AllBut(denied.map(str::to_owned).into()));
    let ran = test.run(&["doctor", "--format", "json"]).exits(0);
    assert_eq!(
        not_ok(&ran.json()),
        [
            "repository-password could not check",
            "snapshots could not check",
            "trust could not check",
            "volume could not check",
            "contents could not check",
        ]
    );
    fits("doctor.json", &ran.json());
}

#[test]
fn a_side_that_cannot_be_asked_is_exit_code_3_and_the_other_is_shown() {
    let test = home(1);
    test.juju(
        &Juju::new()
            .fails("status --format json -m home", 1, "ERROR not logged in")
            .prints("version", "4.0.14\n"),
    );
    let ran = test.run(&["doctor", "-m", "home", "--format", "json"]).exits(3);
    assert_eq!(
        not_ok(&ran.json()),
        [
            "juju could not check",
            "status could not check",
            "relation could not check"
        ]
    );
    assert!(ran.stderr.contains("juju login"), "{}", ran.stderr);

    let test = home(1);
    test.kubeconfig(&test.cluster.kubeconfig("t0ken-of-last-year"));
    let ran = test.run(&["doctor"]).exits(3);
    insta::assert_snapshot!("the_token_has_expired", ran.stdout);
    assert!(
        ran.stderr.contains("does not accept your login"),
        "{}",
        ran.stderr
    );

    let test = home(1);
    test.cluster.answers(false);
    let ran = test.run(&["doctor"]).exits(3);
    assert!(ran.stderr.contains("it answers 503"), "{}", ran.stderr);
}

#[test]
fn without_velero_it_is_said_what_is_missing() {
    let test = home(1);
    test.cluster.forget_group("velero.io");
    let document = test.run(&["doctor", "--format", "json"]).exits(1).json();
    assert_eq!(
        not_ok(&document),
        [
            "velero FAIL",
            "storage-location could not check",
            "schedule could not check",
            "backups could not check",
        ]
    );
}

#[test]
fn an_app_that_is_not_there_is_named() {
    insta::assert_snapshot!(without_cron(&home(1).run(&["doctor", "lidarr"]).exits(1).shown()));
}

#[test]
fn the_password_of_the_repositories_is_nowhere() {
    let test = home(1);
    for arguments in [vec!["doctor", "-v"], vec!["doctor", "--format", "json", "-v"]] {
        let ran = test.run(&arguments).exits(0);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !all.contains("bWluZS1hbG9uZQ") && !all.contains("mine-alone"),
            "{all}"
        );
    }
}

/// Who types it a second time, or for a second Velero, loses no password: each is the only one that opens some backups.
#[test]
fn the_command_for_a_password_overwrites_none() {
    let test = home(1);
    put(
        &test,
        "Secret",
        "velero-repo-credentials",
        &[("/data/repository-password", json!("c3RhdGljLXBhc3N3MHJk"))],
    );
    let document = test.run(&["doctor", "--format", "json"]).exits(0).json();
    let mut checks = document["checks"].as_array().unwrap().iter();
    let fix = checks
        .find(|check| check["check"] == "repository-password")
        .unwrap()["fix"]
        .as_str()
        .unwrap();
    let command = &fix[fix.find('(').unwrap()..fix.find("; keep").unwrap()];
    for (name, text) in [("openssl", "#!/bin/sh\necho $$\n"), ("kubectl", "#!/bin/sh\n")] {
        test_programs::write(&test.bin().join(name), text).unwrap();
    }
    let typed = || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).current_dir(test.path("home"));
        shell.env("PATH", format!("{}:/usr/bin:/bin", test.bin().display()));
        shell.output().unwrap()
    };
    let first = typed();
    assert!(first.status.success(), "{command}: {first:?}");
    let file = test.path("home/velero-password-velero");
    let password = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let second = typed();
    assert!(!second.status.success(), "{command}: {second:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), password);
}

#[test]
fn a_claim_is_shown_with_all_that_the_classic_way_needs() {
    let test = home(2);
    insta::assert_snapshot!(without_cron(&test.run(&["claim", "radarr"]).exits(0).shown()));
    let ran = test.run(&["claim", "radarr", "--format", "json"]).exits(0);
    fits("claim.json", &ran.json());
    assert_eq!(ran.json()["volume"], "pvc-radarr");
    assert_eq!(ran.json()["details"]["reclaimPolicy"], "Delete");
    assert!(ran.requests.len() <= 4, "{:?}", ran.requests);
}

#[test]
fn a_volume_that_may_not_be_looked_at_hides_no_claim() {
    let test = home(1);
    test.with_rights(Rights::AllBut(vec!["persistentvolumes".to_owned()]));
    let ran = test.run(&["claim", "radarr", "--format", "json"]).exits(3);
    fits("claim.json", &ran.json());
    assert_eq!(ran.json()["volume"], "pvc-radarr");
    assert!(
        ran.json()["problem"].as_str().unwrap().contains("not allowed"),
        "{}",
        ran.stdout
    );
    insta::assert_snapshot!(without_cron(&test.run(&["claim", "lidarr"]).exits(1).shown()));
}
