//! Services: start, stop, restart, replan, autostart.

use std::time::Duration;

use juju_charm::pebble::{ChangeSelect, ChangeStatus, Error, ServiceStatus, Startup};

use super::cases;
use crate::backends::{Backend, Fact};
use crate::support::{DEADLINE, layer, refusal, status_of, until};

cases![
    "services":
    are_listed_by_name,
    start_stop_and_restart,
    what_runs_is_not_started_again,
    required_ones_start_too_and_dependants_stop,
    replan_starts_what_is_enabled_and_restarts_what_changed,
    autostart_starts_what_is_enabled,
    nothing_to_start_is_refused,
    unknown_ones_are_refused,
    one_that_exits_quickly_fails_its_change,
    one_that_exits_quickly_is_tried_again_later,
    what_requires_a_failed_one_is_not_started,
    the_process_ends_with_its_service needs Processes,
    one_that_is_told_to_end_is_inactive_while_its_change_goes_on needs Processes,
];

const TWO: &str = "
services:
  web: {override: replace, command: sleep 3600, startup: enabled}
  aside: {override: replace, command: sleep 3600}
";

fn are_listed_by_name(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("two", &layer(TWO), false).unwrap();
    let all = pebble.services(&[]).unwrap();
    let names: Vec<&str> = all.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["aside", "web"]);
    assert_eq!(all[0].startup, Startup::Disabled);
    assert_eq!(all[1].startup, Startup::Enabled);
    assert!(
        all.iter()
            .all(|service| service.current == ServiceStatus::Inactive && service.current_since.is_none())
    );
    assert_eq!(pebble.services(&["web", "nobody"]).unwrap(), all[1..]);
}

fn start_stop_and_restart(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("two", &layer(TWO), false).unwrap();
    let change = pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    assert_eq!(change.status, ChangeStatus::Done);
    assert_eq!(change.kind, "start");
    assert_eq!(change.summary, "Start service \"web\"");
    assert_eq!(change.tasks.len(), 1);
    assert_eq!(change.tasks[0].summary, "Start service \"web\"");
    let running = pebble.services(&["web"]).unwrap().remove(0);
    assert_eq!(running.current, ServiceStatus::Active);
    assert!(running.current_since.is_some());
    assert_eq!(status_of(pebble, "aside"), ServiceStatus::Inactive);

    pebble.restart_and_wait(&["web"], DEADLINE).unwrap();
    let again = pebble.services(&["web"]).unwrap().remove(0);
    assert_eq!(again.current, ServiceStatus::Active);
    assert_ne!(again.current_since, running.current_since);

    let change = pebble.stop_and_wait(&["web"], DEADLINE).unwrap();
    assert_eq!(
        (change.kind.as_str(), change.tasks[0].kind.as_str()),
        ("stop", "stop")
    );
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Inactive);
    // One that does not run is started.
    pebble.restart_and_wait(&["aside"], DEADLINE).unwrap();
    assert_eq!(status_of(pebble, "aside"), ServiceStatus::Active);
}

