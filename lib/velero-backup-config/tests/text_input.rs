//! Specs as people write them: Velero's form, whole objects, the wire's form; YAML and JSON.
#![cfg(test)]

mod common;

use common::full;
use velero_backup_config::{BackupSpec, Errors};

/// Every field that there is, in Velero's form.
const FLAT: &str = "
includedNamespaces: [media, media-4k]
includedResources: [pods, deployments.apps]
excludedNamespaces: [kube-system]
excludedResources: [secrets]
labelSelector:
  matchLabels:
    app.kubernetes.io/name: radarr
    tier: ''
ttl: 1h30m
includeClusterResources: false
schedule: TZ=Europe/Berlin 0 3 * * MON-FRI
paused: true
skipImmediately: false
useOwnerReferencesInBackup: true
";

fn pointers(errors: &Errors) -> Vec<&str> {
    errors.iter().map(velero_backup_config::Error::pointer).collect()
}

fn refused(text: &str) -> Errors {
    match BackupSpec::from_text(text) {
        Ok(spec) => panic!("taken as {spec:?}: {text}"),
        Err(errors) => errors,
    }
}

#[test]
fn one_spec_has_many_forms() {
    let (backup, schedule): (Vec<&str>, Vec<&str>) =
        FLAT.lines().filter(|line| !line.is_empty()).partition(|line| {
            !["schedule", "paused", "skip", "use"]
                .iter()
                .any(|key| line.starts_with(key))
        });
    let indented =
        |lines: &[&str], by: &str| -> String { lines.iter().map(|line| format!("{by}{line}\n")).collect() };
    let schedule_spec = |by: &str| {
        let deeper = format!("{by}  ");
        format!(
            "{}{by}template:\n{}",
            indented(&schedule, by),
            indented(&backup, &deeper)
        )
    };
    let object = format!(
        "apiVersion: velero.io/v1\nkind: Schedule\nmetadata:\n  name: x\nspec:\n{}status: {{phase: Enabled}}\n",
        schedule_spec("  ")
    );
    let json = r#"{"includedNamespaces":["media","media-4k"],"includedResources":["pods","deployments.apps"],
        "excludedNamespaces":["kube-system"],"excludedResources":["secrets"],"ttl":"1h30m","includeClusterResources":false,
        "labelSelector":{"matchLabels":{"tier":"","app.kubernetes.io\/name":"radarr"}},"paused":true,"skipImmediately":false,
        "useOwnerReferencesInBackup":true,"schedule":"TZ=Europe/Berlin 0 3 * * MON-FRI"}"#;
    let wire_yaml = "include_namespaces: [media, media-4k]\ninclude_resources: [pods, deployments.apps]\n\
        exclude_namespaces: [kube-system]\nexclude_resources: [secrets]\nlabel_selector: {tier: '', app.kubernetes.io/name: radarr}\n\
        ttl: 1h30m\ninclude_cluster_resources: false\nschedule: TZ=Europe/Berlin 0 3 * * MON-FRI\npaused: yes\n\
        skip_immediately: no\nuse_owner_references_in_backup: true\n";
    for text in [
        FLAT,
        &schedule_spec(""),
        &object,
        json,
        wire_yaml,
        &full().to_wire_text(),
    ] {
        assert_eq!(BackupSpec::from_text(text), Ok(full()), "{text}");
    }
}

#[test]
fn the_text_of_a_retention_is_kept() {
    let spec = BackupSpec::from_text("{includedNamespaces: [media], ttl: 720h0m0s}").unwrap();
    assert_eq!(spec.retention().unwrap().as_str(), "720h0m0s");
}

