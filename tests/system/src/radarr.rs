//! A Radarr to deploy: its charm folder as it is packed, and a container image that holds the stand-in.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use juju_sim::{Deploy, Workload};
use workload_charm::packaging;
use workload_charm::profile::AppProfile;

use crate::binaries::Binaries;

/// Version that the stand-in's image says it holds.
pub const VERSION: &str = "6.1.1.10360-ls299";

/// The resource that is its image.
pub const RESOURCE: &str = "radarr-image";

/// The image that a person gives for it.
pub const IMAGE: &str = "lscr.io/linuxserver/radarr:6.1.1.10360-ls299";

/// The app file of Radarr in this repository.
pub fn app_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charm/apps/radarr.yaml")
}

/// Radarr as its app file describes it.
///
/// # Errors
/// When the app file cannot be used.
pub fn profile() -> Result<AppProfile> {
    Ok(AppProfile::load(&app_file())?)
}

/// [`deploy`], with an app file that asks for weekly and monthly backups too.
///
/// # Errors
/// When the charm cannot be laid out.
pub fn deploy_with_tiers(charm_dir: &Path, binaries: &Binaries) -> Result<Deploy> {
    let text = std::fs::read_to_string(app_file())?;
    let tiered = text.replacen("storage:\n", "storage:\n  tiers: true\n", 1);
    let file = charm_dir.with_extension("yaml");
    std::fs::write(&file, tiered)?;
    packaging::write_folder(charm_dir, &file, &binaries.dispatch)?;
    Ok(deploy_of(charm_dir, binaries))
}

/// Lays out the charm in `dir`, as it is in a packed charm.
///
/// # Errors
/// When a file cannot be written.
pub fn charm_folder(dir: &Path, binaries: &Binaries) -> Result<PathBuf> {
    packaging::write_folder(dir, &app_file(), &binaries.dispatch)
        .with_context(|| format!("cannot lay out the charm in {}", dir.display()))?;
    Ok(dir.to_owned())
}

/// What is in the container: the stand-in where Radarr is, and the file that names the version.
pub fn image(binaries: &Binaries) -> Workload {
    let stand_in = binaries.stand_in_radarr.clone();
    Workload::fill(move |root| {
        let app = root.join("app/radarr");
        std::fs::create_dir_all(app.join("bin"))?;
        // A link: copying a debug build into every container would take longer than the tests.
        symlink(&stand_in, app.join("bin/Radarr"))?;
        std::fs::write(
            app.join("package_info"),
            format!("PackageVersion={VERSION}\nPackageAuthor=stand-in\n"),
        )
    })
}

/// Radarr, ready for [`juju_sim::Simulation::deploy`].
///
/// # Errors
/// When the charm cannot be laid out.
pub fn deploy(charm_dir: &Path, binaries: &Binaries) -> Result<Deploy> {
    Ok(deploy_of(&charm_folder(charm_dir, binaries)?, binaries))
}

/// The same of a charm that is laid out already.
pub fn deploy_of(charm_dir: &Path, binaries: &Binaries) -> Deploy {
    Deploy::new("radarr", charm_dir)
        .resource(RESOURCE, IMAGE)
        .workload("radarr", image(binaries))
}
