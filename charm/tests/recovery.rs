//! The actions around backups, and what a dispatch does with the config volume before the app may start: on a recovery
//! engine that does what it was told.

use crate::common::recovery::good;
use crate::common::unit::{BREAKS, CONTENT, PEERS, Unit, writes};
use crate::common::{app, radarr};
use config_recovery::backups::{BackupContents, BackupSummary};
use config_recovery::{ClusterError, Error};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, RelationState};
use serde_json::{Value, json};
use velero_api::BackupPhase;

const ACTIONS: [&str; 4] = [
    "list-backups",
    "backup-now",
    "verify-backup",
    "restore-from-backup",
];
const ENDPOINT: &str = "velero-backup-config";

/// A Radarr that runs and asks for backups. A restore finds that a backup of what is there now can be made.
fn settled() -> Unit {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    unit.recovery.made = Some(good("safety-1", "radarr"));
    unit
}

fn empty(uid: &str) -> BackupSummary {
    BackupSummary {
        holds: BackupContents::Nothing,
        ..good(uid, "radarr")
    }
}

fn params(action: &str) -> Value {
    match action {
        "restore-from-backup" => json!({"backup-uid": "latest"}),
        _ => json!({}),
    }
}

fn not_allowed() -> Error {
    ClusterError::not_allowed("list backups", "backups.velero.io is forbidden").into()
}

fn unreachable() -> Error {
    ClusterError::unreachable("list backups", "connection refused").into()
}

fn no_backup() -> Error {
    Error::NoBackup {
        app: "radarr".to_owned(),
        model: "homelab".to_owned(),
    }
}

const CONFIG: &[u8] = b"<Config>\n  <ApiKey>0123456789abcdef0123456789abcdef</ApiKey>\n</Config>\n";

fn with_config(unit: &mut Unit, content: &'static [u8]) {
    unit.recovery.content = Some(Box::new(move |folder| {
        std::fs::write(folder.join("config.xml"), content).unwrap();
    }));
}

#[test]
fn actions_run_where_the_data_are_and_name_that_unit() {
    let of_others = |bound: &str, leads: bool, others: &[u32]| {
        let mut unit = Unit::new(&radarr());
        let mut peers = RelationState::peer(PEERS, "peers").with_own_app_data([("data-unit", bound)]);
        for other in others {
            peers = peers.with_remote_unit(*other, [("config-volume", "data")]);
        }
        unit.state = unit.state.clone().with_leader(leads).with_relation(peers);
        unit
    };
    for action in ACTIONS {
        for leads in [true, false] {
            let mut unit = of_others("radarr/1", leads, &[1]);
            let message = unit.act(action, params(action)).unwrap_err();
            assert!(
                message.ends_with("radarr/1 has the data; run it there"),
                "{message}"
            );
            assert_eq!(unit.recovery.calls.take(), Vec::<String>::new(), "{action}");

            let mut unit = of_others("radarr/0", leads, &[1]);
            unit.recovery.error = Some(Box::new(unreachable));
            let message = unit.act(action, params(action)).unwrap_err();
            assert!(!message.contains("run it"), "{message}");
        }
        let mut unit = of_others("radarr/1", false, &[2]);
        let message = unit.act(action, params(action)).unwrap_err();
        assert!(
            message.ends_with("this unit does not lead; run it on radarr/leader"),
            "{message}"
        );
    }
}

#[test]
fn an_app_without_a_volume_has_no_such_action() {
    let without = app("flaresolverr");
    let declared = workload_charm::packaging::actions(&without)
        .unwrap()
        .unwrap_or_default();
    assert!(
        ACTIONS.iter().all(|action| !declared.contains(action)),
        "{declared}"
    );
}

#[test]
fn no_backup_not_reached_and_not_allowed_are_three_texts() {
    type MakesError = fn() -> Error;
    let cases: [(MakesError, &str); 3] = [
        (
            not_allowed,
            "cannot list backups: not allowed: backups.velero.io is forbidden; juju trust radarr --scope=cluster",
        ),
        (
            unreachable,
            "cannot list backups: Kubernetes cannot be reached: connection refused; try again when the API server answers; a NetworkPolicy must let the unit's pod reach it",
        ),
        (
            no_backup,
            "there is no backup of radarr in model homelab; run the action backup-now",
        ),
    ];
    for action in ACTIONS {
        for (error, text) in cases {
            let mut unit = settled();
            unit.recovery.error = Some(Box::new(error));
            let message = unit.act(action, params(action)).unwrap_err();
            assert!(message.starts_with(text), "{action}: {message}");
            assert!(unit.runs(), "{action}");
        }
    }
}

