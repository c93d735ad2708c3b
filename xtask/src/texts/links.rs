//! Every relative link leads to a file that is there, and to a heading of it.

use std::path::{Component, Path, PathBuf};

use super::files;
use super::markdown::Document;
use crate::generate::repository;

/// The path without `.` and `..`; `None` when it leaves the repository.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[test]
fn every_link_and_anchor_is_there() {
    let repository = repository().unwrap();
    let texts = files::texts(&repository).unwrap();
    let document = |path: &Path| {
        let found = texts.iter().find(|(is, _)| Path::new(is) == path);
        found.map(|(_, text)| Document::of(text))
    };
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for (path, text) in &texts {
        for (line, link) in Document::of(text).links {
            // A path of Rust in the README of a crate, which rustdoc looks up.
            if link.contains("://") || link.contains("::") || link.starts_with("mailto:") {
                continue;
            }
            looked_at += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(path).parent().unwrap();
            let target = match file {
                "" => Some(PathBuf::from(path)),
                file => plain(&folder.join(file)),
            };
            let is_there = target
                .as_ref()
                .is_some_and(|target| repository.join(target).exists());
            let has_anchor = anchor.is_empty()
                || target
                    .and_then(|target| document(&target))
                    .is_some_and(|document| document.anchors.iter().any(|is| is == anchor));
            if !is_there || !has_anchor {
                broken.push(format!("{path}:{line}: {link}"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links that lead nowhere:\n{}",
        broken.join("\n")
    );
    assert!(looked_at > 100, "only {looked_at} links were looked at");
}
