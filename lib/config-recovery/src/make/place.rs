//! Where a backup on demand is made, and when Velero is ready for it.
//!
//! velero-operator takes its storage location away and puts it up again, and starts Velero anew, whenever one of its relations
//! changes; on a real Juju that took up to 3.4 minutes. A backup that is asked for then waits, and says for what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::Value;
use velero_api::{
    Backup, BackupSpec, BackupStorageLocation, BackupStorageLocationSpec, Meaning, ObjectMeta, Schedule,
    ScheduleSpec,
};

use super::MakeSpec;
use crate::api::{AnyObject, Api, Resource};
use crate::backups::names::{APP_LABEL, ENDPOINT_LABEL};
use crate::backups::owner;
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::Pod;
use crate::shown::shown;
use crate::wait::{self, Doubt, Key, Poll, Wait, Which};
use crate::{Error, Remedy, Result, definitions, velero};

/// Name of the node agent's DaemonSet (`pkg/install/daemonset.go` of vmware-tanzu/velero).
const DAEMON_SET: &str = "node-agent";
const DAEMON_SETS: Resource = Resource {
    api_version: "apps/v1",
    kind: "DaemonSet",
    plural: "daemonsets",
};

/// The storage location that velero-operator takes away and puts up again (`src/constants.py` of canonical/velero-operator). One of
/// another name does not come by itself.
const OPERATORS_LOCATION: &str = "default";

/// How long Velero may take to be set up.
const SETTING_UP: Duration = Duration::from_secs(240);

/// Why no backup can be made.
fn cannot(make: &MakeSpec, reason: String, remedy: impl Into<Remedy>) -> Error {
    Error::NotMade {
        whose: make.whose.to_string(),
        reason,
        remedy: remedy.into(),
    }
}

/// What may come by itself while Velero is being set up. All of that is one doubt: what is lacking first changes meanwhile.
fn not_yet<T>(make: &MakeSpec, reason: String, remedy: Remedy) -> Poll<T> {
    Poll::Doubt(Doubt {
        about: "Velero is being set up",
        text: format!("{reason}; Velero may be being set up"),
        grace: SETTING_UP,
        then: cannot(make, reason, remedy),
    })
}

/// The namespace that the Backup belongs into, when there is a storage location in it that can be reached.
///
/// Whose backups it is comes first: while the app's own Velero is being set up, another one may be the only one to be seen.
pub(super) async fn namespace(cluster: &Cluster, make: &MakeSpec, wait: Wait<'_>) -> Result<String> {
    let asked = match &make.velero_namespace {
        Some(named) => BTreeSet::from([named.clone()]),
        None => where_asked(cluster, make).await?,
    };
    let mut names = asked.iter();
    if let (Some(only), None) = (names.next(), names.next()) {
        location(cluster, make, Some(only), wait).await?;
        return Ok(only.clone());
    }
    let found = match asked.is_empty() {
        true => location(cluster, make, None, wait).await?,
        false => asked,
    };
    let mut names = found.iter();
    if let (Some(only), None) = (names.next(), names.next()) {
        return Ok(only.clone());
    }
    let all: Vec<String> = found.iter().map(|name| shown(name)).collect();
    let reason = format!(
        "Velero runs in several namespaces ({}), and neither its Schedule nor its backups tell which one is meant",
        all.join(", ")
    );
    Err(cannot(make, reason, Remedy::NameVelero))
}

/// Waits for a storage location, in one namespace or in any. Gives the namespaces that have one.
async fn location(
    cluster: &Cluster,
    make: &MakeSpec,
    namespace: Option<&str>,
    wait: Wait<'_>,
) -> Result<BTreeSet<String>> {
    let api = velero::api::<BackupStorageLocationSpec>(cluster, namespace);
    let what = "Velero's storage location";
    let inner = Wait { what, ..wait };
    wait::for_objects(cluster, &api, &Which::default(), inner, |all| {
        judge(make, namespace, all)
    })
    .await
    .map_err(velero::no_velero::<BackupStorageLocationSpec>)
}

