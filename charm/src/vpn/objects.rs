//! What Kubernetes has to hold for the route: pure, from what the gateway says.
//!
//! Sources: `bin/client_init.sh` and `settings.sh` of angelnu/pod-gateway for the settings and for the variable `gateway`;
//! `_gateway_client.py` and `_kill_switch.py` of charmarr/charmarr-lib for names and mounts, so that whoever knows the one finds
//! his way in the other.

use serde_json::{Value, json};

use super::VpnGateway;
use crate::backup::APP_LABEL;
use crate::digest;
use crate::kubernetes::{ObjectKind, OwnObject};

/// The image of both containers.
pub const IMAGE: &str = "ghcr.io/angelnu/pod-gateway:v1.13.0";
/// The init container: sets the routes before anything else runs in the pod.
pub const INIT: &str = "vpn-route-init";
/// The sidecar: sets them again when the gateway has moved.
pub const SIDECAR: &str = "vpn-route-sidecar";
/// Name of the volume with the settings in the pods.
pub const VOLUME: &str = "pod-gateway-config";
/// Annotation of the pods: a digest of everything that the route was made from.
pub const MARK: &str = "configuratarr/vpn-settings";

/// Namespace of the cluster's name servers.
const DNS_NAMESPACE: &str = "kube-system";

/// Name of the ConfigMap with the settings.
pub fn config_map_name(app: &str) -> String {
    format!("{app}-gateway-client-config")
}

/// Name of the NetworkPolicy.
pub fn kill_switch_name(app: &str) -> String {
    format!("{app}-vpn-killswitch")
}

/// The settings of the containers, as a shell script. It needs no quoting: all of it is addresses and numbers.
fn settings(gateway: &VpnGateway) -> String {
    let cluster: Vec<String> = gateway.cluster.iter().map(ToString::to_string).collect();
    let [first, second, third] = gateway.vxlan_network;
    let mut text = format!(
        "K8S_DNS_IPS=\"{}\"\nNOT_ROUTED_TO_GATEWAY_CIDRS=\"{}\"\nVXLAN_ID=\"{}\"\nVXLAN_IP_NETWORK=\"{first}.{second}.{third}\"\n",
        gateway.dns_ip,
        cluster.join(" "),
        gateway.vxlan_id,
    );
    if let Some(port) = gateway.vxlan_port {
        text.push_str(&format!("VXLAN_PORT=\"{port}\"\n"));
    }
    text
}

/// Name, labels, and the StatefulSet of this id, with which it goes.
fn metadata(name: &str, app: &str, owner: &str) -> Value {
    json!({
        "name": name,
        "labels": {APP_LABEL: app},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": app, "uid": owner}],
    })
}

/// The ConfigMap with the settings. `owner` is the id of the application's StatefulSet.
pub fn config_map(app: &str, gateway: &VpnGateway, owner: &str) -> OwnObject {
    let name = config_map_name(app);
    OwnObject {
        kind: ObjectKind::ConfigMap,
        content: json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(&name, app, owner),
            "data": {"settings.sh": settings(gateway)},
        }),
        name,
    }
}

/// The kill switch: whatever becomes of the routes, the app's pods reach nothing outside of the cluster by themselves. What
/// they send through the VXLAN is addressed to the gateway's pod. `owner` is the id of the application's StatefulSet.
pub fn kill_switch(app: &str, gateway: &VpnGateway, owner: &str) -> OwnObject {
    let name = kill_switch_name(app);
    let cluster: Vec<Value> = gateway
        .cluster
        .iter()
        .map(|network| json!({"ipBlock": {"cidr": network.to_string()}}))
        // Cilium knows pods by what they are and not by their address: networks alone do not let it through to the gateway.
        .chain([json!({"namespaceSelector": {}})])
        .collect();
    let length = if gateway.dns_ip.is_ipv4() { 32 } else { 128 };
    OwnObject {
        kind: ObjectKind::NetworkPolicy,
        content: json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(&name, app, owner),
            "spec": {
                "podSelector": {"matchLabels": {APP_LABEL: app}},
                "policyTypes": ["Egress"],
                "egress": [
                    {"to": cluster},
                    {
                        "to": [
                            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": DNS_NAMESPACE}}},
                            {"ipBlock": {"cidr": format!("{}/{length}", gateway.dns_ip)}},
                        ],
                        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                    },
                ],
            },
        }),
        name,
    }
}

/// What the pods get, as a strategic merge patch of their template: containers and volumes are told apart by name.
pub fn pods(app: &str, gateway: &VpnGateway) -> Value {
    json!({
        "metadata": {"annotations": {MARK: mark(app, gateway)}},
        "spec": pod_spec(app, gateway),
    })
}

/// What takes it out of the pods again.
pub fn pods_without() -> Value {
    let gone = |name: &str| json!([{"name": name, "$patch": "delete"}]);
    json!({
        "metadata": {"annotations": {MARK: null}},
        "spec": {"initContainers": gone(INIT), "containers": gone(SIDECAR), "volumes": gone(VOLUME)},
    })
}

fn pod_spec(app: &str, gateway: &VpnGateway) -> Value {
    let container = |name: &str, command: &str| {
        json!([{
            "name": name,
            "image": IMAGE,
            "command": [command],
            "env": [{"name": "gateway", "value": gateway.dns_name}],
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
            "volumeMounts": [{"name": VOLUME, "mountPath": "/config"}],
        }])
    };
    json!({
        "initContainers": container(INIT, "/bin/client_init.sh"),
        "containers": container(SIDECAR, "/bin/client_sidecar.sh"),
        "volumes": [{"name": VOLUME, "configMap": {"name": config_map_name(app)}}],
    })
}

/// Tells pods apart whose route was made from something else: another gateway, other settings, an older charm.
pub fn mark(app: &str, gateway: &VpnGateway) -> String {
    digest::mark(format!("{}{}", settings(gateway), pod_spec(app, gateway)), 32)
}
