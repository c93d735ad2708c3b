//! A simulated Pebble in a scratch folder.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use juju_charm::pebble::{Client, Layer, Notice, NoticesQuery, Pebble};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything may take.
pub const LONG: Duration = Duration::from_secs(20);

/// A Pebble, its container's folder and a client.
pub struct Bed {
    pub client: Client,
    child: Child,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Bed {
    pub fn start() -> Bed {
        Bed::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let okay_delay: &[&str] = match arguments {
            ["--okay-delay-ms", ..] => &[],
            _ => &["--okay-delay-ms", "50"],
        };
        let arguments: Vec<String> = okay_delay
            .iter()
            .chain(arguments)
            .map(|argument| (*argument).to_owned())
            .collect();
        let child = spawn(folder.path(), &arguments);
        let client = Client::for_socket(folder.path().join("pebble.socket"));
        let mut bed = Bed {
            client,
            child,
            arguments,
            folder,
        };
        bed.wait_until_it_answers();
        bed
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("pebble.socket")
    }

    pub fn another_client(&self) -> Client {
        Client::for_socket(self.socket())
    }

    /// What a file below the root says; nothing if it is not there.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root().join(path), text).unwrap();
    }

    pub fn layer(&self, label: &str, text: &str) {
        self.client.add_layer(label, &parse(text), true).unwrap();
    }

    /// All changes of a kind.
    pub fn changes(&self, kind: &str) -> Vec<Value> {
        let (_, body) = self.raw("GET /v1/changes?select=all");
        let changes = body["result"].as_array().unwrap();
        changes
            .iter()
            .filter(|change| change["kind"] == kind)
            .cloned()
            .collect()
    }

    pub fn notices(&self, keys: &[&str]) -> Vec<Notice> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self.client
            .notices(&NoticesQuery {
                keys,
                ..NoticesQuery::default()
            })
            .unwrap()
    }

    /// A request by hand, such as `GET /v1/plan`: status and body.
    pub fn raw(&self, request: &str) -> (u16, Value) {
        self.send(request, "")
    }

    /// A request with JSON.
    pub fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.send(&format!("POST {path}"), body)
    }

    fn send(&self, request: &str, body: &str) -> (u16, Value) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            serde_json::from_str(body).unwrap(),
        )
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(self.wait_for_end(), Some(0));
    }

    /// Stops it, and starts it anew over the same folder.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Ends it as an accident would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it over the same folder.
    pub fn start_again(&mut self) {
        self.child = self.spawn_another();
        self.wait_until_it_answers();
    }

    /// One more over the same folder.
    pub fn spawn_another(&self) -> Child {
        spawn(self.folder.path(), &self.arguments)
    }

    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Its exit code.
    pub fn wait_for_end(&mut self) -> Option<i32> {
        eventually(|| self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }

    fn wait_until_it_answers(&mut self) {
        eventually(|| {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended");
            self.client.system_info().is_ok()
        });
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

fn spawn(folder: &Path, arguments: &[String]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_juju-sim"))
        .args(["pebble", "--socket"])
        .arg(folder.join("pebble.socket"))
        .arg("--root")
        .arg(folder.join("root"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a condition; fails when it does not come true.
pub fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A layer from YAML.
pub fn parse(text: &str) -> Layer {
    serde_yaml::from_str(text).unwrap()
}
