//! States at the edges of the route to a VPN gateway: the template is ahead of the pod, a read fails, another unit is not there yet.

use crate::common::gateway::{VPN, begins_in_new_pod, broken, changed, config, hidden, related, said, says};
use crate::common::unit::Unit;
use juju_charm::testing::{Event, Fault, PebbleFault, RelationState};
use serde_json::json;
use workload_charm::kubernetes::ObjectKind;
use workload_charm::vpn::{Vpn, objects};

fn unsafe_mode(unit: &mut Unit, on: bool) {
    unit.state = unit.state.clone().with_config("unsafe-mode", on);
    unit.run(Event::ConfigChanged);
}

#[test]
fn a_relation_that_goes_before_the_pod_was_replaced_leaves_no_pod_that_cannot_start() {
    let mut unit = related("sabnzbd");
    // The pods' template is changed; Kubernetes has not replaced this pod yet.
    says(&mut unit, &config(true));
    unit.run(broken());
    unit.cluster.replace_pod();
    let pod = unit.cluster.seen().unwrap();
    let has_map = unit
        .cluster
        .objects()
        .iter()
        .any(|(kind, _)| *kind == ObjectKind::ConfigMap);
    assert!(
        !pod.volumes.contains_key(objects::VOLUME) || has_map,
        "the new pod mounts a ConfigMap that was deleted: it never starts, and the charm with it"
    );
}

#[test]
fn a_relation_that_goes_while_another_unit_waits_in_its_init_container_takes_the_route_out_of_the_template() {
    let mut routed = hidden("sabnzbd").cluster.seen().unwrap();
    routed.mounts.clear();
    let mut unit = related("sabnzbd");
    says(&mut unit, &config(true));
    // Kubernetes begins with the highest number: unit 1 waits for a gateway that is gone, this pod is the old one.
    unit.cluster.others.replace(vec![routed]);
    unit.run(broken());
    for _ in 0..3 {
        unit.run(Event::UpdateStatus);
    }
    unit.cluster.replace_pod();
    let pod = unit.cluster.seen().unwrap();
    assert!(
        !pod.init_images.contains_key(objects::INIT),
        "the template still has the route, for ever: {}",
        unit.status()
    );
}

#[test]
fn an_api_server_that_did_not_answer_leaves_no_kill_switch_behind_an_active_app() {
    let mut unit = hidden("sabnzbd");
    unsafe_mode(&mut unit, true);
    unit.run(broken());
    assert!(unit.cluster.replace_pod());
    unit.cluster.answers.set(false);
    begins_in_new_pod(&mut unit);
    unit.cluster.answers.set(true);
    for _ in 0..3 {
        unit.run(Event::UpdateStatus);
    }
    assert_eq!(unit.cluster.objects(), [], "{}", unit.status());
}

#[test]
fn a_kill_switch_that_was_left_without_trust_goes_when_trust_is_back() {
    let mut unit = hidden("sabnzbd");
    unsafe_mode(&mut unit, true);
    unit.run(broken());
    assert!(unit.cluster.replace_pod());
    unit.cluster.distrust();
    begins_in_new_pod(&mut unit);
    unit.cluster.trust();
    // juju trust makes Juju send it.
    unit.run(Event::ConfigChanged);
    assert_eq!(unit.cluster.objects(), [], "{}", unit.status());
}

#[test]
fn an_app_that_loses_its_vpn_stops_though_pebble_cannot_read_its_file() {
    let mut unit = hidden("sabnzbd");
    unit.pebble = unit.pebble.clone().with_fault(PebbleFault::Refuse {
        operation: "read_file".to_owned(),
        status: 500,
        message: "input/output error".to_owned(),
    });
    says(&mut unit, &config(false));
    for _ in 0..3 {
        unit.run(Event::UpdateStatus);
    }
    assert!(!unit.runs(), "{}", unit.status());
    unit.assert_says("waiting: stopped: no VPN; container sabnzbd: ");
}

#[test]
fn an_action_that_fails_and_stops_the_app_says_so_in_the_status() {
    let mut unit = hidden("sabnzbd");
    said(&mut unit, &config(false));
    let fault = Fault::FailTool {
        tool: "secret-get".to_owned(),
        exit_code: 1,
        stderr: "ERROR permission denied".to_owned(),
    };
    let action = Event::Action {
        name: "rotate-api-key".to_owned(),
        id: "1".to_owned(),
        params: serde_json::Map::new(),
    };
    assert!(unit.try_run(action, Some(fault)).result.is_err());
    assert!(!unit.runs());
    unit.assert_says("waiting: stopped: its VPN could not be looked at");
}

#[test]
fn an_app_that_never_had_media_is_not_told_of_them_when_the_cluster_does_not_answer() {
    let mut unit = hidden("sabnzbd");
    unit.cluster.answers.set(false);
    unit.run(Event::ConfigChanged);
    assert!(!unit.status().contains("media-storage"), "{}", unit.status());
}

