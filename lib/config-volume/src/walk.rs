//! One reading of the volume, with the eyes of kopia: what a backup would hold, and which databases there are.
//!
//! It decides by name and size first, since a volume may have hundreds of thousands of small files on a slow disk: a file is
//! opened for its header only when its size can be that of a database. Nothing grows with the number of files: they are
//! handed on one by one, in the order in which the file system lists them. What does grow is a path for each folder that
//! is still to be read.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::Arc,
};

use crate::{
    BY_HAND, Error, IGNORE_FILE, LeftOut, Reason, Result, Warning,
    idle::{Header, has_sibling},
    manifest::{IdleDatabase, JournalMode},
    names::is_no_content,
    own::{Named, OwnDatabases, link_warning},
    pattern::exactly,
    rules::{RootRules, Rule, Rules, SIBLINGS, deciding, lines, stays_out},
    tree::{Kind, Listing, OpenFolder, RelPath, Root, Stat},
};

/// The smallest page: every database is a multiple of it.
const SMALLEST_PAGE: u64 = 512;
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
const CACHE_TAG_NAME: &[u8] = b"CACHEDIR.TAG";
const IGNORE_FILE_LIMIT: u64 = 1 << 20;
/// So many names of a folder are kept, so that an ordinary folder is listed once. A larger one is listed again.
const NAMES_AT_ONCE: usize = 1024;
/// No call takes a longer path (`PATH_MAX`), so no backup program reaches what is there.
const LONGEST_PATH: usize = 4095;
/// A volume may be full of odd names; the warnings of so many are enough.
const WARNINGS: usize = 200;

/// What is told of [`BY_HAND`] until somebody removes it.
const KEPT_BY_HAND: &str = "kept by a restore by hand, and in no backup; remove it when the app is healthy";

/// A file or link that the backup will hold.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub path: RelPath,
    pub meta: Stat,
    /// The target of a link.
    pub link: Option<Vec<u8>>,
    /// For a database that nobody uses, which is stored as a file: what proves it unchanged.
    pub database: Option<IdleDatabase>,
    folder: &'a OpenFolder,
}

impl Entry<'_> {
    /// Opens the file to read it.
    pub fn open(&self) -> io::Result<File> {
        self.folder.read(self.path.name().as_encoded_bytes())
    }
}

/// A live database, to be copied.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub path: RelPath,
    pub meta: Metadata,
    pub journal_mode: JournalMode,
    /// Whether it is the app's own: a backup without a sound copy of it is to fail. Any other that cannot be copied is
    /// stored as the file it is.
    pub own: bool,
}

/// What the volume holds, but for its files, which were handed on.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Sorted by path.
    pub databases: Vec<Found>,
    pub left_out: Vec<LeftOut>,
    pub warnings: Vec<Warning>,
    /// Files and links that were handed on.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads the volume, and hands each file and link that is neither left out nor a database to be copied to `visit`, in no
/// order. An error of `visit` ends the walk.
///
/// SQLite must have nothing open in this process meanwhile: closing a file drops the process's locks on it.
///
/// # Errors
/// An ignore file that kopia would fail on or that would store a live database, a database of the app's that cannot be
/// read, or the volume's root cannot be read.
pub(crate) fn walk(
    root: &Root,
    rules: &RootRules,
    own: &OwnDatabases,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<Scan> {
    let mut walker = Walker {
        root,
        own,
        root_rules: rules.rules().len(),
        everything: rules.takes_everything(),
        tally: BTreeMap::new(),
        named: Vec::new(),
        silent: 0,
        scan: Scan::default(),
        visit,
    };
    let mut folders: Vec<(Option<RelPath>, Arc<Rules>)> = vec![(None, Arc::new(rules.rules().clone()))];
    while let Some((path, rules)) = folders.pop() {
        if let Err(error) = walker.folder(path.as_ref(), &rules, &mut folders) {
            match (error, &path) {
                (Trouble::Ours(error), _) => return Err(error),
                (Trouble::Listing(error), None) => {
                    return Err(Error::io("read the volume", root.path())(error));
                }
                (Trouble::Listing(error), Some(path)) => walker.unreadable(path, &error),
            }
        }
    }
    Ok(walker.finish())
}

struct Walker<'a> {
    root: &'a Root,
    own: &'a OwnDatabases,
    /// How many of a folder's rules come from the root's file: the rest is of nested ones.
    root_rules: usize,
    /// Whether ignore files and sizes decide nothing.
    everything: bool,
    tally: BTreeMap<(Reason, String), (u64, u64)>,
    /// The numbers of the own patterns that named something.
    named: Vec<usize>,
    /// Warnings that were too many.
    silent: u64,
    scan: Scan,
    visit: &'a mut dyn FnMut(Entry<'_>) -> Result<()>,
}

