//! The secret is read when it has to be, and not in every event.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::common::apps;
use crate::common::unit::{PEERS, Unit};
use juju_charm::testing::{Event, FakePebble, Outcome, PebbleFault};
use workload_charm::profile::AppProfile;
use workload_charm::{CharmError, credentials, data_unit};

fn with_credentials() -> Vec<AppProfile> {
    let profiles = apps().into_iter().map(|(_, profile)| profile);
    profiles.filter(|profile| profile.credentials.is_some()).collect()
}

/// A unit whose secret and file are as they should be, and that has seen it.
fn steady(profile: &AppProfile) -> Unit {
    let mut unit = Unit::settled(profile);
    assert!(!reads(&unit.run(Event::UpdateStatus)), "{}", profile.name);
    unit
}

fn reads(outcome: &Outcome<CharmError>) -> bool {
    outcome.calls.iter().any(|call| call.tool == "secret-get")
}

/// What clients log in with, as the config file has it.
fn in_file(profile: &AppProfile) -> &'static str {
    match credentials::keys(profile.credentials.as_ref().unwrap()) {
        ["api-key"] => "api-key",
        _ => "password-hash",
    }
}

fn remembered(unit: &Unit) -> PathBuf {
    unit.volume().with_file_name("credentials-seen")
}

#[test]
fn what_differs_from_the_secret_is_put_right_at_the_next_update_status() {
    for profile in with_credentials() {
        let mut unit = steady(&profile);
        let right = unit.file().unwrap();
        let value = unit.secret(in_file(&profile)).unwrap();
        let other: String = value.chars().rev().collect();
        unit.put_file(right.replace(&value, &other).as_bytes());
        assert_ne!(unit.file().unwrap(), right, "{}", profile.name);
        unit.run(Event::UpdateStatus);
        assert_eq!(unit.file().unwrap(), right, "{}", profile.name);
        // And what somebody did with the rest of the file needs no secret.
        unit.run(Event::UpdateStatus);
        assert!(!reads(&unit.run(Event::UpdateStatus)), "{}", profile.name);
    }
}

#[test]
fn events_that_may_come_from_another_secret_read_it() {
    for profile in with_credentials() {
        let mut unit = steady(&profile);
        for event in [
            Event::ConfigChanged,
            Event::LeaderElected,
            Event::UpgradeCharm,
            Event::Start,
            unit.pebble_ready(),
        ] {
            assert!(reads(&unit.run(event.clone())), "{} {event:?}", profile.name);
        }
    }
}

#[test]
fn new_credentials_that_did_not_reach_the_file_do_so_later() {
    for profile in with_credentials() {
        let mut unit = steady(&profile);
        let state = unit.pebble.state();
        unit.pebble = FakePebble::new(state).with_fault(PebbleFault::Refuse {
            operation: "write_file".to_owned(),
            status: 500,
            message: "no space left on device".to_owned(),
        });
        unit.rotate().unwrap_err();
        unit.pebble = FakePebble::new(unit.pebble.state());
        let value = unit.secret(in_file(&profile)).unwrap();
        assert!(!unit.file().unwrap().contains(&value), "{}", profile.name);
        unit.run(Event::UpdateStatus);
        assert!(unit.file().unwrap().contains(&value), "{}", profile.name);
    }
}

#[test]
fn a_unit_that_runs_the_app_hears_of_credentials_that_another_leader_replaced() {
    for profile in with_credentials() {
        let mut unit = steady(&profile);
        unit.state = unit.state.clone().with_leader(false);
        assert!(!reads(&unit.run(Event::UpdateStatus)), "{}", profile.name);
        assert!(unit.runs(), "{}", profile.name);
        let relation = unit.state.model_mut().relations.get_mut(&PEERS).unwrap();
        let bag = relation.application_data.entry(profile.name.clone()).or_default();
        bag.insert(data_unit::ROTATIONS.to_owned(), "1".to_owned());
        assert!(reads(&unit.run(Event::UpdateStatus)), "{}", profile.name);
        assert!(!reads(&unit.run(Event::UpdateStatus)), "{}", profile.name);
    }
}

#[test]
fn a_unit_that_neither_leads_nor_runs_the_app_remembers_nothing() {
    for profile in with_credentials() {
        let mut unit = steady(&profile);
        assert!(remembered(&unit).exists(), "{}", profile.name);
        unit.state = unit.state.clone().with_leader(false);
        let relation = unit.state.model_mut().relations.get_mut(&PEERS).unwrap();
        let bag = relation.application_data.entry(profile.name.clone()).or_default();
        bag.insert(data_unit::DATA_UNIT.to_owned(), format!("{}/7", profile.name));
        assert!(!reads(&unit.run(Event::UpdateStatus)), "{}", profile.name);
        assert!(!remembered(&unit).exists(), "{}", profile.name);
    }
}

#[test]
fn what_is_remembered_is_for_the_unit_alone_and_holds_no_credential() {
    for profile in with_credentials() {
        let mut unit = steady(&profile);
        let path = remembered(&unit);
        let first = std::fs::read_to_string(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", profile.name);
        for key in credentials::keys(profile.credentials.as_ref().unwrap()) {
            let value = unit.secret(key).unwrap();
            assert!(value == "admin" || !first.contains(&value), "{}", profile.name);
        }
        // The same credentials, another salt: two files do not tell that two apps have one key.
        std::fs::remove_file(&path).unwrap();
        unit.run(Event::UpdateStatus);
        let second = std::fs::read_to_string(&path).unwrap();
        assert_ne!(first, second, "{}", profile.name);
        // What somebody wrote there is not believed.
        for text in ["", "x", "salt digest\n", first.trim_end()] {
            std::fs::write(&path, text).unwrap();
            assert!(
                reads(&unit.run(Event::UpdateStatus)),
                "{}: {text:?}",
                profile.name
            );
        }
    }
}
