//! One reading of the volume, with the eyes of kopia: what a backup would hold, and which databases there are.

use std::{
    collections::{BTreeMap, HashSet},
    fs::Metadata,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::Arc,
};

use crate::{
    Error, IGNORE_FILE, LeftOut, Reason, Result, Warning,
    folder::HEADING,
    manifest::JournalMode,
    names::is_ours,
    pattern::{Pattern, exactly, runes},
    tree::{RelPath, Root},
};

/// What SQLite keeps beside a database under its name.
pub(crate) const SIBLINGS: [&str; 3] = ["-wal", "-shm", "-journal"];
const HEADER: &[u8; 16] = b"SQLite format 3\0";
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
const IGNORE_FILE_LIMIT: u64 = 1 << 20;

/// A line of an ignore file with its author.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub pattern: Pattern,
    pub reason: Reason,
}

/// The ignore file in the root of the volume, line by line.
#[derive(Debug, Default)]
pub(crate) struct RootRules {
    text: Vec<u8>,
    rules: Vec<Arc<Rule>>,
}

impl RootRules {
    /// The user's lines come first, so that none of them can undo one of ours.
    pub fn new(user: Option<&[u8]>, leave_out: &[String]) -> Result<Self> {
        let mut all = Self {
            text: format!("{HEADING}\n").into_bytes(),
            rules: Vec::new(),
        };
        let user = user.unwrap_or_default();
        for rule in lines(user, b"", IGNORE_FILE)? {
            all.rules.push(Arc::new(rule));
        }
        all.text.extend(user);
        if !user.is_empty() {
            all.text.extend(b"\n");
            for line in ["!/.config-backup", "!/.config-backup/**"] {
                all.text.extend([line.as_bytes(), b"\n"].concat());
            }
        }
        for line in [
            "/.config-backup/lock",
            "/.config-backup/local/",
            "/.config-restore",
        ] {
            all.text.extend([line.as_bytes(), b"\n"].concat());
        }
        for line in leave_out {
            all.push(line.as_bytes(), Reason::Cache)?;
        }
        Ok(all)
    }

    fn push(&mut self, line: &[u8], reason: Reason) -> Result<()> {
        let pattern = Pattern::parse(line, b"").map_err(|reason| Error::Pattern {
            pattern: String::from_utf8_lossy(line).into_owned(),
            reason,
        })?;
        self.text.extend([line, b"\n"].concat());
        self.rules.push(Arc::new(Rule { pattern, reason }));
        Ok(())
    }

    /// Leaves out a live database with exactly the files that SQLite keeps beside it.
    pub fn push_database(&mut self, path: &RelPath) -> Result<()> {
        self.push(&exactly(path.as_bytes()), Reason::LiveDatabase)?;
        for suffix in SIBLINGS {
            self.push(
                &exactly(path.with_suffix(suffix).as_bytes()),
                Reason::LiveDatabase,
            )?;
        }
        Ok(())
    }

    /// The file's bytes.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

fn lines(text: &[u8], base: &[u8], file: impl ToString) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (number, line) in text.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") || line.trim_ascii().is_empty() {
            continue;
        }
        let pattern = Pattern::parse(line, base).map_err(|reason| Error::IgnoreFile {
            path: file.to_string(),
            reason: format!("line {}: {reason}", number + 1),
        })?;
        rules.push(Rule {
            pattern,
            reason: Reason::User,
        });
    }
    Ok(rules)
}

/// A file or link that the backup will hold.
#[derive(Debug)]
pub(crate) struct Entry {
    pub path: RelPath,
    pub meta: Metadata,
    pub link: Option<Vec<u8>>,
}

/// A live database.
#[derive(Debug)]
pub(crate) struct Found {
    pub path: RelPath,
    pub meta: Metadata,
    pub journal_mode: JournalMode,
}

/// What the volume holds.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub files: Vec<Entry>,
    pub databases: Vec<Found>,
    pub left_out: Vec<LeftOut>,
    pub warnings: Vec<Warning>,
}

struct Walker<'a> {
    root: &'a Root,
    ignore: &'a [Pattern],
    tally: BTreeMap<(Reason, String), (u64, u64)>,
    walk: Walk,
}

type Rules = Vec<Arc<Rule>>;

