//! Compiles programs with Go, one after the other, and says which of how many it is. What Go writes meanwhile, hundreds of lines
//! of downloads, goes to a log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::spoken::spoken;

/// So many of Go's last lines are shown when a build fails.
const LAST_LINES: usize = 20;

/// One program to compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Where its module file is.
    pub tools: PathBuf,
    /// The Go package.
    pub package: &'static str,
    /// Linker flags.
    pub ldflags: String,
    /// Where the program is kept.
    pub built: PathBuf,
}

/// Compiles all of them. Go's own words go to `log`.
///
/// # Errors
/// When Go is missing, or a program cannot be built: with Go's last lines and where all of them are.
pub(super) fn compile(jobs: &[Job], log: &Path) -> Result<()> {
    for (place, job) in jobs.iter().enumerate() {
        let what = format!("part {} of {}: building {}", place + 1, jobs.len(), job.name());
        spoken(&what, || job.compile(log))?;
    }
    Ok(())
}

impl Job {
    fn name(&self) -> String {
        let name = self.built.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn compile(&self, log: &Path) -> Result<()> {
        let folder = self.built.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // Under another name until it is whole: a build that is cut off must not be taken for a built one.
        let unfinished = folder.join(format!("{}.unfinished", self.name()));
        let mut command = Command::new("go");
        command
            .current_dir(&self.tools)
            .args(["build", "-mod=mod", "-trimpath", "-ldflags"])
            .arg(format!("-s -w {}", self.ldflags))
            .arg("-o")
            .arg(&unfinished)
            .arg(self.package)
            .env("CGO_ENABLED", "0")
            // Velero pins a fork of kopia that the checksum database does not know; go.sum still holds its sum.
            .env("GONOSUMDB", "github.com/project-velero");
        run(&mut command, log).with_context(|| format!("cannot build {}", self.name()))?;
        std::fs::rename(&unfinished, &self.built)
            .with_context(|| format!("cannot put {} in place", self.built.display()))
    }
}

/// Runs `go`, with its words in `log`.
fn run(command: &mut Command, log: &Path) -> Result<()> {
    let to_log = || format!("cannot write {}", log.display());
    let mut kept = File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(log)
        .with_context(to_log)?;
    let before = kept.seek(SeekFrom::End(0)).with_context(to_log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(kept.try_clone().with_context(to_log)?)
        .status()
        .context("cannot start go: install Go 1.25.7 or newer (https://go.dev/dl)")?;
    if status.success() {
        return Ok(());
    }
    let mut words = Vec::new();
    kept.seek(SeekFrom::Start(before))
        .and_then(|_| kept.read_to_end(&mut words))
        .with_context(|| format!("cannot read {}", log.display()))?;
    let words = String::from_utf8_lossy(&words);
    let lines: Vec<&str> = words
        .lines()
        .filter(|line| !line.starts_with("go: downloading "))
        .collect();
    bail!(
        "go build ended with {status}; all of its words are in {}, the last ones were:\n{}",
        log.display(),
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        let log = std::env::temp_dir().join(format!("e2e-{name}-{}.log", std::process::id()));
        std::fs::write(&log, "x.go:1: of an earlier build\n").unwrap();
        log
    }

    #[test]
    fn a_build_that_fails_shows_its_own_last_words_and_no_downloads() {
        let log = log("fails");
        let script = "for i in $(seq 30); do echo \"go: downloading m$i\" >&2; done; \
                      for i in $(seq 25); do echo \"x.go:$i: broken\" >&2; done; exit 2";
        let said = run(Command::new("sh").args(["-c", script]), &log).unwrap_err();
        let said = said.to_string();
        assert!(
            !said.contains("downloading") && !said.contains("x.go:5:"),
            "{said}"
        );
        assert!(
            said.contains("x.go:6: broken") && said.contains("x.go:25: broken"),
            "{said}"
        );
        assert!(
            said.contains(&log.display().to_string()) && said.contains("exit status: 2"),
            "{said}"
        );
        assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 56);
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn a_build_that_fails_without_a_word_shows_nothing_of_an_earlier_one() {
        let log = log("silent");
        let said = run(Command::new("sh").args(["-c", "exit 3"]), &log).unwrap_err();
        assert!(said.to_string().ends_with("were:\n"), "{said}");
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn without_go_the_next_step_is_said() {
        let log = log("none");
        let said = run(&mut Command::new("/no/such/go"), &log).unwrap_err();
        assert!(said.to_string().contains("install Go"), "{said}");
        std::fs::remove_file(&log).unwrap();
    }
}
