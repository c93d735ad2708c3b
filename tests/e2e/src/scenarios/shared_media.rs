//! Two apps and a stranger share the media: nobody is in an app's backup but the app itself.
//!
//! Velero stores with a claim every running pod of the namespace that mounts it. That this is so is measured first, without
//! the label by which the charm stops it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use velero_api::BackupSpec;

use super::media::{self, CLAIM, LIBRARY, MEDIA_BYTES};
use super::protected::{self, COPY, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::Stored;
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::{apply, backups, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "apps-share-media",
    says: "two apps and a pod of somebody else share one claim of media: each app's backup holds its own config volume and \
           nothing of the others, and no claim of media comes back; without the charm's label on the claim the other app's \
           config volume is stored too, and with default-volumes-to-fs-backup the media",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Label that keeps an object out of every backup.
const KEPT_OUT: &str = "velero.io/exclude-from-backup";
/// What velero-operator's option default-volumes-to-fs-backup may be.
const SETTINGS: [(&str, bool); 2] = [("off", false), ("on", true)];

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    media::library(ground, &model).await?;
    let mut apps = Vec::new();
    for program in ["Radarr", "Sonarr"] {
        let app = App {
            name: program.to_lowercase(),
            model: model.clone(),
            programs: protected::images(bed, program, None).await?,
            trust: false,
            logs: false,
            media: None,
            annotations: json!({}),
        };
        let mut protected = Protected::deploy(ground, app).await?;
        media::offer(&protected.running).await?;
        media::trust(ground, &protected.running).await?;
        protected.look_again().await?;
        let fill = fill(&protected.running.app.name);
        protected.running.in_workload(&fill).await?;
        apps.push(protected);
    }
    let [radarr, sonarr] = apps.as_slice() else {
        anyhow::bail!("there should be two apps");
    };
    ensure!(
        label(ground, &model).await?.as_deref() == Some("true"),
        "the charm should have labelled the claim that it mounts"
    );

    without_label(ground, story, radarr, sonarr).await?;
    radarr.running.sim("event update-status radarr/0").await?;
    ensure!(
        label(ground, &model).await?.as_deref() == Some("true"),
        "the charm should have put the label back"
    );
    for protected in [radarr, sonarr] {
        alone(ground, story, protected).await?;
    }
    of_the_user(ground, story, &model).await?;
    leave(ground, radarr, sonarr).await
}

/// Files of equal names in both apps, each with its app's name in it.
fn fill(app: &str) -> String {
    format!(
        "cd /config; mkdir -p lists
{WRITER} write {app}.db --megabytes 2 --transactions 7 --until kill > /dev/null
echo 'of {app}' > lists/owner
dd if=/dev/urandom of=lists/data bs=1k count=900 2>/dev/null
chown -R 3456:3457 ."
    )
}

/// The label of the claim.
async fn label(ground: &TestEnv, model: &str) -> Result<Option<String>> {
    let claims = apply::api(&ground.client, "v1", "PersistentVolumeClaim", model);
    let claim = claims.get(CLAIM).await?;
    Ok(claim
        .metadata
        .labels
        .and_then(|labels| labels.get(KEPT_OUT).cloned()))
}

/// What is stored with radarr when nothing stops Velero at the claim: the measured reason for the label.
async fn without_label(
    ground: &TestEnv,
    story: &mut ScenarioReport,
    radarr: &Protected<'_>,
    sonarr: &Protected<'_>,
) -> Result<()> {
    let model = &radarr.running.app.model;
    let claims = apply::api(&ground.client, "v1", "PersistentVolumeClaim", model);
    let gone = json!({"metadata": {"labels": {KEPT_OUT: Value::Null}}});
    claims
        .patch(CLAIM, &PatchParams::default(), &Patch::Merge(gone))
        .await?;
    for (setting, all_by_default) in SETTINGS {
        let name = format!("shared-bare-{setting}-{}", ground.run);
        let stored = radarr.back_up_bare(&name, all_by_default).await?;
        let bytes = |volume: &str| {
            let found = stored.volumes.iter().find(|(name, _)| name == volume);
            found.map_or(0, |(_, bytes)| *bytes)
        };
        ensure!(
            bytes(&radarr.volume()) > 0 && bytes(&sonarr.volume()) > 0,
            "without the label the config volumes of both apps should be in radarr's backup; if not, this scenario \
             proves nothing: {:?}",
            stored.volumes
        );
        ensure!(
            (bytes(CLAIM) >= MEDIA_BYTES) == all_by_default,
            "without the label the media should be stored where the default is on: {:?}",
            stored.volumes
        );
        story.figure(
            &format!("in radarr's backup without the label, default {setting}"),
            listed(&stored),
        );
    }
    Ok(())
}

/// Each app's backup holds that app only, and what comes back is as it was.
async fn alone(ground: &TestEnv, story: &mut ScenarioReport, protected: &Protected<'_>) -> Result<()> {
    let (name, model) = (&protected.running.app.name, &protected.running.app.model);
    let volume = protected.volume();
    let before = protected.running.checksums().await?;
    for (setting, all_by_default) in SETTINGS {
        let backup = format!("shared-{name}-{setting}-{}", ground.run);
        // The charm's two hooks of this pod, and of no other.
        let stored = protected.back_up(&backup, all_by_default).await?;
        stored.only(&volume)?;
        story.figure(&format!("in {name}'s backup, default {setting}"), listed(&stored));
        let objects = ground.own_bed()?.objects_of(&backup)?;
        let of = |kind: &str| objects.get(kind).cloned().unwrap_or_default();
        ensure!(
            of("v1/Pod") == [format!("{model}/{name}-0")]
                && of("v1/PersistentVolumeClaim") == [format!("{model}/{}", protected.claim())]
                && of("v1/PersistentVolume").len() == 1,
            "only {name}'s pod, claim and volume should be in its backup: {objects:?}"
        );
    }
    let backup = format!("shared-{name}-on-{}", ground.run);
    let restored = protected
        .restore(&backup, &format!("{}-{name}", SCENARIO.name))
        .await?;
    let objects = restored.objects().await?;
    let expected = [
        format!("Pod {name}-0"),
        format!("PersistentVolumeClaim {}", protected.claim()),
    ];
    ensure!(
        objects == expected,
        "only what is {name}'s should have come back: {objects:?}"
    );
    let owner = restored.shell("cat /config/lists/owner").await?;
    ensure!(
        owner.trim() == format!("of {name}"),
        "the volume of {name} is {owner}"
    );
    let database = format!("{name}.db");
    let same = protected::compare(&before, &restored.checksums().await?, &["logs"], &[&database])?;
    story.figure(&format!("files that came back, {name}"), same);
    let judged = restored.judge(COPY).await?;
    ensure!(judged.is_ok(), "the database of {name}: {judged:?}");
    restored.remove().await
}

/// What a user's own backup of the whole model holds of the media: docs/src/explanation/media.md tells it.
async fn of_the_user(ground: &TestEnv, story: &mut ScenarioReport, model: &str) -> Result<()> {
    let name = format!("shared-all-{}", ground.run);
    let spec = BackupSpec {
        included_namespaces: vec![model.to_owned()],
        included_resources: vec![
            "pods".to_owned(),
            "persistentvolumeclaims".to_owned(),
            "persistentvolumes".to_owned(),
        ],
        default_volumes_to_fs_backup: Some(true),
        storage_location: Some(ground.location.clone()),
        ..BackupSpec::default()
    };
    let stored = backups::make(ground, &name, spec).await?;
    let objects = ground.own_bed()?.objects_of(&name)?;
    let claims = objects.get("v1/PersistentVolumeClaim");
    let claim = format!("{model}/{CLAIM}");
    ensure!(
        claims.is_some_and(|claims| claims.len() == 2 && !claims.contains(&claim)),
        "no backup should hold the claim of the media: {objects:?}"
    );
    story.figure(
        "in a backup of the whole model, which the claim of the media is no part of",
        listed(&stored),
    );
    Ok(())
}

/// The label stays while another pod mounts the claim, and goes with the last app.
async fn leave(ground: &TestEnv, radarr: &Protected<'_>, sonarr: &Protected<'_>) -> Result<()> {
    let model = &radarr.running.app.model;
    unmount(ground, radarr).await?;
    ensure!(
        label(ground, model).await?.as_deref() == Some("true"),
        "the label should stay while others mount the claim"
    );
    let library = DeleteParams::default().grace_period(0);
    ground.pods(model).delete(LIBRARY, &library).await?;
    unmount(ground, sonarr).await?;
    ensure!(
        label(ground, model).await?.is_none(),
        "the label should be gone when nobody mounts the claim any more"
    );
    Ok(())
}

/// Removes the relation, and waits until the app's StatefulSet does not mount the claim any more.
async fn unmount(ground: &TestEnv, protected: &Protected<'_>) -> Result<()> {
    let app = &protected.running.app;
    // The pod ends of it, and this command with it.
    let cut_off = protected
        .running
        .sim(&format!("juju remove-relation {} storage", app.name))
        .await;
    let sets = apply::api(&ground.client, "apps/v1", "StatefulSet", &app.model);
    let unmounted = wait::until(
        "the claim is not mounted any more",
        Duration::from_secs(30),
        || {
            let sets = sets.clone();
            async move {
                let set = sets.get(&app.name).await?;
                let volumes = set.data["spec"]["template"]["spec"]["volumes"].as_array();
                let mut volumes = volumes.into_iter().flatten();
                let is_mounted = volumes.any(|volume| volume["persistentVolumeClaim"]["claimName"] == CLAIM);
                Ok((!is_mounted).then_some(()))
            }
        },
    );
    unmounted
        .await
        .with_context(|| format!("the dispatch said {cut_off:?}"))
}

/// Volumes and bytes, as people read them.
fn listed(stored: &Stored) -> String {
    let volumes = stored
        .volumes
        .iter()
        .map(|(name, bytes)| format!("{name} {bytes} bytes"));
    volumes.collect::<Vec<_>>().join(", ")
}
