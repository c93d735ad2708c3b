//! What a person reads of backups: sizes, times, ages, and what went wrong with what to do about it.

use config_recovery::backups::{BackupSummary, Earlier};
use config_recovery::error::after_incomplete;
use config_recovery::{ClusterError, Error, Remedy};
use config_volume::causes;
use jiff::Timestamp;

/// Bytes, rounded: `20 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1000;
    let mut unit = 0;
    // 999.95 and more would be shown as 1000.
    while tenths >= 9995 && unit + 1 < UNITS.len() {
        tenths = tenths.saturating_add(500) / 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let (whole, rest) = (tenths / 10, tenths % 10);
    if whole >= 10 || rest == 0 {
        format!("{} {name}", (tenths + 5) / 10)
    } else {
        format!("{whole}.{rest} {name}")
    }
}

/// A time to the minute: `2026-11-24 03:12 UTC`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A day: `2026-11-24`, by UTC.
pub fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// How long ago it was, in one unit: `3 h`.
pub fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

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
        Error::NoVelero(_) => "deploy velero-operator in this cluster, or point to the cluster that has it",
        Error::NoBackup { .. } | Error::NoGoodBackup { .. } => {
            "run the action backup-now, or name another app or model with from-app and from-model"
        }
        Error::OnlySafetyBackups { .. } => "list-backups shows them; name one with backup-uid",
        Error::NoneAsOf { .. } => "say a later time, or backup-uid= of one of these",
        Error::NoSuchBackup(_) => "list-backups shows the uids",
        Error::Foreign { .. } => {
            "choose another backup: list-backups; from-app and from-model are for another application of the same app"
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
    fn sizes_have_two_or_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1500, "1.5 kB"),
            (20_131_072, "20 MB"),
            (9_960_000, "10 MB"),
            (999_400, "999 kB"),
            (999_960, "1 MB"),
            (1_250_000_000, "1.3 GB"),
            (u64::MAX, "1845 PB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let ago = |text: &str| age(text.parse().unwrap(), now);
        assert_eq!(ago("2026-11-24T11:59:30Z"), "30 s");
        assert_eq!(ago("2026-11-24T11:00:01Z"), "59 min");
        assert_eq!(ago("2026-11-23T12:00:00Z"), "24 h");
        assert_eq!(ago("2026-11-21T12:00:00Z"), "3 d");
        assert_eq!(ago("2026-11-24T12:00:01Z"), "0 s");
        assert_eq!(time(now), "2026-11-24 12:00 UTC");
    }

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
