//! Keeps the app's own configuration file in order, and everything in it that is not ours as it was.
//!
//! Pure: bytes in, bytes out. Only the values that the app file names are touched; other settings, comments, order,
//! indentation and line ends of the user's survive byte for byte. There is a module for each format, none for an app.

mod ini;
mod json;
mod salvage;
mod xml;
mod xml_attributes;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::profile::{ConfigFile, CreatedBy, Format};

/// What has to be done with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// It already says what it should, or the app has still to make it.
    Unchanged,
    /// Write this content: the file is absent, or some of our values differ.
    Write(Vec<u8>),
    /// The file is empty or cannot be read as its format: put it aside, then write this content.
    Replace {
        /// New content, with our values only.
        content: Vec<u8>,
        /// Why the old one cannot be used. Quotes nothing of the file, which may hold secrets.
        reason: String,
    },
}

/// One setting that the file should have.
#[derive(Clone, PartialEq, Eq)]
pub struct WantedSetting {
    /// Where it stands: sections or objects, then its name.
    pub path: Vec<String>,
    /// What it should say.
    pub value: Value,
}

/// What a setting says.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// One text.
    Text(String),
    /// A list that holds these, and perhaps others of the user's or the app's own.
    List(Vec<String>),
}

impl std::fmt::Debug for WantedSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value may be a secret.
        write!(f, "WantedSetting({:?})", self.path)
    }
}

/// Compares `current` (`None` when there is no file) with `wanted`. A new file holds `initial` as well.
pub fn edit(
    file: &ConfigFile,
    current: Option<&[u8]>,
    wanted: &[WantedSetting],
    initial: &[WantedSetting],
) -> Edit {
    let Some(current) = current else {
        return match file.created_by {
            CreatedBy::App => Edit::Unchanged,
            CreatedBy::Charm => Edit::Write(create(file, wanted, initial).into_bytes()),
        };
    };
    // What a power cut or a full disk leaves of a file is often none of its bytes.
    let edited = match is_blank(current) {
        true => Err(Damage::Empty),
        false => edited(file, current, wanted),
    };
    match edited {
        Ok(text) if text.as_bytes() == current => Edit::Unchanged,
        Ok(text) => Edit::Write(text.into_bytes()),
        Err(damage) => Edit::Replace {
            content: create(file, wanted, initial).into_bytes(),
            reason: damage.to_string(),
        },
    }
}

/// Why `current` is not a file that the app could have written; an empty one is none.
pub fn damage(file: &ConfigFile, current: &[u8]) -> Option<Damage> {
    if is_blank(current) {
        return Some(Damage::Empty);
    }
    edited(file, current, &[]).err()
}

fn is_blank(current: &[u8]) -> bool {
    current.trim_ascii().is_empty()
}

/// The text at `path` in `current`, if the file can be read and holds it.
pub fn value(file: &ConfigFile, current: &[u8], path: &[String]) -> Option<String> {
    let text = std::str::from_utf8(current).ok()?;
    let name = path.last()?;
    match file.format {
        Format::XmlElements => xml::value(file.root(), current, name),
        Format::XmlAttributes => xml_attributes::value(file.root(), text, name),
        Format::Ini => ini::value(text, path),
        Format::Json => json::value(text, path),
    }
}

/// The first of these `places` at which `current` has a text that is not blank.
pub fn first_set<'a>(
    file: &ConfigFile,
    current: &[u8],
    places: &'a [Vec<String>],
) -> Option<&'a Vec<String>> {
    let is_set =
        |place: &&Vec<String>| value(file, current, place).is_some_and(|value| !value.trim().is_empty());
    places.iter().find(is_set)
}

/// All texts in `current`, each by its place; `None` if it cannot be read.
pub fn settings(file: &ConfigFile, current: &[u8]) -> Option<BTreeMap<String, String>> {
    let text = std::str::from_utf8(current).ok()?;
    match file.format {
        Format::XmlElements => xml::settings(file.root(), text),
        Format::XmlAttributes => xml_attributes::settings(file.root(), text),
        Format::Ini => ini::settings(text),
        Format::Json => json::settings(text),
    }
}

/// The same of a file that cannot be read as its format, found by its name alone.
pub fn value_in_damaged(file: &ConfigFile, current: &[u8], path: &[String]) -> Option<String> {
    damage(file, current)?;
    salvage::value(file.format, &String::from_utf8_lossy(current), path.last()?)
}

fn edited(file: &ConfigFile, current: &[u8], wanted: &[WantedSetting]) -> Result<String, Damage> {
    let text = std::str::from_utf8(current).map_err(|_| Damage::NotText)?;
    match file.format {
        Format::XmlElements => xml::edit(file.root(), current, &plain(wanted)),
        Format::XmlAttributes => xml_attributes::edit(file.root(), text, &plain(wanted)),
        Format::Ini => ini::edit(text, wanted),
        Format::Json => json::edit(text, wanted),
    }
}

fn create(file: &ConfigFile, wanted: &[WantedSetting], initial: &[WantedSetting]) -> String {
    let mut all = initial.to_vec();
    // What is wanted at all times wins over what is wanted at first.
    all.retain(|first| !wanted.iter().any(|wanted| wanted.path == first.path));
    all.extend_from_slice(wanted);
    match file.format {
        Format::XmlElements => xml::create(file.root(), &plain(&all)),
        Format::XmlAttributes => xml_attributes::create(file.root(), &plain(&all)),
        Format::Ini => ini::create(&all),
        Format::Json => json::create(&all),
    }
}

/// Name and text, for formats without sections and lists. An app file with others is refused when it is read.
fn plain(wanted: &[WantedSetting]) -> Vec<(&str, String)> {
    wanted
        .iter()
        .filter_map(|wanted| {
            let name = wanted.path.last()?.as_str();
            let text = match &wanted.value {
                Value::Text(text) => text.clone(),
                Value::List(items) => items.join(","),
            };
            Some((name, text))
        })
        .collect()
}

/// The byte order mark, if there is one, and the document.
fn without_mark(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    })
}

/// The line end that the text uses.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// `text` with each range replaced. Insertions at the same place keep their order; ranges do not overlap.
fn spliced(text: &str, mut splices: Vec<(Range<usize>, String)>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let mut edited = String::with_capacity(text.len() + 256);
    let mut copied = 0;
    for (range, replacement) in splices {
        edited.push_str(text.get(copied..range.start).unwrap_or_default());
        edited.push_str(&replacement);
        copied = range.end;
    }
    edited.push_str(text.get(copied..).unwrap_or_default());
    edited
}

/// The items that a list should have: those that it has, and behind them those of `wanted` that it lacks. `None` if it has
/// them all. Others are kept: an app may add names of its own, and would be restarted again and again if they went.
fn completed(now: &[String], wanted: &[String]) -> Option<Vec<String>> {
    let missing: Vec<&String> = wanted.iter().filter(|item| !now.contains(item)).collect();
    (!missing.is_empty()).then(|| now.iter().chain(missing).cloned().collect())
}

/// Why a configuration file cannot be read. The texts hold nothing of the file's content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Not a document of the format.
    #[error("it is not well-formed {format} near byte {position}")]
    Malformed {
        /// Name of the format.
        format: &'static str,
        /// Where reading stopped, in bytes from the start.
        position: u64,
    },
    /// A well-formed document about something else.
    #[error("its document element is not <{0}>")]
    OtherRoot(String),
    /// A document with something else where an object should be.
    #[error("it has no JSON object at {0:?}")]
    NoObject(String),
}

#[cfg(test)]
mod tests;
