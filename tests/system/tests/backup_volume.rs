//! What the charm does so that a backup holds exactly the config volume: marks on the pod, hooks around a backup, databases
//! in place after a restore. The cluster is a stand-in here; that Velero follows the marks is shown on a real one.

use std::path::Path;
use std::process::Command;

use juju_sim::{ClusterOptions, Options, VolumeKind};
use serde_json::{Map, Value};
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};

const IN: &str = "backup.velero.io/backup-volumes";
const OUT: &str = "backup.velero.io/backup-volumes-excludes";
const CSI: &str = "csi.example.com";

fn house(cluster: ClusterOptions, trust: bool) -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options {
        cluster,
        ..Options::default()
    })
    .unwrap();
    let mut deploy = house.radarr().unwrap();
    deploy.trust = trust;
    house.juju.deploy(deploy).unwrap();
    house.relate_velero().unwrap();
    house
}

fn annotations(house: &SimulatedModel) -> Map<String, Value> {
    let pod = house.juju.pod(UNIT).unwrap();
    pod["metadata"]["annotations"].as_object().unwrap().clone()
}

fn patches(house: &SimulatedModel) -> usize {
    let requests = house.juju.cluster_requests();
    requests
        .iter()
        .filter(|request| request.method == "PATCH")
        .count()
}

fn spec(house: &SimulatedModel) -> String {
    house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].clone()
}

#[test]
fn the_config_volume_is_in_and_every_other_volume_is_out() {
    let mut house = house(ClusterOptions::default(), false);
    let first = annotations(&house);
    let volume = first[IN].as_str().unwrap();
    assert!(volume.starts_with("radarr-config-"), "{volume}");
    let out: Vec<&str> = first[OUT].as_str().unwrap().split(',').collect();
    let pod = house.juju.pod(UNIT).unwrap();
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let mut others: Vec<&str> = volumes
        .iter()
        .map(|volume| volume["name"].as_str().unwrap())
        .collect();
    others.retain(|name| *name != volume);
    others.sort_unstable();
    assert_eq!(out, others);
    let location = house.juju.storage_dir(UNIT, "config");
    let command = first["pre.hook.backup.velero.io/command"].as_str().unwrap();
    assert!(command.contains(location.to_str().unwrap()), "{command}");

    for _ in 0..3 {
        house.juju.update_status(UNIT).unwrap();
    }
    assert_eq!(patches(&house), 1, "patched though nothing differed");
    house.juju.churn_pod(UNIT, true).unwrap();
    assert_eq!(annotations(&house), first, "a new pod lacks what the old one had");
    assert_eq!(patches(&house), 2);
}

#[test]
fn without_a_relation_kubernetes_is_not_asked() {
    let mut house = SimulatedModel::with_radarr(Options::default()).unwrap();
    // Before the first start is through, marks of an earlier charm are looked for.
    let before = house.juju.cluster_requests().len();
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(house.juju.cluster_requests().len(), before);
}

#[test]
fn the_marks_on_the_pod_go_with_the_relation() {
    let mut house = house(ClusterOptions::default(), false);
    let marks = |house: &SimulatedModel| {
        let annotations = annotations(house);
        let ours = annotations.keys().filter(|key| key.contains("backup.velero.io/"));
        ours.cloned().collect::<Vec<_>>()
    };
    assert!(!marks(&house).is_empty());
    house.juju.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(marks(&house), Vec::<String>::new());
    house.juju.churn_pod(UNIT, true).unwrap();
    assert_eq!(marks(&house), Vec::<String>::new());
    house.juju.integrate("radarr", "velero-operator").unwrap();
    assert!(!marks(&house).is_empty());
}

#[test]
fn what_cannot_be_backed_up_is_blocked_while_the_app_runs() {
    let stricter = ClusterOptions {
        pods_may_be_patched: false,
        ..ClusterOptions::default()
    };
    let host_path = ClusterOptions {
        volumes: VolumeKind::HostPath,
        ..ClusterOptions::default()
    };
    let no_agent = ClusterOptions {
        node_agent: false,
        ..ClusterOptions::default()
    };
    let cases = [
        (stricter, false, "annotate its pod", "juju trust radarr"),
        (host_path, true, "hostPath", "configuratarr doctor radarr"),
        (no_agent, true, "node agent", "use-node-agent=true"),
    ];
    for (cluster, trust, reason, way_out) in cases {
        let house = house(cluster, trust);
        let status = house.status().unwrap();
        assert!(status.starts_with("blocked: backups: "), "{status}");
        assert!(status.contains(reason) && status.contains(way_out), "{status}");
        assert!(house.runs().unwrap(), "{status}: the app does not run");
        assert!(spec(&house).contains("pods"), "{status}");
    }
}

