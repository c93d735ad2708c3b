//! A Velero that is at work: its server makes the backups that are asked for, its node agent copies the files of volumes into a
//! folder that stands for the object storage, and back.
//!
//! All of it happens at once, while whoever asks waits for the answer, so nothing has to be watched. What is stored of a pod is
//! decided as Velero decides it, by the spec and by the annotations on the pod: a backup that names no pods is `Completed` and
//! holds no byte. Pods beside the app have no processes; of the commands that could be run in one the stand-in knows `tar`, which
//! reads a restored volume. Snapshots, Restores and everything that takes time are tried on a real Velero.

mod exec;
mod store;

use std::path::PathBuf;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::resources::Resources;
use super::server::{not_found, refusal};
use super::{Objects, patch};
use crate::layout::app_of;

pub(super) use exec::{Exec, PROTOCOL, run};

/// An answer.
type Answer = (StatusCode, Value);

/// The release that the pod of the node agent says it is of.
const IMAGE: &str = "velero/velero:v1.15.2";
/// Name of the folder, in that of the model.
pub(crate) const STORAGE: &str = "object-storage";

/// What is there besides the model's own objects. It is not stored: nothing of it outlives the action that made it, but the files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Working {
    /// The folder with what is stored, and with the volumes beside the app.
    folder: PathBuf,
    resources: Resources,
}

impl Working {
    /// One whose files are in this folder.
    pub fn of(folder: PathBuf) -> Working {
        let mut resources = Resources::default();
        resources.keep(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "stand-in",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        }));
        Working { folder, resources }
    }
}

impl Objects {
    /// Whether there is a Velero at work, and this unit may have it work: its application has trust.
    pub(super) fn has_working_velero_for(&self, unit: &str) -> bool {
        let options = &self.options;
        options.velero && options.velero_works && options.answers && self.trusted.contains(app_of(unit))
    }
}

/// One request of a unit that is trusted.
pub(super) struct AskedOfVelero<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

/// Whether a path is about objects that are here, and not about those of the model.
fn is_here(parts: &[&str], model: &str) -> bool {
    match parts {
        ["apis", "velero.io", "v1", .., kind] | ["apis", "velero.io", "v1", .., kind, _]
            if ["podvolumerestores", "restores"].contains(kind) =>
        {
            true
        }
        ["api", "v1", "namespaces"] | ["api", "v1", "namespaces", _] => true,
        [
            "api",
            "v1",
            "namespaces",
            place,
            "pods" | "persistentvolumeclaims" | "serviceaccounts",
            ..,
        ] => *place != model,
        ["api", "v1", "persistentvolumes", name] => name.starts_with("pvc-restored-"),
        ["apis", "storage.k8s.io", "v1", "storageclasses", ..]
        | ["apis", "snapshot.storage.k8s.io", "v1", "volumesnapshotcontents"] => true,
        _ => false,
    }
}

impl AskedOfVelero<'_> {
    /// What is answered; `None` for what is of the model, which is answered elsewhere.
    pub fn answer(&self, objects: &mut Objects) -> Option<Answer> {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        let model = objects.namespace.clone();
        match parts.as_slice() {
            ["apis", "velero.io", "v1", "namespaces", place, "backups"] if *self.method == Method::POST => {
                Some(objects.make_backup(place, self.body))
            }
            ["apis", "velero.io", "v1", "namespaces", place, "backups", name] => {
                Some(self.backup(objects, place, name))
            }
            ["api", "v1", "namespaces", place, "pods"]
                if *place == model && self.query.contains("name%3Dnode-agent") =>
            {
                let agents = objects.options.node_agent.then(|| node_agent(&model));
                let agents: Vec<Value> = agents.into_iter().collect();
                Some((
                    StatusCode::OK,
                    json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": agents}),
                ))
            }
            parts if is_here(parts, &model) => Some(self.beside(objects)),
            _ => None,
        }
    }

    /// Reads or changes one Backup.
    fn backup(&self, objects: &mut Objects, place: &str, name: &str) -> Answer {
        let Some(backup) = objects.velero.get_mut("backups", place, name) else {
            return not_found("backups.velero.io", name);
        };
        match *self.method {
            Method::GET => {}
            Method::PATCH if self.content_type == "application/merge-patch+json" => {
                let change: Value = serde_json::from_slice(self.body).unwrap_or_default();
                let uid = &change["metadata"]["uid"];
                if !uid.is_null() && *uid != backup["metadata"]["uid"] {
                    let text = "Precondition failed: UID in precondition and in object meta differ";
                    return refusal(StatusCode::CONFLICT, "Conflict", text.to_owned());
                }
                patch::merge(backup, &change);
            }
            _ => {
                let text = format!(
                    "the stand-in Kubernetes does not know {} {}",
                    self.method, self.path
                );
                return refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", text);
            }
        }
        (StatusCode::OK, backup.clone())
    }

    /// Reads or changes what is beside the app.
    fn beside(&self, objects: &mut Objects) -> Answer {
        if *self.method == Method::GET {
            let (status, text) = objects
                .working
                .resources
                .answer(self.method, self.path, self.query);
            return (status, serde_json::from_str(&text).unwrap_or(Value::Null));
        }
        let claims = match *self.method {
            Method::DELETE => objects.working.claims(self.path),
            _ => Vec::new(),
        };
        let (status, object) =
            objects
                .working
                .resources
                .change(self.method, self.path, self.content_type, self.body);
        for claim in claims {
            // A volume goes with its claim. What stays of one is in the way of nobody.
            let _ = std::fs::remove_dir_all(claim);
        }
        if status == StatusCode::CREATED && object["kind"] == "PodVolumeRestore" {
            return (status, objects.working.work_on(object));
        }
        (status, object)
    }
}

/// Whether a request is to be told of changes. Everything is in its last state already, so there are none to tell of; and only pods are
/// known to be asked after, by who waits for a pod beside the app to end.
pub(super) fn is_watch_of_pods(objects: &Objects, path: &str, query: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is_beside =
        matches!(parts.as_slice(), ["api", "v1", "namespaces", place, "pods"] if *place != objects.namespace);
    is_beside && query.contains("watch=true")
}

fn node_agent(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "node-agent-1", "namespace": namespace, "labels": {"name": "node-agent"}},
        "spec": {"nodeName": "sim", "containers": [{"name": "node-agent", "image": IMAGE, "args": ["node-agent", "server"]}]},
        "status": {"phase": "Running"},
    })
}
