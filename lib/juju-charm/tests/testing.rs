//! State in, event, state out: the testing module itself, and the handle on hook tools that behave as Juju's do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod probe;

use std::collections::BTreeMap;

use juju_charm::testing::{
    CommitError, Context, Event, Fault, LogLevel, LogTarget, Outcome, RelationState, RunError, State,
};
use juju_charm::{Error, ErrorKind, Juju, Port, SecretContent, Status};
use probe::probe;
use serde_json::json;

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Does something with most of what Juju keeps, and only what differs.
fn converging(juju: &Juju) -> Result<(), Error> {
    let greeting = juju.config()?.text("greeting")?.unwrap_or_default().to_owned();
    juju.open_port(Port::tcp(8080))?;
    juju.state_set(&map([("greeting", &greeting)]))?;
    if juju.is_leader()? {
        let content = SecretContent::from([("api-key", "hunter2")]);
        if juju.secret_content("key")?.is_none() {
            juju.secret_add(&content, "key", "of the app")?;
        }
        for id in juju.relations("db")? {
            juju.set_own_app_data(&id, &map([("greeting", &greeting)]))?;
        }
    }
    juju.set_status(&Status::Active(greeting))?;
    Ok(())
}

fn leader_with_relation() -> State {
    State::new("probe", 0)
        .with_leader(true)
        .with_relation(RelationState::new(4, "db", "mysql").with_remote_unit(0, [("host", "a")]))
}

