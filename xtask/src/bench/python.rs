//! The same job by a minimal charm in Python, where Python and its library `ops` are at hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// The charm.
const CHARM: &str = include_str!("../../programs/python/charm.py");

/// An interpreter that has `ops`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    program: PathBuf,
    /// What it is, `Python 3.11.7, ops 3.9.0`.
    pub version: String,
}

impl Python {
    /// Asks an interpreter what it has; why it cannot be used otherwise.
    pub fn find(program: &Path) -> Result<Python, String> {
        let question =
            "import platform, ops; print(f'Python {platform.python_version()}, ops {ops.__version__}')";
        let output = Command::new(program)
            .args(["-c", question])
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(Python {
                program: program.to_owned(),
                version: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            }),
            Ok(_) => Err(format!(
                "{} has no ops: python3 -m venv FOLDER && FOLDER/bin/pip install ops, then --python FOLDER/bin/python",
                program.display()
            )),
            Err(error) => Err(format!(
                "{} cannot be started: {error}; install Python 3",
                program.display()
            )),
        }
    }

    /// Puts the charm into the folder `charm` as charmcraft does: a script that starts it, under the name `program` there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn lay_out(&self, charm: &Path, program: &str) -> Result<()> {
        let source = charm.join("src/charm.py");
        std::fs::create_dir_all(charm.join("src"))?;
        std::fs::write(&source, CHARM).with_context(|| format!("cannot write {}", source.display()))?;
        let program = charm.join(program);
        let script = format!("#!/bin/sh\nexec {} src/charm.py\n", quoted(&self.program));
        Ok(test_programs::write(&program, &script)?)
    }
}

/// A path as one word of a shell's.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let reason = Python::find(Path::new("/bin/false")).unwrap_err();
        assert!(reason.contains("pip install ops"), "{reason}");
        let reason = Python::find(Path::new("/nowhere/python3")).unwrap_err();
        assert!(reason.contains("install Python 3"), "{reason}");
    }

    #[test]
    fn a_path_with_spaces_is_one_word() {
        assert_eq!(quoted(Path::new("/a b/python")), "'/a b/python'");
    }
}
