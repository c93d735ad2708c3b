//! Tables: what of a gateway's settings is taken, what the pods get, and when the app counts as hidden.

use super::route::{RouteChange, Routing, decide, is_hidden};
use super::*;
use crate::kubernetes::{ObjectKind, OwnObject, Pod, PodVolume};

const APP: &str = "qbittorrent";
/// Id of its StatefulSet.
const SET: &str = "first";

/// A gateway's settings, with these keys in place of its own; null takes one away.
fn config(changed: serde_json::Value) -> BTreeMap<String, String> {
    let mut config = json!({
        "routing_method": "pod-gateway",
        "gateway_dns_name": "gluetun.vpn.svc.cluster.local",
        "cluster_cidrs": "10.1.0.0/16,10.152.183.0/24",
        "cluster_dns_ip": "10.152.183.10",
        "vpn_connected": true,
        "external_ip": null,
        "instance_name": "gluetun",
    });
    for (key, value) in changed.as_object().unwrap() {
        match value.is_null() {
            true => config.as_object_mut().unwrap().remove(key),
            false => config.as_object_mut().unwrap().insert(key.clone(), value.clone()),
        };
    }
    BTreeMap::from([(KEY.to_owned(), config.to_string())])
}

fn vpn(changed: serde_json::Value) -> Vpn {
    Vpn::from_bag(&config(changed))
}

#[track_caller]
fn gateway(changed: serde_json::Value) -> VpnGateway {
    match vpn(changed) {
        Vpn::Provided(gateway) => gateway,
        other => panic!("not taken: {other:?}"),
    }
}

fn settings(gateway: &VpnGateway) -> String {
    let content = objects::config_map(APP, gateway, SET).content;
    content["data"]["settings.sh"].as_str().unwrap().to_owned()
}

#[test]
fn the_settings_are_those_of_the_gateway_and_the_defaults_of_the_interface() {
    assert_eq!(
        settings(&gateway(json!({"later": 1}))),
        "K8S_DNS_IPS=\"10.152.183.10\"\nNOT_ROUTED_TO_GATEWAY_CIDRS=\"10.1.0.0/16 10.152.183.0/24\"\nVXLAN_ID=\"42\"\n\
         VXLAN_IP_NETWORK=\"172.16.0\"\n"
    );
    let all = json!({
        "cluster_cidrs": " 10.1.2.3/16 , fd00::1/64,169.254.7.127/32, 10.152.183.10/32",
        "vxlan_id": 16_777_215, "vxlan_ip_network": "192.168.77", "vxlan_port": 4790,
    });
    assert_eq!(
        settings(&gateway(all)),
        "K8S_DNS_IPS=\"10.152.183.10\"\n\
         NOT_ROUTED_TO_GATEWAY_CIDRS=\"10.1.0.0/16 fd00::/64 169.254.7.127/32 10.152.183.10/32\"\n\
         VXLAN_ID=\"16777215\"\nVXLAN_IP_NETWORK=\"192.168.77\"\nVXLAN_PORT=\"4790\"\n"
    );
    assert!(!gateway(json!({"vpn_connected": null})).is_connected);
}

