//! The bytes of a databag: what is written is what the Python library writes, and what both of its patches write is read.
#![cfg(test)]

mod common;

use common::{bag, bag_with_spec, full, radarr};
use velero_backup_config::requirer::{self, Outcome};
use velero_backup_config::{BackupRequest, BackupSpec, Method, Reason, Schedule};

/// Verbatim data of the library, patch 2, from a running charm.
const PATCH_2: &str = r#"{"include_namespaces":["media"],"include_resources":["persistentvolumeclaims"],"exclude_namespaces":null,"exclude_resources":null,"label_selector":{"app.kubernetes.io/name":"minimal"},"ttl":"720h","include_cluster_resources":null,"schedule":null,"paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}"#;
/// Patch 1 has four fields less, and writes `false` where nothing was set.
const PATCH_1: &str = r#"{"include_namespaces":["media"],"include_resources":["persistentvolumeclaims"],"exclude_namespaces":null,"exclude_resources":null,"label_selector":null,"ttl":"24h","include_cluster_resources":false}"#;
/// Lines that pydantic wrote; see `originals/wire.py`.
const LINES: &str = include_str!("data/wire.jsonl");

#[test]
fn a_spec_is_written_as_the_python_library_writes_it() {
    let mut count = 0;
    for line in LINES.lines() {
        let request = BackupRequest::from_databag(&bag_with_spec(line)).unwrap();
        assert_eq!(request.to_databag()["spec"], line);
        count += 1;
    }
    assert_eq!(count, 7);
    assert!(LINES.lines().any(|line| line == PATCH_2));
    assert_eq!(full().to_wire_text(), LINES.lines().nth(2).unwrap());
}

