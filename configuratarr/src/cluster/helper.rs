//! The program that logs in to Kubernetes, by the kubeconfig's `exec`, with a limit around it.
//!
//! kube runs it and waits for its end, and nothing else happens in this process meanwhile: one that never ended would hang every command
//! without a word. So it is run by a second process of this program, which ends it in time and says by its exit code what became of it.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use config_recovery::shown::shown;
use kube::Config;
use kube::config::ExecInteractiveMode;

/// The word by which this program is told to be that second process. Nobody types it.
const WORD: &str = "run-login-helper";
/// It gave no answer in time.
const NO_ANSWER: u8 = 213;
/// It is not there.
const NOT_THERE: u8 = 212;
/// How often it is looked whether it has ended, once it has said all that it says.
const PAUSE: Duration = Duration::from_millis(10);

/// A program that logs in, and how long it may take.
#[derive(Debug, Clone)]
pub(super) struct Helper {
    /// As the kubeconfig names it.
    name: String,
    limit: Duration,
}

impl Helper {
    /// Puts a limit around the program that logs in, if there is one.
    pub fn limited(config: &mut Config, limit: Duration) -> Option<Self> {
        let exec = config.auth_info.exec.as_mut()?;
        let name = exec.command.clone()?;
        let program = std::env::current_exe().ok()?;
        let mut arguments = vec![WORD.to_owned(), limit.as_millis().to_string(), name.clone()];
        arguments.extend(exec.args.take().unwrap_or_default());
        exec.args = Some(arguments);
        exec.command = Some(program.to_str()?.to_owned());
        if crossterm::terminal::is_raw_mode_enabled().is_ok_and(|is_raw| is_raw) {
            // The wizard has the whole terminal: nobody could read what it asks.
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
        let name = shown(&name);
        Some(Self { name, limit })
    }

    /// Why it came to nothing, where its exit code is one of ours.
    pub fn why(&self, code: Option<i32>) -> Option<String> {
        let Self { name, limit } = self;
        let is = |ours: u8| code == Some(i32::from(ours));
        if is(NO_ANSWER) {
            return Some(format!(
                "{name} gave no answer within {} s and was ended",
                limit.as_secs_f64()
            ));
        }
        is(NOT_THERE).then(|| format!("{name} cannot be run: there is no such program"))
    }
}

/// Is that second process, if this one was started as it.
pub fn run() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != WORD {
        return None;
    }
    let limit = words.next()?.to_str()?.parse().ok()?;
    let program = words.next()?;
    let arguments: Vec<OsString> = words.collect();
    Some(
        match limited(&program, &arguments, Duration::from_millis(limit)) {
            Ok(code) => ExitCode::from(code),
            Err(error) if error.kind() == io::ErrorKind::NotFound => ExitCode::from(NOT_THERE),
            Err(error) => {
                eprintln!("cannot be run: {error}");
                ExitCode::FAILURE
            }
        },
    )
}

/// Runs it, and hands on what it prints when it has ended. What it started itself may outlive it, so its pipes are not those of this
/// process, which kube reads to their end.
fn limited(program: &OsString, arguments: &[OsString], limit: Duration) -> io::Result<u8> {
    let until = Instant::now() + limit;
    // A person may have to read what it says and answer.
    let is_seen = io::stderr().is_terminal();
    let mut process = Command::new(program);
    process.args(arguments).stdout(Stdio::piped());
    process.stderr(if is_seen { Stdio::inherit() } else { Stdio::piped() });
    let mut child = process.spawn()?;
    let out = child.stdout.take().map(read);
    let err = child.stderr.take().map(read);
    let ended = ended(&mut child, until, out).zip(match err {
        Some(err) => err
            .recv_timeout(until.saturating_duration_since(Instant::now()))
            .ok(),
        None => Some(Vec::new()),
    });
    let Some(((out, code), err)) = ended else {
        // It may have ended in this moment.
        let _ = child.kill();
        return Ok(NO_ANSWER);
    };
    io::stderr().write_all(&err)?;
    io::stdout().write_all(&out)?;
    io::stdout().flush()?;
    Ok(code)
}

/// What it printed, and how it ended; `None` when it has not in time.
fn ended(child: &mut Child, until: Instant, out: Option<mpsc::Receiver<Vec<u8>>>) -> Option<(Vec<u8>, u8)> {
    let rest = || until.saturating_duration_since(Instant::now());
    let out = match out?.recv_timeout(rest()) {
        Ok(out) => out,
        Err(RecvTimeoutError::Disconnected) => Vec::new(),
        Err(RecvTimeoutError::Timeout) => return None,
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                return Some((out, code.unwrap_or(1)));
            }
            Ok(None) if !rest().is_zero() => thread::sleep(PAUSE),
            _ => return None,
        }
    }
}

/// Reads to the end, on a thread of its own: nobody waits for that longer than for the program.
fn read(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read up to an error counts.
        let _ = from.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}
