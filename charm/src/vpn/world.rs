//! Reads the relation and the objects for gather, and makes the changes for apply.

use juju_charm::Juju;

use super::route::{RouteChange, has_parts};
use super::{ENDPOINT, Found, OwnBag, Vpn, VpnFacts, objects};
use crate::CharmError;
use crate::kubernetes::{Cluster, ClusterError, ObjectKind};

/// Reads the relation, and the objects where something follows from them. A gateway that would cut the unit off from Kubernetes or
/// from Juju is none: nobody could take the route away again.
///
/// # Errors
/// When a hook tool fails.
pub fn look(juju: &Juju, cluster: &dyn Cluster, leader: bool) -> Result<VpnFacts, CharmError> {
    let app = juju.context().app();
    let Some(id) = juju.relations(ENDPOINT)?.into_iter().next() else {
        return Ok(VpnFacts {
            vpn: Vpn::NotRelated,
            own: None,
            // Only the leader takes away what an earlier relation has left.
            objects: leader.then(|| left(cluster, app)),
        });
    };
    let vpn = match juju.remote_app(&id)? {
        Some(remote) => Vpn::from_bag(&juju.app_data(&id, &remote)?),
        None => Vpn::Waiting,
    };
    let vpn = vpn.where_reachable(cluster.address(), &juju.context().controllers());
    let vpn = match juju.relation_units(&id)?.is_empty() {
        true => vpn.without_units(),
        false => vpn,
    };
    let own = if leader {
        Some(OwnBag {
            bag: juju.own_app_data(&id)?,
            relation_id: id.to_string(),
        })
    } else {
        None
    };
    let is_connected = matches!(&vpn, Vpn::Provided(gateway) if gateway.is_connected);
    Ok(VpnFacts {
        vpn,
        own,
        objects: is_connected.then(|| found(cluster, app)),
    })
}

/// What an earlier relation has left, and whether somebody still needs it.
fn left(cluster: &dyn Cluster, app: &str) -> Result<Found, ClusterError> {
    let found = found(cluster, app)?;
    let is_there = found.config_map.is_some() || found.kill_switch.is_some();
    let is_needed =
        is_there && !has_parts(&found.set.template) && cluster.pods_of(app)?.iter().any(has_parts);
    Ok(Found { is_needed, ..found })
}

fn found(cluster: &dyn Cluster, app: &str) -> Result<Found, ClusterError> {
    Ok(Found {
        // The pods of an application are of the StatefulSet of its name.
        set: cluster.stateful_set(app)?,
        config_map: cluster.object(ObjectKind::ConfigMap, &objects::config_map_name(app))?,
        kill_switch: cluster.object(ObjectKind::NetworkPolicy, &objects::kill_switch_name(app))?,
        is_needed: false,
    })
}

/// Changes the route. What the pods need comes first, and the pods last: this one ends of it.
///
/// # Errors
/// What could not be changed. What comes after it was not tried.
pub fn change(cluster: &dyn Cluster, app: &str, change: &RouteChange) -> Result<(), ClusterError> {
    // No `..`: a new part does not compile until it is done.
    let RouteChange { apply, delete, pods } = change;
    for object in apply {
        cluster.apply_object(object)?;
    }
    for (kind, name) in delete {
        cluster.delete_object(*kind, name)?;
    }
    match pods {
        Some(template) => cluster.change_pods(app, template),
        None => Ok(()),
    }
}
