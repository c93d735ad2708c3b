//! Keeping the claim that holds the media out of backups, and other apps' data with it.
//!
//! With a pod Velero stores every claim that the pod mounts, and with a bound claim every running pod of the namespace that
//! mounts it, whatever the backup's label selector says (`executeItemBlockActions` in `pkg/backup/backup.go`,
//! `pkg/itemblock/actions/pod_action.go` and `pvc_action.go` of vmware-tanzu/velero 1.15.2). So a claim that two apps share
//! puts each one's config volume, which its own pod marks for backups, into the other's backup, and the media as well where
//! some other pod says nothing against it. Of what may stop Velero at the claim (`itemInclusionChecks` in
//! `pkg/backup/item_backupper.go`) only a label on the claim itself is at hand: the request cannot leave claims out, since
//! the app's own is one.

use crate::kubernetes::{Claim, Cluster, ClusterError, Pod, PodVolume};

use super::VOLUME;

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
pub fn is_kept_out(claim: &Claim) -> bool {
    claim.labels.get(EXCLUDED).is_some_and(|value| value == "true")
}

/// Keeps a claim out of backups, if it is not. Needs trust.
///
/// # Errors
/// See [`ClusterError`].
pub fn keep_out(cluster: &dyn Cluster, name: &str, claim: &Claim) -> Result<(), ClusterError> {
    if is_kept_out(claim) {
        return Ok(());
    }
    cluster.exclude_claim(name, true)
}

/// Lets a claim that `app` is about to leave into backups again, unless another pod mounts it or it was somebody else who
/// kept it out. Until the pod of `app` is gone, no other pod is behind the claim. Needs trust.
///
/// # Errors
/// See [`ClusterError`].
pub fn let_in(cluster: &dyn Cluster, name: &str, app: &str) -> Result<(), ClusterError> {
    let claim = match cluster.claim(name) {
        Ok(claim) => claim,
        Err(ClusterError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    if !claim.annotations.contains_key(EXCLUDED_BY_US) || cluster.others_mount(name, app)? {
        return Ok(());
    }
    cluster.exclude_claim(name, false)
}
