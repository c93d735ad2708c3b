//! The snapshot method: what is stored, that it comes back, and when the same backup is `Completed` and holds nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures::FutureExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use velero_api::{Restore, RestorePhase, RestoreSpec};
use velero_backup_config::pod::{BACKUP_VOLUMES, BACKUP_VOLUMES_EXCLUDES};
use velero_backup_config::{BackupSpec, Method};

use super::{Beside, Scenario, ScenarioReport};
use crate::bed::csi::{CLASS, Snapshots};
use crate::bed::velero::{self, Server};
use crate::exec::{self, Container};
use crate::ground::{Need, TestEnv};
use crate::juju::{App, Programs, of_class};
use crate::{apply, backups, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "snapshot-comes-back",
    says: "the snapshot method stores exactly the config volume and it comes back byte for byte after the app is gone; \
           without Velero's feature, without the app's label, or while Velero takes the volume for one of file-system \
           backup, the same backup is Completed and stores nothing",
    beside: Beside::NoRestore,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Snapshots],
    run: |ground, story| run(ground, story).boxed_local(),
};

const APP_LABEL: &str = "app.kubernetes.io/name";

/// Files of a media app, of several owners and modes; and logs that no backup should hold.
const FILL: &str = "mkdir -p '/config/Media Cover/1'
dd if=/dev/urandom of=/config/radarr.db bs=1M count=20 2>/dev/null
echo '<Config><ApiKey>1</ApiKey></Config>' > /config/config.xml
dd if=/dev/urandom of='/config/Media Cover/1/poster.jpg' bs=1k count=300 2>/dev/null
: > /config/empty
ln -s config.xml /config/link
chown -R 1000:1001 '/config/Media Cover'
chmod 0640 /config/config.xml
dd if=/dev/urandom of=/logs/radarr.txt bs=1M count=30 2>/dev/null";

/// What a volume holds: checksums by path, and a line for each path with its mode, its owner and what it is.
type Content = (BTreeMap<String, String>, String);

/// The app whose volume is stored, and everything around it.
struct Stage<'a> {
    ground: &'a TestEnv,
    snapshots: &'a Snapshots,
    app: App,
    /// Name of the config storage's claim.
    claim: String,
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let snapshots = bed.snapshots().await?;
    story.figure(
        "seconds to start driver and controllers",
        format!("{:.1}", snapshots.seconds),
    );
    let played = play(ground, snapshots, story).await;
    played.map_err(|error| anyhow!("{error:#}\n{}", snapshots.last_words()))
}

async fn play(ground: &TestEnv, snapshots: &Snapshots, story: &mut ScenarioReport) -> Result<()> {
    let stage = Stage::set(ground, snapshots).await?;
    let before = stage
        .content(&stage.app.model, &stage.app.pod(), &stage.app.name)
        .await?;
    ensure!(before.0.len() == 4, "the volume should hold 4 files: {before:?}");

    // The Velero that every bed has runs as velero-operator installs it: without the feature.
    stage
        .stores_nothing(ground, story, "without EnableCSI", "no-feature", false)
        .await?;
    let began = Instant::now();
    let velero = &with_feature(ground, SCENARIO.name).await?;
    story.figure("seconds to start a Velero with EnableCSI", seconds(began));

    stage.label(None).await?;
    stage
        .stores_nothing(
            velero,
            story,
            "of a claim without the app's label",
            "no-label",
            false,
        )
        .await?;
    stage.label(Some(&stage.app.name)).await?;
    // Velero leaves to the file-system backup what it takes for that method's, though no pod is in this backup.
    stage
        .stores_nothing(
            velero,
            story,
            "with default-volumes-to-fs-backup",
            "opt-out-bare",
            true,
        )
        .await?;
    let config = stage.app.volume("config");
    stage.annotate(BACKUP_VOLUMES, Some(&config)).await?;
    stage
        .stores_nothing(velero, story, "of a pod that opts in", "opted-in", false)
        .await?;
    stage.annotate(BACKUP_VOLUMES, None).await?;

    let opt_in = stage.stores(velero, story, "opt-in", false).await?;
    stage.annotate(BACKUP_VOLUMES_EXCLUDES, Some(&config)).await?;
    let opt_out = stage.stores(velero, story, "opt-out", true).await?;

    stage.delete_everything().await?;
    let scratch = ground.namespace(&format!("{}-scratch", SCENARIO.name)).await?;
    for (backup, to, place) in [
        (&opt_in, scratch.as_str(), "a scratch namespace"),
        (&opt_out, stage.app.model.as_str(), "its own namespace"),
    ] {
        let began = Instant::now();
        restore(velero, backup, &stage.app.model, to).await?;
        story.figure(&format!("seconds to restore into {place}"), seconds(began));
        let claims = claims(ground, to).await?;
        ensure!(
            claims == [stage.claim.as_str()],
            "only the config claim should have come back into {place}; there are {claims:?}"
        );
        let after = stage.read(to).await?;
        story.figure(
            &format!("seconds until a pod reads it in {place}"),
            seconds(began),
        );
        if let Some(difference) = exec::difference(&before.0, &after.0) {
            bail!("the restored volume differs: {difference}");
        }
        ensure!(
            before.1 == after.1,
            "modes or owners differ. Before:\n{}\nafter:\n{}",
            before.1,
            after.1
        );
        story.figure(&format!("files that came back into {place}"), after.0.len());
    }
    stage.goes_with_its_backup(velero, &opt_in).await?;
    story.figure("snapshots left after their backup was deleted", 0);
    Ok(())
}

