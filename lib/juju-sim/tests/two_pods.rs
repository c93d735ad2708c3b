//! An application whose units are in pods of their own: each agent runs its own unit's events, in a model that is carried
//! from pod to pod.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::path::Path;

use common::{Pebble, options, probe_charm};
use juju_sim::{Deploy, Layout, Options, Simulation};
use tempfile::TempDir;

const FIRST: &str = "probe/0";
const SECOND: &str = "probe/1";

/// A pod's disk, with the charm and a Pebble in it.
struct Pod {
    root: TempDir,
    unit: &'static str,
    _pebble: Pebble,
}

impl Pod {
    fn of(unit: &'static str) -> Pod {
        let root = tempfile::Builder::new().prefix("pod").tempdir_in("/tmp").unwrap();
        let agent = format!("var/lib/juju/agents/unit-{}", unit.replace('/', "-"));
        let charm = root.path().join(agent).join("charm");
        std::fs::create_dir_all(&charm).unwrap();
        for file in ["metadata.yaml", "config.yaml", "actions.yaml", "dispatch"] {
            std::fs::copy(probe_charm().join(file), charm.join(file)).unwrap();
        }
        let container = root.path().join("charm/containers/app");
        std::fs::create_dir_all(&container).unwrap();
        let pebble = Pebble::start(&container.join("pebble.socket"));
        Pod {
            root,
            unit,
            _pebble: pebble,
        }
    }

    fn layout(&self) -> Layout {
        Layout::Pod {
            root: self.root.path().to_path_buf(),
        }
    }

    fn state(&self) -> std::path::PathBuf {
        self.root.path().join("var/lib/juju/sim")
    }

    fn open(&self) -> Simulation {
        Simulation::open_for(self.state(), Some(self.unit.to_owned())).unwrap()
    }

    /// Takes the model over from another pod. All pods have the same paths in truth; here their roots differ.
    fn hears_from(&self, other: &Pod) {
        let text = std::fs::read_to_string(other.state().join("model.json")).unwrap();
        let (theirs, ours) = (other.root.path().display(), self.root.path().display());
        std::fs::create_dir_all(self.state()).unwrap();
        // The charm's folder stays the first pod's, as in a pod, where nobody else finds it.
        let layout = |root: &dyn std::fmt::Display| format!("\"root\": \"{root}\"");
        let text = text.replace(&layout(&theirs), &layout(&ours));
        std::fs::write(self.state().join("model.json"), text).unwrap();
    }

    fn order(&self) -> Vec<String> {
        let unit = self.unit.replace('/', "-");
        let log = format!("var/lib/juju/agents/unit-{unit}/charm/record/order.log");
        let text = std::fs::read_to_string(self.root.path().join(log)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn ran(&self, event: &str) -> bool {
        self.order().iter().any(|line| line.contains(event))
    }
}

fn two() -> (Pod, Pod) {
    let (first, second) = (Pod::of(FIRST), Pod::of(SECOND));
    let options = Options {
        layout: first.layout(),
        keep_running: true,
        ..options()
    };
    let mut sim = Simulation::create(first.state(), options).unwrap();
    let charm = sim.paths(FIRST).charm;
    sim.deploy(Deploy::new("probe", &charm).resource("app-image", "busybox"))
        .unwrap();
    drop(sim);
    first.open().add_units("probe", 1).unwrap();
    // The first pod's charm cannot be read from the second one.
    let hidden = charm.with_file_name("hidden");
    std::fs::rename(&charm, &hidden).unwrap();
    second.hears_from(&first);
    second.open().join(SECOND, Some("10.1.0.2".to_owned())).unwrap();
    std::fs::rename(&hidden, &charm).unwrap();
    (first, second)
}

#[test]
fn each_agent_runs_the_events_of_its_own_unit() {
    let (first, second) = two();
    assert!(
        second.ran("install") && second.ran("app-pebble-ready"),
        "{:?}",
        second.order()
    );
    assert!(!second.ran("leader-elected"), "{:?}", second.order());
    assert!(!first.ran("replicas-relation-joined"), "{:?}", first.order());
    first.hears_from(&second);
    first.open().settle().unwrap();
    assert!(first.ran("replicas-relation-joined"), "{:?}", first.order());
    let status = first.open().status(SECOND).unwrap();
    assert_eq!(status.address, "10.1.0.2");
}

#[test]
fn a_leader_elsewhere_is_elected_by_its_own_agent() {
    let (first, second) = two();
    first.hears_from(&second);
    first.open().change_leader(SECOND).unwrap();
    assert!(!second.ran("leader-elected"), "{:?}", second.order());
    second.hears_from(&first);
    second.open().settle().unwrap();
    assert!(second.ran("leader-elected"), "{:?}", second.order());
}

#[test]
fn what_is_in_another_pod_is_refused() {
    let (first, second) = two();
    let mut sim = second.open();
    let said = [
        sim.run_action(FIRST, "sh", serde_json::Map::new()).map(drop),
        sim.churn_pod(FIRST, false),
        sim.restart_container(FIRST, "app"),
        sim.refresh("probe", Path::new("anywhere")),
        sim.join(FIRST, None),
    ]
    .map(|answer| answer.unwrap_err().to_string());
    assert!(
        said.iter()
            .all(|said| said.contains("\"probe/0\" is in another pod")),
        "{said:?}"
    );
    drop(sim);
    assert_eq!(
        first
            .order()
            .iter()
            .filter(|line| line.contains("action"))
            .count(),
        0
    );
}
