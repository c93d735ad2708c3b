//! `cargo xtask pack`: charms by the real charmcraft, and the checks that charmcraft does not make.
//!
//! Each packed charm is looked through, unpacked, and dispatched under the simulated Juju; a charm that comes out of here
//! is one that Juju takes and that asks for a backup.

pub mod binary;
mod charmcraft;
mod describe;
mod example;
pub mod icon;
mod inspect;
mod root;
mod stage;
mod suite;
mod trial;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use system_tests::binaries::{Binaries, PROCESSOR, Profile, TARGET};
use workload_charm::profile::AppProfile;

use self::charmcraft::Charmcraft;
use crate::generate;
use crate::progress::Progress;

/// What to pack.
#[derive(Args)]
pub struct Arguments {
    /// Apps of charm/apps to pack, each with the binary that is built here; or paths of app files elsewhere.
    apps: Vec<String>,
    /// Every app of charm/apps.
    #[arg(long)]
    all: bool,
    /// A charm in `examples`.
    #[arg(long, value_name = "NAME")]
    example: Vec<String>,
    /// The charm in the repository's root too, from source: it builds everything anew in a folder of its own.
    #[arg(long)]
    root: bool,
    /// Where the .charm files go; target/charms when it is left out.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Build the binary in two fresh folders, and compare.
    #[arg(long)]
    verify_reproducible: bool,
    /// Install packages of the system that are missing.
    #[arg(long)]
    install: bool,
}

/// One line of the table.
struct Packed {
    name: String,
    bytes: u64,
    packing: Duration,
    checking: Duration,
    status: String,
}

/// Packs, checks, and prints a table.
///
/// # Errors
/// When something cannot be packed, or is not as it must be.
pub fn run(arguments: &Arguments) -> Result<()> {
    let repository = generate::repository()?;
    let app_files = choose(&repository, arguments)?;
    ensure!(
        !app_files.is_empty()
            || !arguments.example.is_empty()
            || arguments.root
            || arguments.verify_reproducible,
        "nothing to pack: name an app, or use --all, --root or --example"
    );
    let work = repository.join("target/pack");
    let output = match &arguments.output {
        Some(folder) => std::path::absolute(folder)?,
        None => repository.join("target/charms"),
    };
    std::fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    let line = Progress::begin("looking for charmcraft");
    let charmcraft = Charmcraft::ready(&work.join("charmcraft"), arguments.install)?;
    line.end();
    let tasks = suite::check(&charmcraft, &repository)?;
    println!(
        "charmcraft-test.yaml: taken by charmcraft {}, tasks: {tasks}",
        charmcraft::VERSION
    );
    if arguments.verify_reproducible {
        verify_reproducible(&work)?;
    }
    let line = Progress::begin("building the simulated Juju");
    let juju_sim = Binaries::build(Profile::Dev)?.juju_sim;
    line.end();
    let job = Job {
        charmcraft: &charmcraft,
        work: &work,
        output: &output,
        juju_sim: &juju_sim,
    };
    let mut table = Vec::new();
    if !app_files.is_empty() {
        let line = Progress::begin("building the static binary");
        let began = Instant::now();
        let dispatch = binary::build(None)?;
        line.end();
        println!(
            "dispatch: {TARGET}, static, {} bytes, sha256 {}, built in {:.1} s",
            std::fs::metadata(&dispatch)?.len(),
            binary::digest(&dispatch)?,
            began.elapsed().as_secs_f64()
        );
        for (name, app_file) in &app_files {
            let line = Progress::begin(&format!("packing {name}"));
            let folder = work.join("apps").join(name);
            let began = Instant::now();
            stage::lay_out(&repository, &folder, app_file, &dispatch)?;
            let packed = charmcraft.pack(&folder)?;
            let packed = job.finish(
                name,
                &packed,
                &format!("{name}_{PROCESSOR}.charm"),
                began.elapsed(),
            );
            table.push(packed.with_context(|| format!("cannot pack {name}"))?);
            line.end();
        }
    }
    for name in &arguments.example {
        let line = Progress::begin(&format!("building and packing the example {name}"));
        let packed = example::pack(&job, name);
        table.push(packed.with_context(|| format!("cannot pack the example {name}"))?);
        line.end();
    }
    if arguments.root {
        let line = Progress::begin("packing the root charm from source");
        let began = Instant::now();
        let packed = root::pack(&charmcraft, &repository, &work.join("root"))?;
        let name = generate::ROOT_APP;
        let file_name = format!("root_{PROCESSOR}.charm");
        let packed = job.finish(name, &packed, &file_name, began.elapsed());
        let mut packed = packed.context("cannot pack the root charm")?;
        packed.name.push_str(" (root)");
        table.push(packed);
        line.end();
    }
    print_table(&table, &output);
    Ok(())
}

/// What packing one charm needs of all others.
struct Job<'a> {
    charmcraft: &'a Charmcraft,
    work: &'a Path,
    output: &'a Path,
    juju_sim: &'a Path,
}

