//! A packed charm under the simulated Juju: deployed, integrated, and held to a status.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use juju_sim::{Deploy, OperatorOptions, Options, Simulation, Workload};
use serde_json::Value;
use workload_charm::options::UNSAFE_MODE;
use workload_charm::profile::AppProfile;
use workload_charm::tiers::NIGHTLY;

/// What stands for the app in the simulated container: here only the charm is on trial. It says that the server at `real` is the
/// app's port, and answers nothing itself.
fn stand_in(port: u16, real: u16) -> String {
    format!(
        "#!/bin/sh\nmkdir -p \"$CONTAINER_PORTS\"\necho {real} > \"$CONTAINER_PORTS/{port}\"\nexec sleep 3600\n"
    )
}

/// A web server on the loopback device that answers everything with 200, as long as this program runs.
fn answers_all() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen for the app")?;
    let port = listener.local_addr().context("cannot listen for the app")?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever hangs up asks again.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    Ok(port)
}

/// Deploys the unpacked charm in `folder`, integrates it with velero-operator, and gives its status then.
///
/// # Errors
/// When it cannot be deployed, a dispatch fails, the app does not run, or no backup is asked for.
pub fn dispatch(folder: &Path, juju_sim: &Path) -> Result<String> {
    let profile = AppProfile::load(&folder.join("app.yaml"))?;
    let app = profile.name.clone();
    let scratch = tempfile::tempdir().context("cannot make a folder")?;
    let options = Options {
        executable: Some(juju_sim.to_owned()),
        ..Options::default()
    };
    let mut juju = Simulation::create(scratch.path().join("juju"), options)?;
    let program = program(&profile)?;
    let working_dir = profile.workload.working_dir.clone().unwrap_or_default();
    let text = stand_in(profile.workload.port, answers_all()?);
    let image = Workload::fill(move |root| {
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(inside(&working_dir))?;
        let path = inside(&program);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        test_programs::write(&path, &text)
    });
    let mut deploy = Deploy::new(&app, folder)
        .trust()
        .resource(&format!("{app}-image"), &profile.workload.image)
        .workload(&app, image);
    if profile.vpn {
        deploy = deploy.config(UNSAFE_MODE.name(), "true");
    }
    juju.deploy(deploy)?;
    // An app that keeps nothing has nothing to back up.
    let has_backups = offers_backups(folder)?;
    if has_backups {
        juju.deploy_velero_operator(OperatorOptions::default())?;
        juju.integrate(&app, "velero-operator")?;
    }
    let unit = format!("{app}/0");
    let status = juju.status(&unit)?.workload;
    let text = format!("{}: {}", status.current, status.message);
    if let Some(failed) = juju.dispatches().iter().find(|report| !report.exit.is_done()) {
        let log = juju.unit_log(&unit).unwrap_or_default();
        bail!(
            "{} of the packed charm failed; its status is {text}; its log ends with:\n{}",
            failed.path,
            last_lines(&log)
        );
    }
    ensure!(
        status.current == "active",
        "the packed charm does not become active: {text}"
    );
    let asked = juju.app_bag(&app, NIGHTLY.name()).unwrap_or_default();
    ensure!(
        asked.contains_key("spec") == has_backups,
        "what the packed charm asks velero-operator for is not a backup: {asked:?}"
    );
    juju.destroy()?;
    Ok(text)
}

/// Whether the charm has the backup relation.
fn offers_backups(folder: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(folder.join("metadata.yaml")).context("cannot read metadata.yaml")?;
    let metadata: Value = serde_yaml::from_str(&text)?;
    Ok(metadata
        .get("provides")
        .is_some_and(|provides| provides.get(NIGHTLY.name()).is_some()))
}

/// The file that Pebble starts, as a path in the container.
fn program(profile: &AppProfile) -> Result<String> {
    let word = shlex::split(&profile.workload.command)
        .and_then(|words| words.into_iter().next())
        .with_context(|| format!("the app file of {} names no command", profile.name))?;
    Ok(if word.starts_with('/') {
        word
    } else {
        format!("/usr/bin/{word}")
    })
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines
        .get(lines.len().saturating_sub(12)..)
        .unwrap_or_default()
        .join("\n")
}
