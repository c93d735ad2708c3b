//! A state and an event in, a state out: no Juju, no cluster.

use std::collections::BTreeMap;

use juju_charm::pebble::{ExecOutput, ServiceStatus};
use juju_charm::testing::{self, Context, Event, Outcome, PebbleState, Pebbles, RelationState, State};

use super::*;

fn charm() -> Context {
    Context::with_files(&testing::CharmFiles {
        metadata: include_str!("../charmcraft.yaml"),
        ..testing::CharmFiles::default()
    })
    .unwrap()
}

/// A leader with its container, and both relations.
fn unit() -> State {
    let state = State::new("valkey", 0).with_model_name("home").with_leader(true);
    state
        .with_pebble(CONTAINER, PebbleState::new())
        .with_relation(RelationState::new(3, "backup", "velero-operator"))
        .with_relation(RelationState::new(4, DATABASE, "shop"))
}

fn run(state: &State) -> Outcome<anyhow::Error> {
    let converge = |juju: &Juju, pebbles: &Pebbles| converge(juju, pebbles.of(CONTAINER), Ok(()));
    let outcome = charm()
        .run_with_pebbles(converge, Event::UpdateStatus, state)
        .unwrap();
    assert!(outcome.result.is_ok(), "{outcome:?}");
    outcome
}

#[test]
fn a_client_gets_the_address_and_may_read_the_password() {
    let first = run(&unit());
    let endpoint: Endpoint = databag::read(&first.state.own_app_data(4), Form::Plain).unwrap();
    let secret = first.state.secret_id(SECRET).unwrap();
    let expected = Endpoint {
        host: "valkey.home.svc.cluster.local".to_owned(),
        port: 6379,
        secret_id: format!("secret:{}", secret.unique_id()),
    };
    assert_eq!(endpoint, expected);
    let grants = first
        .state
        .model()
        .secrets
        .values()
        .flat_map(|secret| &secret.grants);
    let targets: Vec<&str> = grants.map(|grant| grant.target.as_str()).collect();
    assert_eq!(targets, ["shop"]);
    let second = run(&first.state);
    assert!(second.writes().is_empty(), "{second:?}");
    assert!(second.pebble_writes(CONTAINER).is_empty(), "{second:?}");
}

#[test]
fn the_server_runs_and_its_password_is_in_no_command_line() {
    let outcome = run(&unit());
    let server = outcome.state.pebble(CONTAINER).unwrap().service(CONTAINER);
    assert_eq!(server, Some(ServiceStatus::Active));
    let content = outcome.state.secret_content(SECRET).unwrap();
    let password = content.get("password").unwrap();
    assert_eq!(password.len(), 32);
    let said = format!("{:?} {:?}", outcome.calls, outcome.logs);
    assert!(!said.contains(password), "{said}");
}

#[test]
fn the_database_is_saved_before_each_backup() {
    let marks = backups::marks("valkey-data-1f", ["charm-data", "valkey-data-1f"]);
    let expected = [
        ("backup.velero.io/backup-volumes", "valkey-data-1f"),
        ("backup.velero.io/backup-volumes-excludes", "charm-data"),
        (
            "pre.hook.backup.velero.io/command",
            r#"["/bin/sh","-c","REDISCLI_AUTH=$(cat /etc/valkey/password) exec valkey-cli -e save"]"#,
        ),
        ("pre.hook.backup.velero.io/container", "valkey"),
        ("pre.hook.backup.velero.io/on-error", "Fail"),
        ("pre.hook.backup.velero.io/timeout", "10m"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(marks, BTreeMap::from(expected));
}

#[test]
fn a_second_unit_is_refused() {
    let mut state = unit();
    let mut second = state.model().units["valkey/0"].clone();
    second.name = "valkey/1".to_owned();
    state.model_mut().units.insert(second.name.clone(), second);
    let status = run(&state).state.status();
    assert_eq!(status.name, "blocked");
    assert_eq!(status.message, "takes one unit: juju scale-application valkey 1");
}

#[test]
fn keys_are_counted_in_the_database_that_is_named() {
    let answer = ExecOutput {
        stdout: b"42\n".to_vec(),
        ..ExecOutput::default()
    };
    let state = run(&unit()).state;
    let pebble = state.pebble(CONTAINER).unwrap().clone();
    let pebble = pebble.with_command([CLI, "-e", "-n", "3", "dbsize"], answer);
    let state = state.with_pebble(CONTAINER, pebble);
    let event = Event::Action {
        name: "count-keys".to_owned(),
        id: "1".to_owned(),
        params: serde_json::json!({"database": 3}).as_object().unwrap().clone(),
    };
    let act = |juju: &Juju, pebbles: &Pebbles| act(juju, pebbles.of(CONTAINER), "count-keys");
    let outcome = charm().run_with_pebbles(act, event, &state).unwrap();
    assert_eq!(outcome.action.unwrap().results["keys"], "42");
}
