//! Runs a charm's executable as Juju's unit agent does, and measures it.
//!
//! Knows nothing of the model: an executable, an environment and a folder in; exit, output and cost out.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::error::{Error, Result};

/// A charm may leave a process behind that holds its output open. Juju does not wait for it, nor do we.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// How long an executable may be busy.
const BUSY_DEADLINE: Duration = Duration::from_secs(5);

/// A finished process.
#[derive(Debug)]
pub(crate) struct Finished {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub wall: Duration,
    pub user: Duration,
    pub system: Duration,
    pub max_resident: u64,
}

/// Starts `program` without arguments in a process group of its own, tells `started` its process id, and waits for it.
pub(crate) fn run(
    program: &Path,
    folder: &Path,
    environment: &BTreeMap<String, String>,
    started: impl FnOnce(i32),
) -> Result<Finished> {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .envs(environment)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begin = Instant::now();
    let mut child = spawn(&mut command).map_err(Error::io("run", program))?;
    started(i32::try_from(child.id()).unwrap_or(0));
    let stdout = Output::collect(child.stdout.take());
    let stderr = Output::collect(child.stderr.take());
    let used = child.wait4().map_err(Error::io("wait for", program))?;
    let wall = begin.elapsed();
    Ok(Finished {
        code: used.status.code(),
        signal: used.status.signal(),
        stdout: stdout.take(),
        stderr: stderr.take(),
        wall,
        user: used.rusage.utime,
        system: used.rusage.stime,
        max_resident: used.rusage.maxrss,
    })
}

/// A child that another thread forks while a charm is unpacked holds its executable open for writing until it is
/// replaced itself; the kernel answers "text file busy" for that moment.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let deadline = Instant::now() + BUSY_DEADLINE;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                std::thread::sleep(super::PAUSE);
            }
            other => return other,
        }
    }
}

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

struct Output(Arc<(Mutex<Collected>, Condvar)>);

impl Output {
    fn collect(pipe: Option<impl Read + Send + 'static>) -> Output {
        let shared = Arc::new((Mutex::new(Collected::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            if let Some(mut pipe) = pipe {
                while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                    let mut collected = writer.0.lock().unwrap_or_else(PoisonError::into_inner);
                    collected
                        .bytes
                        .extend_from_slice(chunk.get(..count).unwrap_or_default());
                }
            }
            writer.0.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            writer.1.notify_all();
        });
        Output(shared)
    }

    fn take(self) -> Vec<u8> {
        let (collected, changed) = &*self.0;
        let guard = collected.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut guard, _) = changed
            .wait_timeout_while(guard, OUTPUT_GRACE, |collected| !collected.ended)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut guard.bytes)
    }
}
