//! `dispatch before-backup VOLUME` and `dispatch after-backup VOLUME`: what Velero runs in the charm container around each
//! file-system backup. They run outside of any hook: no event, no hook tools.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config_volume::Finished;

use crate::backup::{AFTER, BEFORE};
use crate::names::APP_FILE;
use crate::profile::{AppProfile, ConfigStorage, ProfileError};

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCommand {
    is_before: bool,
    volume: PathBuf,
}

/// Why a volume is not fit for a backup, or a backup not fit for a restore. Velero counts the backup as failed then: an error
/// of a hook before it keeps the pod's volume out of it, and any error makes it `PartiallyFailed` (v1.15.2:
/// `backupItemBlock` and `handleItemBlockPostHooks` in `pkg/backup/backup.go` log it as an error, after which
/// `runBackup` in `pkg/controller/backup_controller.go` counts the errors, once all hooks have ended).
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The command line is wrong.
    #[error("cannot understand this command: it is dispatch {BEFORE} VOLUME or dispatch {AFTER} VOLUME")]
    Usage,
    /// The charm's own app file cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The app has no config volume.
    #[error("cannot back up {0}: it has no config volume")]
    NoVolume(String),
    /// The backup holds a damaged copy of a database; what it was made from is removed all the same.
    #[error(transparent)]
    Damaged(config_volume::Error),
    /// The volume could not be made fit, or what was made could not be removed.
    #[error("cannot {action} for a backup")]
    Volume {
        /// What was to be done.
        action: &'static str,
        /// Why not.
        source: config_volume::Error,
    },
}

impl HookCommand {
    /// The command of these arguments; `None` when there are none, which is how Juju calls.
    ///
    /// # Errors
    /// When there are some and they are not one of the two.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, HookError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let [verb, volume] = arguments.as_slice() else {
            return if arguments.is_empty() {
                Ok(None)
            } else {
                Err(HookError::Usage)
            };
        };
        let is_before = match verb.to_str() {
            Some(BEFORE) => true,
            Some(AFTER) => false,
            _ => return Err(HookError::Usage),
        };
        Ok(Some(Self {
            is_before,
            volume: volume.into(),
        }))
    }

    /// Does it, and says in one line what was done.
    ///
    /// # Errors
    /// See [`HookError`]. Nothing half-made is left, and the app's files are as they were.
    pub fn run(&self, charm_dir: &Path) -> Result<String, HookError> {
        if !self.is_before {
            return Ok(format!("{AFTER}: {}", self.after()?));
        }
        let profile = AppProfile::load(&charm_dir.join(APP_FILE))?;
        let Some(storage) = &profile.storage else {
            return Err(HookError::NoVolume(profile.title));
        };
        let failed = |source| HookError::Volume {
            action: "copy the databases",
            source,
        };
        let prepared = config_volume::prepare(&self.volume, &options(storage)).map_err(failed)?;
        let manifest = &prepared.manifest;
        Ok(format!(
            "{BEFORE}: {} databases copied, {} other files, left out {}",
            manifest.databases.len(),
            manifest.file_count,
            storage.caches.join(", ")
        ))
    }

    fn after(&self) -> Result<String, HookError> {
        let finished = config_volume::finish(&self.volume).map_err(|source| match source {
            config_volume::Error::DamagedBackup { .. } => HookError::Damaged(source),
            source => HookError::Volume {
                action: "remove the copies of the databases",
                source,
            },
        })?;
        Ok(match finished {
            Finished::Removed => "the copies of the databases are sound, and removed".to_owned(),
            Finished::StillUsed { users } => {
                format!("the copies of the databases are sound; {users} other backups use them")
            }
            Finished::Nothing => {
                "there are no copies: they were removed before, by this command or at a start of the app"
                    .to_owned()
            }
            other => format!("{other:?}"),
        })
    }
}

/// What a backup of this storage leaves out.
pub fn options(storage: &ConfigStorage) -> config_volume::Options {
    config_volume::Options {
        leave_out: storage.caches.iter().map(|cache| format!("/{cache}")).collect(),
        ..config_volume::Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<HookCommand>, HookError> {
        HookCommand::parse(arguments.iter().map(OsString::from))
    }

    /// An empty database of two pages, the second of which belongs to nothing: it opens, and `integrity_check` finds it.
    fn damaged_database() -> Vec<u8> {
        let mut bytes = b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20".to_vec();
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 2]);
        bytes.resize(44, 0);
        bytes.extend([0, 0, 0, 4]);
        bytes.resize(56, 0);
        bytes.extend([0, 0, 0, 1]);
        bytes.resize(92, 0);
        bytes.extend([0, 0, 0, 1, 0, 0x2e, 0, 0]);
        bytes.extend([0x0d, 0, 0, 0, 0, 0x10, 0, 0]);
        bytes.resize(2 * 4096, 0);
        bytes
    }

    #[test]
    fn a_backup_with_a_damaged_database_fails_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("radarr.db");
        std::fs::write(&database, damaged_database()).unwrap();
        config_volume::prepare(folder.path(), &config_volume::Options::default()).unwrap();
        let after = parse(&[AFTER, folder.path().to_str().unwrap()]).unwrap().unwrap();
        let error = after.run(Path::new("/nowhere")).unwrap_err();
        assert!(matches!(error, HookError::Damaged(_)), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("radarr.db: ") && text.contains("repair the database"),
            "{text}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(&database).unwrap(), damaged_database());
        // A second time there is nothing to do.
        let said = after.run(Path::new("/nowhere")).unwrap();
        assert!(said.starts_with("after-backup: there are no copies"), "{said}");
    }

    #[test]
    fn only_the_two_commands_are_taken() {
        assert_eq!(parse(&[]).unwrap(), None);
        assert!(
            parse(&[BEFORE, "/v"])
                .unwrap()
                .is_some_and(|command| command.is_before)
        );
        assert!(
            parse(&[AFTER, "/v"])
                .unwrap()
                .is_some_and(|command| !command.is_before)
        );
        for wrong in [vec![BEFORE], vec!["install", "/v"], vec![BEFORE, "/v", "/w"]] {
            assert!(matches!(parse(&wrong), Err(HookError::Usage)), "{wrong:?}");
        }
    }
}