#[test]
fn a_databag_has_the_four_keys_and_no_other() {
    let databag = radarr().to_databag();
    insta::assert_snapshot!(serde_json::to_string_pretty(&databag).unwrap(), @r#"
    {
      "app": "radarr",
      "model": "media",
      "relation_name": "backup",
      "spec": "{\"include_namespaces\":[\"media\"],\"include_resources\":[\"pods\",\"persistentvolumeclaims\"],\"exclude_namespaces\":null,\"exclude_resources\":null,\"label_selector\":{\"app.kubernetes.io/name\":\"radarr\"},\"ttl\":\"720h\",\"include_cluster_resources\":null,\"schedule\":\"30 2 * * *\",\"paused\":null,\"skip_immediately\":null,\"use_owner_references_in_backup\":null}"
    }
    "#);
}

#[test]
fn labels_are_written_in_the_order_of_their_keys() {
    let spec = |labels: [(&str, &str); 2]| BackupSpec::new(["a"]).unwrap().with_labels(labels).unwrap();
    let (there, back) = (spec([("b", "1"), ("a", "2")]), spec([("a", "2"), ("b", "1")]));
    assert_eq!(there.to_wire_text(), back.to_wire_text());
    assert!(
        there
            .to_wire_text()
            .contains(r#""label_selector":{"a":"2","b":"1"}"#)
    );
}

/// A label more makes a backup smaller. Replacing the application's own would make it hold the whole model.
#[test]
fn more_labels_narrow_a_preset_and_never_widen_it() {
    let preset = BackupSpec::config_volume("radarr", "media", Method::Filesystem).unwrap();
    let spec = preset.clone().with_labels([("tier", "gold")]).unwrap();
    assert_eq!(
        *spec.label_selector().unwrap(),
        bag([("app.kubernetes.io/name", "radarr"), ("tier", "gold")])
    );
    let same = preset.clone().with_labels([("app.kubernetes.io/name", "radarr")]);
    assert_eq!(same.as_ref(), Ok(&preset));
    assert_eq!(preset.clone().with_labels([("", ""); 0]), Ok(preset.clone()));

    let error = preset
        .with_labels([("app.kubernetes.io/name", "sonarr")])
        .unwrap_err();
    assert_eq!(error.pointer(), "/spec/label_selector/app.kubernetes.io~1name");
    assert_eq!(
        error.to_string(),
        r#"cannot use app.kubernetes.io/name "sonarr": no object has it and "radarr" as well"#
    );
    assert!(error.hint().unwrap().contains("never replace"));
    let twice = BackupSpec::new(["media"])
        .unwrap()
        .with_labels([("tier", "gold"), ("tier", "silver")]);
    assert!(twice.is_err());
}

/// An empty schedule means the same to whoever builds a request and to whoever reads one.
#[test]
fn an_empty_schedule_is_none_on_both_sides() {
    let built = BackupSpec::new(["media"])
        .unwrap()
        .with_schedule(Schedule::parse_optional("").unwrap());
    let read = BackupRequest::from_databag(&bag_with_spec(
        r#"{"include_namespaces":["media"],"schedule":""}"#,
    ));
    assert_eq!(read.unwrap().spec(), &built);
    assert_eq!(
        BackupSpec::from_text("{include_namespaces: [media], schedule: ''}").unwrap(),
        built
    );
    let daily = Schedule::parse_optional("@daily").unwrap();
    assert_eq!(daily, Some(Schedule::parse("@daily").unwrap()));
    assert!(Schedule::parse_optional(" ").is_err() && Schedule::parse("").is_err());
}

#[test]
fn a_client_with_patch_1_is_read_and_its_lacks_are_named() {
    let databag = bag([("app", "minio"), ("relation_name", "backup"), ("spec", PATCH_1)]);
    let request = BackupRequest::from_databag(&databag).unwrap();
    assert_eq!((request.app(), request.model()), ("minio", None));
    let spec = request.spec();
    assert_eq!(spec.include_cluster_resources(), Some(false));
    assert_eq!(
        (spec.schedule(), spec.paused(), spec.skip_immediately()),
        (None, None, None)
    );
    let Outcome::Request { warnings, .. } = requirer::read(&databag) else {
        panic!("it is a request")
    };
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert_eq!(warning.pointer(), "/model");
    assert!(warning.to_string().contains("create-backup"), "{warning}");
    // It is written back as it came, and never with an empty model.
    assert_eq!(
        request.to_databag().keys().collect::<Vec<_>>(),
        ["app", "relation_name", "spec"]
    );
}

#[test]
fn labels_that_kubernetes_refuses_are_refused() {
    for (key, value) in [
        ("ä", "x"),
        ("app", "ä"),
        ("app", "\u{200b}"),
        ("app", "a b"),
        ("", "x"),
        ("a/b/c", "x"),
        ("app", "-"),
    ] {
        let error = BackupSpec::new(["media"])
            .unwrap()
            .with_labels([(key, value)])
            .unwrap_err();
        assert!(
            matches!(error.reason(), Reason::Name(_)),
            "{key:?}={value:?}: {error}"
        );
    }
}

#[test]
fn the_presets_take_what_a_restore_needs_and_one_volume() {
    let filesystem = BackupSpec::config_volume("radarr", "media", Method::Filesystem).unwrap();
    insta::assert_snapshot!(filesystem.to_wire_text(), @r#"{"include_namespaces":["media"],"include_resources":["pods","persistentvolumeclaims","persistentvolumes"],"exclude_namespaces":null,"exclude_resources":null,"label_selector":{"app.kubernetes.io/name":"radarr"},"ttl":null,"include_cluster_resources":null,"schedule":null,"paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}"#);
    let snapshot = BackupSpec::config_volume("radarr", "media", Method::Snapshot).unwrap();
    insta::assert_snapshot!(snapshot.to_wire_text(), @r#"{"include_namespaces":["media"],"include_resources":["persistentvolumeclaims","persistentvolumes"],"exclude_namespaces":null,"exclude_resources":null,"label_selector":{"app.kubernetes.io/name":"radarr","storage.juju.is/name":"config"},"ttl":null,"include_cluster_resources":null,"schedule":null,"paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}"#);
    let data = BackupSpec::storage_volume("wiki", "media", "data", Method::Snapshot).unwrap();
    assert_eq!(
        *data.label_selector().unwrap(),
        bag([
            ("app.kubernetes.io/name", "wiki"),
            ("storage.juju.is/name", "data")
        ])
    );
    assert!(BackupSpec::config_volume("Radarr?", "media", Method::Snapshot).is_err());
    assert!(BackupSpec::config_volume("radarr", "*", Method::Filesystem).is_err());
    assert!("copy".parse::<Method>().is_err() && "snapshot".parse() == Ok(Method::Snapshot));
}

#[test]
fn every_field_is_read_as_it_was_set() {
    let spec = full();
    assert_eq!(spec.include_namespaces(), ["media", "media-4k"]);
    assert_eq!(spec.include_resources().unwrap(), ["pods", "deployments.apps"]);
    assert_eq!(spec.exclude_namespaces().unwrap(), ["kube-system"]);
    assert_eq!(spec.exclude_resources().unwrap(), ["secrets"]);
    assert_eq!(
        *spec.label_selector().unwrap(),
        bag([("tier", ""), ("app.kubernetes.io/name", "radarr")])
    );
    assert_eq!(spec.retention().unwrap().as_str(), "1h30m");
    assert_eq!(spec.retention().unwrap().duration().as_secs(), 5400);
    assert_eq!(
        spec.schedule().unwrap().as_str(),
        "TZ=Europe/Berlin 0 3 * * MON-FRI"
    );
    assert_eq!(
        (
            spec.include_cluster_resources(),
            spec.paused(),
            spec.skip_immediately(),
            spec.use_owner_references_in_backup()
        ),
        (Some(false), Some(true), Some(false), Some(true))
    );
    let bare = BackupSpec::new(["media"]).unwrap();
    assert!(bare.include_resources().is_none() && bare.exclude_namespaces().is_none());
    assert!(bare.exclude_resources().is_none() && bare.label_selector().is_none());
    assert!(bare.retention().is_none() && bare.schedule().is_none());
    let switches = [
        bare.include_cluster_resources(),
        bare.paused(),
        bare.skip_immediately(),
        bare.use_owner_references_in_backup(),
    ];
    assert_eq!(switches, [None; 4]);
}
