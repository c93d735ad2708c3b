//! What the cluster has, as the tests of the place script it.

use std::sync::Mutex;

use config_recovery::journal::Step;
use config_recovery::report::Reporter;
use serde_json::{Value, json};

use crate::server::Server;

pub const GET_BACKUP: &str = "GET /apis/velero.io/v1/namespaces/velero/backups/b1";
pub const GET_CLASS: &str = "GET /apis/storage.k8s.io/v1/storageclasses/fast";
pub const NAMESPACES: &str = "/api/v1/namespaces";
/// Follows from app, model and purpose, in every release.
pub const PLACE: &str = "restore-radarr-4a6c93f2bb";
pub const SELECTOR: &str =
    "app.kubernetes.io/managed-by=configuratarr,config-recovery/scratch=restore-radarr-4a6c93f2bb";

pub const PODS: &str = "/api/v1/namespaces/restore-radarr-4a6c93f2bb/pods";
pub const CLAIMS: &str = "/api/v1/namespaces/restore-radarr-4a6c93f2bb/persistentvolumeclaims";
pub const ACCOUNTS: &str = "/api/v1/namespaces/restore-radarr-4a6c93f2bb/serviceaccounts";
pub const VOLUME_RESTORES: &str = "/apis/velero.io/v1/namespaces/velero/podvolumerestores";
pub const RESTORES: &str = "/apis/velero.io/v1/namespaces/velero/restores";
/// Selects the reader among the pods.
pub const READER: &str = "fieldSelector=metadata.name=reader&";

/// Group's version and kind of objects that are watched.
pub const POD: (&str, &str) = ("v1", "Pod");
pub const CLAIM: (&str, &str) = ("v1", "PersistentVolumeClaim");
pub const NAMESPACE: (&str, &str) = ("v1", "Namespace");
pub const VOLUME_RESTORE: (&str, &str) = ("velero.io/v1", "PodVolumeRestore");
pub const RESTORE: (&str, &str) = ("velero.io/v1", "Restore");

pub fn metadata(name: &str, uid: &str) -> Value {
    json!({"metadata": {"name": name, "uid": uid}})
}

/// Backup and class are there.
pub fn sound() -> Server {
    Server::new()
        .answers(GET_BACKUP, metadata("b1", "uid-b1"))
        .answers(GET_CLASS, metadata("fast", "1"))
}

pub fn namespace(run: &str, holder: &str, target: &str) -> Value {
    json!({"metadata": {
        "name": PLACE, "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app.kubernetes.io/managed-by": "configuratarr", "config-recovery/run": run},
        "annotations": {"config-recovery/holder": holder, "config-recovery/target": target,
                        "config-recovery/started": "2026-01-02T00:00:00Z"},
    }})
}

/// The namespace of that run of the holder.
pub fn mine(run: &str) -> Value {
    namespace(run, "radarr/0", "media/radarr")
}

/// Nothing of an earlier try is there.
pub fn with_nothing_left(server: Server) -> Server {
    [
        format!("GET {PODS}/reader"),
        format!("GET {CLAIMS}/config"),
        format!("GET {VOLUME_RESTORES}/{PLACE}-r1"),
        format!("GET {RESTORES}/{PLACE}-r1"),
    ]
    .iter()
    .fold(server, |server, request| {
        server.refuses(request, 404, "NotFound", "not found")
    })
}

/// Labels of what the run makes.
pub fn labels() -> Value {
    json!({
        "app.kubernetes.io/managed-by": "configuratarr", "config-recovery/run": "r1",
        "config-recovery/scratch": PLACE,
    })
}

/// The reader, waiting for a node.
pub fn pending() -> Value {
    json!({"metadata": {"name": "reader", "namespace": PLACE}, "status": {"phase": "Pending"}})
}

/// The reader with its volume mounted.
pub fn mounted(node: &str) -> Value {
    json!({
        "metadata": {"name": "reader", "namespace": PLACE}, "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Pending", "initContainerStatuses": [{
            "name": "restore-wait", "image": "radarr:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"running": {}},
        }]},
    })
}

pub fn claim(name: &str, phase: &str, volume: Option<&str>) -> Value {
    json!({
        "metadata": {"name": name, "namespace": PLACE}, "spec": {"volumeName": volume},
        "status": {"phase": phase},
    })
}

/// Hears everything, a line each.
#[derive(Default)]
pub struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Reporter for Heard {
    fn begins(&self, _: Step) {}

    fn bytes(&self, _: Step, done: u64, total: Option<u64>) {
        self.add(format!("{done} of {total:?}"));
    }

    fn waits(&self, what: &str) {
        self.add(what.to_owned());
    }

    fn note(&self, text: &str) {
        self.add(text.to_owned());
    }
}
