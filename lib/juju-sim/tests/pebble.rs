//! The simulated Pebble, as the charm's own client finds it. What is common to all Pebbles is in `tests/pebble-contract`;
//! here is what only the simulated one has to do: folders for containers, ports, ends.
#![cfg(test)]

mod pebble_bed;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use juju_charm::pebble::{
    ChangeStatus, CheckStatus, ExecOptions, FileOptions, FileType, Layer, NoticeType, NoticesQuery, Pebble,
    ServiceStatus,
};
use pebble_bed::{Bed, LONG, eventually};

#[test]
fn a_service_lives_and_ends_with_its_pebble() {
    let mut bed = Bed::start();
    let script =
        "echo $$ > pid; echo up; trap 'echo bye > bye; exit 0' TERM; while true; do sleep 0.05; done";
    bed.layer(
        "l",
        &format!("services: {{web: {{override: replace, command: sh -c \"{script}\", startup: enabled}}}}"),
    );
    let change = bed.client.replan_and_wait(LONG).unwrap();
    assert_eq!(change.status, ChangeStatus::Done);
    assert_eq!(change.summary, "Replan service \"web\"");
    let services = bed.client.services(&[]).unwrap();
    assert_eq!(services[0].current, ServiceStatus::Active);
    eventually(|| {
        bed.client
            .logs(&["web"], 10)
            .unwrap()
            .iter()
            .any(|line| line.message == "up")
    });
    let pid: i32 = bed.read("pid").trim().parse().unwrap();
    bed.stop();
    assert_eq!(bed.read("bye"), "bye\n");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!bed.socket().exists(), "the socket is still there");
}

#[test]
fn connections_are_counted_before_they_are_answered() {
    let bed = Bed::start();
    let counted = || -> u64 {
        let file = bed.socket().with_extension("connections");
        std::fs::read_to_string(file).unwrap().parse().unwrap()
    };
    let before = counted();
    for more in 1..=3 {
        bed.another_client().system_info().unwrap();
        assert_eq!(counted(), before + more);
    }
}

#[test]
fn a_replan_restarts_only_what_is_configured_differently() {
    let bed = Bed::start();
    let layer = |value: &str| {
        format!(
            "services:
  a: {{override: replace, command: sleep 1000, startup: enabled, environment: {{A: '{value}'}}}}
  b: {{override: replace, command: sleep 1000, startup: enabled}}
  c: {{override: replace, command: sleep 1000}}"
        )
    };
    let since = |name: &str| bed.client.services(&[name]).unwrap()[0].current_since.clone();
    bed.layer("l", &layer("1"));
    bed.client.replan_and_wait(LONG).unwrap();
    let (a, b) = (since("a"), since("b"));
    let change = bed.client.replan_and_wait(LONG).unwrap();
    assert!(
        change
            .tasks
            .iter()
            .all(|task| task.log[0].contains("already started.")),
        "{change:?}"
    );
    bed.layer("l", &layer("2"));
    assert_eq!(since("a"), a, "a layer alone must restart nothing");
    let change = bed.client.replan_and_wait(LONG).unwrap();
    let tasks: Vec<&str> = change.tasks.iter().map(|task| task.summary.as_str()).collect();
    assert_eq!(
        tasks,
        ["Stop service \"a\"", "Start service \"a\"", "Start service \"b\""]
    );
    assert_ne!(since("a"), a);
    assert_eq!(since("b"), b);
    assert_eq!(since("c"), None);
    bed.client.stop_and_wait(&["a"], LONG).unwrap();
    let change = bed.client.start_and_wait(&["c"], LONG).unwrap();
    assert_eq!(change.summary, "Start service \"c\"");
    let states: Vec<ServiceStatus> = bed
        .client
        .services(&[])
        .unwrap()
        .into_iter()
        .map(|service| service.current)
        .collect();
    assert_eq!(
        states,
        [
            ServiceStatus::Inactive,
            ServiceStatus::Active,
            ServiceStatus::Active
        ]
    );
}