#[test]
fn settings_that_would_show_the_address_or_break_the_pods_are_refused() {
    assert_eq!(Vpn::from_bag(&BTreeMap::new()), Vpn::Waiting);
    let dns = "10.152.183.0/24";
    for (changed, reason) in [
        (json!({"routing_method": "proxy"}), "routing_method"),
        (json!({"gateway_dns_name": null}), "gateway_dns_name"),
        (json!({"gateway_dns_name": "$(reboot)"}), "gateway_dns_name"),
        (json!({"gateway_dns_name": ""}), "gateway_dns_name"),
        (json!({"vxlan_id": 0}), "vxlan_id 0"),
        (json!({"vxlan_id": 16_777_216}), "vxlan_id 16777216"),
        (json!({"vxlan_id": -1}), "-1"),
        (json!({"vxlan_port": 0}), "vxlan_port"),
        (json!({"vxlan_port": 65_536}), "65536"),
        (json!({"vxlan_ip_network": "172.16"}), "vxlan_ip_network"),
        (json!({"vxlan_ip_network": "172.16.0.0"}), "vxlan_ip_network"),
        (json!({"vxlan_ip_network": "8.8.8"}), "vxlan_ip_network"),
        (json!({"vxlan_ip_network": "fd00:"}), "vxlan_ip_network"),
        (
            json!({"vxlan_ip_network": "172.16.0\"; reboot"}),
            "vxlan_ip_network",
        ),
        (json!({"cluster_cidrs": ""}), "cluster_dns_ip"),
        (json!({"cluster_cidrs": null}), "cluster_cidrs"),
        (json!({"cluster_cidrs": format!("{dns},0.0.0.0/0")}), "0.0.0.0/0"),
        (json!({"cluster_cidrs": format!("{dns},0.0.0.0/1")}), "0.0.0.0/1"),
        (
            json!({"cluster_cidrs": format!("{dns},10.0.0.0/7")}),
            "10.0.0.0/7",
        ),
        (
            json!({"cluster_cidrs": format!("{dns},172.32.0.0/16")}),
            "172.32.0.0/16",
        ),
        (
            json!({"cluster_cidrs": format!("{dns},8.8.8.8/32")}),
            "8.8.8.8/32",
        ),
        (json!({"cluster_cidrs": format!("{dns},::/0")}), "::/0"),
        (
            json!({"cluster_cidrs": format!("{dns},::ffff:0:0/96")}),
            "::ffff:0:0/96",
        ),
        (json!({"cluster_cidrs": format!("{dns},10.1.0.0")}), "10.1.0.0"),
        (
            json!({"cluster_cidrs": format!("{dns},10.1.0.0/33")}),
            "10.1.0.0/33",
        ),
        (
            json!({"cluster_cidrs": format!("{dns},10.1.0.0/+8")}),
            "10.1.0.0/+8",
        ),
        (json!({"cluster_cidrs": format!("{dns},10.1.0.0/")}), "10.1.0.0/"),
        (json!({"cluster_cidrs": format!("{dns},\"$(reboot)\"")}), "reboot"),
        (
            json!({"cluster_cidrs": format!("{dns},172.16.0.0/25")}),
            "172.16.0.0/25",
        ),
        (json!({"cluster_dns_ip": "8.8.8.8"}), "cluster_dns_ip"),
        (json!({"cluster_dns_ip": "10.2.0.10"}), "cluster_dns_ip"),
        (json!({"cluster_dns_ip": "kube-dns"}), "cluster_dns_ip"),
        (json!({"cluster_dns_ip": null}), "cluster_dns_ip"),
    ] {
        let Vpn::Faulty(problem) = vpn(changed.clone()) else {
            panic!("{changed} is taken");
        };
        let text = problem.to_string();
        assert!(
            text.starts_with("relation vpn-gateway: ") && text.contains(reason),
            "{text}"
        );
    }
    // The second has all that a gateway must say, in the order in which the charm holds it.
    let listed = r#"["pod-gateway","gluetun",42,"172.16.0",null,"10.1.0.0/16","10.1.0.10",true]"#;
    for no_object in ["{", listed, "[]", "null"] {
        let Vpn::Faulty(problem) = Vpn::from_bag(&BTreeMap::from([(KEY.to_owned(), no_object.to_owned())]))
        else {
            panic!("{no_object} is taken");
        };
        assert_eq!(
            problem.to_string(),
            "relation vpn-gateway: config is no JSON object; look at the charm on the other side"
        );
    }
}

#[test]
fn a_network_is_known_by_its_first_address() {
    for (text, shown) in [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("1.2.3.4/0", "0.0.0.0/0"),
        ("1.2.3.4/32", "1.2.3.4/32"),
        ("fd00::ff/120", "fd00::/120"),
        ("fd00::1/0", "::/0"),
        ("fd00::1/128", "fd00::1/128"),
    ] {
        assert_eq!(Network::parse(text).unwrap().to_string(), shown);
    }
    let network = |text| Network::parse(text).unwrap();
    assert!(network("10.0.0.0/8").covers(network("10.255.0.0/16")));
    assert!(!network("10.255.0.0/16").covers(network("10.0.0.0/8")));
    assert!(!network("0.0.0.0/0").covers(network("::/0")));
}