#[test]
fn a_list_shows_what_each_backup_really_holds() {
    let mut unit = settled();
    let snapshot = BackupSummary {
        holds: BackupContents::Snapshot { count: 1 },
        schedule: Some("radarr-nightly".to_owned()),
        ..good("aaaa-3", "radarr")
    };
    let failed = BackupSummary {
        phase: Some(BackupPhase::Failed),
        complaints: vec!["no space".to_owned()],
        ..empty("aaaa-4")
    };
    unit.recovery.backups = Some(vec![
        empty("aaaa-1"),
        good("aaaa-2", "radarr"),
        snapshot,
        failed,
        good("bbbb-1", "sonarr"),
    ]);
    let results = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(results["count"], "4");
    assert_eq!(results["latest-good"], "aaaa-2");
    let backups = &results["backups"];
    assert_eq!(backups["aaaa-1"]["verdict"], "EMPTY");
    assert_eq!(backups["aaaa-1"]["phase"], "Completed");
    assert_eq!(backups["aaaa-1"]["bytes"], "0");
    assert_eq!(backups["aaaa-2"]["verdict"], "good");
    assert_eq!(backups["aaaa-2"]["bytes"], "20000000");
    assert_eq!(backups["aaaa-2"]["age"], "60 min".replace("60 min", "1 h"));
    assert_eq!(backups["aaaa-2"]["name"], "radarr-aaaa-2");
    assert_eq!(backups["aaaa-3"]["bytes"], Value::Null);
    assert_eq!(backups["aaaa-3"]["schedule"], "radarr-nightly");
    assert_eq!(backups["aaaa-4"]["verdict"], "FAILED");
    assert_eq!(backups["aaaa-4"]["velero-errors"], "no space");
    for backup in ["aaaa-1", "aaaa-2"] {
        assert!(backups[backup]["started"].is_string() && backups[backup]["expires"].is_string());
    }
    let table = results["table"].as_str().unwrap();
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(
        table.contains("EMPTY") && table.contains("20 MB") && table.contains("snapshot"),
        "{table}"
    );

    unit.recovery.backups = Some(Vec::new());
    let results = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(results["count"], "0");
    assert_eq!(
        results["table"],
        "there is no backup of radarr in model homelab; run backup-now"
    );
    assert_eq!(results.get("latest-good"), None);

    let many: Vec<BackupSummary> = (0..400)
        .map(|number| good(&format!("many-{number}"), "radarr"))
        .collect();
    unit.recovery.backups = Some(many);
    let results = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(results["count"], "400");
    assert!(results["table"].as_str().unwrap().ends_with("and 350 older ones"));
    assert!(serde_json::to_string(&results).unwrap().len() < 60_000);
}

