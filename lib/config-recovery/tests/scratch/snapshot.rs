//! A snapshot: what Velero is told, which claim is taken, and what stands in the way.

use std::time::Duration;

use config_recovery::Result;
use config_recovery::backups::BackupContents;
use config_recovery::report::Silent;
use config_recovery::scratch::{self, Scratch, ScratchSpec, Worked};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{
    ACCOUNTS, CLAIM, CLAIMS, GET_BACKUP, Heard, NAMESPACES, PLACE, POD, PODS, READER, RESTORE, RESTORES,
    VOLUME_RESTORES, claim, labels, metadata, mine, mounted, pending, with_nothing_left,
};
use crate::sample::spec;
use crate::server::{Server, event, list, watch};

const OURS: &str = "restore-radarr-4a6c93f2bb-r1";
const OUR_RESTORE: &str = "fieldSelector=metadata.name=restore-radarr-4a6c93f2bb-r1&";
/// The claims that Velero makes.
const CAME: &str =
    "labelSelector=velero.io/restore-name=restore-radarr-4a6c93f2bb-r1,storage.juju.is/name=config&";
const OUR_CLAIM: &str = "fieldSelector=metadata.name=radarr-config-0&";

fn snapshot() -> ScratchSpec {
    let mut spec = spec();
    spec.backup.holds = BackupContents::Snapshot { count: 1 };
    spec.size = 5 << 20;
    spec
}

fn order(server: Server) -> Server {
    server.answers(&format!("POST {RESTORES}"), metadata(OURS, "uid-restore"))
}

/// The backup is there, and the place can be made. No class is asked for: the claim comes with its own.
fn makeable() -> Server {
    with_nothing_left(Server::new().answers(GET_BACKUP, metadata("b1", "uid-b1")))
        .answers(&format!("POST {NAMESPACES}"), mine("r1"))
        .answers(&format!("POST {ACCOUNTS}"), metadata("reader", "uid-account"))
}

async fn made() -> Scratch {
    let making = order(makeable());
    let scratch = scratch::make(&making.cluster(), &snapshot(), &Silent)
        .await
        .unwrap();
    making.done();
    scratch
}

