//! `configuratarr completions`: what a shell needs to complete what is typed.

use clap_complete::Shell;

use super::{Call, Done};
use crate::args;
use crate::problem::Result;

/// Runs it. Nobody is asked.
pub fn run(call: &Call<'_>, shell: Shell) -> Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::definition(None), "configuratarr", &mut script);
    call.printer.raw(&script)?;
    Ok(Done::Well)
}
