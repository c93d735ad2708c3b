//! What a charm on the Python framework (ops 2.23 and 3.9) calls, and how it expects the tools to answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers show a failure by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::io;

use common::{NONCE, begin, call, call_with, config_changed, fails, ok, probe_model, related_model};
use juju_hook_tools::context::{Event, HookContext, Paths, environment};
use juju_hook_tools::model::{CloudCredential, JujuVersion, Port};
use juju_hook_tools::session::{Change, HookSession, Invocation, LogLevel, LogTarget};
use serde_json::{Map, Value, json};

#[test]
fn flags_stand_anywhere_and_two_dashes_end_them() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    for line in [
        &["relation-get", "--format=json", "-r", "1", "--app", "-", "velo"][..],
        &[
            "relation-get",
            "-r",
            "1",
            "-",
            "velo",
            "--app",
            "--format",
            "json",
        ],
        &[
            "relation-get",
            "--app=true",
            "-r1",
            "--format=json",
            "--",
            "-",
            "velo",
        ],
        &[
            "relation-get",
            "--app=True",
            "--relation=1",
            "-",
            "velo",
            "--format=json",
        ],
    ] {
        assert_eq!(ok(&mut session, &mut model, line), "{}", "{line:?}");
    }
    ok(
        &mut session,
        &mut model,
        &["status-set", "--application=False", "active", ""],
    );
    assert_eq!(model.units["probe/0"].status.message, "");
    ok(&mut session, &mut model, &["status-set", "active", "--", "--app"]);
    assert_eq!(model.units["probe/0"].status.message, "--app");
}

#[test]
fn a_wrong_command_line_is_2_and_a_failed_tool_is_1() {
    let mut model = probe_model();
    let mut session = config_changed(&model, "probe/0");
    for (line, expected) in [
        (
            &["is-leader", "--bogus"][..],
            (2, "ERROR option provided but not defined: --bogus"),
        ),
        (
            &["is-leader", "extra"],
            (2, "ERROR unrecognized args: [\"extra\"]"),
        ),
        (
            &["config-get", "port", "a", "b"],
            (2, "ERROR unrecognized args: [\"a\" \"b\"]"),
        ),
        (&["action-get"], (1, "ERROR not running an action")),
    ] {
        let (code, text) = fails(&mut session, &mut model, line);
        assert_eq!((code, text.as_str()), expected, "{line:?}");
    }
}

#[test]
fn a_relation_is_named_by_number_or_by_endpoint_and_number() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    for id in ["1", "velero-backup-config:1", "other:1"] {
        let line = ["relation-list", "-r", id, "--format=json"];
        assert_eq!(ok(&mut session, &mut model, &line), "[\"velo/0\"]", "{id}");
    }
    let (code, text) = fails(
        &mut session,
        &mut model,
        &["relation-get", "-r", "9", "-", "velo/0"],
    );
    assert_eq!(code, 2);
    assert_eq!(
        text,
        "ERROR invalid value \"9\" for option -r: relation not found"
    );
    assert_eq!(
        ok(
            &mut session,
            &mut model,
            &["relation-ids", "opt", "--format=json"]
        ),
        "[]"
    );
}

#[test]
fn a_databag_shows_the_writes_of_its_own_hook() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let read = ["relation-get", "--format=json", "-r", "1", "--app", "-", "probe"];
    assert_eq!(ok(&mut session, &mut model, &read), "{}");
    // JSON from ops 3.9, YAML from 2.23.
    let write = ["relation-set", "-r", "1", "--app", "--file", "-"];
    let output = call_with(
        &mut session,
        &mut model,
        &write,
        r#"{"spec": "{\"a\":null}", "app": "probe"}"#,
    );
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let expected = r#"{"app":"probe","spec":"{\"a\":null}"}"#;
    assert_eq!(ok(&mut session, &mut model, &read), expected);
    let output = call_with(&mut session, &mut model, &write, "size: 1e3\napp: ''\nspec: ''\n");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(ok(&mut session, &mut model, &read), r#"{"size":"1e3"}"#);
    // Words override the file.
    let write = ["relation-set", "-r", "1", "--app", "--file", "-", "size=2"];
    assert_eq!(call_with(&mut session, &mut model, &write, "size: 3").code, 0);
    assert_eq!(
        ok(
            &mut session,
            &mut model,
            &["relation-get", "-r", "1", "--app", "size", "probe"]
        ),
        "2"
    );
    for bad in ["[1]", "a: {b: c}", "a: ["] {
        let output = call_with(&mut session, &mut model, &write, bad);
        assert_eq!(output.code, 1, "{bad}");
        assert!(output.stderr.starts_with("ERROR yaml: "), "{}", output.stderr);
    }
}

