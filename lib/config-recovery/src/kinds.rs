//! Kubernetes' own objects, with what is read of them here and nothing else (`k8s.io/api`, `core/v1/types.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::ObjectMeta;
use crate::kind;
use crate::method::VolumeSource;

kind!(Pod, "v1", "pods");
kind!(PersistentVolumeClaim, "v1", "persistentvolumeclaims");
kind!(PersistentVolume, "v1", "persistentvolumes");
kind!(Namespace, "v1", "namespaces");
kind!(ServiceAccount, "v1", "serviceaccounts");
kind!(StorageClass, "storage.k8s.io/v1", "storageclasses");
kind!(Event, "v1", "events");
kind!(Node, "v1", "nodes");
kind!(ClusterRole, "rbac.authorization.k8s.io/v1", "clusterroles");
kind!(
    VolumeSnapshotClass,
    "snapshot.storage.k8s.io/v1",
    "volumesnapshotclasses"
);
kind!(ConfigMap, "v1", "configmaps");
kind!(Secret, "v1", "secrets");

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Option<PodSpec>,
    pub(crate) status: Option<PodStatus>,
}

impl Pod {
    /// Why Kubernetes has sent it away from its node, if it has (`pkg/controller/tainteviction/taint_eviction.go`): because the
    /// node does not answer, or because somebody wants it empty.
    pub(crate) fn evicted(&self) -> Option<&str> {
        let mut conditions = self.status.iter().flat_map(|is| is.conditions.iter().flatten());
        let evicted = conditions.find(|is| {
            is.r#type == "DisruptionTarget"
                && is.status == "True"
                && is.reason.as_deref() == Some("DeletionByTaintManager")
        });
        evicted.map(|is| is.message.as_deref().unwrap_or_default())
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    pub(crate) metadata: ObjectMeta,
    pub(crate) status: Option<NodeStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeStatus {
    pub(crate) conditions: Option<Vec<Condition>>,
}

impl Node {
    /// Whether it has not been heard of for so long that nobody knows how it is.
    pub(crate) fn is_lost(&self) -> bool {
        let mut conditions = self.status.iter().flat_map(|is| is.conditions.iter().flatten());
        conditions.any(|is| is.r#type == "Ready" && is.status == "Unknown")
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodSpec {
    pub(crate) node_name: Option<String>,
    pub(crate) volumes: Option<Vec<Volume>>,
    pub(crate) containers: Option<Vec<Container>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    pub(crate) args: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) persistent_volume_claim: Option<ClaimOfVolume>,
    pub(crate) host_path: Option<IgnoredAny>,
    pub(crate) secret: Option<IgnoredAny>,
    pub(crate) config_map: Option<IgnoredAny>,
    pub(crate) projected: Option<IgnoredAny>,
    #[serde(rename = "downwardAPI")]
    pub(crate) downward_api: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClaimOfVolume {
    pub(crate) claim_name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodStatus {
    pub(crate) phase: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) conditions: Option<Vec<Condition>>,
    pub(crate) init_container_statuses: Option<Vec<ContainerStatus>>,
    pub(crate) container_statuses: Option<Vec<ContainerStatus>>,
    #[serde(rename = "podIP")]
    pub(crate) pod_ip: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Condition {
    pub(crate) r#type: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerStatus {
    pub(crate) name: String,
    pub(crate) ready: bool,
    pub(crate) state: Option<ContainerState>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerState {
    pub(crate) running: Option<IgnoredAny>,
    pub(crate) terminated: Option<Terminated>,
    pub(crate) waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Terminated {
    pub(crate) exit_code: i32,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Waiting {
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PersistentVolumeClaim {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Option<ClaimSpec>,
    pub(crate) status: Option<ClaimStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClaimSpec {
    pub(crate) volume_name: Option<String>,
    pub(crate) storage_class_name: Option<String>,
    pub(crate) resources: Option<ClaimResources>,
    pub(crate) data_source: Option<IgnoredAny>,
    pub(crate) data_source_ref: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClaimResources {
    pub(crate) requests: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClaimStatus {
    pub(crate) phase: Option<String>,
    pub(crate) capacity: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PersistentVolume {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Option<VolumeSpec>,
    pub(crate) status: Option<VolumeStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeStatus {
    pub(crate) phase: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VolumeSpec {
    pub(crate) persistent_volume_reclaim_policy: Option<String>,
    pub(crate) claim_ref: Option<ClaimReference>,
    pub(crate) capacity: Option<BTreeMap<String, String>>,
    pub(crate) storage_class_name: Option<String>,
    pub(crate) csi: Option<CsiVolume>,
    pub(crate) host_path: Option<IgnoredAny>,
    pub(crate) local: Option<IgnoredAny>,
    pub(crate) nfs: Option<IgnoredAny>,
    pub(crate) node_affinity: Option<NodeAffinity>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CsiVolume {
    pub(crate) driver: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeAffinity {
    pub(crate) required: Option<NodeSelector>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NodeSelector {
    pub(crate) node_selector_terms: Vec<NodeTerm>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NodeTerm {
    pub(crate) match_expressions: Option<Vec<NodeRequirement>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeRequirement {
    pub(crate) key: String,
    pub(crate) operator: String,
    pub(crate) values: Option<Vec<String>>,
}

impl PersistentVolume {
    /// What is behind it.
    pub(crate) fn source(&self) -> VolumeSource {
        match self.spec.as_ref().map(|spec| (&spec.csi, &spec.host_path)) {
            Some((Some(csi), _)) => VolumeSource::Csi(csi.driver.clone()),
            Some((None, Some(_))) => VolumeSource::HostPath,
            _ => VolumeSource::Other,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClaimReference {
    pub(crate) uid: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Namespace {
    pub(crate) metadata: ObjectMeta,
    pub(crate) status: Option<NamespaceStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NamespaceStatus {
    pub(crate) conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceAccount {
    pub(crate) metadata: ObjectMeta,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StorageClass {
    pub(crate) metadata: ObjectMeta,
    pub(crate) provisioner: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeSnapshotClass {
    pub(crate) metadata: ObjectMeta,
    pub(crate) driver: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClusterRole {
    pub(crate) metadata: ObjectMeta,
    pub(crate) rules: Option<Vec<Rule>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Rule {
    pub(crate) api_groups: Option<Vec<String>>,
    pub(crate) resources: Option<Vec<String>>,
    pub(crate) verbs: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigMap {
    pub(crate) metadata: ObjectMeta,
    pub(crate) data: Option<BTreeMap<String, String>>,
}

/// Without `Debug`, so that no log shows what is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Secret {
    pub(crate) metadata: ObjectMeta,
    pub(crate) data: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) metadata: ObjectMeta,
    pub(crate) r#type: Option<String>,
    /// RFC 3339 in UTC with whole seconds, so that the order of the texts is the order of the times.
    pub(crate) last_timestamp: Option<String>,
    pub(crate) message: Option<String>,
}
