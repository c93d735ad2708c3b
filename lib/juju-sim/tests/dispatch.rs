//! What becomes of a hook's writes: when it succeeds, fails, is killed, or calls a tool too late.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{Bed, options};
use juju_sim::{Event, Exit, Fault, Options};

fn state(bed: &Bed, unit: &str) -> Vec<(String, String)> {
    bed.sim.model().units[unit].state.clone().into_iter().collect()
}

fn unit_bag(bed: &Bed, unit: &str) -> Vec<String> {
    bed.sim.model().relations[&0].units[unit]
        .data
        .keys()
        .cloned()
        .collect()
}

#[test]
fn a_failed_hook_drops_state_and_databags_and_keeps_status_version_and_log() {
    let mut bed = Bed::with_probe(options());
    let script = "relation-set -r replicas:0 late=1; relation-set -r replicas:0 --app late=1; state-set k=v; \
                  open-port 80; status-set active kept; application-version-set 1.2.3; juju-log said; exit 1";
    bed.sim.set_config("probe", &[("text", script)]).unwrap();
    assert_eq!(bed.sim.dispatches().last().unwrap().exit, Exit::Failed(1));
    assert_eq!(state(&bed, "probe/0"), []);
    assert_eq!(
        unit_bag(&bed, "probe/0"),
        ["egress-subnets", "ingress-address", "unitkey"]
    );
    assert_eq!(
        bed.sim
            .app_bag("probe", "replicas")
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["appkey"]
    );
    let status = bed.sim.status("probe/0").unwrap();
    assert_eq!(
        (status.workload.current.as_str(), status.workload_version.as_str()),
        ("error", "1.2.3")
    );
    assert_eq!(status.workload.message, "hook failed: \"config-changed\"");
    assert_eq!(status.open_ports, Vec::<String>::new());
    assert_eq!(bed.sim.model().units["probe/0"].status.message, "kept");
    assert!(
        bed.sim
            .unit_log("probe/0")
            .unwrap()
            .contains("INFO unit.probe/0.juju-log said\n")
    );

    // Nothing runs on a unit in error, until somebody resolves it.
    let before = bed.sim.dispatches().len();
    bed.sim.update_status("probe/0").unwrap();
    bed.sim.set_config("probe", &[("text", "state-set k=v")]).unwrap();
    assert_eq!(bed.sim.dispatches().len(), before);
    bed.sim.resolved("probe/0", true).unwrap();
    assert_eq!(state(&bed, "probe/0"), [("k".to_owned(), "v".to_owned())]);
    assert_eq!(bed.sim.status("probe/0").unwrap().workload.current, "active");
    assert!(
        bed.sim.resolved("probe/0", true).is_err(),
        "there is nothing to resolve any more"
    );
}

#[test]
fn a_failed_hook_that_is_not_retried_counts_as_done() {
    let mut bed = Bed::with_probe(options());
    bed.sim.set_config("probe", &[("text", "exit 1")]).unwrap();
    let before = bed.sim.dispatches().len();
    bed.sim.resolved("probe/0", false).unwrap();
    assert_eq!(bed.sim.dispatches().len(), before);
    assert_ne!(bed.sim.status("probe/0").unwrap().workload.current, "error");
}

#[test]
fn a_dispatch_killed_at_any_call_is_run_again_and_ends_the_same() {
    let script = "state-set a=1; relation-set -r replicas:0 b=2; status-set active; state-set c=3";
    let mut expected = None;
    for call in 1..=6 {
        for fault in [Fault::kill_before(call), Fault::kill_after(call)] {
            let mut bed = Bed::with_probe(options());
            bed.sim.set_config("probe", &[("text", script)]).unwrap();
            bed.sim
                .inject("probe/0", fault.clone().on("hooks/update-status"))
                .unwrap();
            let before = bed.sim.dispatches().len();
            bed.sim.update_status("probe/0").unwrap();
            let reports = bed.sim.dispatches()[before..].to_vec();
            let exits: Vec<Exit> = reports.iter().map(|report| report.exit).collect();
            // Five calls: the option, and four of the script. A sixth never comes.
            let killed = call <= 5;
            let wanted = if killed {
                vec![Exit::Terminated(9), Exit::Success]
            } else {
                vec![Exit::Success]
            };
            assert_eq!(exits, wanted, "{fault:?}");
            assert_eq!(bed.sim.clear_faults("probe/0"), usize::from(!killed), "{fault:?}");
            if killed {
                assert_eq!(reports[0].tools.len(), call, "{fault:?}");
            }
            let end = (
                state(&bed, "probe/0"),
                unit_bag(&bed, "probe/0"),
                bed.sim.app_bag("probe", "replicas"),
            );
            assert_eq!(*expected.get_or_insert_with(|| end.clone()), end, "{fault:?}");
        }
    }
}