/// Its process may write until then: that it has ended is told by the change.
fn one_that_is_told_to_end_is_inactive_while_its_change_goes_on(backend: &dyn Backend) {
    let pebble = backend.pebble();
    // It ends when it is killed.
    let slow = layer(
        "
services:
  slow: {override: replace, command: \"sh -c 'trap : TERM; while true; do sleep 0.1; done'\", kill-delay: 2s}
",
    );
    pebble.add_layer("slow", &slow, false).unwrap();
    pebble.start_and_wait(&["slow"], DEADLINE).unwrap();
    let id = pebble.stop(&["slow"]).unwrap();
    until("it is told to end", || {
        (status_of(pebble, "slow") == ServiceStatus::Inactive).then_some(())
    });
    let goes_on = || {
        let changes = pebble.changes(ChangeSelect::InProgress, Some("slow")).unwrap();
        changes.into_iter().map(|change| change.id).collect::<Vec<_>>()
    };
    assert_eq!(goes_on(), std::slice::from_ref(&id));
    // To tell it again waits for nothing.
    pebble.stop_and_wait(&["slow"], DEADLINE).unwrap();
    assert_eq!(goes_on(), std::slice::from_ref(&id));
    pebble.wait_change(&id, DEADLINE).unwrap();
    assert_eq!(goes_on(), []);
}

fn what_runs_is_not_started_again(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("two", &layer(TWO), false).unwrap();
    pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    let running = pebble.services(&["web"]).unwrap();
    let change = pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    assert!(
        change.tasks[0].log[0].ends_with("INFO Service \"web\" already started."),
        "{change:?}"
    );
    assert_eq!(pebble.services(&["web"]).unwrap(), running);
    // Nor does the end of what does not run fail.
    pebble.stop_and_wait(&["aside"], DEADLINE).unwrap();
}

fn required_ones_start_too_and_dependants_stop(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let chain = layer(
        "
services:
  web: {override: replace, command: sleep 3600, requires: [db], after: [db]}
  db: {override: replace, command: sleep 3600}
",
    );
    pebble.add_layer("chain", &chain, false).unwrap();
    let change = pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    let order: Vec<&str> = change.tasks.iter().map(|task| task.summary.as_str()).collect();
    assert_eq!(order, ["Start service \"db\"", "Start service \"web\""]);
    assert_eq!(status_of(pebble, "db"), ServiceStatus::Active);
    let change = pebble.stop_and_wait(&["db"], DEADLINE).unwrap();
    let order: Vec<&str> = change.tasks.iter().map(|task| task.summary.as_str()).collect();
    assert_eq!(order, ["Stop service \"web\"", "Stop service \"db\""]);
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Inactive);
}

fn replan_starts_what_is_enabled_and_restarts_what_changed(backend: &dyn Backend) {
    let pebble = backend.pebble();
    // Nothing to do is done.
    let change = pebble.replan_and_wait(DEADLINE).unwrap();
    assert_eq!((change.kind.as_str(), change.tasks.len()), ("replan", 0));
    assert_eq!(change.summary, "Replan - no services");

    pebble.add_layer("two", &layer(TWO), false).unwrap();
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Inactive);
    pebble.replan_and_wait(DEADLINE).unwrap();
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Active);
    assert_eq!(status_of(pebble, "aside"), ServiceStatus::Inactive);

    let since = || pebble.services(&["web"]).unwrap().remove(0).current_since;
    let first = since();
    pebble.add_layer("two", &layer(TWO), true).unwrap();
    pebble.replan_and_wait(DEADLINE).unwrap();
    assert_eq!(since(), first, "the same layer restarts nothing");

    let changed = layer("services: {web: {override: merge, environment: {A: b}}}");
    pebble.add_layer("two", &changed, true).unwrap();
    assert_eq!(since(), first, "a layer alone restarts nothing");
    let change = pebble.replan_and_wait(DEADLINE).unwrap();
    let kinds: Vec<&str> = change.tasks.iter().map(|task| task.kind.as_str()).collect();
    assert_eq!(kinds, ["stop", "start"]);
    assert_ne!(since(), first);
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Active);
}

fn autostart_starts_what_is_enabled(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("two", &layer(TWO), false).unwrap();
    let change = pebble.autostart().unwrap();
    let change = pebble.wait_change(&change, DEADLINE).unwrap();
    assert_eq!(change.kind, "autostart");
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Active);
    assert_eq!(status_of(pebble, "aside"), ServiceStatus::Inactive);
}

fn nothing_to_start_is_refused(backend: &dyn Backend) {
    match backend.pebble().autostart() {
        Err(Error::Api {
            status: 400,
            kind,
            message,
            ..
        }) => {
            assert_eq!(
                (kind.as_str(), message.as_str()),
                ("no-default-services", "no default services")
            );
        }
        other => panic!("not refused: {other:?}"),
    }
    let (status, message) = refusal(backend.pebble().start(&[]));
    assert_eq!(
        (status, message.as_str()),
        (400, "must specify services for start action")
    );
}

fn unknown_ones_are_refused(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("two", &layer(TWO), false).unwrap();
    for (action, result) in [
        ("start", pebble.start(&["web", "nobody"])),
        ("stop", pebble.stop(&["nobody"])),
        ("restart", pebble.restart(&["nobody"])),
    ] {
        let (status, message) = refusal(result);
        assert_eq!(status, 400, "{action}");
        assert_eq!(
            message,
            format!("cannot {action} services: service \"nobody\" does not exist")
        );
    }
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Inactive);
}

