//! From the first event to the last: what a person sees of a deployed Radarr.

use juju_sim::{Options, StartOrder};
use system_tests::house::{ENDPOINT, SimulatedModel, UNIT};
use system_tests::radarr;
use workload_charm::backup_time::{Interval, slot};

#[test]
fn a_first_start_ends_well_in_every_order_of_events() {
    let orders = [
        StartOrder::PebbleFirst,
        StartOrder::StorageLate,
        StartOrder::PebbleBeforeStorage,
        StartOrder::Seed(7),
    ];
    let mut first = None;
    for start_order in orders {
        let house = SimulatedModel::with_radarr(Options {
            start_order,
            ..Options::default()
        })
        .unwrap();
        let seen = house.seen().unwrap();
        assert_eq!(
            seen.status, "active: no backups: juju integrate radarr velero-operator",
            "{start_order:?}"
        );
        assert_eq!(seen.version, radarr::VERSION, "{start_order:?}");
        assert_eq!(seen.ports, ["7878/tcp"], "{start_order:?}");
        assert!(seen.runs, "{start_order:?}");
        assert_eq!(seen.secrets, 1, "{start_order:?}");
        let text = "<Config>\n  <ApiKey>KEY</ApiKey>\n  <BindAddress>*</BindAddress>\n  <Port>7878</Port>\n  <UrlBase></UrlBase>\n</Config>\n";
        assert_eq!(seen.config_xml.as_deref(), Some(text), "{start_order:?}");
        assert_eq!(*first.get_or_insert(seen.clone()), seen, "{start_order:?}");
    }
}

#[test]
fn the_databag_is_the_one_that_the_operator_reads() {
    let house = SimulatedModel::with_backups().unwrap();
    let bag = house.juju.app_bag("radarr", ENDPOINT).unwrap();
    assert_eq!(bag["app"], "radarr");
    assert_eq!(bag["relation_name"], ENDPOINT);
    assert_eq!(bag["model"], "homelab");
    let (schedule, _) = slot(Interval::Day, "homelab", "radarr");
    let spec = format!(
        concat!(
            r#"{{"include_namespaces":["homelab"],"include_resources":["pods","persistentvolumeclaims","persistentvolumes"],"#,
            r#""exclude_namespaces":null,"exclude_resources":null,"label_selector":{{"app.kubernetes.io/name":"radarr"}},"ttl":"720h","#,
            r#""include_cluster_resources":null,"schedule":"{}","paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}}"#
        ),
        schedule
    );
    assert_eq!(bag["spec"], spec);
}

#[test]
fn the_schedule_goes_with_the_relation() {
    let mut house = SimulatedModel::with_backups().unwrap();
    assert_eq!(house.juju.schedules().len(), 1);
    house.juju.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(house.juju.schedules(), []);
    assert_eq!(
        house.status().unwrap(),
        "active: no backups: juju integrate radarr velero-operator"
    );
    house.juju.integrate("radarr", "velero-operator").unwrap();
    assert_eq!(
        house.juju.schedules().len(),
        1,
        "a relation made again is asked again"
    );
}

#[test]
fn an_empty_schedule_takes_the_schedule_away_and_keeps_the_request() {
    let mut house = SimulatedModel::with_backups().unwrap();
    house
        .juju
        .set_config("radarr", &[("backup-schedule", "")])
        .unwrap();
    assert_eq!(house.juju.schedules().len(), 0);
    assert!(house.juju.app_bag("radarr", ENDPOINT).unwrap()["spec"].contains("\"schedule\":null"));
    assert_eq!(
        house.status().unwrap(),
        "active: no scheduled backups: juju config radarr backup-schedule=daily"
    );
}

#[test]
fn the_users_settings_and_comments_survive() {
    let mut house = SimulatedModel::with_radarr(Options::default()).unwrap();
    let key = house.api_key().unwrap();
    let own = format!(
        "<Config>\r\n  <!-- mine -->\r\n  <LogLevel>debug</LogLevel>\r\n  <Port>1</Port>\r\n  <ApiKey>{key}</ApiKey>\r\n  <BindAddress>*</BindAddress>\r\n  <UrlBase />\r\n</Config>\r\n"
    );
    std::fs::write(house.config_path("config.xml"), &own).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(
        house.config_xml().unwrap(),
        own.replace("<Port>1<", "<Port>7878<")
    );
    assert!(house.runs().unwrap());
}

#[test]
fn a_key_that_the_app_already_uses_is_taken_over() {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    let deploy = house.radarr().unwrap();
    let image = radarr::image(system_tests::binaries::Binaries::for_tests().unwrap());
    drop(image);
    // The volume comes with the app's own file, as after a restore.
    house.juju.deploy(deploy).unwrap();
    let key = house.api_key().unwrap();
    assert!(house.config_xml().unwrap().contains(&key));
}

#[test]
fn a_new_url_base_reaches_file_and_health_check() {
    let mut house = SimulatedModel::with_radarr(Options::default()).unwrap();
    house
        .juju
        .set_config("radarr", &[("url-base", "/radarr")])
        .unwrap();
    assert!(house.config_xml().unwrap().contains("<UrlBase>/radarr</UrlBase>"));
    assert!(house.runs().unwrap());
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(
        house.status().unwrap(),
        "active: no backups: juju integrate radarr velero-operator"
    );
}

#[test]
fn a_pod_that_was_replaced_runs_again() {
    let mut house = SimulatedModel::with_backups().unwrap();
    let before = house.seen().unwrap();
    house.juju.churn_pod(UNIT, true).unwrap();
    assert_eq!(house.seen().unwrap(), before);
    house.juju.restart_container(UNIT, "radarr").unwrap();
    assert_eq!(house.seen().unwrap(), before);
}
