//! The charm that the how-to writes is the example that is built and played: each block of it stands there word for word.

use std::fs;

use system_tests::examples;

use super::markdown::Document;
use crate::generate::repository;

#[test]
fn what_the_how_to_writes_is_what_is_built_and_played() {
    let page = repository().unwrap().join("docs/src/howto/own-charm.md");
    let example = examples::source("website");
    let files = ["charmcraft.yaml", "src/main.rs", "src/tests.rs"];
    let files = files.map(|file| fs::read_to_string(example.join(file)).unwrap());
    let mut compared = 0;
    for block in Document::of(&fs::read_to_string(page).unwrap()).blocks {
        if !["rust", "yaml"].contains(&block.info.as_str()) {
            continue;
        }
        compared += 1;
        // Whole lines of it.
        let lines = format!("\n{}", block.text);
        assert!(
            files.iter().any(|text| text.contains(&lines)),
            "own-charm.md:{}: this is not in examples/website:\n{}",
            block.line,
            block.text
        );
    }
    assert!(compared >= 8, "only {compared} blocks were compared");
}
