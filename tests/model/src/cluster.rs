//! The cluster as an application without trust sees it: its own pod.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use workload_charm::kubernetes::{
    Claim, Cluster, ClusterError, MountChange, ObjectKind, OwnObject, Pod, PodVolume, VolumeSource,
};
use workload_charm::profile::AppProfile;

/// The pod of one unit.
pub struct OwnPod(RefCell<Pod>);

impl OwnPod {
    pub fn new(profile: &AppProfile, unit: u32) -> Self {
        let storage = profile.storage.as_ref().unwrap();
        let volume = format!("{}-{}-123456", profile.name, storage.name);
        let mounts = |path: &str| BTreeMap::from([(path.to_owned(), volume.clone())]);
        let pod = Pod {
            node: "lab".to_owned(),
            volumes: BTreeMap::from([(
                volume.clone(),
                PodVolume::Claim(format!("{volume}-{}-{unit}", profile.name)),
            )]),
            mounts: BTreeMap::from([
                (
                    "charm".to_owned(),
                    mounts(&format!("/var/lib/juju/storage/{}/{unit}", storage.name)),
                ),
                (profile.name.clone(), mounts(&storage.location)),
            ]),
            images: BTreeMap::from([(profile.name.clone(), profile.workload.image.clone())]),
            ..Pod::default()
        };
        Self(RefCell::new(pod))
    }
}

impl Cluster for OwnPod {
    fn pod(&self, _name: &str) -> Result<Pod, ClusterError> {
        Ok(self.0.borrow().clone())
    }

    fn annotate_pod(
        &self,
        _name: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError> {
        let mut pod = self.0.borrow_mut();
        for (key, value) in annotations {
            match value {
                Some(value) => pod.annotations.insert(key.clone(), value.clone()),
                None => pod.annotations.remove(key),
            };
        }
        Ok(())
    }

    fn claim(&self, _name: &str) -> Result<Claim, ClusterError> {
        Err(ClusterError::Forbidden("read its claim"))
    }

    fn label_claim(&self, _name: &str, _labels: &BTreeMap<String, String>) -> Result<(), ClusterError> {
        Err(ClusterError::Forbidden("label its claim"))
    }

    fn exclude_claim(&self, _name: &str, _excluded: bool) -> Result<(), ClusterError> {
        Err(ClusterError::Forbidden("label the claim of the media"))
    }

    fn others_mount(&self, _claim: &str, _app: &str) -> Result<bool, ClusterError> {
        Ok(false)
    }

    fn change_mount(&self, _stateful_set: &str, _change: &MountChange) -> Result<(), ClusterError> {
        Err(ClusterError::Forbidden("change what its pods mount"))
    }

    fn volume(&self, _name: &str) -> Result<VolumeSource, ClusterError> {
        Err(ClusterError::Forbidden("read its volume"))
    }

    fn change_pods(&self, _stateful_set: &str, _template: &Value) -> Result<(), ClusterError> {
        Err(ClusterError::Forbidden("change its pods"))
    }

    fn object(&self, _kind: ObjectKind, _name: &str) -> Result<Option<Value>, ClusterError> {
        Err(ClusterError::Forbidden("read its object"))
    }

    fn apply_object(&self, _object: &OwnObject) -> Result<(), ClusterError> {
        Err(ClusterError::Forbidden("change its object"))
    }

    fn delete_object(&self, _kind: ObjectKind, _name: &str) -> Result<(), ClusterError> {
        Err(ClusterError::Forbidden("change its object"))
    }

    fn snapshot_drivers(&self) -> Result<Vec<String>, ClusterError> {
        Err(ClusterError::Forbidden("list snapshot classes"))
    }

    fn has_node_agent(&self, _node: &str) -> Result<bool, ClusterError> {
        Err(ClusterError::Forbidden("look for Velero's node agent"))
    }
}
