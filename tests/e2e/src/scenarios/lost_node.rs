//! A node that is lost while a backup is restored on it.

use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use config_recovery::Error;
use config_recovery::report::Silent;
use config_recovery::scratch::{self, Until};
use config_volume::UnpackLimits;
use futures::FutureExt;
use futures::future::{Either, select};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::scratch::BackedUp;
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::node_processes::{self, Frozen};
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "lost-node-is-told",
    says: "a node that is not heard of any more while Velero restores on it, or while the restored files are read, ends the wait long \
           before its deadline, with what to do; once the node is back, the same is done again and comes to a good end, and nothing is left",
    beside: Beside::None,
    depends_on_velero: true,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Kubernetes calls a node lost after 50 s, and a scratch pod stays on it for 20 s more. The engine would wait for 15 minutes.
const EARLY: Duration = Duration::from_secs(150);
const OTHER_NODE: &str = "other";
/// How often a kubelet is heard of.
const HEARTBEAT: Duration = Duration::from_secs(10);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let is = BackedUp::make(ground, SCENARIO.name).await?;
    add_other_node(ground).await?;
    let told = while_velero_restores(&is, ground, story).await;
    let nodes = apply::api(&ground.client, "v1", "Node", "");
    nodes.delete(OTHER_NODE, &DeleteParams::default()).await?;
    told?;
    while_files_are_read(&is, ground, story).await?;
    let again = is.once(ground, "velero", "b").await?;
    again.tell(story, "again, once the node is back");
    is.leaves_nothing(ground).await
}

/// Velero's node agent is lost before it has begun, so that it cannot be done before the node counts as lost.
async fn while_velero_restores(is: &BackedUp, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let spec = is.spec("velero", "a");
    let agent = Frozen::new(agent(ground).await?)?;
    let place = scratch::make(&is.cluster, &spec, &Silent).await?;
    reader_runs(ground, &place.namespace).await?;
    let kubelet = Frozen::new(vec![ground.own_bed()?.process("kubelet")?])?;
    let began = Instant::now();
    let waited = tokio::time::timeout(EARLY, place.bring_back(&is.cluster, &Silent));
    let waited = match select(pin!(waited), pin!(other_node_lives(ground))).await {
        Either::Left((waited, _)) => waited,
        Either::Right((Err(error), _)) => return Err(error.context("the other node")),
    };
    drop((kubelet, agent));
    let error = match waited {
        Ok(Err(error)) => error,
        Ok(Ok(worked)) => bail!("it came back from a node that is lost: {worked:?}"),
        Err(_) => bail!("nothing was said within {} s", EARLY.as_secs()),
    };
    told(
        story,
        "while Velero restores",
        began,
        &error,
        &["evicted from node", "kubectl get nodes"],
    )?;
    node_is_back(ground).await?;
    Ok(scratch::remove(&is.cluster, &spec, Until::Gone).await?)
}

async fn while_files_are_read(is: &BackedUp, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let spec = is.spec("files", "a");
    let place = scratch::make(&is.cluster, &spec, &Silent).await?;
    place.bring_back(&is.cluster, &Silent).await?;
    let folder = ground.own_bed()?.folder.join("files-of-a-lost-node");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let kubelet = Frozen::new(vec![ground.own_bed()?.process("kubelet")?])?;
    let began = Instant::now();
    let limits = UnpackLimits::default();
    let read = place.unpack_into(&is.cluster, &folder, &limits, &Silent);
    let read = tokio::time::timeout(EARLY, read).await;
    drop(kubelet);
    let error = match read {
        Ok(Err(error)) => error,
        Ok(Ok(unpacked)) => bail!("files came from a node that is lost: {unpacked:?}"),
        Err(_) => bail!("nothing was said within {} s", EARLY.as_secs()),
    };
    told(story, "while files are read", began, &error, &["again"])?;
    node_is_back(ground).await?;
    Ok(scratch::remove(&is.cluster, &spec, Until::Gone).await?)
}

