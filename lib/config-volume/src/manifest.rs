//! What a backup promises to hold, as JSON beside the copies: the head. The list of files is a file of its own, see
//! [`crate::files`].

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{
    Answer, Error, Result,
    ask::is_plain,
    files::{FILES, Files},
    hash::hex,
    tree::RelPath,
};

/// `format` of every manifest.
pub const FORMAT: &str = "config-volume";
/// `version` of the manifests that this crate writes. Version 2, which says nothing about the app, and version 1, which holds the
/// list of files itself, are read too.
pub const VERSION: u32 = 3;
/// The head's name in a set.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Above this many bytes a head is not read. What is in it grows with the databases, of which a volume has a few; in
/// version 1 with the files: a million of them took less.
const SIZE_LIMIT: u64 = 512 << 20;
/// A manifest says no more than so many things of the app and what it holds.
const SAID: usize = 200;
/// What it says has no more bytes than this, each.
const SHOWN: usize = 500;

/// The manifest of one set of copies: the file `manifest.json` of the set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// [`VERSION`], or an older one.
    pub version: u32,
    /// When it was made: seconds since 1970, by the clock of the machine that ran the app.
    pub made: u64,
    /// The databases, each with its copy.
    pub databases: Vec<DatabaseEntry>,
    /// How many other files the backup will hold. Files of this crate are not among them.
    pub file_count: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// What the backup will not hold.
    pub left_out: Vec<LeftOut>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// What the caller wrote down of the app that uses the volume ([`crate::Options::about`]). Empty before version 3.
    #[serde(default)]
    pub about: BTreeMap<String, String>,
    /// What the databases held ([`crate::Options::questions`]). Empty before version 3.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

/// One database and its copy. The manifest is stored before the copy is checked, so it says nothing of that:
/// [`crate::finish`] checks it after the backup, [`crate::verify`] after a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseEntry {
    /// Where the live database is and where the copy belongs.
    pub path: RelPath,
    /// The copy's name in the folder `databases` of the set.
    pub copy: String,
    /// Bytes of the copy.
    pub size: u64,
    /// Permission bits of the live file, as a number.
    pub mode: u32,
    /// Owner of the live file.
    pub uid: u32,
    /// Group of the live file.
    pub gid: u32,
    /// BLAKE3 of the copy, hexadecimal.
    pub blake3: String,
    /// How the database keeps its transactions.
    pub journal_mode: JournalMode,
    /// Whether it is the app's own ([`crate::Options::databases`]). Damage of any other is told and fails nothing: the app may
    /// keep a damaged file that it does not need. Before version 2 every database counted as the app's own.
    #[serde(default = "yes")]
    pub own: bool,
}

fn yes() -> bool {
    true
}

/// How a database keeps its transactions, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalMode {
    /// A write-ahead log.
    Wal,
    /// A rollback journal: delete, truncate or persist.
    Rollback,
}

/// An ordinary file or a symbolic link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Whether the file stayed the same while the backup was prepared. Only such a file is promised.
    pub stable: bool,
    /// Where it is.
    pub path: RelPath,
    /// Bytes; for a link those of its target's text.
    pub size: u64,
    /// Permission bits, as a number.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When it was last written: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// BLAKE3, hexadecimal; `None` for a file above the limits or that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// The target of a symbolic link, hexadecimal when it is no UTF-8; `None` for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// For a database that nobody has open, which is therefore stored as the file it is: what proves it unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<IdleDatabase>,
}

/// What tells that nobody wrote to a database that is stored as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleDatabase {
    /// Inode number.
    pub inode: u64,
    /// When content, owner, mode or name last changed: seconds and nanoseconds since 1970.
    pub changed: (i64, u32),
    /// The change counter in the header, at 24 (sqlite.org/fileformat2.html, "File change counter").
    pub change_counter: u32,
}

/// What one pattern leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The line of the ignore file.
    pub pattern: String,
    /// Whose line it is.
    pub reason: Reason,
    /// Files.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// Why something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A live database and its `-wal`, `-shm` and `-journal`: the copy is stored in its place.
    LiveDatabase,
    /// A pattern of [`crate::Options::leave_out`].
    Cache,
    /// A line of a `.kopiaignore` of the user's.
    User,
    /// A folder with a `CACHEDIR.TAG`, which kopia takes for empty.
    CacheTag,
}

