//! States and events that Juju could not have are refused; odd ones are run with a warning.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod probe;

use juju_charm::testing::{Event, Outcome, RelationState, State};
use juju_charm::{Error, Juju, SecretContent};
use probe::probe;
use serde_json::json;

fn idle(_: &Juju) -> Result<(), Error> {
    Ok(())
}

fn leader_with_relation() -> State {
    State::new("probe", 0)
        .with_leader(true)
        .with_relation(RelationState::new(4, "db", "mysql").with_remote_unit(0, [("host", "a")]))
}

fn run(event: Event, state: &State) -> Outcome<Error> {
    probe()
        .run(idle, event, state)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn impossible_states_and_events_are_refused() {
    let new = || State::new("probe", 0);
    let content = SecretContent::from([("api-key", "x")]);
    let owned = new().with_app_secret("key", &content);
    let owned_id = owned.secret_id("key").unwrap().to_string();
    let remote = new().with_remote_secret("mysql", "theirs", &content, true);
    let remote_id = remote.secret_id("theirs").unwrap().to_string();
    let container = |name: &str| Event::PebbleReady {
        container: name.to_owned(),
    };
    let changed = |relation, remote_unit: &str| Event::RelationChanged {
        relation,
        remote_unit: Some(remote_unit.to_owned()),
    };
    let check = || Event::PebbleCheckFailed {
        container: "app".to_owned(),
        check: "up".to_owned(),
    };
    let action = |name: &str, params| Event::Action {
        name: name.to_owned(),
        id: "1".to_owned(),
        params,
    };
    let params = |value: serde_json::Value| value.as_object().unwrap().clone();
    let cases = [
        (
            "undeclared option",
            new().with_config("nope", "x"),
            Event::Start,
            "does not declare it",
        ),
        (
            "wrong type",
            new().with_config("port", "8080"),
            Event::Start,
            "config.yaml declares int",
        ),
        (
            "fraction for int",
            new().with_config("port", 1.5),
            Event::Start,
            "config.yaml declares int",
        ),
        (
            "no such endpoint",
            new().with_relation(RelationState::new(1, "nope", "x")),
            Event::Start,
            "no endpoint",
        ),
        (
            "no peer endpoint",
            new().with_relation(RelationState::peer(1, "db")),
            Event::Start,
            "a peer relation",
        ),
        (
            "limit",
            new()
                .with_relation(RelationState::new(1, "db", "a"))
                .with_relation(RelationState::new(2, "db", "b")),
            Event::Start,
            "takes 1 relations and has 2",
        ),
        (
            "unknown relation",
            new(),
            Event::RelationCreated { relation: 9 },
            "event of relation 9",
        ),
        (
            "unit of another app",
            leader_with_relation(),
            changed(4, "other/0"),
            "whose other side is mysql",
        ),
        (
            "unit not in relation",
            leader_with_relation(),
            changed(4, "mysql/7"),
            "which it is not in",
        ),
        (
            "departing unit of nobody",
            leader_with_relation(),
            Event::RelationDeparted {
                relation: 4,
                remote_unit: "mysql/0".to_owned(),
                departing_unit: "mysql/1".to_owned(),
            },
            "which is neither",
        ),
        ("not leading", new(), Event::LeaderElected, "which does not lead"),
        (
            "no such storage",
            new().with_storage("nope", 0, None),
            Event::Start,
            "no storage \"nope\"",
        ),
        (
            "storage not there",
            new(),
            Event::StorageAttached {
                storage: "config/0".to_owned(),
            },
            "which probe/0 does not have",
        ),
        (
            "storage not mounted",
            new().with_storage("config", 0, None),
            Event::StorageAttached {
                storage: "config/0".to_owned(),
            },
            "which is not mounted",
        ),
        (
            "unknown secret",
            new(),
            Event::SecretChanged {
                secret: "x".to_owned(),
                label: String::new(),
            },
            "which does not exist",
        ),
        (
            "secret never read",
            remote.clone(),
            Event::SecretChanged {
                secret: remote_id.clone(),
                label: String::new(),
            },
            "has never read",
        ),
        (
            "secret of another",
            remote,
            Event::SecretRotate {
                secret: remote_id,
                label: String::new(),
            },
            "does not manage",
        ),
        (
            "owner event without leading",
            owned.clone(),
            Event::SecretRotate {
                secret: owned_id.clone(),
                label: String::new(),
            },
            "does not manage",
        ),
        (
            "no such revision",
            owned.clone().with_leader(true),
            Event::SecretRemove {
                secret: owned_id,
                label: String::new(),
                revision: 7,
            },
            "revision 7",
        ),
        (
            "label taken",
            owned.with_app_secret("key", &content),
            Event::Start,
            "two secrets of one owner",
        ),
        (
            "short secret key",
            new().with_app_secret("k", &SecretContent::from([("ab", "x")])),
            Event::Start,
            "which Juju refuses",
        ),
        (
            "no such container",
            new(),
            container("nope"),
            "container \"nope\"",
        ),
        (
            "checks before 3.6",
            new().with_juju_version("3.5.4"),
            check(),
            "they came with 3.6",
        ),
        (
            "no such action",
            new(),
            action("nope", params(json!({}))),
            "not defined",
        ),
        (
            "wrong parameter",
            new(),
            action("backup-now", params(json!({"wait": "x"}))),
            "must be of type boolean",
        ),
    ];
    for (name, state, event, problem) in cases {
        match probe().run(idle, event, &state) {
            Ok(_) => panic!("{name}: was run"),
            Err(error) => assert!(error.to_string().contains(problem), "{name}: {error}"),
        }
    }
}

#[test]
fn possible_states_and_events_are_run() {
    let theirs = SecretContent::from([("api-key", "x")]);
    let tracked = State::new("probe", 0)
        .with_remote_secret("mysql", "theirs", &theirs, true)
        .with_secret_tracked("theirs");
    let secret = tracked.secret_id("theirs").unwrap().to_string();
    let peers =
        State::new("probe", 0).with_relation(RelationState::peer(1, "replicas").with_remote_unit(1, []));
    let joined = Event::RelationJoined {
        relation: 1,
        remote_unit: "probe/1".to_owned(),
    };
    let cases = [
        (
            "secret",
            tracked,
            Event::SecretChanged {
                secret,
                label: String::new(),
            },
        ),
        ("peer", peers, joined),
        (
            "storage",
            State::new("probe", 0).with_storage("config", 0, Some("/x")),
            Event::StorageAttached {
                storage: "config/0".to_owned(),
            },
        ),
        (
            "container",
            State::new("probe", 0),
            Event::PebbleReady {
                container: "app".to_owned(),
            },
        ),
        (
            "float",
            State::new("probe", 0).with_config("ratio", 2),
            Event::ConfigChanged,
        ),
    ];
    for (name, state, event) in cases {
        let outcome = run(event, &state);
        assert!(outcome.result.is_ok(), "{name}");
        assert_eq!(outcome.warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn odd_states_are_run_with_a_warning() {
    let orphaned = State::new("probe", 0)
        .with_relation(RelationState::new(4, "db", "mysql").with_own_app_data([("a", "b")]));
    let outcome = run(Event::UpdateStatus, &orphaned);
    assert_eq!(
        outcome.warnings,
        ["relation db:4 has data of probe, but probe/0 is its only unit and no leader"]
    );
    let again = run(Event::Install, &State::new("probe", 0).with_stored("k", "v"));
    assert_eq!(
        again.warnings,
        ["install on probe/0, which has stored state already"]
    );
}
