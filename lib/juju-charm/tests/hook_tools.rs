//! Each function calls its tool with the right words and reads what Juju 3.6 and 4.0 answer. The runner refuses every call
//! that a case does not name; the answers are recorded from Juju 4.0.15 unless a case says otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeMap;

use juju_charm::hook_tools::{self, Bag, LogLevel, SecretHandle};
use juju_charm::secret::{SecretContent, SecretMetadata, SecretOwner, SecretRevision};
use juju_charm::testing::{ExpectedCall, ScriptedRunner};
use juju_charm::{Error, ErrorKind, Port, RelationId, SecretId, Status, ToolRunner, UnitName};

/// Runs `call` against one expected call, and proves that it came.
fn with<T>(expected: ExpectedCall, call: impl FnOnce(&dyn ToolRunner) -> T) -> T {
    let runner = ScriptedRunner::new([expected]);
    let result = call(&runner);
    runner.finish().unwrap_or_else(|problems| panic!("{problems}"));
    result
}

fn call<const N: usize>(tool: &str, args: [&str; N]) -> ExpectedCall {
    ExpectedCall::new(tool, args)
}

fn relation() -> RelationId {
    "db:1".parse().unwrap()
}

fn secret() -> SecretId {
    "secret:9m4e2mr0ui3e8a215n4g".parse().unwrap()
}

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Those that Juju has, but for the one that only machines can use.
#[test]
fn every_tool_has_a_function_and_a_case_here() {
    let functions = include_str!("../src/hook_tools/mod.rs");
    let cases = include_str!("hook_tools.rs");
    for tool in juju_hook_tools::tools::NAMES
        .iter()
        .filter(|tool| **tool != "juju-reboot")
    {
        let function = tool.replace('-', "_");
        let mut words = functions.split(|character: char| !character.is_alphanumeric() && character != '_');
        assert!(words.any(|word| word == function), "no function for {tool}");
        assert!(cases.contains(&format!("\"{tool}\"")), "no case for {tool}");
    }
}

