//! How Juju and velero-operator call and label things.

/// velero-operator's labels of Backups and Schedules (`velero-backup-config`, module `velero`): the client application,
/// its endpoint, and a model that is the client's on backups on demand only.
pub(crate) const APP_LABEL: &str = "app";
/// See [`APP_LABEL`].
pub(crate) const ENDPOINT_LABEL: &str = "endpoint";
/// See [`APP_LABEL`].
pub(crate) const MODEL_LABEL: &str = "model";

/// Label of a backup that was made before a restore, of what that was about to replace: the uid of the backup that was to be
/// restored. Velero keeps a Backup's labels in the object storage, and in a new cluster it reads them from there
/// (`pkg/controller/backup_sync_controller.go` of Velero 1.15.2 and 1.18.0).
pub(crate) const BEFORE_RESTORE: &str = "config-recovery/before-restore";

/// Juju's label of pods and claims: the application.
pub(crate) const JUJU_APP_LABEL: &str = "app.kubernetes.io/name";
/// Juju's label of claims: the charm's storage.
pub(crate) const JUJU_STORAGE_LABEL: &str = "storage.juju.is/name";
/// The charm's storage that is backed up.
pub(crate) const CONFIG: &str = "config";

/// Whether a pod's volume of this name is the config volume of the app.
///
/// Juju calls it `APP-config-UID`, where UID is 6 or 8 characters without a dash, or `APP-config` for storage that is no
/// claim (`internal/provider/kubernetes/application/application.go` of juju/juju). `radarr-config-extra-1a2b3c` is
/// another storage, called `config-extra`.
pub(crate) fn is_config_volume(app: &str, volume: &str) -> bool {
    let rest = volume
        .strip_prefix(app)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_prefix(CONFIG));
    match rest {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('-')
            .is_some_and(|uid| !uid.is_empty() && !uid.contains('-')),
        None => false,
    }
}

/// The unit that a pod of the app runs: `radarr-3` is 3 of `radarr`.
pub(crate) fn unit_of(app: &str, pod: &str) -> Option<u32> {
    let number = pod.strip_prefix(app)?.strip_prefix('-')?;
    // No sign, no leading zero: `radarr-01` is no name that a StatefulSet gives.
    number
        .parse()
        .ok()
        .filter(|unit: &u32| unit.to_string() == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_volume_is_told_by_its_name() {
        for volume in ["radarr-config-fec125", "radarr-config-1a2b3c4d", "radarr-config"] {
            assert!(is_config_volume("radarr", volume), "{volume}");
        }
        for volume in [
            "radarr-config-extra-fec125",
            "radarr-configs-fec125",
            "radarr-logs-fec125",
            "radarr-config-",
            "radarr4k-config-fec125",
            "config-fec125",
            "charm-data",
        ] {
            assert!(!is_config_volume("radarr", volume), "{volume}");
        }
        assert!(is_config_volume("radarr-config", "radarr-config-config-fec125"));
        assert!(!is_config_volume("radarr", "radarr-config-config-fec125"));
    }

    #[test]
    fn a_unit_is_told_by_its_pod() {
        assert_eq!(unit_of("radarr", "radarr-0"), Some(0));
        assert_eq!(unit_of("radarr", "radarr-12"), Some(12));
        for pod in [
            "radarr",
            "radarr-",
            "radarr-4k-0",
            "radarr-+1",
            "radarr-01",
            "sonarr-0",
        ] {
            assert_eq!(unit_of("radarr", pod), None, "{pod}");
        }
        assert_eq!(unit_of("radarr-4k", "radarr-4k-0"), Some(0));
    }
}
