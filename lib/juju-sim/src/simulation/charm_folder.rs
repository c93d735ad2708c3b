//! Reads a charm's folder and unpacks it for a unit.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use juju_hook_tools::model::{Charm, CharmFiles};
use juju_hook_tools::yaml;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A file of this size or more is linked instead of copied: charm binaries, which nothing writes to.
const LINKED_FROM: u64 = 1 << 20;

/// Where a container has storage mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// Name of the storage in the charm's metadata.
    pub storage: String,
    /// Path in the container.
    #[serde(default)]
    pub location: String,
}

/// A charm as its folder describes it.
#[derive(Debug)]
pub(crate) struct CharmFolder {
    pub charm: Charm,
    /// The mounts of each container.
    pub mounts: BTreeMap<String, Vec<Mount>>,
    /// The resources that are OCI images.
    images: BTreeSet<String>,
}

impl CharmFolder {
    /// Refuses a charm that comes from a file without its images, as the client of Juju does (`validateResourcesNeededForLocalDeploy` in
    /// `cmd/juju/application/deployer/deployer.go` of juju/juju); these are in the order of their names here.
    pub fn has_its_images(&self, given: &BTreeMap<String, String>) -> Result<()> {
        let missing = self.images.iter().filter(|name| !given.contains_key(*name));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Error::refused(format!(
                "local charm missing OCI images for: {}",
                missing.join(", ")
            ))),
        }
    }

    /// Whether the resource is an OCI image.
    pub fn is_image(&self, resource: &str) -> bool {
        self.images.contains(resource)
    }
}

/// Reads the descriptions in a charm's folder. It must be unpacked: a `.charm` file is a zip archive of it.
pub(crate) fn read(folder: &Path) -> Result<CharmFolder> {
    let metadata_path = [folder.join("metadata.yaml"), folder.join("charmcraft.yaml")]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::refused(format!(
                "no charm was found at {:?}",
                folder.display().to_string()
            ))
        })?;
    let metadata = text(&metadata_path)?;
    let (config, actions) = (
        text(&folder.join("config.yaml"))?,
        text(&folder.join("actions.yaml"))?,
    );
    let malformed = |reason: String| Error::Malformed {
        path: metadata_path.clone(),
        reason,
    };
    let charm = Charm::from_files(&CharmFiles {
        metadata: &metadata,
        config: &config,
        actions: &actions,
    })
    .map_err(|error| malformed(format!("{:#}", anyhow::Error::new(error))))?;
    let more: More = yaml::from_str(&metadata).map_err(|error| malformed(error.to_string()))?;
    let images = more.resources.into_iter();
    let images = images.filter(|(_, resource)| resource.kind == "oci-image");
    let images = images.map(|(name, _)| name).collect();
    let mounts = more
        .containers
        .into_iter()
        .map(|(name, container)| {
            (
                name,
                container.map(|container| container.mounts).unwrap_or_default(),
            )
        })
        .collect();
    Ok(CharmFolder {
        charm,
        mounts,
        images,
    })
}

/// The name in a charm folder's metadata, where it can be deployed with these resources.
///
/// # Errors
/// When the folder holds no charm, or one that needs an image that is not given.
pub fn deployable(folder: &Path, resources: &BTreeMap<String, String>) -> Result<String> {
    let folder = read(folder)?;
    folder.has_its_images(resources)?;
    Ok(folder.charm.name)
}

/// The executable for an event: `dispatch` for every one, or a file of the event's name. None: the charm skips it.
pub(crate) fn executable(folder: &Path, dispatch_path: &str) -> Option<PathBuf> {
    [folder.join("dispatch"), folder.join(dispatch_path)]
        .into_iter()
        .find(|path| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// Copies a folder with everything in it. Links in it stay links.
pub(crate) fn unpack(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(Error::io("create", to))?;
    let entries = std::fs::read_dir(from).map_err(Error::io("list", from))?;
    for entry in entries {
        let entry = entry.map_err(Error::io("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let found = source.symlink_metadata().map_err(Error::io("read", &source))?;
        if found.is_dir() {
            unpack(&source, &target)?;
        } else if found.is_symlink() {
            let aim = std::fs::read_link(&source).map_err(Error::io("read", &source))?;
            link(&aim, &target)?;
        } else if found.is_file() {
            let linked = found.len() >= LINKED_FROM && std::fs::hard_link(&source, &target).is_ok();
            if !linked {
                std::fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
            }
        }
    }
    Ok(())
}

/// Makes a symbolic link, in place of one that is there.
pub(crate) fn link(aim: &Path, at: &Path) -> Result<()> {
    remove_file(at)?;
    std::os::unix::fs::symlink(aim, at).map_err(Error::io("link", at))
}

/// Removes a file or link; it need not exist.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder and everything in it; it need not exist.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn text(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(Error::io("read", path)),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct More {
    containers: BTreeMap<String, Option<Container>>,
    resources: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    mounts: Vec<Mount>,
}
