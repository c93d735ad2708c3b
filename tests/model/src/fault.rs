//! Kills and full disks, at a step of the code under test.
//!
//! A kill is a panic that nobody reports: nothing after the step runs, as after SIGKILL. What unwinding does that a kill does
//! not (locks are released, connections closed) the kernel or the next opening does after one.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use config_volume::{SwapWatcher, Watcher};

use crate::operations::Dice;

/// What a kill unwinds with.
struct Killed;

/// What goes wrong in one operation.
#[derive(Clone)]
pub struct Fault {
    kind: Kind,
    state: Arc<State>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Nothing,
    Kill,
    Full,
    /// Killed when a hook tool has done its work.
    KillAtTool,
}

struct State {
    /// Steps until it happens.
    left: AtomicUsize,
    happened: AtomicBool,
    at: Mutex<String>,
}

impl Fault {
    /// One for something that runs outside of a dispatch: nothing in half of all cases.
    pub fn roll(dice: &mut Dice) -> Self {
        Self::of(
            *dice.of(&[Kind::Nothing, Kind::Nothing, Kind::Kill, Kind::Full]),
            dice,
        )
    }

    /// One for a dispatch.
    pub fn roll_for_dispatch(dice: &mut Dice) -> Self {
        let kinds = [
            Kind::Nothing,
            Kind::Nothing,
            Kind::Nothing,
            Kind::Kill,
            Kind::Full,
            Kind::KillAtTool,
        ];
        Self::of(*dice.of(&kinds), dice)
    }

    pub fn nothing() -> Self {
        Self::new(Kind::Nothing, 0)
    }

    fn of(kind: Kind, dice: &mut Dice) -> Self {
        let left = match kind {
            Kind::Nothing => 0,
            _ => dice.pick(40),
        };
        Self::new(kind, left)
    }

    fn new(kind: Kind, left: usize) -> Self {
        Self {
            kind,
            state: Arc::new(State {
                left: AtomicUsize::new(left),
                happened: AtomicBool::new(false),
                at: Mutex::default(),
            }),
        }
    }

    /// The hook tool that the charm is killed after, counted from 1.
    pub fn tool(&self) -> Option<usize> {
        (self.kind == Kind::KillAtTool).then(|| self.state.left.load(Ordering::SeqCst) + 1)
    }

    /// The charm was killed at a hook tool.
    pub fn killed_at_tool(&self) {
        self.happen("a hook tool");
    }

    fn happen(&self, at: &str) {
        self.state.happened.store(true, Ordering::SeqCst);
        at.clone_into(&mut self.state.at.lock().unwrap());
    }

    pub fn happened(&self) -> bool {
        self.state.happened.load(Ordering::SeqCst)
    }

    /// Counts a step.
    ///
    /// # Errors
    /// When the disk is full at this one.
    pub fn step(&self, step: &dyn std::fmt::Debug) -> io::Result<()> {
        match self.kind {
            Kind::Nothing | Kind::KillAtTool => return Ok(()),
            // Another thread of the same process.
            Kind::Kill if self.happened() => resume_unwind(Box::new(Killed)),
            Kind::Full if self.happened() => return Ok(()),
            Kind::Kill | Kind::Full => {}
        }
        let left = &self.state.left;
        let count = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if count.is_ok() {
            return Ok(());
        }
        self.happen(&format!("{step:?}"));
        match self.kind {
            Kind::Kill => resume_unwind(Box::new(Killed)),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// Counts a step that no full disk can stop.
    pub fn step_without_disk(&self, step: &dyn std::fmt::Debug) {
        if self.kind == Kind::Kill {
            let _ = self.step(step);
        }
    }

    pub fn swap_watcher(&self) -> SwapWatcher {
        let fault = self.clone();
        SwapWatcher::new(move |step| fault.step(&step))
    }

    pub fn watcher(&self) -> Watcher {
        let fault = self.clone();
        Watcher::new(move |step| fault.step(&step))
    }

    /// Runs what may be killed; `None` when it was.
    pub fn survive<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => Some(done),
            // A scope that lost a thread panics with a text of its own.
            Err(payload) if self.is_payload(&payload) => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    fn is_payload(&self, payload: &Box<dyn Any + Send>) -> bool {
        self.kind == Kind::Kill && (payload.is::<Killed>() || self.happened())
    }

    /// For the list of what happened: ` (killed at Copied)`.
    pub fn shown(&self) -> String {
        if !self.happened() {
            return String::new();
        }
        let at = self.state.at.lock().unwrap();
        match self.kind {
            Kind::Kill | Kind::KillAtTool => format!(" (killed at {at})"),
            _ => format!(" (disk full at {at})"),
        }
    }
}
