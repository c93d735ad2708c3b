//! The book's sources, as mdBook takes them. Pages link to texts outside of `docs/` as they lie in the repository; mdBook knows only what is in its folder. So
//! those come into the book as pages of their own, and links to files that are no text become plain words.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

/// The folder of the pages.
const PAGES: &str = "docs/src";

/// Lays out `folder` anew; how many texts came from outside of `docs/`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn stage(repository: &Path, folder: &Path) -> Result<usize> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let settings = read(&repository.join("docs/book.toml"))?;
    write(
        &folder.join("book.toml"),
        &settings.replace("../target/book", "../book"),
    )?;
    let mut staging = Staging {
        repository,
        pages: folder.join("src"),
        waiting: pages(&repository.join(PAGES))?,
        outside: BTreeSet::new(),
    };
    let mut done = BTreeSet::new();
    while let Some(page) = staging.waiting.pop() {
        if done.insert(page.clone()) {
            staging.page(&page)?;
        }
    }
    let mut summary = read(&staging.pages.join("SUMMARY.md"))?;
    summary.push_str("\n# In the repository\n\n");
    for path in &staging.outside {
        let _ = writeln!(summary, "- [{path}](repository/{})", flat(path));
    }
    write(&staging.pages.join("SUMMARY.md"), &summary)?;
    Ok(staging.outside.len())
}

/// The pages in a folder and below, as paths below the repository.
fn pages(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let here = folder.join(&below);
        for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => folders.push(path),
                false => found.push(format!("{PAGES}/{}", path.display())),
            }
        }
    }
    Ok(found)
}

struct Staging<'a> {
    repository: &'a Path,
    /// Where the pages go.
    pages: PathBuf,
    waiting: Vec<String>,
    /// Texts from outside of the book.
    outside: BTreeSet<String>,
}

impl Staging<'_> {
    fn page(&mut self, path: &str) -> Result<()> {
        let text = read(&self.repository.join(path))?;
        if !path.ends_with(".md") {
            // A picture, at its place in the book.
            return write(
                &self
                    .pages
                    .join(path.trim_start_matches(PAGES).trim_start_matches('/')),
                &text,
            );
        }
        let to = match path.strip_prefix(PAGES) {
            Some(inside) => inside.trim_start_matches('/').to_owned(),
            None => format!("repository/{}", flat(path)),
        };
        let mut staged = String::new();
        let mut is_block = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                is_block = !is_block;
            }
            match is_block {
                true => staged.push_str(line),
                false => staged.push_str(&self.line(path, &to, line)?),
            }
            staged.push('\n');
        }
        write(&self.pages.join(to), &staged)
    }

    /// A line with links that are good in the book.
    fn line(&mut self, path: &str, to: &str, line: &str) -> Result<String> {
        // Where a name of the text leads to in the sources.
        if line.starts_with('[') && line.contains("]: ") && !line.contains("://") {
            return Ok(String::new());
        }
        let mut staged = String::new();
        let mut rest = line;
        while let Some((before, behind)) = rest.split_once("](") {
            staged.push_str(before);
            let Some((target, after)) = behind.split_once(')') else {
                staged.push_str("](");
                rest = behind;
                continue;
            };
            match self.target(path, to, target)? {
                Some(target) => {
                    let _ = write!(staged, "]({target})");
                }
                None => {
                    if let Some(begin) = staged.rfind('[') {
                        staged.remove(begin);
                    }
                }
            }
            rest = after;
        }
        Ok(staged + rest)
    }

    /// Where a link leads in the book; `None` for nowhere.
    fn target(&mut self, path: &str, to: &str, target: &str) -> Result<Option<String>> {
        if target.contains("://") || target.starts_with('#') {
            return Ok(Some(target.to_owned()));
        }
        let (file, anchor) = target
            .split_once('#')
            .map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let Some(meant) = plain(&folder.join(file)) else {
            return Ok(None);
        };
        let up = "../".repeat(to.matches('/').count());
        let within = match meant.strip_prefix(&format!("{PAGES}/")) {
            Some(inside) => inside.to_owned(),
            None if meant.ends_with(".md") => {
                self.outside.insert(meant.clone());
                self.waiting.push(meant.clone());
                format!("repository/{}", flat(&meant))
            }
            None if meant.ends_with(".svg") => {
                let copy = self.pages.join("repository").join(flat(&meant));
                write(&copy, &read(&self.repository.join(&meant))?)?;
                format!("repository/{}", flat(&meant))
            }
            None => return Ok(None),
        };
        let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
        Ok(Some(format!("{up}{within}{anchor}")))
    }
}

/// The name in one folder. mdBook makes the index of a folder of each README.md.
fn flat(path: &str) -> String {
    path.replace('/', "-").replace("README.md", "about.md")
}

/// The path without `.` and `..`; `None` when it leaves the repository.
fn plain(path: &Path) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::repository;

    #[test]
    fn links_out_of_the_book_lead_to_pages_in_it_or_are_words() {
        let folder = tempfile::tempdir().unwrap();
        let staged = folder.path().join("staged");
        let outside = stage(&repository().unwrap(), &staged).unwrap();
        assert!(outside > 5, "{outside}");
        let text = |path: &str| fs::read_to_string(staged.join("src").join(path)).unwrap();
        let page = text("explanation/security.md");
        assert!(
            page.contains("(../repository/SECURITY.md)") && page.contains("(../reference/kubernetes.md)"),
            "{page}"
        );
        assert!(text("SUMMARY.md").contains("(repository/configuratarr-about.md)"));
        let readme = text("repository/configuratarr-about.md");
        assert!(
            readme.contains("(../repository/configuratarr-pictures-status.svg)"),
            "{readme}"
        );
        // A folder of sources is nothing that a book has.
        assert!(readme.contains("The schemas are in `schemas/`"), "{readme}");
        assert!(
            staged
                .join("src/repository/configuratarr-pictures-status.svg")
                .is_file()
        );
    }
}
