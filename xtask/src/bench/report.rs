//! All that was measured, as one document and as text.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::columns::{self, RULE};
use super::goals;
use super::table::{self, Row};

/// What was measured in lives of the app.
#[derive(Debug)]
pub struct Report {
    /// Size of the charm's binary.
    pub binary_bytes: u64,
    /// The shortest time from a handshake with the API server to the first request.
    pub first_request: Option<Duration>,
    /// Whether every connection to it stalled.
    pub stalls: bool,
    /// Whether strace counted.
    pub is_traced: bool,
    /// The packed charm under the simulated Pebble.
    pub rows: Vec<Row>,
    /// The same under Canonical's.
    pub under_real_pebble: Other,
    /// The same job by a charm in Python, under the simulated Pebble.
    pub in_python: Other,
}

/// What is measured where it is at hand.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Other {
    /// It was.
    Measured {
        /// Of what.
        version: String,
        /// An event each.
        rows: Vec<Row>,
    },
    /// It was not.
    LeftOut {
        /// Why, and what would change that.
        reason: String,
    },
}

impl Report {
    /// Everything.
    pub fn document(&self) -> Value {
        json!({
            "binary_bytes": self.binary_bytes,
            "first_request_ms": self.first_request.map(milliseconds),
            "stalls": self.stalls,
            "events": self.rows,
            "under_real_pebble": self.under_real_pebble,
            "in_python": self.in_python,
            "goals": goals::goals(&self.rows),
        })
    }

    /// Tables, and what the goals say.
    pub fn text(&self) -> String {
        let mut text = format!(
            "dispatch as it is packed: static, {:.2} MB. Pebble: simulated. API: TLS 1.3, HTTP/1.1. Times in milliseconds.\n\n",
            self.binary_bytes as f64 / 1e6
        );
        let mut say = |part: &str| {
            text.push_str(part);
            text.push('\n');
        };
        say(&table::times(&self.rows));
        say(&table::counts(&self.rows));
        if !self.is_traced {
            say("Threads and system calls are not counted: install strace.");
        }
        say(&match self.first_request.map(milliseconds) {
            Some(shortest) if self.stalls => format!(
                "Every connection to the API stalls: {shortest:.0} ms at least from the handshake to the first request."
            ),
            Some(shortest) => {
                format!("No stall: the first request comes {shortest:.1} ms after the handshake at best.")
            }
            None => "Nobody asked the API.".to_owned(),
        });
        match &self.under_real_pebble {
            Other::Measured { version, rows } => {
                say(&format!(
                    "\nUnder Canonical's Pebble {version}\n{}",
                    table::times(rows)
                ));
            }
            Other::LeftOut { reason } => say(&format!("Canonical's Pebble is left out: {reason}.")),
        }
        match &self.in_python {
            Other::Measured { version, rows } => say(&format!(
                "The same job by a minimal charm in Python ({version})\n{}",
                beside(&self.rows, rows)
            )),
            Other::LeftOut { reason } => say(&format!("A charm in Python is left out: {reason}.")),
        }
        say("Goals");
        text.push_str(&goals::text(&goals::goals(&self.rows)));
        text
    }
}

/// The events of another charm beside those of this one.
fn beside(rows: &[Row], others: &[Row]) -> String {
    let headings = [
        ["", "event"],
        ["", "n"],
        RULE,
        ["Python", "wall"],
        ["", "CPU"],
        ["peak", "MiB"],
        ["hook", "tools"],
        RULE,
        ["charm", "wall"],
        ["", "CPU"],
        ["peak", "MiB"],
        ["hook", "tools"],
        RULE,
        ["Python", "wall"],
        ["to charm", "CPU"],
    ];
    let both = others.iter().filter_map(|other| {
        let row = rows.iter().find(|row| row.event == other.event)?;
        let mut line = vec![other.event.clone(), other.rounds.to_string()];
        for row in [other, row] {
            line.extend([row.wall_ms.median, row.cpu_ms, row.peak_mib].map(|value| format!("{value:.1}")));
            line.push(row.counts.hook_tools.to_string());
        }
        let ratios = [
            other.wall_ms.median / row.wall_ms.median,
            other.cpu_ms / row.cpu_ms,
        ];
        line.extend(ratios.map(|ratio| format!("{ratio:.1}")));
        Some(line)
    });
    columns::text(&headings, &both.collect::<Vec<_>>())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::Spread;

    fn row(event: &str, wall: f64) -> Row {
        Row {
            event: event.to_owned(),
            wall_ms: Spread::of([wall]),
            cpu_ms: wall,
            ..Row::default()
        }
    }

    fn report(in_python: Other) -> Report {
        Report {
            binary_bytes: 5_000_000,
            first_request: None,
            stalls: false,
            is_traced: false,
            rows: vec![row("start", 4.0), row("stop", 1.0)],
            under_real_pebble: Other::LeftOut {
                reason: "there is none".to_owned(),
            },
            in_python,
        }
    }

    #[test]
    fn what_is_left_out_is_said_with_its_reason() {
        let reason = "python3 has no ops".to_owned();
        let text = report(Other::LeftOut { reason }).text();
        for line in [
            "Canonical's Pebble is left out: there is none.",
            "A charm in Python is left out: python3 has no ops.",
            "Threads and system calls are not counted: install strace.",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
    }

    #[test]
    fn another_charm_stands_beside_this_one_event_by_event() {
        let other = Other::Measured {
            version: "Python 3, ops 3".to_owned(),
            rows: vec![row("start", 220.0), row("unknown", 1.0)],
        };
        let text = report(other).text();
        let line = text.lines().find(|line| line.contains("220.0")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            (words[0], &words[words.len() - 2..]),
            ("start", ["55.0", "55.0"].as_slice())
        );
        assert!(!text.contains("unknown"), "{text}");
    }
}
