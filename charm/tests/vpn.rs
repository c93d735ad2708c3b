//! The relation vpn-gateway: when an app that must not show the user's address runs, and what the cluster is given for it. What
//! the routing containers do in a pod is not shown here.

use crate::common::gateway::{
    VPN, broken, changed, config, hidden, new_container, related, replaces_pod, says, unhidden,
};
use crate::common::unit::{Unit, writes};
use juju_charm::testing::{Event, RelationState};
use workload_charm::kubernetes::ObjectKind;
use workload_charm::vpn::objects;

const APPS: [&str; 2] = ["qbittorrent", "sabnzbd"];

fn both(app: &str) -> Vec<(ObjectKind, String)> {
    vec![
        (ObjectKind::ConfigMap, format!("{app}-gateway-client-config")),
        (ObjectKind::NetworkPolicy, format!("{app}-vpn-killswitch")),
    ]
}

#[track_caller]
fn assert_stopped(unit: &Unit, status: &str) {
    assert!(!unit.runs(), "{}", unit.status());
    assert_eq!(unit.status(), status);
}

const NO_ROUTE: &str =
    "waiting: stopped until a new pod routes it through the VPN, else kubectl describe pod";

#[test]
fn the_app_runs_once_its_pod_goes_through_a_connected_gateway() {
    for name in APPS {
        let mut unit = related(name);
        assert_eq!(
            unit.state.own_app_data(VPN)["config"],
            format!("{{\"instance_name\":\"{name}\"}}")
        );
        assert_stopped(
            &unit,
            "waiting: stopped: the VPN gateway is not connected, starts again when it is; look at its juju status",
        );
        assert_eq!(unit.cluster.objects(), []);
        assert_eq!(unit.cluster.patches(), 0, "a pod would wait for the gateway");

        unit.cluster.asked();
        says(&mut unit, &config(true));
        assert_stopped(&unit, NO_ROUTE);
        let of_backups = ["claim", "volume", "snapshot classes", "node agent"];
        let mut asked = unit.cluster.asked();
        asked.retain(|what| !of_backups.contains(what));
        assert_eq!(
            asked,
            [
                "stateful set",
                "object",
                "object",
                "pod",
                "apply object",
                "apply object",
                "change pods"
            ]
        );
        assert_eq!(unit.cluster.objects(), both(name));
        // Until Kubernetes has replaced the pod nothing of it counts.
        unit.run(Event::UpdateStatus);
        let ready = unit.pebble_ready();
        unit.run(ready);
        assert_stopped(&unit, NO_ROUTE);

        replaces_pod(&mut unit);
        assert!(unit.runs(), "{}", unit.status());
        assert_eq!(
            unit.status().split(':').next(),
            Some("active"),
            "{}",
            unit.status()
        );
    }
}

#[test]
fn settled_events_change_nothing_and_a_steady_one_asks_nothing_about_the_vpn() {
    let name = "sabnzbd";
    let mut unit = hidden(name);
    let (patches, pebble) = (unit.cluster.patches(), unit.pebble.calls().len());
    for event in [
        Event::UpdateStatus,
        Event::ConfigChanged,
        changed(),
        unit.pebble_ready(),
        Event::UpdateStatus,
    ] {
        let outcome = unit.run(event.clone());
        assert_eq!(writes(&outcome), [""; 0], "{event:?}");
    }
    assert_eq!(unit.cluster.patches(), patches);
    assert_eq!(unit.pebble_writes(pebble), [""; 0]);
    assert!(unit.runs());
    unit.cluster.asked();
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(unit.cluster.asked(), [""; 0]);
    let about = |call: &&juju_charm::testing::Call| call.args.iter().any(|arg| arg.contains("vpn"));
    assert_eq!(outcome.calls.iter().filter(about).count(), 0);
}

#[test]
fn a_gateway_that_loses_its_connection_stops_the_app_and_the_kill_switch_stays() {
    let name = "sabnzbd";
    let mut unit = hidden(name);
    let patches = unit.cluster.patches();
    says(&mut unit, &config(false));
    assert_stopped(
        &unit,
        "waiting: stopped: the VPN gateway is not connected, starts again when it is; look at its juju status",
    );
    assert_eq!(unit.cluster.objects(), both(name));
    assert_eq!(unit.cluster.patches(), patches);
    // No new pod is needed to go on.
    says(&mut unit, &config(true));
    assert!(unit.runs(), "{}", unit.status());
    assert_eq!(unit.cluster.patches(), patches);
}

