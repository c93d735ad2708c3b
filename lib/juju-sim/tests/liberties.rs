//! What Juju 4.0 was seen to do beyond the recorded orders: liberties that it takes at times, news for a secret's owner, pods that
//! are lost in the middle of a hook. Seen on 4.0.14 and not recorded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Bed, options, probe_charm};
use juju_sim::{Deploy, Exit, Fault, Liberties, Options};

fn bed(liberties: Liberties) -> Bed {
    Bed::with_probe(Options {
        liberties,
        ..options()
    })
}

/// The paths of the dispatches since then, without `hooks/`.
fn hooks(bed: &Bed, since: usize) -> Vec<String> {
    let reports = bed.sim.dispatches()[since..].iter();
    reports.map(|report| report.path.replace("hooks/", "")).collect()
}

fn with_velo(bed: &mut Bed) {
    let velo = Deploy::new("velo", probe_charm().with_file_name("velo"));
    bed.sim.deploy(velo).unwrap();
}

#[test]
fn changed_options_cause_two_events_behind_whatever_is_done_next() {
    let mut bed = bed(Liberties {
        config_changed_late_and_twice: true,
        ..Liberties::default()
    });
    with_velo(&mut bed);
    let before = bed.sim.dispatches().len();
    bed.sim
        .set_config("probe", &[("text", "state-set seen=$JUJU_HOOK_NAME")])
        .unwrap();
    bed.sim.trust("probe", true).unwrap();
    assert_eq!(hooks(&bed, before), Vec::<String>::new(), "an event came at once");
    bed.sim.integrate("probe", "velo").unwrap();
    let of_probe: Vec<String> = bed.sim.dispatches()[before..]
        .iter()
        .filter(|report| report.unit == "probe/0")
        .map(|report| report.path.replace("hooks/", ""))
        .collect();
    assert_eq!(
        of_probe,
        [
            "velero-backup-config-relation-created",
            "velero-backup-config-relation-joined",
            "velero-backup-config-relation-changed",
            "velero-backup-config-relation-changed",
            "config-changed",
            "config-changed",
        ][..of_probe.len()]
    );
    assert_eq!(
        of_probe[of_probe.len() - 2..],
        ["config-changed", "config-changed"]
    );
    let before = bed.sim.dispatches().len();
    bed.sim.settle().unwrap();
    assert_eq!(hooks(&bed, before), Vec::<String>::new(), "it came a third time");
}

#[test]
fn a_removed_relation_is_in_the_way_of_a_new_one_until_time_passes() {
    let mut bed = bed(Liberties {
        removed_relations_linger: true,
        ..Liberties::default()
    });
    with_velo(&mut bed);
    bed.sim.integrate("probe", "velo").unwrap();
    bed.sim.remove_relation("probe", "velo").unwrap();
    let relations = bed.sim.model().relations.len();
    let error = bed.sim.integrate("velo", "probe").unwrap_err().to_string();
    assert!(error.ends_with("already exists"), "{error}");
    assert_eq!(
        bed.sim.model().relations.len(),
        relations,
        "a refused relation is there"
    );
    bed.sim.update_status("probe/0").unwrap();
    bed.sim.integrate("velo", "probe").unwrap();
    assert_eq!(bed.sim.model().relations.len(), relations + 1);
}

#[test]
fn data_of_an_application_come_before_its_units() {
    let order = |liberties| {
        let mut bed = bed(liberties);
        with_velo(&mut bed);
        let before = bed.sim.dispatches().len();
        bed.sim.integrate("probe", "velo").unwrap();
        let of_velo = bed.sim.dispatches()[before..]
            .iter()
            .filter(|report| report.unit == "velo/0");
        of_velo
            .map(|report| format!("{} {}", report.path, report.remote_unit))
            .collect::<Vec<_>>()
    };
    let position = |order: &[String], part: &str| order.iter().position(|event| event.ends_with(part));
    let usual = order(Liberties::default());
    assert!(
        position(&usual, "relation-joined probe/0") < position(&usual, "relation-changed "),
        "{usual:?}"
    );
    let early = order(Liberties {
        application_data_first: true,
        ..Liberties::default()
    });
    assert!(position(&early, "relation-changed ").is_some(), "{early:?}");
    assert!(
        position(&early, "relation-changed ") < position(&early, "relation-joined probe/0"),
        "{early:?}"
    );
}

