//! All of one app's backups, for whoever watches them.

use config_recovery::backups::{Rests, Verdict, standing};
use config_recovery::watched::{Watched, watched};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::objects::{Backup, radarr};
use crate::server::Server;

const BACKUPS: &str = "GET /apis/velero.io/v1/backups?labelSelector=app=radarr,endpoint";
const SCHEDULES: &str = "GET /apis/velero.io/v1/schedules?labelSelector=app=radarr,endpoint";
const VOLUMES: &str = "GET /apis/velero.io/v1/podvolumebackups?limit=";
const LOCATIONS: &str = "GET /apis/velero.io/v1/backupstoragelocations?limit=500";
const REPOSITORIES: &str = "GET /apis/velero.io/v1/backuprepositories?limit=50";
const ENDPOINT: &str = "velero-backups";

#[derive(Clone, Default)]
struct Objects {
    backups: Vec<Value>,
    volumes: Vec<Value>,
    schedules: Vec<Value>,
    locations: Vec<Value>,
    repositories: Vec<Value>,
}

async fn seen(objects: &Objects) -> Watched {
    let server = Server::new()
        .lists(&format!("{BACKUPS}&limit=50"), objects.backups.clone())
        .lists(&format!("{VOLUMES}50"), objects.volumes.clone())
        .lists(&format!("{SCHEDULES}&limit=50"), objects.schedules.clone())
        .lists(LOCATIONS, objects.locations.clone())
        .lists(REPOSITORIES, objects.repositories.clone());
    let found = watched(&server.cluster(), &radarr()).await.unwrap();
    server.done();
    found
}

fn schedule(model: &str, spec: &Value) -> Value {
    let mut schedule = json!({
        "metadata": {
            "name": "s", "namespace": "velero", "creationTimestamp": "2026-11-01T00:00:00Z",
            "labels": {"app": "radarr", "endpoint": ENDPOINT},
        },
        "spec": {"schedule": "@daily", "template": {"includedNamespaces": [model]}},
    });
    for (key, value) in spec.as_object().unwrap() {
        schedule["spec"][key] = value.clone();
    }
    schedule
}

fn location(name: &str, phase: &str, is_default: bool) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "velero"},
        "spec": {"provider": "aws", "default": is_default}, "status": {"phase": phase},
    })
}

fn repository(namespace: &str, phase: &str) -> Value {
    json!({
        "metadata": {"name": format!("{namespace}-default-kopia"), "namespace": "velero"},
        "spec": {"volumeNamespace": namespace, "backupStorageLocation": "default", "repositoryType": "kopia"},
        "status": {"phase": phase},
    })
}

/// So many nights ago. Nothing of it expires while the test runs.
fn of(name: &str, nights: i64) -> Backup {
    let began = Timestamp::now() - SignedDuration::from_hours(24 * nights);
    Backup::of("radarr", "media", name).at(&began.to_string())
}

/// Some nights: what each was, and what is stored of it.
fn nights() -> Objects {
    let proven = |name: &str, nights: i64, at: &str, is: &str| {
        let annotations = json!({"config-recovery/proven-at": at, "config-recovery/proven-as": is});
        of(name, nights).set("/metadata/annotations", annotations)
    };
    let good = of("good", 4);
    let kept = of("kept", 9).set("/status/expiration", json!("2226-01-01T00:00:00Z"));
    let damaged = proven("damaged", 3, "2026-11-23T00:00:00Z", "damaged");
    let came_back = proven("came-back", 6, "2026-11-22T00:00:00Z", "comes-back");
    let partial = of("partial", 5).phase("PartiallyFailed");
    let safety = of("safety", 2).safety("uid-good");
    let failed = of("failed", 0).phase("Failed");
    // Velero did not begin it, so it has one time alone.
    let refused = of("refused", 8).phase("FailedValidation");
    let refused = refused
        .set("/status/startTimestamp", Value::Null)
        .set("/status/completionTimestamp", Value::Null)
        .set("/status/expiration", Value::Null);
    let empty = of("empty", 1);
    let other = Backup::of("radarr", "films", "films").at(&Timestamp::now().to_string());
    let with_bytes = [&good, &kept, &damaged, &came_back, &partial, &safety, &other];
    Objects {
        volumes: with_bytes.iter().map(|backup| backup.config(7)).collect(),
        backups: [with_bytes.as_slice(), &[&failed, &empty, &refused]]
            .concat()
            .iter()
            .map(|backup| backup.value())
            .collect(),
        schedules: vec![schedule("media", &json!({})), schedule("films", &json!({}))],
        ..Objects::default()
    }
}

#[tokio::test]
async fn each_of_the_apps_backups_is_there_with_its_verdict() {
    let found = seen(&nights()).await;
    let now = Timestamp::now();
    let verdicts: Vec<(&str, Verdict)> = found
        .backups
        .iter()
        .map(|backup| (backup.name.as_str(), backup.verdict(now)))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("failed", Verdict::Failed),
            ("empty", Verdict::Empty),
            ("safety", Verdict::Good),
            ("damaged", Verdict::Damaged),
            ("good", Verdict::Good),
            ("partial", Verdict::Partial),
            ("came-back", Verdict::Good),
            ("refused", Verdict::Failed),
            ("kept", Verdict::Good),
        ]
    );
    assert_eq!(found.schedules.len(), 1);
    assert!(found.backups.iter().all(|backup| backup.endpoint == ENDPOINT));
}

