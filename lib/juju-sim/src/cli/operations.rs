//! `juju operations`, `show-operation`, `show-task` and `cancel-task`, in the shape that Juju 4.0.14 gives them.
//!
//! The tables and `cancel-task` were not recorded: they are those of `cmd/juju/action/listoperations.go` and `cancel.go` of
//! juju/juju.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::juju;
use super::output::{print, table, write};
use super::verbs::{self, Follow, Format, Output};
use crate::error::{Error, Result};
use crate::layout::app_of;
use crate::simulation::{ActionResult, Operation, action_time, plain_time, table_time};

/// Between two looks at what is followed. Juju's own command looks every 20 ms at first, too.
const PAUSE: Duration = Duration::from_millis(20);
/// So many are listed where nobody says how many (`state/operation.go` of juju/juju).
const LISTED: usize = 500;
/// What an operation's status can be, and a filter may name.
const STATUSES: [&str; 7] = [
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "aborting",
    "aborted",
];

/// A task as `juju run` and `show-task` show it.
#[derive(Debug, Serialize)]
pub(super) struct TaskShown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    log: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    results: &'a Map<String, Value>,
    status: &'a str,
    timing: Timing,
    unit: &'a str,
}

impl TaskShown<'_> {
    /// What is shown of a task.
    pub fn of(task: &ActionResult) -> TaskShown<'_> {
        TaskShown {
            id: &task.id,
            log: &task.log,
            message: &task.message,
            results: &task.results,
            status: &task.status,
            timing: Timing::of(task),
            unit: &task.unit,
        }
    }
}

/// Recorded: 4.0.14 tells no task's end, and no operation's begin.
#[derive(Debug, Serialize)]
struct Timing {
    enqueued: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
}

impl Timing {
    fn of(task: &ActionResult) -> Timing {
        Timing {
            enqueued: action_time(task.enqueued),
            started: task.started.map(action_time),
            completed: None,
        }
    }
}

/// An operation as it is listed and shown; recorded: its task has no results there.
#[derive(Debug, Serialize)]
struct OperationShown<'a> {
    summary: String,
    status: &'a str,
    action: ActionShown<'a>,
    timing: Timing,
    tasks: BTreeMap<&'a str, TaskOfOperation<'a>>,
}

#[derive(Debug, Serialize)]
struct ActionShown<'a> {
    name: &'a str,
    parameters: &'a Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct TaskOfOperation<'a> {
    host: &'a str,
    status: &'a str,
    timing: Timing,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    log: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

fn summary(operation: &Operation) -> String {
    format!("action {:?}", operation.action)
}

impl OperationShown<'_> {
    fn of(operation: &Operation) -> OperationShown<'_> {
        let task = &operation.task;
        let shown = TaskOfOperation {
            host: &task.unit,
            status: &task.status,
            timing: Timing::of(task),
            log: &task.log,
            message: &task.message,
        };
        OperationShown {
            summary: summary(operation),
            status: &task.status,
            action: ActionShown {
                name: &operation.action,
                parameters: &operation.params,
            },
            timing: Timing {
                enqueued: action_time(task.enqueued),
                started: None,
                completed: operation.completed.map(action_time),
            },
            tasks: BTreeMap::from([(task.id.as_str(), shown)]),
        }
    }
}

/// `juju operations`.
pub(super) fn list(asked: &verbs::Operations) -> Result<()> {
    if let Some(status) = asked
        .status
        .iter()
        .find(|status| !STATUSES.contains(&status.as_str()))
    {
        return Err(Error::Usage(format!(
            "{status:?} is not a valid task status, want one of [{}]",
            STATUSES.join(" ")
        )));
    }
    let is_named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|named| named == name);
    let is_wanted = |operation: &Operation| {
        let unit = &operation.task.unit;
        // An application stands for all of its units, beside those that are named.
        let of_app = !asked.apps.is_empty() && is_named(&asked.apps, app_of(unit));
        let of_unit = !asked.units.is_empty() && is_named(&asked.units, unit);
        (of_app || of_unit || (asked.apps.is_empty() && asked.units.is_empty()))
            && is_named(&asked.actions, &operation.action)
            && is_named(&asked.status, &operation.task.status)
    };
    let mut operations = juju::look(&asked.output.model)?.operations()?;
    operations.retain(|_, operation| is_wanted(operation));
    // Juju takes the first of them by number, which it compares as text, so that 10 comes before 9.
    let mut kept: Vec<u32> = operations.keys().copied().collect();
    kept.sort_by_key(u32::to_string);
    let limit = if asked.limit == 0 { LISTED } else { asked.limit };
    kept = kept.into_iter().skip(asked.offset).take(limit).collect();
    operations.retain(|id, _| kept.contains(id));
    if operations.is_empty() {
        eprintln!("no matching operations");
        return Ok(());
    }
    match asked.output.format.unwrap_or(Format::Plain) {
        format @ (Format::Json | Format::Yaml) => {
            let shown: BTreeMap<String, _> = operations
                .values()
                .map(|operation| (operation.id.to_string(), OperationShown::of(operation)))
                .collect();
            print(&shown, format)
        }
        Format::Plain | Format::Tabular => write(&lines(operations.values())),
    }
}

