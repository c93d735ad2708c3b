//! The events that real environments make: recorded from Juju 4.0.15, and what Juju 3.6 does differently.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::path::Path;

use juju_charm::event::{
    ActionEvent, CheckEvent, ContainerEvent, NoticeEvent, RelationEvent, SecretEvent, StorageEvent,
};
use juju_charm::{ContextError, Event, JujuContext};

fn recorded(name: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(format!("{name}.env"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let variable = |line: &str| {
        line.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(variable).collect()
}

/// The recorded environment with some variables set or removed.
fn changed(name: &str, changes: &[(&str, Option<&str>)]) -> Result<JujuContext, ContextError> {
    let mut variables = recorded(name);
    for (variable, value) in changes {
        variables.retain(|(name, _)| name != variable);
        variables.extend(value.map(|value| ((*variable).to_owned(), value.to_owned())));
    }
    JujuContext::from_vars(variables)
}

fn relation(id: &str, app: Option<&str>, unit: Option<&str>, departing: Option<&str>) -> RelationEvent {
    let id: juju_charm::RelationId = id.parse().unwrap();
    RelationEvent {
        endpoint: id.endpoint().to_owned(),
        id,
        remote_app: app.map(str::to_owned),
        remote_unit: unit.map(|unit| unit.parse().unwrap()),
        departing_unit: departing.map(|unit| unit.parse().unwrap()),
    }
}

fn container() -> String {
    "app".to_owned()
}

#[test]
fn every_recorded_environment_is_its_event() {
    let backup = "velero-backup-config:1";
    let unit = Some("velo/0");
    let check = || CheckEvent {
        container: container(),
        check: "bad".to_owned(),
    };
    let cases = [
        ("install", Event::Install),
        ("start", Event::Start),
        ("config-changed", Event::ConfigChanged),
        ("update-status", Event::UpdateStatus),
        ("upgrade-charm", Event::UpgradeCharm),
        ("leader-elected", Event::LeaderElected),
        (
            "peer-relation-created",
            Event::RelationCreated(relation("replicas:0", Some("probe"), None, None)),
        ),
        (
            "relation-created",
            Event::RelationCreated(relation(backup, Some("velo"), None, None)),
        ),
        (
            "relation-joined",
            Event::RelationJoined(relation(backup, Some("velo"), unit, None)),
        ),
        (
            "relation-changed-unit",
            Event::RelationChanged(relation(backup, Some("velo"), unit, None)),
        ),
        // JUJU_REMOTE_UNIT is present and empty: the application's data changed.
        (
            "relation-changed-app",
            Event::RelationChanged(relation(backup, Some("velo"), None, None)),
        ),
        (
            "relation-departed",
            Event::RelationDeparted(relation(backup, Some("velo"), unit, unit)),
        ),
        // JUJU_REMOTE_APP is present and empty.
        (
            "relation-broken",
            Event::RelationBroken(relation(backup, None, None, None)),
        ),
        (
            "storage-attached",
            Event::StorageAttached(StorageEvent {
                id: "config/0".parse().unwrap(),
                location: Some("/var/lib/juju/storage/config-0".to_owned()),
                kind: Some("filesystem".to_owned()),
            }),
        ),
        (
            "secret-changed",
            Event::SecretChanged(SecretEvent {
                id: "rabqjqnm11cajlrrdkfg".parse().unwrap(),
                label: None,
                revision: None,
            }),
        ),
        (
            "pebble-ready",
            Event::PebbleReady(ContainerEvent {
                container: container(),
            }),
        ),
        ("pebble-check-failed", Event::PebbleCheckFailed(check())),
        ("pebble-check-recovered", Event::PebbleCheckRecovered(check())),
        (
            "pebble-custom-notice",
            Event::PebbleCustomNotice(NoticeEvent {
                container: container(),
                id: "1".to_owned(),
                notice_type: "custom".to_owned(),
                key: "example.com/foo".to_owned(),
            }),
        ),
        // JUJU_HOOK_NAME is present and empty.
        (
            "action",
            Event::Action(ActionEvent {
                name: "probe".to_owned(),
                id: "1".to_owned(),
            }),
        ),
    ];
    for (name, event) in cases {
        let context = changed(name, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(context.event(), &event, "{name}");
        let path = recorded(name)
            .into_iter()
            .find(|(name, _)| name == "JUJU_DISPATCH_PATH")
            .unwrap()
            .1;
        assert_eq!(
            path.rsplit('/').next().unwrap(),
            event.to_string(),
            "{name}: the name of the event"
        );
    }
}

#[test]
fn the_context_holds_what_juju_says() {
    let context = changed("install", &[]).unwrap();
    assert_eq!(context.unit().to_string(), "probe/0");
    assert_eq!(context.app(), "probe");
    assert_eq!(context.model_name(), "homelab");
    assert_eq!(context.model_uuid(), "c1dffb6d-a8af-4bab-851e-54aafa595a16");
    assert_eq!(context.juju_version(), "4.0.15");
    assert_eq!(
        context.charm_dir(),
        Path::new("/var/lib/juju/agents/unit-probe-0/charm")
    );
    assert_eq!(
        context.pebble_socket("app"),
        Path::new("/charm/containers/app/pebble.socket")
    );
    let simulated = changed("install", &[("JUJU_CONTAINERS_DIR", Some("/tmp/sim"))]).unwrap();
    assert_eq!(
        simulated.pebble_socket("app"),
        Path::new("/tmp/sim/app/pebble.socket")
    );
}

#[test]
fn what_older_and_newer_jujus_do_differently_is_read_as_well() {
    let absent = changed("relation-changed-app", &[("JUJU_REMOTE_UNIT", None)]).unwrap();
    assert_eq!(absent.event().relation().unwrap().remote_unit, None);

    let named = changed("relation-broken", &[("JUJU_REMOTE_APP", Some("velo"))]).unwrap();
    assert_eq!(
        named.event().relation().unwrap().remote_app.as_deref(),
        Some("velo")
    );

    let secret = "secret://c1dffb6d-a8af-4bab-851e-54aafa595a16/rabqjqnm11cajlrrdkfg";
    let changes = [
        ("JUJU_DISPATCH_PATH", Some("hooks/secret-expired")),
        ("JUJU_SECRET_ID", Some(secret)),
        ("JUJU_SECRET_LABEL", Some("api-key")),
        ("JUJU_SECRET_REVISION", Some("3")),
    ];
    let expired = changed("secret-changed", &changes).unwrap();
    let event = expired.event().secret().unwrap();
    assert_eq!(
        (event.revision, event.label.as_deref()),
        (Some(3), Some("api-key"))
    );
    assert_eq!(event.id, "rabqjqnm11cajlrrdkfg".parse().unwrap());
    assert!(matches!(expired.event(), Event::SecretExpired(_)));

    let without_workload = changed("pebble-ready", &[("JUJU_WORKLOAD_NAME", None)]).unwrap();
    assert_eq!(without_workload.event().container(), Some("app"));
}

#[test]
fn hooks_that_are_not_recorded_are_their_event() {
    let with_path = |path| {
        changed("install", &[("JUJU_DISPATCH_PATH", Some(path))])
            .unwrap()
            .event()
            .clone()
    };
    assert_eq!(with_path("hooks/stop"), Event::Stop);
    assert_eq!(with_path("hooks/remove"), Event::Remove);
    assert_eq!(
        with_path("hooks/leader-settings-changed"),
        Event::LeaderSettingsChanged
    );
    assert_eq!(
        with_path("hooks/collect-metrics"),
        Event::Other("collect-metrics".to_owned())
    );
    let detaching = changed(
        "storage-attached",
        &[("JUJU_DISPATCH_PATH", Some("hooks/config-storage-detaching"))],
    );
    assert!(
        matches!(detaching.unwrap().event(), Event::StorageDetaching(event) if event.id.name() == "config")
    );
    for (hook, expected) in [
        ("secret-rotate", "secret-rotate"),
        ("secret-remove", "secret-remove"),
    ] {
        let path = format!("hooks/{hook}");
        let context = changed("secret-changed", &[("JUJU_DISPATCH_PATH", Some(&path))]).unwrap();
        assert_eq!(context.event().to_string(), expected);
    }
}

#[test]
fn an_environment_that_is_not_jujus_is_an_error_that_names_the_variable() {
    type Changes<'a> = &'a [(&'a str, Option<&'a str>)];
    let cases: [(&str, Changes<'_>, &str); 8] = [
        (
            "install",
            &[("JUJU_DISPATCH_PATH", None)],
            "cannot find variable JUJU_DISPATCH_PATH",
        ),
        (
            "install",
            &[("JUJU_DISPATCH_PATH", Some("install"))],
            "\"install\" is not hooks/NAME or actions/NAME",
        ),
        (
            "install",
            &[("JUJU_DISPATCH_PATH", Some("actions/"))],
            "\"actions/\" is not hooks/NAME or actions/NAME",
        ),
        (
            "install",
            &[("JUJU_UNIT_NAME", Some("probe"))],
            "\"probe\" is not a unit name like web/0",
        ),
        (
            "install",
            &[("JUJU_MODEL_UUID", Some(""))],
            "cannot find variable JUJU_MODEL_UUID",
        ),
        (
            "relation-joined",
            &[("JUJU_RELATION_ID", None)],
            "cannot find variable JUJU_RELATION_ID",
        ),
        (
            "relation-joined",
            &[("JUJU_REMOTE_UNIT", Some("velo"))],
            "\"velo\" is not a unit name like database/0",
        ),
        (
            "pebble-check-failed",
            &[("JUJU_PEBBLE_CHECK_NAME", None)],
            "cannot find variable JUJU_PEBBLE_CHECK_NAME",
        ),
    ];
    for (name, changes, text) in cases {
        let error = changed(name, changes).unwrap_err().to_string();
        assert!(error.contains(text), "{name} {changes:?}: {error}");
    }
}

#[test]
fn variables_that_are_not_utf8_are_ignored() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let mut variables: Vec<(OsString, OsString)> = recorded("install")
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    variables.push(("USER_DATA".into(), OsString::from_vec(vec![0xff, 0xfe])));
    assert_eq!(
        JujuContext::from_vars(variables).unwrap().event(),
        &Event::Install
    );
}
