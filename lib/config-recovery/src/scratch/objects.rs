//! The objects of the place, as data.

use serde_json::{Value, json};
use velero_api::{
    API_VERSION, Kind, ObjectMeta, OwnerReference, POD_UID_LABEL, PVC_UID_LABEL, PodVolumeRestore,
    PodVolumeRestoreSpec, RESTORE_WAIT_CONTAINER,
};

use super::ScratchSpec;
use super::names::{self, CLAIM, READER};
use crate::backups::{BackupSummary, FilesBackup};

/// Where the restored volume is in the pod.
pub(super) const MOUNT: &str = "/restored";

/// A pod that nobody removed ends by itself so long after it should have been read.
const LEFT_ALONE_SECONDS: u64 = 3600;

/// How much longer a pod stays on a node that does not answer, which Kubernetes finds after 50 s. Its own 300 s are meant for apps,
/// which lose more by a move.
const UNREACHABLE_SECONDS: u64 = 20;
/// How long on one that answers and says that it is not ready, as while its container runtime is started again.
const NOT_READY_SECONDS: u64 = 120;

/// Waits until it is told to end, and ends at once then.
const WAITS: &str = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

pub(super) fn namespace(name: &str, spec: &ScratchSpec, started: &str) -> Value {
    let mut labels = names::labels(name, &spec.run);
    // The reader is root, as Velero's own restore containers are: a cluster that is strict by default would refuse it.
    labels.insert(
        "pod-security.kubernetes.io/enforce".to_owned(),
        "baseline".to_owned(),
    );
    json!({"metadata": {"name": name, "labels": labels, "annotations": names::annotations(spec, started)}})
}

/// The pod's own account, which may nothing: the namespace's default one takes a moment to be there.
pub(super) fn account(namespace: &str, spec: &ScratchSpec) -> Value {
    json!({"metadata": metadata(namespace, READER, spec), "automountServiceAccountToken": false})
}

pub(super) fn claim(namespace: &str, spec: &ScratchSpec) -> Value {
    let mut is = json!({
        "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": spec.size.to_string()}},
    });
    // Without the key the cluster's default class is taken; `null` would mean the same, and "" none at all.
    if let Some(class) = &spec.storage_class {
        is["storageClassName"] = json!(class);
    }
    json!({"metadata": metadata(namespace, CLAIM, spec), "spec": is})
}

/// The pod that holds the volume. `patience` is how long the restore may take, in seconds.
///
/// Its init container is the one that Velero's node agent waits for, and it never ends by itself: the volume is read in it
/// as soon as the files are there, and no second container has to be started. So the ordinary container, without which
/// there is no pod, never runs.
pub(super) fn reader(namespace: &str, claim: &str, spec: &ScratchSpec, patience: u64) -> Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": spec.image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", WAITS],
        })
    };
    let leaves = |taint: &str, seconds: u64| {
        json!({
            "key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": seconds,
        })
    };
    let mut waits = container(RESTORE_WAIT_CONTAINER);
    waits["volumeMounts"] = json!([{"name": CLAIM, "mountPath": MOUNT}]);
    json!({
        "metadata": metadata(namespace, READER, spec),
        "spec": {
            "serviceAccountName": READER, "automountServiceAccountToken": false, "enableServiceLinks": false,
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "activeDeadlineSeconds": patience.saturating_add(LEFT_ALONE_SECONDS),
            // Files of every owner have to be read, whatever the image says of its user.
            "securityContext": {"runAsUser": 0, "runAsGroup": 0},
            "tolerations": [leaves("not-ready", NOT_READY_SECONDS), leaves("unreachable", UNREACHABLE_SECONDS)],
            "initContainers": [waits],
            "containers": [container(READER)],
            "volumes": [{"name": CLAIM, "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}

/// What Velero's node agent works on: as `newPodVolumeRestore` in Velero's `pkg/podvolume/restorer.go` makes it, but for
/// its owner.
///
/// It belongs to the Backup. The node agent takes the uid of the owner that is the controller for the name of the file
/// that it leaves at the end, and fails without one; and it goes when the backup goes.
pub(super) fn volume_restore(
    namespace: &str,
    spec: &ScratchSpec,
    files: &FilesBackup,
    repository: &str,
    pod_uid: &str,
    claim_uid: &str,
) -> PodVolumeRestore {
    let backup = &spec.backup;
    let mut labels = names::labels(namespace, &spec.run);
    // The node agent finds it by this when the pod starts.
    labels.insert(POD_UID_LABEL.to_owned(), pod_uid.to_owned());
    labels.insert(PVC_UID_LABEL.to_owned(), claim_uid.to_owned());
    let metadata = ObjectMeta {
        name: Some(names::restore(namespace, &spec.run)),
        namespace: Some(backup.velero_namespace.clone()),
        labels,
        annotations: names::whose(spec),
        owner_references: vec![owner(backup)],
        ..ObjectMeta::default()
    };
    let restore = PodVolumeRestoreSpec {
        pod: pod_reference(namespace, pod_uid),
        volume: CLAIM.to_owned(),
        backup_storage_location: files.storage_location.clone(),
        repo_identifier: repository.to_owned(),
        uploader_type: files.uploader.clone(),
        snapshot_id: files.snapshot_id.clone(),
        source_namespace: files.source_namespace.clone(),
    };
    PodVolumeRestore::new(metadata, restore)
}

fn pod_reference(namespace: &str, uid: &str) -> velero_api::PodReference {
    velero_api::PodReference {
        namespace: namespace.to_owned(),
        name: READER.to_owned(),
        uid: Some(uid.to_owned()),
    }
}

fn owner(backup: &BackupSummary) -> OwnerReference {
    OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: velero_api::BackupSpec::KIND.to_owned(),
        name: backup.name.clone(),
        uid: backup.uid.clone(),
        controller: Some(true),
    }
}

fn metadata(namespace: &str, name: &str, spec: &ScratchSpec) -> Value {
    json!({"name": name, "namespace": namespace, "labels": names::labels(namespace, &spec.run)})
}