#[test]
fn only_the_leader_writes_the_applications_databag() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/1");
    let (code, text) = fails(
        &mut session,
        &mut model,
        &["relation-set", "-r", "1", "--app", "a=b"],
    );
    assert_eq!((code, text.as_str()), (1, "ERROR cannot write relation settings"));
    let read = ["relation-get", "-r", "1", "--app", "-", "probe", "--format=json"];
    assert_eq!(ok(&mut session, &mut model, &read), "{}");
    model.juju_version = JujuVersion::new("3.6.11");
    let (code, text) = fails(&mut session, &mut model, &read);
    assert_eq!((code, text.as_str()), (1, "ERROR permission denied"));
}

#[test]
fn options_are_typed_and_those_without_a_value_left_out() {
    let mut model = probe_model();
    model.set_config("probe", "flag", "True").unwrap();
    let mut session = config_changed(&model, "probe/0");
    assert_eq!(
        ok(&mut session, &mut model, &["is-leader", "--format=json"]),
        "true"
    );
    let all = ok(&mut session, &mut model, &["config-get", "--format=json"]);
    assert_eq!(all, r#"{"flag":true,"port":8080,"ratio":0.5,"text":"hello"}"#);
    assert_eq!(ok(&mut session, &mut model, &["config-get", "port"]), "8080");
    let yaml = ok(&mut session, &mut model, &["config-get"]);
    assert_eq!(yaml, "flag: true\nport: 8080\nratio: 0.5\ntext: hello");
}

#[test]
fn statuses_are_set_and_read_in_every_form() {
    let mut model = probe_model();
    model.now = 1_782_907_200;
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["status-set", "--application=False", "waiting", "a b"],
    );
    let read = ok(
        &mut session,
        &mut model,
        &[
            "status-get",
            "--include-data",
            "--application=False",
            "--format=json",
        ],
    );
    assert_eq!(read, r#"{"message":"a b","status":"waiting","status-data":{}}"#);
    assert_eq!(ok(&mut session, &mut model, &["status-get"]), "waiting");
    ok(
        &mut session,
        &mut model,
        &["status-set", "--application=True", "active", "--", "fine"],
    );
    let goal = ok(&mut session, &mut model, &["goal-state", "--format=json"]);
    let expected =
        r#"{"units":{"probe/0":{"status":"waiting","since":"2026-07-01 12:00:00Z"}},"relations":{}}"#;
    assert_eq!(goal, expected);
}

#[test]
fn a_secret_is_made_read_and_described() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let args: Vec<String> = [
        "--label=api",
        "--owner",
        "application",
        "api-key#file=/tmp/key",
        "token#base64=AA==",
    ]
    .map(str::to_owned)
    .to_vec();
    // ops removes the file once the tool has returned: it must have been read by then.
    let invocation = Invocation {
        read_file: &|path| {
            if path == "/tmp/key" {
                Ok(b"s3cret\n".to_vec())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        },
        ..Invocation::new("secret-add", &args)
    };
    let output = session.run(&mut model, &invocation);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let uri = output.stdout.trim_end().to_owned();
    let id = uri.rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(uri, format!("secret://{}/{id}", model.uuid));
    assert_eq!(id.len(), 20);

    let content = r#"{"api-key":"s3cret\n","token":"\u0000"}"#;
    for name in [uri.clone(), id.clone(), format!("secret:{id}")] {
        let line = ["secret-get", &name, "--format=json"];
        assert_eq!(ok(&mut session, &mut model, &line), content, "{name}");
    }
    assert_eq!(
        ok(
            &mut session,
            &mut model,
            &["secret-get", "--label", "api", "--format=json"]
        ),
        content
    );
    assert_eq!(
        ok(&mut session, &mut model, &["secret-get", &id, "token#base64"]),
        "AA=="
    );
    let info = ok(
        &mut session,
        &mut model,
        &["secret-info-get", &id, "--format=json"],
    );
    let expected =
        json!({id.clone(): {"revision": 1, "label": "api", "owner": "application", "rotation": "never"}});
    assert_eq!(serde_json::from_str::<Value>(&info).unwrap(), expected);
    assert_eq!(
        ok(&mut session, &mut model, &["secret-ids", "--format=json"]),
        format!("[\"{id}\"]")
    );

    // The id before and after the relation.
    ok(
        &mut session,
        &mut model,
        &["secret-grant", &uri, "--relation", "1"],
    );
    ok(
        &mut session,
        &mut model,
        &["secret-grant", "--relation", "1", &uri],
    );
    session.commit(&mut model).unwrap();
    let mut velo = config_changed(&model, "velo/0");
    assert_eq!(
        ok(&mut velo, &mut model, &["secret-get", &uri, "--format=json"]),
        content
    );
    let mut probe = config_changed(&model, "probe/0");
    let info = ok(
        &mut probe,
        &mut model,
        &["secret-info-get", "--label", "api", "--format=json"],
    );
    let access = &serde_json::from_str::<Value>(&info).unwrap()[&id]["access"];
    let scope = "relation-probe.velero-backup-config#velo.velero-backups";
    assert_eq!(
        *access,
        json!([{"target": "application-velo", "scope": scope, "role": "view"}])
    );
}

#[test]
fn a_reader_keeps_its_revision_until_it_refreshes() {
    let mut model = related_model();
    let id = model.add_user_secret("mine", &BTreeMap::from([("key".to_owned(), "1".to_owned())]));
    model.grant_user_secret("mine", "probe").unwrap();
    let mut session = config_changed(&model, "probe/0");
    let get = |session: &mut HookSession, model: &mut _, flag: &str| {
        ok(session, model, &["secret-get", &id, flag, "key", "--format=json"])
    };
    assert_eq!(get(&mut session, &mut model, "--peek=false"), "\"1\"");
    session.commit(&mut model).unwrap();

    let content = BTreeMap::from([("key".to_owned(), "2".to_owned())]);
    let changes = model.update_user_secret("mine", &content).unwrap();
    let changed = Event::SecretChanged {
        secret: id.clone(),
        label: String::new(),
    };
    assert_eq!(changes, [Change::event("probe/0", changed)]);
    assert_eq!(model.update_user_secret("mine", &content).unwrap(), []);

    let mut session = config_changed(&model, "probe/0");
    assert_eq!(get(&mut session, &mut model, "--peek=false"), "\"1\"");
    assert_eq!(get(&mut session, &mut model, "--peek"), "\"2\"");
    assert_eq!(get(&mut session, &mut model, "--peek=false"), "\"1\"");
    assert_eq!(get(&mut session, &mut model, "--refresh"), "\"2\"");
    assert_eq!(get(&mut session, &mut model, "--peek=false"), "\"2\"");
}

#[test]
fn a_label_given_with_the_first_read_finds_the_secret_later() {
    let mut model = related_model();
    let id = model.add_user_secret("mine", &BTreeMap::from([("key".to_owned(), "1".to_owned())]));
    model.grant_user_secret(&id, "probe").unwrap();
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["secret-get", &id, "--label", "theirs"],
    );
    session.commit(&mut model).unwrap();
    let mut session = config_changed(&model, "probe/0");
    assert_eq!(
        ok(&mut session, &mut model, &["secret-get", "--label", "theirs"]),
        "key: \"1\""
    );
}

