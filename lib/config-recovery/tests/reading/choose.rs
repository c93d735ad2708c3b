//! `choose` and `last_good`: which backup is meant, and why another is not.

use config_recovery::Error;
use config_recovery::backups::{self, BackupSummary, Choice, Outcome, Proof, Verdict, choose, last_good};
use serde_json::{Value, json};

use crate::objects::{Backup, app, now, radarr};
use crate::server::Server;

/// The backups as `list` tells them.
async fn listed(all: Vec<(Backup, Option<u64>)>) -> Vec<BackupSummary> {
    let volumes = all
        .iter()
        .filter_map(|(backup, bytes)| Some(backup.config((*bytes)?)))
        .collect();
    let server = Server::new()
        .lists(
            "GET /apis/velero.io/v1/backups?limit=500",
            all.iter().map(|(backup, _)| backup.value()).collect(),
        )
        .lists("GET /apis/velero.io/v1/podvolumebackups?limit=500", volumes);
    let list = backups::list(&server.cluster(), None).await.unwrap();
    server.done();
    list
}

fn of_radarr(name: &str, day: &str) -> Backup {
    Backup::scheduled("radarr", "media", name).at(&format!("2026-11-{day}T02:17:00Z"))
}

/// One of each kind, the good ones older than the rest.
async fn one_of_each() -> Vec<BackupSummary> {
    listed(vec![
        (of_radarr("good-old", "18"), Some(1_000)),
        (of_radarr("good", "19"), Some(2_000)),
        (
            of_radarr("partial", "20")
                .phase("PartiallyFailed")
                .set("/status/errors", json!(1)),
            Some(3_000),
        ),
        (of_radarr("empty", "21"), None),
        (
            of_radarr("failed", "22")
                .phase("Failed")
                .set("/status/failureReason", json!("no\tspace")),
            None,
        ),
        (of_radarr("failed-with-bytes", "22").phase("Failed"), Some(7)),
        (
            of_radarr("expired", "23").set("/status/expiration", json!("2026-11-24T11:00:00Z")),
            Some(4_000),
        ),
        (of_radarr("deleted", "23").phase("Deleting"), Some(4_000)),
        (
            of_radarr("running", "24")
                .phase("InProgress")
                .set("/status/completionTimestamp", Value::Null),
            None,
        ),
        (
            Backup::scheduled("sonarr", "media", "of-sonarr").at("2026-11-24T03:00:00Z"),
            Some(5_000),
        ),
        (
            Backup::scheduled("radarr", "media4k", "of-4k").at("2026-11-24T04:00:00Z"),
            Some(6_000),
        ),
    ])
    .await
}

fn pick<'a>(list: &'a [BackupSummary], choice: &str) -> Result<&'a str, Error> {
    choose(list, &Choice::from(choice), &radarr(), now()).map(|backup| backup.name.as_str())
}

#[tokio::test]
async fn the_latest_is_the_newest_good_one() {
    let mut list = one_of_each().await;
    assert_eq!(pick(&list, "latest").unwrap(), "good");
    list.reverse();
    assert_eq!(pick(&list, "latest").unwrap(), "good");
    let last = last_good(&list, &radarr(), now()).unwrap();
    assert_eq!(
        (last.name.as_str(), last.uid.as_str(), last.bytes),
        ("good", "uid-good", Some(2_000))
    );
    assert_eq!(last.time, Some("2026-11-19T02:17:09Z".parse().unwrap()));
}

/// `good` is a promise: one that did not come back is passed over, and may be tried again by its name.
#[tokio::test]
async fn one_that_was_damaged_when_it_was_read_back_is_not_good_and_may_be_named() {
    let mut list = one_of_each().await;
    let proven = |list: &mut Vec<BackupSummary>, outcome| {
        let newest = list.iter_mut().find(|backup| backup.name == "good").unwrap();
        newest.proof = Some(Proof {
            at: now(),
            took: None,
            outcome,
        });
        newest.verdict(now())
    };
    let why = || "radarr.db: it is not sound".to_owned();
    assert_eq!(
        proven(&mut list, Outcome::Damaged { why: why() }),
        Verdict::Damaged
    );
    assert_ne!(pick(&list, "latest").ok(), Some("good"));
    assert_ne!(
        last_good(&list, &radarr(), now()).map(|last| last.name),
        Some("good".to_owned())
    );
    assert_eq!(pick(&list, "uid-good").unwrap(), "good");
    assert_eq!(
        proven(&mut list, Outcome::ComesBack { contents: None }),
        Verdict::Good
    );
    assert_eq!(pick(&list, "latest").unwrap(), "good");
}

