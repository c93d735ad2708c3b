//! The releases of Velero that the bed can be made with. A further one is a line of [`ALL`] and a folder that pins its module.

/// A release of Velero, and what it is played with. Versions are written without the `v` in front.
///
/// `tools/velero/VERSION` pins its Go module and its fork of kopia, `tools/kubernetes/VERSION` and
/// `tools/velero-plugin-for-aws/VERSION` pin the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Velero {
    /// Version of Velero itself.
    pub version: &'static str,
    /// Version of its plugin for S3.
    pub plugin: &'static str,
    /// Version of Kubernetes.
    pub kubernetes: &'static str,
    /// Which image waits in restored pods.
    pub restore_helper: RestoreHelper,
    /// Whether each restore of a volume has a pod of its own, so that the node agent works on several at once where it is told
    /// so: since 1.17, by `loadConcurrency`.
    pub restores_in_pods: bool,
    /// Whether the server makes several backups at once when it is told so: since 1.18, by `--concurrent-backups`.
    pub concurrent_backups: bool,
}

/// Where the program is that waits in a restored pod until its volumes are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreHelper {
    /// In an image of its own, of this name and with Velero's version as its tag: Velero derives it so.
    OwnImage(&'static str),
    /// In Velero's image, since 1.16 (`Dockerfile` of Velero).
    InVelero,
}

/// All of them, the oldest first. What is true of all is proven on [`DEFAULT`], what depends on Velero on each.
pub const ALL: [Velero; 5] = [
    DEFAULT,
    Velero {
        version: "1.16.2",
        plugin: "1.14.2",
        kubernetes: "1.34.3",
        restore_helper: RestoreHelper::InVelero,
        restores_in_pods: false,
        concurrent_backups: false,
    },
    Velero {
        version: "1.17.2",
        plugin: "1.14.2",
        kubernetes: "1.34.3",
        restore_helper: RestoreHelper::InVelero,
        restores_in_pods: true,
        concurrent_backups: false,
    },
    NEWEST,
    Velero {
        kubernetes: "1.37.2",
        ..NEWEST
    },
];

/// The one that velero-operator deploys by default.
pub const DEFAULT: Velero = Velero {
    version: "1.15.2",
    plugin: "1.14.2",
    kubernetes: "1.34.3",
    restore_helper: RestoreHelper::OwnImage("docker.io/velero/velero-restore-helper"),
    restores_in_pods: false,
    concurrent_backups: false,
};

/// The newest one, on the Kubernetes of [`DEFAULT`], whose parts it shares.
pub const NEWEST: Velero = Velero {
    version: "1.18.0",
    plugin: "1.14.2",
    kubernetes: "1.34.3",
    restore_helper: RestoreHelper::InVelero,
    restores_in_pods: true,
    concurrent_backups: true,
};

impl Velero {
    /// The release of this [`Velero::name`]. Without a version of Kubernetes it is the first one of that version of Velero.
    ///
    /// # Errors
    /// With the names that there are.
    pub fn named(name: &str) -> Result<&'static Self, String> {
        let is_meant = |is: &&Self| is.version == name || is.name() == name;
        ALL.iter().find(is_meant).ok_or_else(|| {
            let known: Vec<String> = ALL.iter().map(Self::name).collect();
            format!("there is no Velero {name}; there are: {}", known.join(", "))
        })
    }

    /// What it is called on a command line, `1.18.0@1.37.2`: version of Velero, version of Kubernetes.
    pub fn name(&self) -> String {
        format!("{}@{}", self.version, self.kubernetes)
    }

    /// Whether it is the one that everything is played on.
    pub fn is_default(&self) -> bool {
        *self == DEFAULT
    }

    /// Name of the image of server and node agent.
    pub fn image(&self) -> String {
        self.tagged("docker.io/velero/velero")
    }

    /// Name of the image of the plugin for S3.
    pub fn plugin_image(&self) -> String {
        format!("docker.io/velero/velero-plugin-for-aws:v{}", self.plugin)
    }

    /// An image's name with this version of Velero as its tag.
    pub fn tagged(&self, name: &str) -> String {
        format!("{name}:v{}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_files_pin_what_the_table_names() {
        for velero in ALL {
            for (module, folder, version) in [
                ("github.com/vmware-tanzu/velero", "velero", velero.version),
                (
                    "github.com/vmware-tanzu/velero-plugin-for-aws",
                    "velero-plugin-for-aws",
                    velero.plugin,
                ),
                ("k8s.io/kubernetes", "kubernetes", velero.kubernetes),
            ] {
                let path = format!("{}/tools/{folder}/{version}/go.mod", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
                let pinned = format!("{module} v{version}");
                let is_pinned = |line: &str| line.trim_start_matches("require").trim() == pinned;
                assert!(text.lines().any(is_pinned), "{path} does not require {pinned}");
            }
        }
    }

    #[test]
    fn no_version_is_there_twice_and_an_unknown_one_is_refused_with_those_that_there_are() {
        for velero in &ALL {
            assert_eq!(Velero::named(&velero.name()).unwrap(), velero);
        }
        assert_eq!(Velero::named(DEFAULT.version).unwrap(), &DEFAULT);
        assert_eq!(Velero::named(NEWEST.version).unwrap(), &NEWEST);
        assert_eq!(NEWEST.kubernetes, DEFAULT.kubernetes);
        let said = Velero::named("1.14.0").unwrap_err();
        assert!(
            said.contains("no Velero 1.14.0") && said.contains("1.15.2"),
            "{said}"
        );
    }
}
