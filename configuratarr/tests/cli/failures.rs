//! What cannot be asked: what happened, to what, and what to do next.

use std::net::TcpListener;

use insta::assert_snapshot;
use juju_sim::Rights;

use crate::common::{App, Apps, Juju, Test, recorded};

const STATUS: &str = "status --format json";

fn home() -> Test {
    Test::with([App::healthy("radarr", 5_243_046)])
}

/// What is said where `juju` is this one, of the current model.
fn with_juju(juju: &Juju) -> String {
    home().juju(juju).run(&["status"]).exits(3).shown()
}

#[test]
fn juju_is_missing() {
    let test = home();
    std::fs::remove_file(test.bin().join("juju")).unwrap();
    assert_snapshot!("juju_missing", test.run(&["status"]).exits(3).shown());
    // What the cluster says is shown all the same where the model is named.
    assert_snapshot!(
        "juju_missing_model_named",
        test.run(&["status", "-m", "home"]).exits(3).shown()
    );
    let all = test.run(&["backups", "--all-models"]).exits(0);
    assert!(all.stdout.contains("radarr"), "{}", all.shown());
}

#[test]
fn juju_cannot_be_run() {
    let test = home();
    std::fs::write(test.bin().join("juju"), "no program").unwrap();
    assert_snapshot!("juju_not_executable", test.run(&["status"]).exits(3).shown());
}

#[test]
fn juju_is_too_old() {
    // The form of Juju 2.9: relations are names.
    let status = r#"{"model": {"name": "home"}, "applications": {"radarr": {"relations": {"velero-backup-config": ["velero-operator"]}}}}"#;
    let juju = Juju::new()
        .prints(STATUS, status)
        .prints("version", "2.9.51-ubuntu-amd64\n");
    assert_snapshot!("juju_too_old", with_juju(&juju));
}

#[test]
fn juju_is_logged_out() {
    let text = "ERROR current model for controller ctl not found\n";
    assert_snapshot!("juju_logged_out", with_juju(&Juju::new().fails(STATUS, 1, text)));
    let text = "please enter password for admin on ctl: \nERROR cannot read password: EOF\n";
    assert_snapshot!(
        "juju_password_wanted",
        with_juju(&Juju::new().fails(STATUS, 1, text))
    );
    let text = "ERROR cannot log into controller \"ctl\": permission denied (unauthorized access)\n";
    assert_snapshot!(
        "juju_login_refused",
        with_juju(&Juju::new().fails(STATUS, 1, text))
    );
}

#[test]
fn juju_knows_no_controller_or_no_model() {
    let none = Juju::new().fails(STATUS, 2, recorded("no-controller.err"));
    assert_snapshot!("juju_no_controller", with_juju(&none));
    let text = "ERROR No selected controller.\n\nPlease use \"juju switch\" to select a controller.\n\n";
    assert_snapshot!(
        "juju_no_current_controller",
        with_juju(&Juju::new().fails(STATUS, 1, text))
    );
    let text = "ERROR No model in focus.\n\nPlease use \"juju models\" to see models available to you.\n";
    assert_snapshot!(
        "juju_no_current_model",
        with_juju(&Juju::new().fails(STATUS, 1, text))
    );
    let juju = Juju::new().fails(
        &format!("{STATUS} -m nosuch"),
        1,
        recorded("status-nosuch-model.err"),
    );
    let test = home();
    test.juju(&juju);
    assert_snapshot!(
        "juju_no_such_model",
        test.run(&["status", "-m", "nosuch"]).exits(3).shown()
    );
}

/// What is to be typed next must not lead to the same error.
#[test]
fn a_controller_that_was_mistyped_is_not_repeated_in_the_next_step() {
    let juju = Juju::new().fails(
        &format!("{STATUS} -m ctrl:home"),
        1,
        "ERROR controller ctrl not found\n",
    );
    let test = Test::with([App::new("radarr")]);
    test.juju(&juju);
    let ran = test.run(&["status", "-m", "ctrl:home"]).exits(3);
    assert!(
        ran.stderr.contains("cannot find controller ctrl")
            && ran.stderr.contains("juju controllers shows which there are"),
        "{}",
        ran.shown()
    );
    assert!(
        ran.stdout.contains("--model CONTROLLER:home") && !ran.stdout.contains("ctrl:home"),
        "{}",
        ran.shown()
    );
}

#[test]
fn juju_refuses_in_words_that_are_not_known() {
    let text = "WARNING this client is old\nERROR cannot connect to API: unable to connect to API: dial tcp 10.96.0.103:17070: i/o timeout\n";
    assert_snapshot!("juju_refused", with_juju(&Juju::new().fails(STATUS, 1, text)));
    assert_snapshot!(
        "juju_refused_silently",
        with_juju(&Juju::new().fails(STATUS, 1, ""))
    );
}