#[test]
fn what_the_gateway_says_and_cannot_be_used_stops_the_app() {
    let mut unit = hidden("sabnzbd");
    let patches = unit.cluster.patches();
    let public = config(true).replace("10.244.0.0/16", "0.0.0.0/0");
    says(&mut unit, &public);
    assert_stopped(
        &unit,
        "blocked: relation vpn-gateway: cluster_cidrs: \"0.0.0.0/0\" is not private; look at the charm on the other side",
    );
    says(&mut unit, "");
    assert_stopped(
        &unit,
        "waiting: stopped: the VPN gateway has not published its settings; look at its juju status",
    );
    assert_eq!(unit.cluster.patches(), patches);
    assert_eq!(unit.cluster.objects(), both("sabnzbd"));
}

#[test]
fn other_settings_stop_the_app_until_a_pod_has_them() {
    let mut unit = hidden("sabnzbd");
    let other = config(true).replace("gluetun.vpn", "mullvad.vpn");
    says(&mut unit, &other);
    assert_stopped(&unit, NO_ROUTE);
    replaces_pod(&mut unit);
    assert!(unit.runs(), "{}", unit.status());
}

#[test]
fn what_somebody_takes_away_is_put_back_before_the_app_is_started_again() {
    for kind in [ObjectKind::ConfigMap, ObjectKind::NetworkPolicy] {
        let mut unit = hidden("sabnzbd");
        unit.cluster
            .change_objects(|objects| objects.retain(|(is, _), _| *is != kind));
        unit.run(Event::ConfigChanged);
        assert!(!unit.runs(), "{}", unit.status());
        assert_eq!(unit.cluster.objects(), both("sabnzbd"));
        unit.run(Event::UpdateStatus);
        assert!(unit.runs(), "{}", unit.status());
    }
    // Juju has written its StatefulSet anew.
    let mut unit = hidden("sabnzbd");
    unit.cluster.change_pod(|pod| {
        pod.init_images.clear();
        pod.images.remove(objects::SIDECAR);
        pod.annotations.remove(objects::MARK);
    });
    new_container(&mut unit);
    unit.run(Event::UpgradeCharm);
    let ready = unit.pebble_ready();
    unit.run(ready);
    assert_stopped(&unit, NO_ROUTE);
    replaces_pod(&mut unit);
    assert!(unit.runs(), "{}", unit.status());
}

#[test]
fn in_doubt_the_app_does_not_run() {
    let mut unit = hidden("sabnzbd");
    unit.cluster.answers.set(false);
    unit.run(Event::ConfigChanged);
    assert_stopped(
        &unit,
        "waiting: stopped: cannot look for its VPN route: cannot reach Kubernetes: no route; retrying at update-status",
    );
    unit.cluster.answers.set(true);
    unit.run(Event::UpdateStatus);
    assert!(unit.runs(), "{}", unit.status());

    unit.cluster.distrust();
    unit.run(Event::ConfigChanged);
    let no_trust = "blocked: stopped: cannot route it through the VPN; juju trust sabnzbd --scope=cluster";
    assert_stopped(&unit, no_trust);
    unit.cluster.trust();
    unit.run(Event::UpdateStatus);
    assert!(unit.runs(), "{}", unit.status());
}

#[test]
fn without_trust_nothing_is_changed_and_the_status_says_what_to_do() {
    let mut unit = unhidden("sabnzbd");
    unit.cluster.distrust();
    for event in unit.first_events() {
        unit.run(event);
    }
    says(&mut unit, &config(true));
    assert_stopped(
        &unit,
        "blocked: stopped: cannot route it through the VPN; juju trust sabnzbd --scope=cluster",
    );
    assert_eq!(unit.cluster.patches(), 0);
}

#[test]
fn when_the_relation_goes_the_app_stops_and_nothing_of_the_route_is_left() {
    for name in APPS {
        let mut unit = hidden(name);
        unit.run(broken());
        assert_stopped(
            &unit,
            &format!(
                "blocked: stopped: no VPN; juju integrate {name} GATEWAY, or juju config {name} unsafe-mode=true"
            ),
        );
        // They hold as long as the pod is there that needs them.
        assert_eq!(unit.cluster.objects(), both(name));
        replaces_pod(&mut unit);
        assert!(!unit.runs());
        assert_eq!(unit.cluster.objects(), []);
        let pod = unit.cluster.seen().unwrap();
        assert_eq!(pod.init_images.len(), 0);
        assert!(!pod.annotations.contains_key(objects::MARK), "{pod:?}");
        let patches = unit.cluster.patches();
        unit.run(Event::ConfigChanged);
        assert_eq!(unit.cluster.patches(), patches);
    }
}

