//! The relation vpn-gateway, from outside: an app that must not show its address runs in a pod that goes through the gateway,
//! and in no other. The cluster is a stand-in: the routing containers are in the pods and do not run.

use juju_sim::Options;
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::house::{SimulatedModel, UNIT};
use system_tests::{provider_charm, radarr};
use workload_charm::packaging;

const CONFIG_MAP: (&str, &str) = ("configmaps", "radarr-gateway-client-config");
const KILL_SWITCH: (&str, &str) = ("networkpolicies", "radarr-vpn-killswitch");

fn config(is_connected: bool) -> String {
    json!({
        "gateway_dns_name": "gluetun.vpn.svc.cluster.local",
        "cluster_cidrs": "10.244.0.0/16,10.96.0.0/12",
        "cluster_dns_ip": "10.96.0.10",
        "vpn_connected": is_connected,
        "instance_name": "gluetun",
    })
    .to_string()
}

/// A Radarr whose app file says that it must not show its address.
fn house(trust: bool) -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    let binaries = Binaries::for_tests().unwrap();
    let app_file = house.charm_dir().with_file_name("radarr.yaml");
    let text = std::fs::read_to_string(radarr::app_file()).unwrap();
    std::fs::write(&app_file, format!("{text}\nvpn: true\n")).unwrap();
    packaging::write_folder(&house.charm_dir(), &app_file, &binaries.dispatch).unwrap();
    let mut deploy = radarr::deploy_of(&house.charm_dir(), binaries);
    deploy.trust = trust;
    house.juju.deploy(deploy).unwrap();

    let charm = house.charm_dir().with_file_name("gluetun");
    let gateway = provider_charm::deploy(&charm, "gluetun", "vpn-gateway", &config(false)).unwrap();
    house.juju.deploy(gateway).unwrap();
    house
}

fn connects(house: &mut SimulatedModel, is_connected: bool) {
    let config = config(is_connected);
    house.juju.set_config("gluetun", &[("config", &config)]).unwrap();
}

/// Paths of what was changed in the cluster since `since`, without the pods' annotations.
fn changes(house: &SimulatedModel, since: usize) -> Vec<String> {
    let requests = house.juju.cluster_requests();
    let changing = requests.iter().skip(since).filter(|request| {
        request.method != "GET" && request.status == 200 && !request.path.contains("/pods/")
    });
    changing
        .map(|request| {
            let kind = request.path.rsplit('/').nth(1).unwrap();
            format!("{} {kind}", request.method)
        })
        .collect()
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|item| item["name"].as_str()).collect()
}

/// Whether the pod has the route's containers, and that it has both or none.
fn is_routed(house: &SimulatedModel) -> bool {
    let pod = house.juju.pod(UNIT).unwrap();
    let init = names(&pod["spec"]["initContainers"]).contains(&"vpn-route-init");
    let sidecar = names(&pod["spec"]["containers"]).contains(&"vpn-route-sidecar");
    let volume = names(&pod["spec"]["volumes"]).contains(&"pod-gateway-config");
    let mark = pod["metadata"]["annotations"]["configuratarr/vpn-settings"].is_string();
    assert_eq!((init, volume, mark), (sidecar, sidecar, sidecar), "{pod}");
    sidecar
}

fn holds(house: &SimulatedModel, (kind, name): (&str, &str)) -> bool {
    house.juju.applied(kind, name).is_some()
}

#[track_caller]
fn assert_runs(house: &SimulatedModel) {
    let status = house.status().unwrap();
    assert!(house.runs().unwrap(), "{status}");
    assert!(status.starts_with("active: "), "{status}");
    assert!(is_routed(house));
    assert!(holds(house, CONFIG_MAP) && holds(house, KILL_SWITCH));
}

#[track_caller]
fn assert_stopped(house: &SimulatedModel, status: &str) {
    assert_eq!(house.status().unwrap(), status);
    assert!(!house.runs().unwrap());
}

