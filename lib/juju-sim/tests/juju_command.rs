//! What `juju` prints, and how it exits, as it was recorded from Juju 4.0.14: each command of the recording is run again, in the
//! same order, and standard output, standard error and exit code are the same but for times.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::data;
use juju_sim::Simulation;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a command printed, and how it exited.
#[derive(Debug, PartialEq)]
struct Said {
    out: String,
    err: String,
    code: i32,
}

/// A model `home` with the charm that says what was recorded.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home {
            folder: tempfile::tempdir().unwrap(),
        };
        let charm = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/radarr");
        let made = home.juju("add-model home --agent-version 4.0.14", &[]);
        assert_eq!(made.code, 0, "{made:?}");
        let deployed = home.juju(&format!("deploy {}", charm.display()), &[]);
        assert_eq!(deployed.code, 0, "{deployed:?}");
        home
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    fn juju(&self, arguments: &str, environment: &[(&str, &str)]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_juju-sim"))
            .arg("juju")
            .args(arguments.split_whitespace())
            .env("JUJU_SIM_DIR", self.model())
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Said {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }

    /// Runs a recorded command again.
    fn again(&self, name: &str, environment: &[(&str, &str)]) -> Said {
        let (arguments, _) = command(name);
        self.juju(&arguments, environment)
    }

    /// Runs a recorded command again, and compares all that it says.
    fn is_as_recorded(&self, name: &str) {
        self.is_as_recorded_in(name, &[]);
    }

    fn is_as_recorded_in(&self, name: &str, environment: &[(&str, &str)]) {
        let said = self.again(name, environment);
        let said = Said {
            out: without_times(&said.out),
            err: without_times(&said.err),
            code: said.code,
        };
        assert_eq!(said, recorded(name), "{name}");
    }
}

impl Drop for Home {
    /// The simulated Pebbles run on otherwise.
    fn drop(&mut self) {
        let _ = Command::new(env!("CARGO_BIN_EXE_juju-sim"))
            .args(["juju", "destroy-model", "home", "--no-prompt"])
            .env("JUJU_SIM_DIR", self.model())
            .output();
    }
}

/// A recorded command without `juju`, and its exit code.
fn command(name: &str) -> (String, i32) {
    let text = data(&format!("recorded/juju/{name}.cmd"));
    let mut lines = text.lines();
    let command = lines.next().unwrap().split("   (").next().unwrap();
    let code = lines.next().unwrap().strip_prefix("exit ").unwrap();
    (
        command.strip_prefix("juju ").unwrap().to_owned(),
        code.parse().unwrap(),
    )
}

fn recorded(name: &str) -> Said {
    let (_, code) = command(name);
    // One recording has lost the newline at its end.
    let out = data(&format!("recorded/juju/{name}.out"));
    let newline = if out.is_empty() || out.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Said {
        out: without_times(&(out + newline)),
        err: without_times(&data(&format!("recorded/juju/{name}.err"))),
        code,
    }
}

/// Each `2026-11-27 20:31:59.301243227 +0000 UTC` as `TIME`. What only looks like one stays, and makes a difference.
fn without_times(text: &str) -> String {
    const ZONE: &str = " +0000 UTC";
    let Some((before, last)) = text.rsplit_once(ZONE) else {
        return text.to_owned();
    };
    let before = before.split(ZONE).map(|part| {
        let begin = part
            .rfind(|letter: char| !(letter.is_ascii_digit() || "-:. ".contains(letter)))
            .map_or(0, |position| position + 1);
        let (rest, time) = part.split_at(begin);
        let form: String = time
            .chars()
            .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
            .collect();
        assert!(form.starts_with("0000-00-00 00:00:00"), "{time:?} is no time");
        format!("{rest}TIME")
    });
    before.collect::<String>() + last
}

