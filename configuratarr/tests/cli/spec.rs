//! `configuratarr spec`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::common::{Test, home, put, without_cron};
use crate::schemas::fits;

#[test]
fn what_an_app_asks_for_is_shown_with_what_it_would_store() {
    let test = home(2);
    insta::assert_snapshot!(without_cron(
        &test.run(&["spec", "--app", "radarr"]).exits(0).shown()
    ));
    let ran = test
        .run(&["spec", "--app", "radarr", "--format", "json"])
        .exits(0);
    fits("spec.json", &ran.json());
    assert_eq!(ran.json()["specs"][0]["volumes"][0]["how"], "files");
}

#[test]
fn what_would_store_nothing_is_exit_code_1() {
    let test = home(1);
    put(&test, "Pod", "radarr-0", &[("/metadata/annotations", json!({}))]);
    insta::assert_snapshot!(without_cron(
        &test.run(&["spec", "--app", "radarr"]).exits(1).shown()
    ));
}

#[test]
fn one_that_is_refused_is_told_with_all_that_is_wrong_and_without_a_cluster() {
    let test = Test::new();
    test.kubeconfig("nothing");
    let file = test.path("spec.yaml");
    let text = "app: radarr\nrelation_name: velero-backup-config\nmodel: home\nspec:\n  include_namespaces: ['*']\n  ttl: 30d\n  schedule: '0 3 * *'\n  hooks: x\n";
    std::fs::write(&file, text).unwrap();
    let ran = test.run(&["spec", file.to_str().unwrap()]).exits(1);
    insta::assert_snapshot!(ran.shown());
    assert!(ran.requests.is_empty());
}

#[test]
fn one_that_is_well_is_so_where_no_cluster_can_be_asked() {
    let test = Test::new();
    test.kubeconfig("nothing");
    let file = test.path("spec.yaml");
    let text = "includedNamespaces: [home]\nlabelSelector: {matchLabels: {app.kubernetes.io/name: radarr}}\nschedule: '@daily'\n";
    std::fs::write(&file, text).unwrap();
    let ran = test
        .run(&["spec", file.to_str().unwrap(), "--format", "json"])
        .exits(0);
    fits("spec.json", &ran.json());
    assert!(ran.json()["clusterProblem"].is_string(), "{}", ran.stdout);
    assert!(ran.json()["specs"][0].get("volumes").is_none(), "{}", ran.stdout);
}

/// What is wrong with all of it is at no place.
#[test]
fn one_that_is_no_yaml_is_refused_without_a_place() {
    let test = home(1);
    let file = test.path("spec.yaml");
    std::fs::write(&file, "a: [").unwrap();
    let ran = test.run(&["spec", file.to_str().unwrap()]).exits(1);
    assert!(
        ran.stdout.contains("FAIL: cannot use the input"),
        "{}",
        ran.stdout
    );
}

#[test]
fn one_is_read_from_standard_input() {
    let test = home(1);
    let mut child = test
        .command(&["spec", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = "{\"includedNamespaces\": [\"home\"], \"labelSelector\": {\"matchLabels\": {\"app.kubernetes.io/name\": \"lidarr\"}}}";
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = document["specs"][0]["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("matches no pod and no claim in home"), "{text}");
}

#[test]
fn without_a_file_and_without_an_app_it_says_what_to_type() {
    let test = home(1);
    assert!(test.run(&["spec"]).exits(2).stderr.contains("--app"));
    assert!(
        test.run(&["spec", "nowhere.yaml"])
            .exits(2)
            .stderr
            .contains("cannot read nowhere.yaml")
    );
    insta::assert_snapshot!(without_cron(
        &test.run(&["spec", "--app", "lidarr"]).exits(1).shown()
    ));
}
