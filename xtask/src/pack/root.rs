//! The charm in the repository's root, packed from source as a person with charmcraft packs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::charmcraft::Charmcraft;
use super::stage;

/// What charmcraft keeps between two runs in a folder: with it, a second run builds only what has changed.
const KEPT: [&str; 4] = ["parts", "stage", "prime", "overlay"];

/// A file where cargo puts its own: it must not get into the part, or a person's build would be packed with it.
const CANARY: &str = "target/not-for-charmcraft";

/// Packs the root charm in a copy of the repository at `folder`, and gives the path of the `.charm` file.
///
/// The copy holds what git knows or would take: a build inside the repository would leave folders there that every
/// search walks through.
///
/// # Errors
/// When the copy cannot be made, or charmcraft refuses.
pub fn pack(charmcraft: &Charmcraft, repository: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    clear(folder)?;
    copy(repository, folder)?;
    let canary = folder.join(CANARY);
    fs::create_dir_all(canary.parent().unwrap_or(folder))?;
    fs::write(&canary, "")?;
    let packed = charmcraft.pack(folder)?;
    ensure!(
        !folder.join("parts/charm/build").join(CANARY).exists(),
        "charmcraft takes cargo's own target folder into the charm's part: look at charmcraft.yaml"
    );
    Ok(packed)
}

/// Removes all but what charmcraft keeps, so that what is gone from the repository is gone from the copy.
fn clear(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            stage::remove(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn copy(repository: &Path, folder: &Path) -> Result<()> {
    let output = Command::new("git")
        .current_dir(repository)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!(
            "cannot list the repository's files: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for name in String::from_utf8_lossy(&output.stdout).split('\0') {
        let (from, to) = (repository.join(name), folder.join(name));
        // A file that was removed and not yet committed is still listed.
        if name.is_empty() || !from.is_file() {
            continue;
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&from, &to).with_context(|| format!("cannot copy {name}"))?;
        // The times are copied too: cargo builds again what is newer than its last build.
        let modified = from.metadata()?.modified()?;
        fs::File::options()
            .write(true)
            .open(&to)?
            .set_modified(modified)?;
    }
    Ok(())
}
