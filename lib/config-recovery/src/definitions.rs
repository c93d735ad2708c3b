//! Whether Velero's definitions in the cluster are of an age with the image that runs.
//!
//! velero-operator brings the definitions (CustomResourceDefinitions) of one version and lets a user name another image. From
//! 1.17 on the node agent notes with `Accepted` that it has taken a volume up. Definitions of before refuse that word: backups
//! and restores of volumes stay where they are, and nothing says why.

use serde_json::Value;
use velero_api::{API_GROUP, Kind as _, PodVolumeBackupSpec, PodVolumeRestoreSpec};

use crate::api::{AnyObject, Api, Resource};
use crate::cluster::{Cluster, ClusterError};
use crate::shown::shown;

/// The first version whose node agent needs a phase that definitions of before do not have.
const NEEDS_ACCEPTED: (u64, u64) = (1, 17);
/// That phase.
const ACCEPTED: &str = "Accepted";

/// Selects the node agent's pods (`pkg/install/daemonset.go` of vmware-tanzu/velero).
pub const AGENTS: &str = "name=node-agent";
/// Name of the node agent's container there. Others beside it, a mesh's, say nothing.
pub const AGENT_CONTAINER: &str = "node-agent";

const DEFINITIONS: Resource = Resource {
    api_version: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
};

/// The definition that a backup of files needs.
pub const OF_BACKUPS: &str = PodVolumeBackupSpec::PLURAL;
/// The definition that a restore of files needs.
pub const OF_RESTORES: &str = PodVolumeRestoreSpec::PLURAL;

/// The command that brings the definitions of the `velero` that it is run with.
pub const REMEDY: &str = "velero install --crds-only --dry-run -o yaml | kubectl apply -f -";

/// Why one of Velero's definitions does not do for an image; `None` if they do, or nobody can tell.
///
/// One request, and only for an image whose tag says that it needs newer definitions than some.
///
/// # Errors
/// As [`Cluster::ask`]. That the account may not look is no error: then nobody can tell.
pub async fn too_old(cluster: &Cluster, plural: &str, image: &str) -> Result<Option<String>, ClusterError> {
    match unfit(cluster, plural, image).await {
        Err(ClusterError::NotAllowed { .. }) => Ok(None),
        looked => looked,
    }
}

/// As [`too_old`]; that the account may not look is an error.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn unfit(cluster: &Cluster, plural: &str, image: &str) -> Result<Option<String>, ClusterError> {
    let Some(version) = version(image).filter(|version| *version >= NEEDS_ACCEPTED) else {
        return Ok(None);
    };
    let api: Api<AnyObject> = Api::of(cluster.client(), DEFINITIONS, None);
    let name = format!("{plural}.{API_GROUP}");
    let found = cluster.ask_opt(format!("look at the definition {name}"), api.get(&name));
    let definition = match found.await {
        Ok(Some(definition)) => definition.content,
        Ok(None) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (major, minor) = version;
    Ok(refuses(&definition, ACCEPTED).then(|| {
        format!(
            "the cluster's definition {name} is older than Velero {major}.{minor} ({})",
            shown(image)
        )
    }))
}

/// Major and minor version by the image's tag, of the one major version that there is: other numbers are dates, or somebody else's.
pub fn version(image: &str) -> Option<(u64, u64)> {
    let (image, _) = image.split_once('@').unwrap_or((image, ""));
    let (_, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let mut parts = tag.strip_prefix('v').unwrap_or(tag).split('.');
    let major: u64 = parts.next()?.parse().ok().filter(|major| *major == 1)?;
    let minor = parts.next()?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((major, minor.get(..digits)?.parse().ok()?))
}

/// Whether every version of a definition names the phases that there are, and not this one.
fn refuses(definition: &Value, phase: &str) -> bool {
    let versions = definition["spec"]["versions"].as_array();
    let mut enums = versions.into_iter().flatten().map(|version| {
        let phases = "/schema/openAPIV3Schema/properties/status/properties/phase/enum";
        version.pointer(phases).and_then(Value::as_array)
    });
    let mut any = false;
    let all = enums.all(|phases| {
        any = true;
        phases.is_some_and(|phases| !phases.iter().any(|known| known == phase))
    });
    any && all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_that_of_the_tag() {
        for (image, expected) in [
            ("velero/velero:v1.15.2", Some((1, 15))),
            (
                "registry.example.com:5000/velero/velero:v1.17.0-rc.1",
                Some((1, 17)),
            ),
            ("velero/velero:v1.18@sha256:0123", Some((1, 18))),
            ("velero/velero:1.18-debian", Some((1, 18))),
            ("velero/velero:main", None),
            ("registry.example.com/velero:24.04_edge", None),
            ("velero/velero", None),
            ("registry.example.com:5000/velero", None),
            ("velero/velero@sha256:0123", None),
            ("", None),
        ] {
            assert_eq!(version(image), expected, "{image}");
        }
    }

    #[test]
    fn a_definition_refuses_what_it_does_not_name() {
        let definition = |phases: Value| {
            json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": {"status":
                {"properties": {"phase": phases}}}}}}]}})
        };
        let old = definition(json!({"type": "string", "enum": ["New", "InProgress", "Completed", "Failed"]}));
        assert!(refuses(&old, ACCEPTED));
        let new = definition(json!({"type": "string", "enum": ["New", "Accepted", "InProgress"]}));
        assert!(!refuses(&new, ACCEPTED));
        // One without a list takes anything.
        assert!(!refuses(&definition(json!({"type": "string"})), ACCEPTED));
        assert!(!refuses(&Value::Null, ACCEPTED));
        assert!(!refuses(&json!({"spec": {"versions": []}}), ACCEPTED));
    }
}