#[test]
fn juju_prints_garbage() {
    for (name, text) in [
        ("juju_garbage", b"\x00\xff<html>not JSON</html>".as_slice()),
        ("juju_prints_nothing", b""),
        ("juju_other_json", b"[]"),
        ("juju_no_status", b"{}"),
    ] {
        let juju = Juju::new()
            .prints(STATUS, text)
            .prints("version", "4.0.14-genericlinux-amd64\n");
        assert_snapshot!(name, with_juju(&juju));
    }
}

#[test]
fn juju_is_not_waited_for_for_ever() {
    let test = home();
    test.juju(&Juju::new().hangs(STATUS));
    let ran = test.run(&["status", "--juju-limit", "1"]).exits(3);
    assert_snapshot!("juju_hangs", ran.shown());
    test.juju_has_ended();
}

#[test]
fn the_kubeconfig_is_missing_or_cannot_be_read() {
    let test = home();
    std::fs::remove_file(test.path("kubeconfig")).unwrap();
    assert_snapshot!("kubeconfig_missing", test.run(&["backups"]).exits(3).shown());
    let named = test.run(&["backups", "--kubeconfig", "nosuch.yaml"]).exits(3);
    assert_snapshot!("kubeconfig_named_missing", named.shown());
    std::fs::create_dir(test.path("kubeconfig")).unwrap();
    assert_snapshot!("kubeconfig_a_folder", test.run(&["backups"]).exits(3).shown());
    let test = home();
    test.env("KUBECONFIG", "");
    assert_snapshot!(
        "kubeconfig_of_home_missing",
        test.run(&["backups"]).exits(3).shown()
    );
}

#[test]
fn the_kubeconfig_is_no_kubeconfig() {
    let test = home();
    test.kubeconfig("apiVersion: v1\nusers:\n- name: me\n  user: {token: s3cret-in-a-broken-file\n");
    let ran = test.run(&["backups"]).exits(3);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.shown());
    assert_snapshot!("kubeconfig_garbage", ran.shown());
    test.kubeconfig("");
    assert_snapshot!("kubeconfig_empty", test.run(&["backups"]).exits(3).shown());
}

#[test]
fn the_program_that_makes_tokens_is_missing_or_fails() {
    let test = home();
    let text = std::fs::read_to_string(test.path("kubeconfig")).unwrap();
    for (name, command) in [("exec_missing", "nosuch-login"), ("exec_fails", "/bin/false")] {
        let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"] = serde_json::json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never",
            "env": [{"name": "SECRET", "value": "s3cret-of-the-login"}],
        }});
        test.kubeconfig(&kubeconfig.to_string());
        let ran = test.run(&["backups"]).exits(3);
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.shown());
        assert_snapshot!(name, ran.shown());
    }
}

/// One that waits for something that never comes would hang every command without a word. What it has started itself lives on, and
/// has its output.
#[test]
fn the_program_that_makes_tokens_never_ends() {
    let test = home();
    let text = std::fs::read_to_string(test.path("kubeconfig")).unwrap();
    for mode in ["Never", "IfAvailable"] {
        let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"] = serde_json::json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "interactiveMode": mode,
            "args": ["-c", "/bin/sleep 30 & echo s3cret; /bin/sleep 30"],
        }});
        test.kubeconfig(&kubeconfig.to_string());
        let ran = test.run(&["backups", "--login-limit", "1"]).exits(3);
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.shown());
        assert_snapshot!("exec_hangs", ran.shown());
    }
}

/// What it prints is what logs in: a limit changes nothing of that.
#[test]
fn the_program_that_makes_tokens_makes_one() {
    let test = home();
    let text = std::fs::read_to_string(test.path("kubeconfig")).unwrap();
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).unwrap();
    let token = kubeconfig["users"][0]["user"]["token"].take();
    let credential = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token},
    });
    kubeconfig["users"][0]["user"] = serde_json::json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "interactiveMode": "IfAvailable",
        "args": ["-c", "printf %s \"$LOGIN\""], "env": [{"name": "LOGIN", "value": credential.to_string()}],
    }});
    test.kubeconfig(&kubeconfig.to_string());
    test.run(&["backups"]).exits(0);
}

#[test]
fn there_is_no_such_context() {
    assert_snapshot!(
        "no_such_context",
        home().run(&["backups", "--context", "work"]).exits(3).shown()
    );
}

#[test]
fn the_server_refuses_the_connection() {
    let test = home();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let text = std::fs::read_to_string(test.path("kubeconfig")).unwrap();
    test.kubeconfig(&text.replace(&test.server(), &address));
    let backups = test
        .run(&["backups"])
        .exits(3)
        .shown()
        .replace(&address, "[CLOSED]");
    assert!(
        backups.contains("[CLOSED]"),
        "it does not say which server: {backups}"
    );
    assert_snapshot!("server_refuses", backups);
    // Of the apps Juju's part is shown.
    let status = test
        .run(&["status"])
        .exits(3)
        .shown()
        .replace(&address, "[CLOSED]");
    assert_snapshot!("server_refuses_status", status);
}

