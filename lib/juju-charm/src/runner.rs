//! How a hook tool is run: as a process in production, by a model of Juju in tests.

use std::io::{self, Write};
use std::process::{Child, Command, Output, Stdio};

/// So many bytes go into a pipe that nobody reads yet, even where the kernel gives a user no more than a page (`pipe(7)`).
const ANY_PIPE_TAKES: usize = 4096;

/// Runs hook tools.
///
/// `Send + Sync`, since the logger of the `log` crate may be called on any thread.
pub trait ToolRunner: Send + Sync {
    /// Runs `tool` with `args` and waits for its end. `stdin` is its whole standard input; `None` gives it none.
    ///
    /// # Errors
    /// When the tool cannot be started or its streams cannot be read. A tool that ran and failed is no error here.
    fn run(&self, tool: &str, args: &[&str], stdin: Option<&[u8]>) -> io::Result<ToolOutput>;

    /// Runs `tool` without standard input, and `meanwhile` on this thread before it waits for the tool's end. A runner of one thing
    /// after the other does `meanwhile` last.
    ///
    /// # Errors
    /// As [`ToolRunner::run`]; `meanwhile` is not run then if the tool cannot be started.
    fn run_beside(&self, tool: &str, args: &[&str], meanwhile: &mut dyn FnMut()) -> io::Result<ToolOutput> {
        let output = self.run(tool, args, None)?;
        meanwhile();
        Ok(output)
    }
}

/// What a hook tool left behind.
///
/// `Debug` gives lengths only: the output may be a secret's content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ToolOutput {
    /// Exit code; `None` when a signal ended the tool.
    pub exit_code: Option<i32>,
    /// Standard output: the result.
    pub stdout: Vec<u8>,
    /// Standard error: `ERROR` and a text when the tool failed.
    pub stderr: Vec<u8>,
}

impl std::fmt::Debug for ToolOutput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ToolOutput")
            .field("exit_code", &self.exit_code)
            .field("stdout_bytes", &self.stdout.len())
            .field("stderr_bytes", &self.stderr.len())
            .finish()
    }
}

/// Runs hook tools as processes, found through `PATH`, in the environment that Juju gave to the charm.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessRunner;

impl ToolRunner for ProcessRunner {
    fn run(&self, tool: &str, args: &[&str], stdin: Option<&[u8]>) -> io::Result<ToolOutput> {
        let mut child = spawn(tool, args, stdin.is_some())?;
        let pipe = child.stdin.take();
        let write = move || match (pipe, stdin) {
            (Some(mut pipe), Some(input)) => pipe.write_all(input),
            _ => Ok(()),
        };
        let (written, output) = if stdin.is_none_or(|input| input.len() <= ANY_PIPE_TAKES) {
            (write(), child.wait_with_output())
        } else {
            // Input is written beside reading the output: with both pipes full, each side would wait for the other.
            std::thread::scope(|scope| {
                let writer = scope.spawn(write);
                let output = child.wait_with_output();
                let written = writer
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("the writer of standard input panicked")));
                (written, output)
            })
        };
        let output = output?;
        match written {
            // A tool that refuses its arguments ends before it reads its input; its exit code says more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other?,
        }
        Ok(output.into())
    }

    fn run_beside(&self, tool: &str, args: &[&str], meanwhile: &mut dyn FnMut()) -> io::Result<ToolOutput> {
        let child = spawn(tool, args, false)?;
        meanwhile();
        Ok(child.wait_with_output()?.into())
    }
}

fn spawn(tool: &str, args: &[&str], has_stdin: bool) -> io::Result<Child> {
    let stdin = if has_stdin { Stdio::piped() } else { Stdio::null() };
    Command::new(tool)
        .args(args)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

impl From<Output> for ToolOutput {
    fn from(output: Output) -> Self {
        Self {
            exit_code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }
}
