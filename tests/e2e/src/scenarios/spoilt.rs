//! Ways to spoil what goes into a backup, between the charm's two hooks and without them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::juju::STORAGE;
use crate::pods::Running;

/// SQLite's page in the writer's databases.
const PAGE: u64 = 4096;

/// Runs what Velero runs in the charm container: `before-backup`, or `after-backup`, with what the shell shall make of it.
///
/// # Errors
/// When it fails.
pub async fn hook(running: &Running<'_>, hook: &str) -> Result<String> {
    let (verb, rest) = hook.split_once(' ').unwrap_or((hook, ""));
    let unit = format!("unit-{}", running.pod_name());
    let script = format!("/var/lib/juju/agents/{unit}/charm/dispatch {verb} {STORAGE} 2>&1 {rest}");
    running.in_charm(&script).await
}

/// The newest copy of a database in a volume that was made fit for a backup.
///
/// # Errors
/// When there is none.
pub fn copy_of(volume: &Path, database: &str) -> Result<PathBuf> {
    let sets = fs::read_dir(volume.join(config_volume::FOLDER).join("sets"))?;
    let sets = sets.map(|set| Ok(set?.path())).collect::<Result<Vec<_>>>()?;
    // Their names sort by time.
    let set = sets.into_iter().max().context("there is no set of copies")?;
    let manifest: Value = serde_json::from_slice(&fs::read(set.join("manifest.json"))?)?;
    let entry = manifest["databases"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["path"] == database);
    let copy = entry.and_then(|entry| entry["copy"].as_str());
    let copy = copy.with_context(|| format!("{database} has no copy: {manifest}"))?;
    Ok(set.join("databases").join(copy))
}

/// Turns one bit over, in the middle.
///
/// # Errors
/// When the file cannot be changed.
pub fn flip(path: &Path) -> Result<()> {
    let file = fs::File::options().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)?;
    Ok(())
}

/// Turns every bit of two pages of a database over, in the middle.
///
/// # Errors
/// As [`flip`].
pub fn spoil_pages(path: &Path) -> Result<()> {
    let file = fs::File::options().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2 / PAGE * PAGE;
    let mut pages = [0; 2 * PAGE as usize];
    file.read_exact_at(&mut pages, middle)?;
    pages.iter_mut().for_each(|byte| *byte ^= 0xff);
    file.write_all_at(&pages, middle)?;
    Ok(())
}

/// Cuts the second half off.
///
/// # Errors
/// As [`flip`].
pub fn halve(path: &Path) -> Result<()> {
    let file = fs::File::options().write(true).open(path)?;
    file.set_len(file.metadata()?.len() / 2)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_spoilt_as_said() {
        let path = std::env::temp_dir().join(format!("spoilt-{}", std::process::id()));
        let bytes = vec![7u8; 4 * PAGE as usize];
        let differing = |path: &Path| {
            let now = fs::read(path).unwrap();
            now.iter().zip(&bytes).filter(|(now, was)| now != was).count()
        };
        for (spoil, count) in [
            (flip as fn(&Path) -> Result<()>, 1),
            (spoil_pages, 2 * PAGE as usize),
        ] {
            fs::write(&path, &bytes).unwrap();
            spoil(&path).unwrap();
            assert_eq!(differing(&path), count);
        }
        fs::write(&path, &bytes).unwrap();
        halve(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes[..2 * PAGE as usize]);
        fs::remove_file(&path).unwrap();
    }
}
