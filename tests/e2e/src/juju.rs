//! The objects that Juju makes for an application on Kubernetes, as they were recorded from Juju 4.0.15.

use serde_json::{Value, json};

use crate::ground::{RUN_LABEL, TestEnv};

/// First characters of the application's UUID, which Juju puts into the names of claims.
const SUFFIX: &str = "fec125";
/// Version that Juju writes on everything.
const VERSION: &str = "4.0.15";
/// Where Juju 4.0 mounts the config storage in the charm container.
pub const STORAGE: &str = "/var/lib/juju/storage/config-0";

/// What runs in the pod.
#[derive(Debug, Clone)]
pub enum Programs {
    /// A shell image that waits, in every container: where only the shape matters.
    Waiting {
        /// The image.
        image: String,
    },
    /// What Juju runs: an init container that lays out the charm, and Pebble in every container.
    Pebble {
        /// Image of the init container.
        init: String,
        /// Image of the charm container.
        charm: String,
        /// Image of the workload.
        workload: String,
    },
}

impl Programs {
    /// The image that the workload's container runs from.
    pub fn workload(&self) -> &str {
        match self {
            Self::Waiting { image } => image,
            Self::Pebble { workload, .. } => workload,
        }
    }
}

/// An application with a `config` storage, as a media app has it.
#[derive(Debug, Clone)]
pub struct App {
    /// Name of the application, which is the name of its container too.
    pub name: String,
    /// Name of the model, which is its namespace.
    pub model: String,
    /// What runs in it.
    pub programs: Programs,
    /// Whether it was deployed with `--trust`.
    pub trust: bool,
    /// Whether there is a second storage, `logs`.
    pub logs: bool,
    /// A claim that several apps share, mounted at `/media`.
    pub media: Option<String>,
    /// Annotations of the pod beyond Juju's. A charm puts them on the running pod.
    pub annotations: Value,
}

impl App {
    /// Radarr with its two storages, of which only the shape matters: its containers wait.
    pub fn waiting(ground: &TestEnv, model: &str) -> Self {
        Self {
            name: "radarr".to_owned(),
            model: model.to_owned(),
            programs: Programs::Waiting {
                image: ground.shell_image.clone(),
            },
            trust: false,
            logs: true,
            media: None,
            annotations: json!({}),
        }
    }

    /// The one pod.
    pub fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    /// Name of a storage's volume in the pod, and of its claim template.
    pub fn volume(&self, storage: &str) -> String {
        format!("{}-{storage}-{SUFFIX}", self.name)
    }