#[test]
fn a_service_that_ends_at_once_fails_its_change_and_is_tried_again() {
    let bed = Bed::start();
    bed.layer(
        "l",
        "services:
  bad: {override: replace, command: sh -c \"echo hello; echo oops >&2; echo x >> tries; exit 3\", backoff-delay: 10ms}
  none: {override: replace, command: /no/such}
  calm: {override: replace, command: 'false', on-failure: ignore}",
    );
    let error = bed.client.start_and_wait(&["bad"], LONG).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("exited quickly with code 3, will restart"),
        "{error}"
    );
    let logs = error.task_logs().join("\n");
    assert!(
        logs.contains("Most recent service output:\n    hello\n    oops"),
        "{logs}"
    );
    eventually(|| bed.read("tries").lines().count() > 2);
    bed.client.stop_and_wait(&["bad"], LONG).unwrap();
    assert_eq!(
        bed.client.services(&["bad"]).unwrap()[0].current,
        ServiceStatus::Inactive
    );
    let error = bed.client.start_and_wait(&["none"], LONG).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot start service: fork/exec /no/such: no such file or directory"),
        "{error}"
    );
    bed.client.start_and_wait(&["calm"], LONG).unwrap_err();
    assert_eq!(
        bed.client.services(&["calm"]).unwrap()[0].current,
        ServiceStatus::Error
    );
}

#[test]
fn what_does_not_obey_is_killed_and_a_signal_arrives() {
    let bed = Bed::start();
    bed.layer(
        "l",
        "services:
  deaf: {override: replace, kill-delay: 30ms, command: sh -c \"trap '' TERM; while true; do sleep 0.05; done\"}
  ears: {override: replace, command: sh -c \"trap 'echo heard >> heard' USR1; echo yes > listens; while true; do sleep 0.01; done\"}",
    );
    bed.client.start_and_wait(&["deaf", "ears"], LONG).unwrap();
    // Before the shell has set its trap, the signal would end it. Not SIGHUP: under nohup a shell cannot trap it.
    eventually(|| bed.root().join("listens").exists());
    bed.client.send_signal("SIGUSR1", &["ears"]).unwrap();
    eventually(|| bed.read("heard") == "heard\n");
    bed.client.stop_and_wait(&["deaf"], LONG).unwrap();
    let refused = bed.client.send_signal("SIGUSR1", &["deaf"]).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("cannot send signal to \"deaf\": service is not running"),
        "{refused}"
    );
    let refused = bed.client.send_signal("SIGNONE", &["ears"]).unwrap_err();
    assert!(
        refused.to_string().contains("invalid signal name \"SIGNONE\""),
        "{refused}"
    );
}

#[test]
fn a_check_finds_the_port_that_stands_for_the_one_it_names() {
    let bed = Bed::start();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let record = bed.socket().with_extension("ports").join("7878");
    std::fs::write(&record, server.local_addr().unwrap().port().to_string()).unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap();
            let answer = if request[..count].starts_with(b"GET /ping HTTP/1.1\r\n") {
                "200 OK"
            } else {
                "404 No"
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {answer}\r\nContent-Length: 5\r\nConnection: close\r\n\r\noops\n"
            );
        }
    });
    bed.layer(
        "l",
        "checks:
  web: {override: replace, level: alive, period: 20ms, threshold: 2, http: {url: 'http://localhost:7878/ping'}}
  port: {override: replace, period: 20ms, tcp: {port: 7878}}
  off: {override: replace, startup: disabled, period: 20ms, exec: {command: 'false'}}",
    );
    let check = |name: &str| {
        bed.client
            .checks()
            .unwrap()
            .into_iter()
            .find(|check| check.name == name)
            .unwrap()
    };
    eventually(|| check("web").successes > 0 && check("port").successes > 0);
    assert_eq!(check("off").status, CheckStatus::Inactive);
    assert!(bed.client.health(None).unwrap());
    bed.layer(
        "l",
        "checks: {web: {override: merge, http: {url: 'http://localhost:7878/other'}}}",
    );
    eventually(|| check("web").status == CheckStatus::Down);
    assert!(!bed.client.health(None).unwrap());
    let failed = bed
        .changes("perform-check")
        .into_iter()
        .find(|change| change["status"] == "Error")
        .unwrap();
    assert!(
        failed["err"]
            .as_str()
            .unwrap()
            .contains("non-2xx status code 404"),
        "{failed}"
    );
    assert!(
        failed["tasks"][0]["log"][0]
            .as_str()
            .unwrap()
            .ends_with("ERROR non-2xx status code 404; oops"),
        "{failed}"
    );
    let notices = bed.notices(&[failed["id"].as_str().unwrap()]);
    assert_eq!(notices[0].last_data["check-name"], "web");
    bed.layer(
        "l",
        "checks: {web: {override: merge, http: {url: 'http://localhost:7878/ping'}}}",
    );
    eventually(|| check("web").status == CheckStatus::Up && check("web").successes > 0);
    assert_eq!(bed.client.stop_checks(&["web", "off"]).unwrap(), ["web"]);
    assert_eq!(check("web").status, CheckStatus::Inactive);
    assert_eq!(bed.client.start_checks(&["web"]).unwrap(), ["web"]);
}

