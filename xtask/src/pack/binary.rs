//! The one binary that every charm carries: built static, and shown to be.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};
use sha2::{Digest, Sha256};
use system_tests::binaries::{PROCESSOR, build_packed};

/// The number in ELF of the processor that charms are built for: that of the machine that packs them.
pub const MACHINE: u16 = match PROCESSOR.as_bytes() {
    b"arm64" => elf::EM_AARCH64,
    _ => elf::EM_X86_64,
};

/// Builds the charm's binary as [`build_packed`] does, and makes sure that it is static and can say what is wrong.
///
/// # Errors
/// When cargo cannot build it, or what it built is not so.
pub fn build(target_dir: Option<&Path>) -> Result<PathBuf> {
    let binary = build_packed(target_dir)?;
    must_be_static(&binary, MACHINE)?;
    must_say_errors(&binary)?;
    Ok(binary)
}

/// Refuses a program that ends without a word where a backtrace is asked for: it has no tables for unwinding but those of the
/// unwinder, which aborts when it does not find its own.
fn must_say_errors(dispatch: &Path) -> Result<()> {
    const UNKNOWN: &str = "no-such-command";
    let output = Command::new(dispatch)
        .arg(UNKNOWN)
        .env("RUST_BACKTRACE", "1")
        .output()
        .with_context(|| format!("cannot start {}", dispatch.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1) && said.contains("cannot understand"),
        "cannot use {} as dispatch: with RUST_BACKTRACE=1 and an unknown command it ends with {} and says {said:?}",
        dispatch.display(),
        output.status
    );
    Ok(())
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

/// Refuses a file that is no executable for the processor (`EM_…` of ELF), or that asks for a loader or a library.
///
/// A charm runs in whatever container Juju gives it: with another C library, a dynamic binary ends before its first line.
///
/// # Errors
/// When it is not static, with what it asks for.
pub fn must_be_static(path: &Path, machine: u16) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    must_be_static_elf(&bytes, machine).with_context(|| format!("cannot use {}", path.display()))
}

fn must_be_static_elf(bytes: &[u8], machine: u16) -> Result<()> {
    let file = ElfFile64::<Endianness>::parse(bytes).context("it is no 64-bit ELF file")?;
    let (header, endian) = (file.elf_header(), file.endian());
    ensure!(
        header.e_machine(endian) == machine,
        "it is for another processor: machine {} of ELF, not {machine}",
        header.e_machine(endian)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_binary_is_refused_by_its_loader() {
        // The test itself is a dynamic binary.
        let running = std::env::current_exe().unwrap();
        let error = must_be_static(&running, MACHINE).unwrap_err();
        assert!(format!("{error:#}").contains("it asks for a loader"), "{error:#}");
    }

    #[test]
    fn a_script_is_refused() {
        let error = must_be_static_elf(b"#!/bin/sh\nexit 0\n", MACHINE).unwrap_err();
        assert!(error.to_string().contains("no 64-bit ELF file"), "{error:#}");
    }
}