    /// All objects, in the order in which Juju makes them.
    pub fn objects(&self, ground: &TestEnv) -> Vec<Value> {
        let mut objects = self.access();
        if ground.bed.is_some() {
            objects.extend(self.cluster_access());
        }
        if let Some(claim) = &self.media {
            objects.push(json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim, "namespace": self.model, "labels": {RUN_LABEL: ground.run}},
                "spec": claim_spec(),
            }));
        }
        objects.extend(self.services());
        objects.push(self.stateful_set());
        objects
    }

    fn labels() -> Value {
        json!({"app.kubernetes.io/managed-by": "juju"})
    }

    fn metadata(&self, name: &str) -> Value {
        let mut labels = Self::labels();
        labels["app.kubernetes.io/name"] = json!(self.name);
        json!({"name": name, "namespace": self.model, "labels": labels, "annotations": {"juju.is/version": VERSION}})
    }

    /// Account, Role and secret. Without trust a charm may look at and patch pods and services, and run commands in pods.
    fn access(&self) -> Vec<Value> {
        let rules = if self.trust {
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
        } else {
            json!([
                {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [self.model], "verbs": ["get", "list"]},
                {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "patch"]},
                {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
            ])
        };
        let metadata = self.metadata(&self.name);
        vec![
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": false}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name},
                   "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": self.model}]}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": self.metadata(&format!("{}-application-config", self.name)),
                   "stringData": {"JUJU_K8S_APPLICATION": self.name, "JUJU_K8S_APPLICATION_PASSWORD": "agent-password",
                                  "JUJU_K8S_MODEL": self.model}}),
        ]
    }

    /// Rights of the whole cluster: only in a cluster of our own.
    fn cluster_access(&self) -> Vec<Value> {
        let rules = if self.trust {
            json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
        } else {
            json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]}])
        };
        let mut metadata = self.metadata(&format!("{}-{}", self.model, self.name));
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove("namespace");
        }
        vec![
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": metadata["name"]},
                   "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": self.model}]}),
        ]
    }

    fn services(&self) -> Vec<Value> {
        let selector = json!({"app.kubernetes.io/name": self.name});
        vec![
            json!({"apiVersion": "v1", "kind": "Service", "metadata": self.metadata(&self.name),
                   "spec": {"selector": selector, "ports": [{"name": "placeholder", "port": 65535}]}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": self.metadata(&format!("{}-endpoints", self.name)),
                   "spec": {"clusterIP": "None", "publishNotReadyAddresses": true, "selector": selector}}),
        ]
    }

    fn stateful_set(&self) -> Value {
        let name = json!({"app.kubernetes.io/name": self.name});
        let mut metadata = self.metadata(&self.name);
        metadata["annotations"]["app.juju.is/uuid"] = json!(SUFFIX);
        let mut annotations = self.annotations.clone();
        annotations["juju.is/version"] = json!(VERSION);
        let storages: &[&str] = if self.logs {
            &["config", "logs"]
        } else {
            &["config"]
        };
        let claims: Vec<Value> = storages
            .iter()
            .map(|storage| self.claim_template(storage))
            .collect();
        let mut volumes = vec![json!({"name": "charm-data", "emptyDir": {}})];
        if let Some(claim) = &self.media {
            volumes.push(json!({"name": "media", "persistentVolumeClaim": {"claimName": claim}}));
        }
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata,
            "spec": {
                "replicas": 1, "serviceName": format!("{}-endpoints", self.name), "podManagementPolicy": "Parallel",
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "selector": {"matchLabels": name},
                "template": {
                    "metadata": {"labels": name, "annotations": annotations},
                    "spec": {
                        "automountServiceAccountToken": true, "serviceAccountName": self.name,
                        "terminationGracePeriodSeconds": 30,
                        "initContainers": self.init_containers(),
                        "containers": [self.charm_container(), self.workload_container()],
                        "volumes": volumes,
                    },
                },
                "volumeClaimTemplates": claims,
            },
        })
    }

    fn claim_template(&self, storage: &str) -> Value {
        let mut labels = Self::labels();
        labels["storage.juju.is/name"] = json!(storage);
        json!({
            "metadata": {
                "name": self.volume(storage), "labels": labels,
                "annotations": {"storage.juju.is/name": storage, "juju-storage-owner": self.name},
            },
            "spec": claim_spec(),
        })
    }

    fn init_containers(&self) -> Value {
        let image = match &self.programs {
            Programs::Waiting { image } | Programs::Pebble { init: image, .. } => image,
        };
        let mut container = json!({
            "name": "charm-init", "image": image, "imagePullPolicy": "IfNotPresent", "workingDir": "/var/lib/juju",
            "args": ["init", "--containeragent-pebble-dir", "/containeragent/pebble", "--charm-modified-version", "0",
                     "--data-dir", "/var/lib/juju", "--bin-dir", "/charm/bin",
                     "--profile-dir", "/containeragent/etc/profile.d"],
            "command": ["/opt/containeragent"],
            "env": [
                {"name": "JUJU_CONTAINER_NAMES", "value": self.name},
                {"name": "JUJU_K8S_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "JUJU_K8S_POD_UUID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            ],
            "envFrom": [{"secretRef": {"name": format!("{}-application-config", self.name)}}],
            "volumeMounts": [
                data("/var/lib/juju", "var/lib/juju"),
                data("/charm/bin", "charm/bin"),
                data("/charm/containers", "charm/containers"),
                data("/containeragent/pebble", "containeragent/pebble"),
                data("/containeragent/etc/profile.d", "containeragent/etc/profile.d"),
            ],
        });
        if matches!(self.programs, Programs::Waiting { .. }) {
            // As Juju's does: a password that no backup may hold.
            let agent = "mkdir -p /var/lib/juju/agents; echo \"apipassword: $JUJU_K8S_APPLICATION_PASSWORD\" > /var/lib/juju/agents/agent.conf";
            container["command"] = json!(["/bin/sh", "-ec"]);
            container["args"] = json!([agent]);
        }
        json!([container])
    }

    fn charm_container(&self) -> Value {
        let mut mounts = vec![
            read_only(data("/charm/bin", "charm/bin")),
            data("/var/lib/juju", "var/lib/juju"),
            data("/charm/containers", "charm/containers"),
            data("/var/lib/pebble/default", "containeragent/pebble"),
            data("/var/log/juju", "containeragent/var/log/juju"),
            json!({"name": self.volume("config"), "mountPath": STORAGE}),
        ];
        if self.logs {
            mounts.push(json!({"name": self.volume("logs"), "mountPath": "/var/lib/juju/storage/logs-1"}));
        }
        let mut container = json!({
            "name": "charm", "workingDir": "/var/lib/juju", "imagePullPolicy": "IfNotPresent",
            "env": [{"name": "JUJU_CONTAINER_NAMES", "value": self.name}, {"name": "HTTP_PROBE_PORT", "value": "3856"}],
            "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}},
            "securityContext": {"runAsUser": 0, "runAsGroup": 0},
            "volumeMounts": mounts,
        });
        match &self.programs {
            Programs::Waiting { image } => wait_forever(&mut container, image),
            Programs::Pebble { charm, .. } => {
                container["image"] = json!(charm);
                container["command"] = json!(["/charm/bin/pebble"]);
                container["args"] = json!(["run", "--http", ":38812", "--verbose"]);
                probe(&mut container, 38812);
            }
        }
        container
    }

    fn workload_container(&self) -> Value {
        let mut mounts = vec![
            data("/charm/container", &format!("charm/containers/{}", self.name)),
            json!({"name": self.volume("config"), "mountPath": "/config"}),
        ];
        if self.logs {
            mounts.push(json!({"name": self.volume("logs"), "mountPath": "/logs"}));
        }
        if self.media.is_some() {
            mounts.push(json!({"name": "media", "mountPath": "/media"}));
        }
        let mut container = json!({
            "name": self.name, "imagePullPolicy": "IfNotPresent",
            "env": [
                {"name": "JUJU_CONTAINER_NAME", "value": self.name},
                {"name": "PEBBLE_SOCKET", "value": "/charm/container/pebble.socket"},
                {"name": "PEBBLE", "value": "/charm/container/pebble"},
                {"name": "PEBBLE_COPY_ONCE", "value": "/var/lib/pebble/default"},
            ],
            "securityContext": {"runAsUser": 0, "runAsGroup": 0},
        });
        match &self.programs {
            Programs::Waiting { image } => wait_forever(&mut container, image),
            Programs::Pebble { workload, .. } => {
                mounts.push(read_only(data("/charm/bin/pebble", "charm/bin/pebble")));
                container["image"] = json!(workload);
                container["command"] = json!(["/charm/bin/pebble"]);
                container["args"] =
                    json!(["run", "--create-dirs", "--hold", "--http", ":38813", "--verbose"]);
                probe(&mut container, 38813);
            }
        }
        container["volumeMounts"] = json!(mounts);
        container
    }
}