/// The names and kinds of what is in a value.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("boolean"),
        Value::Null => Value::Null,
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn operations_tasks_and_runs_are_as_recorded() {
    let home = Home::new();
    // What the recording does not hold of the commands before it: their numbers are in it.
    let restore = "run radarr/0 restore-from-backup backup-uid=latest from-model=media";
    let rotate = "run radarr/0 rotate-api-key";
    let nothing = "run radarr/9 list-backups";
    for arguments in [
        restore, rotate, rotate, rotate, restore, restore, nothing, nothing,
    ] {
        assert_eq!(home.juju(arguments, &[]).code, 0, "{arguments}");
    }
    home.is_as_recorded("show-operation-restore");
    home.is_as_recorded("show-task-restore");
    home.is_as_recorded("show-task-text");
    home.is_as_recorded("run-show-spec-json");
    home.is_as_recorded("run-list-json");
    home.is_as_recorded("run-list");

    // The agent has something else to do, so that the action stays pending.
    let busy = Simulation::open(home.model()).unwrap();
    home.is_as_recorded("run-background");
    home.is_as_recorded("operations-json");
    drop(busy);
    let followed = home.juju("show-task 23 --watch --format json", &[]);
    assert_eq!(parsed(&followed.out)["status"], "completed", "{followed:?}");

    home.is_as_recorded("run-nosuch-unit");
    home.is_as_recorded("run-utc-wait");
    home.is_as_recorded("run-bad-param");
    home.is_as_recorded("run-nosuch-app");
}

#[test]
fn a_model_that_there_is_not_and_a_machine_without_a_controller_are_as_recorded() {
    let home = Home::new();
    home.is_as_recorded("status-nosuch-model");
    home.is_as_recorded_in("no-controller", &[("JUJU_SIM_NO_CONTROLLER", "1")]);
    for model in ["home", "admin/home", "ctl:home", "ctl:admin/home"] {
        let said = home.juju(&format!("status -m {model} --format json"), &[]);
        assert_eq!(said.code, 0, "{model}: {said:?}");
    }
    // It takes the model as a word of its own, and no -m (`WrapSkipModelFlags` in `cmd/juju/model/show.go` of juju/juju).
    for model in ["", " home", " admin/home", " ctl:home", " ctl:admin/home"] {
        let said = home.juju(&format!("show-model{model} --format json"), &[]);
        assert_eq!(said.code, 0, "{model}: {said:?}");
    }
    let said = home.juju("show-model --format json -m home", &[]);
    let expected = ("", "ERROR option provided but not defined: -m\n", 2);
    assert_eq!((said.out.as_str(), said.err.as_str(), said.code), expected);
    for (model, named) in [
        ("admin/nosuch", "model ctl:admin/nosuch"),
        ("bob/home", "model ctl:bob/home"),
        ("other:home", "controller other"),
    ] {
        for verb in ["run radarr/0 list-backups", "operations", "config radarr a=b"] {
            let said = home.juju(&format!("{verb} -m {model}"), &[]);
            assert_eq!(said.code, 1, "{verb}: {said:?}");
            assert_eq!(said.err, format!("ERROR {named} not found\n"), "{verb}");
        }
    }
}

#[test]
fn nobody_is_logged_in_after_a_logout() {
    let home = Home::new();
    let logged_out = [("JUJU_SIM_LOGGED_OUT", "1")];
    let said = home.juju("status --format json", &logged_out);
    let expected = ("{}\n", "ERROR controller \"ctl\": not logged\n", 1);
    assert_eq!((said.out.as_str(), said.err.as_str(), said.code), expected);
    let said = home.juju("whoami", &logged_out);
    let expected = "You are not logged in to controller \"ctl\" and model \"admin/home\".\nRun juju login if you want to login.\n";
    assert_eq!((said.err.as_str(), said.code), (expected, 0));
    // These need no controller.
    for arguments in ["version", "controllers --format json"] {
        assert_eq!(home.juju(arguments, &logged_out).code, 0, "{arguments}");
    }
}

#[test]
fn commands_that_are_of_no_model_take_none() {
    let home = Home::new();
    for verb in ["version", "whoami", "models", "controllers"] {
        assert_eq!(home.juju(&format!("{verb} --format json"), &[]).code, 0, "{verb}");
        let said = home.juju(&format!("{verb} --format json -m home"), &[]);
        assert_eq!((said.out.as_str(), said.code), ("", 2), "{verb}");
        assert!(said.err.contains("-m"), "{verb}: {}", said.err);
    }
}

