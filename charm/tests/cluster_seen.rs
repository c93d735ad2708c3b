//! The cluster is asked when something of it may have changed, and not in every event.

use std::path::PathBuf;

use crate::common::radarr;
use crate::common::unit::{PEERS, Unit, VELERO, writes};
use config_recovery::backups::{BackupHealth, EndpointHealth, Outcome, Proof, Rests};
use jiff::{SignedDuration, Timestamp};
use juju_charm::pebble::Pebble as _;
use juju_charm::testing::{Event, Fault, RelationState};
use serde_json::{Map, Value, json};
use workload_charm::data_unit;
use workload_charm::tiers::{NIGHTLY, WEEKLY};

const LOOKS: &str = "pod";
const OPERATOR: &str = "velero-operator/0";
const MEDIA: u32 = 7;
const INGRESS: u32 = 9;
const WEEKLY_ID: u32 = 4;

fn kept(unit: &Unit) -> PathBuf {
    unit.volume().with_file_name("cluster-seen.json")
}

/// What the cluster was asked in this event.
fn asked(unit: &mut Unit, event: Event) -> Vec<String> {
    unit.cluster.asked();
    unit.recovery.calls.take();
    unit.run(event);
    let cluster = unit.cluster.asked().into_iter().map(str::to_owned);
    cluster.chain(unit.recovery.calls.take()).collect()
}

/// When what is kept was seen, and until when it counts.
fn times(unit: &Unit) -> [Timestamp; 2] {
    let seen: Value = serde_json::from_slice(&std::fs::read(kept(unit)).unwrap()).unwrap();
    ["at", "until"].map(|key| seen[key].as_str().unwrap().parse().unwrap())
}

fn looks(unit: &mut Unit, event: Event) -> bool {
    asked(unit, event).iter().any(|asked| asked == LOOKS)
}

/// Backups as they should be, the last of which came back.
fn in_order() -> BackupHealth {
    let proof = Proof {
        at: Timestamp::now(),
        took: None,
        outcome: Outcome::ComesBack { contents: None },
    };
    BackupHealth {
        last_proof: Some(proof.into()),
        ..crate::common::in_order()
    }
}

/// A unit that is backed up, and an event after which nothing is left to do.
fn steady(trusted: bool) -> Unit {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    if trusted {
        unit.cluster.trust();
        unit.recovery.standing = Some(in_order());
        unit.run(Event::ConfigChanged);
    }
    std::fs::remove_file(kept(&unit)).unwrap();
    assert!(looks(&mut unit, Event::UpdateStatus));
    unit
}

/// velero-operator has a unit in its relation.
fn with_remote_unit(mut unit: Unit) -> Unit {
    let relation = unit.state.model_mut().relations.get_mut(&VELERO).unwrap();
    relation.units.entry(OPERATOR.to_owned()).or_default();
    unit
}

fn relation_changed(relation: u32) -> Event {
    Event::RelationChanged {
        relation,
        remote_unit: None,
    }
}

#[test]
fn an_event_after_a_steady_one_asks_the_cluster_nothing_and_says_the_same() {
    for trusted in [false, true] {
        let mut unit = steady(trusted);
        let status = unit.status();
        assert_eq!(status.contains("last good"), trusted, "{status}");
        assert_eq!(status.contains(", verified 20"), trusted, "{status}");
        for _ in 0..3 {
            assert_eq!(asked(&mut unit, Event::UpdateStatus), Vec::<String>::new());
            assert_eq!(unit.status(), status);
        }
        assert_eq!(writes(&unit.run(Event::UpdateStatus)), Vec::<String>::new());
    }
}

