//! Charms that stand for the other side of a relation. One provides: its leader says there, under the key `config`, what its option
//! `config` holds. One requires: it reads the password of the secret that it is given the id of.

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
    lay_out(
        folder,
        [("metadata.yaml", &metadata), ("config.yaml", CONFIG)],
        &dispatch,
    )?;
    Ok(Deploy::new(name, folder).config("config", config))
}

/// The charm, laid out in `folder`, which must not be there, ready to be deployed as `name`. Its endpoint `needs` requires `interface`, whose
/// provider gives it the id of a secret under the key `secret-id`. What that holds under `password` is in its status.
///
/// # Errors
/// When a file cannot be written.
pub fn deploy_as_client(folder: &Path, name: &str, interface: &str) -> Result<Deploy> {
    let metadata = format!(
        "name: {name}\nsummary: needs {interface}\ndescription: needs {interface}\nrequires:\n  needs:\n    interface: {interface}\n"
    );
    let dispatch = r#"#!/bin/sh
set -eu
for relation in $(relation-ids needs); do
  provider=$(relation-list -r "$relation" --app)
  secret=$(relation-get -r "$relation" --app secret-id "$provider")
  if test -n "$secret"; then status-set active "$(secret-get "$secret" password)"; fi
done
"#;
    lay_out(folder, [("metadata.yaml", &metadata)], dispatch)?;
    Ok(Deploy::new(name, folder))
}

/// Writes the files of a charm.
fn lay_out<const N: usize>(folder: &Path, files: [(&str, &str); N], dispatch: &str) -> Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(test_programs::write(&folder.join("dispatch"), dispatch)?)
}
