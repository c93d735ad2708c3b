//! Changes and their tasks: what goes on after an answer. Each step of a change is also a notice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answered, Fault, bad_request, not_found, sync};
use super::daemon::Daemon;
use super::notices::{Notices, optional_duration};
use super::query::Request;

/// A task keeps so many lines of its log.
const LOG_LINES: usize = 10;

/// Where a task stands. Pebble has more, for tasks that can be undone; none of its own can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Hold,
    Do,
    Doing,
    Done,
    Abort,
    Error,
}

/// All changes, and the notices that tell of them.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub notices: Notices,
    last_change: u64,
    last_task: u64,
    changes: BTreeMap<u64, Change>,
}

#[derive(Debug)]
struct Change {
    id: u64,
    kind: &'static str,
    summary: String,
    tasks: Vec<Task>,
    spawned: Timestamp,
    ready: Option<Timestamp>,
    noticed: Option<Status>,
    notice_data: BTreeMap<String, String>,
    services: Vec<String>,
}

#[derive(Debug)]
struct Task {
    id: u64,
    kind: &'static str,
    summary: String,
    status: Status,
    log: Vec<String>,
    spawned: Timestamp,
    ready: Option<Timestamp>,
    data: Map<String, Value>,
}

/// A task by its number and that of its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskId {
    pub change: u64,
    pub task: u64,
}

/// A change that is to be made.
#[derive(Debug, Default)]
pub(crate) struct NewChange {
    pub kind: &'static str,
    pub summary: String,
    /// Kind and summary of each task. A change without tasks is done at once.
    pub tasks: Vec<(&'static str, String)>,
    /// What its notices carry besides its kind.
    pub notice_data: BTreeMap<String, String>,
    /// The services that were named.
    pub services: Vec<String>,
}

impl Changes {
    /// Makes a change. Somebody has to run its tasks.
    pub fn add(&mut self, new: NewChange) -> (u64, Vec<TaskId>) {
        self.last_change += 1;
        let id = self.last_change;
        let now = Timestamp::now();
        let mut tasks = Vec::new();
        for (kind, summary) in new.tasks {
            self.last_task += 1;
            tasks.push(Task {
                id: self.last_task,
                kind,
                summary,
                status: Status::Do,
                log: Vec::new(),
                spawned: now,
                ready: None,
                data: Map::new(),
            });
        }
        let ids = tasks
            .iter()
            .map(|task| TaskId {
                change: id,
                task: task.id,
            })
            .collect();
        let is_empty = tasks.is_empty();
        let mut change = Change {
            id,
            kind: new.kind,
            summary: new.summary,
            tasks,
            spawned: now,
            ready: is_empty.then_some(now),
            noticed: Some(Status::Do),
            notice_data: new.notice_data,
            services: new.services,
        };
        change.notice_data.insert("kind".to_owned(), new.kind.to_owned());
        self.changes.insert(id, change);
        self.notice(id);
        if is_empty {
            self.notice(id);
        }
        (id, ids)
    }

    /// Where a task stands.
    pub fn status(&self, id: TaskId) -> Option<Status> {
        Some(self.changes.get(&id.change)?.task(id)?.status)
    }

    /// Moves a task on.
    pub fn set_status(&mut self, id: TaskId, status: Status) {
        let Some(change) = self.changes.get_mut(&id.change) else {
            return;
        };
        let Some(task) = change.tasks.iter_mut().find(|task| task.id == id.task) else {
            return;
        };
        task.status = status;
        if status.is_ready() {
            task.ready.get_or_insert_with(Timestamp::now);
        }
        let whole = change.status();
        if whole.is_ready() {
            change.ready.get_or_insert_with(Timestamp::now);
        }
        // That a change is between two of its tasks is no news.
        let between = (change.noticed, whole) == (Some(Status::Doing), Status::Do);
        if change.noticed != Some(whole) && !between {
            change.noticed = Some(whole);
            self.notice(id.change);
        }
    }

    /// Ends a task with an error, as Pebble does it: by way of Abort.
    pub fn fail(&mut self, id: TaskId, error: &str) {
        self.set_status(id, Status::Abort);
        self.log(id, "ERROR", error);
        self.set_status(id, Status::Error);
    }

    /// Adds to a task's log.
    pub fn log(&mut self, id: TaskId, level: &str, message: &str) {
        let Some(change) = self.changes.get_mut(&id.change) else {
            return;
        };
        let Some(task) = change.tasks.iter_mut().find(|task| task.id == id.task) else {
            return;
        };
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        task.log.push(format!("{now} {level} {message}"));
        let surplus = task.log.len().saturating_sub(LOG_LINES);
        task.log.drain(..surplus);
    }

