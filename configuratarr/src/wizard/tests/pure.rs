//! Which modules of the wizard may talk to the world.

use std::path::Path;

/// These; all others are functions of what they are given.
const OUTSIDE: [&str; 3] = ["run_loop.rs", "terminal.rs", "work.rs"];

/// What a module has in it that talks to the world.
const TELLTALES: [&str; 12] = [
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "crossterm",
    "async ",
    "Timestamp::now",
    "Instant::now",
    "crate::cluster",
    "crate::commands",
];

#[test]
fn state_and_screens_talk_to_nobody() {
    let wizard = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wizard");
    let mut outside = Vec::new();
    let mut seen = 0;
    for folder in [wizard.clone(), wizard.join("screens")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code
                .into_iter()
                .any(|line| TELLTALES.iter().any(|word| line.contains(word)))
            {
                outside.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    outside.sort();
    assert_eq!(outside, OUTSIDE);
    assert!(seen > 15, "{seen} modules were seen");
}
