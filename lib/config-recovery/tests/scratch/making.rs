//! What is asked for before and while the place is made, and what is not even tried.

use config_recovery::backups::BackupContents;
use config_recovery::report::Silent;
use config_recovery::scratch::{self, Scratch, ScratchSpec, Until};
use config_recovery::{ClusterError, Error, Result};
use serde_json::{Value, json};

use crate::cluster::{
    ACCOUNTS, CLAIMS, GET_BACKUP, GET_CLASS, NAMESPACES, PLACE, PODS, SELECTOR, metadata, namespace, sound,
    with_nothing_left,
};
use crate::sample::spec;
use crate::server::Server;

/// A namespace of the place's name is there already.
fn taken(server: Server, found: Value) -> Server {
    server
        .refuses(&format!("POST {NAMESPACES}"), 409, "AlreadyExists", "it exists")
        .answers(&format!("GET {NAMESPACES}/{PLACE}"), found)
}

async fn make(server: &Server, spec: &ScratchSpec) -> Result<Scratch> {
    scratch::make(&server.cluster(), spec, &Silent).await
}

#[tokio::test(flavor = "current_thread")]
async fn a_missing_class_is_named_before_anything_is_made() {
    let server = Server::new()
        .answers(GET_BACKUP, metadata("b1", "uid-b1"))
        .refuses(GET_CLASS, 404, "NotFound", "not found");
    let error = make(&server, &spec()).await.unwrap_err();
    assert!(error.to_string().contains("no storage class fast"), "{error}");
    assert!(error.hint().unwrap().contains("kubectl get storageclass"));
    server.done();
}

