//! A cluster in which all is there that backups need: pods, claims, volumes, and a Velero.

use serde_json::{Value, json};

use super::{App, Apps, Test};

/// A model `home` with so many apps, of which all is well. The first one is `radarr`.
pub fn home(count: usize) -> Test {
    let names: Vec<String> = std::iter::once("radarr".to_owned())
        .chain((1..count).map(|number| format!("app{number}")))
        .collect();
    let test = Test::new();
    let apps = Apps::of(names.iter().map(|name| App::healthy(name, 5_243_046)));
    test.juju(&apps.juju().prints("version", "4.0.14-genericlinux-amd64\n"));
    test.cluster.put_all(apps.objects()).unwrap();
    test.cluster
        .put_all(names.iter().flat_map(|name| of_app(name)).collect())
        .unwrap();
    test.cluster.put_all(shared()).unwrap();
    test
}

/// Puts a changed object there: what JSON pointers name, in the object of this kind and name that [`home`] has.
pub fn put(test: &Test, kind: &str, name: &str, changes: &[(&str, Value)]) {
    let all = of_app("radarr").into_iter().chain(shared());
    let mut object = all
        .into_iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap();
    for (pointer, value) in changes {
        let (around, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(around).unwrap()[key.replace("~1", "/")] = value.clone();
    }
    test.put(object);
}

/// What Kubernetes has of an app: pod, claim, volume, and what Juju lets it do.
fn of_app(name: &str) -> Vec<Value> {
    let volume = format!("{name}-config-fec125");
    let claim = format!("{volume}-{name}-0");
    let labels = json!({"app.kubernetes.io/name": name});
    vec![
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{name}-0"), "namespace": "home", "labels": labels,
                "annotations": {
                    "backup.velero.io/backup-volumes": volume,
                    "backup.velero.io/backup-volumes-excludes": "charm-data",
                    "pre.hook.backup.velero.io/command": "[\"/charm/dispatch\",\"before-backup\",\"/config\"]",
                },
            },
            "spec": {"nodeName": "lab", "containers": [{"name": "charm"}], "volumes": [
                {"name": "charm-data", "emptyDir": {}},
                {"name": volume, "persistentVolumeClaim": {"claimName": claim}},
            ]},
            "status": {"phase": "Running"},
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": "home", "labels": {
                "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "juju", "storage.juju.is/name": "config",
            }},
            "spec": {
                "volumeName": format!("pvc-{name}"), "storageClassName": "local-path",
                "resources": {"requests": {"storage": "1Gi"}},
            },
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("pvc-{name}")},
            "spec": {
                "capacity": {"storage": "1Gi"}, "local": {"path": "/opt/volumes"}, "storageClassName": "local-path",
                "persistentVolumeReclaimPolicy": "Delete",
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["lab"]},
                ]}]}},
            },
            "status": {"phase": "Bound"},
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": format!("home-{name}"), "labels": {
                "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "juju",
            }},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
        }),
    ]
}

/// Node, class, and Velero.
fn shared() -> Vec<Value> {
    let velero = |name: &str, label: Value, container: &str, arguments: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "velero", "labels": label},
            "spec": {"nodeName": "lab", "containers": [
                {"name": container, "image": "velero/velero:v1.15.2", "args": arguments},
            ]},
            "status": {"phase": "Running"},
        })
    };
    vec![
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "lab"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local-path"},
            "provisioner": "rancher.io/local-path",
        }),
        velero("velero", json!({"deploy": "velero"}), "velero", json!(["server"])),
        velero(
            "node-agent",
            json!({"name": "node-agent"}),
            "node-agent",
            json!(["node-agent", "server"]),
        ),
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "velero-repo-credentials", "namespace": "velero"},
            "data": {"repository-password": "bWluZS1hbG9uZQ=="},
        }),
    ]
}

/// The text with the minute and the hour of each Schedule as `M H`: they are those of three hours ago.
pub fn without_cron(text: &str) -> String {
    const REST: &str = " * * *";
    let mut parts = text.split(REST);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_time = |character: char| character.is_ascii_digit() || character == ' ';
        let kept = plain.trim_end_matches(is_of_time).len();
        let gap = plain[kept..].len() - plain[kept..].trim_start().len();
        plain.truncate(kept + gap);
        plain.push_str("M H");
        plain.push_str(REST);
        plain.push_str(part);
    }
    plain
}
