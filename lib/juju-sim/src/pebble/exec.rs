//! Commands that run once. Their input and output go over websockets: `stdio`, `stderr` if it is to be apart, and
//! `control` for signals. Source: `internals/overlord/cmdstate` and `internals/wsutil` of canonical/pebble.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use juju_charm::pebble::duration;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as WebsocketError, Message, error::ProtocolError};

use super::answer::{Answer, Answered, bad_request, internal, not_found, not_simulated};
use super::changes::{NewChange, Status, TaskId};
use super::container;
use super::daemon::Daemon;
use super::notices::optional_duration;
use super::plan::Context;
use super::query::Request;
use super::supervise;
use super::users::Wanted;

/// How long a client may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long output may stay open after a command's end, in the hands of a process of its own.
const WAIT_DELAY: Duration = Duration::from_secs(1);

/// One frame has at most so many bytes.
const FRAME: usize = 128 * 1024;

/// What ends a stream.
const END: &str = r#"{"command":"end"}"#;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The commands that wait for their websockets or run.
#[derive(Debug, Default)]
pub(crate) struct Executions(BTreeMap<u64, Execution>);

#[derive(Debug)]
struct Execution {
    sockets: BTreeMap<String, Slot>,
    pid: Option<Pid>,
}

/// A websocket of a command.
enum Slot {
    Free,
    /// Somebody was told to go on with the websocket protocol.
    Promised,
    Connected(Box<Socket>),
    Taken,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Slot::Free => "Free",
            Slot::Promised => "Promised",
            Slot::Connected(_) => "Connected",
            Slot::Taken => "Taken",
        })
    }
}

/// A command that is to run.
struct Order {
    words: Vec<String>,
    environment: BTreeMap<String, String>,
    working_dir: Option<String>,
    timeout: Duration,
    split_stderr: bool,
}

/// `POST /v1/exec`
pub(crate) fn post(daemon: &Arc<Daemon>, request: &Request) -> Answered {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "kebab-case")]
    struct Payload {
        command: Option<Vec<String>>,
        service_context: Option<String>,
        environment: Option<BTreeMap<String, String>>,
        working_dir: Option<String>,
        timeout: Option<String>,
        user_id: Option<u32>,
        user: Option<String>,
        group_id: Option<u32>,
        group: Option<String>,
        terminal: Option<bool>,
        interactive: Option<bool>,
        split_stderr: Option<bool>,
    }
    let payload: Payload = request.json("request body")?;
    let words = payload.command.unwrap_or_default();
    let Some(word) = words.first().cloned() else {
        return Err(bad_request("must specify command"));
    };
    let timeout = optional_duration("timeout", &payload.timeout.unwrap_or_default())?;
    if daemon
        .container
        .executable(&word, &daemon.container.root)
        .is_none()
    {
        return Err(bad_request(format!("cannot find executable {word:?}")));
    }
    if payload.terminal.unwrap_or_default() {
        return Err(not_simulated("a command in a terminal"));
    }
    if payload.interactive.unwrap_or_default() {
        return Err(internal(
            "cannot call exec: cannot use interactive mode without a terminal",
        ));
    }
    let mut context = Context {
        environment: payload.environment.unwrap_or_default(),
        working_dir: payload.working_dir.filter(|folder| !folder.is_empty()),
        user_id: payload.user_id,
        user: payload.user,
        group_id: payload.group_id,
        group: payload.group,
    };
    if let Some(name) = payload.service_context.filter(|name| !name.is_empty()) {
        let service = daemon.read(|state| state.layers.plan.services.get(&name).cloned());
        let service = service.ok_or_else(|| bad_request(format!("context service {name:?} not found")))?;
        context = context.over(&service);
    }
    let users = &daemon.container.users;
    let owner = users
        .resolve(&Wanted {
            user_id: context.user_id,
            user: context.user.as_deref(),
            group_id: context.group_id,
            group: context.group.as_deref(),
        })
        .map_err(bad_request)?;
    let mut environment = context.environment;
    if let Some(user) = owner.and_then(|owner| users.user(owner.user)) {
        environment.entry("HOME".to_owned()).or_insert(user.home);
        environment.entry("USER".to_owned()).or_insert(user.name);
    }
    if std::env::var_os("LANG").is_none() {
        environment
            .entry("LANG".to_owned())
            .or_insert_with(|| "C.UTF-8".to_owned());
    }
    if let Some(folder) = &context.working_dir {
        let what = match daemon.container.path(folder).metadata() {
            Ok(found) if found.is_dir() => None,
            Ok(_) => Some("not a directory"),
            Err(_) => Some("does not exist"),
        };
        if let Some(what) = what {
            return Err(internal(format!(
                "cannot call exec: working directory {folder:?} {what}"
            )));
        }
    }
    let split_stderr = payload.split_stderr.unwrap_or_default();
    let (change, task) = daemon.update(|state| {
        let summary = format!("Execute command {word:?}");
        let new = NewChange {
            kind: "exec",
            tasks: vec![("exec", summary.clone())],
            summary,
            ..NewChange::default()
        };
        let (change, tasks) = state.changes.add(new);
        let task = tasks.first().copied();
        if let Some(task) = task {
            state.changes.set_status(task, Status::Doing);
            let names = ["control", "stdio"]
                .into_iter()
                .chain(split_stderr.then_some("stderr"));
            let sockets = names.map(|name| (name.to_owned(), Slot::Free)).collect();
            state
                .executions
                .0
                .insert(task.task, Execution { sockets, pid: None });
        }
        (change, task)
    });
    let task = task.ok_or_else(|| internal("cannot call exec: no task"))?;
    let answer = json!({
        "environment": environment,
        "task-id": task.task.to_string(),
        "working-dir": context.working_dir.clone().unwrap_or_else(|| "/".to_owned()),
    });
    let order = Order {
        words,
        environment,
        working_dir: context.working_dir,
        timeout,
        split_stderr,
    };
    tokio::spawn(perform(daemon.clone(), task, order));
    Ok(Answer::Async(change.to_string(), answer))
}

