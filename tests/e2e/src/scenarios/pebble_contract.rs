//! The tests of the Pebble client, against the real Pebble.

use anyhow::{Result, bail, ensure};
use futures::FutureExt;
use system_tests::binaries::plain_cargo;
use tokio::process::Command;

use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};

pub const SCENARIO: Scenario = Scenario {
    name: "pebble-contract",
    says: "what the fake and the simulated Pebble are held to holds for the real Pebble 1.26",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// What cargo is asked for, here and beforehand when there is still a network. With xtask, as `cargo test` builds it.
pub const CARGO: [&str; 7] = [
    "test",
    "--package",
    "pebble-contract",
    "--package",
    "xtask",
    "--test",
    "contract",
];

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let output = Command::from(plain_cargo())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(CARGO)
        // The other two kinds need no cluster: `cargo test` runs them.
        .args(["--", "real::"])
        .env("PEBBLE_EXECUTABLE", ground.own_bed()?.parts.program("pebble"))
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!(
            "the tests failed:\n{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let ran = on_the_real_one(&text);
    story.figure("tests on the real Pebble", ran);
    ensure!(ran > 0, "no test ran on the real Pebble:\n{text}");
    Ok(())
}

/// How many tests passed whose name says that they ran on the real one.
fn on_the_real_one(output: &str) -> usize {
    output
        .lines()
        .filter(|line| line.starts_with("test ") && line.contains("real") && line.ends_with("ok"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passed_tests_on_the_real_one_count() {
        let output =
            "test real::a ... ok\ntest fake::a ... ok\ntest real::b ... FAILED\ntest real::c ... ignored\n";
        assert_eq!(on_the_real_one(output), 1);
    }
}
