//! Calls the hook tools that a file lists, as `replay` does, and then sends the requests of another file to the API server, one after
//! the other. It makes nothing of the answers.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Result};

use bench_programs::{ApiServer, ask, read_calls, read_requests};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().ok_or(ErrorKind::InvalidInput);
    let (calls, requests, server): (OsString, OsString, OsString) = (next()?, next()?, next()?);
    for call in read_calls(&std::fs::read_to_string(calls)?)? {
        call.replay()?;
    }
    let requests = match std::fs::read(requests) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        written => read_requests(&written?)?,
    };
    let server = ApiServer::read(&std::fs::read_to_string(server)?);
    let server = server.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the server is in no file"))?;
    ask(&server, &requests)
}
