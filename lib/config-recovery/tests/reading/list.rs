//! `list`: whose backups there are, and what they hold.

use config_recovery::backups::{self, BackupContents, BackupSummary, Verdict};
use config_recovery::{ClusterError, Error};
use serde_json::{Value, json};

use crate::objects::{Backup, app, now, radarr};
use crate::server::{Server, page};

const BACKUPS: &str = "GET /apis/velero.io/v1/backups?limit=500";
const VOLUMES: &str = "GET /apis/velero.io/v1/podvolumebackups?limit=500";
const SCHEDULES: &str = "GET /apis/velero.io/v1/schedules?limit=500";

/// Lists all of these, and holds the list to two requests.
async fn listed(backups: &[Backup], volumes: Vec<Value>) -> Vec<BackupSummary> {
    let server = Server::new()
        .lists(BACKUPS, backups.iter().map(Backup::value).collect())
        .lists(VOLUMES, volumes);
    let list = backups::list(&server.cluster(), None).await.unwrap();
    assert_eq!(server.done(), 2);
    list
}

/// The only one of them.
async fn only(backup: Backup, volumes: Vec<Value>) -> BackupSummary {
    let mut list = listed(&[backup], volumes).await;
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

fn said(backup: &BackupSummary) -> String {
    backup.complaints.join("\n")
}

#[tokio::test]
async fn a_completed_backup_with_the_bytes_of_the_config_volume_is_good() {
    // Velero warns of every volume of which it makes no snapshot.
    let backup =
        Backup::of("radarr", "media", "radarr-velero-backups-8fj2k").set("/status/warnings", json!(1));
    let found = only(backup.clone(), vec![backup.config(20_971_557)]).await;
    assert_eq!(found.verdict(now()), Verdict::Good);
    assert!(found.is_good(now()));
    assert_eq!(found.whose, radarr());
    assert_eq!(
        (
            found.name.as_str(),
            found.uid.as_str(),
            found.velero_namespace.as_str()
        ),
        (
            "radarr-velero-backups-8fj2k",
            "uid-radarr-velero-backups-8fj2k",
            "velero"
        )
    );
    assert_eq!(found.started, Some("2026-11-24T02:17:00Z".parse().unwrap()));
    assert_eq!(found.completed, Some("2026-11-24T02:17:09Z".parse().unwrap()));
    assert_eq!(found.expires, Some("2026-12-24T02:17:00Z".parse().unwrap()));
    assert_eq!(found.schedule, None);
    assert_eq!(said(&found), "");
    let BackupContents::Files(files) = &found.holds else {
        panic!("{:?}", found.holds)
    };
    assert_eq!(files.bytes, 20_971_557);
    assert_eq!(
        [
            &files.volume,
            &files.snapshot_id,
            &files.uploader,
            &files.source_namespace,
            &files.storage_location
        ],
        [
            "radarr-config-fec125",
            "kuid-radarr-velero-backups-8fj2k",
            "kopia",
            "media",
            "default"
        ]
    );
}

#[tokio::test]
async fn the_model_of_a_scheduled_backup_is_the_namespace_and_not_the_operators_label() {
    let one = Backup::scheduled("radarr", "media", "one");
    let other = Backup::scheduled("radarr", "media4k", "other");
    let volumes = vec![one.config(1), other.config(2)];
    let server = Server::new()
        .lists(BACKUPS, vec![one.value(), other.value()])
        .lists(VOLUMES, volumes);
    let list = backups::list(&server.cluster(), Some(&radarr())).await.unwrap();
    server.done();
    let names: Vec<&str> = list.iter().map(|backup| backup.name.as_str()).collect();
    assert_eq!(names, ["one"]);
    assert_eq!(list[0].schedule.as_deref(), Some("radarr-velero-backups-x7k2p"));
    assert_eq!(list[0].holds.bytes(), Some(1));
}

#[tokio::test]
async fn a_backup_without_the_operators_labels_is_told_by_its_selector() {
    for selector in [
        json!({"matchLabels": {"app.kubernetes.io/name": "radarr"}}),
        json!({"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": ["radarr"]}]}),
        json!({"matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["gold"]},
            {"key": "app.kubernetes.io/name", "operator": "In", "values": ["radarr"]},
        ]}),
    ] {
        // `app` alone is anybody's label.
        let backup = Backup::of("radarr", "media", "mine").set("/metadata/labels", json!({"app": "sonarr"}));
        let volumes = vec![backup.config(7)];
        let found = only(backup.set("/spec/labelSelector", selector), volumes).await;
        assert_eq!(found.whose, radarr());
        assert_eq!(found.verdict(now()), Verdict::Good);
    }
}

