//! The cluster as an application without trust sees it: its pod, and nothing behind it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use workload_charm::backup::{APP_LABEL, BackupFacts, STORAGE_LABEL, look};
use workload_charm::kubernetes::{
    Claim, Cluster, ClusterError, FoundObject, Marks, MountChange, NodeAgent, ObjectKind, OwnObject, Pod,
    PodVolume, StatefulSet, VolumeSource, annotate,
};
use workload_charm::media::VOLUME;
use workload_charm::media::claim::EXCLUDED;
use workload_charm::profile::AppProfile;

/// One pod, as Juju makes it for unit 0.
pub struct PodCluster {
    name: String,
    pod: RefCell<Pod>,
    /// Id of the StatefulSet.
    pub uid: RefCell<String>,
    /// The pods of the application's other units.
    pub others: RefCell<Vec<Pod>>,
    patches: Cell<usize>,
    trusted: Cell<bool>,
    /// Objects that were applied.
    objects: RefCell<BTreeMap<(ObjectKind, String), Value>>,
    /// Changes of the pods' template that the pod does not have yet.
    templates: RefCell<Vec<Value>>,
    /// Whether anybody answers.
    pub answers: Cell<bool>,
    /// What was asked, in order.
    asked: RefCell<Vec<&'static str>>,
}

impl PodCluster {
    pub fn new(profile: &AppProfile) -> Self {
        let mut pod = Pod {
            node: "lab".to_owned(),
            volumes: BTreeMap::from([("charm-data".to_owned(), PodVolume::Other)]),
            ..Pod::default()
        };
        let mut mount = |container: &str, path: &str, volume: &str| {
            let mounts = pod.mounts.entry(container.to_owned()).or_default();
            mounts.insert(path.to_owned(), volume.to_owned());
        };
        mount("charm", "/var/lib/juju", "charm-data");
        if let Some(storage) = &profile.storage {
            let volume = format!("{}-{}-123456", profile.name, storage.name);
            mount(
                "charm",
                &format!("/var/lib/juju/storage/{}/0", storage.name),
                &volume,
            );
            mount(&profile.name, &storage.location, &volume);
            let images = [
                ("charm", "ghcr.io/juju/charm-base:ubuntu-24.04"),
                (profile.name.as_str(), profile.workload.image.as_str()),
            ];
            pod.images
                .extend(images.map(|(container, image)| (container.to_owned(), image.to_owned())));
            let claim = PodVolume::Claim(format!("{volume}-{}-0", profile.name));
            pod.volumes.insert(volume, claim);
        }
        Self {
            name: format!("{}-0", profile.name),
            pod: RefCell::new(pod),
            uid: RefCell::new("first".to_owned()),
            others: RefCell::default(),
            patches: Cell::new(0),
            trusted: Cell::new(false),
            objects: RefCell::default(),
            templates: RefCell::default(),
            answers: Cell::new(true),
            asked: RefCell::default(),
        }
    }

    /// Somebody gives the application trust: what lies behind the volume may be looked at.
    pub fn trust(&self) {
        self.trusted.set(true);
    }

    /// The pod mounts this claim for the media.
    pub fn mounts_media(&self, claim: &str) {
        let volume = PodVolume::Claim(claim.to_owned());
        self.pod.borrow_mut().volumes.insert(VOLUME.to_owned(), volume);
    }

    /// The application loses its trust.
    pub fn distrust(&self) {
        self.trusted.set(false);
    }

    /// The pod is replaced by one that its template makes; tells whether there was a change.
    pub fn replace_pod(&self) -> bool {
        let templates = self.templates.take();
        let mut pod = self.pod.borrow_mut();
        for template in &templates {
            put_on(&mut pod, template);
        }
        !templates.is_empty()
    }

    /// Changes the pod as somebody else would.
    pub fn change_pod(&self, change: impl FnOnce(&mut Pod)) {
        change(&mut self.pod.borrow_mut());
    }