/// A Velero that takes CSI snapshots, beside the one that the other scenarios use.
pub async fn with_feature(ground: &TestEnv, scenario: &str) -> Result<TestEnv> {
    let server = Server {
        features: "EnableCSI",
        node_agent: false,
        ..velero::DEFAULT
    };
    ground.with_another_velero(scenario, server).await
}

impl<'a> Stage<'a> {
    /// Deploys the app on volumes that can be snapshotted, and fills them.
    async fn set(ground: &'a TestEnv, snapshots: &'a Snapshots) -> Result<Self> {
        let app = App {
            name: "radarr".to_owned(),
            model: ground.namespace(SCENARIO.name).await?,
            programs: Programs::Waiting {
                image: ground.shell_image.clone(),
            },
            trust: false,
            logs: true,
            media: None,
            annotations: json!({}),
        };
        for object in app.objects(ground) {
            apply::one(&ground.client, &of_class(object, CLASS)).await?;
        }
        let claim = format!("{}-{}", app.volume("config"), app.pod());
        let stage = Self {
            ground,
            snapshots,
            app,
            claim,
        };
        let (model, pod) = (&stage.app.model, stage.app.pod());
        ground.ready_pod(model, &pod, Duration::from_secs(120)).await?;
        let workload = Container {
            namespace: model,
            pod: &pod,
            name: &stage.app.name,
        };
        exec::shell(ground, workload, FILL).await?;
        Ok(stage)
    }

    /// The backup that velero-operator makes of this project's request.
    fn spec(&self, velero: &TestEnv, fs_backup: bool) -> Result<velero_api::BackupSpec> {
        let spec = BackupSpec::config_volume(&self.app.name, &self.app.model, Method::Snapshot)?;
        let mut spec = spec.to_velero_backup_spec(fs_backup);
        spec.storage_location = Some(velero.location.clone());
        Ok(spec)
    }

    fn backup_name(&self, purpose: &str) -> String {
        format!("snapshot-{purpose}-{}", self.ground.run)
    }

