//! What `configuratarr claim` prints.

use std::collections::BTreeMap;

use config_recovery::backups::AppId;
use config_recovery::claim::{AppClaim, AppVolume, VolumeKind};
use config_recovery::words::size;
use schemars::JsonSchema;
use serde::Serialize;

use crate::printer::{Cell, Page, Tone};

/// Where the config volume of an app is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimReport {
    /// `configuratarr/claim/v1`.
    pub schema: &'static str,
    /// When it was looked at.
    pub time: String,
    /// The app.
    pub app: String,
    /// Its model, which is the claim's namespace.
    pub model: String,
    /// The PersistentVolumeClaim.
    pub claim: String,
    /// The claim's labels. Juju gives one that it makes for `--attach-storage` no application's.
    pub labels: BTreeMap<String, String>,
    /// Bytes that it asks for.
    pub requested_bytes: u64,
    /// Bytes that it has; absent while it is not bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    /// Its storage class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// What makes the volumes of that class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<String>,
    /// The PersistentVolume; absent while the claim is not bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// What is known of the volume; absent where it may not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<VolumeReport>,
    /// The pod that mounts it; absent while the app has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The volume's name in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_volume: Option<String>,
    /// The node that the pod is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why the volume or its class could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A PersistentVolume.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeReport {
    /// Where its bytes are: `csi`, `hostPath`, `local`, `nfs` or `other`.
    pub kind: &'static str,
    /// The CSI driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    /// Its storage class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// What becomes of it when its claim goes: `Retain` or `Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim_policy: Option<String>,
    /// `Bound`, `Released`, `Available` or `Failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The nodes that can reach it; empty where all can.
    pub nodes: Vec<String>,
}

impl From<AppVolume> for VolumeReport {
    fn from(volume: AppVolume) -> Self {
        let (kind, driver) = match volume.kind {
            VolumeKind::Csi(driver) => ("csi", Some(driver)),
            VolumeKind::HostPath => ("hostPath", None),
            VolumeKind::Local => ("local", None),
            VolumeKind::Nfs => ("nfs", None),
            VolumeKind::Other => ("other", None),
        };
        Self {
            kind,
            driver,
            capacity_bytes: volume.capacity,
            storage_class: volume.storage_class,
            reclaim_policy: volume.reclaim_policy,
            phase: volume.phase,
            nodes: volume.nodes,
        }
    }
}

impl ClaimReport {
    /// What was found.
    pub fn new(whose: &AppId, claim: AppClaim, time: String) -> Self {
        let (pod, pod_volume, node) = match claim.pod {
            Some(pod) => (Some(pod.name), Some(pod.volume), pod.node),
            None => (None, None, None),
        };
        Self {
            schema: "configuratarr/claim/v1",
            time,
            app: whose.app.clone(),
            model: whose.model.clone(),
            claim: claim.claim,
            labels: claim.labels,
            requested_bytes: claim.requested,
            capacity_bytes: claim.capacity,
            storage_class: claim.storage_class,
            provisioner: None,
            volume: claim.volume,
            details: None,
            pod,
            pod_volume,
            node,
            problem: None,
        }
    }

    /// For people.
    pub fn page(&self) -> Page {
        let details = self.details.as_ref();
        let unknown = || "?".to_owned();
        let kind = details.map_or_else(unknown, |volume| match &volume.driver {
            Some(driver) => format!("{} ({driver})", volume.kind),
            None => volume.kind.to_owned(),
        });
        let class = match (&self.storage_class, &self.provisioner) {
            (Some(class), Some(provisioner)) => format!("{class} ({provisioner})"),
            (Some(class), None) => class.clone(),
            (None, _) => "-".to_owned(),
        };
        let capacity = match self.capacity_bytes {
            Some(bytes) => format!("{} ({bytes} bytes)", size(bytes)),
            None => format!("not bound; {} are asked for", size(self.requested_bytes)),
        };
        let policy = details.and_then(|volume| volume.reclaim_policy.clone());
        let tone = if policy.as_deref() == Some("Delete") {
            Tone::Warning
        } else {
            Tone::Plain
        };
        let policy = match policy.as_deref() {
            Some("Delete") => "Delete: the bytes go when the claim goes".to_owned(),
            Some(policy) => policy.to_owned(),
            None => unknown(),
        };
        let nodes = match details.map(|volume| volume.nodes.as_slice()) {
            Some([]) => "any".to_owned(),
            Some(nodes) => nodes.join(", "),
            None => unknown(),
        };
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let row = |name: &str, value: String| vec![Cell::from(name), Cell::from(value)];
        Page::default().rows(vec![
            vec!["APP".into(), Cell::from(&self.app)],
            row("model", self.model.clone()),
            row("claim", self.claim.clone()),
            row("volume", dash(&self.volume)),
            row("kind", kind),
            row("capacity", capacity),
            row("class", class),
            vec!["reclaim policy".into(), Cell::new(policy, tone)],
            row("phase", dash(&details.and_then(|volume| volume.phase.clone()))),
            row("reached from", nodes),
            row("pod", dash(&self.pod)),
            row("in the pod", dash(&self.pod_volume)),
            row("node", dash(&self.node)),
        ])
    }
}
