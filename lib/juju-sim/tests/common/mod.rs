//! What the tests share: a probe charm in a scratch folder, and a Pebble that says what a test wants it to say.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use juju_sim::{Clock, Deploy, Options, Simulation, Workload};
use tempfile::TempDir;

/// The folder of the probe charm.
pub fn probe_charm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probe")
}

/// Recorded data.
pub fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Options for tests: nothing waits, nothing is retried, time goes on by dispatches.
pub fn options() -> Options {
    Options {
        executable: Some(env!("CARGO_BIN_EXE_juju-sim").into()),
        clock: Clock::From(1_795_425_768),
        ..Options::default()
    }
}

/// A simulation in a scratch folder, with a scripted Pebble.
pub struct Bed {
    pub sim: Simulation,
    pub pebble: Pebble,
    _folder: TempDir,
}

impl Bed {
    /// An empty model.
    pub fn new(options: Options) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let sim = Simulation::create(folder.path().join("model"), options).unwrap();
        let pebble = Pebble::start(&folder.path().join("pebble.socket"));
        Bed {
            sim,
            pebble,
            _folder: folder,
        }
    }

    /// A model with the probe charm, one unit, the scripted Pebble in its container.
    pub fn with_probe(options: Options) -> Bed {
        let mut bed = Bed::new(options);
        let deploy = bed.probe("probe");
        bed.sim.deploy(deploy).unwrap();
        bed
    }

    /// A deploy of the probe charm under this name.
    pub fn probe(&self, app: &str) -> Deploy {
        Deploy::new(app, probe_charm())
            .resource("app-image", "busybox")
            .workload("app", Workload::External(self.pebble.socket.clone()))
    }

    /// The events that the unit's pod has seen, as the charm wrote them down.
    pub fn order(&self, unit: &str) -> Vec<String> {
        let path = self.sim.paths(unit).charm.join("record/order.log");
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// A Pebble that answers what a test has put there.
pub struct Pebble {
    pub socket: PathBuf,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Default)]
struct Answers {
    boot_id: u32,
    notices: Vec<String>,
    changes: Vec<(String, String)>,
}

impl Pebble {
    /// One that answers at `socket`.
    pub fn start(socket: &Path) -> Pebble {
        let answers = Arc::new(Mutex::new(Answers {
            boot_id: 1,
            ..Answers::default()
        }));
        let listener = UnixListener::bind(socket).unwrap();
        let shared = Arc::clone(&answers);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let mut request = Vec::new();
                let mut byte = [0; 1];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let result = shared.lock().unwrap().answer(path);
                let _ = match result {
                    Some(result) => write!(
                        stream,
                        "HTTP/1.0 200 OK\r\n\r\n{{\"type\":\"sync\",\"result\":{result}}}"
                    ),
                    None => write!(stream, "HTTP/1.0 404 Not Found\r\n\r\n{{}}"),
                };
            }
        });
        Pebble {
            socket: socket.to_path_buf(),
            answers,
        }
    }

    /// As if the container had been started anew.
    pub fn restart(&self) {
        self.answers.lock().unwrap().boot_id += 1;
    }

    /// A custom notice.
    pub fn notify(&self, key: &str) {
        self.notice("custom", key, "{}");
    }

    /// A check that failed (`perform-check`, `Error`) or recovered (`recover-check`, `Done`).
    pub fn check(&self, kind: &str, status: &str, check: &str) {
        let change = {
            let mut answers = self.answers.lock().unwrap();
            let id = (answers.changes.len() + 1).to_string();
            let change = format!(r#"{{"kind":"{kind}","status":"{status}"}}"#);
            answers.changes.push((id.clone(), change));
            id
        };
        let data = format!(r#"{{"kind":"{kind}","check-name":"{check}"}}"#);
        self.notice("change-update", &change, &data);
    }

    fn notice(&self, kind: &str, key: &str, data: &str) {
        let mut answers = self.answers.lock().unwrap();
        let id = answers.notices.len() + 1;
        let time = format!("2026-11-23T09:34:{id:02}.5Z");
        answers.notices.push(format!(
            r#"{{"id":"{id}","type":"{kind}","key":"{key}","last-repeated":"{time}","last-data":{data}}}"#
        ));
    }
}

impl Answers {
    fn answer(&self, path: &str) -> Option<String> {
        if path == "/v1/system-info" {
            return Some(format!(
                r#"{{"boot-id":"boot-{}","version":"1.26.0"}}"#,
                self.boot_id
            ));
        }
        if let Some(id) = path.strip_prefix("/v1/changes/") {
            return self
                .changes
                .iter()
                .find(|(known, _)| known == id)
                .map(|(_, change)| change.clone());
        }
        let query = path.strip_prefix("/v1/notices?types=custom,change-update")?;
        let after = query.strip_prefix("&after=").unwrap_or_default();
        let new = self.notices.iter().filter(|notice| {
            notice
                .split("\"last-repeated\":\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .is_some_and(|time| time > after)
        });
        Some(format!("[{}]", new.cloned().collect::<Vec<_>>().join(",")))
    }
}
