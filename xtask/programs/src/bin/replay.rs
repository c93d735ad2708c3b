//! Calls the hook tools that a file lists, one after the other, as a charm does: it reads what they print.

use std::io::{Result, Write};
use std::process::{Command, Stdio};

use bench_programs::{Call, read_calls};

fn main() -> Result<()> {
    for path in std::env::args_os().skip(1) {
        for call in read_calls(&std::fs::read_to_string(path)?)? {
            replay(&call)?;
        }
    }
    Ok(())
}

/// The exit code does not matter: a secret that was added is refused the second time.
fn replay(call: &Call) -> Result<()> {
    let mut command = Command::new(&call.tool);
    command
        .args(&call.args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if call.stdin.is_empty() {
        command.stdin(Stdio::null()).output()?;
        return Ok(());
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(call.stdin.as_bytes())?;
    }
    child.wait_with_output().map(drop)
}
