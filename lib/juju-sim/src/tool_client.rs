//! The executable behind every hook tool: it forwards the call to the agent and prints what comes back.
//!
//! It knows no tool. It starts once for each call, so it does nothing else: no arguments parsed, no file read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::wire::{Reply, Request};

/// Makes the call that this process was started for, under the name `tool`. The arguments are those after the name.
pub fn run(tool: &str, args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let reply = call(tool, args).unwrap_or_else(|text| Reply {
        code: 1,
        stdout: Vec::new(),
        stderr: format!("ERROR {text}\n").into_bytes(),
    });
    // A caller that closed its end does not want to read it.
    let _ = std::io::stdout().write_all(&reply.stdout);
    let _ = std::io::stderr().write_all(&reply.stderr);
    ExitCode::from(u8::try_from(reply.code).unwrap_or(1))
}

fn call(tool: &str, args: Vec<String>) -> Result<Reply, String> {
    let context_id = std::env::var("JUJU_CONTEXT_ID").map_err(|_| "JUJU_CONTEXT_ID not set".to_owned())?;
    let socket = std::env::var("JUJU_AGENT_SOCKET_ADDRESS")
        .map_err(|_| "JUJU_AGENT_SOCKET_ADDRESS not set".to_owned())?;
    match std::env::var("JUJU_AGENT_SOCKET_NETWORK").as_deref() {
        Ok("unix") => {}
        Ok(other) => {
            return Err(format!(
                "JUJU_AGENT_SOCKET_NETWORK {other:?} is not supported, only \"unix\" is"
            ));
        }
        Err(_) => return Err("JUJU_AGENT_SOCKET_NETWORK not set".to_owned()),
    }
    let cwd = std::env::current_dir().map_err(|error| format!("cannot find the working folder: {error}"))?;
    let mut stdin = Vec::new();
    if wants_stdin(&args) {
        std::io::stdin()
            .read_to_end(&mut stdin)
            .map_err(|error| format!("cannot read standard input: {error}"))?;
    }
    let request = Request {
        context_id,
        tool: tool.to_owned(),
        cwd: cwd.to_string_lossy().into_owned(),
        stdin,
        args,
    };
    let mut stream = UnixStream::connect(&socket)
        .map_err(|error| format!("dial unix {socket}: connect: {}", reason(&error)))?;
    request
        .write(&mut stream)
        .map_err(|error| format!("cannot send the call to {socket}: {}", reason(&error)))?;
    Reply::read(&mut stream).map_err(|error| format!("cannot read the reply of {socket}: {}", reason(&error)))
}

/// Only `--file -` reads standard input. Reading it for other calls would take it from the charm's own script.
fn wants_stdin(args: &[String]) -> bool {
    let flags = args.iter().take_while(|arg| *arg != "--");
    let mut before = "";
    for arg in flags {
        if arg == "--file=-" || (before == "--file" && arg == "-") {
            return true;
        }
        before = arg;
    }
    false
}

/// What the kernel says, as Go prints it: without the number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_read_for_a_file_named_dash_only() {
        let cases: [(&[&str], bool); 7] = [
            (&["-r", "1", "--file", "-"], true),
            (&["--file=-"], true),
            (&["--file", "data.yaml"], false),
            (&["-r", "1", "-", "radarr/0"], false),
            (&["--", "--file", "-"], false),
            (&["a=--file=-"], false),
            (&[], false),
        ];
        for (args, expected) in cases {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(wants_stdin(&args), expected, "{args:?}");
        }
    }
}
