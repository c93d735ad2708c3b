//! `dispatch before-backup VOLUME` and `dispatch after-backup VOLUME`: what Velero runs in the charm container around each
//! file-system backup. They run outside of any hook: no event, no hook tools.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config_recovery::engine;
use config_volume::{Answers, Prepared, Warning};

use crate::backup::{AFTER, BEFORE, refused};
use crate::contents::in_one_line;
use crate::contents::lacking::judged;
use crate::contents::record::{self, About};
use crate::contents::seen::{self, Figures, Seen};
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
    /// The backup holds a damaged copy of a database, or no copies at all; what is left of them is removed all the same.
    #[error(transparent)]
    NotSound(config_volume::Error),
    /// Its content is being exchanged by hand: it may hold neither as a whole, and a part of one would look like a good backup.
    #[error("cannot back up the volume: a restore was cut off: {0}")]
    Exchanged(String),
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

    /// Does it, and says what was done: one line, and one more for each warning.
    ///
    /// # Errors
    /// See [`HookError`]. Nothing half-made is left, and the app's files are as they were.
    pub fn run(&self, charm_dir: &Path) -> Result<String, HookError> {
        if self.is_before {
            let came = self.before(charm_dir);
            refused::before(charm_dir, &came);
            came
        } else {
            let came = self.after();
            refused::after(charm_dir, &came);
            came.map(|said| format!("{AFTER}: {said}"))
        }
    }

    fn before(&self, charm_dir: &Path) -> Result<String, HookError> {
        let profile = AppProfile::load(&charm_dir.join(APP_FILE))?;
        let Some(storage) = &profile.storage else {
            return Err(HookError::NoVolume(profile.title));
        };
        if let Some(what) = engine::exchanged_by_hand(&self.volume) {
            return Err(HookError::Exchanged(what));
        }
        let failed = |source| HookError::Volume {
            action: "copy the databases",
            source,
        };
        let asked = config_volume::Options {
            about: record::read(charm_dir, About::new()),
            questions: storage.contents.questions(),
            takes_restored: engine::is_seen_healthy(&self.volume),
            ..options(storage)
        };
        let prepared = config_volume::prepare(&self.volume, &asked).map_err(failed)?;
        let manifest = &prepared.manifest;
        let answers = Answers {
            given: manifest.answers.clone(),
            lacking: prepared.lacking.clone(),
            ..Answers::default()
        };
        let answers = judged(&profile, &self.volume, answers);
        seen::add(
            charm_dir,
            Seen {
                made: manifest.made,
                about: manifest.about.clone(),
                answers: answers.given.clone(),
                lacking: answers.lacking.clone(),
                figures: Some(Figures::of(manifest)),
            },
        );
        Ok(report(storage, &prepared, &answers))
    }

    fn after(&self) -> Result<String, HookError> {
        let finished = config_volume::finish(&self.volume).map_err(|source| match source {
            config_volume::Error::DamagedBackup { .. }
            | config_volume::Error::ChangedDuringBackup { .. }
            | config_volume::Error::NothingToFinish => HookError::NotSound(source),
            source => HookError::Volume {
                action: "remove the copies of the databases",
                source,
            },
        })?;
        let checked = finished.checked;
        Ok(match finished.still_open {
            0 => format!("{checked} databases are sound; the copies are removed"),
            open => format!(
                "{checked} databases are sound; the copies stay until {open} other backups have ended"
            ),
        })
    }
}

/// What a backup holds, for Velero's log. How many of the app's own databases are among the copies is said for itself: a
/// backup that lacks one is of little use, however many others it holds.
fn report(storage: &ConfigStorage, prepared: &Prepared, answers: &Answers) -> String {
    let manifest = &prepared.manifest;
    let is_copied = |own: &&String| {
        let mut copied = manifest.databases.iter();
        copied.any(|database| database.path.as_bytes() == own.as_bytes())
    };
    let own = storage.databases.iter().filter(is_copied).count();
    let mut text = format!(
        "{BEFORE}: {} databases copied, {own} of the {} that the app needs among them; {} other files; left out: {}",
        manifest.databases.len(),
        storage.databases.len(),
        manifest.file_count,
        storage.caches.join(", ")
    );
    let contents = in_one_line(&answers.given, &answers.lacking);
    if !contents.is_empty() {
        text.push_str(&format!("\n{BEFORE}: {contents}"));
    }
    for unanswered in &prepared.unanswered {
        text.push_str(&format!("\n{BEFORE}: not told: {unanswered}"));
    }
    for warning in &manifest.warnings {
        text.push_str(&format!("\n{BEFORE}: warning: {}", line(warning)));
    }
    text
}

