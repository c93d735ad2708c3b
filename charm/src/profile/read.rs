//! From the text of an app file to a profile that was checked.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::AppProfile;
use super::check::check;
use crate::charm_yaml::{self, Unread};
use crate::names::APP_FILE;

/// Why an app file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file is not there or not readable.
    #[error("cannot read app file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not YAML.
    #[error("cannot understand app file {origin}: {reason}")]
    Parse {
        /// Where the text came from.
        origin: String,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A field is missing, unknown, of the wrong type, or has a value that cannot work.
    #[error("cannot use app file {origin}: {field} {reason}")]
    Field {
        /// Where the text came from.
        origin: String,
        /// Which field, as a path in the file.
        field: String,
        /// Why its value cannot work.
        reason: String,
    },
}

impl AppProfile {
    /// Reads and checks the app file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, parsed, or holds a value that cannot work.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path).map_err(|source| ProfileError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads and checks the app file of the charm in this folder, as every event does.
    ///
    /// # Errors
    /// See [`AppProfile::load`].
    pub fn of_charm(charm_dir: &Path) -> Result<Self, ProfileError> {
        let path = charm_dir.join(APP_FILE);
        let origin = path.display().to_string();
        let value = charm_yaml::read(charm_dir, APP_FILE).map_err(|error| match error {
            Unread::File(source) => ProfileError::Read { path, source },
            Unread::Text(reason) => ProfileError::Parse {
                origin: origin.clone(),
                reason,
            },
        })?;
        Self::of_value(&origin, value)
    }

    /// Parses and checks the text of an app file; `origin` names it in errors.
    ///
    /// # Errors
    /// When the text does not parse or holds a value that cannot work.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        let value = charm_yaml::parse(text).map_err(|reason| ProfileError::Parse {
            origin: origin.to_owned(),
            reason,
        })?;
        Self::of_value(origin, value)
    }

    /// In two steps: only a value that is already read can tell the path to what does not fit.
    fn of_value(origin: &str, value: Value) -> Result<Self, ProfileError> {
        let profile: Self = serde_path_to_error::deserialize(value).map_err(|error| ProfileError::Field {
            origin: origin.to_owned(),
            field: error.path().to_string(),
            reason: format!("does not fit: {}", error.inner()),
        })?;
        match check(&profile) {
            Ok(()) => Ok(profile),
            Err(fault) => Err(ProfileError::Field {
                origin: origin.to_owned(),
                field: fault.field,
                reason: fault.reason,
            }),
        }
    }
}
