//! The book's structure: its table of contents names every page, and each page begins with its title.

use std::collections::BTreeSet;

use super::files;
use super::markdown::Document;
use crate::generate::repository;

const SOURCE: &str = "docs/src/";

#[test]
fn the_table_of_contents_names_every_page_once() {
    let repository = repository().unwrap();
    let texts = files::texts(&repository).unwrap();
    let summary = texts
        .iter()
        .find(|(path, _)| path == "docs/src/SUMMARY.md")
        .unwrap();
    let named: Vec<String> = Document::of(&summary.1)
        .links
        .into_iter()
        .map(|(_, link)| link)
        .collect();
    let pages: BTreeSet<String> = texts
        .iter()
        .filter_map(|(path, _)| path.strip_prefix(SOURCE))
        .filter(|page| *page != "SUMMARY.md")
        .map(str::to_owned)
        .collect();
    assert_eq!(named.iter().cloned().collect::<BTreeSet<_>>(), pages);
    assert_eq!(named.len(), pages.len(), "a page is named twice");
    for (path, text) in texts.iter().filter(|(path, _)| path.starts_with(SOURCE)) {
        let headings = text.lines().filter(|line| line.starts_with("# ")).count();
        // In a shell block such a line is a comment.
        let first = text
            .lines()
            .find(|line| !line.is_empty() && !line.starts_with("<!--"));
        assert!(
            first.is_some_and(|line| line.starts_with("# ")),
            "{path} does not begin with its title"
        );
        assert!(headings >= 1);
    }
}

#[test]
fn each_how_to_says_what_was_tried() {
    let repository = repository().unwrap();
    let texts = files::texts(&repository).unwrap();
    let how_tos = texts
        .iter()
        .filter(|(path, _)| path.starts_with("docs/src/howto/"));
    let mut count = 0;
    for (path, text) in how_tos.chain(texts.iter().filter(|(path, _)| path == "docs/src/tutorial.md")) {
        count += 1;
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(
            last.starts_with("*Shown by*") || last.starts_with("*Not played*"),
            "{path} ends without a line of what was tried: {last}"
        );
    }
    assert!(count > 10, "only {count} pages were looked at");
}

#[test]
fn the_readme_is_short() {
    let text = std::fs::read_to_string(repository().unwrap().join("README.md")).unwrap();
    let lines = text.lines().count();
    assert!(
        lines <= 80,
        "README.md has {lines} lines: what is for few belongs into docs/"
    );
    assert!(
        text.contains("use-node-agent=true"),
        "without it the backups hold nothing"
    );
}
