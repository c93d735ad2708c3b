//! Names in backticks: files are there, and whatever has a hyphen (options, actions, scenarios, crates, labels) is somewhere in the code.

use std::path::Path;

use super::files;
use super::markdown::Document;
use crate::generate::repository;

/// Endings of files that are code: all that is no text for people.
const CODE: [&str; 11] = [
    ".rs", ".yaml", ".toml", ".json", ".sh", ".tf", ".hcl", ".go", ".py", ".snap", ".txt",
];

/// What belongs to others, and is named because people type or see it there.
const OF_OTHERS: &[&str] = &[
    // charmcraft, git, shells
    "destructive-mode",
    "git-tree-state",
    // Juju's
    "unit-radarr-0",
    "show-operation",
    "remove-relation",
    "remove-application",
    "import-filesystem",
    "attach-storage",
    "export-bundle",
    "charm-user",
    "upgrading-from",
    "update-status",
    "debug-log",
    "add-model",
    "radarr-k8s",
    // Charmarr's
    "api-key-rotation",
    "ingress-path",
    // placeholders
    "radarr-config",
];

fn is_name(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.contains('-')
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(fits)
}

/// A path below the repository's root, without wildcards and words for a choice.
fn is_path(text: &str, roots: &[String]) -> bool {
    let Some((root, rest)) = text.split_once('/') else {
        return false;
    };
    roots.iter().any(|is| is == root)
        && !rest.contains(['*', '{', ' ', '<', '…'])
        && !rest
            .split('/')
            .any(|part| part.starts_with("NAME") || part.starts_with("APP"))
}

#[test]
fn what_is_named_is_there() {
    let repository = repository().unwrap();
    let all = files::tracked(&repository).unwrap();
    let mut roots: Vec<String> = all
        .iter()
        .filter_map(|path| Some(path.split_once('/')?.0.to_owned()))
        .collect();
    roots.dedup();
    let code: String = all
        .iter()
        .filter(|path| {
            CODE.iter().any(|ending| path.ends_with(ending)) || !path.contains('.') || path.starts_with('.')
        })
        .filter(|path| !path.contains("/data/") || path.ends_with(".yaml"))
        .filter(|path| !path.ends_with("texts/names.rs"))
        .filter_map(|path| std::fs::read_to_string(repository.join(path)).ok())
        .collect();
    let mut missing = Vec::new();
    let (mut names, mut paths) = (0, 0);
    for (path, text) in files::texts(&repository).unwrap() {
        if files::is_history(&path) {
            continue;
        }
        for (line, span) in Document::of(&text).spans {
            let word = span.split(['=', ' ']).next().unwrap_or_default();
            if is_path(&span, &roots) {
                paths += 1;
                // Paths of Rust begin with the name of a module, and generated ones are not there yet.
                let file = span.split([':', '#']).next().unwrap();
                let is_made = file.starts_with("target/");
                // From the repository's root, or from that of the crate that the text is about.
                let mut folders = Path::new(&path).ancestors().skip(1);
                if !is_made && !folders.any(|folder| repository.join(folder).join(file).exists()) {
                    missing.push(format!("{path}:{line}: file {span}"));
                }
            } else if is_name(word) {
                names += 1;
                if !code.contains(word) && !OF_OTHERS.contains(&word) {
                    missing.push(format!("{path}:{line}: {span}"));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "named in a text, and nowhere in the code:\n{}",
        missing.join("\n")
    );
    assert!(
        names > 300 && paths > 60,
        "only {names} names and {paths} paths were looked at"
    );
}

#[test]
fn a_name_and_a_path_are_told_from_prose() {
    let roots = ["charm".to_owned()];
    assert!(is_path("charm/tests/x.rs", &roots));
    for no in ["charm", "a/b", "charm/apps/NAME.yaml", "charm/*.rs"] {
        assert!(!is_path(no, &roots), "{no}");
    }
    assert!(is_name("backup-schedule"));
    for no in ["daily", "--trust", "a_b-c", "Backup-x", "x-"] {
        assert!(!is_name(no), "{no}");
    }
}
