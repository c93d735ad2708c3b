//! What `juju import-filesystem` can do on Kubernetes, by Juju's version.

/// Whether a volume can be imported and attached on Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// It works.
    Works,
    /// It works with `JUJU_DEV_FEATURE_FLAGS=k8s-attach-storage` in the environment of the `juju` command.
    WithFlag,
    /// It does not, for this reason.
    No(&'static str),
}

/// What this version of Juju can do; `None` for a version that is not known.
///
/// 3.6.9 and 3.6.11 have it behind a flag (juju/juju#19904, #20157), 3.6.12 and later without one. 4.0 says `import filesystem not
/// implemented` to the one and `attaching storage to CAAS units is not supported` to the other: seen with 4.0.15 on a real cluster, though
/// its release notes name it (juju/juju#22405, #23056, #23335).
pub fn import(version: &str) -> Option<Import> {
    let mut numbers = version
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let patch = numbers.next().unwrap_or(0);
    Some(match (major, minor, patch) {
        (3, 6, 12..) => Import::Works,
        (3, 6, 9..) => Import::WithFlag,
        (..=2, ..) | (3, ..=6, _) => {
            Import::No("import-filesystem is not supported on Kubernetes before 3.6.9")
        }
        (4, 0, _) => Import::No("4.0 neither imports nor attaches volumes on Kubernetes"),
        // Nobody has tried.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_imported_depends_on_the_version() {
        for (version, expected) in [
            ("3.6.8", Some(false)),
            ("3.6.9", None),
            ("3.6.11-ubuntu-amd64", None),
            ("3.6.12", Some(true)),
            ("3.6.28-genericlinux-amd64", Some(true)),
            ("3.5.7", Some(false)),
            ("4.0.15", Some(false)),
        ] {
            let found = match import(version).unwrap() {
                Import::Works => Some(true),
                Import::WithFlag => None,
                Import::No(_) => Some(false),
            };
            assert_eq!(found, expected, "{version}");
        }
        for unknown in ["edge", "4.1-beta1", "3.7.0"] {
            assert_eq!(import(unknown), None, "{unknown}");
        }
    }
}