#[test]
fn controllers_models_and_users_have_the_recorded_shape() {
    let home = Home::new();
    let answer = |name: &str| parsed(&home.again(name, &[]).out);
    let was = |name: &str| parsed(&recorded(name).out);

    assert_eq!(
        shape(&answer("show-model-json")["home"]["users"]),
        shape(&was("show-model-json")["home"]["users"])
    );
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&answer("show-model-json")["home"]),
        names(&was("show-model-json")["home"])
    );
    // The recorded controller has more models.
    let of_home = |all: &Value| {
        let mut models = all["models"].as_array().unwrap().iter();
        models
            .find(|model| model["short-name"] == "home")
            .cloned()
            .unwrap()
    };
    assert_eq!(
        shape(&of_home(&answer("models-json"))),
        shape(&of_home(&was("models-json")))
    );
    for name in ["controllers-json", "version-all"] {
        assert_eq!(shape(&answer(name)), shape(&was(name)), "{name}");
    }
    let who = home.juju("whoami --format json", &[]);
    assert_eq!(parsed(&who.out)["model"], "home");
    // Another model was the current one in the recording.
    let as_recorded = |text: &str| text.replace("home", "velero");
    assert_eq!(as_recorded(&who.out), recorded("whoami-json").out);
    assert_eq!(
        as_recorded(&home.again("whoami", &[]).out),
        recorded("whoami").out
    );
}

#[test]
fn a_unit_in_the_status_has_the_recorded_shape() {
    let home = Home::new();
    let unit = |status: &Value| status["applications"]["radarr"]["units"]["radarr/0"].clone();
    let mut was = unit(&parsed(&recorded("status-json").out));
    // The charm of this test opens no port.
    was.as_object_mut().unwrap().remove("open-ports");
    assert_eq!(
        shape(&unit(&parsed(&home.again("status-json", &[]).out))),
        shape(&was)
    );
}

#[test]
fn operations_are_listed_by_application_unit_action_and_status() {
    let home = Home::new();
    for arguments in [
        "run radarr/0 list-backups",
        "run radarr/0 verify-backup",
        "run radarr/0 rotate-api-key",
        "run radarr/0 restore-from-backup",
    ] {
        home.juju(arguments, &[]);
    }
    let listed = |filter: &str| -> Vec<String> {
        let said = home.juju(&format!("operations --format json {filter}"), &[]);
        assert_eq!(said.code, 0, "{said:?}");
        if said.out.is_empty() {
            assert_eq!(said.err, "no matching operations\n");
            return Vec::new();
        }
        let operations: BTreeMap<String, Value> = serde_json::from_str(&said.out).unwrap();
        operations.into_keys().collect()
    };
    for (filter, expected) in [
        ("", &["0", "2", "4", "6"][..]),
        ("--apps radarr", &["0", "2", "4", "6"]),
        ("--apps sonarr,radarr --status failed", &["2"]),
        ("--units radarr/0 --status completed,pending", &["0", "4"]),
        ("--actions list-backups,rotate-api-key", &["0", "4"]),
        ("--apps sonarr", &[]),
        ("--status running", &[]),
        ("--limit 2", &["0", "2"]),
        ("--limit 2 --offset 3", &["6"]),
    ] {
        assert_eq!(listed(filter), expected, "{filter}");
    }
    let table = home.juju("operations --actions verify-backup", &[]).out;
    let words: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(words[..2], ["2", "failed"], "{table}");
    assert_eq!(words[3..], ["3", "action", "\"verify-backup\""], "{table}");
    let wrong = home.juju("operations --status done", &[]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

/// As `validateResourcesNeededForLocalDeploy` of juju/juju words it, before anything is deployed.
#[test]
fn a_local_charm_is_not_deployed_without_its_images() {
    let home = Home::new();
    let charm = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probe");
    let deploy = |flags: &str| home.juju(&format!("deploy {} probe {flags}", charm.display()), &[]);
    for (flags, why) in [
        ("", "local charm missing OCI images for: app-image"),
        (
            "--resource other=busybox",
            "local charm missing OCI images for: app-image",
        ),
        (
            "--resource app-image=busybox --resource other=busybox",
            "unrecognized resource \"other\"",
        ),
    ] {
        let said = deploy(flags);
        assert!(said.err.ends_with(&format!("ERROR {why}\n")), "{said:?}");
        assert_eq!(said.code, 1, "{said:?}");
        let status = home.juju("status --format json", &[]).out;
        assert!(!status.contains("probe"), "{status}");
    }
    assert_eq!(
        deploy("").err.lines().count(),
        1,
        "it is refused before it is located"
    );
    let said = deploy("--resource app-image=busybox");
    assert_eq!(said.code, 0, "{said:?}");
    let listed: Value = serde_json::from_str(&home.juju("resources probe --format json", &[]).out).unwrap();
    assert_eq!(
        listed["resources"],
        json!([{"name": "app-image", "type": "oci-image", "origin": "upload", "used": true}])
    );
}
