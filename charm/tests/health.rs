//! Active means that the app has passed its health check since it was started.

use crate::common::radarr;
use crate::common::unit::{Unit, writes};
use juju_charm::pebble::{CheckStatus, Pebble as _};
use juju_charm::testing::{Event, FakePebble, PebbleFault};

const CHECK: &str = "radarr-ready";
const NO_ANSWER: &str =
    "waiting: Radarr: no answer at http://localhost:7878/ping; see kubectl logs of container radarr";

fn fails(unit: &Unit, fails: bool) {
    unit.pebble
        .change_state(|state| state.set_failing_check(CHECK, fails));
}

fn check(unit: &Unit) -> Option<CheckStatus> {
    unit.pebble.state().check(CHECK)
}

fn deployed(unit: &mut Unit) {
    for event in unit.first_events() {
        unit.run(event);
    }
}

#[test]
fn an_app_that_never_answers_is_never_active() {
    let mut unit = Unit::new(&radarr());
    fails(&unit, true);
    deployed(&mut unit);
    assert!(unit.runs());
    assert_eq!(unit.status(), NO_ANSWER);
    // Pebble looks after it from then on, and Juju hears of what it finds.
    assert_eq!(check(&unit), Some(CheckStatus::Down));
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.status(), NO_ANSWER);

    fails(&unit, false);
    unit.run(Event::PebbleCheckRecovered {
        container: "radarr".to_owned(),
        check: CHECK.to_owned(),
    });
    assert!(unit.status().starts_with("active: "), "{}", unit.status());
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(writes(&outcome), Vec::<String>::new());
}

#[test]
fn an_app_that_is_healthy_is_active_at_once_and_not_asked_again() {
    let mut unit = Unit::new(&radarr());
    deployed(&mut unit);
    assert!(unit.status().starts_with("active: "), "{}", unit.status());
    assert_eq!(check(&unit), Some(CheckStatus::Up));
    let before = unit.pebble.calls().len();
    unit.run(Event::UpdateStatus);
    let calls = unit.pebble.calls();
    assert!(
        !calls
            .iter()
            .skip(before)
            .any(|call| call.operation == "refresh_check")
    );
}

#[test]
fn a_start_that_was_not_waited_for_is_not_taken_for_a_good_one() {
    // The dispatch ends at each call to Pebble after the app was started.
    let mut unit = Unit::new(&radarr());
    fails(&unit, true);
    deployed(&mut unit);
    let calls = unit.pebble.calls();
    let started = calls.iter().rposition(|call| call.operation == "replan").unwrap();
    for killed_at in started + 1..calls.len() {
        let mut unit = Unit::new(&radarr());
        fails(&unit, true);
        let stop = PebbleFault::StopBefore { call: killed_at + 1 };
        unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(stop);
        let mut killed = false;
        for event in unit.first_events() {
            killed |= unit.try_run(event, None).result.is_err();
        }
        assert!(killed, "call {killed_at}");
        unit.run(Event::UpdateStatus);
        assert_eq!(unit.status(), NO_ANSWER, "call {killed_at}");
    }
}

#[test]
fn what_a_check_found_before_says_nothing_of_an_app_that_is_started_anew() {
    let mut unit = Unit::settled(&radarr());
    assert!(unit.status().starts_with("active: "), "{}", unit.status());
    // The option restarts it, and it does not come up again.
    fails(&unit, true);
    unit.state = unit.state.clone().with_config("url-base", "/films");
    unit.run(Event::ConfigChanged);
    assert_eq!(
        unit.status(),
        "waiting: Radarr: no answer at http://localhost:7878/films/ping; see kubectl logs of container radarr"
    );
}

#[test]
fn an_app_whose_process_ends_tells_its_last_line() {
    let mut unit = Unit::new(&radarr());
    unit.pebble
        .change_state(|state| state.set_exiting_service("radarr", 1, "no database"));
    let ends = "waiting: Radarr keeps ending: no database; see kubectl logs of container radarr";
    deployed(&mut unit);
    assert_eq!(unit.status(), ends);
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.status(), ends);
    // Whatever it writes, the line stays one that `juju status` shows whole.
    let coloured = format!("\u{1b}[31mError\u{1b}[0m:\tbad\u{7} {}", "key ".repeat(100));
    unit.pebble
        .change_state(|state| state.set_exiting_service("radarr", 1, &coloured));
    unit.pebble.restart(&["radarr"]).unwrap();
    unit.run(Event::UpdateStatus);
    assert_eq!(
        unit.status(),
        "waiting: Radarr keeps ending: Error: bad key key key key key key key k…; see kubectl logs of container radarr"
    );
}

#[test]
fn the_log_of_an_app_that_runs_is_not_read() {
    let mut unit = Unit::settled(&radarr());
    let before = unit.pebble.calls().len();
    unit.run(Event::UpdateStatus);
    unit.run(Event::ConfigChanged);
    let calls = unit.pebble.calls();
    assert!(
        calls.iter().skip(before).all(|call| call.operation != "logs"),
        "{calls:?}"
    );
}

#[test]
fn a_check_of_an_app_that_is_stopped_rests() {
    let mut unit = Unit::settled(&radarr());
    unit.pebble.stop(&["radarr"]).unwrap();
    std::fs::remove_dir_all(unit.volume()).unwrap();
    std::fs::create_dir(unit.volume()).unwrap();
    let ready = unit.pebble_ready();
    unit.run(ready);
    assert!(!unit.runs());
    assert!(
        unit.status().starts_with("blocked: config volume: empty"),
        "{}",
        unit.status()
    );
}
