//! When Schedules come, change and go.

use juju_sim::OperatorOptions;
use serde_json::{Value, json};

use crate::client::{SPEC, ask, asked, create_backup, names, operator, operator_status, warnings, with};
use crate::common::Bed;

#[test]
fn a_databag_becomes_a_schedule() {
    let bed = asked(operator(), SPEC);
    let [schedule] = bed.sim.schedules().try_into().unwrap();
    let name = schedule.name().to_owned();
    let suffix = name.strip_prefix("radarr-backup-").unwrap();
    assert_eq!(suffix.len(), 5, "{name}");
    let shown = serde_json::to_value(&schedule).unwrap();
    let template = json!({
        "includedNamespaces": ["media"],
        "includedResources": ["pods", "persistentvolumeclaims"],
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "radarr"}},
        "ttl": "720h",
        "storageLocation": "default",
        "volumeSnapshotLocations": ["default"],
        "defaultVolumesToFsBackup": true,
    });
    assert_eq!(
        shown["metadata"]["labels"],
        json!({"app": "radarr", "endpoint": "backup", "model": "homelab", "managed-by": "velero-operator"})
    );
    assert_eq!(shown["metadata"]["namespace"], "homelab");
    assert_eq!(shown["metadata"]["annotations"], Value::Null);
    assert_eq!(
        shown["spec"],
        json!({"schedule": "0 3 * * *", "template": template})
    );
    assert_eq!(shown["status"], Value::Null, "no Velero has looked at it");
}

#[test]
fn a_change_keeps_the_name_and_replaces_the_whole_spec() {
    let paused = SPEC.replace("\"ttl\"", "\"paused\":true,\"ttl\"");
    let mut bed = asked(operator(), &paused);
    let [before] = bed.sim.schedules().try_into().unwrap();
    assert_eq!(before.spec.paused, Some(true));
    ask(
        &mut bed,
        r#"{"include_namespaces":["media"],"schedule":"@weekly"}"#,
    );
    let [after] = bed.sim.schedules().try_into().unwrap();
    assert_eq!(after.metadata, before.metadata);
    assert_eq!(
        (after.spec.schedule.as_str(), after.spec.paused),
        ("@weekly", None)
    );
    assert_eq!(after.spec.template.ttl, None);
    assert_eq!(after.spec.template.label_selector, None);
}

#[test]
fn a_schedule_goes_when_it_is_no_longer_asked_for() {
    for none in ["null", "\"\""] {
        let mut bed = asked(operator(), SPEC);
        let first = names(&bed.sim);
        ask(&mut bed, &SPEC.replace("\"0 3 * * *\"", none));
        assert_eq!(names(&bed.sim), [""; 0], "{none}");
        ask(&mut bed, SPEC);
        assert_eq!(bed.sim.schedules().len(), 1, "{none}");
        assert_ne!(names(&bed.sim), first, "a Schedule made anew has a new name");
    }
}

#[test]
fn a_schedule_goes_with_its_relation_and_with_its_application() {
    let mut bed = asked(operator(), SPEC);
    bed.sim.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(names(&bed.sim), [""; 0]);
    bed.sim.integrate("radarr", "velero-operator").unwrap();
    assert_eq!(bed.sim.schedules().len(), 1);
    bed.sim.remove_application("radarr").unwrap();
    assert_eq!(names(&bed.sim), [""; 0]);
    assert!(!bed.sim.model().applications.contains_key("radarr"));
    assert_eq!(warnings(&bed.sim), [""; 0]);
}

#[test]
fn an_operator_that_goes_takes_its_objects_along() {
    let mut bed = asked(operator(), SPEC);
    bed.sim.remove_application("velero-operator").unwrap();
    assert_eq!(names(&bed.sim), [""; 0]);
    assert_eq!(bed.sim.model().relations.len(), 0);
    bed.sim.deploy_velero_operator(operator()).unwrap();
    bed.sim.integrate("radarr", "velero-operator").unwrap();
    assert_eq!(bed.sim.schedules().len(), 1);
}

#[test]
fn a_relation_without_units_ends_too() {
    let mut bed = asked(operator(), SPEC);
    bed.sim.scale("radarr", 0).unwrap();
    assert_eq!(bed.sim.schedules().len(), 1, "no unit is not no relation");
    bed.sim.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(names(&bed.sim), [""; 0]);
    bed.sim.settle().unwrap();
    assert_eq!(bed.sim.model().relations.len(), 0);
}

