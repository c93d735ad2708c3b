//! The cluster as an application without trust sees it: its pod, and nothing behind it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use workload_charm::backup::{APP_LABEL, BackupFacts, STORAGE_LABEL, look};
use workload_charm::kubernetes::{
    Claim, Cluster, ClusterError, Marks, MountChange, Pod, PodVolume, VolumeSource, annotate,
};
use workload_charm::media::VOLUME;
use workload_charm::media::claim::EXCLUDED;
use workload_charm::profile::AppProfile;

/// One pod, as Juju makes it for unit 0.
pub struct PodCluster {
    name: String,
    pod: RefCell<Pod>,
    patches: Cell<usize>,
    trusted: Cell<bool>,
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
            pod.images
                .insert(profile.name.clone(), profile.workload.image.clone());
            let claim = PodVolume::Claim(format!("{volume}-{}-0", profile.name));
            pod.volumes.insert(volume, claim);
        }
        Self {
            name: format!("{}-0", profile.name),
            pod: RefCell::new(pod),
            patches: Cell::new(0),
            trusted: Cell::new(false),
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

impl Cluster for PodCluster {
    fn pod(&self, name: &str) -> Result<Pod, ClusterError> {
        self.note("pod");
        assert_eq!(name, self.name);
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

    fn change_mount(&self, _stateful_set: &str, _change: &MountChange) -> Result<(), ClusterError> {
        self.note("change mount");
        Err(forbidden("change what its pods mount"))
    }

    fn volume(&self, _name: &str) -> Result<VolumeSource, ClusterError> {
        self.note("volume");
        self.with_trust(VolumeSource::Other, "read its volume")
    }

    fn snapshot_drivers(&self) -> Result<Vec<String>, ClusterError> {
        self.note("snapshot classes");
        self.with_trust(Vec::new(), "list snapshot classes")
    }

    fn has_node_agent(&self, _node: &str) -> Result<bool, ClusterError> {
        self.note("node agent");
        self.with_trust(true, "look for Velero's node agent")
    }
}
