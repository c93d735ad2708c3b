//! No command line and no input makes a tool panic, and every answer has the shape of Juju's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers show a failure by panicking"
)]

mod common;

use common::{begin, related_model};
use juju_hook_tools::context::Event;
use juju_hook_tools::session::Invocation;
use juju_hook_tools::tools;
use proptest::prelude::*;
use serde_json::Map;

/// Words that tools understand, mixed with any text.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "-",
        "--",
        "",
        "-r",
        "-s",
        "--app",
        "--format=json",
        "--format",
        "yaml",
        "--file",
        "--label",
        "--revision",
        "--relation=1",
        "--unit",
        "--endpoints",
        "--output",
        "-o",
        "--help",
        "--expire",
        "--rotate",
        "daily",
        "1h",
        "velero-backup-config:1",
        "replicas:0",
        "99999999999999999999",
        "-1",
        "probe/0",
        "velo/0",
        "velo",
        "config/0",
        "key=value",
        "key#file=x",
        "key#base64==",
        "a.b=c",
        "=",
        "8080/tcp",
        "1-2-3/udp",
        "icmp",
        "active",
        "secret:d0000000000000000000",
        "secret://",
        "location",
        "kind",
        "--application=true",
        "--all",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => any::<String>(), 1 => "-{0,3}[a-z=#/.:]{0,8}"]
}

fn event() -> impl Strategy<Value = Event> {
    prop::sample::select(vec![
        Event::ConfigChanged,
        Event::RelationCreated { relation: 1 },
        Event::RelationChanged {
            relation: 77,
            remote_unit: Some("ghost/9".to_owned()),
        },
        Event::RelationBroken {
            relation: 1,
            remote_application: None,
        },
        Event::StorageAttached {
            storage: "none".to_owned(),
        },
        Event::Action {
            name: "sh".to_owned(),
            id: "1".to_owned(),
            params: Map::new(),
        },
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_input_makes_a_tool_panic(
        event in event(),
        unit in prop::sample::select(vec!["probe/0", "probe/1", "velo/0"]),
        lines in prop::collection::vec(
            (prop::sample::select(tools::NAMES.to_vec()), prop::collection::vec(word(), 0..6), any::<Vec<u8>>()),
            1..6,
        ),
    ) {
        let mut model = related_model();
        let mut session = begin(&model, unit, event);
        for (tool, args, stdin) in lines {
            let invocation = Invocation {
                stdin: &stdin,
                read_file: &|path| if path == "x" { Ok(stdin.clone()) } else { Err(std::io::ErrorKind::NotFound.into()) },
                ..Invocation::new(tool, &args)
            };
            let output = session.run(&mut model, &invocation);
            prop_assert!((0..=2).contains(&output.code), "{tool} {args:?}: {output:?}");
            if output.code == 0 {
                prop_assert!(!output.stderr.contains("ERROR"), "{tool} {args:?}: {output:?}");
            } else {
                prop_assert!(output.stdout.is_empty(), "{tool} {args:?}: {output:?}");
                prop_assert!(output.stderr.contains("ERROR ") && output.stderr.ends_with('\n'), "{tool} {args:?}: {output:?}");
            }
        }
        let before = model.clone();
        if session.commit(&mut model).is_err() {
            prop_assert_eq!(model, before);
        }
    }
}

#[test]
fn a_tool_that_does_not_exist_is_not_found() {
    let mut model = related_model();
    let mut session = begin(&model, "probe/0", Event::Install);
    for tool in [
        "leader-get",
        "pod-spec-set",
        "payload-status-set",
        "add-metric",
        "",
    ] {
        let output = session.run(&mut model, &Invocation::new(tool, &[]));
        assert_eq!(output.code, 127, "{tool}");
    }
}

#[test]
fn every_getter_prints_json() {
    let mut model = related_model();
    let mut session = begin(&model, "probe/0", Event::RelationCreated { relation: 1 });
    for line in [
        &["config-get"][..],
        &["goal-state"],
        &["is-leader"],
        &["network-get", "opt"],
        &["opened-ports"],
        &["relation-get"],
        &["relation-ids"],
        &["relation-list"],
        &["relation-model-get"],
        &["secret-ids"],
        &["state-get"],
        &["status-get"],
        &["storage-list"],
        &["unit-get", "public-address"],
    ] {
        let args: Vec<String> = line
            .iter()
            .skip(1)
            .chain(&["--format=json"])
            .map(|&word| word.to_owned())
            .collect();
        let output = session.run(&mut model, &Invocation::new(line[0], &args));
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{line:?}");
        assert!(
            serde_json::from_str::<serde_json::Value>(&output.stdout).is_ok(),
            "{line:?}: {}",
            output.stdout
        );
        assert!(output.stdout.ends_with('\n'), "{line:?}");
    }
}

#[test]
fn every_tool_prints_a_usage() {
    let mut model = related_model();
    let mut session = begin(&model, "probe/0", Event::Install);
    for tool in tools::NAMES {
        let output = session.run(&mut model, &Invocation::new(tool, &["--help".to_owned()]));
        assert_eq!(output.code, 0, "{tool}");
        assert!(
            output.stdout.starts_with(&format!("Usage: {tool}")),
            "{}",
            output.stdout
        );
    }
}
