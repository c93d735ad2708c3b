//! The relations of those who watch many applications: what is written when, and that nothing is written when nothing changed.

use crate::common::recovery::good;
use crate::common::unit::{Unit, writes};
use crate::common::{app, radarr};
use juju_charm::pebble::{Layer, LogTarget, LogTargetType, Override, Pebble as _};
use juju_charm::testing::{Event, RelationState};
use serde_json::{Value, json};
use workload_charm::cos::Topology;
use workload_charm::cos::scrape;
use workload_charm::exporter::{Asked, Settings};
use workload_charm::last_restore::LastRestore;
use workload_charm::tiers::NIGHTLY;

const METRICS: u32 = 20;
const DASHBOARD: u32 = 21;
const LOGGING: u32 = 22;
const SECOND: u32 = 23;

fn created(relation: u32) -> Event {
    Event::RelationCreated { relation }
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

fn relate(unit: &mut Unit, relation: RelationState, id: u32) {
    unit.state = unit.state.clone().with_relation(relation);
    unit.run(created(id));
    unit.run(changed(id));
}

fn settings(unit: &Unit) -> Option<Settings> {
    Settings::read(&unit.volume().with_file_name("charm"))
}

fn topology(unit: &Unit) -> Topology {
    let facts = unit.gathered(Event::UpdateStatus);
    Topology::of(&unit.profile, &facts)
}

/// Whatever comes next finds nothing to write.
fn assert_settled(unit: &mut Unit) {
    for event in [Event::UpdateStatus, Event::ConfigChanged, Event::UpdateStatus] {
        let outcome = unit.run(event.clone());
        // There is no program that could be the exporter, which the log says.
        let mut written = writes(&outcome);
        written.retain(|call| !call.contains("juju-log"));
        assert_eq!(written, [""; 0], "{event:?}");
    }
}

#[test]
fn metrics_are_offered_with_rules_and_the_exporter_is_told_what_it_has_to_know() {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    assert_eq!(settings(&unit), None);
    relate(
        &mut unit,
        RelationState::new(METRICS, "metrics-endpoint", "prometheus"),
        METRICS,
    );
    let bag = unit.state.own_app_data(METRICS);
    assert_eq!(bag, scrape::app_bag(&topology(&unit)));
    let of_unit = unit.state.own_unit_data(METRICS);
    assert_eq!(of_unit["prometheus_scrape_unit_name"], "radarr/0");
    let address: std::net::IpAddr = of_unit["prometheus_scrape_unit_address"].parse().unwrap();
    assert!(!address.is_unspecified());
    let told = settings(&unit).unwrap();
    let asked: Value = unit.asked_by(crate::common::unit::VELERO).unwrap();
    assert_eq!(
        told,
        Settings {
            app: "radarr".to_owned(),
            model: "homelab".to_owned(),
            has_data: true,
            asked: vec![Asked {
                endpoint: NIGHTLY.name().to_owned(),
                schedule: asked["schedule"].as_str().map(str::to_owned),
            }],
            essential: vec!["films".to_owned()],
            restored: LastRestore::default(),
            verify_schedule: told.verify_schedule.clone(),
            test_restores: told.test_restores.clone(),
        }
    );
    assert!(told.asked[0].runs().is_some());
    assert!(told.verifies().is_some(), "{told:?}");
    assert_settled(&mut unit);
    // Another schedule reaches the exporter, whatever event brings it.
    unit.state = unit.state.clone().with_config("backup-schedule", "0 5 * * *");
    unit.run(Event::ConfigChanged);
    assert_eq!(
        settings(&unit).unwrap().asked[0].schedule.as_deref(),
        Some("0 5 * * *")
    );
    // A steady event asks Juju nothing about it.
    let outcome = unit.run(Event::UpdateStatus);
    let asks = outcome
        .calls
        .iter()
        .filter(|call| call.args.iter().any(|arg| arg == "metrics-endpoint"));
    assert_eq!(asks.count(), 0);
    unit.run(broken(METRICS));
    assert_eq!(settings(&unit), None);
    unit.state.model_mut().relations.remove(&METRICS);
    assert_settled(&mut unit);
}

#[test]
fn a_new_pod_is_told_and_its_address_is_written_again() {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    relate(
        &mut unit,
        RelationState::new(METRICS, "metrics-endpoint", "prometheus"),
        METRICS,
    );
    let before = unit.state.own_unit_data(METRICS);
    unit.state = unit.state.clone().with_relation(
        RelationState::new(METRICS, "metrics-endpoint", "prometheus")
            .with_own_unit_data([("prometheus_scrape_unit_address", "192.0.2.7")]),
    );
    unit.loses_its_disk();
    unit.run(Event::Start);
    assert_eq!(unit.state.own_unit_data(METRICS), before);
    assert!(settings(&unit).is_some());
    assert_settled(&mut unit);
}

#[test]
fn a_unit_that_does_not_lead_says_where_it_is_and_nothing_for_the_application() {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    unit.state = unit.state.clone().with_leader(false);
    for (id, endpoint) in [(METRICS, "metrics-endpoint"), (DASHBOARD, "grafana-dashboard")] {
        relate(&mut unit, RelationState::new(id, endpoint, "cos"), id);
        assert!(unit.state.own_app_data(id).is_empty(), "{endpoint}");
    }
    assert!(
        unit.state
            .own_unit_data(METRICS)
            .contains_key("prometheus_scrape_unit_address")
    );
    assert!(unit.state.own_unit_data(DASHBOARD).is_empty());
    // It leads later on.
    unit.state = unit.state.clone().with_leader(true);
    unit.run(Event::LeaderElected);
    for id in [METRICS, DASHBOARD] {
        assert!(!unit.state.own_app_data(id).is_empty(), "{id}");
    }
    assert_settled(&mut unit);
}

#[test]
fn each_of_several_relations_has_what_the_others_have() {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    for (id, remote) in [(METRICS, "prometheus"), (SECOND, "agent")] {
        relate(&mut unit, RelationState::new(id, "metrics-endpoint", remote), id);
    }
    assert_eq!(unit.state.own_app_data(METRICS), unit.state.own_app_data(SECOND));
    unit.run(broken(METRICS));
    unit.state.model_mut().relations.remove(&METRICS);
    assert!(settings(&unit).is_some(), "the other one scrapes");
    assert_settled(&mut unit);
}

#[test]
fn an_app_without_backups_has_a_log_and_nothing_else_to_watch() {
    let profile = app("flaresolverr");
    let names: Vec<&str> = workload_charm::endpoints::of(&profile)
        .map(|endpoint| endpoint.name)
        .collect();
    assert!(names.contains(&"logging"), "{names:?}");
    assert!(
        !names.contains(&"metrics-endpoint") && !names.contains(&"grafana-dashboard"),
        "{names:?}"
    );
}

const PUSH: &str = "http://loki-0.loki.cos.svc.cluster.local:3100/loki/api/v1/push";

fn loki(id: u32, url: &str) -> RelationState {
    let endpoint = json!({"url": url}).to_string();
    RelationState::new(id, "logging", "loki").with_remote_unit(0, [("endpoint", endpoint.as_str())])
}

fn targets(unit: &Unit) -> Vec<(String, String, Vec<String>, bool)> {
    let plan = unit.pebble.plan().unwrap();
    plan.log_targets
        .into_iter()
        .map(|(name, target)| {
            let is_labelled = !target.labels.is_empty();
            (
                name,
                target.location.unwrap_or_default(),
                target.services,
                is_labelled,
            )
        })
        .collect()
}

#[test]
fn the_log_goes_where_it_is_asked_for_and_nowhere_when_nobody_asks_any_more() {
    let mut unit = Unit::settled(&radarr());
    // Of the image.
    let other = LogTarget {
        r#override: Some(Override::Replace),
        target_type: Some(LogTargetType::Loki),
        location: Some("http://elsewhere/push".to_owned()),
        services: vec!["all".to_owned()],
        ..LogTarget::default()
    };
    let layer = Layer {
        log_targets: [("other".to_owned(), other)].into(),
        ..Layer::default()
    };
    unit.pebble.add_layer("image", &layer, true).unwrap();
    let of_image = targets(&unit);
    relate(&mut unit, loki(LOGGING, PUSH), LOGGING);
    let all = vec!["all".to_owned()];
    let target = |url: &str| ("loki/0".to_owned(), url.to_owned(), all.clone(), true);
    assert_eq!(targets(&unit), [vec![target(PUSH)], of_image.clone()].concat());
    let bag = unit.state.own_app_data(LOGGING);
    assert_eq!(bag["alert_rules"], "{}");
    assert_settled(&mut unit);
    // Another place.
    let moved = "http://loki-0.loki.cos.svc.cluster.local:3100/other/push";
    unit.state = unit.state.clone().with_relation(loki(LOGGING, moved));
    unit.run(changed(LOGGING));
    assert_eq!(targets(&unit)[0], target(moved));
    // Upstream's library leaves the last one.
    unit.run(broken(LOGGING));
    unit.state.model_mut().relations.remove(&LOGGING);
    let none = vec!["-all".to_owned()];
    let gone = ("loki/0".to_owned(), "(removed)".to_owned(), none, false);
    assert_eq!(targets(&unit), [vec![gone], of_image.clone()].concat());
    let calls = unit.pebble.calls().len();
    assert_settled(&mut unit);
    let added = unit.pebble.calls()[calls..]
        .iter()
        .filter(|call| format!("{call:?}").contains("AddLayer"))
        .count();
    assert_eq!(added, 0);
    // And again.
    relate(&mut unit, loki(LOGGING, PUSH), LOGGING);
    assert_eq!(targets(&unit), [vec![target(PUSH)], of_image].concat());
}

#[test]
fn what_is_no_place_for_a_log_is_passed_over() {
    let mut unit = Unit::settled(&radarr());
    relate(&mut unit, loki(LOGGING, "file:///etc/passwd"), LOGGING);
    assert_eq!(targets(&unit), []);
    assert_settled(&mut unit);
}

/// What is less than before is measured from then on, and the metrics say when it was.
#[test]
fn the_exporter_is_told_that_the_content_was_replaced_and_not_that_it_would_be() {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    relate(
        &mut unit,
        RelationState::new(METRICS, "metrics-endpoint", "prometheus"),
        METRICS,
    );
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), "<Config></Config>").unwrap();
    }));
    unit.recovery.well = vec![Ok(())].into();
    let restore = |dry_run: bool| json!({"backup-uid": "aaaa-1", "safety-backup": false, "dry-run": dry_run});
    unit.act("restore-from-backup", restore(true)).unwrap();
    assert_eq!(settings(&unit).unwrap().restored.at(), None);
    let before = jiff::Timestamp::now();
    unit.act("restore-from-backup", restore(false)).unwrap();
    let restored = settings(&unit).unwrap().restored.at();
    assert!(restored.is_some_and(|at| at >= before), "{restored:?}");
    assert_settled(&mut unit);
}