#[test]
fn the_owner_of_a_secret_is_told_of_its_own_revision_before_it_may_remove_the_old_one() {
    for (version, expected) in [
        (
            "4.0.14",
            &["config-changed", "secret-changed", "secret-remove"][..],
        ),
        ("3.6.11", &["config-changed", "secret-remove"]),
    ] {
        let mut bed = Bed::with_probe(Options {
            juju_version: version.to_owned(),
            ..options()
        });
        let first = bed.sim.dispatches().len();
        bed.sim
            .set_config("probe", &[("text", "secret-add --label mine key=1 >id")])
            .unwrap();
        assert_eq!(
            hooks(&bed, first),
            ["config-changed"],
            "{version}: the first revision is no news"
        );
        let before = bed.sim.dispatches().len();
        bed.sim
            .set_config("probe", &[("text", "secret-set \"$(cat id)\" key=2")])
            .unwrap();
        assert_eq!(hooks(&bed, before), expected, "{version}");
    }
}

#[test]
fn a_pod_that_is_lost_in_a_hook_runs_it_again_in_a_new_one_and_starts_anew() {
    let script = "state-set a=1; echo x >>mark; status-set active; state-set runs=$(cat mark | wc -l)";
    for fault in [Fault::kill_before(3), Fault::kill_after(4)] {
        let mut bed = Bed::with_probe(options());
        bed.sim.set_config("probe", &[("text", script)]).unwrap();
        let fault = fault.with_pod().on("hooks/update-status");
        bed.sim.inject("probe/0", fault.clone()).unwrap();
        let before = bed.sim.dispatches().len();
        bed.sim.update_status("probe/0").unwrap();
        assert_eq!(
            hooks(&bed, before),
            [
                "update-status",
                "update-status",
                "upgrade-charm",
                "config-changed",
                "start",
                "app-pebble-ready"
            ],
            "{fault:?}"
        );
        assert_eq!(bed.sim.dispatches()[before].exit, Exit::Terminated(9));
        // The charm's folder went with the pod, what Juju keeps did not: one line for each hook of the new pod.
        assert_eq!(bed.sim.model().units["probe/0"].state["runs"], "5", "{fault:?}");
    }
}

#[test]
fn a_pod_that_is_lost_while_its_unit_goes_starts_once_more_before_the_relation_breaks() {
    let mut bed = bed(Liberties::default());
    with_velo(&mut bed);
    bed.sim.integrate("probe", "velo").unwrap();
    let departed = "hooks/velero-backup-config-relation-departed";
    bed.sim
        .inject("probe/0", Fault::kill_before(1).with_pod().on(departed))
        .unwrap();
    let before = bed.sim.dispatches().len();
    bed.pebble.restart();
    bed.sim.scale("probe", 0).unwrap();
    let of_probe: Vec<String> = bed.sim.dispatches()[before..]
        .iter()
        .filter(|report| report.unit == "probe/0")
        .map(|report| {
            report
                .path
                .replace("hooks/", "")
                .replace("velero-backup-config-", "")
        })
        .collect();
    let tail: Vec<&str> = of_probe
        .iter()
        .map(String::as_str)
        .skip_while(|path| *path != "relation-departed")
        .collect();
    assert_eq!(
        tail[..5],
        [
            "relation-departed",
            "relation-departed",
            "start",
            "app-pebble-ready",
            "relation-broken"
        ]
    );
    assert_eq!(tail.last(), Some(&"remove"));
    assert!(bed.sim.units("probe").is_empty());
}