/// What ends the reading of a folder.
enum Trouble {
    /// The folder cannot be read.
    Listing(io::Error),
    /// The walk ends.
    Ours(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

/// What a regular file is.
enum Class {
    File,
    Idle(IdleDatabase),
    Database { meta: Metadata, mode: JournalMode },
}

impl Walker<'_> {
    fn folder(
        &mut self,
        path: Option<&RelPath>,
        rules: &Arc<Rules>,
        folders: &mut Vec<(Option<RelPath>, Arc<Rules>)>,
    ) -> std::result::Result<(), Trouble> {
        let folder = self.root.open_folder(path).map_err(Trouble::Listing)?;
        let mut listing = folder.listing().map_err(Trouble::Listing)?;
        let first = First::of(&mut listing).map_err(Trouble::Listing)?;
        if first.has_tag && !self.everything && self.is_tagged_cache(&folder, path)? {
            if let Some(path) = path {
                self.leave_out(Reason::CacheTag, "CACHEDIR.TAG", path, None);
            }
            return Ok(());
        }
        let mut rules = Arc::clone(rules);
        if first.has_ignore_file
            && !self.everything
            && let Some(path) = path
        {
            let nested = nested_rules(self.root, &folder, path)?;
            if !nested.is_empty() {
                rules = Arc::new(rules.iter().cloned().chain(nested).collect());
            }
        }
        let mut again;
        let mut kept;
        let names: &mut dyn Iterator<Item = io::Result<Vec<u8>>> = if first.is_all {
            kept = first.names.into_iter().map(Ok);
            &mut kept
        } else {
            listing.rewind();
            again = listing;
            &mut again
        };
        for name in names {
            let name = name.map_err(Trouble::Listing)?;
            if let Some(below) = self.entry(&folder, path, &name, &rules)? {
                folders.push((Some(below), Arc::clone(&rules)));
            }
        }
        Ok(())
    }

    /// Sorts one entry of a folder in; answers with the path of a folder that is to be read.
    fn entry(
        &mut self,
        folder: &OpenFolder,
        above: Option<&RelPath>,
        name: &[u8],
        rules: &Rules,
    ) -> Result<Option<RelPath>> {
        let path = RelPath::child(above, name);
        if is_no_content(&path) {
            if path.as_bytes() == BY_HAND.as_bytes() && !self.everything {
                self.warn(&path, KEPT_BY_HAND);
            }
            return Ok(None);
        }
        if path.as_bytes().len() > LONGEST_PATH {
            self.warn(&path, "its path is too long: no backup program reaches it");
            return Ok(None);
        }
        let meta = match folder.stat(name) {
            Ok(Some(meta)) => meta,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.unreadable(&path, &error);
                return Ok(None);
            }
        };
        let is_folder = meta.kind == Kind::Folder;
        if let Some(rule) = deciding(rules, &path, is_folder, None) {
            self.leave_out(rule.reason, rule.pattern.text(), &path, Some(&meta));
            return Ok(None);
        }
        match meta.kind {
            Kind::Folder => return Ok(Some(path)),
            Kind::File => self.file(folder, path, meta, rules)?,
            Kind::Link => self.link(folder, path, meta)?,
            Kind::Other => {}
        }
        Ok(None)
    }

    fn link(&mut self, folder: &OpenFolder, path: RelPath, meta: Stat) -> Result<()> {
        let target = folder.target(path.name().as_encoded_bytes()).unwrap_or_default();
        if let Some(named) = self.own.named(&path) {
            self.named.push(named.number);
            self.scan.warnings.push(Warning {
                path: path.clone(),
                text: link_warning(&target),
            });
        }
        self.hand_on(Entry {
            path,
            meta,
            link: Some(target),
            database: None,
            folder,
        })
    }

