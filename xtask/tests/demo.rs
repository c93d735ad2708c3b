//! `cargo demo` as a program.
#![cfg(test)]

use std::process::Command;

#[test]
fn a_row_that_is_not_as_it_was_is_said_and_is_exit_code_1() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["demo", "--spoil"])
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(1), "{said}{complained}");
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(
        last, "NOT restored: rows differ in Indexers.",
        "{said}{complained}"
    );
    assert!(
        complained.contains("error: not restored: Indexers"),
        "{complained}"
    );
}
