//! What can go wrong between a charm and a Pebble.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::change::{ChangeId, Task};
use super::text_enum::text_enum;

/// A Pebble could not be asked, refused, or could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No Pebble answers: it is not started yet, restarting, or gone. Go on at the container's pebble-ready event.
    #[error("cannot reach Pebble at {}; its container may still be starting, try again at its pebble-ready event", .socket.display())]
    NotReachable {
        /// The socket.
        socket: PathBuf,
        /// Why; a timeout is [`io::ErrorKind::TimedOut`].
        #[source]
        source: io::Error,
    },
    /// Pebble refused a request.
    #[error("cannot {operation}: {message}")]
    Api {
        /// What was asked for, such as `add layer "web"`.
        operation: String,
        /// HTTP status.
        status: u16,
        /// Pebble's kind of the error; often empty.
        kind: String,
        /// Pebble's text.
        message: String,
    },
    /// A file or folder of the container could not be used.
    #[error("cannot {operation} {path}: {message}")]
    Path {
        /// What was to be done, such as `read`.
        operation: &'static str,
        /// Path in the container.
        path: String,
        /// What kind of fault it is.
        kind: PathErrorKind,
        /// Pebble's text.
        message: String,
    },
    /// A change ended with an error.
    #[error("cannot finish change {id} ({summary}): {}", one_line(.err))]
    Change {
        /// The change.
        id: ChangeId,
        /// What it was to do, such as `Replan service "web"`.
        summary: String,
        /// Pebble's text. It may have several lines.
        err: String,
        /// The tasks. Their logs hold the last lines that a process wrote, so they are not in the text of this error.
        tasks: Vec<Task>,
    },
    /// A change was not ready in time. It goes on in Pebble.
    #[error(
        "cannot wait for change {id} any longer: not ready after {timeout:?}; it goes on, look at pebble tasks {id}"
    )]
    ChangeTimeout {
        /// The change.
        id: ChangeId,
        /// How long was waited.
        timeout: Duration,
    },
    /// The answer is not what Pebble's API defines.
    #[error("cannot understand Pebble's answer to {operation}: {reason}")]
    Protocol {
        /// What was asked for.
        operation: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

text_enum! {
    /// Pebble's kinds of faults with files.
    PathErrorKind {
        /// The path, or a folder on the way, does not exist.
        NotFound = "not-found",
        /// Pebble may not.
        PermissionDenied = "permission-denied",
        /// Anything else.
        GenericFileError = "generic-file-error",
    }
}

impl Error {
    /// True if no Pebble answers.
    pub fn is_not_reachable(&self) -> bool {
        matches!(self, Self::NotReachable { .. })
    }

    /// True if Pebble says that the file, folder or change does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Path { kind, .. } => *kind == PathErrorKind::NotFound,
            Self::Api { status, .. } => *status == 404,
            _ => false,
        }
    }

    /// True if Pebble may not, or the charm may not ask it: it runs as another user than root.
    pub fn is_not_allowed(&self) -> bool {
        match self {
            Self::Path { kind, .. } => *kind == PathErrorKind::PermissionDenied,
            Self::Api { status, .. } => matches!(status, 401 | 403),
            _ => false,
        }
    }

    /// The last lines that the processes of a failed change wrote; empty for other errors.
    pub fn task_logs(&self) -> Vec<&str> {
        match self {
            Self::Change { tasks, .. } => tasks
                .iter()
                .flat_map(|task| &task.log)
                .map(String::as_str)
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn protocol(operation: &str, reason: impl fmt::Display) -> Self {
        Self::Protocol {
            operation: operation.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Pebble's list of failed tasks as one line: it ends up in a status.
fn one_line(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("- "))
        .filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_change_is_one_line() {
        let error = Error::Change {
            id: ChangeId::from("3"),
            summary: "Replan service \"web\"".to_owned(),
            err: "cannot perform the following tasks:\n- Start service \"web\" (exited quickly with code 1)"
                .to_owned(),
            tasks: Vec::new(),
        };
        assert_eq!(
            error.to_string(),
            "cannot finish change 3 (Replan service \"web\"): cannot perform the following tasks: \
             Start service \"web\" (exited quickly with code 1)"
        );
    }
}
