//! Ratios to the floor, compared with those that are committed.
//!
//! Processor time is compared both ways: beside three busy loops on two processors its ratios moved by 15 % at most. Those of wall
//! time fell to a third there, since the floor waits for a processor as well; but they did not rise, so they are compared upwards.
//! They are what sees the charm wait: a stall of a connection takes no processor time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::table::Row;

/// A larger change than this part of the committed ratio is one.
const TOLERANCE: f64 = 1.0 / 3.0;

/// The ratios of one event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratios {
    /// Processor time of the charm and its hook tools to that of the same hook tools.
    pub cpu: f64,
    /// Wall time, in the same way.
    pub wall: f64,
}

/// By event.
pub type Baseline = BTreeMap<String, Ratios>;

/// The ratios of a table, with two digits behind the point.
pub fn ratios(rows: &[Row]) -> Baseline {
    let short = |value: f64| (value * 100.0).round() / 100.0;
    let ratios = |row: &Row| Ratios {
        cpu: short(row.cpu_ratio.median),
        wall: short(row.wall_ratio.median),
    };
    rows.iter().map(|row| (row.event.clone(), ratios(row))).collect()
}

/// What differs by more than a third, in words.
pub fn differences(committed: &Baseline, measured: &Baseline) -> Vec<String> {
    let mut found = Vec::new();
    for (event, old) in committed {
        let Some(new) = measured.get(event) else {
            found.push(format!("{event}: it was not measured"));
            continue;
        };
        let both_ways = (new.cpu - old.cpu).abs() > old.cpu * TOLERANCE;
        let upwards = new.wall - old.wall > old.wall * TOLERANCE;
        for (is_far, what, old, new) in [
            (both_ways, "processor time", old.cpu, new.cpu),
            (upwards, "wall time", old.wall, new.wall),
        ] {
            if is_far {
                found.push(format!(
                    "{event}: {what} is {new:.2} times the floor, it was {old:.2}"
                ));
            }
        }
    }
    let unknown = measured.keys().filter(|event| !committed.contains_key(*event));
    found.extend(unknown.map(|event| format!("{event}: no ratio is committed")));
    found
}

/// Writes the ratios down to be committed.
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
/// When the file cannot be read, or something differs by more than a third.
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
        "ratios to the floor changed by more than a third:\n  {}\nif that is meant, `cargo xtask bench --write` renews the file",
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

    fn baseline(entries: &[(&str, f64, f64)]) -> Baseline {
        let entries = entries.iter();
        entries
            .map(|(event, cpu, wall)| {
                (
                    (*event).to_owned(),
                    Ratios {
                        cpu: *cpu,
                        wall: *wall,
                    },
                )
            })
            .collect()
    }

    #[test]
    fn a_third_is_no_difference_and_more_is_one() {
        let committed = baseline(&[("start", 1.5, 1.5)]);
        assert_eq!(
            differences(&committed, &baseline(&[("start", 1.99, 1.99)])),
            Vec::<String>::new()
        );
        assert_eq!(
            differences(&committed, &baseline(&[("start", 1.01, 1.5)])),
            Vec::<String>::new()
        );
        assert_eq!(
            differences(&committed, &baseline(&[("start", 2.1, 1.5)])),
            ["start: processor time is 2.10 times the floor, it was 1.50"]
        );
        assert_eq!(
            differences(&committed, &baseline(&[("start", 0.9, 1.5)])).len(),
            1
        );
    }

    #[test]
    fn wall_time_is_compared_upwards() {
        let committed = baseline(&[("start", 1.5, 1.5)]);
        assert_eq!(
            differences(&committed, &baseline(&[("start", 1.5, 0.5)])),
            Vec::<String>::new()
        );
        assert_eq!(
            differences(&committed, &baseline(&[("start", 1.5, 6.0)])),
            ["start: wall time is 6.00 times the floor, it was 1.50"]
        );
    }

    #[test]
    fn an_event_on_one_side_is_a_difference() {
        let found = differences(
            &baseline(&[("start", 1.0, 1.0)]),
            &baseline(&[("stop", 1.0, 1.0)]),
        );
        assert_eq!(
            found,
            ["start: it was not measured", "stop: no ratio is committed"]
        );
    }

    #[test]
    fn what_was_measured_is_no_difference_to_itself() {
        let measured = baseline(&[("start", 1.23, 4.56)]);
        assert_eq!(differences(&measured, &measured), Vec::<String>::new());
    }
}
