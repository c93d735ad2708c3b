//! What can go wrong between a charm and Juju.

use std::io;

use crate::runner::ToolOutput;

/// A hook tool could not be run, refused, or said something that is not understood.
///
/// Texts never hold the values of databags, state, action results or secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tool could not be started.
    #[error("cannot run hook tool {tool}; hook tools are in PATH only in a hook, an action or juju-exec")]
    Start {
        /// Name of the tool.
        tool: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tool ran and refused.
    #[error("cannot run {command}: {reason}")]
    Failed {
        /// Name of the tool.
        tool: String,
        /// The command line, without values that may be secret.
        command: String,
        /// Exit code: 1 for a failure at run time, 2 for arguments that Juju refuses, none for death by a signal.
        exit_code: Option<i32>,
        /// What the tool wrote to standard error, without the leading `ERROR`; how it ended if it wrote nothing.
        reason: String,
    },
    /// The tool succeeded with an output that is not what Juju documents.
    #[error("cannot understand the output of {command}: {reason}")]
    Output {
        /// Name of the tool.
        tool: String,
        /// The command line, without values that may be secret.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that hands a secret's content to Juju could not be written.
    #[error("cannot write the file that hands a secret to {tool}")]
    SecretFile {
        /// Name of the tool.
        tool: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A charm option has another type than the charm reads it as.
    #[error(
        "cannot read option {option:?} as {expected}: it is {found}; config.yaml must declare it as {expected}"
    )]
    OptionType {
        /// Name of the option.
        option: String,
        /// Type that was asked for.
        expected: &'static str,
        /// Type that Juju gave.
        found: &'static str,
    },
    /// A databag, stored state or an action's parameters are not what the charm's type for them reads or writes.
    #[error("cannot use {what}: {reason}")]
    Value {
        /// What it is, such as `stored state "seen"`.
        what: String,
        /// Which part of it, and why, without any value.
        reason: String,
    },
}

/// What a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The relation, or the unit or application in it, is gone or never was.
    NoSuchRelation,
    /// No secret has this id or label.
    NoSuchSecret,
    /// The unit may not: it is not the leader, the secret is not granted, or the app is not trusted.
    NotAllowed,
    /// The tool is not in `PATH`: not in a hook, or this Juju does not have it.
    ToolMissing,
    /// Juju refused the arguments: a fault of the charm.
    BadArguments,
    /// Anything else.
    Other,
}

impl Error {
    /// Name of the hook tool; `None` when the fault is not a tool's.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::Start { tool, .. }
            | Self::Failed { tool, .. }
            | Self::Output { tool, .. }
            | Self::SecretFile { tool, .. } => Some(tool),
            Self::OptionType { .. } | Self::Value { .. } => None,
        }
    }

    /// What a caller can act on. Juju gives no codes: the kind is read from the tool's name, exit code and text.
    ///
    /// The texts are those of Juju 3.6 and 4.0. `relation not found` is from `internal/worker/uniter/runner/jujuc/context.go`,
    /// `cannot write relation settings` from `relation-set.go`, `is not allowed to read this secret` from
    /// `domain/secret/service/access.go` of juju/juju; `not found` for secrets is what canonical/operator matches as well.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::ToolMissing,
            Self::Failed {
                tool,
                exit_code,
                reason,
                ..
            } => kind_of_failure(tool, *exit_code, reason),
            _ => ErrorKind::Other,
        }
    }

    /// True if the storage is known, but Juju has not mounted it yet.
    pub(crate) fn is_missing_mount_point(&self) -> bool {
        matches!(self, Self::Failed { tool, reason, .. }
            if tool == "storage-get" && reason.contains("mount point for storage attachment") && reason.contains("missing"))
    }
}

fn kind_of_failure(tool: &str, exit_code: Option<i32>, reason: &str) -> ErrorKind {
    let reason = reason.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    let about_relations = tool.starts_with("relation-") || tool.starts_with("network-");
    // Before the permission texts: a grant through a relation that is gone is about the relation.
    if says(&["relation not found"]) {
        return ErrorKind::NoSuchRelation;
    }
    if about_relations && says(&["relation unit not found", "application not found in relation"]) {
        return ErrorKind::NoSuchRelation;
    }
    let permission_texts = [
        "permission denied",
        "access denied",
        "not allowed to",
        "not the leader",
        "cannot write relation settings",
    ];
    if says(&permission_texts) {
        return ErrorKind::NotAllowed;
    }
    if tool.starts_with("secret-") && says(&["not found"]) {
        return ErrorKind::NoSuchSecret;
    }
    if exit_code == Some(2) {
        ErrorKind::BadArguments
    } else {
        ErrorKind::Other
    }
}

/// The text of a failed tool, without `ERROR` and line ends.
pub(crate) fn failure_reason(output: &ToolOutput) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim();
    let text = text.strip_prefix("ERROR ").unwrap_or(text).trim();
    if !text.is_empty() {
        return text.to_owned();
    }
    match output.exit_code {
        Some(code) => format!("exit code {code} and no text"),
        None => "ended by a signal".to_owned(),
    }
}

/// Tools whose `key=value` arguments carry what must not be shown.
const TOOLS_WITH_CONTENT: [&str; 5] = [
    "action-set",
    "relation-set",
    "secret-add",
    "secret-set",
    "state-set",
];
/// Longest argument that an error shows, in characters.
const LONGEST_SHOWN_ARGUMENT: usize = 100;

