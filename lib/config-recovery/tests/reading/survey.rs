//! What backups need in a cluster, read in as many requests for many apps as for one.

use config_recovery::ClusterError;
use config_recovery::backups::AppId;
use config_recovery::method::{NodeAgent, Obstacle, VolumeSource, obstacle};
use config_recovery::survey::{Password, PodVolumeSource, Survey, survey};
use serde_json::{Value, json};
use velero_backup_config::Method;

use crate::server::Server;

const VERSION: &str = "GET /version";
const VOLUMES: &str = "GET /api/v1/persistentvolumes";
const PODS: &str = "GET /api/v1/namespaces/home/pods";
const CLAIMS: &str = "GET /api/v1/namespaces/home/persistentvolumeclaims";
const CLASSES: &str = "GET /apis/storage.k8s.io/v1/storageclasses";
const NODES: &str = "GET /api/v1/nodes";
const ROLES: &str =
    "GET /apis/rbac.authorization.k8s.io/v1/clusterroles?labelSelector=app.kubernetes.io/managed-by=juju";
const SNAPSHOT_CLASSES: &str = "GET /apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses";
const SERVERS: &str = "GET /api/v1/pods?labelSelector=deploy=velero";
const AGENTS: &str = "GET /api/v1/pods?labelSelector=name=node-agent";
const PASSWORD: &str = "GET /api/v1/namespaces/velero/secrets/velero-repo-credentials";
const CONFIGURATION: &str = "GET /api/v1/namespaces/velero/configmaps/mine";
const DEFINITIONS: &str = "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A pod as Juju makes it, on one node.
fn pod(app: &str) -> Value {
    json!({
        "metadata": {"name": format!("{app}-0"), "namespace": "home", "labels": {"app.kubernetes.io/name": app}},
        "spec": {"nodeName": "lab", "containers": [], "volumes": [
            {"name": format!("{app}-config-fec125"), "persistentVolumeClaim": {"claimName": format!("{app}-config-fec125-{app}-0")}},
            {"name": "charm-data", "emptyDir": {}},
            {"name": "token", "projected": {"sources": []}},
            {"name": "dri", "hostPath": {"path": "/dev/dri"}},
        ]},
        "status": {"phase": "Running"},
    })
}

fn claim(app: &str) -> Value {
    json!({
        "metadata": {"name": format!("{app}-config-fec125-{app}-0"), "namespace": "home"},
        "spec": {"volumeName": format!("pv-{app}"), "storageClassName": "local-path"},
        "status": {"phase": "Bound"},
    })
}

fn role(name: &str, app: &str, rules: Value) -> Value {
    json!({"metadata": {"name": name, "labels": {"app.kubernetes.io/name": app}}, "rules": rules})
}

fn everything() -> Value {
    json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
}

fn next_to_nothing() -> Value {
    json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]}])
}

fn velero(container: &str, image: &str, arguments: &[&str]) -> Value {
    json!({
        "metadata": {"name": "velero-1", "namespace": "velero"},
        "spec": {"nodeName": "lab", "containers": [
            {"name": "mesh", "image": "mesh:v9"},
            {"name": container, "image": image, "args": arguments},
        ]},
        "status": {"phase": "Running"},
    })
}

