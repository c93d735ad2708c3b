//! A Pebble in memory, with Pebble's semantics, that refuses what it was not told of.
//!
//! It is held to the real one: `tests/pebble-contract` runs the same cases on both. What it knows not, since it starts no
//! process, the test declares in the [`PebbleState`].

mod calls;
mod checks;
mod fake;
mod files;
mod rules;
mod services;
mod state;

pub use calls::{PebbleCall, PebbleFault};
pub use fake::FakePebble;
pub use files::FakeFile;
pub use state::PebbleState;
