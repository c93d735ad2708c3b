//! `backup_now`: where it is made, how its end is awaited, and what is not even tried.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use config_recovery::backups::{BackupSummary, Verdict};
use config_recovery::journal::Step;
use config_recovery::make::{MakeSpec, backup_now};
use config_recovery::report::Reporter;
use config_recovery::{ClusterError, Error, Remedy, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::objects::{Backup, now, radarr};
use crate::server::{self, Server};

const LOCATIONS: &str = "GET /apis/velero.io/v1/namespaces/velero/backupstoragelocations";
const ALL_LOCATIONS: &str = "GET /apis/velero.io/v1/backupstoragelocations";
const SCHEDULES: &str = "GET /apis/velero.io/v1/schedules?labelSelector=app=radarr,endpoint=b&limit=500";
const BACKUPS: &str = "GET /apis/velero.io/v1/backups?labelSelector=app=radarr,endpoint=b&limit=500";
const AGENTS: &str = "GET /api/v1/namespaces/velero/pods?fieldSelector=status.phase=Running&\
                      labelSelector=name=node-agent&limit=1";
const AGENT_SET: &str = "GET /apis/apps/v1/namespaces/velero/daemonsets/node-agent";
const CREATE: &str = "POST /apis/velero.io/v1/namespaces/velero/backups";
const LIST: &str =
    "GET /apis/velero.io/v1/namespaces/velero/backups?fieldSelector=metadata.name=radarr-b-x2x4x";
const VOLUMES: &str = "GET /apis/velero.io/v1/namespaces/velero/podvolumebackups?labelSelector=\
                       velero.io/backup-uid=uid-radarr-b-x2x4x&limit=500";

fn watch(version: &str) -> String {
    format!(
        "GET /apis/velero.io/v1/namespaces/velero/backups?allowWatchBookmarks=true&\
         fieldSelector=metadata.name=radarr-b-x2x4x&resourceVersion={version}&timeoutSeconds=60&watch=true"
    )
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Reporter for Heard {
    fn begins(&self, _: Step) {}

    fn waits(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

fn make() -> MakeSpec {
    let backup = Backup::of("radarr", "media", "x").value();
    MakeSpec::on_demand(
        radarr(),
        "b",
        serde_json::from_value(backup["spec"].clone()).unwrap(),
    )
}

fn location(namespace: &str) -> Value {
    json!({
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"provider": "aws", "default": true, "objectStorage": {"bucket": "backups"}},
        "status": {"phase": "Available"},
    })
}

fn agent() -> Value {
    json!({"metadata": {"name": "node-agent-x", "namespace": "velero"}})
}

/// The Backup in the state that Velero has brought it to.
fn made(phase: Option<&str>) -> Backup {
    let backup = Backup::of("radarr", "media", "radarr-b-x2x4x");
    match phase {
        Some(phase) => backup.phase(phase),
        None => backup.set("/status", Value::Null),
    }
}

fn at(backup: &Backup, version: &str) -> Value {
    let mut value = backup
        .clone()
        .set("/metadata/resourceVersion", json!(version))
        .value();
    value["apiVersion"] = json!("velero.io/v1");
    value["kind"] = json!("Backup");
    value
}

fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

/// An event of a watch about the storage location.
fn event_of(location: Value) -> Value {
    server::event("ADDED", ("velero.io/v1", "BackupStorageLocation"), location)
}

/// A cluster in which velero-operator has made a Schedule of the app.
fn asked() -> Server {
    Server::new().lists(SCHEDULES, vec![schedule("velero", "media")])
}

/// A cluster in which nothing says which Velero backs the app up.
fn not_asked() -> Server {
    Server::new()
        .lists(SCHEDULES, Vec::new())
        .lists(BACKUPS, Vec::new())
}

/// A cluster in which a backup can be made.
fn ready() -> Server {
    asked()
        .lists(LOCATIONS, vec![location("velero")])
        .answers(AGENTS, json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [agent()]}))
        .answers(CREATE, at(&made(None), "5"))
        .lists(LIST, vec![at(&made(None), "5")])
}

async fn run(server: &Server, make: &MakeSpec, heard: &Heard) -> Result<BackupSummary> {
    backup_now(
        &server.cluster(),
        make,
        heard,
        Instant::now() + Duration::from_secs(600),
    )
    .await
}

#[tokio::test]
async fn it_is_made_as_the_operator_makes_it_and_awaited_by_watch() {
    let going =
        made(Some("InProgress")).set("/status/progress", json!({"itemsBackedUp": 3, "totalItems": 7}));
    let done = made(Some("Completed"));
    let server = ready()
        .tells_and_stays(
            &watch("7"),
            vec![
                event("MODIFIED", at(&going, "8")),
                event("MODIFIED", at(&done, "9")),
            ],
        )
        .lists(VOLUMES, vec![done.config(20_971_557)]);
    let heard = Heard::default();
    let backup = run(&server, &make(), &heard).await.unwrap();
    assert_eq!(
        (backup.verdict(now()), backup.holds.bytes()),
        (Verdict::Good, Some(20_971_557))
    );
    assert_eq!(
        (backup.name.as_str(), &backup.whose),
        ("radarr-b-x2x4x", &radarr())
    );
    assert_eq!(
        *heard.0.lock().unwrap(),
        [
            "made backup velero/radarr-b-x2x4x",
            "backup velero/radarr-b-x2x4x: Velero has not begun it yet",
            "backup velero/radarr-b-x2x4x: InProgress, 3 of 7 objects",
        ]
    );

    let sent = &server.bodies(CREATE)[0];
    assert_eq!(sent["metadata"]["generateName"], "radarr-b-");
    assert_eq!(sent["metadata"]["namespace"], "velero");
    assert_eq!(
        sent["metadata"]["labels"],
        json!({"app": "radarr", "endpoint": "b", "model": "media"})
    );
    assert!(
        sent["metadata"]["annotations"]["created-at"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 1_700_000_000
    );
    assert_eq!(sent["spec"]["includedNamespaces"], json!(["media"]));
    assert_eq!(sent["spec"]["ttl"], "720h0m0s");
    assert_eq!(
        (&sent["apiVersion"], &sent["kind"]),
        (&json!("velero.io/v1"), &json!("Backup"))
    );
    server.done();
}

#[tokio::test]
async fn it_ends_at_every_final_phase_and_tells_what_there_is() {
    for (phase, verdict) in [
        ("Completed", Verdict::Empty),
        ("PartiallyFailed", Verdict::Failed),
        ("Failed", Verdict::Failed),
        ("FailedValidation", Verdict::Failed),
    ] {
        let ended = made(Some(phase)).set("/status/failureReason", json!("because"));
        let server = ready()
            .tells_and_stays(&watch("7"), vec![event("MODIFIED", at(&ended, "8"))])
            .lists(VOLUMES, Vec::new());
        let backup = run(&server, &make(), &Heard::default()).await.unwrap();
        assert_eq!(backup.verdict(now()), verdict, "{phase}");
        assert_eq!(backup.complaints, ["because"]);
        server.done();
    }
}

#[tokio::test]
async fn a_watch_that_lost_its_place_is_begun_again_from_a_list() {
    let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
        "message": "too old resource version"});
    let server = ready()
        .tells(
            &watch("7"),
            vec![
                event("MODIFIED", at(&made(Some("InProgress")), "8")),
                event("ERROR", expired),
            ],
        )
        // Meanwhile it has ended.
        .lists(LIST, vec![at(&made(Some("Completed")), "30")])
        .lists(VOLUMES, vec![made(None).config(4)]);
    let backup = run(&server, &make(), &Heard::default()).await.unwrap();
    assert_eq!(backup.holds.bytes(), Some(4));
    server.done();
}

