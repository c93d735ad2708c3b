use config_recovery::backups::{Outcome, Proof, Rests};
use config_recovery::overview::{MovingRestore, Progress};
use config_recovery::scratch;

use super::*;
use crate::fixtures::{ago, backup, empty, fleet, id, now, overview, running, schedule, status};
use crate::juju::{Juju, Status};

/// What is said of the one app, the worst first.
fn said(status: &Status, overview: &Overview) -> Vec<(Severity, String, String)> {
    let apps = fleet(status, overview);
    let [app] = apps.as_slice() else {
        panic!("{apps:?}");
    };
    app.attention
        .iter()
        .map(|attention| (attention.severity, attention.text.clone(), attention.next.clone()))
        .collect()
}

fn first(status: &Status, overview: &Overview) -> Option<String> {
    said(status, overview)
        .into_iter()
        .next()
        .map(|(severity, text, _)| format!("{severity:?}: {text}"))
}

#[test]
fn an_app_with_last_nights_backup_is_well() {
    let found = fleet(
        &status(&["radarr"]),
        &overview(vec![backup("radarr", 10), backup("radarr", 34)]),
    );
    let [app] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(app.protection, Some(Protection::Scheduled));
    assert_eq!(app.last_good.as_ref().unwrap().uid, "radarr-uid-10");
    assert_eq!(app.next_run.unwrap().to_string(), "2026-11-30T01:30:00Z");
    assert!(app.attention.is_empty() && app.in_flight.is_empty(), "{app:?}");
}

#[test]
fn what_is_not_well_is_said_with_the_worst_first() {
    let radarr = || status(&["radarr"]);
    let mut unrelated = radarr();
    unrelated
        .applications
        .get_mut("radarr")
        .unwrap()
        .relations
        .clear();
    let with_schedule = |change: fn(&mut AppSchedule)| {
        let mut overview = overview(vec![backup("radarr", 10)]);
        overview.schedules.iter_mut().for_each(change);
        overview
    };
    let mut none = Overview::default();
    none.schedules.push(schedule("radarr"));
    let mut fresh = none.clone();
    fresh.schedules[0].scheduled.since = Some(ago(1));
    let mut unscheduled = overview(vec![backup("radarr", 10)]);
    unscheduled.schedules.clear();
    let mut blocked = radarr();
    let juju = &mut blocked.applications.get_mut("radarr").unwrap().application_status;
    "blocked".clone_into(&mut juju.current);
    "backups: node agent".clone_into(&mut juju.message);
    for (what, status, overview, expected) in [
        (
            "unrelated",
            &unrelated,
            overview(vec![]),
            Some("Failure: nothing asks for backups"),
        ),
        (
            "paused",
            &radarr(),
            with_schedule(|schedule| schedule.scheduled.rests = Some(Rests::Paused)),
            Some("Failure: Schedule radarr-schedule is paused"),
        ),
        (
            "paused by the charm",
            &blocked,
            with_schedule(|schedule| schedule.scheduled.rests = Some(Rests::Paused)),
            Some(
                "Failure: Schedule radarr-schedule is paused, and the app is blocked: its charm pauses backups that would hold nothing",
            ),
        ),
        (
            "refused",
            &radarr(),
            with_schedule(|schedule| {
                schedule.scheduled.rests = Some(Rests::Refused {
                    why: "no cron".to_owned(),
                });
            }),
            Some("Failure: Velero refuses the Schedule: no cron"),
        ),
        (
            "by hand",
            &radarr(),
            unscheduled,
            Some("Warning: Velero has no Schedule for it, so backups are made by hand only"),
        ),
        (
            "just made",
            &radarr(),
            fresh,
            Some("Warning: there is no backup yet"),
        ),
        (
            "never made",
            &radarr(),
            none,
            Some("Failure: there is no backup; the one due 2026-05-06 01:30 UTC is missing"),
        ),
        (
            "only empty ones",
            &radarr(),
            overview(vec![empty("radarr", 10)]),
            Some("Failure: there is no good backup; the newest backup, 2026-11-29 02:00 UTC, is EMPTY"),
        ),
        (
            "the newest is empty",
            &radarr(),
            overview(vec![empty("radarr", 10), backup("radarr", 11)]),
            Some("Failure: the newest backup, 2026-11-29 02:00 UTC, is EMPTY"),
        ),
        (
            "overdue",
            &radarr(),
            overview(vec![backup("radarr", 58)]),
            Some("Failure: the backup due 2026-11-28 01:30 UTC is missing"),
        ),
        (
            "about to expire",
            &status(&[]),
            overview(vec![backup("radarr", 700)]),
            Some("Warning: the last good backup expires 2026-11-30 08:00 UTC, in 20 h"),
        ),
        (
            "blocked",
            &blocked,
            overview(vec![backup("radarr", 10)]),
            Some("Warning: juju status: blocked: backups: node agent"),
        ),
    ] {
        assert_eq!(first(status, &overview).as_deref(), expected, "{what}");
        for (_, text, next) in said(status, &overview) {
            assert!(!next.is_empty(), "{what}: {text}");
        }
    }
}

