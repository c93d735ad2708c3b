//! Numbers of operations. Each pod's Juju counts from 0; from outside each operation of a model has a number of its own.
//!
//! As in Juju an operation's task has the number behind its own, so that one table does for both.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pods::Place;
use crate::exec::Output;

/// An operation of a pod. A new pod's Juju counts anew, so the pod is told by its uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inside {
    uid: String,
    operation: u32,
}

/// The table of a model. The place of an operation in it is half its number.
#[derive(Debug)]
pub struct Numbers {
    path: PathBuf,
}

impl Numbers {
    /// The table of this model in a folder.
    pub fn of(folder: &Path, model: &str) -> Numbers {
        Numbers {
            path: folder.join(format!("operations-{model}.json")),
        }
    }

    /// The number of a pod's operation, which gets one if it has none.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub fn outside(&self, place: &Place, operation: u32) -> Result<u32> {
        let _lock = self.lock()?;
        let mut table = self.read()?;
        let inside = Inside {
            uid: place.uid.clone(),
            operation,
        };
        let position = match table.iter().position(|known| *known == inside) {
            Some(position) => position,
            None => {
                table.push(inside);
                let new = self.path.with_extension("new");
                std::fs::write(&new, serde_json::to_vec(&table)?)?;
                std::fs::rename(&new, &self.path).context("cannot keep the number of an operation")?;
                table.len() - 1
            }
        };
        Ok(u32::try_from(position * 2)?)
    }

    /// The uid of the pod that has an operation, or with `is_task` a task, of this number, and its number there.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn inside(&self, number: u32, is_task: bool) -> Result<Option<(String, u32)>> {
        let of_task = u32::from(is_task);
        if number % 2 != of_task {
            return Ok(None);
        }
        let table = self.read()?;
        let known = table.get(usize::try_from(number / 2)?);
        Ok(known.map(|inside| (inside.uid.clone(), inside.operation + of_task)))
    }

    /// Held by one command at a time.
    fn lock(&self) -> Result<File> {
        let path = self.path.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        lock.lock().context("cannot lock the numbers of operations")?;
        Ok(lock)
    }

    fn read(&self) -> Result<Vec<Inside>> {
        match std::fs::read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            other => {
                let text = other.with_context(|| format!("cannot read {}", self.path.display()))?;
                serde_json::from_slice(&text).context("the numbers of operations are damaged")
            }
        }
    }
}

/// An operation as a pod shows it, with the number of its task from outside.
pub fn renumbered(mut shown: Value, operation: u32) -> Value {
    if let Some(tasks) = shown.get_mut("tasks").and_then(Value::as_object_mut) {
        let all = std::mem::take(tasks);
        tasks.extend(all.into_values().map(|task| ((operation + 1).to_string(), task)));
    }
    shown
}

/// The beginnings of lines in which Juju talks about numbers, up to the number; the log of an action has a time there.
const TALK: [(&str, bool); 11] = [
    ("Scheduled operation ", false),
    ("Check operation status with 'juju show-operation ", false),
    ("Check task status with 'juju show-task ", true),
    ("Running operation ", false),
    ("  - task ", true),
    ("Waiting for task ", true),
    ("Operation ", false),
    (" - id \"", true),
    ("Action id ", true),
    ("Task ", true),
    ("  id: \"", true),
];

/// The operation that a `juju run` talks about.
pub fn operation_of(talk: &str) -> Option<u32> {
    talk.lines().find_map(|line| {
        TALK.iter()
            .filter(|(_, is_task)| !is_task)
            .find_map(|(begin, _)| number(line.strip_prefix(begin)?))
    })
}

fn number(text: &str) -> Option<u32> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// What a pod said of one operation, with its number from outside.
pub fn rewrite(said: Output, operation: u32) -> Output {
    let stdout = match serde_json::from_str::<Value>(&said.stdout) {
        Ok(mut value) if value.is_object() => {
            in_json(&mut value, operation);
            format!("{value}\n")
        }
        _ => in_talk(&said.stdout, operation),
    };
    Output {
        stdout,
        stderr: in_talk(&said.stderr, operation),
        code: said.code,
    }
}

