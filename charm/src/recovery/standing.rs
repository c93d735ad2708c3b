//! How the app's backups stand: when the last good one was, and whether one is overdue.

use config_recovery::backups::Standing;
use jiff::{SignedDuration, Timestamp};
use velero_backup_config::Schedule;

use super::own_id;
use super::texts::{size, time};
use crate::backup::{BackupFacts, Seen};
use crate::env::Env;
use crate::facts::Facts;
use crate::steps::validate::ValidatedApp;

/// How long after its time a backup may end before it is missed. Many apps may be backed up at once.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// Reads how the app's backups stand, on the unit with the data. Only with trust and a relation, and where the pod was
/// looked at: this takes three requests.
pub fn look(env: Env<'_>, facts: &Facts, validated: &ValidatedApp) -> Option<String> {
    let BackupFacts::Read(volume) = &facts.volume else {
        return None;
    };
    // Whoever may not read a claim may not read a backup.
    let is_trusted = matches!(volume.claim, Seen::Known(_));
    let Some(Ok(backup)) = &validated.backup else {
        return None;
    };
    if !facts.data.is_here() || !facts.is_backed_up || !is_trusted {
        return None;
    }
    match env.recovery.standing(&own_id(env.juju)) {
        Ok(standing) => text(&standing, backup.request.spec().schedule(), Timestamp::now()),
        // It says nothing about the app, the next event asks again, and list-backups says why. To log it would be a line every
        // five minutes.
        Err(_) => None,
    }
}

/// What the status says of it; nothing when there was no backup yet and none is due.
pub fn text(standing: &Standing, schedule: Option<&Schedule>, now: Timestamp) -> Option<String> {
    let last = standing.last_good.as_ref();
    let since = last.and_then(|last| last.time).or(standing.scheduled_since);
    let due = schedule
        .zip(since)
        .and_then(|(schedule, since)| schedule.next_after(since));
    let missed = due.filter(|due| now.duration_since(*due) > GRACE);
    let Some(last) = last else {
        return missed.map(|due| {
            format!(
                "warning: no good backup yet, though one was due {}; run list-backups",
                time(due)
            )
        });
    };
    let when = last.time.map(time).unwrap_or_default();
    let bytes = last
        .bytes
        .map(|bytes| format!(", {}", size(bytes)))
        .unwrap_or_default();
    let missed = missed
        .map(|due| {
            format!(
                "; warning: none since, though one was due {}; run list-backups",
                time(due)
            )
        })
        .unwrap_or_default();
    Some(format!("last good backup {when}{bytes}{missed}"))
}

#[cfg(test)]
mod tests {
    use config_recovery::backups::LastGood;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn standing(last: Option<&str>, since: Option<&str>) -> Standing {
        Standing {
            last_good: last.map(|time| LastGood {
                name: "radarr-1".to_owned(),
                uid: "u".to_owned(),
                time: Some(at(time)),
                bytes: Some(20_131_072),
            }),
            scheduled_since: since.map(at),
        }
    }

    #[test]
    fn a_backup_is_missed_when_its_time_has_passed_by_an_hour() {
        let nightly = Schedule::daily_at(3 * 60);
        let now = at("2026-11-24T12:00:00Z");
        let told = |standing: &Standing| text(standing, Some(&nightly), now).unwrap_or_default();
        assert_eq!(told(&standing(None, None)), "");
        assert_eq!(told(&standing(None, Some("2026-11-24T03:10:00Z"))), "");
        assert_eq!(
            told(&standing(None, Some("2026-11-24T02:10:00Z"))),
            "warning: no good backup yet, though one was due 2026-11-24 03:00 UTC; run list-backups"
        );
        assert_eq!(
            told(&standing(
                Some("2026-11-24T03:12:40Z"),
                Some("2026-11-01T00:00:00Z")
            )),
            "last good backup 2026-11-24 03:12 UTC, 20 MB"
        );
        assert_eq!(
            told(&standing(
                Some("2026-11-22T03:12:40Z"),
                Some("2026-11-01T00:00:00Z")
            )),
            "last good backup 2026-11-22 03:12 UTC, 20 MB; warning: none since, though one was due 2026-11-23 03:00 UTC; \
             run list-backups"
        );
        let by_hand = text(&standing(Some("2026-11-22T03:12:40Z"), None), None, now);
        assert_eq!(by_hand.unwrap(), "last good backup 2026-11-22 03:12 UTC, 20 MB");
    }
}
