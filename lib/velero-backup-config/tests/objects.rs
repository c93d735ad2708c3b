//! Velero's objects, as velero-operator makes them of a request, and back.
#![cfg(test)]

mod common;

use common::{bag, full, radarr};
use serde_json::{from_value, json, to_value};
use velero_backup_config::velero::{Operator, schedule_labels};
use velero_backup_config::{BackupRequest, BackupSpec, Error};

const OPERATOR: Operator<'_> = Operator {
    model: "velero",
    default_volumes_to_fs_backup: true,
};

fn request() -> BackupRequest {
    BackupRequest::new("radarr", "backup", "media", full()).unwrap()
}

#[test]
fn a_backup_on_demand_is_the_operators() {
    assert_eq!(
        to_value(request().to_backup(&OPERATOR, 1_792_880_263)).unwrap(),
        json!({
            "apiVersion": "velero.io/v1",
            "kind": "Backup",
            "metadata": {
                "generateName": "radarr-backup-",
                "namespace": "velero",
                "labels": {"app": "radarr", "endpoint": "backup", "model": "media"},
                "annotations": {"created-at": "1792880263"},
            },
            "spec": {
                "includedNamespaces": ["media", "media-4k"],
                "includedResources": ["pods", "deployments.apps"],
                "excludedNamespaces": ["kube-system"],
                "excludedResources": ["secrets"],
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "radarr", "tier": ""}},
                "ttl": "1h30m",
                "includeClusterResources": false,
                "storageLocation": "default",
                "volumeSnapshotLocations": ["default"],
                "defaultVolumesToFsBackup": true,
            },
        })
    );
}

#[test]
fn a_schedule_is_the_operators_and_has_the_operators_model() {
    let schedule = to_value(request().to_schedule(&OPERATOR).unwrap()).unwrap();
    let backup = to_value(request().to_backup(&OPERATOR, 0)).unwrap();
    assert_eq!(
        schedule,
        json!({
            "apiVersion": "velero.io/v1",
            "kind": "Schedule",
            "metadata": {
                "generateName": "radarr-backup-",
                "namespace": "velero",
                "labels": {"app": "radarr", "endpoint": "backup", "model": "velero", "managed-by": "velero-operator"},
            },
            "spec": {
                "template": backup["spec"],
                "schedule": "TZ=Europe/Berlin 0 3 * * MON-FRI",
                "paused": true,
                "skipImmediately": false,
                "useOwnerReferencesInBackup": true,
            },
        })
    );
    assert_eq!(
        to_value(schedule_labels("radarr", "backup", "velero")).unwrap(),
        schedule["metadata"]["labels"]
    );
}

#[test]
fn what_is_unset_is_left_out() {
    let spec = BackupSpec::new(["media"])
        .and_then(|spec| spec.with_labels([("", ""); 0]))
        .unwrap();
    let request = BackupRequest::new("a", "b", "media", spec).unwrap();
    let operator = Operator {
        default_volumes_to_fs_backup: false,
        ..OPERATOR
    };
    assert_eq!(
        to_value(request.to_backup(&operator, 1).spec).unwrap(),
        json!({
            "includedNamespaces": ["media"],
            "storageLocation": "default",
            "volumeSnapshotLocations": ["default"],
            "defaultVolumesToFsBackup": false,
        })
    );
    assert_eq!(request.to_schedule(&operator), None, "no schedule, no Schedule");
}

#[test]
fn a_request_comes_back_from_its_objects() {
    let schedule = request().to_schedule(&OPERATOR).unwrap();
    assert_eq!(BackupRequest::from_schedule(&schedule, "media"), Ok(request()));
    let on_demand = BackupRequest::from_backup(&request().to_backup(&OPERATOR, 1)).unwrap();
    // A Backup does not say when the next one is due.
    let spec = full();
    assert_eq!(on_demand.spec().schedule(), None);
    assert_eq!(on_demand.spec().retention(), spec.retention());
    assert_eq!((on_demand.app(), on_demand.model()), ("radarr", Some("media")));
    let daily = radarr();
    let schedule = daily.to_schedule(&OPERATOR).unwrap();
    assert_eq!(
        BackupSpec::from_velero_schedule_spec(&schedule.spec).as_ref(),
        Ok(daily.spec())
    );
}

#[test]
fn what_velero_fills_in_is_not_taken_for_the_clients() {
    let mut backup = to_value(request().to_backup(&OPERATOR, 1)).unwrap();
    for (key, value) in [
        ("csiSnapshotTimeout", json!("10m0s")),
        ("itemOperationTimeout", json!("4h0m0s")),
        ("snapshotMoveData", json!(false)),
    ] {
        backup["spec"][key] = value;
    }
    let filled_in = BackupRequest::from_backup(&from_value(backup.clone()).unwrap()).unwrap();
    assert_eq!(
        Ok(filled_in),
        BackupRequest::from_backup(&request().to_backup(&OPERATOR, 1))
    );
    // Go writes `0s` for a duration that was never set.
    backup["spec"]["ttl"] = json!("0s");
    let unset = BackupRequest::from_backup(&from_value(backup).unwrap()).unwrap();
    assert_eq!(unset.spec().retention(), None);
}

#[test]
fn objects_that_no_request_makes_are_refused_where_they_differ() {
    let mut backup = to_value(request().to_backup(&OPERATOR, 1)).unwrap();
    backup["metadata"]["labels"] = json!({"app": "Radarr", "endpoint": "backup", "model": "media"});
    let named = BackupRequest::from_backup(&from_value(backup.clone()).unwrap()).unwrap_err();
    assert_eq!(named.first().pointer(), "/metadata/labels/app");
    backup["metadata"]["labels"] = json!({"endpoint": "backup"});
    backup["spec"]["orLabelSelectors"] = json!([{"matchLabels": {"a": "b"}}]);
    backup["spec"]["labelSelector"]["matchExpressions"] = json!([{"key": "a", "operator": "Exists"}]);
    backup["spec"]["storageLocation"] = json!("other");
    backup["spec"]["snapshotMoveData"] = json!(true);
    backup["spec"]["includedNamespaces"] = json!([]);
    let errors = BackupRequest::from_backup(&from_value(backup).unwrap()).unwrap_err();
    let mut pointers: Vec<&str> = errors.iter().map(Error::pointer).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/metadata/labels/app",
            "/metadata/labels/model",
            "/spec/includedNamespaces",
            "/spec/labelSelector/matchExpressions",
            "/spec/orLabelSelectors",
            "/spec/snapshotMoveData",
            "/spec/storageLocation",
        ]
    );
}

#[test]
fn a_request_of_an_old_client_is_taken_to_be_in_the_operators_model() {
    let databag = bag([
        ("app", "minio"),
        ("relation_name", "backup"),
        ("spec", r#"{"include_namespaces":["minio"]}"#),
    ]);
    let backup = BackupRequest::from_databag(&databag)
        .unwrap()
        .to_backup(&OPERATOR, 1);
    assert_eq!(backup.metadata.labels["model"], "velero");
}
