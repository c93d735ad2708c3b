//! What the hook-tool executable and the agent say to each other over the agent's socket.
//!
//! One connection carries one call: a request, then a reply. Both are a list of byte strings, each with its length
//! before it, since arguments need not be UTF-8. Juju itself speaks Go's `net/rpc` here
//! (`internal/worker/uniter/runner/jujuc/server.go` of juju/juju); a charm never sees the difference.

use std::io::{Read, Write};

/// No argument list or databag file is longer; a length beyond it is not one of ours.
const LONGEST: u32 = 64 << 20;

/// One call of a hook tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `JUJU_CONTEXT_ID` of the caller.
    pub context_id: String,
    /// Name that the tool was called by.
    pub tool: String,
    /// Working folder of the caller: relative file arguments are meant from there.
    pub cwd: String,
    /// Everything on standard input, if the tool reads it.
    pub stdin: Vec<u8>,
    /// Arguments, without the tool's name.
    pub args: Vec<String>,
}

/// What a hook tool prints and how it exits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Exit code: 0, 1 (failed) or 2 (bad arguments).
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Request {
    /// Sends the request.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let mut parts: Vec<&[u8]> = vec![
            self.context_id.as_bytes(),
            self.tool.as_bytes(),
            self.cwd.as_bytes(),
            &self.stdin,
        ];
        parts.extend(self.args.iter().map(String::as_bytes));
        write_parts(to, &parts)
    }

    /// Reads a request.
    ///
    /// # Errors
    /// When the other side is gone, or sent something else.
    pub fn read(from: &mut impl Read) -> std::io::Result<Request> {
        let mut parts = read_parts(from)?.into_iter();
        let mut next = || {
            parts
                .next()
                .ok_or_else(|| malformed("a request has four parts and its arguments"))
        };
        let (context_id, tool, cwd, stdin) = (text(next()?), text(next()?), text(next()?), next()?);
        Ok(Request {
            context_id,
            tool,
            cwd,
            stdin,
            args: parts.map(text).collect(),
        })
    }
}

impl Reply {
    /// Sends the reply.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        write_parts(to, &[&self.code.to_le_bytes(), &self.stdout, &self.stderr])
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// When the other side is gone, or sent something else.
    pub fn read(from: &mut impl Read) -> std::io::Result<Reply> {
        let mut parts = read_parts(from)?.into_iter();
        let (Some(code), Some(stdout), Some(stderr)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("a reply has three parts"));
        };
        let code =
            <[u8; 4]>::try_from(code.as_slice()).map_err(|_| malformed("an exit code has four bytes"))?;
        Ok(Reply {
            code: i32::from_le_bytes(code),
            stdout,
            stderr,
        })
    }
}

fn write_parts(to: &mut impl Write, parts: &[&[u8]]) -> std::io::Result<()> {
    let mut message = Vec::with_capacity(4 + parts.iter().map(|part| part.len() + 4).sum::<usize>());
    message.extend_from_slice(&length(parts.len())?);
    for part in parts {
        message.extend_from_slice(&length(part.len())?);
        message.extend_from_slice(part);
    }
    to.write_all(&message)?;
    to.flush()
}

fn read_parts(from: &mut impl Read) -> std::io::Result<Vec<Vec<u8>>> {
    let count = read_length(from)?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let wanted = read_length(from)?;
        let mut part = Vec::new();
        from.by_ref().take(u64::from(wanted)).read_to_end(&mut part)?;
        if part.len() != wanted as usize {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        parts.push(part);
    }
    Ok(parts)
}

fn length(value: usize) -> std::io::Result<[u8; 4]> {
    match u32::try_from(value) {
        Ok(value) if value <= LONGEST => Ok(value.to_le_bytes()),
        _ => Err(malformed("a call of a hook tool is at most 64 MiB long")),
    }
}

fn read_length(from: &mut impl Read) -> std::io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    match u32::from_le_bytes(bytes) {
        value if value <= LONGEST => Ok(value),
        _ => Err(malformed("this is no call of a hook tool")),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn malformed(reason: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = Request {
            context_id: "radarr/0-install-1".into(),
            tool: "relation-set".into(),
            cwd: "/charm".into(),
            stdin: b"{\"a\": \"b\"}".to_vec(),
            args: vec!["-r".into(), String::new(), "a=ü".into()],
        };
        let mut bytes = Vec::new();
        request.write(&mut bytes).unwrap();
        assert_eq!(Request::read(&mut bytes.as_slice()).unwrap(), request);
    }

    #[test]
    fn a_reply_is_read_as_it_was_written() {
        let reply = Reply {
            code: 2,
            stdout: vec![0, 255],
            stderr: b"ERROR x\n".to_vec(),
        };
        let mut bytes = Vec::new();
        reply.write(&mut bytes).unwrap();
        assert_eq!(Reply::read(&mut bytes.as_slice()).unwrap(), reply);
    }

    #[test]
    fn a_cut_off_or_foreign_message_is_an_error() {
        let mut bytes = Vec::new();
        Reply {
            code: 0,
            stdout: b"long".to_vec(),
            stderr: Vec::new(),
        }
        .write(&mut bytes)
        .unwrap();
        for end in 0..bytes.len() {
            assert!(Reply::read(&mut &bytes[..end]).is_err(), "cut after {end} bytes");
        }
        assert!(Request::read(&mut b"GET / HTTP/1.1\r\n\r\n".as_slice()).is_err());
    }
}
