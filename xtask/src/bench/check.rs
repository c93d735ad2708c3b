//! What is compared with the committed file: ratios to the floor, what can be counted, and whether a connection stalls.
//!
//! Of the times only processor time is compared. In six runs beside the builds of others and five more beside three busy loops, on two
//! processors, its ratios differed by 19 % at most. Those of wall time rose by up to 71 % and fell to a seventh: they say what an event
//! takes, and cannot be compared. A charm that waits takes no processor time, though, so a stall is looked for where it happens.
//!
//! What is counted is the same on every machine, so every increase is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::table::{Counts, Row};

/// A larger change than this part of the committed ratio is one.
const TOLERANCE: f64 = 1.0 / 3.0;

/// What is committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Whether requests to the API server wait for a delayed acknowledgement.
    pub stalls: bool,
    /// By event.
    pub events: BTreeMap<String, Cost>,
}

/// What one event costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Processor time of the charm and its hook tools to that of the same hook tools.
    pub cpu: f64,
    /// What was counted.
    pub counts: Counts,
}

/// What a table says, ratios with two digits behind the point.
pub fn baseline(rows: &[Row], stalls: bool) -> Baseline {
    let cost = |row: &Row| Cost {
        cpu: (row.cpu_ratio.median * 100.0).round() / 100.0,
        counts: row.counts,
    };
    let events = rows.iter().map(|row| (row.event.clone(), cost(row)));
    Baseline {
        stalls,
        events: events.collect(),
    }
}

/// How a measurement differs from what is committed, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// What must not be.
    pub faults: Vec<String>,
    /// Counts that are lower: the committed file can be renewed, so that they stay so.
    pub lower: Vec<String>,
}

