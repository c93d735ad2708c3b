//! The two halves of the relation: what a client writes, and what an operator makes of what clients wrote.
#![cfg(test)]

mod common;

use std::collections::BTreeMap;

use common::{Databag, bag, bag_with_spec, radarr};
use velero_backup_config::provider::{Change, changes, withdrawals};
use velero_backup_config::requirer::{Outcome, read, read_all};
use velero_backup_config::{BackupRequest, Reason};

fn bags<const N: usize>(entries: [(&str, Databag); N]) -> BTreeMap<String, Databag> {
    entries.map(|(id, databag)| (id.to_owned(), databag)).into()
}

fn apply(bags: &mut BTreeMap<String, Databag>, changes: &[Change]) {
    for change in changes {
        let databag = bags.get_mut(&change.relation_id).unwrap();
        for (key, value) in &change.set {
            if value.is_empty() {
                databag.remove(key);
            } else {
                databag.insert(key.clone(), value.clone());
            }
        }
    }
}

#[test]
fn a_client_writes_only_what_differs() {
    let mut bags = bags([
        ("1", Databag::new()),
        ("2", radarr().to_databag()),
        ("3", bag([("app", "radarr"), ("spec", "{}"), ("other", "kept")])),
    ]);
    let first = changes(&bags, &radarr());
    let keys = |change: &Change| change.set.keys().cloned().collect::<Vec<_>>();
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!((first[0].relation_id.as_str(), keys(&first[0]).len()), ("1", 4));
    assert_eq!(
        (first[1].relation_id.as_str(), keys(&first[1])),
        ("3", vec!["model".into(), "relation_name".into(), "spec".into()])
    );
    apply(&mut bags, &first);
    assert_eq!(changes(&bags, &radarr()), []);
    assert_eq!(bags["3"]["other"], "kept");

    let spec = radarr().spec().clone().with_paused(true);
    let changed = BackupRequest::new("radarr", "backup", "media", spec).unwrap();
    let second = changes(&bags, &changed);
    assert_eq!(second.len(), 3);
    assert!(second.iter().all(|change| keys(change) == ["spec"]), "{second:?}");
    assert_eq!(changes(&BTreeMap::<String, Databag>::new(), &changed), []);
}

