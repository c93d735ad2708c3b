//! [`KubeCluster`]: the cluster over its API.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use config_recovery::api::{AnyObject, Api, Resource};
use config_recovery::cluster::{Cluster as Engine, ask_within};
use config_recovery::definitions;
use config_recovery::method::{SERVERS, SNAPSHOT_CLASS_LABEL, has_csi_feature};
use config_volume::causes;
use juju_charm::kubernetes::{ConnectionError, Settings};
use kube::Client;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::connection;
use super::kinds::{
    Container, PersistentVolume, PersistentVolumeClaim, Pod as KubePod, StatefulSet as KubeSet,
};
use super::{
    Claim, Cluster, ClusterError, FoundObject, Marks, MountChange, NodeAgent, ObjectKind, OwnObject, Pod,
    PodVolume, StatefulSet, VolumeSource,
};
use crate::backup::APP_LABEL;

/// How long one request may take. A hook must end, and the API server is next door.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whose the fields are that the charm applies.
const FIELD_MANAGER: &str = "configuratarr";

/// The cluster that this process runs in. Making one does nothing; it connects when it is first asked.
///
/// Outside of a pod the variable `KUBECONFIG` names the cluster. A file in the home folder is never used: a charm that
/// is tried on somebody's machine must not change that person's cluster.
pub struct KubeCluster {
    namespace: String,
    /// For requests one after the other: all of it happens in the thread that waits for them.
    connection: OnceCell<(Runtime, Client)>,
    /// For [`KubeCluster::run_with_breaks`].
    threaded: OnceCell<(Runtime, Client)>,
}