#[tokio::test]
async fn a_backup_that_is_deleted_or_made_anew_meanwhile_is_not_waited_for() {
    let anew = made(Some("Completed")).set("/metadata/uid", json!("uid-another"));
    for events in [
        vec![event("DELETED", at(&made(Some("InProgress")), "8"))],
        vec![event("MODIFIED", at(&made(Some("Deleting")), "8"))],
        vec![event("MODIFIED", at(&anew, "8"))],
    ] {
        let server = ready().tells_and_stays(&watch("7"), events);
        let error = run(&server, &make(), &Heard::default()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot wait for backup velero/radarr-b-x2x4x: it was deleted"
        );
        server.done();
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_has_a_deadline_and_says_how_it_stood() {
    let server = ready().tells_and_stays(
        &watch("7"),
        vec![event("MODIFIED", at(&made(Some("InProgress")), "8"))],
    );
    let deadline = Instant::now() + Duration::from_secs(40);
    let error = backup_now(&server.cluster(), &make(), &Heard::default(), deadline)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "waited 40 s for backup velero/radarr-b-x2x4x; last seen: InProgress, 5 of 5 objects"
    );
    server.done();
}

/// The error, and that nothing was made.
async fn in_vain(server: Server, make: &MakeSpec) -> Error {
    let error = run(&server, make, &Heard::default()).await.unwrap_err();
    assert!(server.bodies(CREATE).is_empty());
    server.done();
    error
}

#[tokio::test]
async fn nothing_is_made_where_it_would_be_in_vain() {
    let mut unavailable = location("velero");
    unavailable["status"] = json!({"phase": "Unavailable", "message": "no such host\n"});
    let error = in_vain(asked().lists(LOCATIONS, vec![unavailable]), &make()).await;
    assert_eq!(
        error.to_string(),
        "cannot back up radarr in model media: storage location default is unavailable: no such host\\n"
    );

    // Velero has no node agent at all.
    let server = asked()
        .lists(LOCATIONS, vec![location("velero")])
        .answers(AGENTS, no_agent())
        .knows_no(AGENT_SET);
    let error = in_vain(server, &make()).await;
    assert!(
        error
            .to_string()
            .ends_with("Velero's node agent does not run, so no file would be copied"),
        "{error}"
    );
    assert_eq!(remedy(&error), Some(&Remedy::RunNodeAgent));

    // One that velero-operator does not make does not come by itself.
    let mut elsewhere = make();
    elsewhere.spec.storage_location = Some("nowhere".to_owned());
    let server = asked().lists(LOCATIONS, vec![location("velero")]);
    let error = in_vain(server, &elsewhere).await;
    assert_eq!(remedy(&error), Some(&Remedy::AddStorageLocation));
    assert!(
        error
            .to_string()
            .ends_with("Velero has no storage location nowhere"),
        "{error}"
    );

    let error = in_vain(asked().knows_no(LOCATIONS), &make()).await;
    assert_eq!(
        error.to_string(),
        "cannot find Velero: the cluster has no backupstoragelocations.velero.io"
    );

    let error = in_vain(asked().refuses(LOCATIONS, 403, "Forbidden", "no"), &make()).await;
    assert!(
        matches!(error, Error::Cluster(ClusterError::NotAllowed { .. })),
        "{error}"
    );
}

fn remedy(error: &Error) -> Option<&Remedy> {
    match error {
        Error::NotMade { remedy, .. } => Some(remedy),
        _ => None,
    }
}

fn no_agent() -> Value {
    json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": []})
}

fn new_location(phase: Option<&str>) -> Value {
    let mut new = location("velero");
    new["metadata"]["creationTimestamp"] = json!(Timestamp::now().to_string());
    new["status"] = json!({"phase": phase, "message": "unable to locate ObjectStore plugin"});
    new
}

/// velero-operator takes its storage location away, and puts it up again, whenever a relation of its changes.
#[tokio::test(start_paused = true)]
async fn while_velero_is_being_set_up_a_backup_waits_and_says_for_what() {
    let locations = LOCATIONS.trim_start_matches("GET ");
    let changed = |after, phase| (after, event_of(new_location(phase)));
    let server = asked()
        .follows(
            locations,
            "",
            Vec::new(),
            vec![
                changed(20, None),
                changed(20, Some("Unavailable")),
                changed(20, Some("Available")),
            ],
        )
        .answers(AGENTS, no_agent())
        .answers(AGENT_SET, agent())
        .follows(
            "/api/v1/namespaces/velero/pods",
            "fieldSelector=status.phase=Running&labelSelector=name=node-agent&",
            Vec::new(),
            vec![(20, server::event("ADDED", ("v1", "Pod"), agent()))],
        )
        .answers(CREATE, at(&made(None), "5"))
        .lists(LIST, vec![at(&made(Some("Completed")), "6")])
        .lists(VOLUMES, vec![made(None).config(4)]);
    let heard = Heard::default();
    run(&server, &make(), &heard).await.unwrap();
    let said = heard.0.lock().unwrap().join("\n");
    for words in [
        "has no storage location in namespace velero; Velero may be being set up",
        "has not looked at storage location default",
        "is unavailable: unable to locate ObjectStore plugin; Velero may be",
        "node agent does not run",
    ] {
        assert!(said.contains(words), "{said}");
    }
    server.done();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_four_minutes_does_not_come() {
    let mut other = location("velero");
    other["metadata"]["name"] = json!("other");
    for (there, said, what_helps) in [
        (
            Vec::new(),
            "Velero has no storage location in namespace velero",
            Remedy::AddStorageLocation,
        ),
        (
            vec![other],
            "Velero has no storage location default",
            Remedy::AddStorageLocation,
        ),
    ] {
        let began = Instant::now();
        // A watch that says nothing is begun anew.
        let path = LOCATIONS.trim_start_matches("GET ");
        let server = (0..4).fold(asked(), |server, _| {
            server.follows(path, "", there.clone(), Vec::new())
        });
        let error = run(&server, &make(), &Heard::default()).await.unwrap_err();
        assert!(error.to_string().ends_with(said), "{error}");
        assert_eq!(remedy(&error), Some(&what_helps));
        assert_eq!(began.elapsed().as_secs(), 240);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_comes_in_a_namespace_that_was_named_another_one_is_meant() {
    let named = MakeSpec {
        velero_namespace: Some("velero".to_owned()),
        ..make()
    };
    let path = LOCATIONS.trim_start_matches("GET ");
    let server = (0..4).fold(Server::new(), |server, _| {
        server.follows(path, "", Vec::new(), Vec::new())
    });
    let error = run(&server, &named, &Heard::default()).await.unwrap_err();
    assert_eq!(remedy(&error), Some(&Remedy::NameVelero));
}

fn schedule(namespace: &str, model: &str) -> Value {
    json!({
        "metadata": {"name": "radarr-b-1", "namespace": namespace, "labels": {"app": "radarr", "endpoint": "b"}},
        "spec": {"schedule": "@daily", "template": {"includedNamespaces": [model]}},
    })
}

#[tokio::test]
async fn the_velero_that_backs_the_app_up_is_taken_whatever_others_there_are() {
    // A Schedule of the same application in another model says nothing.
    let by_schedule = vec![schedule("velero", "media"), schedule("backup-operator", "other")];
    let by_backup = vec![Backup::of("radarr", "media", "earlier").value()];
    for (schedules, backups) in [(by_schedule, None), (Vec::new(), Some(by_backup))] {
        let mut server = Server::new()
            .lists(SCHEDULES, schedules)
            .lists(LOCATIONS, vec![location("velero")])
            .answers(AGENTS, json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [agent()]}))
            .answers(CREATE, at(&made(None), "5"))
            .lists(LIST, vec![at(&made(Some("Completed")), "6")])
            .lists(VOLUMES, vec![made(None).config(4)]);
        if let Some(there) = backups {
            server = server.lists(BACKUPS, there);
        }
        run(&server, &make(), &Heard::default()).await.unwrap();
        server.done();
    }
}

#[tokio::test]
async fn where_nothing_tells_the_only_velero_is_taken_and_of_two_one_has_to_be_named() {
    let server = not_asked()
        .lists(ALL_LOCATIONS, vec![location("velero")])
        .answers(AGENTS, json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [agent()]}))
        .answers(CREATE, at(&made(None), "5"))
        .lists(LIST, vec![at(&made(Some("Completed")), "6")])
        .lists(VOLUMES, vec![made(None).config(4)]);
    run(&server, &make(), &Heard::default()).await.unwrap();
    server.done();

    let both = vec![location("velero"), location("backup-operator")];
    let error = in_vain(not_asked().lists(ALL_LOCATIONS, both), &make()).await;
    assert!(
        error
            .to_string()
            .contains("Velero runs in several namespaces (backup-operator, velero)"),
        "{error}"
    );
    assert_eq!(remedy(&error), Some(&Remedy::NameVelero));

    let named = MakeSpec {
        velero_namespace: Some("velero".to_owned()),
        ..make()
    };
    let server = Server::new()
        .lists(LOCATIONS, vec![location("velero")])
        .answers(AGENTS, json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [agent()]}))
        .answers(CREATE, at(&made(None), "5"))
        .lists(LIST, vec![at(&made(Some("Completed")), "6")])
        .lists(VOLUMES, vec![made(None).config(4)]);
    assert!(
        run(&server, &named, &Heard::default())
            .await
            .unwrap()
            .is_good(now())
    );
    server.done();
}