/// What the commands before a backup have noted beside the charm's folder.
#[test]
fn a_backup_with_few_of_the_apps_things_is_warned_of_also_by_an_event_that_looks_at_nothing() {
    let mut unit = steady(true);
    let last = crate::common::in_order().last_good().unwrap().time.unwrap();
    let second = |hours: i64| (last - SignedDuration::from_hours(hours)).as_second();
    let noted = |made: i64, films: &str| {
        let answers = json!([{"kind": "count", "name": "films", "value": films}]);
        (made.to_string(), json!({"made": made, "answers": answers}))
    };
    let list = Map::from_iter([noted(second(0), "3"), noted(second(24), "412")]);
    let noted_in = unit.volume().with_file_name("contents-seen.json");
    std::fs::write(noted_in, Value::Object(list).to_string()).unwrap();
    let standing = unit.recovery.standing.as_mut().unwrap();
    let endpoint = standing.endpoints.get_mut(NIGHTLY.name()).unwrap();
    let last_good = endpoint.last_good.as_mut().unwrap();
    (last_good.started, last_good.time) = (Some(last), Some(last));
    std::fs::remove_file(kept(&unit)).unwrap();
    for _ in 0..2 {
        unit.run(Event::UpdateStatus);
        let status = unit.status();
        assert!(
            status.starts_with("active: warning: the last good backup has 3 films, that of 20")
                && status.ends_with(" had 412; run list-backups"),
            "{status}"
        );
    }
    assert_eq!(asked(&mut unit, Event::UpdateStatus), Vec::<String>::new());
    // A new pod has no such file, and Juju has it: the warning does not end with the pod.
    let status = unit.status();
    unit.loses_its_disk();
    for _ in 0..2 {
        unit.run(Event::UpdateStatus);
        assert_eq!(unit.status(), status);
    }
}

/// Whether an event looks at the cluster, and whether the update-status after it does.
fn looked(unit: &mut Unit, event: &Event) -> [bool; 2] {
    [event.clone(), Event::UpdateStatus].map(|event| looks(unit, event))
}

#[test]
fn an_event_that_may_change_something_in_the_cluster_looks_and_so_does_the_one_after_it() {
    let action = |name: &str| Event::Action {
        name: name.to_owned(),
        id: "1".to_owned(),
        params: Map::new(),
    };
    let mut unit = steady(true);
    for event in [
        Event::LeaderElected,
        Event::UpgradeCharm,
        Event::Start,
        unit.pebble_ready(),
        Event::RelationCreated { relation: VELERO },
        action("show-backup-spec"),
        action("list-backups"),
    ] {
        unit.run(event.clone());
        assert!(!kept(&unit).exists(), "{event:?}");
        assert!(looks(&mut unit, Event::UpdateStatus), "{event:?}");
        assert!(!looks(&mut unit, Event::UpdateStatus), "{event:?}");
    }
}

#[test]
fn what_a_relation_says_that_changes_nothing_in_the_cluster_is_no_cause_to_look() {
    for trusted in [false, true] {
        let mut unit = with_remote_unit(steady(trusted));
        let ingress = RelationState::new(INGRESS, "ingress", "traefik");
        unit.state = unit.state.clone().with_relation(ingress);
        let status = unit.status();
        for event in [
            Event::RelationJoined {
                relation: VELERO,
                remote_unit: OPERATOR.to_owned(),
            },
            relation_changed(VELERO),
            relation_changed(PEERS),
            relation_changed(INGRESS),
        ] {
            assert_eq!(looked(&mut unit, &event), [false, false], "{event:?}");
            assert_eq!(unit.status(), status, "{event:?}");
            // Where nothing was kept, it looks, and what it sees counts as well.
            std::fs::remove_file(kept(&unit)).unwrap();
            assert_eq!(looked(&mut unit, &event), [true, false], "{event:?}");
        }
    }
}

#[test]
fn what_the_pods_mount_is_looked_at_when_its_relation_says_something() {
    let mut unit = steady(true);
    let media = RelationState::new(MEDIA, "media-storage", "storage");
    unit.state = unit.state.clone().with_relation(media);
    assert_eq!(looked(&mut unit, &relation_changed(MEDIA)), [true, true]);
}

#[test]
fn velero_operator_that_leaves_ends_what_was_seen_and_is_no_cause_to_look() {
    for trusted in [false, true] {
        let mut unit = with_remote_unit(steady(trusted));
        let status = unit.status();
        let departed = Event::RelationDeparted {
            relation: VELERO,
            remote_unit: OPERATOR.to_owned(),
            departing_unit: OPERATOR.to_owned(),
        };
        assert_eq!(asked(&mut unit, departed.clone()), Vec::<String>::new());
        assert_eq!(unit.status(), status);
        assert!(!kept(&unit).exists());
        // Its time was over before: what such an event sees itself does not count, either.
        assert_eq!(looked(&mut unit, &departed), [true, true]);
        // Only the pod matters to a relation that is gone, whatever the charm may see.
        let broken = Event::RelationBroken {
            relation: VELERO,
            remote_application: None,
        };
        assert_eq!(asked(&mut unit, broken), ["pod", "annotate pod"]);
        assert_eq!(unit.cluster.seen().unwrap().annotations.len(), 0);
    }
}

