//! Programs that tests write and then run: a `juju` that answers what it was told to, an app's server, a copy of a real one.
//!
//! A file that is open for writing cannot be run: the kernel answers "text file busy". It is not enough to close it first.
//! What another thread starts in between has the file open too, from the moment it is forked until it becomes its own
//! program, and tests are threads of one process. So this process never opens such a file: another one writes it, whose
//! files nobody inherits.

use std::io::{Error, Result, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable file; what was there under this name is replaced as a whole.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    by_a_shell("cat", &[], path, text)
}

/// Copies an executable file; what was there under this name is replaced as a whole.
///
/// # Errors
/// When `from` cannot be read or `to` not be written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    by_a_shell("cat -- \"$1\"", &[from], to, "")
}

fn by_a_shell(what: &str, arguments: &[&Path], path: &Path, input: &str) -> Result<()> {
    let script = format!("{what} >\"$0.new\" && chmod 755 \"$0.new\" && mv -f \"$0.new\" \"$0\"");
    let mut shell = Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .arg(path)
        .args(arguments)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // A shell that cannot write reads nothing: what it says is the error then.
    let given = shell
        .stdin
        .take()
        .map_or(Ok(()), |mut pipe| pipe.write_all(input.as_bytes()));
    let ended = shell.wait_with_output()?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(Error::other(format!(
            "cannot write {}: {}",
            path.display(),
            said.trim()
        )));
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// What starts programs all the time beside `work`, as other tests do.
    fn beside_others(work: impl FnOnce()) {
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !ends.load(Ordering::Relaxed) {
                        assert!(Command::new("/bin/true").status().unwrap().success());
                    }
                });
            }
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            ends.store(true, Ordering::Relaxed);
            done.unwrap();
        });
    }

    fn output(path: &Path) -> String {
        let ran = Command::new(path).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    #[test]
    fn what_was_written_can_be_run_at_once_whatever_else_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let (script, program) = (folder.path().join("script"), folder.path().join("program"));
        beside_others(|| {
            for round in 0..100 {
                write(&script, &format!("#!/bin/sh\necho 'round {round}'\n")).unwrap();
                assert_eq!(output(&script), format!("round {round}\n"));
                copy(Path::new("/bin/true"), &program).unwrap();
                assert_eq!(output(&program), "");
            }
        });
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/juju");
        // More than a pipe takes.
        for error in [
            write(&path, &"#".repeat(1 << 20)).unwrap_err(),
            copy(Path::new("/bin/true"), &path).unwrap_err(),
            copy(&path, &folder.path().join("copy")).unwrap_err(),
        ] {
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "what is not whole is not left under its name"
        );
    }

    /// Where a file is made executable that no test runs: what packages ask whether they may start a daemon, and a name that is only
    /// looked for.
    const NOT_RUN: [&str; 2] = [
        "lib/juju-sim/src/pebble/container.rs",
        "tests/e2e/src/packages.rs",
    ];

    #[test]
    fn programs_are_written_here_and_nowhere_else() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut folders = vec![repository.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)
                .unwrap()
                .map(std::result::Result::unwrap)
            {
                let (path, name) = (entry.path(), entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|it| it == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    if ["0o755))", "0o777))"]
                        .iter()
                        .any(|mode| text.contains(&format!("from_mode({mode}")))
                    {
                        found.push(path.strip_prefix(&repository).unwrap().display().to_string());
                    }
                }
            }
        }
        found.sort_unstable();
        assert_eq!(found, NOT_RUN, "use test_programs::write");
    }
}
