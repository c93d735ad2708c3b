//! `xtask/mutants.yaml`: which tests have to notice mutants, and which mutants need not be noticed.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Where it is, from the repository's root.
pub const FILE: &str = "xtask/mutants.yaml";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is tried.
    pub crates: Vec<Crate>,
    /// What need not be noticed.
    pub exceptions: Vec<Exception>,
}

/// One crate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    /// Its name for cargo.
    pub package: String,
    /// The test targets that run for each mutant, besides the crate's own unit tests.
    pub tests: Vec<String>,
}

/// A mutant that no test has to notice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Its name, without line and column.
    pub mutant: String,
    /// Why not.
    pub reason: String,
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is not of this form, or has an exception without a reason.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let settings: Self =
            serde_yaml::from_str(&text).with_context(|| format!("cannot use {}", path.display()))?;
        if let Some(bare) = settings
            .exceptions
            .iter()
            .find(|exception| exception.reason.trim().is_empty())
        {
            bail!(
                "the exception {:?} in {} has no reason",
                bare.mutant,
                path.display()
            );
        }
        Ok(settings)
    }

    /// The crates of these names; all without any.
    ///
    /// # Errors
    /// When one is not in the file.
    pub fn chosen(&self, names: &[String]) -> Result<Vec<&Crate>> {
        if names.is_empty() {
            return Ok(self.crates.iter().collect());
        }
        let find = |name: &String| {
            let found = self.crates.iter().find(|one| one.package == *name);
            found.with_context(|| {
                let known: Vec<&str> = self.crates.iter().map(|one| one.package.as_str()).collect();
                format!("{FILE} has no crate {name}; it has {}", known.join(", "))
            })
        };
        names.iter().map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::repository;

    #[test]
    fn the_checked_in_file_names_tests_that_exist() {
        let repository = repository().unwrap();
        let settings = Settings::read(&repository.join(FILE)).unwrap();
        for one in settings.chosen(&[]).unwrap() {
            let folder = match one.package.as_str() {
                "workload-charm" => repository.join("charm/tests"),
                library => repository.join("lib").join(library).join("tests"),
            };
            for test in &one.tests {
                assert!(
                    folder.join(format!("{test}.rs")).exists() || folder.join(test).join("main.rs").exists(),
                    "{}: {test}",
                    one.package
                );
            }
        }
    }

    #[test]
    fn an_exception_needs_a_reason_and_a_crate_has_to_be_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutants.yaml");
        let write = |reason: &str| {
            let text = format!(
                "crates:\n- package: one\n  tests: []\nexceptions:\n- mutant: \"a.rs: replace b\"\n  reason: \"{reason}\"\n"
            );
            std::fs::write(&path, text).unwrap();
        };
        write(" ");
        let error = Settings::read(&path).unwrap_err().to_string();
        assert!(error.contains("has no reason"), "{error}");
        write("nobody can see it");
        let settings = Settings::read(&path).unwrap();
        assert_eq!(settings.exceptions.len(), 1);
        assert_eq!(settings.chosen(&["one".to_owned()]).unwrap().len(), 1);
        let error = settings.chosen(&["two".to_owned()]).unwrap_err().to_string();
        assert!(error.ends_with("it has one"), "{error}");
    }
}
