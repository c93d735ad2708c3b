//! The Pebble client against servers that are no good Pebble: each fault has its own kind of error.
#![cfg(test)]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use juju_charm::pebble::{Client, Error, ExecOptions, Pebble};
use tempfile::TempDir;

/// A socket on which one connection after the other gets an answer, whatever it asks for.
struct Server {
    socket: PathBuf,
    /// What was asked for.
    requests: JoinHandle<Vec<String>>,
    _folder: TempDir,
}

/// Answers as many connections as there are answers.
fn serve(answers: Vec<String>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pebble.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let requests = std::thread::spawn(move || {
        let answer = |answer: &String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            // The client may have what it needs, and be gone.
            let _ = stream.write_all(answer.as_bytes());
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        answers.iter().map(answer).collect()
    });
    Server {
        socket,
        requests,
        _folder: folder,
    }
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn ask<T>(answer: String, question: impl FnOnce(&Client) -> Result<T, Error>) -> Result<T, Error> {
    let server = serve(vec![answer]);
    let result = question(&Client::for_socket(server.socket.clone()));
    server.requests.join().unwrap();
    result
}

#[test]
fn no_socket_is_not_reachable() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::for_socket(folder.path().join("pebble.socket"));
    let error = client.system_info().unwrap_err();
    assert!(error.is_not_reachable(), "{error:?}");
    let text = format!(
        "cannot reach Pebble at {}/pebble.socket; its container may still be starting, try again at its pebble-ready event",
        folder.path().display()
    );
    assert_eq!(error.to_string(), text);
    assert!(
        client
            .exec(&ExecOptions::command(["true"]))
            .unwrap_err()
            .is_not_reachable()
    );

    // Nobody listens any more.
    drop(UnixListener::bind(client.socket()).unwrap());
    match client.plan().unwrap_err() {
        Error::NotReachable { source, .. } => assert_eq!(source.kind(), ErrorKind::ConnectionRefused),
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_connection_that_ends_is_not_reachable() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"type\"",
    ] {
        let error = ask(answer.to_owned(), Client::system_info).unwrap_err();
        assert!(error.is_not_reachable(), "{answer:?}: {error:?}");
    }
}

const VERSION: &str = r#"{"type":"sync","status-code":200,"status":"OK","result":{"version":"v1"}}"#;

/// An answer after which the connection stays open.
fn kept_open(body: &str) -> String {
    json("200 OK", body).replace("Connection: close\r\n", "")
}

/// Serves one connection: so many answers, and then it closes. Gives the methods that it was asked with.
fn serve_connection(listener: &UnixListener, answers: usize) -> Vec<String> {
    let (mut stream, _) = listener.accept().unwrap();
    let asked = |_| {
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(kept_open(VERSION).as_bytes()).unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        request.split(' ').next().unwrap().to_owned()
    };
    (0..answers).map(asked).collect()
}

#[test]
fn reads_share_a_connection_and_survive_its_end_and_changes_have_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pebble.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let (closed, was_closed) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let first = serve_connection(&listener, 3);
        closed.send(()).unwrap();
        // That one is closed by now; a change comes on another, and the next read on a third.
        [
            first,
            serve_connection(&listener, 1),
            serve_connection(&listener, 2),
        ]
    });
    let client = Client::for_socket(socket);
    for _ in 0..3 {
        assert_eq!(client.system_info().unwrap().version, "v1");
    }
    was_closed.recv().unwrap();
    // The answer says nothing of a change, which is no matter here.
    client.replan().unwrap_err();
    for _ in 0..2 {
        assert_eq!(client.system_info().unwrap().version, "v1");
    }
    assert_eq!(
        server.join().unwrap(),
        [vec!["GET"; 3], vec!["POST"], vec!["GET"; 2]]
    );
}

#[test]
fn a_server_that_does_not_answer_is_not_reachable() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pebble.socket");
    // It accepts by itself, and nobody reads.
    let _listener = UnixListener::bind(&socket).unwrap();
    match Client::for_socket(socket).system_info().unwrap_err() {
        Error::NotReachable { source, .. } => assert_eq!(source.kind(), ErrorKind::TimedOut),
        error => panic!("{error:?}"),
    }
}

