//! The part of the charm's own `metadata.yaml` that the charm relies on.
//!
//! Whoever packs a charm may have edited it. Without the config storage a backup would hold nothing, so it is looked at
//! on every event: it is a local file and costs no hook tool.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::charm_yaml::{self, Unread};
use crate::endpoints::{self, Role};
use crate::problem::Problem;
use crate::profile::AppProfile;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "names")]
    peers: BTreeMap<String, ()>,
    storage: Option<BTreeMap<String, Storage>>,
    containers: Option<BTreeMap<String, Option<Container>>>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Storage {
    r#type: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Container {
    mounts: Option<Vec<Mount>>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Mount {
    storage: String,
    location: String,
}

/// Checks that the metadata in `charm_dir` gives the workload its config storage.
///
/// # Errors
/// What is missing, and that the charm has to be packed again.
pub fn check(charm_dir: &Path, profile: &AppProfile) -> Result<(), Problem> {
    let metadata = charm_yaml::read(charm_dir, "metadata.yaml").map_err(|error| match error {
        Unread::File(error) => problem(format!("cannot be read ({})", error.kind())),
        Unread::Text(_) => not_of_a_charm(),
    })?;
    judge(metadata, profile)
}

/// The names in a map that may be absent, whatever is said of them.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, ()>, D::Error> {
    let map: Option<BTreeMap<String, IgnoredAny>> = Option::deserialize(deserializer)?;
    Ok(map.into_iter().flatten().map(|(name, _)| (name, ())).collect())
}

fn judge(metadata: Metadata, profile: &AppProfile) -> Result<(), Problem> {
    let containers = metadata.containers.unwrap_or_default();
    let container = || {
        containers
            .get(&profile.name)
            .ok_or_else(|| problem(format!("has no container {:?}", profile.name)))
    };
    // Without the peer relation two units may write. Without the others the app runs all the same.
    let peers = metadata.peers;
    if let Some(lacking) = endpoints::of(profile)
        .find(|endpoint| endpoint.role == Role::Peers && !peers.contains_key(endpoint.name))
    {
        return Err(problem(format!("has no peer relation {:?}", lacking.name)));
    }
    let Some(wanted) = &profile.storage else {
        return container().map(drop);
    };
    let storages = metadata.storage.unwrap_or_default();
    match storages.get(&wanted.name) {
        None => return Err(problem(format!("has no storage {:?}", wanted.name))),
        Some(storage) if storage.r#type != "filesystem" => {
            return Err(problem(format!(
                "storage {:?} is not of type filesystem",
                wanted.name
            )));
        }
        Some(_) => {}
    }
    let mounted = container()?
        .iter()
        .flat_map(|container| &container.mounts)
        .flatten()
        .any(|mount| mount.storage == wanted.name && mount.location == wanted.location);
    if mounted {
        Ok(())
    } else {
        Err(problem(format!(
            "does not mount storage {:?} at {}",
            wanted.name, wanted.location
        )))
    }
}

fn not_of_a_charm() -> Problem {
    problem("is not the YAML of a charm".to_owned())
}

fn problem(reason: String) -> Problem {
    Problem::new(
        "metadata.yaml of the charm",
        reason,
        "pack the charm again and juju refresh it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, profile: &AppProfile) -> Result<(), Problem> {
        match charm_yaml::parse(text) {
            Ok(metadata) => judge(metadata, profile),
            Err(_) => Err(not_of_a_charm()),
        }
    }

    /// What the sample app needs, in three lines, but for the one that begins with `without`.
    fn good(without: &str) -> String {
        let lines = [
            "peers: {peers: {interface: media_app_peers}}",
            "storage: {config: {type: filesystem}}",
            "containers: {sample: {mounts: [{storage: config, location: /config}]}}",
        ];
        let kept = lines
            .iter()
            .filter(|line| without.is_empty() || !line.starts_with(without));
        kept.fold(String::new(), |text, line| text + line + "\n")
    }

    #[test]
    fn each_missing_piece_is_named() {
        let profile = AppProfile::parse("sample.yaml", include_str!("../tests/data/sample.yaml")).unwrap();
        assert_eq!(check_text(&good(""), &profile), Ok(()));
        let cases = [
            ("storage: [".to_owned(), "is not the YAML"),
            (good("storage"), "has no storage \"config\""),
            (
                good("storage") + "storage: {config: {type: block}}",
                "not of type filesystem",
            ),
            (good("peers"), "has no peer relation \"peers\""),
            (good("containers"), "has no container \"sample\""),
            (good("containers") + "containers: {sample: }", "does not mount"),
            (
                good("containers") + "containers: {sample: {mounts: [{storage: config, location: /c}]}}",
                "at /config",
            ),
        ];
        for (text, reason) in cases {
            let problem = check_text(&text, &profile).unwrap_err().to_string();
            assert!(problem.contains(reason), "{text}: {problem}");
        }
    }
}
