//! The environment of a dispatch equals what was recorded from Juju 4.0.15, in a pod's layout.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Bed, data, options, probe_charm};
use juju_sim::{Deploy, Layout, Options};

/// What a charm's container has in its environment on Kubernetes.
const KUBERNETES: [(&str, &str); 7] = [
    ("KUBERNETES_PORT", "tcp://10.96.0.1:443"),
    ("KUBERNETES_PORT_443_TCP", "tcp://10.96.0.1:443"),
    ("KUBERNETES_PORT_443_TCP_ADDR", "10.96.0.1"),
    ("KUBERNETES_PORT_443_TCP_PORT", "443"),
    ("KUBERNETES_PORT_443_TCP_PROTO", "tcp"),
    ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
    ("KUBERNETES_SERVICE_PORT", "443"),
];

/// The probe in a pod whose root is a scratch folder.
fn pod() -> (Bed, tempfile::TempDir) {
    let root = tempfile::Builder::new().prefix("pod").tempdir_in("/tmp").unwrap();
    let mut environment: BTreeMap<String, String> = KUBERNETES
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    environment.insert("KUBERNETES_SERVICE_PORT_HTTPS".to_owned(), "443".to_owned());
    let layout = Layout::Pod {
        root: root.path().to_path_buf(),
    };
    let uuid = "c1dffb6d-a8af-4bab-851e-54aafa595a16".to_owned();
    let mut bed = Bed::new(Options {
        layout,
        environment,
        model_uuid: Some(uuid),
        ..options()
    });
    let charm = root.path().join("var/lib/juju/agents/unit-probe-0/charm");
    std::fs::create_dir_all(&charm).unwrap();
    for file in ["metadata.yaml", "config.yaml", "actions.yaml", "dispatch"] {
        std::fs::copy(probe_charm().join(file), charm.join(file)).unwrap();
    }
    let container = root.path().join("charm/containers/app");
    std::fs::create_dir_all(&container).unwrap();
    std::os::unix::fs::symlink(&bed.pebble.socket, container.join("pebble.socket")).unwrap();
    let deploy = Deploy::new("probe", charm).resource("app-image", "busybox");
    bed.sim.deploy(deploy).unwrap();
    (bed, root)
}

/// The environment of the unit's first dispatch of that name whose variables all have these values.
fn environment(bed: &Bed, root: &Path, name: &str, wanted: &str) -> Vec<String> {
    let folder = bed.sim.paths("probe/0").charm.join("record");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut texts = files
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(&format!("_{name}.env")))
        .map(|path| std::fs::read_to_string(path).unwrap());
    let text = texts
        .rfind(|text| text.contains(wanted))
        .unwrap_or_else(|| panic!("{name} did not run"));
    normalised(&text.replace(root.to_str().unwrap(), ""))
}

/// Without what the shell adds, and without what differs from run to run.
fn normalised(text: &str) -> Vec<String> {
    let by_shell = ["PWD=", "OLDPWD=", "SHLVL=", "_="];
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !by_shell.iter().any(|prefix| line.starts_with(prefix)))
        .map(|line| match line.split_once('=') {
            Some(("JUJU_CONTEXT_ID", id)) => {
                let (event, nonce) = id.rsplit_once('-').unwrap();
                assert!(
                    nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{id}"
                );
                format!("JUJU_CONTEXT_ID={event}-NONCE")
            }
            Some(("JUJU_SECRET_ID", id)) => {
                assert_eq!(id.strip_prefix("secret:").map(str::len), Some(20), "{id}");
                "JUJU_SECRET_ID=secret:ID".to_owned()
            }
            Some((name @ ("JUJU_ACTION_TAG" | "JUJU_ACTION_UUID"), _)) => format!("{name}=N"),
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_kind_of_event_has_the_recorded_environment() {
    let (mut bed, root) = pod();
    bed.sim
        .deploy(Deploy::new("velo", probe_charm().with_file_name("velo")))
        .unwrap();
    bed.sim.integrate("probe", "velo").unwrap();
    bed.sim.remove_relation("probe", "velo").unwrap();
    bed.sim
        .run_action("probe/0", "sh", serde_json::Map::new())
        .unwrap();
    let content = |value: &str| [("password".to_owned(), value.to_owned())].into();
    let secret = bed.sim.add_secret("mine", &content("one")).unwrap();
    bed.sim.grant_secret("mine", "probe", true).unwrap();
    bed.sim
        .set_config(
            "probe",
            &[
                ("cred", &secret),
                ("text", "secret-get $(config-get cred) >/dev/null"),
            ],
        )
        .unwrap();
    bed.sim.update_secret("mine", &content("two")).unwrap();
    bed.pebble.notify("example.com/foo");
    bed.pebble.check("perform-check", "Error", "bad");
    bed.sim.settle().unwrap();
    let cases = [
        ("install", ""),
        ("replicas-relation-created", ""),
        ("app-pebble-ready", ""),
        ("config-storage-attached", ""),
        ("config-changed", ""),
        ("replicas-relation-changed", ""),
        ("velero-backup-config-relation-joined", ""),
        ("velero-backup-config-relation-changed", "JUJU_REMOTE_UNIT=\n"),
        ("velero-backup-config-relation-departed", ""),
        ("velero-backup-config-relation-broken", ""),
        ("sh", ""),
        ("secret-changed", ""),
        ("app-pebble-custom-notice", ""),
        ("app-pebble-check-failed", ""),
    ];
    for (name, wanted) in cases {
        let recorded = normalised(&data(&format!("recorded/env/{name}.env")));
        assert_eq!(environment(&bed, root.path(), name, wanted), recorded, "{name}");
    }
}

#[test]
fn a_dispatch_runs_in_the_charm_folder_by_its_absolute_path_and_without_arguments() {
    let (bed, _root) = pod();
    let charm = bed.sim.paths("probe/0").charm;
    let call = std::fs::read_to_string(charm.join("record/001-hooks_install.call")).unwrap();
    let charm = charm.display();
    assert_eq!(call.trim(), format!("argv0={charm}/dispatch argc=0 cwd={charm}"));
}