#[test]
fn a_failed_check_recovers_and_restarts_its_service() {
    let bed = Bed::start();
    bed.write("fine", "");
    bed.layer(
        "l",
        "services:
  web: {override: replace, backoff-delay: 10ms, on-check-failure: {up: restart}, command: sh -c 'echo x >> starts; exec sleep 1000'}
checks:
  up: {override: replace, period: 20ms, threshold: 1, exec: {command: test -e fine}}",
    );
    bed.client.start_and_wait(&["web"], LONG).unwrap();
    std::fs::remove_file(bed.root().join("fine")).unwrap();
    eventually(|| bed.read("starts").lines().count() > 1);
    bed.write("fine", "");
    eventually(|| {
        bed.changes("recover-check")
            .iter()
            .any(|change| change["status"] == "Done")
    });
    eventually(|| bed.client.checks().unwrap()[0].status == CheckStatus::Up);
}

#[test]
fn files_are_below_the_root_and_owners_are_remembered() {
    let mut bed = Bed::start();
    let outside = bed.folder().join("storage");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, bed.root().join("config")).unwrap();
    let options = FileOptions {
        make_dirs: true,
        mode: Some(0o600),
        user_id: Some(1234),
        group_id: Some(4321),
        ..FileOptions::default()
    };
    bed.client
        .write_file("/config/a/b.xml", b"<a/>", &options)
        .unwrap();
    let real = outside.join("a/b.xml");
    assert_eq!(std::fs::read(&real).unwrap(), b"<a/>");
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let plain = FileOptions::default();
    bed.client
        .write_file("/../../config/./a/../plain", b"p", &plain)
        .unwrap();
    assert_eq!(bed.client.read_file("/config/plain").unwrap(), b"p");
    let listed = bed.client.list_files("/config", false).unwrap();
    let names: Vec<(&str, Option<u32>)> = listed
        .iter()
        .map(|file| (file.path.as_str(), file.user_id))
        .collect();
    assert_eq!(names, [("/config/a", Some(1234)), ("/config/plain", Some(0))]);
    assert_eq!(
        bed.client.list_files("/", false).unwrap()[0].file_type,
        FileType::Directory
    );
    bed.restart();
    let file = bed.client.list_files("/config/a/b.xml", true).unwrap().remove(0);
    assert_eq!(
        (file.user_id, file.group_id, file.mode),
        (Some(1234), Some(4321), 0o600)
    );
    assert_eq!((file.size, file.file_type), (Some(4), FileType::File));
    // A file that the workload puts in its place is the workload's.
    bed.client.remove_path("/config/a/b.xml", false).unwrap();
    std::fs::write(&real, "new").unwrap();
    assert_eq!(
        bed.client.list_files("/config/a/b.xml", true).unwrap()[0].user_id,
        Some(0)
    );
    // A mount stays, and so does what it leads to; a link to a file does not survive that the file is written.
    for recursive in [false, true] {
        let refused = bed.client.remove_path("/config", recursive).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("remove /config: device or resource busy"),
            "{refused}"
        );
        assert_eq!(std::fs::read_dir(&outside).unwrap().count() == 0, recursive);
    }
    std::os::unix::fs::symlink("/no/such", bed.root().join("link")).unwrap();
    bed.client.write_file("/link", b"l", &plain).unwrap();
    assert!(bed.root().join("link").symlink_metadata().unwrap().is_file());
    let refused = bed.client.write_file("/config", b"l", &plain).unwrap_err();
    assert!(refused.to_string().contains("file exists"), "{refused}");
}

