//! [`Client`]: the operations of [`Pebble`] as requests.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::change::{Change, ChangeId, ChangeSelect};
use super::checks::CheckInfo;
use super::envelope::{self, Success};
use super::error::{Error, PathErrorKind};
use super::exec::{ExecOptions, ExecOutput};
use super::files::{FileInfo, FileInfoAnswer, FileOptions};
use super::layer::{CheckLevel, Layer, Plan};
use super::notices::{Notice, NoticeType, NoticesQuery};
use super::service::{LogLine, ServiceInfo, SystemInfo};
use super::transport::{Answer, Call, Transport, encode};
use super::{Pebble, Result, duration, exec_client, lenient, multipart};
use crate::own_file;

/// One request waits at most this long for something to happen; longer waits are several requests, so that a Pebble
/// that is gone is noticed.
const LONG_POLL: Duration = Duration::from_secs(4);

/// Between two looks at a change, with a Pebble too old to be waited on.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The Pebble behind a socket. Making one does nothing; calls that only read share a connection.
///
/// It blocks. Inside an asynchronous task of a single-threaded runtime that cannot be: it gives [`Error::Protocol`].
pub struct Client {
    transport: Transport,
    kept_plan: Option<PathBuf>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("socket", &self.transport.socket())
            .finish()
    }
}

impl Client {
    /// The Pebble behind this socket; in a charm, `/charm/containers/<container>/pebble.socket`.
    pub fn for_socket(path: PathBuf) -> Self {
        Self {
            transport: Transport::new(path),
            kept_plan: None,
        }
    }

    /// Keeps what it reads of the plan in this file, and reads the same plan no second time: see [`crate::own_file::read_once`].
    #[must_use]
    pub fn keeping_plan(self, file: PathBuf) -> Self {
        Self {
            kept_plan: Some(file),
            ..self
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        self.transport.socket()
    }

    fn get(&self, operation: &str, target: String) -> Result<Success> {
        self.get_waiting(operation, target, Duration::ZERO)
    }

    /// Asks something that Pebble itself may wait for.
    fn get_waiting(&self, operation: &str, target: String, extra_time: Duration) -> Result<Success> {
        let call = Call {
            method: Method::GET,
            target,
            body: None,
            accept: "application/json",
            extra_time,
        };
        envelope::open(operation, &self.transport.send(operation, call)?)
    }

    fn post(&self, operation: &str, path: &str, body: &Value) -> Result<Success> {
        let body = Some(("application/json".to_owned(), body.to_string().into_bytes()));
        envelope::open(operation, &self.post_body(operation, path, body)?)
    }

    fn post_body(&self, operation: &str, path: &str, body: Option<(String, Vec<u8>)>) -> Result<Answer> {
        let call = Call {
            method: Method::POST,
            target: path.to_owned(),
            body,
            accept: "application/json",
            extra_time: Duration::ZERO,
        };
        self.transport.send(operation, call)
    }

    fn change_services(&self, action: &str, names: &[&str]) -> Result<ChangeId> {
        let operation = match names {
            [] => format!("{action} services"),
            names => format!("{action} {}", names.join(", ")),
        };
        let body = json!({"action": action, "services": names});
        self.post(&operation, "/v1/services", &body)?.change(&operation)
    }

    fn change_checks(&self, action: &str, names: &[&str]) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Changed {
            #[serde(default, deserialize_with = "lenient::or_default")]
            changed: Vec<String>,
        }
        let operation = format!("{action} checks {}", names.join(", "));
        let body = json!({"action": action, "checks": names});
        let answer: Changed = self.post(&operation, "/v1/checks", &body)?.decode(&operation)?;
        Ok(answer.changed)
    }

    /// Changes one path; Pebble's status is 200 even when that failed.
    fn change_path(&self, operation: &'static str, path: &str, body: &Value) -> Result<()> {
        let request = format!("{operation} {path}");
        let results = self.post(&request, "/v1/files", body)?.decode_list(&request)?;
        path_result(operation, path, results)
    }

    /// One wait of at most [`LONG_POLL`]; `None` when the change is not ready by then.
    fn wait_once(&self, id: &ChangeId, limit: Duration) -> Result<Option<Change>> {
        let operation = format!("wait for change {id}");
        let target = format!(
            "/v1/changes/{}/wait?timeout={}",
            encode(id.as_str()),
            encode(&duration::format(limit))
        );
        match self.get_waiting(&operation, target, limit) {
            Ok(success) => success.decode(&operation).map(Some),
            Err(Error::Api { status: 504, .. }) => Ok(None),
            // A Pebble of before 2021; or the change is unknown, then asking for it says so.
            Err(Error::Api { status: 404, .. }) => {
                let change = self.change(id)?;
                if !change.ready {
                    std::thread::sleep(POLL_INTERVAL.min(limit));
                }
                Ok(change.ready.then_some(change))
            }
            Err(error) => Err(error),
        }
    }
}