#[test]
fn what_the_relation_cannot_carry_is_an_error_where_it_stands() {
    let cases = [
        (
            "labelSelector: {matchExpressions: [{key: a, operator: Exists}]}",
            "/labelSelector/matchExpressions",
        ),
        ("labelSelector: {app: radarr}", "/labelSelector/app"),
        (
            "labelSelector: {matchLabels: {app: 1}}",
            "/labelSelector/matchLabels/app",
        ),
        (
            "labelSelector: {matchLabels: {a/b: on}}",
            "/labelSelector/matchLabels/a~1b",
        ),
        (
            "labelSelector: {matchLabels: {a/b: '-'}}",
            "/labelSelector/matchLabels/a~1b",
        ),
        ("orLabelSelectors: [{matchLabels: {a: b}}]", "/orLabelSelectors"),
        (
            "resourcePolicy: {kind: configmap, name: volumes}",
            "/resourcePolicy",
        ),
        ("hooks: {resources: [{name: x}]}", "/hooks"),
        (
            "includedClusterScopedResources: [storageclasses]",
            "/includedClusterScopedResources",
        ),
        (
            "excludedNamespaceScopedResources: [secrets]",
            "/excludedNamespaceScopedResources",
        ),
        ("snapshotVolumes: false", "/snapshotVolumes"),
        ("snapshotMoveData: false", "/snapshotMoveData"),
        ("orderedResources: {pods: a/b}", "/orderedResources"),
        ("csiSnapshotTimeout: 10m", "/csiSnapshotTimeout"),
        ("datamover: velero", "/datamover"),
        ("uploaderConfig: {parallelFilesUpload: 4}", "/uploaderConfig"),
        ("metadata: {labels: {a: b}}", "/metadata"),
        ("storageLocation: other", "/storageLocation"),
        (
            "volumeSnapshotLocations: [default, other]",
            "/volumeSnapshotLocations",
        ),
        ("defaultVolumesToFsBackup: true", "/defaultVolumesToFsBackup"),
        ("included-resources: [pods]", "/included-resources"),
        ("includeNamespace: [pods]", "/includeNamespace"),
        ("Paused: true", "/Paused"),
        ("anything: ~", "/anything"),
        ("excludedNamespaces: [a, media]", "/excludedNamespaces/1"),
        ("excludedResources: ['*']", "/excludedResources/0"),
        ("includedResources: [pods, 1]", "/includedResources/1"),
        ("includedResources: pods", "/includedResources"),
        ("includeClusterResources: auto", "/includeClusterResources"),
        ("ttl: 30d", "/ttl"),
        ("ttl: 0s", "/ttl"),
        ("ttl: 720", "/ttl"),
        ("schedule: daily", "/schedule"),
        ("skipImmediately: 1", "/skipImmediately"),
    ];
    for (line, pointer) in cases {
        let errors = refused(&format!("includedNamespaces: [media]\n{line}\n"));
        assert_eq!(pointers(&errors), [pointer], "{line}: {errors}");
        assert!(errors.first().hint().is_some(), "{errors}");
    }
    // The wire's form, in which the operator would skip what it does not know.
    for (line, pointer) in [
        ("includedResources: [pods]", "/includedResources"),
        ("labels: {a: b}", "/labels"),
        (
            "label_selector: {matchLabels: {a: b}}",
            "/label_selector/matchLabels",
        ),
        ("ttl: 30d", "/ttl"),
        ("include_resources: [pods, Pods]", "/include_resources/1"),
    ] {
        let errors = refused(&format!("include_namespaces: [media]\n{line}\n"));
        assert_eq!(pointers(&errors), [pointer], "{line}: {errors}");
    }
}

#[test]
fn what_says_nothing_is_skipped() {
    let text = "
includedNamespaces: [media]
includedResources: ~
labelSelector: {matchExpressions: []}
hooks: {}
metadata: {labels: ~}
orLabelSelectors: []
csiSnapshotTimeout: 0s
storageLocation: default
volumeSnapshotLocations: [default]
template: ~
";
    assert_eq!(
        BackupSpec::from_text(text),
        BackupSpec::new(["media"]).map_err(Errors::from)
    );
}

