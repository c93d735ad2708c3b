//! What a scenario stands on: a cluster with Velero, ours or a user's, and what can be done there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Event, Namespace, PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bed::velero::Server;
use crate::bed::{Bed, PRIVILEGED, images};
use crate::{apply, disk, wait};

/// On everything that a run makes; the value tells runs apart.
pub const RUN_LABEL: &str = "configuratarr.test/run";

/// What a scenario cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Velero with an available storage location.
    Velero,
    /// Velero's node agent, which copies files.
    NodeAgent,
    /// A default StorageClass.
    Storage,
    /// Images made here: only a cluster of our own takes them.
    OwnImages,
    /// Volumes that can be snapshotted, by the driver made here: only a node of our own runs it.
    Snapshots,
    /// This machine's qBittorrent, a Debian package: it goes into an image made here.
    QBittorrent,
    /// A file system of the scenario's own on this machine's disk: only our own node has its volumes there.
    Disk,
    /// This machine's Prometheus, a Debian package: it scrapes pods, which only this machine reaches.
    Prometheus,
}

/// A cluster.
pub struct TestEnv {
    /// Client with the rights of an administrator.
    pub client: Client,
    /// Where Velero runs.
    pub velero_namespace: String,
    /// Name of the storage location that backups go to.
    pub location: String,
    /// An image with a shell.
    pub shell_image: String,
    /// What is missing here, and why.
    pub lacks: BTreeMap<Need, String>,
    /// The bed, when the cluster is ours.
    pub bed: Option<Bed>,
    /// Whether long rounds were asked for.
    pub thorough: bool,
    /// Value of [`RUN_LABEL`] for this run, also part of the names of what it makes.
    pub run: String,
}

impl TestEnv {
    /// Our own bed.
    pub fn of_bed(bed: Bed) -> Self {
        Self {
            client: bed.client.clone(),
            velero_namespace: crate::bed::VELERO_NAMESPACE.to_owned(),
            location: "default".to_owned(),
            shell_image: images::BUSYBOX.to_owned(),
            lacks: lacks_of_bed(),
            bed: Some(bed),
            thorough: false,
            run: new_run(),
        }
    }

