//! `cargo xtask terraform`: the modules of `terraform/` as OpenTofu sees them: their form, whether they are valid, and their own tests.
//!
//! The juju provider and a Juju are not to be had here. A stub with the provider's documented schemas takes its place, which refuses what Juju
//! would refuse, by the metadata of the charms. It is a step of its own, since `cargo test` needs nothing but Rust and a C compiler; what the modules name
//! is held against the charms there too (`texts/terraform.rs`).

mod charms;
mod play;
mod tools;

use anyhow::Result;

pub use charms::{CHARMS, charms_text};

use crate::generate::repository;

/// Where the modules are, below the repository's root.
const FOLDER: &str = "terraform";

/// How it is called.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Build OpenTofu and the stub into the cache folder when they are missing. Needs Go.
    #[arg(long)]
    install: bool,
    /// Do nothing else. Implies --install.
    #[arg(long)]
    build: bool,
}

/// Does all of it.
///
/// # Errors
/// When a program is missing (the error names the command that builds it), or something of the modules is refused.
pub fn run(arguments: &Arguments) -> Result<()> {
    let repository = repository()?;
    let tools = tools::find(&repository, arguments.install || arguments.build)?;
    if arguments.build {
        return Ok(());
    }
    play::all(&repository, &tools)
}
