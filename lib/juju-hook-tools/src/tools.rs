//! The hook tools: their table, how one is called, and how its answer is put into words.
//!
//! A tool's file holds what the tool does; flags, formats, exit codes and the usage are the same for all and are here.
//! Texts and exit codes are recorded from Juju 4.0.15; where no recording exists they follow
//! `internal/worker/uniter/runner/jujuc/` of juju/juju.

mod action;
mod config;
mod log;
mod misc;
mod network;
mod ports;
mod relation;
mod secret;
mod secret_content;
mod state;
mod status;
mod storage;

use crate::flags::{self, Flag, FlagKind, Parsed, Stop, quote};
use crate::format::{Format, Value};
use crate::model::Model;
use crate::session::{HookSession, Invocation, LogLine, ToolOutput};

/// The names of all hook tools, in alphabetical order. What Juju 4.0 has removed is not among them.
pub const NAMES: &[&str] = &[
    "action-fail",
    "action-get",
    "action-log",
    "action-set",
    "application-version-set",
    "close-port",
    "config-get",
    "credential-get",
    "goal-state",
    "is-leader",
    "juju-log",
    "juju-reboot",
    "network-get",
    "open-port",
    "opened-ports",
    "relation-get",
    "relation-ids",
    "relation-list",
    "relation-model-get",
    "relation-set",
    "resource-get",
    "secret-add",
    "secret-get",
    "secret-grant",
    "secret-ids",
    "secret-info-get",
    "secret-remove",
    "secret-revoke",
    "secret-set",
    "state-delete",
    "state-get",
    "state-set",
    "status-get",
    "status-set",
    "storage-add",
    "storage-get",
    "storage-list",
    "unit-get",
];

const FAMILIES: [&[Tool]; 11] = [
    action::TOOLS,
    config::TOOLS,
    log::TOOLS,
    misc::TOOLS,
    network::TOOLS,
    ports::TOOLS,
    relation::TOOLS,
    secret::TOOLS,
    state::TOOLS,
    status::TOOLS,
    storage::TOOLS,
];

/// One hook tool.
struct Tool {
    name: &'static str,
    /// The words that it takes, for the usage.
    words: &'static str,
    /// The same in a relation hook, where the relation is known.
    words_in_relation: Option<&'static str>,
    /// One sentence for the usage.
    summary: &'static str,
    flags: &'static [&'static [Flag]],
    run: fn(&mut Call<'_>) -> Result<Answer, Failure>,
}

/// What a tool answers if all is well.
enum Answer {
    Nothing,
    /// A value in the chosen format.
    Value(Value),
    /// A text as it is, with a line end.
    Line(String),
}

/// Why a tool failed, in Juju's words.
#[derive(Debug)]
struct Failure {
    code: i32,
    text: String,
}

impl Failure {
    /// The tool was called wrongly: exit code 2.
    fn usage(text: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            text: text.into(),
        }
    }

    /// The tool cannot do it: exit code 1.
    fn run(text: impl Into<String>) -> Failure {
        Failure {
            code: 1,
            text: text.into(),
        }
    }
}

/// One call of one tool.
struct Call<'a> {
    session: &'a mut HookSession,
    model: &'a mut Model,
    invocation: &'a Invocation<'a>,
    flags: Parsed,
    /// What goes to standard error although all is well.
    warning: String,
    log: Vec<LogLine>,
}

/// `--format` with smart as the default, and `--output`.
const SMART_OUTPUT: &[Flag] = &[
    Flag {
        names: &["format"],
        kind: FlagKind::Format {
            default: "smart",
            smart: true,
        },
        help: "Print as json, smart or yaml",
    },
    OUTPUT,
];

/// `--format` with yaml as the default and without smart, and `--output`.
const YAML_OUTPUT: &[Flag] = &[
    Flag {
        names: &["format"],
        kind: FlagKind::Format {
            default: "yaml",
            smart: false,
        },
        help: "Print as json or yaml",
    },
    OUTPUT,
];

const OUTPUT: Flag = Flag {
    names: &["o", "output"],
    kind: FlagKind::Text(""),
    help: "Write to this file instead",
};

/// `--format` as some writing tools still take it, to no effect.
const UNUSED_FORMAT: &[Flag] = &[Flag {
    names: &["format"],
    kind: FlagKind::Text(""),
    help: "Has no effect",
}];

/// `-r`, which relation hooks need not give.
const RELATION: &[Flag] = &[Flag {
    names: &["r", "relation"],
    kind: FlagKind::Relation,
    help: "The relation by its id, such as 3 or database:3",
}];