/// Reads the volume. `ignore` names files with SQLite's header that are to be stored as they are.
pub(crate) fn walk(root: &Root, root_rules: &RootRules, ignore: &[Pattern]) -> Result<Walk> {
    let mut walker = Walker {
        root,
        ignore,
        tally: BTreeMap::new(),
        walk: Walk::default(),
    };
    let mut folders: Vec<(Option<RelPath>, Rules)> = vec![(None, root_rules.rules.clone())];
    while let Some((folder, mut rules)) = folders.pop() {
        let names = match root.names(folder.as_ref()) {
            Ok(names) => names,
            Err(error) => match &folder {
                None => return Err(Error::io("read the volume", root.path())(error)),
                Some(path) => {
                    walker.unreadable(path, &error);
                    continue;
                }
            },
        };
        if walker.is_tagged_cache(folder.as_ref())? {
            if let Some(path) = &folder {
                walker.leave_out(Reason::CacheTag, "CACHEDIR.TAG", path);
            }
            continue;
        }
        if let Some(path) = &folder {
            rules.extend(walker.nested_rules(path)?);
        }
        for name in names {
            let path = RelPath::child(folder.as_ref(), &name);
            if is_ours(&path) {
                continue;
            }
            let meta = match root.look(&path) {
                Ok(Some(meta)) => meta,
                Ok(None) => continue,
                Err(error) => {
                    walker.unreadable(&path, &error);
                    continue;
                }
            };
            if let Some(rule) = deciding(&rules, &path, meta.is_dir(), None) {
                walker.leave_out(rule.reason, rule.pattern.text(), &path);
            } else if meta.is_dir() {
                folders.push((Some(path), rules.clone()));
            } else {
                let nested = rules.get(root_rules.rules.len()..).unwrap_or_default();
                walker.take(path, meta, nested)?;
            }
        }
    }
    Ok(walker.finish())
}

/// The rule that leaves a path out, if it is left out. `start` is a rule that does so before the others are read.
fn deciding<'r>(
    rules: &'r [Arc<Rule>],
    path: &RelPath,
    is_folder: bool,
    start: Option<&'r Rule>,
) -> Option<&'r Rule> {
    let text = runes(&[b"/", path.as_bytes()].concat());
    let mut left_out = start;
    for rule in rules {
        match (
            left_out.is_some(),
            rule.pattern.leaves_out(left_out.is_some(), &text, is_folder),
        ) {
            (false, true) => left_out = Some(rule),
            (true, false) => left_out = None,
            _ => {}
        }
    }
    left_out
}

