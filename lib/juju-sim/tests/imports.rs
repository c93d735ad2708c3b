//! Which Juju imports volumes on Kubernetes, and what it refuses: as read from juju/juju, because nothing of a 3.6 is recorded.
#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]
#![cfg(test)]

use std::process::Command;

use juju_sim::StandInCluster;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A model of a Juju of this version, in a cluster with the volume `pvc-a`.
struct Home {
    folder: TempDir,
    cluster: StandInCluster,
}

impl Home {
    fn with(version: &str) -> Home {
        let home = Home {
            folder: tempfile::tempdir().unwrap(),
            cluster: StandInCluster::start().unwrap(),
        };
        home.does(&["add-model", "home", "--agent-version", version]);
        home.volume("Retain", &Value::Null);
        home
    }

    fn volume(&self, policy: &str, claim: &Value) {
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-a"},
            "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": claim}, "status": {"phase": "Available"}});
        self.cluster.put(volume).unwrap();
        self.cluster.plays_for(self.folder.path().join("model"));
    }

    /// Standard output, standard error and exit code.
    fn juju(&self, arguments: &[&str], flags: &str) -> (String, String, i32) {
        let output = Command::new(env!("CARGO_BIN_EXE_juju-sim"))
            .arg("juju")
            .args(arguments)
            .env("JUJU_SIM_DIR", self.folder.path().join("model"))
            .env("JUJU_DEV_FEATURE_FLAGS", flags)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            text(output.stdout),
            text(output.stderr),
            output.status.code().unwrap(),
        )
    }

    fn does(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.juju(arguments, "");
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    }

    fn imports(&self, volume: &str, flags: &str) -> (String, i32) {
        let (out, err, code) = self.juju(&["import-filesystem", "kubernetes", volume, "config"], flags);
        assert_eq!(out, "");
        (err, code)
    }
}

#[test]
fn few_versions_import() {
    let flag = "k8s-attach-storage";
    for (version, flags, says, code) in [
        ("3.6.8", flag, "not supported on container models", 2),
        ("3.6.11", "", "not supported on container models", 2),
        ("3.6.11", flag, "imported storage config/0\n", 0),
        ("3.6.12", "", "imported storage config/0\n", 0),
        ("4.0.15", flag, "import filesystem not implemented", 1),
    ] {
        let (said, ended) = Home::with(version).imports("pvc-a", flags);
        assert!(said.contains(says) && ended == code, "{version}: {said}");
    }
}

#[test]
fn a_volume_has_to_be_kept_and_free() {
    let home = Home::with("3.6.14");
    let refused = |volume: &str| {
        let (said, code) = home.imports(volume, "");
        assert_eq!(code, 1, "{said}");
        said.lines().last().unwrap().to_owned()
    };
    assert_eq!(refused("pvc-b"), "ERROR persistent volume \"pvc-b\" not found");
    home.volume("Delete", &Value::Null);
    assert_eq!(
        refused("pvc-a"),
        "ERROR importing volume \"pvc-a\" with reclaim policy \"Delete\" not supported (must be \"Retain\")"
    );
    home.volume("Retain", &json!({"name": "c", "namespace": "n"}));
    assert_eq!(
        refused("pvc-a"),
        "ERROR importing volume \"pvc-a\" already bound to a claim not supported"
    );
}

#[test]
fn an_imported_volume_is_attached_to_one_new_unit_and_its_claim_lacks_the_label_of_the_app() {
    let home = Home::with("3.6.14");
    let charm = home.folder.path().join("charm");
    std::fs::create_dir(&charm).unwrap();
    let metadata = "name: radarr\nsummary: s\ndescription: d\nstorage:\n  config: {type: filesystem}\n";
    std::fs::write(charm.join("metadata.yaml"), metadata).unwrap();
    test_programs::write(&charm.join("dispatch"), "#!/bin/sh\n").unwrap();
    let charm = charm.to_str().unwrap();
    assert_eq!(home.imports("pvc-a", "").1, 0);
    let of = |verb: &[&str]| home.juju(&[&["deploy", charm], verb].concat(), "");
    for (verb, why) in [
        (
            ["--attach-storage", "config/0", "-n", "2"].as_slice(),
            "ERROR --attach-storage cannot be used with -n",
        ),
        (
            ["--attach-storage", "config/7"].as_slice(),
            "ERROR storage \"config/7\" not found",
        ),
    ] {
        let (_, said, code) = of(verb);
        assert!(said.ends_with(&format!("{why}\n")) && code == 1, "{said}");
    }
    let (_, said, code) = of(&["--attach-storage", "config/0"]);
    assert_eq!(code, 0, "{said}");
    let claims = home
        .cluster
        .list("/api/v1/namespaces/home/persistentvolumeclaims");
    let claim = claims
        .iter()
        .find(|claim| claim["spec"]["volumeName"] == "pvc-a")
        .unwrap();
    let labels = &claim["metadata"]["labels"];
    assert!(labels["app.kubernetes.io/name"].is_null() && labels["storage.juju.is/name"] == "config");
    let storage: Value = serde_json::from_str(&home.does(&["storage", "--format", "json"])).unwrap();
    assert_eq!(storage["volumes"]["0"]["provider-id"], "pvc-a");
    assert_eq!(storage["storage"]["config/0"]["status"]["current"], "attached");
    home.does(&["destroy-model", "--no-prompt"]);
}