#[test]
fn a_backup_now_is_what_the_schedule_makes_and_fails_if_it_holds_nothing() {
    let mut unit = settled();
    unit.recovery.made = Some(good("made-1", "radarr"));
    let results = unit.act("backup-now", json!({})).unwrap();
    assert_eq!(results["backup-uid"], "made-1");
    assert_eq!(results["backup-name"], "radarr-made-1");
    assert_eq!(results["bytes"], "20000000");
    assert_eq!(results["seconds"], "30");
    assert!(
        unit.logs.iter().any(|line| line.contains("holds 20 MB")),
        "{:?}",
        unit.logs
    );
    let asked = unit.recovery.asked_for.take().unwrap();
    let bag = unit.state.model().relations.values().next().unwrap();
    let text = format!("{bag:?}");
    assert!(text.contains("app.kubernetes.io/name"), "{text}");
    assert_eq!(asked.spec.included_namespaces, ["homelab"]);
    assert!(
        asked
            .spec
            .included_resources
            .iter()
            .any(|resource| resource == "pods")
    );
    assert_eq!(asked.labels["app"], "radarr");
    assert_eq!(asked.labels["endpoint"], ENDPOINT);
    assert_eq!(asked.labels["model"], "homelab");

    unit.recovery.made = Some(empty("made-2"));
    let message = unit.act("backup-now", json!({})).unwrap_err();
    assert!(
        message.starts_with(
            "cannot make a backup: backup radarr-made-2 is Completed and holds no byte of the config volume"
        ),
        "{message}"
    );
    unit.recovery.made = Some(BackupSummary {
        phase: Some(BackupPhase::PartiallyFailed),
        complaints: vec!["hooks that failed: 1".to_owned()],
        ..good("made-3", "radarr")
    });
    let message = unit.act("backup-now", json!({})).unwrap_err();
    assert!(
        message.contains("is PARTIAL (PartiallyFailed): hooks that failed: 1"),
        "{message}"
    );
    // What the hook in this pod has said is told with it, if it is of this backup.
    let refused = unit.volume().with_file_name("backup-refused");
    for (at, is_told) in [("2020-01-01T00:00:00Z", false), ("2099-01-01T00:00:00Z", true)] {
        std::fs::write(&refused, format!("{at} 7254016 are free; make room\n")).unwrap();
        let message = unit.act("backup-now", json!({})).unwrap_err();
        let told = message.ends_with("; the charm's hook said: 7254016 are free; make room");
        assert_eq!(told, is_told, "{message}");
        let shown = unit.act("show-backup-spec", json!({})).unwrap();
        assert_eq!(
            shown["problem"],
            "the last backup was refused: 7254016 are free; make room"
        );
    }

    let mut unrelated = Unit::settled(&radarr());
    let message = unrelated.act("backup-now", json!({})).unwrap_err();
    assert!(
        message.ends_with("juju integrate radarr velero-operator"),
        "{message}"
    );
    assert_eq!(unrelated.recovery.calls.take(), Vec::<String>::new());
}

#[test]
fn a_verification_touches_nothing_of_the_app() {
    let mut unit = settled();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    with_config(&mut unit, CONFIG);
    let (calls, file) = (unit.pebble.calls().len(), unit.file());
    let results = unit.act("verify-backup", json!({})).unwrap();
    for (key, value) in [
        ("backup-uid", "aaaa-1"),
        ("files", "3"),
        ("bytes", "20000000"),
        ("databases", "2"),
        ("manifest", "true"),
        ("seconds", "9.5"),
        ("velero-seconds", "7"),
    ] {
        assert_eq!(results[key], value, "{key}");
    }
    assert_eq!(unit.pebble_writes(calls), Vec::<String>::new());
    assert_eq!(unit.file(), file);
    let left: Vec<_> = std::fs::read_dir(unit.volume())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [CONTENT]);
    assert!(
        unit.logs.iter().any(|line| line.contains("checking them")),
        "{:?}",
        unit.logs
    );

    with_config(&mut unit, b"<Config><ApiKey>");
    let message = unit
        .act("verify-backup", json!({"backup-uid": "radarr-aaaa-1"}))
        .unwrap_err();
    assert!(
        message.starts_with("backup radarr-aaaa-1 is damaged: config.xml: it is not well-formed XML"),
        "{message}"
    );
    let message = unit
        .act("verify-backup", json!({"backup-uid": "no-such"}))
        .unwrap_err();
    assert_eq!(
        message,
        "there is no backup \"no-such\"; list-backups shows the uids"
    );
}

/// As an action says it: by uid under either name, or as of a time.
#[test]
fn a_backup_is_named_by_uid_or_by_time_and_by_one_of_them_only() {
    let days_ago = |uid: &str, days: i64| BackupSummary {
        started: Some(Timestamp::now() - SignedDuration::from_hours(24 * days)),
        ..good(uid, "radarr")
    };
    let mut unit = settled();
    unit.recovery.backups = Some(vec![
        days_ago("new-1", 1),
        days_ago("mid-2", 5),
        days_ago("old-3", 9),
    ]);
    for (parameters, chosen) in [
        (json!({"backup-uid": "mid-2"}), "mid-2"),
        (json!({"backup-id": "old-3"}), "old-3"),
        (
            json!({"backup-uid": "", "backup-id": "latest", "at": " "}),
            "new-1",
        ),
        (json!({"at": "3 days ago"}), "mid-2"),
        (json!({"at": "1 hour ago"}), "new-1"),
    ] {
        let mut parameters = parameters;
        parameters["dry-run"] = json!(true);
        let results = unit.act("restore-from-backup", parameters.clone()).unwrap();
        assert_eq!(results["backup-uid"], chosen, "{parameters}");
    }
    for (parameters, said) in [
        (json!({"at": "10 days ago"}), "or before; the nearest ones began"),
        (
            json!({"at": "soon"}),
            "cannot be understood; say 2026-11-20T03:00 (UTC)",
        ),
        (
            json!({"at": "1 day ago", "backup-id": "latest"}),
            "say only one of backup-id, at",
        ),
        (json!({}), "say which backup"),
    ] {
        unit.recovery.calls.take();
        let message = unit.act("restore-from-backup", parameters.clone()).unwrap_err();
        assert!(message.contains(said), "{parameters}: {message}");
    }
    let mistaken = unit.act("verify-backup", json!({"at": "soon"})).unwrap_err();
    assert!(mistaken.contains("cannot be understood"), "{mistaken}");
}

