//! The simulated agent and the simulated Pebble together: what goes on in a container becomes events of the charm.
#![cfg(test)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{Bed, options, probe_charm};
use juju_charm::pebble::{CheckStatus, Client, FileOptions, Pebble, ServiceStatus};
use juju_sim::Deploy;

const UNIT: &str = "probe/0";

struct Pod {
    bed: Bed,
    client: Client,
}

/// A unit whose container is a simulated one.
fn pod() -> Pod {
    let mut bed = Bed::new(options());
    let deploy = Deploy::new("probe", probe_charm()).resource("app-image", "busybox");
    bed.sim.deploy(deploy).unwrap();
    let client = Client::for_socket(bed.sim.paths(UNIT).containers.join("app/pebble.socket"));
    Pod { bed, client }
}

impl Pod {
    fn layer(&self, text: &str) {
        self.client
            .add_layer("test", &serde_yaml::from_str(text).unwrap(), true)
            .unwrap();
    }

    fn root(&self) -> std::path::PathBuf {
        self.bed.sim.paths(UNIT).roots.join("app")
    }

    /// The events since the last time.
    fn news(&mut self) -> Vec<String> {
        let before = self.bed.order(UNIT).len();
        self.bed.sim.settle().unwrap();
        self.bed.order(UNIT).split_off(before)
    }

    fn wait_for_check(&self, status: &CheckStatus) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.client.checks().unwrap()[0].status != *status {
            assert!(Instant::now() < deadline, "the check is not {status}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_check_that_fails_and_recovers_and_a_notice_are_events() {
    let mut pod = pod();
    let healthy = pod.root().join("healthy");
    std::fs::write(&healthy, "").unwrap();
    pod.layer(
        "checks: {up: {override: replace, period: 20ms, threshold: 2, exec: {command: test -e healthy}}}",
    );
    assert_eq!(pod.news(), [""; 0]);
    std::fs::remove_file(&healthy).unwrap();
    pod.wait_for_check(&CheckStatus::Down);
    assert!(
        pod.news()
            .iter()
            .any(|event| event.contains("app-pebble-check-failed"))
    );
    assert_eq!(pod.news(), [""; 0], "it is told once");
    std::fs::write(&healthy, "").unwrap();
    pod.wait_for_check(&CheckStatus::Up);
    assert!(
        pod.news()
            .iter()
            .any(|event| event.contains("app-pebble-check-recovered"))
    );
    pod.client
        .notify("example.com/done", &BTreeMap::new(), None)
        .unwrap();
    assert!(
        pod.news()
            .iter()
            .any(|event| event.contains("app-pebble-custom-notice"))
    );
}

#[test]
fn a_container_that_is_restarted_is_empty_but_for_its_storage() {
    let mut pod = pod();
    pod.layer("services: {web: {override: replace, command: sleep 1000, startup: enabled}}");
    pod.client.replan_and_wait(Duration::from_secs(20)).unwrap();
    assert_eq!(
        pod.client.services(&[]).unwrap()[0].current,
        ServiceStatus::Active
    );
    pod.client
        .write_file("/scratch", b"s", &FileOptions::default())
        .unwrap();
    let owned = FileOptions {
        user_id: Some(1000),
        group_id: Some(1000),
        ..FileOptions::default()
    };
    pod.client.write_file("/config/kept", b"k", &owned).unwrap();
    let before = pod.client.system_info().unwrap().boot_id;
    let events = pod.bed.order(UNIT).len();
    pod.bed.sim.restart_container(UNIT, "app").unwrap();
    assert_ne!(pod.client.system_info().unwrap().boot_id, before);
    assert_eq!(pod.client.services(&[]).unwrap(), []);
    assert!(!pod.client.exists("/scratch").unwrap());
    assert_eq!(pod.client.read_file("/config/kept").unwrap(), b"k");
    assert_eq!(
        pod.client.list_files("/config/kept", true).unwrap()[0].user_id,
        Some(1000)
    );
    let events = pod.bed.order(UNIT).split_off(events);
    assert!(
        events.iter().any(|event| event.contains("app-pebble-ready")),
        "{events:?}"
    );
}
