//! Backups of the database's volume, each with all that was written before it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use juju_charm::kubernetes::OwnPod;
use juju_charm::{Juju, Status};
use velero_backup_config::pod::{self, BackupHooks};
use velero_backup_config::{BackupRequest, BackupSpec, Method, Retention, Schedule, provider};

use crate::{CONTAINER, FOLDER, PASSWORD};

// As in charmcraft.yaml.
const BACKUP: &str = "backup";
const STORAGE: &str = "data";

/// Writes the request where there is a relation for it, unless the pod could not be marked.
pub(crate) fn ask(juju: &Juju, marked: Result<()>) -> Result<Status> {
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
    if juju.is_leader()? {
        let (app, model) = (juju.context().app(), juju.context().model_name());
        let spec = BackupSpec::storage_volume(app, model, STORAGE, Method::Filesystem)?
            .with_schedule(Some(Schedule::daily_at(150)))
            .with_retention(Retention::parse("720h")?);
        let request = BackupRequest::new(app, BACKUP, model, spec)?;
        let mut bags = BTreeMap::new();
        for id in relations {
            let bag = juju.own_app_data(&id)?;
            bags.insert(id, bag);
        }
        for change in provider::changes(&bags, &request) {
            juju.set_own_app_data(&change.relation_id, &change.set)?;
        }
    }
    Ok(Status::Active("scheduled backups: daily 02:30 UTC".to_owned()))
}

/// The marks of a pod with `volume`, of all its `volumes`.
pub(crate) fn marks<'a>(
    volume: &str,
    volumes: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<String, String> {
    // Velero runs it in the container, without what Pebble gives to services. `-e` makes an error of the database's one of the
    // command's, which fails the backup.
    let save = format!("REDISCLI_AUTH=$(cat {PASSWORD}) exec valkey-cli -e save");
    let hooks = BackupHooks {
        container: CONTAINER.to_owned(),
        before: ["/bin/sh", "-c", &save].map(str::to_owned).into(),
        after: Vec::new(),
        timeout: "10m".to_owned(),
    };
    pod::annotations(volume, volumes, Some(&hooks))
}

/// Says on the pod which of its volumes a backup holds, and what runs before.
pub(crate) fn mark_pod(juju: &Juju) -> Result<()> {
    let own = OwnPod::of(juju.context())?;
    let seen = own.read()?;
    // Without a relation nothing of ours stays on the pod.
    let mut wanted = BTreeMap::new();
    if !juju.relations(BACKUP)?.is_empty() {
        let volume = seen.volume_at(CONTAINER, FOLDER);
        let volume = volume.with_context(|| format!("cannot find the volume that is mounted at {FOLDER}"))?;
        wanted = marks(volume, seen.volumes());
    }
    own.annotate(&pod::differences(seen.annotations(), &wanted))?;
    Ok(())
}