#[test]
fn a_custom_notice_is_waited_for() {
    let bed = Bed::start();
    let client = bed.another_client();
    let waiting = std::thread::spawn(move || {
        let query = NoticesQuery {
            types: vec![NoticeType::Custom],
            timeout: Some(LONG),
            ..NoticesQuery::default()
        };
        client.notices(&query).unwrap()
    });
    let data = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let id = bed.client.notify("example.com/done", &data, None).unwrap();
    let notices = waiting.join().unwrap();
    assert_eq!(
        (notices[0].id.as_str(), notices[0].key.as_str()),
        (id.as_str(), "example.com/done")
    );
    assert_eq!(notices[0].last_data, data);
    let after = NoticesQuery {
        types: vec![NoticeType::Custom],
        after: Some(notices[0].last_repeated.clone()),
        timeout: Some(Duration::from_millis(20)),
        ..NoticesQuery::default()
    };
    assert_eq!(bed.client.notices(&after).unwrap(), []);
}

#[test]
fn a_command_runs_once_with_input_and_both_outputs() {
    let bed = Bed::start();
    let mut options = ExecOptions::command(["sh", "-c", "cat; echo $A >&2; pwd; exit 7"]);
    options.stdin = b"in\n".repeat(100_000);
    options.environment = BTreeMap::from([("A".to_owned(), "b".to_owned())]);
    let output = bed.client.exec(&options).unwrap();
    assert_eq!(output.exit_code, 7);
    let mut expected = options.stdin.clone();
    expected.extend_from_slice(format!("{}\n", bed.root().canonicalize().unwrap().display()).as_bytes());
    assert!(output.stdout == expected, "{} bytes", output.stdout.len());
    assert_eq!(output.stderr, b"b\n");
    let mut slow = ExecOptions::command(["sh", "-c", "echo begun; sleep 1000"]);
    slow.timeout = Some(Duration::from_millis(50));
    let error = bed.client.exec(&slow).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("timed out after 50ms: context deadline exceeded"),
        "{error}"
    );
    let error = bed
        .client
        .exec(&ExecOptions::command(["no-such-command"]))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot find executable \"no-such-command\""),
        "{error}"
    );
}

#[test]
fn a_shutdown_action_ends_the_pebble_with_its_code() {
    for (command, keys, code) in [
        ("false", "on-failure: shutdown", 10),
        ("'true'", "on-success: shutdown", 0),
        ("'true'", "on-success: failure-shutdown", 10),
    ] {
        let mut bed = Bed::start();
        bed.layer(
            "l",
            &format!("services: {{x: {{override: replace, command: {command}, {keys}}}}}"),
        );
        bed.client.start(&["x"]).unwrap();
        assert_eq!(bed.wait_for_end(), Some(code), "{keys}");
    }
}

#[test]
fn what_it_cannot_do_is_refused_by_name() {
    let bed = Bed::start();
    let cases = [
        ("GET /v1/bogus", 404, "invalid API endpoint requested"),
        (
            "GET /v1/identities",
            501,
            "GET /v1/identities: the simulated Pebble cannot do that",
        ),
        ("GET /v1/metrics", 501, "GET /v1/metrics"),
        ("DELETE /v1/checks", 405, "method \"DELETE\" not allowed"),
        ("GET /v1/layers", 405, "method \"GET\" not allowed"),
        (
            "GET /v1/changes/99/wait",
            404,
            "cannot find change with id \"99\"",
        ),
        (
            "GET /v1/changes/1/wait?timeout=1",
            404,
            "cannot find change with id \"1\"",
        ),
        (
            "GET /v1/notices?timeout=1",
            400,
            "invalid timeout: time: missing unit in duration \"1\"",
        ),
        ("POST /v1/changes/99", 404, "cannot find change with id \"99\""),
        (
            "GET /v1/tasks/99/websocket/control",
            404,
            "cannot find task \"99\"",
        ),
        (
            "POST /v1/services",
            400,
            "cannot decode data from request body: unexpected EOF",
        ),
        (
            "GET /v1/files?action=read&path=/a",
            400,
            "must accept multipart/form-data",
        ),
    ];
    for (request, status, message) in cases {
        let (answered, body) = bed.raw(request);
        assert_eq!(answered, status, "{request}: {body}");
        assert!(
            body["result"]["message"].as_str().unwrap().contains(message),
            "{request}: {body}"
        );
        assert_eq!(
            (&body["type"], &body["status-code"]),
            (&"error".into(), &status.into()),
            "{request}"
        );
    }
}

