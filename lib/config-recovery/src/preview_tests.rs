//! What is stored for each kind of spec, in a model with one app, its media, and another app beside it.

use velero_backup_config::{BackupSpec as Asked, Method, pod};

use super::*;

fn labels(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn claim(app: &str, name: &str, volume: &str) -> Claim {
    Claim {
        namespace: "home".to_owned(),
        name: name.to_owned(),
        labels: labels(&[
            ("app.kubernetes.io/name", app),
            ("storage.juju.is/name", "config"),
        ]),
        volume: Some(volume.to_owned()),
        storage_class: None,
    }
}

/// The pod of an app as Juju makes it, and the charm marks it.
fn unit(app: &str) -> Pod {
    let hooks = pod::BackupHooks {
        container: "charm".to_owned(),
        before: Vec::new(),
        after: Vec::new(),
        timeout: "30m".to_owned(),
    };
    let config = format!("{app}-config-fec125");
    let volume = |name: &str, source| PodVolume {
        name: name.to_owned(),
        source,
    };
    Pod {
        namespace: "home".to_owned(),
        name: format!("{app}-0"),
        labels: labels(&[("app.kubernetes.io/name", app)]),
        annotations: pod::annotations(&config, ["charm-data", "media-storage", "token"], Some(&hooks)),
        node: "lab".to_owned(),
        volumes: vec![
            volume(&config, PodVolumeSource::Claim(format!("{config}-{app}-0"))),
            volume("media-storage", PodVolumeSource::Claim("media".to_owned())),
            volume("charm-data", PodVolumeSource::Other),
            volume("token", PodVolumeSource::OfKubernetes),
        ],
    }
}

struct Model {
    pods: Vec<Pod>,
    claims: Vec<Claim>,
    volumes: BTreeMap<String, VolumeSource>,
    drivers: Vec<String>,
}

fn model() -> Model {
    let media = Claim {
        labels: BTreeMap::new(),
        ..claim("", "media", "pv-media")
    };
    Model {
        pods: vec![unit("radarr"), unit("sonarr")],
        claims: vec![
            claim("radarr", "radarr-config-fec125-radarr-0", "pv-radarr"),
            claim("sonarr", "sonarr-config-fec125-sonarr-0", "pv-sonarr"),
            media,
        ],
        volumes: BTreeMap::from([
            (
                "pv-radarr".to_owned(),
                VolumeSource::Csi("csi.example.com".to_owned()),
            ),
            ("pv-sonarr".to_owned(), VolumeSource::Other),
            ("pv-media".to_owned(), VolumeSource::Other),
        ]),
        drivers: vec!["csi.example.com".to_owned()],
    }
}

impl Model {
    /// Volumes with what becomes of them: `radarr-config-fec125: files`.
    fn stores(&self, spec: &BackupSpec) -> Vec<String> {
        let found = preview(spec, &self.pods, &self.claims, &self.volumes, Some(&self.drivers));
        let line = |volume: &VolumePreview| {
            let name = match (&volume.claim, &volume.pod) {
                (Some(claim), _) => claim.clone(),
                (None, Some((pod, name))) => format!("{pod}:{name}"),
                (None, None) => String::new(),
            };
            match volume.stored {
                Stored::Files => format!("{name} files"),
                Stored::Snapshot => format!("{name} snapshot"),
                Stored::No(why) => format!("{name} {why:?}"),
            }
        };
        found.volumes.iter().map(line).collect()
    }
}

fn asked(method: Method, defaults: bool) -> BackupSpec {
    Asked::config_volume("radarr", "home", method)
        .unwrap()
        .to_velero_backup_spec(defaults)
}

#[test]
fn of_a_marked_pod_the_config_volume_is_copied_and_nothing_else() {
    for defaults in [false, true] {
        let why = if defaults { "OptedOut" } else { "NotOptedIn" };
        assert_eq!(
            model().stores(&asked(Method::Filesystem, defaults)),
            [
                "radarr-config-fec125-radarr-0 files".to_owned(),
                format!("media {why}")
            ],
            "{defaults}"
        );
    }
}

#[test]
fn a_pod_without_marks_stores_nothing_or_everything() {
    let mut model = model();
    model.pods[0].annotations.clear();
    // The driver could make a snapshot of the one, since nothing takes its files.
    assert_eq!(
        model.stores(&asked(Method::Filesystem, false)),
        ["radarr-config-fec125-radarr-0 snapshot", "media NotOptedIn"]
    );
    model.drivers.clear();
    assert_eq!(
        model.stores(&asked(Method::Filesystem, false)),
        ["radarr-config-fec125-radarr-0 NotOptedIn", "media NotOptedIn"]
    );
    assert_eq!(
        model.stores(&asked(Method::Filesystem, true)),
        [
            "radarr-config-fec125-radarr-0 files",
            "media files",
            "radarr-0:charm-data files"
        ]
    );
}

#[test]
fn claims_alone_are_stored_by_snapshots_only() {
    let mut model = model();
    let spec = BackupSpec {
        included_namespaces: vec!["home".to_owned()],
        included_resources: vec!["persistentvolumeclaims".to_owned()],
        label_selector: Some(LabelSelector::labels(labels(&[(
            "app.kubernetes.io/name",
            "sonarr",
        )]))),
        ..BackupSpec::default()
    };
    model.pods[1].annotations.clear();
    assert_eq!(model.stores(&spec), ["sonarr-config-fec125-sonarr-0 NoPod"]);
    // Of the one with a driver there would be one, if its volume were among the resources.
    let of_radarr = BackupSpec {
        label_selector: Some(LabelSelector::labels(labels(&[(
            "app.kubernetes.io/name",
            "radarr",
        )]))),
        ..spec
    };
    assert_eq!(
        model.stores(&of_radarr),
        ["radarr-config-fec125-radarr-0 FilesWithoutPod"]
    );
    model.pods[0].annotations.clear();
    assert_eq!(
        model.stores(&of_radarr),
        ["radarr-config-fec125-radarr-0 NoVolumes"]
    );
}

#[test]
fn a_snapshot_needs_a_pod_that_does_not_take_the_volume_for_one_of_files() {
    let mut model = model();
    let spec = asked(Method::Snapshot, true);
    model.pods[0].annotations = pod::none_of(["radarr-config-fec125", "media-storage", "charm-data"]);
    assert_eq!(model.stores(&spec), ["radarr-config-fec125-radarr-0 snapshot"]);
    model.pods[0].annotations.clear();
    assert_eq!(
        model.stores(&spec),
        ["radarr-config-fec125-radarr-0 FilesWithoutPod"]
    );
}

#[test]
fn what_is_left_out_by_label_namespace_or_path_is_not_there() {
    let mut model = model();
    let excluded = |model: &mut Model| {
        model.pods[0]
            .labels
            .insert(EXCLUDED.to_owned(), "true".to_owned());
    };
    excluded(&mut model);
    model.claims[0]
        .labels
        .insert(EXCLUDED.to_owned(), "true".to_owned());
    assert!(model.stores(&asked(Method::Filesystem, false)).is_empty());

    let mut model = self::model();
    model
        .volumes
        .insert("pv-radarr".to_owned(), VolumeSource::HostPath);
    assert_eq!(
        model.stores(&asked(Method::Filesystem, false)),
        ["radarr-config-fec125-radarr-0 HostPath", "media NotOptedIn"]
    );
    let elsewhere = BackupSpec {
        included_namespaces: vec!["other".to_owned()],
        ..BackupSpec::default()
    };
    assert!(model.stores(&elsewhere).is_empty());
}

#[test]
fn without_a_selector_everything_of_the_namespace_is_reached() {
    let spec = BackupSpec {
        included_namespaces: vec!["home".to_owned()],
        ..BackupSpec::default()
    };
    let stores = model().stores(&spec);
    assert!(
        stores.contains(&"radarr-config-fec125-radarr-0 files".to_owned()),
        "{stores:?}"
    );
    assert!(
        stores.contains(&"sonarr-config-fec125-sonarr-0 files".to_owned()),
        "{stores:?}"
    );
}
