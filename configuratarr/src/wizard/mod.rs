//! The wizard: recovery in a full screen, for a person who does not know the commands.
//!
//! - `state` is all that is known and shown; [`State::update`] takes an [`Event`] and says by [`Effect`]s what has to be done. Pure.
//! - `screens` has a module for each screen: its part of the state, what its keys do, how it is drawn. Pure.
//! - `view` draws what all screens have in common. Pure.
//! - `work` does what an effect asks for; `terminal` has the terminal, and [`wizard`] is the one loop of both.
//!
//! Nothing but `work`, `terminal` and the loop talks to the world. A plan is made once: it is shown, confirmed and carried out as it is.

mod event;
mod input;
mod log;
mod rate;
mod run_loop;
mod screens;
mod state;
mod terminal;
mod theme;
mod view;
mod work;

#[cfg(test)]
mod tests;

pub use event::{Effect, Event, Followed, Key, Ticket};
pub use run_loop::wizard;
pub use state::State;
