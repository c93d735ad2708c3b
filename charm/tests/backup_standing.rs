//! What the status says of an app's backups, on a recovery engine that does what it was told.

use crate::common::unit::{Unit, writes};
use crate::common::{nightly, radarr};
use config_recovery::backups::{LastGood, Rests, Scheduled};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, RelationState};

#[test]
fn the_status_says_when_the_last_good_backup_was_where_the_charm_may_look() {
    let mut unit = Unit::settled(&radarr());
    unit.state =
        unit.state
            .clone()
            .with_relation(RelationState::new(3, "velero-backup-config", "velero-operator"));
    unit.run(Event::UpdateStatus);
    assert_eq!(
        unit.recovery.calls.take(),
        Vec::<String>::new(),
        "asked without trust"
    );
    let asked = "active: scheduled backups: daily at 01:28 UTC, kept 720h; ";
    let ends = |unit: &Unit| unit.status().strip_prefix(asked).map(str::to_owned);
    assert_eq!(
        ends(&unit).unwrap(),
        "unverified: juju trust radarr --scope=cluster"
    );
    unit.cluster.trust();
    unit.run(Event::ConfigChanged);
    // The fake refuses: what cannot be known is not said.
    unit.run(Event::UpdateStatus);
    assert_eq!(ends(&unit).unwrap(), "unverified: run list-backups");
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(writes(&outcome), Vec::<String>::new());
    let ago = |hours: i64| Timestamp::now() - SignedDuration::from_hours(hours);
    let made = |hours: i64| {
        Some(Scheduled {
            name: "radarr-s".to_owned(),
            since: Some(ago(hours)),
            rests: None,
        })
    };
    unit.recovery.standing = Some(nightly(None, made(1)));
    unit.run(Event::UpdateStatus);
    let now = unit.status();
    assert!(
        now.contains("warning") || ends(&unit).unwrap() == "none yet: run backup-now",
        "{now}"
    );
    unit.recovery.standing = Some(nightly(None, made(49)));
    unit.run(Event::UpdateStatus);
    assert!(
        unit.status()
            .starts_with("active: warning: no good backup yet, one was due "),
        "{}",
        unit.status()
    );
    let last = LastGood {
        name: "radarr-1".to_owned(),
        uid: "aaaa-1".to_owned(),
        started: Some(ago(0)),
        time: Some(ago(0)),
        expires: Some(ago(-720)),
        bytes: Some(20_131_072),
    };
    unit.recovery.standing = Some(nightly(Some(last), made(49)));
    unit.recovery.calls.take();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.recovery.calls.take(), ["standing", "storage_locations"]);
    assert!(
        ends(&unit).is_some_and(|last| last.starts_with("last good ") && last.ends_with(" UTC, 20 MB")),
        "{}",
        unit.status()
    );
    // Nothing is due: what was seen counts.
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(writes(&outcome), Vec::<String>::new());
    assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
}

#[test]
fn no_unit_is_active_while_velero_makes_none_of_the_backups_that_were_asked_for() {
    let mut unit = Unit::settled(&radarr());
    unit.cluster.trust();
    let relation = RelationState::new(3, "velero-backup-config", "velero-operator");
    unit.state = unit.state.clone().with_relation(relation);
    let standing = |rests: Option<Option<Rests>>| {
        let schedule = rests.map(|rests| Scheduled {
            name: "radarr-s".to_owned(),
            since: Some(Timestamp::now()),
            rests,
        });
        nightly(None, schedule)
    };
    unit.recovery.standing = Some(standing(None));
    for _ in 0..2 {
        unit.run(Event::UpdateStatus);
        // velero-operator has just been asked.
        assert!(
            unit.status().ends_with("none yet: run backup-now"),
            "{}",
            unit.status()
        );
    }
    unit.remembers(r#"{"asked-at":"2026-11-01T00:00:00Z"}"#);
    let why = "bad cron".to_owned();
    let cases = [
        (
            None,
            "waiting: velero-backup-config: velero-operator made no Schedule; ",
        ),
        (
            Some(Some(Rests::Refused { why })),
            "blocked: velero-backup-config: Schedule refused: bad cron; juju config radarr backup-schedule=daily",
        ),
        (
            Some(Some(Rests::Paused)),
            "blocked: velero-backup-config: Schedule paused; velero schedule unpause radarr-s",
        ),
        (Some(None), "active: scheduled backups: "),
    ];
    for (rests, expected) in cases {
        unit.recovery.standing = Some(standing(rests));
        unit.run(Event::UpdateStatus);
        assert!(unit.status().starts_with(expected), "{}", unit.status());
        assert!(unit.runs());
    }
}

#[test]
fn a_retention_that_is_too_short_is_told_and_backups_are_made_all_the_same() {
    let mut unit = Unit::settled(&radarr());
    let relation = RelationState::new(3, "velero-backup-config", "velero-operator");
    unit.state = unit.state.clone().with_relation(relation);
    // A month has 31 days, and backups are kept 30 if nobody says otherwise.
    unit.state = unit.state.clone().with_config("backup-schedule", "@monthly");
    unit.run(Event::ConfigChanged);
    assert_eq!(
        unit.status(),
        "blocked: backup-retention \"720h\": below the 744 h between backups; \
         juju config radarr backup-retention=5208h"
    );
    assert!(unit.asks_for_backups());
    let marks = workload_charm::kubernetes::Cluster::pod(&unit.cluster, "radarr-0")
        .unwrap()
        .annotations;
    assert!(
        marks.keys().any(|key| key.contains("backup.velero.io")),
        "{marks:?}"
    );
    unit.state = unit.state.clone().with_config("backup-retention", "5208h");
    unit.run(Event::ConfigChanged);
    assert!(
        unit.status().starts_with("active: scheduled backups: @monthly"),
        "{}",
        unit.status()
    );
}
