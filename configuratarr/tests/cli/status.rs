//! `configuratarr status`.

use insta::assert_snapshot;
use juju_sim::{Deploy, Options, Simulation};
use serde_json::{Value, json};

use crate::common::{App, Apps, Backup, Juju, Test, ago, from_now, location};

/// The widest line of a table that a terminal of the usual width shows whole.
const WIDTH: usize = 80;

/// The whole output of `status` over these apps.
fn shown(apps: impl IntoIterator<Item = App>, code: i32) -> String {
    Test::with(apps).run(&["status"]).exits(code).shown()
}

/// What `status` says of the one app.
fn report(app: App) -> Value {
    let mut report = Test::with([app]).run(&["status", "--format", "json"]).json();
    report["apps"][0].take()
}

#[test]
fn healthy_apps_fit_a_terminal() {
    let names = [
        "bazarr",
        "jellyfin",
        "lidarr",
        "prowlarr",
        "qbittorrent",
        "radarr",
        "sonarr",
    ];
    let sizes = [
        5_243_046,
        2_345_678_901,
        734_003_200,
        12_345_678,
        1_048_576,
        412_345_678,
        98_765_432,
    ];
    let test = Test::with(
        names
            .iter()
            .zip(sizes)
            .map(|(name, size)| App::healthy(name, size)),
    );
    let ran = test.run(&["status"]).exits(0);
    assert_snapshot!("status_healthy", ran.shown());
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
}

#[test]
fn what_was_verified_is_shown_by_its_age_and_damage_is_a_failure() {
    let proven = |is: &'static str, says: &'static str| {
        move |app: &str| Backup::good(app, 1, 178, 5_243_046).proven(2 * 1440, is, says)
    };
    let apps = || {
        [
            App::new("radarr").backup(proven("comes-back", "films 412, schema of radarr.db 242")),
            App::new("sonarr").backup(proven("damaged", "sonarr.db: it is not a database")),
            App::new("lidarr").backup(proven("a word of a later version", "")),
        ]
    };
    let test = Test::with(apps());
    assert_snapshot!("status_verified", test.run(&["status"]).exits(1).shown());
    let document = test.run(&["status", "--format", "json"]).json();
    let verified = |number: usize| &document["apps"][number]["lastVerified"];
    assert_eq!(verified(0), &Value::Null);
    assert_eq!(verified(1)["outcome"], "comes back");
    assert_eq!(verified(1)["says"], "films 412, schema of radarr.db 242");
    assert_eq!(verified(2)["outcome"], "DAMAGED");
    assert_snapshot!("backups_verified", test.run(&["backups"]).exits(0).shown());
}

#[test]
fn what_is_under_way_is_shown_in_bytes_and_fits_a_terminal() {
    let running = |app: &str| Backup::good(app, 2, 1, 0).running(52_430_460, 104_860_920);
    let apps = [
        App::healthy("qbittorrent", 5_243_046).backup(running),
        App::healthy("radarr", 5_243_046),
        App::healthy("sonarr", 5_243_046).backup(|app| Backup::good(app, 2, 1, 0).running(0, 0)),
    ];
    let test = Test::with(apps);
    test.put(restore_of("radarr", 1_000_000, 5_243_046));
    let ran = test.run(&["status"]).exits(0);
    assert_snapshot!("status_in_flight", ran.shown());
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    let apps = test.run(&["status", "--format", "json"]).json()["apps"].take();
    let work = |number: usize| apps[number]["inFlight"].clone();
    assert_eq!(
        work(0),
        json!([{"what": "backup", "bytes": 52_430_460, "total": 104_860_920}])
    );
    assert_eq!(
        work(1),
        json!([{"what": "restore", "bytes": 1_000_000, "total": 5_243_046}])
    );
    assert_eq!(work(2), json!([{"what": "backup", "bytes": 0}]));
}

