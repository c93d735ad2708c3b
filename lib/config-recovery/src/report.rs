//! Who wants to hear how a run goes on.

use crate::journal::Step;

/// Hears of steps and bytes while a run goes on. What shows them (a bar, a log, an action's log) lives elsewhere.
pub trait Reporter {
    /// A step begins.
    fn begins(&self, step: Step);

    /// The step that began last was done already by an earlier run.
    fn skipped(&self, _step: Step) {}

    /// A step has ended well, and that is written down.
    fn ended(&self, _step: Step) {}

    /// Bytes that a step has moved so far, and how many there will be if that is known.
    fn bytes(&self, _step: Step, _done: u64, _total: Option<u64>) {}

    /// What is waited for, when that changes: "pod restore-radarr-1a2b/reader: container creating".
    fn waits(&self, _what: &str) {}

    /// Something that a person should know.
    fn note(&self, _text: &str) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn begins(&self, _: Step) {}
}
