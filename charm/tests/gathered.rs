//! What the first step of a dispatch finds: what an event does not need is not read, and what is read is what is there.

use crate::common::radarr;
use crate::common::unit::{PEERS, Unit};
use config_volume::{Swap, SwapOptions};
use juju_charm::pebble::{Check, HttpCheck, Layer, Override, Pebble as _};
use juju_charm::testing::{Event, Fault, PebbleFault, RelationState};
use juju_charm::{Status, UnitName};
use workload_charm::backup::BackupFacts;
use workload_charm::data_unit::{DataUnit, PeerFacts, Peers};
use workload_charm::facts::{Container, Exchange, Facts, Health, ReadyContainer, Storage};
use workload_charm::media::Media;
use workload_charm::steps::gather::Look;

const BACKUP: u32 = 3;
const MEDIA: u32 = 7;

fn unit_name(number: u64) -> UnitName {
    format!("radarr/{number}").parse().unwrap()
}

fn with_relation(unit: &mut Unit, relation: RelationState) {
    unit.state = unit.state.clone().with_relation(relation);
}

fn media() -> RelationState {
    let config = r#"{"pvc_name":"media","puid":2000,"pgid":2001}"#;
    RelationState::new(MEDIA, "media-storage", "storage").with_remote_app_data([("config", config)])
}

fn changed(relation: u32) -> Event {
    Event::RelationChanged {
        relation,
        remote_unit: None,
    }
}

fn broken(relation: u32) -> Event {
    Event::RelationBroken {
        relation,
        remote_application: None,
    }
}

fn peers(facts: Facts) -> PeerFacts {
    match facts.peers {
        Peers::Related(peers) => peers,
        other => panic!("{other:?}"),
    }
}

fn ready(facts: Facts) -> ReadyContainer {
    match facts.container {
        Container::Ready(ready) => ready,
        other => panic!("{other:?}"),
    }
}