#[test]
fn a_secret_that_is_unknown_or_not_granted_is_refused() {
    let mut model = related_model();
    let id = model.add_user_secret("mine", &BTreeMap::from([("key".to_owned(), "1".to_owned())]));
    let mut session = config_changed(&model, "probe/0");
    let unknown = "d0000000000000000000";
    for (line, expected) in [
        (
            &["secret-get", unknown][..],
            (1, "ERROR getting latest secret revision: secret not found"),
        ),
        (
            &["secret-get", "--label", "x"],
            (1, "ERROR secret URI for consumer label \"x\" not found"),
        ),
        (
            &["secret-get", &id],
            (1, "ERROR \"probe/0\" is not allowed to read this secret"),
        ),
        (
            &["secret-info-get", &id],
            (1, &format!("ERROR secret \"{id}\" not found")),
        ),
        (
            &["secret-grant", unknown, "-r", "1"],
            (1, "ERROR secret \"d0000000000000000000\" not found"),
        ),
        (
            &["secret-revoke", unknown],
            (2, "ERROR missing relation or application or unit"),
        ),
    ] {
        let (code, text) = fails(&mut session, &mut model, line);
        assert_eq!((code, text.as_str()), expected, "{line:?}");
    }
    model.juju_version = JujuVersion::new("3.6.11");
    let (code, text) = fails(&mut session, &mut model, &["secret-get", &id]);
    assert_eq!((code, text.as_str()), (1, "ERROR permission denied"));
}

