//! The stand-in velero-operator through the simulation: events, Schedules, Backups, actions, and its defects.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod actions;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod defects;
mod schedules;
