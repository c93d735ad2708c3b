//! Juju, by its `juju` command: the only way to it that needs no credentials of our own.
//!
//! Everything is asked with `--format json`. What Juju says to people is read only where it says a thing nowhere else: which of its
//! refusals it is, and the number of an operation that was started in the background.

mod bundle;
mod change;
pub mod charm_file;
mod error;
mod import;
mod status;
mod storage;
mod tasks;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;

pub use bundle::{Deployed, Resource, read_bundle};
pub use error::JujuError;
pub use import::{Import, import};
pub use status::{Application, ApplicationStatus, ModelInfo, Related, Remote, RemoteEndpoint, Status, Unit};
pub use storage::Storages;
pub use tasks::{Operation, Started, Task, TaskState, said, time};

/// How long a command of `juju` may take, if nothing else is said. None of those that are used waits for an end.
const LIMIT: Duration = Duration::from_secs(60);

/// The oldest Juju whose actions are what is used here: `juju run` with tasks.
const OLDEST: (u32, u32) = (3, 6);

/// What is run, from PATH.
const PROGRAM: &str = "juju";

/// A way to one model.
#[derive(Debug, Clone)]
pub struct Juju {
    model: Option<String>,
    limit: Duration,
}

fn to_json(arguments: &[&str]) -> Vec<String> {
    let all = arguments.iter().chain(&["--format", "json"]);
    all.map(|&argument| argument.to_owned()).collect()
}

/// A word as a shell takes it, for a command that is shown. `KEY=VALUE` needs no quotes behind a command's name, whatever the value is made of here.
pub fn as_typed(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,@".contains(character);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into),
    }
}

/// The same without what options are set to: that may be a secret, and is no part of a message or a log.
fn without_values(arguments: &[String]) -> Vec<String> {
    let mut is_option = false;
    let shown = arguments.iter().map(|word| {
        let is_value = std::mem::replace(&mut is_option, word == "--config");
        match word.split_once('=').filter(|_| is_value) {
            Some((name, _)) => format!("{name}=VALUE"),
            None => word.clone(),
        }
    });
    shown.collect()
}

/// What a command printed.
struct Output {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Juju {
    /// The `juju` of PATH, for a model as `juju -m` takes it; `None` for the current one.
    pub fn new(model: Option<String>) -> Self {
        Self { model, limit: LIMIT }
    }

    /// The model, as `juju -m` takes it; `None` for the current one.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The same for another model.
    #[must_use]
    pub fn of_model(&self, model: String) -> Self {
        Self {
            model: Some(model),
            ..self.clone()
        }
    }

    /// How long a command may take.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Juju's version: `(3, 6)`.
    ///
    /// # Errors
    /// When it cannot be run, or is too old.
    pub async fn version(&self) -> Result<String, JujuError> {
        let output = self.run(&["version".to_owned()]).await?;
        let text = output.out.trim().to_owned();
        let mut numbers = text.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        match numbers.next().zip(numbers.next()) {
            Some(version) if version < OLDEST => Err(JujuError::TooOld { version: text }),
            Some(_) => Ok(text),
            None => Err(JujuError::NotUnderstood {
                command: "juju version".to_owned(),
                reason: format!("{text:?} is no version"),
            }),
        }
    }

    /// The command as a person would type it, with the model.
    pub fn command(&self, arguments: &[String]) -> String {
        let mut words = vec!["juju".to_owned()];
        words.extend(self.with_model(arguments));
        let words: Vec<String> = words.iter().map(|word| as_typed(word)).collect();
        words.join(" ")
    }

    /// A command of Juju's for the next step that a text names. It names the model: whoever types it may have another one as the current one
    /// by then, with an app of that name.
    pub fn typed(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        self.command(&words)
    }

    /// The same of a command of this program: `restore radarr`.
    pub fn own(&self, words: &str) -> String {
        match &self.model {
            Some(model) => format!("configuratarr {words} --model {}", as_typed(model)),
            None => format!("configuratarr {words}"),
        }
    }

    /// What a charm tells of an action, with the model in the command that takes it back: a charm does not know how its model is reached from here.
    pub fn with_undo(&self, mut results: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if let (Some(model), Some(undo)) = (&self.model, results.get_mut("undo"))
            && undo.starts_with("juju run ")
            && !undo.contains(" -m ")
        {
            *undo = format!("{undo} -m {}", as_typed(model));
        }
        results
    }

