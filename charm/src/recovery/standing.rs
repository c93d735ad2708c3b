//! How the app's backups stand: when the last good one was, and whether one is overdue.

use config_recovery::backups::{BackupHealth, LastGood, Rests, Scheduled};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use velero_backup_config::Schedule;

use super::own_id;
use super::texts::{size, time};
use crate::backup::{self, BackupFacts};
use crate::env::Env;
use crate::names::LIST_BACKUPS;
use crate::steps::validate::BackupSettings;

/// How long after its time a backup may end before it is missed. Many apps may be backed up at once.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// What was seen of the app's backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthLookup {
    /// Nothing: they were not looked at.
    NotAsked,
    /// The charm may not look at them.
    NotAllowed,
    /// They could not be looked at. Nothing keeps that: the next event looks.
    #[serde(skip)]
    Unknown,
    /// This.
    Read(BackupHealth),
}

/// What the status says of the app's backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupStatus {
    /// Nothing: they were not looked at.
    NotAsked,
    /// The charm may not look at them, so that nobody knows whether they hold anything.
    NotAllowed,
    /// They could not be looked at.
    Unknown,
    /// What was seen.
    Seen {
        /// The last good one, if there is one.
        last: Option<String>,
        /// That one is overdue.
        warning: Option<String>,
        /// Why none are made, though they are asked for.
        held_up: Option<ScheduleProblem>,
    },
}

/// Why no backups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleProblem {
    /// velero-operator has made no Schedule.
    NoSchedule,
    /// Velero refuses the Schedule, for this reason.
    Refused(String),
    /// The Schedule of this name is paused.
    Paused(String),
}

/// How long velero-operator may take until there is a Schedule as the charm asks for it. It restarts Velero for each change of
/// its own, which took up to 3.4 minutes.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Reads how the backups stand of an app that is backed up, on the unit with the data. Only with trust, and where the pod was
/// looked at: this takes three requests.
pub fn look(env: Env<'_>, volume: &BackupFacts) -> HealthLookup {
    let BackupFacts::Read(volume) = volume else {
        return HealthLookup::NotAsked;
    };
    match volume.claim {
        backup::Lookup::Known(_) => {}
        // Whoever may not read a claim may not read a backup.
        backup::Lookup::NotAllowed => return HealthLookup::NotAllowed,
        backup::Lookup::Unknown(_) => return HealthLookup::NotAsked,
    }
    match env.recovery.standing(&own_id(env.juju)) {
        Ok(standing) => HealthLookup::Read(standing),
        // The next event asks again, and list-backups says why. To log it would be a line every five minutes.
        Err(_) => HealthLookup::Unknown,
    }
}

/// What the status says of what was `seen`, where `backup` is asked for, since `asked_at`.
pub fn told(
    seen: &HealthLookup,
    backup: &BackupSettings,
    asked_at: Option<Timestamp>,
    now: Timestamp,
) -> BackupStatus {
    let standing = match seen {
        HealthLookup::NotAsked => return BackupStatus::NotAsked,
        HealthLookup::NotAllowed => return BackupStatus::NotAllowed,
        HealthLookup::Unknown => return BackupStatus::Unknown,
        HealthLookup::Read(standing) => standing,
    };
    let mut told = of(standing, backup.request.spec().schedule(), now);
    if let BackupStatus::Seen { held_up, .. } = &mut told
        && asked_at.is_some_and(|asked| now.duration_since(asked) < PATIENCE)
    {
        *held_up = None;
    }
    told
}

impl HealthLookup {
    /// Until when nothing that was seen can have changed but by somebody's hand; `None` if something is missing yet, wrong or due.
    pub fn holds_until(&self, schedule: Option<&Schedule>, now: Timestamp) -> Option<Timestamp> {
        let standing = match self {
            Self::NotAsked | Self::NotAllowed => return Some(Timestamp::MAX),
            Self::Unknown => return None,
            Self::Read(standing) => standing,
        };
        // Somebody waits for the first one.
        standing.last_good.as_ref()?;
        if schedule.is_some() && held_up(standing.schedule.as_ref()).is_some() {
            return None;
        }
        let due = due(standing, schedule).unwrap_or(Timestamp::MAX);
        (now < due).then_some(due)
    }
}

/// When the next good backup is due.
fn due(standing: &BackupHealth, schedule: Option<&Schedule>) -> Option<Timestamp> {
    let last = standing.last_good.as_ref().and_then(|last| last.time);
    let since = last.or_else(|| standing.schedule.as_ref()?.since)?;
    schedule?.next_after(since)
}