    /// A user's cluster. What it lacks is found out by looking.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn of_cluster(client: Client, shell_image: &str) -> Result<Self> {
        client
            .apiserver_version()
            .await
            .context("cannot reach the cluster: check --kubeconfig")?;
        let mut lacks = BTreeMap::new();
        lacks.insert(
            Need::OwnImages,
            "images made here cannot be put into a cluster of yours".to_owned(),
        );
        lacks.insert(
            Need::QBittorrent,
            "an image with this machine's qBittorrent cannot be put into a cluster of yours".to_owned(),
        );
        lacks.insert(
            Need::Disk,
            "a disk made here cannot be put into a node of yours".to_owned(),
        );
        lacks.insert(
            Need::Prometheus,
            "this machine's Prometheus cannot reach the pods of a cluster of yours".to_owned(),
        );
        lacks.insert(
            Need::Snapshots,
            "the CSI driver made here cannot be put on a node of yours".to_owned(),
        );
        let (mut velero_namespace, mut location) = (String::new(), String::new());
        // Without Velero's definitions there is nothing to list.
        let locations = apply::api(&client, "velero.io/v1", "BackupStorageLocation", "");
        let found = listed(&locations, &ListParams::default()).await;
        match found
            .into_iter()
            .find(|is| is.data["status"]["phase"] == "Available")
        {
            Some(available) => {
                velero_namespace = available.metadata.namespace.unwrap_or_default();
                location = available.metadata.name.unwrap_or_default();
                let agents = apply::api(&client, "apps/v1", "DaemonSet", &velero_namespace);
                let agent = agents.get_opt("node-agent").await?;
                let ready = agent.and_then(|agent| agent.data["status"]["numberReady"].as_i64());
                if ready.unwrap_or(0) == 0 {
                    lacks.insert(Need::NodeAgent, "Velero's node agent does not run".to_owned());
                }
            }
            None => {
                lacks.insert(Need::Velero, "no BackupStorageLocation is Available".to_owned());
            }
        }
        let classes = apply::api(&client, "storage.k8s.io/v1", "StorageClass", "");
        let is_default = "storageclass.kubernetes.io/is-default-class";
        let has_default = classes
            .list(&ListParams::default())
            .await?
            .items
            .into_iter()
            .any(|class| {
                class
                    .metadata
                    .annotations
                    .is_some_and(|all| all.get(is_default).is_some_and(|is| is == "true"))
            });
        if !has_default {
            lacks.insert(Need::Storage, "there is no default StorageClass".to_owned());
        }
        Ok(Self {
            client,
            velero_namespace,
            location,
            shell_image: shell_image.to_owned(),
            lacks,
            bed: None,
            thorough: false,
            run: new_run(),
        })
    }

    /// Makes a namespace for a scenario, called like `purpose` with the run's name behind it.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn namespace(&self, purpose: &str) -> Result<String> {
        let name = format!("{purpose}-{}", self.run);
        let labels = json!({RUN_LABEL: self.run, PRIVILEGED.0: PRIVILEGED.1});
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        apply::one(&self.client, &namespace).await?;
        // The controllers give every namespace an account, without which no pod is admitted.
        let accounts = apply::api(&self.client, "v1", "ServiceAccount", &name);
        wait::until(
            "the namespace has its default account",
            Duration::from_secs(30),
            || {
                let accounts = accounts.clone();
                async move { Ok(accounts.get_opt("default").await?) }
            },
        )
        .await?;
        Ok(name)
    }

    /// Puts a Velero like `server` beside the one of our own bed, with a namespace and a bucket of its own that are called
    /// like `purpose`. What is asked of the cluster that is returned is asked of that Velero.
    ///
    /// # Errors
    /// In a user's cluster, or when it does not get ready.
    pub async fn with_another_velero(&self, purpose: &str, server: Server<'_>) -> Result<Self> {
        let namespace = self.namespace(&format!("{purpose}-velero")).await?;
        let server = Server {
            namespace: &namespace,
            bucket: purpose,
            ..server
        };
        self.own_bed()?.install_velero(server).await?;
        // What `velero install` makes takes no note of the run, and a failure's evidence is found by it.
        let labels = json!({"metadata": {"labels": {RUN_LABEL: self.run}}});
        apply::api(&self.client, "v1", "Namespace", "")
            .patch(&namespace, &PatchParams::default(), &Patch::Merge(labels))
            .await?;
        Ok(Self {
            client: self.client.clone(),
            velero_namespace: namespace,
            location: "default".to_owned(),
            shell_image: self.shell_image.clone(),
            lacks: BTreeMap::new(),
            bed: None,
            thorough: self.thorough,
            run: self.run.clone(),
        })
    }

    /// Access to the pods of a namespace.
    pub fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Access to Velero's objects of a kind.
    pub fn velero(&self, kind: &str) -> Api<kube::api::DynamicObject> {
        apply::api(&self.client, "velero.io/v1", kind, &self.velero_namespace)
    }

    /// What helps to understand a failure: pods, events and the ends of logs in the namespaces of this run that belong
    /// to a scenario (whose names begin with `prefix`), and of Velero.
    pub async fn evidence(&self, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", self.run));
        let names = listed(&namespaces, &ours)
            .await
            .into_iter()
            .filter_map(|is| is.metadata.name)
            .filter(|name| name.starts_with(prefix));
        for namespace in names.chain([self.velero_namespace.clone()]) {
            found.extend(self.evidence_of(&namespace).await);
        }
        found
    }

    async fn evidence_of(&self, namespace: &str) -> Vec<String> {
        let mut found = Vec::new();
        let pods = self.pods(namespace);
        for pod in listed(&pods, &ListParams::default()).await {
            let name = pod.metadata.name.clone().unwrap_or_default();
            let pod = serde_json::to_value(&pod).unwrap_or_default();
            found.push(format!("pod {namespace}/{name}: {}", describe(&pod["status"])));
            for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
                let container = container["name"].as_str().unwrap_or_default().to_owned();
                let parameters = LogParams {
                    container: Some(container.clone()),
                    tail_lines: Some(500),
                    ..LogParams::default()
                };
                let log = pods.logs(&name, &parameters).await.unwrap_or_default();
                let end = end_of_log(&log, namespace == self.velero_namespace);
                if !end.is_empty() {
                    found.push(format!(
                        "end of the log of {namespace}/{name} {container}:\n{end}"
                    ));
                }
            }
        }
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
        for claim in listed(&claims, &ListParams::default()).await {
            let name = claim.metadata.name.unwrap_or_default();
            let phase = claim.status.and_then(|status| status.phase);
            found.push(format!("claim {namespace}/{name}: {}", phase.unwrap_or_default()));
        }
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        for event in listed(&events, &ListParams::default()).await {
            // There is no name server in our bed, and every pod says so.
            let is_dns = event.reason.as_deref() == Some("MissingClusterDNS");
            if event.type_.as_deref() == Some("Warning") && !is_dns {
                let about = event.involved_object.name.unwrap_or_default();
                let (reason, message) = (
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default(),
                );
                found.push(format!("event {namespace}/{about}: {reason}: {message}"));
            }
        }
        found
    }

    /// Ends when a part of our bed has ended, with what it said last. In a user's cluster it never does.
    pub async fn part_dies(&self) -> anyhow::Error {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            if let Some(ended) = self.bed.as_ref().and_then(|bed| bed.ended().into_iter().next()) {
                return anyhow::anyhow!(ended);
            }
        }
    }

    /// Removes what this run made. Only needed in a user's cluster: our own goes away as a whole.
    ///
    /// # Errors
    /// When something cannot be listed or removed.
    pub async fn clean(&self) -> Result<()> {
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", self.run));
        let delete = DeleteParams::default();
        if !self.velero_namespace.is_empty() {
            // Schedules first: no backup shall start while we clean.
            for kind in ["Schedule", "Restore"] {
                self.velero(kind).delete_collection(&delete, &ours).await?;
            }
            for backup in self.velero("Backup").list(&ours).await?.items {
                // Deleting the object alone would leave its data in the bucket.
                let name = backup.metadata.name.unwrap_or_default();
                let request = json!({
                    "apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
                    "metadata": {"name": name, "namespace": self.velero_namespace,
                                 "labels": {"velero.io/backup-name": name, "velero.io/backup-uid": backup.metadata.uid}},
                    "spec": {"backupName": name},
                });
                apply::one(&self.client, &request).await?;
            }
            let modifiers = apply::api(&self.client, "v1", "ConfigMap", &self.velero_namespace);
            modifiers.delete_collection(&delete, &ours).await?;
            // Velero removes the data first and the object last.
            wait::until(
                "Velero has removed this run's backups",
                Duration::from_secs(120),
                || {
                    let (backups, ours) = (self.velero("Backup"), ours.clone());
                    async move { Ok(backups.list(&ours).await?.items.is_empty().then_some(())) }
                },
            )
            .await?;
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for namespace in namespaces.list(&ours).await?.items {
            namespaces
                .delete(&namespace.metadata.name.unwrap_or_default(), &delete)
                .await?;
        }
        Ok(())
    }

    /// Waits until a pod is ready and returns it.
    ///
    /// # Errors
    /// When it is not in time; the text says in which state it is.
    pub async fn ready_pod(&self, namespace: &str, name: &str, deadline: Duration) -> Result<Value> {
        let pods = self.pods(namespace);
        let last = &RefCell::new("it does not exist".to_owned());
        let waited = wait::until(&format!("pod {namespace}/{name} is ready"), deadline, || {
            let pods = pods.clone();
            async move {
                let Some(pod) = pods.get_opt(name).await? else {
                    return Ok(None);
                };
                let pod = serde_json::to_value(pod)?;
                last.replace(describe(&pod["status"]));
                let ready = pod["status"]["conditions"].as_array().is_some_and(|all| {
                    all.iter()
                        .any(|is| is["type"] == "Ready" && is["status"] == "True")
                });
                Ok(ready.then_some(pod))
            }
        })
        .await;
        waited.with_context(|| format!("pod {namespace}/{name}: {}", last.borrow()))
    }

    /// The folder of a claim's volume on this machine, which is the node.
    ///
    /// # Errors
    /// When the claim has no volume, or that is no folder.
    pub async fn folder_of(&self, namespace: &str, claim: &str) -> Result<PathBuf> {
        let claims = apply::api(&self.client, "v1", "PersistentVolumeClaim", namespace);
        let claim = claims.get(claim).await?;
        let name = claim.data["spec"]["volumeName"]
            .as_str()
            .context("the claim has no volume")?;
        let volumes = apply::api(&self.client, "v1", "PersistentVolume", "");
        let volume = volumes.get(name).await?;
        let path = volume.data["spec"]["local"]["path"].as_str();
        Ok(PathBuf::from(
            path.context("the volume is no folder of this node")?,
        ))
    }

    /// Refuses a scenario's needs that this cluster lacks: the first reason.
    pub fn lack(&self, needs: &[Need]) -> Option<String> {
        needs.iter().find_map(|need| self.lacks.get(need)).cloned()
    }

    /// The bed, for scenarios that say that they need it.
    ///
    /// # Errors
    /// In a user's cluster.
    pub fn own_bed(&self) -> Result<&Bed> {
        match &self.bed {
            Some(bed) => Ok(bed),
            None => bail!("this needs the cluster that cargo e2e brings up"),
        }
    }
}

