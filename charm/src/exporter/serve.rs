//! HTTP: one page, for whoever asks, and nothing else.
//!
//! Anybody in the cluster can connect. So a connection has a short life, few are served at a time, and of a request no more is read than
//! its head.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::look::Exporter;
use super::settings::Settings;
use super::text::MEDIA_TYPE;
use super::{PATH, PORT, process};

/// So many connections are served at a time. One more is closed.
const CONNECTIONS: usize = 8;

/// How long a connection may last, whatever comes of it.
const LIFE: Duration = Duration::from_secs(15);

/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(5);

/// No more of a head is read, in bytes: the least that hyper takes.
const HEAD_BYTES: usize = 8192;

/// How often it is looked whether the exporter is still to run.
const ROUND: Duration = Duration::from_secs(60);

/// How long the port may be taken: the exporter of the charm before this one ends in this time.
const PORT_PATIENCE: Duration = Duration::from_secs(10);

/// How often the port is tried meanwhile.
const PORT_PAUSE: Duration = Duration::from_millis(200);

/// Runs the exporter of the unit with this charm folder, until it is not to run any more.
///
/// # Errors
/// When the port is taken by another program, or the runtime cannot be made.
pub fn run(charm_dir: &Path, address: Option<SocketAddr>) -> io::Result<()> {
    process::leave_session();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = listen(address).await?;
        // Whoever has the port is the exporter.
        process::note(charm_dir)?;
        accept(&listener, charm_dir).await;
        Ok(())
    })
}

/// Listens on all addresses: IPv6 and with it IPv4, or IPv4 alone where there is no other.
async fn listen(address: Option<SocketAddr>) -> io::Result<TcpListener> {
    let all = [
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
    ];
    let wanted: Vec<SocketAddr> = match address {
        Some(address) => vec![address],
        None => all.to_vec(),
    };
    let attempts = async {
        loop {
            match TcpListener::bind(wanted.as_slice()).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => sleep(PORT_PAUSE).await,
                done => return done,
            }
        }
    };
    match timeout(PORT_PATIENCE, attempts).await {
        Ok(done) => done,
        Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

async fn accept(listener: &TcpListener, charm_dir: &Path) {
    let exporter = Arc::new(Exporter::new(charm_dir));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let connection = timeout(ROUND, listener.accept()).await;
        // A hook that was cut off may have left it running.
        if Settings::read(charm_dir).is_none() {
            return;
        }
        match connection {
            Ok(Ok((stream, _))) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                let exporter = Arc::clone(&exporter);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(&exporter, request));
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD)
                        .max_buf_size(HEAD_BYTES)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    // Whoever went, or sent nonsense, is not told of.
                    let _ = timeout(LIFE, connection).await;
                    drop(place);
                });
            }
            // Too many open files, for one. It must not turn in circles.
            Ok(Err(_)) => sleep(PORT_PAUSE).await,
            Err(_) => {}
        }
    }
}

async fn answer(exporter: &Exporter, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, PATH) => match exporter.page().await {
            Some(page) => (StatusCode::OK, page),
            None => (StatusCode::SERVICE_UNAVAILABLE, "it is being ended\n".to_owned()),
        },
        (_, PATH) => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, format!("the metrics are at {PATH}\n")),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    let media_type = match status {
        StatusCode::OK => MEDIA_TYPE,
        _ => "text/plain; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}