#[test]
fn the_kill_switch_lets_the_apps_pods_reach_the_cluster_and_its_name_server_only() {
    let spec = &objects::kill_switch(APP, &gateway(json!({})), SET).content["spec"];
    assert_eq!(
        *spec,
        json!({
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": APP}},
            "policyTypes": ["Egress"],
            "egress": [
                {"to": [
                    {"ipBlock": {"cidr": "10.1.0.0/16"}},
                    {"ipBlock": {"cidr": "10.152.183.0/24"}},
                    {"namespaceSelector": {}},
                ]},
                {
                    "to": [
                        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
                        {"ipBlock": {"cidr": "10.152.183.10/32"}},
                    ],
                    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                },
            ],
        })
    );
}

#[test]
fn the_mark_follows_everything_that_the_route_is_made_from() {
    let mark = |changed| objects::mark(APP, &gateway(changed));
    let first = mark(json!({}));
    assert_eq!(first.len(), 32);
    // What is not part of the route replaces no pod.
    for same in [
        json!({"vpn_connected": false}),
        json!({"external_ip": "203.0.113.7"}),
        json!({"instance_name": "other"}),
    ] {
        assert_eq!(mark(same), first);
    }
    for other in [
        json!({"gateway_dns_name": "other.vpn.svc.cluster.local"}),
        json!({"vxlan_id": 43}),
        json!({"vxlan_ip_network": "172.16.1"}),
        json!({"vxlan_port": 4790}),
        json!({"cluster_cidrs": "10.152.183.0/24"}),
        json!({"cluster_dns_ip": "10.1.0.10"}),
    ] {
        assert_ne!(mark(other.clone()), first, "{other}");
    }
}

/// The pod as the route makes it.
fn routed_pod() -> Pod {
    let images = |name: &str| BTreeMap::from([(name.to_owned(), objects::IMAGE.to_owned())]);
    Pod {
        annotations: BTreeMap::from([(objects::MARK.to_owned(), objects::mark(APP, &gateway(json!({}))))]),
        volumes: BTreeMap::from([(objects::VOLUME.to_owned(), PodVolume::Other)]),
        images: images(objects::SIDECAR),
        init_images: images(objects::INIT),
        ..Pod::default()
    }
}

fn set(template: Pod) -> StatefulSet {
    StatefulSet {
        uid: SET.to_owned(),
        template,
    }
}

fn all_objects() -> Found {
    let gateway = gateway(json!({}));
    let found = |object: OwnObject| FoundObject {
        content: object.content,
        owners: vec![SET.to_owned()],
    };
    Found {
        set: set(routed_pod()),
        config_map: Some(found(objects::config_map(APP, &gateway, SET))),
        kill_switch: Some(found(objects::kill_switch(APP, &gateway, SET))),
        is_needed: false,
    }
}

fn facts(vpn: Vpn, objects: Result<Found, ClusterError>) -> VpnFacts {
    VpnFacts {
        vpn,
        own: None,
        objects: Some(objects),
    }
}

fn no_trust() -> ClusterError {
    ClusterError::not_allowed("read its object", "forbidden")
}

fn unreachable() -> ClusterError {
    ClusterError::unreachable("read its object", "no route")
}

/// Whether it is hidden, and if not, whether somebody has to do something.
fn hidden(facts: &VpnFacts, pod: Option<Result<Pod, ClusterError>>, running: bool) -> Result<(), bool> {
    is_hidden(APP, facts, pod.as_ref(), running).map_err(|shown| {
        assert!(!shown.text.is_empty());
        shown.needs_somebody
    })
}

