//! Notifications: once for each turn, from any event, and never at the cost of the hook.
#![cfg(test)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use common::unit::{Unit, writes};
use common::{in_order, radarr};
use config_recovery::locations::Location;
use config_recovery::testing;
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, Fault};
use serde_json::{Value, json};

/// A receiver: where it is, and what it was sent, a body for each notification.
fn receiver() -> (SocketAddr, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut text = String::new();
            let mut piece = [0; 4096];
            let body = loop {
                let read = stream.read(&mut piece).unwrap();
                text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
                if let Some(body) = body.and_then(|body| serde_json::from_str(body).ok()) {
                    break body;
                }
            };
            let _ = sender.send(body);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        }
    });
    (address, received)
}

/// Kind and state of all that came.
fn told(received: &mpsc::Receiver<Value>) -> Vec<String> {
    received
        .try_iter()
        .map(|body| {
            format!(
                "{} {}",
                body["kind"].as_str().unwrap(),
                body["state"].as_str().unwrap()
            )
        })
        .collect()
}

/// A Radarr whose backups are as they should be, with somebody to notify.
fn notifying(url: &str) -> Unit {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    unit.cluster.trust();
    unit.recovery.standing = Some(in_order());
    unit.state = unit
        .state
        .clone()
        .with_config("notify-url", url)
        .with_config("verify-schedule", "none");
    unit.run(Event::ConfigChanged);
    unit.run(Event::UpdateStatus);
    unit
}

fn storage_goes(unit: &Unit) {
    unit.recovery.locations.replace(vec![Location {
        is_available: Some(false),
        message: Some("no bucket".to_owned()),
        ..testing::location("default")
    }]);
    forget(unit);
}

/// What was seen of the cluster counts no more.
fn forget(unit: &Unit) {
    let _ = std::fs::remove_file(unit.volume().with_file_name("cluster-seen.json"));
}

#[test]
fn each_turn_is_told_once_and_a_steady_event_tells_nothing() {
    let (address, received) = receiver();
    let mut unit = notifying(&format!("http://{address}/hook"));
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
    let mut unit = notifying("");
    storage_goes(&unit);
    unit.run(Event::UpdateStatus);
    let (address, received) = receiver();
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
    let mut unit = notifying(&format!("http://{closed}/s3cret"));
    storage_goes(&unit);
    let outcome = unit.run(Event::UpdateStatus);
    let logs: Vec<String> = outcome.logs.iter().map(|line| format!("{line:?}")).collect();
    let logs = logs.join("\n");
    assert!(logs.contains("notify-url: cannot connect to 127.0.0.1"), "{logs}");
    assert!(
        !logs.contains("s3cret") && !unit.status().contains("s3cret"),
        "{logs}"
    );
    let (address, received) = receiver();
    unit.state = unit
        .state
        .clone()
        .with_config("notify-url", format!("http://{address}/s3cret").as_str());
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
        let (address, received) = receiver();
        let mut unit = notifying(&format!("http://{address}/"));
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
    let mut unit = notifying("");
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
    let (address, received) = receiver();
    let mut unit = notifying(&format!("json+http://{address}/hook/s3cret"));
    let results = unit.act("test-notification", json!({})).unwrap();
    assert_eq!(
        Value::Object(results),
        json!({"result": "sent", "host": "127.0.0.1", "format": "json", "answer": "200"})
    );
    let body = received.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(
        (body["kind"].as_str(), body["app"].as_str()),
        (Some("Test"), Some("radarr"))
    );
    let mut unit = notifying("");
    let refused = unit.act("test-notification", json!({})).unwrap_err();
    assert_eq!(
        refused,
        "cannot send a notification: option notify-url is empty; juju config radarr notify-url=https://…"
    );
    let mut unit = notifying("secret:9m4e2mr0ui3e8a215n4g");
    let refused = unit.act("test-notification", json!({})).unwrap_err();
    assert!(
        refused.contains("notify-url: ") && refused.contains("juju"),
        "{refused}"
    );
}
