//! The engine on a folder instead of a cluster: what it does with the volume, whatever goes wrong and wherever it is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod backups;
mod forward;
mod killed;
mod lost;
mod room;
mod support;
mod told;
mod undone;
