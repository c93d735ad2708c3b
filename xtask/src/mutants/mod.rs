//! `cargo xtask mutants`: cargo-mutants changes the code in small ways, one at a time, and the crate's own tests have to notice.
//!
//! `.cargo/mutants.toml` says what is changed, `xtask/mutants.yaml` which tests run and what need not be noticed. A crate
//! passes when its tests notice 95 % of the mutants that compile.

mod outcomes;
mod settings;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use system_tests::binaries::plain_cargo;

use crate::generate::repository;
use outcomes::{Outcomes, Verdict};
use settings::{Crate, Settings};

/// The command that installs what is missing. It is never run from here.
const INSTALL: &str = "cargo install cargo-mutants --locked";

/// What to try.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only the lines that differ from this commit or branch, uncommitted changes included.
    #[arg(long, value_name = "BASE", num_args = 0..=1, default_missing_value = "main")]
    changed: Option<String>,
    /// Every Mth mutant, from the Nth on: 0/20 to 19/20. The same sample each time while the code is the same.
    #[arg(long, value_name = "N/M")]
    sample: Option<String>,
    /// Only this crate. May be given several times.
    #[arg(long = "package", short, value_name = "CRATE")]
    packages: Vec<String>,
    /// Only mutants whose name matches; a name begins with the file: `src/(journal|wait)\.rs`.
    #[arg(long, value_name = "REGEX")]
    only: Option<String>,
    /// Say which mutants there are, and run nothing.
    #[arg(long)]
    list: bool,
}

/// Tries the mutants of each crate, and says which ones no test noticed.
///
/// # Errors
/// When cargo-mutants is missing or cannot work, or the tests of a crate notice too few of its mutants.
pub fn run(arguments: &Arguments) -> Result<()> {
    let repository = repository()?;
    let settings = Settings::read(&repository.join(settings::FILE))?;
    let crates = settings.chosen(&arguments.packages)?;
    must_be_installed()?;
    // Beside what cargo builds, so that nothing has to be ignored or cleaned up separately.
    let folder = repository.join("target/mutants");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let changes = match &arguments.changed {
        Some(base) => Some(write_changes(&repository, base, &folder)?),
        None => None,
    };
    let run = Run {
        arguments,
        repository: &repository,
        folder: &folder,
        changes: changes.as_deref(),
    };
    let mut verdicts = Vec::new();
    for one in crates {
        if arguments.list {
            run.list(one)?;
        } else if let Some(outcomes) = run.test(one)? {
            verdicts.push(Verdict::of(
                &one.package,
                &outcomes,
                &settings.exceptions,
                run.is_whole(),
            ));
        }
    }
    for verdict in &verdicts {
        print!("{verdict}");
    }
    let below: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| !verdict.passes())
        .map(|verdict| verdict.package.as_str())
        .collect();
    if below.is_empty() {
        return Ok(());
    }
    bail!(
        "the tests of {} notice too little: write a test for each missed mutant; one that changes nothing anybody could see \
         goes into {} with the reason",
        below.join(", "),
        settings::FILE
    )
}

fn must_be_installed() -> Result<()> {
    let found = plain_cargo()
        .args(["mutants", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !found.success() {
        bail!("cannot run cargo-mutants: it is not installed; install it with: {INSTALL}");
    }
    Ok(())
}

/// Writes the lines that changed since the work left `base` as a diff, and says where.
fn write_changes(repository: &Path, base: &str, folder: &Path) -> Result<PathBuf> {
    let output = Command::new("git")
        .current_dir(repository)
        .args([
            "diff",
            "--no-ext-diff",
            "--no-color",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ])
        .args(["--merge-base", base, "--"])
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cannot compare with {base}: {}", said.trim());
    }
    let path = folder.join("changed.diff");
    std::fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// One run over some crates.
struct Run<'a> {
    arguments: &'a Arguments,
    repository: &'a Path,
    folder: &'a Path,
    changes: Option<&'a Path>,
}

impl Run<'_> {
    /// Whether every mutant of a crate is tried, so that an exception without one is known to be of no use.
    fn is_whole(&self) -> bool {
        self.changes.is_none() && self.arguments.sample.is_none() && self.arguments.only.is_none()
    }

    fn command(&self, one: &Crate) -> Command {
        let mut command = plain_cargo();
        command.current_dir(self.repository).arg("mutants");
        command.args(["--package", &one.package]);
        if let Some(only) = &self.arguments.only {
            command.args(["--re", only]);
        }
        if let Some(sample) = &self.arguments.sample {
            // Every Mth one: a slice would be one file only.
            command.args(["--shard", sample, "--sharding", "round-robin"]);
        }
        if let Some(changes) = self.changes {
            command.arg("--in-diff").arg(changes);
        }
        command
    }

    fn list(&self, one: &Crate) -> Result<()> {
        let status = self.command(one).arg("--list").status();
        if !status.context("cannot run cargo mutants")?.success() {
            bail!("cannot list the mutants of {}", one.package);
        }
        Ok(())
    }

    /// `None` when there is nothing to try.
    fn test(&self, one: &Crate) -> Result<Option<Outcomes>> {
        let output = self.folder.join(&one.package);
        let found = output.join("mutants.out/outcomes.json");
        // Of an earlier run: one without mutants writes none.
        if let Err(error) = std::fs::remove_file(&found)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("cannot remove {}", found.display()));
        }
        std::fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
        let mut command = self.command(one);
        command.arg("--output").arg(&output);
        // Dependencies are built once, not for each run: the copy that is changed has no target folder.
        let target = self.folder.join("target");
        command.arg(format!("--cargo-arg=--target-dir={}", target.display()));
        command.arg("--cargo-arg=--lib");
        for test in &one.tests {
            command.arg(format!("--cargo-arg=--test={test}"));
        }
        // Standard output is for the verdict.
        command.stdout(std::io::stderr());
        let status = command.status().context("cannot run cargo mutants")?;
        match status.code() {
            // All noticed; some missed; some ran into the timeout.
            Some(0 | 2 | 3) => {}
            Some(4) => bail!("the tests of {} fail without any mutation", one.package),
            _ => bail!("cargo mutants could not try {} ({status})", one.package),
        }
        if !found.exists() {
            return Ok(None);
        }
        let text =
            std::fs::read_to_string(&found).with_context(|| format!("cannot read {}", found.display()))?;
        Outcomes::parse(&text)
            .with_context(|| format!("cannot read {}", found.display()))
            .map(Some)
    }
}
