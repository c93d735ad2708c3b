//! A node that goes away while a backup is to come back on it.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use config_recovery::report::Silent;
use config_recovery::scratch::{self, Until};
use futures::FutureExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;

use super::scratch::BackedUp;
use super::{Beside, Scenario, ScenarioReport};
use crate::bed::velero;
use crate::ground::{Need, TestEnv};
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "lost-node",
    says: "a node that does not answer any more is told as such, long before a deadline, with what to do; what was on it is \
           removed although the node cannot say that it ended, and once it is back the same backup comes back",
    beside: Beside::None,
    depends_on_velero: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Kubernetes takes 50 s to take a node for lost; the engine would wait for 15 minutes.
const EARLY: Duration = Duration::from_secs(150);

/// A second node, as far as the controllers can see; nothing is put on it. When no node at all answers they take it that they are
/// cut off themselves, and leave everything as it is (`pkg/controller/nodelifecycle`, "fully disrupted").
const STANDBY: &str = "standby";
/// How often a node says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(10);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let nodes = apply::api(&ground.client, "v1", "Node", "");
    let leases = apply::api(
        &ground.client,
        "coordination.k8s.io/v1",
        "Lease",
        "kube-node-lease",
    );
    let played = tokio::select! {
        played = play(ground, story) => played,
        Err(error) = stand_by(&nodes, &leases) => Err(error),
    };
    nodes.delete(STANDBY, &DeleteParams::default()).await?;
    played
}

/// Keeps the second node alive. Ends only with an error.
async fn stand_by(nodes: &Api<DynamicObject>, leases: &Api<DynamicObject>) -> Result<Infallible> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": STANDBY},
        "spec": {"taints": [{"key": "e2e.test/standby", "effect": "NoSchedule"}]},
    });
    let parameters = PatchParams::apply("e2e").force();
    nodes.patch(STANDBY, &parameters, &Patch::Apply(node)).await?;
    loop {
        let now = Timestamp::now();
        let ready = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": STANDBY}, "status": {"conditions": [
            {"type": "Ready", "status": "True", "reason": "StandsBy", "message": "", "lastHeartbeatTime": now.strftime("%FT%TZ").to_string(),
             "lastTransitionTime": now.strftime("%FT%TZ").to_string()},
        ]}});
        nodes
            .patch_status(STANDBY, &parameters, &Patch::Apply(ready))
            .await?;
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": STANDBY},
            "spec": {"holderIdentity": STANDBY, "leaseDurationSeconds": 40,
                     "renewTime": now.strftime("%FT%T.%6fZ").to_string()},
        });
        leases.patch(STANDBY, &parameters, &Patch::Apply(lease)).await?;
        tokio::time::sleep(HEARTBEAT).await;
    }
}

async fn play(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let is = BackedUp::make(ground, SCENARIO.name).await?;
    let spec = is.spec("radarr", "lost");
    let stopped = ground.own_bed()?.stop("kubelet")?;
    let began = Instant::now();
    let tried = async {
        let place = scratch::make(&is.cluster, &spec, &Silent).await?;
        place.bring_back(&is.cluster, &Silent).await
    };
    let error = match tokio::time::timeout(EARLY, tried).await {
        Ok(Err(error)) => error,
        Ok(Ok(worked)) => bail!("it came back: {worked:?}"),
        Err(_) => bail!("nothing was said within {} s", EARLY.as_secs()),
    };
    let (said, hint) = (config_volume::causes(&error), error.hint().unwrap_or_default());
    let seconds = began.elapsed().as_secs_f64();
    story.figure(
        "node that does not answer",
        format!("after {seconds:.1} s: {said} ({hint})"),
    );
    ensure!(
        said.contains("evicted from node") && hint.contains("kubectl get nodes"),
        "{said} ({hint})"
    );
    let began = Instant::now();
    scratch::remove(&is.cluster, &spec, Until::Gone).await?;
    let seconds = began.elapsed().as_secs_f64();
    story.figure(
        "seconds to remove what was on it, node still away",
        format!("{seconds:.1}"),
    );
    is.leaves_nothing(ground).await?;
    drop(stopped);
    let nodes: Api<Node> = Api::all(ground.client.clone());
    wait::until("the node is ready again", Duration::from_secs(120), || {
        let nodes = nodes.clone();
        async move {
            let nodes = nodes.list(&ListParams::default()).await?;
            let is_ready = |node: &Node| {
                let conditions = node.status.iter().flat_map(|is| is.conditions.iter().flatten());
                let mut taints = node.spec.iter().flat_map(|is| is.taints.iter().flatten());
                let is_lost = taints.any(|taint| taint.key.starts_with("node.kubernetes.io/"));
                conditions
                    .filter(|is| is.type_ == "Ready")
                    .all(|is| is.status == "True")
                    && !is_lost
            };
            Ok(nodes.items.iter().all(is_ready).then_some(()))
        }
    })
    .await?;
    velero::wait_until_available(&ground.client, velero::DEFAULT).await?;
    is.once(ground, "radarr", "again").await?.tell(story, "again");
    is.leaves_nothing(ground).await
}
