//! Compares the pod and the cluster with what the gateway says: what has to be changed, and whether the app is hidden. Pure.
//!
//! Any doubt means that it is not hidden. That the pod has the containers with the digest of the current settings says that
//! its routes were set before the app could start: the pod's init containers come first, and a pod's containers do not change.
//!
//! When the gateway loses its VPN the routes and the kill switch stay and nothing gets out. The app is stopped all the same:
//! not every network of a cluster enforces a NetworkPolicy, and the gateway's own rules are not ours to trust. Pods are not
//! replaced in that time: the new one would wait for the gateway in its init container, and the charm with it.

use serde_json::Value;

use super::{Found, Vpn, VpnFacts, VpnGateway, objects};
use crate::kubernetes::{ClusterError, ObjectKind, OwnObject, Pod, brief};
use crate::options::UNSAFE_MODE;

/// What is to be done about the route.
#[derive(Debug, Clone, PartialEq)]
pub enum Routing {
    /// Nothing: it is as it should be, or it is not known how that is.
    Keep,
    /// This has to change.
    Change(RouteChange),
    /// Nothing yet: a pod that Kubernetes has still to replace has the route, and needs what belongs to it.
    StillNeeded,
    /// It could not be compared.
    Unknown(ClusterError),
}

/// A change of the route, in the order in which it is made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouteChange {
    /// Objects to make or to put right. Before the pods that need them.
    pub apply: Vec<OwnObject>,
    /// Objects that no pod needs any more.
    pub delete: Vec<(ObjectKind, String)>,
    /// A strategic merge patch of the pods' template; Kubernetes replaces the pods.
    pub pods: Option<Value>,
}

/// Why the app would show its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Thing, reason and next step.
    pub text: String,
    /// Whether a person has to do something.
    pub needs_somebody: bool,
}

/// What the leader has to change. The pods of all units are of one StatefulSet: its template is compared, and a pod that is not as it
/// says yet is Kubernetes' to replace.
pub fn decide(app: &str, facts: &VpnFacts, pod: Option<&Result<Pod, ClusterError>>) -> Routing {
    let gateway = match &facts.vpn {
        Vpn::Provided(gateway) if gateway.is_connected => Some(gateway),
        Vpn::NotRelated => None,
        // What is there stays until the gateway says something that can be used.
        Vpn::NotRead | Vpn::Waiting | Vpn::Faulty(_) | Vpn::Provided(_) => return Routing::Keep,
    };
    let found = match &facts.objects {
        Some(Ok(found)) => found,
        None => return Routing::Keep,
        // Without trust nothing can have been made, unless it was there once.
        Some(Err(error))
            if gateway.is_none()
                && error.is_forbidden()
                && !matches!(pod, Some(Ok(pod)) if has_parts(pod)) =>
        {
            return Routing::Keep;
        }
        Some(Err(error)) => return Routing::Unknown(error.clone()),
    };
    let template = &found.set.template;
    let change = match gateway {
        Some(gateway) => RouteChange {
            apply: differing(app, gateway, found, true),
            pods: (!carries(app, gateway, template)).then(|| objects::pods(app, gateway)),
            delete: Vec::new(),
        },
        // The objects outlive the pods: one that is made anew without its ConfigMap would never start, and the kill switch
        // holds until the last app with the route is gone for certain.
        None if has_parts(template) => RouteChange {
            pods: Some(objects::pods_without()),
            ..RouteChange::default()
        },
        None if found.is_needed => return Routing::StillNeeded,
        None => RouteChange {
            delete: left(app, found),
            ..RouteChange::default()
        },
    };
    if change == RouteChange::default() {
        Routing::Keep
    } else {
        Routing::Change(change)
    }
}