#[tokio::test]
async fn no_backup_and_no_good_backup_are_told_apart() {
    let list = one_of_each().await;
    let nobody = app("lidarr", "media");
    let error = choose(&list, &Choice::Latest, &nobody, now()).unwrap_err();
    assert_eq!(error.to_string(), "there is no backup of lidarr in model media");
    let none_good: Vec<BackupSummary> = list
        .into_iter()
        .filter(|backup| !backup.name.starts_with("good"))
        .collect();
    let error = pick(&none_good, "latest").unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no good backup of radarr in model media"
    );
    assert!(matches!(error, Error::NoGoodBackup { .. }));
    assert_eq!(last_good(&none_good, &radarr(), now()), None);
}

#[tokio::test]
async fn as_of_a_moment_the_newest_good_one_that_had_begun_is_chosen() {
    let good = |name, began| (Backup::scheduled("radarr", "media", name).at(began), Some(2_000));
    let list = listed(vec![
        good("first", "2026-11-15T03:00:00Z"),
        good("second", "2026-11-16T03:00:00Z"),
        (
            Backup::scheduled("radarr", "media", "empty").at("2026-11-17T03:00:00Z"),
            None,
        ),
        (
            Backup::scheduled("sonarr", "media", "of-sonarr").at("2026-11-17T04:00:00Z"),
            Some(5_000),
        ),
        good("third", "2026-11-18T03:00:00Z"),
    ])
    .await;
    let as_of = |moment: &str| {
        choose(&list, &Choice::AsOf(moment.parse().unwrap()), &radarr(), now())
            .map(|backup| backup.name.as_str())
    };
    for (moment, name) in [
        ("2026-11-15T03:00:00Z", "first"),
        ("2026-11-16T02:59:59Z", "first"),
        ("2026-11-17T12:00:00Z", "second"),
        ("2026-11-23T00:00:00Z", "third"),
    ] {
        assert_eq!(as_of(moment).unwrap(), name, "{moment}");
    }
    assert_eq!(
        as_of("2026-11-15T02:59:59Z").unwrap_err().to_string(),
        "there is no good backup of radarr in model media from 2026-11-15T02:59:59Z or before; the nearest ones began \
         2026-11-15T03:00:00Z (uid uid-first) and 2026-11-16T03:00:00Z (uid uid-second)"
    );
    let nobody = app("lidarr", "media");
    let none = choose(&list, &Choice::AsOf(now()), &nobody, now()).unwrap_err();
    assert!(matches!(none, Error::NoBackup { .. }), "{none}");
}

/// It holds what somebody wanted to be rid of, and is the newest good one.
#[tokio::test]
async fn a_safety_backup_is_meant_only_if_it_is_named() {
    let good = |name, began| Backup::of("radarr", "media", name).at(began);
    let list = listed(vec![
        (good("night", "2026-11-20T03:00:00Z"), Some(2_000)),
        (
            good("safety", "2026-11-20T12:00:00Z").safety("uid-night"),
            Some(9_000),
        ),
    ])
    .await;
    let told: Vec<(&str, Option<&str>)> = list
        .iter()
        .map(|backup| (backup.name.as_str(), backup.before_restore.as_deref()))
        .collect();
    assert_eq!(told, [("safety", Some("uid-night")), ("night", None)]);
    assert_eq!(pick(&list, "latest").unwrap(), "night");
    let as_of = |moment: &str| {
        choose(&list, &Choice::AsOf(moment.parse().unwrap()), &radarr(), now())
            .map(|backup| backup.name.as_str())
    };
    assert_eq!(as_of("2026-11-24T00:00:00Z").unwrap(), "night");
    let early = as_of("2026-11-20T02:00:00Z").unwrap_err().to_string();
    assert!(
        early.ends_with("the nearest ones began 2026-11-20T03:00:00Z (uid uid-night)"),
        "{early}"
    );
    assert_eq!(last_good(&list, &radarr(), now()).unwrap().name, "night");
    for name in ["safety", "uid-safety"] {
        assert_eq!(pick(&list, name).unwrap(), "safety");
    }
    // Where there is no other one it is not taken either, and is not said to be missing.
    let only = &list[..1];
    for error in [
        pick(only, "latest").unwrap_err(),
        choose(only, &Choice::AsOf(now()), &radarr(), now()).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "only safety backups of radarr in model media are good"
        );
        assert_eq!(error.hint().unwrap(), "name one of them by its uid");
    }
    assert_eq!(last_good(only, &radarr(), now()), None);
}

