//! Runs a command over Pebble's websockets.
//!
//! A command has three sockets: `control`, `stdio` and, when its two outputs are kept apart, `stderr`. Binary frames are
//! data, and the text frame `{"command":"end"}` ends a stream, in both directions. Source: `client/exec.go`,
//! `internals/wsutil` and `internals/overlord/cmdstate/handlers.go` of canonical/pebble.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::change::Change;
use super::client::Client;
use super::envelope;
use super::exec::{ExecOptions, ExecOutput};
use super::transport::{REQUEST_TIMEOUT, Transport, encode, within};
use super::{Error, Pebble, Result, duration};

/// Ends a stream.
const END: &str = r#"{"command":"end"}"#;

/// Input goes in frames of at most this many bytes.
const FRAME_SIZE: usize = 64 * 1024;

/// What Pebble may take beyond the command's own timeout, so that its account of a timeout comes first.
const GRACE: Duration = REQUEST_TIMEOUT;

type Socket = WebSocketStream<UnixStream>;

/// The sockets of one command.
struct Sockets {
    /// Nothing is said on it, but Pebble kills the command when it breaks.
    control: Socket,
    stdio: Socket,
    stderr: Option<Socket>,
}

/// Runs a command to its end.
pub(super) fn run(client: &Client, transport: &Transport, options: &ExecOptions) -> Result<ExecOutput> {
    let operation = format!(
        "run {}",
        options.command.first().map_or("a command", String::as_str)
    );
    let begin = Instant::now();
    let limit = options.effective_timeout().saturating_add(GRACE);
    let (change, result) = client.post_exec(&operation, &request(options))?;
    let task = task_id(&operation, result)?;
    let Sockets {
        control,
        stdio,
        stderr,
    } = transport.block_on(&operation, connect(&operation, transport, &task, options))?;
    let (sink, stdout) = stdio.split();
    let stdin = Bytes::copy_from_slice(&options.stdin);
    let left = limit.saturating_sub(begin.elapsed());
    let (sending, outputs) = transport.block_on(&operation, async {
        // Beside all that follows: a command may read when it has closed its outputs, and it need not read everything.
        let sending = tokio::spawn(send(sink, stdin));
        let outputs = join(receive(stdout), receive_if_open(stderr));
        // None when they are open still: the change says why.
        Ok((sending, tokio::time::timeout(left, outputs).await.ok()))
    })?;
    // Pebble's account first: it names what went wrong, a broken socket does not.
    let change = client.wait_change(&change, limit.saturating_sub(begin.elapsed()));
    sending.abort();
    drop(control);
    let change = change.map_err(|error| match error {
        // What a killed command has started may hold its outputs: Pebble then waits for that.
        Error::ChangeTimeout { id, .. } => Error::ChangeTimeout { id, timeout: limit },
        error => error,
    })?;
    let (stdout, stderr) = outputs.ok_or_else(|| Error::protocol(&operation, "its output has no end"))?;
    Ok(ExecOutput {
        exit_code: exit_code(&operation, &change)?,
        stdout: stdout.map_err(|error| socket_error(&operation, transport, error))?,
        stderr: stderr.map_err(|error| socket_error(&operation, transport, error))?,
    })
}

fn request(options: &ExecOptions) -> Value {
    // No `..`: a new option does not compile until it is sent.
    let ExecOptions {
        command,
        service_context,
        environment,
        working_dir,
        timeout: _,
        user_id,
        user,
        group_id,
        group,
        stdin: _,
        combine_stderr,
    } = options;
    let mut body = json!({
        "command": command,
        "timeout": duration::format(options.effective_timeout()),
        "split-stderr": !combine_stderr,
    });
    let given: [(&str, Option<Value>); 7] = [
        (
            "service-context",
            service_context.as_ref().map(|name| json!(name)),
        ),
        (
            "environment",
            (!environment.is_empty()).then(|| json!(environment)),
        ),
        ("working-dir", working_dir.as_ref().map(|path| json!(path))),
        ("user-id", user_id.map(|id| json!(id))),
        ("user", user.as_ref().map(|name| json!(name))),
        ("group-id", group_id.map(|id| json!(id))),
        ("group", group.as_ref().map(|name| json!(name))),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    body
}

fn task_id(operation: &str, result: Value) -> Result<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Started {
        task_id: String,
    }
    let started: Started = serde_json::from_value(result)
        .map_err(|error| Error::protocol(operation, format!("its result is malformed: {error}")))?;
    Ok(started.task_id)
}

