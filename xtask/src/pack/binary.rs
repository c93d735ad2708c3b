//! The one binary that every charm carries: built static, and shown to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The target. It is named although it is the host's own: only then do the flags below stay away from build scripts and
/// procedural macros, which cannot be static.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the charm's binary in the release profile; in the workspace's own target folder when `target_dir` is none.
///
/// The binary needs nothing of the container that it runs in, and names no folder of this machine: the paths of the
/// sources are replaced, so that two checkouts give the same bytes.
///
/// # Errors
/// When cargo cannot build it, or what it built is not static.
pub fn build(repository: &Path, target_dir: Option<&Path>) -> Result<PathBuf> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={}=/source", repository.display()),
    ];
    if let Some(cargo_home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=/cargo", cargo_home.display()));
    }
    let mut command = cargo(repository);
    command
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--message-format=json",
        ])
        .args(["-p", "workload-charm", "--bin", "dispatch", "--target", TARGET])
        // This form takes paths with spaces, which RUSTFLAGS does not; it goes before RUSTFLAGS.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if let Some(target_dir) = target_dir {
        command.env("CARGO_TARGET_DIR", target_dir);
    }
    let binary = executables(&mut command)?
        .remove("dispatch")
        .context("cargo did not build dispatch")?;
    must_be_static(&binary)?;
    Ok(binary)
}

/// Builds the simulated Juju that packed charms are tried on.
///
/// # Errors
/// When cargo cannot build it.
pub fn build_simulated_juju(repository: &Path) -> Result<PathBuf> {
    let mut command = cargo(repository);
    command
        .args(["build", "--quiet", "--message-format=json"])
        .args(["-p", "juju-sim", "--bin", "juju-sim"]);
    executables(&mut command)?
        .remove("juju-sim")
        .context("cargo did not build juju-sim")
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Refuses a file that is no executable for this processor, or that asks for a loader or a library.
///
/// A charm runs in whatever container Juju gives it: with another C library, a dynamic binary ends before its first line.
///
/// # Errors
/// When it is not static, with what it asks for.
pub fn must_be_static(path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    must_be_static_elf(&bytes).with_context(|| format!("cannot use {} as dispatch", path.display()))
}

fn must_be_static_elf(bytes: &[u8]) -> Result<()> {
    let file = ElfFile64::<Endianness>::parse(bytes).context("it is no 64-bit ELF file")?;
    let (header, endian) = (file.elf_header(), file.endian());
    ensure!(
        header.e_machine(endian) == elf::EM_X86_64,
        "it is for another processor than x86-64"
    );
    let kind = header.e_type(endian);
    ensure!(kind == elf::ET_EXEC || kind == elf::ET_DYN, "it is no executable");
    for segment in file.elf_program_headers() {
        if segment.interpreter(endian, bytes)?.is_some() {
            bail!("it asks for a loader: it is not static");
        }
        for entry in segment.dynamic(endian, bytes)?.unwrap_or_default() {
            ensure!(
                entry.tag(endian) != elf::DT_NEEDED,
                "it asks for a shared library: it is not static"
            );
        }
    }
    Ok(())
}

/// A cargo that knows nothing of the one that started this program, but where things are.
fn cargo(repository: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(repository)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .stderr(Stdio::inherit());
    command
}

/// Runs a `cargo build --message-format=json`, and finds the executables that it reports.
fn executables(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cannot build: cargo build failed, its own words are above");
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
    fn a_dynamic_binary_is_refused_by_its_loader() {
        // The test itself is a dynamic binary.
        let running = std::env::current_exe().unwrap();
        let error = must_be_static(&running).unwrap_err();
        assert!(format!("{error:#}").contains("it asks for a loader"), "{error:#}");
    }

    #[test]
    fn a_script_is_refused() {
        let error = must_be_static_elf(b"#!/bin/sh\nexit 0\n").unwrap_err();
        assert!(error.to_string().contains("no 64-bit ELF file"), "{error:#}");
    }
}
