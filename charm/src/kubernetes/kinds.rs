//! Kubernetes' own objects, with what the charm reads of them and nothing else (`k8s.io/api`, `core/v1/types.go`).

use config_recovery::api::ObjectMeta;
use config_recovery::kind;
use serde::Deserialize;
use serde::de::IgnoredAny;

kind!(Pod, "v1", "pods");
kind!(PersistentVolumeClaim, "v1", "persistentvolumeclaims");
kind!(PersistentVolume, "v1", "persistentvolumes");
kind!(StatefulSet, "apps/v1", "statefulsets");

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<PodSpec>,
    pub(super) status: Option<Phase>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
    pub(super) volumes: Option<Vec<Volume>>,
    pub(super) containers: Option<Vec<Container>>,
    pub(super) init_containers: Option<Vec<Container>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) volume_mounts: Option<Vec<VolumeMount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: String,
    pub(super) mount_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) persistent_volume_claim: Option<ClaimOfVolume>,
    pub(super) host_path: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClaimOfVolume {
    pub(super) claim_name: String,
}

/// The status of a pod or a claim.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Phase {
    pub(super) phase: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PersistentVolumeClaim {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<ClaimSpec>,
    pub(super) status: Option<Phase>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClaimSpec {
    pub(super) volume_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PersistentVolume {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<VolumeSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeSpec {
    pub(super) csi: Option<CsiVolume>,
    pub(super) host_path: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CsiVolume {
    pub(super) driver: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatefulSet {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<SetSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SetSpec {
    /// What its pods are made from: a pod without a status.
    pub(super) template: Pod,
}
