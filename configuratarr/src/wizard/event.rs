//! What happens to the wizard, and what it has done.

use std::path::PathBuf;

use config_recovery::locations::Location;
use config_recovery::overview::Progress as Bytes;

use crate::fleet::App;
use crate::plan::{Order, Plan};
use crate::problem::Problem;
use crate::run::{Ended, Run};

/// A key, as far as any is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The arrow.
    Up,
    /// The arrow.
    Down,
    /// A page back.
    PageUp,
    /// A page on.
    PageDown,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// On.
    Enter,
    /// Back.
    Escape,
    /// Deletes the last character.
    Backspace,
    /// A character.
    Char(char),
    /// Ctrl-C: out, whatever is shown.
    Interrupt,
}

/// Which piece of work something is about. What an earlier one says is not heard any more.
pub type Ticket = u64;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// The terminal has another size.
    Resized,
    /// Time went by.
    Tick,
    /// Juju and the cluster were looked at; or why not, by both.
    Looked(Result<Box<Fleet>, Vec<Problem>>),
    /// It was planned.
    Planned(Ticket, Result<Plan, Problem>),
    /// A run goes on.
    Followed(Ticket, Followed),
    /// The report was written; or why not.
    Saved(Result<PathBuf, SaveError>),
}

/// How a run goes on.
#[derive(Debug)]
pub enum Followed {
    /// It is written down and begins, or goes on.
    Began(Box<Run>),
    /// The charm of this item said something.
    Said(usize, String),
    /// So much of the item's volume is there.
    Bytes(usize, Bytes),
    /// The item is at its end, well or not.
    Ended(usize, bool, String),
    /// Something that is about no single item.
    Note(String),
    /// It is not followed any more.
    Over(Result<(Box<Run>, Ended), Problem>),
}

/// What is known of a model.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// The model, by its own name.
    pub model: String,
    /// The apps, by name.
    pub apps: Vec<App>,
    /// Storage locations that Velero cannot use.
    pub unavailable: Vec<Location>,
    /// Why Juju or the cluster could not be asked; the rest is shown.
    pub problems: Vec<Problem>,
    /// Runs that are not at their end, the oldest first.
    pub unfinished: Vec<Run>,
}

/// Why a report was not written.
#[derive(Debug)]
pub enum SaveError {
    /// There is a file of that name.
    Exists(PathBuf),
    /// It cannot be written.
    Failed(Problem),
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look at Juju and the cluster.
    Look,
    /// Plan this.
    Plan(Ticket, Order),
    /// Have the charms say what this plan would do.
    Preview(Ticket, Plan),
    /// Carry this plan out, as it is.
    CarryOut(Ticket, Plan),
    /// Go on with the run of this name.
    Resume(Ticket, String),
    /// Follow no longer. What was started goes on.
    Stop(Ticket),
    /// Write a report to a file.
    Save {
        /// Where, as it was typed.
        path: String,
        /// What.
        text: String,
        /// Whether a file of that name is replaced.
        overwrite: bool,
    },
    /// Leave.
    Quit,
}
