//! `cargo xtask screenshots`: the pictures of configuratarr's screens and tables, and of the demo.
//!
//! The test that holds configuratarr's pictures to the program draws them: it has the screens, and apps to show. The demo's is what it prints.

use anyhow::{Context, Result, ensure};
use system_tests::binaries::plain_cargo;

use crate::{demo, generate};

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

/// Draws them into `configuratarr/pictures` and the book.
///
/// # Errors
/// When the program cannot be built, or a picture not be written or be shown nowhere.
pub fn run() -> Result<()> {
    let repository = generate::repository()?;
    let status = plain_cargo()
        .current_dir(&repository)
        .args(TEST)
        .env(WRITE, "write")
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cannot draw the pictures: the reason is above");
    println!("configuratarr/pictures: drawn");
    let picture = repository.join(demo::PICTURE);
    if let Some(folder) = picture.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(&picture, demo::picture()?)
        .with_context(|| format!("cannot write {}", picture.display()))?;
    println!("{}: drawn", demo::PICTURE);
    Ok(())
}
