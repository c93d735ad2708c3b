//! What each event costs: the binary as it is packed, under the simulated Juju, measured from outside, beside floors.

mod check;
mod front;
mod growth;
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
use serde_json::{Value, json};

use crate::progress::Progress;

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many lives of an app are played; each has every event at least once [default: 20, 6 with --check].
    #[arg(long)]
    rounds: Option<usize>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure how a steady event grows with the cluster around the app, instead.
    #[arg(long, conflicts_with_all = ["check", "write"])]
    growth: bool,
    /// Fail if a ratio to the floor differs by more than a third from the committed one, or a stall came or went.
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// Write the ratios to the floor into the committed file.
    #[arg(long)]
    write: bool,
}

/// Rounds of `--check`: less than a minute.
const CHECK_ROUNDS: usize = 6;

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
    if arguments.growth {
        let lines = growth::measure(&programs, &front)?;
        progress.end();
        return print(arguments, &serde_json::to_value(&lines)?, || growth::text(&lines));
    }
    let rounds = arguments
        .rounds
        .unwrap_or(if arguments.check { CHECK_ROUNDS } else { 20 });
    let mut measured = Vec::new();
    for round in 0..rounds.max(1) {
        let turns = if round % 2 == 0 {
            Turns::NothingFirst
        } else {
            Turns::CharmFirst
        };
        measured.extend(life::whole(&programs, &front, turns)?);
    }
    let is_traced = !arguments.check && has("strace");
    if is_traced {
        measured.extend(life::whole(&programs, &front, Turns::Traced)?);
    }
    progress.end();
    let rows = table::rows(&measured);
    let first_request = front.traffic.first_request();
    let first_request_ms = first_request.map(|shortest| shortest.as_secs_f64() * 1000.0);
    let stall = match first_request_ms {
        Some(shortest) if front.traffic.stalls() => format!(
            "Every connection to the API stalls: {shortest:.0} ms at least from the handshake to the first request.\n"
        ),
        Some(shortest) => {
            format!("No stall: the first request comes {shortest:.1} ms after the handshake at best.\n")
        }
        None => "Nobody asked the API.\n".to_owned(),
    };
    let document = json!({ "binary_bytes": programs.size, "pebble": "simulated", "first_request_ms": first_request_ms, "events": rows });
    print(arguments, &document, || {
        let not_counted = match (is_traced, arguments.check) {
            (true, _) => "",
            (false, true) => "System calls are not counted in a check.\n",
            (false, false) => "System calls are not counted: strace is not installed.\n",
        };
        format!(
            "dispatch as it is packed: static, {:.2} MB. Pebble: simulated. API: TLS 1.3, HTTP/1.1. Times in milliseconds.\n{stall}{not_counted}{}",
            programs.size as f64 / 1e6,
            table::text(&rows)
        )
    })?;
    let baseline = check::baseline(&rows, front.traffic.stalls());
    if arguments.write {
        check::write(&baseline)?;
    }
    if arguments.check {
        check::check(&baseline)?;
    }
    Ok(())
}

/// As the person wants it.
fn print(arguments: &Arguments, document: &Value, text: impl FnOnce() -> String) -> Result<()> {
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(document)?);
    } else {
        print!("{}", text());
    }
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
