//! `cargo e2e`: the charm on a real Kubernetes with a real Velero, S3 server and Pebble.
//!
//! Outside it checks what is missing and builds what is needed; then it runs itself again inside namespaces of its own,
//! brings the cluster up there and plays the scenarios. With `--kubeconfig` it stays outside and uses that cluster.

mod apply;
mod arguments;
mod backups;
mod bed;
mod disk;
mod engine_process;
mod exec;
mod ground;
mod image;
mod juju;
mod lanes;
mod left;
mod line;
mod matrix;
mod namespaces;
mod network;
mod node_agent;
mod node_processes;
mod outside_juju;
mod packages;
mod parts;
mod phases;
mod pods;
mod processors;
#[path = "../../../configuratarr/tests/common/terminal.rs"]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a terminal of tests: what it waits for in vain is a panic, which its caller catches"
)]
mod pseudo_terminal;
mod receiver;
mod report;
mod run;
mod scenarios;
mod spoken;
mod veleros;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

/// Exit code when it could not be tried: no root, packages missing, a name that is not known.
const CANNOT_TRY: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = engine_process::run().or_else(outside_juju::run) {
        return code;
    }
    let arguments = Arguments::parse();
    match run::run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
