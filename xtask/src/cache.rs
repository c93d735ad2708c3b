//! Where things are kept that take long to build or to install.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `configuratarr/NAME` in the user's cache folder: `$XDG_CACHE_HOME`, `~/.cache` by default. It need not be there yet.
///
/// # Errors
/// When neither XDG_CACHE_HOME nor HOME is set.
pub fn folder(name: &str) -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
        _ => {
            let home = std::env::var_os("HOME").context("cannot find a cache folder: HOME is not set")?;
            PathBuf::from(home).join(".cache")
        }
    };
    Ok(base.join("configuratarr").join(name))
}