#[tokio::test]
async fn a_snapshot_needs_no_node_agent_and_not_to_be_allowed_to_look_is_no_reason_to_stop() {
    let ended = made(Some("Completed")).set("/status/csiVolumeSnapshotsCompleted", json!(1));
    let labels =
        json!({"matchLabels": {"app.kubernetes.io/name": "radarr", "storage.juju.is/name": "config"}});
    let ended = ended.set("/spec/labelSelector", labels);
    let mut snapshot = make();
    snapshot.spec.included_resources = vec![
        "persistentvolumeclaims".to_owned(),
        "persistentvolumes".to_owned(),
    ];
    let server = asked()
        .lists(LOCATIONS, vec![location("velero")])
        .answers(CREATE, at(&made(None), "5"))
        .lists(LIST, vec![at(&ended, "6")])
        .lists(VOLUMES, Vec::new());
    assert!(
        run(&server, &snapshot, &Heard::default())
            .await
            .unwrap()
            .is_good(now())
    );
    server.done();

    let server = asked()
        .lists(LOCATIONS, vec![location("velero")])
        .refuses(AGENTS, 403, "Forbidden", "pods is forbidden")
        .answers(CREATE, at(&made(None), "5"))
        .lists(LIST, vec![at(&made(Some("Completed")), "6")])
        .lists(VOLUMES, vec![made(None).config(4)]);
    assert!(
        run(&server, &make(), &Heard::default())
            .await
            .unwrap()
            .is_good(now())
    );
    server.done();
}

