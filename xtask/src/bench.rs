//! What each event costs: the release binary under the simulated Juju, measured from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use juju_sim::DispatchReport;
use juju_sim::{OperatorOptions, Options, Simulation};
use serde::Serialize;
use system_tests::binaries::{Binaries, Profile};
use system_tests::radarr;

use crate::progress::Progress;

/// One line of the table: medians over the rounds.
#[derive(Debug, Serialize)]
struct Row {
    event: String,
    rounds: usize,
    /// Median, milliseconds.
    wall_ms: f64,
    /// Minimum, milliseconds.
    wall_min_ms: f64,
    /// User and system time, median, milliseconds.
    cpu_ms: f64,
    /// Peak of resident memory, largest, MiB.
    peak_mib: f64,
    /// Hook tools called, median.
    hook_tools: usize,
    /// Of these, calls of juju-log.
    juju_log: usize,
}

/// Measures and prints.
///
/// # Errors
/// When something cannot be built or an event fails.
pub fn run(rounds: usize, json: bool) -> Result<()> {
    let progress = Progress::begin("building the release binaries");
    let binaries = Binaries::build(Profile::Release)?;
    progress.end();
    let progress = Progress::begin("dispatching");
    let mut reports: BTreeMap<String, Vec<DispatchReport>> = BTreeMap::new();
    for _ in 0..rounds.max(1) {
        for report in one_life(&binaries)? {
            reports.entry(report.path.clone()).or_default().push(report);
        }
    }
    progress.end();
    let size = std::fs::metadata(&binaries.dispatch)
        .context("cannot look at the binary")?
        .len();
    let rows: Vec<Row> = reports
        .into_iter()
        .map(|(event, reports)| row(event, &reports))
        .collect();
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&serde_json::json!({ "binary_bytes": size, "events": rows }))?
        );
    } else {
        print_table(size, &rows);
    }
    Ok(())
}

/// Every kind of event once: first start, relation, steady state, relation gone.
fn one_life(binaries: &Binaries) -> Result<Vec<DispatchReport>> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        executable: Some(binaries.juju_sim.clone()),
        ..Options::default()
    };
    let mut juju = Simulation::create(folder.path().join("juju"), options)?;
    juju.deploy(radarr::deploy(&folder.path().join("charm"), binaries)?)?;
    juju.deploy_velero_operator(OperatorOptions::default())?;
    juju.integrate("radarr", "velero-operator")?;
    juju.update_status("radarr/0")?;
    juju.set_config("radarr", &[("backup-schedule", "@weekly")])?;
    juju.remove_relation("radarr", "velero-operator")?;
    let reports = juju.dispatches().to_vec();
    juju.destroy()?;
    Ok(reports)
}

fn row(event: String, reports: &[DispatchReport]) -> Row {
    let median = |value: &dyn Fn(&DispatchReport) -> f64| {
        let mut values: Vec<f64> = reports.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let minimum = reports
        .iter()
        .map(|report| milliseconds(report.wall))
        .fold(f64::INFINITY, f64::min);
    let peak = reports
        .iter()
        .map(|report| report.max_resident)
        .max()
        .unwrap_or_default();
    Row {
        event,
        rounds: reports.len(),
        wall_ms: median(&|report| milliseconds(report.wall)),
        wall_min_ms: minimum,
        cpu_ms: median(&|report| milliseconds(report.user + report.system)),
        peak_mib: peak as f64 / (1024.0 * 1024.0),
        hook_tools: median(&|report| report.tools.len() as f64) as usize,
        juju_log: median(&|report| report.calls_of("juju-log") as f64) as usize,
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn print_table(size: u64, rows: &[Row]) {
    println!(
        "dispatch: {:.1} MB. Wall and CPU are medians; hook tools run through a simulated agent.",
        size as f64 / 1e6
    );
    println!(
        "{:<45} {:>6} {:>9} {:>9} {:>8} {:>9} {:>11}",
        "event", "rounds", "wall ms", "(min)", "CPU ms", "peak MiB", "tools (log)"
    );
    for row in rows {
        println!(
            "{:<45} {:>6} {:>9.1} {:>9.1} {:>8.1} {:>9.1} {:>7} ({})",
            row.event,
            row.rounds,
            row.wall_ms,
            row.wall_min_ms,
            row.cpu_ms,
            row.peak_mib,
            row.hook_tools,
            row.juju_log
        );
    }
}
