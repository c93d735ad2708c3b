//! An app that ends by itself, and what an unclean stop has left of it.

use crate::common::app;
use crate::common::unit::Unit;
use juju_charm::pebble::Pebble as _;
use juju_charm::testing::Event;

/// A Plex whose process ends again and again, after the first event that saw it.
fn ended() -> Unit {
    let mut unit = Unit::settled(&app("plex"));
    unit.pebble
        .change_state(|state| state.set_exiting_service("plex", 1, "corrupt database"));
    unit.pebble.change_state(|state| state.fail_service("plex"));
    unit.run(Event::UpdateStatus);
    unit
}

#[test]
fn what_an_unclean_stop_left_goes_before_the_app_starts_and_not_while_it_runs() {
    let profile = app("plex");
    let [stale] = profile.workload.stale_files.as_slice() else {
        panic!("{:?}", profile.workload.stale_files);
    };
    let is_there = |unit: &Unit| unit.pebble.state().file(stale).is_some();
    let mut unit = Unit::new(&profile);
    unit.pebble
        .change_state(|state| *state = state.clone().with_file(stale, "17"));
    let ready = unit.pebble_ready();
    unit.run(ready);
    assert!(unit.runs() && !is_there(&unit));
    // Now it says the truth.
    unit.pebble
        .change_state(|state| *state = state.clone().with_file(stale, "18"));
    unit.app_fills_its_volume();
    for event in [Event::UpdateStatus, Event::ConfigChanged] {
        unit.run(event);
        assert!(is_there(&unit));
    }
}

#[test]
fn what_keeps_an_app_from_starting_goes_also_where_pebble_starts_it_by_itself() {
    let profile = app("plex");
    let [stale] = profile.workload.stale_files.as_slice() else {
        panic!("{:?}", profile.workload.stale_files);
    };
    let mut unit = Unit::settled(&profile);
    unit.pebble.change_state(|state| {
        *state = state.clone().with_file(stale, "17");
        state.set_exiting_service("plex", 1, "another one runs");
    });
    unit.pebble.restart(&["plex"]).unwrap();
    assert!(!unit.runs());
    let begin = unit.pebble.calls().len();
    unit.run(Event::UpdateStatus);
    assert!(unit.pebble.state().file(stale).is_none());
    let remove = format!("remove_path {stale}");
    let mut order = unit.pebble_writes(begin);
    order.retain(|call| call == "stop plex" || *call == remove || call.starts_with("replan"));
    assert_eq!(
        order,
        ["stop plex", remove.as_str(), "replan "],
        "{}",
        unit.status()
    );
}

#[test]
fn an_app_that_ends_again_for_another_reason_is_not_started_again_at_every_event() {
    let mut unit = ended();
    let begin = unit.pebble.calls().len();
    for _ in 0..3 {
        unit.run(Event::UpdateStatus);
    }
    let written = unit.pebble_writes(begin);
    assert_eq!(
        written,
        [""; 0],
        "{} {:?}",
        unit.status(),
        unit.pebble.state().service("plex")
    );
}

#[test]
fn an_app_in_back_off_of_its_own_says_where_to_look() {
    let mut unit = ended();
    unit.run(Event::UpdateStatus);
    assert!(unit.status().contains("kubectl logs"), "{}", unit.status());
}
