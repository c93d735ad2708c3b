//! A charm that provides media: it says over the relation media-storage what its option `config` holds.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use juju_sim::Deploy;

use crate::provider_charm;

/// The ids that a test may give files to: only root may give them to others.
///
/// # Errors
/// When this process cannot be looked at.
pub fn ids() -> Result<(u32, u32)> {
    let own = std::fs::metadata("/proc/self").context("cannot look at the own process")?;
    Ok(match (own.uid(), own.gid()) {
        (0, _) => (3456, 3457),
        own => own,
    })
}

/// What the charm says of a claim that is mounted at `path`.
///
/// # Errors
/// As [`ids`].
pub fn config(claim: &str, path: &str) -> Result<String> {
    let (uid, gid) = ids()?;
    Ok(format!(
        r#"{{"pvc_name":"{claim}","mount_path":"{path}","puid":{uid},"pgid":{gid}}}"#
    ))
}

/// The charm, laid out in `folder`, which must not be there, ready to be deployed as `storage`.
///
/// # Errors
/// When a file cannot be written.
pub fn deploy(folder: &Path, config: &str) -> Result<Deploy> {
    provider_charm::deploy(folder, "storage", "media-storage", config)
}
