//! Why Juju did not do it.

use std::time::Duration;

use config_recovery::shown::shown;

use super::PROGRAM;
use crate::problem::{Kind, Problem};

/// A command of `juju` that came to nothing. Which of Juju's refusals it is, is told by its words: it has one exit code for
/// several of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JujuError {
    /// There is no such program.
    #[error("cannot run juju: there is no such program in PATH")]
    Missing,
    /// It is there and cannot be run.
    #[error("cannot run juju: {0}")]
    NotRun(String),
    /// It is older than what is used here.
    #[error("cannot use Juju {version}: its actions have no tasks")]
    TooOld {
        /// What it says of itself.
        version: String,
    },
    /// No controller is known here.
    #[error("cannot ask Juju: no controller is known on this machine")]
    NoController,
    /// Several controllers are known, and none is the current one.
    #[error("cannot ask Juju: no controller is chosen")]
    NoCurrentController,
    /// The one that was named is none of them.
    #[error("cannot find controller {0}")]
    NoSuchController(String),
    /// No model is the current one, and none was named.
    #[error("cannot ask Juju: no model is chosen")]
    NoCurrentModel,
    /// The login has ended, or was never made.
    #[error("cannot ask Juju: you are logged out: {0}")]
    LoggedOut(String),
    /// The controller has no such model, or does not show it.
    #[error("cannot find {0}")]
    NoModel(String),
    /// The controller has no such task, or not any more.
    #[error("Juju knows no task {0}")]
    NoTask(String),
    /// The controller does not answer.
    #[error("cannot ask Juju: `{command}` gave no answer within {} s", .after.as_secs())]
    NoAnswer {
        /// What was run.
        command: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It printed something else than what is read here.
    #[error("cannot understand what `{command}` printed: {reason}")]
    NotUnderstood {
        /// What was run.
        command: String,
        /// Why.
        reason: String,
    },
    /// Any other refusal.
    #[error("`{command}` failed: {reason}")]
    Refused {
        /// What was run.
        command: String,
        /// Juju's words.
        reason: String,
    },
}

impl JujuError {
    /// Juju's words, of a refusal that is none of the others.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused { reason, .. } => reason,
            _ => "",
        }
    }

    pub(super) fn not_run(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            _ => Self::NotRun(format!("{PROGRAM}: {error}")),
        }
    }

    /// What Juju says on standard error, and what that means.
    pub(super) fn refused(command: &str, said: &str) -> Self {
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.clone().next();
        // Warnings and questions may come before it.
        let line = lines.find(|line| line.starts_with("ERROR ")).or(first);
        let line = shown(
            line.unwrap_or("Juju gives no reason")
                .trim_start_matches("ERROR "),
        );
        let line = line.trim_end_matches('.').to_owned();
        if line.starts_with("No controllers registered") || line.starts_with("no controllers registered") {
            return Self::NoController;
        }
        if line.starts_with("No selected controller") {
            return Self::NoCurrentController;
        }
        // `ControllerByName` in `jujuclient/file.go` of juju/juju.
        if let Some(controller) = line
            .strip_prefix("controller ")
            .and_then(|rest| rest.strip_suffix(" not found"))
            .filter(|name| !name.contains(' '))
        {
            return Self::NoSuchController(controller.to_owned());
        }
        if line.starts_with("No selected model") || line.to_lowercase().starts_with("no model") {
            return Self::NoCurrentModel;
        }
        if let Some(model) = line
            .strip_suffix(" not found")
            .filter(|what| what.starts_with("model "))
        {
            return Self::NoModel(model.to_owned());
        }
        if let Some(task) = line
            .strip_prefix("task ")
            .and_then(|rest| rest.strip_suffix(" not found"))
        {
            return Self::NoTask(task.trim_matches('"').to_owned());
        }
        // The last two are what a Juju says that has forgotten the account (canonical/jimm#1463).
        let is_login = [
            "not logged",
            "please log in",
            "invalid entity name or password",
            "cannot get discharge",
            "cannot log into controller",
            "account details for controller",
            "current model for controller",
        ];
        // It asks for a password, and nobody is there to answer (`cmd/modelcmd/base.go` of juju/juju).
        let asks = said.contains("please enter password");
        if asks {
            return Self::LoggedOut("Juju asks for a password".to_owned());
        }
        if is_login.iter().any(|words| line.contains(words)) {
            return Self::LoggedOut(line);
        }
        Self::Refused {
            command: command.to_owned(),
            reason: line,
        }
    }
}

impl From<JujuError> for Problem {
    fn from(error: JujuError) -> Self {
        let next = match &error {
            JujuError::Missing => "sudo snap install juju --classic, or see https://juju.is/docs",
            JujuError::NotRun(_) => "type -a juju shows which program that is; PATH decides",
            JujuError::TooOld { .. } => "sudo snap refresh juju --channel=3.6/stable",
            JujuError::NoController => {
                "juju register, or juju login, with what the controller's owner gave you"
            }
            JujuError::NoCurrentController => "juju switch CONTROLLER; juju controllers shows them",
            JujuError::NoSuchController(_) => {
                "juju controllers shows which there are; then --model CONTROLLER:MODEL"
            }
            JujuError::NoCurrentModel => "name it with --model, or juju switch MODEL; juju models shows them",
            JujuError::LoggedOut(_) => "juju login",
            JujuError::NoModel(_) => {
                "juju models shows which there are; one of another controller is CONTROLLER:MODEL"
            }
            JujuError::NoTask(_) => "juju operations shows what Juju still has",
            JujuError::NoAnswer { .. } => "run it by hand; when it answers, run this again",
            JujuError::NotUnderstood { .. } => {
                "run it by hand and see what it prints; juju version tells whether it is the one you mean"
            }
            JujuError::Refused { .. } => "run it by hand; when it answers, run this again",
        };
        Self::new(Kind::NotAsked, error.to_string(), next)
    }
}
