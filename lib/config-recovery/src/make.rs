//! Makes a backup now, and waits for what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::api::ListParams;
use serde::Deserialize;
use tokio::time::Instant;
use velero_api::{
    Backup, BackupPhase, BackupSpec, BackupStorageLocation, BackupStorageLocationPhase,
    BackupStorageLocationSpec, Meaning, ObjectMeta,
};

use crate::api::{AnyObject, Api};
use crate::backups::names::{APP_LABEL, ENDPOINT_LABEL, MODEL_LABEL};
use crate::backups::{self, AppId, BackupSummary};
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::Pod;
use crate::report::Reporter;
use crate::shown::shown;
use crate::wait::{self, Poll, Wait};
use crate::{Error, Remedy, Result, velero};

/// Annotation that velero-operator puts on backups on demand: Unix time in seconds, as text. Its action `list-backups`
/// leaves out backups without annotations.
const CREATED_AT: &str = "created-at";
/// Label of the node agent's pods (`pkg/install/daemonset.go` of vmware-tanzu/velero).
const NODE_AGENT: &str = "name=node-agent";

/// The backup to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeSpec {
    /// Whose backup it is.
    pub whose: AppId,
    /// Beginning of the Backup's name; the API server appends five characters.
    pub name_prefix: String,
    /// The namespace that Velero runs in; needed only where several do.
    pub velero_namespace: Option<String>,
    /// What is backed up.
    pub spec: BackupSpec,
    /// The Backup's labels.
    pub labels: BTreeMap<String, String>,
}

impl MakeSpec {
    /// The backup that velero-operator's action `create-backup` makes for this application and endpoint: the same labels
    /// and the same kind of name, so that the operator lists it too.
    pub fn on_demand(whose: AppId, endpoint: &str, spec: BackupSpec) -> Self {
        let labels = [
            (APP_LABEL, whose.app.as_str()),
            (ENDPOINT_LABEL, endpoint),
            (MODEL_LABEL, whose.model.as_str()),
        ];
        Self {
            name_prefix: format!("{}-{endpoint}-", whose.app),
            velero_namespace: None,
            labels: labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            whose,
            spec,
        }
    }
}

/// Makes a backup, waits for its end and tells what it holds. How it ended is for the caller to judge:
/// [`BackupSummary::verdict`].
///
/// Nothing is made where it would be in vain: without a storage location that can be reached, or, for files, without a
/// node agent. A backup that was made is left to Velero when the wait is given up.
///
/// # Errors
/// [`Error::NoVelero`], [`Error::Hopeless`], [`Error::TimedOut`], or as [`Cluster::ask`].
pub async fn backup_now(
    cluster: &Cluster,
    make: &MakeSpec,
    reporter: &dyn Reporter,
    deadline: Instant,
) -> Result<BackupSummary> {
    let namespace = velero_namespace(cluster, make).await?;
    if takes_files(&make.spec) {
        has_node_agent(cluster, make, &namespace).await?;
    }
    let metadata = ObjectMeta {
        generate_name: Some(make.name_prefix.clone()),
        namespace: Some(namespace.clone()),
        labels: make.labels.clone(),
        annotations: BTreeMap::from([(CREATED_AT.to_owned(), Timestamp::now().as_second().to_string())]),
        ..ObjectMeta::default()
    };
    let backup = Backup::new(metadata, make.spec.clone());
    let action = format!("make a backup of {}", make.whose);
    let made: Backup = velero::create::<BackupSpec, _>(cluster, &action, &namespace, &backup).await?;
    let what = format!("backup {namespace}/{}", made.name());
    reporter.note(&format!("made {what}"));

    let backups = velero::api::<BackupSpec>(cluster, Some(&namespace));
    let wait = Wait {
        what: &what,
        deadline,
        reporter,
    };
    let uid = made.metadata.uid.as_deref();
    let ended = wait::for_object(cluster, &backups, made.name(), wait, |backup| {
        judge(&what, uid, backup)
    })
    .await?;
    backups::summary_of(cluster, &ended, &make.whose).await
}

