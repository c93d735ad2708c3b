//! The program: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use configuratarr::args::Arguments;
use configuratarr::commands;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = if arguments.global.verbose { "debug" } else { "off" };
    env_logger::Builder::new()
        .parse_filters(&format!("configuratarr={level},config_recovery={level}"))
        .init();
    commands::run(&arguments)
}
