//! The order of events equals what was recorded from Juju 4.0.15.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Bed, data, options, probe_charm};
use juju_sim::{Deploy, Exit, Options, StartOrder};

/// The lines of a recorded order, with relation and storage ids as this test has them.
fn recorded(name: &str, rename: &[(&str, &str)]) -> Vec<String> {
    let text = data(&format!("recorded/order/{name}.log"));
    let renamed = rename
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to));
    renamed.lines().map(str::to_owned).collect()
}

fn quiet(app: &str) -> Deploy {
    Deploy::new(app, probe_charm().with_file_name("quiet"))
}

#[test]
fn a_first_start_has_the_recorded_order() {
    let bed = Bed::with_probe(options());
    assert_eq!(bed.order("probe/0"), recorded("first-start", &[]));
}

#[test]
fn a_unit_that_finds_relations_and_gets_its_volume_late_has_the_recorded_orders() {
    let cases = [
        (StartOrder::StorageLate, "storage-late", "config/4"),
        (
            StartOrder::PebbleBeforeStorage,
            "pebble-before-storage",
            "config/8",
        ),
    ];
    for (start_order, name, storage) in cases {
        let mut bed = Bed::with_probe(Options {
            start_order,
            ..options()
        });
        bed.sim.deploy(quiet("pyreq")).unwrap();
        bed.sim.integrate("probe:velero-backup-config", "pyreq").unwrap();
        bed.sim.scale("probe", 0).unwrap();
        bed.sim.scale("probe", 1).unwrap();
        let rename = [("config:5", "config:1"), (storage, "config/1")];
        assert_eq!(bed.order("probe/0"), recorded(name, &rename), "{name}");
    }
}

#[test]
fn a_new_relation_and_its_end_have_the_recorded_order() {
    let mut bed = Bed::with_probe(options());
    let velo = bed.probe("velo");
    bed.sim
        .deploy(Deploy {
            charm_dir: probe_charm().with_file_name("velo"),
            workloads: Default::default(),
            resources: Default::default(),
            ..velo
        })
        .unwrap();
    let before = bed.order("probe/0").len();
    bed.sim.integrate("probe", "velo").unwrap();
    assert_eq!(bed.order("probe/0")[before..], recorded("integrate", &[]));
    let before = bed.order("probe/0").len();
    bed.sim.remove_relation("probe", "velo:velero-backups").unwrap();
    assert_eq!(bed.order("probe/0")[before..], recorded("remove-relation", &[]));
    assert!(
        bed.sim.app_bag("probe", "velero-backup-config").is_none(),
        "the relation is still there"
    );
}

#[test]
fn a_second_unit_comes_and_goes_in_the_recorded_order() {
    let mut bed = Bed::with_probe(options());
    let before = bed.order("probe/0").len();
    bed.sim.add_units("probe", 1).unwrap();
    // The recorded unit wrote its bag twice; this one writes it before it is seen to join.
    assert_eq!(bed.order("probe/0")[before..], recorded("add-unit", &[])[..2]);
    let late = r#"case $JUJU_HOOK_NAME in *-departed) relation-set -r "$JUJU_RELATION_ID" --app late=1 || true;; esac"#;
    bed.sim.set_config("probe", &[("text", late)]).unwrap();
    let before = bed.order("probe/0").len();
    bed.sim.scale("probe", 1).unwrap();
    assert_eq!(bed.order("probe/0")[before..], recorded("remove-unit", &[]));
    assert_eq!(bed.sim.units("probe"), ["probe/0"]);
}

#[test]
fn a_new_pod_and_a_refresh_have_the_recorded_order() {
    let mut bed = Bed::with_probe(options());
    bed.pebble.restart();
    bed.sim.churn_pod("probe/0", false).unwrap();
    assert_eq!(bed.order("probe/0"), recorded("new-pod", &[]), "churn");
    bed.pebble.restart();
    bed.sim.refresh("probe", probe_charm()).unwrap();
    assert_eq!(bed.order("probe/0"), recorded("new-pod", &[]), "refresh");
    let stops = bed
        .sim
        .dispatches()
        .iter()
        .filter(|report| report.path == "hooks/stop")
        .count();
    assert_eq!(stops, 1, "only the refresh lets the old pod stop");
}

