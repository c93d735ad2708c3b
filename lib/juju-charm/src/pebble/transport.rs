//! HTTP over Pebble's unix socket, with a time limit for every step.
//!
//! What only reads shares a connection, since most events ask five things and nothing else. What changes something has one of
//! its own: of a connection that was kept and breaks, nobody knows whether the request arrived, and only a read may be asked
//! twice.
//!
//! Nothing here knows what is asked. The public API blocks, so each client has a private runtime of one thread: the
//! caller's.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use super::error::Error;

/// How long Pebble may take to accept, to answer, and for each further piece of an answer; the same as canonical/operator's.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A file that is written takes Pebble time in proportion: at least this many bytes in a second.
const WRITE_BYTES_PER_SECOND: u64 = 1 << 20;

/// Pebble ignores it, HTTP demands it.
const HOST: &str = "localhost";

/// A connection without a request on it.
type Connection = SendRequest<Full<Bytes>>;

/// The socket, and what it takes to use it.
pub(crate) struct Transport {
    socket: PathBuf,
    runtime: OnceLock<Runtime>,
    /// Of the last read.
    kept: Mutex<Option<Connection>>,
}

/// A request.
#[derive(Clone)]
pub(crate) struct Call {
    pub method: Method,
    /// Path and query, percent-encoded.
    pub target: String,
    /// Content type and content.
    pub body: Option<(String, Vec<u8>)>,
    pub accept: &'static str,
    /// What Pebble itself may wait on top of [`REQUEST_TIMEOUT`].
    pub extra_time: Duration,
}

/// An answer.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Transport {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            runtime: OnceLock::new(),
            kept: Mutex::new(None),
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn not_reachable(&self, source: io::Error) -> Error {
        Error::NotReachable {
            socket: self.socket.clone(),
            source,
        }
    }

    /// Runs asynchronous steps on this thread, to their end.
    pub(crate) fn block_on<T>(
        &self,
        operation: &str,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        // On a thread of a single-threaded runtime this one would panic; a multi-threaded one makes way.
        let inside = Handle::try_current().ok().map(|handle| handle.runtime_flavor());
        if inside
            .as_ref()
            .is_some_and(|flavor| *flavor != RuntimeFlavor::MultiThread)
        {
            return Err(Error::protocol(
                operation,
                "it was asked inside an asynchronous task, where nothing may block",
            ));
        }
        let runtime = match self.runtime.get() {
            Some(runtime) => runtime,
            None => {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|source| self.not_reachable(source))?;
                self.runtime.get_or_init(|| runtime)
            }
        };
        match inside {
            Some(_) => tokio::task::block_in_place(|| runtime.block_on(future)),
            None => runtime.block_on(future),
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<UnixStream, Error> {
        within(REQUEST_TIMEOUT, UnixStream::connect(&self.socket))
            .await
            .map_err(|source| self.not_reachable(source))
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&self, operation: &str, call: Call) -> Result<Answer, Error> {
        self.block_on(operation, self.send_async(operation, call))
    }

    async fn send_async(&self, operation: &str, call: Call) -> Result<Answer, Error> {
        if call.method != Method::GET {
            let mut connection = self.open(operation).await?;
            return self.ask(operation, &mut connection, call).await;
        }
        let kept = self.kept().take();
        if let Some(mut connection) = kept {
            match self.ask(operation, &mut connection, call.clone()).await {
                // Pebble has closed it, or is another one by now.
                Err(Error::NotReachable { source, .. })
                    if source.kind() == io::ErrorKind::ConnectionAborted => {}
                other => return self.keep_after(other, connection),
            }
        }
        let mut connection = self.open(operation).await?;
        let answer = self.ask(operation, &mut connection, call).await;
        self.keep_after(answer, connection)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection whose last answer was read to its end.
    fn keep_after(&self, answer: Result<Answer, Error>, connection: Connection) -> Result<Answer, Error> {
        if answer.is_ok() {
            *self.kept() = Some(connection);
        }
        answer
    }

    async fn open(&self, operation: &str) -> Result<Connection, Error> {
        let stream = self.connect().await?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.fault(operation, error))?;
        // Ends when the sender and the answer are dropped, or with the runtime.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// One request and its whole answer.
    async fn ask(&self, operation: &str, connection: &mut Connection, call: Call) -> Result<Answer, Error> {
        let sent = call.body.as_ref().map_or(0, |(_, content)| content.len() as u64);
        let answer_time =
            REQUEST_TIMEOUT + call.extra_time + Duration::from_secs(sent / WRITE_BYTES_PER_SECOND);
        let request = request(operation, call)?;
        let response = within(answer_time, async {
            // One that was kept has still to be seen to be free, or gone.
            connection
                .ready()
                .await
                .map_err(|error| io_error(operation, error))?;
            connection
                .send_request(request)
                .await
                .map_err(|error| io_error(operation, error))
        });
        let response = response.await.map_err(|source| self.classify(source))?;
        let status = response.status();
        let content_type = response.headers().get(hyper::header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let mut incoming = response.into_body();
        let mut body = Vec::new();
        loop {
            let frame = within(REQUEST_TIMEOUT, async {
                incoming
                    .frame()
                    .await
                    .transpose()
                    .map_err(|error| io_error(operation, error))
            });
            let Some(frame) = frame.await.map_err(|source| self.classify(source))? else {
                break;
            };
            if let Some(data) = frame.data_ref() {
                body.extend_from_slice(data);
            }
        }
        Ok(Answer {
            status,
            content_type,
            body,
        })
    }

    /// A connection that ends or stalls means that Pebble is gone; an answer that is no HTTP means that it is no Pebble.
    fn fault(&self, operation: &str, error: hyper::Error) -> Error {
        self.classify(io_error(operation, error))
    }

    fn classify(&self, source: io::Error) -> Error {
        match source.downcast::<Error>() {
            Ok(error) => error,
            Err(source) => self.not_reachable(source),
        }
    }
}

/// Runs a step within a time limit; a step that takes longer is [`io::ErrorKind::TimedOut`].
pub(crate) async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(limit, step).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {limit:?}"),
        )),
    }
}

fn request(operation: &str, call: Call) -> Result<Request<Full<Bytes>>, Error> {
    let mut builder = Request::builder()
        .method(call.method)
        .uri(call.target)
        .header(hyper::header::HOST, HOST)
        .header(hyper::header::ACCEPT, call.accept);
    let content = match call.body {
        Some((content_type, content)) => {
            builder = builder.header(hyper::header::CONTENT_TYPE, content_type);
            content
        }
        None => Vec::new(),
    };
    builder
        .body(Full::new(Bytes::from(content)))
        .map_err(|error| Error::protocol(operation, error))
}

fn io_error(operation: &str, error: hyper::Error) -> io::Error {
    if error.is_parse() || error.is_user() {
        return io::Error::other(Error::protocol(operation, error));
    }
    io::Error::new(io::ErrorKind::ConnectionAborted, error)
}

/// Writes `text` so that it can stand in a query: everything but letters, digits and `-._~` is encoded.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_is_percent_encoded() {
        assert_eq!(encode("/a b/ü&c=d+e%"), "%2Fa%20b%2F%C3%BC%26c%3Dd%2Be%25");
    }
}