#[tokio::test]
async fn velero_is_told_to_bring_the_config_volume_and_nothing_else() {
    let server = order(makeable());
    let scratch = scratch::make(&server.cluster(), &snapshot(), &Silent)
        .await
        .unwrap();
    // Nobody knows its bytes; the volume's size is more.
    assert_eq!(scratch.patience, Duration::from_secs(905));
    let account = &server.bodies(&format!("POST {ACCOUNTS}"))[0];
    assert_eq!(account["metadata"]["name"], "reader");
    let sent = &server.bodies(&format!("POST {RESTORES}"))[0];
    assert_eq!(
        sent["metadata"],
        json!({
            "name": OURS, "namespace": "velero", "labels": labels(),
            "annotations": {"config-recovery/target": "media/radarr"},
        })
    );
    let wanted = &sent["spec"];
    assert_eq!(wanted["backupName"], "b1");
    assert_eq!(wanted["includedNamespaces"], json!(["media"]));
    assert_eq!(
        wanted["includedResources"],
        json!([
            "persistentvolumeclaims",
            "persistentvolumes",
            "volumesnapshots.snapshot.storage.k8s.io",
            "volumesnapshotcontents.snapshot.storage.k8s.io",
        ])
    );
    assert_eq!(wanted["namespaceMapping"], json!({"media": PLACE}));
    assert_eq!(
        wanted["labelSelector"]["matchLabels"],
        json!({"app.kubernetes.io/name": "radarr", "storage.juju.is/name": "config"})
    );
    server.done();

    let server = makeable().knows_no(&format!("POST {RESTORES}"));
    let error = scratch::make(&server.cluster(), &snapshot(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find Velero: the cluster has no restores.velero.io"
    );
}

fn restore(phase: Option<&str>) -> Value {
    json!({
        "metadata": {"name": OURS, "namespace": "velero", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {}, "status": phase.map(|phase| json!({"phase": phase})),
    })
}

/// The claim as Velero makes it, to be filled from a snapshot.
fn to_be_filled(name: &str) -> Value {
    let mut claim = claim(name, "Pending", None);
    claim["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:03Z");
    claim["spec"]["dataSource"] = json!({"kind": "VolumeSnapshot", "name": "s"});
    claim
}

/// The restore is known, and a pod gets the volume.
fn mountable(server: Server) -> Server {
    server
        .answers(&format!("GET {RESTORES}/{OURS}"), restore(None))
        .answers(&format!("POST {PODS}"), pending())
        .follows(
            PODS,
            READER,
            vec![pending()],
            vec![(2, event("MODIFIED", POD, mounted("bed")))],
        )
        .follows(
            CLAIMS,
            OUR_CLAIM,
            vec![to_be_filled("radarr-config-0")],
            vec![(
                1,
                event("MODIFIED", CLAIM, claim("radarr-config-0", "Bound", Some("pv"))),
            )],
        )
}

fn is_right(worked: Worked) {
    assert_eq!(
        worked,
        Worked {
            ordered: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            started: None,
            completed: Some("2026-01-01T00:00:03Z".parse().unwrap()),
            bytes: None,
        }
    );
    assert_eq!(worked.took(), Some(Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_mounts_the_claim_as_soon_as_velero_has_made_it() {
    let server = mountable(
        Server::new()
            .follows(
                CLAIMS,
                CAME,
                Vec::new(),
                vec![(4, event("ADDED", CLAIM, to_be_filled("radarr-config-0")))],
            )
            .follows(
                RESTORES,
                OUR_RESTORE,
                vec![restore(None)],
                vec![(1, event("MODIFIED", RESTORE, restore(Some("InProgress"))))],
            ),
    );
    let (scratch, heard) = (made().await, Heard::default());
    let began = Instant::now();
    is_right(scratch.bring_back(&server.cluster(), &heard).await.unwrap());
    // Velero had not ended its restore by then.
    assert_eq!(began.elapsed().as_secs(), 6);
    let pod = &server.bodies(&format!("POST {PODS}"))[0]["spec"];
    assert_eq!(
        pod["volumes"][0]["persistentVolumeClaim"]["claimName"],
        "radarr-config-0"
    );
    assert_eq!(pod["activeDeadlineSeconds"], 905 + 3600);
    let restore = format!("Restore velero/{OURS}");
    assert_eq!(
        heard.lines(),
        [
            format!("{restore}: Velero has not begun with it: it works on one at a time"),
            format!("{restore}: Velero works on it"),
            format!("pod {PLACE}/reader: no node has it yet"),
        ]
    );
    server.done();
}

/// Velero's restore ends after a while; `claims` are what is there then.
async fn ended(restored: Value, claims: Option<Vec<Value>>, then: fn(Server) -> Server) -> Result<Worked> {
    let mut server = Server::new()
        .follows(CLAIMS, CAME, Vec::new(), Vec::new())
        .follows(
            RESTORES,
            OUR_RESTORE,
            vec![restore(None)],
            vec![(2, event("MODIFIED", RESTORE, restored))],
        );
    if let Some(claims) = claims {
        server = server.lists(&list(CLAIMS, CAME), claims);
    }
    let server = then(server);
    let worked = made().await.bring_back(&server.cluster(), &Silent).await;
    server.done();
    worked
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_has_ended_has_to_have_made_the_claim() {
    let completed = || restore(Some("Completed"));
    let two = vec![to_be_filled("radarr-config-1"), to_be_filled("radarr-config-0")];
    is_right(ended(completed(), Some(two), mountable).await.unwrap());

    let error = ended(completed(), Some(Vec::new()), |server| server)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot restore backup b1: Velero restores no config volume from it"
    );
    let mut failed = restore(Some("FailedValidation"));
    failed["status"]["validationErrors"] = json!(["no such backup"]);
    let error = ended(failed, None, |server| server).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot wait for Restore velero/{OURS}: no such backup")
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_will_be_empty_is_not_waited_for() {
    let server = Server::new().lists(
        &list(CLAIMS, CAME),
        vec![claim("radarr-config-0", "Pending", None)],
    );
    let error = made()
        .await
        .bring_back(&server.cluster(), &Silent)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("restores an empty config volume"),
        "{error}"
    );
    server.done();
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_names_what_it_was_for() {
    let server = Server::new()
        .lists(&list(CLAIMS, CAME), Vec::new())
        .refuses(&watch(CLAIMS, CAME, "7"), 403, "Forbidden", "no")
        .follows(RESTORES, OUR_RESTORE, vec![restore(None)], Vec::new());
    let error = made()
        .await
        .bring_back(&server.cluster(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot watch a claim in namespace {PLACE}: not allowed: no")
    );
}

/// An earlier try of the same run had come so far that Velero was told.
fn begun(phase: &str) -> Server {
    let server = Server::new()
        .answers(GET_BACKUP, metadata("b1", "uid-b1"))
        .refuses(&format!("POST {NAMESPACES}"), 409, "AlreadyExists", "it exists")
        .answers(&format!("GET {NAMESPACES}/{PLACE}"), mine("r1"));
    let missing = [
        format!("GET {PODS}/reader"),
        format!("GET {CLAIMS}/config"),
        format!("GET {VOLUME_RESTORES}/{OURS}"),
    ];
    missing
        .iter()
        .fold(server, |server, request| {
            server.refuses(request, 404, "NotFound", "no")
        })
        .answers(&format!("GET {RESTORES}/{OURS}"), restore(Some(phase)))
}

#[tokio::test]
async fn a_restore_that_goes_well_is_gone_on_with() {
    for phase in ["InProgress", "Completed"] {
        let exists = |server: Server, path: &str, name: &str| {
            server
                .refuses(&format!("POST {path}"), 409, "AlreadyExists", "it exists")
                .answers(&format!("GET {path}/{name}"), metadata(name, "1"))
        };
        let server = exists(exists(begun(phase), ACCOUNTS, "reader"), RESTORES, OURS);
        scratch::make(&server.cluster(), &snapshot(), &Silent)
            .await
            .unwrap();
        server.done();
    }
}

#[tokio::test]
async fn a_restore_that_failed_is_removed_before_it_is_tried_again() {
    let server = begun("PartiallyFailed");
    let heard = Heard::default();
    // What follows is told in the tests of the removal: here the server refuses it.
    let _ = scratch::make(&server.cluster(), &snapshot(), &heard)
        .await
        .unwrap_err();
    assert_eq!(
        heard.lines(),
        [format!("removing what an earlier run left in namespace {PLACE}")]
    );
    assert!(server.bodies(&format!("POST {RESTORES}")).is_empty());
}
