//! What is written when: a committed hook's writes at its end, a failed hook's never, a status at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers show a failure by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{begin, call, config_changed, fails, ok, probe_model, related_model, settle};
use juju_hook_tools::context::Event;
use juju_hook_tools::model::{JujuVersion, Model, SecretOwner, Status};
use juju_hook_tools::session::{Change, CommitError};

fn write_everything(model: &mut Model) -> juju_hook_tools::session::HookSession {
    let mut session = config_changed(model, "probe/0");
    for line in [
        &["relation-set", "-r", "1", "unit=1"][..],
        &["relation-set", "-r", "1", "--app", "app=1"],
        &["state-set", "kept=1"],
        &["open-port", "8080"],
        &["secret-add", "--label", "mine", "key=1"],
        &["status-set", "blocked", "at once"],
        &["application-version-set", "1.2"],
    ] {
        ok(&mut session, model, line);
    }
    session
}

#[test]
fn nothing_is_stored_before_the_commit_but_the_status_and_the_version() {
    let mut model = related_model();
    let before = model.clone();
    let session = write_everything(&mut model);
    let unit = &model.units["probe/0"];
    assert_eq!(unit.status.status, Status::Blocked);
    assert_eq!(unit.workload_version, "1.2");
    assert_eq!(model.relations, before.relations);
    assert_eq!(model.secrets, before.secrets);
    assert!(unit.state.is_empty() && unit.opened_ports.is_empty());
    session.abandon();
    assert_eq!(model.relations, before.relations);
    assert_eq!(model.units["probe/0"].status.message, "at once");
}

#[test]
fn a_commit_stores_and_tells_those_who_face_it() {
    let mut model = related_model();
    let session = write_everything(&mut model);
    let changes = session.commit(&mut model).unwrap();
    let changed = |remote_unit: Option<&str>| Event::RelationChanged {
        relation: 1,
        remote_unit: remote_unit.map(str::to_owned),
    };
    assert_eq!(
        changes,
        [
            Change::event("velo/0", changed(None)),
            Change::event("velo/0", changed(Some("probe/0"))),
            Change::Ports {
                application: "probe".to_owned()
            },
        ]
    );
    assert_eq!(model.relations[&1].application_data["probe"]["app"], "1");
    assert_eq!(model.units["probe/0"].state["kept"], "1");
    let owners: Vec<&SecretOwner> = model.secrets.values().map(|secret| &secret.owner).collect();
    assert_eq!(owners, [&SecretOwner::Application("probe".to_owned())]);
}

#[test]
fn writing_what_is_there_already_tells_nobody() {
    let mut model = related_model();
    for _ in 0..2 {
        let mut session = config_changed(&model, "probe/0");
        ok(
            &mut session,
            &mut model,
            &["relation-set", "-r", "1", "--app", "a=1", "none="],
        );
        ok(&mut session, &mut model, &["open-port", "80"]);
        let changes = session.commit(&mut model).unwrap();
        assert_eq!(changes.len(), 2);
        let mut session = config_changed(&model, "probe/0");
        for line in [
            &["relation-set", "-r", "1", "--app", "a=1", "none="][..],
            &["relation-set", "-r", "1", "b="],
            &["open-port", "80"],
        ] {
            ok(&mut session, &mut model, line);
        }
        assert_eq!(session.commit(&mut model).unwrap(), []);
        let mut session = config_changed(&model, "probe/0");
        ok(
            &mut session,
            &mut model,
            &["relation-set", "-r", "1", "--app", "a="],
        );
        ok(&mut session, &mut model, &["close-port", "80"]);
        assert_eq!(session.commit(&mut model).unwrap().len(), 2);
    }
}

