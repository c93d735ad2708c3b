//! Whether Velero is at work on a backup.

use kube::api::ListParams;
use serde::Deserialize;
use serde_json::Value;
use velero_api::{Backup, BackupPhase, BackupSpec, Meaning};

use super::{AppId, owner};
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// Name of a backup that Velero is working on, whoever's it is: any of them may be reading any volume of the cluster. One
/// that waits for its turn has run no command in a pod yet, and does not count.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as
/// [`Cluster::ask`].
pub async fn running(cluster: &Cluster) -> Result<Option<String>> {
    let all = velero::list::<BackupSpec>(cluster, "list backups", None, &ListParams::default()).await?;
    Ok(all
        .iter()
        .find(|backup| is_at_work(&backup["status"]))
        .map(|backup| shown(backup["metadata"]["name"].as_str().unwrap_or("without a name"))))
}

/// Name of a backup that may be reading, or is about to read, the config volume of this app: its own one that has not ended, one that
/// waits for its turn included, or somebody's of the whole namespace that Velero is working on.
///
/// # Errors
/// As [`running`].
pub async fn under_way(cluster: &Cluster, whose: &AppId) -> Result<Option<String>> {
    let all = velero::list::<BackupSpec>(cluster, "list backups", None, &ListParams::default()).await?;
    Ok(all
        .iter()
        .find(|backup| may_read(backup, whose))
        .map(|backup| shown(backup["metadata"]["name"].as_str().unwrap_or("without a name"))))
}

/// One whose fields cannot be read may be of anything.
fn may_read(object: &Value, whose: &AppId) -> bool {
    let is_at_work = is_at_work(&object["status"]);
    let Ok(backup) = Backup::deserialize(object) else {
        return is_at_work;
    };
    let namespaces = &backup.spec.included_namespaces;
    let is_of_namespace =
        namespaces.is_empty() || namespaces.iter().any(|name| name == "*" || *name == whose.model);
    let app = owner::app(&backup.metadata, &backup.spec);
    match app {
        _ if !is_of_namespace => false,
        Some(app) if app != whose.app => false,
        Some(_) => is_at_work || waits(&object["status"]),
        None => is_at_work,
    }
}

/// Before Velero has seen it, too.
fn waits(status: &Value) -> bool {
    match status["phase"].is_null() {
        true => true,
        false => {
            BackupPhase::deserialize(&status["phase"]).is_ok_and(|phase| phase.meaning() == Meaning::Waits)
        }
    }
}

/// By its status alone, so that one whose other fields cannot be read counts too.
fn is_at_work(status: &Value) -> bool {
    match BackupPhase::deserialize(&status["phase"]).map(|phase| phase.meaning()) {
        Ok(Meaning::Works) => true,
        Ok(Meaning::Waits | Meaning::Good | Meaning::Bad | Meaning::Goes) | Err(_) => false,
        // Of a newer Velero: whether it has ended is told by the time of that.
        Ok(Meaning::Unknown) => status["completionTimestamp"].is_null(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_velero_works_on_is_told_by_its_phase() {
        for phase in [
            "InProgress",
            "WaitingForPluginOperations",
            "WaitingForPluginOperationsPartiallyFailed",
            "Finalizing",
            "FinalizingPartiallyFailed",
            "SomethingNew",
        ] {
            assert!(is_at_work(&json!({"phase": phase})), "{phase}");
        }
        for phase in [
            "New",
            "Queued",
            "ReadyToStart",
            "Completed",
            "PartiallyFailed",
            "Failed",
            "FailedValidation",
            "Deleting",
        ] {
            assert!(!is_at_work(&json!({"phase": phase})), "{phase}");
        }
        let ended = json!({"phase": "SomethingNew", "completionTimestamp": "2026-01-01T00:00:00Z"});
        assert!(!is_at_work(&ended) && !is_at_work(&Value::Null) && !is_at_work(&json!({})));
    }
}
