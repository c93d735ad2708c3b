//! What a person reads of what went wrong, with what to do about it in this charm.

use config_recovery::backups::{BackupSummary, Earlier};
use config_recovery::error::after_incomplete;
use config_recovery::words::{size, time};
use config_recovery::{ClusterError, Error, Remedy};
use config_volume::causes;

use crate::names::OF_A_FILE;

/// That a backup holds less than half of another one before it, if it does.
pub fn less_than_before(backup: &BackupSummary, earlier: &Earlier) -> Option<String> {
    let told = |backup: &BackupSummary| {
        let when = backup
            .started
            .map(|when| format!(", {}", time(when)))
            .unwrap_or_default();
        let bytes = backup.holds.bytes().map(size).unwrap_or_default();
        format!("{} ({bytes}{when}, uid {})", backup.name, backup.uid)
    };
    let larger = earlier.larger.as_ref()?;
    Some(format!(
        "backup {} holds less than half of {}",
        told(backup),
        told(larger)
    ))
}

/// An error of the engine, and what to do about it in this charm.
pub fn user_message(error: &Error, app: &str) -> String {
    let text = causes(error);
    match next_step(error, app) {
        Some(next) => format!("{text}; {next}"),
        None => text,
    }
}

/// What to do about an error of the engine in this charm.
pub fn next_step(error: &Error, app: &str) -> Option<String> {
    let text = match error {
        Error::Cluster(ClusterError::NotAllowed { .. }) => {
            return Some(format!("juju trust {app} --scope=cluster"));
        }
        Error::Cluster(ClusterError::Unreachable { .. }) => {
            "try again when the API server answers; a NetworkPolicy must let the unit's pod reach it"
        }
        Error::NoVelero(_) => "deploy velero-operator in this cluster, or point to the cluster that has it",
        Error::NoBackup { .. } | Error::NoGoodBackup { .. } => {
            "run the action backup-now, or name another app or model with from-app and from-model"
        }
        Error::OnlySafetyBackups { .. } => "list-backups shows them; name one with backup-uid",
        Error::NoneAsOf { .. } => "say a later time, or backup-uid= of one of these",
        Error::Unread(_) => "try again when it has, or name a backup with backup-uid",
        Error::NoSuchBackup(_) => "list-backups shows the uids",
        Error::Foreign { .. } => {
            "choose another backup: list-backups; from-app and from-model are for another application of the same app"
        }
        // A resource alone brings no other charm.
        Error::LaterManifest { .. } => {
            return Some(format!("refresh the charm first: juju refresh {app} {OF_A_FILE}"));
        }
        Error::NoClaim { model, .. } => {
            return Some(format!(
                "deploy the app: Juju makes its claim; kubectl get pvc -n {model} shows those that there are"
            ));
        }
        Error::Unfit { .. } | Error::Damaged { .. } => "choose another backup: list-backups shows them",
        Error::NoRoom { .. } => {
            "make room or grow the volume; keep-old=false gives up the way back to what is there now"
        }
        Error::Workload { .. } => "look at the app's log: kubectl logs, or juju debug-log",
        Error::NotMade { remedy, .. } | Error::Hopeless { remedy, .. } => match remedy {
            Remedy::AddStorageLocation => {
                "relate velero-operator to its object storage: juju integrate velero-operator s3-integrator"
            }
            Remedy::MendStorageLocation => {
                "look at the object storage, and at what velero-operator is related to"
            }
            Remedy::RunNodeAgent => "juju config velero-operator use-node-agent=true",
            Remedy::NameVelero => "name the namespace of the one that is meant: velero-namespace=…",
            Remedy::LookForBackup | Remedy::ChooseBackup => {
                return Some(format!("{}: list-backups", remedy.text()));
            }
            other => other.text(),
        },
        Error::RolledBack { cause, .. } => return next_step(cause, app),
        Error::Incomplete { cause } => return Some(after_incomplete(next_step(cause, app))),
        other => return other.hint(),
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_granted_by_this_name_also_after_the_way_back() {
        let refused = || {
            Error::from(ClusterError::not_allowed(
                "list backups",
                "backups.velero.io is forbidden",
            ))
        };
        let text = user_message(&refused(), "films");
        assert!(text.ends_with("; juju trust films --scope=cluster"), "{text}");
        let back = Error::RolledBack {
            cause: Box::new(refused()),
            running: true,
        };
        let text = user_message(&back, "films");
        assert!(
            text.ends_with("the app runs; juju trust films --scope=cluster"),
            "{text}"
        );
    }
    #[test]
    fn a_next_step_is_one_of_this_charm_also_where_the_volume_is_incomplete() {
        let hopeless = |remedy| Error::Hopeless {
            what: "a backup".to_owned(),
            reason: "gone".to_owned(),
            remedy,
        };
        for (error, expected) in [
            (
                hopeless(Remedy::RunNodeAgent),
                "juju config velero-operator use-node-agent=true",
            ),
            (
                hopeless(Remedy::AddStorageLocation),
                "relate velero-operator to its object storage: juju integrate velero-operator s3-integrator",
            ),
            (
                hopeless(Remedy::LookForBackup),
                "see whether the backup is there: list-backups",
            ),
            (hopeless("run it again".into()), "run it again"),
            (
                Error::LaterManifest {
                    backup: "a".to_owned(),
                    version: 9,
                },
                "refresh the charm first: juju refresh films (charm from a file: --path FILE)",
            ),
            (
                Error::NoRoom {
                    place: "the volume".to_owned(),
                    needed: 2,
                    free: 1,
                },
                "make room or grow the volume; keep-old=false gives up the way back to what is there now",
            ),
        ] {
            assert_eq!(next_step(&error, "films").as_deref(), Some(expected));
            let incomplete = Error::Incomplete {
                cause: Box::new(error),
            };
            let expected = format!("{expected}; then restore again: this backup, or any other one");
            assert_eq!(next_step(&incomplete, "films"), Some(expected));
        }
    }
}