/// The plan as Pebble writes it.
fn read_plan(text: &str) -> Result<Plan> {
    // An empty plan is the text `{}`; null is what YAML makes of no text.
    let plan: Option<Plan> = serde_yaml::from_str(text)
        .map_err(|error| Error::protocol("read the plan", format!("its YAML is malformed: {error}")))?;
    Ok(plan.unwrap_or_default())
}

impl Pebble for Client {
    fn system_info(&self) -> Result<SystemInfo> {
        let operation = "ask for its version";
        self.get(operation, "/v1/system-info".to_owned())?
            .decode(operation)
    }

    fn add_layer(&self, label: &str, layer: &Layer, combine: bool) -> Result<()> {
        let operation = format!("add layer {label:?}");
        let body = json!({
            "action": "add",
            "combine": combine,
            "label": label,
            "format": "yaml",
            "layer": layer.to_json(),
        });
        self.post(&operation, "/v1/layers", &body).map(drop)
    }

    fn plan(&self) -> Result<Plan> {
        let operation = "read the plan";
        let text: String = self
            .get(operation, "/v1/plan?format=yaml".to_owned())?
            .decode(operation)?;
        match &self.kept_plan {
            Some(file) => own_file::read_once(file, &text, read_plan),
            None => read_plan(&text),
        }
    }

    fn services(&self, names: &[&str]) -> Result<Vec<ServiceInfo>> {
        let operation = "read the services";
        self.get(operation, with_names("/v1/services", names))?
            .decode_list(operation)
    }

    fn autostart(&self) -> Result<ChangeId> {
        self.change_services("autostart", &[])
    }

    fn replan(&self) -> Result<ChangeId> {
        self.change_services("replan", &[])
    }

    fn start(&self, names: &[&str]) -> Result<ChangeId> {
        self.change_services("start", names)
    }

    fn stop(&self, names: &[&str]) -> Result<ChangeId> {
        self.change_services("stop", names)
    }

    fn restart(&self, names: &[&str]) -> Result<ChangeId> {
        self.change_services("restart", names)
    }

    fn change(&self, id: &ChangeId) -> Result<Change> {
        let operation = format!("read change {id}");
        self.get(&operation, format!("/v1/changes/{}", encode(id.as_str())))?
            .decode(&operation)
    }

    fn changes(&self, select: ChangeSelect, for_service: Option<&str>) -> Result<Vec<Change>> {
        let operation = "read the changes";
        let mut target = format!("/v1/changes?select={}", select.as_str());
        if let Some(service) = for_service {
            target.push_str(&format!("&for={}", encode(service)));
        }
        self.get(operation, target)?.decode_list(operation)
    }

    fn wait_change(&self, id: &ChangeId, timeout: Duration) -> Result<Change> {
        let begin = Instant::now();
        loop {
            let left = timeout.saturating_sub(begin.elapsed());
            // Pebble waits for ever when asked to wait for no time.
            let limit = left.clamp(Duration::from_millis(1), LONG_POLL);
            if let Some(change) = self.wait_once(id, limit)? {
                return finished(change);
            }
            if begin.elapsed() >= timeout {
                return Err(Error::ChangeTimeout {
                    id: id.clone(),
                    timeout,
                });
            }
        }
    }

    fn send_signal(&self, signal: &str, services: &[&str]) -> Result<()> {
        let operation = format!("send {signal} to {}", services.join(", "));
        let body = json!({"signal": signal, "services": services});
        self.post(&operation, "/v1/signals", &body).map(drop)
    }