/// Runs one hook tool.
pub(crate) fn run(session: &mut HookSession, model: &mut Model, invocation: &Invocation<'_>) -> ToolOutput {
    let found = FAMILIES
        .iter()
        .flat_map(|family| family.iter())
        .find(|tool| tool.name == invocation.tool);
    let Some(tool) = found else {
        return ToolOutput {
            code: 127,
            stderr: format!("{}: command not found\n", invocation.tool),
            ..ToolOutput::default()
        };
    };
    let parsed = flags::parse(tool.flags, invocation.args, &|kind, value| match kind {
        FlagKind::Relation => relation::find(session, model, value).map(|_| ()),
        FlagKind::Storage => storage::find(session, model, value).map(|_| ()),
        _ => Ok(()),
    });
    let flags = match parsed {
        Ok(flags) => flags,
        Err(Stop::Help) => {
            return ToolOutput {
                stdout: usage(tool, session),
                ..ToolOutput::default()
            };
        }
        Err(Stop::Wrong(text)) => return failed(&Failure::usage(text), String::new()),
    };
    let mut call = Call {
        session,
        model,
        invocation,
        flags,
        warning: String::new(),
        log: Vec::new(),
    };
    let answer = (tool.run)(&mut call);
    let stdout = match answer {
        Err(failure) => return failed(&failure, call.warning),
        Ok(Answer::Nothing) => String::new(),
        Ok(Answer::Line(text)) => format!("{text}\n"),
        Ok(Answer::Value(value)) => call.format(tool).print(&value),
    };
    ToolOutput {
        code: 0,
        stdout,
        stderr: call.warning,
        output_file: call
            .flags
            .get("o")
            .filter(|file| !file.is_empty())
            .map(str::to_owned),
        log: call.log,
    }
}

fn failed(failure: &Failure, warning: String) -> ToolOutput {
    ToolOutput {
        code: failure.code,
        stderr: format!("{warning}ERROR {}\n", failure.text),
        ..ToolOutput::default()
    }
}

fn usage(tool: &Tool, session: &HookSession) -> String {
    let in_relation = session.context.event.relation().is_some();
    let words = match tool.words_in_relation {
        Some(words) if in_relation => words,
        _ => tool.words,
    };
    let mut first = format!("Usage: {}", tool.name);
    if tool.flags.iter().any(|group| !group.is_empty()) {
        first.push_str(" [options]");
    }
    if !words.is_empty() {
        first.push(' ');
        first.push_str(words);
    }
    let options = flags::usage(tool.flags);
    if options.is_empty() {
        format!("{first}\n\nSummary:\n{}\n", tool.summary)
    } else {
        format!("{first}\n\nSummary:\n{}\n\nOptions:\n{options}", tool.summary)
    }
}

impl Call<'_> {
    fn unit(&self) -> &str {
        &self.session.context.unit
    }

    fn application(&self) -> &str {
        self.session.context.application()
    }

    fn is_leader(&self) -> bool {
        self.model.is_leader(self.unit())
    }

    /// The words of the command line.
    fn words(&self) -> &[String] {
        &self.flags.words
    }

    /// One word by its position.
    fn word(&self, position: usize) -> Option<&str> {
        self.words().get(position).map(String::as_str)
    }

    /// Refuses words beyond the given number.
    fn at_most(&self, count: usize) -> Result<(), Failure> {
        let extra = self.words().get(count..).unwrap_or_default();
        if extra.is_empty() {
            return Ok(());
        }
        let quoted: Vec<String> = extra.iter().map(|word| quote(word)).collect();
        Err(Failure::usage(format!(
            "unrecognized args: [{}]",
            quoted.join(" ")
        )))
    }

    fn format(&self, tool: &Tool) -> Format {
        let default = tool
            .flags
            .iter()
            .flat_map(|group| group.iter())
            .find_map(|flag| match flag.kind {
                FlagKind::Format { default, .. } => Some(default),
                _ => None,
            });
        self.flags
            .get("format")
            .or(default)
            .and_then(Format::parse)
            .unwrap_or(Format::Smart)
    }

    /// Warns as the tools do whose `--format` has no effect any more.
    fn warn_about_format(&mut self) {
        if !self.flags.text("format").is_empty() {
            self.warning = format!(
                "--format flag deprecated for command {}",
                quote(self.invocation.tool)
            );
        }
    }

    /// Reads a file that an argument names; `-` is the standard input.
    fn read_file_or_stdin(&self, name: &str) -> Result<Vec<u8>, Failure> {
        if name == "-" {
            return Ok(self.invocation.stdin.to_vec());
        }
        self.read_file(name)
    }

    fn read_file(&self, name: &str) -> Result<Vec<u8>, Failure> {
        (self.invocation.read_file)(name).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => error.to_string(),
            };
            Failure::run(format!("open {name}: {reason}"))
        })
    }
}

/// Reads `key=value` words as Juju's `keyvalues.Parse` does: spaces around both are dropped, keys come once.
fn key_values(words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in words {
        let pair = word
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = pair.filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::usage(format!(
                "expected \"key=value\", got {}",
                quote(word)
            )));
        };
        if pairs.iter().any(|(earlier, _)| earlier == key) {
            return Err(Failure::usage(format!(
                "key {} specified more than once",
                quote(key)
            )));
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

/// The pairs of a `--file` and of the words, which come first.
fn pairs_of_file_and_words(call: &Call<'_>) -> Result<Vec<(String, String)>, Failure> {
    let words = key_values(call.words())?;
    let file = call.flags.text("file");
    if file.is_empty() {
        return Ok(words);
    }
    let content = call.read_file_or_stdin(file)?;
    let text = String::from_utf8(content).map_err(|_| Failure::run("yaml: invalid leading UTF-8 octet"))?;
    let mut pairs = crate::yaml::text_map(&text).map_err(|error| Failure::run(format!("yaml: {error}")))?;
    pairs.extend(words);
    Ok(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_tools() {
        let mut names: Vec<&str> = FAMILIES
            .iter()
            .flat_map(|family| family.iter())
            .map(|tool| tool.name)
            .collect();
        names.sort_unstable();
        assert_eq!(names, NAMES);
    }
}