    /// Makes a backup that stores nothing, and restores it beside the app: whatever comes back is empty.
    async fn stores_nothing(
        &self,
        velero: &TestEnv,
        story: &mut ScenarioReport,
        when: &str,
        purpose: &str,
        fs_backup: bool,
    ) -> Result<()> {
        let name = self.backup_name(purpose);
        // `make` fails unless the phase is Completed.
        let stored = backups::make(velero, &name, self.spec(velero, fs_backup)?).await?;
        let status = stored.backup.status.unwrap_or_default();
        let there = self.snapshots.all()?;
        ensure!(
            there.is_empty() && stored.volumes.is_empty() && status.csi_volume_snapshots_attempted == 0,
            "backup {name} should have stored nothing; snapshots: {there:?}, files of: {:?}",
            stored.volumes
        );
        let items = status.progress.map_or(0, |is| is.items_backed_up);
        let scratch = self
            .ground
            .namespace(&format!("{}-{purpose}", SCENARIO.name))
            .await?;
        restore(velero, &name, &self.app.model, &scratch).await?;
        let back = claims(self.ground, &scratch).await?;
        if !back.is_empty() {
            let (files, _) = self.read(&scratch).await?;
            ensure!(files.is_empty(), "backup {name} should hold no file: {files:?}");
        }
        let figure = format!(
            "Completed, {items} objects; restored Completed, claims {}, files 0",
            back.len()
        );
        story.figure(&format!("backup {when}"), figure);
        Ok(())
    }

    /// Makes a backup that stores the config volume and no other. Returns its name.
    async fn stores(
        &self,
        velero: &TestEnv,
        story: &mut ScenarioReport,
        setting: &str,
        fs_backup: bool,
    ) -> Result<String> {
        let name = self.backup_name(setting);
        let there_were = self.snapshots.all()?;
        let began = Instant::now();
        let stored = backups::make(velero, &name, self.spec(velero, fs_backup)?).await?;
        story.figure(&format!("seconds of the backup, {setting}"), seconds(began));
        let status = stored.backup.status.unwrap_or_default();
        let mut made = self.snapshots.all()?;
        made.retain(|id, _| !there_were.contains_key(id));
        let config = self.volume_of(&self.claim).await?;
        let [(id, of)] = made.iter().collect::<Vec<_>>()[..] else {
            bail!("backup {name} should have made one snapshot; it made {made:?}");
        };
        ensure!(*of == config, "the snapshot should be of {config}; it is of {of}");
        ensure!(
            stored.volumes.is_empty() && status.csi_volume_snapshots_completed == 1,
            "Velero should report one snapshot and no files: {} and {:?}",
            status.csi_volume_snapshots_completed,
            stored.volumes
        );
        story.figure(
            &format!("bytes in the snapshot, {setting}"),
            self.snapshots.bytes(id)?,
        );
        Ok(name)
    }

    /// The driver's id of a claim's volume.
    async fn volume_of(&self, claim: &str) -> Result<String> {
        let claims = apply::api(
            &self.ground.client,
            "v1",
            "PersistentVolumeClaim",
            &self.app.model,
        );
        let claim = claims.get(claim).await?;
        let name = claim.data["spec"]["volumeName"]
            .as_str()
            .context("the claim is not bound")?;
        let volumes = apply::api(&self.ground.client, "v1", "PersistentVolume", "");
        let volume = volumes.get(name).await?;
        let id = volume.data["spec"]["csi"]["volumeHandle"].as_str();
        Ok(id.context("the volume is not the driver's")?.to_owned())
    }

