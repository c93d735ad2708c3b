//! The Pebbles of the testing module: part of the state, and no help to a charm that asks for what nobody declared.
#![cfg(test)]

use std::time::Duration;

use juju_charm::pebble::{
    Error, ExecOptions, ExecOutput, FileOptions, Layer, Override, Pebble, Service, ServiceStatus, Startup,
};
use juju_charm::testing::{
    CharmFiles, Context, Event, FakeFile, FakePebble, Outcome, PebbleFault, PebbleState, RunError, State,
};
use juju_charm::{Juju, Status};

const SECOND: Duration = Duration::from_secs(1);

fn probe() -> Context {
    let metadata = "{name: probe, containers: {web: {resource: image}, other: {resource: image}}}";
    Context::with_files(&CharmFiles {
        metadata,
        config: "",
        actions: "",
    })
    .unwrap()
}

fn layer() -> Layer {
    let web = Service {
        r#override: Some(Override::Replace),
        command: Some("/usr/bin/web".into()),
        startup: Some(Startup::Enabled),
        ..Service::default()
    };
    Layer {
        services: [("web".to_owned(), web)].into(),
        ..Layer::default()
    }
}

/// Brings a container to where it should be, and writes only what differs.
fn converging(juju: &Juju, pebble: &dyn Pebble) -> Result<(), Error> {
    let config = b"port = 8080\n";
    let found = match pebble.read_file("/etc/web.conf") {
        Ok(content) => content,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error),
    };
    if found != config {
        pebble.write_file(
            "/etc/web.conf",
            config,
            &FileOptions {
                make_dirs: true,
                ..FileOptions::default()
            },
        )?;
    }
    if !pebble.plan()?.includes(&layer()) {
        pebble.add_layer("web", &layer(), true)?;
    }
    if pebble.services(&["web"])?[0].current != ServiceStatus::Active {
        pebble.replan_and_wait(SECOND)?;
    }
    let version = pebble.exec(&ExecOptions::command(["web", "--version"]))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    juju.set_status(&Status::Active(version)).map(drop).unwrap();
    Ok(())
}

fn container() -> PebbleState {
    let output = ExecOutput {
        stdout: b"1.2".to_vec(),
        ..ExecOutput::default()
    };
    PebbleState::new().with_command(["web"], output)
}

fn ready() -> Event {
    Event::PebbleReady {
        container: "web".to_owned(),
    }
}

