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

/// What went over the connections of the charm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests to the API server.
    pub api_requests: u64,
    /// Their bytes and those of the answers, without TLS.
    pub api_bytes: u64,
    /// Connections to Pebble; none where Pebble does not count them.
    pub pebble_connections: Option<u64>,
}

impl Traffic {
    /// What came since `earlier`, which was counted of the same connections.
    pub fn since(self, earlier: Traffic) -> Traffic {
        let pebble = |now: u64| now.saturating_sub(earlier.pebble_connections.unwrap_or_default());
        Traffic {
            api_requests: self.api_requests.saturating_sub(earlier.api_requests),
            api_bytes: self.api_bytes.saturating_sub(earlier.api_bytes),
            pebble_connections: self.pebble_connections.map(pebble),
        }
    }

    /// As [`Traffic::read`] reads it.
    pub fn text(self) -> String {
        let pebble = self
            .pebble_connections
            .map_or_else(|| "-".to_owned(), |count| count.to_string());
        format!("{} {} {pebble}", self.api_requests, self.api_bytes)
    }

    /// Out of text; none if it is something else.
    pub fn read(text: &str) -> Option<Traffic> {
        let mut words = text.split(' ');
        Some(Traffic {
            api_requests: words.next()?.parse().ok()?,
            api_bytes: words.next()?.parse().ok()?,
            pebble_connections: match words.next()? {
                "-" => None,
                count => Some(count.parse().ok()?),
            },
        })
    }
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
    /// What went over its connections.
    pub traffic: Traffic,
    /// In the order in which they ran.
    pub runs: Vec<Run>,
}

impl Dispatch {
    /// As [`read_dispatches`] reads it, with the end of the line.
    pub fn line(&self) -> String {
        let mut line = format!(
            "{}\t{}\t{}\t{}",
            self.path,
            self.tools,
            self.databag_bytes,
            self.traffic.text()
        );
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
        traffic: Traffic::read(fields.next()?)?,
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
            traffic: Traffic {
                api_requests: 3,
                api_bytes: 4096,
                pebble_connections: Some(1),
            },
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
    fn traffic_is_what_came_in_between() {
        let counted = |api_requests, api_bytes, pebble_connections| Traffic {
            api_requests,
            api_bytes,
            pebble_connections,
        };
        let (before, after) = (counted(2, 100, Some(5)), counted(3, 150, Some(7)));
        assert_eq!(after.since(before), counted(1, 50, Some(2)));
        // The container started in between: its Pebble has counted from 0.
        assert_eq!(after.since(counted(2, 100, None)).pebble_connections, Some(7));
        assert_eq!(before.since(before), counted(0, 0, Some(0)));
    }

    #[test]
    fn no_call_is_no_call() {
        let [dispatch] = read_dispatches("hooks/start\t\t0\t0 0 -\n")
            .unwrap()
            .try_into()
            .unwrap();
        assert_eq!((dispatch.calls(), dispatch.traffic), (0, Traffic::default()));
        assert!(read_dispatches("hooks/start\n").is_err());
    }
}