/// `GET /v1/tasks/ID/websocket/NAME`
pub(crate) fn connect(daemon: &Daemon, task: &str, name: &str, request: &Request) -> Answered {
    let found = daemon.read(|state| state.changes.find_task(task));
    let (id, kind) = found.ok_or_else(|| not_found(format!("cannot find task {task:?}")))?;
    if kind != "exec" {
        return Err(bad_request(format!("{kind:?} tasks do not have websockets")));
    }
    let key = request.header("sec-websocket-key");
    if key.is_empty() || !request.header("upgrade").eq_ignore_ascii_case("websocket") {
        return Err(bad_request("not a websocket handshake"));
    }
    daemon.update(|state| {
        let slot = state
            .executions
            .0
            .get_mut(&id.task)
            .and_then(|execution| execution.sockets.get_mut(name));
        match slot {
            None => Err(not_found(format!(
                "cannot find {name} websocket for task {task:?}"
            ))),
            Some(slot @ Slot::Free) => {
                *slot = Slot::Promised;
                Ok(Answer::Upgrade(derive_accept_key(key.as_bytes())))
            }
            Some(_) => Err(internal(format!("{name} websocket already connected"))),
        }
    })
}

/// The connection of a request that [`connect`] took becomes a websocket.
pub(crate) fn upgraded(daemon: &Arc<Daemon>, request: &Request, upgrade: OnUpgrade) {
    let mut parts = request.path.rsplit('/');
    let (name, task) = (
        parts.next().unwrap_or_default().to_owned(),
        parts.nth(1).unwrap_or_default().parse(),
    );
    let (Ok(task), daemon) = (task, daemon.clone()) else {
        return;
    };
    tokio::spawn(async move {
        let task: u64 = task;
        let Ok(stream) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        daemon.update(|state| {
            let execution = state.executions.0.get_mut(&task);
            if let Some(slot) = execution.and_then(|execution| execution.sockets.get_mut(&name)) {
                *slot = Slot::Connected(Box::new(socket));
            }
        });
    });
}

