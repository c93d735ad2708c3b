//! What can go wrong on the way back.
//!
//! An error says thing and reason. What to do about it is said here as far as it is the same for everybody; who has
//! commands for it (a charm its actions, a program its options) says those by the error's variant.

use std::time::Duration;

use jiff::Timestamp;

use crate::cluster::ClusterError;
use crate::shown::shown;

fn nearest_ones(nearest: &[(Timestamp, String)]) -> String {
    let one = |(began, uid): &(Timestamp, String)| format!("{began} (uid {})", shown(uid));
    let all: Vec<String> = nearest.iter().map(one).collect();
    all.join(" and ")
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step could not be done. The text is one line and says what and why; [`Error::hint`] says what would help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster gave no answer, or a refusal.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster does not know Velero's resources.
    #[error("cannot find Velero: the cluster has no {0}")]
    NoVelero(String),
    /// The app has no backup at all.
    #[error("there is no backup of {app} in model {model}")]
    NoBackup {
        /// The application.
        app: String,
        /// Its model.
        model: String,
    },
    /// The app has backups, and none of them is good.
    #[error("there is no good backup of {app} in model {model}")]
    NoGoodBackup {
        /// The application.
        app: String,
        /// Its model.
        model: String,
    },
    /// The app has good backups, and each of them was made before a restore, of what that was to replace.
    #[error("only safety backups of {app} in model {model} are good")]
    OnlySafetyBackups {
        /// The application.
        app: String,
        /// Its model.
        model: String,
    },
    /// The app has good backups, and all of them are of a later time.
    #[error(
        "there is no good backup of {app} in model {model} from {moment} or before; the nearest ones began {}",
        nearest_ones(.nearest)
    )]
    NoneAsOf {
        /// The application.
        app: String,
        /// Its model.
        model: String,
        /// The moment that was asked for.
        moment: Timestamp,
        /// When the nearest ones began, and their uids, the nearest first; two at most.
        nearest: Vec<(Timestamp, String)>,
    },
    /// Velero has not read all of its object storage, so the list of backups may lack the one that is meant.
    #[error("{0}")]
    Unread(String),
    /// No backup has this uid or name.
    #[error("there is no backup {0:?}")]
    NoSuchBackup(String),
    /// It is a backup of something else.
    #[error("backup {backup} is one of {found}, not of {wanted}")]
    Foreign {
        /// The backup's name.
        backup: String,
        /// "sonarr in model media".
        found: String,
        /// The same of the app that was asked for.
        wanted: String,
    },
    /// The app has no claim of a config volume, or it cannot be told which one it is.
    #[error("cannot find the config volume of {app} in model {model}: {why}")]
    NoClaim {
        /// The application.
        app: String,
        /// Its model.
        model: String,
        /// "it has no pod, and no claim has its labels".
        why: String,
    },
    /// The backup cannot be restored, by what Velero says of it.
    #[error("cannot restore backup {backup}: {why}")]
    Unfit {
        /// The backup's name.
        backup: String,
        /// "it holds no bytes of the config volume".
        why: String,
    },
    /// The bytes came back, and the app, as it is now, cannot take them.
    #[error("cannot restore backup {backup}: {why}")]
    NotTaken {
        /// The backup's name.
        backup: String,
        /// Why.
        why: String,
        /// What to do first, in the words of whoever judged it.
        next: String,
    },
    /// The bytes came back, and only a later version of this program can tell whether they are what was backed up.
    #[error(
        "cannot restore backup {backup}: a later program made it, with a manifest of version {version}, and this one reads \
         versions up to {}",
        config_volume::VERSION
    )]
    LaterManifest {
        /// The backup's name.
        backup: String,
        /// The version of its manifest.
        version: u32,
    },
    /// The bytes came back and are not what was backed up, or not sound.
    #[error("backup {backup} is damaged: {}", .problems.join("; "))]
    Damaged {
        /// The backup's name.
        backup: String,
        /// One line for each thing that is wrong.
        problems: Vec<String>,
    },
    /// A folder for data on their way lies in the volume, or the volume in it: the one is emptied while the other is kept.
    #[error(
        "cannot plan a restore: the folder {folder} for data on their way is not apart from the volume {volume}"
    )]
    NotApart {
        /// The folder.
        folder: String,
        /// The volume.
        volume: String,
    },
    /// The data do not fit.
    #[error(
        "cannot restore to {place}: it has to have {needed} bytes free, with what stays free, and has {free}"
    )]
    NoRoom {
        /// Where they should go.
        place: String,
        /// Bytes that are needed, the reserve included.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The node's disk would become so full that Kubernetes evicts pods.
    #[error(
        "cannot restore to {place}: the node's disk has to have {needed} bytes free, with the {reserve} % of it that stay free, and has {free}"
    )]
    NodeFull {
        /// Where they should go.
        place: String,
        /// Bytes that are needed, those that must stay free included.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// Hundredths of the disk that must stay free.
        reserve: u64,
    },
    /// A backup reads the volume.
    #[error("cannot restore now: backup {backup} is running, and the volume is prepared for a backup")]
    BackupRunning {
        /// Name of a backup that is running.
        backup: String,
    },
    /// No backup can be made.
    #[error("cannot back up {whose}: {reason}")]
    NotMade {
        /// Whose it would be.
        whose: String,
        /// What stands in the way, in Kubernetes' or Velero's words.
        reason: String,
        /// What would help.
        remedy: Remedy,
    },
    /// Something that waiting will not change.
    #[error("cannot wait for {what}: {reason}")]
    Hopeless {
        /// What was waited for: "pod restore-radarr/reader".
        what: String,
        /// What stands in the way, in Kubernetes' or Velero's words.
        reason: String,
        /// What would help.
        remedy: Remedy,
    },
    /// It took too long.
    #[error("waited {} s for {what}; last seen: {seen}", .after.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How it stood in the end.
        seen: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Another run has the scratch namespace.
    #[error("another run of {holder} uses namespace {namespace}, since {since}")]
    Held {
        /// The scratch namespace.
        namespace: String,
        /// Who made it.
        holder: String,
        /// When: RFC 3339.
        since: String,
    },
    /// A tool in the scratch pod failed or its stream broke off.
    #[error("cannot read the restored volume: {0}")]
    Transfer(String),
    /// The app could not be stopped or started, or did not get healthy.
    #[error("cannot {action}: {reason}")]
    Workload {
        /// "stop radarr", "start radarr".
        action: String,
        /// Why.
        reason: String,
    },
    /// The volume's files cannot be handled.
    #[error("cannot {action}")]
    Volume {
        /// What was tried.
        action: String,
        /// Why.
        #[source]
        source: config_volume::Error,
    },
    /// The journal of an earlier run cannot be used.
    #[error("cannot go on from the journal {path}: {reason}")]
    Journal {
        /// Its file.
        path: String,
        /// Why.
        reason: String,
    },
    /// What a run has to write down, or to remove when it ends, stays as it is.
    #[error("cannot write to {path}: {reason}")]
    Unwritable {
        /// The journal, or its folder.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something else lies where the folder of the journal has to be.
    #[error("cannot keep the journal of a restore in {path}: it is no folder")]
    NoFolder {
        /// Where.
        path: String,
    },
    /// A failure after the app was stopped; rolled back: the previous content is restored.
    #[error("{cause}; rolled back: the previous content is restored{}", if *.running { " and the app runs" } else { ", but the app does not run" })]
    RolledBack {
        /// What went wrong.
        cause: Box<Error>,
        /// Whether the app is healthy again.
        running: bool,
    },
    /// A failure after the previous content was removed to make room.
    #[error(
        "{cause}; the previous content was removed to make room, so the volume is incomplete and the app stays stopped"
    )]
    Incomplete {
        /// What went wrong.
        cause: Box<Error>,
    },
}