    fn with_model(&self, arguments: &[String]) -> Vec<String> {
        let mut all = arguments.to_vec();
        let takes_model = !matches!(
            arguments.first().map(String::as_str),
            Some("version" | "whoami" | "models" | "controllers" | "info" | "show-model")
        );
        if let (Some(model), true) = (&self.model, takes_model) {
            all.extend(["-m".to_owned(), model.clone()]);
        }
        all
    }

    /// Runs it with `--format json` and reads what it prints.
    async fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, JujuError> {
        let found = self.json_if_any(arguments).await?;
        found.ok_or_else(|| self.not_understood(arguments, "it is empty"))
    }

    fn not_understood(&self, arguments: &[&str], reason: &str) -> JujuError {
        JujuError::NotUnderstood {
            command: self.command(&to_json(arguments)),
            reason: reason.to_owned(),
        }
    }

    /// The same of a command that prints nothing where there is nothing.
    async fn json_if_any<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<Option<T>, JujuError> {
        let output = self.run(&to_json(arguments)).await?;
        if output.out.trim().is_empty() {
            return Ok(None);
        }
        let read = serde_json::from_str(&output.out);
        read.map(Some)
            .map_err(|error: serde_json::Error| self.not_understood(arguments, &error.to_string()))
    }

    /// Runs it to its end. What exits with another code than 0 is an error.
    async fn run(&self, arguments: &[String]) -> Result<Output, JujuError> {
        let command = self.command(&without_values(arguments));
        log::debug!("{command}");
        let mut process = tokio::process::Command::new(PROGRAM);
        process
            .args(self.with_model(arguments))
            // It asks nobody: whoever waits here sees no question.
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child = process.spawn().map_err(|error| JujuError::not_run(&error))?;
        let ended = tokio::time::timeout(self.limit, child.wait_with_output()).await;
        let ended = ended
            .map_err(|_| JujuError::NoAnswer {
                command: command.clone(),
                after: self.limit,
            })?
            .map_err(|error| JujuError::not_run(&error))?;
        let output = Output {
            code: ended.status.code(),
            out: String::from_utf8_lossy(&ended.stdout).into_owned(),
            err: String::from_utf8_lossy(&ended.stderr).into_owned(),
        };
        match output.code {
            Some(0) => Ok(output),
            _ => Err(JujuError::refused(&command, &output.err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_to_be_typed_next_names_the_model() {
        let juju = Juju::new(Some("ctl:bob/my home".to_owned()));
        assert_eq!(
            juju.typed(&["remove-application", "radarr"]),
            "juju remove-application radarr -m 'ctl:bob/my home'"
        );
        assert_eq!(
            juju.own("restore radarr"),
            "configuratarr restore radarr --model 'ctl:bob/my home'"
        );
        let current = Juju::new(None);
        assert_eq!(
            (current.typed(&["status"]), current.own("status")),
            ("juju status".to_owned(), "configuratarr status".to_owned())
        );
    }

    /// Of another model it would remove, scale or restore an app of the same name there.
    #[test]
    fn no_text_of_plans_and_runs_makes_a_command_of_an_app_without_the_model() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let verbs = [
            "juju cancel-task",
            "juju config",
            "juju debug-log --include",
            "juju integrate",
            "juju refresh",
            "juju remove-application",
            "juju resolved",
            "juju resources",
            "juju run",
            "juju scale-application",
            "juju show-task",
            "juju status",
            "configuratarr claim",
            "configuratarr restore",
        ];
        let mut found = Vec::new();
        let mut seen = 0;
        let mut folders = ["run", "plan", "commands"]
            .map(|folder| source.join(folder))
            .to_vec();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let Ok(text) = fs::read_to_string(&path) else {
                    continue;
                };
                seen += 1;
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let is_one = |line: &&str| verbs.iter().any(|verb| line.contains(&format!("{verb} {{")));
                found.extend(
                    code.filter(is_one)
                        .map(|line| format!("{}: {line}", path.display())),
                );
            }
        }
        assert!(found.is_empty(), "{found:#?}");
        assert!(seen > 30, "{seen}");
    }
}