#[test]
fn a_restore_stops_the_app_and_ends_when_it_is_well() {
    let mut unit = settled();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    with_config(&mut unit, CONFIG);
    unit.recovery.well = vec![Ok(())].into();
    let calls = unit.pebble.calls().len();
    let results = unit
        .act("restore-from-backup", json!({"backup-uid": "aaaa-1"}))
        .unwrap();
    assert_eq!(results["result"], "restored");
    // The charm's own image, which has a shell and tar, and needs no credentials of the app's.
    assert_eq!(
        *unit.recovery.image.borrow(),
        "ghcr.io/juju/charm-base:ubuntu-24.04"
    );
    assert_eq!(results["backup-name"], "radarr-aaaa-1");
    assert_eq!(results["files"], "3");
    let operations = unit.pebble_writes(calls);
    let expected = [
        "stop_checks radarr-ready",
        "stop radarr",
        "replan ",
        "start_checks radarr-ready",
    ];
    assert_eq!(operations, expected);
    assert!(unit.runs());
    assert!(unit.volume().join("config.xml").exists());
    assert!(unit.status().starts_with("active: "), "{}", unit.status());
    let log = unit.logs.join("\n");
    for step in [
        "restoring backup radarr-aaaa-1 of radarr in model homelab",
        "stopping the app",
        "starting the app",
    ] {
        assert!(log.contains(step), "{log}");
    }
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(writes(&outcome), Vec::<String>::new());
}

#[test]
fn an_app_that_does_not_get_well_is_told_with_the_way_back() {
    let mut unit = settled();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    with_config(&mut unit, CONFIG);
    unit.recovery.well = vec![Err("it answers 500".to_owned()), Ok(())].into();
    let message = unit
        .act("restore-from-backup", json!({"backup-uid": "latest"}))
        .unwrap_err();
    assert_eq!(
        message,
        "cannot start the app: it answers 500; rolled back: the previous content is restored and the app runs; look at the app's log: kubectl \
         logs, or juju debug-log"
    );
    assert!(unit.runs());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    let mut unit = settled();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    let calls = unit.pebble.calls().len();
    let results = unit
        .act(
            "restore-from-backup",
            json!({"backup-uid": "latest", "dry-run": true, "keep-old": false}),
        )
        .unwrap();
    assert_eq!(results["result"], "checked");
    let steps = results["steps"].as_str().unwrap();
    assert!(
        steps.contains("backup radarr-aaaa-1 of radarr in model homelab"),
        "{steps}"
    );
    assert!(
        steps.ends_with("juju run radarr/0 restore-from-backup backup-uid=aaaa-1"),
        "{steps}"
    );
    assert_eq!(unit.recovery.calls.take(), ["plan_restore"]);
    assert_eq!(unit.pebble_writes(calls), Vec::<String>::new());
    assert_eq!(
        unit.act(
            "restore-from-backup",
            json!({"backup-uid": "latest", "dry-run": true, "from-app": "sonarr"})
        )
        .unwrap_err(),
        "there is no backup of sonarr in model homelab; run the action backup-now, or name another app or model \
        with from-app and from-model"
    );
}

#[test]
fn a_restore_is_refused_before_anything_when_the_app_could_not_be_started_again() {
    for (reason, break_it) in BREAKS {
        let mut unit = settled();
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        break_it(&mut unit);
        let message = unit
            .act("restore-from-backup", json!({"backup-uid": "latest"}))
            .unwrap_err();
        assert!(
            message.starts_with("cannot restore: ") && message.contains(reason),
            "{message}"
        );
        assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
    }
    let mut unit = settled();
    let message = unit
        .act("restore-from-backup", json!({"backup-uid": " "}))
        .unwrap_err();
    assert!(message.contains("say which backup"), "{message}");
}

