//! A model of the simulated Juju with charms that say what a test wrote down.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::common::{App, Test, simulated_juju};

/// What each action of the charms does: what is in the folder of the test, by app and action, as a script. It counts how often.
const DISPATCH: &str = r#"#!/bin/sh
app=${JUJU_UNIT_NAME%/*}
case "$JUJU_DISPATCH_PATH" in
actions/*)
	action=${JUJU_DISPATCH_PATH#actions/}
	echo "$(action-get --format=json)" >>"TEST/$app.$action.calls"
	. "TEST/$app.$action"
	;;
hooks/start)
	status-set active
	;;
esac
"#;

const ACTIONS: &str = "backup-now: {description: makes a backup}
verify-backup:
  description: restores a backup beside the app
  params:
    backup-uid: {type: string}
restore-from-backup:
  description: restores a backup
  params:
    backup-uid: {type: string}
    dry-run: {type: boolean, default: false}
    force: {type: boolean, default: false}
    safety-backup: {type: boolean}
  required: [backup-uid]
";

/// What a charm's restore says that did it.
pub const RESTORED: &str = "action-log 'restoring the data'
action-set result=restored backup-uid=\"$(action-get backup-uid)\" bytes=5243046 files=10 databases=1
action-set safety-backup=s-1 undo='juju run radarr/0 restore-from-backup backup-uid=s-1'
";

/// The test's home, with the model `home` in the simulated Juju.
pub struct Home {
    /// The program and what is around it.
    pub test: Test,
    model: PathBuf,
}

impl Home {
    /// These apps are deployed, and have a good backup each.
    pub fn with(apps: &[&str]) -> Self {
        Self::with_backups(apps, &[])
    }

    /// These apps have a good backup each, and these have none.
    pub fn with_backups(apps: &[&str], without: &[&str]) -> Self {
        let home = Self::empty(apps, "4.0.14");
        let apps = [apps, without].concat();
        for app in &apps {
            let charm = home.charm(app);
            home.juju(&["deploy", charm.to_str().unwrap()]);
            for action in ["backup-now", "verify-backup", "restore-from-backup"] {
                home.does(app, action, "action-fail 'nobody told what to do'");
            }
            home.does(app, "restore-from-backup", RESTORED);
        }
        home
    }

    /// Nothing is deployed in a Juju of this version; these apps have a good backup each.
    pub fn empty(backed_up: &[&str], version: &str) -> Self {
        let test = Test::with(backed_up.iter().map(|app| App::healthy(app, 5_243_046)));
        fs::remove_file(test.bin().join("juju")).unwrap();
        let model = test.simulated_juju();
        let home = Self { test, model };
        fs::create_dir(home.scripts()).unwrap();
        home.juju(&["add-model", "home", "--agent-version", version]);
        home
    }

    /// The state folder of the model.
    pub fn model(&self) -> &Path {
        &self.model
    }

    /// The folder of a charm for this app.
    pub fn charm(&self, app: &str) -> PathBuf {
        let charm = self.test.path(&format!("charm-{app}"));
        fs::create_dir(&charm).unwrap();
        let metadata = format!(
            "name: {app}\nsummary: a test's app\ndescription: it does what the test wrote down\nprovides:\n  \
             velero-backup-config:\n    interface: velero_backup_config\n"
        );
        fs::write(charm.join("metadata.yaml"), metadata).unwrap();
        fs::write(charm.join("actions.yaml"), ACTIONS).unwrap();
        let dispatch = DISPATCH.replace("TEST", self.scripts().to_str().unwrap());
        fs::write(charm.join("dispatch"), dispatch).unwrap();
        fs::set_permissions(charm.join("dispatch"), fs::Permissions::from_mode(0o755)).unwrap();
        charm
    }

    fn scripts(&self) -> PathBuf {
        self.test.path("scripts")
    }

    /// From now on the app's action does this.
    pub fn does(&self, app: &str, action: &str, script: &str) {
        fs::write(self.scripts().join(format!("{app}.{action}")), script).unwrap();
    }

    /// The parameters of each time that the app's action ran.
    pub fn ran(&self, app: &str, action: &str) -> Vec<String> {
        let calls = self.scripts().join(format!("{app}.{action}.calls"));
        let text = fs::read_to_string(calls).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A gate that an action waits at until it is opened.
    pub fn gate(&self, name: &str) -> Gate {
        let path = self.scripts().join(name);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Gate { path }
    }

    /// Runs the simulated `juju`.
    pub fn juju(&self, arguments: &[&str]) -> String {
        let output = Command::new(simulated_juju())
            .arg("juju")
            .args(arguments)
            .env("JUJU_SIM_DIR", &self.model)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// In place of `juju` a script that notes each call and may do something before and after it. `$REAL` is the simulated one,
    /// `$COUNT` the number of the call.
    pub fn around_juju(&self, before: &str, after: &str) {
        let bin = self.test.bin();
        let real = bin.join("real");
        if !real.exists() {
            fs::create_dir(&real).unwrap();
            fs::rename(bin.join("juju"), real.join("juju")).unwrap();
        }
        let script = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\ncd {}\necho \"$*\" >>juju.calls\nCOUNT=$(wc -l <juju.calls)\n{before}\nreal/juju \"$@\"\nCODE=$?\n{after}\nexit $CODE\n",
            bin.display()
        );
        fs::write(bin.join("juju"), script).unwrap();
        fs::set_permissions(bin.join("juju"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// An app that Juju does not have has backups.
    pub fn gone(&self, app: &str) {
        for object in App::healthy(app, 5_243_046).gone().objects() {
            self.test.put(object);
        }
    }

    /// Puts a pod into the cluster that carries the mark of the unit with the data.
    pub fn has_data(&self, app: &str, unit: u32) {
        self.test.put(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{app}-{unit}"), "namespace": "home", "uid": format!("pod-{app}"),
                "labels": {"app.kubernetes.io/name": app},
                "annotations": {"backup.velero.io/backup-volumes": format!("{app}-config-1a2b3c")},
            },
        }));
    }
}

/// Holds whoever reads it until it is opened.
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// The line of a script that waits here.
    pub fn wait(&self) -> String {
        format!("read -r _ <'{}' || true\n", self.path.display())
    }

    /// Lets one through. Returns when it is there.
    pub fn open(&self) {
        fs::write(&self.path, "\n").unwrap();
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