fn run(context: &Context, event: Event, state: &State) -> Outcome<Error> {
    context
        .run(converging, event, state)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_a_charm_writes_is_in_the_state_after() {
    let outcome = run(
        &probe(),
        Event::ConfigChanged,
        &leader_with_relation().with_config("greeting", "good day"),
    );
    outcome.result.as_ref().unwrap();
    let state = &outcome.state;
    assert!(state.status() == Status::Active("good day".to_owned()));
    assert_eq!(state.opened_ports(), ["8080/tcp"]);
    assert_eq!(state.stored(), map([("greeting", "good day")]));
    assert_eq!(state.own_app_data(4), map([("greeting", "good day")]));
    assert_eq!(
        state.secret_content("key").unwrap().get("api-key"),
        Some("hunter2")
    );
    assert!(
        outcome.calls_of("relation-set")[0]
            .stdin
            .as_deref()
            .unwrap()
            .contains("good day")
    );
}

#[test]
fn an_event_that_changes_nothing_writes_nothing() {
    for version in ["3.6.9", "4.0.15"] {
        let state = leader_with_relation().with_juju_version(version);
        let first = run(&probe(), Event::ConfigChanged, &state);
        let second = run(&probe(), Event::UpdateStatus, &first.state);
        assert!(second.result.is_ok(), "{version}");
        assert!(second.writes().is_empty(), "{version}: {:?}", second.writes());
        assert_eq!(second.state, first.state, "{version}");
    }
}

#[test]
fn a_charm_killed_at_any_call_converges_in_the_next_run() {
    let wanted = run(&probe(), Event::ConfigChanged, &leader_with_relation());
    for call in 1..=wanted.calls.len() {
        for fault in [Fault::StopBefore { call }, Fault::StopAfter { call }] {
            let killed = run(
                &probe().with_fault(fault.clone()),
                Event::ConfigChanged,
                &leader_with_relation(),
            );
            assert!(matches!(killed.result, Err(RunError::Killed)), "{fault:?}");
            assert_eq!(killed.calls.len(), call, "{fault:?}");
            assert_eq!(
                killed.state.own_app_data(4),
                BTreeMap::new(),
                "{fault:?}: nothing was committed"
            );
            let next = run(&probe(), Event::ConfigChanged, &killed.state);
            assert_eq!(next.state, wanted.state, "{fault:?}");
        }
    }
    let beyond = Fault::StopBefore {
        call: wanted.calls.len() + 1,
    };
    run(
        &probe().with_fault(beyond),
        Event::ConfigChanged,
        &leader_with_relation(),
    )
    .result
    .as_ref()
    .unwrap();
}

#[test]
fn a_failing_call_fails_the_charm_and_drops_its_writes() {
    let calls = run(&probe(), Event::ConfigChanged, &leader_with_relation())
        .calls
        .len();
    for call in 1..=calls {
        let fault = Fault::FailCall {
            call,
            stderr: "ERROR boom\n".to_owned(),
        };
        let outcome = run(
            &probe().with_fault(fault),
            Event::ConfigChanged,
            &leader_with_relation(),
        );
        let Err(RunError::Charm(error)) = &outcome.result else {
            panic!("call {call}: {:?}", outcome.result)
        };
        assert!(error.to_string().ends_with(": boom"), "call {call}: {error}");
        assert_eq!(outcome.state.stored(), BTreeMap::new(), "call {call}");
    }
    let fault = Fault::FailTool {
        tool: "opened-ports".to_owned(),
        exit_code: 2,
        stderr: "ERROR no\n".to_owned(),
    };
    let outcome = run(
        &probe().with_fault(fault),
        Event::ConfigChanged,
        &leader_with_relation(),
    );
    assert!(matches!(outcome.result, Err(RunError::Charm(error)) if error.kind() == ErrorKind::BadArguments));
}

#[test]
fn what_takes_effect_at_once_stays_when_the_charm_fails() {
    let charm = |juju: &Juju| {
        juju.set_status(&Status::Maintenance("working".to_owned()))?;
        juju.set_workload_version("1.2.3")?;
        juju.state_set(&map([("k", "v")]))?;
        juju.action_parameters().map(drop)
    };
    let outcome = probe().run(charm, Event::Start, &State::new("probe", 0)).unwrap();
    assert!(
        matches!(&outcome.result, Err(RunError::Charm(error)) if error.to_string().contains("not running an action"))
    );
    assert!(outcome.state.status() == Status::Maintenance("working".to_owned()));
    assert_eq!(outcome.state.workload_version(), "1.2.3");
    assert_eq!(outcome.state.stored(), BTreeMap::new());
}

#[test]
fn a_unit_that_does_not_lead_is_told_apart() {
    let state = State::new("probe", 1).with_relation(RelationState::new(4, "db", "mysql"));
    let charm = |juju: &Juju| {
        let id = "db:4".parse().unwrap();
        let error = juju.set_own_app_data(&id, &map([("a", "b")])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAllowed, "{error}");
        let error = juju
            .secret_add(&SecretContent::from([("key", "value")]), "label", "")
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAllowed, "{error}");
        let error = juju
            .set_application_status(&Status::Active(String::new()))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAllowed, "{error}");
        Ok::<(), Error>(())
    };
    for version in ["3.6.9", "4.0.15"] {
        let outcome = probe()
            .run(
                charm,
                Event::UpdateStatus,
                &state.clone().with_juju_version(version),
            )
            .unwrap();
        assert!(outcome.result.is_ok(), "{version}");
    }
}

#[test]
fn secrets_of_others_are_read_when_granted() {
    let content = SecretContent::from([("password", "hunter2")]);
    let state = State::new("probe", 0)
        .with_remote_secret("mysql", "granted", &content, true)
        .with_remote_secret("mysql", "kept", &content, false);
    let granted = state.secret_id("granted").unwrap();
    let kept = state.secret_id("kept").unwrap();
    let missing = "secret:aaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let charm = |juju: &Juju| {
        let read = |id| juju.secret_content_by_id(id, juju_charm::SecretRevision::Refresh);
        assert_eq!(read(&granted)?.unwrap().get("password"), Some("hunter2"));
        assert_eq!(read(&kept).unwrap_err().kind(), ErrorKind::NotAllowed);
        assert_eq!(read(&missing)?, None);
        Ok::<(), Error>(())
    };
    probe()
        .run(charm, Event::UpdateStatus, &state)
        .unwrap()
        .result
        .as_ref()
        .unwrap();
}

