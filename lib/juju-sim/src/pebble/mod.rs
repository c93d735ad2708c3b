//! A simulated Pebble: a process that answers Pebble's HTTP API on a unix socket, really starts processes and really
//! keeps files.
//!
//! It is held to Pebble 1.26.0, which Juju 3.6 and 4.0 ship; the texts of errors and logs are Pebble's, as its clients
//! show them. What differs from the real one:
//! - A container is a folder. `/config/x` is `ROOT/config/x`; see [`container`].
//! - Nothing runs as another user and no file changes its owner, whoever runs the simulation: what was asked for is
//!   remembered and told again; see [`owners`].
//! - A port that a workload was told need not be the port that it listens on, so that many containers fit on one
//!   machine; see [`container::Container::real_port`].
//! - There are no log forwarding, no terminals, no identities, no metrics and no HTTP listener: they are refused.
//! - Nothing is kept for the next start but who owns files. A new container of Juju starts empty as well.

mod answer;
mod changes;
mod checks;
mod container;
mod daemon;
mod exec;
mod files;
mod layers;
mod logs;
mod multipart;
mod notices;
mod order;
mod owners;
mod pattern;
mod plan;
mod probes;
mod query;
mod routes;
mod server;
mod services;
mod supervise;
mod users;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;

/// How to run a Pebble.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where to answer.
    pub socket: PathBuf,
    /// The folder that stands for `/`.
    pub root: PathBuf,
    /// How long a service has to run before it counts as started.
    pub okay_delay: Duration,
    /// End when standard input ends.
    pub until_stdin_closes: bool,
}

/// Runs a Pebble until it is told to end, or a service's end ends it. Gives the exit code of the process.
pub(crate) fn run(options: Options) -> Result<u8> {
    server::run(options)
}