    /// The objects that were applied, by kind and name.
    pub fn objects(&self) -> Vec<(ObjectKind, String)> {
        self.objects.borrow().keys().cloned().collect()
    }

    /// Changes the objects as somebody else would.
    pub fn change_objects(&self, change: impl FnOnce(&mut BTreeMap<(ObjectKind, String), Value>)) {
        change(&mut self.objects.borrow_mut());
    }

    /// The same, for the first unit of an application of this name.
    pub fn of(self, app: &str) -> Self {
        Self {
            name: format!("{app}-0"),
            ..self
        }
    }

    fn changes(&self) -> Result<(), ClusterError> {
        self.with_trust((), "change it")?;
        self.patches.set(self.patches.get() + 1);
        Ok(())
    }

    fn with_trust<T>(&self, answer: T, action: &'static str) -> Result<T, ClusterError> {
        if self.trusted.get() {
            Ok(answer)
        } else {
            Err(forbidden(action))
        }
    }

    /// What was asked since the last time, a name each.
    pub fn asked(&self) -> Vec<&'static str> {
        self.asked.take()
    }

    fn note(&self, what: &'static str) {
        self.asked.borrow_mut().push(what);
    }

    /// How often something was changed.
    pub fn patches(&self) -> usize {
        self.patches.get()
    }

    /// What the charm sees of its pod here.
    pub fn seen(&self) -> Result<Pod, ClusterError> {
        self.pod(&self.name)
    }

    /// What the charm sees of its config volume here.
    pub fn volume(&self, profile: &AppProfile) -> BackupFacts {
        match &profile.storage {
            Some(storage) => look(self, &self.pod(&self.name), &profile.name, &storage.location),
            None => BackupFacts::NotRead,
        }
    }
}

fn forbidden(action: &str) -> ClusterError {
    ClusterError::not_allowed(action, "its Role does not say so")
}

/// Applies a strategic merge patch of a pod's template, as far as it was told of it.
fn put_on(pod: &mut Pod, template: &Value) {
    for (part, content) in template.as_object().unwrap() {
        match part.as_str() {
            "metadata" => {
                for (key, value) in content["annotations"].as_object().unwrap() {
                    match value.as_str() {
                        Some(value) => pod.annotations.insert(key.clone(), value.to_owned()),
                        None => pod.annotations.remove(key),
                    };
                }
            }
            "spec" => {
                for (list, items) in content.as_object().unwrap() {
                    for item in items.as_array().unwrap() {
                        put_item(pod, list, item);
                    }
                }
            }
            other => panic!("the fake was not told of {other}"),
        }
    }
}

fn put_item(pod: &mut Pod, list: &str, item: &Value) {
    let name = item["name"].as_str().unwrap().to_owned();
    let goes = item.get("$patch").is_some_and(|directive| directive == "delete");
    let images = match list {
        "initContainers" => &mut pod.init_images,
        "containers" => &mut pod.images,
        "volumes" if goes => {
            pod.volumes.remove(&name);
            return;
        }
        "volumes" => {
            pod.volumes.insert(name, PodVolume::Other);
            return;
        }
        other => panic!("the fake was not told of {other}"),
    };
    match goes {
        true => images.remove(&name),
        false => images.insert(name, item["image"].as_str().unwrap().to_owned()),
    };
}