/// Where a Backup stands.
fn judge(what: &str, uid: Option<&str>, backup: Option<&AnyObject>) -> Poll<Backup> {
    let gone = || Error::Hopeless {
        what: what.to_owned(),
        reason: "it was deleted".to_owned(),
        remedy: "make another one".into(),
    };
    let Some(backup) = backup.filter(|backup| backup.metadata.uid.as_deref() == uid) else {
        return Poll::Hopeless(gone());
    };
    let status = &backup.content["status"];
    let phase = BackupPhase::deserialize(&status["phase"]).unwrap_or(BackupPhase::New);
    let word = phase.word();
    match phase.meaning() {
        Meaning::Goes => Poll::Hopeless(gone()),
        Meaning::Good | Meaning::Bad => match Backup::deserialize(&backup.content) {
            Ok(backup) => Poll::Done(backup),
            Err(error) => {
                let reason = shown(&error.to_string());
                Poll::Hopeless(ClusterError::refused(format!("read {what}"), reason).into())
            }
        },
        Meaning::Waits => Poll::Wait(match phase {
            BackupPhase::New => "Velero has not begun it yet".to_owned(),
            _ => format!("{word}: other backups go first"),
        }),
        Meaning::Unknown => Poll::unknown(what, word),
        Meaning::Works => {
            let count = |key: &str| status["progress"][key].as_u64();
            Poll::Wait(match (count("itemsBackedUp"), count("totalItems")) {
                (Some(done), Some(total)) => format!("{word}, {done} of {total} objects"),
                _ => word.to_owned(),
            })
        }
    }
}

/// The namespace that the Backup belongs into, which holds a storage location that can be reached.
async fn velero_namespace(cluster: &Cluster, make: &MakeSpec) -> Result<String> {
    let hopeless = |reason: String, remedy: Remedy| Error::Hopeless {
        what: format!("a backup of {}", make.whose),
        reason,
        remedy,
    };
    let found = velero::list::<BackupStorageLocationSpec>(
        cluster,
        "list backup storage locations",
        make.velero_namespace.as_deref(),
        &ListParams::default(),
    )
    .await?;
    let locations: Vec<BackupStorageLocation> = found
        .iter()
        .filter_map(|location| match BackupStorageLocation::deserialize(location) {
            Ok(location) => Some(location),
            Err(error) => {
                log::warn!(
                    "cannot read a BackupStorageLocation: {}",
                    shown(&error.to_string())
                );
                None
            }
        })
        .collect();
    let namespaces: BTreeSet<&str> = locations
        .iter()
        .filter_map(|location| location.metadata.namespace.as_deref())
        .collect();
    let mut names = namespaces.iter();
    let namespace = match (names.next(), names.next()) {
        (Some(only), None) => *only,
        (None, _) => {
            let place = match &make.velero_namespace {
                Some(namespace) => format!("namespace {namespace}"),
                None => "the cluster".to_owned(),
            };
            return Err(hopeless(
                format!("Velero has no storage location in {place}"),
                Remedy::AddStorageLocation,
            ));
        }
        (Some(_), Some(_)) => {
            let all: Vec<&str> = namespaces.iter().copied().collect();
            return Err(hopeless(
                format!("Velero runs in several namespaces: {}", all.join(", ")),
                "say which one of them is meant".into(),
            ));
        }
    };
    let wanted = make.spec.storage_location.as_deref();
    let location = locations.iter().find(|location| match wanted {
        Some(wanted) => location.name() == wanted,
        None => location.spec.default,
    });
    match (location, wanted) {
        (Some(location), _) => {
            let status = location.status.clone().unwrap_or_default();
            if status.phase == Some(BackupStorageLocationPhase::Unavailable) {
                let why = status
                    .message
                    .as_deref()
                    .map_or_else(|| "no reason given".to_owned(), shown);
                return Err(hopeless(
                    format!("storage location {} is unavailable: {why}", location.name()),
                    Remedy::MendStorageLocation,
                ));
            }
        }
        (None, Some(wanted)) => {
            return Err(hopeless(
                format!("Velero has no storage location {}", shown(wanted)),
                Remedy::AddStorageLocation,
            ));
        }
        // The server has a default of its own, which it does not tell.
        (None, None) => {}
    }
    Ok(namespace.to_owned())
}

/// Whether pods are among what is backed up; only then files are copied.
fn takes_files(spec: &BackupSpec) -> bool {
    let included = &spec.included_resources;
    included.is_empty()
        || included
            .iter()
            .any(|resource| matches!(resource.as_str(), "pods" | "pod" | "po" | "*"))
}

async fn has_node_agent(cluster: &Cluster, make: &MakeSpec, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let running = ListParams::default()
        .labels(NODE_AGENT)
        .fields("status.phase=Running")
        .limit(1);
    match cluster
        .ask("look for Velero's node agent", pods.list_metadata(&running))
        .await
    {
        Ok(agents) if agents.is_empty() => Err(Error::Hopeless {
            what: format!("a backup of {}", make.whose),
            reason: "Velero's node agent does not run, so no file would be copied".to_owned(),
            remedy: Remedy::RunNodeAgent,
        }),
        Ok(_) => Ok(()),
        // Who may make backups and not look at Velero's pods makes one.
        Err(ClusterError::NotAllowed { reason, .. }) => {
            log::info!(
                "whether Velero's node agent runs is not known: {}",
                shown(&reason)
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
