//! One run of a check: a GET, a connection or a command.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use juju_charm::pebble::{Check, ExecCheck, HttpCheck, TcpCheck, duration};
use tokio::net::TcpStream;

use super::container::{self, Container};
use super::logs::Log;
use super::supervise::exit_code;

/// So much of what went wrong is told.
const TOLD_BYTES: usize = 512;
const TOLD_LINES: usize = 5;

/// Go follows so many redirects.
const REDIRECTS: usize = 10;

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One line.
    pub reason: String,
    /// What was written or answered meanwhile; often nothing.
    details: String,
}

impl Failure {
    /// Everything there is to tell.
    pub fn in_full(&self) -> String {
        match self.details.as_str() {
            "" => self.reason.clone(),
            details => format!("{}; {details}", self.reason),
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure {
            reason,
            details: String::new(),
        }
    }
}

/// Runs a check once.
pub(crate) async fn run(container: &Container, check: &Check) -> Result<(), Failure> {
    let timeout = check.timeout.unwrap_or(Duration::from_secs(3));
    let probe = async {
        match check {
            Check { http: Some(http), .. } => get(container, http).await,
            Check { tcp: Some(tcp), .. } => connect(container, tcp).await,
            Check { exec: Some(exec), .. } => execute(container, exec).await,
            // A plan with such a check was refused.
            _ => Ok(()),
        }
    };
    tokio::time::timeout(timeout, probe)
        .await
        .unwrap_or_else(|_| Err(format!("check timed out after {}", duration::format(timeout)).into()))
}

async fn get(container: &Container, check: &HttpCheck) -> Result<(), Failure> {
    let mut url = check.url.clone().unwrap_or_default();
    for _ in 0..=REDIRECTS {
        let failed = |reason: String| format!("Get {url:?}: {reason}");
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("cannot build request: parse {url:?}: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(failed("the simulated Pebble speaks http only".to_owned()).into());
        }
        let host = uri.host().unwrap_or_default();
        let stream = dial(container, host, uri.port_u16().unwrap_or(80))
            .await
            .map_err(failed)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        tokio::spawn(connection);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request =
            Request::get(target).header("Host", uri.authority().map_or("", |host| host.as_str()));
        request = request.header("User-Agent", "Go-http-client/1.1");
        for (name, value) in &check.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("cannot build request: {error}"))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|_| failed("EOF".to_owned()))?;
        let status = response.status();
        let location = response
            .headers()
            .get("Location")
            .and_then(|value| value.to_str().ok());
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status.as_u16(), location) {
            url = if location.starts_with('/') {
                format!(
                    "http://{}{location}",
                    uri.authority().map_or("", |host| host.as_str())
                )
            } else {
                location.to_owned()
            };
            continue;
        }
        if status.is_success() {
            return Ok(());
        }
        let body = Limited::new(response.into_body(), 64 * 1024).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let body = String::from_utf8_lossy(body.get(..TOLD_BYTES).unwrap_or(&body))
            .trim()
            .to_owned();
        let mut lines: Vec<&str> = body.lines().collect();
        if lines.len() > TOLD_LINES {
            lines.truncate(TOLD_LINES);
            lines.push("(...)");
        }
        let reason = format!("non-2xx status code {}", status.as_u16());
        return Err(Failure {
            reason,
            details: lines.join("\n"),
        });
    }
    Err(format!("Get {url:?}: stopped after {REDIRECTS} redirects").into())
}

async fn connect(container: &Container, check: &TcpCheck) -> Result<(), Failure> {
    let host = check
        .host
        .as_deref()
        .filter(|host| !host.is_empty())
        .unwrap_or("localhost");
    Ok(dial(container, host, check.port.unwrap_or_default())
        .await
        .map(drop)?)
}

/// Connects to a port of a container. Errors name the port that was told.
async fn dial(container: &Container, host: &str, port: u16) -> Result<TcpStream, String> {
    let is_here = ["localhost", "127.0.0.1", "[::1]", "::1"].contains(&host);
    let (address, real) = if is_here {
        ("127.0.0.1", container.real_port(port))
    } else {
        (host, port)
    };
    TcpStream::connect((address, real)).await.map_err(|error| {
        format!(
            "dial tcp {address}:{port}: connect: {}",
            container::reason(&error)
        )
    })
}

async fn execute(container: &Container, check: &ExecCheck) -> Result<(), Failure> {
    let words = container::split_words(check.command.as_deref().unwrap_or_default())
        .map_err(|reason| format!("cannot parse command: {reason}"))?;
    let mut command = container.command(&words, &check.environment, check.working_dir.as_deref())?;
    let (output, writer) = super::supervise::output_pipe().map_err(|error| container::reason(&error))?;
    let errors = writer.try_clone().map_err(|error| container::reason(&error))?;
    // A check that takes too long is dropped, and its process ends with it.
    let child = command.stdout(writer).stderr(errors).kill_on_drop(true).spawn();
    let mut child = child.map_err(|error| container::reason(&error))?;
    drop(command);
    let mut written = Vec::new();
    let mut output = tokio::io::BufReader::new(output);
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut output, &mut written);
    let (status, _) = tokio::join!(child.wait(), reading);
    let code = status.map(exit_code).map_err(|error| container::reason(&error))?;
    if code == 0 {
        return Ok(());
    }
    let mut log = Log::default();
    let kept = written
        .get(written.len().saturating_sub(TOLD_BYTES)..)
        .unwrap_or_default();
    String::from_utf8_lossy(kept)
        .lines()
        .for_each(|line| log.push(line.to_owned()));
    Err(Failure {
        reason: format!("exit status {code}"),
        details: log.last(TOLD_LINES, ""),
    })
}