    fn file(&mut self, folder: &OpenFolder, path: RelPath, meta: Stat, rules: &Rules) -> Result<()> {
        let own = self.own.named(&path);
        let class = match self.classify(folder, &path, &meta, own) {
            Ok(class) => class,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if own.is_some() => return Err(Error::io("read", self.root.full(&path))(error)),
            Err(error) => {
                self.unreadable(&path, &error);
                Class::File
            }
        };
        if let Some(named) = own {
            self.named.push(named.number);
            if meta.size == 0 {
                self.warn(&path, "it is a database of the app's, and empty");
                if named.is_exact {
                    // It is left out: by the time it is read it may be half a database.
                    self.count(Reason::LiveDatabase, live_line(&path), 0);
                    return Ok(());
                }
            } else if matches!(class, Class::File) {
                self.warn(&path, "it has the name of a database of the app's, and is none");
            }
        }
        let database = match class {
            Class::Database { meta, mode } => {
                stays_out(rules.get(self.root_rules..).unwrap_or_default(), &path)?;
                self.count(Reason::LiveDatabase, live_line(&path), meta.size());
                self.scan.databases.push(Found {
                    path,
                    meta,
                    journal_mode: mode,
                    own: own.is_some(),
                });
                return Ok(());
            }
            Class::Idle(database) => Some(database),
            Class::File => {
                if let Some(database) = self.database_beside(folder, &path, rules) {
                    self.count(Reason::LiveDatabase, live_line(&database), meta.size);
                    return Ok(());
                }
                None
            }
        };
        if !path.is_utf8() {
            self.warn(&path, "its name is no UTF-8: Velero stores it under another name");
        }
        self.hand_on(Entry {
            path,
            meta,
            link: None,
            database,
            folder,
        })
    }

    fn hand_on(&mut self, entry: Entry<'_>) -> Result<()> {
        self.scan.files += 1;
        self.scan.bytes = self.scan.bytes.saturating_add(entry.meta.size);
        (self.visit)(entry)
    }

    /// By size, and only then by header. A file of the app's that is named exactly is taken for a database whatever is in
    /// it, so that copying it says what is wrong with it.
    fn classify(
        &self,
        folder: &OpenFolder,
        path: &RelPath,
        meta: &Stat,
        own: Option<Named>,
    ) -> io::Result<Class> {
        let can_be_one = own.is_some() || self.everything || meta.size.is_multiple_of(SMALLEST_PAGE);
        if meta.size == 0 || !can_be_one {
            return Ok(Class::File);
        }
        let name = path.name().as_encoded_bytes();
        let (meta, header) = Header::read(&folder.read(name)?)?;
        if !meta.is_file() || (header.is_none() && !own.is_some_and(|named| named.is_exact)) {
            return Ok(Class::File);
        }
        let now = Stat::from(&meta);
        let is_unused = own.is_none() && self.own.is_old(&now) && !self.own.must_be_copied(path);
        if let Some(header) = header.as_ref().filter(|_| is_unused)
            && !has_sibling(folder, name)?
        {
            return Ok(Class::Idle(IdleDatabase {
                inode: now.inode,
                changed: now.changed,
                change_counter: header.change_counter(),
            }));
        }
        let mode = header.map_or(JournalMode::Rollback, |header| header.journal_mode());
        Ok(Class::Database { meta, mode })
    }

    /// The database that is copied and to which SQLite keeps this file.
    fn database_beside(&self, folder: &OpenFolder, path: &RelPath, rules: &Rules) -> Option<RelPath> {
        let database = SIBLINGS
            .iter()
            .find_map(|suffix| path.without_suffix(suffix))
            .filter(|database| !database.name().is_empty())?;
        let meta = folder
            .stat(database.name().as_encoded_bytes())
            .ok()
            .flatten()
            .filter(|meta| meta.kind == Kind::File)?;
        if deciding(rules, &database, false, None).is_some() {
            return None;
        }
        let own = self.own.named(&database);
        let class = self.classify(folder, &database, &meta, own).ok()?;
        matches!(class, Class::Database { .. }).then_some(database)
    }

