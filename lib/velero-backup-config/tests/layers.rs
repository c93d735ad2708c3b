//! The modules of this crate stand above each other: what parses one text knows no document, and nothing stands in a circle.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What parses a single text. It knows no other module of the crate.
const LEAVES: [&str; 3] = ["cron", "names", "retention"];

/// The source without comments and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that each module of the crate names.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let place = path.strip_prefix(&root).unwrap().with_extension("");
            let module = place.iter().next().unwrap().to_str().unwrap().to_owned();
            if module == "lib" {
                continue;
            }
            let code = code(&std::fs::read_to_string(&path).unwrap());
            let used = code.split("crate::").skip(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                rest[..end.unwrap_or(rest.len())].to_owned()
            });
            found.entry(module).or_default().extend(used);
        }
    }
    for (module, used) in &mut found {
        used.remove(module);
    }
    found
}

#[test]
fn what_parses_one_text_knows_nothing_else() {
    let uses = uses();
    for leaf in LEAVES {
        assert_eq!(uses[leaf], BTreeSet::new(), "{leaf}");
    }
}

#[test]
fn no_module_stands_in_a_circle() {
    let mut left = uses();
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, used| used.iter().any(|used| names.contains(used)));
        if left.len() == before {
            break;
        }
    }
    assert_eq!(left, BTreeMap::new(), "each of these needs another of them");
}
