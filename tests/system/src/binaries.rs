//! The programs under test, built by cargo and found by what it reports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The programs that play a story.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The charm: what Juju runs for every event.
    pub dispatch: PathBuf,
    /// The simulated Juju, its hook tools and its Pebble.
    pub juju_sim: PathBuf,
    /// What stands for Radarr in a simulated container.
    pub stand_in_radarr: PathBuf,
    /// What a person at a terminal has.
    pub configuratarr: PathBuf,
    /// The load of tests of backups, and the judge of what comes back.
    pub config_volume_writer: PathBuf,
}

/// Their names.
const PROGRAMS: [&str; 5] = [
    "dispatch",
    "juju-sim",
    "stand-in-radarr",
    "configuratarr",
    "config-volume-writer",
];

/// How they are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As tests are.
    Dev,
    /// As users get them.
    Release,
}

impl Binaries {
    /// Builds what is not up to date.
    ///
    /// # Errors
    /// When cargo cannot build them; its own words have gone to standard error.
    pub fn build(profile: Profile) -> Result<Self> {
        let mut command = cargo();
        for package in [
            "workload-charm",
            "juju-sim",
            "system-tests",
            "config-volume",
            "configuratarr",
        ] {
            command.args(["-p", package]);
        }
        for program in PROGRAMS {
            command.args(["--bin", program]);
        }
        match profile {
            // With the features that everything together turns on: what `cargo test` or `cargo demo` has built is taken as it is.
            Profile::Dev => command.args(["-p", "xtask"]),
            Profile::Release => command.arg("--release"),
        };
        let built = executables(&mut command)?;
        let find = |name: &str| {
            built
                .get(name)
                .cloned()
                .with_context(|| format!("cargo did not build {name}"))
        };
        Ok(Self {
            dispatch: find("dispatch")?,
            juju_sim: find("juju-sim")?,
            stand_in_radarr: find("stand-in-radarr")?,
            configuratarr: find("configuratarr")?,
            config_volume_writer: find("config-volume-writer")?,
        })
    }

    /// The programs as tests are compiled, built once for each test process.
    ///
    /// # Errors
    /// When they cannot be built.
    pub fn for_tests() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build(Profile::Dev).map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }
}

/// The binaries of the charms in `examples`, as tests are compiled, built once for each test process.
#[derive(Debug, Clone)]
pub struct Examples {
    /// The one that only wants backups.
    pub website: PathBuf,
    /// The one with a database.
    pub valkey: PathBuf,
}

impl Examples {
    /// Builds what is not up to date.
    ///
    /// # Errors
    /// When cargo cannot build them; its own words have gone to standard error.
    pub fn for_tests() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Examples, String>> = OnceLock::new();
        let build = || -> Result<Self> {
            let mut command = cargo();
            command.args(["-p", "website-charm", "-p", "valkey-charm"]);
            command.args(["--bin", "website", "--bin", "valkey"]);
            // As in [`Binaries::build`]: what `cargo test` has built is taken as it is.
            command.args(["-p", "xtask"]);
            let mut built = executables(&mut command)?;
            let mut find = |name: &str| {
                let found = built.remove(name);
                found.with_context(|| format!("cargo did not build {name}"))
            };
            Ok(Self {
                website: find("website")?,
                valkey: find("valkey")?,
            })
        };
        BUILT
            .get_or_init(|| build().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }
}

/// The target that the charm's binary is built for. It is named although it is the host's own: only then do the flags below
/// stay away from build scripts and procedural macros, which cannot be static.
pub const TARGET: &str = match cfg!(target_arch = "aarch64") {
    true => "aarch64-unknown-linux-gnu",
    false => "x86_64-unknown-linux-gnu",
};

/// The processor of that target in the words of Juju, Debian and Kubernetes.
pub const PROCESSOR: &str = match cfg!(target_arch = "aarch64") {
    true => "arm64",
    false => "amd64",
};

/// Builds the charm's binary as it is packed: in the release profile, static; in the workspace's own target folder when
/// `target_dir` is none.
///
/// # Errors
/// When cargo cannot build it.
pub fn build_packed(target_dir: Option<&Path>) -> Result<PathBuf> {
    build_static("workload-charm", &["--bin", "dispatch"], TARGET, target_dir)?
        .remove("dispatch")
        .context("cargo did not build dispatch")
}

/// Builds programs of a package as the charm is packed: in the release profile, static, for `target` as rustc names it. They are
/// found by name.
///
/// A program needs nothing of the container that it runs in, and names no folder of this machine: the paths of the
/// sources are replaced, so that two checkouts give the same bytes.
///
/// # Errors
/// When cargo cannot build them.
pub fn build_static(
    package: &str,
    programs: &[&str],
    target: &str,
    target_dir: Option<&Path>,
) -> Result<BTreeMap<String, PathBuf>> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let repository = repository()?;
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        // GNU's linker: only it can tell of which archive a table for unwinding is.
        "-Clink-arg=-fuse-ld=bfd".to_owned(),
        // Where addresses have to be adjusted is a list of 24 bytes each, or of bits. The C library of a static program takes both.
        "-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned(),
        "-Clink-arg=-T".to_owned(),
        // Seen from the workspace's root, where cargo builds its members: a path of this machine would be in the names of symbols.
        "-Clink-arg=tests/system/src/packed.ld".to_owned(),
        format!("--remap-path-prefix={}=/source", repository.display()),
    ];
    if let Some(cargo_home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=/cargo", cargo_home.display()));
    }
    let mut command = cargo();
    command
        .current_dir(&repository)
        .args(["--locked", "--release", "-p", package])
        .args(programs)
        .args(["--target", target])
        // This form takes paths with spaces, which RUSTFLAGS does not; it goes before RUSTFLAGS.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if let Some(target_dir) = target_dir {
        command.env("CARGO_TARGET_DIR", target_dir);
    }
    executables(&mut command)
}

/// The charm's binary as it is packed, built once for each test process.
///
/// # Errors
/// When it cannot be built.
pub fn packed_for_tests() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_packed(None).map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn repository() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))
}

/// A `cargo build` that tells what it built.
fn cargo() -> Command {
    let mut command = plain_cargo();
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--message-format=json-render-diagnostics"])
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .stderr(Stdio::inherit());
    command
}

/// The cargo that started this program, told nothing of the package that this program is of. `cargo run` and `cargo test` say in the
/// environment whose program they start, and build scripts are run again when that has changed: ring's is one of them, so that
/// everything with TLS would be compiled again for each package whose tests build a program.
pub fn plain_cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = std::env::vars_os().map(|(name, _)| name);
    let is_of_package = |name: &str| {
        let begins = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "DEP_"];
        let is_one = ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
        begins.iter().any(|begin| name.starts_with(begin)) || is_one.contains(&name)
    };
    for name in told.filter(|name| name.to_str().is_some_and(is_of_package)) {
        command.env_remove(name);
    }
    command
}

/// Runs it and finds the executables that it reports, by name.
fn executables(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cannot build the programs: cargo build failed, its own words are above");
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message.get("target")?.get("name")?.as_str()?.to_owned();
            let executable = message.get("executable")?.as_str()?.into();
            Some((name, executable))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_build_is_not_told_whose_tests_run() {
        // Cargo says it to this test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let command = plain_cargo();
        let removed: Vec<&str> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .filter_map(|(name, _)| name.to_str())
            .collect();
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            assert!(removed.contains(&name), "{name} is not removed: {removed:?}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "CARGO"] {
            assert!(!removed.contains(&name), "{name} is removed");
        }
    }
}