#[tokio::test]
async fn a_named_one_is_found_by_uid_and_by_name() {
    let list = one_of_each().await;
    assert_eq!(pick(&list, "good-old").unwrap(), "good-old");
    assert_eq!(pick(&list, "uid-good-old").unwrap(), "good-old");
    assert_eq!(pick(&list, "partial").unwrap(), "partial");
    for unknown in ["gone\u{1b}", "", "uid-"] {
        assert!(
            matches!(pick(&list, unknown), Err(Error::NoSuchBackup(_))),
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn one_of_another_app_or_model_is_foreign() {
    let list = one_of_each().await;
    for (name, found) in [
        ("of-sonarr", "sonarr in model media"),
        ("uid-of-4k", "radarr in model media4k"),
    ] {
        let error = pick(&list, name).unwrap_err();
        let name = name.trim_start_matches("uid-");
        assert_eq!(
            error.to_string(),
            format!("backup {name} is one of {found}, not of radarr in model media")
        );
        assert!(matches!(error, Error::Foreign { .. }));
    }
}

#[tokio::test]
async fn one_that_cannot_be_restored_says_why() {
    let list = one_of_each().await;
    for (name, why) in [
        ("running", "it has not ended yet (InProgress)"),
        ("empty", "it holds no bytes of the config volume"),
        (
            "failed",
            "Velero calls it Failed, and it holds nothing of the config volume (no\\tspace)",
        ),
        ("failed-with-bytes", "Velero calls it Failed"),
        ("expired", "it expired at 2026-11-24T11:00:00Z"),
        ("deleted", "it is being deleted"),
    ] {
        let error = pick(&list, name).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot restore backup {name}: {why}"));
        assert!(error.hint().unwrap().contains("choose another backup"), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_is_there_twice_is_told_by_uid() {
    let twin = of_radarr("twin", "19");
    let elsewhere = twin
        .clone()
        .set("/metadata/namespace", json!("velero-two"))
        .set("/metadata/uid", json!("uid-elsewhere"));
    let of_sonarr = Backup::scheduled("sonarr", "media", "twin").set("/metadata/uid", json!("uid-sonarr"));
    let list = listed(vec![
        (twin, Some(1)),
        (elsewhere, Some(2)),
        (of_sonarr.clone(), Some(3)),
    ])
    .await;
    let error = pick(&list, "twin").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("2 backups have this name; say the uid of the one that is meant"),
        "{error}"
    );
    let chosen = choose(&list, &Choice::from("uid-elsewhere"), &radarr(), now()).unwrap();
    assert_eq!(chosen.holds.bytes(), Some(2));
    // Another app's backup of the same name stands in nobody's way.
    let list = listed(vec![(of_sonarr, Some(3)), (of_radarr("twin", "19"), Some(1))]).await;
    assert_eq!(pick(&list, "twin").unwrap(), "twin");
}

/// A clock was wrong once: what it made would be the newest for years.
#[tokio::test]
async fn one_of_the_future_is_not_the_newest() {
    let of_future = Backup::scheduled("radarr", "media", "of-the-future")
        .at("2031-11-20T02:17:00Z")
        .set("/status/expiration", json!("2031-12-20T02:17:00Z"));
    let list = listed(vec![
        (of_radarr("good", "19"), Some(2_000)),
        (of_future.clone(), Some(7)),
    ])
    .await;
    assert_eq!(
        choose(&list, &Choice::Latest, &radarr(), now()).unwrap().name,
        "good"
    );
    assert_eq!(last_good(&list, &radarr(), now()).unwrap().name, "good");
    // It can be named, and is better than nothing.
    let named = Choice::Named("of-the-future".to_owned());
    assert!(choose(&list, &named, &radarr(), now()).is_ok());
    let alone = listed(vec![(of_future, Some(7))]).await;
    assert!(choose(&alone, &Choice::Latest, &radarr(), now()).is_ok());
}