#[test]
fn an_app_that_is_gone_is_known_by_its_backups() {
    let found = fleet(
        &status(&["sonarr"]),
        &overview(vec![backup("radarr", 10), backup("sonarr", 10)]),
    );
    let names: Vec<(&str, &Protection)> = found
        .iter()
        .map(|app| (app.id.app.as_str(), app.protection.as_ref().unwrap()))
        .collect();
    assert_eq!(
        names,
        [("radarr", &Protection::Gone), ("sonarr", &Protection::Scheduled)]
    );
    // Whether it is gone nobody knows where Juju cannot be asked.
    let found = apps(
        "home",
        &Juju::new(None),
        None,
        Some(&overview(vec![backup("radarr", 10)])),
        now(),
    );
    assert_eq!(found[0].protection, Some(Protection::Scheduled));
}

#[test]
fn what_is_under_way_is_told_with_its_bytes() {
    let mut seen = overview(vec![running("radarr"), backup("radarr", 10)]);
    let progress = Progress {
        done: 5,
        total: Some(20),
    };
    seen.restores.push(MovingRestore {
        namespace: scratch::namespace(&id("radarr"), Purpose::Verify),
        progress,
    });
    let found = fleet(&status(&["radarr"]), &seen);
    let work: Vec<(Work, Option<Progress>)> = found[0]
        .in_flight
        .iter()
        .map(|work| (work.what, work.progress))
        .collect();
    assert_eq!(work, [(Work::Backup, None), (Work::Verify, Some(progress))]);
    assert!(found[0].attention.is_empty(), "{:?}", found[0].attention);
}

#[test]
fn apps_that_cannot_be_backed_up_are_none_of_these() {
    let mut all = status(&["radarr", "velero-operator", "postgresql"]);
    let operator = all.applications.get_mut("velero-operator").unwrap();
    operator.endpoint_bindings = BTreeMap::from([("velero-backups".to_owned(), "alpha".to_owned())]);
    let other = all.applications.get_mut("postgresql").unwrap();
    other.endpoint_bindings.clear();
    other.relations.clear();
    let found = fleet(&all, &overview(vec![]));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_backup_that_was_damaged_when_it_was_read_back_is_said_until_one_comes_back() {
    let proven = |hours, outcome| {
        Some(Proof {
            at: ago(hours),
            took: None,
            outcome,
        })
    };
    let damaged = || Outcome::Damaged {
        why: "radarr.db: it is not sound".to_owned(),
    };
    let comes_back = || Outcome::ComesBack { contents: None };
    let of = |newest: Option<Proof>, older: Option<Proof>| {
        let (mut one, mut other) = (backup("radarr", 10), backup("radarr", 34));
        (one.proof, other.proof) = (newest, older);
        first(&status(&["radarr"]), &overview(vec![one, other]))
    };
    let said = "Failure: backup radarr-backup-34 was damaged when it was read back 2026-11-29 11:00 UTC: radarr.db: it is not sound";
    assert_eq!(of(None, proven(1, damaged())).as_deref(), Some(said));
    assert_eq!(
        of(proven(2, comes_back()), proven(1, damaged())).as_deref(),
        Some(said)
    );
    let newest = "Failure: the newest backup, 2026-11-29 02:00 UTC, is DAMAGED (radarr.db: it is not sound)";
    assert_eq!(of(proven(1, damaged()), None).as_deref(), Some(newest));
    assert_eq!(of(proven(1, comes_back()), proven(2, damaged())), None);
    // An older one that comes back tells nothing of the newest one.
    assert_eq!(
        of(proven(2, damaged()), proven(1, comes_back())).as_deref(),
        Some(newest)
    );
    assert_eq!(of(proven(1, comes_back()), None), None);
    // A clock that was wrong, or somebody's hand: it would hide what comes later.
    assert_eq!(
        of(proven(-30, comes_back()), proven(1, damaged())).as_deref(),
        Some(said)
    );
}