#[test]
fn pointers_lead_into_templates_and_objects() {
    let errors = refused(
        "{schedule: x, paused: 1, template: {includedNamespaces: ['*'], ttl: 1d, hooks: {a: b}, x: y}}",
    );
    assert_eq!(
        pointers(&errors),
        [
            "/template/hooks",
            "/template/x",
            "/paused",
            "/template/ttl",
            "/schedule",
            "/template/includedNamespaces/0"
        ]
    );
    let errors = refused("{kind: Backup, spec: {schedule: '@daily', includedNamespaces: [m, m_]}}");
    assert_eq!(
        pointers(&errors),
        ["/spec/schedule", "/spec/includedNamespaces/1"]
    );
    let errors = refused(
        "{kind: Schedule, apiVersion: velero.io/v1, spec: {schedule: '@daily', ttl: 1h, template: {ttl: 1h}}}",
    );
    assert_eq!(
        pointers(&errors),
        ["/spec/ttl", "/spec/template/includedNamespaces"]
    );
    let errors = refused("{kind: Restore, apiVersion: v1, spec: {}, extra: 1}");
    assert_eq!(pointers(&errors), ["/apiVersion", "/kind", "/extra"]);
    assert_eq!(pointers(&refused("{kind: Backup}")), ["/spec"]);
    assert_eq!(pointers(&refused("{kind: Backup, spec: [1]}")), ["/spec"]);
    let errors = refused("{schedule: '@daily', template: []}");
    assert_eq!(pointers(&errors), ["/template", "/template/includedNamespaces"]);
    let errors = refused("{includedNamespaces: [m], template: {includedNamespaces: [media]}}");
    assert_eq!(pointers(&errors), ["/includedNamespaces"]);
}

#[test]
fn an_input_without_a_namespace_is_refused_in_every_form() {
    for (text, pointer) in [
        ("{}", "/includedNamespaces"),
        ("ttl: 720h", "/includedNamespaces"),
        ("includedNamespaces: []", "/includedNamespaces"),
        ("includedNamespaces: ['']", "/includedNamespaces/0"),
        ("includedNamespaces: ['media*']", "/includedNamespaces/0"),
        ("include_resources: [pods]", "/include_namespaces"),
        (
            "{schedule: '@daily', template: {}}",
            "/template/includedNamespaces",
        ),
        ("{kind: Backup, spec: {}}", "/spec/includedNamespaces"),
        ("", ""),
        ("~", ""),
        ("media", ""),
        ("[media]", ""),
        ("7", ""),
    ] {
        assert_eq!(pointers(&refused(text)), [pointer], "{text}");
    }
}

/// What a user reads.
#[test]
fn errors_name_field_value_and_next_step() {
    let errors = refused(
        "{includedNamespaces: [media], labelSelector: {matchLabels: {app: 1}, matchExpressions: [{}]}, ttl: 30d, \
         defaultVolumesToFsBackup: true, include-resources: [pods]}",
    );
    let text: String = errors
        .iter()
        .map(|error| format!("{}: {error}\n    {}\n", error.pointer(), error.hint().unwrap()))
        .collect();
    insta::assert_snapshot!(text, @r#"
    /defaultVolumesToFsBackup: cannot use defaultVolumesToFsBackup "true": velero-operator decides it, whatever a client says
        leave it out; the storage location is always default, and velero-operator's option default-volumes-to-fs-backup says how volumes are saved
    /include-resources: cannot use include-resources: it is no field of a backup's spec
        write includedResources
    /labelSelector/matchExpressions: cannot use matchExpressions "[{}]": the relation cannot carry it, and without it the backup would be another one
        leave it out; namespaces, resources, matchLabels, ttl, includeClusterResources and the schedule's own fields are what the relation carries
    /labelSelector/matchLabels/app: cannot use app "1": it must be a text, not a number
        write a text: put it in quotes
    /ttl: cannot use ttl "30d": Go knows no unit "d"
        write days in hours: 24h for one day, 720h for 30 days
    "#);
    for (text, message) in [
        (
            r#"{"ttl": "1h", "ttl": "2h"}"#,
            "cannot use the input: it is not JSON: the key \"ttl\" comes twice at line 1 column 26",
        ),
        (
            "ttl: 1h\nttl: 2h\n",
            "cannot use the input: it is not YAML: the key \"ttl\" comes twice",
        ),
        (
            "{includedNamespaces: [media]",
            "cannot use the input: it is not YAML: unclosed bracket '{' at line 1, column 1",
        ),
        (
            "{\"includedNamespaces\": [\"media\"]",
            "cannot use the input: it is not JSON: EOF while parsing an object at line 1 column 32",
        ),
    ] {
        assert_eq!(refused(text).to_string(), message);
    }
}
