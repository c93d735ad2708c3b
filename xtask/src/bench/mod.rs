//! What each event costs: the binary as it is packed, under the simulated Juju, measured from outside, beside floors.

mod front;
mod life;
mod programs;
mod statistics;
mod table;
mod trace;

use std::process::{Command, Stdio};

use anyhow::Result;
use front::Front;
use life::Turns;
use programs::Programs;

use crate::progress::Progress;

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many lives of an app are played; each has every event at least once.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// When something cannot be built or an event fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let progress = Progress::begin("building static release binaries");
    let programs = Programs::build()?;
    progress.end();
    let front = Front::start()?;
    let progress = Progress::begin("dispatching");
    let mut measured = Vec::new();
    for round in 0..arguments.rounds.max(1) {
        let turns = if round % 2 == 0 {
            Turns::NothingFirst
        } else {
            Turns::CharmFirst
        };
        measured.extend(life::whole(&programs, &front, turns)?);
    }
    let is_traced = has("strace");
    if is_traced {
        measured.extend(life::whole(&programs, &front, Turns::Traced)?);
    }
    progress.end();
    let rows = table::rows(&measured);
    if arguments.json {
        let document =
            serde_json::json!({ "binary_bytes": programs.size, "pebble": "simulated", "events": rows });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    println!(
        "dispatch as it is packed: static, {:.2} MB. Pebble: simulated. API: TLS 1.3, HTTP/1.1. Times in milliseconds.",
        programs.size as f64 / 1e6
    );
    if !is_traced {
        println!("System calls are not counted: strace is not installed.");
    }
    print!("{}", table::text(&rows));
    Ok(())
}

/// Whether a program can be started.
fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("-V")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