#[test]
fn the_server_cannot_answer() {
    let test = home();
    test.cluster.answers(false);
    let ran = test.run(&["backups"]).exits(3);
    assert_snapshot!("server_unavailable", ran.shown());
    // Who waits sees it at once, and tries again when they like.
    assert_eq!(ran.asked().values().max(), Some(&1), "{:?}", ran.asked());
}

#[test]
fn the_token_has_expired() {
    let test = home();
    test.kubeconfig(&test.cluster.kubeconfig("t0ken-of-last-year"));
    let ran = test.run(&["backups"]).exits(3);
    assert!(!ran.stderr.contains("t0ken"), "{}", ran.shown());
    assert_snapshot!("token_expired", ran.shown());
}

#[test]
fn the_account_has_no_rights() {
    let test = home();
    test.with_rights(Rights::Nothing);
    assert_snapshot!("no_rights", test.run(&["backups"]).exits(3).shown());
    assert_snapshot!("no_rights_status", test.run(&["status"]).exits(3).shown());
    let test = home();
    test.with_rights(Rights::AllBut(vec!["podvolumerestores".to_owned()]));
    assert_snapshot!("no_rights_to_one", test.run(&["status"]).exits(3).shown());
}

#[test]
fn the_cluster_has_no_velero() {
    let test = home();
    test.cluster.forget_group("velero.io");
    assert_snapshot!("no_velero", test.run(&["backups"]).exits(3).shown());
    assert_snapshot!("no_velero_status", test.run(&["status"]).exits(3).shown());
}

#[test]
fn neither_can_be_asked() {
    let test = home();
    std::fs::remove_file(test.bin().join("juju")).unwrap();
    std::fs::remove_file(test.path("kubeconfig")).unwrap();
    assert_snapshot!("neither", test.run(&["status", "-m", "home"]).exits(3).shown());
    let json = test.run(&["status", "-m", "home", "--format", "json"]).exits(3);
    assert_eq!(json.stdout, "");
}

/// What stands in the way, and how it comes about.
type Trouble = (&'static str, fn(&Test));

const TROUBLES: [Trouble; 6] = [
    ("juju_missing", |test| {
        std::fs::remove_file(test.bin().join("juju")).unwrap();
    }),
    ("juju_logged_out", |test| {
        let text = "ERROR cannot log into controller \"ctl\": permission denied (unauthorized access)\n";
        let juju = Juju::new().prints("version", "3.6.12-genericlinux-amd64\n");
        test.juju(&juju.fails(STATUS, 1, text));
    }),
    ("juju_too_old", |test| {
        test.juju(&Juju::new().prints("version", "2.9.51-ubuntu-amd64\n"));
    }),
    ("kubeconfig_missing", |test| {
        std::fs::remove_file(test.path("kubeconfig")).unwrap();
    }),
    ("token_expired", |test| {
        test.kubeconfig(&test.cluster.kubeconfig("t0ken-of-last-year"));
    }),
    ("no_rights", |test| {
        test.with_rights(Rights::Nothing);
    }),
];

/// Commands that change something. Before they do, all that they need is there.
#[test]
fn what_changes_apps_says_what_cannot_be_asked_and_begins_nothing() {
    for (name, comes_about) in TROUBLES {
        let mut told = String::new();
        for command in [
            &["backup", "radarr"] as &[&str],
            &["verify", "radarr"],
            &["restore", "radarr", "--yes"],
            &["refresh", "radarr", "--yes"],
            &["redeploy", "radarr", "--charm", "radarr", "--yes"],
            &["restore", "radarr", "--import", "--yes"],
        ] {
            let test = home();
            let apps = Apps::of([App::healthy("radarr", 5_243_046)]);
            // Client and model are of one that imports volumes.
            let mut status = apps.status("home");
            status["model"]["version"] = "3.6.12".into();
            let juju = apps.juju().prints(STATUS, status.to_string());
            test.juju(&juju.prints("version", "3.6.12-genericlinux-amd64\n"));
            comes_about(&test);
            let ran = test.run(command).exits(3);
            assert!(!ran.stderr.contains("was not told of"), "{}", ran.shown());
            let is_write = |request: &juju_sim::ClusterRequest| request.method != "GET";
            assert!(!ran.requests.iter().any(is_write), "{}", ran.shown());
            let begins = ["run ", "deploy", "refresh", "remove", "import-filesystem"];
            let mut calls = ran.juju_calls.iter();
            let begun = calls.any(|call| begins.iter().any(|begin| call.starts_with(begin)));
            assert!(!begun, "{:?}", ran.juju_calls);
            assert!(!ran.stderr.contains("t0ken"), "{}", ran.shown());
            told.push_str(&format!(
                "$ configuratarr {}\n{}\n",
                command.join(" "),
                ran.shown()
            ));
        }
        assert_snapshot!(format!("changes_{name}"), told);
    }
}
