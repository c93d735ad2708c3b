//! Notifications: once for each turn, from any event, and never at the cost of the hook.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use crate::common::notified::{
    TAKEN, backed_up, body, forget, notifying, receiver, receiver_at, storage_goes,
};
use crate::common::unit::{Unit, writes};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, Fault};
use serde_json::{Value, json};
use workload_charm::tiers::NIGHTLY;

/// Kind and state of all that came.
fn told(received: &mpsc::Receiver<String>) -> Vec<String> {
    received
        .try_iter()
        .map(|request| {
            let body = body(&request).unwrap();
            format!(
                "{} {}",
                body["kind"].as_str().unwrap(),
                body["state"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn each_turn_is_told_once_and_a_steady_event_tells_nothing() {
    let (address, received) = receiver(TAKEN);
    let mut unit = notifying(backed_up(), &format!("http://{address}/hook"));
    assert_eq!(told(&received), [""; 0]);
    storage_goes(&unit);
    for _ in 0..4 {
        unit.run(Event::UpdateStatus);
    }
    unit.assert_says("active: warning: storage location default: no bucket; look at the object storage");
    assert_eq!(told(&received), ["StorageUnavailable bad"]);
    unit.recovery.locations.take();
    for _ in 0..4 {
        unit.run(Event::UpdateStatus);
    }
    assert_eq!(told(&received), ["StorageUnavailable good"]);
    assert_eq!(writes(&unit.run(Event::UpdateStatus)), Vec::<String>::new());
    // What is known outlives the pod.
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["StorageUnavailable bad"]);
    unit.loses_its_disk();
    let ready = unit.pebble_ready();
    unit.run(ready);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), [""; 0]);
}

#[test]
fn what_is_wrong_already_is_told_to_whoever_is_named_later() {
    let mut unit = notifying(backed_up(), "");
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    let (address, received) = receiver(TAKEN);
    unit.state = unit
        .state
        .clone()
        .with_config("notify-url", format!("http://{address}/").as_str());
    unit.run(Event::ConfigChanged);
    assert_eq!(told(&received), ["StorageUnavailable bad"]);
}

#[test]
fn what_nobody_takes_is_tried_again_later_and_fails_no_hook() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut unit = notifying(backed_up(), &format!("http://{closed}/s3cret"));
    storage_goes(&unit);
    let outcome = unit.run(Event::UpdateStatus);
    let logs: Vec<String> = outcome.logs.iter().map(|line| format!("{line:?}")).collect();
    let logs = logs.join("\n");
    assert!(logs.contains("notify-url: cannot connect to 127.0.0.1"), "{logs}");
    assert!(
        !logs.contains("s3cret") && !unit.status().contains("s3cret"),
        "{logs}"
    );
    let (_, received) = receiver_at(closed, TAKEN);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), [""; 0], "not yet");
    let file = unit.volume().with_file_name("remembered");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut record: Value = serde_json::from_str(text.trim_start_matches('?')).unwrap();
    assert_eq!(record["notices"]["failed"][0], 1, "{record}");
    record["notices"]["failed"][1] = json!((Timestamp::now() - SignedDuration::from_mins(4)).to_string());
    std::fs::write(&file, record.to_string()).unwrap();
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["StorageUnavailable bad"]);
}

/// Once more at most, and never not at all.
#[test]
fn a_kill_anywhere_forgets_nothing() {
    for call in 1..40 {
        let (address, received) = receiver(TAKEN);
        let mut unit = notifying(backed_up(), &format!("http://{address}/"));
        storage_goes(&unit);
        let outcome = unit.try_run(Event::UpdateStatus, Some(Fault::StopBefore { call }));
        unit.run(Event::UpdateStatus);
        unit.run(Event::UpdateStatus);
        let told = told(&received);
        assert!(
            (1..=2).contains(&told.len()) && told.iter().all(|told| told == "StorageUnavailable bad"),
            "{call}: {told:?}"
        );
        if outcome.result.is_ok() {
            assert!(call > 5 && told.len() == 1);
            return;
        }
    }
    panic!("it never ended");
}

#[test]
fn an_option_that_cannot_be_used_is_said_without_the_url() {
    let mut unit = notifying(backed_up(), "");
    for (url, said) in [
        ("ftp://host/s3cret", "must begin with https:// or http://"),
        ("https://user:s3cret@host/", "must not name a user"),
        ("secret:no id s3cret", "is no id of a secret"),
    ] {
        unit.state = unit.state.clone().with_config("notify-url", url);
        unit.run(Event::ConfigChanged);
        unit.assert_says(&format!("blocked: notify-url: {said}"));
        assert!(!unit.status().contains("s3cret"), "{}", unit.status());
        let refused = unit.act("test-notification", json!({})).unwrap_err();
        assert!(refused.contains(said) && !refused.contains("s3cret"), "{refused}");
    }
}

