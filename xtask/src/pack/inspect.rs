//! What charmcraft does not look at: whether a packed charm is one that Juju can run.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::{binary, describe, stage};

/// Largest size of a packed charm in bytes: 4.5 MB.
pub const MOST_BYTES: u64 = 4_500_000;

/// Files that every charm holds. `actions.yaml` may be there too.
const FILES: [&str; 7] = [
    "LICENSE",
    "app.yaml",
    "config.yaml",
    "dispatch",
    "icon.svg",
    "manifest.yaml",
    "metadata.yaml",
];

/// Checks the packed charm of the app `name`, unpacks it into `folder`, and gives its size in bytes.
///
/// # Errors
/// When something in it is not as it must be, with what.
pub fn unpack_and_check(charm: &Path, name: &str, folder: &Path) -> Result<u64> {
    let size = fs::metadata(charm)
        .with_context(|| format!("cannot look at {}", charm.display()))?
        .len();
    ensure!(
        size <= MOST_BYTES,
        "{} has {size} bytes, more than {MOST_BYTES}",
        charm.display()
    );
    stage::remove(folder)?;
    let file = File::open(charm).with_context(|| format!("cannot open {}", charm.display()))?;
    zip::ZipArchive::new(file)
        .and_then(|mut archive| archive.extract(folder))
        .with_context(|| format!("cannot unpack {}", charm.display()))?;
    check_folder(folder, name).with_context(|| format!("cannot use {}", charm.display()))?;
    Ok(size)
}

fn check_folder(folder: &Path, name: &str) -> Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.push(entry?.file_name().to_string_lossy().into_owned());
    }
    found.sort_unstable();
    for file in FILES {
        ensure!(found.iter().any(|found| found == file), "{file} is missing");
    }
    if let Some(other) = found
        .iter()
        .find(|found| !FILES.contains(&found.as_str()) && *found != "actions.yaml")
    {
        bail!("{other} does not belong into a charm");
    }
    let text =
        |file: &str| fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {file}"));
    describe::metadata(&text("metadata.yaml")?, name).context("metadata.yaml cannot work")?;
    describe::config(&text("config.yaml")?).context("config.yaml cannot work")?;
    describe::manifest(&text("manifest.yaml")?).context("manifest.yaml cannot work")?;
    if found.iter().any(|found| found == "actions.yaml") {
        describe::actions(&text("actions.yaml")?).context("actions.yaml cannot work")?;
    }
    workload_charm::profile::AppProfile::load(&folder.join("app.yaml"))?;
    ensure!(
        text("icon.svg")?.starts_with("<svg "),
        "icon.svg is no SVG document"
    );
    let dispatch = folder.join("dispatch");
    let mode = fs::metadata(&dispatch)?.permissions().mode();
    ensure!(
        mode & 0o111 == 0o111,
        "dispatch is not executable: its mode is {:o}",
        mode & 0o777
    );
    binary::must_be_static(&dispatch, binary::MACHINE)
}

#[cfg(test)]
mod tests {
    use system_tests::binaries::PROCESSOR;
    use tempfile::TempDir;
    use workload_charm::packaging;

    use super::*;
    use crate::generate::{ROOT_APP, repository};

    /// A charm as it is unpacked, but for its binary, which is dynamic: the running test.
    fn charm() -> TempDir {
        let (folder, root) = (tempfile::tempdir().unwrap(), repository().unwrap());
        let app_file = root.join(format!("charm/apps/{ROOT_APP}.yaml"));
        packaging::write_folder(folder.path(), &app_file, &std::env::current_exe().unwrap()).unwrap();
        let manifest = format!("bases: [{{name: ubuntu, channel: '24.04', architectures: [{PROCESSOR}]}}]");
        for (name, text) in [
            ("LICENSE", "text"),
            ("icon.svg", "<svg />"),
            ("manifest.yaml", manifest.as_str()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    /// What is wrong with a charm after `change`.
    fn reason(change: impl FnOnce(&Path)) -> String {
        let folder = charm();
        change(folder.path());
        format!("{:#}", check_folder(folder.path(), ROOT_APP).unwrap_err())
    }

    #[test]
    fn all_is_well_but_for_the_binary_that_is_not_static() {
        let reason = reason(|_| {});
        assert!(reason.contains("it asks for a loader"), "{reason}");
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let missing = reason(|folder| fs::remove_file(folder.join("icon.svg")).unwrap());
        assert_eq!(missing, "icon.svg is missing");
        let other = reason(|folder| fs::write(folder.join("notes.txt"), "").unwrap());
        assert_eq!(other, "notes.txt does not belong into a charm");
    }

    #[test]
    fn what_charmcraft_packs_unread_is_read() {
        let metadata = reason(|folder| fs::write(folder.join("metadata.yaml"), "containers: 7").unwrap());
        assert!(metadata.starts_with("metadata.yaml cannot work"), "{metadata}");
        let config = reason(|folder| fs::write(folder.join("config.yaml"), "options: 7").unwrap());
        assert!(config.starts_with("config.yaml cannot work"), "{config}");
        let actions = reason(|folder| fs::write(folder.join("actions.yaml"), "x: 7").unwrap());
        assert!(actions.starts_with("actions.yaml cannot work"), "{actions}");
        let app = reason(|folder| fs::write(folder.join("app.yaml"), "name: x").unwrap());
        assert!(app.contains("app.yaml"), "{app}");
    }

    #[test]
    fn a_dispatch_that_cannot_be_started_is_refused() {
        let reason = reason(|folder| {
            fs::set_permissions(folder.join("dispatch"), fs::Permissions::from_mode(0o644)).unwrap();
        });
        assert_eq!(reason, "dispatch is not executable: its mode is 644");
    }
}