fn one_that_exits_quickly_fails_its_change(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let broken = layer(
        "
services:
  broken: {override: replace, command: 'sh -c \"echo no such option; exit 3\"', on-failure: ignore, startup: enabled}
  web: {override: replace, command: sleep 3600, startup: enabled}
",
    );
    backend.tell(Fact::ServiceExits {
        service: "broken",
        code: 3,
        output: "no such option",
    });
    pebble.add_layer("broken", &broken, false).unwrap();
    let error = pebble.replan_and_wait(DEADLINE).unwrap_err();
    let Error::Change { err, tasks, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        err,
        "cannot perform the following tasks:\n\
         - Start service \"broken\" (service start attempt: exited quickly with code 3, will ignore)"
    );
    let task = tasks
        .iter()
        .find(|task| task.summary == "Start service \"broken\"")
        .unwrap();
    assert_eq!(task.status, ChangeStatus::Error);
    assert!(
        task.log
            .iter()
            .any(|line| line.contains("Most recent service output:\n    no such option")),
        "{task:?}"
    );
    assert!(
        error
            .task_logs()
            .iter()
            .any(|line| line.contains("no such option"))
    );
    assert!(
        error.to_string().contains("exited quickly with code 3"),
        "{error}"
    );
    assert_eq!(status_of(pebble, "broken"), ServiceStatus::Error);
    // The other one has a lane of its own.
    until("web runs", || {
        (status_of(pebble, "web") == ServiceStatus::Active).then_some(())
    });
}

/// Unless its layer says otherwise.
fn one_that_exits_quickly_is_tried_again_later(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let broken = layer("services: {broken: {override: replace, command: 'false', backoff-delay: 1h}}");
    backend.tell(Fact::ServiceExits {
        service: "broken",
        code: 1,
        output: "",
    });
    pebble.add_layer("broken", &broken, false).unwrap();
    let error = pebble.start_and_wait(&["broken"], DEADLINE).unwrap_err();
    let text = "(service start attempt: exited quickly with code 1, will restart)";
    assert!(error.to_string().ends_with(text), "{error}");
    until("it waits for its next try", || {
        (status_of(pebble, "broken") == ServiceStatus::Backoff).then_some(())
    });
    pebble.stop_and_wait(&["broken"], DEADLINE).unwrap();
    assert_eq!(status_of(pebble, "broken"), ServiceStatus::Inactive);
}

fn what_requires_a_failed_one_is_not_started(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let chain = layer(
        "
services:
  broken: {override: replace, command: 'false', on-failure: ignore}
  web: {override: replace, command: sleep 3600, requires: [broken], after: [broken]}
",
    );
    backend.tell(Fact::ServiceExits {
        service: "broken",
        code: 1,
        output: "",
    });
    pebble.add_layer("chain", &chain, false).unwrap();
    let Error::Change { tasks, .. } = pebble.start_and_wait(&["web"], DEADLINE).unwrap_err() else {
        panic!("the change did not fail");
    };
    let ends: Vec<(&str, &ChangeStatus)> = tasks
        .iter()
        .map(|task| (task.summary.as_str(), &task.status))
        .collect();
    assert_eq!(
        ends,
        [
            ("Start service \"broken\"", &ChangeStatus::Error),
            ("Start service \"web\"", &ChangeStatus::Hold)
        ]
    );
    assert_eq!(status_of(pebble, "web"), ServiceStatus::Inactive);
}

fn the_process_ends_with_its_service(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let (script, pid_file) = (backend.path("run.sh"), backend.path("pid"));
    let text = format!(
        "#!/bin/sh\necho $$ > {}\nexec sleep 3600\n",
        backend.host_path(&pid_file).display()
    );
    std::fs::write(backend.host_path(&script), text).unwrap();
    let web = layer(&format!(
        "services: {{web: {{override: replace, command: sh {}, kill-delay: 1s}}}}",
        backend.host_path(&script).display()
    ));
    pebble.add_layer("web", &web, false).unwrap();
    pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    let pid: u32 = std::fs::read_to_string(backend.host_path(&pid_file))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let alive = || std::fs::exists(format!("/proc/{pid}")).unwrap();
    assert!(alive());
    pebble.stop_and_wait(&["web"], Duration::from_secs(10)).unwrap();
    until("the process is gone", || (!alive()).then_some(()));
}
