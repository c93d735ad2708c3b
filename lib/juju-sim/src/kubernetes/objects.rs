//! Pods, claims and volumes as Juju and a provisioner make them.

use serde_json::{Value, json};

use super::limits::{NoPods, no_pods};
use super::names::{REVISION, revision, suffix, volume_name};
use super::{Objects, VolumeKind};
use crate::layout::app_of;

/// What a unit's pod is made of.
#[derive(Debug, Clone)]
pub(crate) struct PodParts {
    /// The unit, `radarr/0`.
    pub unit: String,
    /// Each storage: name, mount point in the charm container, and the containers with their own mount points.
    pub storage: Vec<StorageParts>,
    /// Names of the workload containers.
    pub containers: Vec<String>,
}

impl PodParts {
    /// The application.
    pub fn app(&self) -> &str {
        app_of(&self.unit)
    }
}

/// One storage of a unit.
#[derive(Debug, Clone)]
pub(crate) struct StorageParts {
    pub name: String,
    /// The volume, where an imported one is attached.
    pub volume: Option<String>,
    /// Mount point in the charm container.
    pub location: String,
    /// Container and its mount point.
    pub mounts: Vec<(String, String)>,
}

impl Objects {
    /// Puts a new pod in the place of the old one, made from its StatefulSet. Its claims stay if they are there.
    pub fn put_pod(&mut self, parts: &PodParts) {
        let name = parts.unit.replace('/', "-");
        let app = parts.app().to_owned();
        let set = match self.stateful_sets.get(&app) {
            Some(set) => set,
            None => {
                self.put_stateful_set(parts);
                &self.stateful_sets[&app]
            }
        };
        let template = &set["spec"]["template"];
        let revision = revision(&app, template);
        let (mut metadata, mut spec) = (template["metadata"].clone(), template["spec"].clone());
        metadata["name"] = json!(name);
        metadata["namespace"] = json!(self.namespace);
        metadata["labels"][REVISION] = json!(revision);
        spec["nodeName"] = json!("sim");
        for storage in &parts.storage {
            let volume = volume_name(&app, &storage.name);
            let claim = format!("{volume}-{name}");
            push(
                &mut spec["volumes"],
                json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}}),
            );
            // The same path for all units in Juju; here each has its own folder. The charm container comes first.
            push(
                &mut spec["containers"][0]["volumeMounts"],
                json!({"name": volume, "mountPath": storage.location}),
            );
            match &storage.volume {
                Some(volume) => self.put_attached_claim(&storage.name, &claim, volume),
                None => self.put_claim(&app, &storage.name, &claim),
            }
        }
        let api_access = format!("kube-api-access-{}", suffix(&name));
        push(
            &mut spec["volumes"],
            json!({"name": api_access, "projected": {"sources": []}}),
        );
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"},
        });
        self.pods.insert(name, pod);
    }

    /// Why an application gets no pods; none if it does.
    pub fn no_pods(&self, parts: &PodParts) -> Option<NoPods> {
        if self.options.pods_of_long_names {
            return None;
        }
        let template = self
            .stateful_sets
            .get(parts.app())
            .map(|set| &set["spec"]["template"]);
        let revision = revision(parts.app(), template.unwrap_or(&Value::Null));
        let storages: Vec<&str> = parts
            .storage
            .iter()
            .map(|storage| storage.name.as_str())
            .collect();
        no_pods(parts.app(), &revision, &storages)
    }

    /// Removes a pod and its claims, as Juju 4.0 does with a unit that goes.
    pub fn remove_pod(&mut self, unit: &str) {
        let name = unit.replace('/', "-");
        self.pods.remove(&name);
        self.claims
            .retain(|claim, _| !claim.ends_with(&format!("-{name}")));
    }

    /// Makes a claim as somebody else would, for several applications to share.
    pub fn put_shared_claim(&mut self, name: &str) {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {}},
            "spec": {"volumeName": format!("pvc-{}", suffix(name)), "accessModes": ["ReadWriteMany"]},
            "status": {"phase": "Bound"},
        });
        self.claims.insert(name.to_owned(), claim);
    }

    /// Makes a running pod that is no unit's and mounts a claim.
    pub fn put_other_pod(&mut self, name: &str, claim: &str) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "nodeName": "sim",
                "containers": [{"name": name, "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}],
                "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": claim}}],
            },
            "status": {"phase": "Running"},
        });
        self.pods.insert(name.to_owned(), pod);
    }

    /// As Juju makes it for `--attach-storage`: of this volume, and without the application's label.
    fn put_attached_claim(&mut self, storage: &str, claim: &str, volume: &str) {
        let made = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": claim, "namespace": self.namespace,
                "labels": {"app.kubernetes.io/managed-by": "juju", "storage.juju.is/name": storage},
            },
            "spec": {"volumeName": volume},
            "status": {"phase": "Bound"},
        });
        self.claims.insert(claim.to_owned(), made);
    }

    fn put_claim(&mut self, app: &str, storage: &str, claim: &str) {
        let volume = format!("pvc-{}", suffix(claim));
        let source = match &self.options.volumes {
            VolumeKind::Local => json!({"local": {"path": "/volumes"}}),
            VolumeKind::HostPath => json!({"hostPath": {"path": "/volumes"}}),
            VolumeKind::Csi(driver) => json!({"csi": {"driver": driver, "volumeHandle": claim}}),
        };
        self.volumes.entry(volume.clone()).or_insert_with(|| {
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": source})
        });
        let namespace = self.namespace.clone();
        self.claims.entry(claim.to_owned()).or_insert_with(|| {
            json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": claim,
                    "namespace": namespace,
                    "labels": {
                        "app.kubernetes.io/managed-by": "juju",
                        "app.kubernetes.io/name": app,
                        "storage.juju.is/name": storage,
                    },
                },
                "spec": {"volumeName": volume},
                "status": {"phase": "Bound"},
            })
        });
    }
}

/// Puts an item at the end of a list.
fn push(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    }
}
