//! `cargo xtask alerts`: the metrics, alert rules and the dashboard on the programs that take them: Prometheus' `promtool`, `xz`, and a
//! Prometheus that scrapes the exporter in front of a stand-in cluster. The pictures of the dashboard in the docs are drawn from its answers.
//!
//! It is a step of its own, since `cargo test` needs nothing but Rust and a C compiler.

mod live;
mod picture;
mod rules;
#[cfg(test)]
mod runbooks;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use system_tests::binaries::Binaries;
use workload_charm::cos::{Topology, dashboard};

/// Programs, and the Debian packages that bring them.
const NEEDS: [(&str, &str); 3] = [
    ("promtool", "prometheus"),
    ("prometheus", "prometheus"),
    ("xz", "xz-utils"),
];

/// How it is called.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Install the Debian packages that are missing.
    #[arg(long)]
    install: bool,
    /// Draw the pictures of the dashboard anew, and try nothing else.
    #[arg(long)]
    draw: bool,
}

/// Does all of it.
///
/// # Errors
/// When a program is missing (the error names the command that installs it), or one refuses something.
pub fn run(arguments: &Arguments) -> Result<()> {
    needs(arguments.install)?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let dispatch = &Binaries::for_tests()?.dispatch;
    rules::check(folder.path())?;
    if arguments.draw {
        return picture::run(folder.path(), dispatch, true);
    }
    rules::test(folder.path())?;
    decoded_by_xz()?;
    // Both wait most of the time.
    std::thread::scope(|scope| {
        let picture = scope.spawn(|| picture::run(folder.path(), dispatch, false));
        live::run(folder.path(), dispatch)?;
        picture
            .join()
            .unwrap_or_else(|_| bail!("the pictures of the dashboard cannot be drawn"))
    })?;
    live::measure()
}

/// Who is told of in the tests.
fn topology() -> Topology {
    Topology {
        model: "media".to_owned(),
        model_uuid: "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a".to_owned(),
        application: "radarr".to_owned(),
        unit: "radarr/0".to_owned(),
        charm: "radarr".to_owned(),
    }
}

fn needs(install: bool) -> Result<()> {
    let is_missing = |program: &str| {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.is_err()
    };
    let mut missing: Vec<&str> = NEEDS
        .iter()
        .filter(|(program, _)| is_missing(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!(
        "apt-get install --yes --no-install-recommends {}",
        missing.join(" ")
    );
    ensure!(
        install,
        "cannot try the alert rules: packages are missing; install them with: {command} (or: cargo xtask alerts --install)"
    );
    let apt = |arguments: &[&str]| -> Result<()> {
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .context("cannot start apt-get: install the packages by hand")?;
        ensure!(
            status.success(),
            "cannot install packages: apt-get ended with {status}"
        );
        Ok(())
    };
    apt(&["update"])?;
    let install = ["install", "--yes", "--no-install-recommends"];
    apt(&[install.as_slice(), missing.as_slice()].concat())
}

/// Runs a program on this input. Gives its output.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let mut stdin = child.stdin.take().context("it has no input")?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    let written = writer.join();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{program} refuses: {said}");
    ensure!(
        matches!(written, Ok(Ok(()))),
        "{program} did not read all of its input"
    );
    Ok(output.stdout)
}

/// `promtool` on a file.
fn promtool(arguments: &[&str], file: &Path) -> Result<()> {
    let output = Command::new("promtool")
        .args(arguments)
        .arg(file)
        .output()
        .context("cannot start promtool")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!(
            "promtool {} refuses: {said}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    println!("promtool {}: ok", arguments.join(" "));
    Ok(())
}

/// What a Grafana reads out of the databag is the dashboard.
fn decoded_by_xz() -> Result<()> {
    let bag = dashboard::app_bag(&topology());
    let value: Value = serde_json::from_str(&bag["dashboards"])?;
    let templates = value["templates"].as_object().context("no templates")?;
    for template in templates.values() {
        let content = STANDARD.decode(template["content"].as_str().unwrap_or_default())?;
        let text = piped("xz", &["--decompress", "--stdout"], &content)?;
        ensure!(
            text == dashboard::dashboard().to_string().as_bytes(),
            "xz reads another dashboard than was stored"
        );
    }
    println!(
        "xz reads the dashboard: {} bytes of databag",
        bag["dashboards"].len()
    );
    Ok(())
}