#[test]
fn an_app_is_hidden_only_where_all_of_it_is_certain() {
    let (waits, needs) = (Err(false), Err(true));
    let connected = || facts(vpn(json!({})), Ok(all_objects()));
    let pod = |change: fn(&mut Pod)| {
        let mut pod = routed_pod();
        change(&mut pod);
        Some(Ok(pod))
    };
    assert_eq!(hidden(&connected(), pod(|_| ()), false), Ok(()));

    for (what, pod, expected) in [
        ("not looked at", None, waits),
        ("forbidden", Some(Err(no_trust())), needs),
        ("not to be reached", Some(Err(unreachable())), waits),
        ("as Juju makes it", Some(Ok(Pod::default())), waits),
        ("no init container", pod(|pod| pod.init_images.clear()), waits),
        ("no sidecar", pod(|pod| pod.images.clear()), waits),
        ("no mark", pod(|pod| pod.annotations.clear()), waits),
        (
            "another mark",
            pod(|pod| {
                pod.annotations.insert(objects::MARK.to_owned(), "0".to_owned());
            }),
            waits,
        ),
        (
            "another image",
            pod(|pod| {
                pod.init_images
                    .insert(objects::INIT.to_owned(), "busybox:1".to_owned());
            }),
            waits,
        ),
    ] {
        for running in [false, true] {
            assert_eq!(hidden(&connected(), pod.clone(), running), expected, "{what}");
        }
    }

    let without = |change: fn(&mut Found)| {
        let mut found = all_objects();
        change(&mut found);
        Ok(found)
    };
    for (objects, expected) in [
        (Err(no_trust()), needs),
        (Err(unreachable()), waits),
        (without(|found| found.config_map = None), waits),
        (without(|found| found.kill_switch = None), waits),
        (
            without(|found| found.kill_switch.as_mut().unwrap().content["spec"]["egress"] = json!([{}])),
            waits,
        ),
        (
            without(|found| found.config_map.as_mut().unwrap().content["data"]["settings.sh"] = json!("")),
            waits,
        ),
    ] {
        let facts = facts(vpn(json!({})), objects);
        assert_eq!(hidden(&facts, pod(|_| ()), true), expected, "{facts:?}");
    }
    let not_read = VpnFacts {
        objects: None,
        ..connected()
    };
    assert_eq!(hidden(&not_read, pod(|_| ()), true), waits);

    for (vpn, expected) in [
        (Vpn::NotRelated, needs),
        (Vpn::Waiting, waits),
        (vpn(json!({"vxlan_id": 0})), needs),
        (vpn(json!({"vpn_connected": false})), waits),
        (vpn(json!({"vxlan_id": 43})), waits),
    ] {
        let facts = facts(vpn, Ok(all_objects()));
        assert_eq!(hidden(&facts, pod(|_| ()), true), expected, "{facts:?}");
    }
    // One that runs was looked at when it was started.
    let not_read = VpnFacts::default();
    assert_eq!(hidden(&not_read, None, true), Ok(()));
    assert_eq!(hidden(&not_read, None, false), waits);
}

fn decided(facts: &VpnFacts, pod: Option<Result<Pod, ClusterError>>) -> Routing {
    decide(APP, facts, pod.as_ref())
}

#[track_caller]
fn changed(routing: Routing) -> RouteChange {
    match routing {
        Routing::Change(change) => change,
        other => panic!("nothing is changed: {other:?}"),
    }
}

#[test]
fn what_differs_is_put_right_and_nothing_else() {
    let gateway = gateway(json!({}));
    let connected = |found| decided(&facts(vpn(json!({})), Ok(found)), Some(Ok(Pod::default())));
    let bare = Found {
        set: set(Pod::default()),
        ..Found::default()
    };
    let first = changed(connected(bare));
    let kinds: Vec<ObjectKind> = first.apply.iter().map(|object| object.kind).collect();
    assert_eq!(kinds, [ObjectKind::ConfigMap, ObjectKind::NetworkPolicy]);
    assert_eq!(first.pods, Some(objects::pods(APP, &gateway)));
    assert_eq!(first.delete, []);

    // The template has it all; a pod that has not is Kubernetes' to replace.
    assert_eq!(connected(all_objects()), Routing::Keep);
    let without = |change: fn(&mut Found)| {
        let mut found = all_objects();
        change(&mut found);
        changed(connected(found))
    };
    for lost in [
        (|found| found.kill_switch = None) as fn(&mut Found),
        |found| found.kill_switch.as_mut().unwrap().owners.clear(),
        |found| found.kill_switch.as_mut().unwrap().owners = vec!["another".to_owned()],
    ] {
        let change = without(lost);
        assert_eq!(change.apply, [objects::kill_switch(APP, &gateway, SET)]);
        assert_eq!((change.pods, change.delete), (None, vec![]));
    }
    // A dispatch that was cut off before the pods goes on there, and what Juju has written anew gets it again.
    let change = without(|found| found.set.template = Pod::default());
    assert_eq!((change.apply, change.delete), (vec![], vec![]));
    assert_eq!(change.pods, Some(objects::pods(APP, &gateway)));
}

