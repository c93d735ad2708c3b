//! Small rules of Pebble that a fake one keeps.

use super::state::{CommandFate, PebbleState};
use crate::pebble::{ExecOptions, ExecOutput};

/// `customKeyRegexp` of `internals/daemon/api_notices.go`: labels of lower-case letters and digits with single dashes, joined.
pub(super) fn is_notice_key(key: &str) -> bool {
    let is_label = |label: &str| {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        label.split('-').all(word)
    };
    let Some((domain, path)) = key.split_once('/') else {
        return false;
    };
    domain.contains('.') && domain.split('.').all(is_label) && path.split('/').all(is_label)
}

/// The declared command that says most of what is to be run.
pub(super) fn fate_of(state: &PebbleState, options: &ExecOptions) -> Option<CommandFate> {
    let fitting = state
        .commands
        .iter()
        .filter(|command| options.command.starts_with(&command.words));
    fitting
        .max_by_key(|command| command.words.len())
        .map(|command| command.fate.clone())
}

pub(super) fn combined(output: ExecOutput, combine_stderr: bool) -> ExecOutput {
    if !combine_stderr {
        return output;
    }
    let ExecOutput {
        exit_code,
        mut stdout,
        stderr,
    } = output;
    stdout.extend(stderr);
    ExecOutput {
        exit_code,
        stdout,
        stderr: Vec::new(),
    }
}

/// The names that Linux has.
pub(super) fn is_signal(name: &str) -> bool {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    name.strip_prefix("SIG").is_some_and(|name| NAMES.contains(&name))
}
