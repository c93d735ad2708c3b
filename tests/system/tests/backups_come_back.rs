//! Backups and restores of files through the charm's own actions, with a simulated Velero that is at work: what a real one makes of
//! the same is shown in `tests/e2e`.

use std::os::unix::fs::PermissionsExt;

use juju_sim::{ActionResult, ClusterOptions, Options};
use serde_json::{Map, Value, json};
use system_tests::house::{SimulatedModel, UNIT};

/// A Radarr with trust and three films, related to velero-operator.
fn house() -> SimulatedModel {
    let options = Options {
        cluster: ClusterOptions {
            velero_works: true,
            ..ClusterOptions::default()
        },
        ..Options::default()
    };
    let mut house = SimulatedModel::with_room(options).unwrap();
    let mut deploy = house.radarr().unwrap();
    deploy.trust = true;
    house.juju.deploy(deploy).unwrap();
    house.relate_velero().unwrap();
    let schema = include_str!("../../../charm/tests/data/schemas/radarr.sql");
    change(&house, schema);
    std::fs::create_dir(house.config_path("MediaCover")).unwrap();
    std::fs::write(house.config_path("MediaCover/1.jpg"), vec![7; 100_000]).unwrap();
    house
}

fn change(house: &SimulatedModel, statements: &str) {
    let database = rusqlite::Connection::open(house.config_path("radarr.db")).unwrap();
    database.execute_batch(statements).unwrap();
}

fn films(house: &SimulatedModel) -> i64 {
    let database = rusqlite::Connection::open(house.config_path("radarr.db")).unwrap();
    database
        .query_row("SELECT count(*) FROM Movies", (), |row| row.get(0))
        .unwrap()
}

fn act(house: &mut SimulatedModel, action: &str, parameters: Value) -> ActionResult {
    let parameters: Map<String, Value> = parameters.as_object().unwrap().clone();
    house.juju.run_action(UNIT, action, parameters).unwrap()
}

fn done(house: &mut SimulatedModel, action: &str, parameters: Value) -> Map<String, Value> {
    let result = act(house, action, parameters);
    assert_eq!(result.status, "completed", "{action}: {}", result.message);
    result.results
}

#[test]
fn what_was_deleted_comes_back_and_the_restore_is_undone() {
    let mut house = house();
    let made = done(&mut house, "backup-now", json!({}));
    let held: u64 = made["bytes"].as_str().unwrap().parse().unwrap();
    assert!(held > 10_000 && held < 200_000, "{made:?}");
    let file = house.config_xml().unwrap();

    change(&house, "DELETE FROM Movies WHERE Id > 1");
    std::fs::write(house.config_path("new.txt"), "made after the backup").unwrap();
    let shown = done(
        &mut house,
        "restore-from-backup",
        json!({"backup-uid": "latest", "dry-run": true}),
    );
    assert_eq!(shown["differences"], "films 1 → 3");
    assert_eq!(films(&house), 1);

    let restored = done(&mut house, "restore-from-backup", json!({"backup-uid": "latest"}));
    assert_eq!(restored["result"], "restored", "{restored:?}");
    assert_eq!(restored["manifest"], "true", "{restored:?}");
    assert_eq!(films(&house), 3);
    assert!(!house.config_path("new.txt").exists());
    // The app makes these anew.
    assert!(!house.config_path("MediaCover").exists());
    assert_eq!(house.config_xml().unwrap(), file);
    assert!(house.runs().unwrap(), "{}", house.status().unwrap());
    for left in [".config-restore", ".config-backup", ".kopiaignore", ".velero"] {
        assert!(!house.config_path(left).exists(), "{left}");
    }

    let way_back = restored["safety-backup"].clone();
    let undone = done(&mut house, "restore-from-backup", json!({"backup-uid": way_back}));
    assert_eq!(undone["result"], "restored");
    assert_eq!(films(&house), 1);
    assert!(house.config_path("new.txt").exists());
}

#[test]
fn a_verified_backup_is_proven_and_nothing_of_the_app_is_touched() {
    let mut house = house();
    done(&mut house, "backup-now", json!({}));
    change(&house, "DELETE FROM Movies");
    let verified = done(&mut house, "verify-backup", json!({}));
    assert_eq!(
        verified["contents"].as_str().unwrap().split(", ").nth(3),
        Some("films 3"),
        "{verified:?}"
    );
    assert_eq!(films(&house), 0);
    let listed = done(&mut house, "list-backups", json!({}));
    let backups = listed["backups"].as_object().unwrap();
    assert!(
        backups
            .values()
            .all(|backup| backup["verdict"] == "good" && backup["proven-at"].is_string()),
        "{listed:?}"
    );
    house.juju.update_status(UNIT).unwrap();
    let status = house.status().unwrap();
    assert!(status.contains("verified"), "{status}");
}

#[test]
fn a_backup_whose_command_fails_is_not_good() {
    let mut house = house();
    std::fs::write(
        house.config_path("radarr.db"),
        b"SQLite format 3\0, and then nothing",
    )
    .unwrap();
    let result = act(&mut house, "backup-now", json!({}));
    assert_eq!(result.status, "failed", "{result:?}");
    assert!(
        result.message.contains("PartiallyFailed") || result.message.contains("PARTIAL"),
        "{}",
        result.message
    );
}

#[test]
fn a_new_app_starts_with_what_the_old_one_had() {
    let mut house = house();
    done(&mut house, "backup-now", json!({}));
    house.juju.remove_application("radarr").unwrap();
    let mut again = house.radarr().unwrap().config("restore-on-deploy", "latest");
    again.trust = true;
    house.juju.deploy(again).unwrap();
    let status = house.status().unwrap();
    assert!(house.runs().unwrap(), "{status}");
    assert_eq!(films(&house), 3, "{status}");
}

#[test]
fn a_stored_file_that_changed_is_told_before_the_app_is_touched() {
    let mut house = house();
    done(&mut house, "backup-now", json!({}));
    let stored = house.juju.dir().join("object-storage/stored");
    let mut changed = 0;
    let mut folders = vec![stored];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "sqlite") {
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
                std::fs::write(&path, bytes).unwrap();
                changed += 1;
            }
        }
    }
    assert_eq!(changed, 1);
    change(&house, "DELETE FROM Movies WHERE Id = 1");
    let refused = act(&mut house, "restore-from-backup", json!({"backup-uid": "latest"}));
    assert_eq!(refused.status, "failed");
    assert!(refused.message.contains("damaged"), "{}", refused.message);
    assert_eq!(films(&house), 2);
    assert!(house.runs().unwrap());
}
