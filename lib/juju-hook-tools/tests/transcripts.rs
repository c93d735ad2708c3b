//! The tools against recordings of a real Juju 4.0.15: same state, same command, same exit code and output.
//!
//! `tests/transcripts/*.txt`: `@ hooks/NAME` or `@ actions/NAME` starts a dispatch; `$` is a command as a JSON array, `=`
//! its exit code, `>` a line of standard output, `!` one of standard error. The dispatches of a file ran one after the
//! other on `probe/0`, and each was committed. What happened between them is set up here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers show a failure by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{NONCE, PROBE, VELO, begin, charm};
use juju_hook_tools::context::{Event, HookContext, Paths, environment};
use juju_hook_tools::model::{Databag, Model, Status, StatusInfo};
use juju_hook_tools::session::{HookSession, Invocation};
use juju_hook_tools::tools;
use serde_json::{Map, Value};

struct Recorded {
    command: Vec<String>,
    code: i32,
    stdout: String,
    stderr: String,
}

struct Dispatch {
    path: String,
    calls: Vec<Recorded>,
}

fn parse(text: &str) -> Vec<Dispatch> {
    let mut dispatches: Vec<Dispatch> = Vec::new();
    for line in text.lines() {
        let (mark, rest) = line.split_at(1);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if mark == "@" {
            dispatches.push(Dispatch {
                path: rest.to_owned(),
                calls: Vec::new(),
            });
            continue;
        }
        let calls = &mut dispatches.last_mut().expect("a dispatch comes first").calls;
        if mark == "$" {
            calls.push(Recorded {
                command: serde_json::from_str(rest).unwrap(),
                code: 0,
                stdout: String::new(),
                stderr: String::new(),
            });
            continue;
        }
        let recorded = calls.last_mut().expect("a command comes first");
        match mark {
            "=" => recorded.code = rest.parse().unwrap(),
            ">" => recorded.stdout.push_str(&format!("{rest}\n")),
            "!" => recorded.stderr.push_str(&format!("{rest}\n")),
            _ => panic!("no such mark: {line}"),
        }
    }
    dispatches
}

/// What is known to differ, and why. Everything else must be equal.
fn comparable(command: &[String], text: &str) -> String {
    let tool = command.first().map(String::as_str).unwrap_or_default();
    if tool == "goal-state" {
        // The clock of the recording is not the model's.
        let mut parts = text.split("\"since\":\"");
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let after = part.split_once('"').map_or("", |(_, after)| after);
            masked.push_str("\"since\":\"\"");
            masked.push_str(after);
        }
        return masked;
    }
    if command.iter().any(|word| word == "--help") {
        // The usage is in own words from the second line on.
        return text.lines().next().unwrap_or_default().to_owned();
    }
    if !tools::NAMES.contains(&tool) {
        // The shell that did not find the command says so in its own words.
        return String::new();
    }
    // The recording trimmed the line ends of standard output.
    text.trim_end_matches('\n').to_owned()
}

fn replay(model: &mut Model, session: &mut HookSession, dispatch: &Dispatch, differences: &mut Vec<String>) {
    for recorded in &dispatch.calls {
        let (tool, args) = recorded.command.split_first().unwrap();
        let output = session.run(model, &Invocation::new(tool, args));
        let compare = |what: &str, actual: &str, expected: &str, differences: &mut Vec<String>| {
            let (actual, expected) = (
                comparable(&recorded.command, actual),
                comparable(&recorded.command, expected),
            );
            if actual != expected {
                differences.push(format!(
                    "{} {:?}\n  {what} {actual:?}\n  Juju's {expected:?}",
                    dispatch.path, recorded.command
                ));
            }
        };
        if output.code != recorded.code {
            differences.push(format!(
                "{} {:?}\n  code {}\n  Juju's {}",
                dispatch.path, recorded.command, output.code, recorded.code
            ));
        }
        compare("stdout", &output.stdout, &recorded.stdout, differences);
        compare("stderr", &output.stderr, &recorded.stderr, differences);
    }
}

