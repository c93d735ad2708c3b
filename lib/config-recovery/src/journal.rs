//! Where a restore stands, on disk, so that one that was killed can be run again.
//!
//! The journal lies in the volume that is restored, beside what it tells of: whoever sees the volume sees how far it got.
//! Each step is written down before it begins. So a step that the journal names may have been done wholly, partly or not
//! at all, and every step is made to begin again.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, durable};

/// Version of the journal's form, and the only one that is read.
const VERSION: u32 = 1;

/// A uid of Kubernetes has 36 characters, and the value of a label at most so many.
const UID: usize = 63;

/// What a run does, in this order. A run that only verifies goes from [`Step::Check`] to [`Step::Clean`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Namespace, claim and pod are made beside the app.
    MakeScratch,
    /// Velero brings the bytes into the scratch claim.
    BringBack,
    /// The bytes are copied out of the scratch pod.
    Transfer,
    /// Databases, checksums and the app's own files are checked.
    Check,
    /// The app is stopped.
    Stop,
    /// The volume's content is exchanged.
    Swap,
    /// The app is started, and gets healthy.
    Start,
    /// Something went wrong after the app was stopped: the previous content goes back.
    PutBack,
    /// The app is started with its previous content.
    Restart,
    /// What the run made is removed.
    Clean,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 10] = [
        Self::MakeScratch,
        Self::BringBack,
        Self::Transfer,
        Self::Check,
        Self::Stop,
        Self::Swap,
        Self::Start,
        Self::PutBack,
        Self::Restart,
        Self::Clean,
    ];

    /// The table of legal transitions: what may follow on this step.
    ///
    /// Before the app is stopped a failure leads to [`Step::Clean`]; after that the previous content goes back first. Where the old
    /// content is gone, and what was transferred is lost, it is transferred again: the app stays stopped, and the end is not
    /// reached before the volume has a content.
    pub const fn may_lead_to(self) -> &'static [Self] {
        match self {
            Self::MakeScratch => &[Self::BringBack, Self::Clean],
            Self::BringBack => &[Self::Transfer, Self::Clean],
            Self::Transfer => &[Self::Check, Self::Clean],
            Self::Check => &[Self::Stop, Self::Clean],
            Self::Stop => &[Self::Swap, Self::PutBack, Self::MakeScratch],
            Self::Swap => &[Self::Start, Self::PutBack, Self::MakeScratch],
            Self::Start => &[Self::Clean, Self::PutBack],
            Self::PutBack => &[Self::Restart],
            Self::Restart => &[Self::Clean],
            Self::Clean => &[],
        }
    }

    /// Whether the app's own content may have been touched when this step has begun.
    pub const fn touches_the_app(self) -> bool {
        matches!(
            self,
            Self::Stop | Self::Swap | Self::Start | Self::PutBack | Self::Restart
        )
    }

    /// The step in words, for a person: "restoring data with Velero".
    pub const fn words(self) -> &'static str {
        match self {
            Self::MakeScratch => "creating a scratch namespace",
            Self::BringBack => "restoring data with Velero",
            Self::Transfer => "copying them to the app's volume",
            Self::Check => "checking them",
            Self::Stop => "stopping the app",
            Self::Swap => "exchanging the content",
            Self::Start => "starting the app",
            Self::PutBack => "rolling back to the previous content",
            Self::Restart => "starting the app with its previous content",
            Self::Clean => "cleaning up",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// What the check of a restored content has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files that came back.
    pub files: u64,
    /// Their bytes, counted as Velero counts what it stores.
    pub bytes: u64,
    /// Databases that are sound.
    pub databases: u64,
    /// Whether a manifest said what had to come back.
    pub promised: bool,
}

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The run: the same backup in the same app gives the same one.
    pub run: String,
    /// Name of the backup.
    pub backup: String,
    /// Uid of the backup.
    pub backup_uid: String,
    /// When the run began: RFC 3339.
    pub started: String,
    /// The step that began last.
    pub step: Step,
    /// Bytes of the databases that are put in place, from [`Step::Stop`] on. An app that migrates them takes its time.
    #[serde(default)]
    pub database_bytes: u64,
    /// What was found of the content that is put in place, from [`Step::Stop`] on: a run that goes on there does not check it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Counts>,
    /// See [`Record::safety_backup`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) safety_backup: Option<String>,
}

