//! OpenTofu and the stub of the juju provider, built with Go, and kept in the cache folder by what they are built of.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::FOLDER;
use crate::cache;
use crate::progress::Progress;

/// The two programs.
pub struct Tools {
    /// OpenTofu.
    pub tofu: PathBuf,
    /// The stub, as OpenTofu starts a provider.
    pub provider: PathBuf,
}

/// A program to build.
struct Program {
    /// Its name for people, and in the cache.
    name: &'static str,
    /// Folder of its module file, below [`FOLDER`].
    folder: &'static str,
    /// The Go package.
    package: &'static str,
    /// Further linker flags.
    ldflags: &'static str,
}

const TOFU: Program = Program {
    name: "tofu",
    folder: "tools/opentofu",
    package: "github.com/opentofu/opentofu/cmd/tofu",
    // It calls itself a development version otherwise.
    ldflags: "-X github.com/opentofu/opentofu/version.dev=no",
};

const PROVIDER: Program = Program {
    name: "terraform-provider-juju",
    folder: "stub-provider",
    package: ".",
    ldflags: "",
};

/// Finds both, or builds what is missing with `build`.
///
/// # Errors
/// When one is missing and may not be built, Go is missing, or it does not build.
pub fn find(repository: &Path, build: bool) -> Result<Tools> {
    Ok(Tools {
        tofu: TOFU.find(repository, build)?,
        provider: PROVIDER.find(repository, build)?,
    })
}

/// Where the stub's sources are.
pub fn stub_folder(repository: &Path) -> PathBuf {
    repository.join(FOLDER).join(PROVIDER.folder)
}

impl Program {
    fn find(&self, repository: &Path, build: bool) -> Result<PathBuf> {
        let folder = repository.join(FOLDER).join(self.folder);
        let built = cache::folder("terraform")?
            .join(key(self, &folder)?)
            .join(self.name);
        if built.exists() {
            return Ok(built);
        }
        ensure!(
            build,
            "{} is not built yet; this builds it, once for this machine: cargo xtask terraform --install",
            self.name
        );
        let progress = Progress::begin(&format!("building {} with Go", self.name));
        let done = self.build(&folder, &built);
        progress.end();
        done?;
        Ok(built)
    }

    fn build(&self, folder: &Path, built: &Path) -> Result<()> {
        let into = built.parent().context("a program has a folder")?;
        std::fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
        // Under another name until it is whole.
        let unfinished = into.join(format!("{}.unfinished", self.name));
        let output = Command::new("go")
            .current_dir(folder)
            .args(["build", "-mod=mod", "-trimpath", "-ldflags"])
            .arg(format!("-s -w {}", self.ldflags))
            .arg("-o")
            .arg(&unfinished)
            .arg(self.package)
            .env("CGO_ENABLED", "0")
            .stdin(Stdio::null())
            .output()
            .context("cannot start go: install Go 1.25.7 or newer (https://go.dev/dl)")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said
                .lines()
                .filter(|line| !line.starts_with("go: downloading "))
                .collect();
            bail!(
                "cannot build {}; go's last words were:\n{}",
                self.name,
                lines[lines.len().saturating_sub(20)..].join("\n")
            );
        }
        std::fs::rename(&unfinished, built)
            .with_context(|| format!("cannot put {} in place", built.display()))
    }
}

/// What a program is built of: its module files, its own sources, the flags.
fn key(program: &Program, folder: &Path) -> Result<String> {
    let listed = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let is_source = name.ends_with(".go") && !name.ends_with("_test.go");
        if is_source || name == "go.mod" || name == "go.sum" {
            files.push(path);
        }
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        digest.update(std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    digest.update(program.package);
    digest.update(program.ldflags);
    Ok(digest
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