    fn unreadable(&mut self, path: &RelPath, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.warn(
                path,
                format!("it cannot be read here ({error}), so it is promised by its size at most"),
            );
        }
    }

    fn warn(&mut self, path: &RelPath, text: impl Into<String>) {
        if self.scan.warnings.len() >= WARNINGS {
            self.silent += 1;
            return;
        }
        self.scan.warnings.push(Warning {
            path: path.clone(),
            text: text.into(),
        });
    }

    /// kopia takes a folder with a valid tag for empty (`fs/ignorefs`, `skipCacheDirectory`).
    fn is_tagged_cache(&self, folder: &OpenFolder, path: Option<&RelPath>) -> Result<bool> {
        let mut head = [0; CACHE_TAG.len()];
        let tagged = matches!(folder.stat(CACHE_TAG_NAME), Ok(Some(meta)) if meta.kind == Kind::File)
            && folder
                .read(CACHE_TAG_NAME)
                .is_ok_and(|mut file| file.read_exact(&mut head).is_ok() && head == *CACHE_TAG);
        if tagged && path.is_none() {
            return Err(Error::IgnoreFile {
                path: RelPath::child(None, CACHE_TAG_NAME).to_string(),
                reason: "with it in the root of the volume a backup would hold nothing".to_owned(),
            });
        }
        Ok(tagged)
    }

    /// Counts what a rule leaves out: a file, or a folder with all that is in it.
    fn leave_out(&mut self, reason: Reason, pattern: &str, path: &RelPath, meta: Option<&Stat>) {
        let sum = self.tally.entry((reason, pattern.to_owned())).or_default();
        match meta.map(|meta| meta.kind) {
            Some(Kind::File) => {
                let size = meta.map_or(0, |meta| meta.size);
                *sum = (sum.0 + 1, sum.1.saturating_add(size));
                return;
            }
            Some(Kind::Folder) | None => {}
            Some(Kind::Link | Kind::Other) => return,
        }
        let mut folders = vec![path.clone()];
        while let Some(path) = folders.pop() {
            let Ok(folder) = self.root.open_folder(Some(&path)) else {
                continue;
            };
            let Ok(listing) = folder.listing() else { continue };
            for name in listing.map_while(io::Result::ok) {
                match folder.stat(&name) {
                    Ok(Some(meta)) if meta.kind == Kind::Folder => {
                        folders.push(RelPath::child(Some(&path), &name));
                    }
                    Ok(Some(meta)) if meta.kind == Kind::File => {
                        *sum = (sum.0 + 1, sum.1.saturating_add(meta.size));
                    }
                    _ => {}
                }
            }
        }
    }

    fn count(&mut self, reason: Reason, line: String, bytes: u64) {
        let sum = self.tally.entry((reason, line)).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(bytes));
    }

    fn finish(mut self) -> Scan {
        if self.silent > 0
            && let Some(last) = self.scan.warnings.last_mut()
        {
            last.text = format!("{}; {} more warnings are not listed", last.text, self.silent);
        }
        self.scan
            .warnings
            .extend(self.own.missing(self.root, &self.named));
        self.scan.databases.sort_by(|a, b| a.path.cmp(&b.path));
        self.scan.left_out = self
            .tally
            .into_iter()
            .map(|((reason, pattern), (files, bytes))| LeftOut {
                pattern,
                reason,
                files,
                bytes,
            })
            .collect();
        self.scan
    }
}

/// The line that leaves a live database out, as it stands in the report.
pub(crate) fn live_line(path: &RelPath) -> String {
    String::from_utf8_lossy(&exactly(path.as_bytes())).into_owned()
}

fn nested_rules(root: &Root, folder: &OpenFolder, path: &RelPath) -> Result<Vec<Arc<Rule>>> {
    let name = IGNORE_FILE.as_bytes();
    let file = RelPath::child(Some(path), name);
    match folder.stat(name) {
        Ok(Some(meta)) if meta.kind == Kind::File => {}
        _ => return Ok(Vec::new()),
    }
    let mut text = Vec::new();
    folder
        .read(name)
        .and_then(|file| file.take(IGNORE_FILE_LIMIT + 1).read_to_end(&mut text))
        .map_err(Error::io("read", root.full(&file)))?;
    if text.len() as u64 > IGNORE_FILE_LIMIT {
        return Err(Error::IgnoreFile {
            path: file.to_string(),
            reason: format!("it is larger than {IGNORE_FILE_LIMIT} bytes"),
        });
    }
    let base = [b"/", path.as_bytes()].concat();
    Ok(lines(&text, &base, file)?.into_iter().map(Arc::new).collect())
}

/// What has to be known of a folder before its entries are judged.
struct First {
    /// The first names.
    names: Vec<Vec<u8>>,
    /// Whether those are all.
    is_all: bool,
    has_tag: bool,
    has_ignore_file: bool,
}

impl First {
    fn of(listing: &mut Listing) -> io::Result<Self> {
        let mut first = Self {
            names: Vec::new(),
            is_all: true,
            has_tag: false,
            has_ignore_file: false,
        };
        for name in listing {
            let name = name?;
            first.has_tag |= name == CACHE_TAG_NAME;
            first.has_ignore_file |= name == IGNORE_FILE.as_bytes();
            if first.names.len() < NAMES_AT_ONCE {
                first.names.push(name);
            } else {
                first.is_all = false;
            }
        }
        Ok(first)
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
