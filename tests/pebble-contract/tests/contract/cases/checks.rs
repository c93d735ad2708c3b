//! Checks and health.

use juju_charm::pebble::{ChangeSelect, CheckLevel, CheckStatus, NoticeType, NoticesQuery, Pebble, Startup};

use super::cases;
use crate::backends::{Backend, Fact};
use crate::support::{HttpServer, layer, refusal, until};

cases![
    "checks":
    are_listed_by_name,
    http_goes_down_and_up,
    tcp_goes_down,
    exec_goes_down,
    start_and_stop,
    one_is_run_at_once,
    health_by_level,
    unknown_ones_are_refused,
    a_failure_ends_its_change_and_begins_another,
];

fn wait_for(pebble: &dyn Pebble, check: &str, status: CheckStatus) {
    until(&format!("check {check} is {status}"), || {
        let checks = pebble.checks().unwrap();
        (checks.iter().find(|info| info.name == check)?.status == status).then_some(())
    });
}

fn are_listed_by_name(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let checks = layer(
        "
checks:
  b: {override: replace, level: ready, period: 1h, threshold: 7, tcp: {port: 1}}
  a: {override: replace, startup: disabled, tcp: {port: 1}}
",
    );
    pebble.add_layer("checks", &checks, false).unwrap();
    let infos = pebble.checks().unwrap();
    assert_eq!(infos.len(), 2, "{infos:?}");
    let [a, b] = [&infos[0], &infos[1]];
    assert_eq!(
        (a.name.as_str(), &a.level, &a.startup, &a.status, a.threshold),
        ("a", &None, &Startup::Disabled, &CheckStatus::Inactive, 3)
    );
    assert_eq!(a.change_id, None);
    assert_eq!(
        (b.name.as_str(), &b.level, &b.startup, &b.status, b.threshold),
        (
            "b",
            &Some(CheckLevel::Ready),
            &Startup::Enabled,
            &CheckStatus::Up,
            7
        )
    );
    assert!(b.change_id.is_some());
}

fn http_goes_down_and_up(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let server = HttpServer::start();
    let check = layer(&format!(
        "checks: {{web: {{override: replace, period: 50ms, threshold: 2, http: {{url: 'http://127.0.0.1:{}/'}}}}}}",
        server.port
    ));
    backend.tell(Fact::CheckFails {
        check: "web",
        fails: true,
    });
    server.set_fails(true);
    pebble.add_layer("check", &check, false).unwrap();
    wait_for(pebble, "web", CheckStatus::Down);
    let info = pebble.checks().unwrap().remove(0);
    assert!(info.failures >= info.threshold, "{info:?}");
    backend.tell(Fact::CheckFails {
        check: "web",
        fails: false,
    });
    server.set_fails(false);
    wait_for(pebble, "web", CheckStatus::Up);
    assert_eq!(pebble.checks().unwrap()[0].failures, 0);
}

fn tcp_goes_down(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let server = HttpServer::start();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let checks = layer(&format!(
        "
checks:
  open: {{override: replace, period: 50ms, threshold: 1, tcp: {{port: {}}}}}
  closed: {{override: replace, period: 50ms, threshold: 1, tcp: {{host: 127.0.0.1, port: {closed}}}}}
",
        server.port
    ));
    backend.tell(Fact::CheckFails {
        check: "closed",
        fails: true,
    });
    pebble.add_layer("checks", &checks, false).unwrap();
    wait_for(pebble, "closed", CheckStatus::Down);
    wait_for(pebble, "open", CheckStatus::Up);
}