/// A cluster with so many apps, and a Velero of this version.
fn server(apps: &[String], version: &str) -> Server {
    let image = format!("velero/velero:{version}");
    Server::new()
        .answers(VERSION, json!({"gitVersion": "v1.34.3"}))
        .lists(
            VOLUMES,
            apps.iter().map(|app| json!({"metadata": {"name": format!("pv-{app}")}, "spec": {"hostPath": {"path": "/x"}}})).collect(),
        )
        .lists(PODS, apps.iter().map(|app| pod(app)).collect())
        .lists(CLAIMS, apps.iter().map(|app| claim(app)).collect())
        .lists(CLASSES, vec![json!({"metadata": {"name": "local-path"}, "provisioner": "rancher.io/local-path"})])
        .lists(
            NODES,
            vec![json!({"metadata": {"name": "lab"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})],
        )
        .lists(
            ROLES,
            vec![
                role("home-radarr", "radarr", everything()),
                role("home-sonarr", "sonarr", next_to_nothing()),
                role("other-lidarr", "lidarr", everything()),
            ],
        )
        .lists(
            SNAPSHOT_CLASSES,
            vec![
                json!({"metadata": {"name": "a", "labels": {"velero.io/csi-volumesnapshot-class": "true"}}, "driver": "csi.example.com"}),
                json!({"metadata": {"name": "b"}, "driver": "other.example.com"}),
            ],
        )
        .lists(SERVERS, vec![velero("velero", &image, &["server", "--features=EnableCSI"])])
        .lists(AGENTS, vec![velero("node-agent", &image, &["node-agent", "server", "--node-agent-configmap=mine"])])
        .answers(PASSWORD, json!({"metadata": {"name": "x"}, "data": {"repository-password": "c3RhdGljLXBhc3N3MHJk"}}))
        .answers(CONFIGURATION, json!({"metadata": {"name": "mine"}, "data": {"any": "{\"loadConcurrency\":{\"globalConfig\":3}}"}}))
}

async fn seen(server: &Server) -> Survey {
    survey(&server.cluster(), "home").await
}

fn names(count: usize) -> Vec<String> {
    let mut names: Vec<String> = ["radarr", "sonarr"].map(str::to_owned).into();
    names.extend((names.len()..count).map(|number| format!("app{number}")));
    names.truncate(count);
    names
}

fn id(app: &str) -> AppId {
    AppId {
        app: app.to_owned(),
        model: "home".to_owned(),
    }
}

#[tokio::test]
async fn a_hundred_apps_take_as_many_requests_as_one() {
    for count in [1, 100] {
        let server = server(&names(count), "v1.15.2");
        let seen = seen(&server).await;
        assert_eq!(seen.objects.pods.unwrap().len(), count);
        assert_eq!(server.done(), 12, "{count}");
    }
}

#[tokio::test]
async fn all_of_it_is_read() {
    let server = server(&names(2), "v1.15.2");
    let seen = seen(&server).await;
    // The server in the test tells no time.
    assert_eq!(seen.clock, Ok(None));
    assert_eq!(
        seen.storage_classes.as_ref().unwrap()["local-path"],
        "rancher.io/local-path"
    );
    assert!(seen.nodes.as_ref().unwrap()["lab"], "a node that is not heard of");
    let trusted = seen.trusted.as_ref().unwrap();
    assert_eq!(
        (trusted["radarr"], trusted["sonarr"], trusted.get("lidarr")),
        (true, false, None)
    );
    assert_eq!(seen.snapshot_drivers().unwrap(), ["csi.example.com"]);
    assert_eq!(seen.node_agent("lab"), Ok(NodeAgent::Runs));
    assert_eq!(seen.node_agent("other"), Ok(NodeAgent::None));
    assert_eq!(seen.servers.as_ref().unwrap()[0].image, "velero/velero:v1.15.2");
    let configuration = seen.veleros[0].configuration.as_ref().unwrap();
    assert_eq!(
        (configuration.name.as_str(), &configuration.concurrency),
        ("mine", &Ok(Some(Ok(3))))
    );

    let (pod, volume) = seen.objects.stored(&id("sonarr")).unwrap();
    assert_eq!(
        (pod.name.as_str(), volume.name.as_str()),
        ("sonarr-0", "sonarr-config-fec125")
    );
    let kinds: Vec<&PodVolumeSource> = pod.volumes.iter().map(|volume| &volume.source).collect();
    let expected = [
        &PodVolumeSource::Claim("sonarr-config-fec125-sonarr-0".to_owned()),
        &PodVolumeSource::Other,
        &PodVolumeSource::OfKubernetes,
        &PodVolumeSource::HostPath,
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        seen.objects.volumes.as_ref().unwrap()["pv-sonarr"],
        VolumeSource::HostPath
    );
    let volume = seen.config_volume(pod, volume);
    assert_eq!(
        obstacle(Method::Filesystem, &volume.as_volume()),
        Some(Obstacle::HostPath)
    );
    assert!(seen.objects.stored(&id("lidarr")).is_none());
}

#[tokio::test]
async fn of_the_password_nothing_is_kept_but_whether_everybody_knows_it() {
    for (secret, expected) in [
        (
            json!({"data": {"repository-password": "c3RhdGljLXBhc3N3MHJk"}}),
            Password::Public,
        ),
        (
            json!({"data": {"repository-password": "c2VjcmV0LW9mLW1pbmU="}}),
            Password::Own,
        ),
        (json!({"data": {}}), Password::NotSet),
    ] {
        let server = Server::new()
            .answers(PASSWORD, secret)
            .lists(SERVERS, vec![velero("velero", "x", &[])]);
        let seen = seen(&server).await;
        assert_eq!(seen.veleros[0].password, Ok(expected));
        let shown = format!("{seen:?}");
        assert!(
            !shown.contains("c2VjcmV0") && !shown.contains("secret-of-mine"),
            "{shown}"
        );
    }
    let server = Server::new()
        .refuses(PASSWORD, 404, "NotFound", "no such secret")
        .lists(SERVERS, vec![velero("velero", "x", &[])]);
    assert_eq!(seen(&server).await.veleros[0].password, Ok(Password::NotSet));
}

#[tokio::test]
async fn a_refusal_of_one_part_leaves_the_others() {
    let refused = |line: &str| Server::new().refuses(line, 403, "Forbidden", "not for you");
    let forbidden = |error: Option<&ClusterError>| error.is_some_and(ClusterError::is_forbidden);
    let server = refused(ROLES).lists(NODES, Vec::new());
    let seen = seen(&server).await;
    assert!(forbidden(seen.trusted.as_ref().err()));
    assert!(seen.nodes.is_ok());
    // What the cluster does not know at all is no refusal.
    let server = Server::new().knows_no(SNAPSHOT_CLASSES);
    assert!(
        survey(&server.cluster(), "home")
            .await
            .snapshot_classes
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn definitions_are_looked_at_for_an_image_that_needs_them() {
    let old = json!({"metadata": {"name": "x"}, "spec": {"versions": [{"schema": {"openAPIV3Schema": {"properties":
        {"status": {"properties": {"phase": {"enum": ["New", "Completed"]}}}}}}}]}});
    let of = |plural: &str| format!("{DEFINITIONS}/{plural}.velero.io");
    let apps = names(1);
    let with = server(&apps, "v1.17.0")
        .answers(&of("podvolumebackups"), old)
        .refuses(&of("podvolumerestores"), 404, "NotFound", "no");
    let wrong = seen(&with).await.definitions.unwrap();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(
        wrong[0].contains("podvolumebackups.velero.io is older than Velero 1.17"),
        "{wrong:?}"
    );
    assert_eq!(with.done(), 14);

    // Who may not look is told so, and not that all is well.
    let with = server(&apps, "v1.17.0").refuses(&of("podvolumebackups"), 403, "Forbidden", "no");
    assert!(seen(&with).await.definitions.unwrap_err().is_forbidden());
}
