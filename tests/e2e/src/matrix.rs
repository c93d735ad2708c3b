//! The same scenarios with one Velero after the other, and the table of what came of them.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::veleros::Velero;
use crate::{namespaces, report};

/// What was played so far.
#[derive(Debug, Default)]
pub struct Matrix {
    columns: Vec<Column>,
}

/// A run with one Velero.
#[derive(Debug)]
struct Column {
    velero: &'static Velero,
    code: u8,
    /// What its report has about each scenario; empty when the run ended without one.
    scenarios: Vec<Value>,
}

impl Matrix {
    /// Plays with this Velero, in namespaces of its own.
    ///
    /// # Errors
    /// When it cannot be started, or its report cannot be read. That scenarios fail is no error.
    pub fn enter(&mut self, velero: &'static Velero) -> Result<()> {
        let report = report::folder_of(velero).join("report.json");
        // A run that ends before its report must not be taken for an earlier one.
        if report.exists() {
            std::fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
        }
        let code = namespaces::enter(velero)?;
        let scenarios = if report.exists() {
            scenarios_of(&report)?
        } else {
            Vec::new()
        };
        self.columns.push(Column {
            velero,
            code,
            scenarios,
        });
        Ok(())
    }

    /// The exit code of the whole: that of the first run that did not end well.
    pub fn code(&self) -> u8 {
        let codes = self.columns.iter().map(|column| column.code);
        codes.into_iter().find(|&code| code != 0).unwrap_or(0)
    }

    /// A table in Markdown: a line for each scenario, a column for each Velero.
    pub fn text(&self) -> String {
        let mut text = String::from("\n# With each Velero\n\n| scenario |");
        for column in &self.columns {
            let Velero {
                version, kubernetes, ..
            } = column.velero;
            let _ = write!(text, " Velero {version}, Kubernetes {kubernetes} |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(self.columns.len()));
        text.push('\n');
        for name in self.names() {
            let _ = write!(text, "| `{name}` |");
            for column in &self.columns {
                let _ = write!(text, " {} |", column.outcome(name));
            }
            text.push('\n');
        }
        text
    }

    /// Writes the table to `veleros.md` beside the reports.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> Result<()> {
        let path = report::folder().join("veleros.md");
        std::fs::write(&path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The scenarios that any run played, in their order.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for scenario in self.columns.iter().flat_map(|column| &column.scenarios) {
            let name = scenario["name"].as_str().unwrap_or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Column {
    /// What came of a scenario, as a cell of the table.
    fn outcome(&self, name: &str) -> String {
        let Some(scenario) = self.scenarios.iter().find(|is| is["name"] == name) else {
            return "not played".to_owned();
        };
        let seconds = scenario["seconds"].as_f64().unwrap_or_default();
        match &scenario["result"] {
            result if result == "passed" => format!("passed, {seconds:.0} s"),
            result if result.get("left-out").is_some() => "left out".to_owned(),
            _ => format!("FAILED, {seconds:.0} s"),
        }
    }
}

fn scenarios_of(report: &Path) -> Result<Vec<Value>> {
    let text =
        std::fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
    let report: Value =
        serde_json::from_str(&text).with_context(|| format!("cannot parse {}", report.display()))?;
    Ok(report["scenarios"].as_array().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::veleros::ALL;

    #[test]
    fn a_scenario_is_a_line_and_a_run_without_a_report_a_column_of_its_own() {
        let column = |place: usize, code, scenarios: Vec<Value>| Column {
            velero: &ALL[place],
            code,
            scenarios,
        };
        let matrix = Matrix {
            columns: vec![
                column(
                    0,
                    0,
                    vec![
                        json!({"name": "one", "seconds": 36.4, "result": "passed"}),
                        json!({"name": "two", "seconds": 0.0, "result": {"left-out": {"reason": "no agent"}}}),
                    ],
                ),
                column(
                    1,
                    1,
                    vec![json!({"name": "one", "seconds": 9.0, "result": {"failed": {"error": "no bytes"}}})],
                ),
                column(1, 2, Vec::new()),
            ],
        };
        let text = matrix.text();
        assert!(
            text.contains("| `one` | passed, 36 s | FAILED, 9 s | not played |\n"),
            "{text}"
        );
        assert!(
            text.contains("| `two` | left out | not played | not played |\n"),
            "{text}"
        );
        assert_eq!(matrix.code(), 1);
        assert_eq!(Matrix::default().code(), 0);
    }
}
