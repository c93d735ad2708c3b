//! The story itself: each step does what a person would do, looks, and fails if it does not see what it should.

use std::cell::RefCell;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use juju_sim::{OperatorOptions, Options, Simulation};
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::radarr;
use velero_backup_config::Schedule;
use velero_backup_config::pod::is_about_backups;

use super::render::{Renderer, Shown};

const UNIT: &str = "radarr/0";
const ENDPOINT: &str = "velero-backup-config";

/// Plays it, in a folder of its own that is removed at the end.
pub fn play(binaries: &Binaries, renderer: &mut Renderer) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for the demo")?;
    let options = Options {
        executable: Some(binaries.juju_sim.clone()),
        ..Options::default()
    };
    let juju = RefCell::new(Simulation::create(folder.path().join("juju"), options)?);
    let charm = folder.path().join("charm");

    renderer.step(
        "Deploy Radarr and velero-operator",
        "juju deploy radarr && juju deploy velero-operator",
        || {
            let mut juju = juju.borrow_mut();
            juju.deploy(radarr::deploy(&charm, binaries)?)?;
            juju.deploy_velero_operator(OperatorOptions::default())?;
            let status = juju.status(UNIT)?;
            ensure!(
                status.workload.current == "active",
                "radarr is {}: {}",
                status.workload.current,
                status.workload.message
            );
            let events = juju
                .dispatches()
                .iter()
                .map(|report| json!(report.path))
                .collect();
            Ok(vec![
                shown("events that the charm handled", Value::Array(events)),
                shown("open ports", json!(status.open_ports.join(", "))),
                shown("version", json!(status.workload_version)),
                status_line(&juju)?,
            ])
        },
    )?;

    renderer.step(
        "Ask for backups",
        "juju integrate radarr:velero-backup-config velero-operator",
        || {
            let mut juju = juju.borrow_mut();
            juju.integrate("radarr:velero-backup-config", "velero-operator")?;
            let schedule = only_schedule(&juju)?;
            let mut shows = vec![
                databag(&juju)?,
                shown(
                    "the Schedule that velero-operator makes of it",
                    trimmed(&schedule),
                ),
            ];
            shows.push(next_runs(&schedule)?);
            shows.push(pod_marks(&juju)?);
            shows.push(status_line(&juju)?);
            Ok(shows)
        },
    )?;

    renderer.step(
        "Take one backup now",
        "juju run velero-operator/0 create-backup target=radarr:velero-backup-config",
        || {
            let mut juju = juju.borrow_mut();
            let target = json!(format!("radarr:{ENDPOINT}"));
            let action = juju.run_action(
                "velero-operator/0",
                "create-backup",
                [("target".to_owned(), target)].into_iter().collect(),
            )?;
            ensure!(
                action.status == "completed",
                "create-backup {}: {}",
                action.status,
                action.message
            );
            let backup = juju.backups().pop().context("velero-operator made no Backup")?;
            Ok(vec![shown(
                "the Backup that velero-operator makes",
                trimmed(&serde_json::to_value(&backup)?),
            )])
        },
    )?;

    renderer.step(
        "Change the schedule",
        "juju config radarr backup-schedule='TZ=Europe/Berlin 30 3 * * SUN' backup-retention=2160h",
        || {
            let mut juju = juju.borrow_mut();
            juju.set_config(
                "radarr",
                &[
                    ("backup-schedule", "TZ=Europe/Berlin 30 3 * * SUN"),
                    ("backup-retention", "2160h"),
                ],
            )?;
            let schedule = only_schedule(&juju)?;
            ensure!(
                text(&schedule, "/spec/template/ttl")? == "2160h",
                "the Schedule keeps its old retention"
            );
            Ok(vec![
                shown("schedule", json!(text(&schedule, "/spec/schedule")?)),
                shown("kept for", json!(text(&schedule, "/spec/template/ttl")?)),
                next_runs(&schedule)?,
                status_line(&juju)?,
            ])
        },
    )?;

    renderer.step(
        "Make a mistake: six fields",
        "juju config radarr backup-schedule='0 0 3 * * *'",
        || {
            let mut juju = juju.borrow_mut();
            juju.set_config("radarr", &[("backup-schedule", "0 0 3 * * *")])?;
            let status = juju.status(UNIT)?;
            ensure!(
                status.workload.current == "blocked",
                "a bad schedule leaves radarr {}",
                status.workload.current
            );
            let schedule = only_schedule(&juju)?;
            Ok(vec![
                status_line(&juju)?,
                shown(
                    "the Schedule keeps the last good one",
                    json!(text(&schedule, "/spec/schedule")?),
                ),
            ])
        },
    )?;

    renderer.step(
        "Mend it, and end the backups",
        "juju config radarr --reset backup-schedule && juju remove-relation radarr:velero-backup-config velero-operator",
        || {
            let mut juju = juju.borrow_mut();
            juju.reset_config("radarr", &["backup-schedule"])?;
            let mended = juju.status(UNIT)?.workload.current;
            ensure!(mended == "active", "radarr stays {mended} with a good schedule");
            juju.remove_relation("radarr:velero-backup-config", "velero-operator")?;
            ensure!(juju.schedules().is_empty(), "the Schedule is still there");
            Ok(vec![
                shown("Schedules left", json!(juju.schedules().len().to_string())),
                status_line(&juju)?,
            ])
        },
    )?;
    juju.into_inner().destroy()?;
    Ok(())
}

fn shown(label: &str, value: Value) -> Shown {
    Shown {
        label: label.to_owned(),
        value,
    }
}

fn status_line(juju: &Simulation) -> Result<Shown> {
    let status = juju.status(UNIT)?.workload;
    Ok(shown(
        "status",
        json!(format!("{}: {}", status.current, status.message)),
    ))
}

fn only_schedule(juju: &Simulation) -> Result<Value> {
    let schedules = juju.schedules();
    let [schedule] = schedules.as_slice() else {
        bail!("there are {} Schedules, not one", schedules.len());
    };
    Ok(serde_json::to_value(schedule)?)
}

/// The databag as it goes over the wire.
fn databag(juju: &Simulation) -> Result<Shown> {
    let bag = juju
        .app_bag("radarr", ENDPOINT)
        .context("radarr wrote no databag")?;
    Ok(shown("databag of radarr", json!(bag)))
}

/// What the charm has put on its own pod, so that Velero stores the config volume alone and in a consistent state.
fn pod_marks(juju: &Simulation) -> Result<Shown> {
    let pod = juju.pod(UNIT).context("radarr has no pod")?;
    let annotations = pod
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .context("the pod has no annotations")?;
    let marks: serde_json::Map<String, Value> = annotations
        .iter()
        .filter(|(key, _)| is_about_backups(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    ensure!(!marks.is_empty(), "the charm has put nothing on its pod");
    Ok(shown("what the charm puts on its pod", marks.into()))
}

/// The object without what it does not set.
fn trimmed(object: &Value) -> Value {
    match object {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), trimmed(value)))
            .collect(),
        other => other.clone(),
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Result<&'a str> {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no text at {pointer}"))
}

fn next_runs(schedule: &Value) -> Result<Shown> {
    let schedule = Schedule::parse(text(schedule, "/spec/schedule")?)?;
    let mut runs = Vec::new();
    let mut after = Timestamp::now();
    for _ in 0..3 {
        after = schedule.next_after(after).context("the schedule never runs")?;
        runs.push(json!(after.strftime("%A %d %B %Y %H:%M UTC").to_string()));
    }
    Ok(shown("next three runs", Value::Array(runs)))
}