/// What a bed lacks because its machine does.
fn lacks_of_bed() -> BTreeMap<Need, String> {
    let has_loop = std::path::Path::new(disk::LOOP_CONTROL).exists();
    let lack = (!has_loop).then(|| {
        let reason = format!("there is no {} to mount a file by", disk::LOOP_CONTROL);
        (Need::Disk, reason)
    });
    lack.into_iter().collect()
}

/// The objects of a kind; nothing where they cannot be listed.
async fn listed<K: Clone + DeserializeOwned + Debug>(api: &Api<K>, which: &ListParams) -> Vec<K> {
    api.list(which).await.map(|list| list.items).unwrap_or_default()
}

/// A pod's status in one line: phase, and for each container what it does or why it does not.
fn describe(status: &Value) -> String {
    let mut words = vec![status["phase"].as_str().unwrap_or("unknown").to_owned()];
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status[list].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            let state = container["state"]
                .as_object()
                .and_then(|state| state.iter().next());
            let Some((state, detail)) = state else { continue };
            let mut text = format!("{name} {state}");
            for key in ["reason", "message", "exitCode"] {
                if let Some(value) = detail.get(key) {
                    text.push_str(&format!(
                        " {}",
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    ));
                }
            }
            if container["restartCount"].as_i64() > Some(0) {
                text.push_str(&format!(", restarted {} times", container["restartCount"]));
            }
            words.push(text);
        }
    }
    words.join("; ")
}

