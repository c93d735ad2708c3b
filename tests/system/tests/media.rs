//! The relation media-storage: the claim gets into the pod and out of it again, and never into a backup. The cluster is a
//! stand-in here; that the workload sees the files, and what Velero makes of the label, is shown on a real one.

use juju_charm::pebble::{Client, Pebble};
use juju_sim::{ClusterOptions, Options};
use serde_json::{Map, Value};
use system_tests::house::{SimulatedModel, UNIT};
use system_tests::storage_charm;

const OUT: &str = "backup.velero.io/backup-volumes-excludes";
const VOLUME: &str = "media-storage";
const KEPT_OUT: &str = "velero.io/exclude-from-backup";
const BY_US: &str = "configuratarr/excluded-for";

fn ids() -> (u32, u32) {
    storage_charm::ids().unwrap()
}

fn config(claim: &str, path: &str) -> String {
    storage_charm::config(claim, path).unwrap()
}

/// Radarr with backups, related to a charm that says `config`. The claims `films` and `shows` are there.
fn house(trust: bool, config: &str) -> SimulatedModel {
    let mut house = SimulatedModel::empty(Options::default()).unwrap();
    house.juju.make_claim("films");
    house.juju.make_claim("shows");
    let mut deploy = house.radarr().unwrap();
    deploy.trust = trust;
    house.juju.deploy(deploy).unwrap();
    house.relate_velero().unwrap();
    let storage = storage_charm::deploy(&house.charm_dir().with_file_name("storage"), config).unwrap();
    house.juju.deploy(storage).unwrap();
    house.juju.integrate("radarr", "storage").unwrap();
    house
}