/// A framework has a type of its own for ids; nothing has to be turned into a text and back.
#[test]
fn relations_are_named_as_the_caller_names_them() {
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Id(u32);

    let bags = BTreeMap::from([(Id(1), Databag::new()), (Id(2), radarr().to_databag())]);
    let ids = |changes: Vec<Change<Id>>| {
        let ids = changes.into_iter().map(|change| change.relation_id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(changes(&bags, &radarr())), [Id(1)]);
    assert_eq!(ids(withdrawals(&bags)), [Id(2)]);
    let outcomes = read_all(&bags);
    assert_eq!(outcomes[&Id(1)], Outcome::NotReady);
    assert!(matches!(outcomes[&Id(2)], Outcome::Request { .. }));
}

#[test]
fn a_withdrawn_request_leaves_nothing_that_could_be_read_as_everything() {
    let mut bags = bags([
        ("1", radarr().to_databag()),
        ("2", Databag::new()),
        ("3", bag([("app", "radarr"), ("other", "kept")])),
    ]);
    let taken_back = withdrawals(&bags);
    let ids: Vec<&str> = taken_back
        .iter()
        .map(|change| change.relation_id.as_str())
        .collect();
    assert_eq!(ids, ["1", "3"]);
    assert_eq!(
        taken_back[0].set.len(),
        4,
        "all keys in one write: {taken_back:?}"
    );
    apply(&mut bags, &taken_back);
    assert_eq!(withdrawals(&bags), []);
    assert!(bags.values().all(|databag| read(databag) == Outcome::NotReady));
    assert_eq!(bags["3"]["other"], "kept");
}

#[test]
fn one_bad_relation_never_hides_the_good_ones() {
    let good = radarr();
    let outcomes = read_all(&bags([
        ("1", good.to_databag()),
        ("2", bag_with_spec("{")),
        ("3", Databag::new()),
        ("4", bag([("app", "sonarr"), ("relation_name", "backup")])),
        ("5", bag_with_spec(r#"{"include_namespaces":["a"],"ttl":"30d"}"#)),
        ("6", bag([("egress-subnets", "10.0.0.1/32")])),
        ("7", good.to_databag()),
    ]));
    assert_eq!(outcomes.len(), 7);
    let taken = Outcome::Request {
        request: Box::new(good),
        warnings: Vec::new(),
    };
    assert_eq!((&outcomes["1"], &outcomes["7"]), (&taken, &taken));
    assert_eq!(
        (&outcomes["3"], &outcomes["6"]),
        (&Outcome::NotReady, &Outcome::NotReady)
    );
    for (id, pointer) in [("2", "/spec"), ("4", "/spec"), ("5", "/spec/ttl")] {
        assert_eq!(pointers(&outcomes[id]), [pointer], "{id}");
    }
}

fn pointers(outcome: &Outcome) -> Vec<&str> {
    match outcome {
        Outcome::Invalid { errors } => errors.iter().map(velero_backup_config::Error::pointer).collect(),
        other => panic!("taken: {other:?}"),
    }
}

#[test]
fn everything_wrong_with_a_databag_is_told_at_once() {
    let mut databag = bag_with_spec(
        r#"{"include_namespaces":["media","Media"],"include_resources":["pods",7],"exclude_resources":["*"],
            "label_selector":{"a/b":true},"ttl":"1d","schedule":"0 0 3 * * *","paused":"no"}"#,
    );
    databag.insert("app".to_owned(), "Radarr".to_owned());
    let outcome = read(&databag);
    let mut found = pointers(&outcome);
    found.sort_unstable();
    for pointer in [
        "/app",
        "/spec/include_namespaces/1",
        "/spec/include_resources/1",
        "/spec/label_selector/a~1b",
        "/spec/paused",
        "/spec/schedule",
        "/spec/ttl",
    ] {
        assert_eq!(
            found.iter().filter(|found| **found == pointer).count(),
            1,
            "{pointer}: {found:?}"
        );
    }
}

#[test]
fn a_databag_that_the_operator_takes_for_everything_is_refused() {
    let spec = |text: &str| pointers(&read(&bag_with_spec(text))).join(" ");
    assert_eq!(spec("{}"), "/spec/include_namespaces");
    assert_eq!(spec("null"), "/spec");
    assert_eq!(spec(r#"{"include_namespaces":null}"#), "/spec/include_namespaces");
    assert_eq!(spec(r#"{"include_namespaces":[]}"#), "/spec/include_namespaces");
    assert_eq!(
        spec(r#"{"include_namespaces":["*"]}"#),
        "/spec/include_namespaces/0"
    );
    assert_eq!(
        spec(r#"{"include_namespaces":[""]}"#),
        "/spec/include_namespaces/0"
    );
    let mut without = bag_with_spec("");
    assert_eq!(pointers(&read(&without)), ["/spec"]);
    without.remove("spec");
    assert_eq!(pointers(&read(&without)), ["/spec"]);
}

#[test]
fn keys_in_another_spelling_are_errors_and_unknown_ones_are_warnings() {
    for (key, expected) in [
        ("include-resources", "include_resources"),
        ("includedResources", "include_resources"),
        ("includeResources", "include_resources"),
        ("excluded-namespaces", "exclude_namespaces"),
        ("labelSelector", "label_selector"),
        ("label-selector", "label_selector"),
        ("TTL", "ttl"),
        ("Ttl", "ttl"),
        ("skipImmediately", "skip_immediately"),
        ("useOwnerReferencesInBackup", "use_owner_references_in_backup"),
    ] {
        let outcome = read(&bag_with_spec(&format!(
            r#"{{"include_namespaces":["a"],"{key}":["pods"]}}"#
        )));
        let Outcome::Invalid { errors } = outcome else {
            panic!("{key} was taken")
        };
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].pointer(), format!("/spec/{key}"));
        assert_eq!(errors[0].reason(), &Reason::MisspelledKey { expected });
        assert_eq!(errors[0].hint().unwrap(), format!("write {expected}"));
    }
    let outcome = read(&bag_with_spec(
        r#"{"include_namespaces":["a"],"retries":3,"include-resources":null}"#,
    ));
    let Outcome::Request { warnings, .. } = outcome else {
        panic!("{outcome:?}")
    };
    let found: Vec<&str> = warnings.iter().map(|warning| warning.pointer()).collect();
    assert_eq!(found, ["/spec/include-resources", "/spec/retries"]);
}

#[test]
fn names_that_kubernetes_refuses_are_refused_before_they_become_labels() {
    let long = "a".repeat(64);
    for name in ["Radarr", "radarr_4k", "-a", "a.b", "", &long] {
        for key in ["app", "relation_name", "model"] {
            let mut databag = bag_with_spec(r#"{"include_namespaces":["a"]}"#);
            databag.insert(key.to_owned(), name.to_owned());
            // Without a model a client is only old; Juju has no empty values.
            if (key, name) == ("model", "") {
                assert!(matches!(read(&databag), Outcome::Request { .. }));
            } else {
                assert_eq!(pointers(&read(&databag)), [format!("/{key}")], "{name:?}");
            }
        }
    }
}
