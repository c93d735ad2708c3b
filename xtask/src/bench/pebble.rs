//! Canonical's Pebble: where it is, which one it is, and one in a container of its own.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, ensure};
use juju_sim::Simulation;
use pebble_contract::process::Process;
use pebble_contract::{PEBBLE_EXECUTABLE, real_executable};
use system_tests::binaries::Binaries;
use system_tests::radarr;

use crate::cache;

/// An executable of Canonical's Pebble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealPebble {
    executable: PathBuf,
    /// What it says of itself, `v1.26.0`.
    pub version: String,
}

impl RealPebble {
    /// The one that the environment names, or the newest that the test bed built; why there is none that can be used otherwise.
    ///
    /// # Errors
    /// When the environment names one that is none.
    pub fn find() -> Result<Result<RealPebble, String>> {
        let named = real_executable().map_err(|reason| anyhow!("{reason}"))?;
        // Where the test bed keeps what it built.
        let built = || newest_below(&cache::folder("e2e/parts/modules").ok()?);
        let Some(executable) = named.or_else(built) else {
            return Ok(Err(format!(
                "there is none: name one in {PEBBLE_EXECUTABLE}, or run cargo e2e --build"
            )));
        };
        // As the test bed finds it out: the owner of a process is the owner of its folder.
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|is| is.uid() == 0);
        if !is_root {
            return Ok(Err("its container takes root".to_owned()));
        }
        let version = version(&executable)?;
        Ok(Ok(RealPebble { executable, version }))
    }

    /// Starts it in a container with Radarr's stand-in and the config volume of `unit`; everything is below `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        &self,
        folder: &Path,
        juju: &Simulation,
        unit: &str,
        binaries: &Binaries,
    ) -> Result<Process> {
        let root = folder.join("root");
        let app = root.join("app/radarr");
        let etc = root.join("etc");
        for folder in [&app.join("bin"), &etc] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        test_programs::copy(&binaries.stand_in_radarr, &app.join("bin/Radarr"))?;
        for (file, text) in [
            (
                app.join("package_info"),
                format!("PackageVersion={}\n", radarr::VERSION),
            ),
            (
                etc.join("passwd"),
                "root:x:0:0::/:/bin/sh\nabc:x:1000:1000::/config:/bin/false\n".to_owned(),
            ),
            // Kubernetes writes it into every container.
            (etc.join("hosts"), "127.0.0.1 localhost\n".to_owned()),
            (etc.join("group"), "root:x:0:\nabc:x:1000:\n".to_owned()),
        ] {
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        // The volume is made when the app is deployed, in a folder that is made then too: what is mounted is the one above.
        symlink(juju.storage_dir(unit, "config"), root.join("config"))?;
        let model = juju.dir().to_owned();
        let mounts = [(model.clone(), model)];
        Process::real_in_container(&self.executable, folder, &root, &mounts)
            .map_err(|reason| anyhow!("cannot start {}: {reason}", self.executable.display()))
    }
}

/// The newest `pebble` in a folder of this folder: the test bed keeps each version that was pinned once.
fn newest_below(cache: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(cache).ok()?.flatten();
    let built = folders.map(|folder| folder.path().join("pebble"));
    let age = |path: &PathBuf| {
        path.metadata()
            .and_then(|is| is.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    built.filter(|path| path.is_file()).max_by_key(age)
}

fn version(executable: &Path) -> Result<String> {
    let output = Command::new(executable)
        .args(["version", "--client"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", executable.display()))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        output.status.success() && !version.is_empty(),
        "{} does not say which version it is",
        executable.display()
    );
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_was_built_is_found() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(newest_below(cache.path()), None);
        for (folder, age) in [("older", 20), ("newer", 10), ("without", 0)] {
            let folder = cache.path().join(folder);
            std::fs::create_dir(&folder).unwrap();
            if age > 0 {
                let file = std::fs::File::create(folder.join("pebble")).unwrap();
                let time = SystemTime::now() - std::time::Duration::from_secs(age);
                file.set_modified(time).unwrap();
            }
        }
        assert_eq!(
            newest_below(cache.path()),
            Some(cache.path().join("newer/pebble"))
        );
    }

    #[test]
    fn a_program_without_a_version_is_no_pebble() {
        assert!(version(Path::new("/bin/true")).is_err());
    }
}