#[tokio::test]
async fn what_the_api_server_says_against_it_is_kept_apart() {
    let with = |refusal: fn(Server) -> Server| {
        let server = asked().lists(LOCATIONS, vec![location("velero")]).answers(
            AGENTS,
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [agent()]}),
        );
        refusal(server)
    };
    let server = with(|server| server.refuses(CREATE, 403, "Forbidden", "backups is forbidden\u{1b}[2J"));
    let error = run(&server, &make(), &Heard::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot make a backup of radarr in model media: not allowed: backups is forbidden\\u{1b}[2J"
    );
    server.done();
    let server = with(|server| server.refuses(CREATE, 403, "Forbidden", "exceeded quota: few"));
    let error = run(&server, &make(), &Heard::default()).await.unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::Quota { .. })),
        "{error}"
    );
    server.done();
    let server = with(|server| server.breaks(CREATE));
    let error = run(&server, &make(), &Heard::default()).await.unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::Unreachable { .. })),
        "{error}"
    );
    server.done();
}

#[test]
fn a_backup_on_demand_has_the_operators_labels() {
    let make = make();
    assert_eq!(make.name_prefix, "radarr-b-");
    let labels = [("app", "radarr"), ("endpoint", "b"), ("model", "media")];
    let labels: BTreeMap<String, String> = labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    assert_eq!(make.labels, labels);
}

#[tokio::test]
async fn a_safety_backup_says_so_from_its_creation_on() {
    let restored = config_recovery::testing::backup("uid-night", &radarr(), 1);
    let done = made(Some("Completed")).safety("uid-night");
    let server = ready()
        .tells_and_stays(&watch("7"), vec![event("MODIFIED", at(&done, "9"))])
        .lists(VOLUMES, vec![done.config(7)]);
    let make = make().before_restore_of(&restored);
    let backup = run(&server, &make, &Heard::default()).await.unwrap();
    assert_eq!(backup.before_restore.as_deref(), Some("uid-night"));
    assert_eq!(
        server.bodies(CREATE)[0]["metadata"]["labels"],
        json!({"app": "radarr", "endpoint": "b", "model": "media", "config-recovery/before-restore": "uid-night"})
    );
    server.done();
}
