//! How a run goes on, as lines for a person.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use config_recovery::journal::Step;
use config_recovery::report::Reporter;
use config_recovery::words::{part, size};

/// Not more often than this is told what is waited for, or how many bytes came.
const PAUSE: Duration = Duration::from_secs(5);

/// Says a line for each step and note, and now and then how many bytes came and what is waited for.
pub struct Lines<'a> {
    say: &'a dyn Fn(&str),
    last: Cell<Option<Instant>>,
    waits: RefCell<String>,
}

impl<'a> Lines<'a> {
    /// Lines that go to `say`.
    pub fn to(say: &'a dyn Fn(&str)) -> Self {
        Self {
            say,
            last: Cell::new(None),
            waits: RefCell::default(),
        }
    }

    fn now(&self, line: &str) {
        self.last.set(Some(Instant::now()));
        (self.say)(line);
    }

    fn now_and_then(&self, line: &str) {
        if self.is_due() {
            self.now(line);
        }
    }

    fn is_due(&self) -> bool {
        self.last.get().is_none_or(|last| last.elapsed() >= PAUSE)
    }
}

impl Reporter for Lines<'_> {
    fn begins(&self, step: Step) {
        self.now(step.words());
    }

    fn bytes(&self, step: Step, done: u64, total: Option<u64>) {
        if !self.is_due() {
            return;
        }
        self.now(&match total.filter(|total| *total > 0) {
            Some(total) => format!("{step}: {}", part(done, total)),
            None => format!("{step}: {}", size(done)),
        });
    }

    fn waits(&self, what: &str) {
        if *self.waits.borrow() != what {
            what.clone_into(&mut self.waits.borrow_mut());
            self.now_and_then(&format!("waiting for {what}"));
        }
    }

    fn note(&self, text: &str) {
        self.now(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_all_told_and_bytes_not_more_often_than_somebody_reads() {
        let said = RefCell::new(Vec::new());
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        let lines = Lines::to(&say);
        lines.bytes(Step::Transfer, 1_000_000, None);
        lines.begins(Step::MakeScratch);
        for done in 0..1000 {
            lines.bytes(Step::Transfer, done, Some(20_000_000));
            lines.waits(&format!("pod {done}"));
        }
        lines.note("something");
        lines.begins(Step::Check);
        let expected = [
            "copying them to the app's volume: 1 MB",
            "creating a scratch namespace",
            "something",
            "checking them",
        ];
        assert_eq!(*said.borrow(), expected);
    }

    #[test]
    fn bytes_are_told_with_their_part_of_all() {
        let said = RefCell::new(Vec::new());
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        let lines = Lines::to(&say);
        for (done, total) in [
            (0, 3_000_000),
            (1_999_999, 3_000_000),
            (3_000_001, 3_000_000),
            (0, 0),
        ] {
            // As if nobody had read a line for long.
            lines.last.set(None);
            lines.bytes(Step::Check, done, Some(total));
        }
        let expected = [
            "checking them: 0 B of 3 MB, 0 %",
            "checking them: 2 MB of 3 MB, 66 %",
            "checking them: 3 MB of 3 MB, 100 %",
            "checking them: 0 B",
        ];
        assert_eq!(*said.borrow(), expected);
    }

    #[test]
    fn what_is_waited_for_is_said_when_it_is_something_else() {
        let said = RefCell::new(Vec::new());
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        let lines = Lines::to(&say);
        for what in ["pod reader", "pod reader", "claim config", "pod reader"] {
            lines.waits(what);
            // As if nobody had read a line for long.
            lines.last.set(None);
        }
        let expected = ["pod reader", "claim config", "pod reader"].map(|what| format!("waiting for {what}"));
        assert_eq!(*said.borrow(), expected);
    }
}