impl Cluster for PodCluster {
    fn address(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::new(10, 96, 0, 1).into())
    }

    fn pod(&self, name: &str) -> Result<Pod, ClusterError> {
        self.note("pod");
        assert_eq!(name, self.name);
        if !self.answers.get() {
            return Err(ClusterError::unreachable("change its pods", "no route"));
        }
        Ok(self.pod.borrow().clone())
    }

    fn annotate_pod(
        &self,
        name: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError> {
        self.note("annotate pod");
        assert_eq!(name, self.name);
        self.patches.set(self.patches.get() + 1);
        annotate(&mut self.pod.borrow_mut().annotations, annotations);
        Ok(())
    }

    fn claim(&self, _name: &str) -> Result<Claim, ClusterError> {
        self.note("claim");
        let app = self.name.trim_end_matches("-0").to_owned();
        let claim = Claim {
            labels: BTreeMap::from([
                (APP_LABEL.to_owned(), app),
                (STORAGE_LABEL.to_owned(), "config".to_owned()),
            ]),
            volume: Some("pv".to_owned()),
            ..Claim::default()
        };
        self.with_trust(claim, "read its claim")
    }

    fn mark_claim(&self, _name: &str, marks: &Marks) -> Result<(), ClusterError> {
        let about_media = marks.labels.contains_key(EXCLUDED);
        self.note(if about_media {
            "exclude claim"
        } else {
            "label claim"
        });
        Err(forbidden("label its claim"))
    }

    fn others_mount(&self, _claim: &str, _app: &str) -> Result<bool, ClusterError> {
        self.note("others mount");
        Ok(false)
    }

    fn pods_of(&self, app: &str) -> Result<Vec<Pod>, ClusterError> {
        self.note("pods of the application");
        assert_eq!(format!("{app}-0"), self.name);
        let others = self.others.borrow();
        Ok([self.pod.borrow().clone()]
            .into_iter()
            .chain(others.iter().cloned())
            .collect())
    }

    fn change_mount(&self, _stateful_set: &str, _change: &MountChange) -> Result<(), ClusterError> {
        self.note("change mount");
        Err(forbidden("change what its pods mount"))
    }

    fn change_pods(&self, stateful_set: &str, template: &Value) -> Result<(), ClusterError> {
        self.note("change pods");
        assert_eq!(format!("{stateful_set}-0"), self.name);
        self.changes()?;
        self.templates.borrow_mut().push(template.clone());
        Ok(())
    }

    fn stateful_set(&self, name: &str) -> Result<StatefulSet, ClusterError> {
        self.note("stateful set");
        assert_eq!(format!("{name}-0"), self.name);
        if !self.answers.get() {
            return Err(ClusterError::unreachable("read its StatefulSet", "no route"));
        }
        let mut template = self.pod.borrow().clone();
        for change in self.templates.borrow().iter() {
            put_on(&mut template, change);
        }
        let set = StatefulSet {
            uid: self.uid.borrow().clone(),
            template,
        };
        self.with_trust(set, "read its StatefulSet")
    }

    fn object(&self, kind: ObjectKind, name: &str) -> Result<Option<FoundObject>, ClusterError> {
        self.note("object");
        let found = self.objects.borrow().get(&(kind, name.to_owned())).cloned();
        let found = found.map(|content| {
            let owners = content["metadata"]["ownerReferences"].as_array().unwrap().iter();
            FoundObject {
                owners: owners
                    .map(|owner| owner["uid"].as_str().unwrap().to_owned())
                    .collect(),
                content,
            }
        });
        self.with_trust(found, "read its object")
    }

    fn apply_object(&self, object: &OwnObject) -> Result<(), ClusterError> {
        self.note("apply object");
        assert_eq!(object.content["metadata"]["name"], object.name.as_str());
        self.changes()?;
        let key = (object.kind, object.name.clone());
        self.objects.borrow_mut().insert(key, object.content.clone());
        Ok(())
    }

    fn delete_object(&self, kind: ObjectKind, name: &str) -> Result<(), ClusterError> {
        self.note("delete object");
        self.changes()?;
        self.objects.borrow_mut().remove(&(kind, name.to_owned()));
        Ok(())
    }

    fn volume(&self, _name: &str) -> Result<VolumeSource, ClusterError> {
        self.note("volume");
        self.with_trust(VolumeSource::Other, "read its volume")
    }

    fn snapshot_drivers(&self) -> Result<Vec<String>, ClusterError> {
        self.note("snapshot classes");
        self.with_trust(Vec::new(), "list snapshot classes")
    }

    fn node_agent(&self, _node: &str) -> Result<NodeAgent, ClusterError> {
        self.note("node agent");
        self.with_trust(NodeAgent::Runs, "look for Velero's node agent")
    }
}
