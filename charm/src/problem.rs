//! What a person has to mend, said in a way that fits a status line: thing, reason, next step.

use std::fmt;

/// Something wrong outside the charm: the thing, why it cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, by the name that the user knows.
    pub thing: String,
    /// Why.
    pub reason: String,
    /// What to type or to look at.
    pub next_step: String,
}

impl Problem {
    /// A problem from its three parts.
    pub fn new(thing: impl Into<String>, reason: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            thing: thing.into(),
            reason: reason.into(),
            next_step: next_step.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.thing, self.reason, self.next_step)
    }
}

/// A value of an option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Why.
    pub reason: String,
    /// What could be written in its place.
    pub instead: String,
}

impl Unfit {
    /// From its two parts.
    pub fn new(reason: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            instead: instead.into(),
        }
    }

    /// What the user reads of it: the option, what it was, why not, and the command that mends it.
    pub fn of(self, app: &str, option: &str, value: &str) -> Problem {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~@:,+".contains(c);
        let instead = match self.instead.as_str() {
            text if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
            text => format!("{text:?}"),
        };
        Problem::new(
            format!("{option} {}", shown(value)),
            self.reason,
            format!("juju config {app} {option}={instead}"),
        )
    }
}

/// How much of a value a status shows: `juju status` cuts the line, and with it the next step at its end.
const SHOWN_CHARACTERS: usize = 24;

/// A value in quotes, in one line, and not all of a long one.
pub fn shown(value: &str) -> String {
    let short = short(value, SHOWN_CHARACTERS);
    match short.strip_suffix('…') {
        Some(begin) if begin.len() < value.len() => format!("{begin:?}…"),
        _ => format!("{value:?}"),
    }
}

/// The first `limit` characters of a text, and a mark if there are more.
pub fn short(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
