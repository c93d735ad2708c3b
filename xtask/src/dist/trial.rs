//! Tries an archive as a person who got it would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use system_tests::binaries::plain_cargo;

use crate::generate;
use crate::progress::Progress;

/// What runs the programs of another processor, where it is installed.
pub fn emulator(target: &str) -> Option<PathBuf> {
    let processor = target.split('-').next()?;
    let name = format!("qemu-{processor}-static");
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file())
}

/// Unpacks it with the system's tar, and runs the program in an environment of its own, by the emulator where it is for another processor.
///
/// # Errors
/// With the first thing that is not as a person would expect.
pub fn run(archive: &Path, folder: &str, emulator: Option<&Path>) -> Result<()> {
    let place = tempfile::tempdir().context("cannot create a temporary folder")?;
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .current_dir(place.path())
        .status()
        .context("cannot start tar")?;
    ensure!(unpacked.success(), "tar cannot unpack {}", archive.display());
    let trial = Trial {
        programs: &place.path().join(folder),
        home: place.path(),
        emulator,
    };

    let version = trial.text("configuratarr", &["--version"])?;
    ensure!(
        version.contains(env!("CARGO_PKG_VERSION")) && version.contains("release"),
        "--version should say release and build: {version}"
    );
    let description = trial.text("juju-configuratarr", &["--description"])?;
    ensure!(
        description.lines().count() == 1,
        "juju help plugins wants one line: {description}"
    );
    for (plugin, typed) in [
        ("kubectl-configuratarr", "kubectl configuratarr"),
        ("juju-configuratarr", "juju configuratarr"),
    ] {
        let help = trial.text(plugin, &["restore", "--help"])?;
        ensure!(
            help.contains(&format!("Usage: {typed} restore")),
            "the help of {plugin} should say {typed}: {help}"
        );
    }
    for (shell, file) in [
        ("bash", "configuratarr.bash"),
        ("zsh", "_configuratarr"),
        ("fish", "configuratarr.fish"),
    ] {
        let printed = trial.text("configuratarr", &["completions", shell])?;
        let packed = std::fs::read_to_string(trial.programs.join("completions").join(file))?;
        ensure!(
            printed == packed,
            "the completions for {shell} should be those that the program prints"
        );
    }
    finds_a_name(&trial)
}

/// Holds the program to its goals: help and version, and many apps with many backups.
///
/// # Errors
/// When it takes longer, more memory or more requests.
pub fn is_quick(program: &Path) -> Result<()> {
    let line = Progress::begin("measuring configuratarr on many apps");
    let output = plain_cargo()
        .current_dir(generate::repository()?)
        .args([
            "test",
            "--quiet",
            "--package",
            "configuratarr",
            "--test",
            "cli",
            "--",
        ])
        .args(["load::", "shell::help_and_version_ask_nobody_and_are_quick"])
        // One after the other: they take times.
        .args(["--nocapture", "--test-threads", "1"])
        .env("CONFIGURATARR_UNDER_TEST", program)
        .output()
        .context("cannot start cargo")?;
    line.end();
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && told.contains("3 passed"),
        "configuratarr misses its goals: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures = told.lines().filter(|line| line.contains(": "));
    figures.for_each(|line| println!("{}", line.trim_start_matches('.')));
    Ok(())
}

/// A static program of glibc has the resolver in it, but may still look for libraries of the system: a name has to be found all the same.
/// Nobody listens there.
fn finds_a_name(trial: &Trial<'_>) -> Result<()> {
    let kubeconfig = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
                      users: [{name: u, user: {}}], clusters: [{name: c, cluster: {server: 'http://SERVER:1'}}]}";
    for (server, word) in [("localhost", "refused"), ("no-such-name.invalid", "dns error")] {
        let file = trial.home.join("kubeconfig");
        std::fs::write(&file, kubeconfig.replace("SERVER", server)).context("cannot write a kubeconfig")?;
        let asked = trial.ran("configuratarr", &["claim", "radarr", "--model", "home"])?;
        let said = String::from_utf8_lossy(&asked.stderr);
        ensure!(
            asked.status.code() == Some(3) && said.contains(word),
            "with an API server at {server} where nobody listens it should end with 3 and say {word}: {said}"
        );
    }
    Ok(())
}

struct Trial<'a> {
    programs: &'a Path,
    home: &'a Path,
    emulator: Option<&'a Path>,
}

impl Trial<'_> {
    fn ran(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let file = self.programs.join(program);
        let mut command = match self.emulator {
            None => Command::new(&file),
            Some(emulator) => {
                let mut command = Command::new(emulator);
                // Of a plugin it would hand on the name of what it links to.
                command.arg("-0").arg(&file).arg(&file);
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home)
            .env("KUBECONFIG", self.home.join("kubeconfig"))
            .output()
            .with_context(|| format!("cannot start {program}"))
    }

    fn text(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.ran(program, arguments)?;
        ensure!(
            output.status.success(),
            "{program} {arguments:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).with_context(|| format!("{program} printed no text"))
    }
}
