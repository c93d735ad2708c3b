//! Backups as a Velero 1.15 leaves them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// So many minutes ago, and a little more, so that an age is the same while a test runs.
pub fn ago(minutes: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(60 * minutes + 20)
}

/// In so many minutes, and a little more.
pub fn from_now(minutes: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(60 * minutes + 20)
}

/// A backup of the config volume.
#[derive(Clone)]
pub struct Backup {
    backup: Value,
    volume: Option<Value>,
}

impl Backup {
    /// Completed so many minutes ago with these bytes, made by the app's Schedule, kept for 30 days.
    pub fn good(app: &str, number: u64, minutes_ago: i64, bytes: u64) -> Self {
        Self::of(app, "home", number, ago(minutes_ago), bytes)
    }

    /// The same, of a model.
    pub fn of(app: &str, model: &str, number: u64, ended: Timestamp, bytes: u64) -> Self {
        let (name, uid) = (
            format!("{app}-velero-backup-config-{number}"),
            uid(app, model, number),
        );
        let began = (ended - SignedDuration::from_secs(9)).to_string();
        let expires = (ended + SignedDuration::from_hours(30 * 24)).to_string();
        let schedule = format!("{app}-velero-backup-config-x7k2p");
        let backup = json!({
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {
                "name": name, "namespace": "velero", "uid": uid, "resourceVersion": "901", "generation": 6,
                "creationTimestamp": began,
                "labels": {
                    "app": app, "endpoint": "velero-backup-config", "managed-by": "velero-operator",
                    "model": "velero", "velero.io/schedule-name": schedule, "velero.io/storage-location": "default",
                },
                "annotations": {
                    "velero.io/resource-timeout": "10m0s", "velero.io/source-cluster-k8s-gitversion": "v1.34.3",
                },
            },
            "spec": {
                "csiSnapshotTimeout": "10m0s", "defaultVolumesToFsBackup": false, "hooks": {},
                "includedNamespaces": [model],
                "includedResources": ["pods", "persistentvolumeclaims", "persistentvolumes", "serviceaccounts"],
                "itemOperationTimeout": "4h0m0s",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": app}},
                "metadata": {}, "snapshotMoveData": false, "storageLocation": "default", "ttl": "720h0m0s",
                "volumeSnapshotLocations": ["default"],
            },
            "status": {
                "phase": "Completed", "formatVersion": "1.1.0", "version": 1, "startTimestamp": began,
                "completionTimestamp": ended.to_string(), "expiration": expires, "hookStatus": {"hooksAttempted": 2},
                "progress": {"itemsBackedUp": 5, "totalItems": 5},
            },
        });
        let volume_name = format!("{app}-config-1a2b3c");
        let volume = json!({
            "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
            "metadata": {
                "name": format!("{name}-w8d4k"), "generateName": format!("{name}-"), "namespace": "velero",
                "uid": format!("pvb-{uid}"), "creationTimestamp": began,
                "annotations": {"velero.io/pvc-name": format!("{volume_name}-{app}-0")},
                "labels": {
                    "velero.io/backup-name": name, "velero.io/backup-uid": uid,
                    "velero.io/pvc-uid": "8e1f3a5c-0000-4000-8000-1f2e3d4c5b6a",
                },
                "ownerReferences": [{
                    "apiVersion": "velero.io/v1", "kind": "Backup", "name": name, "uid": uid, "controller": true,
                }],
            },
            "spec": {
                "backupStorageLocation": "default", "node": "bed", "uploaderType": "kopia", "volume": volume_name,
                "pod": {"kind": "Pod", "name": format!("{app}-0"), "namespace": model, "uid": "5f6c"},
                "repoIdentifier": format!("s3:http://10.99.0.1:7070/backups/restic/{model}"),
                "tags": {"backup": name, "backup-uid": uid, "ns": model, "pod": format!("{app}-0"), "volume": volume_name},
            },
            "status": {
                "phase": "Completed", "path": "/host_pods/5f6c/volumes/x/mount", "startTimestamp": began,
                "completionTimestamp": ended.to_string(), "snapshotID": format!("k{uid}"),
                "progress": {"bytesDone": bytes, "totalBytes": bytes},
            },
        });
        Self {
            backup,
            volume: Some(volume),
        }
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        self.backup["metadata"]["uid"].as_str().unwrap()
    }

    /// Sets what a JSON pointer names in the Backup.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.backup, pointer, value);
        self
    }

    /// Sets what a JSON pointer names in the PodVolumeBackup.
    pub fn set_volume(mut self, pointer: &str, value: Value) -> Self {
        set(self.volume.as_mut().unwrap(), pointer, value);
        self
    }

    /// It was read back so many minutes ago.
    pub fn proven(self, minutes_ago: i64, is: &str, says: &str) -> Self {
        let at = ago(minutes_ago).to_string();
        self.set("/metadata/annotations/config-recovery~1proven-at", json!(at))
            .set("/metadata/annotations/config-recovery~1proven-as", json!(is))
            .set("/metadata/annotations/config-recovery~1proven-says", json!(says))
    }

    /// Completed, and nothing was stored.
    pub fn empty(mut self) -> Self {
        self.volume = None;
        self
    }

    /// Something failed, and there are bytes.
    pub fn partial(self) -> Self {
        self.set("/status/phase", json!("PartiallyFailed"))
            .set("/status/errors", json!(1))
    }

    /// It failed, and nothing was stored.
    pub fn failed(self, why: &str) -> Self {
        self.set("/status/phase", json!("Failed"))
            .set("/status/failureReason", json!(why))
            .empty()
    }

    /// Velero is at work on it.
    pub fn running(mut self, done: u64, total: u64) -> Self {
        let ended = "/status/completionTimestamp";
        self = self.set(ended, Value::Null).set_volume(ended, Value::Null);
        self.set("/status/phase", json!("InProgress"))
            .set_volume("/status/phase", json!("InProgress"))
            .set_volume("/status/snapshotID", Value::Null)
            .set_volume(
                "/status/progress",
                json!({"bytesDone": done, "totalBytes": total}),
            )
    }

    /// A snapshot, and no files.
    pub fn snapshot(self) -> Self {
        self.set("/status/csiVolumeSnapshotsAttempted", json!(1))
            .set("/status/csiVolumeSnapshotsCompleted", json!(1))
            .set(
                "/spec/labelSelector/matchLabels/storage.juju.is~1name",
                json!("config"),
            )
            .empty()
    }

    /// Made before the backup with this uid was restored.
    pub fn safety(self, restored: &str) -> Self {
        let labels = json!({
            "app": self.backup["metadata"]["labels"]["app"], "endpoint": "velero-backup-config",
            "model": self.backup["spec"]["includedNamespaces"][0], "config-recovery/before-restore": restored,
        });
        self.set("/metadata/labels", labels)
    }

    /// Velero deletes it then.
    pub fn expires(self, when: Timestamp) -> Self {
        self.set("/status/expiration", json!(when.to_string()))
    }

    /// The objects.
    pub fn objects(&self) -> Vec<Value> {
        let volume = self.volume.iter();
        std::iter::once(&self.backup).chain(volume).cloned().collect()
    }
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let (around, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    object.pointer_mut(around).unwrap()[key] = value;
}

/// A uid as Kubernetes makes them, and the same each time.
fn uid(app: &str, model: &str, number: u64) -> String {
    let words = format!("{app}/{model}");
    let sum = words
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{sum:08x}-5b1c-4c8e-9d2a-{number:012x}")
}
