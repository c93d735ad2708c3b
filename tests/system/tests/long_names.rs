//! Radarr under the longest names: the longest that Kubernetes makes a pod for, and longer ones that Juju takes all the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

use juju_sim::{ClusterOptions, OperatorOptions, Options};
use serde_json::Value;
use system_tests::house::{ENDPOINT, SimulatedModel};
use workload_charm::backup_time::{Interval, slot};

/// The longest namespace.
const MODEL: &str = "the-home-lab-of-a-family-that-gives-its-models-very-long-names1";
/// The longest name that leaves room for `-config-` and six digits in the name of the pod's volume.
const LONGEST_WITH_A_POD: &str = "radarr-for-the-films-of-the-whole-neighbourhood-b";

fn house(app: &str, cluster: ClusterOptions) -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options {
        model: MODEL.to_owned(),
        cluster,
        ..Options::default()
    })
    .unwrap();
    let mut deploy = house.radarr().unwrap();
    deploy.app = app.to_owned();
    deploy.trust = true;
    house.juju.deploy(deploy).unwrap();
    house
}

/// Everything that a user and Velero see of the application, in each of its states.
fn is_complete_under(app: &str, cluster: ClusterOptions) {
    let mut house = house(app, cluster);
    let unit = format!("{app}/0");
    let status = |house: &SimulatedModel| {
        let status = house.juju.status(&unit).unwrap().workload;
        // What `juju status` shows of it in a terminal.
        assert!(status.message.chars().count() <= 120, "{}", status.message);
        format!("{}: {}", status.current, status.message)
    };
    let first = status(&house);
    assert!(first.starts_with("active: "), "{first}");
    assert!(
        first.ends_with(&format!("juju integrate {app} velero-operator")),
        "{first}"
    );

    let operator = OperatorOptions::default();
    house.juju.deploy_velero_operator(operator).unwrap();
    house.juju.integrate(app, "velero-operator").unwrap();
    let bag = house.juju.app_bag(app, ENDPOINT).unwrap();
    assert_eq!((bag["app"].as_str(), bag["model"].as_str()), (app, MODEL));
    let spec: Value = serde_json::from_str(&bag["spec"]).unwrap();
    assert_eq!(spec["include_namespaces"], serde_json::json!([MODEL]));
    assert_eq!(
        spec["label_selector"],
        serde_json::json!({"app.kubernetes.io/name": app})
    );
    let schedules = house.juju.schedules();
    assert_eq!(schedules.len(), 1);
    let schedule = serde_json::to_value(&schedules[0]).unwrap();
    let labels = schedule["metadata"]["labels"].as_object().unwrap();
    assert!(!labels.is_empty());
    for (name, value) in labels {
        assert!(value.as_str().unwrap().len() <= 63, "{name}: {value}");
    }

    let pod = house.juju.pod(&unit).unwrap();
    let annotations = pod["metadata"]["annotations"].as_object().unwrap();
    let volume = annotations["backup.velero.io/backup-volumes"].as_str().unwrap();
    assert!(volume.starts_with(&format!("{app}-config-")), "{volume}");
    let command = annotations["pre.hook.backup.velero.io/command"].as_str().unwrap();
    let location = house.juju.storage_dir(&unit, "config");
    assert!(command.contains(location.to_str().unwrap()), "{command}");

    let last = status(&house);
    let (_, when) = slot(Interval::Day, MODEL, app);
    assert!(last.starts_with("active: ") && last.contains(&when), "{last}");
}

#[test]
fn the_longest_name_with_a_pod_is_complete() {
    assert_eq!((LONGEST_WITH_A_POD.len(), MODEL.len()), (49, 63));
    is_complete_under(LONGEST_WITH_A_POD, ClusterOptions::default());
}

#[test]
fn the_charm_itself_is_complete_under_names_of_60_characters() {
    let app = "radarr-for-the-films-of-the-whole-neighbourhood-and-the-next";
    assert_eq!(app.len(), 60);
    let cluster = ClusterOptions {
        pods_of_long_names: true,
        ..ClusterOptions::default()
    };
    is_complete_under(app, cluster);
}

#[test]
fn a_name_of_60_characters_gets_no_pod_today_and_juju_says_why() {
    let app = "radarr-for-the-films-of-the-whole-neighbourhood-and-the-next";
    let house = house(app, ClusterOptions::default());
    let status = house.juju.app_status(app).unwrap();
    assert_eq!(status.current, "error");
    assert!(
        status.message.ends_with("must be no more than 63 characters"),
        "{}",
        status.message
    );
    assert!(house.juju.dispatches().is_empty());
}
