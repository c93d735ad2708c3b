//! A receiver that is named by a secret, and receivers that mean no good.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::common::notified::{Answers, TAKEN, backed_up, notifying, receiver, storage_goes};
use crate::common::unit::Unit;
use juju_charm::SecretContent;
use juju_charm::testing::Event;
use serde_json::json;

const LABEL: &str = "whom-to-tell";

/// Keys and values of a secret.
type Content = &'static [(&'static str, &'static str)];

/// A Radarr with backups and this secret of somebody else's, which names whom to notify.
fn with_secret(content: &[(&str, &str)], granted: bool) -> Unit {
    let mut unit = backed_up();
    let secret: SecretContent = content.iter().copied().collect();
    unit.state = unit
        .state
        .clone()
        .with_remote_secret("person", LABEL, &secret, granted);
    let id = format!("secret:{}", unit.state.secret_id(LABEL).unwrap().unique_id());
    notifying(unit, &id)
}

/// All that an event with something to tell has logged, said and kept.
fn told_of_storage(unit: &mut Unit) -> String {
    storage_goes(unit);
    let outcome = unit.run(Event::UpdateStatus);
    let logs: Vec<String> = outcome.logs.iter().map(|line| format!("{line:?}")).collect();
    let kept = std::fs::read_to_string(unit.volume().with_file_name("remembered")).unwrap_or_default();
    format!("{}\n{}\n{kept}", logs.join("\n"), unit.status())
}

#[test]
fn the_url_and_the_token_of_a_granted_secret_are_used_and_shown_nowhere() {
    let (address, received) = receiver(TAKEN);
    let url = format!("  http://{address}/hook/s3cret?key=s3cret\n");
    let mut unit = with_secret(&[("url", &url), ("token", " t0ken\n")], true);
    let said = told_of_storage(&mut unit);
    let request = received.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        request.starts_with("POST /hook/s3cret?key=s3cret HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("authorization: Bearer t0ken\r\n"), "{request}");
    assert!(request.contains("StorageUnavailable"), "{request}");
    assert!(!said.contains("s3cret") && !said.contains("t0ken"), "{said}");
    let results = unit.act("test-notification", json!({})).unwrap();
    let results = format!("{results:?}{:?}", unit.logs);
    assert!(results.contains("\"sent\""), "{results}");
    assert!(
        !results.contains("s3cret") && !results.contains("t0ken"),
        "{results}"
    );
}

#[test]
fn a_secret_that_cannot_be_used_is_said_with_what_to_do_and_without_its_content() {
    let cases: &[(Content, bool, &str)] = &[
        (
            &[("url", "http://127.0.0.1:1/s3cret")],
            false,
            "juju grant-secret ",
        ),
        (
            &[("link", "http://127.0.0.1:1/s3cret")],
            true,
            "juju update-secret",
        ),
        (
            &[("url", "s3cret")],
            true,
            "key url of the secret must begin with https://",
        ),
        (&[("url", "https://u:s3cret@host/")], true, "must not name a user"),
        (
            &[("url", "http://127.0.0.1:1/s3cret"), ("token", "s3cret\nx: y")],
            true,
            "the token cannot be sent",
        ),
        (
            &[
                ("url", "https://127.0.0.1:1/s3cret"),
                ("ca-certificate", "s3cret"),
            ],
            true,
            "key ca-certificate of the secret",
        ),
    ];
    for (content, granted, expected) in cases {
        let mut unit = with_secret(content, *granted);
        let said = told_of_storage(&mut unit);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
        let refused = unit.act("test-notification", json!({})).unwrap_err();
        assert!(refused.contains(expected), "{expected}: {refused}");
        assert!(
            !refused.contains("s3cret") && !unit.logs.concat().contains("s3cret"),
            "{refused}"
        );
    }
}

#[test]
fn a_receiver_that_means_no_good_costs_five_seconds_and_no_secret() {
    let answers: [(Answers, &str); 5] = [
        (
            |stream| {
                let _ = stream.write_all(
                    b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/s3cret\r\ncontent-length: 0\r\n\r\n",
                );
            },
            "answers 302",
        ),
        (
            |stream| {
                let _ = stream.write_all(b"HTTP/1.1 2");
                std::thread::sleep(Duration::from_secs(20));
            },
            "does not answer in time",
        ),
        (
            |stream| {
                let _ = stream.write_all(b"HTTP/1.1 500 \x1b[2Js3cret\r\ncontent-length: 6\r\n\r\ns3cret");
            },
            "",
        ),
        (
            |stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
                while stream.write_all(&[b'x'; 65536]).is_ok() {}
            },
            "does not answer as HTTP has it",
        ),
        (|_| {}, "does not answer as HTTP has it"),
    ];
    for (answers, expected) in answers {
        let (address, _received) = receiver(answers);
        let mut unit = with_secret(
            &[("url", &format!("http://{address}/s3cret")), ("token", "t0ken")],
            true,
        );
        let begun = Instant::now();
        let said = told_of_storage(&mut unit);
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert!(
            said.contains(expected) && said.contains("notify-url: 127.0.0.1"),
            "{expected}: {said}"
        );
        assert!(
            !said.contains("s3cret") && !said.contains("t0ken") && !said.contains('\u{1b}'),
            "{said}"
        );
    }
}