#[test]
fn what_is_no_answer_of_pebble_is_a_protocol_error() {
    let cases = [
        "nonsense\r\n\r\n".to_owned(),
        json("200 OK", "<html>"),
        json("200 OK", "{}"),
        json("200 OK", r#"{"type":"odd","result":{}}"#),
        json("200 OK", r#"{"type":"sync","result":[1]}"#),
        json("200 OK", r#"{"type":"error","result":7}"#),
    ];
    for answer in cases {
        let error = ask(answer.clone(), Client::system_info).unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{answer}: {error:?}");
    }
    let no_change = json("202 Accepted", r#"{"type":"async","result":null}"#);
    let error = ask(no_change, Client::replan).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot understand Pebble's answer to replan services: it names no change"
    );
}

#[test]
fn a_refusal_has_its_status_and_kind() {
    let denied = json(
        "401 Unauthorized",
        r#"{"type":"error","status-code":401,"result":{"message":"access denied","kind":"login-required"}}"#,
    );
    let error = ask(denied, Client::replan).unwrap_err();
    assert!(
        error.is_not_allowed() && !error.is_not_found() && !error.is_not_reachable(),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "cannot replan services: access denied");
    let missing = json(
        "404 Not Found",
        r#"{"type":"error","result":{"message":"x","kind":""}}"#,
    );
    let error = ask(missing, |client| client.change(&"7".into())).unwrap_err();
    assert!(error.is_not_found() && !error.is_not_allowed(), "{error:?}");
    // A proxy's page is no reason to lose the status.
    let error = ask(json("502 Bad Gateway", "<html>"), Client::plan).unwrap_err();
    assert!(matches!(error, Error::Api { status: 502, .. }), "{error:?}");
    let denied = json(
        "200 OK",
        r#"{"type":"sync","result":[{"path":"/a","error":{"message":"no","kind":"permission-denied"}}]}"#,
    );
    let error = ask(denied, |client| client.remove_path("/a", false)).unwrap_err();
    assert!(error.is_not_allowed(), "{error:?}");
}

#[test]
fn lists_may_be_null_or_missing_and_unknown_keys_are_nothing() {
    let null = json(
        "200 OK",
        r#"{"type":"sync","result":null,"maintenance":{"message":"x"}}"#,
    );
    assert_eq!(ask(null.clone(), |client| client.services(&[])).unwrap(), []);
    assert_eq!(ask(null, Client::checks).unwrap(), []);
    for result in [r#"{"changed":null}"#, "{}"] {
        let answer = json("200 OK", &format!(r#"{{"type":"sync","result":{result}}}"#));
        assert_eq!(
            ask(answer, |client| client.start_checks(&["a"])).unwrap(),
            [""; 0]
        );
    }
    let newer =
        r#"{"type":"sync","result":[{"name":"a","status":"sideways","prev-change-id":"1","more":{}}]}"#;
    let checks = ask(json("200 OK", newer), Client::checks).unwrap();
    assert_eq!(checks[0].status.as_str(), "sideways");
}

#[test]
fn exec_without_its_sockets_is_an_error() {
    let begun = json(
        "202 Accepted",
        r#"{"type":"async","change":"1","result":{"task-id":"9"}}"#,
    );
    let gone = json(
        "404 Not Found",
        r#"{"type":"error","result":{"message":"cannot find task \"9\""}}"#,
    );
    let server = serve(vec![begun, gone]);
    let client = Client::for_socket(server.socket.clone());
    let error = client.exec(&ExecOptions::command(["true"])).unwrap_err();
    assert_eq!(error.to_string(), "cannot run true: cannot find task \"9\"");
    let requests = server.requests.join().unwrap();
    assert!(
        requests[0].starts_with("POST /v1/exec HTTP/1.1\r\n"),
        "{requests:?}"
    );
    assert!(
        requests[1].starts_with("GET /v1/tasks/9/websocket/control HTTP/1.1\r\n"),
        "{requests:?}"
    );
    let no_task = json("202 Accepted", r#"{"type":"async","change":"1","result":{}}"#);
    let error = ask(no_task, |client| client.exec(&ExecOptions::command(["true"]))).unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[test]
fn inside_an_asynchronous_task_it_says_no() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = Client::for_socket("/nowhere".into());
    let error = runtime.block_on(async { client.system_info().unwrap_err() });
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[test]
fn inside_a_task_of_a_runtime_that_makes_way_it_asks() {
    let client = Client::for_socket("/nowhere".into());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let error = runtime.block_on(async { client.system_info().unwrap_err() });
    assert!(error.is_not_reachable(), "{error}");
}
