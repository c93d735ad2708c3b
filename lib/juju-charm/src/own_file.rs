//! Small files of the unit's own, and what was read of a text, kept in one of them.
//!
//! A charm starts anew for each event and reads the same YAML each time: its own files, the plan of Pebble. To read YAML is most of
//! what a steady event computes. So what was read can be kept beside the text that it was read from, and is taken for the very
//! same text.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a file as a whole or not at all, for this user alone.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // One of a run that was cut off may have other rights.
    remove(&unfinished)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    fs::rename(&unfinished, path)
}

/// Removes a file that may not be there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads a text, or takes what the file `kept` has of the very same text. What was read is kept there for the next time; when
/// that fails, the text is read again, and that is all.
///
/// # Errors
/// Those of `read`.
pub fn read_once<T, E>(kept: &Path, text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<T, E>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    if let Some(value) = fs::read(kept).ok().and_then(|kept| recall(&kept, text)) {
        return Ok(value);
    }
    let value = read(text)?;
    if let Some(content) = content(&value, text)
        && let Err(error) = write(kept, &content)
    {
        log::debug!("{} cannot be written: {error}", kept.display());
    }
    Ok(value)
}

/// What is kept: the value as a line of JSON, and the text. None for a value that JSON does not give back.
fn content<T: Serialize + DeserializeOwned + PartialEq>(value: &T, text: &str) -> Option<Vec<u8>> {
    let mut content = serde_json::to_vec(value).ok()?;
    content.push(b'\n');
    content.extend_from_slice(text.as_bytes());
    (recall(&content, text).as_ref() == Some(value)).then_some(content)
}

/// The value that is kept, if it was read from this text.
fn recall<T: DeserializeOwned>(kept: &[u8], text: &str) -> Option<T> {
    let line = kept.strip_suffix(text.as_bytes())?.strip_suffix(b"\n")?;
    // JSON on one line has no other line end: the rest is the whole text, and not the end of a longer one.
    match line.contains(&b'\n') {
        true => None,
        false => serde_json::from_slice(line).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::num::ParseIntError;

    use super::*;

    /// Reads `text` as a number. Gives it, and whether that took reading.
    fn number(kept: &Path, text: &str) -> (Result<i32, ParseIntError>, bool) {
        let is_read = Cell::new(false);
        let found = read_once(kept, text, |text| {
            is_read.set(true);
            text.trim().parse()
        });
        (found, is_read.get())
    }

    #[test]
    fn the_same_text_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        assert_eq!(number(&kept, "1\n"), (Ok(1), true));
        assert_eq!(number(&kept, "1\n"), (Ok(1), false));
        assert_eq!(fs::read_to_string(&kept).unwrap(), "1\n1\n");
    }

    #[test]
    fn another_text_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        // Each is the beginning or the end of the one before it, or the other way round.
        for (text, value) in [
            ("12", 12),
            ("2", 2),
            ("2\n", 2),
            ("\n2\n", 2),
            ("2\n", 2),
            ("12\n", 12),
        ] {
            assert_eq!(number(&kept, text), (Ok(value), true), "{text:?}");
            assert_eq!(number(&kept, text), (Ok(value), false), "{text:?}");
        }
    }

    #[test]
    fn what_is_damaged_is_not_used_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        for content in [
            "",
            "\n",
            "2",
            "2\n",
            "2\n1",
            "x\n1\n",
            "2\n1\n1\n",
            "\n2\n1\n",
            "2\n1\n\n",
        ] {
            fs::write(&kept, content).unwrap();
            assert_eq!(number(&kept, "1\n"), (Ok(1), true), "{content:?}");
            assert_eq!(fs::read_to_string(&kept).unwrap(), "1\n1\n", "{content:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_given_back_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        assert!(number(&kept, "x").0.is_err());
        assert!(!kept.exists());
        // JSON has no such number.
        let found: Result<f64, ()> = read_once(&kept, "x", |_| Ok(f64::INFINITY));
        assert_eq!(found, Ok(f64::INFINITY));
        assert!(!kept.exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_to_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // Not even root writes a file in the place of a folder that is not empty.
        let kept = folder.path().join("kept");
        fs::create_dir_all(kept.join("inside")).unwrap();
        assert_eq!(number(&kept, "1"), (Ok(1), true));
        assert_eq!(number(&kept, "1"), (Ok(1), true));
    }
}