/// Something that a person should know about one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Which file or folder.
    pub path: RelPath,
    /// What about it.
    pub text: String,
}

impl Manifest {
    /// Reads a head; never panics on hostile text.
    ///
    /// # Errors
    /// What is wrong, in words: no JSON of this form, another format, another version, two databases with one path or
    /// copy, or a name that could lead elsewhere.
    pub fn parse(text: &[u8]) -> std::result::Result<Self, String> {
        match parse(text) {
            Ok((manifest, _)) => Ok(manifest),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// Bytes that the backup will hold: the copies and the ordinary files.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.databases
            .iter()
            .map(|d| d.size)
            .fold(self.file_bytes, u64::saturating_add)
    }
}

/// Reads the head of the set in a folder, and says where its list of files is.
///
/// # Errors
/// [`Error::Manifest`]: it is missing, cannot be read, or is none. [`Error::LaterManifest`]: a later program made it.
pub(crate) fn read_set(folder: &Path) -> Result<(Manifest, Files)> {
    let path = folder.join(MANIFEST);
    let wrong = |reason: String| Error::Manifest {
        path: path.clone(),
        reason,
    };
    let read = || -> std::io::Result<Vec<u8>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        if meta.size() > SIZE_LIMIT {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let mut text = Vec::new();
        file.take(SIZE_LIMIT).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("it is missing".to_owned()),
        _ => wrong(error.to_string()),
    })?;
    let (manifest, inline) = parse(&text).map_err(|fault| match fault {
        Fault::Later(version) => Error::LaterManifest {
            path: path.clone(),
            version,
        },
        Fault::Wrong(reason) => wrong(reason),
    })?;
    let files = match inline {
        Some(entries) => Files::Inline(entries),
        None => Files::Lines(folder.join(FILES)),
    };
    Ok((manifest, files))
}

/// Why a text is no manifest for this program.
#[derive(Debug)]
enum Fault {
    /// It is one of this later version.
    Later(u32),
    /// Anything else, in words.
    Wrong(String),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(version) => write!(
                f,
                "its version is {version}, this program reads versions up to {VERSION}"
            ),
            Self::Wrong(reason) => f.write_str(reason),
        }
    }
}

/// A head, and the files that a version 1 has in it.
fn parse(text: &[u8]) -> std::result::Result<(Manifest, Option<Vec<FileEntry>>), Fault> {
    #[derive(Deserialize)]
    struct Form {
        format: String,
        version: u32,
    }
    let form: Form = serde_json::from_slice(text).map_err(|error| format!("it is no manifest: {error}"))?;
    if form.format != FORMAT {
        return Err(format!("its format is `{}`, not `{FORMAT}`", form.format.escape_debug()).into());
    }
    let damaged = |error: serde_json::Error| format!("it is damaged: {error}");
    let (manifest, files) = match form.version {
        1 => {
            let First {
                made,
                databases,
                files,
                left_out,
                warnings,
            } = serde_json::from_slice(text).map_err(damaged)?;
            let manifest = Manifest {
                format: form.format,
                version: form.version,
                made,
                databases,
                file_count: files.len() as u64,
                file_bytes: files.iter().map(|f| f.size).fold(0, u64::saturating_add),
                left_out,
                warnings,
                about: BTreeMap::new(),
                answers: Vec::new(),
            };
            (manifest, Some(files))
        }
        2 | VERSION => (serde_json::from_slice(text).map_err(damaged)?, None),
        later if later > VERSION => return Err(Fault::Later(later)),
        other => return Err(format!("its version is {other}, and there is none such").into()),
    };
    refuse_lies(&manifest)?;
    Ok((manifest, files))
}

/// What version 1 holds besides format and version.
#[derive(Deserialize)]
struct First {
    made: u64,
    databases: Vec<DatabaseEntry>,
    files: Vec<FileEntry>,
    left_out: Vec<LeftOut>,
    warnings: Vec<Warning>,
}

