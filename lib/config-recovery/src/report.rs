//! Who wants to hear how a run goes on.

use crate::journal::Step;

/// Hears of steps and bytes while a run goes on. What shows them (a bar, a log, an action's log) lives elsewhere.
pub trait Reporter {
    /// A step begins.
    fn begins(&self, step: Step);

    /// The step that began last was done already by an earlier run.
    fn skipped(&self, step: Step) {
        let _ = step;
    }

    /// A step has ended well, and that is written down.
    fn ended(&self, step: Step) {
        let _ = step;
    }

    /// Bytes that a step has moved so far, and how many there will be if that is known.
    fn bytes(&self, step: Step, done: u64, total: Option<u64>) {
        let _ = (step, done, total);
    }

    /// What is waited for, when that changes: "pod restore-radarr-1a2b/reader: container creating".
    fn waits(&self, what: &str) {
        let _ = what;
    }

    /// Something that a person should know.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn begins(&self, _: Step) {}
}
