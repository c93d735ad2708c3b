//! What ran, how long it took, what was measured, and what is known of failures.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::scenarios::ScenarioReport;
use crate::veleros::Velero;

/// The whole run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Where it ran.
    pub ground: String,
    /// Seconds until backups could be made; none on a user's cluster.
    pub seconds_to_bring_up: Option<f64>,
    /// The scenarios, in the order in which they were played.
    pub scenarios: Vec<Outcome>,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What it is to prove.
    pub says: String,
    /// How long it took.
    pub seconds: f64,
    /// How busy the machine's processors were meanwhile, in percent; others may have been played beside it.
    pub busy_percent: Option<u64>,
    /// What came of it.
    pub result: Verdict,
    /// What it measured.
    #[serde(flatten)]
    pub story: ScenarioReport,
}

/// What came of a scenario.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is proven.
    Passed,
    /// It is not so.
    Failed {
        /// What was not as it should be.
        error: String,
        /// Pods, events and ends of logs.
        evidence: Vec<String>,
    },
    /// It was not played.
    LeftOut {
        /// Why.
        reason: String,
    },
}

impl Report {
    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        !self
            .scenarios
            .iter()
            .any(|outcome| matches!(outcome.result, Verdict::Failed { .. }))
    }

    /// For people: Markdown that reads well in a terminal too.
    pub fn text(&self) -> String {
        let mut text = format!("# Real-cluster tests\n\nOn {}", self.ground);
        if let Some(seconds) = self.seconds_to_bring_up {
            let _ = write!(text, ", which took {seconds:.0} s to bring up");
        }
        text.push_str(".\n");
        for outcome in &self.scenarios {
            let word = match outcome.result {
                Verdict::Passed => "passed",
                Verdict::Failed { .. } => "FAILED",
                Verdict::LeftOut { .. } => "left out",
            };
            let _ = write!(text, "\n## {}: {word}", outcome.name);
            if !matches!(outcome.result, Verdict::LeftOut { .. }) {
                let _ = write!(text, " ({:.1} s", outcome.seconds);
                if let Some(busy) = outcome.busy_percent {
                    let _ = write!(text, ", processors busy {busy} %");
                }
                text.push(')');
            }
            let _ = writeln!(text, "\n{}.", outcome.says);
            for (name, value) in &outcome.story.figures {
                let _ = writeln!(text, "- {name}: {value}");
            }
            match &outcome.result {
                Verdict::Passed => {}
                Verdict::LeftOut { reason } => {
                    let _ = writeln!(text, "- reason: {reason}");
                }
                Verdict::Failed { error, evidence } => {
                    let _ = writeln!(text, "\n{error}\n");
                    for piece in evidence {
                        let _ = writeln!(text, "```\n{piece}\n```");
                    }
                }
            }
        }
        let count = |is: fn(&Verdict) -> bool| {
            self.scenarios
                .iter()
                .filter(|outcome| is(&outcome.result))
                .count()
        };
        let passed = count(|verdict| matches!(verdict, Verdict::Passed));
        let failed = count(|verdict| matches!(verdict, Verdict::Failed { .. }));
        let left_out = count(|verdict| matches!(verdict, Verdict::LeftOut { .. }));
        // Once more at the end, where a reader of a long log looks first.
        for outcome in &self.scenarios {
            if let Verdict::Failed { error, .. } = &outcome.result {
                let _ = write!(text, "\n{} FAILED: {error}\n", outcome.name);
            }
        }
        let _ = write!(
            text,
            "\ne2e: {passed} passed, {failed} failed, {left_out} skipped\n"
        );
        text
    }

    /// For programs.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("cannot write the report as JSON")
    }

    /// Writes `report.md` and `report.json` into `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, text) in [("report.md", self.text()), ("report.json", self.json()?)] {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// Where the report of a run with this Velero goes: the folder of all reports, or one in it that is named by the version where
/// it is not the default.
pub fn folder_of(velero: &Velero) -> PathBuf {
    if velero.is_default() {
        return folder();
    }
    folder().join(format!("velero-{}", velero.name()))
}

/// Where reports go: `e2e` in cargo's target folder.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    target.join("e2e")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let outcome = |name: &str, result| {
            let mut story = ScenarioReport::default();
            story.figure("bytes stored", 7);
            Outcome {
                name: name.to_owned(),
                says: "it holds".to_owned(),
                seconds: 1.25,
                busy_percent: Some(40),
                result,
                story,
            }
        };
        Report {
            ground: "a bed".to_owned(),
            seconds_to_bring_up: Some(11.6),
            scenarios: vec![
                outcome("one", Verdict::Passed),
                outcome(
                    "two",
                    Verdict::Failed {
                        error: "no bytes".to_owned(),
                        evidence: vec!["pod x: Pending".to_owned()],
                    },
                ),
                outcome(
                    "three",
                    Verdict::LeftOut {
                        reason: "no agent".to_owned(),
                    },
                ),
            ],
        }
    }

    #[test]
    fn the_text_says_what_ran_and_why_it_failed() {
        let text = report().text();
        assert!(text.contains("which took 12 s to bring up"), "{text}");
        assert!(
            text.contains("## one: passed (1.2 s, processors busy 40 %)\nit holds.\n- bytes stored: 7"),
            "{text}"
        );
        assert!(
            text.contains("## two: FAILED") && text.contains("no bytes") && text.contains("pod x: Pending"),
            "{text}"
        );
        assert!(
            text.contains("## three: left out\n") && text.contains("- reason: no agent"),
            "{text}"
        );
        assert!(
            text.ends_with("\ntwo FAILED: no bytes\n\ne2e: 1 passed, 1 failed, 1 skipped\n"),
            "{text}"
        );
    }

    #[test]
    fn one_failure_makes_the_run_bad() {
        let mut report = report();
        assert!(!report.is_good());
        report.scenarios.remove(1);
        assert!(report.is_good());
    }

    #[test]
    fn the_json_has_figures_and_reasons() {
        let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!(json["scenarios"][0]["result"], "passed");
        assert_eq!(json["scenarios"][0]["figures"][0][1], "7");
        assert_eq!(json["scenarios"][2]["result"]["left-out"]["reason"], "no agent");
    }
}
