//! `juju run`, with Juju's talk on stderr and its JSON on stdout.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::output::{print, write};
use super::verbs::{Format, Output};
use super::{Answer, Outcome};
use crate::error::{Error, Result};
use crate::simulation::{ActionResult, Simulation, action_time};

#[derive(Debug, Serialize)]
struct Task<'a> {
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

#[derive(Debug, Serialize)]
struct Timing {
    enqueued: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
}

/// Runs an action and prints what came of it.
pub(crate) fn run(
    simulation: &mut Simulation,
    unit: &str,
    action: &str,
    params: &[String],
    file: Option<&Path>,
    string_args: bool,
    output: &Output,
) -> Answer {
    let format = output.format.unwrap_or(Format::Plain);
    let outcome =
        parameters(params, file, string_args).and_then(|params| simulation.run_action(unit, action, params));
    let result = match outcome {
        Ok(result) => result,
        Err(error) => {
            if format == Format::Json {
                write("{}\n")?;
            }
            return Err(error);
        }
    };
    let operation = result.id.parse::<u32>().map_or(0, |task| task.saturating_sub(1));
    eprintln!("Running operation {operation} with 1 task");
    eprintln!(
        "  - task {} on unit-{}\n",
        result.id,
        result.unit.replace('/', "-")
    );
    eprintln!("Waiting for task {}...", result.id);
    for line in &result.log {
        // `2026-11-23 09:25:03 +0000 UTC text` is shown as `09:25:03 text`.
        let (time, text) = line.split_once(" +0000 UTC ").unwrap_or(("", line));
        eprintln!("{} {text}", time.split(' ').nth(1).unwrap_or_default());
    }
    if !result.log.is_empty() {
        eprintln!();
    }
    show(&result, format)?;
    let return_code = result
        .results
        .get("return-code")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    if return_code != 0 {
        eprintln!(
            "ERROR the following task failed:\n - id {:?} with return code {return_code}\n",
            result.id
        );
        eprintln!("use 'juju show-task' to inspect the failure\n");
        return Ok(Outcome::Failed(1));
    }
    Ok(Outcome::Done)
}

fn show(result: &ActionResult, format: Format) -> Result<()> {
    if let Format::Json | Format::Yaml = format {
        let timing = Timing {
            enqueued: action_time(result.enqueued),
            started: result.started.map(action_time),
        };
        let task = Task {
            id: &result.id,
            log: &result.log,
            message: &result.message,
            results: &result.results,
            status: &result.status,
            timing,
            unit: &result.unit,
        };
        return print(&std::collections::BTreeMap::from([(&result.unit, task)]), format);
    }
    let mut shown = result.results.clone();
    // For people: what the charm printed stands as it is, and a return code of 0 says nothing.
    if shown.get("return-code").and_then(Value::as_i64) == Some(0) {
        shown.remove("return-code");
    }
    let printed = [shown.remove("stdout"), shown.remove("stderr")];
    if !shown.is_empty() {
        print(&shown, Format::Yaml)?;
    }
    for text in printed.iter().flatten().filter_map(Value::as_str) {
        write(text)?;
    }
    if !result.message.is_empty() {
        eprintln!("Action id {} {}: {}", result.id, result.status, result.message);
    }
    Ok(())
}

/// `KEY=VALUE`, dots in the key nest; the values are YAML. They override those of the file.
fn parameters(params: &[String], file: Option<&Path>, string_args: bool) -> Result<Map<String, Value>> {
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
