//! One source of tests for three Pebbles.
#![cfg(test)]

mod backends;
mod cases;
mod support;

use std::collections::BTreeSet;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use pebble_contract::{Kind, LEFT_OUT};

use backends::Start;
use cases::Case;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases: Vec<Case> = cases::all();
    let mut trials = vec![Trial::test("table::holds_exactly_what_is_left_out", {
        let cases = cases.clone();
        move || table_holds(&cases).map_err(Into::into)
    })];
    for kind in Kind::ALL {
        let start = match Start::find(kind) {
            Ok(start) => start,
            Err(reason) => {
                eprintln!("left out: every case on the {} Pebble: {reason}", kind.name());
                if kind == Kind::Real {
                    // Whoever runs `cargo test` should know what it does not show.
                    eprintln!(
                        "left out: every scenario on a real cluster: run cargo e2e, which says what it needs"
                    );
                }
                continue;
            }
        };
        for case in &cases {
            let Case { name, run, .. } = *case;
            let left_out = LEFT_OUT.iter().find(|row| row.kind == kind && row.case == name);
            if let Some(row) = left_out {
                eprintln!("left out: {name} on the {} Pebble: {}", kind.name(), row.reason);
            }
            let start = start.clone();
            let trial = Trial::test(format!("{}::{name}", kind.name()), move || {
                let backend = start.start()?;
                run(backend.as_ref());
                backend.finish().map_err(Into::into)
            });
            trials.push(trial.with_ignored_flag(left_out.is_some()));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The table and what the cases need say the same.
fn table_holds(cases: &[Case]) -> Result<(), String> {
    let needed: BTreeSet<(&str, &str)> = Kind::ALL
        .into_iter()
        .flat_map(|kind| cases.iter().map(move |case| (kind, case)))
        .filter(|(kind, case)| case.needs.iter().any(|need| !kind.can(*need)))
        .map(|(kind, case)| (kind.name(), case.name))
        .collect();
    let listed: BTreeSet<(&str, &str)> = LEFT_OUT.iter().map(|row| (row.kind.name(), row.case)).collect();
    if needed == listed {
        return Ok(());
    }
    Err(format!(
        "not in the table: {:?}; in the table for nothing: {:?}",
        needed.difference(&listed).collect::<Vec<_>>(),
        listed.difference(&needed).collect::<Vec<_>>()
    ))
}
