//! The cluster as an application without trust sees it: its own pod.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;
use workload_charm::kubernetes::{
    Claim, Cluster, ClusterError, FoundObject, Marks, MountChange, NodeAgent, ObjectKind, OwnObject, Pod,
    PodVolume, StatefulSet, VolumeSource, annotate,
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

fn forbidden<T>(action: &str) -> Result<T, ClusterError> {
    Err(ClusterError::not_allowed(action, "its Role does not say so"))
}

impl Cluster for OwnPod {
    fn address(&self) -> Option<IpAddr> {
        None
    }

    fn pod(&self, _name: &str) -> Result<Pod, ClusterError> {
        Ok(self.0.borrow().clone())
    }

    fn annotate_pod(
        &self,
        _name: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError> {
        annotate(&mut self.0.borrow_mut().annotations, annotations);
        Ok(())
    }

    fn claim(&self, _name: &str) -> Result<Claim, ClusterError> {
        forbidden("read its claim")
    }

    fn mark_claim(&self, _name: &str, _marks: &Marks) -> Result<(), ClusterError> {
        forbidden("label its claim")
    }

    fn others_mount(&self, _claim: &str, _app: &str) -> Result<bool, ClusterError> {
        Ok(false)
    }

    fn pods_of(&self, _app: &str) -> Result<Vec<Pod>, ClusterError> {
        forbidden("look at its other pods")
    }

    fn stateful_set(&self, _name: &str) -> Result<StatefulSet, ClusterError> {
        Err(ClusterError::not_allowed("read its StatefulSet", "forbidden"))
    }

    fn change_mount(&self, _stateful_set: &str, _change: &MountChange) -> Result<(), ClusterError> {
        forbidden("change what its pods mount")
    }

    fn volume(&self, _name: &str) -> Result<VolumeSource, ClusterError> {
        forbidden("read its volume")
    }

    fn change_pods(&self, _stateful_set: &str, _template: &Value) -> Result<(), ClusterError> {
        Err(ClusterError::not_allowed("change its pods", "forbidden"))
    }

    fn object(&self, _kind: ObjectKind, _name: &str) -> Result<Option<FoundObject>, ClusterError> {
        Err(ClusterError::not_allowed("read its object", "forbidden"))
    }

    fn apply_object(&self, _object: &OwnObject) -> Result<(), ClusterError> {
        Err(ClusterError::not_allowed("change its object", "forbidden"))
    }

    fn delete_object(&self, _kind: ObjectKind, _name: &str) -> Result<(), ClusterError> {
        Err(ClusterError::not_allowed("change its object", "forbidden"))
    }

    fn snapshot_drivers(&self) -> Result<Vec<String>, ClusterError> {
        forbidden("list snapshot classes")
    }

    fn node_agent(&self, _node: &str) -> Result<NodeAgent, ClusterError> {
        forbidden("look for Velero's node agent")
    }
}
