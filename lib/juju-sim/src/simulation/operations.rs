//! The operations of a model: what was asked for with `juju run`, and what became of it.
//!
//! They are files of their own beside the model, so that an action can be asked for, watched and cancelled while another
//! one holds the model: one book with every operation, and one file for each task with what the action has logged so far.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ActionResult;
use super::store::locked;
use crate::error::{Error, Result};

const FOLDER: &str = "operations";
const BOOK: &str = "book.json";
const LOCK: &str = "lock";

/// One operation. In a simulated Juju it has one task, whose number is the next one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Number of the operation.
    pub id: u32,
    /// Name of the action.
    pub action: String,
    /// The parameters that were given, without the schema's defaults; with them in Juju 3.
    pub params: Map<String, Value>,
    /// When its task ended, in nanoseconds since 1970.
    pub completed: Option<i64>,
    /// Its task. The log of one that is under way is what the action has logged so far.
    pub task: ActionResult,
}

impl Operation {
    /// Whether its task is still to be run, or under way.
    pub fn is_open(&self) -> bool {
        matches!(self.task.status.as_str(), "pending" | "running")
    }
}

/// Everything that was asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Book {
    /// The number of the next operation.
    pub next: u32,
    pub operations: BTreeMap<u32, Operation>,
}

impl Book {
    /// Takes the numbers of an operation and its task. `least`: numbers below it were given out before there was a book.
    pub fn number(&mut self, least: u32) -> u32 {
        // Juju numbers the operation and its task in one sequence: the first task is 1.
        let id = self.next.max(least);
        self.next = id.saturating_add(2);
        id
    }

    pub fn task_mut(&mut self, task: &str) -> Option<&mut Operation> {
        self.operations
            .values_mut()
            .find(|operation| operation.task.id == task)
    }
}

/// The files.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    folder: PathBuf,
}

impl Operations {
    /// Those of the model in the state folder `state`. Nothing is made before the first change.
    pub fn of(state: &Path) -> Operations {
        Operations {
            folder: state.join(FOLDER),
        }
    }

    /// Everything, as it is at this moment.
    pub fn read(&self) -> Result<Book> {
        let path = self.folder.join(BOOK);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Book::default()),
            other => other.map_err(Error::io("read", &path))?,
        };
        serde_json::from_slice(&text).map_err(|error| Error::Malformed {
            path,
            reason: error.to_string(),
        })
    }

    /// Changes the book, alone among all processes. It is not held for longer than `change` takes.
    pub fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let _lock = locked(&self.folder.join(LOCK))?;
        let mut book = self.read()?;
        let answer = change(&mut book);
        let text = serde_json::to_vec(&book).map_err(|error| Error::Malformed {
            path: self.folder.join(BOOK),
            reason: error.to_string(),
        })?;
        // The old or the new one is there at any time, for those who read without the lock.
        let (new, path) = (self.folder.join("book.json.new"), self.folder.join(BOOK));
        std::fs::write(&new, text).map_err(Error::io("write", &new))?;
        std::fs::rename(&new, &path).map_err(Error::io("write", &path))?;
        Ok(answer)
    }

    /// All operations, with the logs of their tasks.
    pub fn all(&self) -> Result<BTreeMap<u32, Operation>> {
        let mut operations = self.read()?.operations;
        for operation in operations.values_mut() {
            operation.task.log = self.log(&operation.task.id)?;
        }
        Ok(operations)
    }

    /// What a task has logged so far. A line that is being written is left out.
    pub fn log(&self, task: &str) -> Result<Vec<String>> {
        let path = self.log_path(task);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io("read", &path))?,
        };
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        // Each is a JSON text, since what is logged may have several lines.
        Ok(whole.filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Where a task's log goes, which begins anew.
    pub fn begin_log(&self, task: &str) -> Result<TaskLog> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let path = self.log_path(task);
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(TaskLog { file })
    }

    /// Where a process that runs tasks in the background says what went wrong.
    pub fn errors(&self) -> Result<File> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let path = self.folder.join("errors.log");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.map_err(Error::io("open", &path))
    }

    fn log_path(&self, task: &str) -> PathBuf {
        self.folder.join(format!("{task}.log"))
    }
}

/// The log of a task that runs.
#[derive(Debug)]
pub(crate) struct TaskLog {
    file: File,
}

impl TaskLog {
    /// Adds a line, which others can read at once.
    pub fn add(&mut self, line: &str) {
        let text = format!("{}\n", Value::from(line));
        // The action goes on without it: a full disk is told by whatever the action does itself.
        let _ = self.file.write_all(text.as_bytes());
    }
}