/// A warning for people.
pub fn line(warning: &Warning) -> String {
    format!("{}: {}", warning.path, warning.text)
}

/// What a backup of this storage must hold and what it leaves out.
pub fn options(storage: &ConfigStorage) -> config_volume::Options {
    let from_root = |paths: &[String]| paths.iter().map(|path| format!("/{path}")).collect();
    config_volume::Options {
        leave_out: from_root(&storage.caches),
        databases: from_root(&storage.databases),
        ..config_volume::Options::default()
    }
}

#[cfg(test)]
mod tests {
    use config_recovery::journal::{Journal, Record, Step};
    use config_volume::{Swap, SwapOptions};

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
        let (folder, unit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let charm_dir = unit.path().join("charm");
        let database = folder.path().join("radarr.db");
        std::fs::write(&database, damaged_database()).unwrap();
        let own = config_volume::Options {
            databases: vec!["/radarr.db".to_owned()],
            ..config_volume::Options::default()
        };
        config_volume::prepare(folder.path(), &own).unwrap();
        let after = parse(&[AFTER, folder.path().to_str().unwrap()]).unwrap().unwrap();
        let error = after.run(&charm_dir).unwrap_err();
        assert!(matches!(error, HookError::NotSound(_)), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("radarr.db: ") && text.contains("repair the database"),
            "{text}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(&database).unwrap(), damaged_database());
        // Whatever removed the copies: a backup that has none is not a good one.
        let error = after.run(&charm_dir).unwrap_err();
        assert!(matches!(error, HookError::NotSound(_)), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("the copies of the databases are gone") && text.contains("back up again"),
            "{text}"
        );
    }

    /// A unit's folder: in it the charm's with the sample app, which has sample.db and state/other.db, and a volume with these files.
    fn charm_and_volume(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("volume/state")).unwrap();
        std::fs::create_dir(folder.path().join("charm")).unwrap();
        let app = include_str!("../../tests/data/sample.yaml");
        std::fs::write(folder.path().join("charm").join(APP_FILE), app).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join("volume").join(name), bytes).unwrap();
        }
        folder
    }

    fn run(verb: &str, folder: &tempfile::TempDir) -> Result<String, HookError> {
        let volume = folder.path().join("volume");
        let command = parse(&[verb, volume.to_str().unwrap()]).unwrap().unwrap();
        command.run(&folder.path().join("charm"))
    }

    /// A database of one empty page.
    fn sound_database() -> Vec<u8> {
        let mut bytes = damaged_database();
        bytes.truncate(4096);
        bytes[31] = 1;
        bytes
    }

    /// Nothing of it is a database but the header.
    fn header_only() -> Vec<u8> {
        let mut bytes = b"SQLite format 3\0".to_vec();
        bytes.resize(1024, 0xff);
        bytes
    }

    #[test]
    fn a_missing_database_and_a_stray_file_are_said_and_fail_no_backup() {
        let folder = charm_and_volume(&[
            ("sample.db", &sound_database()),
            ("sample.db.corrupted", &header_only()),
        ]);
        let said = run(BEFORE, &folder).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert!(
            lines[0].starts_with(
                "before-backup: 1 databases copied, 1 of the 2 that the app needs among them; 1 other files; \
                 left out: logs, Cache/pictures"
            ),
            "{said}"
        );
        let warns = |path: &str, text: &str| {
            let start = format!("before-backup: warning: {path}: ");
            lines
                .iter()
                .any(|line| line.starts_with(&start) && line.contains(text))
        };
        assert!(warns("state/other.db", "it is missing"), "{said}");
        assert!(warns("sample.db.corrupted", "stored as the file it is"), "{said}");
        let said = run(AFTER, &folder).unwrap();
        assert_eq!(
            said,
            "after-backup: 1 databases are sound; the copies are removed"
        );
    }

    #[test]
    fn a_database_that_the_app_needs_must_be_one() {
        let folder = charm_and_volume(&[("sample.db", &header_only())]);
        let error = run(BEFORE, &folder).unwrap_err();
        assert!(
            crate::causes(&error).contains("sample.db"),
            "{}",
            crate::causes(&error)
        );
        let error = run(AFTER, &folder).unwrap_err();
        assert!(matches!(error, HookError::NotSound(_)), "{error:?}");
    }

    /// What the hook before a backup says counts, not that the one after it then has nothing to look after.
    #[test]
    fn why_a_backup_was_refused_is_kept_until_one_is_not() {
        let folder = charm_and_volume(&[("sample.db", &header_only())]);
        let last = || refused::last(&folder.path().join("charm"), jiff::Timestamp::MIN);
        assert_eq!(last(), None);
        run(BEFORE, &folder).unwrap_err();
        let why = last().unwrap();
        assert!(why.contains("sample.db"), "{why}");
        run(AFTER, &folder).unwrap_err();
        assert_eq!(last(), Some(why));
        std::fs::write(folder.path().join("volume/sample.db"), sound_database()).unwrap();
        run(BEFORE, &folder).unwrap();
        assert_eq!(last(), None);
        run(AFTER, &folder).unwrap();
        run(AFTER, &folder).unwrap_err();
        assert!(last().unwrap().contains("the copies of the databases are gone"));
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
        assert_eq!(refused::last(&folder.path().join("charm"), later), None);
    }

    /// The databases are moved last, say: what is there is a part, and the next backup would be the newest good one.
    #[test]
    fn a_volume_whose_content_is_exchanged_by_hand_is_not_backed_up() {
        let folder = charm_and_volume(&[("settings.ini", b"a part")]);
        let by_hand = folder.path().join("volume").join(config_volume::BY_HAND);
        std::fs::create_dir_all(by_hand.join("old")).unwrap();
        std::fs::write(by_hand.join("exchanging"), "").unwrap();
        let error = run(BEFORE, &folder).unwrap_err();
        let says = "a restore was cut off: by hand; run its commands from";
        assert!(error.to_string().contains(says), "{error}");
        let error = run(AFTER, &folder).unwrap_err();
        assert!(matches!(error, HookError::NotSound(_)), "{error:?}");
        // The previous content that is kept is no reason.
        std::fs::remove_file(by_hand.join("exchanging")).unwrap();
        run(BEFORE, &folder).unwrap();
    }

    /// A run has put content in place, and was killed in this step.
    fn content_in_place(folder: &tempfile::TempDir, step: Step) -> Swap {
        let volume = folder.path().join("volume");
        let mut swap = Swap::begin(&volume, "run-1", &SwapOptions::default()).unwrap();
        std::fs::write(swap.staged().join("settings.ini"), "restored").unwrap();
        swap.seal().unwrap();
        swap.commit().unwrap();
        let mut record = Record::new("run-1", "nightly", "uid-1", "2026-11-26T03:00:00Z");
        record.step = step;
        Journal::begin(
            &volume.join(config_volume::RESTORE_FOLDER).join("run.json"),
            record,
        )
        .unwrap();
        swap
    }

    /// The nightly backup comes between the exchange and the health check, and the restore is rolled back after it: a backup of the
    /// content that did not do would be the newest good one, and `latest`.
    #[test]
    fn content_with_which_the_app_was_not_seen_healthy_is_not_backed_up() {
        let folder = charm_and_volume(&[("settings.ini", b"before")]);
        let mut swap = content_in_place(&folder, Step::Start);
        let error = crate::causes(&run(BEFORE, &folder).unwrap_err());
        assert!(
            error.contains("run-1") && error.contains("not been seen healthy"),
            "{error}"
        );
        let volume = folder.path().join("volume");
        assert!(!volume.join(config_volume::FOLDER).exists());
        assert!(matches!(run(AFTER, &folder), Err(HookError::NotSound(_))));
        swap.roll_back().unwrap();
        run(BEFORE, &folder).unwrap();
        run(AFTER, &folder).unwrap();
        swap.finish().unwrap();
    }

    /// To remove what the run had beside the app may take minutes, and the content stays whatever comes of it.
    #[test]
    fn content_with_which_the_app_was_seen_healthy_is_backed_up_while_the_rest_is_removed() {
        let folder = charm_and_volume(&[("settings.ini", b"before")]);
        let _swap = content_in_place(&folder, Step::Clean);
        run(BEFORE, &folder).unwrap();
        run(AFTER, &folder).unwrap();
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
