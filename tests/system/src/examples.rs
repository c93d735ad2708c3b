//! The charms in `examples`, laid out as they are packed, and what stands for their apps in a simulated container.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder of an example.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// Lays out the charm of the example `name` in `folder`, which must not be there, with `binary` as `dispatch`.
///
/// # Errors
/// When a file cannot be written.
pub fn charm_folder(folder: &Path, name: &str, binary: &Path) -> Result<()> {
    let lay_out = || {
        std::fs::create_dir_all(folder)?;
        std::fs::copy(
            source(name).join("charmcraft.yaml"),
            folder.join("charmcraft.yaml"),
        )?;
        // A link: a debug build is large.
        symlink(binary, folder.join("dispatch"))
    };
    lay_out().with_context(|| format!("cannot lay out {name} in {}", folder.display()))
}

/// The programs of the website's image, in the root folder of its container.
///
/// # Errors
/// When a file cannot be written.
pub fn website_image(root: &Path) -> std::io::Result<()> {
    program(root, "usr/bin/caddy", "exec sleep 3600")
}

/// The same of the database's. The client answers a count that tells of what database it was asked, and refuses without the password
/// that the server was given.
///
/// # Errors
/// When a file cannot be written.
pub fn valkey_image(root: &Path) -> std::io::Result<()> {
    program(root, "usr/local/bin/valkey-server", "exec sleep 3600")?;
    let client = "case \"$*\" in\n\
         '-e -n '*' dbsize') test ${#REDISCLI_AUTH} = 32 || { echo NOAUTH >&2; exit 1; }; echo 4$3 ;;\n\
         *) echo \"unknown command $*\" >&2; exit 1 ;;\nesac";
    program(root, "usr/local/bin/valkey-cli", client)
}

fn program(root: &Path, path: &str, script: &str) -> std::io::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    test_programs::write(&path, &format!("#!/bin/sh\n{script}\n"))
}