impl Walker<'_> {
    fn unreadable(&mut self, path: &RelPath, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.warn(
                path,
                format!("it cannot be read here ({error}), so it is promised by its size at most"),
            );
        }
    }

    fn warn(&mut self, path: &RelPath, text: impl Into<String>) {
        self.walk.warnings.push(Warning {
            path: path.clone(),
            text: text.into(),
        });
    }

    /// kopia takes a folder with a valid tag for empty (`fs/ignorefs`, `skipCacheDirectory`).
    fn is_tagged_cache(&self, folder: Option<&RelPath>) -> Result<bool> {
        let tag = RelPath::child(folder, b"CACHEDIR.TAG");
        let tagged = self
            .head::<43>(&tag)
            .ok()
            .flatten()
            .is_some_and(|head| head == *CACHE_TAG);
        if tagged && folder.is_none() {
            return Err(Error::IgnoreFile {
                path: tag.to_string(),
                reason: "with it in the root of the volume a backup would hold nothing".to_owned(),
            });
        }
        Ok(tagged)
    }

    fn nested_rules(&self, folder: &RelPath) -> Result<Vec<Arc<Rule>>> {
        let path = RelPath::child(Some(folder), IGNORE_FILE.as_bytes());
        match self.root.look(&path) {
            Ok(Some(meta)) if meta.is_file() => {}
            _ => return Ok(Vec::new()),
        }
        let mut text = Vec::new();
        let read = self
            .root
            .read(&path)
            .and_then(|file| file.take(IGNORE_FILE_LIMIT).read_to_end(&mut text));
        read.map_err(Error::io("read", self.root.full(&path)))?;
        let base = [b"/", folder.as_bytes()].concat();
        Ok(lines(&text, &base, path)?.into_iter().map(Arc::new).collect())
    }

    /// The first bytes of a regular file; `None` when there are fewer or it is something else.
    fn head<const N: usize>(&self, path: &RelPath) -> io::Result<Option<[u8; N]>> {
        let mut head = [0; N];
        let mut file = self.root.read(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        match file.read_exact(&mut head) {
            Ok(()) => Ok(Some(head)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sorts a file, link or anything else in.
    fn take(&mut self, path: RelPath, meta: Metadata, nested: &[Arc<Rule>]) -> Result<()> {
        if meta.is_symlink() {
            let link = self.root.target(&path).unwrap_or_default();
            self.walk.files.push(Entry {
                path,
                meta,
                link: Some(link),
            });
            return Ok(());
        }
        if !meta.is_file() {
            return Ok(()); // Sockets, fifos and devices: kopia stores none of them.
        }
        match self.head::<20>(&path) {
            Ok(Some(head)) if head.starts_with(HEADER) => {
                let text = runes(&[b"/", path.as_bytes()].concat());
                if self
                    .ignore
                    .iter()
                    .any(|pattern| pattern.leaves_out(false, &text, false))
                {
                    self.warn(
                        &path,
                        "it has SQLite's header and is stored as it is, because `ignore` names it",
                    );
                } else {
                    stays_out(nested, &path)?;
                    let journal_mode = if head.get(18) == Some(&2) {
                        JournalMode::Wal
                    } else {
                        JournalMode::Rollback
                    };
                    self.walk.databases.push(Found {
                        path,
                        meta,
                        journal_mode,
                    });
                    return Ok(());
                }
            }
            Ok(_) => {}
            Err(error) => self.unreadable(&path, &error),
        }
        if !path.is_utf8() {
            self.warn(&path, "its name is no UTF-8: Velero stores it under another name");
        }
        self.walk.files.push(Entry {
            path,
            meta,
            link: None,
        });
        Ok(())
    }

    fn leave_out(&mut self, reason: Reason, pattern: &str, path: &RelPath) {
        let (mut files, mut bytes) = (0, 0);
        let mut todo = vec![path.clone()];
        while let Some(path) = todo.pop() {
            let Ok(Some(meta)) = self.root.look(&path) else {
                continue;
            };
            if meta.is_dir() {
                let names = self.root.names(Some(&path)).unwrap_or_default();
                todo.extend(names.iter().map(|name| RelPath::child(Some(&path), name)));
            } else if meta.is_file() {
                files += 1;
                bytes += meta.size();
            }
        }
        let sum = self.tally.entry((reason, pattern.to_owned())).or_default();
        *sum = (sum.0 + files, sum.1 + bytes);
    }

    fn finish(mut self) -> Walk {
        let databases: HashSet<&RelPath> = self.walk.databases.iter().map(|d| &d.path).collect();
        let owner = |path: &RelPath| {
            SIBLINGS
                .iter()
                .filter_map(|suffix| path.without_suffix(suffix))
                .find(|db| databases.contains(db))
        };
        let (siblings, files): (Vec<_>, Vec<_>) = std::mem::take(&mut self.walk.files)
            .into_iter()
            .partition(|entry| owner(&entry.path).is_some());
        let live = self
            .walk
            .databases
            .iter()
            .map(|d| (d.path.clone(), d.meta.size()));
        let beside = siblings
            .iter()
            .filter_map(|s| Some((owner(&s.path)?, s.meta.size())));
        for (database, size) in live.chain(beside).collect::<Vec<_>>() {
            let line = String::from_utf8_lossy(&exactly(database.as_bytes())).into_owned();
            let sum = self.tally.entry((Reason::LiveDatabase, line)).or_default();
            *sum = (sum.0 + 1, sum.1 + size);
        }
        self.walk.files = files;
        self.walk.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.walk.databases.sort_by(|a, b| a.path.cmp(&b.path));
        self.walk.left_out = self
            .tally
            .into_iter()
            .map(|((reason, pattern), (files, bytes))| LeftOut {
                pattern,
                reason,
                files,
                bytes,
            })
            .collect();
        self.walk
    }
}

/// An ignore file in a deeper folder can take back a line of the root's. It must not bring a live database in.
fn stays_out(nested: &[Arc<Rule>], path: &RelPath) -> Result<()> {
    let names = [""]
        .into_iter()
        .chain(SIBLINGS)
        .map(|suffix| path.with_suffix(suffix));
    for name in names {
        let pattern = Pattern::parse(&exactly(name.as_bytes()), b"").map_err(|reason| Error::Pattern {
            pattern: name.to_string(),
            reason,
        })?;
        let start = Rule {
            pattern,
            reason: Reason::LiveDatabase,
        };
        if deciding(nested, &name, false, Some(&start)).is_none() {
            return Err(Error::IgnoreFile {
                path: format!("{IGNORE_FILE} in a folder above {path}"),
                reason: format!("a line with `!` in it would store {name} while it is written"),
            });
        }
    }
    Ok(())
}