/// Runs a command, from waiting for its websockets to the end of its task.
async fn perform(daemon: Arc<Daemon>, task: TaskId, order: Order) {
    let result = execute(&daemon, task, order).await;
    daemon.update(|state| {
        state.executions.0.remove(&task.task);
        match result {
            Ok(code) => {
                state.changes.set_data(task, "exit-code", json!(code));
                state.changes.set_status(task, Status::Done);
            }
            Err(Failure { reason, ran }) => {
                if ran {
                    state.changes.set_data(task, "exit-code", json!(-1));
                }
                state.changes.fail(task, &reason);
            }
        }
    });
}

struct Failure {
    reason: String,
    /// Whether it came as far as starting the command.
    ran: bool,
}

async fn execute(daemon: &Arc<Daemon>, task: TaskId, order: Order) -> Result<i32, Failure> {
    let mut names = vec!["stdio"];
    if order.split_stderr {
        names.push("stderr");
    }
    let before = |reason: String| Failure { reason, ran: false };
    let connected = daemon.wait_for(|state| {
        if state.changes.status(task) != Some(Status::Doing) {
            return Some(Err(before("context canceled".to_owned())));
        }
        let sockets = &mut state.executions.0.get_mut(&task.task)?.sockets;
        let all = names
            .iter()
            .all(|name| matches!(sockets.get(*name), Some(Slot::Connected(_))));
        let mut take = |name: &str| match std::mem::replace(sockets.get_mut(name)?, Slot::Taken) {
            Slot::Connected(socket) => Some(*socket),
            _ => None,
        };
        all.then(|| {
            names
                .iter()
                .filter_map(|name| take(name))
                .collect::<Vec<Socket>>()
        })
        .map(Ok)
    });
    let sockets = tokio::time::timeout(CONNECT_TIMEOUT, connected)
        .await
        .unwrap_or_else(|_| {
            let task = task.task;
            Err(before(format!(
                "exec {task}: timeout waiting for websocket connections: context deadline exceeded"
            )))
        })?;
    let mut sockets = sockets.into_iter();
    let Some(stdio) = sockets.next() else {
        return Err(before("no stdio websocket".to_owned()));
    };
    let (to_client, from_client) = stdio.split();
    let errors_to_client = sockets.next().map(|socket| socket.split().0);

    let failed = |reason: String| Failure { reason, ran: true };
    let started = start(daemon, &order, errors_to_client.is_some());
    let mut outputs = tokio::task::JoinSet::new();
    let result = match started {
        Ok(Started {
            mut child,
            stdout,
            stderr,
            pid,
        }) => {
            daemon.update(|state| {
                if let Some(execution) = state.executions.0.get_mut(&task.task) {
                    execution.pid = pid;
                }
            });
            outputs.spawn(send(stdout, to_client));
            if let (Some(stderr), Some(socket)) = (stderr, errors_to_client) {
                outputs.spawn(send(stderr, socket));
            }
            let input = child
                .stdin
                .take()
                .map(|stdin| tokio::spawn(receive(from_client, stdin)));
            let control = tokio::spawn(control(daemon.clone(), task, pid));
            let result = wait(daemon, task, &order, &mut child, pid).await;
            control.abort();
            if let Some(input) = input {
                input.abort();
            }
            result.map_err(failed)
        }
        Err(reason) => {
            // The client is waiting for the end of the output.
            outputs.spawn(end(to_client));
            errors_to_client
                .into_iter()
                .for_each(|socket| drop(outputs.spawn(end(socket))));
            Err(failed(reason))
        }
    };
    let sent = async { while outputs.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(WAIT_DELAY, sent).await;
    result
}

struct Started {
    child: Child,
    stdout: pipe::Receiver,
    stderr: Option<pipe::Receiver>,
    pid: Option<Pid>,
}

fn start(daemon: &Daemon, order: &Order, split_stderr: bool) -> Result<Started, String> {
    let Order {
        words,
        environment,
        working_dir,
        ..
    } = order;
    let mut command = daemon
        .container
        .command(words, environment, working_dir.as_deref())?;
    let text = |error: std::io::Error| container::reason(&error);
    let (stdout, writer) = supervise::output_pipe().map_err(text)?;
    let (stderr, error_writer) = if split_stderr {
        let (stderr, writer) = supervise::output_pipe().map_err(text)?;
        (Some(stderr), writer)
    } else {
        (None, writer.try_clone().map_err(text)?)
    };
    let child = command
        .stdin(std::process::Stdio::piped())
        .stdout(writer)
        .stderr(error_writer)
        .spawn();
    let word = words.first().map(String::as_str).unwrap_or_default();
    let child = child.map_err(|error| format!("fork/exec {word}: {}", container::reason(&error)))?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    Ok(Started {
        child,
        stdout,
        stderr,
        pid,
    })
}

/// Waits for the end of a command, and ends it when its time is over or its change is aborted.
async fn wait(
    daemon: &Daemon,
    task: TaskId,
    order: &Order,
    child: &mut Child,
    pid: Option<Pid>,
) -> Result<i32, String> {
    let limit = async {
        if order.timeout.is_zero() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(order.timeout).await;
    };
    let aborted = daemon.wait_for(|state| (state.changes.status(task) != Some(Status::Doing)).then_some(()));
    let reason = tokio::select! {
        status = child.wait() => {
            return status.map(supervise::exit_code).map_err(|error| container::reason(&error));
        }
        () = limit => {
            format!("timed out after {}: context deadline exceeded", duration::format(order.timeout))
        }
        () = aborted => "context canceled".to_owned(),
    };
    if let Some(pid) = pid {
        // It may be gone already.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait().await;
    Err(reason)
}

async fn send(mut output: pipe::Receiver, mut socket: SplitSink<Socket, Message>) {
    let mut buffer = vec![0; FRAME];
    while let Ok(count @ 1..) = output.read(&mut buffer).await {
        let data = buffer.get(..count).unwrap_or_default().to_vec();
        // When the client is gone, the command must not block: its output is read all the same.
        let _ = socket.send(Message::binary(data)).await;
    }
    end(socket).await;
}

async fn end(mut socket: SplitSink<Socket, Message>) {
    let _ = socket.send(Message::text(END)).await;
}

async fn receive(mut socket: SplitStream<Socket>, mut stdin: ChildStdin) {
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(data) => match stdin.write_all(&data).await {
                Ok(()) => {}
                // The command does not read.
                Err(_) => break,
            },
            Message::Text(text) if is_end(&text) => break,
            Message::Close(_) => break,
            _ => {}
        }
    }
    drop(stdin);
    // Reading on answers pings, and lets go what comes too late.
    while let Some(Ok(_)) = socket.next().await {}
}

