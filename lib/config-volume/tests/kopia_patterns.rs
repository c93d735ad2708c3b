//! The matcher agrees with kopia's own, whose answers `kopia-patterns.json` holds.
//!
//! The table was made by `internal/wcmatch` of `project-velero/kopia` at v0.0.0-20241016073907-939dae5f9001, which
//! Velero 1.15.2 builds with: each pattern below each base folder, against each path; `1` is a match, `e` a refusal.
#![cfg(test)]

use config_volume::Pattern;

#[derive(serde::Deserialize)]
struct Table {
    paths: Vec<(String, bool)>,
    rows: Vec<(String, String, String)>,
}

#[test]
fn every_answer_is_that_of_kopia() {
    let table: Table = serde_json::from_str(include_str!("kopia-patterns.json")).unwrap();
    let mut wrong = Vec::new();
    for (base, pattern, answers) in &table.rows {
        let parsed = Pattern::parse(pattern.as_bytes(), base.as_bytes());
        for ((path, is_folder), wanted) in table.paths.iter().zip(answers.chars()) {
            let text: Vec<char> = path.chars().collect();
            // kopia asks a line with `!` only about what is left out so far.
            let got =
                parsed
                    .as_ref()
                    .map_or('e', |p| match p.leaves_out(p.is_negated(), &text, *is_folder) {
                        true => '1',
                        false => '0',
                    });
            if got != wanted {
                wrong.push(format!(
                    "{pattern:?} below {base:?}, {path:?}: {got}, kopia: {wanted}"
                ));
            }
        }
    }
    assert!(
        table.rows.len() > 250 && wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
