//! An app behind a VPN gateway.

use juju_charm::testing::{Event, FakePebble, PebbleState, RelationState};
use serde_json::json;

use super::app;
use super::unit::Unit;

/// Number of the relation to the gateway.
pub const VPN: u32 = 4;

/// What the gateway says.
pub fn config(is_connected: bool) -> String {
    json!({
        "gateway_dns_name": "gluetun.vpn.svc.cluster.local",
        "cluster_cidrs": "10.244.0.0/16,10.96.0.0/12",
        "cluster_dns_ip": "10.96.0.10",
        "vpn_connected": is_connected,
        "instance_name": "gluetun",
    })
    .to_string()
}

/// The event in which the unit hears what the gateway says.
pub fn changed() -> Event {
    Event::RelationChanged {
        relation: VPN,
        remote_unit: None,
    }
}

/// The event in which the relation goes.
pub fn broken() -> Event {
    Event::RelationBroken {
        relation: VPN,
        remote_application: None,
    }
}

/// The gateway says this, and Juju has not told yet.
pub fn said(unit: &mut Unit, config: &str) {
    let relation = RelationState::new(VPN, "vpn-gateway", "gluetun")
        .with_remote_unit(0, [])
        .with_remote_app_data([("config", config)]);
    let own = unit.state.own_app_data(VPN);
    let relation = match own.get("config") {
        Some(own) => relation.with_own_app_data([("config", own.as_str())]),
        None => relation,
    };
    unit.state = unit.state.clone().with_relation(relation);
}

/// The gateway says this, and Juju tells.
pub fn says(unit: &mut Unit, config: &str) {
    said(unit, config);
    unit.run(changed());
}

/// An app that may not show its address, with trust, before its first event.
pub fn unhidden(name: &str) -> Unit {
    let mut unit = Unit::new(&app(name));
    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    unit.cluster.trust();
    unit
}

/// The same after its first events, with a gateway that is not connected.
pub fn related(name: &str) -> Unit {
    let mut unit = unhidden(name);
    unit.state = unit
        .state
        .clone()
        .with_relation(RelationState::new(VPN, "vpn-gateway", "gluetun"));
    for event in unit.first_events() {
        unit.run(event);
        assert!(!unit.runs());
    }
    says(&mut unit, &config(false));
    unit
}

/// Nothing runs in it, and the volume has what it had.
pub fn new_container(unit: &mut Unit) {
    let file = unit.file();
    unit.pebble = FakePebble::new(PebbleState::new());
    if let Some(file) = file {
        unit.put_file(file.as_bytes());
    }
}

/// The first events in a pod that has replaced another one: nothing runs in it.
pub fn begins_in_new_pod(unit: &mut Unit) {
    new_container(unit);
    unit.loses_its_disk();
    for event in [Event::ConfigChanged, Event::Start, unit.pebble_ready()] {
        unit.run(event);
    }
}

/// Kubernetes replaces the pod, and Juju tells of it.
pub fn replaces_pod(unit: &mut Unit) {
    assert!(
        unit.cluster.replace_pod(),
        "no new pod was asked for: {}",
        unit.status()
    );
    begins_in_new_pod(unit);
}

/// The app runs behind the gateway.
pub fn hidden(name: &str) -> Unit {
    let mut unit = related(name);
    says(&mut unit, &config(true));
    assert!(!unit.runs(), "{}", unit.status());
    replaces_pod(&mut unit);
    assert!(unit.runs(), "{}", unit.status());
    unit.app_fills_its_volume();
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    unit.assert_says("active");
    unit
}
