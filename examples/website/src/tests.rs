//! A state and an event in, a state out: no Juju, no cluster.

use juju_charm::pebble::ServiceStatus;
use juju_charm::testing::{self, Context, Event, Outcome, PebbleState, RelationState, State};

use super::*;

fn charm() -> Context {
    Context::with_files(&testing::CharmFiles {
        metadata: include_str!("../charmcraft.yaml"),
        ..testing::CharmFiles::default()
    })
    .unwrap()
}

/// A leader with its container.
fn unit() -> State {
    let state = State::new("website", 0).with_model_name("home").with_leader(true);
    state.with_pebble(CONTAINER, PebbleState::new())
}

fn related() -> State {
    unit().with_relation(RelationState::new(3, BACKUP, "velero-operator"))
}

fn run(state: &State, marked: Result<()>) -> Outcome<anyhow::Error> {
    let converge = |juju: &Juju, pebbles: &testing::Pebbles| converge(juju, pebbles.of(CONTAINER), marked);
    let outcome = charm()
        .run_with_pebbles(converge, Event::UpdateStatus, state)
        .unwrap();
    assert!(outcome.result.is_ok(), "{outcome:?}");
    outcome
}

#[test]
fn the_server_runs_and_the_status_says_how_to_get_backups() {
    let outcome = run(&unit(), Ok(()));
    let server = outcome.state.pebble(CONTAINER).unwrap().service(CONTAINER);
    assert_eq!(server, Some(ServiceStatus::Active));
    assert_eq!(outcome.state.opened_ports(), ["8080/tcp"]);
    assert!(
        outcome.state.status()
            == Status::Active("no backups: juju integrate website velero-operator".to_owned())
    );
}

#[test]
fn a_request_is_written_once() {
    let first = run(&related(), Ok(()));
    let spec = r#"{"include_namespaces":["home"],"include_resources":["pods","persistentvolumeclaims","persistentvolumes"],"exclude_namespaces":null,"exclude_resources":null,"label_selector":{"app.kubernetes.io/name":"website"},"ttl":"720h","include_cluster_resources":null,"schedule":"30 2 * * *","paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}"#;
    let expected = [
        ("app", "website"),
        ("model", "home"),
        ("relation_name", BACKUP),
        ("spec", spec),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(first.state.own_app_data(3), BTreeMap::from(expected));
    assert!(first.state.status() == Status::Active("scheduled backups: 30 2 * * *".to_owned()));
    let second = run(&first.state, Ok(()));
    assert!(second.writes().is_empty(), "{second:?}");
    assert!(second.pebble_writes(CONTAINER).is_empty(), "{second:?}");
}

#[test]
fn an_empty_schedule_asks_for_backups_on_demand() {
    let outcome = run(&related().with_config("backup-schedule", ""), Ok(()));
    assert!(outcome.state.own_app_data(3)["spec"].contains("\"schedule\":null"));
}

#[test]
fn an_option_that_cannot_be_used_blocks_and_nothing_is_asked_for() {
    let outcome = run(&related().with_config("backup-retention", "30d"), Ok(()));
    let status = outcome.state.status();
    assert_eq!(status.name, "blocked");
    assert!(status.message.starts_with("backup-retention: "), "{status:?}");
    assert_eq!(outcome.state.own_app_data(3), BTreeMap::new());
}

#[test]
fn a_pod_that_is_not_marked_is_not_asked_to_be_backed_up() {
    let outcome = run(&related(), Err(anyhow::anyhow!("Kubernetes answers 403")));
    assert_eq!(outcome.state.status().name, "waiting");
    assert_eq!(outcome.state.own_app_data(3), BTreeMap::new());
}

#[test]
fn the_action_shows_the_request() {
    let event = Event::Action {
        name: "show-backup-request".to_owned(),
        id: "1".to_owned(),
        params: Default::default(),
    };
    let outcome = charm()
        .run(|juju| act(juju, "show-backup-request"), event, &related())
        .unwrap();
    let spec = outcome.action.unwrap().results["spec"].to_string();
    assert!(spec.contains("include_namespaces"), "{spec}");
}