    /// Puts something into a task's data.
    pub fn set_data(&mut self, id: TaskId, key: &str, value: Value) {
        let Some(change) = self.changes.get_mut(&id.change) else {
            return;
        };
        let Some(task) = change.tasks.iter_mut().find(|task| task.id == id.task) else {
            return;
        };
        task.data.insert(key.to_owned(), value);
    }

    /// A task by its number alone, with its kind.
    pub fn find_task(&self, task: &str) -> Option<(TaskId, &'static str)> {
        let tasks = self
            .changes
            .values()
            .flat_map(|change| change.tasks.iter().map(|task| (change.id, task)));
        let mut named = tasks.filter(|(_, found)| found.id.to_string() == task);
        named.next().map(|(change, task)| {
            (
                TaskId {
                    change,
                    task: task.id,
                },
                task.kind,
            )
        })
    }

    /// Asks all tasks of a change to end. What runs one has to look for [`Status::Abort`].
    pub fn abort(&mut self, change: u64) {
        let Some(found) = self.changes.get(&change) else {
            return;
        };
        let tasks: Vec<(u64, Status)> = found.tasks.iter().map(|task| (task.id, task.status)).collect();
        for (task, status) in tasks {
            match status {
                Status::Do => self.set_status(TaskId { change, task }, Status::Hold),
                Status::Doing => self.set_status(TaskId { change, task }, Status::Abort),
                _ => {}
            }
        }
    }

    fn notice(&mut self, id: u64) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        let data = change.notice_data.clone();
        self.notices.add(
            None,
            "change-update",
            &id.to_string(),
            data,
            std::time::Duration::ZERO,
        );
    }

    fn named(&self, id: &str) -> Result<&Change, Fault> {
        let found = id.parse().ok().and_then(|id: u64| self.changes.get(&id));
        found.ok_or_else(|| not_found(format!("cannot find change with id {id:?}")))
    }
}

impl Change {
    fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id.task)
    }

    /// The status of the whole: the first one, in this order, that a task has.
    fn status(&self) -> Status {
        let order = [
            Status::Abort,
            Status::Doing,
            Status::Do,
            Status::Error,
            Status::Done,
            Status::Hold,
        ];
        let has = |status: &Status| self.tasks.iter().any(|task| task.status == *status);
        order.into_iter().find(has).unwrap_or(Status::Done)
    }

    /// What went wrong: every error in the log of a task that failed.
    fn error(&self) -> Option<String> {
        if self.status() != Status::Error {
            return None;
        }
        let mut text = "cannot perform the following tasks:".to_owned();
        for task in self.tasks.iter().filter(|task| task.status == Status::Error) {
            for line in &task.log {
                let error = line
                    .split_once(' ')
                    .and_then(|(_, rest)| rest.strip_prefix("ERROR "));
                if let Some(error) = error {
                    text.push_str(&format!("\n- {} ({error})", task.summary));
                }
            }
        }
        Some(text)
    }

    fn to_json(&self) -> Value {
        let status = self.status();
        let mut value = json!({
            "id": self.id.to_string(),
            "kind": self.kind,
            "summary": self.summary,
            "status": status.as_str(),
            "ready": status.is_ready(),
            "spawn-time": self.spawned.to_string(),
        });
        if !self.tasks.is_empty() {
            value["tasks"] = self.tasks.iter().map(Task::to_json).collect();
        }
        if let Some(error) = self.error() {
            value["err"] = json!(error);
        }
        if let Some(ready) = self.ready {
            value["ready-time"] = json!(ready.to_string());
        }
        value
    }
}

impl Task {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "id": self.id.to_string(),
            "kind": self.kind,
            "summary": self.summary,
            "status": self.status.as_str(),
            // Pebble's tasks count nothing.
            "progress": {"label": "", "done": 1, "total": 1},
            "spawn-time": self.spawned.to_string(),
        });
        if self.status == Status::Do {
            value["progress"]["done"] = json!(0);
        }
        if !self.log.is_empty() {
            value["log"] = json!(self.log);
        }
        if let Some(ready) = self.ready {
            value["ready-time"] = json!(ready.to_string());
        }
        if !self.data.is_empty() {
            value["data"] = json!(self.data);
        }
        value
    }
}

impl Status {
    fn is_ready(self) -> bool {
        matches!(self, Status::Done | Status::Hold | Status::Error)
    }

