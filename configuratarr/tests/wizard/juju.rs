//! A `juju` whose answers change while the program runs.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::Test;

/// The answers are files, by the arguments: what it was not told of it refuses.
pub struct Juju {
    folder: PathBuf,
}

const PROGRAM: &str = r#"#!/bin/sh
name=$(printf '%s' "$*" | /usr/bin/tr '/ ' '__')
printf '%s\n' "$*" >> "ANSWERS/calls"
if [ -e "ANSWERS/$name.err" ]; then /bin/cat "ANSWERS/$name.err" >&2; fi
if [ -e "ANSWERS/$name.out" ]; then exec /bin/cat "ANSWERS/$name.out"; fi
printf 'the stand-in juju was not told of: %s\n' "$*" >&2
exit 99
"#;

impl Juju {
    /// In PATH of this test. It knows what Juju says of the apps.
    pub fn of(test: &Test, status: &Value) -> Self {
        let juju = Self {
            folder: test.path("answers"),
        };
        std::fs::create_dir(&juju.folder).unwrap();
        let program = PROGRAM.replace("ANSWERS", juju.folder.to_str().unwrap());
        test_programs::write(&test.bin().join("juju"), &program).unwrap();
        juju.prints("status --format json", &status.to_string());
        juju.prints("version", "4.0.14-genericlinux-amd64\n");
        let model = json!({"home": {"model-uuid": "5ad24317-6b21-4b50-8a3c-6f2d3f1f0f4b"}});
        juju.prints("show-model ctl:home --format json", &model.to_string());
        juju
    }

    /// Prints this from now on.
    pub fn prints(&self, arguments: &str, text: &str) -> &Self {
        self.write(arguments, "out", text)
    }

    /// Has this action started from now on, as operation and task of these numbers.
    pub fn starts(&self, arguments: &str, operation: u32, task: u32) -> &Self {
        let arguments = format!("{arguments} --background --format json -m ctl:home");
        let said = format!(
            "Scheduled operation {operation} with task {task}\nCheck operation status with 'juju show-operation {operation}'\nCheck task status with 'juju show-task {task}'\n"
        );
        self.write(&arguments, "err", &said).write(&arguments, "out", "")
    }

    /// A task is so far from now on.
    pub fn task(&self, number: u32, status: &str, log: &[&str], results: Value) -> &Self {
        let log: Vec<String> = log
            .iter()
            .map(|line| format!("2026-11-27 20:32:06.846918841 +0000 UTC {line}"))
            .collect();
        let task = json!({
            "id": number.to_string(), "unit": "radarr/0", "status": status, "log": log, "results": results,
            "timing": {"enqueued": "2026-11-27 20:31:59.301243227 +0000 UTC"},
        });
        self.prints(
            &format!("show-task {number} --format json -m ctl:home"),
            &task.to_string(),
        )
    }

    /// How it was called.
    pub fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.folder.join("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }

    fn write(&self, arguments: &str, what: &str, text: &str) -> &Self {
        let name = arguments.replace(['/', ' '], "_");
        let beside = self.folder.join("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.folder.join(format!("{name}.{what}"))).unwrap();
        self
    }
}
