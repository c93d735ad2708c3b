//! What the cases share.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use juju_charm::pebble::{Error, Layer, Pebble, ServiceStatus};

/// How long a condition may take to become true.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A layer from its YAML.
pub fn layer(yaml: &str) -> Layer {
    serde_yaml::from_str(yaml).unwrap()
}

/// Waits for a condition.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        // Between two looks, so as not to keep the Pebble busy.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a service does now.
pub fn status_of(pebble: &dyn Pebble, service: &str) -> ServiceStatus {
    let services = pebble.services(&[service]).unwrap();
    assert_eq!(services.len(), 1, "{services:?}");
    services[0].current.clone()
}

/// HTTP status and text of an error that Pebble answered with.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Api { status, message, .. }) => (status, message),
        other => panic!("not refused: {other:?}"),
    }
}

/// Sends a request as it is; tells status and body.
pub fn raw_post(socket: &Path, path: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// A server on a port of this machine that answers every request with status 200, or 500 when told so.
pub struct HttpServer {
    pub port: u16,
    fails: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl HttpServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fails, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags = (fails.clone(), ended.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if flags.1.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes early is none of its business.
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 4096]);
                let status = if flags.0.load(Ordering::SeqCst) {
                    "500 No"
                } else {
                    "200 OK"
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
            }
        });
        Self { port, fails, ended }
    }

    pub fn set_fails(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }
}

impl Drop for HttpServer {
    /// The port is closed when this returns, but for a moment.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port));
    }
}