/// `show-operation`, `show-task`, `run` and `cancel-task`.
fn in_json(shown: &mut Value, operation: u32) {
    let task = Value::from((operation + 1).to_string());
    *shown = renumbered(shown.take(), operation);
    if shown.get("id").is_some() {
        shown["id"] = task.clone();
    }
    let Some(fields) = shown.as_object_mut() else {
        return;
    };
    for (name, value) in fields {
        if name.contains('/') && value.get("id").is_some() {
            value["id"] = task.clone();
        }
        if name == "actions" {
            let all = value.as_array_mut().into_iter().flatten();
            all.for_each(|one| one["id"] = task.clone());
        }
    }
}

fn in_talk(text: &str, operation: u32) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let found = TALK.iter().find_map(|(begin, is_task)| {
            let rest = line.strip_prefix(begin)?;
            number(rest).map(|_| (begin, rest, operation + u32::from(*is_task)))
        });
        let Some((begin, rest, shown)) = found else {
            return line.to_owned();
        };
        let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        // `Scheduled operation 4 with task 5`
        let rest = match rest.strip_prefix(" with task ").and_then(number) {
            Some(_) => format!(" with task {}\n", operation + 1),
            None => rest.to_owned(),
        };
        format!("{begin}{shown}{rest}")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(uid: &str) -> Place {
        Place {
            model: "home".to_owned(),
            app: "radarr".to_owned(),
            pod: "radarr-0".to_owned(),
            uid: uid.to_owned(),
        }
    }

    #[test]
    fn no_two_operations_of_a_model_have_the_same_number() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("numbers-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let numbers = Numbers::of(&folder, "home");
        let given = [("one", 0), ("two", 0), ("one", 2), ("two", 0), ("one", 0)];
        let seen = given.map(|(uid, operation)| numbers.outside(&place(uid), operation).ok());
        assert_eq!(seen, [0, 2, 4, 2, 0].map(Some));
        assert_eq!(numbers.inside(4, false)?, Some(("one".to_owned(), 2)));
        assert_eq!(numbers.inside(5, true)?, Some(("one".to_owned(), 3)));
        assert_eq!(numbers.inside(3, true)?, Some(("two".to_owned(), 1)));
        for (number, is_task) in [(4, true), (5, false), (6, false), (7, true)] {
            assert_eq!(numbers.inside(number, is_task)?, None, "{number}");
        }
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }

    #[test]
    fn what_a_pod_says_gets_the_outer_numbers() {
        let said = Output {
            stdout: json!({ "radarr/0": { "id": "1", "results": { "id": "1" } } }).to_string(),
            stderr: "Running operation 0 with 1 task\n  - task 1 on unit-radarr-0\n\nWaiting for task 1...\n\
                     10:00:00 Task 1 is not meant\nERROR the following task failed:\n - id \"1\" with return code 3\n"
                .to_owned(),
            code: 1,
        };
        assert_eq!(operation_of(&said.stderr), Some(0));
        let told = rewrite(said, 14);
        let expected = json!({ "radarr/0": { "id": "15", "results": { "id": "1" } } });
        assert_eq!(told.stdout, format!("{expected}\n"));
        assert_eq!(
            told.stderr,
            "Running operation 14 with 1 task\n  - task 15 on unit-radarr-0\n\nWaiting for task 15...\n\
             10:00:00 Task 1 is not meant\nERROR the following task failed:\n - id \"15\" with return code 3\n"
        );
        let talk = "Scheduled operation 2 with task 3\nCheck operation status with 'juju show-operation 2'\n\
                    Check task status with 'juju show-task 3'\n";
        let told = in_talk(talk, 8);
        assert_eq!(
            told,
            "Scheduled operation 8 with task 9\nCheck operation status with 'juju show-operation 8'\n\
             Check task status with 'juju show-task 9'\n"
        );
        let mut shown = json!({ "status": "running", "tasks": { "3": { "host": "radarr/0" } } });
        in_json(&mut shown, 8);
        assert_eq!(shown["tasks"], json!({ "9": { "host": "radarr/0" } }));
        let mut task = json!({ "id": "3", "unit": "radarr/0" });
        in_json(&mut task, 8);
        assert_eq!(task, json!({ "id": "9", "unit": "radarr/0" }));
    }
}
