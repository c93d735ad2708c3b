//! What the tests of this crate share: databags, and arbitrary valid requests.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use velero_backup_config::{BackupRequest, BackupSpec, Retention, Schedule};

pub type Databag = BTreeMap<String, String>;

/// A databag of these keys and values.
pub fn bag<const N: usize>(entries: [(&str, &str); N]) -> Databag {
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// A databag of a client with this spec text.
pub fn bag_with_spec(spec: &str) -> Databag {
    bag([
        ("app", "radarr"),
        ("relation_name", "backup"),
        ("model", "media"),
        ("spec", spec),
    ])
}

/// The request that most tests start from.
pub fn radarr() -> BackupRequest {
    let spec = BackupSpec::new(["media"])
        .and_then(|spec| spec.with_resources(["pods", "persistentvolumeclaims"]))
        .and_then(|spec| spec.with_labels([("app.kubernetes.io/name", "radarr")]))
        .unwrap()
        .with_retention(Retention::parse("720h").unwrap())
        .with_schedule(Some(Schedule::daily_at(150)));
    BackupRequest::new("radarr", "backup", "media", spec).unwrap()
}

/// A spec with every field set.
pub fn full() -> BackupSpec {
    BackupSpec::new(["media", "media-4k"])
        .and_then(|spec| spec.with_resources(["pods", "deployments.apps"]))
        .and_then(|spec| spec.without_namespaces(["kube-system"]))
        .and_then(|spec| spec.without_resources(["secrets"]))
        .and_then(|spec| spec.with_labels([("tier", ""), ("app.kubernetes.io/name", "radarr")]))
        .unwrap()
        .with_retention(Retention::parse("1h30m").unwrap())
        .with_cluster_resources(false)
        .with_schedule(Some(Schedule::parse("TZ=Europe/Berlin 0 3 * * MON-FRI").unwrap()))
        .with_paused(true)
        .with_skip_immediately(false)
        .with_owner_references(true)
}

pub fn dns_label() -> impl Strategy<Value = String> {
    "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
}

fn label_key() -> impl Strategy<Value = String> {
    "([a-z0-9]{1,8}(\\.[a-z]{1,8}){0,2}/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,20}[A-Za-z0-9])?"
}

fn label_value() -> impl Strategy<Value = String> {
    "([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?"
}

fn retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        (1u32..90_000).prop_map(|hours| format!("{hours}h")),
        (0u32..900, 0u32..60, 1u32..60).prop_map(|(h, m, s)| format!("{h}h{m}m{s}s")),
        "\\+?[1-9]\\.[0-9]{1,3}h".prop_map(|text| text),
        (1u32..1000).prop_map(|count| format!("{count}\u{b5}s")),
    ]
    .prop_map(|text| Retention::parse(&text).unwrap())
}

fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        (0u16..3000).prop_map(Schedule::daily_at),
        prop::sample::select(vec![
            "@daily",
            "@every 6h",
            "TZ=Europe/Berlin 0 3 * * *",
            "CRON_TZ=UTC  5/15 3 * JAN-mar ? ",
            "0\u{2003}3\t*\u{a0}* *",
        ])
        .prop_map(|text| Schedule::parse(text).unwrap()),
    ]
}

/// Any spec that the builder takes.
pub fn spec() -> impl Strategy<Value = BackupSpec> {
    let lists = (
        vec(dns_label(), 1..4),
        option::of(vec("[a-f]{1,5}(\\.[a-z]{1,5}){0,2}", 0..4)),
        option::of(vec(dns_label(), 0..3)),
        option::of(vec("[g-z]{1,5}(\\.[a-z]{1,5})?", 0..3)),
        option::of(btree_map(label_key(), label_value(), 0..4)),
    );
    let flags = (
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
    );
    (lists, option::of(retention()), option::of(schedule()), flags).prop_filter_map(
        "a namespace is both included and excluded",
        |((namespaces, resources, no_namespaces, no_resources, labels), retention, schedule, flags)| {
            let mut spec = BackupSpec::new(namespaces).unwrap();
            if let Some(names) = resources {
                spec = spec.with_resources(names).unwrap();
            }
            if let Some(names) = no_namespaces {
                spec = spec.without_namespaces(names).ok()?;
            }
            if let Some(names) = no_resources {
                spec = spec.without_resources(names).unwrap();
            }
            if let Some(labels) = labels {
                spec = spec.with_labels(labels).unwrap();
            }
            if let Some(retention) = retention {
                spec = spec.with_retention(retention);
            }
            spec = spec.with_schedule(schedule);
            let (cluster, paused, skip, owner) = flags;
            spec = cluster.into_iter().fold(spec, BackupSpec::with_cluster_resources);
            spec = paused.into_iter().fold(spec, BackupSpec::with_paused);
            spec = skip.into_iter().fold(spec, BackupSpec::with_skip_immediately);
            Some(owner.into_iter().fold(spec, BackupSpec::with_owner_references))
        },
    )
}

/// Any request that can be made.
pub fn request() -> impl Strategy<Value = BackupRequest> {
    (dns_label(), dns_label(), dns_label(), spec())
        .prop_map(|(app, endpoint, model, spec)| BackupRequest::new(&app, &endpoint, &model, spec).unwrap())
}

/// JSON that is near a spec: its keys, and values of any type.
pub fn nearly_a_spec() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "media",
            "*",
            "pods",
            "default",
            "720h",
            "0s",
            "30d",
            "@daily",
            "0 3 * * *",
            "0 3 31 2 *",
            "Media",
            "a/b",
            "~1",
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(prop_oneof![label_key(), any_key(), ".{0,4}"], inner, 0..3)
                .prop_map(|entries| json!(entries)),
        ]
    });
    btree_map(prop_oneof![9 => any_key(), 1 => ".{0,6}"], value, 0..6).prop_map(|entries| json!(entries))
}

fn any_key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "include_namespaces",
        "include_resources",
        "exclude_namespaces",
        "exclude_resources",
        "label_selector",
        "ttl",
        "include_cluster_resources",
        "schedule",
        "paused",
        "skip_immediately",
        "use_owner_references_in_backup",
        "includedNamespaces",
        "includedResources",
        "excludedNamespaces",
        "excludedResources",
        "labelSelector",
        "matchLabels",
        "matchExpressions",
        "includeClusterResources",
        "skipImmediately",
        "template",
        "spec",
        "kind",
        "apiVersion",
        "metadata",
        "hooks",
        "storageLocation",
        "volumeSnapshotLocations",
        "orLabelSelectors",
        "include-namespaces",
    ])
    .prop_map(str::to_owned)
}
