//! Whether what mdBook made hangs together: each link leads to a file of the book, and to a place in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Checks the book in `folder`; how many pages it has, and how many links.
///
/// # Errors
/// Links that lead nowhere.
pub fn check(folder: &Path) -> Result<(usize, usize)> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let here = folder.join(&below);
        for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "html") {
                pages.insert(path.clone(), fs::read_to_string(folder.join(&path))?);
            }
        }
    }
    let mut broken = Vec::new();
    let mut links = 0;
    for (path, text) in &pages {
        // All pages in one, and the page for a wrong address, which is for the root of a server.
        if path.ends_with("print.html") || path.ends_with("404.html") {
            continue;
        }
        for target in targets(text) {
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let meant = match file {
                "" => path.clone(),
                file => plain(&path.with_file_name("").join(file)),
            };
            let has_anchor = || {
                let page = pages.get(&meant);
                page.is_some_and(|page| page.contains(&format!("id=\"{anchor}\"")))
            };
            if !folder.join(&meant).is_file() || !anchor.is_empty() && !has_anchor() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    ensure!(
        broken.is_empty(),
        "links of the book that lead nowhere:\n{}",
        broken.join("\n")
    );
    Ok((pages.len(), links))
}

/// What a page links to within the book.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for attribute in ["href=\"", "src=\""] {
        for behind in text.split(attribute).skip(1) {
            let target = behind.split('"').next().unwrap_or_default();
            let is_elsewhere = target.contains(':') || target.is_empty() || target == "#";
            if !is_elsewhere {
                found.push(target);
            }
        }
    }
    found
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let page = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        page(
            "a.html",
            "<h2 id=\"x\"><a href=\"#x\"> <a href=\"b.html#y\"> <a href=\"https://c.d/e\">",
        );
        page("b.html", "<p id=\"y\"><a href=\"a.html\">");
        assert_eq!(check(folder.path()).unwrap(), (2, 3));
        for wrong in ["c.html", "a.html#y", "#x", "../a.html/b"] {
            page("b.html", &format!("<p id=\"y\"><a href=\"{wrong}\">"));
            let error = check(folder.path()).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
