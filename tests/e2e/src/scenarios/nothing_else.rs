//! A restore and all that is none of its business.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use config_recovery::backups::AppId;
use config_recovery::scratch::{Purpose, namespace};
use futures::future::try_join_all;
use futures::{FutureExt, StreamExt};
use kube::api::{DynamicObject, ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use super::config_volume::annotate;
use super::fleet::{FLEET, Member};
use super::killed_restore::volume_folder;
use super::media::{self, LIBRARY};
use super::protected::Protected;
use super::spoilt::{self, copy_of};
use super::untouched::{self, Untouched};
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::Stored;
use crate::engine_process::{Ended, Task};
use crate::exec::{self, Container};
use crate::ground::{Need, RUN_LABEL, TestEnv};
use crate::juju::App;
use crate::left::nothing_is_left;
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "restore-touches-nothing-else",
    says: "while one app is restored from a backup that holds another app's volume too, no other object of the cluster \
           changes its version, no byte of the other app, of the media on a static volume and of a third namespace, and by \
           the API server's own record no pod or claim appears but in the engine's namespace, which is gone in the end, and \
           since 1.17 the pod that Velero makes for the engine's restore; a \
           restore that fails leaves the app's objects alone as well",
    beside: Beside::None,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
/// The claim that both apps mount, bound to a volume made by hand.
const MEDIA: &str = "films";
/// Where the bed's provisioner runs a pod for each volume that it makes or removes.
const PROVISIONER: &str = "local-path-storage";
/// The kinds whose objects are compared. Left out is what changes by itself: Leases are renewed; Events tell of everything;
/// Endpoints and EndpointSlices follow the readiness of pods; Nodes and BackupStorageLocations report that they are well;
/// BackupRepositories are maintained when their time has come.
const KINDS: [(&str, &str); 21] = [
    ("v1", "PersistentVolume"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Namespace"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("velero.io/v1", "Backup"),
    ("velero.io/v1", "PodVolumeBackup"),
    ("velero.io/v1", "PodVolumeRestore"),
    ("velero.io/v1", "Restore"),
];
/// How long the API server tells of what was, before it would tell of what comes.
const REPLAY_SECONDS: u32 = 2;

/// Kind, namespace and name.
type Key = (String, String, String);

/// The objects of the cluster.
struct Objects {
    all: BTreeMap<Key, DynamicObject>,
    /// By kind, the version up to which the API server has told of it.
    versions: BTreeMap<&'static str, String>,
}

/// All that a restore has to leave alone.
struct Bystanders<'a> {
    ground: &'a TestEnv,
    model: &'a str,
    third: &'a str,
    sonarr: &'a App,
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    static_media(ground, &model).await?;
    let third = ground.namespace("nothing-else-third").await?;
    media::library(ground, &third).await?;

    let programs = RADARR.images(bed).await?;
    let image = programs.workload().to_owned();
    let app = App {
        media: Some(MEDIA.to_owned()),
        ..RADARR.app(&model, programs)
    };
    let protected = Protected::deploy(ground, app).await?;
    let running = &protected.running;
    running.in_workload(&RADARR.fill()?).await?;
    running.sim("event settle").await?;
    let sonarr = App {
        name: "sonarr".to_owned(),
        logs: false,
        media: Some(MEDIA.to_owned()),
        ..App::waiting(ground, &model)
    };
    second_app(ground, &sonarr).await?;

    let good = protected
        .back_up_bare(&format!("nothing-else-{}", ground.run), false)
        .await?;
    let volumes: Vec<&str> = good.volumes.iter().map(|(name, _)| name.as_str()).collect();
    ensure!(
        volumes == [running.app.volume("config"), sonarr.volume("config")],
        "Velero should have stored both apps' config volumes, which mount one claim, and no media: {volumes:?}"
    );
    story.figure("volumes in the backup of the one app", volumes.join(", "));
    let wanted = RADARR.held(running).await?;
    let task = Task {
        kubeconfig: bed.folder.join("kubeconfig"),
        app: RADARR.name.to_owned(),
        model: model.clone(),
        backup: uid(&good)?,
        volume: volume_folder(ground, running).await?,
        image,
        kill_at: None,
        sick: 0,
    };
    let damaged = damaged_backup(&protected, &task, ground).await?;
    running
        .in_workload("cd /config; rm -rf lists; echo lost > Backups/manual/1.zip; echo new > new")
        .await?;

    let others = Bystanders {
        ground,
        model: &model,
        third: &third,
        sonarr: &sonarr,
    };
    let restored = others
        .stay(story, "a restore", Own::IsStarted, task.play())
        .await?;
    ensure!(
        restored == Ended::Done,
        "the restore should have ended well: {restored:?}"
    );
    wanted.is_same(&RADARR.held(running).await?, &[])?;

    let before = Untouched::of(running).await?;
    let failing = Task {
        backup: uid(&damaged)?,
        ..task.clone()
    };
    let failed = others
        .stay(story, "a restore that fails", Own::StaysToo, failing.play())
        .await?;
    match failed {
        Ended::Failed(said) => ensure!(said.contains("is damaged"), "it should have been damaged: {said}"),
        other => bail!("the damaged backup should have been refused: {other:?}"),
    }
    before.is_still_so(running).await
}

fn uid(stored: &Stored) -> Result<String> {
    stored
        .backup
        .metadata
        .uid
        .clone()
        .context("the backup has no uid")
}

/// A volume made by hand and a claim that is bound to it, as media on a file server are.
async fn static_media(ground: &TestEnv, model: &str) -> Result<()> {
    let folder = ground.own_bed()?.folder.join("films-by-hand");
    std::fs::create_dir_all(&folder)?;
    let nodes = apply::api(&ground.client, "v1", "Node", "");
    let node = nodes.list(&ListParams::default()).await?.items;
    let node = node.first().and_then(|node| node.metadata.name.clone());
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": format!("films-{}", ground.run), "labels": {RUN_LABEL: ground.run}},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
            "volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
            "claimRef": {"namespace": model, "name": MEDIA},
            "local": {"path": folder},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.context("there is no node")?]},
            ]}]}},
        },
    });
    apply::one(&ground.client, &volume).await?;
    let claims = apply::api(&ground.client, "v1", "PersistentVolumeClaim", model);
    // Not applied: the apps' own objects name the claim too, and would take these fields away again.
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": MEDIA, "namespace": model},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "storageClassName": "",
            "volumeName": format!("films-{}", ground.run), "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    claims
        .create(&PostParams::default(), &serde_json::from_value(claim)?)
        .await?;
    wait::until("the claim of the media is bound", Duration::from_secs(30), || {
        let claims = claims.clone();
        async move {
            let claim = claims.get(MEDIA).await?;
            Ok((claim.data["status"]["phase"] == "Bound").then_some(()))
        }
    })
    .await
}