fn judge(make: &MakeSpec, namespace: Option<&str>, all: &BTreeMap<Key, AnyObject>) -> Poll<BTreeSet<String>> {
    let namespaces: BTreeSet<String> = all.keys().map(|(namespace, _)| namespace.clone()).collect();
    if namespaces.is_empty() {
        let place = namespace.map_or_else(
            || "the cluster".to_owned(),
            |name| format!("namespace {}", shown(name)),
        );
        let reason = format!("Velero has no storage location in {place}");
        // Somebody has typed it.
        let remedy = match make.velero_namespace {
            Some(_) => Remedy::NameVelero,
            None => Remedy::AddStorageLocation,
        };
        return not_yet(make, reason, remedy);
    }
    if namespaces.len() > 1 {
        // Which one is meant has to be found out first.
        return Poll::Done(namespaces);
    }
    let wanted = make.spec.storage_location.as_deref();
    let readable = all.values().filter_map(readable);
    let mut readable = readable.filter(|location| match wanted {
        Some(wanted) => location.name() == wanted,
        None => location.spec.default,
    });
    let Some(location) = readable.next() else {
        return match wanted {
            Some(wanted) => {
                let reason = format!("Velero has no storage location {}", shown(wanted));
                match wanted == OPERATORS_LOCATION {
                    true => not_yet(make, reason, Remedy::AddStorageLocation),
                    false => Poll::Hopeless(cannot(make, reason, Remedy::AddStorageLocation)),
                }
            }
            // The server has a default of its own, which it does not tell.
            None => Poll::Done(namespaces),
        };
    };
    let status = location.status.clone().unwrap_or_default();
    let name = shown(location.name());
    match status.phase.as_ref().map(|phase| phase.meaning()) {
        // Velero looks at one that was just made when its server has started again.
        Some(Meaning::Bad) => {
            let why = status
                .message
                .as_deref()
                .map_or_else(|| "no reason given".to_owned(), shown);
            let reason = format!("storage location {name} is unavailable: {why}");
            match is_new(&location.metadata) {
                true => not_yet(make, reason, Remedy::MendStorageLocation),
                false => Poll::Hopeless(cannot(make, reason, Remedy::MendStorageLocation)),
            }
        }
        None if is_new(&location.metadata) => {
            let reason = format!("Velero has not looked at storage location {name}");
            not_yet(make, reason, Remedy::MendStorageLocation)
        }
        _ => Poll::Done(namespaces),
    }
}

fn readable(location: &AnyObject) -> Option<BackupStorageLocation> {
    match BackupStorageLocation::deserialize(&location.content) {
        Ok(location) => Some(location),
        Err(error) => {
            let error = shown(&error.to_string());
            log::warn!("cannot read a BackupStorageLocation: {error}");
            None
        }
    }
}

fn is_new(metadata: &ObjectMeta) -> bool {
    let made = metadata.creation_timestamp.as_deref();
    let made = made.and_then(|text| text.parse::<Timestamp>().ok());
    made.is_some_and(|made| Timestamp::now().duration_since(made).unsigned_abs() < SETTING_UP)
}

/// The namespaces of Velero's objects that are about this app and endpoint: its Schedule and its backups.
async fn where_asked(cluster: &Cluster, make: &MakeSpec) -> Result<BTreeSet<String>> {
    let label = |key: &str| make.labels.get(key).map_or("", String::as_str);
    let labels = [APP_LABEL, ENDPOINT_LABEL].map(|key| format!("{key}={}", label(key)));
    let own = ListParams::default().labels(&labels.join(","));
    let schedules = velero::list::<ScheduleSpec>(cluster, "list schedules", None, &own).await?;
    let found = namespaces(&schedules, |object| {
        let schedule = Schedule::deserialize(object).ok()?;
        let model = owner::model(&schedule.metadata, &schedule.spec.template, &[])?;
        (model == make.whose.model).then_some(schedule.metadata)
    });
    if !found.is_empty() {
        return Ok(found);
    }
    let backups = velero::list::<BackupSpec>(cluster, "list backups", None, &own).await?;
    Ok(namespaces(&backups, |object| {
        let backup = Backup::deserialize(object).ok()?;
        let model = owner::model(&backup.metadata, &backup.spec, &[])?;
        (model == make.whose.model).then_some(backup.metadata)
    }))
}

fn namespaces(objects: &[Value], own: impl Fn(&Value) -> Option<ObjectMeta>) -> BTreeSet<String> {
    objects
        .iter()
        .filter_map(|object| own(object)?.namespace)
        .collect()
}

/// Waits until a node agent runs, if Velero has any.
pub(super) async fn node_agent(
    cluster: &Cluster,
    make: &MakeSpec,
    namespace: &str,
    wait: Wait<'_>,
) -> Result<()> {
    const ACTION: &str = "look for Velero's node agent";
    let reason = || "Velero's node agent does not run, so no file would be copied".to_owned();
    let sets: Api<AnyObject> = Api::of(cluster.client(), DAEMON_SETS, Some(namespace));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let running = "status.phase=Running".to_owned();
    let which = ListParams::default()
        .labels(definitions::AGENTS)
        .fields(&running)
        .limit(1);
    let is_to_come = match cluster.ask(ACTION, pods.list_metadata(&which)).await {
        Ok(agents) if !agents.is_empty() => return Ok(()),
        Ok(_) => cluster.ask(ACTION, sets.get_metadata(DAEMON_SET)).await.map(drop),
        Err(error) => Err(error),
    };
    match is_to_come {
        Ok(()) => {}
        Err(ClusterError::NotFound { .. }) => return Err(cannot(make, reason(), Remedy::RunNodeAgent)),
        // Who may make backups and not look at Velero's pods makes one.
        Err(ClusterError::NotAllowed { reason, .. }) => {
            let reason = shown(&reason);
            log::info!("whether Velero's node agent runs is not known: {reason}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    let which = Which {
        fields: Some(running),
        labels: Some(definitions::AGENTS.to_owned()),
    };
    let what = "Velero's node agent";
    let inner = Wait { what, ..wait };
    wait::for_objects(cluster, &pods, &which, inner, |agents| match agents.is_empty() {
        true => not_yet(make, reason(), Remedy::RunNodeAgent),
        false => Poll::Done(()),
    })
    .await
}