fn exec_goes_down(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let checks = layer(
        "
checks:
  good: {override: replace, period: 50ms, threshold: 1, exec: {command: 'sh -c \"test $A = b\"', environment: {A: b}}}
  bad: {override: replace, period: 50ms, threshold: 1, exec: {command: 'false'}}
  slow: {override: replace, period: 60ms, timeout: 50ms, threshold: 1, exec: {command: 'sleep 3600'}}
",
    );
    backend.tell(Fact::CheckFails {
        check: "bad",
        fails: true,
    });
    backend.tell(Fact::CheckFails {
        check: "slow",
        fails: true,
    });
    pebble.add_layer("checks", &checks, false).unwrap();
    wait_for(pebble, "bad", CheckStatus::Down);
    wait_for(pebble, "slow", CheckStatus::Down);
    wait_for(pebble, "good", CheckStatus::Up);
}

fn start_and_stop(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let checks = layer(
        "
checks:
  on: {override: replace, period: 1h, tcp: {port: 1}}
  off: {override: replace, startup: disabled, period: 1h, tcp: {port: 1}}
",
    );
    pebble.add_layer("checks", &checks, false).unwrap();
    assert_eq!(pebble.start_checks(&["on", "off"]).unwrap(), ["off"]);
    wait_for(pebble, "off", CheckStatus::Up);
    assert_eq!(pebble.start_checks(&["on", "off"]).unwrap(), [""; 0]);
    assert_eq!(pebble.stop_checks(&["on", "off"]).unwrap(), ["off", "on"]);
    wait_for(pebble, "on", CheckStatus::Inactive);
    wait_for(pebble, "off", CheckStatus::Inactive);
    assert!(pebble.stop_checks(&["on"]).unwrap().is_empty());
    // A replan starts again what is enabled.
    pebble.replan().unwrap();
    wait_for(pebble, "on", CheckStatus::Up);
    wait_for(pebble, "off", CheckStatus::Inactive);
}

/// One that is stopped is only tried. One that is started counts: that it passed is known before its time has come.
fn one_is_run_at_once(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let checks = layer(
        "
checks:
  good: {override: replace, startup: disabled, period: 1h, exec: {command: 'true'}}
  bad: {override: replace, startup: disabled, period: 1h, exec: {command: 'false'}}
",
    );
    backend.tell(Fact::CheckFails {
        check: "bad",
        fails: true,
    });
    pebble.add_layer("checks", &checks, false).unwrap();
    assert_eq!(pebble.refresh_check("good").unwrap(), Ok(()));
    let reason = pebble.refresh_check("bad").unwrap().unwrap_err();
    assert!(reason.contains("exit status 1"), "{reason}");
    for info in pebble.checks().unwrap() {
        let counted = (info.status.clone(), info.successes, info.failures);
        assert_eq!(counted, (CheckStatus::Inactive, 0, 0), "{info:?}");
    }
    pebble.start_checks(&["good"]).unwrap();
    assert_eq!(pebble.checks().unwrap()[1].successes, 0);
    assert_eq!(pebble.refresh_check("good").unwrap(), Ok(()));
    assert_eq!(pebble.checks().unwrap()[1].successes, 1);
    // As many failures as it takes are down at once, and nobody has to wait for its time.
    pebble.start_checks(&["bad"]).unwrap();
    for _ in 0..3 {
        assert!(pebble.refresh_check("bad").unwrap().is_err());
    }
    wait_for(pebble, "bad", CheckStatus::Down);
    // Started anew it has passed nothing.
    pebble.stop_checks(&["good"]).unwrap();
    pebble.start_checks(&["good"]).unwrap();
    assert_eq!(pebble.checks().unwrap()[1].successes, 0);
    let (status, message) = refusal(pebble.refresh_check("nobody"));
    assert_eq!((status, message.contains("nobody")), (404, true), "{message}");
}

