//! Velero's objects of an app's backups, as Velero and velero-operator leave them in a cluster.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The endpoint that the backups are asked for by.
pub const ENDPOINT: &str = "velero-backup-config";

/// Whose backups they are, and where they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The application.
    pub app: &'a str,
    /// Its model, which is its namespace.
    pub model: &'a str,
    /// Name of the backup storage location.
    pub location: &'a str,
}

/// One backup.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its name, which is its uid too.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: SignedDuration,
    /// Bytes of the config volume.
    pub bytes: u64,
    /// For how many hours it is kept.
    pub hours: i64,
}

impl Owner<'_> {
    /// A good backup, and its pod volume backup.
    pub fn backup(&self, made: &Made) -> [Value; 2] {
        let Self { app, model, location } = self;
        let Made { name, bytes, .. } = made;
        let began = made.began.to_string();
        // As large as the API server has them.
        let filler = "x".repeat(2000);
        let backup = json!({
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {
                "name": name, "namespace": "velero", "uid": name, "creationTimestamp": began,
                "labels": {
                    "app": app, "endpoint": ENDPOINT, "managed-by": "velero-operator",
                    "velero.io/schedule-name": schedule_name(app), "velero.io/storage-location": location,
                },
                "managedFields": [{"manager": "velero-server", "fieldsV1": filler}],
            },
            "spec": self.template(made.hours),
            "status": {
                "phase": "Completed", "startTimestamp": began,
                "completionTimestamp": made.ended().to_string(),
                "expiration": made.expires().to_string(),
            },
        });
        let volume = json!({
            "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
            "metadata": {
                "name": format!("{name}-1"), "namespace": "velero", "uid": format!("pvb-{name}"),
                "labels": {"velero.io/backup-name": name, "velero.io/backup-uid": name},
                "managedFields": [{"manager": "node-agent-server", "fieldsV1": filler}],
            },
            "spec": {
                "backupStorageLocation": location, "node": "home", "uploaderType": "kopia",
                "volume": format!("{app}-config-fec125"),
                "pod": {"kind": "Pod", "name": format!("{app}-0"), "namespace": model, "uid": "5f6c"},
            },
            "status": {
                "phase": "Completed", "snapshotID": format!("k{name}"),
                "progress": {"bytesDone": bytes, "totalBytes": bytes},
            },
        });
        [backup, volume]
    }

    /// The Schedule that velero-operator has made, whose backups are kept for so many hours.
    pub fn schedule(&self, cron: &str, since: Timestamp, hours: i64) -> Value {
        json!({
            "apiVersion": "velero.io/v1", "kind": "Schedule",
            "metadata": {
                "name": schedule_name(self.app), "namespace": "velero", "creationTimestamp": since.to_string(),
                "labels": {"app": self.app, "endpoint": ENDPOINT, "managed-by": "velero-operator"},
            },
            "spec": {"schedule": cron, "template": self.template(hours)},
            "status": {"phase": "Enabled"},
        })
    }

    /// The repository of the model's files, in this phase.
    pub fn repository(&self, phase: &str) -> Value {
        let Self { model, location, .. } = self;
        json!({
            "apiVersion": "velero.io/v1", "kind": "BackupRepository",
            "metadata": {"name": format!("{model}-{location}-kopia"), "namespace": "velero"},
            "spec": {"volumeNamespace": model, "backupStorageLocation": location, "repositoryType": "kopia"},
            "status": {"phase": phase},
        })
    }

    fn template(&self, hours: i64) -> Value {
        json!({
            "includedNamespaces": [self.model], "storageLocation": self.location, "ttl": format!("{hours}h0m0s"),
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": self.app}},
        })
    }
}

impl Made {
    /// When it ended.
    pub fn ended(&self) -> Timestamp {
        self.began + self.took
    }

    /// When Velero deletes it.
    pub fn expires(&self) -> Timestamp {
        self.began + SignedDuration::from_hours(self.hours)
    }
}

fn schedule_name(app: &str) -> String {
    format!("{app}-config")
}

/// A storage location in this phase. That of the name `default` is used where none is named.
pub fn location(name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": name, "namespace": "velero"},
        "spec": {"provider": "aws", "default": name == "default"}, "status": {"phase": phase},
    })
}

/// What a proof says of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It came back as it was.
    ComesBack,
    /// It did not.
    Damaged,
}

/// Writes on a backup what the charm writes after it has restored and compared it.
pub fn prove(backup: &mut Value, proof: Proof, at: Timestamp, took: SignedDuration) {
    backup["metadata"]["annotations"] = json!({
        "config-recovery/proven-at": at.to_string(),
        "config-recovery/proven-as": match proof {
            Proof::ComesBack => "comes-back",
            Proof::Damaged => "damaged",
        },
        "config-recovery/proven-in": format!("{}s", took.as_secs()),
    });
}

/// Makes a safety backup of it: one of what a restore of the backup with this uid was about to replace.
pub fn make_safety(backup: &mut Value, restored: &str) {
    backup["metadata"]["labels"]["config-recovery/before-restore"] = json!(restored);
}
