//! The stand-in velero-operator through the simulation: events, Schedules, Backups, actions, and its defects.
#![cfg(test)]

mod actions;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod defects;
mod schedules;
