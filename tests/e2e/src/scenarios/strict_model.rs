//! An app whose model is as strict as administrators make them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use config_recovery::backups::AppId;
use config_recovery::scratch::{self, Purpose};
use futures::FutureExt;
use futures::future::{Either, select};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::exactly::seconds;
use super::fleet::{self, FLEET, Member};
use super::killed_restore::{answers, damage};
use super::untouched::Untouched;
use super::{Beside, Scenario, ScenarioReport};
use crate::bed::NODE_ADDRESS;
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::network::{self, Reaches};
use crate::pods::Running;
use crate::{apply, node_processes, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "strict-model-restores",
    says: "a charm backs up and restores in a model whose namespace is `restricted`, whose quota is used up, whose pods reach nothing but \
           the API server, whose volume may be in one pod only, and whose app's image needs credentials, while the scratch pod \
           has no network; where the API server is not reached either, the action ends with what to do and the app is untouched",
    beside: Beside::Calm,
    depends_on_velero: true,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
/// By when an action has to have ended that reaches nothing. The charm asks a dozen questions before it and as many after it, and each waits
/// 10 s for its answer.
const EARLY: Duration = Duration::from_secs(600);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let programs = RADARR.images(bed).await?;
    let image = programs.workload().to_owned();
    let app = RADARR.app(&model, programs);
    let objects: Vec<Value> = app.objects(ground).into_iter().map(strict).collect();
    let running = Running::start_as(ground, app, &objects).await?;
    fleet::deploy_on(&running, &[]).await?;
    running.in_workload(&RADARR.fill()?).await?;
    running.sim("event settle").await?;
    let wanted = RADARR.held(&running).await?;

    bed.remove_image(&image).await?;
    is_strict_from_now_on(ground, &running).await?;
    let pod = uid(&running.pod().await?)?;
    can_reach(&pod, true)?;
    network::cut_off(&pod, Reaches::ApiServer)?;
    can_reach(&pod, false)?;

    let began = Instant::now();
    fleet::action(&running, "backup-now").await?;
    story.figure("seconds of backup-now", seconds(began));
    damage(&running).await?;
    let began = Instant::now();
    let restore = fleet::action(&running, "restore-from-backup backup-uid=latest");
    match select(
        restore.boxed_local(),
        cut_off_scratch_pod(ground, &running).boxed_local(),
    )
    .await
    {
        Either::Left((ended, _)) => bail!("the restore ended before its pod was cut off: {ended:?}"),
        Either::Right((cut, restore)) => {
            cut?;
            restore.await?;
        }
    }
    story.figure("seconds of a restore with its safety backup", seconds(began));
    wanted.is_same(&RADARR.held(&running).await?, &[])?;
    answers(&running).await?;
    nothing_is_left(ground, Some(&model)).await?;
    is_still_strict(ground, &running).await?;

    reaches_nothing(&running, &pod, story).await?;
    network::cut_off(&pod, Reaches::ApiServer)?;
    running.sim("event update-status radarr/0").await?;
    running.settle().await.map(drop)
}

fn uid(pod: &Value) -> Result<String> {
    let uid = pod["metadata"]["uid"].as_str();
    Ok(uid.context("the pod has no uid")?.to_owned())
}

/// What has to be said of the application before there is a pod: its volume may be in one pod only, and its image is pulled by a secret.
fn strict(mut object: Value) -> Value {
    if object["kind"] == "StatefulSet" {
        object["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{"name": "radarr-radarr-secret"}]);
        let templates = object["spec"]["volumeClaimTemplates"].as_array_mut();
        for template in templates.into_iter().flatten() {
            template["spec"]["accessModes"] = json!(["ReadWriteOncePod"]);
        }
    }
    object
}

/// Pods that come now must be `restricted`, which Juju's own are not, and there is no room for another one or its claim.
async fn is_strict_from_now_on(ground: &TestEnv, running: &Running<'_>) -> Result<()> {
    let model = &running.app.model;
    let labels = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    apply::api(&ground.client, "v1", "Namespace", "")
        .patch(model, &PatchParams::default(), &Patch::Merge(labels))
        .await?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": model},
                       "spec": {"hard": {"pods": "1", "persistentvolumeclaims": "1"}}});
    apply::one(&ground.client, &quota).await?;
    wait::until("the quota is used up", Duration::from_secs(30), || {
        quota_is_used_up(ground, model)
    })
    .await
}