/// The command line for an error text: values left out, long arguments cut.
pub(crate) fn shown_command(tool: &str, args: &[String]) -> String {
    let mut command = tool.to_owned();
    for arg in args {
        command.push(' ');
        let hides = TOOLS_WITH_CONTENT.contains(&tool) && !arg.starts_with('-');
        match arg.split_once('=') {
            Some((key, _)) if hides => {
                command.push_str(key);
                command.push_str("=…");
            }
            _ => {
                let shown: String = arg.chars().take(LONGEST_SHOWN_ARGUMENT).collect();
                command.push_str(&shown);
                if shown.len() < arg.len() {
                    command.push('…');
                }
            }
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(tool: &str, exit_code: i32, stderr: &str) -> Error {
        let output = ToolOutput {
            exit_code: Some(exit_code),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        Error::Failed {
            tool: tool.to_owned(),
            command: tool.to_owned(),
            exit_code: output.exit_code,
            reason: failure_reason(&output),
        }
    }

    #[test]
    fn failures_of_a_real_juju_have_their_kind() {
        use ErrorKind::{BadArguments, NoSuchRelation, NoSuchSecret, NotAllowed, Other};
        let cases = [
            (
                "relation-get",
                2,
                "ERROR invalid value \"db:9\" for option -r: relation not found\n",
                NoSuchRelation,
            ),
            (
                "relation-get",
                1,
                "ERROR relation unit not found\n",
                NoSuchRelation,
            ),
            (
                "relation-get",
                1,
                "ERROR getting relation endpoint UUID: application not found in relation\n",
                NoSuchRelation,
            ),
            (
                "network-get",
                2,
                "ERROR invalid value \"9\" for option -r: Relation Not Found\n",
                NoSuchRelation,
            ),
            (
                "secret-grant",
                2,
                "ERROR invalid value \"db:9\" for option --relation: relation not found",
                NoSuchRelation,
            ),
            ("relation-get", 1, "ERROR permission denied\n", NotAllowed),
            (
                "relation-set",
                1,
                "ERROR cannot write relation settings\n",
                NotAllowed,
            ),
            (
                "relation-get",
                2,
                "ERROR no unit or application specified\n",
                BadArguments,
            ),
            (
                "status-set",
                1,
                "ERROR setting application status: this unit is not the leader\n",
                NotAllowed,
            ),
            (
                "status-set",
                2,
                "ERROR invalid status \"x\", expected one of [maintenance]\n",
                BadArguments,
            ),
            (
                "secret-get",
                1,
                "ERROR getting latest secret revision: secret not found\n",
                NoSuchSecret,
            ),
            (
                "secret-get",
                1,
                "ERROR secret URI for consumer label \"x\" not found\n",
                NoSuchSecret,
            ),
            (
                "secret-info-get",
                1,
                "ERROR secret \"nolabel\" not found\n",
                NoSuchSecret,
            ),
            (
                "secret-get",
                1,
                "ERROR \"probe/0\" is not allowed to read this secret\n",
                NotAllowed,
            ),
            ("secret-get", 1, "ERROR permission denied\n", NotAllowed),
            (
                "secret-get",
                2,
                "ERROR secret URI \"bogus\" not valid\n",
                BadArguments,
            ),
            (
                "credential-get",
                1,
                "ERROR cannot access cloud credentials: permission denied\n",
                NotAllowed,
            ),
            (
                "storage-get",
                2,
                "ERROR invalid value \"c/9\" for option -s: storage not found\n",
                BadArguments,
            ),
            ("action-get", 1, "ERROR not running an action\n", Other),
            (
                "resource-get",
                1,
                "ERROR could not download resource: not found\n",
                Other,
            ),
        ];
        for (tool, exit_code, stderr, kind) in cases {
            assert_eq!(failure(tool, exit_code, stderr).kind(), kind, "{tool}: {stderr}");
        }
    }

    #[test]
    fn a_tool_that_is_not_there_is_missing() {
        let error = Error::Start {
            tool: "is-leader".to_owned(),
            source: io::ErrorKind::NotFound.into(),
        };
        assert_eq!(error.kind(), ErrorKind::ToolMissing);
        assert_eq!(error.tool(), Some("is-leader"));
        let error = Error::Start {
            tool: "is-leader".to_owned(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        assert_eq!(error.kind(), ErrorKind::Other);
    }

    #[test]
    fn a_reason_is_the_text_or_how_the_tool_ended() {
        assert_eq!(
            failure("is-leader", 1, "ERROR boom\n").to_string(),
            "cannot run is-leader: boom"
        );
        assert_eq!(
            failure("is-leader", 7, "").to_string(),
            "cannot run is-leader: exit code 7 and no text"
        );
        let killed = ToolOutput::default();
        assert_eq!(failure_reason(&killed), "ended by a signal");
    }

    #[test]
    fn a_shown_command_holds_no_values() {
        let args = ["-r", "db:1", "token=hunter2", "note#file=/tmp/x"].map(str::to_owned);
        assert_eq!(
            shown_command("relation-set", &args),
            "relation-set -r db:1 token=… note#file=…"
        );
        let args = ["--label=key", "a=hunter2"].map(str::to_owned);
        assert_eq!(shown_command("secret-add", &args), "secret-add --label=key a=…");
        let long = ["x".repeat(300)];
        assert_eq!(
            shown_command("juju-log", &long).chars().count(),
            "juju-log ".len() + 101
        );
    }
}
