//! Stored state, databags and parameters as types, and what Juju knows around the unit. Every case names all the calls that may be
//! made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;

use juju_charm::databag::Form;
use juju_charm::testing::{Context, Event, ExpectedCall, RelationState, ScriptedRunner, State};
use juju_charm::{Error, ErrorKind, Juju, JujuContext, RelationId, Status};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A handle in a dispatch of probe/0, and the script that it has to keep to.
fn dispatched<const N: usize>(path: &str, expected: [ExpectedCall; N]) -> (Juju, ScriptedRunner) {
    let variables = [
        ("JUJU_DISPATCH_PATH", path),
        ("JUJU_UNIT_NAME", "probe/0"),
        ("JUJU_MODEL_NAME", "homelab"),
        ("JUJU_MODEL_UUID", "c1dffb6d-a8af-4bab-851e-54aafa595a16"),
        ("JUJU_VERSION", "4.0.15"),
    ];
    let runner = ScriptedRunner::new(expected);
    let context = JujuContext::from_vars(variables).unwrap();
    (Juju::new(context, Box::new(runner.clone())), runner)
}

fn call<const N: usize>(tool: &str, args: [&str; N]) -> ExpectedCall {
    ExpectedCall::new(tool, args)
}

fn relation() -> RelationId {
    "db:1".parse().unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    count: u32,
    #[serde(default)]
    names: Vec<String>,
}

#[test]
fn a_value_is_stored_when_it_differs_and_read_back() {
    let seen = Seen {
        count: 2,
        names: vec!["a\nb".to_owned()],
    };
    let text = r#"{"count":2,"names":["a\nb"]}"#;
    let sent = json!({"seen": text}).to_string();
    let (juju, script) = dispatched(
        "hooks/start",
        [
            call("state-get", ["--format=json"]).prints("null"),
            call("state-set", ["--file", "-"]).with_stdin(&sent),
        ],
    );
    assert_eq!(juju.stored::<Seen>("seen").unwrap(), None);
    assert!(juju.store("seen", &seen).unwrap());
    assert!(!juju.store("seen", &seen).unwrap());
    assert_eq!(juju.stored::<Seen>("seen").unwrap(), Some(seen));
    assert_eq!(script.finish(), Ok(()));
}

