//! What the exporter has to know of Juju: a file of the unit's own, which the hooks write. While it is there, the exporter is to run.

use std::fs;
use std::path::{Path, PathBuf};

use config_recovery::backups::AppId;
use serde::{Deserialize, Serialize};
use velero_backup_config::Schedule;

use crate::last_restore::LastRestore;
use crate::test_restore::Record;
use crate::unit_file;

/// The file's name, in the folder of the unit's agent.
const FILE: &str = "exporter.json";

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Name of the application.
    pub app: String,
    /// Name of the model.
    pub model: String,
    /// Whether this unit has the app's data: of several units one tells of the backups.
    pub has_data: bool,
    /// What velero-operator is asked for, by endpoint.
    pub asked: Vec<Asked>,
    /// The counts that tell of an accident when they fall.
    #[serde(default)]
    pub essential: Vec<String>,
    /// When the content of the config volume was last replaced by that of a backup.
    #[serde(default)]
    pub restored: LastRestore,
    /// When test restores are made, as for backups; `None` if none are.
    #[serde(default)]
    pub verify_schedule: Option<String>,
    /// What is remembered of them.
    #[serde(default)]
    pub test_restores: Record,
}

/// One tier that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its endpoint.
    pub endpoint: String,
    /// When its backups are made, as the request says it; `None` if by hand alone.
    pub schedule: Option<String>,
}

impl Asked {
    /// Its schedule.
    pub fn runs(&self) -> Option<Schedule> {
        self.schedule.as_deref()?.parse().ok()
    }
}

impl Settings {
    /// Whose backups they are.
    pub fn whose(&self) -> AppId {
        AppId {
            app: self.app.clone(),
            model: self.model.clone(),
        }
    }

    /// When test restores are made.
    pub fn verifies(&self) -> Option<Schedule> {
        self.verify_schedule.as_deref()?.parse().ok()
    }

    /// What the unit with this charm folder has; `None` where the exporter is not to run, or a later charm wrote it.
    pub fn read(charm_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(charm_dir)).ok()?).ok()
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, charm_dir: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        unit_file::write(&path(charm_dir), &text)
    }

    /// Removes it: the exporter is not to run any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(charm_dir: &Path) -> std::io::Result<()> {
        unit_file::remove(&path(charm_dir))
    }
}

fn path(charm_dir: &Path) -> PathBuf {
    unit_file::path(charm_dir, FILE)
}
