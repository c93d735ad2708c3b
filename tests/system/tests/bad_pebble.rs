//! A Pebble that answers nothing, nonsense or errors is a status with a next step, and holds up no backup request.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use juju_sim::{Options, Workload};
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};

/// Answers every connection with the same bytes, for as long as the test process lives.
fn answering(folder: &tempfile::TempDir, bytes: &'static [u8]) -> PathBuf {
    let socket = folder.path().join("pebble.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            // The client may be gone already; that is one more kind of trouble for it.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(bytes);
        }
    });
    socket
}

fn deployed_over(socket: PathBuf) -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    let deploy = house
        .radarr()
        .unwrap()
        .workload("radarr", Workload::External(socket));
    house.juju.deploy(deploy).unwrap();
    house.relate_velero().unwrap();
    house
}

const ERROR: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
{\"type\":\"error\",\"status-code\":500,\"status\":\"Internal Server Error\",\"result\":{\"message\":\"the state is on fire\"}}";
const WRONG_SHAPE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
{\"type\":\"sync\",\"status-code\":200,\"status\":\"OK\",\"result\":7}";

#[test]
fn every_kind_of_broken_pebble_is_named_and_holds_nothing_up() {
    let cases: [(&str, Option<&[u8]>, &str); 6] = [
        ("nothing listens", None, "Pebble is not responding"),
        ("hangs up", Some(b""), "Pebble is not responding"),
        (
            "no HTTP",
            Some(b"SSH-2.0-OpenSSH_9.6\r\n"),
            "cannot understand Pebble's answer",
        ),
        (
            "half an answer",
            Some(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"),
            "Pebble is not responding",
        ),
        ("an error", Some(ERROR), "the state is on fire"),
        (
            "another shape",
            Some(WRONG_SHAPE),
            "cannot understand Pebble's answer",
        ),
    ];
    for (name, bytes, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let socket = match bytes {
            Some(bytes) => answering(&folder, bytes),
            None => folder.path().join("nobody"),
        };
        let house = deployed_over(socket);
        let status = house.status().unwrap();
        assert!(
            status.starts_with("waiting: container radarr: "),
            "{name}: {status}"
        );
        assert!(status.contains(reason), "{name}: {status}");
        assert!(status.contains("; "), "{name}: no next step in {status}");
        assert!(
            house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].contains("radarr"),
            "{name}"
        );
        let log = house.juju.unit_log(UNIT).unwrap();
        assert!(!log.contains("panicked"), "{name}: {log}");
    }
}
