//! `claim::find`: which claim it is, for two requests.

use config_recovery::claim::{self, AppClaim, AppVolume, ClaimPod, VolumeKind, volume};
use config_recovery::{ClusterError, Error};
use serde_json::{Value, json};

use crate::objects::radarr;
use crate::server::Server;

const PODS: &str = "GET /api/v1/namespaces/media/pods?labelSelector=app.kubernetes.io/name=radarr";
const BY_LABELS: &str = "GET /api/v1/namespaces/media/persistentvolumeclaims?labelSelector=\
                         app.kubernetes.io/name=radarr,storage.juju.is/name=config";

fn by_name(claim: &str) -> String {
    format!("GET /api/v1/namespaces/media/persistentvolumeclaims?fieldSelector=metadata.name={claim}")
}

/// A pod as Juju 4.0 makes it: claims for config and logs, the agent's emptyDir, a media claim of another origin.
fn pod(name: &str) -> Value {
    let claim = |storage: &str| {
        json!({
            "name": format!("radarr-{storage}-fec125"),
            "persistentVolumeClaim": {"claimName": format!("radarr-{storage}-fec125-{name}")},
        })
    };
    json!({
        "metadata": {
            "name": name, "namespace": "media", "annotations": {},
            "labels": {"app.kubernetes.io/name": "radarr", "apps.kubernetes.io/pod-index": "0"},
        },
        "spec": {
            "containers": [{"name": "charm"}, {"name": "radarr"}],
            "volumes": [
                {"name": "charm-data", "emptyDir": {}},
                {"name": "media", "persistentVolumeClaim": {"claimName": "media"}},
                claim("logs"),
                claim("config"),
            ],
        },
    })
}

/// A bound claim as the StatefulSet controller makes it of Juju's template.
fn bound(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "media",
            "labels": {
                "app.kubernetes.io/managed-by": "juju", "app.kubernetes.io/name": "radarr",
                "storage.juju.is/name": "config",
            },
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "local-path", "volumeMode": "Filesystem", "volumeName": "pvc-8e1f",
        },
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}},
    })
}

async fn found(server: Server) -> AppClaim {
    let claim = claim::find(&server.cluster(), &radarr()).await.unwrap();
    assert_eq!(server.done(), 2);
    claim
}

