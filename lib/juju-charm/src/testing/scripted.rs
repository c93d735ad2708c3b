//! A tool runner that knows a list of calls, in order, and refuses every other.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::runner::{ToolOutput, ToolRunner};

/// A call that a test expects, with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedCall {
    tool: String,
    args: Vec<String>,
    stdin: Option<String>,
    answer: ToolOutput,
}

impl ExpectedCall {
    /// A call of `tool` with exactly these arguments and no input. It succeeds and prints nothing.
    ///
    /// An argument that ends in `=…` stands for every argument that begins with what is before the `…`: for paths that
    /// differ from run to run.
    pub fn new<const N: usize>(tool: &str, args: [&str; N]) -> Self {
        Self {
            tool: tool.to_owned(),
            args: args.map(str::to_owned).into(),
            stdin: None,
            answer: ToolOutput {
                exit_code: Some(0),
                ..ToolOutput::default()
            },
        }
    }

    /// With this on standard input.
    #[must_use]
    pub fn with_stdin(mut self, stdin: &str) -> Self {
        self.stdin = Some(stdin.to_owned());
        self
    }

    /// It prints this.
    #[must_use]
    pub fn prints(mut self, stdout: &str) -> Self {
        self.answer.stdout = stdout.into();
        self
    }

    /// It fails with this exit code and this text on standard error.
    #[must_use]
    pub fn fails(mut self, exit_code: i32, stderr: &str) -> Self {
        self.answer.exit_code = Some(exit_code);
        self.answer.stderr = stderr.into();
        self
    }

    fn matches(&self, tool: &str, args: &[&str], stdin: Option<&[u8]>) -> bool {
        let same_arg = |(expected, arg): (&String, &&str)| match expected.strip_suffix('…') {
            Some(start) if start.ends_with('=') => arg.starts_with(start),
            _ => expected == arg,
        };
        self.tool == tool
            && self.args.len() == args.len()
            && self.args.iter().zip(args).all(same_arg)
            && self.stdin.as_deref().map(str::as_bytes) == stdin
    }
}

/// Answers the calls that it was told of, each once and in order. A call that it was not told of does not run, and makes
/// [`finish`](Self::finish) fail. Clones share one script, so that a test keeps one and the code under test has the other.
#[derive(Debug, Clone)]
pub struct ScriptedRunner {
    script: Arc<Mutex<Script>>,
}

#[derive(Debug)]
struct Script {
    expected: VecDeque<ExpectedCall>,
    refused: Vec<String>,
}

impl ScriptedRunner {
    /// A runner with this script.
    pub fn new(expected: impl IntoIterator<Item = ExpectedCall>) -> Self {
        let script = Script {
            expected: expected.into_iter().collect(),
            refused: Vec::new(),
        };
        Self {
            script: Arc::new(Mutex::new(script)),
        }
    }

    /// Ends the test's script.
    ///
    /// # Errors
    /// The calls that did not come, and those that came and were not expected.
    pub fn finish(&self) -> Result<(), String> {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = script
            .expected
            .iter()
            .map(|call| format!("expected, did not come: {} {:?}", call.tool, call.args));
        let problems: Vec<String> = script.refused.iter().cloned().chain(missing).collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n"))
        }
    }
}

impl ToolRunner for ScriptedRunner {
    fn run(&self, tool: &str, args: &[&str], stdin: Option<&[u8]>) -> io::Result<ToolOutput> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        if script
            .expected
            .front()
            .is_some_and(|call| call.matches(tool, args, stdin))
        {
            return script
                .expected
                .pop_front()
                .map(|call| call.answer)
                .ok_or_else(|| io::Error::other("the script has ended"));
        }
        let stdin = stdin.map(|stdin| String::from_utf8_lossy(stdin).into_owned());
        let refused = format!("not expected, came: {tool} {args:?} with input {stdin:?}");
        script.refused.push(refused.clone());
        Err(io::Error::other(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_not_told_of_is_refused_and_reported() {
        let runner = ScriptedRunner::new([ExpectedCall::new("is-leader", ["--format=json"])]);
        assert!(runner.run("is-leader", &[], None).is_err());
        assert!(runner.run("is-leader", &["--format=json"], Some(b"")).is_err());
        let problems = runner.finish().unwrap_err();
        assert!(
            problems.contains("not expected, came: is-leader []"),
            "{problems}"
        );
        assert!(
            problems.contains("expected, did not come: is-leader"),
            "{problems}"
        );
    }

    #[test]
    fn an_expected_call_is_answered_once() {
        let runner =
            ScriptedRunner::new([ExpectedCall::new("secret-add", ["key#file=…"]).prints("secret:abc")]);
        let output = runner.run("secret-add", &["key#file=/tmp/x"], None).unwrap();
        assert_eq!(output.stdout, b"secret:abc");
        assert_eq!(runner.finish(), Ok(()));
        assert!(runner.run("secret-add", &["key#file=/tmp/x"], None).is_err());
    }
}