/// A manifest may come from a hostile backup: no name in it may lead elsewhere, and nothing is named twice.
fn refuse_lies(manifest: &Manifest) -> std::result::Result<(), String> {
    let (mut paths, mut copies) = (HashSet::new(), HashSet::new());
    for database in &manifest.databases {
        let copy = RelPath::new(database.copy.as_bytes())?;
        if copy.parent().is_some() {
            return Err(format!("the copy `{copy}` is no plain name"));
        }
        if crate::names::is_ours(&database.path) {
            return Err(format!(
                "the database {} is in this program's own folder",
                database.path
            ));
        }
        if !paths.insert(&database.path) || !copies.insert(&database.copy) {
            return Err(format!(
                "the database {} or its copy is named twice",
                database.path
            ));
        }
    }
    let about = manifest.about.iter().flat_map(|(key, value)| [key, value]);
    let answers = manifest.answers.iter();
    let mut shown = about.chain(answers.flat_map(|answer| [&answer.name, &answer.value]));
    match shown.all(|text| is_shown(text)) && manifest.about.len() + manifest.answers.len() <= SAID {
        true => Ok(()),
        false => Err("what it says of the app is no list of short lines".to_owned()),
    }
}

/// What may be written of the app: short lines.
pub(crate) fn said(about: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let short = about
        .iter()
        .filter(|(key, value)| is_shown(key) && is_shown(value));
    short
        .map(|(key, value)| (key.clone(), value.clone()))
        .take(SAID / 2)
        .collect()
}

/// Whether a text is one that a person may be shown as it is.
fn is_shown(text: &str) -> bool {
    text.len() <= SHOWN && text.chars().all(is_plain)
}

/// A link's target as text; hexadecimal when it is no UTF-8.
pub(crate) fn link_text(target: &[u8]) -> String {
    std::str::from_utf8(target).map_or_else(|_| hex(target), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_manifest_is_told_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MANIFEST);
        let reason = || match read_set(folder.path()) {
            Err(Error::Manifest { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(), "it is missing");
        fs::write(folder.path().join("elsewhere"), "{}").unwrap();
        symlink("elsewhere", &path).unwrap();
        assert!(
            !reason().contains("no manifest"),
            "the link was followed: {}",
            reason()
        );
        fs::remove_file(&path).unwrap();
        crate::testing::fifo(&path).unwrap();
        assert_eq!(reason(), "it is no file");
        fs::remove_file(&path).unwrap();
        // A hole takes no room; a larger one would be read into memory.
        fs::File::create(&path).unwrap().set_len(SIZE_LIMIT + 1).unwrap();
        assert_eq!(
            reason(),
            std::io::Error::from(std::io::ErrorKind::FileTooLarge).to_string()
        );
    }

    #[test]
    fn this_program_reads_version_2_and_one_of_before_refuses_3_by_its_number() {
        let head = json!({
            "format": FORMAT, "version": VERSION, "made": 1, "databases": [], "file_count": 0, "file_bytes": 0,
            "left_out": [], "warnings": [], "about": {"version": "6.1.1"},
            "answers": [{"kind": "count", "name": "films", "value": "3"}],
        });
        let manifest = Manifest::parse(head.to_string().as_bytes()).unwrap();
        assert_eq!(manifest.about["version"], "6.1.1");
        assert_eq!(manifest.answers[0].value, "3");
        let mut before = head.clone();
        before["version"] = 2.into();
        for later in ["about", "answers"] {
            before.as_object_mut().unwrap().remove(later);
        }
        let manifest = Manifest::parse(before.to_string().as_bytes()).unwrap();
        assert!(manifest.about.is_empty() && manifest.answers.is_empty());
        // The words that a program of version 2 has for 3, and this one for 4.
        let mut later = head;
        later["version"] = 4.into();
        assert_eq!(
            Manifest::parse(later.to_string().as_bytes()).unwrap_err(),
            "its version is 4, this program reads versions up to 3"
        );
    }

    #[test]
    fn every_database_of_version_1_counts_as_the_apps_own() {
        let database = json!({
            "path": "radarr.db", "copy": "0.sqlite", "size": 1, "mode": 0o644, "uid": 0, "gid": 0,
            "blake3": "", "journal_mode": "wal",
        });
        let text = json!({
            "format": FORMAT, "version": 1, "made": 1, "databases": [database], "files": [],
            "left_out": [], "warnings": [],
        });
        let (manifest, files) = parse(text.to_string().as_bytes()).unwrap();
        assert!(manifest.databases[0].own);
        assert_eq!(files, Some(Vec::new()));
        assert_eq!(link_text(b"../a"), "../a");
        assert_eq!(link_text(b"\xff"), "ff");
    }
}
