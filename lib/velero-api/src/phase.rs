//! Every phase of every kind, of all versions of Velero from 1.15 to 1.18, with what it means: the one place to add a phase.
//!
//! What says why something ended badly is in a field of the status, by kind:
//!
//! | kind | why |
//! |---|---|
//! | Backup, Restore | `validationErrors` where the spec was refused, else `failureReason` |
//! | PodVolumeBackup, PodVolumeRestore | `message` |
//! | Schedule | `validationErrors` |
//! | BackupStorageLocation | `message` |

use serde::{Deserialize, Serialize};

/// What a phase means to whoever waits for the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It is not begun: Velero has not seen it, or other work goes first.
    Waits,
    /// Velero works on it.
    Works,
    /// It ended well, or it can be used.
    Good,
    /// It ended badly, or it cannot be used.
    Bad,
    /// It is being deleted.
    Goes,
    /// A phase that is not in the table: of a newer Velero. Nobody can say what comes of it.
    Unknown,
}

macro_rules! phases {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $phase:ident => $meaning:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* $phase,)*
            /// A phase that this crate does not know.
            #[serde(untagged)]
            Other(String),
        }

        impl $name {
            /// All that are known.
            pub const KNOWN: &[Self] = &[$(Self::$phase,)*];

            /// What it means.
            pub fn meaning(&self) -> Meaning {
                match self {
                    $(Self::$phase => Meaning::$meaning,)*
                    Self::Other(_) => Meaning::Unknown,
                }
            }

            /// Velero's word for it.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$phase => stringify!($phase),)*
                    Self::Other(word) => word,
                }
            }

            /// Whether it will not change any more; being deleted counts.
            pub fn is_final(&self) -> bool {
                matches!(self.meaning(), Meaning::Good | Meaning::Bad | Meaning::Goes)
            }
        }
    };
}

phases! {
    /// Where a backup stands (`pkg/apis/velero/v1/backup_types.go`).
    BackupPhase {
        /// Not looked at yet.
        New => Waits,
        /// Since 1.18: other backups go first.
        Queued => Waits,
        /// Since 1.18: the next one to begin.
        ReadyToStart => Waits,
        /// The spec was refused; nothing was backed up.
        FailedValidation => Bad,
        /// Running.
        InProgress => Works,
        /// Asynchronous plugin work goes on.
        WaitingForPluginOperations => Works,
        /// Asynchronous plugin work goes on, and something failed already.
        WaitingForPluginOperationsPartiallyFailed => Works,
        /// Being finished.
        Finalizing => Works,
        /// Being finished, and something failed already.
        FinalizingPartiallyFailed => Works,
        /// Ended without an error. See [`BackupStatus`](crate::BackupStatus) for what that does not say.
        Completed => Good,
        /// Ended, and some objects or volumes could not be backed up.
        PartiallyFailed => Bad,
        /// Ended as a whole by an error, or by a restart of Velero.
        Failed => Bad,
        /// Being deleted.
        Deleting => Goes,
    }
}

phases! {
    /// Where a restore stands (`pkg/apis/velero/v1/restore_types.go`).
    RestorePhase {
        /// Not looked at yet.
        New => Waits,
        /// The spec was refused; nothing was restored.
        FailedValidation => Bad,
        /// Running.
        InProgress => Works,
        /// Asynchronous plugin work goes on.
        WaitingForPluginOperations => Works,
        /// Asynchronous plugin work goes on, and something failed already.
        WaitingForPluginOperationsPartiallyFailed => Works,
        /// Being finished.
        Finalizing => Works,
        /// Being finished, and something failed already.
        FinalizingPartiallyFailed => Works,
        /// Ended without an error.
        Completed => Good,
        /// Ended, and some objects or volumes could not be restored.
        PartiallyFailed => Bad,
        /// Ended as a whole by an error, or by a restart of Velero.
        Failed => Bad,
    }
}

phases! {
    /// Where a volume's backup or restore stands. Velero has a type of each, with the same phases
    /// (`pkg/apis/velero/v1/pod_volume_backup_types.go`, `pod_volume_restore_type.go`).
    PodVolumePhase {
        /// Not taken up yet.
        New => Waits,
        /// Since 1.17: a node agent makes a pod for it.
        Accepted => Waits,
        /// Since 1.17: the pod is there, and waits for its turn on the node.
        Prepared => Waits,
        /// Running.
        InProgress => Works,
        /// Since 1.17: being given up.
        Canceling => Works,
        /// Since 1.17: given up, by somebody or because it took too long; the status's `message` says why.
        Canceled => Bad,
        /// Done.
        Completed => Good,
        /// Failed; the status's `message` says why.
        Failed => Bad,
    }
}

phases! {
    /// Whether Velero understood a schedule (`pkg/apis/velero/v1/schedule_types.go`).
    SchedulePhase {
        /// Not looked at yet.
        New => Waits,
        /// Backups are made.
        Enabled => Good,
        /// Refused; no backups are made.
        FailedValidation => Bad,
    }
}

phases! {
    /// Whether a storage location can be used (`pkg/apis/velero/v1/backupstoragelocation_types.go`).
    BackupStorageLocationPhase {
        /// Backups can be stored and read.
        Available => Good,
        /// It cannot be reached; new backups are refused.
        Unavailable => Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! is_veleros_word {
        ($($name:ident),*) => {$(
            for phase in $name::KNOWN {
                let written = serde_json::to_string(phase).unwrap();
                assert_eq!(written, format!("{:?}", phase.word()));
                assert_eq!(serde_json::from_str::<$name>(&written).unwrap(), *phase);
                assert_ne!(phase.meaning(), Meaning::Unknown);
            }
            let other: $name = serde_json::from_str("\"Hibernating\"").unwrap();
            assert_eq!((other.word(), other.meaning(), other.is_final()), ("Hibernating", Meaning::Unknown, false));
        )*};
    }

    #[test]
    fn a_phase_is_veleros_word_and_one_that_is_not_in_the_table_is_unknown() {
        is_veleros_word!(
            BackupPhase,
            RestorePhase,
            PodVolumePhase,
            SchedulePhase,
            BackupStorageLocationPhase
        );
    }
}
