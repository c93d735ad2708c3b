//! What keeps the app from running, with what is read of it and whether somebody has to do something: from facts, without
//! a dispatch.

use crate::common::{app, fresh, new_container, radarr};
use juju_charm::UnitName;
use juju_charm::pebble::ServiceStatus;
use workload_charm::data_unit::{Contents, DataUnit, PeerFacts, Peers, Report};
use workload_charm::facts::{Container, Exchange, Facts, Storage};
use workload_charm::options::{RESTORE_ON_DEPLOY, RawOptions};
use workload_charm::problem::Problem;
use workload_charm::steps::prepare_volume::on_deploy::wanted;
use workload_charm::steps::prepare_volume::{
    Reason, Situation, judge, last_to_stay, takes_over, was_emptied,
};

fn unit_name(number: u64) -> UnitName {
    format!("radarr/{number}").parse().unwrap()
}

fn elsewhere(number: u64, is_present: bool) -> DataUnit {
    DataUnit::Elsewhere {
        unit: unit_name(number),
        is_present,
    }
}

fn undecided(units: &[u64]) -> DataUnit {
    DataUnit::Undecided {
        waiting_for: units.iter().copied().map(unit_name).collect(),
    }
}

fn contested() -> DataUnit {
    DataUnit::Contested {
        units: vec![unit_name(1), unit_name(2)],
    }
}

fn peers(facts: &mut Facts) -> &mut PeerFacts {
    match &mut facts.peers {
        Peers::Related(peers) => peers,
        other => panic!("{other:?}"),
    }
}

/// Radarr on its volume.
fn facts(holds: Contents, left: Exchange, runs: bool) -> Facts {
    let mut facts = fresh(&radarr());
    if let Storage::Mounted {
        contents, exchange, ..
    } = &mut facts.storage
    {
        (*contents, *exchange) = (holds, left);
    }
    if runs {
        let mut container = new_container();
        container.service = Some(ServiceStatus::Active);
        facts.container = Container::Ready(container);
    }
    facts
}

fn judged(facts: &Facts, situation: Situation) -> Result<(bool, bool), (Reason, bool)> {
    match judge(&radarr(), facts, situation) {
        Ok(may_start) => Ok((may_start.is_seen(), may_start.is_restored())),
        Err(blocker) => Err((blocker.reason, blocker.needs_somebody)),
    }
}

#[test]
fn another_unit_that_has_the_data_or_may_have_them_keeps_the_app_from_running() {
    // Where the data are, and whether this unit leads; the reason, whether somebody has to do something, and how the text ends.
    let cases = [
        (
            elsewhere(1, true),
            true,
            Reason::Standby,
            true,
            "then restore-from-backup on radarr/0",
        ),
        (
            elsewhere(1, true),
            false,
            Reason::Standby,
            false,
            "then restore-from-backup on radarr/0",
        ),
        (
            elsewhere(0, true),
            false,
            Reason::Standby,
            false,
            "for one unit: juju scale-application radarr 1",
        ),
        (
            elsewhere(1, false),
            true,
            Reason::DataUnitGone,
            true,
            "or juju scale-application radarr 2",
        ),
        (
            elsewhere(1, false),
            false,
            Reason::DataUnitGone,
            false,
            "the status of radarr/leader says what to do",
        ),
        (
            contested(),
            true,
            Reason::Contested,
            true,
            "to choose a backup: restore-from-backup on radarr/0",
        ),
        (
            undecided(&[]),
            true,
            Reason::OthersUnknown,
            false,
            "other units may have the data",
        ),
        (
            undecided(&[]),
            false,
            Reason::Standby,
            false,
            "the leader decides which unit runs Radarr",
        ),
        (
            undecided(&[0]),
            true,
            Reason::NotMounted,
            false,
            "if this stays: juju storage",
        ),
        (
            undecided(&[1]),
            true,
            Reason::OthersUnknown,
            false,
            "waiting for radarr/1: their config volumes may have the data",
        ),
        (
            undecided(&[1, 2]),
            true,
            Reason::OthersUnknown,
            false,
            "radarr/1, radarr/2: their config volumes may have the data",
        ),
    ];
    for (data, leader, reason, needs_somebody, end) in cases {
        let mut facts = facts(Contents::Empty, Exchange::Nothing, false);
        facts.data = data.clone();
        facts.leader = leader;
        let blocker = judge(&radarr(), &facts, Situation::Dispatch).unwrap_err();
        let case = format!("{data:?} {leader}: {blocker:?}");
        assert_eq!(
            (blocker.reason, blocker.needs_somebody),
            (reason, needs_somebody),
            "{case}"
        );
        assert!(blocker.text.ends_with(end), "{case}");
    }
    let mut gone = facts(Contents::Data, Exchange::Nothing, false);
    gone.data = elsewhere(1, false);
    let text = judge(&radarr(), &gone, Situation::Dispatch).unwrap_err().text;
    assert!(
        text.ends_with("this volume has some: save it, then restore-from-backup here"),
        "{text}"
    );
    // A number as large as it can be has none after it.
    let mut last = facts(Contents::Empty, Exchange::Nothing, false);
    last.data = elsewhere(u64::MAX, false);
    let text = judge(&radarr(), &last, Situation::Dispatch).unwrap_err().text;
    assert!(text.ends_with(" 18446744073709551615"), "{text}");
}