#[test]
fn leadership_and_options() {
    let leader = call("is-leader", ["--format=json"]).prints("true\n");
    assert!(with(leader, hook_tools::is_leader).unwrap());
    let options =
        call("config-get", ["--format=json"]).prints(r#"{"flag":false,"port":8080,"text":"hello"}"#);
    assert_eq!(with(options, hook_tools::config_get).unwrap().len(), 3);
}

#[test]
fn relation_ids_of_an_endpoint_without_relations_are_none() {
    let ids = |answer: &str| {
        with(
            call("relation-ids", ["--format=json", "db"]).prints(answer),
            |runner| hook_tools::relation_ids(runner, "db"),
        )
    };
    assert_eq!(ids(r#"["db:1"]"#).unwrap(), [relation()]);
    assert_eq!(ids("[]").unwrap(), []);
    assert_eq!(ids("null").unwrap(), []);
    assert_eq!(ids("").unwrap(), []);
    let error = ids(r#"["db"]"#).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot understand the output of relation-ids --format=json db: \"db\" is not a relation id"
    );
}

#[test]
fn relation_list_gives_units_and_the_application() {
    let units = call("relation-list", ["--format=json", "-r", "db:1"]).prints(r#"["velo/0"]"#);
    let unit: UnitName = "velo/0".parse().unwrap();
    assert_eq!(
        with(units, |runner| hook_tools::relation_list(runner, &relation())).unwrap(),
        [unit]
    );
    let app = |answer: &str| {
        with(
            call("relation-list", ["--format=json", "--app", "-r", "db:1"]).prints(answer),
            |runner| hook_tools::relation_list_app(runner, &relation()),
        )
    };
    assert_eq!(app("\"velo\"").unwrap().as_deref(), Some("velo"));
    assert_eq!(app("\"\"").unwrap(), None);
}

#[test]
fn relation_get_reads_a_whole_bag() {
    let app = call(
        "relation-get",
        ["--format=json", "-r", "db:1", "--app", "-", "velo"],
    )
    .prints(r#"{"a":"1"}"#);
    let bag = with(app, |runner| {
        hook_tools::relation_get(runner, &relation(), Bag::App("velo"))
    });
    assert_eq!(bag.unwrap(), map([("a", "1")]));
    let unit = "velo/0".parse().unwrap();
    let empty = call("relation-get", ["--format=json", "-r", "db:1", "-", "velo/0"]).prints("{}");
    let bag = with(empty, |runner| {
        hook_tools::relation_get(runner, &relation(), Bag::Unit(&unit))
    });
    assert_eq!(bag.unwrap(), BTreeMap::new());
}

#[test]
fn a_relation_that_is_gone_is_told_apart_from_one_that_may_not_be_read() {
    let get = |exit_code, stderr: &str| {
        let expected = call(
            "relation-get",
            ["--format=json", "-r", "db:1", "--app", "-", "me"],
        );
        with(expected.fails(exit_code, stderr), |runner| {
            hook_tools::relation_get(runner, &relation(), Bag::App("me"))
        })
        .unwrap_err()
    };
    let gone = get(
        2,
        "ERROR invalid value \"db:1\" for option -r: relation not found\n",
    );
    assert_eq!(gone.kind(), ErrorKind::NoSuchRelation);
    assert_eq!(
        gone.to_string(),
        "cannot run relation-get --format=json -r db:1 --app - me: invalid value \"db:1\" for option -r: relation not found"
    );
    // Juju 3.6, on a unit that does not lead.
    assert_eq!(get(1, "ERROR permission denied\n").kind(), ErrorKind::NotAllowed);
}

#[test]
fn relation_set_sends_data_on_standard_input() {
    let data = map([("gone", ""), ("spec", "{\"a\":[1]}")]);
    let input = r#"{"gone":"","spec":"{\"a\":[1]}"}"#;
    let app = call("relation-set", ["-r", "db:1", "--app", "--file", "-"]).with_stdin(input);
    with(app, |runner| {
        hook_tools::relation_set(runner, &relation(), true, &data)
    })
    .unwrap();
    let unit = call("relation-set", ["-r", "db:1", "--file", "-"]).with_stdin(input);
    with(unit, |runner| {
        hook_tools::relation_set(runner, &relation(), false, &data)
    })
    .unwrap();
    let refused = call("relation-set", ["-r", "db:1", "--app", "--file", "-"])
        .with_stdin(input)
        .fails(1, "ERROR cannot write relation settings\n");
    let error = with(refused, |runner| {
        hook_tools::relation_set(runner, &relation(), true, &data)
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAllowed);
}

#[test]
fn relation_model_get_gives_the_uuid() {
    let model = call("relation-model-get", ["--format=json", "-r", "db:1"]).prints(r#"{"uuid":"c1df"}"#);
    let uuid = with(model, |runner| {
        hook_tools::relation_model_get(runner, &relation())
    });
    assert_eq!(uuid.unwrap().as_deref(), Some("c1df"));
}

#[test]
fn status_is_read_with_its_message() {
    let unit = call("status-get", ["--include-data", "--format=json"])
        .prints(r#"{"message":"installing","status":"maintenance","status-data":{}}"#);
    let status = with(unit, hook_tools::status_get).unwrap();
    assert!(status == Status::Maintenance("installing".to_owned()));
    let app = call("status-get", ["--application=true", "--include-data", "--format=json"]).prints(
        r#"{"application-status":{"message":"m","status":"active","status-data":{},"units":{"probe/0":{"message":"x"}}}}"#,
    );
    assert!(with(app, hook_tools::application_status_get).unwrap() == Status::Active("m".to_owned()));
}

#[test]
fn status_set_keeps_a_leading_dash_in_the_message() {
    let set = call("status-set", ["--application=false", "blocked", "--", "-dash"]);
    let status = Status::Blocked("-dash".to_owned());
    with(set, |runner| hook_tools::status_set(runner, false, &status)).unwrap();
    let refused = call("status-set", ["--application=true", "blocked", "--", "-dash"]).fails(
        1,
        "ERROR setting application status: this unit is not the leader\n",
    );
    let error = with(refused, |runner| hook_tools::status_set(runner, true, &status)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAllowed);
}

#[test]
fn ports() {
    let open = call("open-port", ["8080/tcp"]);
    with(open, |runner| hook_tools::open_port(runner, Port::tcp(8080))).unwrap();
    let close = call("close-port", ["53/udp"]);
    with(close, |runner| hook_tools::close_port(runner, Port::udp(53))).unwrap();
    let opened = call("opened-ports", ["--format=json"]).prints(r#"["icmp","8080/tcp"]"#);
    assert_eq!(
        with(opened, hook_tools::opened_ports).unwrap().last(),
        Some(&Port::tcp(8080))
    );
}

#[test]
fn a_secrets_content_never_is_an_argument() {
    let content = SecretContent::from([("api-key", "hunter2"), ("other", "")]);
    let metadata = SecretMetadata {
        label: Some("key".to_owned()),
        description: Some("- of the app".to_owned()),
        ..SecretMetadata::default()
    };
    let add = call(
        "secret-add",
        [
            "--owner=application",
            "--label=key",
            "--description=- of the app",
            "api-key#file=…",
            "other#file=…",
        ],
    )
    .prints("secret://c1dffb6d-a8af-4bab-851e-54aafa595a16/9m4e2mr0ui3e8a215n4g\n");
    let id = with(add, |runner| {
        hook_tools::secret_add(runner, &content, SecretOwner::Application, &metadata)
    });
    assert_eq!(id.unwrap(), secret());
    let set = call(
        "secret-set",
        ["secret:9m4e2mr0ui3e8a215n4g", "api-key#file=…", "other#file=…"],
    );
    let metadata = SecretMetadata::default();
    with(set, |runner| {
        hook_tools::secret_set(runner, &secret(), Some(&content), &metadata)
    })
    .unwrap();
    let only_metadata = call(
        "secret-set",
        ["--expire=24h", "--rotate=daily", "secret:9m4e2mr0ui3e8a215n4g"],
    );
    let metadata = SecretMetadata {
        rotate: Some("daily".to_owned()),
        expire: Some("24h".to_owned()),
        ..SecretMetadata::default()
    };
    with(only_metadata, |runner| {
        hook_tools::secret_set(runner, &secret(), None, &metadata)
    })
    .unwrap();
}

#[test]
fn secret_add_without_an_id_is_an_error() {
    let content = SecretContent::from([("api-key", "hunter2")]);
    let add = call("secret-add", ["--owner=unit", "api-key#file=…"]).prints("hunter2\n\n!");
    let metadata = SecretMetadata::default();
    let error = with(add, |runner| {
        hook_tools::secret_add(runner, &content, SecretOwner::Unit, &metadata)
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .ends_with("no secret id was printed")
    );
}

#[test]
fn secret_get_reads_by_id_and_by_label() {
    let by_label =
        call("secret-get", ["--format=json", "--peek", "--label=key"]).prints(r#"{"api-key":"hunter2"}"#);
    let content = with(by_label, |runner| {
        hook_tools::secret_get(runner, SecretHandle::Label("key"), SecretRevision::Peek)
    });
    assert_eq!(content.unwrap().get("api-key"), Some("hunter2"));
    let by_id = call("secret-get", ["--format=json", "secret:9m4e2mr0ui3e8a215n4g"]).prints("{}");
    let id = secret();
    with(by_id, |runner| {
        hook_tools::secret_get(runner, SecretHandle::Id(&id), SecretRevision::Tracked)
    })
    .unwrap();
    let named = call(
        "secret-get",
        [
            "--format=json",
            "--refresh",
            "--label=theirs",
            "secret:9m4e2mr0ui3e8a215n4g",
        ],
    )
    .prints("{}");
    let handle = SecretHandle::IdToLabel(&id, "theirs");
    with(named, |runner| {
        hook_tools::secret_get(runner, handle, SecretRevision::Refresh)
    })
    .unwrap();
}

#[test]
fn secret_errors_are_told_apart_and_never_hold_the_content() {
    let get = |exit_code, stdout: &str, stderr: &str| {
        let expected = call("secret-get", ["--format=json", "--label=x"]).prints(stdout);
        let expected = if exit_code == 0 {
            expected
        } else {
            expected.fails(exit_code, stderr)
        };
        with(expected, |runner| {
            hook_tools::secret_get(runner, SecretHandle::Label("x"), SecretRevision::Tracked)
        })
        .unwrap_err()
    };
    let missing = get(1, "", "ERROR secret URI for consumer label \"x\" not found\n");
    assert_eq!(missing.kind(), ErrorKind::NoSuchSecret);
    let forbidden = get(1, "", "ERROR \"probe/0\" is not allowed to read this secret\n");
    assert_eq!(forbidden.kind(), ErrorKind::NotAllowed);
    for stdout in [
        r#"{"api-key":{"hunter2":1}}"#,
        "hunter2",
        r#"{"api-key":"hunter2""#,
        r#"["hunter2"]"#,
    ] {
        let error = get(0, stdout, "");
        assert!(matches!(error, Error::Output { .. }), "{stdout}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn secret_info_get_names_the_secret_once() {
    // The shape is that of secret-info-get.go of juju/juju.
    let answer = r#"{"9m4e2mr0ui3e8a215n4g":{"revision":2,"label":"key","owner":"application","rotation":"never",
        "access":[{"target":"application-velo","scope":"relation-db.1","role":"view"}]}}"#;
    let expected = call("secret-info-get", ["--format=json", "--label=key"]).prints(answer);
    let info = with(expected, |runner| {
        hook_tools::secret_info_get(runner, SecretHandle::Label("key"))
    })
    .unwrap();
    assert_eq!(
        (info.id, info.revision, info.label.as_deref()),
        (secret(), 2, Some("key"))
    );
    assert_eq!(info.owner, SecretOwner::Application);
    assert_eq!(info.access[0].target, "application-velo");
    let id = secret();
    let by_id = call(
        "secret-info-get",
        ["--format=json", "secret:9m4e2mr0ui3e8a215n4g"],
    )
    .fails(1, "ERROR secret \"9m4e2mr0ui3e8a215n4g\" not found\n");
    let error = with(by_id, |runner| {
        hook_tools::secret_info_get(runner, SecretHandle::Id(&id))
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchSecret);
}

#[test]
fn secrets_are_listed_granted_revoked_and_removed() {
    let id = "secret:9m4e2mr0ui3e8a215n4g";
    let none = call("secret-ids", ["--format=json"]).prints("null");
    assert_eq!(with(none, hook_tools::secret_ids).unwrap(), []);
    let one = call("secret-ids", ["--format=json"]).prints("[\"9m4e2mr0ui3e8a215n4g\"]");
    assert_eq!(with(one, hook_tools::secret_ids).unwrap(), [secret()]);
    let grant = call("secret-grant", ["--relation=db:1", id]);
    with(grant, |runner| {
        hook_tools::secret_grant(runner, &secret(), &relation(), None)
    })
    .unwrap();
    let unit = "velo/0".parse().unwrap();
    let revoke = call("secret-revoke", ["--relation=db:1", "--unit=velo/0", id]);
    with(revoke, |runner| {
        hook_tools::secret_revoke(runner, &secret(), &relation(), Some(&unit))
    })
    .unwrap();
    let remove = call("secret-remove", ["--revision=3", id]);
    with(remove, |runner| {
        hook_tools::secret_remove(runner, &secret(), Some(3))
    })
    .unwrap();
}

#[test]
fn state_is_read_as_a_whole() {
    for empty in ["{}", "null", ""] {
        let get = call("state-get", ["--format=json"]).prints(empty);
        assert_eq!(
            with(get, hook_tools::state_get).unwrap(),
            BTreeMap::new(),
            "{empty:?}"
        );
    }
    let get = call("state-get", ["--format=json"]).prints(r#"{"k1":"v1","k2":""}"#);
    assert_eq!(
        with(get, hook_tools::state_get).unwrap(),
        map([("k1", "v1"), ("k2", "")])
    );
    let set = call("state-set", ["--file", "-"]).with_stdin(r#"{"k":"v"}"#);
    with(set, |runner| hook_tools::state_set(runner, &map([("k", "v")]))).unwrap();
    let delete = call("state-delete", ["--", "k"]);
    with(delete, |runner| hook_tools::state_delete(runner, "k")).unwrap();
}

#[test]
fn storage_is_listed_and_located() {
    let id = "config/0".parse().unwrap();
    let list = call("storage-list", ["--format=json", "config"]).prints("[\"config/0\"]");
    assert_eq!(
        with(list, |runner| hook_tools::storage_list(runner, "config")).unwrap(),
        [id]
    );
    let id = "config/0".parse().unwrap();
    let get = call("storage-get", ["--format=json", "-s", "config/0"])
        .prints(r#"{"kind":"filesystem","location":"/var/lib/juju/storage/config-0"}"#);
    let storage = with(get, |runner| hook_tools::storage_get(runner, &id)).unwrap();
    assert_eq!(storage.location.to_str(), Some("/var/lib/juju/storage/config-0"));
    let add = call("storage-add", ["config=2"]);
    with(add, |runner| hook_tools::storage_add(runner, "config", 2)).unwrap();
}

#[test]
fn a_pod_without_an_address_has_none() {
    let network = |answer: &str| {
        let expected = call("network-get", ["--format=json", "db"]).prints(answer);
        with(expected, |runner| hook_tools::network_get(runner, "db")).unwrap()
    };
    // During install.
    let early = network(
        r#"{"bind-addresses":[{"mac-address":"","interface-name":"placeholder","addresses":
        [{"hostname":"\u003cnil\u003e","value":"\u003cnil\u003e","cidr":"0.0.0.0/0"}]}],
        "egress-subnets":["10.96.0.141/32"],"ingress-addresses":["10.96.0.141"]}"#,
    );
    assert_eq!(
        (early.bind_address(), early.ingress_address()),
        (None, Some("10.96.0.141"))
    );
    let later = network(
        r#"{"bind-addresses":[{"interface-name":"x","addresses":[{"hostname":"","value":"10.124.0.201","cidr":""}]}],
        "egress-subnets":null}"#,
    );
    assert_eq!(later.bind_address(), Some([10, 124, 0, 201].into()));
    let nothing = network(r#"{"bind-addresses":[{"interface-name":"x","addresses":null}]}"#);
    assert_eq!((nothing.bind_address(), nothing.ingress_address()), (None, None));
}

#[test]
fn actions_are_read_and_answered() {
    let get = call("action-get", ["--format=json"]).prints(r#"{"name":"x"}"#);
    assert_eq!(with(get, hook_tools::action_get).unwrap()["name"], "x");
    let set = call("action-set", ["a.b=1=2", "c=-"]);
    with(set, |runner| {
        hook_tools::action_set(runner, &map([("a.b", "1=2"), ("c", "-")]))
    })
    .unwrap();
    let fail = call("action-fail", ["--", "-no"]);
    with(fail, |runner| hook_tools::action_fail(runner, "-no")).unwrap();
    let log = call("action-log", ["--", "half"]);
    with(log, |runner| hook_tools::action_log(runner, "half")).unwrap();
    let outside = call("action-get", ["--format=json"]).fails(1, "ERROR not running an action\n");
    let error = with(outside, hook_tools::action_get).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run action-get --format=json: not running an action"
    );
    let refused = call("action-set", ["token=hunter2"]).fails(1, "ERROR not running an action\n");
    let error = with(refused, |runner| {
        hook_tools::action_set(runner, &map([("token", "hunter2")]))
    })
    .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn the_rest() {
    let log = call("juju-log", ["--log-level", "WARNING", "--", "two\nlines"]);
    with(log, |runner| {
        hook_tools::juju_log(runner, LogLevel::Warning, "two\nlines")
    })
    .unwrap();
    let version = call("application-version-set", ["--", "1.2.3"]);
    with(version, |runner| {
        hook_tools::application_version_set(runner, "1.2.3")
    })
    .unwrap();
    let resource = call("resource-get", ["app-image"]).prints("/var/lib/juju/resources/content.yaml\n");
    let path = with(resource, |runner| hook_tools::resource_get(runner, "app-image")).unwrap();
    assert_eq!(path.to_str(), Some("/var/lib/juju/resources/content.yaml"));
    let unit = call("unit-get", ["--format=json", "public-address"]).prints("\"10.96.0.141\"");
    assert_eq!(
        with(unit, |runner| hook_tools::unit_get(runner, "public-address")).unwrap(),
        "10.96.0.141"
    );
    let goal = call("goal-state", ["--format=json"]).prints(
        r#"{"units":{"probe/0":{"status":"active","since":"2026-11-23 09:29:38Z"}},
        "relations":{"db":{"velo":{"status":"joined","since":"2026-11-23 09:28:18Z"}}}}"#,
    );
    assert_eq!(
        with(goal, hook_tools::goal_state).unwrap().relations["db"]["velo"].status,
        "joined"
    );
    let credential = call("credential-get", ["--format=json"]).prints(r#"{"token":"hunter2"}"#);
    let credential = with(credential, hook_tools::credential_get).unwrap();
    assert_eq!(format!("{credential:?}"), "CloudCredential(…)");
    let untrusted = call("credential-get", ["--format=json"]).fails(
        1,
        "ERROR cannot access cloud credentials: getting model credentials: permission denied\n",
    );
    assert_eq!(
        with(untrusted, hook_tools::credential_get).unwrap_err().kind(),
        ErrorKind::NotAllowed
    );
}

#[test]
fn output_that_is_no_json_is_an_error_that_names_the_call() {
    let leader = call("is-leader", ["--format=json"]).prints("True");
    let error = with(leader, hook_tools::is_leader).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot understand the output of is-leader --format=json: expected value"),
        "{error}"
    );
    let state = call("state-get", ["--format=json"]).prints(r#"{"k":1}"#);
    let error = with(state, hook_tools::state_get).unwrap_err().to_string();
    assert!(error.ends_with("the value of \"k\" is no text"), "{error}");
}