fn run(context: &Context, event: Event, state: &State) -> Outcome<Error> {
    context
        .run_with_pebbles(|juju, pebbles| converging(juju, pebbles.of("web")), event, state)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_state_after_holds_what_the_charm_did_in_the_container() {
    let state = State::new("probe", 0).with_pebble("web", container());
    let outcome = run(&probe(), ready(), &state);
    outcome.result.as_ref().unwrap();
    assert!(outcome.state.status() == Status::Active("1.2".to_owned()));
    let web = outcome.state.pebble("web").unwrap();
    assert_eq!(web.service("web"), Some(ServiceStatus::Active));
    assert_eq!(web.file("/etc/web.conf").unwrap().content, b"port = 8080\n");
    assert_eq!(web.file("/etc/web.conf").unwrap().mode, 0o644);
    assert_eq!(web.layers(), [("web".to_owned(), layer())]);
    assert_eq!(web.executed()[0].command, ["web", "--version"]);
    let writes: Vec<&str> = outcome
        .pebble_writes("web")
        .iter()
        .map(|call| call.operation)
        .collect();
    assert_eq!(writes, ["write_file", "add_layer", "replan", "exec"]);
    // What went in is as it was.
    assert_eq!(state.pebble("web").unwrap().layers(), []);
    assert_ne!(outcome.state, state);

    let again = run(&probe(), Event::UpdateStatus, &outcome.state);
    assert_eq!(again.state, outcome.state);
    let writes: Vec<&str> = again
        .pebble_writes("web")
        .iter()
        .map(|call| call.operation)
        .collect();
    assert_eq!(writes, ["exec"], "a command may change anything");
}

#[test]
fn killed_at_any_call_of_pebble_the_next_run_converges() {
    let state = State::new("probe", 0).with_pebble("web", container());
    let whole = run(&probe(), ready(), &state);
    let calls = whole.pebble_calls["web"].len();
    assert!(calls >= 7, "{:?}", whole.pebble_calls);
    for call in 1..=calls {
        for fault in [PebbleFault::StopBefore { call }, PebbleFault::StopAfter { call }] {
            let killed = run(&probe().with_pebble_fault("web", fault.clone()), ready(), &state);
            assert!(matches!(killed.result, Err(RunError::Killed)), "{fault:?}");
            let next = run(&probe(), Event::UpdateStatus, &killed.state);
            next.result.as_ref().unwrap();
            assert_eq!(next.state, whole.state, "{fault:?}");
        }
    }
}

#[test]
fn a_pebble_that_is_not_there_or_goes_is_not_reachable() {
    let not_reachable = |outcome: Outcome<Error>| match outcome.result {
        Err(RunError::Charm(error)) => assert!(error.is_not_reachable(), "{error:?}"),
        other => panic!("{other:?}"),
    };
    // Declared by the metadata, and nothing said of it.
    not_reachable(run(&probe(), Event::Start, &State::new("probe", 0)));
    let silent = State::new("probe", 0).with_pebble("web", container().unreachable());
    not_reachable(run(&probe(), Event::Start, &silent));
    let outcome = run(&probe(), ready(), &silent);
    assert_eq!(
        outcome.warnings,
        ["pebble-ready of container \"web\", whose Pebble gives no answer"]
    );
    let state = State::new("probe", 0).with_pebble("web", container());
    let gone = run(
        &probe().with_pebble_fault("web", PebbleFault::GoneBefore { call: 3 }),
        ready(),
        &state,
    );
    assert!(gone.state.pebble("web").unwrap().file("/etc/web.conf").is_some());
    assert!(!gone.state.pebble("web").unwrap().is_reachable());
    not_reachable(gone);
}

#[test]
fn an_operation_can_be_made_to_fail() {
    let fault = PebbleFault::Refuse {
        operation: "replan".to_owned(),
        status: 500,
        message: "boom".to_owned(),
    };
    let state = State::new("probe", 0).with_pebble("web", container());
    let outcome = run(&probe().with_pebble_fault("web", fault), ready(), &state);
    match outcome.result {
        Err(RunError::Charm(Error::Api {
            status: 500, message, ..
        })) => assert_eq!(message, "boom"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        outcome.state.pebble("web").unwrap().service("web"),
        Some(ServiceStatus::Inactive)
    );
}

#[test]
fn what_was_not_declared_fails_the_test_even_when_the_charm_does_not_mind() {
    let state = State::new("probe", 0).with_pebble("web", PebbleState::new());
    let error = probe()
        .run_with_pebbles(
            |_, pebbles| {
                let _ = pebbles.of("web").exec(&ExecOptions::command(["rm", "-r", "/"]));
                Ok::<(), Error>(())
            },
            Event::Start,
            &state,
        )
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the command [\"rm\", \"-r\", \"/\"] was run"),
        "{error}"
    );
    let error = probe()
        .run_with_pebbles(
            |_, pebbles| {
                assert!(pebbles.of("nobody").plan().unwrap_err().is_not_reachable());
                Ok::<(), Error>(())
            },
            Event::Start,
            &state,
        )
        .unwrap_err();
    assert!(error.to_string().contains("container \"nobody\""), "{error}");

    let dropped = || {
        let fake = FakePebble::new(PebbleState::new());
        let error = fake.exec(&ExecOptions::command(["ls"])).unwrap_err();
        assert!(error.to_string().contains("[\"ls\"]"), "{error}");
    };
    let panic = std::panic::catch_unwind(dropped).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("the command [\"ls\"] was run"), "{text}");
}