/// The status of the charm says what the metrics say.
#[tokio::test]
async fn it_judges_as_the_status_does() {
    let everything = nights();
    for without in [
        vec![],
        vec!["failed"],
        vec!["failed", "empty"],
        vec!["good"],
        vec!["kept"],
        vec!["good", "kept", "came-back"],
        vec!["damaged"],
        vec!["good", "kept", "came-back", "damaged", "safety"],
    ] {
        for spec in [json!({}), json!({"paused": true})] {
            let mut objects = everything.clone();
            let is_out = |object: &Value| {
                let uid = object["metadata"]["labels"]["velero.io/backup-uid"].as_str();
                let name = uid.map_or(object["metadata"]["name"].as_str(), |uid| {
                    uid.strip_prefix("uid-")
                });
                without.contains(&name.unwrap())
            };
            objects.backups.retain(|backup| !is_out(backup));
            objects.volumes.retain(|volume| !is_out(volume));
            objects.schedules.push(schedule("media", &spec));
            let mut found = seen(&objects).await.health(&radarr(), Timestamp::now());
            let bad = found.bad.get(ENDPOINT).map(|bad| bad.name.as_str());
            let expected = ["failed", "empty"]
                .into_iter()
                .find(|name| !without.contains(name));
            assert_eq!(bad, expected, "without {without:?}");
            // Who reads the status looks at the locations by themselves.
            assert!(found.storage.take().is_some(), "there is no location");
            let mut server = Server::new()
                .lists(&format!("{BACKUPS}&limit=500"), objects.backups.clone())
                .lists(&format!("{SCHEDULES}&limit=500"), objects.schedules.clone())
                .lists(&format!("{VOLUMES}500"), objects.volumes.clone())
                .lists(&format!("{VOLUMES}500"), objects.volumes.clone());
            for backup in &objects.backups {
                let uid = backup["metadata"]["uid"].as_str().unwrap();
                let of_backup = |volume: &&Value| volume["metadata"]["labels"]["velero.io/backup-uid"] == uid;
                let volumes: Vec<Value> = objects.volumes.iter().filter(of_backup).cloned().collect();
                let asked = format!(
                    "GET /apis/velero.io/v1/namespaces/velero/podvolumebackups?labelSelector=velero.io/backup-uid={uid}&limit=500"
                );
                server = server.lists(&asked, volumes);
            }
            let stands = standing(&server.cluster(), &radarr()).await.unwrap();
            assert_eq!(found, stands, "without {without:?}, {spec}");
        }
    }
}

#[tokio::test]
async fn whether_the_storage_can_be_used_is_told_by_the_locations_of_the_apps_schedules() {
    let paused = seen(&Objects {
        schedules: vec![schedule("media", &json!({"paused": true}))],
        ..Objects::default()
    })
    .await;
    let health = paused.health(&radarr(), Timestamp::now());
    let scheduled = health.endpoints[ENDPOINT].schedule.clone().unwrap();
    assert_eq!(scheduled.rests, Some(Rests::Paused));
    let by_default = schedule("media", &json!({}));
    let by_name = schedule(
        "media",
        &json!({"template": {"includedNamespaces": ["media"], "storageLocation": "b"}}),
    );
    let (a, b) = (
        location("a", "Available", true),
        location("b", "Unavailable", false),
    );
    let mut read_only = location("a", "Available", true);
    read_only["spec"]["accessMode"] = json!("ReadOnly");
    let (a_out, unread) = (location("a", "Unavailable", true), location("a", "", true));
    let unread = {
        let mut unread = unread;
        unread["status"] = json!({});
        unread
    };
    for (schedules, locations, available) in [
        (vec![], vec![], None),
        (vec![&by_default], vec![], Some(false)),
        (vec![&by_default], vec![&a, &b], Some(true)),
        (vec![&by_default], vec![&a_out], Some(false)),
        (vec![&by_default], vec![&read_only], Some(false)),
        (vec![&by_default], vec![&unread], None),
        (vec![&by_name], vec![&a, &b], Some(false)),
        (vec![&by_name], vec![&a], Some(false)),
        (vec![], vec![&a], Some(true)),
    ] {
        let own = |all: Vec<&Value>| all.into_iter().cloned().collect::<Vec<Value>>();
        let found = seen(&Objects {
            schedules: own(schedules.clone()),
            locations: own(locations.clone()),
            ..Objects::default()
        })
        .await;
        assert_eq!(
            found.storage_is_usable(&found.health(&radarr(), Timestamp::now())),
            available,
            "{schedules:?} {locations:?}"
        );
    }
    let (own, broken, other) = (
        repository("media", "Ready"),
        repository("media", "NotReady"),
        repository("films", "NotReady"),
    );
    for (repositories, ready) in [
        (vec![], None),
        (vec![other.clone()], None),
        (vec![own.clone(), other], Some(true)),
        (vec![own, broken], Some(false)),
    ] {
        let found = seen(&Objects {
            repositories: repositories.clone(),
            ..Objects::default()
        })
        .await;
        assert_eq!(
            found.repository_is_ready(&found.health(&radarr(), Timestamp::now())),
            ready,
            "{repositories:?}"
        );
    }
}
