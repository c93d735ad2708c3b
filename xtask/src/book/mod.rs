//! `cargo xtask book`: the pages of `docs/` as a book to read in a browser.
//!
//! mdBook is no dependency of the workspace: to compile it takes some minutes, and what the book says and names is held by `cargo test` without it
//! (`texts`). What only the built book can show is looked at here.

mod check;
mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cache;
use crate::generate::repository;

/// The release that is installed.
const VERSION: &str = "0.5.4";

/// How the book is built.
#[derive(Args)]
pub struct Arguments {
    /// Install mdBook into the cache folder when it is missing.
    #[arg(long)]
    install: bool,
}

/// Builds it.
///
/// # Errors
/// When mdBook is missing or warns of something, or a link of the built book leads nowhere.
pub fn run(arguments: &Arguments) -> Result<()> {
    let repository = repository()?;
    let program = mdbook(arguments.install)?;
    let staged = repository.join("target/book-source");
    let outside = stage::stage(&repository, &staged)?;
    let output = Command::new(&program)
        .arg("build")
        .arg(&staged)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let is_quiet = !["WARN", "ERROR"].iter().any(|word| said.contains(word));
    ensure!(
        output.status.success() && is_quiet,
        "mdBook is not content:\n{said}"
    );
    let built = repository.join("target/book");
    let (pages, links) = check::check(&built)?;
    println!(
        "target/book/index.html: {pages} pages, {outside} of them from outside of docs/; {links} links lead somewhere"
    );
    Ok(())
}

/// Where mdBook is.
fn mdbook(install: bool) -> Result<PathBuf> {
    let runs = |program: &Path| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let in_path = PathBuf::from("mdbook");
    if runs(&in_path) {
        return Ok(in_path);
    }
    let root = cache::folder("mdbook")?.join(VERSION);
    let program = root.join("bin/mdbook");
    if runs(&program) {
        return Ok(program);
    }
    if !install {
        bail!("mdbook is missing; install it, or let this do it: cargo xtask book --install");
    }
    let status = Command::new("cargo")
        .args(["install", "mdbook", "--locked", "--version", VERSION, "--root"])
        .arg(&root)
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "cargo cannot install mdbook {VERSION}: {status}"
    );
    Ok(program)
}