#[test]
fn secrets_are_changed_granted_and_removed() {
    let state = leader_with_relation()
        .with_app_secret("key", &SecretContent::from([("api-key", "old")]))
        .with_app_secret("other", &SecretContent::from([("api-key", "x")]));
    let charm = |juju: &Juju| {
        assert!(juju.secret_set("key", &SecretContent::from([("api-key", "new")]))?);
        let id = juju.secret_info("key")?.unwrap().id;
        juju.secret_grant(&id, &"db:4".parse().unwrap())?;
        assert!(juju.secret_remove("other")?);
        assert_eq!(juju.secret_info("never")?, None);
        assert_eq!(juju.secret_ids()?.len(), 1);
        Ok::<(), Error>(())
    };
    let outcome = probe().run(charm, Event::UpdateStatus, &state).unwrap();
    outcome.result.as_ref().unwrap();
    assert_eq!(
        outcome.state.secret_content("key").unwrap().get("api-key"),
        Some("new")
    );
    assert_eq!(outcome.state.secret_content("other"), None);
    let grants = &outcome.state.model().secrets.values().next().unwrap().grants;
    assert_eq!((grants.len(), grants[0].target.as_str()), (1, "mysql"));
}

#[test]
fn what_juju_refuses_at_the_end_fails_the_run() {
    let charm = |juju: &Juju| {
        let unknown = "aaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let content = SecretContent::from([("key", "value")]);
        juju_charm::hook_tools::secret_set(juju.runner(), &unknown, Some(&content), &Default::default())?;
        juju.state_set(&map([("k", "v")]))?;
        Ok::<(), Error>(())
    };
    let outcome = probe()
        .run(
            charm,
            Event::UpdateStatus,
            &State::new("probe", 0).with_leader(true),
        )
        .unwrap();
    assert!(
        matches!(
            outcome.result,
            Err(RunError::Commit(CommitError::NoSecret { .. }))
        ),
        "{:?}",
        outcome.result
    );
    assert_eq!(outcome.state.stored(), BTreeMap::new());
}

#[test]
fn storage_and_relations_are_read_as_juju_has_them() {
    let state = leader_with_relation()
        .with_storage("config", 0, Some("/var/lib/juju/storage/config-0"))
        .with_storage("config", 1, None);
    let charm = |juju: &Juju| {
        let ids = juju.storages("config")?;
        assert_eq!(
            juju.storage_location(&ids[0])?.unwrap().to_str(),
            Some("/var/lib/juju/storage/config-0")
        );
        assert_eq!(juju.storage_location(&ids[1])?, None);
        let id = "db:4".parse().unwrap();
        assert_eq!(juju.remote_app(&id)?.as_deref(), Some("mysql"));
        let units = juju.relation_units(&id)?;
        assert_eq!(juju.unit_data(&id, &units[0])?, map([("host", "a")]));
        let gone = "db:9".parse().unwrap();
        assert_eq!(
            juju.app_data(&gone, "mysql").unwrap_err().kind(),
            ErrorKind::NoSuchRelation
        );
        assert!(juju.network("db")?.bind_address().is_some());
        Ok::<(), Error>(())
    };
    probe()
        .run(charm, Event::UpdateStatus, &state)
        .unwrap()
        .result
        .as_ref()
        .unwrap();
}

#[test]
fn a_broken_relation_is_not_listed_and_has_no_units() {
    let charm = |juju: &Juju| {
        assert_eq!(juju.relations("db")?, []);
        let id = "db:4".parse().unwrap();
        assert_eq!(juju.relation_units(&id)?, []);
        assert_eq!(juju.remote_app(&id)?.as_deref(), Some("mysql"));
        Ok::<(), Error>(())
    };
    let broken = Event::RelationBroken {
        relation: 4,
        remote_application: None,
    };
    probe()
        .run(charm, broken, &leader_with_relation())
        .unwrap()
        .result
        .as_ref()
        .unwrap();
}