/// Compares them.
pub fn differences(committed: &Baseline, measured: &Baseline) -> Differences {
    let mut found = Differences::default();
    if committed.stalls != measured.stalls {
        let now = if measured.stalls {
            "stall"
        } else {
            "no longer stall"
        };
        found.faults.push(format!("requests to the API server {now}"));
    }
    for (event, old) in &committed.events {
        let Some(new) = measured.events.get(event) else {
            found.faults.push(format!("{event}: it was not measured"));
            continue;
        };
        if (new.cpu - old.cpu).abs() > old.cpu * TOLERANCE {
            found.faults.push(format!(
                "{event}: processor time is {:.2} times the floor, it was {:.2}",
                new.cpu, old.cpu
            ));
        }
        for (name, old, new) in pairs(&old.counts, &new.counts) {
            let text = format!("{event}: {name}: {new}, it was {old}");
            match new.cmp(&old) {
                std::cmp::Ordering::Greater => found.faults.push(text),
                std::cmp::Ordering::Less => found.lower.push(text),
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    let unknown = measured
        .events
        .keys()
        .filter(|event| !committed.events.contains_key(*event));
    found
        .faults
        .extend(unknown.map(|event| format!("{event}: nothing is committed")));
    found
}

/// Name, committed and measured value of each count that both sides have.
fn pairs(committed: &Counts, measured: &Counts) -> Vec<(&'static str, u64, u64)> {
    let Counts {
        hook_tools,
        databag_bytes,
        api_requests,
        pebble_connections,
        threads,
    } = *committed;
    [
        ("hook tools", Some(hook_tools), Some(measured.hook_tools)),
        (
            "bytes in databags",
            Some(databag_bytes),
            Some(measured.databag_bytes),
        ),
        (
            "requests to the API server",
            Some(api_requests),
            Some(measured.api_requests),
        ),
        (
            "connections to Pebble",
            pebble_connections,
            measured.pebble_connections,
        ),
        ("threads", threads, measured.threads),
    ]
    .into_iter()
    .filter_map(|(name, old, new)| Some((name, old?, new?)))
    .collect()
}

/// Writes it down to be committed.
///
/// # Errors
/// When the file cannot be written.
pub fn write(measured: &Baseline) -> Result<()> {
    let text = serde_json::to_string_pretty(measured)? + "\n";
    std::fs::write(path(), text).with_context(|| format!("cannot write {}", path().display()))
}

/// Compares with the committed file. What is lower than committed is printed, and no error.
///
/// # Errors
/// When the file cannot be read, or something differs that must not.
pub fn check(measured: &Baseline) -> Result<()> {
    let text =
        std::fs::read_to_string(path()).with_context(|| format!("cannot read {}", path().display()))?;
    let committed =
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path().display()))?;
    let Differences { faults, lower } = differences(&committed, measured);
    if !lower.is_empty() {
        eprintln!(
            "less than is committed; `cargo xtask bench --write` keeps it so:\n  {}",
            lower.join("\n  ")
        );
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "events do not cost what is committed:\n  {}\nif that is meant, `cargo xtask bench --write` renews the file",
        faults.join("\n  ")
    )
}

/// The committed file.
fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benchmark.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts {
        hook_tools: 9,
        databag_bytes: 100,
        api_requests: 4,
        pebble_connections: Some(1),
        threads: Some(2),
    };

    fn baseline(stalls: bool, costs: &[(&str, f64, Counts)]) -> Baseline {
        let events = costs.iter().map(|(event, cpu, counts)| {
            (
                (*event).to_owned(),
                Cost {
                    cpu: *cpu,
                    counts: *counts,
                },
            )
        });
        Baseline {
            stalls,
            events: events.collect(),
        }
    }

    #[test]
    fn a_third_is_no_difference_and_more_is_one_both_ways() {
        let committed = baseline(false, &[("start", 1.5, COUNTS)]);
        let compared = |ratio| differences(&committed, &baseline(false, &[("start", ratio, COUNTS)]));
        for ratio in [1.01, 1.5, 1.99] {
            assert_eq!(compared(ratio), Differences::default(), "{ratio}");
        }
        assert_eq!(
            compared(2.1).faults,
            ["start: processor time is 2.10 times the floor, it was 1.50"]
        );
        assert_eq!(compared(0.9).faults.len(), 1);
    }

    #[test]
    fn every_count_that_rises_is_a_fault_with_event_old_and_new() {
        let committed = baseline(false, &[("start", 1.5, COUNTS)]);
        let compared = |counts| differences(&committed, &baseline(false, &[("start", 1.5, counts)]));
        let more = Counts {
            hook_tools: 10,
            databag_bytes: 101,
            api_requests: 5,
            pebble_connections: Some(2),
            threads: Some(3),
        };
        assert_eq!(
            compared(more).faults,
            [
                "start: hook tools: 10, it was 9",
                "start: bytes in databags: 101, it was 100",
                "start: requests to the API server: 5, it was 4",
                "start: connections to Pebble: 2, it was 1",
                "start: threads: 3, it was 2",
            ]
        );
        let fewer = Counts {
            api_requests: 0,
            ..COUNTS
        };
        let expected = Differences {
            faults: Vec::new(),
            lower: vec!["start: requests to the API server: 0, it was 4".to_owned()],
        };
        assert_eq!(compared(fewer), expected);
        let not_counted = Counts {
            threads: None,
            ..COUNTS
        };
        assert_eq!(compared(not_counted), Differences::default());
    }

    #[test]
    fn a_stall_that_comes_or_goes_is_a_difference() {
        let (stalls, flows) = (baseline(true, &[]), baseline(false, &[]));
        assert_eq!(
            differences(&flows, &stalls).faults,
            ["requests to the API server stall"]
        );
        assert_eq!(
            differences(&stalls, &flows).faults,
            ["requests to the API server no longer stall"]
        );
        assert_eq!(differences(&stalls, &stalls), Differences::default());
    }

    #[test]
    fn an_event_on_one_side_is_a_difference() {
        let found = differences(
            &baseline(false, &[("start", 1.0, COUNTS)]),
            &baseline(false, &[("stop", 1.0, COUNTS)]),
        );
        assert_eq!(
            found.faults,
            ["start: it was not measured", "stop: nothing is committed"]
        );
    }
}
