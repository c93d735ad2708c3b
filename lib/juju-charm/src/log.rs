//! The logger of the `log` crate that writes to Juju's log, through `juju-log`.
//!
//! Each record is one process, so only what a person should see is sent: records at info and above. A steady event should
//! log nothing at all.

use std::cell::Cell;
use std::sync::Arc;

use log::{LevelFilter, Log, Metadata, Record};

use crate::hook_tools::{self, LogLevel};
use crate::juju::Juju;
use crate::runner::ToolRunner;

/// Longest argument that the kernel takes, in bytes: `MAX_ARG_STRLEN` (131072) with its closing zero byte.
const LONGEST_MESSAGE: usize = 131_071;

/// Sends what is logged through the `log` crate to Juju, at info and above. The first call in a process decides; later ones
/// change nothing.
pub fn init(juju: &Juju) {
    init_at(juju, LevelFilter::Info);
}

/// Like [`init`], at another level.
pub fn init_at(juju: &Juju, level: LevelFilter) {
    let logger = JujuLogger::new(juju.shared_runner(), level);
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

/// Writes records to Juju's log.
pub(crate) struct JujuLogger {
    runner: Arc<dyn ToolRunner>,
    level: LevelFilter,
}

thread_local! {
    /// True while a record is being sent: what the sending itself logs is dropped, or it would never end.
    static SENDING: Cell<bool> = const { Cell::new(false) };
}

impl JujuLogger {
    pub(crate) fn new(runner: Arc<dyn ToolRunner>, level: LevelFilter) -> Self {
        Self { runner, level }
    }

    fn send(&self, record: &Record<'_>) {
        let level = match record.level() {
            log::Level::Error => LogLevel::Error,
            log::Level::Warn => LogLevel::Warning,
            log::Level::Info => LogLevel::Info,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Trace => LogLevel::Trace,
        };
        // No argument can hold a zero byte.
        let message = record.args().to_string().replace('\0', "\u{fffd}");
        for part in split_message(&message, LONGEST_MESSAGE) {
            if let Err(error) = hook_tools::juju_log(self.runner.as_ref(), level, part) {
                // Juju keeps standard error in the unit's log too, so the record is not lost.
                eprintln!("{}: {part} (not in the log: {error})", level.name());
            }
        }
    }
}

impl Log for JujuLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || SENDING.replace(true) {
            return;
        }
        self.send(record);
        SENDING.set(false);
    }

    fn flush(&self) {}
}

/// Splits `message` into parts of at most `longest` bytes: after a line's end where there is one, else between characters.
/// Lines that fit together stay together, so that they cost one call.
fn split_message(message: &str, longest: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = message;
    while rest.len() > longest {
        let limit = (1..=longest)
            .rev()
            .find(|&index| rest.is_char_boundary(index))
            .unwrap_or(rest.len());
        let (head, _) = rest.split_at(limit);
        let end = head.rfind('\n').filter(|&line_end| line_end > 0).unwrap_or(limit);
        let (part, remaining) = rest.split_at(end);
        parts.push(part);
        rest = remaining.strip_prefix('\n').unwrap_or(remaining);
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ExpectedCall, ScriptedRunner};

    fn log_to(runner: &ScriptedRunner, level: log::Level, message: &str) {
        let logger = JujuLogger::new(Arc::new(runner.clone()), LevelFilter::Info);
        logger.log(
            &Record::builder()
                .level(level)
                .args(format_args!("{message}"))
                .build(),
        );
    }

    #[test]
    fn a_record_is_one_call_at_its_level() {
        let cases = [
            (log::Level::Error, "ERROR"),
            (log::Level::Warn, "WARNING"),
            (log::Level::Info, "INFO"),
        ];
        for (level, name) in cases {
            let runner = ScriptedRunner::new([ExpectedCall::new(
                "juju-log",
                ["--log-level", name, "--", "one\ntwo"],
            )]);
            log_to(&runner, level, "one\ntwo");
            assert_eq!(runner.finish(), Ok(()), "{name}");
        }
    }

    #[test]
    fn debug_and_trace_call_nothing_by_default() {
        let runner = ScriptedRunner::new([]);
        log_to(&runner, log::Level::Debug, "x");
        log_to(&runner, log::Level::Trace, "x");
        assert_eq!(runner.finish(), Ok(()));
    }

    #[test]
    fn a_failing_log_tool_is_called_once_and_harms_nothing() {
        let runner = ScriptedRunner::new([
            ExpectedCall::new("juju-log", ["--log-level", "INFO", "--", "x"]).fails(1, "ERROR boom"),
            ExpectedCall::new("juju-log", ["--log-level", "INFO", "--", "y"]),
        ]);
        log_to(&runner, log::Level::Info, "x");
        log_to(&runner, log::Level::Info, "y");
        assert_eq!(runner.finish(), Ok(()));
    }

    /// Logs from within the tool run, as a runner of somebody else's might.
    struct LoggingRunner(std::sync::atomic::AtomicUsize);

    impl ToolRunner for LoggingRunner {
        fn run(&self, _: &str, _: &[&str], _: Option<&[u8]>) -> std::io::Result<crate::ToolOutput> {
            let calls = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(calls, 0, "a record within juju-log was sent");
            let logger = JujuLogger::new(Arc::new(Self(1.into())), LevelFilter::Info);
            logger.log(
                &Record::builder()
                    .level(log::Level::Error)
                    .args(format_args!("within"))
                    .build(),
            );
            Err(std::io::Error::other("boom"))
        }
    }

    #[test]
    fn what_is_logged_while_logging_is_dropped() {
        let runner = Arc::new(LoggingRunner(0.into()));
        let logger = JujuLogger::new(Arc::clone(&runner) as Arc<dyn ToolRunner>, LevelFilter::Info);
        logger.log(
            &Record::builder()
                .level(log::Level::Info)
                .args(format_args!("x"))
                .build(),
        );
        assert_eq!(runner.0.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[test]
    fn long_messages_are_split_at_lines_and_never_within_a_character() {
        let cases: [(&str, usize, &[&str]); 6] = [
            ("", 4, &[""]),
            ("abcd", 4, &["abcd"]),
            ("abcde", 4, &["abcd", "e"]),
            ("ab\ncd\nef", 5, &["ab", "cd\nef"]),
            ("ääää", 5, &["ää", "ää"]),
            ("\nabcdef", 4, &["\nabc", "def"]),
        ];
        for (message, longest, parts) in cases {
            assert_eq!(split_message(message, longest), parts, "{message:?} at {longest}");
        }
        let long = "é".repeat(100_000);
        let parts = split_message(&long, LONGEST_MESSAGE);
        assert!(parts.iter().all(|part| part.len() <= LONGEST_MESSAGE));
        assert_eq!(parts.concat(), long);
    }

    #[test]
    fn a_zero_byte_does_not_lose_the_record() {
        let runner = ScriptedRunner::new([ExpectedCall::new(
            "juju-log",
            ["--log-level", "INFO", "--", "a\u{fffd}b"],
        )]);
        log_to(&runner, log::Level::Info, "a\0b");
        assert_eq!(runner.finish(), Ok(()));
    }
}
