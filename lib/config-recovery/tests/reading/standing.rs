//! How an app's backups stand, and what Velero is doing, in few requests.

use config_recovery::backups::{
    AppId, BackupContents, BackupHealth, FilesBackup, LastGood, Rests, Scheduled, Verdict, running, standing,
    under_way,
};
use serde_json::{Value, json};

use crate::objects::{Backup, app, radarr};
use crate::server::Server;

const ALL: &str = "GET /apis/velero.io/v1/backups?limit=500";
const BACKUPS: &str = "GET /apis/velero.io/v1/backups?labelSelector=app=radarr,endpoint&limit=500";
const SCHEDULES: &str = "GET /apis/velero.io/v1/schedules?labelSelector=app=radarr,endpoint&limit=500";
const VOLUMES: &str = "GET /apis/velero.io/v1/podvolumebackups?limit=500";
const ENDPOINT: &str = "velero-backups";

fn volumes(name: &str) -> String {
    format!(
        "GET /apis/velero.io/v1/namespaces/velero/podvolumebackups?labelSelector=velero.io/backup-uid=uid-{name}&limit=500"
    )
}

fn of(name: &str, at: &str) -> Backup {
    Backup::of("radarr", "media", name)
        .at(at)
        .set("/status/expiration", Value::Null)
}

fn schedule(model: &str, made: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("s-{made}"), "namespace": "velero", "creationTimestamp": made,
            "labels": {"app": "radarr", "endpoint": ENDPOINT},
        },
        "spec": {"schedule": "@daily", "template": {"includedNamespaces": [model]}},
    })
}

async fn stands(server: &Server, whose: &AppId) -> BackupHealth {
    standing(&server.cluster(), whose).await.unwrap()
}

#[tokio::test]
async fn the_newest_completed_one_that_holds_something_counts() {
    let all = [
        of("first", "2026-11-20T02:00:00Z"),
        of("good", "2026-11-21T02:00:00Z"),
        of("empty", "2026-11-22T02:00:00Z"),
        // What is against it is told. Nothing that comes next is looked into.
        of("failed", "2026-11-23T02:00:00Z").phase("Failed"),
        of("running", "2026-11-24T02:00:00Z").phase("InProgress"),
        Backup::of("radarr", "films", "films").at("2026-11-25T02:00:00Z"),
    ];
    let mut all: Vec<Value> = all.iter().map(Backup::value).collect();
    all.push(json!({"metadata": {"name": "unreadable"}, "spec": 1}));
    let server = Server::new()
        .lists(BACKUPS, all)
        .lists(
            SCHEDULES,
            vec![
                schedule("films", "2026-11-01T00:00:00Z"),
                schedule("media", "2026-11-03T00:00:00Z"),
                schedule("media", "2026-11-02T00:00:00Z"),
            ],
        )
        .lists(&volumes("empty"), Vec::new())
        .lists(
            &volumes("good"),
            vec![of("good", "2026-11-21T02:00:00Z").config(7)],
        )
        .lists(&volumes("failed"), Vec::new());
    let stands = stands(&server, &radarr()).await;
    let last = stands.last_good().unwrap();
    assert_eq!((last.name.as_str(), last.bytes), ("good", Some(7)));
    let since = "2026-11-02T00:00:00Z";
    let oldest = Scheduled {
        name: format!("s-{since}"),
        since: Some(since.parse().unwrap()),
        rests: None,
    };
    assert_eq!(stands.endpoints[ENDPOINT].schedule, Some(oldest));
    assert_eq!(stands.kept_longest.as_ref(), Some(last));
    server.done();
}

/// The last good one is what `latest` brings, and tells when the next one is due. Six safety backups cost no request.
#[tokio::test]
async fn safety_backups_are_not_looked_into() {
    let safety = |hour: usize| {
        let name = format!("safety-{hour}");
        of(&name, &format!("2026-11-21T1{hour}:00:00Z"))
            .safety("uid-good")
            .value()
    };
    let good = of("good", "2026-11-21T02:00:00Z");
    let mut all: Vec<Value> = (0..6).map(safety).collect();
    all.push(good.value());
    let server = Server::new()
        .lists(BACKUPS, all)
        .lists(SCHEDULES, Vec::new())
        .lists(&volumes("good"), vec![good.config(7)]);
    let stands = stands(&server, &radarr()).await;
    assert_eq!(stands.last_good().unwrap().name, "good");
    server.done();
}

