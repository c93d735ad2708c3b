//! Actions: started in the background, looked at, ended.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Juju, JujuError};

/// More operations of one action on one unit than Juju keeps: it removes those that are two weeks old.
const MOST: &str = "100000";

/// An action that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The operation's number.
    pub operation: String,
    /// The task's number.
    pub task: String,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// It waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// It was taken back before it ran.
    Cancelled,
    /// It is being ended.
    Aborting,
    /// It was ended.
    Aborted,
    /// Juju could not run it.
    Error,
    /// A word that this program does not know. Whether it is an end cannot be told.
    #[serde(other)]
    Unknown,
}

impl TaskState {
    /// Whether it is over; `None` for a word that is not known.
    pub fn is_over(self) -> Option<bool> {
        match self {
            Self::Pending | Self::Running | Self::Aborting => Some(false),
            Self::Completed | Self::Failed | Self::Cancelled | Self::Aborted | Self::Error => Some(true),
            Self::Unknown => None,
        }
    }
}

/// What `juju show-task` and `juju show-operation` say of a task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// Its number; `juju show-operation` has it as the key.
    #[serde(default)]
    pub id: String,
    /// The unit, by `juju show-task`.
    #[serde(default)]
    pub unit: String,
    /// The unit, by `juju show-operation`.
    #[serde(default)]
    pub host: String,
    /// Where it stands.
    pub status: TaskState,
    /// What Juju or the charm says of a failure.
    #[serde(default)]
    pub message: String,
    /// What the charm said while it ran: `2026-11-27 20:32:06.846918841 +0000 UTC text`.
    #[serde(default)]
    pub log: Vec<String>,
    /// What came of it.
    #[serde(default)]
    pub results: BTreeMap<String, Value>,
    /// When.
    #[serde(default)]
    pub timing: Timing,
}

impl Task {
    /// Whether it is of a unit of this app. A model that was made anew under its name counts its tasks from the beginning again. Of a Juju that
    /// does not say whose it is it is taken to be.
    pub fn is_of(&self, app: &str) -> bool {
        self.unit.is_empty() || self.unit.split('/').next() == Some(app)
    }
}

/// Times in Juju's form: `2026-11-27 20:31:59.301243227 +0000 UTC`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// When it was asked for.
    pub enqueued: String,
    /// When it began.
    pub started: String,
    /// When it ended.
    pub completed: String,
}

/// An operation: an action that was asked for, of one unit or of several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Operation {
    /// Where it stands.
    pub status: TaskState,
    /// The action.
    #[serde(default)]
    pub action: OperationAction,
    /// When.
    #[serde(default)]
    pub timing: Timing,
    /// Its tasks by number.
    #[serde(default)]
    pub tasks: BTreeMap<String, Task>,
}

/// Which action, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OperationAction {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, Value>,
}

/// A time of Juju's, in the zone of whoever asks: `2026-11-27 21:31:59.3 +0100 CET`.
pub fn time(text: &str) -> Option<jiff::Timestamp> {
    // The name of the zone says nothing that the offset does not, and may be one, too.
    let (time, _) = text.rsplit_once(' ')?;
    let time = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S%.f %z", time).ok()?;
    time.to_timestamp().ok()
}

/// A line of a task's log without its time, which has four words.
pub fn said(line: &str) -> &str {
    let end = line.match_indices(' ').nth(3).map(|(at, _)| at);
    match end.map(|at| line.split_at(at)) {
        Some((at, text)) if time(at).is_some() => text.strip_prefix(' ').unwrap_or(text),
        _ => line,
    }
}