#[test]
fn the_app_gets_the_patience_that_is_asked_for() {
    let cases = [("10m", 600), ("1h30m", 5400), ("90s", 90)];
    for (patience, seconds) in cases {
        let mut unit = settled();
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        with_config(&mut unit, CONFIG);
        unit.recovery.well = vec![Ok(())].into();
        let params = json!({"backup-uid": "latest", "patience": patience});
        unit.act("restore-from-backup", params).unwrap();
        let given = unit.recovery.patience.take().unwrap();
        assert_eq!(given.as_secs(), seconds, "{patience}");
    }
    for patience in ["10", "-1m", "0s", "soon", "25h"] {
        let mut unit = settled();
        let params = json!({"backup-uid": "latest", "patience": patience});
        let message = unit.act("restore-from-backup", params).unwrap_err();
        assert!(message.starts_with("cannot restore: patience "), "{message}");
        assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
    }
}

#[test]
fn an_app_whose_process_ends_is_not_waited_for() {
    let mut unit = settled();
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    with_config(&mut unit, CONFIG);
    let pebble = unit.pebble.clone();
    unit.recovery.meanwhile = Some(Box::new(move || {
        pebble.change_state(|state| {
            state.write_log("radarr", "cannot migrate the database\n\n");
            state.fail_service("radarr");
        });
    }));
    // It would answer after that, which nobody waits for.
    unit.recovery.well = vec![Ok(()), Ok(())].into();
    let message = unit
        .act("restore-from-backup", json!({"backup-uid": "latest"}))
        .unwrap_err();
    let expected = "cannot start the app: its process ended: cannot migrate the database; ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_restore_on_the_leader_takes_over_from_a_unit_that_is_gone_and_only_if_it_succeeds() {
    for answers in [vec![Ok(())], vec![Err("it answers 500".to_owned())]] {
        let succeeds = answers[0].is_ok();
        let mut unit = Unit::new(&radarr()).beside_one_that_is_gone();
        for event in unit.first_events() {
            unit.run(event);
        }
        assert!(!unit.runs());
        let status = unit.status();
        let gone = "blocked: radarr/1 is gone with the data";
        assert!(status.starts_with(gone), "{status}");
        unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
        with_config(&mut unit, CONFIG);
        unit.recovery.well = answers.into();
        let done = unit.act("restore-from-backup", json!({"backup-uid": "latest"}));
        assert_eq!(done.is_ok(), succeeds, "{done:?}");
        let bound = unit.state.own_app_data(PEERS)["data-unit"].clone();
        if succeeds {
            assert_eq!(bound, "radarr/0");
            assert!(
                unit.runs() && unit.status().starts_with("active: "),
                "{}",
                unit.status()
            );
            unit.run(Event::UpdateStatus);
            assert!(unit.runs());
        } else {
            assert_eq!(bound, "radarr/1");
            assert!(!unit.runs());
            // This engine leaves the new content there, which the status tells of.
            assert!(unit.status().starts_with(gone), "{}", unit.status());
        }
    }
}

/// The status says to save what the volume holds and to restore here. That it cannot be saved by a backup is no other unit's fault.
#[test]
fn what_a_unit_has_beside_data_that_are_gone_is_said_to_be_in_no_backup() {
    let mut unit = Unit::new(&radarr()).related_to_velero().beside_one_that_is_gone();
    std::fs::write(unit.volume().join("library.db"), "of before").unwrap();
    for event in unit.first_events() {
        unit.run(event);
    }
    let status = unit.status();
    assert!(
        status.ends_with("this volume has some: save it, then restore-from-backup here"),
        "{status}"
    );
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    with_config(&mut unit, CONFIG);
    for dry_run in [true, false] {
        let parameters = json!({"backup-uid": "latest", "dry-run": dry_run});
        assert_eq!(
            unit.act("restore-from-backup", parameters).unwrap_err(),
            "cannot restore: no safety backup: what this volume holds is not the app's data, so no backup stores it; copy what you \
             need of it; nothing was changed; to restore without a way back: safety-backup=false"
        );
        assert!(unit.volume().join("library.db").exists() && !unit.runs());
    }
    unit.recovery.well = vec![Ok(())].into();
    let parameters = json!({"backup-uid": "latest", "safety-backup": false});
    unit.act("restore-from-backup", parameters).unwrap();
    assert!(unit.runs(), "{}", unit.status());
}
