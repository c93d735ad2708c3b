//! The programs of the benchmark, all static and in the release profile, as the packed charm is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use system_tests::binaries::{Binaries, TARGET, build_static};

use crate::pack::binary;

/// What `turns` knows as `charm`: a file in the charm's folder.
pub const CHARM: &str = "charm";

/// What is measured, and what it is measured with.
#[derive(Debug)]
pub struct Programs {
    /// The charm, the simulated Juju and the stand-in of the app.
    pub binaries: Binaries,
    /// `nothing`, `replay`, `asking` and `turns`, by name.
    own: BTreeMap<String, PathBuf>,
    /// Size of the charm's binary in bytes.
    pub size: u64,
}

impl Programs {
    /// Builds what is not up to date.
    ///
    /// # Errors
    /// When cargo cannot build it, or the charm's binary is not static.
    pub fn build() -> Result<Programs> {
        let dispatch = binary::build(None)?;
        let size = std::fs::metadata(&dispatch)
            .context("cannot look at the binary")?
            .len();
        // Hook tools are static on a real Juju, too.
        let mut built = build_static("juju-sim", &["--bin", "juju-sim"], TARGET, None)?;
        built.extend(build_static(
            "system-tests",
            &["--bin", "stand-in-radarr"],
            TARGET,
            None,
        )?);
        let own = build_static("bench-programs", &["--bins"], TARGET, None)?;
        let binaries = Binaries {
            dispatch,
            juju_sim: found(&built, "juju-sim")?,
            stand_in_radarr: found(&built, "stand-in-radarr")?,
            // Nothing writes while this measures, and nobody is at a terminal.
            configuratarr: PathBuf::new(),
            config_volume_writer: PathBuf::new(),
        };
        Ok(Programs { binaries, own, size })
    }

    /// One of the benchmark's own.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn own(&self, name: &str) -> Result<PathBuf> {
        found(&self.own, name)
    }

    /// Puts the charm in the folder `charm` behind the program that takes turns with it; the floors are put into `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn lay_out(&self, charm: &Path, folder: &Path) -> Result<()> {
        std::fs::rename(charm.join("dispatch"), charm.join(CHARM))
            .with_context(|| format!("cannot rename dispatch in {}", charm.display()))?;
        for (from, to) in [
            ("turns", charm.join("dispatch")),
            ("nothing", folder.join("nothing")),
            ("replay", folder.join("replay")),
            ("asking", folder.join("asking")),
        ] {
            test_programs::copy(&self.own(from)?, &to)?;
        }
        Ok(())
    }
}

fn found(built: &BTreeMap<String, PathBuf>, name: &str) -> Result<PathBuf> {
    built
        .get(name)
        .cloned()
        .with_context(|| format!("cargo did not build {name}"))
}
