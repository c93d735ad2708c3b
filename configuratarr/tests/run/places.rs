//! A run is gone on with where it was begun: in the cluster and in the model that it was, whatever leads there by now.

use std::fs;

use insta::assert_snapshot;
use juju_sim::{Rights, StandInCluster};
use serde_json::json;

use crate::common::TOKEN;
use crate::ends::is_killed_before_it_starts;
use crate::home::Home;
use crate::rough::{change, journal};

/// The namespace that each cluster has, with the uid that tells it from others.
fn has_uid(cluster: &StandInCluster, uid: &str) {
    cluster
        .put(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid}}),
        )
        .unwrap();
}

/// A restore that was killed before the charm was asked, in a cluster of this uid.
pub fn killed_in(uid: &str) -> Home {
    let home = Home::with(&["radarr"]);
    has_uid(&home.test.cluster, uid);
    is_killed_before_it_starts(&home);
    home.around_juju("", "");
    home
}

/// What was said, without what is different each time.
fn said(home: &Home, stderr: &str) -> String {
    let path = journal(home);
    let name = path.file_stem().unwrap().to_str().unwrap();
    stderr
        .replace(&path.display().to_string(), "JOURNAL")
        .replace(name, "RUN")
}

#[test]
fn a_run_of_another_cluster_is_not_gone_on_with() {
    let home = killed_in("uid-of-the-first");
    let other = StandInCluster::start().unwrap();
    other.admit("admin", TOKEN, Rights::Everything);
    has_uid(&other, "uid-of-the-second");
    let kubeconfig = home.test.path("other");
    let text = other.kubeconfig(TOKEN).replace("\"home\"", "\"lab\"");
    fs::write(&kubeconfig, text).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let ran = home.test.run(&["resume", "--kubeconfig", kubeconfig]).exits(4);
    assert_snapshot!("resume_in_another_cluster", said(&home, &ran.stderr));
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// It was destroyed and made again under its name: its first task is not that of the run.
#[test]
fn a_run_of_a_model_that_was_made_anew_is_not_gone_on_with() {
    let home = killed_in("uid");
    let uuid = change(&home, |run| {
        run["origin"]["modelUuid"] = "00000000-0000-4000-8000-000000000000".into();
    });
    let ran = home.test.run(&["resume", &uuid]).exits(4);
    let shown = said(&home, &ran.stderr);
    let model: serde_json::Value =
        serde_json::from_str(&home.juju(&["show-model", "home", "--format", "json"])).unwrap();
    let now = model["home"]["model-uuid"].as_str().unwrap();
    assert_snapshot!("resume_in_another_model", shown.replace(now, "UUID-OF-NOW"));
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
}

/// What an earlier release wrote down does not say where it was.
#[test]
fn a_run_of_an_earlier_release_is_gone_on_with() {
    let home = killed_in("uid");
    change(&home, |run| {
        let origin = run.as_object_mut().unwrap().remove("origin");
        assert_eq!(origin.unwrap()["clusterUid"], "uid");
    });
    has_uid(&home.test.cluster, "another");
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// An account that may not look at that namespace follows all the same. It only knows no bytes: they may be another cluster's.
#[test]
fn who_may_not_look_which_cluster_it_is_follows_without_it() {
    let home = killed_in("uid");
    home.test
        .with_rights(Rights::AllBut(vec!["namespaces".to_owned()]));
    let ran = home.test.run(&["resume"]).exits(0);
    assert!(
        ran.stderr
            .contains("cannot look which cluster this is: not allowed"),
        "{}",
        ran.shown()
    );
    // And begins.
    home.test.run(&["restore", "radarr", "--yes"]).exits(0);
}

/// Juju does not tell which model it is: that is no reason to restore nothing.
#[test]
fn who_is_not_told_which_model_it_is_restores_all_the_same() {
    let home = Home::with(&["radarr"]);
    home.around_juju(
        "case \"$*\" in show-model*) echo 'ERROR permission denied' >&2; exit 1;; esac",
        "",
    );
    home.test.run(&["restore", "radarr", "--yes"]).exits(0);
    let asked = home.test.juju_calls();
    assert!(
        asked.contains(&"show-model ctl:home --format json".to_owned()),
        "{asked:?}"
    );
    change(&home, |run| {
        assert_eq!(run["origin"].get("modelUuid"), None, "{run}");
    });
}

/// The current model, or the one of the environment, is somebody else's. Without its owner's name Juju would look for one of the user's own.
#[test]
fn a_model_of_somebody_else_is_named_with_its_owner() {
    for (current, environment) in [("bob/home", ""), ("home", "bob/home")] {
        let home = Home::with(&["radarr"]);
        home.around_juju(
            &format!(
                "case \"$*\" in *'ctl:home'*) echo 'ERROR model ctl:admin/home not found' >&2; exit 1;;\n\
                 whoami*) echo '{{\"controller\":\"ctl\",\"model\":\"{current}\",\"user\":\"admin\"}}'; exit;; esac\n\
                 N=$#; while [ $N -gt 0 ]; do A=$1; shift; [ \"$A\" = ctl:bob/home ] && A=ctl:home; set -- \"$@\" \"$A\"; N=$((N-1)); done"
            ),
            "",
        );
        home.test.env("JUJU_MODEL", environment);
        let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(0);
        assert!(ran.stdout.contains("-m ctl:bob/home"), "{}", ran.shown());
        assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
    }
}

/// Where the context was mistyped the run is followed without the cluster, and what is to be typed next does not repeat it.
#[test]
fn what_goes_on_does_not_name_a_context_that_is_not_there() {
    let home = Home::with(&["radarr"]);
    is_killed_before_it_starts(&home);
    home.around_juju(
        "case \"$*\" in operations*) echo 'ERROR connection refused' >&2; exit 1;; esac",
        "",
    );
    let ran = home.test.run(&["resume", "--context", "hoem"]).exits(4);
    assert!(
        ran.stderr.contains("it has no context hoem") && !ran.stderr.contains("--context hoem"),
        "{}",
        ran.shown()
    );
    let path = journal(&home);
    let name = path.file_stem().unwrap().to_str().unwrap();
    assert!(
        ran.stderr.contains(&format!("configuratarr resume {name}")),
        "{}",
        ran.shown()
    );
    home.around_juju("", "");
    home.test.run(&["resume", name]).exits(0);
}

/// The current context leads elsewhere: what is to be typed to go on names the cluster.
#[test]
fn what_goes_on_names_the_context_that_was_typed() {
    let home = Home::with(&["radarr"]);
    home.around_juju(
        "case \"$*\" in operations*) echo 'ERROR connection refused' >&2; exit 1;; esac",
        "",
    );
    let text = fs::read_to_string(home.test.path("kubeconfig")).unwrap();
    let named = home.test.path("my config");
    fs::write(&named, text).unwrap();
    fs::remove_file(home.test.path("kubeconfig")).unwrap();
    let ran = home
        .test
        .run(&[
            "restore",
            "radarr",
            "--yes",
            "--context",
            "home",
            "--kubeconfig",
            "../my config",
        ])
        .exits(4);
    let path = journal(&home);
    let name = path.file_stem().unwrap().to_str().unwrap();
    let resume = format!("resume {name} --kubeconfig '");
    let (_, rest) = ran.stderr.split_once(&resume).expect("no command");
    let (kubeconfig, rest) = rest.split_once('\'').unwrap();
    assert!(rest.starts_with(" --context home;"), "{}", ran.shown());
    home.around_juju("", "");
    home.test
        .run(&["resume", name, "--kubeconfig", kubeconfig, "--context", "home"])
        .exits(0);
}