#[test]
fn a_killed_dispatch_waits_for_the_next_step_when_told_not_to_retry() {
    let mut bed = Bed::with_probe(Options {
        retry_terminated: false,
        ..options()
    });
    bed.sim.inject("probe/0", Fault::kill_after(1)).unwrap();
    bed.sim.set_config("probe", &[("text", "state-set a=1")]).unwrap();
    assert_eq!(bed.sim.dispatches().last().unwrap().exit, Exit::Terminated(9));
    assert_eq!(state(&bed, "probe/0"), []);
    assert_ne!(
        bed.sim.status("probe/0").unwrap().workload.current,
        "error",
        "a killed hook is no failed one"
    );
    bed.sim.settle().unwrap();
    assert_eq!(bed.sim.dispatches().last().unwrap().path, "hooks/config-changed");
    assert_eq!(state(&bed, "probe/0"), [("a".to_owned(), "1".to_owned())]);
}

#[test]
fn a_tool_fails_on_order() {
    let mut bed = Bed::with_probe(options());
    bed.sim
        .inject(
            "probe/0",
            Fault::fail("state-set", "ERROR connection is shut down"),
        )
        .unwrap();
    bed.sim
        .set_config(
            "probe",
            &[("text", "state-set a=1 || status-set blocked noticed")],
        )
        .unwrap();
    let report = bed.sim.dispatches().last().unwrap();
    assert_eq!(report.stderr, "ERROR connection is shut down\n");
    assert_eq!(bed.sim.status("probe/0").unwrap().workload.message, "noticed");
    bed.sim.update_status("probe/0").unwrap();
    assert_eq!(state(&bed, "probe/0").len(), 1, "it happened once");
}

