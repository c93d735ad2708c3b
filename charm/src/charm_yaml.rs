//! The YAML files of the charm's own folder.
//!
//! They change with the charm alone, and every event needs them. So each is read once: see [`unit_file::read_once`]. What is
//! checked of what they say is checked in every event.

use std::path::Path;
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::unit_file;

/// Why a file tells nothing.
#[derive(Debug)]
pub enum Unread {
    /// It is not there or not readable.
    File(io::Error),
    /// It is not YAML, or not what was expected; the reason, with line and column.
    Text(String),
}

/// What the file `name` of the charm's folder says.
///
/// # Errors
/// See [`Unread`].
pub fn read<T>(charm_dir: &Path, name: &str) -> Result<T, Unread>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    let text = fs::read_to_string(charm_dir.join(name)).map_err(Unread::File)?;
    let kept = unit_file::path(charm_dir, &format!("{name}.seen"));
    unit_file::read_once(&kept, &text, parse).map_err(Unread::Text)
}

/// What a text of YAML says.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|error: serde_yaml::Error| {
        // The first line says what and where; the others show the text.
        error.to_string().lines().next().unwrap_or_default().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NAME: &str = "app.yaml";

    #[test]
    fn a_file_is_read_once_until_it_changes() {
        let unit = tempfile::tempdir().unwrap();
        let charm_dir = unit.path().join("charm");
        let kept = unit.path().join("app.yaml.seen");
        fs::create_dir(&charm_dir).unwrap();
        for (text, value) in [
            ("a: [1, \"x\\n\"]\n", json!({"a": [1, "x\n"]})),
            ("a: 2\n", json!({"a": 2})),
        ] {
            fs::write(charm_dir.join(NAME), text).unwrap();
            assert_eq!(read::<Value>(&charm_dir, NAME).unwrap(), value);
            // Another value beside the same text shows that it is taken from there.
            fs::write(&kept, format!("{{\"b\":3}}\n{text}")).unwrap();
            assert_eq!(read::<Value>(&charm_dir, NAME).unwrap(), json!({"b": 3}));
        }
    }

    #[test]
    fn a_missing_file_and_one_that_is_no_yaml_are_two_faults() {
        let unit = tempfile::tempdir().unwrap();
        let charm_dir = unit.path().join("charm");
        fs::create_dir(&charm_dir).unwrap();
        assert!(matches!(read::<Value>(&charm_dir, NAME), Err(Unread::File(_))));
        fs::write(charm_dir.join(NAME), "a: [\n").unwrap();
        let Err(Unread::Text(reason)) = read::<Value>(&charm_dir, NAME) else {
            panic!("it was read")
        };
        assert!(reason.contains("line 1 column 4"), "{reason}");
    }
}
