//! Random sequences of what happens to a unit of an app and its config volume, against a model that knows which rows were
//! committed and which backups are good.
//!
//! The code under test is the real one: `config_volume` on a real folder with real databases, the engine of
//! `config_recovery`, and every dispatch of the charm. Only Juju, Pebble, Kubernetes and Velero are played.
//!
//! | | |
//! |---|---|
//! | `operations` | what can happen, an entry each: something new is one entry there |
//! | `world` | the app with its units and backups, and what has to work after any sequence |
//! | `host` | one unit's volume with the app on it; judges each start: this is where most of what may never be seen is seen |
//! | `content` | what was committed, and what a volume may hold |
//! | `unit`, `recovery`, `velero` | the charm, and what is played around it |
//! | `fault` | kills and full disks at a step |
//! | `runner` | makes sequences, and shrinks one that fails |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole crate is a test"
)]

mod age;
mod app;
mod cluster;
mod content;
mod fault;
mod host;
mod judge;
mod operations;
mod pebble;
mod recovery;
mod runner;
mod unit;
mod velero;
mod world;

pub use runner::{Failure, Options, Played, run};