/// An app of which only the data matter, in its own volume and in the media. Its volume is marked for backups.
async fn second_app(ground: &TestEnv, app: &App) -> Result<()> {
    apply::all(&ground.client, &app.objects(ground)).await?;
    let pod = app.pod();
    ground
        .ready_pod(&app.model, &pod, Duration::from_secs(120))
        .await?;
    let fill = "dd if=/dev/urandom of=/config/sonarr.db bs=1M count=3 2>/dev/null
dd if=/dev/urandom of=/media/film.mkv bs=1M count=20 2>/dev/null
mkdir /media/series
echo one > /media/series/1
chown -R 1000:1000 /config /media";
    exec::shell(ground, workload(app, &pod), fill).await?;
    annotate(ground, &app.model, &pod, &app.volume("config")).await?;
    Ok(())
}

fn workload<'a>(app: &'a App, pod: &'a str) -> Container<'a> {
    Container {
        namespace: &app.model,
        pod,
        name: &app.name,
    }
}

/// A backup with one bit of a database's copy turned over.
async fn damaged_backup(protected: &Protected<'_>, task: &Task, ground: &TestEnv) -> Result<Stored> {
    protected.without_hooks().await?;
    spoilt::hook(&protected.running, "before-backup").await?;
    spoilt::flip(&copy_of(&task.volume, "radarr.db")?)?;
    let stored = protected
        .back_up_bare(&format!("nothing-else-bit-{}", ground.run), false)
        .await;
    spoilt::hook(&protected.running, "after-backup || true").await?;
    stored
}