/// What would help where waiting does not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Velero lacks the storage location.
    AddStorageLocation,
    /// Velero has it, and cannot reach it.
    MendStorageLocation,
    /// Velero's node agent does not run at all.
    RunNodeAgent,
    /// Several Veleros run in the cluster.
    NameVelero,
    /// The backup may be gone.
    LookForBackup,
    /// Velero failed with this backup.
    ChooseBackup,
    /// This, whoever asks.
    Other(String),
}

impl From<&str> for Remedy {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}

impl Remedy {
    /// A sentence for a person.
    pub fn text(&self) -> &str {
        match self {
            Self::AddStorageLocation => "give Velero a storage location",
            Self::MendStorageLocation => "look at the object storage, and at Velero's access to it",
            Self::RunNodeAgent => "run Velero's node agent",
            Self::NameVelero => "name the namespace of the one that is meant",
            Self::LookForBackup => "see whether the backup is there",
            Self::ChooseBackup => "see the log of Velero's node agent, or choose another backup",
            Self::Other(text) => text,
        }
    }
}

impl Error {
    /// What would help, in words that fit whoever calls; the error's own text does not say it again.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Cluster(ClusterError::Unreachable { .. }) => "try again when the API server answers",
            Self::Cluster(ClusterError::NotAllowed { .. }) => "grant it, or use an account that may",
            Self::Cluster(ClusterError::Quota { .. }) => {
                "raise the quota, or remove what is not needed; what it asks pods to say a LimitRange can say"
            }
            Self::Cluster(ClusterError::Policy { .. }) => {
                "except what is labelled app.kubernetes.io/managed-by=configuratarr from that policy, then run it again"
            }
            Self::NoVelero(_) => "install Velero in this cluster, or point to the cluster that has it",
            Self::NoneAsOf { .. } => "name a later time, or the uid of one of these",
            Self::NoBackup { .. } | Self::NoGoodBackup { .. } => {
                "make a backup, or name another app or model"
            }
            Self::OnlySafetyBackups { .. } => "name one of them by its uid",
            Self::Unread(_) => "try again when it has, or name the backup",
            Self::NoSuchBackup(_) => "list the backups to see which there are",
            Self::Foreign { .. } => "choose another backup, or say whose it is",
            Self::NoClaim { model, .. } => {
                return Some(format!(
                    "deploy the app, which makes its claim; kubectl get pvc -n {model} shows those that there are"
                ));
            }
            Self::Unfit { .. } | Self::Damaged { .. } => "choose another backup",
            Self::NoRoom { .. } => {
                "make room or grow the volume, or give up the way back to what is there now"
            }
            Self::NodeFull { .. } => {
                "free space on the node's disk; the kubelet evicts pods when it is nearly full"
            }
            Self::LaterManifest { .. } => "go on with the program that made the backup, or a later one",
            Self::NotTaken { next, .. } => return Some(next.clone()),
            Self::NotApart { .. } => "name a folder outside of the volume",
            Self::BackupRunning { .. } => "wait until it has ended, then restore again",
            Self::NotMade { remedy, .. } | Self::Hopeless { remedy, .. } => remedy.text(),
            Self::TimedOut { .. } => "look at the events of what was waited for, then run it again",
            Self::Held { namespace, .. } => {
                return Some(format!(
                    "wait for it; if nothing runs any more: kubectl delete namespace {namespace}"
                ));
            }
            Self::Transfer(_) => "run it again; nothing of the app was touched",
            Self::Workload { .. } => "look at the app's log: kubectl logs",
            Self::Journal { path, .. } => {
                return Some(format!("move {path} away if no restore is under way"));
            }
            Self::Unwritable { .. } => {
                "look whether the volume is mounted read-only or full, then run it again"
            }
            Self::NoFolder { path } => return Some(format!("move {path} away, then run it again")),
            Self::RolledBack { cause, .. } => return cause.hint(),
            Self::Incomplete { cause } => return Some(after_incomplete(cause.hint())),
            Self::Cluster(
                ClusterError::NotFound { .. } | ClusterError::Ending { .. } | ClusterError::Refused { .. },
            )
            | Self::Volume { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// The way on where the previous content is gone: what the cause needs, and then again.
pub fn after_incomplete(cause: Option<String>) -> String {
    let first = cause.map(|next| format!("{next}; then ")).unwrap_or_default();
    format!("{first}restore again: this backup, or any other one")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Others than a charm's actions call this, and not all of them under Juju.
    #[test]
    fn a_hint_names_nothing_of_the_caller() {
        let text = String::new;
        let hopeless = |remedy| Error::Hopeless {
            what: text(),
            reason: text(),
            remedy,
        };
        let errors = [
            ClusterError::unreachable("", "").into(),
            ClusterError::not_allowed("", "").into(),
            Error::NoVelero(text()),
            Error::NoBackup {
                app: text(),
                model: text(),
            },
            Error::Unread(text()),
            Error::NoSuchBackup(text()),
            Error::Foreign {
                backup: text(),
                found: text(),
                wanted: text(),
            },
            Error::NoClaim {
                app: text(),
                model: text(),
                why: text(),
            },
            Error::Damaged {
                backup: text(),
                problems: Vec::new(),
            },
            Error::LaterManifest {
                backup: text(),
                version: 9,
            },
            Error::NoRoom {
                place: text(),
                needed: 1,
                free: 0,
            },
            Error::Workload {
                action: text(),
                reason: text(),
            },
            Error::Unwritable {
                path: text(),
                reason: text(),
            },
            Error::NoFolder { path: text() },
            hopeless(Remedy::AddStorageLocation),
            hopeless(Remedy::MendStorageLocation),
            hopeless(Remedy::RunNodeAgent),
            hopeless(Remedy::LookForBackup),
            hopeless(Remedy::ChooseBackup),
        ];
        for error in errors {
            let hint = error.hint().unwrap();
            for word in ["juju", "Juju", "-backup", "-old", "-app", "operator"] {
                assert!(!hint.contains(word), "{hint}");
            }
        }
    }

    #[test]
    fn an_incomplete_volume_is_restored_again_after_what_the_cause_needs() {
        let incomplete = |cause| Error::Incomplete {
            cause: Box::new(cause),
        };
        assert_eq!(
            incomplete(ClusterError::unreachable("", "").into())
                .hint()
                .unwrap(),
            "try again when the API server answers; then restore again: this backup, or any other one"
        );
        assert_eq!(
            incomplete(ClusterError::refused("", "").into()).hint().unwrap(),
            "restore again: this backup, or any other one"
        );
    }
}