fn health_by_level(backend: &dyn Backend) {
    let pebble = backend.pebble();
    assert!(pebble.health(None).unwrap());
    let down = |name: &str, level: &str| {
        format!(
            "{name}: {{override: replace, period: 50ms, threshold: 1, {level} exec: {{command: 'false'}}}}"
        )
    };
    for name in ["plain", "ready", "alive"] {
        backend.tell(Fact::CheckFails {
            check: name,
            fails: true,
        });
    }
    let health = || {
        [None, Some(CheckLevel::Ready), Some(CheckLevel::Alive)].map(|level| pebble.health(level).unwrap())
    };
    pebble
        .add_layer("1", &layer(&format!("checks: {{{}}}", down("plain", ""))), false)
        .unwrap();
    wait_for(pebble, "plain", CheckStatus::Down);
    assert_eq!(health(), [false, true, true]);
    pebble
        .add_layer(
            "2",
            &layer(&format!("checks: {{{}}}", down("ready", "level: ready,"))),
            false,
        )
        .unwrap();
    wait_for(pebble, "ready", CheckStatus::Down);
    assert_eq!(health(), [false, false, true]);
    pebble
        .add_layer(
            "3",
            &layer(&format!("checks: {{{}}}", down("alive", "level: alive,"))),
            false,
        )
        .unwrap();
    wait_for(pebble, "alive", CheckStatus::Down);
    assert_eq!(health(), [false, false, false]);
    // What does not run counts for nothing; the alive one counts for ready.
    pebble.stop_checks(&["plain", "ready"]).unwrap();
    wait_for(pebble, "ready", CheckStatus::Inactive);
    assert_eq!(health(), [false, false, false]);
    pebble.stop_checks(&["alive"]).unwrap();
    wait_for(pebble, "alive", CheckStatus::Inactive);
    assert_eq!(health(), [true, true, true]);
}

fn unknown_ones_are_refused(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let (status, message) = refusal(pebble.start_checks(&["nobody"]));
    assert_eq!(
        (status, message.as_str()),
        (400, "cannot start checks: cannot find checks in plan: nobody")
    );
    let (status, message) = refusal(pebble.stop_checks(&["nobody"]));
    assert_eq!(
        (status, message.as_str()),
        (400, "cannot stop checks: cannot find checks in plan: nobody")
    );
}

/// What Juju makes its pebble-check-failed and pebble-check-recovered of.
fn a_failure_ends_its_change_and_begins_another(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let server = HttpServer::start();
    server.set_fails(true);
    backend.tell(Fact::CheckFails {
        check: "web",
        fails: true,
    });
    let check = layer(&format!(
        "checks: {{web: {{override: replace, period: 50ms, threshold: 1, http: {{url: 'http://127.0.0.1:{}/'}}}}}}",
        server.port
    ));
    pebble.add_layer("check", &check, false).unwrap();
    wait_for(pebble, "web", CheckStatus::Down);
    let recover = until("the check waits for its recovery", || {
        pebble
            .changes(ChangeSelect::InProgress, None)
            .unwrap()
            .into_iter()
            .find(|change| change.kind == "recover-check")
    });
    // The change does not name the check; its notice does.
    let query = NoticesQuery {
        types: vec![NoticeType::ChangeUpdate],
        keys: vec![recover.id.to_string()],
        ..NoticesQuery::default()
    };
    let notice = pebble.notices(&query).unwrap().remove(0);
    assert_eq!(notice.last_data["kind"], "recover-check");
    assert_eq!(notice.last_data["check-name"], "web");
    assert_eq!(recover.summary, "Recover HTTP check \"web\"");
    let performed = pebble.changes(ChangeSelect::Ready, None).unwrap().remove(0);
    assert_eq!(
        (performed.kind.as_str(), performed.status.as_str()),
        ("perform-check", "Error")
    );
    assert!(performed.err.unwrap().contains("status code 500"));
    server.set_fails(false);
    backend.tell(Fact::CheckFails {
        check: "web",
        fails: false,
    });
    wait_for(pebble, "web", CheckStatus::Up);
    let recovered = until("the recovery is done", || {
        let change = pebble.change(&recover.id).unwrap();
        change.ready.then_some(change)
    });
    assert_eq!(recovered.status.as_str(), "Done");
}