#[test]
fn a_restore_takes_over_where_no_unit_that_is_there_has_the_data() {
    for (data, is_taken) in [
        (DataUnit::NotTracked, false),
        (DataUnit::Here, false),
        (elsewhere(1, true), false),
        (elsewhere(1, false), true),
        (undecided(&[1]), true),
        (contested(), true),
    ] {
        let mut facts = facts(Contents::Data, Exchange::Leftovers, false);
        facts.data = data.clone();
        assert_eq!(takes_over(&facts), is_taken, "{data:?}");
        let is_here = is_taken || matches!(data, DataUnit::NotTracked | DataUnit::Here);
        assert_eq!(judged(&facts, Situation::Restoring).is_ok(), is_here, "{data:?}");
        facts.leader = false;
        assert!(!takes_over(&facts), "{data:?}");
        let is_here = matches!(data, DataUnit::NotTracked | DataUnit::Here);
        assert_eq!(judged(&facts, Situation::Restoring).is_ok(), is_here, "{data:?}");
    }
}

#[test]
fn what_a_restore_left_keeps_the_app_from_starting_and_does_not_stop_it() {
    use Situation::{Dispatch, NoBackupOnDeploy, Restoring};
    let unreadable = || Exchange::Unreadable {
        reason: "no such disk".to_owned(),
    };
    let cases = [
        (Exchange::Nothing, false, Dispatch, Ok((true, false))),
        (Exchange::Nothing, true, Dispatch, Ok((true, false))),
        (Exchange::Nothing, false, Restoring, Ok((true, true))),
        (Exchange::Leftovers, false, Dispatch, Err((Reason::CutOff, false))),
        (
            Exchange::Leftovers,
            false,
            NoBackupOnDeploy,
            Err((Reason::CutOff, false)),
        ),
        (Exchange::Leftovers, true, Dispatch, Ok((true, false))),
        (Exchange::Leftovers, false, Restoring, Ok((true, true))),
        (
            Exchange::Incomplete,
            true,
            Dispatch,
            Err((Reason::Incomplete, true)),
        ),
        (
            Exchange::Incomplete,
            false,
            Restoring,
            Err((Reason::Incomplete, true)),
        ),
        (unreadable(), true, Dispatch, Err((Reason::CutOff, true))),
        (unreadable(), false, Restoring, Err((Reason::CutOff, true))),
    ];
    for (exchange, runs, situation, expected) in cases {
        let facts = facts(Contents::Data, exchange.clone(), runs);
        assert_eq!(
            judged(&facts, situation),
            expected,
            "{exchange:?} {runs} {situation:?}"
        );
    }
}

#[test]
fn an_empty_volume_is_run_on_where_nothing_was_lost_and_nothing_is_to_come() {
    use Situation::{Dispatch, NoBackupOnDeploy, Restoring};
    let on_deploy = RawOptions::default().with(&RESTORE_ON_DEPLOY, "latest");
    let waits = Err((Reason::RestoreOnDeploy, false));
    let lost = Err((Reason::Emptied, true));
    let cases = [
        (false, false, false, Dispatch, Ok((true, false))),
        (false, false, false, Restoring, Err((Reason::Emptied, false))),
        (false, true, false, Restoring, Ok((true, true))),
        (false, false, true, Dispatch, waits),
        (false, false, true, NoBackupOnDeploy, Ok((true, false))),
        (false, true, true, Dispatch, Ok((true, false))),
        (true, false, false, Dispatch, lost),
        (true, true, false, Dispatch, lost),
        (true, false, true, Dispatch, lost),
    ];
    for (was_full, runs, asks, situation, expected) in cases {
        let mut facts = facts(Contents::Empty, Exchange::Nothing, runs);
        peers(&mut facts).own = was_full.then_some(Report::Data);
        if asks {
            facts.options = on_deploy.clone();
        }
        assert_eq!(
            judged(&facts, situation),
            expected,
            "{was_full} {runs} {asks} {situation:?}"
        );
    }
}

