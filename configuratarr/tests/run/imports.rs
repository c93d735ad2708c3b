//! A home whose Juju imports volumes: one app with a config volume, in a cluster that takes a restore.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use juju_sim::Rights;
use serde_json::{Value, json};

use crate::common::{Ran, TOKEN};
use crate::ends::kill;
use crate::home::Home;

/// The image of radarr's charm, as `--resource` takes it.
pub const IMAGE: &str = "radarr-image=example.org/radarr:1";

/// The home, with the model `home` of a Juju that imports, and `radarr` in it.
pub struct Imports {
    /// The home itself.
    pub home: Home,
    /// The folder of radarr's charm.
    pub charm: String,
    /// The volume that it has.
    pub old: String,
}

impl Imports {
    /// Juju is of this version.
    pub fn with(version: &str) -> Self {
        let home = Home::empty(&["radarr"], version);
        let charm = home.charm("radarr");
        let metadata = charm.join("metadata.yaml");
        let text = fs::read_to_string(&metadata).unwrap();
        let more = "containers:\n  app:\n    mounts:\n    - {storage: config, location: /config}\nstorage:\n  config: {type: filesystem}\n";
        fs::write(&metadata, format!("{text}{more}")).unwrap();
        let options =
            "options:\n  backup-schedule: {type: string}\n  restore-on-deploy: {type: string, default: ''}\n";
        fs::write(charm.join("config.yaml"), options).unwrap();
        home.juju(&["deploy", charm.to_str().unwrap(), "--trust", "--resource", IMAGE]);
        home.juju(&[
            "config",
            "radarr",
            "backup-schedule=@daily",
            "restore-on-deploy=latest",
        ]);
        home.juju(&["deploy", "velero-operator"]);
        home.juju(&["integrate", "radarr", "velero-operator"]);
        home.test.cluster.admit("admin", TOKEN, Rights::Admin);
        home.test.put(
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "stand-in", "metadata": {"name": "standard"}}),
        );
        home.test.cluster.plays_for(home.model());
        let mut imports = Self {
            charm: charm.to_str().unwrap().to_owned(),
            old: String::new(),
            home,
        };
        imports.old = imports.volume();
        imports
    }

    /// The command.
    pub fn arguments(&self) -> Vec<&str> {
        let import = vec!["restore", "radarr", "--import", "--yes"];
        [import, vec!["--charm", &self.charm, "--resource", IMAGE]].concat()
    }

    /// Runs it to its end.
    pub fn restore(&self) -> Ran {
        self.home.test.run(&self.arguments())
    }

    /// Runs it, and kills it at the cluster's write of this number. Whether it was killed.
    pub fn killed_at_write(&self, number: usize, after: bool) -> bool {
        let process = Arc::new(AtomicU32::new(0));
        let of = Arc::clone(&process);
        self.home
            .test
            .cluster
            .at_write(number, after, move || kill("KILL", of.load(Ordering::SeqCst)));
        let mut command = self.home.test.command(&self.arguments());
        let output = self.home.test.path("output");
        command
            .stdout(fs::File::create(&output).unwrap())
            .stderr(fs::File::create(&output).unwrap());
        let mut running = command.spawn().unwrap();
        // It writes nothing before it has asked Juju, which takes longer than this.
        process.store(running.id(), Ordering::SeqCst);
        let ended = running.wait().unwrap();
        assert!(
            ended.code().is_none_or(|code| code == 0),
            "{}",
            fs::read_to_string(output).unwrap()
        );
        ended.code().is_none()
    }

    /// The volume of radarr's claim.
    pub fn volume(&self) -> String {
        let claims = self
            .home
            .test
            .cluster
            .list("/api/v1/namespaces/home/persistentvolumeclaims");
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims[0]["spec"]["volumeName"].as_str().unwrap().to_owned()
    }

    /// A volume of the cluster.
    pub fn volume_named(&self, name: &str) -> Option<Value> {
        self.home
            .test
            .cluster
            .get(&format!("/api/v1/persistentvolumes/{name}"))
    }

    /// What `juju … --format json` says.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--format", "json"]].concat();
        serde_json::from_str(&self.home.juju(&arguments)).unwrap()
    }

    /// Radarr is on the restored volume, as it was deployed, and nothing else was made or lost.
    #[track_caller]
    pub fn is_restored(&self, why: &str) {
        self.is_restored_with("@daily", why);
    }

    /// The same, with this schedule.
    #[track_caller]
    pub fn is_restored_with(&self, schedule: &str, why: &str) {
        let volume = self.volume();
        assert_ne!(volume, self.old, "{why}");
        for (name, phase) in [(&volume, "Bound"), (&self.old, "Bound")] {
            let seen = self
                .volume_named(name)
                .unwrap_or_else(|| panic!("{why}: {name} is gone"));
            assert_eq!(
                seen["spec"]["persistentVolumeReclaimPolicy"], "Retain",
                "{why}: {seen}"
            );
            assert_eq!(seen["status"]["phase"], phase, "{why}: {seen}");
        }
        let all = self.home.test.cluster.list("/api/v1/persistentvolumes");
        assert_eq!(all.len(), 2, "{why}: {all:?}");
        let namespaces = self.home.test.cluster.list("/api/v1/namespaces");
        assert!(namespaces.is_empty(), "{why}: {namespaces:?}");
        let storage = self.json(&["storage"]);
        let of_it = storage["volumes"].as_object().unwrap().values();
        let ids: Vec<&Value> = of_it
            .filter(|is| is["provider-id"] == *volume)
            .map(|is| &is["storage"])
            .collect();
        let [id] = ids.as_slice() else {
            panic!("{why}: imported more than once: {storage}");
        };
        let units = &storage["storage"][id.as_str().unwrap()]["attachments"]["units"];
        assert!(units.get("radarr/0").is_some(), "{why}: {storage}");
        let status = self.json(&["status"]);
        let radarr = &status["applications"]["radarr"];
        assert_eq!(radarr["application-status"]["current"], "active", "{why}");
        assert_eq!(
            radarr["relations"]["velero-backup-config"][0]["related-application"], "velero-operator",
            "{why}"
        );
        let config = self.json(&["config", "radarr"]);
        assert_eq!(config["settings"]["backup-schedule"]["value"], schedule, "{why}");
        // Or it would restore again, over what it has.
        assert_eq!(config["settings"]["restore-on-deploy"]["value"], "", "{why}");
        assert_eq!(config["application-config"]["trust"]["value"], true, "{why}");
    }

    /// Radarr is as it was, and nothing is left of the try.
    #[track_caller]
    pub fn is_untouched(&self, why: &str) {
        assert_eq!(self.volume(), self.old, "{why}");
        let all = self.home.test.cluster.list("/api/v1/persistentvolumes");
        assert_eq!(all.len(), 1, "{why}: {all:?}");
        assert!(
            self.home.test.cluster.list("/api/v1/namespaces").is_empty(),
            "{why}"
        );
    }
}

impl Drop for Imports {
    fn drop(&mut self) {
        // The simulated Pebbles run on otherwise.
        let _ = std::process::Command::new(crate::common::simulated_juju())
            .args(["juju", "destroy-model", "--no-prompt"])
            .env("JUJU_SIM_DIR", self.home.model())
            .output();
    }
}