/// What the status says of a standing.
fn of(standing: &BackupHealth, schedule: Option<&Schedule>, now: Timestamp) -> BackupStatus {
    let last = standing.last_good.as_ref();
    let made = standing.schedule.as_ref();
    let missed = due(standing, schedule).filter(|due| now.duration_since(*due) > GRACE);
    let when = |backup: &LastGood| backup.time.map(time).unwrap_or_default();
    BackupStatus::Seen {
        held_up: schedule.and_then(|_| held_up(made)),
        last: last.map(|last| {
            let bytes = last.bytes.map(|bytes| format!(", {}", size(bytes)));
            format!("last good {}{}", when(last), bytes.unwrap_or_default())
        }),
        warning: missed.map(|due| match last {
            Some(last) => format!(
                "warning: no good backup since {}, due {}; run {LIST_BACKUPS}",
                when(last),
                time(due)
            ),
            None => format!(
                "warning: no good backup yet, though one was due {}; run {LIST_BACKUPS}",
                time(due)
            ),
        }),
    }
}

fn held_up(made: Option<&Scheduled>) -> Option<ScheduleProblem> {
    let Some(made) = made else {
        return Some(ScheduleProblem::NoSchedule);
    };
    Some(match made.rests.as_ref()? {
        Rests::Refused { why } => ScheduleProblem::Refused(why.clone()),
        Rests::Paused => ScheduleProblem::Paused(made.name.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn standing(last: Option<&str>, since: Option<&str>) -> BackupHealth {
        BackupHealth {
            last_good: last.map(|time| LastGood {
                name: "radarr-1".to_owned(),
                uid: "u".to_owned(),
                time: Some(at(time)),
                bytes: Some(20_131_072),
            }),
            schedule: since.map(|since| Scheduled {
                name: "radarr-s".to_owned(),
                since: Some(at(since)),
                rests: None,
            }),
        }
    }

    #[test]
    fn a_backup_that_takes_the_whole_hour_is_not_missed_yet() {
        let nightly = Schedule::daily_at(3 * 60);
        for (now, is_missed) in [("2026-11-24T04:00:00Z", false), ("2026-11-24T04:00:01Z", true)] {
            let standing = standing(None, Some("2026-11-24T02:10:00Z"));
            let BackupStatus::Seen { warning, .. } = of(&standing, Some(&nightly), at(now)) else {
                panic!("it was seen");
            };
            assert_eq!(warning.is_some(), is_missed, "{now}");
        }
    }

    #[test]
    fn a_backup_is_missed_when_its_time_has_passed_by_an_hour() {
        let nightly = Schedule::daily_at(3 * 60);
        let now = at("2026-11-24T12:00:00Z");
        let seen = |standing: &BackupHealth, schedule| match of(standing, schedule, now) {
            BackupStatus::Seen { last, warning, .. } => {
                (last.unwrap_or_default(), warning.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        };
        let told = |last, since| seen(&standing(last, since), Some(&nightly));
        let nothing = || (String::new(), String::new());
        assert_eq!(told(None, None), nothing());
        assert_eq!(told(None, Some("2026-11-24T03:10:00Z")), nothing());
        assert_eq!(
            told(None, Some("2026-11-24T02:10:00Z")).1,
            "warning: no good backup yet, though one was due 2026-11-24 03:00 UTC; run list-backups"
        );
        let begin = Some("2026-11-01T00:00:00Z");
        assert_eq!(
            told(Some("2026-11-24T03:12:40Z"), begin),
            ("last good 2026-11-24 03:12 UTC, 20 MB".to_owned(), String::new())
        );
        assert_eq!(
            told(Some("2026-11-22T03:12:40Z"), begin).1,
            "warning: no good backup since 2026-11-22 03:12 UTC, due 2026-11-23 03:00 UTC; run list-backups"
        );
        let by_hand = seen(&standing(Some("2026-11-22T03:12:40Z"), None), None);
        assert_eq!(
            by_hand,
            ("last good 2026-11-22 03:12 UTC, 20 MB".to_owned(), String::new())
        );
    }

    #[test]
    fn a_schedule_that_is_asked_for_has_to_be_there_and_to_make_backups() {
        let nightly = Schedule::daily_at(3 * 60);
        let now = at("2026-11-24T12:00:00Z");
        let held_up = |rests: Option<Rests>, is_there: bool, schedule| {
            let mut standing = standing(None, is_there.then_some("2026-11-24T10:00:00Z"));
            if let Some(made) = &mut standing.schedule {
                made.rests = rests;
            }
            match of(&standing, schedule, now) {
                BackupStatus::Seen { held_up, .. } => held_up,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(held_up(None, true, Some(&nightly)), None);
        assert_eq!(
            held_up(None, false, Some(&nightly)),
            Some(ScheduleProblem::NoSchedule)
        );
        assert_eq!(held_up(None, false, None), None);
        let why = || "no cron".to_owned();
        assert_eq!(
            held_up(Some(Rests::Refused { why: why() }), true, Some(&nightly)),
            Some(ScheduleProblem::Refused(why()))
        );
        assert_eq!(
            held_up(Some(Rests::Paused), true, Some(&nightly)),
            Some(ScheduleProblem::Paused("radarr-s".to_owned()))
        );
    }
}
