//! Objects as a Velero 1.15 leaves them.

use config_recovery::backups::AppId;
use jiff::Timestamp;
use serde_json::{Value, json};

/// When the tests look.
pub fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub fn app(app: &str, model: &str) -> AppId {
    AppId {
        app: app.to_owned(),
        model: model.to_owned(),
    }
}

pub fn radarr() -> AppId {
    app("radarr", "media")
}

/// A Backup that is changed step by step.
#[derive(Clone)]
pub struct Backup(pub Value);

impl Backup {
    /// As velero-operator's action makes it of the charm's request for file-system backup: completed, without a word of
    /// what it holds.
    pub fn of(app: &str, model: &str, name: &str) -> Self {
        Self(json!({
            "metadata": {
                "name": name, "generateName": format!("{app}-velero-backups-"), "namespace": "velero",
                "uid": format!("uid-{name}"), "resourceVersion": "901", "generation": 6,
                "creationTimestamp": "2026-11-24T02:17:00Z",
                "labels": {
                    "app": app, "endpoint": "velero-backups", "model": model,
                    "velero.io/storage-location": "default",
                },
                "annotations": {
                    "created-at": "1795486620", "velero.io/resource-timeout": "10m0s",
                    "velero.io/source-cluster-k8s-gitversion": "v1.34.3",
                },
                "managedFields": [{"manager": "velero-server", "operation": "Update"}],
            },
            "spec": {
                "csiSnapshotTimeout": "10m0s", "defaultVolumesToFsBackup": false, "hooks": {},
                "includedNamespaces": [model],
                "includedResources": ["pods", "persistentvolumeclaims", "persistentvolumes"],
                "itemOperationTimeout": "4h0m0s",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": app}},
                "metadata": {}, "snapshotMoveData": false, "storageLocation": "default", "ttl": "720h0m0s",
                "volumeSnapshotLocations": ["default"],
            },
            "status": {
                "phase": "Completed", "formatVersion": "1.1.0", "version": 1,
                "startTimestamp": "2026-11-24T02:17:00Z", "completionTimestamp": "2026-11-24T02:17:09Z",
                "expiration": "2026-12-24T02:17:00Z", "hookStatus": {"hooksAttempted": 2},
                "progress": {"itemsBackedUp": 5, "totalItems": 5},
            },
        }))
    }

    /// As a Schedule of an operator in model `velero` makes it.
    pub fn scheduled(app: &str, model: &str, name: &str) -> Self {
        let schedule = format!("{app}-velero-backups-x7k2p");
        Self::of(app, model, name).set(
            "/metadata/labels",
            json!({
                "app": app, "endpoint": "velero-backups", "managed-by": "velero-operator", "model": "velero",
                "velero.io/schedule-name": schedule, "velero.io/storage-location": "default",
            }),
        )
    }

    /// Sets what a JSON pointer names; the object around it has to be there.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let (around, key) = pointer.rsplit_once('/').unwrap();
        self.0.pointer_mut(around).unwrap()[key] = value;
        self
    }

    /// Made before the backup with this uid was restored.
    pub fn safety(mut self, restored: &str) -> Self {
        self.0["metadata"]["labels"]["config-recovery/before-restore"] = json!(restored);
        self
    }

    pub fn phase(self, phase: &str) -> Self {
        self.set("/status/phase", json!(phase))
    }

    /// Begun at this time, ended nine seconds later, to be deleted a month later.
    pub fn at(self, time: &str) -> Self {
        let began: Timestamp = time.parse().unwrap();
        let later = |seconds: i64| json!((began + jiff::SignedDuration::from_secs(seconds)).to_string());
        self.set("/metadata/creationTimestamp", later(0))
            .set("/status/startTimestamp", later(0))
            .set("/status/completionTimestamp", later(9))
            .set("/status/expiration", later(30 * 86_400))
    }

    pub fn value(&self) -> Value {
        self.0.clone()
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap()
    }

    /// The completed file-system backup of a volume of a pod, made by this backup.
    pub fn volume(&self, pod: &str, volume: &str, bytes: u64) -> Value {
        let (namespace, pod) = pod.split_once('/').unwrap();
        let text = |pointer: &str| self.text(pointer).to_owned();
        let (name, uid) = (text("/metadata/name"), text("/metadata/uid"));
        json!({
            "metadata": {
                "name": format!("{name}-{volume}-w8d4k"), "generateName": format!("{name}-"),
                "namespace": text("/metadata/namespace"), "uid": format!("pvb-{uid}-{volume}"),
                "creationTimestamp": "2026-11-24T02:17:03Z",
                "annotations": {"velero.io/pvc-name": format!("{volume}-{pod}")},
                "labels": {
                    "velero.io/backup-name": name, "velero.io/backup-uid": uid,
                    "velero.io/pvc-uid": "8e1f3a5c-0000-4000-8000-1f2e3d4c5b6a",
                },
                "ownerReferences": [{
                    "apiVersion": "velero.io/v1", "kind": "Backup", "name": name, "uid": uid, "controller": true,
                }],
            },
            "spec": {
                "backupStorageLocation": "default", "node": "bed",
                "pod": {"kind": "Pod", "name": pod, "namespace": namespace, "uid": "5f6c"},
                "repoIdentifier": format!("s3:http://10.99.0.1:7070/backups/restic/{namespace}"),
                "tags": {"backup": name, "backup-uid": uid, "ns": namespace, "pod": pod, "volume": volume},
                "uploaderType": "kopia", "volume": volume,
            },
            "status": {
                "phase": "Completed", "path": "/host_pods/5f6c/volumes/x/mount",
                "startTimestamp": "2026-11-24T02:17:03Z", "completionTimestamp": "2026-11-24T02:17:05Z",
                "snapshotID": format!("k{uid}"), "progress": {"bytesDone": bytes, "totalBytes": bytes},
            },
        })
    }

    /// The config volume's files.
    pub fn config(&self, bytes: u64) -> Value {
        let model = self.text("/spec/includedNamespaces/0");
        let app = self.text("/spec/labelSelector/matchLabels/app.kubernetes.io~1name");
        self.volume(
            &format!("{model}/{app}-0"),
            &format!("{app}-config-fec125"),
            bytes,
        )
    }
}