fn is_end(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|command: Value| command.get("command") == Some(&json!("end")))
}

/// Does what comes over the control websocket. Losing it without a goodbye ends the command.
async fn control(daemon: Arc<Daemon>, task: TaskId, pid: Option<Pid>) {
    let Some(pid) = pid else { return };
    let mut socket = daemon
        .wait_for(|state| {
            let slot = state
                .executions
                .0
                .get_mut(&task.task)?
                .sockets
                .get_mut("control")?;
            if !matches!(slot, Slot::Connected(_)) {
                return None;
            }
            match std::mem::replace(slot, Slot::Taken) {
                Slot::Connected(socket) => Some(*socket),
                _ => None,
            }
        })
        .await;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let command: Value = serde_json::from_str(&text).unwrap_or_default();
                let signal = command
                    .pointer("/signal/name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let done = match command.get("command").and_then(Value::as_str) {
                    Some("signal") => supervise::signal(pid, signal),
                    _ => Err("unknown command".to_owned()),
                };
                if let Err(reason) = done {
                    eprintln!("exec {}: cannot obey {text}: {reason}", task.task);
                }
            }
            Some(Ok(Message::Close(_))) | None => return,
            Some(Ok(_)) => {}
            Some(Err(
                WebsocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) | WebsocketError::Io(_),
            )) => {
                let _ = kill_process_group(pid, Signal::KILL);
                return;
            }
            Some(Err(_)) => return,
        }
    }
}

/// Ends every command.
pub(crate) fn kill_all(daemon: &Daemon) {
    daemon.read(|state| {
        for pid in state.executions.0.values().filter_map(|execution| execution.pid) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    });
}