/// A charm reads what an older revision of it wrote.
#[test]
fn what_does_not_fit_is_named_without_its_value() {
    let state = json!({
        "old": r#"{"count":1}"#, "text": "hunter2", "type": r#"{"count":"hunter2"}"#, "less": "{}",
    });
    let state_get = call("state-get", ["--format=json"]).prints(&state.to_string());
    let (juju, script) = dispatched("hooks/start", [state_get]);
    let read = |key: &str| juju.stored::<Seen>(key).map_err(|error| error.to_string());
    assert_eq!(read("old").unwrap().map(|seen| seen.count), Some(1));
    let errors = ["text", "type", "less"].map(|key| read(key).unwrap_err());
    assert_eq!(
        errors,
        [
            r#"cannot use stored state "text": it is not JSON"#,
            r#"cannot use stored state "type": count: it has another type or form than the charm reads"#,
            r#"cannot use stored state "less": count is missing"#,
        ]
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn parameters_are_read_as_a_type() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Parameters {
        backup_uid: String,
        dry_run: bool,
    }

    let get = || call("action-get", ["--format=json"]);
    let (juju, script) = dispatched(
        "actions/restore",
        [
            get().prints(r#"{"backup-uid":"latest","dry-run":true}"#),
            get().prints(r#"{"backup-uid":"latest","dry-run":"hunter2"}"#),
        ],
    );
    assert_eq!(
        juju.action_parameters_as::<Parameters>().unwrap(),
        Parameters {
            backup_uid: "latest".to_owned(),
            dry_run: true
        }
    );
    let error = juju.action_parameters_as::<Parameters>().unwrap_err();
    assert_eq!(error.tool(), None);
    assert_eq!(
        error.to_string(),
        "cannot use the parameters of action restore: dry-run: it has another type or form than the charm reads"
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_databag_is_read_as_a_type_once_it_was_written() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Address {
        host: String,
        port: u16,
    }

    let bag = |app, printed: &str| {
        call("relation-get", ["--format=json", "-r", "db:1", "--app", "-", app]).prints(printed)
    };
    let (juju, script) = dispatched(
        "hooks/start",
        [
            bag("silent", "{}"),
            bag("plain", r#"{"host":"10.1.2.3","port":"6379","other":"x"}"#),
            bag("json", r#"{"host":"\"10.1.2.3\"","port":"6379","other":"x"}"#),
            bag("wrong", r#"{"host":"10.1.2.3","port":"hunter2"}"#),
        ],
    );
    let read = |app, form| juju.app_data_as::<Address>(&relation(), app, form);
    assert_eq!(read("silent", Form::Plain).unwrap(), None);
    let address = Address {
        host: "10.1.2.3".to_owned(),
        port: 6379,
    };
    assert_eq!(read("plain", Form::Plain).unwrap().as_ref(), Some(&address));
    assert_eq!(read("json", Form::Json).unwrap(), Some(address));
    assert_eq!(
        read("wrong", Form::Plain).unwrap_err().to_string(),
        "cannot use the databag of wrong in db:1: port: it has another type or form than the charm reads"
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn what_is_around_the_unit_is_read_once() {
    let goal = r#"{"units":{"probe/0":{"status":"active","since":""},"probe/1":{"status":"dying","since":""},
        "probe/2":{"status":"waiting","since":""}},"relations":{}}"#;
    let (juju, script) = dispatched(
        "hooks/start",
        [
            call("goal-state", ["--format=json"]).prints(goal),
            call("resource-get", ["rules"]).prints("/var/lib/juju/resources/rules/rules.yaml\n"),
            call("credential-get", ["--format=json"]).prints(r#"{"endpoint":"https://k8s"}"#),
            call("relation-model-get", ["--format=json", "-r", "db:1"]).prints(r#"{"uuid":"other"}"#),
        ],
    );
    for _ in 0..2 {
        assert_eq!(
            juju.planned_units().unwrap(),
            2,
            "the one that goes does not count"
        );
        assert_eq!(juju.goal_state().unwrap().units.len(), 3);
        assert_eq!(
            juju.resource("rules").unwrap(),
            Path::new("/var/lib/juju/resources/rules/rules.yaml")
        );
        assert_eq!(juju.cloud_credential().unwrap().0["endpoint"], "https://k8s");
        assert_eq!(juju.remote_model(&relation()).unwrap().as_deref(), Some("other"));
    }
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn storage_that_was_asked_for_is_looked_for_anew() {
    let list = || call("storage-list", ["--format=json", "data"]);
    let (juju, script) = dispatched(
        "hooks/start",
        [
            list().prints("[]"),
            call("storage-add", ["data=2"]),
            list().prints(r#"["data/0","data/1"]"#),
        ],
    );
    assert_eq!(juju.storages("data").unwrap(), []);
    juju.storage_add("data", 2).unwrap();
    assert_eq!(juju.storages("data").unwrap().len(), 2);
    assert_eq!(script.finish(), Ok(()));
}

/// On hook tools that answer as Juju's do.
#[test]
fn a_simulated_juju_takes_the_same_calls() {
    fn charm(juju: &Juju) -> Result<(), Error> {
        let seen: Option<Seen> = juju.stored("seen")?;
        let count = seen.map_or(0, |seen| seen.count) + 1;
        let names = Vec::new();
        juju.store("seen", &Seen { count, names })?;
        assert_eq!(juju.planned_units()?, 1);
        assert_eq!(juju.cloud_credential().unwrap_err().kind(), ErrorKind::NotAllowed);
        assert_eq!(juju.resource("none").unwrap_err().tool(), Some("resource-get"));
        juju.set_status(&Status::Active(count.to_string())).map(drop)
    }

    let state = State::new("probe", 0).with_relation(RelationState::new(1, "db", "mysql"));
    let first = Context::new().run(charm, Event::Start, &state).unwrap();
    assert!(first.result.is_ok(), "{first:?}");
    let second = Context::new()
        .run(charm, Event::UpdateStatus, &first.state)
        .unwrap();
    assert!(second.state.status() == Status::Active("2".to_owned()));
    let expected = BTreeMap::from([("seen".to_owned(), r#"{"count":2,"names":[]}"#.to_owned())]);
    assert_eq!(second.state.stored(), expected);
}

#[test]
fn the_most_urgent_status_is_shown_and_the_first_of_those_alike() {
    let status = |name: fn(String) -> Status, text: &str| name(text.to_owned());
    let all = [
        status(Status::Active, "a"),
        status(Status::Waiting, "b"),
        status(Status::Maintenance, "c"),
        status(Status::Blocked, "d"),
        status(Status::Blocked, "e"),
    ];
    for shown in (1..=4).rev() {
        assert_eq!(
            Status::most_urgent(all[..shown].to_vec()).as_ref(),
            all.get(shown - 1)
        );
    }
    assert_eq!(Status::most_urgent(all.to_vec()).as_ref(), all.get(3));
    assert_eq!(Status::most_urgent([]), None);
}
