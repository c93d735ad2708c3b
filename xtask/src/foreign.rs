//! Charms of others, as far as the project's texts and its Terraform modules name something of them: read in their sources, and not run.

/// A charm of somebody else.
pub struct Foreign {
    /// Its name.
    pub name: &'static str,
    /// Options with their type.
    pub options: &'static [(&'static str, &'static str)],
    /// Actions with their parameters.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only texts name actions, and tests hold them")
    )]
    pub actions: &'static [(&'static str, &'static [&'static str])],
    /// Endpoints with their interface, and whether the charm provides them.
    pub endpoints: &'static [(&'static str, &'static str, bool)],
    /// Endpoints that take one relation.
    pub single: &'static [&'static str],
    /// Storages, with the smallest size that the charm takes.
    pub storages: &'static [(&'static str, &'static str)],
}

#[cfg(test)]
impl Foreign {
    /// Whether it has this option.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    /// Whether it has this storage.
    pub fn has_storage(&self, name: &str) -> bool {
        self.storages.iter().any(|(storage, _)| *storage == name)
    }
}

/// All that are named.
pub const FOREIGN: &[Foreign] = &[
    // canonical/velero-operator @067f331: charmcraft.yaml
    Foreign {
        name: "velero-operator",
        options: &[
            ("use-node-agent", "boolean"),
            ("default-volumes-to-fs-backup", "boolean"),
            ("velero-image", "string"),
            ("velero-aws-plugin-image", "string"),
        ],
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
        single: &["s3-credentials"],
        storages: &[],
    },
    // canonical/object-storage-integrators @2229541: s3/config.yaml, s3/metadata.yaml; the action is that of track 1
    Foreign {
        name: "s3-integrator",
        options: &[
            ("endpoint", "string"),
            ("bucket", "string"),
            ("region", "string"),
            ("path", "string"),
            ("s3-uri-style", "string"),
            ("tls-ca-chain", "string"),
            ("credentials", "secret"),
        ],
        actions: &[("sync-s3-credentials", &["access-key", "secret-key"])],
        endpoints: &[("s3-credentials", "s3", true)],
        single: &[],
        storages: &[],
    },
    // canonical/minio-operator @0126179: config.yaml, metadata.yaml
    Foreign {
        name: "minio",
        options: &[
            ("port", "int"),
            ("access-key", "string"),
            ("secret-key", "string"),
        ],
        actions: &[],
        endpoints: &[("object-storage", "object-storage", true)],
        single: &[],
        storages: &[("minio-data", "1G")],
    },
    // Charmarr's VPN gateway
    Foreign {
        name: "gluetun",
        options: &[],
        actions: &[],
        endpoints: &[("vpn-gateway", "vpn-gateway", true)],
        single: &[],
        storages: &[],
    },
];

/// The one of this name.
#[cfg(test)]
pub fn of(name: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|foreign| foreign.name == name)
}
