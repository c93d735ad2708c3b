//! Keeping the claim that holds the media out of backups, and other apps' data with it.
//!
//! With a pod Velero stores every claim that the pod mounts, and with a bound claim every running pod of the namespace that
//! mounts it, whatever the backup's label selector says (`executeItemBlockActions` in `pkg/backup/backup.go`,
//! `pkg/itemblock/actions/pod_action.go` and `pvc_action.go` of vmware-tanzu/velero 1.15.2). So a claim that two apps share
//! puts each one's config volume, which its own pod marks for backups, into the other's backup, and the media as well where
//! some other pod says nothing against it. Of what may stop Velero at the claim (`itemInclusionChecks` in
//! `pkg/backup/item_backupper.go`) only a label on the claim itself is at hand: the request cannot leave claims out, since
//! the app's own is one.

use std::collections::BTreeMap;

use super::{ENDPOINT, VOLUME};
use crate::kubernetes::{Claim, Cluster, ClusterError, Marks, Pod, PodVolume};

/// Label of an object that Velero leaves out of every backup, if its value is `true`
/// (`pkg/apis/velero/v1/labels_annotations.go`).
pub const EXCLUDED: &str = "velero.io/exclude-from-backup";

/// Annotation of claims to which a charm of ours gave [`EXCLUDED`]. A label that somebody else gave is never taken away.
pub const EXCLUDED_BY_US: &str = "configuratarr/excluded-for";

/// The claim that the pod mounts for the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedClaim {
    /// Its name.
    pub name: String,
    /// The claim; seen with trust only.
    pub claim: Result<Claim, ClusterError>,
}

/// Reads the claim, if the pod mounts one.
pub fn look(cluster: &dyn Cluster, pod: &Pod) -> Option<MountedClaim> {
    match pod.volumes.get(VOLUME) {
        Some(PodVolume::Claim(name)) => Some(MountedClaim {
            name: name.clone(),
            claim: cluster.claim(name),
        }),
        _ => None,
    }
}

/// Whether Velero stops at this claim.
pub fn is_excluded(claim: &Claim) -> bool {
    claim.labels.get(EXCLUDED).is_some_and(|value| value == "true")
}

/// Keeps a claim out of backups, if it is not. Needs trust.
///
/// # Errors
/// See [`ClusterError`].
pub fn exclude_once(cluster: &dyn Cluster, name: &str, claim: &Claim) -> Result<(), ClusterError> {
    if is_excluded(claim) {
        return Ok(());
    }
    exclude(cluster, name)
}

/// Keeps a claim out of every backup of Velero, and notes on it whose doing that is. Needs trust.
///
/// # Errors
/// See [`ClusterError`].
pub fn exclude(cluster: &dyn Cluster, name: &str) -> Result<(), ClusterError> {
    cluster.mark_claim(name, &marks(true))
}

/// What says that a claim is kept out, and by whom.
fn marks(excluded: bool) -> Marks {
    let entry = |key: &str, value: &str| {
        let value = excluded.then(|| value.to_owned());
        BTreeMap::from([(key.to_owned(), value)])
    };
    Marks {
        labels: entry(EXCLUDED, "true"),
        annotations: entry(EXCLUDED_BY_US, ENDPOINT),
    }
}

/// Lets a claim that `app` is about to leave into backups again, unless another pod mounts it or it was somebody else who
/// kept it out. Until the pod of `app` is gone, no other pod is behind the claim. Needs trust.
///
/// # Errors
/// See [`ClusterError`].
pub fn include(cluster: &dyn Cluster, name: &str, app: &str) -> Result<(), ClusterError> {
    let claim = match cluster.claim(name) {
        Ok(claim) => claim,
        Err(ClusterError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    if !claim.annotations.contains_key(EXCLUDED_BY_US) || cluster.others_mount(name, app)? {
        return Ok(());
    }
    cluster.mark_claim(name, &marks(false))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_marked_with_whose_doing_it_is_and_both_marks_go_again() {
        assert_eq!(
            json!(marks(true)),
            json!({
                "labels": {"velero.io/exclude-from-backup": "true"},
                "annotations": {"configuratarr/excluded-for": "media-storage"},
            })
        );
        assert_eq!(
            json!(marks(false)),
            json!({
                "labels": {"velero.io/exclude-from-backup": null},
                "annotations": {"configuratarr/excluded-for": null},
            })
        );
    }
}