#[test]
fn an_app_that_loses_its_vpn_stops_though_a_hook_tool_keeps_failing() {
    let mut unit = hidden("sabnzbd");
    said(&mut unit, &config(false));
    for _ in 0..3 {
        // Juju repeats this hook, and sends no other before it ends well.
        let fault = Fault::FailTool {
            tool: "secret-get".to_owned(),
            exit_code: 1,
            stderr: "ERROR permission denied".to_owned(),
        };
        let outcome = unit.try_run(Event::ConfigChanged, Some(fault));
        assert!(outcome.result.is_err());
    }
    assert!(!unit.runs(), "{}", unit.status());
}

#[test]
fn start_empty_does_not_say_started_where_it_has_stopped_the_app() {
    let mut unit = hidden("sabnzbd");
    std::fs::remove_file(unit.volume().join(crate::common::unit::CONTENT)).unwrap();
    said(&mut unit, &config(false));
    let done = unit.act("start-empty", json!({}));
    assert!(!unit.runs());
    assert!(done.is_err(), "{done:?} {}", unit.status());
}

fn provided(networks: &str) -> Vpn {
    let config = config(true).replace("10.244.0.0/16,10.96.0.0/12", networks);
    Vpn::from_bag(&[("config".to_owned(), config)].into())
}

#[test]
fn what_the_status_tells_to_add_is_taken() {
    let networks = "10.96.0.0/12";
    let reached = |networks: &str| provided(networks).where_reachable(None, &["203.0.113.7"]);
    let Vpn::Faulty(problem) = reached(networks) else {
        panic!("taken");
    };
    // Added there, it would be refused.
    assert!(problem.to_string().contains("it is not private"), "{problem}");
    let private = provided(networks).where_reachable(None, &["172.31.0.5"]);
    assert!(
        matches!(&private, Vpn::Faulty(problem) if problem.to_string().ends_with("add it there")),
        "{private:?}"
    );
    let added = provided(&format!("{networks},172.31.0.0/16")).where_reachable(None, &["172.31.0.5"]);
    assert!(matches!(added, Vpn::Provided(_)), "{added:?}");
}

#[test]
fn a_mapped_address_is_in_the_network_of_what_it_maps() {
    let seen = provided("10.96.0.0/12").where_reachable(None, &["::ffff:10.96.0.88"]);
    assert!(matches!(seen, Vpn::Provided(_)), "{seen:?}");
}

#[test]
fn a_loopback_address_beside_one_that_is_cut_off_is_no_way_to_the_controller() {
    let seen = provided("10.96.0.0/12").where_reachable(None, &["172.31.0.5", "127.0.0.1"]);
    assert!(matches!(seen, Vpn::Faulty(_)), "{seen:?}");
}

#[test]
fn a_gateway_that_cuts_the_unit_off_has_a_status_within_a_hundred_characters() {
    let api = "fd12:3456:789a:1::1".parse().unwrap();
    let Vpn::Faulty(problem) = provided("10.96.0.0/12").where_reachable(Some(api), &[]) else {
        panic!("taken");
    };
    let text = problem.to_string();
    assert!(text.chars().count() <= 100, "{} {text}", text.chars().count());
}

#[test]
fn a_route_given_again_before_the_pod_went_ends_hidden() {
    let mut unit = hidden("sabnzbd");
    unit.run(broken());
    assert!(!unit.runs());
    said(&mut unit, &config(true));
    says(&mut unit, &config(true));
    // The pod goes all the same: the template has no route.
    assert!(unit.cluster.replace_pod());
    begins_in_new_pod(&mut unit);
    let routed = unit
        .cluster
        .seen()
        .unwrap()
        .init_images
        .contains_key(objects::INIT);
    assert!(!unit.runs() || routed, "{}", unit.status());
    if unit.cluster.replace_pod() {
        begins_in_new_pod(&mut unit);
    }
    assert!(unit.runs(), "{}", unit.status());
    assert!(
        unit.cluster
            .seen()
            .unwrap()
            .init_images
            .contains_key(objects::INIT)
    );
}

#[test]
fn an_app_in_unsafe_mode_that_goes_back_is_stopped_at_each_moment_without_a_route() {
    let mut unit = related("qbittorrent");
    unsafe_mode(&mut unit, true);
    assert!(unit.runs(), "{}", unit.status());
    says(&mut unit, &config(true));
    assert!(unit.runs(), "{}", unit.status());
    unsafe_mode(&mut unit, false);
    assert!(!unit.runs(), "{}", unit.status());
}

#[test]
fn a_unit_that_does_not_lead_looks_at_its_own_pod() {
    let mut unit = hidden("qbittorrent");
    unit.state = unit.state.clone().with_leader(false);
    unit.cluster.change_pod(|pod| {
        pod.init_images.remove(objects::INIT);
    });
    unit.run(Event::ConfigChanged);
    assert!(!unit.runs(), "{}", unit.status());
    let mut unit = hidden("qbittorrent");
    unit.state = unit.state.clone().with_leader(false);
    says(&mut unit, &config(false));
    assert!(!unit.runs(), "{}", unit.status());
}

