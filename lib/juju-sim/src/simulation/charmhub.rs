//! A Charmhub of folders: `NAME/REVISION` is a charm, and `NAME/channels` has a line for each channel, `latest/edge 8`.
//!
//! On a simulated Juju only. What is refused, and in which words, is read in `cmd/juju/application/refresh.go` at 5c910215,
//! `refresher/refresher.go` at c0d19610 and `deploy.go` at 5c910215 of juju/juju.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The variable that names the folder. Without it there is no Charmhub.
const FOLDER: &str = "JUJU_SIM_CHARMHUB";
/// What is taken where no channel is named.
const CHANNEL: &str = "latest/stable";

/// Where a charm of Charmhub comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CharmhubOrigin {
    /// The charm's name.
    pub name: String,
    /// The channel that it is refreshed from.
    pub channel: String,
    /// Its revision.
    pub revision: u32,
}

/// The charm of this name: the one of the revision, or else that of the channel.
///
/// # Errors
/// When there is no such charm.
pub fn find(name: &str, channel: Option<&str>, revision: Option<u32>) -> Result<(PathBuf, CharmhubOrigin)> {
    let unknown = || {
        Error::refused(format!(
            "selecting releases: charm or bundle not found in the charm hub: {name:?}"
        ))
    };
    let folder = std::env::var_os(FOLDER).map(PathBuf::from).ok_or_else(unknown)?;
    let name = name.trim_start_matches("ch:");
    let charm = folder.join(name);
    if name.is_empty() || name.contains('/') || !charm.is_dir() {
        return Err(unknown());
    }
    let channel = match channel.unwrap_or(CHANNEL) {
        whole if whole.contains('/') => whole.to_owned(),
        risk => format!("latest/{risk}"),
    };
    let channels = std::fs::read_to_string(charm.join("channels")).unwrap_or_default();
    let mut lines = channels.lines().filter_map(|line| line.split_once(' '));
    let newest = lines.find(|(known, _)| *known == channel);
    let newest = newest.and_then(|(_, revision)| revision.trim().parse::<u32>().ok());
    let revision = revision.or(newest).ok_or_else(|| {
        Error::refused(format!(
            "no releases found for channel {channel:?} of charm {name:?}"
        ))
    })?;
    let at = charm.join(revision.to_string());
    if !at.is_dir() {
        return Err(Error::refused(format!(
            "charm {name:?} has no revision {revision}"
        )));
    }
    let origin = CharmhubOrigin {
        name: name.to_owned(),
        channel,
        revision,
    };
    Ok((at, origin))
}