    fn logs(&self, services: &[&str], lines: u32) -> Result<Vec<LogLine>> {
        let operation = "read the logs";
        let mut target = format!("/v1/logs?n={lines}");
        for service in services {
            target.push_str(&format!("&services={}", encode(service)));
        }
        let call = Call {
            method: Method::GET,
            target,
            body: None,
            accept: "application/x-ndjson",
            extra_time: Duration::ZERO,
        };
        let answer = self.transport.send(operation, call)?;
        if !answer.status.is_success() {
            return Err(match envelope::open(operation, &answer) {
                Err(error) => error,
                Ok(_) => Error::protocol(operation, format!("its status is {}", answer.status)),
            });
        }
        serde_json::Deserializer::from_slice(&answer.body)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| Error::protocol(operation, format!("a line is malformed: {error}")))
    }

    fn checks(&self) -> Result<Vec<CheckInfo>> {
        let operation = "read the checks";
        self.get(operation, "/v1/checks".to_owned())?
            .decode_list(operation)
    }

    fn start_checks(&self, names: &[&str]) -> Result<Vec<String>> {
        self.change_checks("start", names)
    }

    fn stop_checks(&self, names: &[&str]) -> Result<Vec<String>> {
        self.change_checks("stop", names)
    }

    fn refresh_check(&self, name: &str) -> Result<std::result::Result<(), String>> {
        #[derive(Deserialize)]
        struct Refreshed {
            error: Option<String>,
        }
        let operation = format!("refresh check {name}");
        let answer = self.post(&operation, "/v1/checks/refresh", &json!({"name": name}))?;
        let Refreshed { error } = answer.decode(&operation)?;
        Ok(error.map_or(Ok(()), Err))
    }

    fn health(&self, level: Option<CheckLevel>) -> Result<bool> {
        #[derive(Deserialize)]
        struct Health {
            healthy: bool,
        }
        let operation = "ask for its health";
        let target = match level {
            Some(level) => format!("/v1/health?level={}", encode(level.as_str())),
            None => "/v1/health".to_owned(),
        };
        // Status 502 when it is not healthy: what counts is the result.
        let answer: Health = self.get(operation, target)?.decode(operation)?;
        Ok(answer.healthy)
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let operation = format!("read {path}");
        let call = Call {
            method: Method::GET,
            target: format!("/v1/files?action=read&path={}", encode(path)),
            body: None,
            accept: multipart::MEDIA_TYPE,
            extra_time: Duration::ZERO,
        };
        let answer = self.transport.send(&operation, call)?;
        if !answer.content_type.starts_with(multipart::MEDIA_TYPE) {
            return Err(match envelope::open(&operation, &answer) {
                Err(error) => error,
                Ok(_) => Error::protocol(
                    &operation,
                    format!("its content type is {:?}", answer.content_type),
                ),
            });
        }
        let parts = multipart::parse(&answer.content_type, &answer.body)
            .map_err(|reason| Error::protocol(&operation, reason))?;
        let missing = |part: &str| Error::protocol(&operation, format!("it has no part {part}"));
        let response = parts
            .iter()
            .rfind(|part| part.name == "response")
            .ok_or_else(|| missing("response"))?;
        let results =
            envelope::open_json(&operation, answer.status, response.content)?.decode_list(&operation)?;
        // The content is only to be trusted when the response, which comes last, says so.
        path_result("read", path, results)?;
        let file = parts
            .iter()
            .find(|part| part.name == "files")
            .ok_or_else(|| missing("files"))?;
        Ok(file.content.to_vec())
    }

    fn write_file(&self, path: &str, content: &[u8], options: &FileOptions) -> Result<()> {
        let operation = format!("write {path}");
        let mut file = path_options(path, options);
        file["make-dirs"] = json!(options.make_dirs);
        let request = json!({"action": "write", "files": [file]}).to_string();
        let body = multipart::write_request(&request, path, content);
        let answer = self.post_body(&operation, "/v1/files", Some(body))?;
        let results = envelope::open(&operation, &answer)?.decode_list(&operation)?;
        path_result("write", path, results)
    }

    fn list_files(&self, path: &str, itself: bool) -> Result<Vec<FileInfo>> {
        let operation = format!("list {path}");
        let mut target = format!("/v1/files?action=list&path={}", encode(path));
        if itself {
            target.push_str("&itself=true");
        }
        let answers: Vec<FileInfoAnswer> = match self.get(&operation, target) {
            Err(Error::Api { kind, message, .. }) if !kind.is_empty() && kind != "login-required" => {
                return Err(path_error("list", path, &kind, message));
            }
            other => other?.decode_list(&operation)?,
        };
        answers
            .into_iter()
            .map(|answer| FileInfo::try_from(answer).map_err(|reason| Error::protocol(&operation, reason)))
            .collect()
    }

    fn make_dir(&self, path: &str, options: &FileOptions) -> Result<()> {
        let mut dir = path_options(path, options);
        dir["make-parents"] = json!(options.make_dirs);
        self.change_path(
            "make folder",
            path,
            &json!({"action": "make-dirs", "dirs": [dir]}),
        )
    }

    fn remove_path(&self, path: &str, recursive: bool) -> Result<()> {
        let item = json!({"path": path, "recursive": recursive});
        self.change_path("remove", path, &json!({"action": "remove", "paths": [item]}))
    }

    fn exec(&self, options: &ExecOptions) -> Result<ExecOutput> {
        exec_client::run(self, &self.transport, options)
    }

    fn notify(
        &self,
        key: &str,
        data: &BTreeMap<String, String>,
        repeat_after: Option<Duration>,
    ) -> Result<String> {
        #[derive(Deserialize)]
        struct Added {
            id: String,
        }
        let operation = format!("raise notice {key}");
        let mut body = json!({"action": "add", "type": "custom", "key": key});
        if !data.is_empty() {
            body["data"] = json!(data);
        }
        if let Some(repeat_after) = repeat_after {
            body["repeat-after"] = json!(duration::format(repeat_after));
        }
        let added: Added = self.post(&operation, "/v1/notices", &body)?.decode(&operation)?;
        Ok(added.id)
    }

    fn notices(&self, query: &NoticesQuery) -> Result<Vec<Notice>> {
        let operation = "read the notices";
        let begin = Instant::now();
        loop {
            let left = query
                .timeout
                .map(|timeout| timeout.saturating_sub(begin.elapsed()).min(LONG_POLL));
            let wait = left.unwrap_or_default();
            let target = notices_target(query, wait);
            let notices: Vec<Notice> = self
                .get_waiting(operation, target, wait)?
                .decode_list(operation)?;
            let timeout = query.timeout.unwrap_or_default();
            if !notices.is_empty() || begin.elapsed() >= timeout {
                return Ok(notices);
            }
        }
    }
}

