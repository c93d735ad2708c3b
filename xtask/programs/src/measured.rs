//! Measurements of dispatches, one line each.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use crate::Usage;

/// One program that took its turn in a dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which one: `nothing`, `charm`, `replay`.
    pub name: String,
    /// What it used.
    pub usage: Usage,
}

/// One dispatch: who took turns in it, and what the charm called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// `JUJU_DISPATCH_PATH`, `hooks/start`.
    pub path: String,
    /// Hook tools that the charm called, in order, with commas in between.
    pub tools: String,
    /// Bytes that it wrote to databags.
    pub databag_bytes: usize,
    /// In the order in which they ran.
    pub runs: Vec<Run>,
}

impl Dispatch {
    /// As [`read_dispatches`] reads it, with the end of the line.
    pub fn line(&self) -> String {
        let mut line = format!("{}\t{}\t{}", self.path, self.tools, self.databag_bytes);
        for Run { name, usage } in &self.runs {
            // Writing to a string cannot fail.
            let _ = write!(
                line,
                "\t{name} {} {} {} {} {}",
                usage.wall.as_nanos(),
                usage.own_cpu.as_nanos(),
                usage.all_cpu.as_nanos(),
                usage.peak_bytes,
                usage.code
            );
        }
        line.push('\n');
        line
    }

    /// How many hook tools the charm called.
    pub fn calls(&self) -> usize {
        self.tools.split_terminator(',').count()
    }

    /// What the program of this name used; none if it had no turn.
    pub fn usage(&self, name: &str) -> Option<&Usage> {
        self.runs
            .iter()
            .find(|run| run.name == name)
            .map(|run| &run.usage)
    }
}

/// Dispatches out of lines, oldest first.
///
/// # Errors
/// When a line is something else.
pub fn read_dispatches(text: &str) -> Result<Vec<Dispatch>> {
    let malformed = |line: &str| {
        Error::new(
            ErrorKind::InvalidData,
            format!("cannot read the measurement {line:?}"),
        )
    };
    text.lines()
        .map(|line| dispatch(line).ok_or_else(|| malformed(line)))
        .collect()
}

fn dispatch(line: &str) -> Option<Dispatch> {
    let mut fields = line.split('\t');
    Some(Dispatch {
        path: fields.next()?.to_owned(),
        tools: fields.next()?.to_owned(),
        databag_bytes: fields.next()?.parse().ok()?,
        runs: fields.map(run).collect::<Option<_>>()?,
    })
}

fn run(field: &str) -> Option<Run> {
    let mut words = field.split(' ');
    let name = words.next()?.to_owned();
    let mut nanoseconds = || Some(Duration::from_nanos(words.next()?.parse().ok()?));
    let (wall, own_cpu, all_cpu) = (nanoseconds()?, nanoseconds()?, nanoseconds()?);
    let usage = Usage {
        wall,
        own_cpu,
        all_cpu,
        peak_bytes: words.next()?.parse().ok()?,
        code: words.next()?.parse().ok()?,
    };
    Some(Run { name, usage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dispatch_is_read_as_it_was_written() {
        let usage = Usage {
            wall: Duration::from_nanos(54_321_000),
            own_cpu: Duration::from_nanos(1),
            all_cpu: Duration::from_micros(7000),
            peak_bytes: 9 << 20,
            code: -1,
        };
        let dispatch = Dispatch {
            path: "hooks/update-status".to_owned(),
            tools: "is-leader,config-get".to_owned(),
            databag_bytes: 12,
            runs: vec![
                Run {
                    name: "nothing".to_owned(),
                    usage,
                },
                Run {
                    name: "charm".to_owned(),
                    usage,
                },
            ],
        };
        assert_eq!(dispatch.calls(), 2);
        assert_eq!(read_dispatches(&dispatch.line()).unwrap(), [dispatch]);
    }

    #[test]
    fn no_call_is_no_call() {
        let [dispatch] = read_dispatches("hooks/start\t\t0\n").unwrap().try_into().unwrap();
        assert_eq!(dispatch.calls(), 0);
        assert!(read_dispatches("hooks/start\n").is_err());
    }
}