#[test]
fn what_is_seen_while_rights_may_be_changing_counts_for_a_quarter_of_an_hour_and_a_refusal_not_at_all() {
    let mut unit = steady(false);
    assert_eq!(looked(&mut unit, &Event::ConfigChanged), [true, true]);
    unit.cluster.trust();
    unit.recovery.standing = Some(in_order());
    assert_eq!(looked(&mut unit, &Event::ConfigChanged), [true, false]);
    let [at, until] = times(&unit);
    // The relation is new, and velero-operator has its time.
    assert!(until.duration_since(at) < SignedDuration::from_mins(10));
    unit.remembers(r#"{"asked-at":"2026-11-01T00:00:00Z"}"#);
    assert_eq!(looked(&mut unit, &Event::ConfigChanged), [true, false]);
    let [at, until] = times(&unit);
    assert_eq!(until.duration_since(at), SignedDuration::from_mins(15));
}

/// `juju resolve --no-retry`: the hook is not run again, and Juju tells of the relation no more.
#[test]
fn an_event_that_fails_before_it_looks_ends_what_was_seen() {
    let mut unit = steady(true);
    let fault = Fault::FailTool {
        tool: "config-get".to_owned(),
        exit_code: 1,
        stderr: "ERROR boom".to_owned(),
    };
    let outcome = unit.try_run(Event::RelationCreated { relation: VELERO }, Some(fault));
    assert!(outcome.result.is_err());
    assert!(!kept(&unit).exists());
    assert!(looks(&mut unit, Event::UpdateStatus));
}

/// velero-operator makes the storage location anew for every relation that goes.
#[test]
fn what_is_seen_after_one_of_two_relations_is_gone_counts_for_the_time_that_velero_operator_may_take() {
    let mut profile = radarr();
    profile.storage.as_mut().unwrap().tiers = true;
    let mut unit = Unit::settled(&profile)
        .related_to_velero()
        .related_by(&WEEKLY, WEEKLY_ID);
    unit.cluster.trust();
    unit.recovery.standing = Some(in_order());
    unit.remembers(r#"{"asked-at":"2026-11-01T00:00:00Z"}"#);
    unit.run(Event::RelationBroken {
        relation: WEEKLY_ID,
        remote_application: None,
    });
    unit.state.model_mut().relations.remove(&WEEKLY_ID);
    unit.run(Event::UpdateStatus);
    let [at, until] = times(&unit);
    assert!(until.duration_since(at) < SignedDuration::from_mins(10));
    // In that time a location that is missing is no trouble.
    let status = unit.status();
    location_goes(&mut unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.status(), status);
}

/// The storage location is not there, as while velero-operator makes it anew.
fn location_goes(unit: &mut Unit) {
    if kept(unit).exists() {
        std::fs::remove_file(kept(unit)).unwrap();
    }
    let needs = &mut unit.recovery.standing.as_mut().unwrap().needs;
    needs
        .next
        .insert(("velero".to_owned(), Some("made-anew".to_owned())));
}

/// The leader changes the request, and the unit with the data is not shown it.
#[test]
fn a_unit_that_does_not_lead_knows_by_the_options_that_velero_operator_is_asked_for_something_else() {
    for (option, values, is_anew) in [
        ("backup-schedule", ["daily", "0 4 * * *"], true),
        ("backup-retention", ["1000h", "1001h"], true),
        ("timezone", ["Etc/UTC", "Europe/Berlin"], false),
        // What cannot be used is not asked for.
        ("backup-schedule", ["now and then", "daily"], false),
    ] {
        let mut unit = steady(true);
        unit.state = unit.state.clone().with_leader(false);
        unit.remembers(r#"{"asked-at":"2026-11-01T00:00:00Z"}"#);
        unit.run(Event::ConfigChanged);
        for value in values {
            unit.state = unit.state.clone().with_config(option, value);
            unit.run(Event::ConfigChanged);
        }
        location_goes(&mut unit);
        unit.run(Event::UpdateStatus);
        let status = unit.status();
        assert_eq!(
            !status.contains("storage location"),
            is_anew,
            "{option} {values:?}: {status}"
        );
    }
}

#[test]
fn what_the_leader_asks_for_is_noted_once() {
    let mut unit = steady(true);
    unit.state = unit.state.clone().with_leader(false);
    let noted = |unit: &Unit| std::fs::read_to_string(unit.volume().with_file_name("remembered")).unwrap();
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    let record = noted(&unit);
    assert!(record.contains("asked-by-leader"), "{record}");
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(writes(&outcome), [""; 0]);
    assert_eq!(noted(&unit), record);
}

/// A clock that was ahead when velero-operator was asked would give it time until that comes.
#[test]
fn velero_operator_was_asked_now_at_the_latest() {
    let mut unit = steady(true);
    unit.remembers(r#"{"asked-at":"2099-11-01T00:00:00Z"}"#);
    unit.run(Event::ConfigChanged);
    let [at, until] = times(&unit);
    assert!(until.duration_since(at) <= SignedDuration::from_mins(10));
    let record = std::fs::read_to_string(unit.volume().with_file_name("remembered")).unwrap();
    let record: Value = serde_json::from_str(record.trim_start_matches('?')).unwrap();
    let asked_at: Timestamp = record["asked-at"].as_str().unwrap().parse().unwrap();
    assert!(asked_at <= Timestamp::now());
}

/// What no charm has written: nothing counts for longer than an hour.
#[test]
fn what_was_seen_does_not_count_for_ever_whatever_is_written() {
    let mut unit = steady(true);
    let mut seen: Value = serde_json::from_slice(&std::fs::read(kept(&unit)).unwrap()).unwrap();
    seen["until"] = json!("2099-11-01T00:00:00Z");
    std::fs::write(kept(&unit), seen.to_string()).unwrap();
    assert!(looks(&mut unit, Event::UpdateStatus));
}

/// The leader writes what is asked for, and the unit with the data tells how the backups stand.
#[test]
fn a_unit_that_does_not_lead_gives_velero_operator_its_time_too() {
    let mut unit = Unit::settled(&radarr());
    unit.cluster.trust();
    unit.recovery.standing = Some(in_order());
    of_nightly(&mut unit).schedule = None;
    unit.state = unit.state.clone().with_leader(false);
    let mut unit = unit.related_to_velero();
    unit.run(Event::UpdateStatus);
    let status = unit.status();
    assert!(!status.contains("made no Schedule"), "{status}");
    of_nightly(&mut unit).schedule = in_order().endpoints[NIGHTLY.name()].schedule.clone();
    unit.run(Event::UpdateStatus);
    let [at, until] = times(&unit);
    assert!(until.duration_since(at) < SignedDuration::from_mins(10));
}

#[test]
fn a_new_pod_gets_its_marks() {
    let mut unit = steady(true);
    let marked = unit.cluster.seen().unwrap().annotations;
    assert!(!marked.is_empty());
    unit.loses_its_disk();
    unit.cluster.change_pod(|pod| pod.annotations.clear());
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.cluster.seen().unwrap().annotations, marked);
}

#[test]
fn what_was_changed_by_hand_is_put_right_within_the_hour() {
    let mut unit = steady(true);
    let marked = unit.cluster.seen().unwrap().annotations;
    unit.cluster.change_pod(|pod| pod.annotations.clear());
    assert!(!looks(&mut unit, Event::UpdateStatus));
    let [at, until] = times(&unit);
    assert!(until.duration_since(at) <= SignedDuration::from_hours(1));
    // The hour is over.
    let mut seen: Value = serde_json::from_slice(&std::fs::read(kept(&unit)).unwrap()).unwrap();
    seen["until"] = Timestamp::now().to_string().into();
    std::fs::write(kept(&unit), seen.to_string()).unwrap();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.cluster.seen().unwrap().annotations, marked);
}

#[test]
fn that_the_charm_may_not_look_counts_for_a_quarter_of_an_hour() {
    let unit = steady(false);
    let [at, until] = times(&unit);
    assert_eq!(until.duration_since(at), SignedDuration::from_mins(15));
}

#[test]
fn what_is_kept_and_cannot_be_is_not_used() {
    let mut unit = steady(true);
    let good = std::fs::read_to_string(kept(&unit)).unwrap();
    let mut of_tomorrow: Value = serde_json::from_str(&good).unwrap();
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    of_tomorrow["at"] = tomorrow.to_string().into();
    of_tomorrow["until"] = (tomorrow + SignedDuration::from_hours(1)).to_string().into();
    for content in ["", "{}", &good[..good.len() / 2], &of_tomorrow.to_string()] {
        std::fs::write(kept(&unit), content).unwrap();
        assert!(looks(&mut unit, Event::UpdateStatus), "{content}");
        assert!(!looks(&mut unit, Event::UpdateStatus), "{content}");
    }
}

#[test]
fn nothing_is_changed_on_the_strength_of_what_was_seen_before() {
    let mut unit = steady(true);
    let mut seen: Value = serde_json::from_slice(&std::fs::read(kept(&unit)).unwrap()).unwrap();
    seen["volume"]["pod"]["annotations"] = Value::Object(Map::new());
    std::fs::write(kept(&unit), seen.to_string()).unwrap();
    let asked = asked(&mut unit, Event::UpdateStatus);
    assert!(asked.iter().any(|asked| asked == LOOKS), "{asked:?}");
    // The pod has its marks, whatever the file says.
    assert!(!asked.iter().any(|asked| asked == "annotate pod"), "{asked:?}");
}

/// What is not as it should be, and how that comes.
type Trouble = (&'static str, fn(&mut Unit));

fn of_nightly(unit: &mut Unit) -> &mut EndpointHealth {
    let standing = unit.recovery.standing.as_mut().unwrap();
    standing.endpoints.get_mut(NIGHTLY.name()).unwrap()
}

const TROUBLES: [Trouble; 8] = [
    ("there is no backup yet", |unit| {
        of_nightly(unit).last_good = None;
    }),
    ("Kubernetes does not answer", |unit| {
        unit.cluster.answers.set(false)
    }),
    ("the marks are gone", |unit| {
        unit.cluster.change_pod(|pod| pod.annotations.clear());
    }),
    ("nobody may read the backups", |unit| {
        unit.recovery.standing = None
    }),
    ("there is no Schedule", |unit| {
        of_nightly(unit).schedule = None;
    }),
    ("the Schedule is paused", |unit| {
        of_nightly(unit).schedule.as_mut().unwrap().rests = Some(Rests::Paused);
    }),
    ("the last good backup is about to go", |unit| {
        let standing = unit.recovery.standing.as_mut().unwrap();
        let last = standing.kept_longest.as_mut().unwrap();
        last.time = Some(Timestamp::now() - SignedDuration::from_hours(649));
        last.expires = Some(Timestamp::now() + SignedDuration::from_hours(71));
    }),
    ("a backup is due", |unit| {
        let last = of_nightly(unit).last_good.as_mut();
        last.unwrap().time = Some(Timestamp::now() - SignedDuration::from_hours(24));
    }),
];

#[test]
fn where_something_is_wrong_missing_or_due_every_event_looks() {
    for (trouble, comes) in TROUBLES {
        let mut unit = steady(true);
        // The hour is over.
        std::fs::remove_file(kept(&unit)).unwrap();
        comes(&mut unit);
        unit.run(Event::UpdateStatus);
        assert!(!kept(&unit).exists(), "{trouble}");
        assert!(looks(&mut unit, Event::UpdateStatus), "{trouble}");
    }
}

#[test]
fn an_app_that_does_not_run_is_looked_at_with_all_that_is_around_it() {
    let mut unit = steady(true);
    unit.pebble.stop(&["radarr"]).unwrap();
    assert!(looks(&mut unit, Event::UpdateStatus));
}

#[test]
fn a_unit_that_runs_the_app_no_more_asks_again() {
    let mut unit = steady(false);
    let peers = RelationState::peer(PEERS, data_unit::ENDPOINT)
        .with_remote_unit(1, [("config-volume", "data")])
        .with_own_app_data([(data_unit::DATA_UNIT, "radarr/1")]);
    unit.state = unit.state.clone().with_relation(peers);
    assert!(looks(&mut unit, Event::UpdateStatus));
}

#[test]
fn what_a_killed_run_left_in_the_cluster_is_removed_by_the_next_event() {
    let mut unit = steady(true);
    let name = "restore-radarr-0123456789".to_owned();
    unit.recovery.left.borrow_mut().push(name.clone());
    // The action that was killed has begun with this.
    std::fs::remove_file(kept(&unit)).unwrap();
    assert!(asked(&mut unit, Event::UpdateStatus).contains(&format!("remove {name}")));
    // Once more, since something was changed; and then there is nothing left to do.
    assert!(looks(&mut unit, Event::UpdateStatus));
    assert!(!looks(&mut unit, Event::UpdateStatus));
}