/// A change that is ready, judged.
pub(crate) fn finished(change: Change) -> Result<Change> {
    match change.err.as_deref() {
        Some(err) if !err.is_empty() => Err(Error::Change {
            id: change.id,
            summary: change.summary,
            err: err.to_owned(),
            tasks: change.tasks,
        }),
        _ => Ok(change),
    }
}

fn with_names(path: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return path.to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| encode(name)).collect();
    format!("{path}?names={}", names.join(","))
}

fn notices_target(query: &NoticesQuery, wait: Duration) -> String {
    // No `..`: a new filter does not compile until it is asked for.
    let NoticesQuery {
        types,
        keys,
        after,
        timeout: _,
    } = query;
    let types = types
        .iter()
        .map(NoticeType::as_str)
        .map(|value| ("types", value.to_owned()));
    let keys = keys.iter().map(|value| ("keys", value.clone()));
    let after = after.iter().map(|value| ("after", value.clone()));
    let wait = (!wait.is_zero()).then(|| ("timeout", duration::format(wait)));
    let parameters: Vec<String> = types
        .chain(keys)
        .chain(after)
        .chain(wait)
        .map(|(key, value)| format!("{key}={}", encode(&value)))
        .collect();
    format!("/v1/notices?{}", parameters.join("&"))
}

/// One item of the answer to a request about files.
#[derive(Deserialize)]
struct PathResult {
    #[serde(default)]
    error: Option<envelope::Fault>,
}

/// The fate of the only path that was asked for.
fn path_result(operation: &'static str, path: &str, results: Vec<PathResult>) -> Result<()> {
    let mut results = results.into_iter();
    match (results.next(), results.next()) {
        (Some(PathResult { error: None }), None) => Ok(()),
        (Some(PathResult { error: Some(fault) }), None) => {
            Err(path_error(operation, path, &fault.kind, fault.message))
        }
        _ => Err(Error::protocol(
            &format!("{operation} {path}"),
            "it does not speak of exactly one path",
        )),
    }
}

fn path_error(operation: &'static str, path: &str, kind: &str, message: String) -> Error {
    Error::Path {
        operation,
        path: path.to_owned(),
        kind: PathErrorKind::from(kind),
        message,
    }
}

fn path_options(path: &str, options: &FileOptions) -> Value {
    // No `..`: a new option does not compile until it is sent.
    let FileOptions {
        make_dirs: _,
        mode,
        user_id,
        user,
        group_id,
        group,
    } = options;
    let mut item = json!({"path": path});
    if let Some(mode) = mode {
        // Pebble takes three digits. More is refused there, with a text of its own.
        item["permissions"] = json!(format!("{mode:03o}"));
    }
    if let Some(id) = user_id {
        item["user-id"] = json!(id);
    }
    if let Some(name) = user {
        item["user"] = json!(name);
    }
    if let Some(id) = group_id {
        item["group-id"] = json!(id);
    }
    if let Some(name) = group {
        item["group"] = json!(name);
    }
    item
}

/// What [`exec_client`] needs of the client.
impl Client {
    pub(super) fn post_exec(&self, operation: &str, body: &Value) -> Result<(ChangeId, Value)> {
        let success = self.post(operation, "/v1/exec", body)?;
        Ok((success.change(operation)?, success.result))
    }
}
