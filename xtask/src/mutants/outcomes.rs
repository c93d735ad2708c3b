//! What cargo-mutants found (`outcomes.json` of version 27), and what follows from it.

use std::fmt;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::settings::Exception;

/// The part of the mutants, of those that compile, that tests have to notice.
const WANTED: f64 = 0.95;

/// The tested mutants of one run.
#[derive(Debug)]
pub struct Outcomes {
    mutants: Vec<Mutant>,
}

#[derive(Debug, PartialEq)]
struct Mutant {
    /// As cargo-mutants names it: `FILE:LINE:COLUMN: WHAT`.
    name: String,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// A test failed, or ran for so long that it was ended.
    Noticed,
    Missed,
    /// It does not compile.
    Unviable,
}

impl Outcomes {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not of the form that is known.
    pub fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            outcomes: Vec<Outcome>,
        }
        #[derive(Deserialize)]
        struct Outcome {
            scenario: Value,
            summary: String,
        }
        let file: File = serde_json::from_str(text).context("it is no list of outcomes")?;
        let mut mutants = Vec::new();
        for Outcome { scenario, summary } in file.outcomes {
            // The run without any mutation: one that fails ends cargo-mutants with a code of its own.
            if scenario == "Baseline" {
                continue;
            }
            let name = scenario["Mutant"]["name"]
                .as_str()
                .with_context(|| format!("an outcome has no mutant: {scenario}"))?;
            let end = match summary.as_str() {
                "CaughtMutant" | "Timeout" => End::Noticed,
                "MissedMutant" => End::Missed,
                "Unviable" => End::Unviable,
                other => bail!("mutant {name} ended with {other:?}, which is not known"),
            };
            mutants.push(Mutant {
                name: name.to_owned(),
                end,
            });
        }
        Ok(Self { mutants })
    }
}

/// The name without line and column, which change with each line above.
fn without_position(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(line), Some(column), Some(what)) if is_number(line) && is_number(column) => {
            format!("{file}:{what}")
        }
        _ => name.to_owned(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What became of one crate.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub package: String,
    noticed: usize,
    unviable: usize,
    missed: Vec<String>,
    excepted: Vec<String>,
    stale: Vec<String>,
}

impl Verdict {
    /// Judges a run. In a whole one every exception of the crate has to have a mutant; in a part of one, an exception whose
    /// mutants were not tried says nothing.
    pub fn of(package: &str, outcomes: &Outcomes, exceptions: &[Exception], is_whole: bool) -> Self {
        let mut verdict = Self {
            package: package.to_owned(),
            noticed: 0,
            unviable: 0,
            missed: Vec::new(),
            excepted: Vec::new(),
            stale: Vec::new(),
        };
        for mutant in &outcomes.mutants {
            match mutant.end {
                End::Noticed => verdict.noticed += 1,
                End::Unviable => verdict.unviable += 1,
                End::Missed => {
                    let bare = without_position(&mutant.name);
                    let list = if exceptions.iter().any(|exception| exception.mutant == bare) {
                        &mut verdict.excepted
                    } else {
                        &mut verdict.missed
                    };
                    list.push(mutant.name.clone());
                }
            }
        }
        let files = outcomes.files();
        for exception in exceptions {
            let ends = || {
                let mutants = outcomes.mutants.iter();
                mutants.filter(|mutant| without_position(&mutant.name) == exception.mutant)
            };
            let was_missed = ends().any(|mutant| mutant.end == End::Missed);
            let was_tried = ends().next().is_some();
            let is_of_the_crate = exception.folder().is_some_and(|folder| files.contains(&folder));
            if !was_missed && (was_tried || (is_whole && is_of_the_crate)) {
                verdict.stale.push(exception.mutant.clone());
            }
        }
        verdict
    }

    /// Whether enough was noticed.
    pub fn passes(&self) -> bool {
        let viable = self.noticed + self.missed.len();
        self.stale.is_empty() && self.noticed as f64 >= WANTED * viable as f64
    }
}

impl Outcomes {
    /// The crates' folders that the mutants are in.
    fn files(&self) -> Vec<&str> {
        self.mutants
            .iter()
            .filter_map(|mutant| mutant.name.split_once("/src/"))
            .map(|(folder, _)| folder)
            .collect()
    }
}