    /// Sets or removes the app's label of the config claim. A claim that `--attach-storage` made has none.
    async fn label(&self, value: Option<&str>) -> Result<()> {
        let claims = apply::api(
            &self.ground.client,
            "v1",
            "PersistentVolumeClaim",
            &self.app.model,
        );
        let patch = json!({"metadata": {"labels": {APP_LABEL: value}}});
        claims
            .patch(&self.claim, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Sets or removes an annotation of the pod.
    async fn annotate(&self, key: &str, value: Option<&str>) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let pods = self.ground.pods(&self.app.model);
        pods.patch(&self.app.pod(), &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Deletes the app with its claims, and waits until the volumes are gone from the node.
    async fn delete_everything(&self) -> Result<()> {
        let mut volumes = Vec::new();
        for claim in claims(self.ground, &self.app.model).await? {
            volumes.push(self.volume_of(&claim).await?);
        }
        ensure!(volumes.len() == 2, "the app should have two volumes: {volumes:?}");
        for (api_version, kind) in [
            ("apps/v1", "StatefulSet"),
            ("v1", "Pod"),
            ("v1", "PersistentVolumeClaim"),
            ("v1", "Service"),
            ("v1", "Secret"),
        ] {
            let api = apply::api(&self.ground.client, api_version, kind, &self.app.model);
            for object in api.list(&ListParams::default()).await?.items {
                let name = object.metadata.name.unwrap_or_default();
                api.delete(&name, &DeleteParams::default().grace_period(1))
                    .await?;
            }
        }
        wait::until("the app's volumes are gone", Duration::from_secs(90), || async {
            let there = self.snapshots.volumes()?;
            Ok(volumes.iter().all(|id| !there.contains(id)).then_some(()))
        })
        .await
    }

    /// Mounts the restored claim in a pod and looks at what it holds.
    async fn read(&self, namespace: &str) -> Result<Content> {
        let reader = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader", "namespace": namespace},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "reader", "image": self.ground.shell_image, "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/sleep", "2147483647"],
                    "volumeMounts": [{"name": "config", "mountPath": "/config"}],
                }],
                "volumes": [{"name": "config", "persistentVolumeClaim": {"claimName": self.claim}}],
            },
        });
        apply::one(&self.ground.client, &reader).await?;
        self.ground
            .ready_pod(namespace, "reader", Duration::from_secs(90))
            .await?;
        self.content(namespace, "reader", "reader").await
    }

    async fn content(&self, namespace: &str, pod: &str, container: &str) -> Result<Content> {
        let container = Container {
            namespace,
            pod,
            name: container,
        };
        let checksums = exec::checksums(self.ground, container, "/config").await?;
        let modes = "cd /config; find . -exec stat -c '%n %a %u:%g %F' {} + | sort";
        Ok((checksums, exec::shell(self.ground, container, modes).await?))
    }

    /// Deletes a backup and waits until the driver has deleted its snapshot.
    async fn goes_with_its_backup(&self, velero: &TestEnv, backup: &str) -> Result<()> {
        let there_were = self.snapshots.all()?.len();
        let uid = velero.velero("Backup").get(backup).await?.metadata.uid;
        let request = json!({
            "apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
            "metadata": {"name": backup, "namespace": velero.velero_namespace,
                         "labels": {"velero.io/backup-name": backup, "velero.io/backup-uid": uid}},
            "spec": {"backupName": backup},
        });
        apply::one(&velero.client, &request).await?;
        wait::until(
            "the snapshot is gone with its backup",
            Duration::from_secs(90),
            || async { Ok((self.snapshots.all()?.len() < there_were).then_some(())) },
        )
        .await
    }
}

/// Restores a backup into a namespace and waits until Velero says that it is done.
async fn restore(velero: &TestEnv, backup: &str, from: &str, to: &str) -> Result<()> {
    let name = format!("{backup}-back");
    let mut spec = RestoreSpec {
        backup_name: Some(backup.to_owned()),
        ..RestoreSpec::default()
    };
    if from != to {
        spec.namespace_mapping = BTreeMap::from([(from.to_owned(), to.to_owned())]);
    }
    let restore = Restore::new(backups::metadata(velero, &name), spec);
    apply::one(&velero.client, &serde_json::to_value(restore)?).await?;
    let restores = velero.velero("Restore");
    let phase = wait::until(
        &format!("restore {name} has ended"),
        Duration::from_secs(240),
        || {
            let (restores, name) = (restores.clone(), name.clone());
            async move {
                let found: Restore =
                    serde_json::from_value(serde_json::to_value(restores.get(&name).await?)?)?;
                let phase = found.status.and_then(|status| status.phase);
                Ok(phase.filter(RestorePhase::is_final))
            }
        },
    )
    .await?;
    ensure!(
        phase == RestorePhase::Completed,
        "restore {name} ended as {phase:?}"
    );
    Ok(())
}

/// Names of the claims in a namespace.
async fn claims(ground: &TestEnv, namespace: &str) -> Result<Vec<String>> {
    let claims = apply::api(&ground.client, "v1", "PersistentVolumeClaim", namespace);
    let found = claims.list(&ListParams::default()).await?.items;
    Ok(found
        .into_iter()
        .filter_map(|claim| claim.metadata.name)
        .collect())
}

fn seconds(since: Instant) -> String {
    format!("{:.1}", since.elapsed().as_secs_f64())
}
