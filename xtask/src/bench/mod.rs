//! What each event costs: the binary as it is packed, under the simulated Juju, measured from outside, beside floors.

mod backups;
mod check;
mod columns;
mod front;
mod goals;
mod growth;
mod life;
mod pebble;
mod programs;
mod python;
mod report;
mod statistics;
mod table;
mod trace;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use front::Fronts;
use life::{Setup, Turns};
use pebble::RealPebble;
use programs::Programs;
use python::Python;
use report::{Other, Report};
use serde_json::Value;

use crate::progress::Progress;

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many lives of an app are played; each has every event at least once [default: 20, 6 with --check].
    #[arg(long)]
    rounds: Option<usize>,
    /// Build what is measured, and measure nothing.
    #[arg(long, conflicts_with_all = ["check", "write", "growth"])]
    build: bool,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure how a steady event grows with the cluster around the app, instead.
    #[arg(long, conflicts_with_all = ["check", "write"])]
    growth: bool,
    /// Fail if a count is above the committed one, a ratio to the floor differs from it by more than a third, or a stall came or went.
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// A Python 3 that has ops, for the same job by a minimal Python charm.
    #[arg(long, default_value = "python3", value_name = "PROGRAM")]
    python: PathBuf,
    /// Write counts and ratios to the floor into the committed file.
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
    if arguments.build {
        return Ok(());
    }
    let fronts = Fronts::start()?;
    let progress = Progress::begin("dispatching");
    if arguments.growth {
        let lines = growth::measure(&programs, &fronts)?;
        progress.end();
        print(arguments, &serde_json::to_value(&lines)?, || growth::text(&lines))?;
        if let Some(what) = growth::grows(&lines) {
            bail!("{what}");
        }
        return Ok(());
    }
    let rounds = arguments
        .rounds
        .unwrap_or(if arguments.check { CHECK_ROUNDS } else { 20 });
    let report = measure(&programs, &fronts, rounds.max(1), &arguments.python)?;
    progress.end();
    print(arguments, &report.document(), || report.text())?;
    let baseline = check::baseline(&report.rows, fronts.charm.pace.stalls());
    if arguments.write {
        check::write(&baseline)?;
    }
    if arguments.check {
        check::check(&baseline)?;
    }
    Ok(())
}

/// Plays lives of an app, and what was measured in them. Every third life is played again under the real Pebble and by the charm in
/// Python, so that all have the same slow moments of the machine.
fn measure(programs: &Programs, fronts: &Fronts, rounds: usize, python: &std::path::Path) -> Result<Report> {
    let pebble = RealPebble::find()?;
    let python = Python::find(python);
    let (mut measured, mut under_real, mut in_python) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let turns = if round % 2 == 0 {
            Turns::NothingFirst
        } else {
            Turns::CharmFirst
        };
        let setup = Setup::of(turns);
        measured.extend(life::whole(programs, fronts, setup)?);
        if round % 3 != 0 {
            continue;
        }
        if let Ok(pebble) = &pebble {
            let pebble = Some(pebble);
            under_real.extend(life::whole(programs, fronts, Setup { pebble, ..setup })?);
        }
        if let Ok(python) = &python {
            let python = Some(python);
            in_python.extend(life::whole(programs, fronts, Setup { python, ..setup })?);
        }
    }
    let is_traced = has("strace");
    if is_traced {
        measured.extend(life::whole(programs, fronts, Setup::of(Turns::Traced))?);
    }
    let other = |found: Result<String, String>, measured: &[life::Measured]| match found {
        Ok(version) => Other::Measured {
            version,
            rows: table::rows(measured),
        },
        Err(reason) => Other::LeftOut { reason },
    };
    Ok(Report {
        binary_bytes: programs.size,
        first_request: fronts.charm.pace.first_request(),
        stalls: fronts.charm.pace.stalls(),
        is_traced,
        rows: table::rows(&measured),
        under_real_pebble: other(pebble.map(|pebble| pebble.version), &under_real),
        in_python: other(python.map(|python| python.version), &in_python),
    })
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