impl Exception {
    /// The crate's folder.
    fn folder(&self) -> Option<&str> {
        self.mutant.split_once("/src/").map(|(folder, _)| folder)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let viable = self.noticed + self.missed.len();
        writeln!(
            f,
            "{}: {} of {viable} viable mutants noticed; {} excepted, {} do not compile",
            self.package,
            self.noticed,
            self.excepted.len(),
            self.unviable
        )?;
        for (what, names) in [
            ("missed", &self.missed),
            ("excepted", &self.excepted),
            ("no use any more: exception", &self.stale),
        ] {
            for name in names {
                writeln!(f, "  {what}: {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from cargo-mutants 27.1.0, shortened to what is read and a little of what is not.
    const RECORDED: &str = include_str!("../../tests/data/mutants-outcomes.json");

    fn exception(mutant: &str) -> Exception {
        Exception {
            mutant: mutant.to_owned(),
            reason: "for the test".to_owned(),
        }
    }

    fn outcomes(of: &[(&str, End)]) -> Outcomes {
        let mutants = of.iter().map(|(name, end)| Mutant {
            name: (*name).to_owned(),
            end: *end,
        });
        Outcomes {
            mutants: mutants.collect(),
        }
    }

    #[test]
    fn each_outcome_counts_for_what_it_is() {
        let ends = |text: &str| -> Vec<End> {
            let outcomes = Outcomes::parse(text).unwrap();
            outcomes.mutants.iter().map(|mutant| mutant.end).collect()
        };
        assert_eq!(ends(RECORDED), [End::Noticed, End::Missed, End::Unviable]);
        // A test that hangs has noticed.
        let hung = RECORDED.replace("\"MissedMutant\"", "\"Timeout\"");
        assert_eq!(ends(&hung), [End::Noticed, End::Noticed, End::Unviable]);
        let verdict = Verdict::of(
            "velero-backup-config",
            &Outcomes::parse(RECORDED).unwrap(),
            &[],
            true,
        );
        let shown = verdict.to_string();
        assert!(
            shown.starts_with(
                "velero-backup-config: 1 of 2 viable mutants noticed; 0 excepted, 1 do not compile\n"
            ),
            "{shown}"
        );
        assert!(
            shown.contains("\n  missed: lib/velero-backup-config/src/pod.rs:64:5: replace none_of "),
            "{shown}"
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (from, to) in [
            ("\"MissedMutant\"", "\"Escaped\""),
            ("\"Mutant\"", "\"Mutation\""),
            ("\"outcomes\"", "\"results\""),
        ] {
            let changed = RECORDED.replace(from, to);
            assert_ne!(changed, RECORDED, "{from}");
            assert!(Outcomes::parse(&changed).is_err(), "{from}");
        }
    }

    #[test]
    fn a_name_is_known_again_wherever_it_is_in_its_file() {
        assert_eq!(
            without_position("lib/a/src/b.rs:12:5: replace c -> Option<d::E> with None"),
            "lib/a/src/b.rs: replace c -> Option<d::E> with None"
        );
        assert_eq!(
            without_position("lib/a/src/b.rs: replace c"),
            "lib/a/src/b.rs: replace c"
        );
    }

    #[test]
    fn nineteen_of_twenty_pass_and_eighteen_do_not() {
        let mut all = vec![("lib/a/src/b.rs:1:1: replace c", End::Noticed); 19];
        all.push(("lib/a/src/b.rs:2:1: replace d", End::Missed));
        assert!(Verdict::of("a", &outcomes(&all), &[], true).passes());
        all[0].1 = End::Missed;
        assert!(!Verdict::of("a", &outcomes(&all), &[], true).passes());
        // One that does not compile says nothing of the tests.
        all[1].1 = End::Unviable;
        assert!(!Verdict::of("a", &outcomes(&all), &[], true).passes());
        assert!(Verdict::of("a", &outcomes(&[]), &[], true).passes());
    }

    #[test]
    fn an_exception_counts_apart_and_is_reported_when_it_is_of_no_use() {
        let all = [
            ("lib/a/src/b.rs:1:1: replace c", End::Noticed),
            ("lib/a/src/b.rs:7:1: replace d", End::Missed),
            ("lib/a/src/b.rs:9:1: replace d", End::Missed),
        ];
        let excepted = [exception("lib/a/src/b.rs: replace d")];
        let verdict = Verdict::of("a", &outcomes(&all), &excepted, true);
        assert!(verdict.passes());
        assert_eq!((verdict.excepted.len(), verdict.missed.len()), (2, 0));

        let noticed = [exception("lib/a/src/b.rs: replace c")];
        let gone = [exception("lib/a/src/b.rs: replace e")];
        let of_another = [exception("lib/z/src/b.rs: replace e")];
        let stale = |exceptions: &[Exception], is_whole| {
            let verdict = Verdict::of("a", &outcomes(&all[..1]), exceptions, is_whole);
            assert_eq!(verdict.passes(), verdict.stale.is_empty());
            !verdict.stale.is_empty()
        };
        assert!(stale(&noticed, true) && stale(&noticed, false));
        assert!(stale(&gone, true) && !stale(&gone, false));
        assert!(!stale(&of_another, true) && !stale(&of_another, false));
    }
}
