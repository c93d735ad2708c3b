//! `cargo xtask screenshots`: the pictures of configuratarr's screens and tables.
//!
//! The test that holds the pictures to the program draws them: it has the screens, and apps to show.

use anyhow::{Context, Result, ensure};
use system_tests::binaries::plain_cargo;

use crate::generate;

/// The test, and what makes it write instead of compare.
const TEST: [&str; 6] = [
    "test",
    "--quiet",
    "-p",
    "configuratarr",
    "--lib",
    "the_pictures_are_what_the_program_draws",
];
const WRITE: &str = "CONFIGURATARR_PICTURES";

/// Draws them into `configuratarr/pictures`.
///
/// # Errors
/// When the program cannot be built, or a picture not be written or be shown nowhere.
pub fn run() -> Result<()> {
    let status = plain_cargo()
        .current_dir(generate::repository()?)
        .args(TEST)
        .env(WRITE, "write")
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cannot draw the pictures: the reason is above");
    println!("configuratarr/pictures: drawn");
    Ok(())
}
