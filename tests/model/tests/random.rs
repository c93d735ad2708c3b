//! Some hundred sequences with each run of the tests; `cargo xtask model` plays thousands.
#![cfg(test)]

use std::time::Duration;

use model_tests::{Options, run};

#[test]
fn random_sequences_break_nothing() {
    let options = Options {
        sequences: 300,
        seed: 1,
        at_most: Some(Duration::from_secs(40)),
        failures: 1,
    };
    let played = run(&options, &mut |_| {});
    if let Some(failure) = played.failures.first() {
        panic!(
            "{failure}\nagain: cargo xtask model --sequences 1 --seed {}",
            failure.seed
        );
    }
}
