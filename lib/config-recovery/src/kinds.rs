//! Kubernetes' own objects, with what is read of them here and nothing else (`k8s.io/api`, `core/v1/types.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::ObjectMeta;
use crate::kind;

kind!(Pod, "v1", "pods");
kind!(PersistentVolumeClaim, "v1", "persistentvolumeclaims");
kind!(PersistentVolume, "v1", "persistentvolumes");
kind!(Namespace, "v1", "namespaces");
kind!(ServiceAccount, "v1", "serviceaccounts");
kind!(StorageClass, "storage.k8s.io/v1", "storageclasses");
kind!(Event, "v1", "events");
kind!(Node, "v1", "nodes");

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
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VolumeSpec {
    pub(crate) persistent_volume_reclaim_policy: Option<String>,
    pub(crate) claim_ref: Option<ClaimReference>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClaimReference {
    pub(crate) uid: Option<String>,
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