#[tokio::test(flavor = "current_thread")]
async fn without_a_class_there_must_be_a_default_one() {
    let spec = ScratchSpec {
        storage_class: None,
        ..spec()
    };
    let mut other = metadata("fast", "1");
    other["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "false"});
    let server = Server::new()
        .answers(GET_BACKUP, metadata("b1", "uid-b1"))
        .lists("GET /apis/storage.k8s.io/v1/storageclasses", vec![other]);
    let error = make(&server, &spec).await.unwrap_err();
    assert!(error.to_string().contains("no default one"), "{error}");
    server.done();
}

#[tokio::test(flavor = "current_thread")]
async fn a_backup_that_is_gone_or_another_one_and_a_missing_velero_are_told_apart() {
    let group = "GET /apis/velero.io/v1";
    let known = json!({"kind": "APIResourceList", "groupVersion": "velero.io/v1", "resources": []});
    let server = sound().answers(group, known);
    let mut another = spec();
    another.backup.uid = "uid-before".to_owned();
    let error = make(&server, &another).await.unwrap_err();
    assert!(
        matches!(&error, Error::NoSuchBackup(uid) if uid == "uid-before"),
        "{error:?}"
    );

    let server = Server::new()
        .knows_no(GET_BACKUP)
        .knows_no(group)
        .answers(GET_CLASS, metadata("fast", "1"));
    let error = make(&server, &spec()).await.unwrap_err();
    assert!(
        matches!(&error, Error::NoVelero(what) if what == "backups.velero.io"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_empty_backup_is_not_even_looked_for() {
    let mut empty = spec();
    empty.backup.holds = BackupContents::Nothing;
    let server = Server::new();
    assert!(matches!(make(&server, &empty).await, Err(Error::Unfit { .. })));
    assert_eq!(server.done(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn what_another_holder_or_somebody_made_stays_untouched() {
    let foreign = [
        (
            namespace("r1", "radarr/1", "media/radarr"),
            "radarr/1",
            "2026-01-02T00:00:00Z",
        ),
        (
            namespace("r1", "radarr/0", "media/sonarr"),
            "radarr/0",
            "2026-01-02T00:00:00Z",
        ),
        (
            json!({"metadata": {"name": PLACE, "creationTimestamp": "2026-01-01T00:00:00Z"}}),
            "somebody else",
            "2026-01-01T00:00:00Z",
        ),
    ];
    for (found, by, at) in foreign {
        let server = taken(sound(), found.clone());
        match make(&server, &spec()).await.unwrap_err() {
            Error::Held { holder, since, .. } => assert_eq!((holder.as_str(), since.as_str()), (by, at)),
            other => panic!("{other:?}"),
        }
        server.done();

        let server = Server::new().answers(&format!("GET {NAMESPACES}/{PLACE}"), found);
        let removed = scratch::remove(&server.cluster(), &spec(), Until::Gone).await;
        assert!(matches!(removed, Err(Error::Held { .. })), "{removed:?}");
        assert_eq!(server.done(), 1);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_used_up_quota_and_a_namespace_that_ends_are_told_apart_from_a_lack_of_rights() {
    let place = format!("{NAMESPACES}/{PLACE}");
    let refused = |message: &str| {
        sound()
            .answers(
                &format!("POST {NAMESPACES}"),
                namespace("r1", "radarr/0", "media/radarr"),
            )
            .refuses(
                &format!("POST {place}/persistentvolumeclaims"),
                403,
                "Forbidden",
                message,
            )
            .answers(&format!("POST {place}/serviceaccounts"), metadata("reader", "2"))
    };
    let message = "persistentvolumeclaims \"config\" is forbidden: exceeded quota: q, requested: persistentvolumeclaims=1";
    let error = make(&with_nothing_left(refused(message)), &spec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::Quota { .. })),
        "{error:?}"
    );
    let message = "unable to create new content in namespace x because it is being terminated";
    let error = make(&with_nothing_left(refused(message)), &spec())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("its namespace is being deleted"),
        "{error}"
    );
    let message = "persistentvolumeclaims is forbidden: User \"x\" cannot create resource";
    let error = make(&with_nothing_left(refused(message)), &spec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::NotAllowed { .. })),
        "{error:?}"
    );

    // What is wrong with the object itself is said as it is.
    let invalid = sound()
        .answers(
            &format!("POST {NAMESPACES}"),
            namespace("r1", "radarr/0", "media/radarr"),
        )
        .refuses(
            &format!("POST {place}/persistentvolumeclaims"),
            422,
            "Invalid",
            "storage must be more",
        )
        .answers(&format!("POST {place}/serviceaccounts"), metadata("reader", "2"));
    let error = make(&with_nothing_left(invalid), &spec()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Cluster(ClusterError::Refused { reason, .. }) if reason == "storage must be more"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn where_there_is_none_only_what_velero_has_of_it_is_looked_for() {
    let restores = format!("GET /apis/velero.io/v1/restores?labelSelector={SELECTOR}");
    let server = Server::new()
        .refuses(&format!("GET {NAMESPACES}/{PLACE}"), 404, "NotFound", "not found")
        .lists(
            &format!("GET /apis/velero.io/v1/podvolumerestores?labelSelector={SELECTOR}"),
            vec![json!({"metadata": {"name": "left", "namespace": "velero"}})],
        )
        .lists(&restores, vec![])
        .lists(&restores, vec![])
        .knows_no("GET /apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents?labelSelector=velero.io/restore-name")
        .answers(
            "DELETE /apis/velero.io/v1/namespaces/velero/podvolumerestores/left",
            json!({"kind": "Status", "status": "Success"}),
        );
    scratch::remove(&server.cluster(), &spec(), Until::Gone)
        .await
        .unwrap();
    server.done();
}

#[tokio::test(flavor = "current_thread")]
async fn a_scratch_pod_for_an_app_runs_from_the_image_that_needs_no_credentials() {
    let pod = "GET /api/v1/namespaces/media/pods/radarr-0";
    let with =
        |containers: Value| json!({"metadata": {"name": "radarr-0"}, "spec": {"containers": containers}});
    let app = || json!({"name": "radarr", "image": "private.example.com/radarr:6"});
    let charm = || json!({"name": "charm", "image": "charm-base:24.04"});
    for (containers, expected) in [
        (json!([app(), charm()]), Some("charm-base:24.04")),
        (
            json!([{"name": "charm"}, app()]),
            Some("private.example.com/radarr:6"),
        ),
        (json!([{"name": "radarr"}]), None),
    ] {
        let server = Server::new().answers(pod, with(containers));
        let image = scratch::reader_image(&server.cluster(), &spec().target, "radarr-0").await;
        assert_eq!(image.unwrap().as_deref(), expected);
        server.done();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_pod_that_a_policy_refuses_is_no_lack_of_rights_and_the_way_on_is_told() {
    let message = "pods \"reader\" is forbidden: ValidatingAdmissionPolicy 'no-root' with binding 'b' denied request: no root";
    let server = with_nothing_left(sound())
        .answers(
            &format!("POST {NAMESPACES}"),
            namespace("r1", "radarr/0", "media/radarr"),
        )
        .answers(&format!("POST {ACCOUNTS}"), metadata("reader", "uid-account"))
        .answers(&format!("POST {CLAIMS}"), metadata("config", "uid-claim"))
        .refuses(&format!("POST {PODS}"), 422, "Invalid", message);
    let error = make(&server, &spec()).await.unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::Policy { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("'no-root'"), "{error}");
    assert!(error.hint().unwrap().contains("from that policy"), "{error}");
    server.done();
}