#[test]
fn kept_state_is_printed_raw() {
    let mut model = probe_model();
    let mut session = config_changed(&model, "probe/0");
    let state = "'#notices#': |\n  !!python/tuple [a, b]\n";
    assert_eq!(
        call_with(&mut session, &mut model, &["state-set", "--file", "-"], state).code,
        0
    );
    let output = call(&mut session, &mut model, &["state-get", "#notices#"]);
    assert_eq!(output.stdout, "!!python/tuple [a, b]\n\n");
    // A key that is not there prints nothing, and that is no failure.
    assert_eq!(call(&mut session, &mut model, &["state-get", "none"]).stdout, "");
}

#[test]
fn storage_ports_network_and_resources_answer() {
    let mut model = probe_model();
    model
        .mount_storage("config/0", "/var/lib/juju/storage/config-0")
        .unwrap();
    model.units.get_mut("probe/0").unwrap().address = Some("10.1.2.3".to_owned());
    let resources = &mut model.applications.get_mut("probe").unwrap().resources;
    resources.insert("app-image".to_owned(), "/r/content.yaml".to_owned());
    let mut session = config_changed(&model, "probe/0");
    let location = "/var/lib/juju/storage/config-0";
    assert_eq!(
        ok(
            &mut session,
            &mut model,
            &["storage-get", "-s", "config/0", "location"]
        ),
        location
    );
    let read = ok(
        &mut session,
        &mut model,
        &["storage-get", "-s", "config/0", "--format=json"],
    );
    assert_eq!(
        read,
        format!("{{\"kind\":\"filesystem\",\"location\":\"{location}\"}}")
    );
    ok(&mut session, &mut model, &["open-port", "8080/tcp"]);
    ok(&mut session, &mut model, &["open-port", "53/UDP"]);
    assert_eq!(
        ok(&mut session, &mut model, &["opened-ports"]),
        "8080/tcp\n53/udp"
    );
    assert_eq!(
        ok(&mut session, &mut model, &["opened-ports", "--format=json"]),
        "[\"8080/tcp\",\"53/udp\"]"
    );
    assert_eq!(
        ok(
            &mut session,
            &mut model,
            &["network-get", "opt", "--bind-address"]
        ),
        "10.1.2.3"
    );
    assert_eq!(
        ok(&mut session, &mut model, &["resource-get", "app-image"]),
        "/r/content.yaml"
    );
    session.commit(&mut model).unwrap();
    assert!(model.units["probe/0"].opened_ports[""].contains(&Port::tcp(8080)));
}