#[tokio::test]
async fn a_backup_is_told_by_its_schedule_when_nothing_else_tells() {
    let bare = Backup::of("radarr", "media", "bare")
        .set("/metadata/labels", json!({"velero.io/schedule-name": "nightly"}))
        .set("/spec/labelSelector", Value::Null);
    let stranger = bare
        .clone()
        .set("/metadata/name", json!("stranger"))
        .set("/metadata/namespace", json!("velero-two"));
    let schedule = json!({
        "metadata": {"name": "nightly", "namespace": "velero", "labels": {"app": "radarr", "endpoint": "b"}},
        "spec": {"schedule": "@daily", "template": {}},
    });
    let unreadable = json!({"metadata": {"name": "odd", "namespace": "velero"}, "spec": {"schedule": 7}});
    let server = Server::new()
        .lists(BACKUPS, vec![bare.value(), stranger.value()])
        .lists(VOLUMES, Vec::new())
        .lists(SCHEDULES, vec![unreadable, schedule]);
    let list = backups::list(&server.cluster(), None).await.unwrap();
    assert_eq!(server.done(), 3);
    let names: Vec<&str> = list.iter().map(|backup| backup.name.as_str()).collect();
    assert_eq!(names, ["bare"]);
    assert_eq!(list[0].whose, radarr());
}