impl Record {
    /// The record of a run that is about to begin.
    pub fn new(run: &str, backup: &str, backup_uid: &str, started: &str) -> Self {
        Self {
            version: VERSION,
            run: run.to_owned(),
            backup: backup.to_owned(),
            backup_uid: backup_uid.to_owned(),
            started: started.to_owned(),
            step: Step::MakeScratch,
            database_bytes: 0,
            checked: None,
            safety_backup: None,
        }
    }

    /// Uid of the backup of the previous content that was made before the run, if there is one. It may become a part of a command,
    /// and the app can write where the journal lies: what is no plain word is none.
    pub fn safety_backup(&self) -> Option<&str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let uid = self.safety_backup.as_deref()?;
        (!uid.is_empty() && !uid.starts_with('-') && uid.len() <= UID && uid.bytes().all(is_plain))
            .then_some(uid)
    }

    /// Whether the volume has one content as a whole, which the app runs with, as far as the steps tell: the app was not stopped yet, or
    /// is over it. Where the volume lost its content and it is transferred again, the exchange tells otherwise.
    pub fn is_whole(&self) -> bool {
        self.step < Step::Stop || self.step == Step::Clean
    }
}

/// A journal on disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    record: Record,
}

impl Journal {
    /// The journal at `path`, if a run has left one.
    ///
    /// # Errors
    /// [`Error::Journal`] when there is one that cannot be read; [`Error::NoFolder`] when there can be none.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(unwritable(path, &error)),
            Err(error) => return Err(unusable(path, &error)),
        };
        let record: Record = serde_json::from_slice(&text).map_err(|error| unusable(path, &error))?;
        if record.version != VERSION {
            let reason = format!("its version is {}, this program reads {VERSION}", record.version);
            return Err(unusable(path, &reason));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            record,
        }))
    }

    /// Begins a journal at `path`, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::NoFolder`] when it cannot be written.
    pub fn begin(path: &Path, record: Record) -> Result<Self> {
        let journal = Self {
            path: path.to_owned(),
            record,
        };
        journal.write()?;
        Ok(journal)
    }

    /// What it says.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Writes down that `step` begins now. The step that is under way may begin again.
    ///
    /// # Errors
    /// [`Error::Journal`] when that step may not follow, [`Error::Unwritable`] when it cannot be written down.
    pub fn begins(&mut self, step: Step) -> Result<()> {
        let under_way = self.record.step;
        if step == under_way {
            return Ok(());
        }
        if !under_way.may_lead_to().contains(&step) {
            return Err(unusable(
                &self.path,
                &format!("{step} cannot follow on {under_way}"),
            ));
        }
        self.record.step = step;
        self.write()
    }

    /// Has what was found, and so many bytes of databases, written down with the step that begins next.
    pub(crate) fn was_checked(&mut self, found: Counts, database_bytes: u64) {
        self.record.checked = Some(found);
        self.record.database_bytes = database_bytes;
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.record);
        let written = text
            .map_err(Into::into)
            .and_then(|text| durable::write(&self.path, &text, 0o666));
        written.map_err(|error: std::io::Error| unwritable(&self.path, &error))
    }
}

/// Why a journal is not on disk. That is no reason to move away a file, which may not be there.
pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    match (error.kind(), path.parent()) {
        (ErrorKind::NotADirectory | ErrorKind::AlreadyExists, Some(folder)) => Error::NoFolder {
            path: folder.display().to_string(),
        },
        _ => Error::Unwritable {
            path: path.display().to_string(),
            reason: error.to_string(),
        },
    }
}

