//! The screens, a module each: its part of the state, what its keys do, and how it is drawn. Pure.

mod choose;
mod offer;
mod overview;
mod plan;
mod preflight;
mod progress;
mod report;
mod timeline;
mod waiting;

use std::fmt::Debug;
use std::path::PathBuf;

use config_recovery::backups::Choice;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub use choose::Choose;
pub use offer::Offer;
pub use overview::Overview;
pub use plan::PlanScreen;
pub use preflight::Preflight;
pub use progress::ProgressScreen;
pub use report::ReportScreen;
pub use timeline::Timeline;
pub use waiting::Waiting;

use super::event::{Effect, Followed, Key, SaveError, Ticket};
use super::state::World;
use crate::plan::Plan;
use crate::problem::Problem;

/// A key and what it does.
pub type KeyHelp = (&'static str, &'static str);

/// Where to.
#[derive(Debug)]
pub enum Go {
    /// Nowhere.
    Stay,
    /// To this one, and back from there to here.
    Open(Box<dyn Screen>),
    /// To this one, and from there to where one came from.
    Replace(Box<dyn Screen>),
    /// To where one came from.
    Back,
    /// Back with a backup that was picked for an app.
    Picked(String, Choice),
    /// To the overview.
    Home,
}

/// Where to, and what has to be done.
#[derive(Debug)]
pub struct Step {
    /// Where to.
    pub go: Go,
    /// What has to be done.
    pub effects: Vec<Effect>,
}

impl Step {
    /// Nothing more.
    pub const fn stay() -> Self {
        Self::go(Go::Stay)
    }

    /// Goes there.
    pub const fn go(go: Go) -> Self {
        Self {
            go,
            effects: Vec::new(),
        }
    }

    /// Opens a screen.
    pub fn open(screen: impl Screen + 'static) -> Self {
        Self::go(Go::Open(Box::new(screen)))
    }

    /// Opens a screen in the place of this one.
    pub fn replace(screen: impl Screen + 'static) -> Self {
        Self::go(Go::Replace(Box::new(screen)))
    }

    /// And this has to be done.
    #[must_use]
    pub fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

/// A screen. What it does not take leaves it as it is.
pub trait Screen: Debug {
    /// What is seen, in a few words.
    fn title(&self, world: &World) -> String;

    /// Its keys, the most used first: the last line shows as many as fit, the help all.
    fn keys(&self, world: &World) -> Vec<KeyHelp>;

    /// A key was pressed.
    fn key(&mut self, key: Key, world: &mut World) -> Step;

    /// Draws it.
    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer);

    /// Whether characters are typed here, and mean no keys.
    fn is_typing(&self) -> bool {
        false
    }

    /// Whether time is seen to go by.
    fn is_moving(&self) -> bool {
        false
    }

    /// Whether this is the one from which all others are opened.
    fn is_overview(&self) -> bool {
        false
    }

    /// Something was planned.
    fn planned(&mut self, _ticket: Ticket, _made: Result<Plan, Problem>, _world: &mut World) -> Step {
        Step::stay()
    }

    /// A run goes on.
    fn followed(&mut self, _ticket: Ticket, _what: Followed, _world: &mut World) -> Step {
        Step::stay()
    }

    /// A backup was picked for an app, on a screen that was opened from here.
    fn picked(&mut self, _app: &str, _choice: Choice) {}

    /// A report was written, or not.
    fn saved(&mut self, _saved: Result<PathBuf, SaveError>, _world: &mut World) -> Step {
        Step::stay()
    }
}

/// Moves in a list of so many lines. `None` for a key that moves nothing.
pub fn moved(key: Key, at: usize, len: usize) -> Option<usize> {
    const PAGE: usize = 10;
    let last = len.saturating_sub(1);
    Some(match key {
        Key::Up | Key::Char('k') => at.saturating_sub(1),
        Key::Down | Key::Char('j') => (at + 1).min(last),
        Key::PageUp => at.saturating_sub(PAGE),
        Key::PageDown => (at + PAGE).min(last),
        Key::Home => 0,
        Key::End => last,
        _ => return None,
    })
}