#[test]
fn what_the_route_needs_stays_until_no_unit_has_it_any_more() {
    let mut unit = hidden("sabnzbd");
    unit.state = unit.state.clone().with_config("unsafe-mode", true);
    unit.run(Event::ConfigChanged);
    let routed = unit.cluster.seen().unwrap();
    unit.run(broken());
    // Kubernetes replaces one pod after the other, and the leader's is the first.
    unit.cluster.others.replace(vec![routed]);
    replaces_pod(&mut unit);
    for _ in 0..2 {
        assert_eq!(unit.cluster.objects(), both("sabnzbd"));
        assert_eq!(
            unit.status(),
            "waiting: relation vpn-gateway: a pod still has the route; retrying at update-status"
        );
        unit.run(Event::UpdateStatus);
    }
    unit.cluster.others.take();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.cluster.objects(), []);
    unit.run(Event::UpdateStatus);
    unit.assert_says("active");
}

#[test]
fn a_route_that_could_not_be_taken_away_goes_when_trust_is_back() {
    let mut unit = hidden("qbittorrent");
    unit.cluster.distrust();
    unit.state = unit.state.clone().with_config("unsafe-mode", true);
    unit.run(Event::ConfigChanged);
    unit.run(broken());
    assert_eq!(
        unit.status(),
        "blocked: relation vpn-gateway: cannot change the route; juju trust qbittorrent --scope=cluster"
    );
    unit.run(Event::UpdateStatus);
    unit.cluster.trust();
    unit.run(Event::UpdateStatus);
    replaces_pod(&mut unit);
    assert_eq!(unit.cluster.objects(), []);
    assert!(unit.runs());
}

#[test]
fn a_gateway_that_would_cut_the_unit_off_is_refused_before_anything_is_changed() {
    for (cluster, reason) in [
        ("10.244.0.0/16,10.97.0.0/16", "Kubernetes at 10.96.0.1"),
        ("10.244.0.0/16,10.96.0.0/28", "Juju at 10.96.0.88"),
    ] {
        let mut unit = related("sabnzbd");
        let lacking = config(true)
            .replace("10.244.0.0/16,10.96.0.0/12", cluster)
            .replace("10.96.0.10", "10.244.0.10");
        says(&mut unit, &lacking);
        assert_stopped(
            &unit,
            &format!("blocked: relation vpn-gateway: cluster_cidrs lacks {reason}; add it there"),
        );
        assert_eq!(unit.cluster.patches(), 0);
        says(&mut unit, &config(true));
        assert_stopped(&unit, NO_ROUTE);
    }
}

#[test]
fn with_unsafe_mode_the_app_runs_all_the_way_and_is_routed_all_the_same() {
    let mut unit = hidden("sabnzbd");
    unit.state = unit.state.clone().with_config("unsafe-mode", true);
    unit.run(Event::ConfigChanged);
    says(&mut unit, &config(false));
    assert!(unit.runs(), "{}", unit.status());
    unit.run(broken());
    assert!(unit.runs(), "{}", unit.status());
    assert_eq!(
        unit.status(),
        "waiting: relation vpn-gateway: changing the route in a new pod, else kubectl describe pod"
    );
    replaces_pod(&mut unit);
    assert!(unit.runs(), "{}", unit.status());
    assert_eq!(unit.cluster.objects(), []);

    unit.cluster.distrust();
    unit.state = unit
        .state
        .clone()
        .with_relation(RelationState::new(VPN, "vpn-gateway", "gluetun"));
    says(&mut unit, &config(true));
    assert!(unit.runs());
    assert_eq!(
        unit.status(),
        "blocked: relation vpn-gateway: cannot change the route; juju trust sabnzbd --scope=cluster"
    );
    unit.cluster.trust();
    unit.run(Event::UpdateStatus);
    replaces_pod(&mut unit);
    assert!(unit.runs(), "{}", unit.status());
    // It is not shown any more when it has to hide again.
    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    unit.run(Event::ConfigChanged);
    assert!(unit.runs(), "{}", unit.status());
}

#[test]
fn a_unit_that_does_not_lead_runs_the_app_and_changes_nothing() {
    let mut unit = hidden("sabnzbd");
    unit.state = unit.state.clone().with_leader(false);
    let patches = unit.cluster.patches();
    unit.run(Event::ConfigChanged);
    assert!(unit.runs(), "{}", unit.status());
    unit.cluster.change_objects(std::collections::BTreeMap::clear);
    unit.run(Event::ConfigChanged);
    assert_stopped(
        &unit,
        "waiting: stopped: ConfigMap sabnzbd-gateway-client-config is not as it should be; retrying at update-status",
    );
    unit.run(broken());
    assert!(!unit.runs());
    assert_eq!(unit.cluster.patches(), patches);
}