fn unusable(path: &Path, reason: &dyn fmt::Display) -> Error {
    Error::Journal {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::new("r1", "radarr-1", "uid-1", "2026-01-01T03:00:00Z")
    }

    #[test]
    fn a_journal_is_what_was_written_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        assert!(Journal::open(&path).unwrap().is_none());
        let mut journal = Journal::begin(&path, record()).unwrap();
        journal.begins(Step::BringBack).unwrap();
        journal.begins(Step::BringBack).unwrap();
        let found = Journal::open(&path).unwrap().unwrap();
        assert_eq!(found.record().step, Step::BringBack);
        assert_eq!(found.record().backup_uid, "uid-1");
    }

    #[test]
    fn steps_follow_the_table_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        for from in Step::ALL {
            for to in Step::ALL {
                let start = Record {
                    step: from,
                    ..record()
                };
                let mut journal = Journal::begin(&path, start).unwrap();
                let legal = from == to || from.may_lead_to().contains(&to);
                assert_eq!(journal.begins(to).is_ok(), legal, "{from:?} to {to:?}");
                let expected = if legal { to } else { from };
                assert_eq!(Journal::open(&path).unwrap().unwrap().record().step, expected);
            }
        }
    }

    #[test]
    fn every_step_leads_to_the_end_and_the_app_is_never_left_stopped() {
        for start in Step::ALL {
            let mut reached = vec![start];
            let mut next = 0;
            while next < reached.len() {
                for &step in reached[next].may_lead_to() {
                    if !reached.contains(&step) {
                        reached.push(step);
                    }
                }
                next += 1;
            }
            assert!(reached.contains(&Step::Clean), "{start:?}");
        }
        // From a stopped app the end is reached through a start only.
        for stopped in [Step::Stop, Step::Swap, Step::PutBack] {
            assert!(!stopped.may_lead_to().contains(&Step::Clean));
        }
    }

    /// What a person reads, what may follow, and whether a run that is cut off there has touched the app: said once more here,
    /// because all three decide what is undone.
    #[test]
    fn each_step_has_words_followers_and_a_claim_on_the_app() {
        use Step::{BringBack, Check, Clean, MakeScratch, PutBack, Restart, Start, Stop, Swap, Transfer};
        let table: [(Step, &str, bool, &[Step]); 10] = [
            (
                MakeScratch,
                "creating a scratch namespace",
                false,
                &[BringBack, Clean],
            ),
            (BringBack, "restoring data with Velero", false, &[Transfer, Clean]),
            (
                Transfer,
                "copying them to the app's volume",
                false,
                &[Check, Clean],
            ),
            (Check, "checking them", false, &[Stop, Clean]),
            (Stop, "stopping the app", true, &[Swap, PutBack, MakeScratch]),
            (
                Swap,
                "exchanging the content",
                true,
                &[Start, PutBack, MakeScratch],
            ),
            (Start, "starting the app", true, &[Clean, PutBack]),
            (PutBack, "rolling back to the previous content", true, &[Restart]),
            (
                Restart,
                "starting the app with its previous content",
                true,
                &[Clean],
            ),
            (Clean, "cleaning up", false, &[]),
        ];
        assert_eq!(table.map(|(step, ..)| step), Step::ALL);
        for (step, words, touches, followers) in table {
            assert_eq!((step.words(), step.to_string()), (words, words.to_owned()));
            assert_eq!(step.touches_the_app(), touches, "{step:?}");
            assert_eq!(step.may_lead_to(), followers, "{step:?}");
        }
    }

    #[test]
    fn a_safety_backup_is_a_plain_uid_or_none() {
        let named = |uid: &str| {
            let record = Record {
                safety_backup: Some(uid.to_owned()),
                ..record()
            };
            record.safety_backup().map(str::to_owned)
        };
        assert_eq!(record().safety_backup(), None);
        let longest = "a".repeat(UID);
        for uid in ["0f3c5b1e-9d2a-4c07-8a61-3f1d2b4c5e6f", "A-1", longest.as_str()] {
            assert_eq!(named(uid).as_deref(), Some(uid));
        }
        let longer = "a".repeat(UID + 1);
        for uid in ["", "a b", "a\nb", "a;b", "$(b)", "-a", "ä", longer.as_str()] {
            assert_eq!(named(uid), None, "{uid:?}");
        }
    }

    #[test]
    fn an_older_journal_names_no_safety_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        Journal::begin(&path, record()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("safety"), "{text}");
        assert_eq!(Journal::open(&path).unwrap().unwrap().record(), &record());
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let error = Journal::open(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Journal { .. }), "{error}");
    }

    #[test]
    fn a_journal_that_cannot_be_there_is_not_told_to_be_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let restore = folder.path().join("restore");
        let path = restore.join("run.json");
        // A folder that is not there is as one that nothing can be made in.
        let error = Journal::begin(&path, record()).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
        assert!(!error.hint().unwrap().contains("run.json"), "{error}");
        fs::write(&restore, "a file").unwrap();
        let errors = [
            Journal::open(&path).unwrap_err(),
            Journal::begin(&path, record()).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::NoFolder { .. }), "{error}");
            let hint = error.hint().unwrap();
            assert!(
                hint.starts_with(&format!("move {} away", restore.display())),
                "{hint}"
            );
        }
    }

    #[test]
    fn a_damaged_journal_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        for text in ["", "{", "{\"version\":2}", "[]"] {
            fs::write(&path, text).unwrap();
            let error = Journal::open(&path).unwrap_err();
            assert!(error.to_string().contains("run.json"), "{error}");
            assert!(error.hint().unwrap().contains("run.json"));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