#[test]
fn a_client_that_clears_its_databag_first_leaves_an_orphan() {
    let mut bed = asked(operator(), SPEC);
    bed.sim.set_config("radarr", &[("clear", "true")]).unwrap();
    bed.sim.remove_relation("radarr", "velero-operator").unwrap();
    let [name] = names(&bed.sim).try_into().unwrap();
    let [warning] = warnings(&bed.sim).try_into().unwrap();
    assert!(
        warning.starts_with("relation 0 of radarr: ") && warning.contains(&name),
        "{warning}"
    );
}

#[test]
fn only_a_change_restarts_velero() {
    let mut bed = asked(operator(), SPEC);
    // Once for the unit that joined, once for the databag, as the operator's own source complains.
    assert_eq!(bed.sim.velero_restarts(), 4);
    let [warning] = bed.sim.operator_warnings().try_into().unwrap();
    assert!(
        warning.starts_with("relation 0 of radarr: ") && warning.contains("marked Failed"),
        "{warning}"
    );
    let before = bed.sim.schedules();

    bed.sim.update_status("radarr/0").unwrap();
    bed.sim.update_status("velero-operator/0").unwrap();
    bed.sim.set_config("radarr", &[("app", "radarr")]).unwrap();
    bed.sim.settle().unwrap();
    assert_eq!(bed.sim.velero_restarts(), 4, "an identical databag is no change");
    assert_eq!(bed.sim.schedules(), before);

    bed.sim.set_config("radarr", &[("extra", "1")]).unwrap();
    assert_eq!(
        bed.sim.velero_restarts(),
        6,
        "a key of no meaning is a change all the same"
    );
    bed.sim.add_units("radarr", 1).unwrap();
    assert_eq!(bed.sim.velero_restarts(), 8, "so is a unit");
    bed.sim.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(bed.sim.velero_restarts(), 10);
}

#[test]
fn an_operator_without_that_defect_restarts_nothing() {
    let mut bed = asked(with(|defects| defects.restarts_velero = false), SPEC);
    ask(
        &mut bed,
        r#"{"include_namespaces":["media"],"schedule":"@weekly"}"#,
    );
    assert_eq!(bed.sim.velero_restarts(), 0);
    assert_eq!(bed.sim.operator_warnings(), [""; 0]);
    assert_eq!(bed.sim.schedules()[0].spec.schedule, "@weekly");
}

#[test]
fn without_storage_nothing_is_made_and_only_a_broken_relation_deletes() {
    let unconfigured = OperatorOptions {
        storage_configured: false,
        ..operator()
    };
    let blocked = "blocked: Missing relation: [s3-credentials|azure-storage|gcs-credentials]";
    let mut bed = asked(unconfigured, SPEC);
    assert_eq!(operator_status(&bed.sim), blocked);
    assert_eq!((names(&bed.sim).len(), bed.sim.velero_restarts()), (0, 0));
    let result = create_backup(&mut bed, &[("target", "nonsense")]);
    assert_eq!(result.message, "Velero Storage Provider is not configured");

    bed.sim.configure_velero_storage("velero-operator", true).unwrap();
    assert_eq!(operator_status(&bed.sim), "active: Unit is Ready");
    let made = bed.sim.schedules();
    assert_eq!(made.len(), 1);
    bed.sim
        .configure_velero_storage("velero-operator", false)
        .unwrap();
    ask(&mut bed, &SPEC.replace("\"0 3 * * *\"", "null"));
    assert_eq!(bed.sim.schedules(), made);
    assert_eq!(operator_status(&bed.sim), blocked);
    bed.sim.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(names(&bed.sim), [""; 0]);
    assert!(bed.sim.configure_velero_storage("radarr", true).is_err());
}

#[test]
fn the_operators_option_is_what_users_set() {
    let mut bed = asked(operator(), SPEC);
    let fs_backup = |bed: &Bed| bed.sim.schedules()[0].spec.template.default_volumes_to_fs_backup;
    assert_eq!(fs_backup(&bed), Some(true));
    bed.sim
        .set_config("velero-operator", &[("default-volumes-to-fs-backup", "false")])
        .unwrap();
    assert_eq!(fs_backup(&bed), Some(false));
    assert_eq!(bed.sim.velero_restarts(), 4, "no relation changed");
}
