//! A model of the simulated Juju with charms that say what a test wrote down.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::common::{App, Backup, Test, ago, simulated_juju};

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
	echo "$(config-get restore-on-deploy)" >>"TEST/$app.starts"
	if [ -e "TEST/$app.start" ]; then . "TEST/$app.start"; else status-set active; fi
	;;
esac
"#;

const ACTIONS: &str = "backup-now: {description: makes a backup}
list-backups: {description: lists them}
verify-backup:
  description: restores a backup beside the app
  params:
    backup-uid: {type: string}
restore-from-backup:
  description: restores a backup
  params:
    backup-uid: {type: string}
    from-model: {type: string}
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

/// What a charm's list says that has restored the backup of its option: a backup's number is the end of its uid.
pub const ON_DEPLOY: &str = "uid=$(config-get restore-on-deploy)
action-set \"restore-on-deploy=2026-11-29 12:00 UTC: the config volume comes from backup $app-velero-backup-config-$((0x${uid##*-})) of 2026-11-29 \
                             03:00 UTC, 5.2 MB\"
";

/// The options of each charm.
const OPTIONS: &str = "options:
  restore-on-deploy: {type: string, default: none, description: the backup to restore}
  backup-schedule: {type: string, default: daily, description: when}
";

/// The image of an app's charm, as `--resource` takes it.
pub fn image(app: &str) -> String {
    format!("{app}-image=example.org/{app}:1")
}

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
        Self::deployed(apps, without, "4.0.14")
    }

    /// These apps are deployed in a Juju of this version, and have a good backup each.
    pub fn of(apps: &[&str], version: &str) -> Self {
        Self::deployed(apps, &[], version)
    }

    fn deployed(apps: &[&str], without: &[&str], version: &str) -> Self {
        let home = Self::empty(apps, version);
        let apps = [apps, without].concat();
        for app in &apps {
            let charm = home.charm(app);
            home.juju(&["deploy", charm.to_str().unwrap(), "--resource", &image(app)]);
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
        Self::around(test, model, version)
    }

    /// The state folder of the model.
    pub fn model(&self) -> &Path {
        &self.model
    }

    fn around(test: Test, model: PathBuf, version: &str) -> Self {
        let home = Self { test, model };
        home.test.env("JUJU_SIM_CHARMHUB", home.test.path("hub"));
        fs::create_dir(home.scripts()).unwrap();
        home.juju(&["add-model", "home", "--agent-version", version]);
        home
    }

    /// Juju tells times in seconds, and of what happened in one second nobody knows which came first. From now on its clock goes on by
    /// one with each hook.
    pub fn each_hook_takes_a_second(&self) {
        let file = self.model.join("model.json");
        let mut model: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let clock = model.pointer_mut("/options/clock").unwrap();
        *clock = serde_json::json!({"from": jiff::Timestamp::now().as_second()});
        fs::write(file, model.to_string()).unwrap();
    }

    /// These apps are gone: each has two good backups, and a charm in `charm-APP` that restores. A velero-operator is there.
    pub fn without(apps: &[&str]) -> Self {
        Self::without_of(apps, "home")
    }

    /// The same, and the backups are of another model.
    pub fn without_of(apps: &[&str], model: &str) -> Self {
        let gone = apps.iter().map(|app| {
            let backup = |number: u64, minutes| Backup::of(app, model, number, ago(minutes), 5_243_046);
            App::of(app, model)
                .backup(|_| backup(2, 178))
                .backup(|_| backup(1, 178 + 1440))
                .gone()
        });
        let test = Test::with(gone);
        fs::remove_file(test.bin().join("juju")).unwrap();
        let folder = test.simulated_juju();
        let home = Self::around(test, folder, "4.0.14");
        home.juju(&["deploy", "velero-operator"]);
        for app in apps {
            home.charm(app);
            home.does(app, "list-backups", ON_DEPLOY);
            home.does(app, "restore-from-backup", "action-fail 'nobody told what to do'");
        }
        home
    }

    /// The charm of an app in Charmhub with these revisions; the last one is that of `latest/edge`. Each says which one it is in the file
    /// `which`.
    pub fn charmhub(&self, app: &str, revisions: &[u32]) {
        let hub = self.test.path("hub").join(app);
        fs::create_dir_all(&hub).unwrap();
        for revision in revisions {
            let charm = self.charm_in(app, &format!("hub/{app}/{revision}"));
            fs::write(charm.join("which"), format!("{revision}\n")).unwrap();
        }
        fs::write(
            hub.join("channels"),
            format!("latest/edge {}\n", revisions.last().unwrap()),
        )
        .unwrap();
    }

    /// What the app's charm was told to restore each time that it started.
    pub fn starts(&self, app: &str) -> Vec<String> {
        let text = fs::read_to_string(self.scripts().join(format!("{app}.starts"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What `juju status` says of an app; nothing for one that is not there.
    pub fn application(&self, app: &str) -> serde_json::Value {
        let status: serde_json::Value =
            serde_json::from_str(&self.juju(&["status", "--format", "json"])).unwrap();
        status["applications"][app].clone()
    }

    /// The folder of a charm for this app.
    pub fn charm(&self, app: &str) -> PathBuf {
        self.charm_in(app, &format!("charm-{app}"))
    }

    /// The same in another folder of the test.
    pub fn charm_in(&self, app: &str, folder: &str) -> PathBuf {
        let charm = self.test.path(folder);
        fs::create_dir(&charm).unwrap();
        fs::write(charm.join("config.yaml"), OPTIONS).unwrap();
        let metadata = format!(
            "name: {app}\nsummary: a test's app\ndescription: it does what the test wrote down\nprovides:\n  \
             velero-backup-config:\n    interface: velero_backup_config\nresources:\n  {app}-image: {{type: oci-image, upstream-source: \"example.org/{app}:1\"}}\n"
        );
        fs::write(charm.join("metadata.yaml"), metadata).unwrap();
        fs::write(charm.join("actions.yaml"), ACTIONS).unwrap();
        let dispatch = DISPATCH.replace("TEST", self.scripts().to_str().unwrap());
        test_programs::write(&charm.join("dispatch"), &dispatch).unwrap();
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
            .env("JUJU_SIM_CHARMHUB", self.test.path("hub"))
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
        test_programs::write(&bin.join("juju"), &script).unwrap();
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

/// A moment at which the program is killed: at its call of `juju` of this number, before Juju hears of it or after it has answered. Calls that
/// ask for the status do not count: what was done before one is written down by then.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    call: usize,
    is_after: bool,
}

/// What a kill came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// Nothing was begun.
    Nothing,
    /// It was gone on with.
    Resumed,
    /// The program has fewer calls.
    Whole,
}

impl Kill {
    /// Kills at the first call and at each so manieth after it, until the program has fewer. So many have to come to nothing and to be gone
    /// on with at least, if there is one at each call.
    pub fn anywhere(
        is_after: bool,
        (first, every): (usize, usize),
        (nothing, resumed): (usize, usize),
        play: impl Fn(Self) -> Killed,
    ) {
        let mut seen = Vec::new();
        for call in (first..100).step_by(every) {
            seen.push(play(Self { call, is_after }));
            if seen.last() == Some(&Killed::Whole) {
                break;
            }
        }
        let count = |what: Killed| seen.iter().filter(|seen| **seen == what).count();
        assert!(
            count(Killed::Nothing) >= nothing / every
                && count(Killed::Resumed) >= resumed / every
                && count(Killed::Whole) == 1,
            "{seen:?}"
        );
    }

    /// From now on it is due.
    pub fn is_due(self, home: &Home) {
        let kill = format!(
            "case \"$*\" in status*) N=0;; *) N=$(grep -vc '^status' juju.calls);; esac; if [ \"$N\" -ge {} ]; then kill -9 $PPID; exit 1; fi",
            self.call
        );
        match self.is_after {
            true => home.around_juju("", &kill),
            false => home.around_juju(&kill, ""),
        }
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

impl Drop for Gate {
    /// Whoever still waits, as in a test that failed, ends with it. Opened in both ways a pipe is open at once.
    fn drop(&mut self) {
        let pipe = fs::OpenOptions::new().read(true).write(true).open(&self.path);
        let _ = pipe.and_then(|mut pipe| std::io::Write::write_all(&mut pipe, b"\n"));
    }
}
