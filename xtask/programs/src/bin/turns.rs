//! The `dispatch` that the benchmark deploys: it lets the programs named in `turns` run one after the other, all in the same hook,
//! and writes down what each used.
//!
//! Everything is in the folder that `BENCH_FOLDER` names. This program is small on purpose: [`bench_programs::run`] says why.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bench_programs::{Call, Dispatch, Run, Traffic, run, so_far, write_calls};

fn main() -> Result<ExitCode> {
    let folder = PathBuf::from(variable("BENCH_FOLDER")?);
    let path = variable("JUJU_DISPATCH_PATH")?.to_string_lossy().into_owned();
    let (mut runs, mut calls, mut code) = (Vec::new(), Vec::new(), 0);
    let mut traffic = Traffic::default();
    for name in std::fs::read_to_string(folder.join("turns"))?.lines() {
        let trace = folder.join(format!("trace-{name}-{}", path.replace('/', "-")));
        if name.ends_with("charm") {
            forget(&folder.join(REQUESTS))?;
        }
        let before = counted(&folder)?;
        let usage = run(&mut command(name, &folder, &trace)?)?;
        if name.ends_with("charm") {
            code = usage.code;
            traffic = counted(&folder)?.since(before);
            // What follows calls tools as well: these are the charm's.
            calls = so_far()?;
            std::fs::write(folder.join("calls"), write_calls(&calls))?;
        }
        let name = name.to_owned();
        runs.push(Run { name, usage });
    }
    let tools: Vec<&str> = calls.iter().map(|call| call.tool.as_str()).collect();
    let dispatch = Dispatch {
        path,
        tools: tools.join(","),
        databag_bytes: calls.iter().map(Call::databag_bytes).sum(),
        traffic,
        runs,
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("measured"))?;
    file.write_all(dispatch.line().as_bytes())?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Where the front writes down the requests of the charm.
const REQUESTS: &str = "api-traffic.requests";

/// Removes a file that need not be there.
fn forget(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What went over all connections so far, as those count who answer. Both write it down before they answer, so nothing is on its way
/// when a program has ended that waited for its answers.
fn counted(folder: &Path) -> Result<Traffic> {
    let text = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        // Nobody has counted yet.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let malformed = |name: &str| Error::new(ErrorKind::InvalidData, format!("cannot read {name}"));
    let api = match text("api-traffic")? {
        Some(text) => Traffic::read(&text).ok_or_else(|| malformed("api-traffic"))?,
        None => Traffic::default(),
    };
    let pebble_connections = match text("pebble-connections")? {
        Some(text) => Some(text.parse().map_err(|_| malformed("pebble-connections"))?),
        None => None,
    };
    Ok(Traffic {
        pebble_connections,
        ..api
    })
}

/// A program by its name in `turns`; `strace-…` runs it below strace, which lists its system calls in `trace`.
fn command(name: &str, folder: &Path, trace: &Path) -> Result<Command> {
    let (program, is_traced) = match name.strip_prefix("strace-") {
        Some(program) => (program, true),
        None => (name, false),
    };
    let (path, arguments) = match program {
        "nothing" => (folder.join("nothing"), Vec::new()),
        "replay" => (folder.join("replay"), vec![folder.join("calls")]),
        "asking" => {
            let files = ["calls", REQUESTS, "floor-server"];
            (
                folder.join("asking"),
                files.map(|name| folder.join(name)).to_vec(),
            )
        }
        // The charm's own folder is where a hook runs.
        "charm" => (std::env::current_dir()?.join("charm"), Vec::new()),
        other => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot run {other:?}"),
            ));
        }
    };
    let mut command = if is_traced {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(trace).arg(path);
        command
    } else {
        Command::new(path)
    };
    command
        .args(arguments)
        .env("KUBECONFIG", folder.join("kubeconfig"));
    Ok(command)
}

fn variable(name: &str) -> Result<OsString> {
    std::env::var_os(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{name} is not set")))
}
