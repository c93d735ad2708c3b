//! Weekly and monthly backups beside the nightly ones, seen from outside: what velero-operator makes of three relations.

use std::collections::BTreeMap;

use juju_sim::{OperatorOptions, Options};
use serde_json::{Map, Value};
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};
use workload_charm::tiers::TIERS;

/// Radarr, with an app file that asks for the tiers.
fn tiered() -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    let deploy = house.radarr_with_tiers().unwrap();
    house.juju.deploy(deploy).unwrap();
    house
}

/// Radarr, related to velero-operator by each of its endpoints.
fn with_all() -> SimulatedModel {
    let mut house = tiered();
    let operator = OperatorOptions::default();
    house.juju.deploy_velero_operator(operator).unwrap();
    for tier in &TIERS {
        let own = format!("radarr:{}", tier.name());
        house.juju.integrate(&own, "velero-operator").unwrap();
    }
    house
}

/// Of each Schedule its endpoint, when it runs and how long its backups are kept.
fn schedules(house: &SimulatedModel) -> BTreeMap<String, (String, String)> {
    let all = house.juju.schedules();
    let found = all.iter().map(|schedule| {
        let ttl = schedule.spec.template.ttl.clone().unwrap();
        let endpoint = schedule.metadata.labels["endpoint"].clone();
        assert!(schedule.name().starts_with(&format!("radarr-{endpoint}-")));
        (endpoint, (schedule.spec.schedule.clone(), ttl))
    });
    let found: BTreeMap<_, _> = found.collect();
    assert_eq!(found.len(), all.len(), "one Schedule for each endpoint");
    found
}

fn expected(of: &[(&str, &str, &str)]) -> BTreeMap<String, (String, String)> {
    let of = of.iter().map(|(endpoint, schedule, ttl)| {
        let what = ((*schedule).to_owned(), (*ttl).to_owned());
        ((*endpoint).to_owned(), what)
    });
    of.collect()
}

const NIGHTLY: (&str, &str, &str) = (ENDPOINT, "28 1 * * *", "720h");
const WEEKLY: (&str, &str, &str) = ("backup-weekly", "48 2 * * 3", "2016h");
const MONTHLY: (&str, &str, &str) = ("backup-monthly", "8 4 21 * *", "8760h");

#[test]
fn three_relations_are_three_schedules_and_the_end_of_one_leaves_the_others() {
    let mut house = with_all();
    assert_eq!(schedules(&house), expected(&[NIGHTLY, WEEKLY, MONTHLY]));
    let asks = "active: scheduled backups: daily at 01:28 UTC, weekly, monthly; ";
    assert!(
        house.status().unwrap().starts_with(asks),
        "{}",
        house.status().unwrap()
    );
    let marks = house.seen().unwrap().marks;
    assert!(marks.len() > 3, "{marks:?}");

    // Each of them is the same backup of the same bytes.
    let all = house.juju.schedules();
    let template = |place: usize| {
        let mut template = all[place].spec.template.clone();
        template.ttl = None;
        template
    };
    assert!(template(0) == template(1) && template(1) == template(2));

    house
        .juju
        .remove_relation("radarr:backup-weekly", "velero-operator")
        .unwrap();
    assert_eq!(schedules(&house), expected(&[NIGHTLY, MONTHLY]));
    assert_eq!(house.seen().unwrap().marks, marks);
    house
        .juju
        .remove_relation(&format!("radarr:{ENDPOINT}"), "velero-operator")
        .unwrap();
    assert_eq!(schedules(&house), expected(&[MONTHLY]));
    assert_eq!(
        house.seen().unwrap().marks,
        marks,
        "a monthly backup runs the hooks too"
    );
    house
        .juju
        .remove_relation("radarr:backup-monthly", "velero-operator")
        .unwrap();
    assert_eq!(schedules(&house), BTreeMap::new());
    assert_eq!(house.seen().unwrap().marks, BTreeMap::new());
}

#[test]
fn an_option_of_one_tier_changes_its_schedule_alone() {
    let mut house = with_all();
    let set = [
        ("backup-weekly-schedule", "TZ=Europe/Berlin 0 4 * * SUN"),
        ("backup-weekly-retention", "672h"),
    ];
    house.juju.set_config("radarr", &set).unwrap();
    let changed = ("backup-weekly", "TZ=Europe/Berlin 0 4 * * SUN", "672h");
    assert_eq!(schedules(&house), expected(&[NIGHTLY, changed, MONTHLY]));
    house
        .juju
        .set_config("radarr", &[("backup-monthly-schedule", "")])
        .unwrap();
    assert_eq!(schedules(&house), expected(&[NIGHTLY, changed]));
}

#[test]
fn a_steady_event_restarts_no_velero() {
    let mut house = with_all();
    let before = house.juju.velero_restarts();
    for _ in 0..3 {
        house.juju.update_status(UNIT).unwrap();
    }
    house.juju.churn_pod(UNIT, true).unwrap();
    assert_eq!(house.juju.velero_restarts(), before);
    assert_eq!(schedules(&house).len(), 3);
}

#[test]
fn the_operator_makes_a_backup_of_each_tier_by_hand() {
    let mut house = with_all();
    for tier in &TIERS {
        let target = format!("radarr:{}", tier.name());
        let parameters: Map<String, Value> = [("target".to_owned(), target.into())].into_iter().collect();
        let result = house
            .juju
            .run_action("velero-operator/0", "create-backup", parameters)
            .unwrap();
        assert_eq!(result.status, "completed", "{result:?}");
    }
    let ttls: Vec<String> = house
        .juju
        .backups()
        .iter()
        .map(|backup| backup.spec.ttl.clone().unwrap())
        .collect();
    assert_eq!(ttls, ["720h", "2016h", "8760h"]);
}

/// As with a real Juju: who has three endpoints of an interface has to say which one is meant.
#[test]
fn juju_asks_which_endpoint_is_meant() {
    let mut house = tiered();
    let operator = OperatorOptions::default();
    house.juju.deploy_velero_operator(operator).unwrap();
    let refused = house.juju.integrate("radarr", "velero-operator").unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("ambiguous relation") && text.contains("radarr:backup-weekly"),
        "{text}"
    );
    let mut house = with_all();
    let refused = house
        .juju
        .remove_relation("radarr", "velero-operator")
        .unwrap_err();
    assert!(refused.to_string().contains("ambiguous relation"), "{refused}");
    assert_eq!(house.juju.schedules().len(), 3);
}
