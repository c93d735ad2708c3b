//! What can go wrong on the way back, each with what to do about it.

use std::time::Duration;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step could not be done. The text is one line and says what and why; [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server gave no answer.
    #[error("cannot {action}: Kubernetes cannot be reached: {reason}")]
    Unreachable {
        /// What was tried: "list backups".
        action: String,
        /// What the connection said.
        reason: String,
    },
    /// The account may not do this.
    #[error("cannot {action}: not allowed: {reason}")]
    NotAllowed {
        /// What was tried.
        action: String,
        /// What the API server said.
        reason: String,
    },
    /// An object that has to be there is not.
    #[error("cannot {action}: there is no such object")]
    NotFound {
        /// What was tried.
        action: String,
    },
    /// A ResourceQuota is used up.
    #[error("cannot {action}: a quota is used up: {reason}")]
    Quota {
        /// What was tried.
        action: String,
        /// What the API server said.
        reason: String,
    },
    /// The API server refused for another reason.
    #[error("cannot {action}: {reason}")]
    Refused {
        /// What was tried.
        action: String,
        /// What it said.
        reason: String,
    },
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
    /// The bytes came back and are not what was backed up, or not sound.
    #[error("backup {backup} is damaged: {}", .problems.join("; "))]
    Damaged {
        /// The backup's name.
        backup: String,
        /// One line for each thing that is wrong.
        problems: Vec<String>,
    },
    /// The data do not fit.
    #[error("cannot bring back {needed} bytes: {place} has {free} free")]
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
        "cannot restore {needed} bytes to {place}: the node's disk has {free} free, and {reserve} % of it must stay so"
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
    /// Something that waiting will not change.
    #[error("cannot wait for {what}: {reason}")]
    Hopeless {
        /// What was waited for: "pod restore-radarr/reader".
        what: String,
        /// What stands in the way, in Kubernetes' or Velero's words.
        reason: String,
        /// What to do.
        hint: String,
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
    /// A failure after the app was stopped; the old content is back.
    #[error("{cause}; the old content is back{}", if *.running { " and the app runs" } else { ", but the app does not run" })]
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

impl Error {
    /// What a person can do about it; the error's own text does not say it again.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreachable { .. } => "try again when the API server answers".to_owned(),
            Self::NotAllowed { .. } => {
                "grant it: juju trust APPLICATION --scope=cluster, or use an account that may".to_owned()
            }
            Self::Quota { .. } => "raise the quota, or remove what is not needed".to_owned(),
            Self::NoVelero(_) => {
                "deploy velero-operator in this cluster, or point to the cluster that has it".to_owned()
            }
            Self::NoBackup { .. } | Self::NoGoodBackup { .. } => {
                "run the action backup-now, or name another app or model with from-app and from-model"
                    .to_owned()
            }
            Self::NoSuchBackup(_) => "list-backups shows the uids".to_owned(),
            Self::Foreign { .. } => {
                "choose another backup, or say whose it is with from-app and from-model".to_owned()
            }
            Self::NoClaim { model, .. } => {
                format!(
                    "deploy the app: Juju makes its claim; kubectl get pvc -n {model} shows those that there are"
                )
            }
            Self::Unfit { .. } | Self::Damaged { .. } => {
                "choose another backup: list-backups shows them".to_owned()
            }
            Self::NoRoom { .. } => {
                "make room or grow the volume; keep-old=false gives up the way back to what is there now"
                    .to_owned()
            }
            Self::NodeFull { .. } => {
                "free space on the node's disk; the kubelet evicts pods when it is nearly full".to_owned()
            }
            Self::BackupRunning { .. } => "wait until it has ended, then restore again".to_owned(),
            Self::Incomplete { cause } => {
                let first = cause.hint().map(|hint| format!("{hint}; then "));
                format!(
                    "{}restore again: this backup, or any other one",
                    first.unwrap_or_default()
                )
            }
            Self::Hopeless { hint, .. } => hint.clone(),
            Self::TimedOut { .. } => {
                "look at the events of what was waited for, then run it again".to_owned()
            }
            Self::Held { namespace, .. } => {
                format!("wait for it; if nothing runs any more: kubectl delete namespace {namespace}")
            }
            Self::Transfer(_) => "run it again; nothing of the app was touched".to_owned(),
            Self::Workload { .. } => "look at the app's log: kubectl logs, or juju debug-log".to_owned(),
            Self::Journal { path, .. } => format!("move {path} away if no restore is under way"),
            Self::RolledBack { cause, .. } => return cause.hint(),
            Self::NotFound { .. } | Self::Refused { .. } | Self::Volume { .. } => return None,
        };
        Some(text)
    }
}