    fn as_str(self) -> &'static str {
        match self {
            Status::Hold => "Hold",
            Status::Do => "Do",
            Status::Doing => "Doing",
            Status::Done => "Done",
            Status::Abort => "Abort",
            Status::Error => "Error",
        }
    }
}

/// `GET /v1/changes`
pub(crate) fn list(daemon: &Daemon, request: &Request) -> Answered {
    let wanted: fn(&Change) -> bool = match request.get("select") {
        "all" => |_| true,
        "" | "in-progress" => |change| !change.status().is_ready(),
        "ready" => |change| change.status().is_ready(),
        _ => return Err(bad_request("select should be one of: all,in-progress,ready")),
    };
    let service = request.get("for");
    sync(daemon.read(|state| {
        let changes = state.changes.changes.values();
        let of_service =
            |change: &&Change| service.is_empty() || change.services.iter().any(|name| name == service);
        changes
            .filter(|change| wanted(change))
            .filter(of_service)
            .map(Change::to_json)
            .collect()
    }))
}

/// `GET /v1/changes/ID`
pub(crate) fn get(daemon: &Daemon, id: &str) -> Answered {
    sync(daemon.read(|state| state.changes.named(id).map(Change::to_json))?)
}

/// `GET /v1/changes/ID/wait`
pub(crate) async fn wait(daemon: &Daemon, id: &str, request: &Request) -> Answered {
    get(daemon, id)?;
    let timeout = optional_duration("timeout", request.get("timeout"))?;
    let ready = daemon.wait_for(|state| match state.changes.named(id) {
        Ok(change) if !change.status().is_ready() => None,
        other => Some(other.map(Change::to_json)),
    });
    if timeout.is_zero() {
        return sync(ready.await?);
    }
    match tokio::time::timeout(timeout, ready).await {
        Ok(change) => sync(change?),
        Err(_) => Err(Fault::new(
            hyper::StatusCode::GATEWAY_TIMEOUT,
            format!(
                "timed out waiting for change after {}",
                juju_charm::pebble::duration::format(timeout)
            ),
        )),
    }
}

/// `POST /v1/changes/ID`
pub(crate) fn post(daemon: &Daemon, id: &str, request: &Request) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        action: String,
    }
    get(daemon, id)?;
    let payload: Payload = request.json("data from request body")?;
    if payload.action != "abort" {
        return Err(bad_request(format!("invalid action {:?}", payload.action)));
    }
    sync(daemon.update(|state| {
        let change = state.changes.named(id)?;
        if change.status().is_ready() {
            return Err(bad_request(format!(
                "cannot abort change {id} with nothing pending"
            )));
        }
        let number = change.id;
        state.changes.abort(number);
        state.changes.named(id).map(Change::to_json)
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tasks() -> (Changes, TaskId, TaskId) {
        let mut changes = Changes::default();
        let new = NewChange {
            kind: "start",
            summary: "Start".to_owned(),
            tasks: vec![("start", "Start a".to_owned()), ("start", "Start b".to_owned())],
            ..NewChange::default()
        };
        let (_, ids) = changes.add(new);
        (changes, ids[0], ids[1])
    }

    #[test]
    fn a_change_is_what_its_tasks_are() {
        let (mut changes, a, b) = two_tasks();
        let status = |changes: &Changes| changes.changes[&1].status().as_str();
        assert_eq!(status(&changes), "Do");
        changes.set_status(a, Status::Doing);
        assert_eq!(status(&changes), "Doing");
        changes.set_status(a, Status::Done);
        assert_eq!(status(&changes), "Do");
        assert_eq!(changes.notices.occurrences("1"), 2, "made and begun");
        changes.set_status(b, Status::Doing);
        changes.fail(b, "why");
        assert_eq!(changes.notices.occurrences("1"), 4, "aborted and failed");
        let change = changes.changes[&1].to_json();
        assert_eq!(
            change["err"],
            "cannot perform the following tasks:\n- Start b (why)"
        );
        assert_eq!(
            (&change["status"], &change["ready"]),
            (&json!("Error"), &json!(true))
        );
    }

    #[test]
    fn an_aborted_change_does_not_begin_what_it_has_not_begun() {
        let (mut changes, a, b) = two_tasks();
        changes.set_status(a, Status::Doing);
        changes.abort(1);
        assert_eq!(changes.status(a), Some(Status::Abort));
        assert_eq!(changes.status(b), Some(Status::Hold));
    }
}
