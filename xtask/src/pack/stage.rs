//! The folder that charmcraft packs: for one app, with the binary already built.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use system_tests::binaries::PROCESSOR;
use workload_charm::packaging;
use workload_charm::profile::AppProfile;

use super::icon;

/// How charmcraft packs a folder whose binary is already built: whatever lies in `prebuilt/` is the charm.
///
/// It is a folder of its own, not one inside the repository: charmcraft in LXD sees only the charm's own folder.
fn charmcraft() -> String {
    format!(
        "\
type: charm
base: ubuntu@24.04
platforms:
  {PROCESSOR}:
parts:
  charm:
    plugin: dump
    source: prebuilt/
"
    )
}

/// Files that charmcraft reads from the charm's folder itself. All others are part of `prebuilt/`.
const DESCRIPTIONS: [&str; 3] = ["metadata.yaml", "config.yaml", "actions.yaml"];

/// Lays out `folder` anew for the app of `app_file`, with `binary` as `dispatch`.
///
/// # Errors
/// When the app file cannot be used or a file cannot be written.
pub fn lay_out(repository: &Path, folder: &Path, app_file: &Path, binary: &Path) -> Result<()> {
    let profile = AppProfile::load(app_file)?;
    remove(folder)?;
    let prebuilt = folder.join("prebuilt");
    // The charm crate knows what belongs into a charm; here it is only sorted for charmcraft.
    packaging::write_folder(&prebuilt, app_file, binary)
        .with_context(|| format!("cannot lay out {}", folder.display()))?;
    for name in DESCRIPTIONS {
        match fs::rename(prebuilt.join(name), folder.join(name)) {
            // An app without actions has no actions.yaml.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot move {name}"));
            }
            _ => {}
        }
    }
    let write = |path: &Path, text: &str| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(&folder.join("charmcraft.yaml"), &charmcraft())?;
    write(
        &prebuilt.join("icon.svg"),
        &icon::svg(&profile.name, &profile.title),
    )?;
    // Whoever hands on the binary hands on its licence.
    fs::copy(repository.join("LICENSE"), prebuilt.join("LICENSE")).context("cannot copy LICENSE")?;
    Ok(())
}

/// Removes a folder and all in it; it need not exist.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