fn exchange(facts: Facts) -> Exchange {
    match facts.storage {
        Storage::Mounted { exchange, .. } => exchange,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_pod_is_read_for_the_media_and_then_says_nothing_about_backups() {
    let mut unit = Unit::settled(&radarr());
    assert_eq!(unit.gathered(Event::ConfigChanged).pod, None);
    with_relation(&mut unit, media());
    let facts = unit.gathered(changed(MEDIA));
    assert!(matches!(facts.media, Media::Provided(_)), "{:?}", facts.media);
    assert!(facts.pod.is_some());
    assert_eq!(facts.volume, BackupFacts::NotRead);
    assert_eq!(unit.gathered(Event::UpdateStatus).pod, None);
}

#[test]
fn the_pod_is_read_when_the_media_go_and_until_they_are_gone() {
    let mut unit = Unit::settled(&radarr());
    with_relation(&mut unit, media());
    let facts = unit.gathered(broken(MEDIA));
    assert_eq!(facts.media, Media::NotRelated);
    assert!(facts.pod.is_some());
    assert_eq!(facts.volume, BackupFacts::NotRead);
    // This cluster does not let the charm change what its pods mount: that is not settled when the relation is gone, either,
    // whatever the status says.
    unit.run(changed(MEDIA));
    unit.state.model_mut().relations.remove(&MEDIA);
    unit.state = unit.state.clone().with_status(&Status::Active(String::new()));
    let facts = unit.gathered(Event::ConfigChanged);
    assert_eq!(facts.media, Media::NotRelated);
    assert!(facts.remembered.media_unsettled && facts.pod.is_some());
}

#[test]
fn only_the_leader_looks_after_the_claim_of_the_media() {
    let mut unit = Unit::settled(&radarr());
    unit.cluster.mounts_media("tank");
    with_relation(
        &mut unit,
        RelationState::new(BACKUP, "velero-backup-config", "velero-operator"),
    );
    let facts = unit.gathered(Event::UpdateStatus);
    assert_eq!(facts.media_claim.unwrap().name, "tank");
    unit.state = unit.state.clone().with_leader(false);
    let facts = unit.gathered(Event::UpdateStatus);
    assert!(facts.pod.is_some());
    assert_eq!(facts.media_claim, None);
}

#[test]
fn without_a_relation_the_pod_is_read_when_backups_end_are_asked_about_or_the_charm_is_another() {
    let mut unit = Unit::settled(&radarr());
    let action = |name: &str| Event::Action {
        name: name.to_owned(),
        id: "1".to_owned(),
        params: serde_json::Map::new(),
    };
    for (event, is_read) in [
        (Event::UpdateStatus, false),
        (Event::ConfigChanged, false),
        (action("start-empty"), false),
        (Event::UpgradeCharm, true),
    ] {
        let facts = unit.gathered(event.clone());
        assert_eq!(facts.pod.is_some(), is_read, "{event:?}");
        assert_eq!(facts.volume != BackupFacts::NotRead, is_read, "{event:?}");
    }
    let asked = unit.looked(action("show-backup-spec"), Look::HowItIsSaved);
    assert!(asked.pod.is_some() && asked.volume != BackupFacts::NotRead);
    // Which actions look like that is in their table.
    for (name, asks) in [("show-backup-spec", true), ("start-empty", false)] {
        unit.cluster.asked();
        drop(unit.act(name, serde_json::json!({})));
        assert_eq!(unit.cluster.asked().contains(&"pod"), asks, "{name}");
    }
    with_relation(
        &mut unit,
        RelationState::new(BACKUP, "velero-backup-config", "velero-operator"),
    );
    let facts = unit.gathered(broken(BACKUP));
    assert!(!facts.is_backed_up() && facts.pod.is_some());
}

#[test]
fn the_leader_hears_of_pauses_from_the_unit_with_the_data_and_from_nobody_else() {
    let paused = |bound: Option<&str>, own: &str, others: [(u32, &str); 2]| {
        let mut unit = Unit::new(&radarr());
        let mut relation = RelationState::peer(PEERS, "peers").with_own_unit_data([("backups", own)]);
        if let Some(bound) = bound {
            relation = relation.with_own_app_data([("data-unit", bound)]);
        }
        for (number, word) in others {
            relation = relation.with_remote_unit(number, [("config-volume", "data"), ("backups", word)]);
        }
        with_relation(&mut unit, relation);
        let peers = peers(unit.gathered(Event::UpdateStatus));
        (peers.own_paused, peers.data_unit_paused)
    };
    let bound = Some("radarr/1");
    assert_eq!(paused(bound, "", [(1, "paused"), (2, "")]), (false, Some(true)));
    assert_eq!(paused(bound, "", [(1, ""), (2, "paused")]), (false, Some(false)));
    assert_eq!(
        paused(None, "", [(1, "paused"), (2, "paused")]),
        (false, Some(false))
    );
    assert_eq!(paused(bound, "paused", [(1, ""), (2, "")]), (true, Some(false)));
}

#[test]
fn a_leader_that_has_met_nobody_asks_juju_who_is_there() {
    let mut unit = Unit::new(&radarr());
    let model = unit.state.model_mut();
    let mut other = model.units["radarr/0"].clone();
    other.name = "radarr/1".to_owned();
    model.units.insert(other.name.clone(), other);
    let facts = unit.gathered(Event::UpdateStatus);
    assert_eq!(
        facts.data,
        DataUnit::Undecided {
            waiting_for: vec![unit_name(1)]
        }
    );
    assert_eq!(
        peers(facts).others.into_iter().collect::<Vec<_>>(),
        [(unit_name(1), None)]
    );
}

#[test]
fn a_unit_that_leaves_while_it_is_asked_says_nothing_and_any_other_failure_is_one() {
    let unit = || {
        let mut unit = Unit::new(&radarr());
        let peers = RelationState::peer(PEERS, "peers").with_remote_unit(1, [("config-volume", "data")]);
        with_relation(&mut unit, peers);
        unit
    };
    let calls = unit().run(Event::UpdateStatus).calls;
    let about_other = |args: &[String]| args.iter().any(|arg| arg == "radarr/1");
    let call = calls.iter().position(|call| about_other(&call.args)).unwrap() + 1;
    // A unit of its own each time: a second dispatch asks less.
    let fails = |stderr: &str| {
        let stderr = stderr.to_owned();
        unit().try_gathered(Event::UpdateStatus, Some(Fault::FailCall { call, stderr }))
    };
    let facts = fails("ERROR relation unit not found").unwrap();
    assert_eq!(peers(facts).others[&unit_name(1)], None);
    let error = fails("ERROR connection is shut down").unwrap_err();
    assert!(
        workload_charm::causes(&error).contains("connection is shut down")
            && format!("{error:?}").contains("relation-get"),
        "{error:?}"
    );
}

#[test]
fn a_pebble_that_refuses_is_not_one_that_is_gone() {
    for operation in ["plan", "list_files"] {
        let mut unit = Unit::settled(&radarr());
        unit.pebble = unit.pebble.clone().with_fault(PebbleFault::Refuse {
            operation: operation.to_owned(),
            status: 500,
            message: "disk on fire".to_owned(),
        });
        match unit.gathered(Event::UpdateStatus).container {
            Container::Faulty { reason } => assert!(reason.contains("disk on fire"), "{reason}"),
            other => panic!("{operation}: {other:?}"),
        }
    }
}

#[test]
fn of_the_checks_the_apps_own_counts_and_of_its_states_those_that_say_something() {
    let unit = Unit::settled(&radarr());
    let other = Layer {
        checks: [(
            "another".to_owned(),
            Check {
                r#override: Some(Override::Replace),
                http: Some(HttpCheck {
                    url: Some("http://localhost/".to_owned()),
                    ..HttpCheck::default()
                }),
                ..Check::default()
            },
        )]
        .into(),
        ..Layer::default()
    };
    unit.pebble.add_layer("another", &other, true).unwrap();
    unit.pebble.replan().unwrap();
    unit.pebble
        .change_state(|state| state.set_failing_check("another", true));
    assert_eq!(ready(unit.gathered(Event::UpdateStatus)).health, Health::Up);
}

#[test]
fn what_an_exchange_left_without_its_run_is_seen() {
    let unit = Unit::settled(&radarr());
    assert_eq!(exchange(unit.gathered(Event::ConfigChanged)), Exchange::Nothing);
    let swap = Swap::begin(&unit.volume(), "run1", &SwapOptions::default()).unwrap();
    drop(swap);
    assert_eq!(exchange(unit.gathered(Event::ConfigChanged)), Exchange::Leftovers);
}

#[test]
fn what_was_seen_of_the_secret_is_kept_where_somebody_compares_it() {
    for (leads, has_data, is_kept) in [
        (true, true, true),
        (true, false, true),
        (false, true, true),
        (false, false, false),
    ] {
        let mut unit = Unit::settled(&radarr());
        let seen = unit.volume().with_file_name("credentials-seen");
        assert!(seen.exists());
        unit.state = unit.state.clone().with_leader(leads);
        if !has_data {
            let relation = unit.state.model_mut().relations.get_mut(&PEERS).unwrap();
            let bag = relation.application_data.get_mut("radarr").unwrap();
            bag.insert("data-unit".to_owned(), "radarr/7".to_owned());
        }
        unit.gathered(Event::UpdateStatus);
        assert_eq!(seen.exists(), is_kept, "leads {leads}, has the data {has_data}");
    }
}
