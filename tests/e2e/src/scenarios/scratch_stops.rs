//! What cannot come to a good end is told early, each with its own reason, and leaves nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use config_recovery::Error;
use config_recovery::backups::BackupContents;
use config_recovery::report::Silent;
use config_recovery::scratch::{self, Scratch, ScratchSpec, Until};
use futures::FutureExt;
use futures::future::try_join;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::scratch::BackedUp;
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "scratch-stops-early",
    says: "a missing storage class, a used-up quota, a policy that refuses the pod, no node, no image, no provisioner, a snapshot that is not there and a \
           backup that is gone are each told by their own error with what to do, long before a deadline, and leave nothing",
    beside: Beside::NoRestore,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Long before this; the engine would wait for 15 minutes.
const EARLY: Duration = Duration::from_secs(120);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let is = BackedUp::make(ground, SCENARIO.name).await?;
    let spec = |target: &str| is.spec(target, "e");

    let class = ScratchSpec {
        storage_class: Some("no-such-class".to_owned()),
        ..spec("class")
    };
    stops(
        &is,
        story,
        "missing class",
        &class,
        "no storage class no-such-class",
    )
    .await?;
    ensure!(
        !exists(ground, &class).await?,
        "nothing should be made without a class"
    );

    let mut gone = spec("gone");
    gone.backup.uid = "00000000-0000-0000-0000-000000000000".to_owned();
    stops(&is, story, "backup that is gone", &gone, "no backup").await?;
    ensure!(
        !exists(ground, &gone).await?,
        "nothing should be made without a backup"
    );

    let mut nothing = spec("nothing");
    nothing.backup.holds = BackupContents::Nothing;
    stops(&is, story, "backup that holds nothing", &nothing, "holds nothing").await?;

    quota(&is, ground, story).await?;
    policy(&is, ground, story).await?;

    let mut unknown = spec("unknown");
    if let BackupContents::Files(files) = &mut unknown.backup.holds {
        files.snapshot_id = "0123456789abcdef0123456789abcdef".to_owned();
    }
    stops(
        &is,
        story,
        "snapshot that is not in the repository",
        &unknown,
        "snapshot",
    )
    .await?;

    let image = ScratchSpec {
        image: "e2e.test/no-such-image:1".to_owned(),
        ..spec("image")
    };
    let shell = ScratchSpec {
        image: "e2e.test/no-such-image:1".to_owned(),
        ..spec("provisioner")
    };
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "nobody-makes-it"},
        "provisioner": "example.com/nobody", "volumeBindingMode": "Immediate",
    });
    apply::one(&ground.client, &class).await?;
    let provisioner = ScratchSpec {
        storage_class: Some("nobody-makes-it".to_owned()),
        image: is.image(),
        ..shell
    };
    let mut other = ScenarioReport::default();
    try_join(
        stops(&is, story, "missing image", &image, "image"),
        stops(
            &is,
            &mut other,
            "class without provisioner",
            &provisioner,
            "example.com/nobody",
        ),
    )
    .await?;
    story.figures.extend(other.figures);

    cordoned(ground, true).await?;
    let stopped = stops(&is, story, "no node", &spec("node"), "unschedulable").await;
    cordoned(ground, false).await?;
    stopped?;
    is.leaves_nothing(ground).await
}

/// Tries, and expects an error whose text and hint hold `word`.
async fn stops(
    is: &BackedUp,
    story: &mut ScenarioReport,
    when: &str,
    spec: &ScratchSpec,
    word: &str,
) -> Result<()> {
    let began = Instant::now();
    let tried = async {
        let place: Scratch = scratch::make(&is.cluster, spec, &Silent).await?;
        place.bring_back(&is.cluster, &Silent).await
    };
    let error = match tokio::time::timeout(EARLY, tried).await {
        Ok(Err(error)) => error,
        Ok(Ok(worked)) => bail!("{when}: it came back: {worked:?}"),
        Err(_) => bail!("{when}: nothing was said within {} s", EARLY.as_secs()),
    };
    let hint = error.hint().unwrap_or_default();
    let said = config_volume::causes(&error);
    ensure!(!matches!(error, Error::TimedOut { .. }), "{when}: {said}");
    ensure!(said.contains(word), "{when}: {word:?} should be in {said:?}");
    ensure!(!hint.is_empty(), "{when}: there is no hint with {said:?}");
    let seconds = began.elapsed().as_secs_f64();
    story.figure(when, format!("after {seconds:.1} s: {said} ({hint})"));
    scratch::remove(&is.cluster, spec, Until::Gone).await?;
    Ok(())
}