#[test]
fn what_a_service_writes_is_followed() {
    let bed = Bed::start();
    bed.layer(
        "l",
        "services: {web: {override: replace, command: sh -c \"echo one; while test ! -e go; do sleep 0.01; done; echo two; exec sleep 1000\"}}",
    );
    bed.client.start_and_wait(&["web"], LONG).unwrap();
    let mut stream = UnixStream::connect(bed.socket()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(
        stream,
        "GET /v1/logs?follow=true&n=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut read_until = |text: &str| {
        let mut read = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&read).contains(text) {
            assert_eq!(
                stream.read(&mut byte).unwrap(),
                1,
                "{}",
                String::from_utf8_lossy(&read)
            );
            read.push(byte[0]);
        }
    };
    read_until("\"message\":\"one\"");
    bed.write("go", "");
    read_until("\"message\":\"two\"");
}

#[test]
fn a_start_that_is_aborted_ends_the_process() {
    let bed = Bed::start_with(&["--okay-delay-ms", "3600000"]);
    bed.layer(
        "l",
        "services:
  a: {override: replace, command: sleep 1000}
  b: {override: replace, command: sleep 1000, requires: [a], after: [a]}",
    );
    let id = bed.client.start(&["b"]).unwrap();
    eventually(|| bed.client.services(&["a"]).unwrap()[0].current == ServiceStatus::Active);
    let (status, _) = bed.post(&format!("/v1/changes/{id}"), r#"{"action":"abort"}"#);
    assert_eq!(status, 200);
    let error = bed.client.wait_change(&id, LONG).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("start aborted, sent SIGKILL to process"),
        "{error}"
    );
    let change = bed.client.change(&id).unwrap();
    let states: Vec<ChangeStatus> = change.tasks.into_iter().map(|task| task.status).collect();
    assert_eq!(states, [ChangeStatus::Error, ChangeStatus::Hold]);
    assert_eq!(
        bed.client.services(&["a"]).unwrap()[0].current,
        ServiceStatus::Inactive
    );
    let (status, body) = bed.post(&format!("/v1/changes/{id}"), r#"{"action":"abort"}"#);
    assert_eq!(status, 400, "{body}");
}

#[test]
fn a_socket_that_was_left_behind_is_used_again_and_one_in_use_is_not() {
    let mut bed = Bed::start();
    bed.kill();
    assert!(bed.socket().exists());
    bed.start_again();
    let second = bed.spawn_another().wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains("cannot listen at") && said.contains("Address already in use"),
        "{said}"
    );
}

#[test]
fn it_ends_when_its_standard_input_ends() {
    let mut bed = Bed::start_with(&["--until-stdin-closes"]);
    assert!(UnixStream::connect(bed.socket()).is_ok());
    bed.close_stdin();
    assert_eq!(bed.wait_for_end(), Some(0));
}

#[test]
fn an_empty_plan_and_a_layer_come_back() {
    let bed = Bed::start();
    assert!(bed.client.plan().unwrap().includes(&Layer::default()));
    let text = "{services: {a: {override: replace, command: 'sleep 1', kill-delay: 1m}}, checks: {c: {override: merge, tcp: {port: 1}, startup: disabled}}}";
    bed.layer("l", text);
    let plan = bed.client.plan().unwrap();
    assert!(plan.includes(&pebble_bed::parse(text)), "{plan:?}");
    assert!(plan.services["a"].command.as_deref() == Some("sleep 1"));
}
