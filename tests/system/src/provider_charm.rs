//! A charm that stands for the other side of a relation: its leader says there, under the key `config`, what its option `config`
//! holds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use juju_sim::Deploy;

const CONFIG: &str = "options:
  config:
    type: string
    default: \"\"
";

/// The charm, laid out in `folder`, which must not be there, ready to be deployed as `name`. It provides `endpoint`, which has the
/// name of its interface.
///
/// # Errors
/// When a file cannot be written.
pub fn deploy(folder: &Path, name: &str, endpoint: &str, config: &str) -> Result<Deploy> {
    let metadata = format!(
        "name: {name}\nsummary: provides {endpoint}\ndescription: provides {endpoint}\nprovides:\n  {endpoint}:\n    interface: {endpoint}\n"
    );
    let dispatch = format!(
        r#"#!/bin/sh
set -eu
if test "$(is-leader)" != True; then exit 0; fi
case $JUJU_DISPATCH_PATH in *-broken) exit 0;; esac
for relation in $(relation-ids {endpoint}); do
  relation-set -r "$relation" --app "config=$(config-get config)"
done
"#
    );
    std::fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, text) in [
        ("metadata.yaml", metadata.as_str()),
        ("config.yaml", CONFIG),
        ("dispatch", dispatch.as_str()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.join("dispatch"), executable)
        .context("cannot make dispatch executable")?;
    Ok(Deploy::new(name, folder).config("config", config))
}
