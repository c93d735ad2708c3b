//! `juju run`, with Juju's talk on stderr and its JSON on stdout.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

use super::operations::{TaskShown, print_plain};
use super::output::print;
use super::verbs::{Format, Output};
use super::{Answer, OWN_UNIT, Outcome, STATE_FOLDER, juju, own_unit, state_folder};
use crate::error::{Error, Result};
use crate::simulation::{Operation, Simulation};

/// The verb of `juju-sim` that runs what is pending.
pub(super) const RUNNER: &str = "run-pending";

/// Enqueues an action, and prints what comes of it, or with `background` leaves it to a process of its own.
pub(crate) fn run(
    unit: &str,
    action: &str,
    params: Map<String, Value>,
    background: bool,
    output: &Output,
) -> Answer {
    let looked = juju::look(&output.model)?;
    if !unit.ends_with("/leader") && !looked.model().units.contains_key(unit) {
        let operation = looked.number_of_nothing()?;
        // Recorded on 4.0.14, where it is no error.
        eprintln!(
            "{}Operation {operation} failed to schedule any tasks:\nlinking task to unit: getting unit UUID for \
             {unit:?}: unit {unit:?} not found",
            if background { "" } else { "\n" }
        );
        return Ok(Outcome::Done);
    }
    let operation = looked.enqueue_action(unit, action, params)?;
    let (id, task) = (operation.id, operation.task.id.clone());
    if background {
        eprintln!("Scheduled operation {id} with task {task}");
        eprintln!("Check operation status with 'juju show-operation {id}'");
        eprintln!("Check task status with 'juju show-task {task}'");
        start_runner(&looked)?;
        return Ok(Outcome::Done);
    }
    eprintln!("Running operation {id} with 1 task");
    eprintln!(
        "  - task {task} on unit-{}\n",
        operation.task.unit.replace('/', "-")
    );
    eprintln!("Waiting for task {task}...");
    if operation.is_open() {
        let mut simulation = Simulation::open_in_turn(state_folder()?, own_unit())?;
        simulation.run_pending(Some(&task))?;
    }
    let operations = looked.operations()?;
    let ended = operations
        .get(&id)
        .ok_or_else(|| Error::refused(format!("operation {id} not found")))?;
    tell(ended, output.format.unwrap_or(Format::Plain))
}

fn tell(operation: &Operation, format: Format) -> Answer {
    let task = &operation.task;
    for line in &task.log {
        // `2026-11-23 09:25:03.146256528 +0000 UTC text` is shown as `09:25:03 text`.
        let (time, text) = line.split_once(" +0000 UTC ").unwrap_or(("", line));
        let time = time.split([' ', '.']).nth(1).unwrap_or_default();
        eprintln!("{time} {text}");
    }
    if !task.log.is_empty() {
        eprintln!();
    }
    match format {
        Format::Json | Format::Yaml => {
            let shown = std::collections::BTreeMap::from([(&task.unit, TaskShown::of(task))]);
            print(&shown, format)?;
        }
        Format::Plain | Format::Tabular => print_plain(task)?,
    }
    let return_code = task.results.get("return-code").and_then(Value::as_i64);
    if let Some(code @ 1..) = return_code {
        eprintln!(
            "ERROR the following task failed:\n - id {:?} with return code {code}\n",
            task.id
        );
        eprintln!("use 'juju show-task' to inspect the failure\n");
        return Ok(Outcome::Failed(1));
    }
    Ok(Outcome::Done)
}

/// Starts a process that runs what is pending. It is in a session of its own, so that nothing which ends this command or its
/// terminal ends it.
fn start_runner(looked: &Simulation) -> Result<()> {
    let program = std::env::current_exe().map_err(Error::io("find", "the running executable"))?;
    let errors = looked.operations_errors()?;
    let mut first = Command::new(&program);
    first
        .arg(RUNNER)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors);
    first.env(STATE_FOLDER, looked.dir());
    if let Some(unit) = own_unit() {
        first.env(OWN_UNIT, unit);
    }
    // It starts a second one of itself and ends.
    let status = first.status().map_err(Error::io("run", &program))?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::refused(
            "cannot start the action in the background; see operations/errors.log of the state folder",
        )),
    }
}

/// [`RUNNER`]: starts itself again, and that one leaves the session. The first one may lead a process group, which cannot.
pub(super) fn run_pending(detached: bool) -> Answer {
    if !detached {
        let program = std::env::current_exe().map_err(Error::io("find", "the running executable"))?;
        let mut second = Command::new(&program);
        second.args([RUNNER, "--detached"]);
        second.spawn().map_err(Error::io("run", &program))?;
        return Ok(Outcome::Done);
    }
    rustix::process::setsid()
        .map_err(|error| Error::io("leave the session of", "the command")(error.into()))?;
    Simulation::open_in_turn(state_folder()?, own_unit())?.run_pending(None)?;
    Ok(Outcome::Done)
}

/// `KEY=VALUE`, dots in the key nest; the values are YAML. They override those of the file.
pub(crate) fn parameters(
    params: &[String],
    file: Option<&Path>,
    string_args: bool,
) -> Result<Map<String, Value>> {
    let mut all = match file {
        None => Map::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
            let parsed: std::result::Result<Map<String, Value>, _> = juju_hook_tools::yaml::from_str(&text);
            parsed.map_err(|error| Error::Malformed {
                path: path.to_path_buf(),
                reason: error.to_string(),
            })?
        }
    };
    for (key, text) in super::pairs::pairs(params)? {
        let value = if string_args {
            Value::String(text)
        } else {
            juju_hook_tools::yaml::from_str(&text)
                .map_err(|error| Error::refused(format!("yaml: {error}")))?
        };
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut place = &mut all;
        for part in parts {
            let nested = place.entry(part).or_insert_with(|| Value::Object(Map::new()));
            place = nested.as_object_mut().ok_or_else(|| {
                Error::Usage(format!("parameter {key:?} is below a value that has no parts"))
            })?;
        }
        place.insert(last.to_owned(), value);
    }
    Ok(all)
}
