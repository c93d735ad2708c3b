//! What a person has to mend, said in a way that fits a status line.

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
