//! Calls of hook tools: as the simulated agent lists them, and as the replay reads them.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// The name that the simulated agent answers with the calls of the hook so far.
const SO_FAR: &str = "calls-so-far";

/// One call of a hook tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The tool, `relation-set`.
    pub tool: String,
    /// What was piped into it.
    pub stdin: String,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Call {
    /// Bytes that it writes to a databag: names, values and what is piped in. 0 for any other tool.
    pub fn databag_bytes(&self) -> usize {
        if self.tool != "relation-set" {
            return 0;
        }
        let pairs = self
            .args
            .iter()
            .filter(|arg| !arg.starts_with('-') && arg.contains('='));
        pairs.map(String::len).sum::<usize>() + self.stdin.len()
    }

    /// Makes it once more. The exit code does not matter: a secret that was added is refused the second time.
    ///
    /// # Errors
    /// When the tool cannot be started.
    pub fn replay(&self) -> Result<()> {
        let mut command = Command::new(&self.tool);
        command
            .args(&self.args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.stdin.is_empty() {
            command.stdin(Stdio::null()).output()?;
            return Ok(());
        }
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.stdin.as_bytes())?;
        }
        child.wait_with_output().map(drop)
    }
}

/// As [`read_calls`] reads it: every string ends with a zero byte, and a call begins with the number of its arguments.
pub fn write_calls(calls: &[Call]) -> String {
    let mut text = String::new();
    for call in calls {
        let count = call.args.len().to_string();
        for part in [count.as_str(), call.tool.as_str(), call.stdin.as_str()]
            .into_iter()
            .chain(call.args.iter().map(String::as_str))
        {
            text.push_str(part);
            text.push('\0');
        }
    }
    text
}

/// Calls out of text.
///
/// # Errors
/// When it is cut off or something else.
pub fn read_calls(text: &str) -> Result<Vec<Call>> {
    let mut parts = text.split_terminator('\0').map(str::to_owned);
    let mut calls = Vec::new();
    while let Some(count) = parts.next() {
        let count: usize = count
            .parse()
            .map_err(|_| malformed("a call begins with the number of its arguments"))?;
        let mut next = || parts.next().ok_or_else(|| malformed("a call is cut off"));
        let (tool, stdin) = (next()?, next()?);
        let args = (0..count).map(|_| next()).collect::<Result<_>>()?;
        calls.push(Call { tool, stdin, args });
    }
    Ok(calls)
}

/// Asks the simulated agent of this hook which tools were called until now.
///
/// # Errors
/// When it does not answer, or this is no hook.
pub fn so_far() -> Result<Vec<Call>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| malformed(&format!("{name} is not set")));
    let context = variable("JUJU_CONTEXT_ID")?;
    let mut stream = UnixStream::connect(variable("JUJU_AGENT_SOCKET_ADDRESS")?)?;
    // The form of juju-sim's wire module: a count of parts, then each with its length before it.
    let mut request = 4_u32.to_le_bytes().to_vec();
    for part in [context.as_str(), SO_FAR, "/", ""] {
        request.extend(u32::try_from(part.len()).unwrap_or_default().to_le_bytes());
        request.extend(part.as_bytes());
    }
    stream.write_all(&request)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    read_calls(&standard_output(&reply)?)
}

/// The second of three parts.
fn standard_output(reply: &[u8]) -> Result<String> {
    let mut rest = reply
        .get(4..)
        .ok_or_else(|| malformed("the agent's reply is cut off"))?;
    let mut found = Vec::new();
    for _ in 0..2 {
        let (length, after) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| malformed("the agent's reply is cut off"))?;
        let (part, after) = after
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or_else(|| malformed("the agent's reply is cut off"))?;
        found = part.to_vec();
        rest = after;
    }
    String::from_utf8(found).map_err(|_| malformed("the agent's reply is no text"))
}

fn malformed(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidData, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tool: &str, stdin: &str, args: &[&str]) -> Call {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Call {
            tool: tool.to_owned(),
            stdin: stdin.to_owned(),
            args,
        }
    }

    #[test]
    fn calls_are_read_as_they_were_written() {
        let calls = [
            call("is-leader", "", &["--format=json"]),
            call("relation-set", "a: b\n", &["--app", "", "--file", "-"]),
            call("status-get", "", &[]),
        ];
        assert_eq!(read_calls(&write_calls(&calls)).unwrap(), calls);
        assert_eq!(read_calls("").unwrap(), []);
    }

    #[test]
    fn calls_that_are_cut_off_are_refused() {
        assert!(read_calls("2\0is-leader\0\0--one\0").is_err());
        assert!(read_calls("is-leader\0").is_err());
    }

    #[test]
    fn only_what_relation_set_writes_is_in_databags() {
        assert_eq!(
            call("relation-set", "", &["-r", "1", "--app", "ab=cd"]).databag_bytes(),
            5
        );
        assert_eq!(
            call("relation-set", "a: b\n", &["--file", "-"]).databag_bytes(),
            5
        );
        assert_eq!(call("state-set", "", &["ab=cd"]).databag_bytes(), 0);
    }
}
