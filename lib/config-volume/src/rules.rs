//! What stays out of a backup: the lines of ignore files, as kopia reads them.

use std::sync::Arc;

use crate::{
    Error, IGNORE_FILE, Reason, Result,
    folder::HEADING,
    pattern::{Pattern, exactly, runes},
    tree::RelPath,
};

/// What SQLite keeps beside a database under its name.
pub(crate) const SIBLINGS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// kopia reads an ignore file with Go's `bufio.Scanner`: at a line of 64 KiB it stops without a word, and all lines behind
/// it are not in force.
const LINE_LIMIT: usize = (64 << 10) - 1;

/// A line of an ignore file with its author.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub pattern: Pattern,
    pub reason: Reason,
}

/// The ignore file in the root of the volume, line by line.
#[derive(Debug)]
pub(crate) struct RootRules {
    text: Vec<u8>,
    rules: Rules,
    takes_everything: bool,
}

/// Lines in the order in which they count.
pub(crate) type Rules = Vec<Arc<Rule>>;

impl RootRules {
    /// The user's lines come first, so that none of them can undo one of ours.
    pub fn new(user: Option<&[u8]>, leave_out: &[String]) -> Result<Self> {
        let mut all = Self {
            text: format!("{HEADING}\n").into_bytes(),
            rules: Vec::new(),
            takes_everything: false,
        };
        let user = user.unwrap_or_default();
        for rule in lines(user, b"", IGNORE_FILE)? {
            all.rules.push(Arc::new(rule));
        }
        all.text.extend(user);
        if !user.is_empty() {
            all.text.extend(b"\n");
        }
        for line in leave_out {
            all.push(line.as_bytes(), Reason::Cache)?;
        }
        // Behind whatever might name the copies, such as `/**/*.sqlite`.
        if !all.rules.is_empty() {
            for line in ["!/.config-backup", "!/.config-backup/**"] {
                all.text.extend([line.as_bytes(), b"\n"].concat());
            }
        }
        for line in [
            // In a restored volume nobody would take it away, and later backups would leave the live databases out.
            "/.kopiaignore",
            "/.config-backup/lock",
            "/.config-backup/local/",
            "/.config-restore",
            "/.restore-by-hand",
        ] {
            all.text.extend([line.as_bytes(), b"\n"].concat());
        }
        Ok(all)
    }

    /// For a volume that came out of a backup: whatever is there counts, and a database counts as one also when it was cut
    /// off. No ignore file is read.
    pub fn everything() -> Self {
        Self {
            text: Vec::new(),
            rules: Vec::new(),
            takes_everything: true,
        }
    }

    /// Whether these are [`RootRules::everything`].
    pub fn takes_everything(&self) -> bool {
        self.takes_everything
    }

    fn push(&mut self, line: &[u8], reason: Reason) -> Result<()> {
        let pattern = short_enough(line)
            .and_then(|()| Pattern::parse(line, b""))
            .map_err(|reason| Error::Pattern {
                pattern: String::from_utf8_lossy(line.get(..200).unwrap_or(line)).into_owned(),
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

    /// Leaves out a database that is not there yet: what is stored of it would be what was written when it was read.
    pub fn push_awaited(&mut self, path: &RelPath) -> Result<()> {
        self.push(&exactly(path.as_bytes()), Reason::LiveDatabase)
    }

    /// The lines.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The file's bytes.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

/// The lines of an ignore file of the user's. `base` is its folder: empty for the root of the volume, else `/sub/folder`.
pub(crate) fn lines(text: &[u8], base: &[u8], file: impl ToString) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (number, line) in text.split(|b| *b == b'\n').enumerate() {
        let wrong = |reason: String| Error::IgnoreFile {
            path: file.to_string(),
            reason: format!("line {}: {reason}", number + 1),
        };
        short_enough(line).map_err(wrong)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") || line.trim_ascii().is_empty() {
            continue;
        }
        let pattern = Pattern::parse(line, base).map_err(wrong)?;
        rules.push(Rule {
            pattern,
            reason: Reason::User,
        });
    }
    Ok(rules)
}

fn short_enough(line: &[u8]) -> std::result::Result<(), String> {
    if line.len() <= LINE_LIMIT {
        return Ok(());
    }
    Err(format!(
        "it has {} bytes, and the backup program reads no line above {LINE_LIMIT} nor any after it",
        line.len()
    ))
}

/// The rule that leaves a path out, if it is left out. `start` is a rule that does so before the others are read.
pub(crate) fn deciding<'r>(
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

/// An ignore file in a deeper folder can take back a line of the root's. It must not bring a live database in.
pub(crate) fn stays_out(nested: &[Arc<Rule>], path: &RelPath) -> Result<()> {
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
