//! `cargo xtask dist`: configuratarr as people install it.

mod archive;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use object::elf;
use system_tests::binaries::{TARGET, build_static};

use self::archive::{Archive, Entry};
use crate::generate;
use crate::pack::binary;
use crate::progress::Progress;

/// For what to build, and where to.
#[derive(Args)]
pub struct Arguments {
    /// The target, as rustc names it
    #[arg(long, default_value = TARGET)]
    target: String,
    /// Where the archive goes; target/dist when it is left out
    #[arg(long)]
    output: Option<PathBuf>,
}

/// The name of a processor in Debian's and Kubernetes' words, and its number in ELF, by the target's.
const PROCESSORS: &[(&str, &str, u16)] = &[
    ("x86_64-unknown-linux-gnu", "amd64", elf::EM_X86_64),
    ("aarch64-unknown-linux-gnu", "arm64", elf::EM_AARCH64),
];

/// The names under which `kubectl` and `juju` find a plugin.
const PLUGINS: [&str; 2] = ["kubectl-configuratarr", "juju-configuratarr"];

/// Builds, packs, tries what was packed, and says what came of it.
///
/// # Errors
/// When it cannot be built or packed, or when what came out does not work.
pub fn run(arguments: &Arguments) -> Result<()> {
    let repository = generate::repository()?;
    let Some(&(target, processor, machine)) =
        PROCESSORS.iter().find(|(target, ..)| *target == arguments.target)
    else {
        let known: Vec<&str> = PROCESSORS.iter().map(|(target, ..)| *target).collect();
        bail!(
            "cannot build for {}; there are: {}",
            arguments.target,
            known.join(", ")
        );
    };
    must_have_target(target)?;
    let line = Progress::begin(&format!("building configuratarr for {target}"));
    let program = build_static("configuratarr", &["--bin", "configuratarr"], target, None)?
        .remove("configuratarr")
        .context("cargo did not build configuratarr")?;
    binary::must_be_static(&program, machine)?;
    line.end();

    let folder = format!("configuratarr-{}-linux-{processor}", env!("CARGO_PKG_VERSION"));
    let archive = Archive {
        entries: entries(&repository, &program)?,
        folder,
        modified: committed_at(&repository)?,
    };
    let output = match &arguments.output {
        Some(output) => std::path::absolute(output)?,
        None => repository.join("target/dist"),
    };
    let file = archive.write(&output)?;
    let emulator = trial::emulator(target);
    let tried = match (target == TARGET, &emulator) {
        (true, _) => {
            trial::run(&file, &archive.folder, None)?;
            trial::is_quick(&program)?;
            "unpacked and tried".to_owned()
        }
        (false, Some(emulator)) => {
            trial::run(&file, &archive.folder, Some(emulator))?;
            format!("unpacked and tried by {}", emulator.display())
        }
        (false, None) => {
            "not tried: it is for another processor (Debian: qemu-user-static has what runs it)".to_owned()
        }
    };
    let digest = binary::digest(&file)?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let sums = format!("{digest}  {name}\n");
    std::fs::write(output.join(format!("{name}.sha256")), sums).context("cannot write the checksum")?;
    println!(
        "{}: {} bytes, sha256 {digest}; {tried}",
        file.display(),
        std::fs::metadata(&file)?.len(),
    );
    Ok(())
}

/// Refuses a target whose standard library is not there, before cargo fails on each crate.
fn must_have_target(target: &str) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .context("cannot start rustc")?;
    let folder = String::from_utf8(output.stdout).context("rustc names no folder")?;
    ensure!(
        Path::new(folder.trim()).is_dir(),
        "cannot build for {target}: Rust's standard library for it is not installed; rustup target add {target}, and a linker for it \
         (Debian: gcc-aarch64-linux-gnu) in CARGO_TARGET_{}_LINKER",
        target.to_uppercase().replace('-', "_")
    );
    Ok(())
}

/// When the commit was made that is built, in seconds since 1970: two archives of one commit are the same, byte for byte.
fn committed_at(repository: &Path) -> Result<u64> {
    let output = Command::new("git")
        .current_dir(repository)
        .args(["log", "-1", "--format=%ct"])
        .output()
        .context("cannot start git")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .context("cannot find when the commit was made: git log says no time")
}

fn entries(repository: &Path, program: &Path) -> Result<Vec<Entry>> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut entries = vec![
        Entry::program("configuratarr", read(program)?),
        Entry::text("README.md", read(&repository.join("configuratarr/README.md"))?),
        Entry::text("LICENSE", read(&repository.join("LICENSE"))?),
    ];
    entries.extend(PLUGINS.map(|name| Entry::link(name, "configuratarr")));
    let definition = configuratarr::args::definition(None);
    for (shell, path) in [
        (clap_complete::Shell::Bash, "completions/configuratarr.bash"),
        (clap_complete::Shell::Zsh, "completions/_configuratarr"),
        (clap_complete::Shell::Fish, "completions/configuratarr.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut definition.clone(), "configuratarr", &mut script);
        entries.push(Entry::text(path, script));
    }
    entries.extend(man_pages(definition)?);
    Ok(entries)
}

/// A page for the program and one for each command.
fn man_pages(mut definition: clap::Command) -> Result<Vec<Entry>> {
    // With this each command knows its whole name.
    definition.build();
    let commands: Vec<clap::Command> = definition.get_subcommands().cloned().collect();
    std::iter::once(definition)
        .chain(
            commands
                .into_iter()
                .filter(|command| command.get_name() != "help"),
        )
        .map(|command| {
            let page = clap_mangen::Man::new(command);
            let mut text = Vec::new();
            page.render(&mut text).context("cannot write a man page")?;
            Ok(Entry::text(&format!("man/man1/{}", page.get_filename()), text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_that_names_its_options() {
        let pages = man_pages(configuratarr::args::definition(None)).unwrap();
        let page = |name: &str| {
            let path = format!("man/man1/{name}.1");
            let page = pages.iter().find(|page| page.path == path);
            let page = page.unwrap_or_else(|| panic!("there is no {path}"));
            String::from_utf8(page.content().to_vec()).unwrap()
        };
        assert!(page("configuratarr").contains("EXIT") || page("configuratarr").contains("Exit codes"));
        assert!(page("configuratarr-restore").contains("no\\-safety\\-backup"));
        for command in configuratarr::args::definition(None).get_subcommands() {
            page(&format!("configuratarr-{}", command.get_name()));
        }
    }

    #[test]
    fn a_target_that_is_not_installed_is_said_before_anything_is_built() {
        let error = must_have_target("powerpc-unknown-linux-gnu").unwrap_err();
        assert!(
            error.to_string().contains("rustup target add powerpc"),
            "{error:#}"
        );
        must_have_target(TARGET).unwrap();
    }
}
