//! Any dispatch can be cut off at any hook-tool call, and the next one ends where an uncut one would have.

use crate::happenings::{Kill, check, undisturbed};
use juju_sim::{Fault, Options};

/// Every how many-th kill `cargo test` plays. It is odd, so that kills before a call and after one both have their turn.
const QUICK: usize = 61;

#[test]
fn dispatches_can_be_killed_at_hook_tools() {
    play(QUICK);
}

#[test]
#[ignore = "takes minutes: cargo test -p system-tests --test system cut_off -- --ignored"]
fn every_dispatch_can_be_killed_at_every_hook_tool() {
    play(1);
}

fn play(every: usize) {
    let undisturbed = undisturbed(&Options::default());
    let mut kills = Vec::new();
    for run in &undisturbed {
        for report in &run.dispatches {
            let calls = 1..=report.tools.len();
            kills.extend(
                calls
                    .flat_map(|call| [Fault::kill_before(call), Fault::kill_after(call)])
                    .map(|fault| Kill {
                        happening: run.happening,
                        path: report.path.clone(),
                        fault,
                        expected: &run.end,
                    }),
            );
        }
    }
    assert!(kills.len() > 100, "only {} kills", kills.len());
    check(&kills, every, &Options::default());
}
