//! The types against objects as a Velero 1.15 API server returns them.

use std::collections::BTreeMap;

use serde_json::{from_str, json, to_value};
use velero_api::{
    API_VERSION, Backup, BackupPhase, BackupSpec, LabelSelector, List, ObjectMeta, PodVolumeBackup,
    PodVolumePhase, Restore, RestoreSpec, Schedule, ScheduleSpec,
};

#[test]
fn an_unset_spec_writes_nothing_but_what_go_writes() {
    let backup = Backup::new(ObjectMeta::default(), BackupSpec::default());
    assert_eq!(
        to_value(&backup).unwrap(),
        json!({"apiVersion": API_VERSION, "kind": "Backup", "metadata": {}, "spec": {}})
    );
    let schedule = Schedule::new(ObjectMeta::default(), ScheduleSpec::default());
    assert_eq!(
        to_value(&schedule).unwrap(),
        json!({"apiVersion": API_VERSION, "kind": "Schedule", "metadata": {}, "spec": {"template": {}, "schedule": ""}})
    );
}

#[test]
fn a_backup_of_a_server_is_read_and_what_is_unknown_is_skipped() {
    let text = r#"{
      "apiVersion":"velero.io/v1","kind":"Backup",
      "metadata":{"name":"radarr-backup-20261101023000","namespace":"velero","uid":"u-1","resourceVersion":"77",
        "creationTimestamp":"2026-11-01T02:30:00Z","generation":6,"managedFields":[],
        "labels":{"velero.io/schedule-name":"radarr-backup-x1"},"annotations":null},
      "spec":{"csiSnapshotTimeout":"10m0s","defaultVolumesToFsBackup":false,"hooks":{},"includedNamespaces":["media"],
        "excludedNamespaces":null,"includedResources":["pods"],"labelSelector":{"matchLabels":{"a":"b"}},
        "metadata":{},"storageLocation":"default","ttl":"720h0m0s","somethingNew":{"x":1}},
      "status":{"phase":"PartiallyFailed","errors":1,"warnings":null,"formatVersion":"1.1.0","version":1,
        "progress":{"itemsBackedUp":4,"totalItems":4},"hookStatus":{"hooksAttempted":2}}}"#;
    let backup: Backup = from_str(text).unwrap();
    assert_eq!(backup.name(), "radarr-backup-20261101023000");
    assert_eq!(backup.spec.ttl.as_deref(), Some("720h0m0s"));
    assert_eq!(
        backup.spec.label_selector,
        Some(LabelSelector::labels(BTreeMap::from([(
            "a".to_owned(),
            "b".to_owned()
        )])))
    );
    let status = backup.status.unwrap();
    assert_eq!(status.phase, Some(BackupPhase::PartiallyFailed));
    assert_eq!((status.errors, status.warnings), (1, 0));
    assert_eq!(status.hook_status.unwrap().hooks_attempted, 2);
}

#[test]
fn a_phase_of_a_newer_velero_is_kept_as_text() {
    let backup: Backup = from_str(r#"{"status":{"phase":"Hibernating"}}"#).unwrap();
    let phase = backup.status.unwrap().phase.unwrap();
    assert_eq!(phase, BackupPhase::Other("Hibernating".to_owned()));
    assert!(!phase.is_final());
    assert_eq!(to_value(&phase).unwrap(), json!("Hibernating"));
}

#[test]
fn items_of_a_list_come_without_kind_and_get_it() {
    let list: List<PodVolumeBackup> = from_str(
        r#"{"kind":"PodVolumeBackupList","metadata":{"resourceVersion":"9"},"items":[
            {"metadata":{"name":"b-1"},"spec":{"pod":{"kind":"Pod","namespace":"media","name":"radarr-0"},"volume":"radarr-config"},
             "status":{"phase":"Completed","snapshotID":"k1","progress":{"bytesDone":20971557,"totalBytes":20971557}}}]}"#,
    )
    .unwrap();
    let only = &list.items[0];
    assert_eq!(
        (only.kind.as_str(), only.api_version.as_str()),
        ("PodVolumeBackup", API_VERSION)
    );
    let status = only.status.as_ref().unwrap();
    assert_eq!(status.phase, Some(PodVolumePhase::Completed));
    assert_eq!(status.progress.total_bytes, 20_971_557);
    assert_eq!(list.metadata.continue_token, None);
}

#[test]
fn a_restore_into_another_namespace_has_veleros_field_names() {
    let spec = RestoreSpec {
        backup_name: Some("b".to_owned()),
        namespace_mapping: BTreeMap::from([("media".to_owned(), "scratch".to_owned())]),
        restore_pvs: Some(true),
        ..RestoreSpec::default()
    };
    let restore = Restore::new(
        ObjectMeta {
            generate_name: Some("r-".to_owned()),
            ..Default::default()
        },
        spec,
    );
    assert_eq!(
        to_value(&restore).unwrap(),
        json!({
            "apiVersion": API_VERSION, "kind": "Restore", "metadata": {"generateName": "r-"},
            "spec": {"backupName": "b", "namespaceMapping": {"media": "scratch"}, "restorePVs": true}
        })
    );
}
