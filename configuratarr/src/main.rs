//! The program: arguments in, exit code out.

use std::io::IsTerminal;
use std::process::ExitCode;

use configuratarr::args::Arguments;
use configuratarr::cluster::helper;
use configuratarr::commands;

fn main() -> ExitCode {
    if let Some(code) = helper::run() {
        return code;
    }
    let arguments = Arguments::typed();
    // The wizard has the whole terminal: what is logged would be written into its screens.
    let is_in_the_way = arguments.command.is_none() && std::io::stderr().is_terminal();
    let is_verbose = arguments.global.verbose && !is_in_the_way;
    let level = if is_verbose { "debug" } else { "off" };
    env_logger::Builder::new()
        .parse_filters(&format!("configuratarr={level},config_recovery={level}"))
        .init();
    commands::run(&arguments)
}