#[test]
fn a_volume_that_was_not_looked_at_stops_nothing_that_runs() {
    for storage in [Storage::NotRead, Storage::NotMounted] {
        for runs in [true, false] {
            let mut facts = facts(Contents::Empty, Exchange::Nothing, runs);
            facts.storage = storage.clone();
            let expected = match runs {
                true => Ok((false, false)),
                false => Err((Reason::NotMounted, false)),
            };
            assert_eq!(
                judged(&facts, Situation::Dispatch),
                expected,
                "{storage:?} {runs}"
            );
        }
    }
    let without = app("flaresolverr");
    let may_start = judge(&without, &fresh(&without), Situation::Dispatch).unwrap();
    assert!(may_start.is_seen() && !may_start.is_restored());
}

#[test]
fn content_was_lost_where_this_unit_or_the_application_had_some() {
    let was = |own, had_data, holds| {
        let mut facts = facts(holds, Exchange::Nothing, false);
        peers(&mut facts).own = own;
        peers(&mut facts).had_data = had_data;
        was_emptied(&facts)
    };
    for (own, had_data, is_lost) in [
        (Some(Report::Data), false, true),
        (Some(Report::Data), true, true),
        (Some(Report::StartEmpty), true, false),
        (Some(Report::Empty), true, true),
        (Some(Report::Empty), false, false),
        (None, true, true),
        (None, false, false),
    ] {
        assert_eq!(was(own, had_data, Contents::Empty), is_lost, "{own:?} {had_data}");
        assert!(!was(own, had_data, Contents::Data), "{own:?} {had_data}");
    }
    let mut untracked = facts(Contents::Empty, Exchange::Nothing, false);
    untracked.peers = Peers::NoRelation;
    assert!(!was_emptied(&untracked));
}

#[test]
fn a_backup_is_brought_back_at_a_first_start_only() {
    type Spoils = fn(&mut Facts);
    let spoils: [Spoils; 8] = [
        |facts| facts.options = RawOptions::default(),
        |facts| facts.container = Container::NotReachable,
        |facts| {
            let mut container = new_container();
            container.service = Some(ServiceStatus::Backoff);
            facts.container = Container::Ready(container);
        },
        |facts| facts.storage = Storage::NotMounted,
        |facts| peers(facts).own = Some(Report::Data),
        |facts| facts.data = elsewhere(1, true),
        |facts| facts.metadata = Err(Problem::new("metadata.yaml", "has no storage", "juju refresh")),
        |facts| {
            if let Storage::Mounted { contents, .. } = &mut facts.storage {
                *contents = Contents::Data;
            }
        },
    ];
    let first = |left| {
        let mut facts = facts(Contents::Empty, left, false);
        facts.options = RawOptions::default().with(&RESTORE_ON_DEPLOY, "latest");
        facts
    };
    assert!(wanted(&first(Exchange::Nothing)).is_some());
    assert!(wanted(&first(Exchange::Leftovers)).is_some());
    assert!(wanted(&first(Exchange::Incomplete)).is_none());
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut facts = first(Exchange::Nothing);
        spoil(&mut facts);
        assert!(wanted(&facts).is_none(), "{number}");
    }
}

#[test]
fn a_scale_down_leaves_the_first_unit() {
    assert_eq!(last_to_stay(&unit_name(0)), None);
    assert_eq!(last_to_stay(&unit_name(3)), Some(unit_name(0)));
}

#[test]
fn what_stops_an_app_and_what_spoils_its_backups() {
    use Reason::*;
    let all = [
        (NotMounted, false, false),
        (Standby, true, false),
        (OthersUnknown, true, true),
        (DataUnitGone, true, true),
        (Contested, true, true),
        (Incomplete, true, true),
        (CutOff, false, true),
        (Emptied, false, true),
        (RestoreOnDeploy, false, true),
    ];
    for (reason, stops, spoils) in all {
        assert_eq!(reason.stops(), stops, "{reason:?}");
        assert_eq!(reason.spoils_backups(), spoils, "{reason:?}");
    }
}
