//! The socket: connections, requests and answers on the wire, and the end of it all.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::answer::{Answer, Answered, envelope};
use super::container::Container;
use super::daemon::Daemon;
use super::owners::Owners;
use super::query::Request;
use super::{Options, exec, routes, supervise};
use crate::error::{Error, Result};

/// How long processes may take to end with their Pebble. Whoever ends a Pebble does not wait for ever.
const LAST_DELAY: Duration = Duration::from_secs(4);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until the end. Gives the exit code.
pub(crate) fn run(options: Options) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("run", "the simulated Pebble"))?;
    let code = runtime.block_on(serve(options));
    // A blocked read of standard input must not hold it.
    runtime.shutdown_background();
    code
}

async fn serve(options: Options) -> Result<u8> {
    let Options {
        socket,
        root,
        okay_delay,
        until_stdin_closes,
    } = options;
    let root = root.canonicalize().map_err(Error::io("find", &root))?;
    let ports = socket.with_extension("ports");
    empty_folder(&ports)?;
    let ports = ports.canonicalize().map_err(Error::io("find", &ports))?;
    let owners = Owners::open(socket.with_extension("owners"));
    let count = socket.with_extension("connections");
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    let boot_id = boot_id.map_err(Error::io("read", "/proc/sys/kernel/random/uuid"))?;
    let container = Container::new(root, ports);
    let daemon = Arc::new(Daemon::new(
        container,
        owners,
        okay_delay,
        boot_id.trim().to_owned(),
    ));
    // One that was killed left it behind.
    if matches!(std::os::unix::net::UnixStream::connect(&socket), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(&socket).map_err(Error::io("remove", &socket))?;
    }
    let listener = UnixListener::bind(&socket).map_err(Error::io("listen at", &socket))?;
    let on_signal = |kind| signal(kind).map_err(Error::io("wait for", "signals"));
    let (mut terminate, mut interrupt) = (
        on_signal(SignalKind::terminate())?,
        on_signal(SignalKind::interrupt())?,
    );
    let code = tokio::select! {
        () = accept(&daemon, &listener, &count) => 0,
        code = daemon.ended() => code,
        _ = terminate.recv() => 0,
        _ = interrupt.recv() => 0,
        () = stdin_closed(), if until_stdin_closes => 0,
    };
    // No new requests while processes end.
    drop(listener);
    let _ = std::fs::remove_file(&socket);
    exec::kill_all(&daemon);
    supervise::stop_all(&daemon, LAST_DELAY).await;
    Ok(code)
}

fn empty_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("empty", folder)(error)),
        _ => std::fs::create_dir_all(folder).map_err(Error::io("create", folder)),
    }
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 256];
    while stdin.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// Takes connections for ever. How many there were is in the file `count`, for whoever measures a client, and written down before
/// any of them is answered.
async fn accept(daemon: &Arc<Daemon>, listener: &UnixListener, count: &Path) {
    let mut connections: u64 = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections += 1;
                if let Err(error) = std::fs::write(count, connections.to_string()) {
                    eprintln!("cannot write {}: {error}", count.display());
                }
                let daemon = daemon.clone();
                tokio::spawn(async move { converse(daemon, stream).await });
            }
            Err(error) => {
                // Too many open files, for one: it may pass.
                eprintln!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse(daemon: Arc<Daemon>, stream: UnixStream) {
    let own = rustix::process::geteuid().as_raw();
    let user = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
    let user = if user == own { 0 } else { user };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let daemon = daemon.clone();
        async move { Ok::<_, Infallible>(respond(&daemon, request, user).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A client that goes away is its own affair.
    let _ = connection.await;
}

async fn respond(daemon: &Arc<Daemon>, mut request: hyper::Request<Incoming>, user: u32) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        let fault = super::answer::bad_request("cannot read the request's body");
        return json(StatusCode::BAD_REQUEST, &fault.envelope());
    };
    let request = Request::new(&parts, body.to_bytes(), user);
    let answered = routes::answer(daemon, &request).await;
    if matches!(answered, Ok(Answer::Upgrade(_))) {
        exec::upgraded(daemon, &request, upgrade);
    }
    write(answered)
}

fn write(answered: Answered) -> Response<Body> {
    match answered {
        Ok(Answer::Sync(status, result)) => json(status, &envelope("sync", status, result)),
        Ok(Answer::Async(change, result)) => {
            let mut body = envelope("async", StatusCode::ACCEPTED, result);
            body["change"] = Value::String(change);
            json(StatusCode::ACCEPTED, &body)
        }
        Ok(Answer::Raw(content_type, body)) => response(
            StatusCode::OK,
            &[("Content-Type", &content_type)],
            Full::new(Bytes::from(body)).boxed_unsync(),
        ),
        Ok(Answer::Stream(content_type, mut lines)) => {
            let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
            tokio::spawn(async move {
                while let Some(text) = lines.recv().await {
                    if sender.send_data(Bytes::from(text)).await.is_err() {
                        return;
                    }
                }
            });
            response(
                StatusCode::OK,
                &[("Content-Type", content_type)],
                body.boxed_unsync(),
            )
        }
        Ok(Answer::Upgrade(accept)) => response(
            StatusCode::SWITCHING_PROTOCOLS,
            &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", &accept),
            ],
            Full::default().boxed_unsync(),
        ),
        Err(fault) => json(fault.status, &fault.envelope()),
    }
}

fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    response(status, &[("Content-Type", "application/json")], body)
}

fn response(status: StatusCode, headers: &[(&'static str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}