#[test]
fn each_killed_dispatch_that_loses_its_vpn_ends_stopped_when_it_is_run_again() {
    for call in 1..60 {
        let mut unit = hidden("sabnzbd");
        said(&mut unit, &config(false));
        let changed = Event::RelationChanged {
            relation: VPN,
            remote_unit: None,
        };
        let fault = Fault::StopBefore { call };
        let first = unit.try_run(changed.clone(), Some(fault));
        let is_done = first.calls.len() < call;
        unit.run(changed);
        assert!(!unit.runs(), "{call} {}", unit.status());
        if is_done {
            assert!(call > 3);
            return;
        }
    }
    panic!("never ends");
}

#[test]
fn hostile_settings_are_refused_or_harmless() {
    let ok = config(true);
    let replaced = |key: &str, value: serde_json::Value| {
        let mut config: serde_json::Value = serde_json::from_str(&ok).unwrap();
        config[key] = value;
        Vpn::from_bag(&[("config".to_owned(), config.to_string())].into())
    };
    for (key, value) in [
        ("cluster_cidrs", json!("10.96.0.0/12,::ffff:10.0.0.0/104")),
        ("cluster_cidrs", json!("10.96.0.0/12,::/0")),
        ("cluster_cidrs", json!("10.96.0.0/12,10.0.0.0/7")),
        ("cluster_cidrs", json!("10.96.0.0/12,\"$(id)\"/8")),
        ("cluster_cidrs", json!("10.96.0.0/12\n0.0.0.0/0")),
        ("cluster_cidrs", json!("10.96.0.0/12,010.0.0.0/8")),
        ("cluster_cidrs", json!("10.96.0.0/+12")),
        ("cluster_cidrs", json!("")),
        ("cluster_dns_ip", json!("::ffff:10.96.0.10")),
        ("cluster_dns_ip", json!("10.96.0.10; id")),
        ("gateway_dns_name", json!("$(id)")),
        ("gateway_dns_name", json!("a b")),
        ("gateway_dns_name", json!("-h")),
        ("vxlan_ip_network", json!("8.8.8")),
        ("vxlan_ip_network", json!("10.0")),
        ("vxlan_id", json!(-1)),
        ("vpn_connected", json!("true")),
        ("gateway_dns_name", json!("x".repeat(100_000))),
    ] {
        let seen = replaced(key, value.clone());
        assert!(matches!(seen, Vpn::Faulty(_)), "{key} {seen:?}");
        if let Vpn::Faulty(problem) = seen {
            assert!(problem.to_string().chars().count() <= 120, "{problem}");
        }
    }
}

#[test]
fn a_route_change_that_fails_in_the_middle_is_done_later() {
    let mut unit = hidden("sabnzbd");
    unsafe_mode(&mut unit, true);
    unit.cluster.distrust();
    unit.run(broken());
    unit.assert_says("blocked: relation vpn-gateway: cannot change the route");
    unit.cluster.trust();
    unit.run(Event::UpdateStatus);
    assert!(unit.cluster.replace_pod());
}

#[test]
fn a_dry_run_of_a_restore_needs_no_vpn() {
    let mut unit = hidden("sabnzbd");
    says(&mut unit, &config(false));
    let shown = unit.act(
        "restore-from-backup",
        json!({"backup-uid": "latest", "dry-run": true}),
    );
    let reason = shown.err().unwrap_or_default();
    assert!(!reason.contains("VPN"), "{reason}");
}

#[test]
fn a_gateway_without_a_unit_is_not_connected() {
    let mut unit = hidden("sabnzbd");
    let bag = config(true);
    let relation =
        RelationState::new(VPN, "vpn-gateway", "gluetun").with_remote_app_data([("config", bag.as_str())]);
    unit.state = unit.state.clone().with_relation(relation);
    unit.run(changed());
    assert!(!unit.runs(), "{}", unit.status());
    unit.assert_says("waiting: stopped: the VPN gateway is not connected");
}

#[test]
fn an_owner_that_is_another_one_is_put_right_and_the_app_runs_on() {
    let mut unit = hidden("sabnzbd");
    // Juju has made the StatefulSet again, for other storage.
    unit.cluster.uid.replace("second".to_owned());
    unit.run(Event::ConfigChanged);
    assert!(unit.runs(), "{}", unit.status());
    unit.cluster.change_objects(|objects| {
        for object in objects.values() {
            assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "second");
        }
    });
}

#[test]
fn a_hook_that_fails_does_not_stop_an_app_that_is_hidden_for_certain() {
    let mut unit = hidden("sabnzbd");
    let fault = Fault::FailTool {
        tool: "secret-get".to_owned(),
        exit_code: 1,
        stderr: "ERROR permission denied".to_owned(),
    };
    assert!(unit.try_run(Event::ConfigChanged, Some(fault)).result.is_err());
    assert!(unit.runs());
}