#[test]
fn the_credential_is_for_trusted_applications() {
    let mut model = probe_model();
    model.cloud_credential = Some(CloudCredential(json!({"type": "kubernetes", "name": "k8s"})));
    let mut session = config_changed(&model, "probe/0");
    let (code, text) = fails(&mut session, &mut model, &["credential-get", "--format=json"]);
    let refused = "ERROR cannot access cloud credentials: getting model credentials: permission denied";
    assert_eq!((code, text.as_str()), (1, refused));
    model.set_trust("probe", true).unwrap();
    let spec = ok(&mut session, &mut model, &["credential-get", "--format=json"]);
    assert_eq!(spec, r#"{"name":"k8s","type":"kubernetes"}"#);
}

#[test]
fn action_tools_work_in_actions_only() {
    let mut model = probe_model();
    let mut hook = config_changed(&model, "probe/0");
    for line in [
        &["action-get"][..],
        &["action-set", "a=b"],
        &["action-fail"],
        &["action-log", "x"],
    ] {
        let (code, text) = fails(&mut hook, &mut model, line);
        assert_eq!(
            (code, text.as_str()),
            (1, "ERROR not running an action"),
            "{line:?}"
        );
    }
    let event = model.start_action("probe/0", "probe", Map::new()).unwrap();
    let mut action = begin(&model, "probe/0", event);
    assert_eq!(
        ok(&mut action, &mut model, &["action-get", "--format=json"]),
        r#"{"name":"x"}"#
    );
    ok(&mut action, &mut model, &["action-set", "a.b=c=d", "e="]);
    ok(&mut action, &mut model, &["action-fail", "--", "no good"]);
    let outcome = action.action().unwrap();
    assert_eq!(
        Value::Object(outcome.results.clone()),
        json!({"a": {"b": "c=d"}, "e": ""})
    );
    assert!(outcome.failed);
    assert_eq!(outcome.message, "no good");
}

#[test]
fn a_log_text_may_have_lines_and_a_leading_dash() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let output = call(
        &mut session,
        &mut model,
        &["juju-log", "--log-level", "DEBUG", "--", "-one\ntwo"],
    );
    let [line] = output.log.as_slice() else {
        panic!("one line was expected: {:?}", output.log)
    };
    assert_eq!(line.target, LogTarget::Unit(LogLevel::Debug));
    assert_eq!(line.text, "-one\ntwo");
    let mut session = begin(&model, "probe/0", Event::RelationCreated { relation: 1 });
    let output = call(&mut session, &mut model, &["juju-log", "x"]);
    assert_eq!(output.log[0].text, "velero-backup-config:1: x");
}

#[test]
fn the_environment_tells_hooks_from_actions() {
    let mut model = related_model();
    let get = |variables: &[(String, String)], wanted: &str| {
        let found = variables.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    let paths = Paths::of_unit("probe/0");
    let event = model.start_action("probe/0", "sh", Map::new()).unwrap();
    let action = environment(&model, &HookContext::new("probe/0", event, NONCE), &paths);
    assert_eq!(get(&action, "JUJU_HOOK_NAME").as_deref(), Some(""));
    assert_eq!(get(&action, "JUJU_DISPATCH_PATH").as_deref(), Some("actions/sh"));
    assert_eq!(get(&action, "JUJU_REMOTE_UNIT"), None);
    let created = HookContext::new("probe/0", Event::RelationCreated { relation: 1 }, NONCE);
    let created = environment(&model, &created, &paths);
    assert_eq!(get(&created, "JUJU_REMOTE_UNIT").as_deref(), Some(""));
    assert_eq!(get(&created, "JUJU_REMOTE_APP").as_deref(), Some("velo"));
}
