//! What becomes of objects that a person makes, changes and deletes: as far as a restore beside an app and the hand-over of its
//! volume need it, and at once.
//!
//! A claim gets a volume, a pod runs, a node agent has restored before anybody looks; a volume goes with its claim or stays, as its
//! reclaim policy says. Who has to wait for something is tested on a real cluster.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::patch;
use super::resources::Resources;
use super::server::{not_found, refusal};

/// An answer.
type Answer = (StatusCode, Value);

impl Resources {
    /// Makes, changes or deletes what a path names.
    pub fn change(&mut self, method: &Method, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let name = parts.last().copied().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match *method {
            Method::POST => self.make(path, body),
            Method::PATCH if content_type == "application/merge-patch+json" => {
                let Some(mut object) = self.get(path) else {
                    return not_found("object", name);
                };
                let known = &object["metadata"]["resourceVersion"];
                let wanted = &body["metadata"]["resourceVersion"];
                if !wanted.is_null() && wanted != known {
                    let text =
                        "the object has been modified; please apply your changes to the latest version";
                    return refusal(StatusCode::CONFLICT, "Conflict", text.to_owned());
                }
                patch::merge(&mut object, &body);
                if object["kind"] == "PersistentVolume" && object["spec"]["claimRef"].is_null() {
                    object["status"]["phase"] = json!("Available");
                }
                (StatusCode::OK, self.keep(object))
            }
            Method::DELETE => {
                let found = self.matching(path);
                if found.is_empty() && self.is_one(path) {
                    return not_found("object", name);
                }
                for object in found {
                    self.delete(&object);
                }
                let done = json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"});
                (StatusCode::OK, done)
            }
            _ => {
                let text =
                    format!("the stand-in Kubernetes does not know {method} {path} of {content_type:?}");
                refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", text)
            }
        }
    }

    fn make(&mut self, path: &str, mut object: Value) -> Answer {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.get(&format!("{path}/{name}")).is_some() {
            let text = format!("{name:?} already exists");
            return refusal(StatusCode::CONFLICT, "AlreadyExists", text);
        }
        let number = self.next();
        object["metadata"]["uid"] = json!(format!("made-{number}"));
        object["metadata"]["creationTimestamp"] = json!("2026-11-29T12:00:00Z");
        match object["kind"].as_str() {
            Some("PersistentVolumeClaim") => self.bind(&mut object, number),
            Some("Pod") => {
                object["spec"]["nodeName"] = json!("sim");
                let init = object["spec"]["initContainers"].as_array();
                let running =
                    |container: &Value| json!({"name": container["name"], "state": {"running": {}}});
                let running: Vec<Value> = init.into_iter().flatten().map(running).collect();
                object["status"] = json!({"phase": "Pending", "initContainerStatuses": running});
            }
            Some("PodVolumeRestore") => {
                let bytes = self.stored(&object["spec"]["snapshotID"]);
                object["status"] = json!({
                    "phase": "Completed", "startTimestamp": "2026-11-29T12:00:01Z", "completionTimestamp": "2026-11-29T12:00:02Z",
                    "progress": {"bytesDone": bytes, "totalBytes": bytes},
                });
            }
            _ => {}
        }
        (StatusCode::CREATED, self.keep(object))
    }

    /// A provisioner makes a volume for a claim, and it is bound.
    fn bind(&mut self, claim: &mut Value, number: u64) {
        let volume = format!("pvc-restored-{number}");
        let size = claim["spec"]["resources"]["requests"]["storage"].clone();
        let metadata = claim["metadata"].clone();
        self.keep(json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": "stand-in"}},
            "spec": {
                "capacity": {"storage": size}, "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": claim["spec"]["storageClassName"], "local": {"path": "/volumes"},
                "claimRef": {"kind": "PersistentVolumeClaim", "namespace": metadata["namespace"],
                             "name": metadata["name"], "uid": metadata["uid"]},
            },
            "status": {"phase": "Bound"},
        }));
        claim["spec"]["volumeName"] = json!(volume);
        claim["status"] = json!({"phase": "Bound", "capacity": {"storage": size}});
    }

    fn stored(&self, snapshot: &Value) -> Value {
        let all = self.matching("/apis/velero.io/v1/podvolumebackups");
        let found = all
            .into_iter()
            .find(|backup| backup["status"]["snapshotID"] == *snapshot);
        found.map_or(json!(0), |backup| {
            backup["status"]["progress"]["bytesDone"].clone()
        })
    }

    fn delete(&mut self, object: &Value) {
        self.forget(object);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match object["kind"].as_str() {
            Some("Namespace") => {
                for plural in ["pods", "persistentvolumeclaims", "serviceaccounts"] {
                    for inside in self.matching(&format!("/api/v1/namespaces/{name}/{plural}")) {
                        self.delete(&inside);
                    }
                }
            }
            Some("PersistentVolumeClaim") => {
                let volume = object["spec"]["volumeName"].as_str().unwrap_or_default();
                let Some(mut volume) = self.get(&format!("/api/v1/persistentvolumes/{volume}")) else {
                    return;
                };
                match volume["spec"]["persistentVolumeReclaimPolicy"].as_str() {
                    Some("Retain") => {
                        volume["status"]["phase"] = json!("Released");
                        self.keep(volume);
                    }
                    _ => self.forget(&volume),
                }
            }
            _ => {}
        }
    }

    /// What a model of the simulated Juju has in its namespace: pods as they are, claims, and their volumes.
    pub fn mirror(&mut self, namespace: &str, pods: Vec<Value>, claims: Vec<Value>, volumes: Vec<Value>) {
        for old in self.matching(&format!("/api/v1/namespaces/{namespace}/pods")) {
            self.forget(&old);
        }
        for pod in pods {
            self.keep(pod);
        }
        for mut volume in volumes {
            let name = volume["metadata"]["name"].as_str().unwrap_or_default();
            if self.get(&format!("/api/v1/persistentvolumes/{name}")).is_none() {
                volume["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
                volume["spec"]["capacity"] = json!({"storage": "1Gi"});
                volume["spec"]["storageClassName"] = json!("standard");
                volume["status"] = json!({"phase": "Bound"});
                self.keep(volume);
            }
        }
        for mut claim in claims {
            claim["metadata"]["uid"] = json!(format!("claim-{}", claim["metadata"]["name"]));
            claim["spec"]["storageClassName"] = json!("standard");
            claim["spec"]["resources"] = json!({"requests": {"storage": "1Gi"}});
            claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
            let name = claim["spec"]["volumeName"].as_str().unwrap_or_default();
            if let Some(mut volume) = self.get(&format!("/api/v1/persistentvolumes/{name}")) {
                let metadata = &claim["metadata"];
                volume["spec"]["claimRef"] = json!({
                    "namespace": namespace, "name": metadata["name"], "uid": metadata["uid"],
                });
                volume["status"]["phase"] = json!("Bound");
                self.keep(volume);
            }
            self.keep(claim);
        }
    }
}
