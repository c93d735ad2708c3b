//! The reading half of the crate against an API server inside the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod choose;
mod claim;
mod list;
mod make;
mod objects;
mod server;
mod standing;
mod wait;
