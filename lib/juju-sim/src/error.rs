//! What can go wrong in the simulation itself. A charm that fails is not an error here: it is a unit in error.

use std::path::{Path, PathBuf};

/// Result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the simulation could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Juju would refuse this too; the text is Juju's own, as it stands after `ERROR `.
    #[error("{0}")]
    Refused(String),
    /// The command line is wrong; exit code 2 where Juju uses it.
    #[error("{0}")]
    Usage(String),
    /// A file, folder, socket or process could not be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, for example `read`.
        action: &'static str,
        /// File, folder or socket.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A file of the charm or of the state folder does not parse.
    #[error("cannot read {path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// Another process uses the state folder.
    #[error("cannot use {path}: another process has held it for {seconds} s; end it, or use another folder")]
    Locked {
        /// The state folder.
        path: PathBuf,
        /// How long this process waited, in seconds.
        seconds: u64,
    },
    /// The executable that answers as hook tools was not found.
    #[error(
        "cannot find the juju-sim executable near {near}; build it with `cargo build -p juju-sim`, or name it in JUJU_SIM_EXECUTABLE"
    )]
    NoExecutable {
        /// Folder that was searched.
        near: PathBuf,
    },
    /// A Pebble could not be started or asked.
    #[error("cannot talk to Pebble of container {container} of {unit}: {reason}")]
    Pebble {
        /// Unit, `radarr/0`.
        unit: String,
        /// Container of the charm's metadata.
        container: String,
        /// What happened.
        reason: String,
    },
    /// Events went on and on: a charm that answers each of its own changes with another one.
    #[error(
        "cannot settle the model: {dispatches} dispatches in one step, the last one {last}; does the charm change its databag in every event?"
    )]
    NeverSettles {
        /// How many dispatches ran.
        dispatches: usize,
        /// The last one, `radarr/0 hooks/config-changed`.
        last: String,
    },
}

impl Error {
    /// An [`Error::Io`] about `path`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// A refusal in Juju's words.
    pub(crate) fn refused(text: impl Into<String>) -> Error {
        Error::Refused(text.into())
    }
}