/// Names of a pod's volumes, without the one that holds the account's token.
pub fn volumes(pod: &Value) -> Vec<String> {
    pod["spec"]["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|volume| volume["name"].as_str())
        .filter(|name| !name.starts_with("kube-api-access-"))
        .map(str::to_owned)
        .collect()
}

/// The annotations that let Velero copy `volume` of a pod and no other, whatever its default is.
pub fn backup_annotations(pod: &Value, volume: &str) -> Value {
    let others: Vec<String> = volumes(pod).into_iter().filter(|name| name != volume).collect();
    json!({
        "backup.velero.io/backup-volumes": volume,
        "backup.velero.io/backup-volumes-excludes": others.join(","),
    })
}

fn claim_spec() -> Value {
    json!({"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "resources": {"requests": {"storage": "1Gi"}}})
}

fn data(path: &str, sub_path: &str) -> Value {
    json!({"name": "charm-data", "mountPath": path, "subPath": sub_path})
}

fn read_only(mut mount: Value) -> Value {
    mount["readOnly"] = json!(true);
    mount
}

fn wait_forever(container: &mut Value, image: &str) {
    container["image"] = json!(image);
    container["command"] = json!(["/bin/sh", "-c"]);
    // A shell that ends when it is told to, so that the pod does not take its 30 seconds of grace.
    container["args"] = json!(["trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"]);
}

fn probe(container: &mut Value, port: u16) {
    let check = |level: &str, failures: u32, period: u32| {
        json!({
            "httpGet": {"path": format!("/v1/health?level={level}"), "port": port},
            "failureThreshold": failures, "periodSeconds": period, "timeoutSeconds": 1,
        })
    };
    container["startupProbe"] = check("alive", 30, 1);
    container["livenessProbe"] = check("alive", 3, 5);
    container["readinessProbe"] = check("ready", 1, 5);
}

/// The object, with its claims of a class other than the default.
pub fn of_class(mut object: Value, class: &str) -> Value {
    let templates = object
        .pointer_mut("/spec/volumeClaimTemplates")
        .and_then(Value::as_array_mut);
    for template in templates.into_iter().flatten() {
        template["spec"]["storageClassName"] = json!(class);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_volume_is_excluded_and_the_token_is_not_mentioned() {
        let pod = json!({"spec": {"volumes": [
            {"name": "radarr-config-fec125"}, {"name": "radarr-logs-fec125"}, {"name": "charm-data"}, {"name": "kube-api-access-b"},
        ]}});
        let annotations = backup_annotations(&pod, "radarr-config-fec125");
        assert_eq!(
            annotations["backup.velero.io/backup-volumes"],
            "radarr-config-fec125"
        );
        assert_eq!(
            annotations["backup.velero.io/backup-volumes-excludes"],
            "radarr-logs-fec125,charm-data"
        );
    }

    #[test]
    fn the_stateful_set_has_the_labels_that_juju_gives_it() {
        let app = App {
            name: "radarr".to_owned(),
            model: "media".to_owned(),
            programs: Programs::Waiting {
                image: "i".to_owned(),
            },
            trust: false,
            logs: true,
            media: None,
            annotations: json!({}),
        };
        let set = app.stateful_set();
        assert_eq!(
            set["spec"]["template"]["metadata"]["labels"],
            json!({"app.kubernetes.io/name": "radarr"})
        );
        let claim = &set["spec"]["volumeClaimTemplates"][0]["metadata"];
        assert_eq!(claim["name"], "radarr-config-fec125");
        assert_eq!(
            claim["labels"],
            json!({"app.kubernetes.io/managed-by": "juju", "storage.juju.is/name": "config"})
        );
        assert_eq!(
            app.access()[1]["rules"][1]["verbs"],
            json!(["get", "list", "patch"])
        );
    }

    #[test]
    fn only_claims_get_the_class() {
        let set = json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"spec": {"volumeMode": "Filesystem"}}]}});
        assert_eq!(
            of_class(set, "folder")["spec"]["volumeClaimTemplates"][0]["spec"],
            json!({"volumeMode": "Filesystem", "storageClassName": "folder"})
        );
        let service = json!({"kind": "Service", "spec": {"ports": []}});
        assert_eq!(of_class(service.clone(), "folder"), service);
    }
}
