//! What is decided for each kind of cluster, and that a second look changes nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;
use velero_backup_config::Method;

use super::*;
use crate::kubernetes::{
    Claim, Cluster, ClusterError, FoundObject, Marks, MountChange, NodeAgent, ObjectKind, OwnObject, Pod,
    StatefulSet, VolumeSource, annotate,
};

/// A cluster as a value. What the charm changes in it can be seen.
struct FakeCluster {
    pod: RefCell<Pod>,
    claim: Result<Claim, ClusterError>,
    source: VolumeSource,
    drivers: Vec<String>,
    node_agent: NodeAgent,
}

impl Cluster for FakeCluster {
    fn address(&self) -> Option<IpAddr> {
        None
    }

    fn pod(&self, name: &str) -> Result<Pod, ClusterError> {
        assert_eq!(name, "radarr-0");
        Ok(self.pod.borrow().clone())
    }

    fn annotate_pod(
        &self,
        _name: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError> {
        annotate(&mut self.pod.borrow_mut().annotations, annotations);
        Ok(())
    }

    fn claim(&self, name: &str) -> Result<Claim, ClusterError> {
        assert_eq!(name, "radarr-config-1-radarr-0");
        self.claim.clone()
    }

    fn mark_claim(&self, _name: &str, _marks: &Marks) -> Result<(), ClusterError> {
        Ok(())
    }

    fn others_mount(&self, _claim: &str, _app: &str) -> Result<bool, ClusterError> {
        Ok(false)
    }

    fn volume(&self, name: &str) -> Result<VolumeSource, ClusterError> {
        assert_eq!(name, "pvc-1");
        Ok(self.source.clone())
    }

    fn pods_of(&self, _app: &str) -> Result<Vec<Pod>, ClusterError> {
        Err(ClusterError::not_allowed("look at its other pods", "forbidden"))
    }

    fn stateful_set(&self, _name: &str) -> Result<StatefulSet, ClusterError> {
        Err(ClusterError::not_allowed("read its StatefulSet", "forbidden"))
    }

    fn change_mount(&self, _stateful_set: &str, _change: &MountChange) -> Result<(), ClusterError> {
        Err(ClusterError::not_allowed("change its mounts", "forbidden"))
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
        Ok(self.drivers.clone())
    }

    fn node_agent(&self, node: &str) -> Result<NodeAgent, ClusterError> {
        assert_eq!(node, "lab");
        Ok(self.node_agent.clone())
    }
}

fn labels(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn cluster(source: VolumeSource, drivers: &[&str]) -> FakeCluster {
    let mount = |path: &str, volume: &str| BTreeMap::from([(path.to_owned(), volume.to_owned())]);
    let pod = Pod {
        node: "lab".to_owned(),
        annotations: labels(&[("juju.is/version", "4.0.15")]),
        volumes: BTreeMap::from([
            ("charm-data".to_owned(), PodVolume::Other),
            ("media".to_owned(), PodVolume::Claim("media".to_owned())),
            (
                "radarr-config-1".to_owned(),
                PodVolume::Claim("radarr-config-1-radarr-0".to_owned()),
            ),
        ]),
        mounts: BTreeMap::from([
            (
                "charm".to_owned(),
                mount("/var/lib/juju/storage/config-0", "radarr-config-1"),
            ),
            ("radarr".to_owned(), mount("/config", "radarr-config-1")),
        ]),
        ..Pod::default()
    };
    let claim = Claim {
        labels: labels(&[(APP_LABEL, "radarr"), (STORAGE_LABEL, "config")]),
        volume: Some("pvc-1".to_owned()),
        ..Claim::default()
    };
    FakeCluster {
        pod: RefCell::new(pod),
        claim: Ok(claim),
        source,
        drivers: drivers.iter().map(|driver| (*driver).to_owned()).collect(),
        node_agent: NodeAgent::Runs,
    }
}

fn question(option: MethodOption) -> BackupInputs<'static> {
    BackupInputs {
        app: "radarr",
        pod: "radarr-0",
        is_related: true,
        is_stored: true,
        storage: "config",
        charm_dir: Path::new("/var/lib/juju/agents/unit-radarr-0/charm"),
        option,
        current: None,
    }
}

fn decided(cluster: &FakeCluster, option: MethodOption) -> Decision {
    decide(
        &question(option),
        &look(cluster, &cluster.pod("radarr-0"), "radarr", "/config"),
    )
}

const FILES: MethodOption = MethodOption::Only(Method::Filesystem);
const SNAPSHOT: MethodOption = MethodOption::Only(Method::Snapshot);

fn csi() -> VolumeSource {
    VolumeSource::Csi("csi.example.com".to_owned())
}

#[test]
fn auto_takes_a_snapshot_only_where_velero_can_make_one() {
    let cases = [
        (csi(), vec!["csi.example.com"], Method::Snapshot),
        (csi(), vec!["other.example.com"], Method::Filesystem),
        (csi(), vec![], Method::Filesystem),
        (VolumeSource::Other, vec!["csi.example.com"], Method::Filesystem),
    ];
    for (source, drivers, method) in cases {
        let decision = decided(&cluster(source.clone(), &drivers), MethodOption::Auto);
        assert_eq!(
            decision.method, method,
            "{source:?} {drivers:?}: {}",
            decision.why
        );
        assert_eq!(decision.problem, None, "{source:?} {drivers:?}");
    }
}

/// Every volume of the pod is left out, and what Juju put on it stays.
fn assert_stores_nothing(cluster: &FakeCluster) {
    let expected = labels(&[
        (
            "backup.velero.io/backup-volumes-excludes",
            "charm-data,media,radarr-config-1",
        ),
        ("juju.is/version", "4.0.15"),
    ]);
    assert_eq!(cluster.pod.borrow().annotations, expected);
}

#[test]
fn files_put_the_annotations_on_once() {
    let cluster = cluster(VolumeSource::Other, &[]);
    let first = decided(&cluster, FILES);
    let value = |key: &str| first.annotations[key].clone().unwrap();
    assert_eq!(value("backup.velero.io/backup-volumes"), "radarr-config-1");
    assert_eq!(
        value("backup.velero.io/backup-volumes-excludes"),
        "charm-data,media"
    );
    assert_eq!(
        value("pre.hook.backup.velero.io/command"),
        r#"["/var/lib/juju/agents/unit-radarr-0/charm/dispatch","before-backup","/var/lib/juju/storage/config-0"]"#
    );
    cluster.annotate_pod("radarr-0", &first.annotations).unwrap();
    assert_eq!(decided(&cluster, FILES).annotations, BTreeMap::new());

    // Whatever velero-operator's default is, nothing of the pod must look like file-system backup now.
    let changed = decided(&cluster, SNAPSHOT).annotations;
    cluster.annotate_pod("radarr-0", &changed).unwrap();
    assert_stores_nothing(&cluster);
}

#[test]
fn nothing_of_a_standby_is_stored() {
    let cluster = cluster(VolumeSource::Other, &[]);
    let leading = decided(&cluster, FILES).annotations;
    cluster.annotate_pod("radarr-0", &leading).unwrap();
    let standby = BackupInputs {
        is_stored: false,
        ..question(FILES)
    };
    let facts = look(&cluster, &cluster.pod("radarr-0"), "radarr", "/config");
    let changed = decide(&standby, &facts).annotations;
    cluster.annotate_pod("radarr-0", &changed).unwrap();
    assert_stores_nothing(&cluster);
}

#[test]
fn the_marks_go_with_the_relation() {
    let unrelated = |option| BackupInputs {
        is_related: false,
        is_stored: false,
        ..question(option)
    };
    for option in [FILES, SNAPSHOT] {
        let cluster = cluster(VolumeSource::Other, &[]);
        let marks = decided(&cluster, option).annotations;
        cluster.annotate_pod("radarr-0", &marks).unwrap();
        let of_others = BTreeMap::from([("backup.velero.io/of-somebody".to_owned(), Some("x".to_owned()))]);
        cluster.annotate_pod("radarr-0", &of_others).unwrap();
        let look = || look(&cluster, &cluster.pod("radarr-0"), "radarr", "/config");
        let decision = decide(&unrelated(option), &look());
        assert_eq!(decision.labels, None);
        cluster.annotate_pod("radarr-0", &decision.annotations).unwrap();
        let expected = labels(&[
            ("backup.velero.io/of-somebody", "x"),
            ("juju.is/version", "4.0.15"),
        ]);
        assert_eq!(cluster.pod.borrow().annotations, expected, "{option:?}");
        assert_eq!(decide(&unrelated(option), &look()).annotations, BTreeMap::new());

        // What the pod got with the mount of the media stays: the media are in no backup.
        let media = PodVolume::Claim("media".to_owned());
        cluster
            .pod
            .borrow_mut()
            .volumes
            .insert("media-storage".to_owned(), media);
        let changed = decide(&unrelated(option), &look()).annotations;
        let expected = BTreeMap::from([(
            "backup.velero.io/backup-volumes-excludes".to_owned(),
            Some("media-storage".to_owned()),
        )]);
        assert_eq!(changed, expected);
    }
}

#[test]
fn a_claim_without_labels_gets_them_back() {
    let mut cluster = cluster(csi(), &["csi.example.com"]);
    cluster.claim.as_mut().unwrap().labels = labels(&[
        ("app.kubernetes.io/managed-by", "juju"),
        (STORAGE_LABEL, "config"),
    ]);
    let (claim, missing) = decided(&cluster, MethodOption::Auto).labels.unwrap();
    assert_eq!(claim, "radarr-config-1-radarr-0");
    assert_eq!(missing, labels(&[(APP_LABEL, "radarr")]));
}

#[test]
fn without_trust_files_are_copied_and_the_reason_is_said() {
    let mut cluster = cluster(csi(), &["csi.example.com"]);
    cluster.claim = Err(ClusterError::not_allowed("read its claim", "forbidden"));
    let decision = decided(&cluster, MethodOption::Auto);
    assert_eq!(decision.method, Method::Filesystem);
    assert!(decision.why.contains("juju trust radarr"), "{}", decision.why);
    assert_eq!(decision.problem, None);
    assert!(!decision.annotations.is_empty());
}

/// Nobody knows whether the driver makes snapshots, and a backup may hold nothing.
#[test]
fn a_snapshot_that_was_asked_for_without_trust_is_a_problem_with_its_way_out() {
    let mut cluster = cluster(csi(), &["csi.example.com"]);
    cluster.claim = Err(ClusterError::not_allowed("read its claim", "forbidden"));
    let decision = decided(&cluster, SNAPSHOT);
    assert_eq!(decision.method, Method::Snapshot);
    let problem = decision.problem.map(|problem| problem.to_string());
    assert!(
        problem
            .as_ref()
            .is_some_and(|text| text.contains("juju trust radarr")),
        "{problem:?}"
    );
}

#[test]
fn a_cluster_that_does_not_answer_changes_no_method() {
    let error = ClusterError::unreachable("read its pod", "refused");
    let asked = BackupInputs {
        current: Some(Method::Snapshot),
        ..question(MethodOption::Auto)
    };
    let decision = decide(&asked, &BackupFacts::Failed(error.clone()));
    assert_eq!(decision.method, Method::Snapshot);
    assert!(decision.problem.unwrap().to_string().contains("refused"));

    let mut cluster = cluster(csi(), &[]);
    cluster.claim = Err(error);
    let facts = look(&cluster, &cluster.pod("radarr-0"), "radarr", "/config");
    assert_eq!(decide(&asked, &facts).method, Method::Snapshot);
}

#[test]
fn what_cannot_be_backed_up_is_said_with_the_way_out() {
    let host_path = cluster(VolumeSource::HostPath, &[]);
    let mut no_agent = cluster(VolumeSource::Other, &[]);
    no_agent.node_agent = NodeAgent::None;
    let mut old_definitions = cluster(VolumeSource::Other, &[]);
    old_definitions.node_agent = NodeAgent::Refused("its definition is older than Velero 1.17".to_owned());
    let mut pending = cluster(VolumeSource::Other, &[]);
    pending.claim.as_mut().unwrap().volume = None;
    let no_class = cluster(csi(), &["other.example.com"]);
    let no_driver = cluster(VolumeSource::Other, &[]);
    let cases = [
        (host_path, FILES, "hostPath", "configuratarr doctor radarr"),
        (no_agent, FILES, "node agent", "use-node-agent=true"),
        (
            old_definitions,
            FILES,
            "older than Velero 1.17",
            "velero install --crds-only",
        ),
        (pending, FILES, "is not bound", "kubectl describe pvc"),
        (no_class, SNAPSHOT, "csi.example.com", "backup-method=filesystem"),
        (no_driver, SNAPSHOT, "no CSI driver", "backup-method=filesystem"),
    ];
    for (cluster, option, reason, way_out) in cases {
        let problem = decided(&cluster, option).problem.unwrap().to_string();
        assert!(problem.contains(reason) && problem.contains(way_out), "{problem}");
    }
}

#[test]
fn a_pod_without_the_volume_is_named() {
    let cluster = cluster(VolumeSource::Other, &[]);
    let facts = look(&cluster, &cluster.pod("radarr-0"), "radarr", "/elsewhere");
    assert_eq!(facts, BackupFacts::NoSuchVolume);
    assert!(
        decide(&question(FILES), &facts)
            .problem
            .unwrap()
            .to_string()
            .contains("storage config")
    );
}
