//! Which databases are the app's own, and which ones nobody uses.

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Options, Result, Warning,
    pattern::{Pattern, runes},
    tree::{RelPath, Root, Stat},
};

/// The databases that a backup must hold as sound copies, and the age from which on any other is taken for unused. The
/// default names none and takes none for unused.
#[derive(Debug)]
pub(crate) struct OwnDatabases {
    patterns: Vec<Pattern>,
    /// Others that a backup has to copy, unused or not.
    also: HashSet<RelPath>,
    /// Seconds since 1970; what was written or changed after it may be in use.
    idle_before: i64,
}

impl Default for OwnDatabases {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            also: HashSet::new(),
            idle_before: i64::MIN,
        }
    }
}

impl OwnDatabases {
    /// # Errors
    /// A pattern that cannot be used.
    pub fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            patterns: Options::patterns(&options.databases)?,
            also: HashSet::new(),
            idle_before: options
                .time()
                .checked_sub(options.idle_after)
                .map_or(i64::MIN, seconds),
        })
    }

    /// The pattern that names a path.
    pub fn named(&self, path: &RelPath) -> Option<Named> {
        if self.patterns.is_empty() {
            return None;
        }
        let text = runes(&[b"/", path.as_bytes()].concat());
        let number = self
            .patterns
            .iter()
            .position(|pattern| pattern.leaves_out(false, &text, false))?;
        Some(Named {
            number,
            is_exact: self.patterns.get(number).is_some_and(Pattern::is_literal),
        })
    }

    /// Has databases copied that nobody uses, because another backup that runs holds copies of them and leaves the files out.
    pub fn copy_also(&mut self, paths: impl IntoIterator<Item = RelPath>) {
        self.also.extend(paths);
    }

    /// Whether a backup that holds this database as a file would be wrong.
    pub fn must_be_copied(&self, path: &RelPath) -> bool {
        self.also.contains(path)
    }

    /// Whether nobody wrote to a file for long, nor changed anything else about it.
    pub fn is_old(&self, meta: &Stat) -> bool {
        meta.modified.0 < self.idle_before && meta.changed.0 < self.idle_before
    }

    /// The app's databases by their very paths that are not there, or are empty files: the app may make them at any moment.
    pub fn awaited<'a>(&'a self, root: &'a Root) -> impl Iterator<Item = RelPath> + 'a {
        let paths = self.patterns.iter().filter_map(Pattern::path);
        paths
            .filter_map(|path| RelPath::new(path.trim_start_matches('/')).ok())
            .filter(|path| match root.look(path) {
                Ok(Some(meta)) => meta.is_file() && meta.len() == 0,
                Ok(None) => true,
                Err(_) => false,
            })
    }

    /// What a person should know about the patterns that named nothing. `found` has the numbers of those that did.
    pub fn missing<'a>(&'a self, root: &'a Root, found: &'a [usize]) -> impl Iterator<Item = Warning> + 'a {
        self.patterns
            .iter()
            .enumerate()
            .filter(|(number, _)| !found.contains(number))
            .filter_map(|(_, pattern)| {
                let path = RelPath::new(pattern.text().trim_matches('/')).ok()?;
                let text = why_missing(root, &path);
                Some(Warning { path, text })
            })
    }
}

/// How a path is named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    /// The number of the pattern.
    pub number: usize,
    /// Whether the pattern names this path alone. Of others that it names, some may be no databases.
    pub is_exact: bool,
}

fn seconds(time: SystemTime) -> i64 {
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => seconds(since.as_secs()),
        Err(before) => -seconds(before.duration().as_secs()),
    }
}

fn why_missing(root: &Root, path: &RelPath) -> String {
    let mut above = path.parent();
    while let Some(folder) = above {
        if root
            .look(&folder)
            .is_ok_and(|meta| meta.is_some_and(|meta| meta.is_symlink()))
        {
            return format!(
                "it is a database of the app's and not in this backup: {folder} is a symbolic link to {}",
                shown(&root.target(&folder).unwrap_or_default())
            );
        }
        above = folder.parent();
    }
    match root.look(path) {
        Ok(Some(meta)) if meta.is_file() => {
            "it is a database of the app's and not in this backup: a line of an ignore file leaves it out"
                .to_owned()
        }
        Ok(Some(_)) => "a database of the app's is expected there, and it is no file".to_owned(),
        _ => "it is missing: a database of the app's is expected there".to_owned(),
    }
}

/// What a person should know about a database of the app's that is a link.
pub(crate) fn link_warning(target: &[u8]) -> String {
    format!(
        "it is a symbolic link to {}: the backup holds the link, and what it leads to only if that is on this volume",
        shown(target)
    )
}

/// A link's target for people: control characters are escaped.
fn shown(target: &[u8]) -> String {
    String::from_utf8_lossy(target).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_old_when_neither_its_content_nor_anything_else_of_it_changed_for_long() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        let meta = Stat::from(&fs::metadata(folder.path().join("a")).unwrap());
        let own = OwnDatabases {
            idle_before: 100,
            ..OwnDatabases::default()
        };
        for (modified, changed, is_old) in [
            (99, 99, true),
            (100, 99, false),
            (99, 100, false),
            (100, 100, false),
        ] {
            let meta = Stat {
                modified: (modified, 0),
                changed: (changed, 0),
                ..meta
            };
            assert_eq!(own.is_old(&meta), is_old, "{modified} {changed}");
        }
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(5)), -5);
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_secs(5)), 5);
    }

    #[test]
    fn a_database_of_the_apps_is_awaited_where_there_is_none_yet() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("there.db"), "x").unwrap();
        fs::write(folder.path().join("empty.db"), "").unwrap();
        fs::create_dir(folder.path().join("folder.db")).unwrap();
        let names = ["/there.db", "/empty.db", "/folder.db", "/nothing.db"];
        let options = Options {
            databases: names.map(str::to_owned).into(),
            ..Options::default()
        };
        let own = OwnDatabases::new(&options).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let awaited: Vec<_> = own.awaited(&root).map(|path| path.to_string()).collect();
        assert_eq!(awaited, ["empty.db", "nothing.db"]);
    }
}
