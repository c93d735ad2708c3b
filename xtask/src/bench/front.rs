//! A front for the stand-in Kubernetes that is on the wire what an API server is: TLS 1.3 with a certificate of the cluster's own
//! authority, HTTP/1.1 for a client that offers no HTTP/2, headers and body in segments of their own.
//!
//! It sends nothing after the handshake until it is asked, no session ticket either: nothing carries an acknowledgement. A client that
//! holds small segments back (without TCP_NODELAY) waits there for the kernel's delayed one, 40 ms. At a real API server a trace of the
//! system calls showed such a client wait for 46 ms.

use std::fs::OpenOptions;
use std::io::{self, Error, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench_programs::{ApiServer, Traffic, message, written_request};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// How long an answer takes beyond what the stand-in takes: about what reading one object out of etcd takes.
const THINKING: Duration = Duration::from_millis(1);

/// A request that comes so long after the handshake has waited for a delayed acknowledgement: the kernel takes 40 ms for one.
const STALL: Duration = Duration::from_millis(30);

/// How soon clients ask.
#[derive(Debug)]
pub struct Pace {
    /// From the end of a handshake to its first request, in microseconds: the shortest of all connections.
    first_request: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_request: AtomicU64::new(u64::MAX),
        }
    }
}

impl Pace {
    /// The shortest time from the end of a handshake to the first request; none if there was no request. A busy machine makes
    /// single ones longer, a stall all of them.
    pub fn first_request(&self) -> Option<Duration> {
        let shortest = self.first_request.load(Ordering::SeqCst);
        (shortest != u64::MAX).then(|| Duration::from_micros(shortest))
    }

    /// Whether every connection stalled.
    pub fn stalls(&self) -> bool {
        self.first_request().is_some_and(|shortest| shortest > STALL)
    }

    fn note_first_request(&self, after: Duration) {
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.first_request.fetch_min(after, Ordering::SeqCst);
    }
}

/// The server behind the front, and what went to it.
#[derive(Debug, Default)]
struct Behind {
    /// Names the server.
    kubeconfig: PathBuf,
    /// Where the traffic is written down.
    count: PathBuf,
    traffic: Traffic,
}

impl Behind {
    /// Counts a request, and writes it down, before it is answered. With its answer it takes so many bytes.
    fn note(&mut self, request: &[u8], bytes: usize) -> io::Result<()> {
        self.traffic.api_requests += 1;
        self.traffic.api_bytes += bytes as u64;
        let mut requests = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.count.with_extension("requests"))?;
        requests.write_all(&written_request(request))?;
        std::fs::write(&self.count, self.traffic.text())
    }
}

/// What stands before the server: a front each, so that the pace of the charm is its own.
#[derive(Debug)]
pub struct Fronts {
    /// For the charm.
    pub charm: Front,
    /// For the floor that asks the same.
    pub floor: Front,
}

impl Fronts {
    /// As [`Front::start`].
    ///
    /// # Errors
    /// As [`Front::start`].
    pub fn start() -> Result<Fronts> {
        Ok(Fronts {
            charm: Front::start()?,
            floor: Front::start()?,
        })
    }
}

/// The listening front. Its threads end with the process.
#[derive(Debug)]
pub struct Front {
    server: ApiServer,
    behind: Arc<Mutex<Behind>>,
    /// How soon clients ask.
    pub pace: Arc<Pace>,
}

impl Front {
    /// Listens on the loopback interface.
    ///
    /// # Errors
    /// When there is no free port or no certificate.
    pub fn start() -> Result<Front> {
        let (config, authority) = certificates().context("cannot make certificates")?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on the loopback interface")?;
        let front = Front {
            server: ApiServer {
                address: listener.local_addr()?.to_string(),
                authority,
            },
            behind: Arc::default(),
            pace: Arc::default(),
        };
        let (config, behind, pace) = (
            Arc::new(config),
            Arc::clone(&front.behind),
            Arc::clone(&front.pace),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, behind, pace) = (Arc::clone(&config), Arc::clone(&behind), Arc::clone(&pace));
                // A client that hangs up is its own affair.
                std::thread::spawn(move || serve(stream, config, &behind, &pace));
            }
        });
        Ok(front)
    }

    /// Where it listens.
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Passes on what comes from now on to the server that this kubeconfig of the simulation names. `count` is the file that says
    /// what went through since, as [`Traffic::read`] reads it, and the file beside it that ends with `.requests` has each request,
    /// as [`read_requests`](bench_programs::read_requests) reads them; there is none before the first request.
    pub fn stand_before(&self, kubeconfig: &Path, count: &Path) {
        *lock(&self.behind) = Behind {
            kubeconfig: kubeconfig.to_owned(),
            count: count.to_owned(),
            traffic: Traffic::default(),
        };
    }

    /// The kubeconfig of a unit.
    pub fn kubeconfig(&self, unit: &str) -> String {
        use base64::Engine as _;
        let token = format!("unit-{}", unit.replace('/', "-"));
        let ApiServer { address, authority } = &self.server;
        let authority = base64::engine::general_purpose::STANDARD.encode(authority);
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {
                "server": format!("https://{address}"), "certificate-authority-data": authority,
            }}],
            "users": [{"name": "unit", "user": {"token": token}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "unit"}}],
        })
        .to_string()
    }
}