async fn quota_is_used_up(ground: &TestEnv, model: &str) -> Result<Option<()>> {
    let quota = apply::api(&ground.client, "v1", "ResourceQuota", model)
        .get("full")
        .await?;
    let used = &quota.data["status"]["used"];
    Ok((used["pods"] == "1" && used["persistentvolumeclaims"] == "1").then_some(()))
}

/// All of it was so to the end: the app's own pod is the only one, and its claim may be in one pod only.
async fn is_still_strict(ground: &TestEnv, running: &Running<'_>) -> Result<()> {
    let model = &running.app.model;
    quota_is_used_up(ground, model)
        .await?
        .context("the quota is not used up any more")?;
    let claims = apply::api(&ground.client, "v1", "PersistentVolumeClaim", model);
    let claim = claims.get(&running.claim()).await?;
    ensure!(
        claim.data["spec"]["accessModes"] == json!(["ReadWriteOncePod"]),
        "the claim may be in several pods: {}",
        claim.data
    );
    let another = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "another", "namespace": model},
        "spec": {"containers": [{"name": "another", "image": ground.shell_image, "securityContext": {"runAsUser": 0}}]},
    });
    let refused = apply::one(&ground.client, &another).await;
    let said = refused
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    ensure!(
        said.contains("violates PodSecurity"),
        "a pod of root should be refused: {said}"
    );
    Ok(())
}

/// Whether the pod reaches the S3 server, which no policy of this scenario lets it reach.
fn can_reach(pod: &str, expected: bool) -> Result<()> {
    let reached = network::can_reach(pod, NODE_ADDRESS, 7070)?;
    ensure!(
        reached == expected,
        "reached: {reached}, and should be {expected}"
    );
    Ok(())
}

/// Drops all packets of the scratch pod as soon as it has a process, long before it is read.
async fn cut_off_scratch_pod(ground: &TestEnv, running: &Running<'_>) -> Result<()> {
    let whose = AppId {
        app: running.app.name.clone(),
        model: running.app.model.clone(),
    };
    let namespace = scratch::namespace(&whose, Purpose::Restore);
    let pods = ground.pods(&namespace);
    let pod = wait::until("there is a scratch pod", Duration::from_secs(120), || async {
        let found = pods.list(&ListParams::default()).await?.items.into_iter().next();
        let Some(uid) = found.and_then(|pod| pod.metadata.uid) else {
            return Ok(None);
        };
        let runs = !node_processes::of_pod(&uid)?.is_empty();
        Ok(runs.then_some(uid))
    })
    .await?;
    network::cut_off(&pod, Reaches::Nothing)?;
    let journal = "cat /var/lib/juju/storage/*/.config-restore/run.json";
    let step = running.in_charm(journal).await?;
    ensure!(
        ["transfer", "check"]
            .iter()
            .all(|step_after| !step.contains(&format!("\"{step_after}\""))),
        "the scratch pod was cut off too late: {step}"
    );
    Ok(())
}

/// A policy that lets the pod reach nothing: Juju's agent would not reach its controller either.
async fn reaches_nothing(running: &Running<'_>, pod: &str, story: &mut ScenarioReport) -> Result<()> {
    let before = Untouched::of(running).await?;
    network::cut_off(pod, Reaches::Nothing)?;
    let began = Instant::now();
    let restore = fleet::task(running, "restore-from-backup backup-uid=latest");
    let task = tokio::time::timeout(EARLY, restore).await;
    let task = task.context("the action does not end")??;
    story.figure("seconds of an action that reaches nothing", seconds(began));
    ensure!(task["status"] != "completed", "it should have failed: {task}");
    let said = task.to_string();
    story.figure("what it says", task["message"].as_str().unwrap_or_default());
    for words in ["Kubernetes cannot be reached", "NetworkPolicy"] {
        ensure!(said.contains(words), "{words:?} should be said: {said}");
    }
    before.is_still_so(running).await
}