/// A PodVolumeRestore of the engine's, as Velero's node agent works on it.
fn restore_of(app: &str, done: u64, total: u64) -> Value {
    let id = config_recovery::backups::AppId {
        app: app.to_owned(),
        model: "home".to_owned(),
    };
    let place = config_recovery::scratch::namespace(&id, config_recovery::scratch::Purpose::Restore);
    json!({
        "apiVersion": "velero.io/v1", "kind": "PodVolumeRestore",
        "metadata": {
            "name": format!("{place}-r1"), "namespace": "velero", "uid": "pvr-1",
            "labels": {"app.kubernetes.io/managed-by": "configuratarr", "config-recovery/scratch": place},
        },
        "spec": {
            "backupStorageLocation": "default", "snapshotID": "k1", "sourceNamespace": "home", "volume": "config",
            "repoIdentifier": "", "uploaderType": "kopia",
            "pod": {"kind": "Pod", "name": "reader", "namespace": place, "uid": "p1"},
        },
        "status": {"phase": "InProgress", "progress": {"bytesDone": done, "totalBytes": total}},
    })
}

#[test]
fn what_is_not_well_is_said_with_the_next_step() {
    let good = |app: &str| Backup::good(app, 1, 178 + 1440, 5_243_046);
    let apps = [
        App::healthy("unprotected", 5_243_046).unrelated(),
        App::healthy("paused", 5_243_046).schedule("/spec/paused", json!(true)),
        App::healthy("refused", 5_243_046)
            .schedule("/status/phase", json!("FailedValidation"))
            .schedule(
                "/status/validationErrors",
                json!(["invalid schedule: expected 5 fields"]),
            ),
        App::new("empty")
            .backup(good)
            .backup(|app| Backup::good(app, 2, 178, 0).empty()),
        App::new("partial")
            .backup(good)
            .backup(|app| Backup::good(app, 2, 178, 4_000).partial()),
        App::new("failed")
            .backup(good)
            .backup(|app| Backup::good(app, 2, 178, 0).failed("error getting volume: i/o timeout")),
        App::new("overdue").backup(good),
        App::new("never"),
        App::new("onlyempty").backup(|app| Backup::good(app, 1, 178, 0).empty()),
        App::healthy("byhand", 5_243_046).without_schedule(),
        App::healthy("blocked", 5_243_046).says(
            "blocked",
            "backups: no storage; juju config velero-operator bucket=NAME",
        ),
    ];
    assert_snapshot!("status_not_well", shown(apps, 1));
}

/// A clock was wrong once, by a year: that backup is not the newest until then, and does not stand for those that are due.
#[test]
fn a_backup_of_the_future_is_not_the_newest() {
    let of_future = |app: &str| Backup::good(app, 9, -365 * 1440, 1_000);
    let both = report(App::healthy("radarr", 5_243_046).backup(of_future));
    assert_eq!(
        (&both["lastGood"]["bytes"], &both["state"]),
        (&json!(5_243_046), &json!("ok"))
    );
    let bad = |app: &str| Backup::good(app, 2, 178, 0).empty();
    let hidden = report(App::new("radarr").backup(bad).backup(of_future));
    assert_eq!(hidden["state"], "FAIL", "{hidden}");
    let alone = report(App::new("radarr").backup(of_future));
    assert_eq!(alone["state"], "FAIL", "{alone}");
    assert!(
        alone["attention"][0]["text"]
            .as_str()
            .unwrap()
            .contains("is missing"),
        "{alone}"
    );
}

#[test]
fn an_app_that_may_get_bad_is_a_warning_and_exits_with_zero() {
    let apps = [
        App::new("expiring")
            .without_schedule()
            .backup(|app| Backup::good(app, 1, 27 * 1440, 5_243_046).expires(from_now(2 * 1440 + 60))),
        App::new("gone")
            .gone()
            .backup(|app| Backup::good(app, 1, 27 * 1440, 5_243_046).expires(from_now(2 * 1440 + 60))),
        App::new("snapshots").backup(|app| Backup::good(app, 1, 178, 0).snapshot()),
    ];
    assert_snapshot!("status_warnings", shown(apps, 0));
}

#[test]
fn a_safety_backup_is_not_the_last_good_one() {
    let app = App::new("radarr")
        .backup(|app| Backup::good(app, 1, 178, 5_243_046))
        .backup(|app| Backup::good(app, 2, 5, 999).safety("uid-of-1"));
    let report = report(app);
    assert_eq!(report["lastGood"]["bytes"], 5_243_046, "{report}");
    assert_eq!(report["backups"], 2);
    assert_eq!(report["state"], "ok");
}