async fn refused(server: Server) -> String {
    let error = claim::find(&server.cluster(), &radarr()).await.unwrap_err();
    server.done();
    assert!(matches!(error, Error::NoClaim { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("kubectl get pvc -n media"));
    error.to_string()
}

#[tokio::test]
async fn the_pod_names_the_claim() {
    let server = Server::new().lists(PODS, vec![pod("radarr-0")]).lists(
        &by_name("radarr-config-fec125-radarr-0"),
        vec![bound("radarr-config-fec125-radarr-0")],
    );
    let claim = found(server).await;
    assert_eq!(claim.claim, "radarr-config-fec125-radarr-0");
    assert_eq!(claim.volume.as_deref(), Some("pvc-8e1f"));
    assert_eq!((claim.requested, claim.capacity), (1 << 30, Some(2 << 30)));
    assert_eq!(claim.storage_class.as_deref(), Some("local-path"));
    assert_eq!(claim.labels["storage.juju.is/name"], "config");
    let pod = ClaimPod {
        name: "radarr-0".to_owned(),
        volume: "radarr-config-fec125".to_owned(),
        node: None,
    };
    assert_eq!(claim.pod, Some(pod));
}

#[tokio::test]
async fn a_claim_of_attach_storage_is_found_without_the_apps_label() {
    let mut claim = bound("radarr-config-fec125-radarr-0");
    claim["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("app.kubernetes.io/name");
    let server = Server::new()
        .lists(PODS, vec![pod("radarr-0")])
        .lists(&by_name("radarr-config-fec125-radarr-0"), vec![claim]);
    let claim = found(server).await;
    assert!(!claim.labels.contains_key("app.kubernetes.io/name"));
    assert!(claim.pod.is_some());
}

#[tokio::test]
async fn of_several_units_it_is_the_one_that_is_backed_up_else_the_first() {
    let units = || vec![pod("radarr-10"), pod("radarr-2"), pod("radarr-1")];
    let server = Server::new().lists(PODS, units()).lists(
        &by_name("radarr-config-fec125-radarr-1"),
        vec![bound("radarr-config-fec125-radarr-1")],
    );
    assert_eq!(found(server).await.claim, "radarr-config-fec125-radarr-1");

    let mut marked = units();
    marked[0]["metadata"]["annotations"] = json!({"backup.velero.io/backup-volumes": "radarr-config-fec125"});
    // A standby opts nothing in.
    marked[2]["metadata"]["annotations"] =
        json!({"backup.velero.io/backup-volumes-excludes": "radarr-config-fec125"});
    let server = Server::new().lists(PODS, marked).lists(
        &by_name("radarr-config-fec125-radarr-10"),
        vec![bound("radarr-config-fec125-radarr-10")],
    );
    assert_eq!(found(server).await.claim, "radarr-config-fec125-radarr-10");
}

#[tokio::test]
async fn pods_of_others_with_the_apps_label_do_not_count() {
    let server = Server::new()
        .lists(PODS, vec![pod("radarr-backup-job"), pod("radarr-4k-0")])
        .lists(BY_LABELS, vec![bound("radarr-config-fec125-radarr-0")]);
    let claim = found(server).await;
    assert_eq!(
        (claim.claim.as_str(), claim.pod),
        ("radarr-config-fec125-radarr-0", None)
    );
}

#[tokio::test]
async fn without_a_pod_the_labels_tell() {
    let mut going = bound("radarr-config-0ld0ne-radarr-0");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-24T11:00:00Z");
    let units = vec![
        bound("radarr-config-fec125-radarr-10"),
        going,
        bound("radarr-config-fec125-radarr-2"),
    ];
    let server = Server::new().lists(PODS, Vec::new()).lists(BY_LABELS, units);
    assert_eq!(found(server).await.claim, "radarr-config-fec125-radarr-2");

    // There is nothing to choose where there is one, whatever its name.
    let server = Server::new()
        .lists(PODS, Vec::new())
        .lists(BY_LABELS, vec![bound("mine")]);
    assert_eq!(found(server).await.claim, "mine");

    // What an earlier deployment left cannot be told from what is used now.
    let both = vec![
        bound("radarr-config-fec125-radarr-0"),
        bound("radarr-config-1a2b3c4d-radarr-0"),
    ];
    let said = refused(Server::new().lists(PODS, Vec::new()).lists(BY_LABELS, both)).await;
    assert_eq!(
        said,
        "cannot find the config volume of radarr in model media: it has no pod, and several claims may be the one: \
         radarr-config-1a2b3c4d-radarr-0, radarr-config-fec125-radarr-0"
    );
}

#[tokio::test]
async fn a_claim_that_is_not_bound_has_no_volume() {
    let mut claim = bound("radarr-config-fec125-radarr-0");
    claim["status"] = json!({"phase": "Pending"});
    let server = Server::new()
        .lists(PODS, vec![pod("radarr-0")])
        .lists(&by_name("radarr-config-fec125-radarr-0"), vec![claim]);
    let claim = found(server).await;
    assert_eq!(
        (claim.volume, claim.capacity, claim.requested),
        (None, None, 1 << 30)
    );
}

#[tokio::test]
async fn no_claim_is_said_with_its_reason() {
    let none = "cannot find the config volume of radarr in model media: ";
    let said = refused(Server::new().lists(PODS, Vec::new()).lists(BY_LABELS, Vec::new())).await;
    assert_eq!(said, format!("{none}it has no pod, and no claim has its labels"));

    let server = Server::new()
        .lists(PODS, vec![pod("radarr-0")])
        .lists(&by_name("radarr-config-fec125-radarr-0"), Vec::new());
    assert_eq!(
        refused(server).await,
        format!("{none}pod radarr-0 waits for claim radarr-config-fec125-radarr-0, which is not there")
    );

    let mut without = pod("radarr-0");
    without["spec"]["volumes"].as_array_mut().unwrap().pop();
    assert_eq!(
        refused(Server::new().lists(PODS, vec![without])).await,
        format!("{none}pod radarr-0 mounts no volume of storage config")
    );

    let mut fleeting = pod("radarr-0");
    fleeting["spec"]["volumes"][3] = json!({"name": "radarr-config", "emptyDir": {}});
    assert_eq!(
        refused(Server::new().lists(PODS, vec![fleeting])).await,
        format!("{none}volume radarr-config of pod radarr-0 is no claim: it goes with the pod")
    );
}

#[tokio::test]
async fn a_refusal_is_no_missing_claim() {
    let server = Server::new().lists(PODS, vec![pod("radarr-0")]).refuses(
        &by_name("radarr-config-fec125-radarr-0"),
        403,
        "Forbidden",
        "claims are forbidden",
    );
    let error = claim::find(&server.cluster(), &radarr()).await.unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::NotAllowed { .. })),
        "{error}"
    );
    server.done();
    let error = claim::find(&Server::new().breaks(PODS).cluster(), &radarr())
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::Unreachable { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_behind_a_claim_is_told() {
    let line = "GET /api/v1/persistentvolumes/pvc-8e1f";
    let spec = |source: Value| {
        let mut spec = json!({
            "capacity": {"storage": "2Gi"}, "storageClassName": "local-path", "persistentVolumeReclaimPolicy": "Delete",
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["lab"]},
                {"key": "zone", "operator": "In", "values": ["north"]},
            ]}]}},
        });
        spec.as_object_mut()
            .unwrap()
            .extend(source.as_object().unwrap().clone());
        json!({"metadata": {"name": "pvc-8e1f"}, "spec": spec, "status": {"phase": "Bound"}})
    };
    for (source, kind) in [
        (
            json!({"csi": {"driver": "csi.example.com"}}),
            VolumeKind::Csi("csi.example.com".to_owned()),
        ),
        (json!({"hostPath": {"path": "/x"}}), VolumeKind::HostPath),
        (json!({"local": {"path": "/x"}}), VolumeKind::Local),
        (json!({"nfs": {"server": "x", "path": "/"}}), VolumeKind::Nfs),
        (json!({"iscsi": {}}), VolumeKind::Other),
    ] {
        let server = Server::new().answers(line, spec(source));
        let found = volume(&server.cluster(), "pvc-8e1f").await.unwrap();
        let expected = AppVolume {
            name: "pvc-8e1f".to_owned(),
            kind,
            capacity: Some(2 << 30),
            storage_class: Some("local-path".to_owned()),
            reclaim_policy: Some("Delete".to_owned()),
            phase: Some("Bound".to_owned()),
            nodes: vec!["lab".to_owned()],
        };
        assert_eq!(found, Some(expected));
        server.done();
    }
    let server = Server::new().refuses(line, 404, "NotFound", "no such volume");
    assert_eq!(volume(&server.cluster(), "pvc-8e1f").await.unwrap(), None);
    let server = Server::new().refuses(line, 403, "Forbidden", "not for you");
    assert!(
        volume(&server.cluster(), "pvc-8e1f")
            .await
            .unwrap_err()
            .is_forbidden()
    );
}