impl Job<'_> {
    /// Takes the `.charm` file that charmcraft has made to the output folder under `file_name`, and checks it there.
    fn finish(&self, name: &str, packed: &Path, file_name: &str, packing: Duration) -> Result<Packed> {
        let charm = self.output.join(file_name);
        std::fs::rename(packed, &charm)
            .or_else(|_| std::fs::copy(packed, &charm).and_then(|_| std::fs::remove_file(packed)))
            .with_context(|| format!("cannot move the charm to {}", charm.display()))?;
        let began = Instant::now();
        let unpacked = self.work.join("unpacked").join(file_name);
        let bytes = inspect::unpack_and_check(&charm, name, &unpacked)?;
        self.charmcraft.analyse(&charm)?;
        let status = trial::dispatch(&unpacked, self.juju_sim)?;
        Ok(Packed {
            name: name.to_owned(),
            bytes,
            packing,
            checking: began.elapsed(),
            status,
        })
    }
}

/// The apps to pack, each with its file: all, and the names and paths on the command line.
fn choose(repository: &Path, arguments: &Arguments) -> Result<Vec<(String, PathBuf)>> {
    // A root charm alone has nothing to do with the other apps.
    let known = match arguments {
        Arguments { all: false, apps, .. } if apps.is_empty() => Vec::new(),
        _ => apps(repository)?,
    };
    let mut chosen = if arguments.all { known.clone() } else { Vec::new() };
    for named in &arguments.apps {
        let found = if named.ends_with(".yaml") {
            app(Path::new(named))?
        } else {
            known
                .iter()
                .find(|(name, _)| name == named)
                .cloned()
                .with_context(|| {
                    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                    format!("there is no app {named}; there are: {}", names.join(", "))
                })?
        };
        if !chosen.contains(&found) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

/// Every app file of the repository, by the name of its charm.
fn apps(repository: &Path) -> Result<Vec<(String, PathBuf)>> {
    let folder = repository.join("charm/apps");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(app(&path)?);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The name of the charm that an app file describes, and the file.
fn app(path: &Path) -> Result<(String, PathBuf)> {
    let name = AppProfile::load(path)?.name;
    if path.file_stem().is_none_or(|stem| stem != name.as_str()) {
        bail!(
            "{} describes the app {name}: name the file {name}.yaml",
            path.display()
        );
    }
    Ok((name, path.to_owned()))
}

/// Builds twice from nothing, and refuses two binaries that differ.
fn verify_reproducible(work: &Path) -> Result<()> {
    let mut digests = Vec::new();
    for name in ["clean-1", "clean-2"] {
        let line = Progress::begin(&format!("building from nothing in {name}"));
        let folder = work.join(name);
        stage::remove(&folder)?;
        let began = Instant::now();
        let digest = binary::digest(&binary::build(Some(&folder))?)?;
        line.end();
        println!(
            "{name}: sha256 {digest}, built in {:.0} s",
            began.elapsed().as_secs_f64()
        );
        stage::remove(&folder)?;
        digests.push(digest);
    }
    digests.dedup();
    ensure!(digests.len() == 1, "two clean builds give two different binaries");
    Ok(())
}

fn print_table(table: &[Packed], output: &Path) {
    if table.is_empty() {
        return;
    }
    println!(
        "{:<18} {:>9} {:>9} {:>9}  under juju-sim",
        "app", "kB", "pack s", "check s"
    );
    for packed in table {
        println!(
            "{:<18} {:>9} {:>9.1} {:>9.1}  {}",
            packed.name,
            packed.bytes / 1000,
            packed.packing.as_secs_f64(),
            packed.checking.as_secs_f64(),
            packed.status
        );
    }
    let seconds: f64 = table
        .iter()
        .map(|packed| (packed.packing + packed.checking).as_secs_f64())
        .sum();
    println!(
        "{} packed and checked in {seconds:.1} s, in {}",
        table.len(),
        output.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_app_file_is_found_and_named_after_its_charm() {
        let found = apps(&generate::repository().unwrap()).unwrap();
        assert!(found.iter().any(|(name, _)| name == generate::ROOT_APP));
    }

    #[test]
    fn an_app_file_from_elsewhere_is_packed_beside_all_others() {
        let repository = generate::repository().unwrap();
        let eleventh = repository.join("charm/tests/data/lidarr.yaml");
        let mut arguments = arguments(&[&eleventh.to_string_lossy()]);
        arguments.all = true;
        let chosen = choose(&repository, &arguments).unwrap();
        assert_eq!(chosen.len(), apps(&repository).unwrap().len() + 1);
        assert_eq!(chosen.last(), Some(&("lidarr".to_owned(), eleventh)));
    }

    #[test]
    fn an_app_file_has_the_name_of_its_charm() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.yaml");
        std::fs::copy(
            generate::repository()
                .unwrap()
                .join("charm/tests/data/lidarr.yaml"),
            &other,
        )
        .unwrap();
        let error = app(&other).unwrap_err();
        assert!(error.to_string().contains("name the file lidarr.yaml"), "{error}");
    }

    fn arguments(apps: &[&str]) -> Arguments {
        Arguments {
            apps: apps.iter().map(|&app| app.to_owned()).collect(),
            all: false,
            example: Vec::new(),
            root: false,
            output: None,
            verify_reproducible: false,
            install: false,
        }
    }

    #[test]
    fn an_unknown_app_is_refused_with_those_that_there_are() {
        let arguments = arguments(&["sonar"]);
        let error = choose(&generate::repository().unwrap(), &arguments).unwrap_err();
        assert!(error.to_string().contains(generate::ROOT_APP), "{error}");
    }
}
