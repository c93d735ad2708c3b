//! What stands against an app's backups: the newest one that came to nothing, and a storage location that cannot be used.

use jiff::Timestamp;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use velero_api::{
    Backup, BackupPhase, BackupStorageLocation, BackupStorageLocationPhase, BackupStorageLocationSpec,
    Meaning,
};

use super::Verdict;
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// A backup that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadBackup {
    /// Name of the Backup object.
    pub name: String,
    /// When it ended; when it began, or was asked for, if Velero does not say.
    pub at: Timestamp,
    /// The verdict in a word: EMPTY, PARTIAL, FAILED.
    pub is: String,
    /// Velero's reason, if it gives one.
    pub why: Option<String>,
}

impl BadBackup {
    /// What to think of a backup that ended, if it came to nothing. `holds_nothing` is known of those that were looked into.
    pub(super) fn of(object: &Backup, holds_nothing: bool) -> Option<Self> {
        let status = object.status.as_ref()?;
        let verdict = match (status.phase.as_ref()?, holds_nothing) {
            (BackupPhase::PartiallyFailed, _) => Verdict::Partial,
            (phase, _) if phase.meaning() == Meaning::Bad => Verdict::Failed,
            (phase, true) if phase.meaning() == Meaning::Good => Verdict::Empty,
            _ => return None,
        };
        let times = [
            &status.completion_timestamp,
            &status.start_timestamp,
            &object.metadata.creation_timestamp,
        ];
        let at = times.into_iter().flatten().find_map(|text| text.parse().ok())?;
        let errors = status.validation_errors.join("; ");
        let why = status
            .failure_reason
            .clone()
            .or_else(|| (!errors.is_empty()).then_some(errors));
        Some(Self {
            name: shown(object.metadata.name.as_deref().unwrap_or_default()),
            at,
            is: verdict.to_string(),
            why: why.map(|why| shown(&why)),
        })
    }
}

/// A storage location into which nothing can be backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusableStorage {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Where an app's backups are: namespace and name of the storage location.
pub type StoredIn = (String, String);

/// The storage location of the app's backups, if it cannot be used; one of all, where it is not known which is the app's.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn unusable_storage(
    cluster: &Cluster,
    stored_in: Option<&StoredIn>,
) -> Result<Option<UnusableStorage>> {
    let all = velero::list::<BackupStorageLocationSpec>(
        cluster,
        "list backup storage locations",
        None,
        &ListParams::default(),
    )
    .await?;
    let is_meant = |location: &&Value| {
        stored_in.is_none_or(|(namespace, name)| {
            location["metadata"]["namespace"] == *namespace && location["metadata"]["name"] == *name
        })
    };
    Ok(all.iter().filter(is_meant).find_map(unusable))
}

fn unusable(object: &Value) -> Option<UnusableStorage> {
    let location = BackupStorageLocation::deserialize(object).ok()?;
    let status = location.status.unwrap_or_default();
    let why = if status.phase == Some(BackupStorageLocationPhase::Unavailable) {
        shown(status.message.as_deref().unwrap_or("Velero cannot reach it"))
    } else if object["spec"]["accessMode"] == "ReadOnly" {
        "it is read-only".to_owned()
    } else {
        return None;
    };
    Some(UnusableStorage {
        name: shown(&location.metadata.name.unwrap_or_default()),
        why,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backup_that_came_to_nothing_says_what_it_is_and_why() {
        let of = |status: Value, holds_nothing| {
            let object = json!({
                "metadata": {"name": "b", "creationTimestamp": "2026-11-29T00:59:00Z"},
                "spec": {}, "status": status,
            });
            let bad = BadBackup::of(&Backup::deserialize(&object).unwrap(), holds_nothing);
            bad.map(|bad| (bad.is, bad.at.to_string(), bad.why))
        };
        let told = |is: &str, at: &str, why: Option<&str>| {
            Some((is.to_owned(), at.to_owned(), why.map(str::to_owned)))
        };
        let ended = json!({
            "phase": "Failed", "failureReason": "no\nroute",
            "startTimestamp": "2026-11-29T01:00:00Z", "completionTimestamp": "2026-11-29T01:02:00Z",
        });
        assert_eq!(
            of(ended, false),
            told("FAILED", "2026-11-29T01:02:00Z", Some("no\\nroute"))
        );
        let refused = json!({"phase": "FailedValidation", "validationErrors": ["a", "b"]});
        assert_eq!(
            of(refused, false),
            told("FAILED", "2026-11-29T00:59:00Z", Some("a; b"))
        );
        let partial = json!({"phase": "PartiallyFailed", "startTimestamp": "2026-11-29T01:00:00Z"});
        assert_eq!(of(partial, false), told("PARTIAL", "2026-11-29T01:00:00Z", None));
        let completed = json!({"phase": "Completed", "completionTimestamp": "2026-11-29T01:02:00Z"});
        assert_eq!(
            of(completed.clone(), true),
            told("EMPTY", "2026-11-29T01:02:00Z", None)
        );
        assert_eq!(of(completed, false), None);
        assert_eq!(of(json!({"phase": "InProgress"}), false), None);
        assert_eq!(of(json!({"phase": "Deleting"}), false), None);
    }

    #[test]
    fn a_location_that_is_away_or_read_only_cannot_be_used() {
        let of = |spec: Value, status: Value| {
            unusable(&json!({"metadata": {"name": "default"}, "spec": spec, "status": status}))
                .map(|found| found.why)
        };
        let plain = || json!({"provider": "aws"});
        assert_eq!(of(plain(), json!({"phase": "Available"})), None);
        assert_eq!(of(plain(), json!({})), None, "Velero has not looked at it yet");
        assert_eq!(
            of(plain(), json!({"phase": "Unavailable", "message": "no bucket"})).as_deref(),
            Some("no bucket")
        );
        assert_eq!(
            of(plain(), json!({"phase": "Unavailable"})).as_deref(),
            Some("Velero cannot reach it")
        );
        let read_only = json!({"provider": "aws", "accessMode": "ReadOnly"});
        assert_eq!(
            of(read_only, json!({"phase": "Available"})).as_deref(),
            Some("it is read-only")
        );
    }
}