fn lines<'a>(operations: impl Iterator<Item = &'a Operation>) -> String {
    let mut rows = vec![
        ["Id", "Status", "Started", "Finished", "Task IDs", "Summary"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(operations.map(|operation| {
        let finished = operation.completed.map(table_time);
        vec![
            operation.id.to_string(),
            operation.task.status.clone(),
            // An operation's begin is not told, see `Timing`.
            String::new(),
            finished.unwrap_or_default(),
            operation.task.id.clone(),
            summary(operation),
        ]
    }));
    let widest = rows.iter().filter_map(|row| row.first()).map(String::len).max();
    for first in rows.iter_mut().filter_map(|row| row.first_mut()) {
        *first = format!("{first:>width$}", width = widest.unwrap_or(0));
    }
    table(&rows)
}

/// `juju show-operation`.
pub(super) fn show(id: &str, follow: &Follow, output: &Output) -> Result<()> {
    let missing = || Error::refused(format!("operation {id:?} not found"));
    let is_meant = |operation: &Operation| operation.id.to_string() == id;
    let operation = followed(follow, output, is_meant, missing, "timeout reached")?;
    print(
        &OperationShown::of(&operation),
        output.format.unwrap_or(Format::Yaml),
    )
}

/// `juju show-task`.
pub(super) fn show_task(id: &str, follow: &Follow, output: &Output) -> Result<()> {
    let missing = || Error::refused(format!("task {id} not found"));
    let is_meant = |operation: &Operation| operation.task.id == id;
    let operation = followed(follow, output, is_meant, missing, "maximum wait time reached")?;
    match output.format.unwrap_or(Format::Plain) {
        format @ (Format::Json | Format::Yaml) => print(&TaskShown::of(&operation.task), format),
        Format::Plain | Format::Tabular => print_plain(&operation.task),
    }
}

/// The operation that is meant; with `--watch` and `--wait` once it has ended.
fn followed(
    follow: &Follow,
    output: &Output,
    is_meant: impl Fn(&Operation) -> bool,
    missing: impl Fn() -> Error,
    too_late: &str,
) -> Result<Operation> {
    let wait = match &follow.wait {
        None => None,
        Some(text) => Some(go_duration::parse(text).map_err(|error| Error::Usage(error.to_string()))?),
    };
    // A negative time is none, as in Juju.
    let wait = wait.and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
    let deadline = wait.map(|nanoseconds| Instant::now() + Duration::from_nanos(nanoseconds));
    let looked = juju::look(&output.model)?;
    loop {
        let operation = looked.operations()?.into_values().find(&is_meant);
        let operation = operation.ok_or_else(&missing)?;
        if !operation.is_open() || !(follow.watch || deadline.is_some()) {
            return Ok(operation);
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(Error::refused(too_late));
        }
        std::thread::sleep(PAUSE);
    }
}

/// `juju cancel-task`.
pub(super) fn cancel(ids: &[String], output: &Output) -> Result<()> {
    let looked = juju::look(&output.model)?;
    let mut cancelled = Vec::new();
    for id in ids {
        let operation = looked.cancel_task(id)?;
        let completed = operation.completed.map(plain_time);
        cancelled.push(json!({
            "action": operation.action, "id": operation.task.id, "unit": operation.task.unit,
            "status": operation.task.status, "completed at": completed.unwrap_or_else(|| "n/a".to_owned()),
        }));
    }
    print(
        &json!({ "actions": cancelled }),
        output.format.unwrap_or(Format::Yaml),
    )
}

/// A task as it is shown to people: `printPlainOutput` in `cmd/juju/action/common.go` of juju/juju.
pub(super) fn print_plain(task: &ActionResult) -> Result<()> {
    if task.status == "failed" {
        write(&format!("Action id {} failed: {}\n", task.id, task.message))?;
    }
    let mut shown = task.results.clone();
    shown.remove("return-code");
    let printed = [shown.remove("stdout"), shown.remove("stderr")];
    match (task.results.is_empty(), shown.is_empty()) {
        (true, _) => write(&format!("Task {} {}\n", task.id, task.status))?,
        (false, true) => {}
        (false, false) => print(&shown, Format::Yaml)?,
    }
    write("\n")?;
    for text in printed.iter().flatten().filter_map(Value::as_str) {
        write(&format!("{}\n", text.trim_matches('\n')))?;
    }
    Ok(())
}
