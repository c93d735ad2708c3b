//! Which cluster this is, and whether a unit of a model is there.

use kube::api::ListParams;

use crate::api::Api;
use crate::cluster::{Cluster, ClusterError};
use crate::kinds::{Namespace, Pod};
use crate::shown::shown;

/// The namespace that a cluster has from its beginning to its end: its uid is the nearest that Kubernetes has to one of the cluster.
const OF_CLUSTER: &str = "kube-system";
/// The container that Juju's agent of a unit runs in.
const AGENT: &str = "charm";

/// The uid of the cluster's namespace `kube-system`; `None` where there is none. One request.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn cluster_uid(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let found = cluster.ask_opt("look which cluster this is", namespaces.get(OF_CLUSTER));
    Ok(found.await?.and_then(|namespace| namespace.metadata.uid))
}

/// Why the agent of a unit cannot be at work, by the unit's pod; `None` where it can. One request.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn why_absent(cluster: &Cluster, model: &str, unit: &str) -> Result<Option<String>, ClusterError> {
    let name = unit.replace('/', "-");
    let pods: Api<Pod> = Api::namespaced(cluster.client(), model);
    // A list: who may list the model's pods may not always get one.
    let which = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = cluster
        .ask(format!("look at pod {name}"), pods.list(&which))
        .await?;
    Ok(match found.items.into_iter().next() {
        None => Some(format!("there is no pod {name}")),
        Some(pod) => absent(&pod).map(|why| format!("pod {name} {why}")),
    })
}

/// The same of a pod. Of a node that does not answer Kubernetes says in the condition Ready alone, and without a reason; the statuses of the
/// containers stay as they were (`MarkPodsNotReady` in `pkg/controller/util/node/controller_utils.go` of kubernetes/kubernetes). A workload that
/// is not ready, as in the middle of a restore, is no absence.
fn absent(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref();
    let conditions = || status.iter().flat_map(|is| is.conditions.iter().flatten());
    let is_cut_off = conditions().any(|is| {
        is.r#type == "Ready" && is.status == "False" && is.reason.as_deref().is_none_or(str::is_empty)
    });
    if is_cut_off || pod.evicted().is_some() {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        return Some(format!(
            "is on node {}, which does not answer",
            shown(node.unwrap_or("unknown"))
        ));
    }
    let mut containers = status
        .iter()
        .flat_map(|is| is.container_statuses.iter().flatten());
    if containers.any(|container| container.name == AGENT && container.ready) {
        return None;
    }
    let phase = status.and_then(|is| is.phase.as_deref()).unwrap_or("unknown");
    Some(format!(
        "is {}, and its container {AGENT} is not ready",
        shown(phase)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(ready: Value, charm: bool) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "radarr-0"},
            "spec": {"nodeName": "lab"},
            "status": {
                "phase": "Running", "conditions": [ready],
                "containerStatuses": [{"name": "radarr", "ready": false}, {"name": "charm", "ready": charm}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_agent_is_there_while_its_own_container_is_ready_on_a_node_that_answers() {
        let ready = json!({"type": "Ready", "status": "True"});
        let workload = json!({"type": "Ready", "status": "False", "reason": "ContainersNotReady"});
        let lost = json!({"type": "Ready", "status": "False"});
        for (condition, charm, why) in [
            (&ready, true, None),
            (&workload, true, None),
            (
                &workload,
                false,
                Some("is Running, and its container charm is not ready"),
            ),
            (&lost, true, Some("is on node lab, which does not answer")),
        ] {
            assert_eq!(
                absent(&pod(condition.clone(), charm)).as_deref(),
                why,
                "{condition}"
            );
        }
        assert!(absent(&Pod::default()).is_some());
    }
}