const NO_VPN: &str =
    "blocked: stopped: no VPN; juju integrate radarr GATEWAY, or juju config radarr unsafe-mode=true";
const NOT_CONNECTED: &str =
    "waiting: stopped: the VPN gateway is not connected, starts again when it is; look at its juju status";

#[test]
fn the_app_runs_behind_the_gateway_from_the_first_connection_to_the_end_of_the_relation() {
    let mut house = house(true);
    assert_stopped(&house, NO_VPN);
    house.juju.integrate("radarr", "gluetun").unwrap();
    assert_stopped(&house, NOT_CONNECTED);
    assert_eq!(
        house.juju.app_bag("radarr", "vpn-gateway").unwrap()["config"],
        r#"{"instance_name":"radarr"}"#
    );
    assert_eq!(changes(&house, 0), [""; 0]);
    assert!(!is_routed(&house));

    connects(&mut house, true);
    assert_runs(&house);
    assert_eq!(
        changes(&house, 0),
        ["PATCH configmaps", "PATCH networkpolicies", "PATCH statefulsets"]
    );

    // Nothing differs any more, in this pod and in the next one.
    let settled = house.juju.cluster_requests().len();
    house.juju.update_status(UNIT).unwrap();
    house.juju.dispatch(UNIT, juju_sim::Event::ConfigChanged).unwrap();
    house.juju.churn_pod(UNIT, false).unwrap();
    assert_runs(&house);
    assert_eq!(changes(&house, settled), [""; 0]);

    // It has to have been stopped before anybody could see it.
    connects(&mut house, false);
    assert_stopped(&house, NOT_CONNECTED);
    assert!(is_routed(&house) && holds(&house, KILL_SWITCH));
    connects(&mut house, true);
    assert_runs(&house);
    assert_eq!(changes(&house, settled), [""; 0]);

    house.juju.remove_relation("radarr", "gluetun").unwrap();
    assert_stopped(&house, NO_VPN);
    assert!(!is_routed(&house));
    assert!(!holds(&house, CONFIG_MAP) && !holds(&house, KILL_SWITCH));
    assert_eq!(
        changes(&house, settled),
        [
            "PATCH statefulsets",
            "DELETE configmaps",
            "DELETE networkpolicies"
        ]
    );
}

#[test]
fn what_juju_or_somebody_takes_away_is_put_back_and_the_app_does_not_run_without() {
    let mut house = house(true);
    house.juju.integrate("radarr", "gluetun").unwrap();
    connects(&mut house, true);
    assert_runs(&house);

    // A refresh writes the StatefulSet anew.
    let charm = house.charm_dir();
    let before = house.juju.cluster_requests().len();
    house.juju.refresh("radarr", &charm).unwrap();
    assert_runs(&house);
    assert_eq!(changes(&house, before), ["PATCH statefulsets"]);

    assert!(house.juju.delete_applied(KILL_SWITCH.0, KILL_SWITCH.1));
    house.juju.dispatch(UNIT, juju_sim::Event::ConfigChanged).unwrap();
    assert_stopped(
        &house,
        "waiting: stopped: NetworkPolicy radarr-vpn-killswitch is not as it should be; retrying at update-status",
    );
    house.juju.update_status(UNIT).unwrap();
    assert_runs(&house);
}

#[test]
fn nothing_of_the_route_outlives_the_application() {
    let mut house = house(true);
    house.juju.integrate("radarr", "gluetun").unwrap();
    connects(&mut house, true);
    assert_runs(&house);
    house.juju.remove_application("radarr").unwrap();
    assert!(!holds(&house, CONFIG_MAP) && !holds(&house, KILL_SWITCH));
}

#[test]
fn without_trust_the_app_waits_for_it() {
    let mut house = house(false);
    house.juju.integrate("radarr", "gluetun").unwrap();
    connects(&mut house, true);
    assert_stopped(
        &house,
        "blocked: stopped: cannot route it through the VPN; juju trust radarr --scope=cluster",
    );
    assert!(!is_routed(&house));
    house.juju.trust("radarr", true).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_runs(&house);
}