/// What becomes of the app's own pod and StatefulSet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    /// They say that the app was not ready for a moment, and are the same otherwise.
    IsStarted,
    /// They stay as everything else.
    StaysToo,
}

impl Bystanders<'_> {
    /// Plays a restore of radarr, and fails unless everything else stays as it is and was.
    async fn stay(
        &self,
        story: &mut ScenarioReport,
        case: &str,
        own: Own,
        restore: impl Future<Output = Result<Ended>>,
    ) -> Result<Ended> {
        let content = self.content().await?;
        let before = self.at_rest().await?;
        let ended = restore.await?;
        nothing_is_left(self.ground, None).await?;
        let after = self
            .settled(&before)
            .await
            .with_context(|| format!("after {case}"))?;
        for ((what, before), (_, after)) in content.iter().zip(&self.content().await?) {
            untouched::same(before, after).with_context(|| format!("{what} after {case}"))?;
        }
        self.are_the_same(&before, &after, own)
            .with_context(|| format!("after {case}"))?;
        let (events, appeared) = self
            .nothing_happened(&before, own)
            .await
            .with_context(|| format!("during {case}"))?;
        story.figure(
            &format!("objects that stayed as they were, {case}"),
            before.all.len(),
        );
        story.figure(&format!("changes in the API server's record, {case}"), events);
        story.figure(&format!("what appeared in it, {case}"), appeared.join(", "));
        Ok(ended)
    }

    /// Where the engine works.
    fn scratch(&self) -> String {
        let target = AppId {
            app: RADARR.name.to_owned(),
            model: self.model.to_owned(),
        };
        namespace(&target, Purpose::Restore)
    }

    /// Files, inodes, times and checksums of the second app, the media, and the third namespace.
    async fn content(&self) -> Result<Vec<(&'static str, String)>> {
        let pod = self.sonarr.pod();
        let sonarr = workload(self.sonarr, &pod);
        let library = Container {
            namespace: self.third,
            pod: LIBRARY,
            name: LIBRARY,
        };
        let mut all = Vec::new();
        for (what, place, folder) in [
            ("the second app", sonarr, "/config"),
            ("the media", sonarr, "/media"),
            ("the third namespace", library, "/films"),
        ] {
            let files = untouched::files(self.ground, place, folder).await?;
            ensure!(!files.is_empty(), "{what} should hold files");
            all.push((what, files));
        }
        Ok(all)
    }

    async fn objects(&self) -> Result<Objects> {
        let (mut all, mut versions) = (BTreeMap::new(), BTreeMap::new());
        for (version, kind) in KINDS {
            let api = apply::api(&self.ground.client, version, kind, "");
            let list = api
                .list(&ListParams::default())
                .await
                .with_context(|| format!("cannot list {kind}"))?;
            versions.insert(
                kind,
                list.metadata.resource_version.context("a list has no version")?,
            );
            let objects = list.items.into_iter().map(|object| (key(kind, &object), object));
            all.extend(objects);
        }
        Ok(Objects { all, versions })
    }

    /// The objects, once nothing is being made or put away any more that an earlier scenario left.
    async fn at_rest(&self) -> Result<Objects> {
        let last = RefCell::new(BTreeMap::new());
        wait::until("the cluster is at rest", Duration::from_secs(180), || async {
            let now = self.objects().await?;
            let is_going = |object: &DynamicObject| {
                object.metadata.deletion_timestamp.is_some() || object.data["status"]["phase"] == "Released"
            };
            let versions = now
                .all
                .iter()
                .map(|(key, object)| (key.clone(), object.metadata.resource_version.clone()));
            let versions: BTreeMap<Key, Option<String>> = versions.collect();
            let is_same = last.replace(versions.clone()) == versions;
            Ok((is_same && !now.all.values().any(is_going)).then_some(now))
        })
        .await
    }

    /// The objects, once the volume of the engine's claim is put away, which the provisioner does in its own time.
    async fn settled(&self, before: &Objects) -> Result<Objects> {
        wait::until(
            "no object is there that was not there before",
            Duration::from_secs(60),
            || async {
                let now = self.objects().await?;
                let new: Vec<&Key> = now
                    .all
                    .keys()
                    .filter(|key| !before.all.contains_key(*key))
                    .collect();
                let is_provisioners = |key: &&Key| key.0 == "PersistentVolume" || key.1 == PROVISIONER;
                if let Some(left) = new.iter().find(|key| !is_provisioners(key)) {
                    bail!("{} is left", shown(left));
                }
                Ok(new.is_empty().then_some(now))
            },
        )
        .await
    }

    fn are_the_same(&self, before: &Objects, after: &Objects, own: Own) -> Result<()> {
        for (key, was) in &before.all {
            let is = after
                .all
                .get(key)
                .with_context(|| format!("{} is gone", shown(key)))?;
            ensure!(
                was.metadata.uid == is.metadata.uid,
                "{} was made anew",
                shown(key)
            );
            ensure!(
                was.metadata.resource_version == is.metadata.resource_version
                    || self.may_report(key, was, is, own)?,
                "{} was changed. Before:\n{}\nafter:\n{}",
                shown(key),
                serde_json::to_string(was)?,
                serde_json::to_string(is)?
            );
        }
        Ok(())
    }

    /// Whether it is the app's own pod or StatefulSet, and differs in its status only; or a backup of this scenario, and differs in
    /// what was proven of it only.
    fn may_report(&self, key: &Key, was: &DynamicObject, is: &DynamicObject, own: Own) -> Result<bool> {
        let backups = ["nothing-else", "nothing-else-bit"].map(|name| format!("{name}-{}", self.ground.run));
        if key.0 == "Backup" && backups.contains(&key.2) {
            return Ok(without_proof(was)? == without_proof(is)?);
        }
        let is_own = key.1 == self.model
            && ((key.0 == "Pod" && key.2 == "radarr-0") || (key.0 == "StatefulSet" && key.2 == "radarr"));
        Ok(own == Own::IsStarted && is_own && without_status(was)? == without_status(is)?)
    }

    /// Reads what the API server has recorded since `before`, and fails if anything but the engine's own namespace and what
    /// is in it was made, changed or removed. Returns how many changes there were, and what appeared.
    ///
    /// The record is the one that a watch gets that begins at the old version; a gap in it is an error.
    async fn nothing_happened(&self, before: &Objects, own: Own) -> Result<(usize, Vec<String>)> {
        let kinds = KINDS.iter().map(|(version, kind)| async move {
            let since = before.versions.get(kind).context("no version")?;
            self.record(version, kind, since).await
        });
        let scratch = self.scratch();
        let mut events = 0;
        let mut appeared = Vec::new();
        let mut removed = Vec::new();
        let record: Vec<_> = try_join_all(kinds).await?.into_iter().flatten().collect();
        // Since 1.17 Velero makes a pod of its own for each restore of a volume.
        let restores = record.iter().filter(|(_, key, object)| {
            key.0 == "PodVolumeRestore" && object.data["spec"]["pod"]["namespace"] == scratch.as_str()
        });
        let restores: BTreeSet<String> = restores
            .filter_map(|(_, _, object)| object.metadata.uid.clone())
            .collect();
        for (verb, key, object) in record {
            events += 1;
            let mut owners = object.metadata.owner_references.iter().flatten();
            let is_movers = key.0 == "Pod"
                && key.1 == self.ground.velero_namespace
                && owners.any(|owner| restores.contains(&owner.uid));
            let is_engines = key.1 == scratch
                || (key.0 == "Namespace" && key.2 == scratch)
                || object.data["spec"]["claimRef"]["namespace"] == scratch.as_str()
                || (key.0 == "PodVolumeRestore"
                    && object.data["spec"]["pod"]["namespace"] == scratch.as_str());
            let is_helper = key.0 == "Pod" && key.1 == PROVISIONER && key.2.starts_with("helper-pod-");
            let was = before.all.get(&key);
            let reports = match was {
                Some(was) if verb == "MODIFIED" => self.may_report(&key, was, &object, own)?,
                _ => false,
            };
            ensure!(
                is_engines || is_movers || is_helper || reports,
                "{} was {verb}: {}",
                shown(&key),
                serde_json::to_string(&object)?
            );
            ensure!(
                was.is_none() || reports,
                "{} of before was {verb}, though it looks like the engine's",
                shown(&key)
            );
            if !reports {
                self.is_without_media(&key, &object)?;
            }
            match verb {
                "ADDED" => appeared.push(shown(&key)),
                "DELETED" => removed.push(shown(&key)),
                _ => {}
            }
        }
        appeared.sort();
        removed.sort();
        let is_seen = |kind: &str| {
            appeared
                .iter()
                .any(|what| what.starts_with(&format!("{kind} {scratch}/")))
        };
        ensure!(
            is_seen("Pod") && is_seen("PersistentVolumeClaim") && appeared == removed,
            "the record should have the engine's pod and claim, and all that appeared should be gone: {appeared:?}, \
             gone {removed:?}"
        );
        Ok((events, appeared))
    }

    /// Fails if a new pod, claim or volume is one of the media, or a way to their files.
    fn is_without_media(&self, key: &Key, object: &DynamicObject) -> Result<()> {
        let folder = self.ground.own_bed()?.folder.join("films-by-hand");
        let text = serde_json::to_string(&object.data)?;
        let names = [
            format!("\"claimName\":\"{MEDIA}\""),
            format!("\"films-{}\"", self.ground.run),
            folder.display().to_string(),
        ];
        for name in names {
            ensure!(
                !text.contains(&name),
                "{} has to do with the media: {text}",
                shown(key)
            );
        }
        ensure!(key.2 != MEDIA, "{} is a claim of the media", shown(key));
        Ok(())
    }

    async fn record(
        &self,
        version: &str,
        kind: &str,
        since: &str,
    ) -> Result<Vec<(&'static str, Key, DynamicObject)>> {
        let api = apply::api(&self.ground.client, version, kind, "");
        let parameters = WatchParams::default().disable_bookmarks().timeout(REPLAY_SECONDS);
        let mut events = api.watch(&parameters, since).await?.boxed_local();
        let mut found = Vec::new();
        while let Some(event) = events.next().await {
            let (verb, object) = match event? {
                WatchEvent::Added(object) => ("ADDED", object),
                WatchEvent::Modified(object) => ("MODIFIED", object),
                WatchEvent::Deleted(object) => ("DELETED", object),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(error) => bail!("the record of {kind} has a gap: {error:?}"),
            };
            found.push((verb, key(kind, &object), object));
        }
        Ok(found)
    }
}

fn key(kind: &str, object: &DynamicObject) -> Key {
    let metadata = &object.metadata;
    (
        kind.to_owned(),
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn shown((kind, namespace, name): &Key) -> String {
    match namespace.is_empty() {
        true => format!("{kind} {name}"),
        false => format!("{kind} {namespace}/{name}"),
    }
}

/// An object without what its controllers report.
/// A Backup without what the engine writes on it when it has read it back.
fn without_proof(object: &DynamicObject) -> Result<Value> {
    let mut object = object.clone();
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.retain(|key, _| !key.starts_with("config-recovery/proven-"));
    }
    without_bookkeeping(&object)
}

fn without_status(object: &DynamicObject) -> Result<Value> {
    let mut object = without_bookkeeping(object)?;
    object["status"] = Value::Null;
    Ok(object)
}

/// An object without what the API server writes on it at each change.
fn without_bookkeeping(object: &DynamicObject) -> Result<Value> {
    let mut object = serde_json::to_value(object)?;
    for field in ["resourceVersion", "managedFields"] {
        object["metadata"][field] = Value::Null;
    }
    Ok(object)
}
