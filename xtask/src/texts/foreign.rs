//! Charms of others, as far as the project's texts and its Terraform modules name something of them: read in their sources, and not run.

/// A charm of somebody else.
pub struct Foreign {
    /// Its name.
    pub name: &'static str,
    /// Options.
    pub options: &'static [&'static str],
    /// Actions with their parameters.
    pub actions: &'static [(&'static str, &'static [&'static str])],
    /// Endpoints with their interface, and whether the charm provides them.
    pub endpoints: &'static [(&'static str, &'static str, bool)],
    /// Storages.
    pub storages: &'static [&'static str],
}

/// All that are named.
pub const FOREIGN: &[Foreign] = &[
    // canonical/velero-operator @067f331: charmcraft.yaml
    Foreign {
        name: "velero-operator",
        options: &["use-node-agent", "default-volumes-to-fs-backup", "velero-image"],
        actions: &[
            ("run-cli", &["command"]),
            ("create-backup", &["target", "model"]),
            ("list-backups", &["app", "endpoint", "model"]),
            ("restore", &["backup-uid", "existing-resource-policy"]),
        ],
        endpoints: &[
            ("s3-credentials", "s3", false),
            ("velero-backups", "velero_backup_config", false),
        ],
        storages: &[],
    },
    // canonical/object-storage-integrators @2229541: s3/config.yaml, s3/metadata.yaml; the action is that of track 1
    Foreign {
        name: "s3-integrator",
        options: &[
            "endpoint",
            "bucket",
            "region",
            "path",
            "s3-uri-style",
            "credentials",
        ],
        actions: &[("sync-s3-credentials", &["access-key", "secret-key"])],
        endpoints: &[("s3-credentials", "s3", true)],
        storages: &[],
    },
    // canonical/minio-operator @0126179: config.yaml, metadata.yaml
    Foreign {
        name: "minio",
        options: &["port", "access-key", "secret-key"],
        actions: &[],
        endpoints: &[("object-storage", "object-storage", true)],
        storages: &["minio-data"],
    },
    // Charmarr's VPN gateway
    Foreign {
        name: "gluetun",
        options: &[],
        actions: &[],
        endpoints: &[("vpn-gateway", "vpn-gateway", true)],
        storages: &[],
    },
];

/// The one of this name.
pub fn of(name: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|foreign| foreign.name == name)
}
