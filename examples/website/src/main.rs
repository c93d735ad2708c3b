//! A website of files, served by Caddy and backed up by Velero.
//!
//! Whatever happened, the charm does the same few things, and each writes only what differs.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use juju_charm::kubernetes::OwnPod;
use juju_charm::pebble::{Layer, Override, Pebble, Service, Startup};
use juju_charm::{Event, Juju, Port, Status};
use velero_backup_config::{BackupRequest, BackupSpec, Method, Retention, SPEC_KEY, Schedule, pod, provider};

#[cfg(test)]
mod tests;

// As in charmcraft.yaml.
const CONTAINER: &str = "website";
const STORAGE: &str = "files";
const FOLDER: &str = "/srv";
const BACKUP: &str = "backup";
const PORT: u16 = 8080;

fn main() -> Result<()> {
    let juju = Juju::from_env()?;
    juju_charm::log::init(&juju);
    match juju.context().event() {
        Event::Action(action) => act(&juju, &action.name),
        _ => {
            let marked = mark_pod(&juju);
            converge(&juju, &juju.pebble(CONTAINER), marked)
        }
    }
}

/// Brings everything to where it should be.
fn converge(juju: &Juju, web: &dyn Pebble, marked: Result<()>) -> Result<()> {
    juju.open_port(Port::tcp(PORT))?;
    let served = serve(web)?;
    let asked = ask_for_backups(juju, marked)?;
    // Of two that are alike the first is shown.
    if let Some(status) = Status::most_urgent([asked, served]) {
        juju.set_status(&status)?;
    }
    Ok(())
}

/// Has Pebble run the web server.
fn serve(web: &dyn Pebble) -> Result<Status> {
    let service = Service {
        r#override: Some(Override::Replace),
        command: Some(format!(
            "/usr/bin/caddy file-server --root {FOLDER} --listen :{PORT}"
        )),
        startup: Some(Startup::Enabled),
        ..Service::default()
    };
    let layer = Layer {
        services: [(CONTAINER.to_owned(), service)].into(),
        ..Layer::default()
    };
    match web.plan() {
        Ok(plan) if plan.includes(&layer) => {}
        Ok(_) => {
            web.add_layer(CONTAINER, &layer, true)?;
            web.replan_and_wait(Duration::from_secs(30))?;
        }
        // Its pebble-ready event comes.
        Err(error) if error.is_not_reachable() => {
            return Ok(Status::Waiting("for the container to start".to_owned()));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Status::Active(String::new()))
}

/// Writes the request for backups where there is a relation for it. A pod that was not marked must not be backed up: the backup
/// would hold nothing, or everything.
fn ask_for_backups(juju: &Juju, marked: Result<()>) -> Result<Status> {
    let relations = juju.relations(BACKUP)?;
    if relations.is_empty() {
        let hint = format!(
            "no backups: juju integrate {} velero-operator",
            juju.context().app()
        );
        return Ok(Status::Active(hint));
    }
    if let Err(error) = marked {
        log::warn!("{error:#}");
        return Ok(Status::Waiting(
            "to mark the pod for backups: juju debug-log".to_owned(),
        ));
    }
    let request = match request(juju)? {
        Ok(request) => request,
        Err(reason) => return Ok(Status::Blocked(reason)),
    };
    // Only the leader may read and write the application's databag.
    if juju.is_leader()? {
        let mut bags = BTreeMap::new();
        for id in relations {
            let bag = juju.own_app_data(&id)?;
            bags.insert(id, bag);
        }
        for change in provider::changes(&bags, &request) {
            juju.set_own_app_data(&change.relation_id, &change.set)?;
        }
    }
    Ok(Status::Active(match request.spec().schedule() {
        Some(schedule) => format!("scheduled backups: {schedule}"),
        None => "backups on demand only".to_owned(),
    }))
}

/// What velero-operator is asked for, or which option cannot be used, and what would be right.
fn request(juju: &Juju) -> Result<Result<BackupRequest, String>> {
    let (context, config) = (juju.context(), juju.config()?);
    let schedule = match Schedule::parse_optional(config.text("backup-schedule")?.unwrap_or_default()) {
        Ok(schedule) => schedule,
        Err(error) => return Ok(Err(format!("backup-schedule: {error}; {}", error.hint()))),
    };
    let retention = match Retention::parse(config.text("backup-retention")?.unwrap_or_default()) {
        Ok(retention) => retention,
        Err(error) => return Ok(Err(format!("backup-retention: {error}; {}", error.hint()))),
    };
    let (app, model) = (context.app(), context.model_name());
    let spec = BackupSpec::storage_volume(app, model, STORAGE, Method::Filesystem)?
        .with_schedule(schedule)
        .with_retention(retention);
    Ok(Ok(BackupRequest::new(app, BACKUP, model, spec)?))
}

/// Says on the pod which of its volumes a backup holds: the website, and none of Juju's own.
fn mark_pod(juju: &Juju) -> Result<()> {
    let own = OwnPod::of(juju.context())?;
    let seen = own.read()?;
    // Without a relation nothing of ours stays on the pod.
    let mut wanted = BTreeMap::new();
    if !juju.relations(BACKUP)?.is_empty() {
        let volume = seen.volume_at(CONTAINER, FOLDER);
        let volume = volume.with_context(|| format!("cannot find the volume that is mounted at {FOLDER}"))?;
        wanted = pod::annotations(volume, seen.volumes(), None);
    }
    own.annotate(&pod::differences(seen.annotations(), &wanted))?;
    Ok(())
}

/// Runs an action.
fn act(juju: &Juju, name: &str) -> Result<()> {
    match (name, request(juju)?) {
        ("show-backup-request", Ok(request)) => {
            let spec = request.to_databag().remove(SPEC_KEY).unwrap_or_default();
            juju.action_set(&[("spec".to_owned(), spec)].into())?;
        }
        ("show-backup-request", Err(reason)) => juju.action_fail(&reason)?,
        (other, _) => juju.action_fail(&format!("there is no action {other}"))?,
    }
    Ok(())
}