#[test]
fn the_longest_declared_command_answers() {
    let says = |text: &str| ExecOutput {
        stdout: text.into(),
        ..ExecOutput::default()
    };
    let state = PebbleState::new()
        .with_command(["ls"], says("any"))
        .with_command(["ls", "-l"], says("long"))
        .with_command(["ls", "-l"], says("longer"))
        .with_missing_executable("cat");
    let fake = FakePebble::new(state);
    let run = |words: &[&str]| fake.exec(&ExecOptions::command(words.iter().copied()));
    assert_eq!(run(&["ls", "/"]).unwrap(), says("any"));
    assert_eq!(run(&["ls", "-l", "/"]).unwrap(), says("longer"));
    assert!(matches!(run(&["cat"]), Err(Error::Api { status: 400, .. })));
    assert_eq!(fake.finish(), Ok(()));
}

#[test]
fn what_pebble_could_not_have_is_refused() {
    let refused = |state: State, event, problem: &str| {
        let error = probe()
            .run(|_| Ok::<(), Error>(()), event, &state)
            .map(drop)
            .unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    };
    let new = |pebble| State::new("probe", 0).with_pebble("web", pebble);
    let no_command = Layer {
        services: [("web".to_owned(), Service::default())].into(),
        ..Layer::default()
    };
    refused(
        new(PebbleState::new().with_layer("bad", no_command)),
        Event::Start,
        "must define \"override\" for service \"web\"",
    );
    refused(
        new(PebbleState::new().with_running_service("web")),
        Event::Start,
        "which is in no layer",
    );
    refused(
        State::new("probe", 0).with_pebble("nobody", PebbleState::new()),
        Event::Start,
        "which the metadata does not have",
    );
    refused(
        new(PebbleState::new()),
        Event::PebbleCheckFailed {
            container: "web".to_owned(),
            check: "up".to_owned(),
        },
        "which is not in Pebble's plan",
    );
    let notice = |id: &str| Event::PebbleCustomNotice {
        container: "web".to_owned(),
        id: id.to_owned(),
        kind: "custom".to_owned(),
        key: "example.com/a".to_owned(),
    };
    refused(new(PebbleState::new()), notice("1"), "which Pebble does not have");
    let raised = new(PebbleState::new().with_notice("example.com/a"));
    refused(raised.clone(), notice("2"), "which Pebble does not have");
    assert!(probe().run(|_| Ok::<(), Error>(()), notice("1"), &raised).is_ok());
}

#[test]
fn a_state_begins_where_the_test_says() {
    let state = PebbleState::new()
        .with_layer("web", layer())
        .with_running_service("web")
        .with_user("media", 1000, 1001)
        .with_owned_file("/config/app.ini", FakeFile::new("a", 0o600, 1000, 1001));
    let fake = FakePebble::new(state.clone());
    assert_eq!(fake.services(&[]).unwrap()[0].current, ServiceStatus::Active);
    let change = fake.replan_and_wait(SECOND).unwrap();
    assert_eq!(
        change.tasks.len(),
        1,
        "what is enabled is asked to start, and runs already"
    );
    let info = fake.list_files("/config/app.ini", true).unwrap().remove(0);
    assert_eq!(
        (info.user.as_deref(), info.group_id, info.mode),
        (Some("media"), Some(1001), 0o600)
    );
    let by_name = FileOptions {
        user: Some("media".into()),
        ..FileOptions::default()
    };
    fake.write_file("/config/new", b"", &by_name).unwrap();
    assert_eq!(fake.state().file("/config/new").unwrap().group_id, 1001);

    assert_eq!(state, state.clone());
    assert_ne!(fake.state(), state, "a file more");
    fake.remove_path("/config/new", false).unwrap();
    assert_eq!(fake.state(), state, "changes and times make no difference");
    fake.stop_and_wait(&["web"], SECOND).unwrap();
    assert_ne!(fake.state(), state, "a service less");
}

#[test]
fn a_start_that_does_not_end_is_a_timeout() {
    let state = PebbleState::new()
        .with_layer("web", layer())
        .with_hanging_service("web");
    let fake = FakePebble::new(state);
    let error = fake.replan_and_wait(SECOND).unwrap_err();
    assert!(
        matches!(error, Error::ChangeTimeout { timeout: SECOND, .. }),
        "{error:?}"
    );
}