/// The last lines of a log, cut to a readable width. Of Velero's only what is not going well: it says very much.
fn end_of_log(log: &str, only_problems: bool) -> String {
    let is_problem =
        |line: &&str| !only_problems || line.contains("level=error") || line.contains("level=warning");
    let lines: Vec<String> = log
        .lines()
        .filter(is_problem)
        .map(|line| line.chars().take(400).collect())
        .collect();
    lines
        .get(lines.len().saturating_sub(30)..)
        .unwrap_or_default()
        .join("\n")
}

/// Six hex digits that differ from run to run.
fn new_run() -> String {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:06x}", (since.as_millis() / 16) & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_hangs_says_why() {
        let status = json!({
            "phase": "Pending",
            "initContainerStatuses": [{"name": "charm-init", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
            "containerStatuses": [
                {"name": "charm", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}}},
                {"name": "radarr", "restartCount": 0, "state": {"running": {"startedAt": "2026-11-23T09:22:40Z"}}},
            ],
        });
        assert_eq!(
            describe(&status),
            "Pending; charm-init terminated Completed 0; charm waiting CrashLoopBackOff back-off 20s, restarted 2 times; radarr running"
        );
    }

    #[test]
    fn of_velero_only_problems_are_shown() {
        let log = "level=info msg=a\nlevel=error msg=b\n";
        assert_eq!(end_of_log(log, true), "level=error msg=b");
        assert_eq!(end_of_log(log, false), log.trim_end());
        assert_eq!(end_of_log(&"x\n".repeat(99), false).lines().count(), 30);
    }

    #[test]
    fn a_pod_without_status_is_described_too() {
        assert_eq!(describe(&Value::Null), "unknown");
    }
}
