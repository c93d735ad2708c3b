//! A pod can be lost at any moment at which a dispatch changes something, and Juju may take its liberties: the end is that of an
//! undisturbed run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

use crate::happenings::{Kill, check, undisturbed};
use juju_sim::{Fault, Liberties, OperatorOptions, Options};
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};

/// Every how many-th kill `cargo test` plays. It shares no factor with the four kinds of kill at each moment.
const QUICK: usize = 23;

/// Hook tools that change something, at once or when the hook ends.
const WRITING_TOOLS: [&str; 11] = [
    "application-version-set",
    "close-port",
    "open-port",
    "relation-set",
    "secret-add",
    "secret-grant",
    "secret-remove",
    "secret-set",
    "state-delete",
    "state-set",
    "status-set",
];

#[test]
fn pods_can_be_lost_where_something_is_written() {
    play(QUICK, &Options::default());
}

#[test]
fn pods_can_be_lost_while_juju_takes_its_liberties() {
    let liberties = Liberties::all();
    play(
        QUICK * 3,
        &Options {
            liberties,
            ..Options::default()
        },
    );
}

#[test]
#[ignore = "takes minutes: cargo test -p system-tests --test system pod_lost -- --ignored"]
fn every_pod_can_be_lost_wherever_something_is_written() {
    let liberties = Liberties::all();
    play(1, &Options::default());
    play(
        1,
        &Options {
            liberties,
            ..Options::default()
        },
    );
}

/// Kills of the dispatch alone at each write to Kubernetes, and of its pod at each write at all.
fn play(every: usize, options: &Options) {
    let undisturbed = undisturbed(options);
    let (mut kills, mut cluster_writes) = (Vec::new(), 0);
    for run in &undisturbed {
        for report in &run.dispatches {
            let calls = report.tools.iter().enumerate();
            let writing = calls.filter(|(_, call)| WRITING_TOOLS.contains(&call.tool.as_str()));
            let at_tools = writing.flat_map(|(index, _)| {
                [
                    Fault::kill_before(index + 1).with_pod(),
                    Fault::kill_after(index + 1).with_pod(),
                ]
            });
            let at_writes = (1..=report.cluster_writes).flat_map(|write| {
                let (before, after) = (Fault::kill_before_write(write), Fault::kill_after_write(write));
                [before.clone(), after.clone(), before.with_pod(), after.with_pod()]
            });
            cluster_writes += report.cluster_writes;
            kills.extend(at_tools.chain(at_writes).map(|fault| Kill {
                happening: run.happening,
                path: report.path.clone(),
                fault,
                expected: &run.end,
            }));
        }
    }
    assert!(
        kills.len() > 50 && cluster_writes >= 5,
        "only {} kills, {cluster_writes} writes",
        kills.len()
    );
    check(&kills, every, options);
}

#[test]
fn whatever_happens_ends_the_same_where_juju_takes_its_liberties() {
    let liberties = Liberties::all();
    let with_liberties = undisturbed(&Options {
        liberties,
        ..Options::default()
    });
    let plain = undisturbed(&Options::default());
    for (one, other) in plain.iter().zip(&with_liberties) {
        assert_eq!(one.end, other.end, "{}", one.happening.name);
    }
}

#[test]
fn changed_options_that_come_late_are_not_mixed_up_with_what_comes_before() {
    let mut house = SimulatedModel::with_radarr(Options {
        liberties: Liberties::all(),
        ..Options::default()
    })
    .unwrap();
    house
        .juju
        .deploy_velero_operator(OperatorOptions::default())
        .unwrap();
    let options = [("backup-schedule", "@weekly"), ("url-base", "/radarr")];
    house.juju.set_config("radarr", &options[..1]).unwrap();
    house.juju.set_config("radarr", &options[1..]).unwrap();
    house.juju.integrate("radarr", "velero-operator").unwrap();
    let paths: Vec<&str> = house
        .juju
        .dispatches()
        .iter()
        .map(|report| report.path.as_str())
        .collect();
    assert_eq!(
        paths[paths.len() - 2..],
        ["hooks/config-changed", "hooks/config-changed"]
    );
    let seen = house.seen().unwrap();
    assert!(
        seen.databag.as_ref().unwrap()["spec"].contains("@weekly"),
        "{seen:?}"
    );
    assert!(seen.config_xml.unwrap().contains("<UrlBase>/radarr</UrlBase>"));
    assert!(seen.runs);
}

/// The request stays in the databag as it was, so the Schedule goes on: without the marks its backups hold every volume or none, and
/// databases as they happen to be.
#[test]
fn a_new_pod_has_its_marks_while_an_option_cannot_be_used() {
    let mut house = SimulatedModel::with_backups().unwrap();
    let marks = house.seen().unwrap().marks;
    assert!(!marks.is_empty());
    house
        .juju
        .set_config("radarr", &[("backup-retention", "30d")])
        .unwrap();
    assert_eq!(house.seen().unwrap().marks, marks);
    house.juju.churn_pod(UNIT, true).unwrap();
    let seen = house.seen().unwrap();
    assert_eq!(seen.schedules.len(), 1);
    assert_eq!(seen.marks, marks);
}

/// An action is not run again: what it left behind is put right by the events that follow.
#[test]
fn a_rotation_whose_pod_is_lost_ends_with_one_key_in_secret_and_file() {
    let rotate =
        |house: &mut SimulatedModel| house.juju.run_action(UNIT, "rotate-api-key", Default::default());
    let mut house = SimulatedModel::with_backups().unwrap();
    let before = house.juju.dispatches().len();
    rotate(&mut house).unwrap();
    let expected = house.seen().unwrap();
    let report = &house.juju.dispatches()[before];
    assert_eq!(report.path, "actions/rotate-api-key");
    let writing = |call: &juju_sim::ToolCall| WRITING_TOOLS.contains(&call.tool.as_str());
    let calls: Vec<usize> = (1..=report.tools.len())
        .filter(|call| writing(&report.tools[call - 1]))
        .collect();
    assert!(!calls.is_empty(), "{report:?}");
    for fault in calls
        .iter()
        .flat_map(|call| [Fault::kill_before(*call), Fault::kill_after(*call)])
    {
        let mut house = SimulatedModel::with_backups().unwrap();
        let fault = fault.with_pod().on("actions/rotate-api-key");
        house.juju.inject(UNIT, fault.clone()).unwrap();
        rotate(&mut house).unwrap();
        assert_eq!(house.juju.clear_faults(UNIT), 0, "{fault:?}: nothing was killed");
        house.juju.update_status(UNIT).unwrap();
        assert_eq!(house.seen().unwrap(), expected, "{fault:?}");
        let secrets = house.juju.model().secrets.values();
        assert!(
            secrets.clone().all(|secret| secret.revisions.len() == 1),
            "{fault:?}: an old revision stays"
        );
    }
}

#[test]
fn a_unit_that_goes_while_its_pod_is_lost_leaves_no_schedule() {
    for hook in ["relation-departed", "relation-broken"] {
        let mut house = SimulatedModel::with_backups().unwrap();
        let path = format!("hooks/{ENDPOINT}-{hook}");
        house
            .juju
            .inject(UNIT, Fault::kill_before(1).with_pod().on(&path))
            .unwrap();
        house.juju.remove_application("radarr").unwrap();
        assert_eq!(house.juju.clear_faults(UNIT), 0, "{hook}: nothing was killed");
        assert_eq!(house.juju.schedules(), [], "{hook}");
        assert!(house.juju.units("radarr").is_empty(), "{hook}");
    }
}