impl KubeCluster {
    /// The cluster, seen from this namespace, which is the model's name.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            connection: OnceCell::new(),
            threaded: OnceCell::new(),
        }
    }

    fn connect(&self, action: &str) -> Result<&(Runtime, Client), ClusterError> {
        self.connected(&self.connection, action, &mut Builder::new_current_thread())
    }

    fn connected<'a>(
        &self,
        connection: &'a OnceCell<(Runtime, Client)>,
        action: &str,
        runtime: &mut Builder,
    ) -> Result<&'a (Runtime, Client), ClusterError> {
        if let Some(connection) = connection.get() {
            return Ok(connection);
        }
        let unreachable = |error: &dyn Error| ClusterError::unreachable(action, causes(error));
        let settings = settings(action)?;
        let runtime = runtime.enable_all().build();
        let runtime = runtime.map_err(|error| unreachable(&error))?;
        let client = client_on(&runtime, settings, &self.namespace);
        let client = client.map_err(|error| unreachable(&error))?;
        Ok(connection.get_or_init(|| (runtime, client)))
    }

    /// Runs `work`, which makes requests of its own with their own time limits, to its end.
    ///
    /// # Errors
    /// [`ClusterError::Unreachable`] when there is no cluster to ask.
    pub fn run<T, F>(&self, work: impl FnOnce(Client) -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = T>,
    {
        let (runtime, client) = self.connect("connect")?;
        Ok(runtime.block_on(work(client.clone())))
    }

    /// As [`KubeCluster::run`], for work that calls [`tokio::task::block_in_place`] for what blocks, and that may ask here in
    /// between: a restore stops and starts the app. It takes a thread and a connection of its own.
    ///
    /// # Errors
    /// As [`KubeCluster::run`].
    pub fn run_with_breaks<T, F>(&self, work: impl FnOnce(Client) -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = T>,
    {
        let mut threads = Builder::new_multi_thread();
        let (runtime, client) = self.connected(&self.threaded, "connect", threads.worker_threads(1))?;
        Ok(runtime.block_on(work(client.clone())))
    }

    /// Runs a request to its end.
    fn ask<T, F>(&self, action: &str, request: impl FnOnce(Client) -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let (runtime, client) = self.connect(action)?;
        // The time limit needs the runtime's clock, so it is begun inside.
        runtime.block_on(async { ask_within(TIMEOUT, action, request(client.clone())).await })
    }

    /// Whether a Velero server runs with the feature that snapshots of CSI volumes need.
    fn velero_makes_snapshots(&self) -> Result<bool, ClusterError> {
        let servers = self.ask("look for Velero's server", |client| async move {
            Api::<KubePod>::all(client)
                .list(&ListParams::default().labels(SERVERS))
                .await
        })?;
        let mut containers = servers
            .items
            .into_iter()
            .filter_map(|pod| pod.spec?.containers)
            .flatten();
        Ok(containers.any(|container| has_csi_feature(&container.args.unwrap_or_default())))
    }

    fn pods(&self, client: Client) -> Api<KubePod> {
        Api::namespaced(client, &self.namespace)
    }

    /// Objects of a kind that the charm makes itself, in its namespace.
    fn objects(&self, client: Client, kind: ObjectKind) -> Api<AnyObject> {
        let (api_version, plural) = match kind {
            ObjectKind::ConfigMap => ("v1", "configmaps"),
            ObjectKind::NetworkPolicy => ("networking.k8s.io/v1", "networkpolicies"),
        };
        let resource = Resource {
            api_version,
            kind: kind.name(),
            plural,
        };
        Api::of(client, resource, Some(&self.namespace))
    }

    /// A strategic merge patch of a StatefulSet.
    fn patch_set(&self, action: &'static str, name: &str, patch: Value) -> Result<(), ClusterError> {
        self.ask(action, |client| async move {
            Api::<KubeSet>::namespaced(client, &self.namespace)
                .patch_metadata(name, &Patch::Strategic(patch))
                .await
        })
    }
}

impl Cluster for KubeCluster {
    fn address(&self) -> Option<IpAddr> {
        std::env::var("KUBERNETES_SERVICE_HOST").ok()?.parse().ok()
    }

    fn pod(&self, name: &str) -> Result<Pod, ClusterError> {
        let pod = self.ask("read its pod", |client| async move {
            self.pods(client).get(name).await
        })?;
        Ok(seen_pod(pod))
    }

    fn annotate_pod(
        &self,
        name: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError> {
        let patch = json!({"metadata": {"annotations": annotations}});
        self.ask("annotate its pod", |client| async move {
            self.pods(client).patch_metadata(name, &Patch::Merge(patch)).await
        })
    }

    fn claim(&self, name: &str) -> Result<Claim, ClusterError> {
        let claim = self.ask("read its claim", |client| async move {
            Api::<PersistentVolumeClaim>::namespaced(client, &self.namespace)
                .get(name)
                .await
        })?;
        let spec = claim.spec.unwrap_or_default();
        let is_bound = claim.status.and_then(|status| status.phase).as_deref() == Some("Bound");
        Ok(Claim {
            labels: claim.metadata.labels,
            annotations: claim.metadata.annotations,
            volume: spec.volume_name.filter(|name| is_bound && !name.is_empty()),
        })
    }

    /// A merge patch needs no kind, since the path names it.
    fn mark_claim(&self, name: &str, marks: &Marks) -> Result<(), ClusterError> {
        let patch = json!({"metadata": marks});
        self.ask("label its claim", |client| async move {
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, &self.namespace);
            claims.patch_metadata(name, &Patch::Merge(patch)).await
        })
    }

    fn others_mount(&self, claim: &str, app: &str) -> Result<bool, ClusterError> {
        let pods = self.ask("look for other pods that mount the claim", |client| async move {
            self.pods(client).list(&ListParams::default()).await
        })?;
        Ok(pods.items.iter().any(|pod| is_other_user(pod, claim, app)))
    }

    fn pods_of(&self, app: &str) -> Result<Vec<Pod>, ClusterError> {
        let own = ListParams::default().labels(&format!("{APP_LABEL}={app}"));
        let pods = self.ask("look at its other pods", |client| async move {
            self.pods(client).list(&own).await
        })?;
        Ok(pods.items.into_iter().map(seen_pod).collect())
    }

    fn change_mount(&self, stateful_set: &str, change: &MountChange) -> Result<(), ClusterError> {
        self.patch_set("change what its pods mount", stateful_set, mount_patch(change))
    }

    fn change_pods(&self, stateful_set: &str, template: &Value) -> Result<(), ClusterError> {
        let patch = json!({"spec": {"template": template}});
        self.patch_set("change its pods", stateful_set, patch)
    }

    fn stateful_set(&self, name: &str) -> Result<StatefulSet, ClusterError> {
        let set = self.ask("read its StatefulSet", |client| async move {
            Api::<KubeSet>::namespaced(client, &self.namespace)
                .get(name)
                .await
        })?;
        let template = set.spec.unwrap_or_default().template;
        Ok(StatefulSet {
            uid: set.metadata.uid.unwrap_or_default(),
            template: seen_pod(template),
        })
    }

    fn object(&self, kind: ObjectKind, name: &str) -> Result<Option<FoundObject>, ClusterError> {
        let found = self.ask(reading(kind), |client| async move {
            self.objects(client, kind).get(name).await
        });
        let AnyObject {
            metadata,
            mut content,
        } = match found {
            Err(ClusterError::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        if let Some(all) = content.as_object_mut() {
            for key in ["apiVersion", "kind", "metadata"] {
                all.remove(key);
            }
        }
        Ok(Some(FoundObject {
            content,
            owners: metadata
                .owner_references
                .into_iter()
                .map(|owner| owner.uid)
                .collect(),
        }))
    }

    fn apply_object(&self, object: &OwnObject) -> Result<(), ClusterError> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.ask(changing(object.kind), |client| async move {
            self.objects(client, object.kind)
                .patch(&object.name, &parameters, &Patch::Apply(object.content.clone()))
                .await
        })
    }

    fn delete_object(&self, kind: ObjectKind, name: &str) -> Result<(), ClusterError> {
        let deleted = self.ask(changing(kind), |client| async move {
            self.objects(client, kind).delete(name).await
        });
        match deleted {
            Err(ClusterError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    fn volume(&self, name: &str) -> Result<VolumeSource, ClusterError> {
        let volume = self.ask("read its volume", |client| async move {
            Api::<PersistentVolume>::all(client).get(name).await
        })?;
        let spec = volume.spec.unwrap_or_default();
        Ok(match (spec.csi, spec.host_path) {
            (Some(csi), _) => VolumeSource::Csi(csi.driver),
            (None, Some(_)) => VolumeSource::HostPath,
            (None, None) => VolumeSource::Other,
        })
    }

    fn snapshot_drivers(&self) -> Result<Vec<String>, ClusterError> {
        let resource = Resource {
            api_version: "snapshot.storage.k8s.io/v1",
            kind: "VolumeSnapshotClass",
            plural: "volumesnapshotclasses",
        };
        let marked = format!("{SNAPSHOT_CLASS_LABEL}=true");
        let listed = self.ask("list snapshot classes", |client| async move {
            Api::<AnyObject>::of(client, resource, None)
                .list(&ListParams::default().labels(&marked))
                .await
        });
        let drivers: Vec<String> = match listed {
            Ok(classes) => {
                let drivers = classes.items.iter().map(|class| class.content["driver"].as_str());
                drivers.flatten().map(str::to_owned).collect()
            }
            // The cluster does not know snapshots.
            Err(ClusterError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        if drivers.is_empty() || !self.velero_makes_snapshots()? {
            return Ok(Vec::new());
        }
        Ok(drivers)
    }

    fn node_agent(&self, node: &str) -> Result<NodeAgent, ClusterError> {
        let agents = self.ask("look for Velero's node agent", |client| async move {
            let here = format!("spec.nodeName={node},status.phase=Running");
            let parameters = ListParams::default().labels(definitions::AGENTS).fields(&here);
            Api::<KubePod>::all(client).list(&parameters).await
        })?;
        if agents.items.is_empty() {
            return Ok(NodeAgent::None);
        }
        let containers = agents
            .items
            .into_iter()
            .filter_map(|agent| agent.spec?.containers);
        let images = containers
            .flatten()
            .filter(|container| container.name == definitions::AGENT_CONTAINER)
            .filter_map(|container| container.image);
        let images: Vec<String> = images.collect();
        // Of several Veleros it is not known here which one backs the app up.
        let [image] = images.as_slice() else {
            return Ok(NodeAgent::Runs);
        };
        let too_old = self.run(|client| async move {
            definitions::too_old(&Engine::new(client), definitions::OF_BACKUPS, image).await
        })??;
        Ok(too_old.map_or(NodeAgent::Runs, NodeAgent::Refused))
    }
}

fn settings(action: &str) -> Result<Settings, ClusterError> {
    Settings::from_env().map_err(|error| ClusterError::unreachable(action, causes(&error)))
}

/// A client of the same cluster for whoever has a runtime and is in it.
///
/// # Errors
/// [`ClusterError::Unreachable`] when there is no cluster to ask.
pub fn in_runtime(namespace: &str) -> Result<Client, ClusterError> {
    let client = connection::client(settings("connect")?, namespace);
    client.map_err(|error| ClusterError::unreachable("connect", causes(&error)))
}

/// A client whose tasks run on this runtime.
fn client_on(runtime: &Runtime, settings: Settings, namespace: &str) -> Result<Client, ConnectionError> {
    let _inside = runtime.enter();
    connection::client(settings, namespace)
}

const fn reading(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::ConfigMap => "read its ConfigMap",
        ObjectKind::NetworkPolicy => "read its NetworkPolicy",
    }
}

const fn changing(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::ConfigMap => "change its ConfigMap",
        ObjectKind::NetworkPolicy => "change its NetworkPolicy",
    }
}

fn is_other_user(pod: &KubePod, claim: &str, app: &str) -> bool {
    let metadata = &pod.metadata;
    let is_own = metadata.labels.get(APP_LABEL).is_some_and(|name| name == app);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let has_ended = metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"));
    let volumes = pod.spec.iter().filter_map(|spec| spec.volumes.as_ref()).flatten();
    let mut claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    !is_own && !has_ended && claims.any(|mounted| mounted.claim_name == claim)
}

/// A strategic merge patch: volumes are told apart by name, mounts by path, and all that is not named stays.
fn mount_patch(change: &MountChange) -> Value {
    let gone = change
        .no_longer_at
        .iter()
        .map(|path| json!({"mountPath": path, "$patch": "delete"}));
    let there = change
        .mount
        .iter()
        .map(|mount| json!({"mountPath": mount.path, "name": change.volume}));
    let mounts: Vec<Value> = gone.chain(there).collect();
    let volume = match &change.mount {
        Some(mount) => json!({"name": change.volume, "persistentVolumeClaim": {"claimName": mount.claim}}),
        None => json!({"name": change.volume, "$patch": "delete"}),
    };
    json!({"spec": {"template": {
        "metadata": {"annotations": change.annotations},
        "spec": {"volumes": [volume], "containers": [{"name": change.container, "volumeMounts": mounts}]},
    }}})
}

fn seen_pod(pod: KubePod) -> Pod {
    let spec = pod.spec.unwrap_or_default();
    let volumes = spec.volumes.unwrap_or_default().into_iter().map(|volume| {
        let source = if let Some(claim) = volume.persistent_volume_claim {
            PodVolume::Claim(claim.claim_name)
        } else if volume.host_path.is_some() {
            PodVolume::HostPath
        } else {
            PodVolume::Other
        };
        (volume.name, source)
    });
    let images = |containers: &[Container]| {
        let named = containers
            .iter()
            .filter_map(|container| Some((container.name.clone(), container.image.clone()?)));
        named.collect()
    };
    let init_images = images(&spec.init_containers.unwrap_or_default());
    let containers = spec.containers.unwrap_or_default();
    let images = images(&containers);
    let mounts = containers.into_iter().map(|container| {
        let mounted = container.volume_mounts.unwrap_or_default();
        (
            container.name,
            mounted
                .into_iter()
                .map(|mount| (mount.mount_path, mount.name))
                .collect(),
        )
    });
    Pod {
        node: spec.node_name.unwrap_or_default(),
        annotations: pod.metadata.annotations,
        volumes: volumes.collect(),
        mounts: mounts.collect(),
        images,
        init_images,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(change: impl FnOnce(&mut Value)) -> KubePod {
        let mut pod = json!({
            "metadata": {"labels": {APP_LABEL: "sonarr"}},
            "spec": {"containers": [], "volumes": [
                {"name": "config", "persistentVolumeClaim": {"claimName": "sonarr-config"}},
                {"name": "media-storage", "persistentVolumeClaim": {"claimName": "films"}},
            ]},
            "status": {"phase": "Running"},
        });
        change(&mut pod);
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_restore_that_blocks_in_between_may_ask_meanwhile() {
        let (cluster, client) = (KubeCluster::new("media"), |builder: &mut Builder| {
            let (settings, heads) = connection::tests::server();
            let runtime = builder.enable_all().build().unwrap();
            let client = client_on(&runtime, settings, "media").unwrap();
            ((runtime, client), heads)
        });
        let (own, own_heads) = client(&mut Builder::new_current_thread());
        let (threaded, threaded_heads) = client(Builder::new_multi_thread().worker_threads(1));
        assert!(cluster.connection.set(own).is_ok() && cluster.threaded.set(threaded).is_ok());
        cluster
            .run_with_breaks(|client| async {
                let pods: Api<KubePod> = Api::namespaced(client, "media");
                pods.get("before").await.unwrap();
                // As the engine's stopping of the app does.
                tokio::task::block_in_place(|| cluster.pod("meanwhile")).unwrap();
                pods.get("after").await.unwrap();
            })
            .unwrap();
        let asked = |heads: std::sync::mpsc::Receiver<(usize, String)>| -> Vec<(usize, String)> {
            let path = |head: String| {
                head.split(' ')
                    .nth(1)
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            };
            heads
                .try_iter()
                .map(|(number, head)| (number, path(head)))
                .collect()
        };
        assert_eq!(asked(own_heads), [(0, "meanwhile".to_owned())]);
        assert_eq!(
            asked(threaded_heads),
            [(0, "before".to_owned()), (0, "after".to_owned())]
        );
    }

    #[test]
    fn a_claim_has_other_users_while_pods_of_others_mount_it_and_have_not_ended() {
        let mounts = |change: fn(&mut Value)| is_other_user(&pod(change), "films", "radarr");
        assert!(mounts(|_| ()));
        assert!(mounts(|pod| pod["metadata"] = json!({})));
        assert!(mounts(|pod| pod["status"]["phase"] = json!("Pending")));
        assert!(!mounts(
            |pod| pod["metadata"]["labels"][APP_LABEL] = json!("radarr")
        ));
        assert!(!mounts(
            |pod| pod["metadata"]["deletionTimestamp"] = json!("2026-11-24T19:00:00Z")
        ));
        assert!(!mounts(|pod| pod["status"]["phase"] = json!("Succeeded")));
        assert!(!mounts(|pod| pod["spec"]["volumes"] = json!([])));
    }
}