#[test]
fn each_model_has_its_own_apps() {
    let elsewhere = ago(178);
    let apps = [
        App::healthy("radarr", 1_000_000),
        App::of("radarr", "attic").backup(|app| Backup::of(app, "attic", 1, elsewhere, 2_000_000)),
        App::of("sonarr", "attic").backup(|app| Backup::of(app, "attic", 1, elsewhere, 3_000_000)),
    ];
    let test = Test::with(apps);
    let bytes = |arguments: &[&str]| {
        let report = test.run(arguments).exits(0).json();
        let apps = report["apps"].as_array().unwrap().clone();
        let one = |app: &Value| {
            (
                app["app"].as_str().unwrap().to_owned(),
                app["lastGood"]["bytes"].as_u64(),
            )
        };
        (
            report["model"].as_str().unwrap().to_owned(),
            apps.iter().map(one).collect::<Vec<_>>(),
        )
    };
    let home = ("home".to_owned(), vec![("radarr".to_owned(), Some(1_000_000))]);
    let attic = vec![
        ("radarr".to_owned(), Some(2_000_000)),
        ("sonarr".to_owned(), Some(3_000_000)),
    ];
    assert_eq!(bytes(&["status", "--format", "json"]), home);
    assert_eq!(
        bytes(&["status", "--format", "json", "-m", "attic"]),
        ("attic".to_owned(), attic)
    );
}

#[test]
fn a_model_is_named_as_juju_names_it() {
    let test = Test::new();
    let apps = Apps::of([App::healthy("radarr", 1)]);
    test.cluster.put_all(apps.objects()).unwrap();
    let name = "ctl:admin/home";
    let call = format!("status --format json -m {name}");
    test.juju(&Juju::new().prints(&call, apps.status("home").to_string()));
    let ran = test.run(&["status", "-m", name, "--format", "json"]).exits(0);
    assert_eq!(ran.juju_calls, [call]);
    assert_eq!(ran.json()["model"], "home");
    std::fs::remove_file(test.bin().join("juju")).unwrap();
    let without = test
        .run(&["status", "-m", name, "--format", "json"])
        .exits(3)
        .json();
    assert_eq!(without["model"], "home");
    assert_eq!(without["apps"][0]["app"], "radarr");
}

#[test]
fn no_apps_are_said_to_be_none() {
    assert_snapshot!("status_no_apps", shown([], 0));
}

#[test]
fn a_storage_location_that_is_unavailable_is_not_well() {
    let test = Test::with([App::healthy("radarr", 5_243_046)]);
    test.put(location(
        "default",
        "Unavailable",
        "rpc error: bucket \"backups\": 403 Forbidden",
    ));
    assert_snapshot!("status_location", test.run(&["status"]).exits(1).shown());
}

#[test]
fn the_simulated_juju_is_understood() {
    let test = Test::new();
    let folder = test.simulated_juju();
    let charm = test.path("charm");
    std::fs::create_dir(&charm).unwrap();
    let metadata = "name: radarr\nsummary: s\ndescription: d\nprovides:\n  velero-backup-config:\n    interface: velero_backup_config\n";
    std::fs::write(charm.join("metadata.yaml"), metadata).unwrap();
    let options = Options {
        model: "home".to_owned(),
        executable: Some(crate::common::simulated_juju().to_owned()),
        ..Options::default()
    };
    let mut juju = Simulation::create(&folder, options).unwrap();
    juju.deploy(Deploy::new("radarr", &charm)).unwrap();
    drop(juju);
    test.cluster
        .put_all(App::healthy("radarr", 5_243_046).objects())
        .unwrap();
    let unrelated = test.run(&["status", "--format", "json"]).exits(1).json();
    assert_eq!(unrelated["apps"][0]["protected"], "no", "{unrelated}");
    let mut juju = Simulation::open(&folder).unwrap();
    juju.deploy_velero_operator(juju_sim::OperatorOptions::default())
        .unwrap();
    juju.integrate("radarr", "velero-operator").unwrap();
    drop(juju);
    let related = test.run(&["status", "--format", "json"]).json();
    assert_eq!(related["apps"].as_array().unwrap().len(), 1, "{related}");
    assert_eq!(related["apps"][0]["protected"], "yes", "{related}");
}
