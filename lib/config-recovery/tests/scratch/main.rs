//! The place beside the app against an API server inside the test.
#![cfg(test)]

mod cluster;
mod engine;
mod files;
mod making;
mod removal;
#[path = "../reading/sample.rs"]
mod sample;
#[allow(dead_code, reason = "each test program uses the part that it needs")]
#[path = "../reading/server.rs"]
mod server;
mod snapshot;
