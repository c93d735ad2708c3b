//! A charm that provides media: it says over the relation media-storage what its option `config` holds.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use juju_sim::Deploy;

const METADATA: &str = "name: storage
summary: provides media
description: provides media
provides:
  media-storage:
    interface: media-storage
";
const CONFIG: &str = "options:
  config:
    type: string
    default: \"\"
";
const DISPATCH: &str = "#!/bin/sh
set -eu
if test \"$(is-leader)\" != True; then exit 0; fi
case $JUJU_DISPATCH_PATH in *-broken) exit 0;; esac
for relation in $(relation-ids media-storage); do
  relation-set -r \"$relation\" --app \"config=$(config-get config)\"
done
";

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
    std::fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, text) in [
        ("metadata.yaml", METADATA),
        ("config.yaml", CONFIG),
        ("dispatch", DISPATCH),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.join("dispatch"), executable)
        .context("cannot make dispatch executable")?;
    Ok(Deploy::new("storage", folder).config("config", config))
}