fn databag(pairs: &[(&str, &str)]) -> Databag {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// `probe/0` as it was when the first hook ran.
fn fresh_model() -> Model {
    let mut model = Model::new("homelab", "c1dffb6d-a8af-4bab-851e-54aafa595a16");
    model.deploy("probe", charm(PROBE)).unwrap();
    model.add_unit("probe").unwrap();
    let application = model.applications.get_mut("probe").unwrap();
    application.address = "10.96.0.141".to_owned();
    application.uuid = "fec125a1-6249-4bab-8f95-d0c282abde51".to_owned();
    application.resources = BTreeMap::from([(
        "app-image".to_owned(),
        "/var/lib/juju/agents/unit-probe-0/resources/content.yaml".to_owned(),
    )]);
    model
}

fn set_status(model: &mut Model, unit: &str, status: Status, message: &str) {
    let now = model.now;
    model.units.get_mut(unit).unwrap().status = StatusInfo::new(status, message, now);
}

fn add_velo(model: &mut Model) {
    model.deploy("velo", charm(VELO)).unwrap();
    model.applications.get_mut("velo").unwrap().address = "10.96.0.54".to_owned();
    model.add_unit("velo").unwrap();
    model
        .integrate("probe:velero-backup-config", "velo:velero-backups")
        .unwrap();
}

/// What Juju and the other units did before the dispatch, and the event that it is for.
fn set_up(model: &mut Model, path: &str) -> Event {
    let velo_joined = |model: &mut Model| {
        model.enter_scope(1, "velo/0");
        let relation = model.relations.get_mut(&1).unwrap();
        let member = relation.units.get_mut("velo/0").unwrap();
        member.data.insert("unitkey".to_owned(), "velo/0".to_owned());
        relation
            .application_data
            .insert("velo".to_owned(), databag(&[("appkey", "1")]));
        // The probe's own charm code wrote these after its recording.
        let written = databag(&[
            ("app", "probe"),
            ("appkey", "1"),
            ("relation_name", "velero-backup-config"),
            ("spec", "{\"include_namespaces\":[\"x\"]}"),
        ]);
        relation.application_data.insert("probe".to_owned(), written);
    };
    match path {
        "hooks/install" => Event::Install,
        "hooks/replicas-relation-created" => {
            model.enter_scope(0, "probe/0");
            model.units.get_mut("probe/0").unwrap().address = Some("10.124.0.201".to_owned());
            model
                .mount_storage("config/0", "/var/lib/juju/storage/config-0")
                .unwrap();
            Event::RelationCreated { relation: 0 }
        }
        "hooks/leader-elected" => Event::LeaderElected,
        "hooks/app-pebble-ready" => Event::PebbleReady {
            container: "app".to_owned(),
        },
        "hooks/config-storage-attached" => {
            set_status(model, "probe/0", Status::Active, "ready");
            Event::StorageAttached {
                storage: "config/0".to_owned(),
            }
        }
        "hooks/config-changed" => Event::ConfigChanged,
        "hooks/start" => Event::Start,
        "hooks/replicas-relation-changed" if !model.applications.contains_key("velo") => {
            set_status(model, "probe/0", Status::Active, "n20");
            Event::RelationChanged {
                relation: 0,
                remote_unit: None,
            }
        }
        "actions/probe" => {
            set_status(model, "probe/0", Status::Maintenance, "-dash message");
            model.start_action("probe/0", "probe", Map::new()).unwrap()
        }
        "actions/sh" => model.start_action("probe/0", "sh", Map::new()).unwrap(),
        "hooks/velero-backup-config-relation-created" => {
            add_velo(model);
            model.enter_scope(1, "probe/0");
            Event::RelationCreated { relation: 1 }
        }
        "hooks/velero-backup-config-relation-joined" => {
            velo_joined(model);
            set_status(model, "velo/0", Status::Maintenance, "");
            Event::RelationJoined {
                relation: 1,
                remote_unit: "velo/0".to_owned(),
            }
        }
        "hooks/velero-backup-config-relation-changed" => Event::RelationChanged {
            relation: 1,
            remote_unit: Some("velo/0".to_owned()),
        },
        "hooks/replicas-relation-joined" => {
            model.add_unit("probe").unwrap();
            model.enter_scope(0, "probe/1");
            model.enter_scope(1, "probe/1");
            set_status(model, "probe/1", Status::Maintenance, "-dash message");
            Event::RelationJoined {
                relation: 0,
                remote_unit: "probe/1".to_owned(),
            }
        }
        "hooks/replicas-relation-changed" => {
            for relation in model.relations.values_mut() {
                let data = &mut relation.units.get_mut("probe/1").unwrap().data;
                let earlier = data.insert("unitkey".to_owned(), "probe/1".to_owned());
                if earlier.is_some() {
                    // The second time, probe/1 is through with its own first start.
                    model.units.get_mut("probe/1").unwrap().status.status = Status::Active;
                }
            }
            Event::RelationChanged {
                relation: 0,
                remote_unit: Some("probe/1".to_owned()),
            }
        }
        "hooks/velero-backup-config-relation-departed" => {
            model.remove_relation(1).unwrap();
            Event::RelationDeparted {
                relation: 1,
                remote_unit: "velo/0".to_owned(),
                departing_unit: "velo/0".to_owned(),
            }
        }
        "hooks/velero-backup-config-relation-broken" => Event::RelationBroken {
            relation: 1,
            remote_application: None,
        },
        "hooks/replicas-relation-departed" => {
            for unit in ["probe/1", "velo/0"] {
                let broken = Event::RelationBroken {
                    relation: 1,
                    remote_application: None,
                };
                begin(model, unit, broken).commit(model).unwrap();
            }
            let relation = model.relations.get_mut(&0).unwrap();
            let member = relation.units.get_mut("probe/1").unwrap();
            member.data.insert("late".to_owned(), "1".to_owned());
            model.leave_scope(0, "probe/1");
            model.forget_unit("probe/1");
            Event::RelationDeparted {
                relation: 0,
                remote_unit: "probe/1".to_owned(),
                departing_unit: "probe/1".to_owned(),
            }
        }
        other => panic!("no set-up for {other}"),
    }
}

fn run_file(model: &mut Model, text: &str) -> Vec<String> {
    let mut differences = Vec::new();
    // The first relation-changed of relation 1 is for the unit, the second for the application.
    let mut application_change_is_next = false;
    for dispatch in parse(text) {
        let mut event = set_up(model, &dispatch.path);
        if let Event::RelationChanged {
            relation: 1,
            remote_unit,
        } = &mut event
        {
            if application_change_is_next {
                *remote_unit = None;
            }
            application_change_is_next = true;
        }
        let mut session = begin(model, "probe/0", event);
        assert_eq!(
            dispatch.path.split_once('/').unwrap().1,
            session.context().event.name(model, "probe/0")
        );
        replay(model, &mut session, &dispatch, &mut differences);
        session.commit(model).unwrap();
    }
    differences
}

/// The model after the first start: what the later recordings begin with.
fn started_model() -> Model {
    let mut model = fresh_model();
    run_file(&mut model, include_str!("transcripts/first-start.txt"));
    model
}

#[test]
fn the_first_start_is_as_recorded() {
    let differences = run_file(&mut fresh_model(), include_str!("transcripts/first-start.txt"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn an_integration_and_a_second_unit_are_as_recorded() {
    let differences = run_file(&mut started_model(), include_str!("transcripts/integrate.txt"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_removal_of_a_relation_and_a_unit_is_as_recorded() {
    let mut model = started_model();
    run_file(&mut model, include_str!("transcripts/integrate.txt"));
    set_status(&mut model, "probe/0", Status::Active, "");
    set_status(&mut model, "probe/1", Status::Active, "");
    let differences = run_file(&mut model, include_str!("transcripts/teardown.txt"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_full_endpoint_is_refused_in_jujus_words() {
    let mut model = fresh_model();
    add_velo(&mut model);
    let refused = model
        .integrate("probe:velero-backup-config", "velo:velero-backups")
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "adding relation between endpoints \"probe:velero-backup-config\" and \"velo:velero-backups\": \
         cannot add relation \"probe:velero-backup-config\", \"velo:velero-backups\": \
         relation probe:velero-backup-config velo:velero-backups: establishing a new relation for \
         probe:velero-backup-config would exceed its maximum relation limit of 1"
    );
}

#[test]
fn an_actions_wrong_parameter_is_refused_in_jujus_words() {
    let mut model = fresh_model();
    let given = Map::from_iter([("bogus".to_owned(), Value::from(1))]);
    let refused = model.start_action("probe/0", "probe", given).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot run \"probe\" action: validation failed: (root) : additional property \"bogus\" is not allowed, \
         given {\"bogus\":1}"
    );
    let unknown = model
        .start_action("probe/0", "nosuchaction", Map::new())
        .unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "action \"nosuchaction\" not defined for unit \"probe/0\". (not found)"
    );
}

/// The events of the recorded environments, in their order.
fn environment_events() -> Vec<Event> {
    let remote = |name: &str| name.to_owned();
    let check = |failed: bool| {
        let (container, check) = ("app".to_owned(), "bad".to_owned());
        if failed {
            Event::PebbleCheckFailed { container, check }
        } else {
            Event::PebbleCheckRecovered { container, check }
        }
    };
    let action = Event::Action {
        name: "probe".to_owned(),
        id: "1".to_owned(),
        params: Map::new(),
    };
    vec![
        Event::Install,
        Event::RelationCreated { relation: 0 },
        Event::StorageAttached {
            storage: "config/0".to_owned(),
        },
        action,
        Event::RelationCreated { relation: 1 },
        Event::RelationJoined {
            relation: 1,
            remote_unit: remote("velo/0"),
        },
        Event::RelationChanged {
            relation: 1,
            remote_unit: None,
        },
        Event::RelationJoined {
            relation: 0,
            remote_unit: remote("probe/1"),
        },
        Event::RelationDeparted {
            relation: 1,
            remote_unit: remote("velo/0"),
            departing_unit: remote("velo/0"),
        },
        Event::RelationBroken {
            relation: 1,
            remote_application: None,
        },
        Event::SecretChanged {
            secret: "rabqjqnm11cajlrrdkfg".to_owned(),
            label: String::new(),
        },
        Event::PebbleCustomNotice {
            container: "app".to_owned(),
            id: "1".to_owned(),
            kind: "custom".to_owned(),
            key: "example.com/foo".to_owned(),
        },
        check(true),
        check(false),
    ]
}

#[test]
fn environments_are_as_recorded() {
    let mut model = fresh_model();
    add_velo(&mut model);
    model
        .mount_storage("config/0", "/var/lib/juju/storage/config-0")
        .unwrap();
    let text = include_str!("transcripts/environments.txt");
    let sections: Vec<&str> = text.split("@ ").filter(|section| !section.is_empty()).collect();
    let events = environment_events();
    assert_eq!(sections.len(), events.len());
    // The first section is whole; the others hold what differs from it.
    let mut common: BTreeMap<&str, &str> = BTreeMap::new();
    for (section, event) in sections.into_iter().zip(events) {
        let (path, lines) = section.split_once('\n').unwrap();
        let recorded: BTreeMap<&str, &str> =
            lines.lines().map(|line| line.split_once('=').unwrap()).collect();
        if common.is_empty() {
            common.clone_from(&recorded);
        }
        let mut expected = common.clone();
        expected.extend(recorded);
        let context_id = expected["JUJU_CONTEXT_ID"];
        let nonce = context_id.rsplit_once('-').map_or(NONCE, |(_, nonce)| nonce);
        let context = HookContext::new("probe/0", event, nonce);
        let variables = environment(&model, &context, &Paths::of_unit("probe/0"));
        let actual: BTreeMap<&str, &str> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(actual, expected, "{path}");
    }
}