/// What has to be in force in the scratch namespace before the pod needs it there: made as an earlier try would have left it.
async fn begun(ground: &TestEnv, spec: &ScratchSpec) -> Result<String> {
    let name = scratch::namespace(&spec.target, spec.purpose);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": "configuratarr", "config-recovery/run": spec.run,
                   "pod-security.kubernetes.io/enforce": "baseline"},
        "annotations": {"config-recovery/holder": spec.holder,
                        "config-recovery/target": format!("{}/{}", spec.target.model, spec.target.app)},
    }});
    apply::one(&ground.client, &namespace).await?;
    Ok(name)
}

async fn quota(is: &BackedUp, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let spec = is.spec("quota", "e");
    let name = begun(ground, &spec).await?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": name}, "spec": {"hard": {"pods": "0"}}});
    apply::one(&ground.client, &quota).await?;
    let quotas = apply::api(&ground.client, "v1", "ResourceQuota", &name);
    wait::until("the quota is in force", Duration::from_secs(30), || {
        let quotas = quotas.clone();
        async move { Ok((quotas.get("none").await?.data["status"]["used"]["pods"] == "0").then_some(())) }
    })
    .await?;
    stops(is, story, "quota", &spec, "quota").await
}

/// Pods of root are refused in every namespace, whatever level of pod security it says of itself.
async fn policy(is: &BackedUp, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let spec = is.spec("policy", "e");
    let name = begun(ground, &spec).await?;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-root"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ]},
            "validations": [{
                "expression": "!has(object.spec.securityContext) || !has(object.spec.securityContext.runAsUser) || object.spec.securityContext.runAsUser != 0",
                "message": "pods of root are not welcome",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-root"},
        "spec": {
            "policyName": "no-root", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
        },
    });
    apply::all(&ground.client, &[policy, binding]).await?;
    let pod = json!({
        "metadata": {"name": "root"},
        "spec": {"securityContext": {"runAsUser": 0}, "containers": [{"name": "root", "image": is.image()}]},
    });
    let pods = apply::api(&ground.client, "v1", "Pod", &name);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    wait::until("the policy is in force", Duration::from_secs(60), || {
        let (pods, pod, dry_run) = (pods.clone(), pod.clone(), dry_run.clone());
        async move {
            let taken = pods.create(&dry_run, &serde_json::from_value(pod)?).await;
            Ok(taken
                .is_err_and(|error| error.to_string().contains("not welcome"))
                .then_some(()))
        }
    })
    .await?;
    stops(is, story, "policy", &spec, "not welcome").await
}

async fn exists(ground: &TestEnv, spec: &ScratchSpec) -> Result<bool> {
    let namespaces = apply::api(&ground.client, "v1", "Namespace", "");
    let name = scratch::namespace(&spec.target, spec.purpose);
    Ok(namespaces.get_opt(&name).await?.is_some())
}

/// Keeps pods off every node, or lets them on again.
async fn cordoned(ground: &TestEnv, on: bool) -> Result<()> {
    let nodes = apply::api(&ground.client, "v1", "Node", "");
    for node in nodes.list(&ListParams::default()).await?.items {
        let name = node.metadata.name.context("a node without a name")?;
        let patch = json!({"spec": {"unschedulable": on}});
        nodes
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
    }
    Ok(())
}