impl Juju {
    /// The command that starts an action, without what makes it run in the background.
    pub fn run_arguments(unit: &str, action: &str, parameters: &BTreeMap<String, String>) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), unit.to_owned(), action.to_owned()];
        arguments.extend(parameters.iter().map(|(key, value)| format!("{key}={value}")));
        arguments
    }

    /// Starts an action. It runs on, whatever becomes of this program.
    ///
    /// # Errors
    /// As any command of Juju's; a unit that is not there is told by Juju with an exit code of 0, and is an error here.
    pub async fn start(
        &self,
        unit: &str,
        action: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Started, JujuError> {
        let mut arguments = Self::run_arguments(unit, action, parameters);
        arguments.extend(["--background", "--format", "json"].map(str::to_owned));
        let output = self.run(&arguments).await?;
        started(&output.err)
            .or_else(|| started(&output.out))
            .ok_or_else(|| {
                let command = self.command(&arguments);
                JujuError::refused(&command, &output.err)
            })
    }

    /// A task as it stands.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn task(&self, task: &str) -> Result<Task, JujuError> {
        self.json(&["show-task", task]).await
    }

    /// The operations of an action on a unit that Juju still knows, by number. Their tasks have no log.
    ///
    /// Juju sorts them as texts and leaves out what is beyond a limit of its own, 50 or 500 by version, so that the newest ones
    /// may be missing where none is said. Where there are none it prints no document at all
    /// (`cmd/juju/action/listoperations.go`, `state/operation.go` of juju/juju).
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn operations(
        &self,
        unit: &str,
        action: &str,
    ) -> Result<BTreeMap<String, Operation>, JujuError> {
        let query = [
            "operations",
            "--units",
            unit,
            "--actions",
            action,
            "--limit",
            MOST,
        ];
        let found: Option<BTreeMap<String, Operation>> = self.json_if_any(&query).await?;
        Ok(found.unwrap_or_default())
    }

    /// Takes a task back that has not begun.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn cancel(&self, task: &str) -> Result<(), JujuError> {
        self.run(&["cancel-task".to_owned(), task.to_owned()])
            .await
            .map(drop)
    }
}

/// `Scheduled operation 22 with task 23`, on standard error.
fn started(said: &str) -> Option<Started> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Scheduled operation "))?;
    let (operation, task) = line.split_once(" with task ")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(operation) && is_number(task)).then(|| Started {
        operation: operation.to_owned(),
        task: task.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Juju prints times in the zone of whoever asks; an offset has no name of its own in some.
    #[test]
    fn a_time_of_any_zone_is_read_and_taken_off_a_line() {
        for (text, is) in [
            ("2026-11-27 20:31:59 +0000 UTC", "2026-11-27T20:31:59Z"),
            ("2026-11-27 21:31:59.3 +0100 CET", "2026-11-27T20:31:59.3Z"),
            ("2026-11-27 20:31:59 +0000 GMT", "2026-11-27T20:31:59Z"),
            (
                "2026-11-27 17:31:59.123456789 -0300 -03",
                "2026-11-27T20:31:59.123456789Z",
            ),
        ] {
            assert_eq!(
                time(text).map(|time| time.to_string()).as_deref(),
                Some(is),
                "{text}"
            );
            assert_eq!(
                said(&format!("{text} copying, 3 UTC of 4")),
                "copying, 3 UTC of 4"
            );
        }
        for text in [
            "",
            "copying",
            "now it is 12 UTC or so",
            "2026-11-27 20:31:59 +0000",
        ] {
            assert_eq!(time(text), None, "{text}");
            assert_eq!(said(text), text);
        }
    }

    #[test]
    fn the_numbers_of_what_was_started_are_read() {
        let said =
            "Scheduled operation 22 with task 23\nCheck operation status with 'juju show-operation 22'\n";
        let found = started(said).unwrap();
        assert_eq!((found.operation.as_str(), found.task.as_str()), ("22", "23"));
        assert_eq!(started("Operation 24 failed to schedule any tasks:\n"), None);
        assert_eq!(started("Scheduled operation 1 with task 2; rm -rf /"), None);
    }

    #[test]
    fn times_and_log_lines_of_juju_are_read() {
        let line = "2026-11-27 20:32:06.846918841 +0000 UTC restoring backup a UTC b";
        assert_eq!(said(line), "restoring backup a UTC b");
        assert_eq!(
            time("2026-11-27 20:31:59.301243227 +0000 UTC")
                .unwrap()
                .to_string(),
            "2026-11-27T20:31:59.301243227Z"
        );
        assert_eq!(time("yesterday"), None);
    }
}