#[test]
fn a_driver_that_velero_can_snapshot_is_taken_by_itself() {
    let cluster = ClusterOptions {
        volumes: VolumeKind::Csi(CSI.to_owned()),
        snapshot_drivers: vec![CSI.to_owned()],
        ..ClusterOptions::default()
    };
    let mut house = house(cluster.clone(), true);
    assert!(spec(&house).contains("storage.juju.is/name"), "{}", spec(&house));
    assert!(!annotations(&house).contains_key(IN));
    let before = spec(&house);

    // Without its feature Velero would say Completed and store nothing.
    house.juju.change_cluster(ClusterOptions {
        csi_feature: false,
        ..cluster.clone()
    });
    house.juju.update_status(UNIT).unwrap();
    assert!(spec(&house).contains(r#""pods""#), "{}", spec(&house));
    house.juju.change_cluster(cluster.clone());
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(spec(&house), before);

    // A cluster that does not answer for a while turns nothing over.
    house.juju.change_cluster(ClusterOptions {
        answers: false,
        ..cluster.clone()
    });
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(spec(&house), before);
    assert!(
        house.status().unwrap().starts_with("waiting: backups: "),
        "{}",
        house.status().unwrap()
    );
    house.juju.change_cluster(cluster);
    house.juju.update_status(UNIT).unwrap();
    assert!(
        house.status().unwrap().starts_with("active: "),
        "{}",
        house.status().unwrap()
    );

    house
        .juju
        .set_config("radarr", &[("backup-method", "filesystem")])
        .unwrap();
    assert!(spec(&house).contains(r#""pods""#), "{}", spec(&house));
    assert!(annotations(&house).contains_key(IN));
}

#[test]
fn a_claim_made_by_another_hand_gets_its_label_back() {
    let mut house = house(ClusterOptions::default(), true);
    let pod = house.juju.pod(UNIT).unwrap();
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let claim = volumes
        .iter()
        .find_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    let claim = claim.unwrap().to_owned();
    let label = |house: &SimulatedModel| {
        let claim = house.juju.claim(&claim).unwrap();
        claim["metadata"]["labels"]["app.kubernetes.io/name"]
            .as_str()
            .map(str::to_owned)
    };
    house
        .juju
        .relabel_claim(&claim, "app.kubernetes.io/name", None)
        .unwrap();
    assert_eq!(label(&house), None);
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(label(&house).as_deref(), Some("radarr"));
}

fn rows(database: &Path) -> i64 {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection
        .query_row("SELECT count(*) FROM movies", (), |row| row.get(0))
        .unwrap()
}

/// What Velero runs in the charm container: no environment of Juju's.
fn hook(house: &SimulatedModel, verb: &str) -> std::process::Output {
    let dispatch = house.juju.paths(UNIT).charm.join("dispatch");
    let mut command = Command::new(dispatch);
    command
        .env_clear()
        .arg(verb)
        .arg(house.juju.storage_dir(UNIT, "config"));
    command.output().unwrap()
}

#[test]
fn databases_are_copied_before_a_backup_and_in_place_after_a_restore() {
    let mut house = house(ClusterOptions::default(), false);
    let database = house.config_path("radarr.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE movies (id INTEGER PRIMARY KEY); INSERT INTO movies VALUES (1), (2), (3);",
        )
        .unwrap();
    std::fs::create_dir_all(house.config_path("MediaCover")).unwrap();
    std::fs::write(house.config_path("MediaCover/1.jpg"), "made anew by the app").unwrap();

    let before = hook(&house, "before-backup");
    assert!(
        before.status.success(),
        "{}",
        String::from_utf8_lossy(&before.stderr)
    );
    let ignored = std::fs::read_to_string(house.config_path(".kopiaignore")).unwrap();
    assert!(
        ignored.contains("/radarr.db\n") && ignored.contains("/MediaCover"),
        "{ignored}"
    );
    let after = hook(&house, "after-backup");
    assert!(
        after.status.success(),
        "{}",
        String::from_utf8_lossy(&after.stderr)
    );
    assert!(!house.config_path(".kopiaignore").exists() && !house.config_path(".config-backup").exists());

    // A restore brings what the ignore file does not name: the copies and that file itself, and a marker of Velero's.
    assert!(hook(&house, "before-backup").status.success());
    drop(connection);
    for name in ["radarr.db", "radarr.db-wal", "radarr.db-shm"] {
        let _ = std::fs::remove_file(house.config_path(name));
    }
    std::fs::remove_dir_all(house.config_path(".config-backup/local")).unwrap();
    std::fs::create_dir_all(house.config_path(".velero")).unwrap();
    house.juju.churn_pod(UNIT, false).unwrap();
    assert_eq!(rows(&database), 3);
    assert!(
        !house.config_path(".config-backup").exists(),
        "the copies are still there"
    );
    assert!(house.runs().unwrap());
    let log = house.juju.unit_log(UNIT).unwrap();
    assert!(log.contains("it comes from a backup"), "{log}");
}

#[test]
fn a_damaged_database_fails_the_backup_and_names_the_file() {
    let house = house(ClusterOptions::default(), false);
    let mut damaged = b"SQLite format 3\0".to_vec();
    damaged.resize(8192, 7);
    std::fs::write(house.config_path("radarr.db"), &damaged).unwrap();
    let before = hook(&house, "before-backup");
    assert!(!before.status.success());
    let said = String::from_utf8_lossy(&before.stderr);
    assert!(said.contains("radarr.db"), "{said}");
    assert!(!house.config_path(".kopiaignore").exists());
    assert_eq!(std::fs::read(house.config_path("radarr.db")).unwrap(), damaged);
}

#[test]
fn a_backup_whose_copies_were_removed_meanwhile_fails() {
    let house = house(ClusterOptions::default(), false);
    let database = house.config_path("radarr.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .execute_batch("CREATE TABLE movies (id INTEGER PRIMARY KEY)")
        .unwrap();
    drop(connection);
    assert!(hook(&house, "before-backup").status.success());
    std::fs::remove_dir_all(house.config_path(".config-backup")).unwrap();
    let after = hook(&house, "after-backup");
    let said = String::from_utf8_lossy(&after.stderr);
    assert!(!after.status.success(), "{said}");
    assert!(
        said.contains("the copies of the databases are gone") && said.contains("back up again"),
        "{said}"
    );
}

#[test]
fn a_stray_file_fails_no_backup_and_a_missing_database_is_said() {
    let house = house(ClusterOptions::default(), false);
    let mut stray = b"SQLite format 3\0".to_vec();
    stray.resize(8192, 7);
    std::fs::write(house.config_path("radarr.db.corrupted"), &stray).unwrap();
    let before = hook(&house, "before-backup");
    let said = String::from_utf8_lossy(&before.stdout);
    assert!(
        before.status.success(),
        "{}",
        String::from_utf8_lossy(&before.stderr)
    );
    assert!(
        said.starts_with("before-backup: 0 databases copied, 0 of the 1 that the app needs"),
        "{said}"
    );
    assert!(
        said.contains("warning: radarr.db: it is missing")
            && said.contains("warning: radarr.db.corrupted: it looks like a database"),
        "{said}"
    );
    let after = hook(&house, "after-backup");
    assert!(
        after.status.success(),
        "{}",
        String::from_utf8_lossy(&after.stderr)
    );
    assert_eq!(
        std::fs::read(house.config_path("radarr.db.corrupted")).unwrap(),
        stray
    );
}

#[test]
fn the_spec_can_be_shown_with_what_it_holds_and_leaves_out() {
    let mut house = house(ClusterOptions::default(), false);
    std::fs::create_dir_all(house.config_path("MediaCover")).unwrap();
    std::fs::write(house.config_path("MediaCover/1.jpg"), vec![0; 40_000]).unwrap();
    let action = house
        .juju
        .run_action(UNIT, "show-backup-spec", Map::new())
        .unwrap();
    assert_eq!(action.status, "completed", "{}", action.message);
    let result = |name: &str| action.results[name].as_str().unwrap_or_else(|| panic!("{name}"));
    assert_eq!(result("spec"), spec(&house));
    assert_eq!(result("method"), "filesystem");
    assert!(result("reason").contains("juju trust"), "{}", result("reason"));
    assert_eq!(result("left-out-bytes"), "40000");
    assert!(
        result("left-out").contains("MediaCover"),
        "{}",
        result("left-out")
    );
    assert!(result("held-bytes").parse::<u64>().unwrap() < 40_000);
    assert_eq!(result("databases"), "0");
    assert!(
        result("warnings").starts_with("radarr.db: it is missing"),
        "{}",
        result("warnings")
    );
}