#[tokio::test]
async fn a_schedule_that_makes_no_backups_says_why_unless_another_one_makes_them() {
    let made = "2026-11-02T00:00:00Z";
    let mut refused = schedule("media", made);
    refused["status"] = json!({"phase": "FailedValidation", "validationErrors": ["no cron\n", "no ttl"]});
    let mut paused = schedule("media", "2026-11-01T00:00:00Z");
    paused["spec"]["paused"] = json!(true);
    paused["status"] = json!({"phase": "Enabled"});
    let mut enabled = schedule("media", "2026-11-04T00:00:00Z");
    enabled["status"] = json!({"phase": "Enabled"});
    let rests = async |all: &[&Value]| {
        let all = all.iter().map(|one| (*one).clone()).collect();
        let server = Server::new().lists(BACKUPS, Vec::new()).lists(SCHEDULES, all);
        let mut endpoints = stands(&server, &radarr()).await.endpoints;
        let found = endpoints.remove(ENDPOINT).unwrap().schedule.unwrap();
        server.done();
        (found.name, found.rests)
    };
    let why = "no cron\\n; no ttl".to_owned();
    assert_eq!(
        rests(&[&refused]).await,
        (format!("s-{made}"), Some(Rests::Refused { why }))
    );
    assert_eq!(rests(&[&refused, &paused]).await.1, Some(Rests::Paused));
    let name = "s-2026-11-04T00:00:00Z".to_owned();
    assert_eq!(rests(&[&refused, &paused, &enabled]).await, (name, None));
}

#[tokio::test]
async fn after_five_that_hold_nothing_all_others_are_looked_into_at_once() {
    let backup = |day: u32| of(&format!("b{day}"), &format!("2026-11-{day:02}T02:00:00Z"));
    let all: Vec<Value> = (1..=9).map(|day| backup(day).value()).collect();
    let looked_into = |server: Server| {
        (5..=9).fold(server, |server, day| {
            server.lists(&volumes(&format!("b{day}")), Vec::new())
        })
    };
    let server = Server::new()
        .lists(BACKUPS, all.clone())
        .lists(SCHEDULES, Vec::new());
    let good = vec![
        backup(1).config(1),
        backup(3).config(3),
        backup(2).config(2),
        of("other", "2026-11-08T02:00:00Z").config(8),
    ];
    let server = looked_into(server).lists(VOLUMES, good);
    let found = stands(&server, &radarr()).await;
    assert_eq!(found.last_good().unwrap().name, "b3");
    server.done();

    let server = Server::new().lists(BACKUPS, all).lists(SCHEDULES, Vec::new());
    let server = looked_into(server).lists(VOLUMES, Vec::new());
    let found = stands(&server, &radarr()).await;
    assert_eq!((found.last_good(), &found.kept_longest), (None, &None));
    server.done();

    let few: Vec<Value> = (5..=9).map(|day| backup(day).value()).collect();
    let server = Server::new().lists(BACKUPS, few).lists(SCHEDULES, Vec::new());
    let server = looked_into(server);
    assert_eq!(stands(&server, &radarr()).await.last_good(), None);
    server.done();
}

/// The backup of this endpoint of the app's.
fn by(endpoint: &str, name: &str, at: &str) -> Backup {
    of(name, at).set("/metadata/labels/endpoint", json!(endpoint))
}

