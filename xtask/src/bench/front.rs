//! A front for the stand-in Kubernetes that is on the wire what an API server is: TLS 1.3 with a certificate of the cluster's own
//! authority, HTTP/1.1 for a client that offers no HTTP/2, headers and body in segments of their own.
//!
//! It sends nothing after the handshake until it is asked, no session ticket either: nothing carries an acknowledgement. A client that
//! holds small segments back (without TCP_NODELAY) waits there for the kernel's delayed one, 40 ms. At a real API server a trace of the
//! system calls showed such a client wait for 46 ms.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench_programs::Traffic;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// How long an answer takes beyond what the stand-in takes: about what reading one object out of etcd takes.
const THINKING: Duration = Duration::from_millis(1);
/// No head of a request or an answer is longer.
const LONGEST_HEAD: usize = 64 << 10;

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
    /// Counts a request, and writes it down before it is answered.
    fn note(&mut self, bytes: usize) -> io::Result<()> {
        self.traffic.api_requests += 1;
        self.traffic.api_bytes += bytes as u64;
        std::fs::write(&self.count, self.traffic.text())
    }
}

/// The listening front. Its threads end with the process.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    authority: String,
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
            address: listener.local_addr()?,
            authority,
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

    /// Passes on what comes from now on to the server that this kubeconfig of the simulation names. `count` is the file that says
    /// what went through since, as [`Traffic::read`] reads it; there is none before the first request.
    pub fn stand_before(&self, kubeconfig: &Path, count: &Path) {
        *lock(&self.behind) = Behind {
            kubeconfig: kubeconfig.to_owned(),
            count: count.to_owned(),
            traffic: Traffic::default(),
        };
    }

    /// The kubeconfig of a unit.
    pub fn kubeconfig(&self, unit: &str) -> String {
        let token = format!("unit-{}", unit.replace('/', "-"));
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {
                "server": format!("https://{}", self.address), "certificate-authority-data": self.authority,
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

/// An authority and a server's certificate, as a cluster has them: the server's settings, and the authority in base64.
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
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(authority_certificate.pem())
    };
    Ok((config, encoded))
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
        server.write_all(&[head.as_slice(), &body].concat())?;
        let (answer, content) = message(&mut server)?.ok_or(ErrorKind::UnexpectedEof)?;
        let bytes = head.len() + body.len() + answer.len() + content.len();
        lock(behind).note(bytes)?;
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

/// Head and body of a request or an answer; none at the end of the connection.
fn message(from: &mut impl Read) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let count = from.read(&mut chunk)?;
        if count == 0 && bytes.is_empty() {
            return Ok(None);
        }
        if count == 0 || bytes.len() > LONGEST_HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
    };
    let mut body = bytes.split_off(end);
    let length = content_length(&bytes);
    while body.len() < length {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        body.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
    Ok(Some((bytes, body)))
}

/// 0 when the head does not say: neither side sends chunks.
fn content_length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = text.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Asks a front over connections of a client with TCP_NODELAY, or without.
    fn ask(nodelay: bool) -> Arc<Pace> {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        let text = json!({"clusters": [{"cluster": {"server": format!("http://{address}")}}]}).to_string();
        std::fs::write(kubeconfig.path(), text).unwrap();
        let front = Front::start().unwrap();
        let count = tempfile::NamedTempFile::new().unwrap();
        front.stand_before(kubeconfig.path(), count.path());
        let config: Value = serde_json::from_str(&front.kubeconfig("radarr/0")).unwrap();
        let authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
            .as_str()
            .unwrap();
        let authority = base64::engine::general_purpose::STANDARD
            .decode(authority)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        for _ in 0..5 {
            let stream = TcpStream::connect(front.address).unwrap();
            stream.set_nodelay(nodelay).unwrap();
            let connection =
                rustls::ClientConnection::new(Arc::clone(&config), "127.0.0.1".try_into().unwrap());
            let mut client = StreamOwned::new(connection.unwrap(), stream);
            while client.conn.is_handshaking() {
                client.conn.complete_io(&mut client.sock).unwrap();
            }
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let (mut behind, _) = server.accept().unwrap();
            message(&mut behind).unwrap().unwrap();
            behind
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
            assert_eq!(message(&mut client).unwrap().unwrap().1, b"ok");
        }
        let counted = Traffic::read(&std::fs::read_to_string(count.path()).unwrap()).unwrap();
        // Head and body of what was asked and answered, each five times.
        assert_eq!((counted.api_requests, counted.api_bytes), (5, 5 * (18 + 40)));
        Arc::clone(&front.pace)
    }

    #[test]
    fn a_client_stalls_without_nodelay_and_only_then() {
        let held_back = ask(false);
        assert!(held_back.stalls(), "{held_back:?}");
        // A busy machine may be as slow for a moment, and a stall is always there.
        assert!((0..100).any(|_| !ask(true).stalls()), "each of 100 times");
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

    #[test]
    fn a_message_is_head_and_body() {
        let mut bytes: &[u8] = b"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";
        let (head, body) = message(&mut bytes).unwrap().unwrap();
        assert!(head.ends_with(b"\r\n\r\n"));
        assert_eq!(body, b"ok");
        assert!(message(&mut bytes).unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_cut_off_is_an_error() {
        assert!(message(&mut b"GET / HTTP/1.1\r\n".as_slice()).is_err());
        assert!(message(&mut b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nok".as_slice()).is_err());
    }
}