#[test]
fn what_pebble_tells_has_the_recorded_order() {
    let mut bed = Bed::with_probe(options());
    let before = bed.order("probe/0").len();
    bed.pebble.notify("example.com/foo");
    bed.pebble.check("perform-check", "Doing", "other");
    bed.pebble.check("perform-check", "Error", "bad");
    bed.pebble.check("recover-check", "Done", "bad");
    bed.sim.settle().unwrap();
    assert_eq!(bed.order("probe/0")[before..], recorded("pebble-news", &[]));
    bed.sim.settle().unwrap();
    assert_eq!(bed.order("probe/0").len(), before + 3, "old notices came again");
    bed.pebble.restart();
    bed.sim.settle().unwrap();
    assert_eq!(
        bed.order("probe/0")[before + 3..],
        recorded("container-restart", &[])
    );
}

#[test]
fn a_failed_hook_is_retried_and_resolved_in_the_recorded_order() {
    let mut bed = Bed::with_probe(Options {
        automatic_retries: 1,
        ..options()
    });
    let before = bed.order("probe/0").len();
    bed.sim.set_config("probe", &[("text", "exit 1")]).unwrap();
    assert_eq!(
        bed.sim.status("probe/0").unwrap().workload.message,
        "hook failed: \"config-changed\""
    );
    bed.sim.set_config("probe", &[("text", "true")]).unwrap();
    bed.sim.resolved("probe/0", true).unwrap();
    assert_eq!(bed.order("probe/0")[before..], recorded("failed-hook", &[]));
}

#[test]
fn teardown_detaches_departs_breaks_stops_and_removes() {
    let mut bed = Bed::with_probe(options());
    bed.sim.deploy(quiet("pyreq")).unwrap();
    bed.sim.integrate("probe", "pyreq").unwrap();
    bed.sim.scale("probe", 2).unwrap();
    let before = bed.sim.dispatches().len();
    bed.sim.scale("probe", 1).unwrap();
    let of_leaver = bed.sim.dispatches()[before..]
        .iter()
        .filter(|report| report.unit == "probe/1");
    let paths: Vec<&str> = of_leaver.map(|report| report.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "hooks/config-storage-detaching",
            "hooks/replicas-relation-departed",
            "hooks/replicas-relation-broken",
            "hooks/velero-backup-config-relation-departed",
            "hooks/velero-backup-config-relation-broken",
            "hooks/stop",
            "hooks/remove",
        ]
    );
    assert!(bed.sim.released_volume("config/1").is_dir(), "the volume is kept");
    bed.sim.remove_application("probe").unwrap();
    assert!(!bed.sim.model().applications.contains_key("probe"));
    assert!(
        bed.sim.model().relations.is_empty(),
        "{:?}",
        bed.sim.model().relations
    );
}

#[test]
fn every_seed_keeps_to_what_juju_promises() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let mut bed = Bed::new(Options {
            start_order: StartOrder::Seed(seed),
            ..options()
        });
        let probe = bed.probe("probe");
        bed.sim.deploy(probe).unwrap();
        let order: Vec<String> = bed
            .order("probe/0")
            .iter()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        let place = |name: &str| {
            order
                .iter()
                .position(|path| path.ends_with(name))
                .unwrap_or_else(|| panic!("{name}"))
        };
        assert_eq!(place("hooks/install"), 0, "seed {seed}");
        assert!(place("config-changed") < place("start"), "seed {seed}: {order:?}");
        assert!(
            place("start") < place("replicas-relation-changed"),
            "seed {seed}: {order:?}"
        );
        assert!(
            place("pebble-ready") > place("leader-elected"),
            "seed {seed}: {order:?}"
        );
        assert_eq!(order.len(), 8, "seed {seed}: {order:?}");
        orders.insert(order);
    }
    assert!(orders.len() > 3, "the seeds gave {} orders", orders.len());
}

#[test]
fn hooks_that_the_charm_does_not_have_are_skipped() {
    let mut bed = Bed::new(options());
    bed.sim.deploy(quiet("pyreq")).unwrap();
    let reports = bed.sim.dispatches();
    assert!(
        reports.iter().all(|report| report.exit == Exit::Skipped),
        "{reports:?}"
    );
    let paths: Vec<&str> = reports.iter().map(|report| report.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "hooks/install",
            "hooks/leader-elected",
            "hooks/config-changed",
            "hooks/start"
        ]
    );
}