#[test]
fn a_peer_databag_reaches_the_peers_and_the_writing_leader() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["relation-set", "-r", "0", "--app", "a=1"],
    );
    ok(&mut session, &mut model, &["relation-set", "-r", "0", "b=1"]);
    let told = |changes: &[Change]| -> Vec<(String, bool)> {
        let event = |change: &Change| match change {
            Change::Event {
                unit,
                event: Event::RelationChanged { remote_unit, .. },
            } => Some((unit.clone(), remote_unit.is_some())),
            _ => None,
        };
        changes.iter().filter_map(event).collect()
    };
    let changes = session.clone().commit(&mut model.clone()).unwrap();
    let both = [("probe/1", false), ("probe/0", false), ("probe/1", true)];
    assert_eq!(
        told(&changes),
        both.map(|(unit, of_unit)| (unit.to_owned(), of_unit))
    );
    model.juju_version = JujuVersion::new("3.6.11");
    let changes = session.commit(&mut model).unwrap();
    let others = [("probe/1", false), ("probe/1", true)];
    assert_eq!(
        told(&changes),
        others.map(|(unit, of_unit)| (unit.to_owned(), of_unit))
    );
}

#[test]
fn a_secret_of_others_fails_the_hook_at_its_end() {
    let mut model = related_model();
    let foreign = model.add_user_secret("mine", &BTreeMap::from([("key".to_owned(), "1".to_owned())]));
    let unknown = "d0000000000000000000".to_owned();
    for (id, expected) in [
        (foreign.clone(), CommitError::ForeignSecret { id: foreign }),
        (unknown.clone(), CommitError::NoSecret { id: unknown }),
    ] {
        let before = model.clone();
        let mut session = config_changed(&model, "probe/0");
        ok(&mut session, &mut model, &["relation-set", "-r", "1", "a=1"]);
        // The tool itself says nothing.
        ok(&mut session, &mut model, &["secret-set", &id, "key=2"]);
        assert_eq!(session.commit(&mut model).unwrap_err(), expected);
        assert_eq!(model, before, "a refused commit stored something");
    }
}

#[test]
fn removing_a_secret_that_is_gone_is_no_failure() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["secret-remove", "d0000000000000000000"],
    );
    assert_eq!(session.commit(&mut model).unwrap(), []);
}

#[test]
fn a_new_revision_reaches_its_readers_and_frees_the_old_one() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let uri = ok(
        &mut session,
        &mut model,
        &["secret-add", "--label", "mine", "key=1"],
    );
    ok(&mut session, &mut model, &["secret-grant", &uri, "-r", "1"]);
    session.commit(&mut model).unwrap();
    let mut reader = config_changed(&model, "velo/0");
    ok(
        &mut reader,
        &mut model,
        &["secret-get", &uri, "--label", "theirs"],
    );
    reader.commit(&mut model).unwrap();

    let mut session = config_changed(&model, "probe/0");
    // Two updates of one hook are one revision; the same content is none.
    ok(&mut session, &mut model, &["secret-set", &uri, "key=2"]);
    ok(&mut session, &mut model, &["secret-set", &uri, "key=3"]);
    let id = uri.rsplit_once('/').unwrap().1.to_owned();
    let changed = Event::SecretChanged {
        secret: id.clone(),
        label: "theirs".to_owned(),
    };
    // The owner hears of what it did itself.
    let own = Event::SecretChanged {
        secret: id.clone(),
        label: "mine".to_owned(),
    };
    assert_eq!(
        session.commit(&mut model).unwrap(),
        [Change::event("probe/0", own), Change::event("velo/0", changed)]
    );
    assert_eq!(model.secrets[&id].latest(), 2);
    let mut session = config_changed(&model, "probe/0");
    ok(&mut session, &mut model, &["secret-set", &uri, "key=3"]);
    assert_eq!(session.commit(&mut model).unwrap(), []);

    let mut reader = config_changed(&model, "velo/0");
    ok(&mut reader, &mut model, &["secret-get", &uri, "--refresh"]);
    let removable = Event::SecretRemove {
        secret: id.clone(),
        label: "mine".to_owned(),
        revision: 1,
    };
    assert_eq!(
        reader.commit(&mut model).unwrap(),
        [Change::event("probe/0", removable)]
    );
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["secret-remove", &uri, "--revision", "1"],
    );
    session.commit(&mut model).unwrap();
    assert_eq!(model.secrets[&id].revisions.len(), 1);
}