#[tokio::test]
async fn backups_of_nobody_are_left_out() {
    let all = Backup::of("radarr", "media", "everything")
        .set("/metadata/labels", json!({}))
        .set("/spec/labelSelector", Value::Null);
    assert!(listed(&[all], Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_backup_of_everything_belongs_to_the_model_that_asked_for_it_or_that_it_holds() {
    for everything in [json!([]), json!(["*"]), json!(["media", "other"])] {
        // An empty request makes the operator back up everything.
        let by_hand =
            Backup::of("radarr", "media", "by-hand").set("/spec/includedNamespaces", everything.clone());
        let scheduled = Backup::scheduled("radarr", "media", "scheduled")
            .set("/spec/includedNamespaces", everything.clone());
        let volumes = vec![
            by_hand.volume("media/radarr-0", "radarr-config-fec125", 9),
            by_hand.volume("media/radarr-0", "media", 50_000_000),
            scheduled.volume("media/radarr-0", "radarr-config-fec125", 9),
        ];
        let list = listed(&[by_hand, scheduled.clone()], volumes).await;
        assert_eq!(list.len(), 2, "{everything}");
        assert!(
            list.iter()
                .all(|backup| backup.whose == radarr() && backup.holds.bytes() == Some(9))
        );
        // What is of another app, or was not stored, says nothing of the model.
        let mut failed = scheduled.volume("other/radarr-0", "radarr-config-aaa111", 9);
        failed["status"]["phase"] = json!("Failed");
        let volumes = vec![
            scheduled.volume("media/radarr-0", "radarr-config-fec125", 9),
            scheduled.volume("films/sonarr-0", "sonarr-config-bbb222", 9),
            failed,
        ];
        assert_eq!(only(scheduled.clone(), volumes).await.whose, radarr());
        // Of two models that have an app of this name none can be told.
        let volumes = vec![
            scheduled.volume("media/radarr-0", "radarr-config-fec125", 9),
            scheduled.volume("other/radarr-0", "radarr-config-aaa111", 9),
        ];
        assert!(listed(&[scheduled], volumes).await.is_empty());
    }
}

#[tokio::test]
async fn a_completed_backup_without_bytes_is_empty() {
    let backup = Backup::scheduled("radarr", "media", "hollow");
    let found = only(backup.clone(), Vec::new()).await;
    assert_eq!(
        (found.verdict(now()), found.holds),
        (Verdict::Empty, BackupContents::Nothing)
    );

    // An empty volume: Velero completes it without a snapshot.
    let mut volume = backup.config(0);
    volume["status"]["snapshotID"] = json!("");
    let found = only(backup.clone(), vec![volume]).await;
    assert_eq!(found.verdict(now()), Verdict::Empty);
    assert_eq!(
        said(&found),
        "volume radarr-config-fec125 of pod media/radarr-0 was empty"
    );

    // A snapshot of no bytes.
    let found = only(backup.clone(), vec![backup.config(0)]).await;
    assert_eq!(
        (found.verdict(now()), found.holds),
        (Verdict::Empty, BackupContents::Nothing)
    );

    // Bytes that were counted and led to no snapshot are nothing to restore from.
    let mut volume = backup.config(5);
    volume["status"].as_object_mut().unwrap().remove("snapshotID");
    let found = only(backup.clone(), vec![volume]).await;
    assert_eq!(found.verdict(now()), Verdict::Empty);
}

#[tokio::test]
async fn other_volumes_other_pods_and_other_models_are_complaints_and_never_count() {
    let backup = Backup::of("radarr", "media", "wide");
    for (pod, volume) in [
        ("media/radarr-0", "media"),
        ("media/radarr-0", "charm-data"),
        ("media/radarr-0", "radarr-config-extra-fec125"),
        ("media/sonarr-0", "sonarr-config-fec125"),
        ("media/radarr-4k-0", "radarr-config-fec125"),
        ("media/restore-radarr", "radarr-config-fec125"),
        ("other/radarr-0", "radarr-config-fec125"),
    ] {
        let found = only(backup.clone(), vec![backup.volume(pod, volume, 50_000_000)]).await;
        assert_eq!(found.verdict(now()), Verdict::Empty, "{pod} {volume}");
        assert_eq!(said(&found), format!("it also has volume {volume} of pod {pod}"));
    }
    let volumes = (0..6)
        .map(|n| backup.volume("media/radarr-0", &format!("v{n}"), 1))
        .collect();
    let found = only(backup, volumes).await;
    assert!(
        said(&found).ends_with("volume v2 of pod media/radarr-0 and 3 more"),
        "{}",
        said(&found)
    );
}

#[tokio::test]
async fn pod_volume_backups_are_matched_by_uid_and_namespace() {
    let backup = Backup::of("radarr", "media", "twice");
    // A backup of the same name was there before, and another Velero has one of the same uid.
    let before = backup.clone().set("/metadata/uid", json!("uid-before"));
    let elsewhere = backup.clone().set("/metadata/namespace", json!("velero-two"));
    let found = only(backup, vec![before.config(5), elsewhere.config(6)]).await;
    assert_eq!(found.verdict(now()), Verdict::Empty);
}

#[tokio::test]
async fn a_volume_that_failed_says_why() {
    let backup = Backup::of("radarr", "media", "torn")
        .phase("PartiallyFailed")
        .set("/status/errors", json!(1));
    let mut volume = backup.config(3);
    volume["status"]["phase"] = json!("Failed");
    volume["status"]["message"] = json!("hostPath is not\nsupported\u{1b}[31m");
    let found = only(backup.clone(), vec![volume]).await;
    assert_eq!(found.verdict(now()), Verdict::Failed);
    assert_eq!(
        found.complaints,
        [
            "volume radarr-config-fec125 of pod media/radarr-0 was not stored: hostPath is not\\nsupported\\u{1b}[31m",
            "errors in Velero's log of it: 1",
        ]
    );
    // Velero 1.17 and later give up what takes too long.
    let mut given_up = backup.config(3);
    given_up["status"] = json!({"phase": "Canceled", "message": "timeout on preparing"});
    let found = only(backup.clone(), vec![given_up]).await;
    assert!(
        found.complaints[0].ends_with("was not stored: timeout on preparing"),
        "{}",
        said(&found)
    );
    // With the bytes it may be tried by name.
    let found = only(backup.clone(), vec![backup.config(3)]).await;
    assert_eq!(
        (found.verdict(now()), found.holds.bytes()),
        (Verdict::Partial, Some(3))
    );
}

#[tokio::test]
async fn of_several_pods_the_largest_volume_counts_and_that_is_said() {
    let backup = Backup::of("radarr", "media", "units");
    let volumes = vec![
        backup.volume("media/radarr-0", "radarr-config-fec125", 10),
        backup.volume("media/radarr-1", "radarr-config-fec125", 4_000),
    ];
    let found = only(backup, volumes).await;
    assert_eq!(found.holds.bytes(), Some(4_000));
    assert_eq!(
        said(&found),
        "it holds the volumes of several pods: radarr-0 (10 bytes), radarr-1 (4000 bytes); the largest counts"
    );
}

#[tokio::test]
async fn snapshots_count_when_the_backup_asks_for_the_config_claim_alone() {
    let snapshot = Backup::of("radarr", "media", "snap")
        .set(
            "/spec/includedResources",
            json!(["persistentvolumeclaims", "persistentvolumes"]),
        )
        .set("/status/csiVolumeSnapshotsAttempted", json!(1))
        .set("/status/csiVolumeSnapshotsCompleted", json!(1));
    let narrow =
        json!({"matchLabels": {"app.kubernetes.io/name": "radarr", "storage.juju.is/name": "config"}});
    let narrow = snapshot.clone().set("/spec/labelSelector", narrow);
    let found = only(narrow.clone(), Vec::new()).await;
    assert_eq!(
        (found.verdict(now()), found.holds, found.complaints.len()),
        (Verdict::Good, BackupContents::Snapshot { count: 1 }, 0)
    );
    // A wide one may have snapshotted the logs.
    let found = only(snapshot, Vec::new()).await;
    assert_eq!(found.verdict(now()), Verdict::Empty);
    assert!(
        said(&found).contains("it has 1 snapshots, and does not tell"),
        "{}",
        said(&found)
    );
    // None was made of those that were tried.
    let found = only(
        narrow.set("/status/csiVolumeSnapshotsCompleted", json!(0)),
        Vec::new(),
    )
    .await;
    assert_eq!(found.verdict(now()), Verdict::Empty);
    assert_eq!(said(&found), "snapshots that failed: 1");
}

#[tokio::test]
async fn every_phase_has_its_verdict() {
    let table = [
        ("New", Verdict::Running),
        ("Queued", Verdict::Running),
        ("ReadyToStart", Verdict::Running),
        ("InProgress", Verdict::Running),
        ("WaitingForPluginOperations", Verdict::Running),
        ("WaitingForPluginOperationsPartiallyFailed", Verdict::Running),
        ("Finalizing", Verdict::Running),
        ("FinalizingPartiallyFailed", Verdict::Running),
        ("Completed", Verdict::Good),
        ("PartiallyFailed", Verdict::Partial),
        ("Failed", Verdict::Failed),
        ("FailedValidation", Verdict::Failed),
        ("Deleting", Verdict::Expired),
    ];
    for (phase, verdict) in table {
        let backup = Backup::of("radarr", "media", "phases").phase(phase);
        let volumes = vec![backup.config(9)];
        let found = only(backup.clone(), volumes.clone()).await;
        assert_eq!(found.verdict(now()), verdict, "{phase}");
        assert_eq!(found.phase_word(), phase);
        // Whatever it was: its time is over.
        let over = backup.set("/status/expiration", json!("2026-11-24T12:00:00Z"));
        assert_eq!(
            only(over, volumes).await.verdict(now()),
            Verdict::Expired,
            "{phase}"
        );
    }
    let newer = Backup::of("radarr", "media", "newer").phase("Hibernating");
    assert_eq!(
        only(newer.clone(), Vec::new()).await.verdict(now()),
        Verdict::Failed
    );
    let newer = newer.set("/status/completionTimestamp", Value::Null);
    assert_eq!(only(newer, Vec::new()).await.verdict(now()), Verdict::Running);
    let unseen = Backup::of("radarr", "media", "unseen").set("/status", Value::Null);
    let found = only(unseen, Vec::new()).await;
    assert_eq!(
        (found.verdict(now()), found.phase_word().as_str()),
        (Verdict::Running, "New")
    );
    let going = Backup::of("radarr", "media", "going")
        .set("/metadata/deletionTimestamp", json!("2026-11-24T11:59:00Z"));
    assert_eq!(
        only(going.clone(), vec![going.config(3)]).await.verdict(now()),
        Verdict::Expired
    );
}

#[tokio::test]
async fn what_velero_says_against_a_backup_is_shown_escaped() {
    let backup = Backup::of("radarr", "media", "sick")
        .phase("FailedValidation")
        .set("/status/validationErrors", json!(["an\u{7}y", "two"]))
        .set("/status/failureReason", json!("get a bucket\r\n"))
        .set("/status/warnings", json!(2))
        .set(
            "/status/hookStatus",
            json!({"hooksAttempted": 2, "hooksFailed": 1}),
        )
        .set("/status/expiration", json!("soon\u{1b}"));
    let found = only(backup, Vec::new()).await;
    assert_eq!(
        found.complaints,
        [
            "its expiration is no time: soon\\u{1b}",
            "an\\u{7}y",
            "two",
            "get a bucket\\r\\n",
            "warnings in Velero's log of it: 2",
            "hooks that failed: 1",
        ]
    );
}

#[tokio::test]
async fn one_object_that_cannot_be_read_hides_no_other() {
    let good = Backup::of("radarr", "media", "good");
    let odd_status = Backup::of("radarr", "media", "odd-status").set("/status/errors", json!("many"));
    let odd_spec = Backup::of("radarr", "media", "odd-spec").set("/spec/includedNamespaces", json!("media"));
    let odd_metadata = Backup::of("radarr", "media", "odd-metadata").set("/metadata/labels", json!([]));
    let mut odd_volume = good.config(5);
    odd_volume["status"]["progress"]["bytesDone"] = json!(-1);
    let mut orphan = good.config(6);
    orphan["metadata"] = json!({"name": "orphan"});
    let volumes = vec![odd_volume, json!(7), orphan, good.config(9)];
    let list = listed(
        &[odd_status, odd_spec, good, odd_metadata, Backup(json!(null))],
        volumes,
    )
    .await;
    let seen: Vec<(&str, Verdict)> = list
        .iter()
        .map(|backup| (backup.name.as_str(), backup.verdict(now())))
        .collect();
    assert_eq!(
        seen,
        [
            ("odd-status", Verdict::Failed),
            ("odd-spec", Verdict::Failed),
            ("good", Verdict::Good)
        ]
    );
    assert!(
        list[0].complaints[0].starts_with("its status cannot be read: invalid type: string"),
        "{:?}",
        list[0]
    );
    assert!(
        list[1].complaints[0].starts_with("its spec cannot be read: invalid type: string"),
        "{:?}",
        list[1]
    );
    assert!(
        said(&list[2]).starts_with("PodVolumeBackup velero/good-radarr-config-fec125-w8d4k cannot be read")
    );
}

#[tokio::test]
async fn they_come_newest_first_and_those_not_begun_before_all() {
    let volumes = Vec::new();
    let backups = [
        Backup::of("radarr", "media", "old").at("2026-11-01T02:00:00Z"),
        Backup::of("radarr", "media", "waiting")
            .set("/status", Value::Null)
            .set("/metadata/creationTimestamp", json!("2026-11-24T11:00:00Z")),
        Backup::of("radarr", "media", "new").at("2026-11-23T02:00:00Z"),
        Backup::of("sonarr", "media", "middle").at("2026-11-12T02:00:00Z"),
    ];
    let list = listed(&backups, volumes).await;
    let names: Vec<&str> = list.iter().map(|backup| backup.name.as_str()).collect();
    assert_eq!(names, ["waiting", "new", "middle", "old"]);
}

#[tokio::test]
async fn ten_apps_with_thirty_backups_each_cost_two_requests() {
    let mut backups = Vec::new();
    let mut volumes = Vec::new();
    for app in 0..10 {
        for day in 1..=30 {
            let name = format!("app{app}-{day:02}");
            let time = format!("2026-11-{day:02}T02:00:00Z");
            let backup = Backup::scheduled(&format!("app{app}"), "media", &name).at(&time);
            volumes.push(backup.config(1_000 + day));
            backups.push(backup);
        }
    }
    let list = listed(&backups, volumes).await;
    assert_eq!(list.len(), 300);
    let of_one: Vec<&BackupSummary> = list
        .iter()
        .filter(|backup| backup.whose == app("app3", "media"))
        .collect();
    assert_eq!(of_one.len(), 30);
    assert_eq!(of_one[0].holds.bytes(), Some(1_030));
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let backups: Vec<Backup> = (0..3)
        .map(|n| Backup::of("radarr", "media", &format!("b{n}")))
        .collect();
    let volumes: Vec<Value> = backups.iter().map(|backup| backup.config(4)).collect();
    let server = Server::new()
        .answers(BACKUPS, page(vec![backups[0].value()], Some("two +/=")))
        .answers(
            "GET /apis/velero.io/v1/backups?continue=two +/=&limit=500",
            page(vec![backups[1].value(), backups[2].value()], None),
        )
        .answers(VOLUMES, page(volumes[..2].to_vec(), Some("x")))
        .answers(
            "GET /apis/velero.io/v1/podvolumebackups?continue=x&limit=500",
            page(volumes[2..].to_vec(), None),
        );
    let list = backups::list(&server.cluster(), None).await.unwrap();
    server.done();
    assert_eq!(list.iter().filter(|backup| backup.is_good(now())).count(), 3);
}

#[tokio::test]
async fn a_list_whose_pages_expire_is_begun_again_and_not_for_ever() {
    let backup = Backup::of("radarr", "media", "b");
    let late = "GET /apis/velero.io/v1/backups?continue=late&limit=500";
    let expired = |server: Server| {
        server
            .answers(BACKUPS, page(vec![backup.value()], Some("late")))
            .refuses(late, 410, "Expired", "The provided continue parameter is too old")
    };
    let server =
        expired(Server::new().lists(VOLUMES, vec![backup.config(8)])).lists(BACKUPS, vec![backup.value()]);
    let list = backups::list(&server.cluster(), None).await.unwrap();
    server.done();
    assert_eq!(list.len(), 1, "what came before the restart counts once");

    let server = expired(expired(expired(Server::new().lists(VOLUMES, Vec::new()))));
    let error = backups::list(&server.cluster(), None).await.unwrap_err();
    assert!(
        error.to_string().contains("the pages of the list expire"),
        "{error}"
    );
    server.done();
}

#[tokio::test]
async fn none_not_allowed_and_not_reachable_are_three_answers() {
    let server = Server::new()
        .lists(BACKUPS, Vec::new())
        .lists(VOLUMES, Vec::new());
    assert!(backups::list(&server.cluster(), None).await.unwrap().is_empty());
    server.done();

    let message = "backups.velero.io is forbidden: User \"system:serviceaccount:media:radarr\" cannot list";
    let server = Server::new()
        .refuses(BACKUPS, 403, "Forbidden", message)
        .lists(VOLUMES, Vec::new());
    let error = backups::list(&server.cluster(), None).await.unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::NotAllowed { .. })),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        format!("cannot list backups: not allowed: {message}")
    );
    assert!(error.hint().unwrap().contains("grant it"));

    let server = Server::new().breaks(BACKUPS).lists(VOLUMES, Vec::new());
    let error = backups::list(&server.cluster(), None).await.unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::Unreachable { .. })),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "cannot list backups: Kubernetes cannot be reached: connection refused"
    );

    for (missing, present, name) in [
        (BACKUPS, VOLUMES, "backups.velero.io"),
        (VOLUMES, BACKUPS, "podvolumebackups.velero.io"),
    ] {
        let server = Server::new().knows_no(missing).lists(present, Vec::new());
        let error = backups::list(&server.cluster(), None).await.unwrap_err();
        assert!(matches!(error, Error::NoVelero(_)), "{error}");
        assert_eq!(
            error.to_string(),
            format!("cannot find Velero: the cluster has no {name}")
        );
    }
}