/// A second node, in name: where no node at all is heard of, Kubernetes takes the fault to be its own and evicts nothing
/// (`pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `handleDisruption`). No pod is put on it.
async fn add_other_node(ground: &TestEnv) -> Result<()> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": OTHER_NODE},
        "spec": {"taints": [{"key": "e2e.test/in-name", "effect": "NoSchedule"}]},
    });
    apply::one(&ground.client, &node).await?;
    let now = format!("{:.0}", Timestamp::now());
    let ready = json!({"status": {"conditions": [{
        "type": "Ready", "status": "True", "reason": "InName", "message": "it is always well",
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    }]}});
    apply::api(&ground.client, "v1", "Node", "")
        .patch_status(OTHER_NODE, &PatchParams::default(), &Patch::Merge(ready))
        .await
        .context("cannot call the other node ready")?;
    Ok(())
}

/// Renews what a kubelet renews. Ends only when that fails.
async fn other_node_lives(ground: &TestEnv) -> Result<Infallible> {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    loop {
        ticks.tick().await;
        let now = format!("{:.6}", Timestamp::now());
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": OTHER_NODE, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": OTHER_NODE, "leaseDurationSeconds": 40, "renewTime": now},
        });
        apply::one(&ground.client, &lease).await?;
    }
}

/// Fails unless error and hint say all of these words.
fn told(story: &mut ScenarioReport, when: &str, began: Instant, error: &Error, words: &[&str]) -> Result<()> {
    let seconds = began.elapsed().as_secs_f64();
    let said = format!(
        "{} ({})",
        config_volume::causes(error),
        error.hint().unwrap_or_default()
    );
    story.figure(when, format!("after {seconds:.1} s: {said}"));
    for word in words {
        ensure!(said.contains(word), "{when}: {word:?} should be said: {said}");
    }
    Ok(())
}

/// The processes of Velero's node agent.
async fn agent(ground: &TestEnv) -> Result<Vec<u32>> {
    let pods = ground.pods(&ground.velero_namespace);
    let agents = pods
        .list(&ListParams::default().labels("name=node-agent"))
        .await?
        .items;
    let uid = agents.into_iter().find_map(|pod| pod.metadata.uid);
    let processes = node_processes::of_pod(&uid.context("there is no node agent")?)?;
    ensure!(!processes.is_empty(), "the node agent has no process");
    Ok(processes)
}

/// The init container of the scratch pod runs, so that only Velero is waited for.
async fn reader_runs(ground: &TestEnv, namespace: &str) -> Result<()> {
    let pods = ground.pods(namespace);
    wait::until("the scratch pod runs", Duration::from_secs(60), || async {
        let pod: Option<Pod> = pods.list(&ListParams::default()).await?.items.into_iter().next();
        let statuses = pod.and_then(|pod| pod.status?.init_container_statuses);
        let mut states = statuses.into_iter().flatten().filter_map(|is| is.state);
        Ok(states.any(|state| state.running.is_some()).then_some(()))
    })
    .await
}

async fn node_is_back(ground: &TestEnv) -> Result<()> {
    let nodes: Api<Node> = Api::all(ground.client.clone());
    let deadline = Duration::from_secs(120);
    wait::until("the node is ready and takes pods", deadline, || async {
        let mut own = nodes.list(&ListParams::default()).await?.items;
        own.retain(|node| node.metadata.name.as_deref() != Some(OTHER_NODE));
        Ok(own.iter().all(takes_pods).then_some(()))
    })
    .await
}

fn takes_pods(node: &Node) -> bool {
    let mut conditions = node.status.iter().flat_map(|is| is.conditions.iter().flatten());
    let is_ready = conditions.any(|is| is.type_ == "Ready" && is.status == "True");
    let mut taints = node.spec.iter().flat_map(|is| is.taints.iter().flatten());
    is_ready && taints.next().is_none()
}
