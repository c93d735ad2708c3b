//! What is compared with the committed file: ratios to the floor, and whether a connection stalls.
//!
//! Only processor time is compared. In six runs beside the builds of others and five more beside three busy loops, on two processors,
//! its ratios differed by 19 % at most. Those of wall time rose by up to 71 % and fell to a seventh: they say what an event takes, and
//! cannot be compared. A charm that waits takes no processor time, though, so a stall is looked for where it happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::table::Row;

/// A larger change than this part of the committed ratio is one.
const TOLERANCE: f64 = 1.0 / 3.0;

/// What is committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Whether requests to the API server wait for a delayed acknowledgement.
    pub stalls: bool,
    /// Processor time of the charm and its hook tools to that of the same hook tools, by event.
    pub cpu: BTreeMap<String, f64>,
}

/// The ratios of a table, with two digits behind the point.
pub fn baseline(rows: &[Row], stalls: bool) -> Baseline {
    let ratio = |row: &Row| (row.cpu_ratio.median * 100.0).round() / 100.0;
    let cpu = rows.iter().map(|row| (row.event.clone(), ratio(row))).collect();
    Baseline { stalls, cpu }
}

/// What differs, in words: a stall, and ratios by more than a third.
pub fn differences(committed: &Baseline, measured: &Baseline) -> Vec<String> {
    let mut found = Vec::new();
    if committed.stalls != measured.stalls {
        let now = if measured.stalls {
            "stall"
        } else {
            "no longer stall"
        };
        found.push(format!("requests to the API server {now}"));
    }
    for (event, old) in &committed.cpu {
        match measured.cpu.get(event) {
            None => found.push(format!("{event}: it was not measured")),
            Some(new) if (new - old).abs() > old * TOLERANCE => {
                found.push(format!(
                    "{event}: processor time is {new:.2} times the floor, it was {old:.2}"
                ));
            }
            Some(_) => {}
        }
    }
    let unknown = measured
        .cpu
        .keys()
        .filter(|event| !committed.cpu.contains_key(*event));
    found.extend(unknown.map(|event| format!("{event}: no ratio is committed")));
    found
}

/// Writes it down to be committed.
///
/// # Errors
/// When the file cannot be written.
pub fn write(measured: &Baseline) -> Result<()> {
    let text = serde_json::to_string_pretty(measured)? + "\n";
    std::fs::write(path(), text).with_context(|| format!("cannot write {}", path().display()))
}

/// Compares with the committed file.
///
/// # Errors
/// When the file cannot be read, or something differs.
pub fn check(measured: &Baseline) -> Result<()> {
    let text =
        std::fs::read_to_string(path()).with_context(|| format!("cannot read {}", path().display()))?;
    let committed =
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path().display()))?;
    let found = differences(&committed, measured);
    if found.is_empty() {
        return Ok(());
    }
    bail!(
        "events do not cost what is committed, give or take a third:\n  {}\nif that is meant, `cargo xtask bench --write` renews the file",
        found.join("\n  ")
    )
}

/// The committed file.
fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benchmark.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(stalls: bool, ratios: &[(&str, f64)]) -> Baseline {
        let cpu = ratios.iter().map(|(event, ratio)| ((*event).to_owned(), *ratio));
        Baseline {
            stalls,
            cpu: cpu.collect(),
        }
    }

    #[test]
    fn a_third_is_no_difference_and_more_is_one_both_ways() {
        let committed = baseline(false, &[("start", 1.5)]);
        for ratio in [1.01, 1.5, 1.99] {
            let found = differences(&committed, &baseline(false, &[("start", ratio)]));
            assert_eq!(found, Vec::<String>::new(), "{ratio}");
        }
        assert_eq!(
            differences(&committed, &baseline(false, &[("start", 2.1)])),
            ["start: processor time is 2.10 times the floor, it was 1.50"]
        );
        assert_eq!(
            differences(&committed, &baseline(false, &[("start", 0.9)])).len(),
            1
        );
    }

    #[test]
    fn a_stall_that_comes_or_goes_is_a_difference() {
        let (stalls, flows) = (baseline(true, &[]), baseline(false, &[]));
        assert_eq!(differences(&flows, &stalls), ["requests to the API server stall"]);
        assert_eq!(
            differences(&stalls, &flows),
            ["requests to the API server no longer stall"]
        );
        assert_eq!(differences(&stalls, &stalls), Vec::<String>::new());
    }

    #[test]
    fn an_event_on_one_side_is_a_difference() {
        let found = differences(
            &baseline(false, &[("start", 1.0)]),
            &baseline(false, &[("stop", 1.0)]),
        );
        assert_eq!(
            found,
            ["start: it was not measured", "stop: no ratio is committed"]
        );
    }
}