#[test]
fn only_the_leader_manages_the_applications_secrets() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let uri = ok(&mut session, &mut model, &["secret-add", "key=1"]);
    session.commit(&mut model).unwrap();
    let mut other = config_changed(&model, "probe/1");
    assert_eq!(ok(&mut other, &mut model, &["secret-get", &uri]), "key: \"1\"");
    for line in [
        &["secret-add", "key=1"][..],
        &["secret-set", &uri, "key=2"],
        &["secret-remove", &uri],
        &["secret-revoke", &uri, "--app", "velo"],
        &["secret-grant", &uri, "-r", "1"],
    ] {
        let (code, text) = fails(&mut other, &mut model, line);
        assert_eq!(
            (code, text.as_str()),
            (1, "ERROR this unit is not the leader"),
            "{line:?}"
        );
    }
    let uri = ok(
        &mut other,
        &mut model,
        &["secret-add", "--owner", "unit", "key=1"],
    );
    ok(&mut other, &mut model, &["secret-set", &uri, "key=2"]);
    other.commit(&mut model).unwrap();
}

#[test]
fn an_owners_label_is_taken_once() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["secret-add", "--label", "mine", "key=1"],
    );
    ok(
        &mut session,
        &mut model,
        &["secret-add", "--label", "mine", "key=2"],
    );
    let refused = session.commit(&mut model).unwrap_err();
    let label = "mine".to_owned();
    assert_eq!(refused, CommitError::LabelTaken { label });
    assert!(model.secrets.is_empty());
}

#[test]
fn a_leader_that_lost_its_office_cannot_commit_the_applications_data() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    ok(
        &mut session,
        &mut model,
        &["relation-set", "-r", "1", "--app", "a=1"],
    );
    let changes = model.set_leader("probe/1").unwrap();
    assert_eq!(changes, [Change::event("probe/1", Event::LeaderElected)]);
    assert_eq!(session.commit(&mut model).unwrap_err(), CommitError::NotLeader);
}