#[tokio::test]
async fn each_endpoint_of_the_app_is_looked_at_and_what_it_left_counts() {
    let mut weekly = schedule("media", "2026-11-03T00:00:00Z");
    weekly["metadata"]["labels"]["endpoint"] = json!("backup-weekly");
    let all = [
        by(ENDPOINT, "night", "2026-11-24T02:00:00Z")
            .set("/status/expiration", json!("2999-01-02T00:00:00Z")),
        by("backup-weekly", "week", "2026-11-22T02:00:00Z")
            .set("/status/expiration", json!("2999-01-03T00:00:00Z")),
        by("backup-monthly", "empty", "2026-11-21T02:00:00Z")
            .set("/status/expiration", json!("2999-01-05T00:00:00Z")),
        by("backup-monthly", "month", "2026-10-21T02:00:00Z")
            .set("/status/expiration", json!("2999-01-04T00:00:00Z")),
        // Nobody looks into what is gone.
        by("backup-monthly", "gone", "2026-11-24T03:00:00Z")
            .set("/status/expiration", json!("2026-11-24T04:00:00Z")),
    ];
    let server = Server::new()
        .lists(BACKUPS, all.iter().map(Backup::value).collect())
        .lists(SCHEDULES, vec![schedule("media", "2026-11-02T00:00:00Z"), weekly])
        .lists(&volumes("night"), vec![all[0].config(7)])
        .lists(&volumes("week"), vec![all[1].config(7)])
        .lists(&volumes("empty"), Vec::new())
        .lists(&volumes("month"), vec![all[3].config(7)]);
    let found = stands(&server, &radarr()).await;
    server.done();
    let name = |last: &Option<LastGood>| last.as_ref().map(|last| last.name.clone()).unwrap_or_default();
    let of_each: Vec<(&str, String, bool)> = found
        .endpoints
        .iter()
        .map(|(endpoint, health)| {
            let last = name(&health.last_good);
            (endpoint.as_str(), last, health.schedule.is_some())
        })
        .collect();
    assert_eq!(
        of_each,
        [
            ("backup-monthly", "month".to_owned(), false),
            ("backup-weekly", "week".to_owned(), true),
            (ENDPOINT, "night".to_owned(), true),
        ]
    );
    assert_eq!(found.last_good().unwrap().name, "night");
    let longest = found.kept_longest.unwrap();
    assert_eq!(longest.name, "month");
    assert_eq!(longest.expires, Some("2999-01-04T00:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn where_the_retention_was_shortened_an_older_good_one_is_kept_the_longest() {
    let all = [
        of("short", "2026-11-24T02:00:00Z").set("/status/expiration", json!("2999-01-01T00:00:00Z")),
        of("empty", "2026-11-23T02:00:00Z").set("/status/expiration", json!("2999-01-04T00:00:00Z")),
        of("long", "2026-11-22T02:00:00Z").set("/status/expiration", json!("2999-01-03T00:00:00Z")),
        of("less", "2026-11-21T02:00:00Z").set("/status/expiration", json!("2999-01-02T00:00:00Z")),
    ];
    let server = Server::new()
        .lists(BACKUPS, all.iter().map(Backup::value).collect())
        .lists(SCHEDULES, Vec::new())
        .lists(&volumes("short"), vec![all[0].config(7)])
        .lists(&volumes("empty"), Vec::new())
        .lists(&volumes("long"), vec![all[2].config(7)]);
    let found = stands(&server, &radarr()).await;
    server.done();
    assert_eq!(found.last_good().unwrap().name, "short");
    assert_eq!(found.kept_longest.unwrap().name, "long");
}

#[tokio::test]
async fn of_an_app_of_the_same_name_in_another_model_nothing_is_told() {
    let server = Server::new()
        .lists(BACKUPS, vec![of("b", "2026-11-21T02:00:00Z").value()])
        .lists(SCHEDULES, vec![schedule("media", "2026-11-03T00:00:00Z")]);
    assert_eq!(
        stands(&server, &app("radarr", "films")).await,
        BackupHealth::default()
    );
    server.done();
}

#[tokio::test]
async fn velero_is_at_work_when_one_backup_of_all_is_under_way() {
    let backup = |name: &str, phase: &str| Backup::of("sonarr", "media", name).phase(phase).value();
    let runs = async |all: Vec<Value>| {
        let server = Server::new().lists(ALL, all);
        let found = running(&server.cluster()).await.unwrap();
        server.done();
        found
    };
    let waiting = backup("waiting", "New");
    let found = runs(vec![
        waiting.clone(),
        backup("busy\n", "InProgress"),
        backup("done", "Completed"),
    ])
    .await;
    assert_eq!(found.as_deref(), Some("busy\\n"));
    assert_eq!(runs(vec![waiting, backup("done", "Completed")]).await, None);
    let nameless = json!({"metadata": {}, "status": {"phase": "InProgress"}});
    assert_eq!(runs(vec![nameless]).await.as_deref(), Some("without a name"));
}

#[tokio::test]
async fn the_newest_one_that_came_to_nothing_is_told_until_a_good_one_follows() {
    for (last, at, expected) in [
        ("failed", "2026-11-23T02:00:00Z", Some(("failed", "FAILED"))),
        ("empty", "2026-11-24T02:00:00Z", Some(("empty", "EMPTY"))),
        ("good", "2026-11-25T02:00:00Z", None),
    ] {
        let all = [
            of("failed", "2026-11-23T02:00:00Z").phase("Failed"),
            of("empty", "2026-11-24T02:00:00Z"),
            of("good", "2026-11-25T02:00:00Z"),
        ];
        let count = ["failed", "empty", "good"]
            .iter()
            .position(|name| *name == last)
            .unwrap();
        let all: Vec<Value> = all.iter().take(count + 1).map(Backup::value).collect();
        let mut server = Server::new().lists(BACKUPS, all).lists(SCHEDULES, Vec::new());
        if last == "good" {
            server = server.lists(&volumes("good"), vec![of("good", at).config(7)]);
        } else {
            server = server.lists(&volumes(last), Vec::new());
        }
        let stands = stands(&server, &radarr()).await;
        let told = stands
            .bad
            .get(ENDPOINT)
            .map(|bad| (bad.name.as_str(), bad.is.to_string()));
        let expected = expected.map(|(name, is): (&str, &str)| (name, is.to_owned()));
        assert_eq!(told, expected, "{last}");
        server.done();
    }
}

#[tokio::test]
async fn a_volume_is_read_by_its_own_backups_and_by_those_of_its_whole_namespace() {
    let of_app = |phase: &str| Backup::of("radarr", "media", "own").phase(phase);
    let by_hand = |namespaces: Value, phase: &str| {
        json!({
            "metadata": {"name": "by-hand", "namespace": "velero"},
            "spec": {"includedNamespaces": namespaces},
            "status": {"phase": phase},
        })
    };
    for (what, object, is_under_way) in [
        ("its own, at work", of_app("InProgress").value(), true),
        ("its own, which waits", of_app("New").value(), true),
        ("its own, which has ended", of_app("Completed").value(), false),
        ("its own, which failed", of_app("Failed").value(), false),
        (
            "that of another app",
            Backup::of("sonarr", "media", "s").phase("InProgress").value(),
            false,
        ),
        (
            "that of its name in another model",
            Backup::of("radarr", "films", "f").phase("InProgress").value(),
            false,
        ),
        (
            "that of the whole namespace",
            by_hand(json!(["media"]), "InProgress"),
            true,
        ),
        (
            "that of the whole cluster",
            by_hand(json!(["*"]), "InProgress"),
            true,
        ),
        (
            "that of all that is named nowhere",
            by_hand(json!([]), "InProgress"),
            true,
        ),
        (
            "that of another namespace",
            by_hand(json!(["films"]), "InProgress"),
            false,
        ),
        (
            "that of the namespace, which waits",
            by_hand(json!(["media"]), "New"),
            false,
        ),
        (
            "one that cannot be read",
            json!({"metadata": {"name": "odd"}, "spec": 1, "status": {"phase": "InProgress"}}),
            true,
        ),
    ] {
        let server = Server::new().lists(ALL, vec![object]);
        let found = under_way(&server.cluster(), &radarr()).await.unwrap();
        assert_eq!(found.is_some(), is_under_way, "{what}: {found:?}");
        server.done();
    }
}

#[test]
fn a_verdict_is_a_word() {
    let words = [
        Verdict::Good,
        Verdict::Damaged,
        Verdict::Running,
        Verdict::Empty,
        Verdict::Partial,
        Verdict::Failed,
        Verdict::Expired,
    ];
    assert_eq!(
        words.map(|verdict| verdict.to_string()),
        [
            "good", "DAMAGED", "running", "EMPTY", "PARTIAL", "FAILED", "expired"
        ]
    );
}

#[test]
fn a_backup_of_no_bytes_and_of_no_snapshot_is_of_nothing() {
    let files = |bytes: u64| {
        BackupContents::Files(FilesBackup {
            bytes,
            volume: "radarr-config-1".to_owned(),
            snapshot_id: "s1".to_owned(),
            uploader: "kopia".to_owned(),
            source_namespace: "media".to_owned(),
            storage_location: "default".to_owned(),
        })
    };
    assert!(files(1).is_something() && !files(0).is_something());
    let snapshots = |count: u64| BackupContents::Snapshot { count };
    assert!(snapshots(1).is_something() && !snapshots(0).is_something());
    assert!(!BackupContents::Nothing.is_something());
}