#[test]
fn an_action_has_parameters_and_results() {
    let event = Event::Action {
        name: "backup-now".to_owned(),
        id: "1".to_owned(),
        params: json!({"wait": false}).as_object().unwrap().clone(),
    };
    let charm = |juju: &Juju| {
        assert_eq!(juju.action_parameters()?["wait"], false);
        juju.action_log("half")?;
        juju.action_set(&map([("backup.name", "web=1")]))?;
        juju.action_fail("no storage")
    };
    let outcome = probe().run(charm, event, &State::new("probe", 0)).unwrap();
    outcome.result.as_ref().unwrap();
    let action = outcome.action.unwrap();
    assert_eq!(action.results["backup"]["name"], "web=1");
    assert_eq!((action.failed, action.message.as_str()), (true, "no storage"));
    assert_eq!(
        (outcome.logs[0].target, outcome.logs[0].text.as_str()),
        (LogTarget::Action, "half")
    );
}

#[test]
fn records_of_the_log_crate_go_to_jujus_log() {
    let charm = |_: &Juju| {
        log::warn!("careful\nvery");
        log::debug!("not sent");
        Ok::<(), Error>(())
    };
    let outcome = probe().run(charm, Event::Start, &State::new("probe", 0)).unwrap();
    assert_eq!(outcome.logs.len(), 1);
    assert_eq!(outcome.logs[0].target, LogTarget::Unit(LogLevel::Warning));
    assert_eq!(outcome.logs[0].text, "careful\nvery");
    assert_eq!(outcome.calls.len(), 1);
}

#[test]
fn a_panic_of_the_charm_is_the_tests_panic() {
    let charm = |_: &Juju| -> Result<(), Error> { panic!("assertion of the test") };
    let run = || {
        probe()
            .run(charm, Event::Start, &State::new("probe", 0))
            .map(drop)
    };
    assert!(std::panic::catch_unwind(run).is_err());
}

#[test]
fn the_context_says_where_files_are() {
    let context = probe()
        .with_charm_dir("/tmp/charm")
        .with_containers_dir("/tmp/containers");
    let charm = |juju: &Juju| {
        assert_eq!(juju.context().charm_dir().to_str(), Some("/tmp/charm"));
        assert_eq!(
            juju.context().pebble_socket("app").to_str(),
            Some("/tmp/containers/app/pebble.socket")
        );
        assert_eq!(juju.context().model_name(), "media");
        Ok::<(), Error>(())
    };
    let state = State::new("probe", 0).with_model_name("media");
    context
        .run(charm, Event::Start, &state)
        .unwrap()
        .result
        .as_ref()
        .unwrap();
}

#[test]
fn without_metadata_the_state_says_what_there_is() {
    let state = leader_with_relation()
        .with_config("greeting", "hi")
        .with_container("app");
    let outcome = run(
        &Context::new(),
        Event::PebbleReady {
            container: "app".to_owned(),
        },
        &state,
    );
    outcome.result.as_ref().unwrap();
    assert!(outcome.state.status() == Status::Active("hi".to_owned()));
    let error = Context::new().run(
        converging,
        Event::PebbleReady {
            container: "db".to_owned(),
        },
        &state,
    );
    assert!(error.is_err());
}

#[test]
fn states_that_differ_in_drawn_ids_only_are_equal() {
    let content = SecretContent::from([("api-key", "x")]);
    let published = |state: State| {
        let id = state.secret_id("key").unwrap().to_string();
        state.with_relation(RelationState::new(4, "db", "mysql").with_own_app_data([("secret", &id)]))
    };
    let first = published(
        State::new("probe", 0)
            .with_app_secret("key", &content)
            .with_app_secret("other", &content),
    );
    let second = published(
        State::new("probe", 0)
            .with_app_secret("other", &content)
            .with_app_secret("key", &content),
    );
    assert_ne!(first.own_app_data(4), second.own_app_data(4));
    assert_eq!(first, second);
    let changed = SecretContent::from([("api-key", "y")]);
    let third = published(
        State::new("probe", 0)
            .with_app_secret("key", &changed)
            .with_app_secret("other", &content),
    );
    assert_ne!(first, third);
    assert_ne!(first, first.clone().with_stored("k", "v"));
}