/// Which claim is in the pod, and where the workload mounts it.
fn mounted(house: &SimulatedModel) -> Option<(String, String)> {
    let pod = house.juju.pod(UNIT).unwrap();
    let find = |list: &Value, key: &str, name: &str| {
        let found = list.as_array().unwrap().iter().find(|item| item[key] == name);
        found.cloned()
    };
    let volume = find(&pod["spec"]["volumes"], "name", VOLUME);
    let container = find(&pod["spec"]["containers"], "name", "radarr").unwrap();
    let mount = find(&container["volumeMounts"], "name", VOLUME);
    assert_eq!(volume.is_some(), mount.is_some(), "{pod}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let claim = text(&volume?["persistentVolumeClaim"]["claimName"]);
    Some((claim, text(&mount?["mountPath"])))
}

fn excluded(house: &SimulatedModel) -> Vec<String> {
    let pod = house.juju.pod(UNIT).unwrap();
    let list = pod["metadata"]["annotations"][OUT].as_str().unwrap_or_default();
    list.split(',').map(str::to_owned).collect()
}

fn user(house: &SimulatedModel) -> Option<(u32, u32)> {
    let client = Client::for_socket(house.juju.pebble_socket(UNIT, "radarr"));
    let service = client.plan().unwrap().services["radarr"].clone();
    service.user_id.zip(service.group_id)
}

/// Changes of the StatefulSet that were asked for and allowed.
fn changes(house: &SimulatedModel) -> usize {
    let requests = house.juju.cluster_requests();
    let is_change = |path: &str, method: &str| path.contains("/statefulsets/") && method == "PATCH";
    requests
        .iter()
        .filter(|request| is_change(&request.path, &request.method) && request.status == 200)
        .count()
}

/// What keeps a claim out of backups, and who did it.
fn kept_out(house: &SimulatedModel, claim: &str) -> (Option<String>, Option<String>) {
    let claim = house.juju.claim(claim).unwrap();
    let entry = |map: &str, key: &str| claim["metadata"][map][key].as_str().map(str::to_owned);
    (entry("labels", KEPT_OUT), entry("annotations", BY_US))
}

fn by_us() -> (Option<String>, Option<String>) {
    (Some("true".to_owned()), Some("media-storage".to_owned()))
}

/// Requests that would have changed a claim.
fn claim_patches(house: &SimulatedModel) -> Vec<u16> {
    let requests = house.juju.cluster_requests();
    let patches = requests
        .iter()
        .filter(|request| request.method == "PATCH" && request.path.contains("/persistentvolumeclaims/"));
    patches.map(|request| request.status).collect()
}

fn at(claim: &str, path: &str) -> Option<(String, String)> {
    Some((claim.to_owned(), path.to_owned()))
}

#[track_caller]
fn assert_well(house: &SimulatedModel) {
    let status = house.status().unwrap();
    assert!(status.starts_with("active: "), "{status}");
    assert!(house.runs().unwrap(), "the app does not run");
}

#[test]
fn the_claim_is_mounted_once_and_is_in_no_backup() {
    let mut house = house(true, &config("films", "/data"));
    assert_eq!(mounted(&house), at("films", "/data"));
    assert_well(&house);
    assert_eq!(user(&house), Some(ids()));
    assert!(
        excluded(&house).contains(&VOLUME.to_owned()),
        "{:?}",
        excluded(&house)
    );
    assert!(
        excluded(&house).contains(&"charm-data".to_owned()),
        "{:?}",
        excluded(&house)
    );
    assert_eq!(changes(&house), 1);

    house.juju.update_status(UNIT).unwrap();
    house.juju.dispatch(UNIT, juju_sim::Event::ConfigChanged).unwrap();
    house.juju.churn_pod(UNIT, false).unwrap();
    assert_eq!(mounted(&house), at("films", "/data"));
    assert_eq!(changes(&house), 1, "patched though nothing differed");
    assert_well(&house);
}

#[test]
fn the_claim_is_kept_out_of_backups_as_long_as_it_is_mounted() {
    let mut house = house(true, &config("films", "/data"));
    assert_eq!(kept_out(&house, "films"), by_us());
    assert_eq!(kept_out(&house, "shows"), (None, None));
    assert_eq!(claim_patches(&house), [200]);
    let requests = house.juju.cluster_requests();
    let of = |part: &str| {
        let found = requests
            .iter()
            .position(|request| request.method == "PATCH" && request.path.contains(part));
        found.unwrap()
    };
    assert!(
        of("/persistentvolumeclaims/") < of("/statefulsets/"),
        "mounted before it was kept out"
    );

    let action = house.juju.run_action(UNIT, "show-backup-spec", Map::new());
    let results = action.unwrap().results;
    let said = results["media"].as_str().unwrap();
    assert!(
        said.starts_with("Velero excludes claim films from every backup"),
        "{said}"
    );

    house.juju.update_status(UNIT).unwrap();
    house.juju.churn_pod(UNIT, false).unwrap();
    assert_eq!(claim_patches(&house), [200], "patched though nothing differed");
    // Whatever somebody else makes of it.
    for value in [None, Some("false")] {
        house.juju.relabel_claim("films", KEPT_OUT, value).unwrap();
        house.juju.update_status(UNIT).unwrap();
        assert_eq!(kept_out(&house, "films"), by_us());
    }
    assert_eq!(claim_patches(&house), [200, 200, 200]);

    let text = config("shows", "/data");
    house.juju.set_config("storage", &[("config", &text)]).unwrap();
    assert_eq!(kept_out(&house, "films"), (None, None));
    assert_eq!(kept_out(&house, "shows"), by_us());
    house.juju.remove_relation("radarr", "storage").unwrap();
    assert_eq!(kept_out(&house, "shows"), (None, None));
    assert_well(&house);
}

#[test]
fn a_claim_stays_out_while_another_pod_mounts_it_or_if_somebody_else_kept_it_out() {
    let mut shared = house(true, &config("films", "/data"));
    shared.juju.make_pod("library", "films");
    shared.juju.remove_relation("radarr", "storage").unwrap();
    assert_eq!(mounted(&shared), None);
    assert_eq!(kept_out(&shared, "films"), by_us());

    let mut other = house(true, &config("films", "/data"));
    other.juju.make_pod("library", "shows");
    other.juju.remove_relation("radarr", "storage").unwrap();
    assert_eq!(kept_out(&other, "films"), (None, None));
    other.juju.relabel_claim("films", KEPT_OUT, Some("true")).unwrap();
    other.juju.integrate("radarr", "storage").unwrap();
    assert_eq!(mounted(&other), at("films", "/data"));
    other.juju.remove_relation("radarr", "storage").unwrap();
    assert_eq!(mounted(&other), None);
    assert_eq!(kept_out(&other, "films"), (Some("true".to_owned()), None));
}

#[test]
fn a_claim_that_cannot_be_kept_out_is_said_with_the_way_out_and_the_media_are_there() {
    let mut house = house(false, &config("films", "/data"));
    house.juju.change_cluster(ClusterOptions {
        claims_may_be_patched: false,
        ..ClusterOptions::default()
    });
    house.juju.trust("radarr", true).unwrap();
    for _ in 0..2 {
        house.juju.update_status(UNIT).unwrap();
        assert_eq!(mounted(&house), at("films", "/data"));
        let status = house.status().unwrap();
        assert!(
            status.starts_with("blocked: relation media-storage: claim films gets into backups; "),
            "{status}"
        );
        assert!(
            status.ends_with("; juju trust radarr --scope=cluster"),
            "{status}"
        );
        assert!(house.runs().unwrap());
    }
    assert!(claim_patches(&house).iter().all(|status| *status == 403));
    // The way out that the status names.
    house.juju.relabel_claim("films", KEPT_OUT, Some("true")).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_well(&house);

    // Without trust nobody knows whether it is still so.
    house.juju.trust("radarr", false).unwrap();
    house.juju.update_status(UNIT).unwrap();
    let status = house.status().unwrap();
    assert!(
        status.starts_with("blocked: relation media-storage: claim films may get into backups"),
        "{status}"
    );
    house.juju.trust("radarr", true).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_well(&house);
}

#[test]
fn a_steady_event_asks_kubernetes_for_one_claim_more_than_without_media() {
    let requests = |house: &mut SimulatedModel| {
        let before = house.juju.cluster_requests().len();
        house.juju.update_status(UNIT).unwrap();
        let requests = house.juju.cluster_requests();
        let asked = requests[before..].iter();
        let mut asked: Vec<String> = asked
            .map(|request| format!("{} {}", request.method, request.path))
            .collect();
        // Some are made at the same time.
        asked.sort();
        asked
    };
    let mut with = house(true, &config("films", "/data"));
    let mut asked = requests(&mut with);
    let model = &with.juju.model().name;
    let claim = format!("GET /api/v1/namespaces/{model}/persistentvolumeclaims/films");
    let place = asked.iter().position(|request| *request == claim).unwrap();
    asked.remove(place);
    with.juju.remove_relation("radarr", "storage").unwrap();
    assert_eq!(requests(&mut with), asked);
    let tools = with.juju.dispatches().last().unwrap().tools.len();
    assert_eq!(tools, 9);
}

#[test]
fn another_claim_or_place_takes_the_old_ones_place() {
    let mut house = house(true, &config("films", "/data"));
    let mut say = |claim: &str, path: &str| {
        let config = config(claim, path);
        house.juju.set_config("storage", &[("config", &config)]).unwrap();
        assert_well(&house);
        mounted(&house)
    };
    assert_eq!(say("shows", "/data"), at("shows", "/data"));
    assert_eq!(say("shows", "/srv/media"), at("shows", "/srv/media"));
    assert_eq!(say("films", "/data"), at("films", "/data"));
}

#[test]
fn without_the_relation_the_claim_is_unmounted() {
    let mut house = house(true, &config("films", "/data"));
    house.juju.remove_relation("radarr", "storage").unwrap();
    assert_eq!(mounted(&house), None);
    assert!(
        !excluded(&house).contains(&VOLUME.to_owned()),
        "{:?}",
        excluded(&house)
    );
    assert!(
        excluded(&house).contains(&"charm-data".to_owned()),
        "{:?}",
        excluded(&house)
    );
    assert_well(&house);
    assert_ne!(user(&house), Some((3456, 3457)));
    let changes_before = changes(&house);
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(changes(&house), changes_before);
}

#[test]
fn without_trust_the_app_runs_and_the_way_out_is_named_until_it_is_taken() {
    let mut house = house(false, &config("films", "/data"));
    for _ in 0..2 {
        let status = house.status().unwrap();
        assert!(
            status.starts_with("blocked: relation media-storage: claim films is not mounted; "),
            "{status}"
        );
        assert!(status.ends_with("juju trust radarr --scope=cluster"), "{status}");
        assert!(house.runs().unwrap());
        assert_eq!(mounted(&house), None);
        house.juju.update_status(UNIT).unwrap();
    }
    house.juju.trust("radarr", true).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(mounted(&house), at("films", "/data"));
    assert_well(&house);

    // Trust that goes leaves the mount as it is; the relation that goes then cannot take it along.
    house.juju.trust("radarr", false).unwrap();
    house.juju.remove_relation("radarr", "storage").unwrap();
    let status = house.status().unwrap();
    assert!(
        status.starts_with("blocked: relation media-storage: its claim is still mounted; "),
        "{status}"
    );
    house.juju.trust("radarr", true).unwrap();
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(mounted(&house), None);
    assert_well(&house);
}

#[test]
fn what_cannot_be_used_is_blocked_with_its_reason_and_the_mount_stays() {
    let mut house = house(true, &config("films", "/data"));
    let cases = [
        ("{", "config is no JSON object"),
        (
            &config("films", "/config"),
            "mounting at /config would hide /config",
        ),
        (
            &config("lost", "/data"),
            "claim lost is not mounted, there is none; kubectl -n ",
        ),
    ];
    for (text, reason) in cases {
        house.juju.set_config("storage", &[("config", text)]).unwrap();
        house.juju.update_status(UNIT).unwrap();
        let status = house.status().unwrap();
        assert!(
            status.starts_with("blocked: relation media-storage: "),
            "{status}"
        );
        assert!(status.contains(reason), "{status}");
        assert!(house.runs().unwrap());
        assert_eq!(mounted(&house), at("films", "/data"));
    }
    house.juju.make_claim("lost");
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(mounted(&house), at("lost", "/data"));
    assert_well(&house);
}

#[test]
fn a_cluster_that_does_not_answer_is_asked_again() {
    let mut house = house(true, &config("films", "/data"));
    house.juju.change_cluster(ClusterOptions {
        answers: false,
        ..ClusterOptions::default()
    });
    let text = config("shows", "/data");
    house.juju.set_config("storage", &[("config", &text)]).unwrap();
    let status = house.status().unwrap();
    assert!(
        status.starts_with("waiting: relation media-storage: "),
        "{status}"
    );
    assert!(house.runs().unwrap());
    house.juju.change_cluster(ClusterOptions::default());
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(mounted(&house), at("shows", "/data"));
    assert_well(&house);
}

#[test]
fn a_mount_that_juju_drops_is_put_back() {
    let mut house = house(true, &config("films", "/data"));
    let next = house.charm_dir();
    house.juju.refresh("radarr", &next).unwrap();
    assert_eq!(mounted(&house), at("films", "/data"));
    assert_eq!(changes(&house), 2, "the refresh should have dropped the mount");
    assert_well(&house);
}
