//! One executable for everything: a hook tool when it is called by a tool's name, else the command line.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if juju_hook_tools::tools::NAMES.contains(&name) {
        return juju_sim::tool_client::run(name, arguments);
    }
    juju_sim::cli::main(std::iter::once(called.clone()).chain(arguments))
}