#[test]
fn what_is_not_known_changes_nothing() {
    for error in [no_trust(), unreachable()] {
        let connected = facts(vpn(json!({})), Err(error.clone()));
        assert_eq!(
            decided(&connected, Some(Ok(Pod::default()))),
            Routing::Unknown(error)
        );
    }
    let not_read = VpnFacts {
        objects: None,
        ..facts(vpn(json!({})), Ok(Found::default()))
    };
    assert_eq!(decided(&not_read, None), Routing::Keep);
    // A pod that was made now would wait for the gateway, and the charm with it.
    for vpn in [
        Vpn::NotRead,
        Vpn::Waiting,
        vpn(json!({"vxlan_id": 0})),
        vpn(json!({"vpn_connected": false})),
        vpn(json!({})).without_units(),
    ] {
        let facts = facts(vpn, Ok(Found::default()));
        for pod in [Pod::default(), routed_pod()] {
            assert_eq!(decided(&facts, Some(Ok(pod))), Routing::Keep, "{facts:?}");
        }
    }
}

#[test]
fn without_the_relation_the_objects_go_after_the_pods_that_need_them() {
    let gone = |found| decided(&facts(Vpn::NotRelated, found), Some(Ok(Pod::default())));
    let found = |template: Pod, is_needed: bool| {
        Ok(Found {
            set: set(template),
            is_needed,
            ..all_objects()
        })
    };
    let parts: [fn(&mut Pod); 4] = [
        |pod| pod.init_images = routed_pod().init_images,
        |pod| pod.images = routed_pod().images,
        |pod| pod.volumes = routed_pod().volumes,
        |pod| pod.annotations = routed_pod().annotations,
    ];
    for part in parts {
        let mut template = Pod::default();
        part(&mut template);
        let change = changed(gone(found(template, true)));
        assert_eq!(change.pods, Some(objects::pods_without()));
        assert_eq!((change.apply, change.delete), (vec![], vec![]));
    }
    assert_eq!(gone(found(Pod::default(), true)), Routing::StillNeeded);
    let change = changed(gone(found(Pod::default(), false)));
    assert_eq!(change.pods, None);
    assert_eq!(
        change.delete,
        [
            (
                ObjectKind::ConfigMap,
                "qbittorrent-gateway-client-config".to_owned()
            ),
            (ObjectKind::NetworkPolicy, "qbittorrent-vpn-killswitch".to_owned()),
        ]
    );
    let half_gone = Found {
        set: set(Pod::default()),
        config_map: None,
        ..all_objects()
    };
    assert_eq!(
        changed(gone(Ok(half_gone))).delete,
        [(ObjectKind::NetworkPolicy, "qbittorrent-vpn-killswitch".to_owned())]
    );
    assert_eq!(gone(Ok(Found::default())), Routing::Keep);
}

#[test]
fn without_the_relation_what_could_not_be_looked_at_is_looked_for_again() {
    let gone = |error| facts(Vpn::NotRelated, Err(error));
    for pod in [Pod::default(), routed_pod()] {
        let pod = Some(Ok(pod));
        assert_eq!(
            decided(&gone(unreachable()), pod),
            Routing::Unknown(unreachable())
        );
    }
    // An app that never had trust never had a route.
    assert_eq!(
        decided(&gone(no_trust()), Some(Ok(Pod::default()))),
        Routing::Keep
    );
    assert_eq!(
        decided(&gone(no_trust()), Some(Ok(routed_pod()))),
        Routing::Unknown(no_trust())
    );
}
