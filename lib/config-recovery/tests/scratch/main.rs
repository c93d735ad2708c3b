//! The place beside the app against an API server inside the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod cluster;
mod files;
mod making;
mod removal;
#[path = "../reading/sample.rs"]
mod sample;
#[allow(dead_code, reason = "each test program uses the part that it needs")]
#[path = "../reading/server.rs"]
mod server;
mod snapshot;
