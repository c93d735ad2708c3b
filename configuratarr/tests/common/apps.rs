//! Apps of a model, as Juju and Velero have them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::backups::{Backup, ago};
use super::juju::{Juju, recorded};

/// An app that Juju has, active and related, with a Schedule that is due once a day.
#[derive(Clone)]
pub struct App {
    name: String,
    model: String,
    application: Option<Value>,
    schedule: Option<Value>,
    backups: Vec<Backup>,
}

impl App {
    /// Its Schedule ran three hours ago, and made no backup yet.
    pub fn new(name: &str) -> Self {
        Self::of(name, "home")
    }

    /// An app of another model.
    pub fn of(name: &str, model: &str) -> Self {
        let mut recorded: Value = serde_json::from_slice(&recorded("status-json.out")).unwrap();
        let mut application = recorded["applications"]["radarr"].take();
        let unit = application["units"]["radarr/0"].take();
        application["units"] = json!({format!("{name}/0"): unit});
        application["charm-name"] = json!(name);
        let app = Self {
            name: name.to_owned(),
            model: model.to_owned(),
            application: Some(application),
            schedule: Some(schedule(name, model)),
            backups: Vec::new(),
        };
        app.says("active", "last good backup 3 h ago")
    }

    /// An app with one good backup of this size, made at the last run.
    pub fn healthy(name: &str, bytes: u64) -> Self {
        Self::new(name).backup(|app| Backup::good(app, 1, 178, bytes))
    }

    /// The status in Juju.
    pub fn says(mut self, status: &str, message: &str) -> Self {
        if let Some(application) = &mut self.application {
            application["application-status"]["current"] = json!(status);
            application["application-status"]["message"] = json!(message);
        }
        self
    }

    /// It is related to nothing, so nothing makes backups.
    pub fn unrelated(mut self) -> Self {
        self.application.as_mut().unwrap()["relations"] = json!({});
        self.schedule = None;
        self
    }

    /// Juju does not have it any more.
    pub fn gone(mut self) -> Self {
        self.application = None;
        self.schedule = None;
        self
    }

    /// It has no Schedule.
    pub fn without_schedule(mut self) -> Self {
        self.schedule = None;
        self
    }

    /// Changes its Schedule: what a JSON pointer names.
    pub fn schedule(mut self, pointer: &str, value: Value) -> Self {
        let (around, key) = pointer.rsplit_once('/').unwrap();
        self.schedule.as_mut().unwrap().pointer_mut(around).unwrap()[key] = value;
        self
    }

    /// One more backup.
    pub fn backup(mut self, backup: impl FnOnce(&str) -> Backup) -> Self {
        self.backups.push(backup(&self.name));
        self
    }

    /// So many good ones, one a day.
    pub fn daily(mut self, count: u64, bytes: u64) -> Self {
        let (name, model) = (self.name.clone(), self.model.clone());
        let ended = |number| ago(178 + 1440 * i64::try_from(number).unwrap());
        let made = (0..count).map(|number| Backup::of(&name, &model, number + 1, ended(number), bytes));
        self.backups.extend(made);
        self
    }

    /// An object in the cluster for each of its backups and its Schedule.
    pub fn objects(&self) -> Vec<Value> {
        let backups = self.backups.iter().flat_map(Backup::objects);
        backups.chain(self.schedule.clone()).collect()
    }
}

/// Due each day at the minute that was three hours ago.
fn schedule(app: &str, model: &str) -> Value {
    let due = ago(180).strftime("%-M %-H * * *").to_string();
    let made = (Timestamp::now() - SignedDuration::from_hours(24 * 90)).to_string();
    json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {
            "name": format!("{app}-velero-backup-config-x7k2p"), "namespace": "velero",
            "uid": format!("schedule-{model}-{app}"), "creationTimestamp": made,
            "labels": {"app": app, "endpoint": "velero-backup-config", "managed-by": "velero-operator", "model": "velero"},
        },
        "spec": {
            "schedule": due,
            "template": {
                "includedNamespaces": [model], "ttl": "720h0m0s", "hooks": {}, "metadata": {},
                "includedResources": ["pods", "persistentvolumeclaims", "persistentvolumes", "serviceaccounts"],
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": app}},
            },
        },
        "status": {"phase": "Enabled", "lastBackup": ago(180).to_string()},
    })
}

/// All apps of a home, and the storage location of their backups.
pub struct Apps(Vec<App>);

impl Apps {
    /// These.
    pub fn of(apps: impl IntoIterator<Item = App>) -> Self {
        Self(apps.into_iter().collect())
    }

    /// What `juju status` says of a model.
    pub fn status(&self, model: &str) -> Value {
        let mut status: Value = serde_json::from_slice(&recorded("status-json.out")).unwrap();
        status["model"]["name"] = json!(model);
        status["applications"] = self
            .0
            .iter()
            .filter(|app| app.model == model)
            .filter_map(|app| Some((app.name.clone(), app.application.clone()?)))
            .collect::<serde_json::Map<String, Value>>()
            .into();
        status
    }

    /// A `juju` whose current model is `home`, and that knows the other models of the apps by name.
    pub fn juju(&self) -> Juju {
        let mut juju = Juju::new().prints("status --format json", self.status("home").to_string());
        let models = self.0.iter().map(|app| app.model.as_str()).chain(["home"]);
        let models: BTreeSet<&str> = models.collect();
        for model in models {
            juju = juju.prints(
                &format!("status --format json -m {model}"),
                self.status(model).to_string(),
            );
        }
        juju
    }

    /// What is in the cluster.
    pub fn objects(&self) -> Vec<Value> {
        let location = location("default", "Available", "");
        let of_apps = self.0.iter().flat_map(App::objects);
        std::iter::once(location).chain(of_apps).collect()
    }
}

/// A storage location.
pub fn location(name: &str, phase: &str, message: &str) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": name, "namespace": "velero", "uid": format!("location-{name}")},
        "spec": {"default": name == "default", "provider": "aws", "objectStorage": {"bucket": "backups"}},
        "status": {"phase": phase, "message": message, "lastSyncedTime": ago(1).to_string()},
    })
}