/// Whether the app's traffic goes through a VPN that is connected.
///
/// # Errors
/// Why that is not so, or not certain.
pub fn is_hidden(
    app: &str,
    facts: &VpnFacts,
    pod: Option<&Result<Pod, ClusterError>>,
    is_running: bool,
) -> Result<(), Shown> {
    let again = "retrying at update-status";
    let gateway = match &facts.vpn {
        // It was looked at before it was started, and the pod is the same.
        Vpn::NotRead if is_running => return Ok(()),
        Vpn::NotRead => return Err(waits(format!("stopped: its VPN was not looked at yet; {again}"))),
        Vpn::NotRelated => {
            return Err(needs(format!(
                "stopped: no VPN; juju integrate {app} GATEWAY, or juju config {app} {}=true",
                UNSAFE_MODE.name()
            )));
        }
        Vpn::Waiting => {
            return Err(waits(
                "stopped: the VPN gateway has not published its settings; look at its juju status".to_owned(),
            ));
        }
        Vpn::Faulty(problem) => return Err(needs(problem.to_string())),
        Vpn::Provided(gateway) => gateway,
    };
    if !gateway.is_connected {
        return Err(waits(
            "stopped: the VPN gateway is not connected, starts again when it is; look at its juju status"
                .to_owned(),
        ));
    }
    let unknown = |error: &ClusterError| match error.is_forbidden() {
        true => needs(format!(
            "stopped: cannot route it through the VPN; juju trust {app} --scope=cluster"
        )),
        false => waits(format!(
            "stopped: cannot look for its VPN route: {}; {again}",
            brief(error)
        )),
    };
    let (pod, found) = match (pod, &facts.objects) {
        (Some(Ok(pod)), Some(Ok(found))) => (pod, found),
        (Some(Err(error)), _) | (_, Some(Err(error))) => return Err(unknown(error)),
        (None, _) | (_, None) => {
            return Err(waits(format!("stopped: its VPN was not looked at yet; {again}")));
        }
    };
    if !carries(app, gateway, pod) {
        return Err(waits(
            "stopped until a new pod routes it through the VPN, else kubectl describe pod".to_owned(),
        ));
    }
    match differing(app, gateway, found, false).first() {
        None => Ok(()),
        Some(object) => Err(waits(format!(
            "stopped: {} {} is not as it should be; {again}",
            object.kind.name(),
            object.name
        ))),
    }
}

/// Whether the pod was made with the route that is wanted now.
fn carries(app: &str, gateway: &VpnGateway, pod: &Pod) -> bool {
    let is_ours = |image: Option<&String>| image.is_some_and(|image| image == objects::IMAGE);
    is_ours(pod.init_images.get(objects::INIT))
        && is_ours(pod.images.get(objects::SIDECAR))
        && pod.annotations.get(objects::MARK) == Some(&objects::mark(app, gateway))
}

/// Whether the pod has anything of a route.
pub(super) fn has_parts(pod: &Pod) -> bool {
    pod.init_images.contains_key(objects::INIT)
        || pod.images.contains_key(objects::SIDECAR)
        || pod.volumes.contains_key(objects::VOLUME)
        || pod.annotations.contains_key(objects::MARK)
}

/// The objects that are not there, or not with the content that they should have; with `owner` also those that do not go with the
/// StatefulSet.
fn differing(app: &str, gateway: &VpnGateway, found: &Found, owner: bool) -> Vec<OwnObject> {
    let uid = &found.set.uid;
    [
        (objects::config_map(app, gateway, uid), &found.config_map, "data"),
        (
            objects::kill_switch(app, gateway, uid),
            &found.kill_switch,
            "spec",
        ),
    ]
    .into_iter()
    .filter(|(wanted, found, part)| {
        found.as_ref().is_none_or(|found| {
            found.content[*part] != wanted.content[*part] || owner && !found.owners.contains(uid)
        })
    })
    .map(|(wanted, ..)| wanted)
    .collect()
}

fn left(app: &str, found: &Found) -> Vec<(ObjectKind, String)> {
    let config_map = found
        .config_map
        .as_ref()
        .map(|_| (ObjectKind::ConfigMap, objects::config_map_name(app)));
    let kill_switch = found
        .kill_switch
        .as_ref()
        .map(|_| (ObjectKind::NetworkPolicy, objects::kill_switch_name(app)));
    config_map.into_iter().chain(kill_switch).collect()
}

fn needs(text: String) -> Shown {
    Shown {
        text,
        needs_somebody: true,
    }
}

fn waits(text: String) -> Shown {
    Shown {
        text,
        needs_somebody: false,
    }
}
