//! The main story, through real parts: the charm's binary, hook tools as executables, a Pebble that starts processes.
//! Juju and velero-operator are simulated; what the operator makes of the databag is what Velero would get.

mod render;
mod story;

use anyhow::Result;

use crate::progress::Progress;
use system_tests::binaries::{Binaries, Profile};

/// Plays the story.
///
/// # Errors
/// When something cannot be built or a step does not end as it should.
pub fn run(json: bool) -> Result<()> {
    let progress = Progress::begin("building the charm and the simulated Juju");
    let binaries = Binaries::build(Profile::Dev)?;
    progress.end();
    let mut renderer = render::Renderer::new(json);
    story::play(&binaries, &mut renderer)?;
    renderer.finish()
}
