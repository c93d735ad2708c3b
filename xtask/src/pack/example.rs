//! The charms in `examples`, packed as their author would: a static binary, the charm's own `charmcraft.yaml`, charmcraft.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use juju_sim::{Deploy, OperatorOptions, Options, Simulation, Workload};
use system_tests::binaries::{PROCESSOR, TARGET, build_static};
use system_tests::examples;

use super::{Job, Packed, binary, describe, stage};

/// Those that there are, and what is in their containers.
type Image = fn(&Path) -> std::io::Result<()>;
const EXAMPLES: [(&str, Image); 2] = [
    ("website", examples::website_image),
    ("valkey", examples::valkey_image),
];

/// Packs an example, looks through it, and dispatches it under the simulated Juju.
///
/// # Errors
/// When there is no such example, it cannot be packed, or it is not as it must be.
pub fn pack(job: &Job<'_>, name: &str) -> Result<Packed> {
    let found = EXAMPLES.iter().find(|(is, _)| *is == name);
    let (_, image) = found.with_context(|| {
        let names = EXAMPLES.map(|(name, _)| name);
        format!("there is no example {name}; there are: {}", names.join(", "))
    })?;
    let built = build_static(&format!("{name}-charm"), &["--bin", name], TARGET, None)?;
    let binary = built
        .get(name)
        .with_context(|| format!("cargo did not build {name}"))?;
    binary::must_be_static(binary, binary::MACHINE)?;

    let began = Instant::now();
    let folder = job.work.join("examples").join(name);
    stage::remove(&folder)?;
    let prebuilt = folder.join("prebuilt");
    fs::create_dir_all(&prebuilt).with_context(|| format!("cannot create {}", prebuilt.display()))?;
    let copy = |from: &Path, to: &Path| {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))
    };
    let charmcraft = examples::source(name).join("charmcraft.yaml");
    copy(&charmcraft, &folder.join("charmcraft.yaml"))?;
    copy(binary, &prebuilt.join("dispatch"))?;
    let packed = job.charmcraft.pack(&folder)?;
    let charm = job.output.join(format!("{name}_{PROCESSOR}.charm"));
    copy(&packed, &charm)?;
    let packing = began.elapsed();

    let began = Instant::now();
    let unpacked = job.work.join("unpacked").join(format!("{name}-example"));
    stage::remove(&unpacked)?;
    let file = File::open(&charm).with_context(|| format!("cannot open {}", charm.display()))?;
    zip::ZipArchive::new(file)
        .and_then(|mut archive| archive.extract(&unpacked))
        .with_context(|| format!("cannot unpack {}", charm.display()))?;
    check(&unpacked, name).with_context(|| format!("cannot use {}", charm.display()))?;
    job.charmcraft.analyse(&charm)?;
    let status = dispatch(&unpacked, name, *image, job.juju_sim)?;
    Ok(Packed {
        name: format!("{name} (example)"),
        bytes: fs::metadata(&charm)?.len(),
        packing,
        checking: began.elapsed(),
        status,
    })
}

/// What Juju reads of a charm.
fn check(folder: &Path, name: &str) -> Result<()> {
    let text =
        |file: &str| fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {file}"));
    describe::metadata(&text("metadata.yaml")?, name).context("metadata.yaml cannot work")?;
    describe::manifest(&text("manifest.yaml")?).context("manifest.yaml cannot work")?;
    describe::actions(&text("actions.yaml")?).context("actions.yaml cannot work")?;
    if folder.join("config.yaml").exists() {
        describe::config(&text("config.yaml")?).context("config.yaml cannot work")?;
    }
    binary::must_be_static(&folder.join("dispatch"), binary::MACHINE)
}

/// Deploys the unpacked charm, integrates it with velero-operator, and gives its status then.
fn dispatch(folder: &Path, name: &str, image: Image, juju_sim: &Path) -> Result<String> {
    let scratch = tempfile::tempdir().context("cannot make a folder")?;
    let options = Options {
        executable: Some(juju_sim.to_owned()),
        ..Options::default()
    };
    let mut juju = Simulation::create(scratch.path().join("juju"), options)?;
    let deploy = Deploy::new(name, folder)
        .resource(&format!("{name}-image"), "example.org/image:1")
        .workload(name, Workload::fill(image));
    juju.deploy(deploy)?;
    juju.deploy_velero_operator(OperatorOptions::default())?;
    juju.integrate(name, "velero-operator")?;
    let status = juju.status(&format!("{name}/0"))?.workload;
    let text = format!("{}: {}", status.current, status.message);
    ensure!(
        status.current == "active",
        "the packed charm does not become active: {text}"
    );
    ensure!(
        juju.schedules().len() == 1,
        "the packed charm asks for no scheduled backup"
    );
    juju.destroy()?;
    Ok(text)
}