#[test]
fn a_tool_that_is_called_after_its_hook_has_a_wrong_context() {
    let mut bed = Bed::with_probe(options());
    let paths = bed.sim.paths("probe/0");
    // A process that the hook leaves behind waits until the hook is over.
    let script = "(while [ ! -e \"$JUJU_CHARM_DIR/over\" ]; do sleep 0.01; done; \
                  config-get text >\"$JUJU_CHARM_DIR/late.out\" 2>&1; echo $? >>\"$JUJU_CHARM_DIR/late.out\"; \
                  mv \"$JUJU_CHARM_DIR/late.out\" \"$JUJU_CHARM_DIR/late\") >/dev/null 2>&1 &";
    bed.sim.set_config("probe", &[("text", script)]).unwrap();
    std::fs::write(paths.charm.join("over"), "").unwrap();
    let late = paths.charm.join("late");
    let found = bed
        .sim
        .settle_until(Duration::from_secs(10), |_| late.exists())
        .unwrap();
    assert!(found, "the process that was left behind did not end");
    let said = std::fs::read_to_string(late).unwrap();
    assert!(
        said.starts_with("ERROR wrong context ID; got \"probe/0-config-changed-"),
        "{said}"
    );
    assert!(said.ends_with("\"\n1\n"), "{said}");

    let tool = |id: Option<&str>| {
        let mut command = Command::new(paths.tools.join("is-leader"));
        command
            .env_clear()
            .env("JUJU_AGENT_SOCKET_ADDRESS", &paths.socket)
            .env("JUJU_AGENT_SOCKET_NETWORK", "unix");
        if let Some(id) = id {
            command.env("JUJU_CONTEXT_ID", id);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(
        tool(Some("nonsense")),
        (Some(1), "ERROR wrong context ID; got \"nonsense\"\n".to_owned())
    );
    assert_eq!(
        tool(None),
        (Some(1), "ERROR JUJU_CONTEXT_ID not set\n".to_owned())
    );
}

#[test]
fn a_tool_reads_standard_input_and_files_from_its_own_folder() {
    let mut bed = Bed::with_probe(options());
    let script = "mkdir -p sub; cd sub; echo 'b: from-file' >data.yaml; relation-set -r 0 --file data.yaml; \
                  echo '{\"c\": \"from-stdin\"}' | relation-set -r 0 --file -; config-get -o out.json --format=json port";
    bed.sim.set_config("probe", &[("text", script)]).unwrap();
    let report = bed.sim.dispatches().last().unwrap();
    assert_eq!(
        (report.exit, report.stdout.as_str(), report.stderr.as_str()),
        (Exit::Success, "", "")
    );
    let bag = &bed.sim.model().relations[&0].units["probe/0"].data;
    assert_eq!(
        (bag["b"].as_str(), bag["c"].as_str()),
        ("from-file", "from-stdin")
    );
    let out = std::fs::read_to_string(bed.sim.paths("probe/0").charm.join("sub/out.json")).unwrap();
    assert_eq!(out.trim(), "8080");
}

#[test]
fn two_units_have_one_leader_and_a_change_is_told_to_the_new_one() {
    let mut bed = Bed::new(options());
    let probe = bed.probe("probe").units(2);
    bed.sim.deploy(probe).unwrap();
    let leads = |bed: &Bed| ["probe/0", "probe/1"].map(|unit| bed.sim.status(unit).unwrap().leader);
    let elected = |bed: &Bed| {
        let reports = bed
            .sim
            .dispatches()
            .iter()
            .filter(|report| report.path == "hooks/leader-elected");
        reports.map(|report| report.unit.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (leads(&bed), elected(&bed)),
        ([true, false], vec!["probe/0".to_owned()])
    );
    bed.sim.change_leader("probe/1").unwrap();
    assert_eq!(leads(&bed), [false, true]);
    bed.sim.change_leader("probe/0").unwrap();
    assert_eq!(elected(&bed), ["probe/0", "probe/1", "probe/0"]);
    // What the leader writes reaches the other unit, in a hook of its own.
    let script = "if [ $(is-leader) = True ]; then relation-set -r 0 --app news=$JUJU_UNIT_NAME; fi";
    bed.sim.set_config("probe", &[("text", script)]).unwrap();
    let last = bed
        .sim
        .dispatches()
        .iter()
        .rfind(|report| report.unit == "probe/1")
        .unwrap();
    assert_eq!(
        (last.path.as_str(), last.remote_unit.as_str()),
        ("hooks/replicas-relation-changed", "")
    );
    assert_eq!(bed.sim.app_bag("probe", "replicas").unwrap()["news"], "probe/0");
}

#[test]
fn a_hook_that_changes_its_databag_every_time_is_found_out() {
    let mut bed = Bed::new(Options {
        most_dispatches: 40,
        ..options()
    });
    let script = "relation-set -r replicas:0 n=$(($(relation-get -r replicas:0 n probe/0) + 1))";
    let probe = bed.probe("probe").units(2);
    bed.sim.deploy(probe).unwrap();
    let error = bed.sim.set_config("probe", &[("text", script)]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot settle the model: 40 dispatches"),
        "{error}"
    );
}

#[test]
fn an_event_can_be_run_out_of_turn_and_reports_what_it_cost() {
    let mut bed = Bed::with_probe(options());
    let report = bed.sim.dispatch("probe/0", Event::UpdateStatus).unwrap();
    assert_eq!(
        (report.path.as_str(), report.exit),
        ("hooks/update-status", Exit::Success)
    );
    assert_eq!(report.calls_of("config-get"), 1);
    assert!(
        report.wall > Duration::ZERO && report.max_resident > 100_000,
        "{report:?}"
    );
}

#[test]
fn the_mount_point_is_missing_before_storage_is_attached() {
    let mut bed = Bed::new(Options {
        start_order: juju_sim::StartOrder::StorageLate,
        ..options()
    });
    let script = "storage-list; storage-get -s config/0 location; true";
    let probe = bed.probe("probe").config("text", script);
    bed.sim.deploy(probe).unwrap();
    let report = |path: &str| {
        bed.sim
            .dispatches()
            .iter()
            .find(|report| report.path == path)
            .unwrap()
    };
    let missing = "ERROR invalid value \"config/0\" for option -s: mount point for storage attachment \
                   \"storage-config-0\" for unit \"probe/0\" missing\n";
    assert_eq!(report("hooks/start").stdout, "config/0\n");
    assert_eq!(report("hooks/start").stderr, missing);
    let place = bed.sim.storage_dir("probe/0", "config");
    assert!(place.is_dir());
    assert_eq!(
        report("hooks/config-storage-attached").stdout,
        format!("config/0\n{}\n", place.display())
    );
}

#[test]
fn each_hook_that_reads_a_secret_leaves_an_account_of_the_applications_label() {
    let mut bed = Bed::with_probe(options());
    let accounts = |bed: &Bed| bed.sim.service_accounts("probe");
    assert_eq!(accounts(&bed), ["probe"]);
    let run = |bed: &mut Bed, script: &str| bed.sim.set_config("probe", &[("text", script)]).unwrap();
    run(&mut bed, "secret-add --label key key=value");
    run(&mut bed, "secret-get --label none || true");
    assert_eq!(accounts(&bed), ["probe"], "nothing was read");
    run(&mut bed, "secret-get --label key; secret-get --label key");
    assert_eq!(accounts(&bed).len(), 2, "one for each hook");
    bed.sim.update_status("probe/0").unwrap();
    assert_eq!(accounts(&bed).len(), 3);
    assert!(
        accounts(&bed)
            .iter()
            .any(|name| name.starts_with("juju-secret-consumer-")),
        "{:?}",
        accounts(&bed)
    );
    assert_eq!(bed.sim.service_accounts("other"), Vec::<String>::new());
}