fn lock(behind: &Mutex<Behind>) -> MutexGuard<'_, Behind> {
    behind.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An authority and a server's certificate, as a cluster has them: the server's settings, and the authority in PEM.
fn certificates() -> Result<(ServerConfig, String)> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    Ok((config, authority_certificate.pem()))
}

/// One connection: every request goes to the server behind, on a connection of its own.
fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    behind: &Mutex<Behind>,
    pace: &Pace,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(config).map_err(Error::other)?;
    let mut client = StreamOwned::new(connection, stream);
    let kubeconfig = lock(behind).kubeconfig.clone();
    let mut server = TcpStream::connect(server_of(&kubeconfig)?)?;
    server.set_nodelay(true)?;
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock)?;
    }
    let (connected, mut is_first) = (Instant::now(), true);
    while let Some((head, body)) = message(&mut client)? {
        if std::mem::take(&mut is_first) {
            pace.note_first_request(connected.elapsed());
        }
        let request = [head, body].concat();
        server.write_all(&request)?;
        let (answer, content) = message(&mut server)?.ok_or(ErrorKind::UnexpectedEof)?;
        let bytes = request.len() + answer.len() + content.len();
        lock(behind).note(&request, bytes)?;
        std::thread::sleep(THINKING);
        client.write_all(&answer)?;
        client.flush()?;
        client.write_all(&content)?;
        client.flush()?;
    }
    Ok(())
}

/// `127.0.0.1:1234` out of a kubeconfig of the simulation.
fn server_of(kubeconfig: &Path) -> io::Result<String> {
    let config: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig)?)?;
    let server = config
        .pointer("/clusters/0/cluster/server")
        .and_then(Value::as_str);
    let address = server.and_then(|server| server.strip_prefix("http://"));
    address
        .map(str::to_owned)
        .ok_or_else(|| ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use bench_programs::{ask, read_requests};

    use super::*;

    /// A front before a server that answers everything with `ok`, and the file that counts.
    fn front(folder: &Path, name: &str) -> (Front, PathBuf) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in server.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    while let Ok(Some(_)) = message(&mut stream) {
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        stream.write_all(answer).unwrap();
                    }
                });
            }
        });
        let kubeconfig = folder.join(format!("{name}.kubeconfig"));
        let text = json!({"clusters": [{"cluster": {"server": format!("http://{address}")}}]}).to_string();
        std::fs::write(&kubeconfig, text).unwrap();
        let (front, count) = (Front::start().unwrap(), folder.join(name));
        front.stand_before(&kubeconfig, &count);
        (front, count)
    }

    /// Asks a front over connections of a client with TCP_NODELAY, or without.
    fn pace_of(nodelay: bool) -> Arc<Pace> {
        let folder = tempfile::tempdir().unwrap();
        let (front, count) = front(folder.path(), "count");
        for _ in 0..5 {
            let mut client = front.server().connect(nodelay).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            assert_eq!(message(&mut client).unwrap().unwrap().1, b"ok");
        }
        let counted = Traffic::read(&std::fs::read_to_string(count).unwrap()).unwrap();
        // Head and body of what was asked and answered, each five times.
        assert_eq!((counted.api_requests, counted.api_bytes), (5, 5 * (18 + 40)));
        Arc::clone(&front.pace)
    }

    #[test]
    fn the_floor_asks_what_the_charm_has_asked_byte_by_byte_and_has_no_part_in_its_pace() {
        let folder = tempfile::tempdir().unwrap();
        let (of_charm, asked) = front(folder.path(), "charm");
        let (of_floor, asked_again) = front(folder.path(), "floor");
        let requests = [
            b"GET /a HTTP/1.1\r\n\r\n".to_vec(),
            b"PATCH /b HTTP/1.1\r\nContent-Length: 4\r\n\r\n\0{}\n".to_vec(),
        ];
        ask(of_charm.server(), &requests).unwrap();
        let written = std::fs::read(asked.with_extension("requests")).unwrap();
        assert_eq!(read_requests(&written).unwrap(), requests);
        let pace = of_charm.pace.first_request();
        ask(of_floor.server(), &read_requests(&written).unwrap()).unwrap();
        assert_eq!(
            std::fs::read(asked_again.with_extension("requests")).unwrap(),
            written
        );
        assert_eq!(of_charm.pace.first_request(), pace);
    }

    #[test]
    fn a_client_stalls_without_nodelay_and_only_then() {
        // A busy machine may be as slow for a moment; and where it lets the front wait, a part of the stall is over before its clock starts.
        assert!((0..100).any(|_| pace_of(false).stalls()), "none of 100 times");
        assert!((0..100).any(|_| !pace_of(true).stalls()), "each of 100 times");
    }

    #[test]
    fn one_slow_connection_is_no_stall_and_only_slow_ones_are() {
        let pace = Pace::default();
        assert!(!pace.stalls());
        pace.note_first_request(Duration::from_millis(41));
        assert!(pace.stalls());
        pace.note_first_request(Duration::from_millis(1));
        assert!(!pace.stalls());
    }
}