#[test]
fn the_action_sends_one_and_says_what_came_back() {
    let (address, received) = receiver(TAKEN);
    let mut unit = notifying(backed_up(), &format!("json+http://{address}/hook/s3cret"));
    let results = unit.act("test-notification", json!({})).unwrap();
    assert_eq!(
        Value::Object(results),
        json!({"result": "sent", "host": "127.0.0.1", "format": "json", "answer": "200"})
    );
    let body = body(&received.recv_timeout(Duration::from_secs(5)).unwrap()).unwrap();
    assert_eq!(
        (body["kind"].as_str(), body["app"].as_str()),
        (Some("Test"), Some("radarr"))
    );
    let mut unit = notifying(backed_up(), "");
    let refused = unit.act("test-notification", json!({})).unwrap_err();
    assert_eq!(
        refused,
        "cannot send a notification: option notify-url is empty; juju config radarr notify-url=https://…"
    );
    let mut unit = notifying(backed_up(), "secret:9m4e2mr0ui3e8a215n4g");
    let refused = unit.act("test-notification", json!({})).unwrap_err();
    assert!(
        refused.contains("notify-url: ") && refused.contains("juju"),
        "{refused}"
    );
}

/// What is wrong stays wrong while nobody can tell: a request that failed, an option that cannot be used, the minutes that velero-operator
/// is given after the app asked for something else. Nobody is told that it is good again.
#[test]
fn what_cannot_be_judged_for_a_while_is_not_told_as_good() {
    let (address, received) = receiver(TAKEN);
    let mut unit = notifying(backed_up(), &format!("http://{address}/hook"));
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["StorageUnavailable bad"]);
    unit.recovery.locations_are_unread.set(true);
    forget(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), [""; 0], "locations cannot be read");
    unit.recovery.locations_are_unread.set(false);
    unit.recovery.locations.take();
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["StorageUnavailable good"]);
}

#[test]
fn a_schedule_that_is_missing_is_not_good_since_somebody_has_asked_for_another_one() {
    let (address, received) = receiver(TAKEN);
    let mut unit = notifying(backed_up(), &format!("http://{address}/hook"));
    let standing = unit.recovery.standing.as_mut().unwrap();
    standing.endpoints.get_mut(NIGHTLY.name()).unwrap().schedule = None;
    asked_long_ago(&unit);
    forget(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["ScheduleMissing bad"]);
    unit.state = unit.state.clone().with_config("backup-schedule", "15 4 * * *");
    unit.run(Event::ConfigChanged);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), [""; 0]);
    unit.state = unit.state.clone().with_config("backup-schedule", "sometimes");
    unit.run(Event::ConfigChanged);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), [""; 0], "{}", unit.status());
}

/// velero-operator has had all the time that it is given.
fn asked_long_ago(unit: &Unit) {
    let file = unit.volume().with_file_name("remembered");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| "{}".to_owned());
    let mut record: Value = serde_json::from_str(text.trim_start_matches('?')).unwrap();
    record["asked-at"] = json!((Timestamp::now() - SignedDuration::from_hours(5)).to_string());
    std::fs::write(&file, record.to_string()).unwrap();
}

#[test]
fn whoever_is_named_in_the_place_of_another_one_hears_of_all_that_is_wrong() {
    let (wrong, misled) = receiver(TAKEN);
    let (address, received) = receiver(TAKEN);
    let mut unit = notifying(backed_up(), &format!("http://{wrong}/a-tpoic"));
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&misled), ["StorageUnavailable bad"]);
    let url = format!("http://{address}/a-topic");
    unit.state = unit.state.clone().with_config("notify-url", url.as_str());
    unit.run(Event::ConfigChanged);
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["StorageUnavailable bad"]);
    unit.recovery.locations.take();
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["StorageUnavailable good"]);
    assert_eq!(told(&misled), [""; 0]);
}

#[test]
fn that_nobody_takes_them_is_in_the_status() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut unit = notifying(backed_up(), &format!("http://{closed}/s3cret"));
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    assert!(!unit.status().contains("notify-url"), "once is no trouble yet");
    time_passes(&unit, 4);
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    unit.assert_says("active: warning: storage location default: no bucket; look at the object storage");
    // It has gone before anybody could be told, and the next one would be told as little.
    unit.recovery.locations.take();
    unit.run(Event::UpdateStatus);
    unit.assert_says("active: notify-url: cannot connect to 127.0.0.1");
    let status = unit.status();
    assert!(
        status.contains("; run test-notification") && !status.contains("s3cret"),
        "{status}"
    );
    let steady = unit.run(Event::UpdateStatus);
    assert_eq!(writes(&steady), [""; 0]);
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    let (_, received) = receiver_at(closed, TAKEN);
    unit.act("test-notification", json!({})).unwrap();
    unit.run(Event::UpdateStatus);
    assert_eq!(told(&received), ["Test good", "StorageUnavailable bad"]);
    unit.recovery.locations.take();
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    assert!(!unit.status().contains("notify-url"), "{}", unit.status());
}

/// The last try that failed was so many minutes ago.
fn time_passes(unit: &Unit, minutes: i64) {
    let file = unit.volume().with_file_name("remembered");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut record: Value = serde_json::from_str(text.trim_start_matches('?')).unwrap();
    record["notices"]["failed"][1] =
        json!((Timestamp::now() - SignedDuration::from_mins(minutes)).to_string());
    std::fs::write(&file, record.to_string()).unwrap();
}
