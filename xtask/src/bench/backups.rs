//! Backups in the cluster, as velero-operator and Velero make them.

use anyhow::Result;
use juju_sim::Simulation;
use serde_json::{Value, json};

/// Puts so many completed backups of an app there, one for each of the last hours, the newest of this moment. Each is good: it holds bytes
/// of the config volume.
///
/// # Errors
/// When the simulated cluster refuses one.
pub fn put(juju: &mut Simulation, app: &str, count: usize) -> Result<()> {
    let now = jiff::Timestamp::now().as_second();
    for number in 0..count {
        for object in backup(app, number, now) {
            juju.put_velero_object(object)?;
        }
    }
    Ok(())
}

/// The model of the app, and of the stand-in velero-operator: Velero and its storage location are in its namespace.
const MODEL: &str = "homelab";

/// A Backup that ended `number` hours before `now`, in seconds since 1970, and what it holds.
fn backup(app: &str, number: usize, now: i64) -> [Value; 2] {
    let ended = now - i64::try_from(number).unwrap_or_default() * 3600;
    let time = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .map(|time| time.to_string())
            .unwrap_or_default()
    };
    let name = format!("{app}-{number}");
    // Of the same number of two apps, too.
    let uid = format!("{app}-0000-4000-8000-{number:012}");
    [
        json!({
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {
                "name": name, "namespace": MODEL, "uid": uid, "creationTimestamp": time(ended - 20),
                "labels": {"app": app, "endpoint": "velero-backup-config", "model": MODEL},
            },
            "spec": {
                "includedNamespaces": [MODEL], "ttl": "720h0m0s",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": app}},
            },
            "status": {
                "phase": "Completed", "startTimestamp": time(ended - 20), "completionTimestamp": time(ended),
                "expiration": time(ended + 720 * 3600),
            },
        }),
        json!({
            "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
            "metadata": {
                "name": format!("{name}-volume"), "namespace": MODEL,
                "labels": {"velero.io/backup-name": name, "velero.io/backup-uid": uid},
            },
            "spec": {
                "node": "sim", "volume": format!("{app}-config-123456"), "uploaderType": "kopia",
                "backupStorageLocation": "default", "repoIdentifier": "repository",
                "pod": {"kind": "Pod", "name": format!("{app}-0"), "namespace": MODEL},
            },
            "status": {
                "phase": "Completed", "snapshotID": "snapshot", "path": "/path",
                "progress": {"bytesDone": 20_131_072, "totalBytes": 20_131_072},
            },
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backup_is_older_than_the_one_before_and_holds_bytes_of_its_own() {
        let ([one, bytes], [other, _]) = (
            backup("radarr", 0, 20_000_000),
            backup("radarr", 2999, 20_000_000),
        );
        assert!(one["status"]["startTimestamp"].as_str() > other["status"]["startTimestamp"].as_str());
        let [_, of_another] = backup("sonarr", 0, 20_000_000);
        let uids =
            [&bytes, &of_another].map(|bytes| bytes["metadata"]["labels"]["velero.io/backup-uid"].clone());
        assert_eq!(uids[0], one["metadata"]["uid"]);
        assert_ne!(uids[0], uids[1]);
    }
}
