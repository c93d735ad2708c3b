//! The backups of an app, and what they really hold.
//!
//! [`list`] and [`standing`] read the cluster; [`choose()`], [`last_good`] and [`health`] are pure.

mod choose;
mod due;
mod earlier;
mod health;
mod holds;
mod list;
pub(crate) mod names;
pub(crate) mod owner;
mod proven;
mod running;
mod schedules;
mod standing;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use velero_api::{BackupPhase, Meaning};

pub use choose::{Choice, LastGood, choose, choose_of_all_read, last_good};
pub use due::{due, goes_from, is_missed};
pub use earlier::{Earlier, WEEK, earlier, is_halved};
pub use health::{BackupHealth, BadBackup, EndpointHealth, health};
pub use list::list;
pub(crate) use list::{is_moving, list_all, phase_of, pod_volumes, summary_of};
pub use proven::{LastWord, Outcome, Proof, is_ahead, last_word};
pub use running::{running, under_way};
pub(crate) use schedules::schedules_of;
pub use schedules::{AppSchedule, Rests, Scheduled, schedules};
pub(crate) use standing::of_app;
pub use standing::standing;

/// An application in a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId {
    /// The application's name.
    pub app: String,
    /// Its model's name, which is its namespace.
    pub model: String,
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in model {}", self.app, self.model)
    }
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// Name of the Backup object.
    pub name: String,
    /// Its uid. Names are used again, uids are not.
    pub uid: String,
    /// The namespace that Velero runs in.
    pub velero_namespace: String,
    /// Name of the backup storage location.
    pub storage_location: String,
    /// Whose it is.
    pub whose: AppId,
    /// The Schedule that made it.
    pub schedule: Option<String>,
    /// The endpoint of the app's that it was made for; empty where its labels do not tell.
    pub endpoint: String,
    /// Uid of the backup whose restore it was made before, as the way back: a safety backup. It may hold what somebody wanted to
    /// be rid of, so it counts only when it is named.
    pub before_restore: Option<String>,
    /// Where it stands, in Velero's words; `None` before Velero has seen it.
    pub phase: Option<BackupPhase>,
    /// When it was asked for.
    pub created: Option<Timestamp>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended, well or not.
    pub completed: Option<Timestamp>,
    /// When Velero deletes it.
    pub expires: Option<Timestamp>,
    /// What it holds of the config volume.
    pub holds: BackupContents,
    /// What Velero says against it: validation errors, failure reason, failed volumes.
    pub complaints: Vec<String>,
    /// What was found when it was last restored and compared, in this cluster.
    pub proof: Option<Proof>,
}

/// So far two clocks may be apart before what one of them tells is of the future for the other.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

impl BackupSummary {
    /// What to think of it at this time.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let is_over = self.expires.is_some_and(|end| end <= now);
        let holds = self.holds.is_something();
        let Some(phase) = &self.phase else {
            return if is_over {
                Verdict::Expired
            } else {
                Verdict::Running
            };
        };
        match phase.meaning() {
            Meaning::Goes => Verdict::Expired,
            _ if is_over => Verdict::Expired,
            Meaning::Good if holds && self.damage().is_some() => Verdict::Damaged,
            Meaning::Good if holds => Verdict::Good,
            Meaning::Good => Verdict::Empty,
            Meaning::Bad if holds && *phase == BackupPhase::PartiallyFailed => Verdict::Partial,
            Meaning::Bad => Verdict::Failed,
            Meaning::Waits | Meaning::Works => Verdict::Running,
            Meaning::Unknown if phase.word() == list::UNREADABLE => Verdict::Failed,
            // Of a newer Velero: whether that is an end is told by the time of it.
            Meaning::Unknown if self.completed.is_some() => Verdict::Failed,
            Meaning::Unknown => Verdict::Running,
        }
    }

    /// What was wrong with it when it was last restored and compared, if anything was.
    pub fn damage(&self) -> Option<&str> {
        match &self.proof.as_ref()?.outcome {
            Outcome::Damaged { why } => Some(why),
            Outcome::ComesBack { .. } => None,
        }
    }

    /// When it ended; when it began, or was asked for, where Velero does not say: one that it refuses never begins. An end in the future
    /// is of a clock that ran ahead in between: it would stand for every backup that is due until then.
    pub fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        let end = self.completed.filter(|end| end.duration_since(now) <= SKEW);
        end.or(self.started).or(self.created)
    }

    /// Whether it claims to be of a later time than this. The clock of whoever made it was wrong, so nobody knows when that was: it neither is the
    /// newest nor stands for one that is due.
    pub fn is_of_future(&self, now: Timestamp) -> bool {
        self.started
            .or(self.completed)
            .is_some_and(|time| time.duration_since(now) > SKEW)
    }

    /// Whether it can be relied on, as far as that is known before it was read back.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.verdict(now) == Verdict::Good
    }

    /// The phase in one word, Velero's own; `New` before Velero has seen it. Safe to show.
    pub fn phase_word(&self) -> String {
        crate::shown::shown(self.phase.as_ref().unwrap_or(&BackupPhase::New).word())
    }
}

/// What a backup holds of the config volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupContents {
    /// Its files, by file-system backup.
    Files(FilesBackup),
    /// A snapshot of it. Velero does not tell in the cluster how many bytes that is.
    Snapshot {
        /// Snapshots that were made.
        count: u64,
    },
    /// Nothing.
    Nothing,
}

impl BackupContents {
    /// Whether there is anything to restore.
    pub fn is_something(&self) -> bool {
        match self {
            Self::Files(files) => files.bytes > 0,
            Self::Snapshot { count } => *count > 0,
            Self::Nothing => false,
        }
    }

    /// Bytes of the config volume, where they are known.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Files(files) => Some(files.bytes),
            Self::Snapshot { .. } => None,
            Self::Nothing => Some(0),
        }
    }
}

/// The completed PodVolumeBackup of the config volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesBackup {
    /// Bytes that were stored.
    pub bytes: u64,
    /// The pod's volume.
    pub volume: String,
    /// The snapshot in the repository.
    pub snapshot_id: String,
    /// `kopia` or `restic`.
    pub uploader: String,
    /// The namespace that it was made of; the repository goes by it.
    pub source_namespace: String,
    /// Name of the backup storage location.
    pub storage_location: String,
}

/// What a person should think of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Completed, with bytes, and not expired. Whether they are sound is known after they were read back: see [`BackupSummary::proof`].
    Good,
    /// The same, and its bytes were not what was backed up, or not sound, when they were last read back.
    Damaged,
    /// It has not ended yet.
    Running,
    /// Completed and holds nothing.
    Empty,
    /// It ended with errors, and holds bytes all the same.
    Partial,
    /// It failed.
    Failed,
    /// Its time is over, or it is being deleted.
    Expired,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Damaged => Outcome::DAMAGED,
            Self::Running => "running",
            Self::Empty => "EMPTY",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::Expired => "expired",
        })
    }
}