#[test]
fn too_large_a_value_is_refused_at_once_and_too_much_state_by_juju_3() {
    let mut model = probe_model();
    let mut session = config_changed(&model, "probe/0");
    let large = format!("key={}", "x".repeat(65_537));
    let (code, text) = fails(&mut session, &mut model, &["state-set", &large]);
    assert_eq!(code, 1);
    assert!(text.contains("max allowed value length (65536)"), "{text}");
    for number in 0..40 {
        let pair = format!("key{number}={}", "x".repeat(60_000));
        ok(&mut session, &mut model, &["state-set", &pair]);
    }
    session.clone().commit(&mut model.clone()).unwrap();
    model.juju_version = JujuVersion::new("3.6.11");
    let refused = session.commit(&mut model).unwrap_err();
    assert!(
        matches!(refused, CommitError::StateTooLarge { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_removed_relation_is_gone_with_its_last_broken_hook() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let uri = ok(&mut session, &mut model, &["secret-add", "key=1"]);
    ok(&mut session, &mut model, &["secret-grant", &uri, "-r", "1"]);
    session.commit(&mut model).unwrap();
    let changes = model.remove_relation(1).unwrap();
    let names: Vec<String> = changes
        .iter()
        .map(|change| match change {
            Change::Event { unit, event } => format!("{unit} {}", event.name(&model, unit)),
            other => panic!("no event: {other:?}"),
        })
        .collect();
    assert_eq!(
        names,
        [
            "probe/0 velero-backup-config-relation-departed",
            "probe/0 velero-backup-config-relation-broken",
            "probe/1 velero-backup-config-relation-departed",
            "probe/1 velero-backup-config-relation-broken",
            "velo/0 velero-backups-relation-departed",
            "velo/0 velero-backups-relation-departed",
            "velo/0 velero-backups-relation-broken",
        ]
    );
    settle(&mut model, changes);
    assert!(!model.relations.contains_key(&1));
    let grants: Vec<usize> = model.secrets.values().map(|secret| secret.grants.len()).collect();
    assert_eq!(grants, [0]);
    // The endpoint has room again.
    assert_eq!(model.integrate("velo", "probe").unwrap(), 2);
}

#[test]
fn a_unit_that_joins_is_told_and_tells() {
    let mut model = related_model();
    let mut session = config_changed(&model, "velo/0");
    ok(
        &mut session,
        &mut model,
        &["relation-set", "-r", "1", "--app", "a=1"],
    );
    session.commit(&mut model).unwrap();
    let unit = model.add_unit("probe").unwrap();
    let changes = model.enter_scope(1, &unit);
    let events: Vec<(&str, &Event)> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Event { unit, event } => Some((unit.as_str(), event)),
            Change::Ports { .. } => None,
        })
        .collect();
    let remote_unit = |name: &str| name.to_owned();
    let expected = [
        (
            "probe/2",
            Event::RelationJoined {
                relation: 1,
                remote_unit: remote_unit("velo/0"),
            },
        ),
        (
            "probe/2",
            Event::RelationChanged {
                relation: 1,
                remote_unit: Some(remote_unit("velo/0")),
            },
        ),
        (
            "velo/0",
            Event::RelationJoined {
                relation: 1,
                remote_unit: remote_unit("probe/2"),
            },
        ),
        (
            "velo/0",
            Event::RelationChanged {
                relation: 1,
                remote_unit: Some(remote_unit("probe/2")),
            },
        ),
        (
            "probe/2",
            Event::RelationChanged {
                relation: 1,
                remote_unit: None,
            },
        ),
    ];
    let expected: Vec<(&str, &Event)> = expected.iter().map(|(unit, event)| (*unit, event)).collect();
    assert_eq!(events, expected);
    assert_eq!(model.enter_scope(1, &unit), []);
}

#[test]
fn a_removed_unit_departs_and_hands_its_office_on() {
    let mut model = related_model();
    let changes = model.remove_unit("probe/0").unwrap();
    let last: Vec<String> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Event { unit, event } if unit == "probe/0" => Some(event.name(&model, unit)),
            _ => None,
        })
        .collect();
    assert_eq!(last.first().map(String::as_str), Some("config-storage-detaching"));
    assert_eq!(last.get(last.len() - 2..).unwrap(), ["stop", "remove"]);
    settle(&mut model, changes);
    let elected = model.forget_unit("probe/0");
    assert_eq!(elected, [Change::event("probe/1", Event::LeaderElected)]);
    let mut velo = config_changed(&model, "velo/0");
    let listed = ok(
        &mut velo,
        &mut model,
        &["relation-list", "-r", "1", "--format=json"],
    );
    assert_eq!(listed, "[\"probe/1\"]");
    // The data of the departed stays readable.
    let read = call(
        &mut velo,
        &mut model,
        &["relation-get", "-r", "1", "-", "probe/0"],
    );
    assert_eq!(read.code, 0);
}

#[test]
fn the_model_survives_being_stored_as_json() {
    let mut model = related_model();
    let session = write_everything(&mut model);
    session.commit(&mut model).unwrap();
    let text = serde_json::to_string(&model).unwrap();
    let read: Model = serde_json::from_str(&text).unwrap();
    assert_eq!(read, model);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let lenient: Model = serde_json::from_str(r#"{"name": "m", "future": 1}"#).unwrap();
    assert_eq!(lenient.name, "m");
}

#[test]
fn a_debug_print_of_the_model_shows_no_secret() {
    let mut model = related_model();
    let mut session = config_changed(&model, "probe/0");
    let uri = ok(&mut session, &mut model, &["secret-add", "api-key=hunter2"]);
    ok(&mut session, &mut model, &["secret-set", &uri, "api-key=hunter3"]);
    let mut printed = format!("{session:?}");
    session.commit(&mut model).unwrap();
    printed.push_str(&format!("{model:?}"));
    let encoded = ["hunter2", "hunter3", "aHVudGVyMg==", "aHVudGVyMw=="];
    assert!(encoded.iter().all(|secret| !printed.contains(secret)));
    assert!(printed.contains("api-key"));
}

#[test]
fn a_storage_hook_knows_its_storage() {
    let mut model = probe_model();
    let mounted = model.mount_storage("config/0", "/data").unwrap();
    let attached = Event::StorageAttached {
        storage: "config/0".to_owned(),
    };
    assert_eq!(mounted, [Change::event("probe/0", attached.clone())]);
    let mut session = begin(&model, "probe/0", attached);
    assert_eq!(
        ok(&mut session, &mut model, &["storage-get", "location"]),
        "/data"
    );
}
