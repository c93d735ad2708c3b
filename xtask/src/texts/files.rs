//! The files of the repository that somebody wrote.

use std::path::Path;

use anyhow::{Context, Result};

/// Folders that programs fill.
const MADE: [&str; 7] = [
    ".git",
    "target",
    "parts",
    "stage",
    "prime",
    "overlay",
    ".terraform",
];

/// Paths of all of them, below the root, in order.
///
/// # Errors
/// When a folder cannot be read.
pub fn tracked(repository: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let here = repository.join(&folder);
        let entries = std::fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = match folder.as_str() {
                "" => name.clone(),
                folder => format!("{folder}/{name}"),
            };
            let kind = entry.file_type()?;
            if kind.is_dir() && !MADE.contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The texts for people: path and content. The changelog tells what was, so what it names need not be there any more.
///
/// # Errors
/// When one cannot be read.
pub fn texts(repository: &Path) -> Result<Vec<(String, String)>> {
    let mut all = tracked(repository)?;
    all.retain(|path| path.ends_with(".md"));
    let read = |path: String| {
        let text =
            std::fs::read_to_string(repository.join(&path)).with_context(|| format!("cannot read {path}"))?;
        Ok((path, text))
    };
    all.into_iter().map(read).collect()
}

/// Whether the text tells what was.
pub fn is_history(path: &str) -> bool {
    path == "CHANGELOG.md"
}
