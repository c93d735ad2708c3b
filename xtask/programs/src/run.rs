//! Runs one program and says what it used.

use std::io::{Error, Result};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use wait4::Wait4;

/// What a program used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// From its start to its end.
    pub wall: Duration,
    /// Processor time of the program alone.
    pub own_cpu: Duration,
    /// Processor time of it and of those that it started and waited for.
    pub all_cpu: Duration,
    /// Peak of resident memory in bytes: its own, or that of the biggest process that it started.
    pub peak_bytes: u64,
    /// Exit code, -1 when a signal ended it.
    pub code: i32,
}

/// Runs it to its end.
///
/// The kernel hands the peak of whoever starts a program on to it: the program that calls this has to be small.
///
/// # Errors
/// When it cannot be started or looked at.
pub fn run(command: &mut Command) -> Result<Usage> {
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let process = Pid::from_raw(i32::try_from(child.id()).map_err(Error::other)?);
    // It is dead but not forgotten: the clock of its own time can still be read.
    waitid(Id::Pid(process), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
    let wall = begin.elapsed();
    let own_cpu = Duration::from(clock_gettime(clock_getcpuclockid(process)?)?);
    let used = child.wait4()?;
    Ok(Usage {
        wall,
        own_cpu,
        all_cpu: used.rusage.utime + used.rusage.stime,
        peak_bytes: used.rusage.maxrss,
        code: used.status.code().unwrap_or(-1),
    })
}
