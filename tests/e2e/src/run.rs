//! One run, from the command line to the report.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use system_tests::binaries::{Binaries, Profile, build_packed, plain_cargo};

use crate::arguments::Arguments;
use crate::bed::{self, Bed};
use crate::ground::{Need, TestEnv};
use crate::parts::Parts;
use crate::phases::Recorder;
use crate::processors::Ticks;
use crate::report::{self, Outcome, Report, Verdict};
use crate::scenarios::{self, Scenario, ScenarioReport};
use crate::spoken::spoken;
use crate::veleros::{self, Velero};
use crate::{CANNOT_TRY, lanes, left, matrix, namespaces, packages};

/// How long it may take to gather what is known of a failure.
const EVIDENCE: Duration = Duration::from_secs(30);
/// The same when a part of the bed has died.
const EVIDENCE_OF_RUINS: Duration = Duration::from_secs(3);

/// Does what the command line says.
///
/// # Errors
/// When the ground cannot be made or the report not be written. A failed scenario is no error but an exit code.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        list(arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.build {
        Parts::build_missing(&arguments.to_build(), true)?;
        return Ok(ExitCode::SUCCESS);
    }
    let velero = namespaces::inside()?;
    if arguments.kubeconfig.is_none() && velero.is_none() {
        return outside(arguments);
    }
    let velero = velero.unwrap_or(&veleros::DEFAULT);
    let wanted = match arguments.scenarios(velero) {
        Ok(wanted) => wanted,
        Err(said) => return Ok(cannot_try(&said)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(inside(arguments, velero, &wanted))
}

fn list(as_json: bool) -> Result<()> {
    if as_json {
        let all: Vec<_> = scenarios::ALL
            .iter()
            .map(|is| json!({"name": is.name, "says": is.says, "thorough": is.thorough}))
            .collect();
        return print(&format!("{:#}\n", json!(all)));
    }
    let line = |scenario: &Scenario| {
        let when = if scenario.thorough {
            " (with --thorough)"
        } else {
            ""
        };
        format!("{}{when}\n    {}\n", scenario.name, scenario.says)
    };
    print(&scenarios::ALL.iter().map(line).collect::<String>())
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no fault.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn cannot_try(said: &str) -> ExitCode {
    eprintln!("e2e was left out: {said}");
    ExitCode::from(CANNOT_TRY)
}

/// Gets everything ready that needs the network, then goes inside, once for each Velero.
fn outside(arguments: &Arguments) -> Result<ExitCode> {
    let veleros = arguments.veleros();
    let mut wanted = Vec::new();
    for &velero in &veleros {
        match arguments.scenarios(velero) {
            Ok(scenarios) => wanted.push((velero, scenarios)),
            Err(said) => return Ok(cannot_try(&said)),
        }
    }
    if !namespaces::is_root() {
        return Ok(cannot_try(
            "a cluster of its own needs root; become root, or name a cluster of yours by --kubeconfig",
        ));
    }
    let needs: BTreeSet<Need> = wanted
        .iter()
        .flat_map(|(_, scenarios)| scenarios)
        .flat_map(|scenario| scenario.needs)
        .copied()
        .collect();
    let missing = packages::missing(&needs);
    if arguments.install {
        packages::install(&missing)?;
    } else if !missing.is_empty() {
        let command = packages::install_command(&missing);
        return Ok(cannot_try(&format!(
            "missing packages; `cargo e2e --install` or this installs them:\n    {command}"
        )));
    }
    let Some(_lock) = namespaces::lock()? else {
        return Ok(cannot_try(
            "another run is under way on this machine; wait for its end",
        ));
    };
    Parts::build_missing(&veleros, needs.contains(&Need::Snapshots))?;
    // Inside, cargo has no network; there it finds everything built.
    spoken("building the programs that play", || {
        Binaries::build(Profile::Dev)?;
        build_contract()
    })?;
    spoken("building the charm's binary as it is packed", || {
        build_packed(None)
    })?;
    if !arguments.all_veleros {
        return Ok(ExitCode::from(namespaces::enter(wanted[0].0)?));
    }
    let mut played = matrix::Matrix::default();
    for &velero in &veleros {
        eprintln!("Velero {}, Kubernetes {} …", velero.version, velero.kubernetes);
        played.enter(velero)?;
    }
    played.write()?;
    print(&played.text())?;
    Ok(ExitCode::from(played.code()))
}

/// Compiles the tests that `pebble-contract` runs.
fn build_contract() -> Result<()> {
    let status = plain_cargo()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(scenarios::pebble_contract::CARGO)
        .args(["--quiet", "--no-run"])
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "cannot build the tests of pebble-contract: cargo ended with {status}"
    );
    Ok(())
}

async fn inside(
    arguments: &Arguments,
    velero: &'static Velero,
    wanted: &[&'static Scenario],
) -> Result<ExitCode> {
    let began = Instant::now();
    let mut report = Report::default();
    let mut ground = match &arguments.kubeconfig {
        Some(file) => {
            report.ground = format!("the cluster of {}", file.display());
            TestEnv::of_cluster(bed::client(file).await?, &arguments.shell_image).await?
        }
        None => {
            report.ground = format!(
                "a cluster of its own with Velero {} and Kubernetes {}",
                velero.version, velero.kubernetes
            );
            let bed = Bed::up(velero, Parts::build(velero)?).await?;
            report.seconds_to_bring_up = Some(began.elapsed().as_secs_f64());
            TestEnv::of_bed(bed)
        }
    };
    ground.thorough = arguments.thorough;
    let phases = ground.bed.is_some().then(|| Recorder::start(&ground.client));
    let play = |scenario: &&'static Scenario| play(&ground, scenario);
    report.scenarios = lanes::all(wanted, |scenario| scenario.beside, play).await;
    let cleaned = if ground.bed.is_none() {
        ground.clean().await
    } else {
        Ok(())
    };
    let folder = report::folder_of(velero);
    report.write(&folder)?;
    if let Some(phases) = phases {
        phases.write(&folder)?;
    }
    print(&if arguments.json {
        report.json()?
    } else {
        report.text()
    })?;
    cleaned.context("cannot remove everything that this run made")?;
    if ground.bed.is_some() && report.is_good() {
        let left = left::nothing_is_left(&ground, None).await;
        left.context("each scenario passed, and all of them left something")?;
    }
    if arguments.keep {
        keep(&ground).await?;
    }
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

async fn play(ground: &TestEnv, scenario: &'static Scenario) -> Outcome {
    let (began, ticks) = (Instant::now(), Ticks::now());
    let mut story = ScenarioReport::default();
    let result = match ground.lack(scenario.needs) {
        Some(reason) => Verdict::LeftOut { reason },
        None => {
            eprintln!("{} …", scenario.name);
            let played = tokio::select! {
                played = scenario.play(ground, &mut story) => played,
                died = ground.part_dies() => Err(died),
            };
            // With a part gone, the API server most likely tells nothing any more.
            let whole = ground.bed.as_ref().is_none_or(|bed| bed.ended().is_empty());
            let patience = if whole { EVIDENCE } else { EVIDENCE_OF_RUINS };
            match played {
                Ok(()) => Verdict::Passed,
                Err(error) => {
                    let evidence = ground.evidence(scenario.name);
                    let evidence = tokio::time::timeout(patience, evidence).await.unwrap_or_default();
                    Verdict::Failed {
                        error: format!("{error:#}"),
                        evidence,
                    }
                }
            }
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let word = match &result {
        Verdict::Passed => "passed".to_owned(),
        Verdict::LeftOut { reason } => format!("left out: {reason}"),
        Verdict::Failed { error, .. } => format!("FAILED: {error}"),
    };
    eprintln!("  {seconds:>5.1} s  {} {word}", scenario.name);
    Outcome {
        name: scenario.name.to_owned(),
        says: scenario.says.to_owned(),
        seconds,
        busy_percent: ticks.and_then(Ticks::busy_percent).ok(),
        result,
        story,
    }
}

/// Says how to reach the bed, and waits to be ended.
async fn keep(ground: &TestEnv) -> Result<()> {
    let bed = ground.own_bed()?;
    let process = namespaces::outer_process()?;
    eprintln!(
        "\nThe cluster stays up. To look at it:\n    nsenter --target {process} --all env KUBECONFIG={} PATH=$PATH:{} bash\n\
         There are `kubectl` and Velero's own `velero`. To end it: Ctrl-C here, or\n    kill -KILL {process}",
        bed.kubeconfig.display(),
        bed.parts.folder().display()
    );
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}