fn exit_code(operation: &str, change: &Change) -> Result<i32> {
    let code = change.tasks.first().and_then(|task| task.data.get("exit-code"));
    code.and_then(Value::as_i64)
        .and_then(|code| i32::try_from(code).ok())
        .ok_or_else(|| Error::protocol(operation, "it tells no exit code"))
}

/// Opens all sockets. Pebble starts the command when it has them, and gives up after five seconds.
async fn connect(
    operation: &str,
    transport: &Transport,
    task: &str,
    options: &ExecOptions,
) -> Result<Sockets> {
    let open = |name| open_socket(operation, transport, task, name);
    Ok(Sockets {
        control: open("control").await?,
        stdio: open("stdio").await?,
        stderr: match options.combine_stderr {
            true => None,
            false => Some(open("stderr").await?),
        },
    })
}

async fn open_socket(operation: &str, transport: &Transport, task: &str, name: &str) -> Result<Socket> {
    let stream = transport.connect().await?;
    let url = format!("ws://localhost/v1/tasks/{}/websocket/{name}", encode(task));
    let upgrade = within(REQUEST_TIMEOUT, async {
        Ok(tokio_tungstenite::client_async(url, stream).await)
    });
    match upgrade.await {
        Ok(Ok((socket, _response))) => Ok(socket),
        Ok(Err(error)) => Err(socket_error(operation, transport, error)),
        Err(timeout) => Err(transport.not_reachable(timeout)),
    }
}

/// A failure to send is no error: the command has ended, and what it left says how.
async fn send(mut sink: impl Sink<Message, Error = SocketError> + Unpin, stdin: Bytes) {
    let mut rest = stdin;
    while !rest.is_empty() {
        let frame = rest.split_to(rest.len().min(FRAME_SIZE));
        if sink.send(Message::Binary(frame)).await.is_err() {
            return;
        }
    }
    // At once when there is no input: a command that reads would wait for ever.
    let _ = sink.send(Message::text(END)).await;
}

async fn receive_if_open(stream: Option<Socket>) -> Result<Vec<u8>, SocketError> {
    match stream {
        Some(stream) => receive(stream).await,
        None => Ok(Vec::new()),
    }
}

/// Everything up to the end of a stream.
async fn receive(
    mut stream: impl Stream<Item = Result<Message, SocketError>> + Unpin,
) -> Result<Vec<u8>, SocketError> {
    #[derive(Deserialize)]
    struct Command {
        command: String,
    }
    let mut received = Vec::new();
    while let Some(message) = stream.next().await {
        match message? {
            Message::Binary(data) => received.extend_from_slice(&data),
            Message::Text(text) => {
                let command: Option<Command> = serde_json::from_str(text.as_str()).ok();
                if command.is_some_and(|command| command.command == "end") {
                    return Ok(received);
                }
            }
            Message::Close(_) => break,
            _ => {}
        }
    }
    Err(SocketError::ConnectionClosed)
}

fn socket_error(operation: &str, transport: &Transport, error: SocketError) -> Error {
    match error {
        SocketError::Io(source) => transport.not_reachable(source),
        SocketError::ConnectionClosed | SocketError::AlreadyClosed => transport.not_reachable(
            io::Error::new(io::ErrorKind::ConnectionAborted, "a websocket ended early"),
        ),
        SocketError::Http(response) => {
            let status = response.status();
            let body = response.into_body().unwrap_or_default();
            match envelope::open_json(operation, status, &body) {
                Err(error) => error,
                Ok(_) => Error::protocol(operation, format!("its status is {status}")),
            }
        }
        error => Error::protocol(operation, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_what_was_asked_for_and_nothing_else() {
        let plain = ExecOptions::command(["ls", "-l"]);
        assert_eq!(
            request(&plain),
            json!({"command": ["ls", "-l"], "timeout": "1m0s", "split-stderr": true})
        );
        let full = ExecOptions {
            service_context: Some("web".into()),
            environment: [("A".to_owned(), "b".to_owned())].into(),
            working_dir: Some("/srv".into()),
            timeout: Some(Duration::from_millis(1500)),
            user_id: Some(1),
            user: Some("u".into()),
            group_id: Some(2),
            group: Some("g".into()),
            stdin: b"secret".to_vec(),
            combine_stderr: true,
            ..plain
        };
        assert_eq!(
            request(&full),
            json!({
                "command": ["ls", "-l"], "timeout": "1.5s", "split-stderr": false, "service-context": "web",
                "environment": {"A": "b"}, "working-dir": "/srv", "user-id": 1, "user": "u", "group-id": 2, "group": "g",
            })
        );
    }
}
