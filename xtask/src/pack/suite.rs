//! `charmcraft-test.yaml` and `spread/`: read by charmcraft's own parser, as far as that goes without LXD.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::charmcraft::Charmcraft;

/// Reads the file with the class that `charmcraft test` reads it with, makes of it what spread would be given, and prints
/// the names of the suites. The artifact and the backend are such as `charmcraft test` would pass on this machine.
const PARSE: &str = r#"
import pathlib
from craft_application import models, util

test = models.CraftTestYaml.unmarshal(util.safe_yaml_load(open("charmcraft-test.yaml")))
backend = models.SpreadBackend(type="adhoc", allocate="a", discard="d", systems=[])
artifact = models.PackedArtifact(name=None, path=pathlib.Path("x.charm"))
spread = models.SpreadYaml.from_craft(test, craft_backend=backend, artifacts=[artifact], images={})
assert spread.backends["craft"].systems, "the backend craft has no system"
print("\n".join(spread.suites))
"#;

/// The commands that spread calls `spread/.extension` with.
const COMMANDS: [&str; 6] = [
    "allocate",
    "discard",
    "backend-prepare",
    "backend-restore",
    "backend-prepare-each",
    "backend-restore-each",
];

/// Checks the suite, and gives the number of its tasks.
///
/// # Errors
/// When charmcraft does not take it, a suite has no task, or the extension cannot be run.
pub fn check(charmcraft: &Charmcraft, repository: &Path) -> Result<usize> {
    let suites = charmcraft
        .python(repository, PARSE)
        .context("charmcraft does not take charmcraft-test.yaml")?;
    let mut tasks = 0;
    for suite in suites.lines() {
        let folder = repository.join(suite);
        let found = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list the suite {suite}"))?
            .filter_map(|entry| Some(entry.ok()?.path().join("task.yaml")))
            .filter(|task| task.is_file());
        let mut of_suite = 0;
        for task in found {
            let text = std::fs::read_to_string(&task)?;
            let task: serde_json::Map<String, serde_json::Value> =
                serde_yaml::from_str(&text).with_context(|| format!("cannot read {}", task.display()))?;
            for key in ["summary", "execute"] {
                ensure!(task.contains_key(key), "a task of {suite} has no {key}");
            }
            for (key, script) in &task {
                if let (true, Some(script)) = (is_script(key), script.as_str()) {
                    parses_as_shell(script).with_context(|| format!("{key} of a task of {suite}"))?;
                }
            }
            of_suite += 1;
        }
        ensure!(of_suite > 0, "the suite {suite} has no task");
        tasks += of_suite;
    }
    let extension = repository.join("spread/.extension");
    let mode = std::fs::metadata(&extension)
        .context("cannot look at spread/.extension")?
        .permissions()
        .mode();
    ensure!(mode & 0o111 == 0o111, "spread/.extension is not executable");
    for script in ["spread/.extension", "spread/cluster"] {
        let text = std::fs::read_to_string(repository.join(script))
            .with_context(|| format!("cannot read {script}"))?;
        parses_as_shell(&text).context(script)?;
    }
    // It says which commands it takes without doing any of them.
    let output = Command::new(&extension)
        .output()
        .context("cannot start spread/.extension")?;
    let usage = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2),
        "spread/.extension without a command must end with 2, not {}",
        output.status
    );
    for command in COMMANDS {
        ensure!(
            usage.contains(command),
            "spread/.extension does not know {command}"
        );
    }
    Ok(tasks)
}

fn is_script(key: &str) -> bool {
    ["prepare", "execute", "restore", "debug"].contains(&key)
}

fn parses_as_shell(script: &str) -> Result<()> {
    let output = Command::new("bash")
        .args(["-n", "-c", script])
        .output()
        .context("cannot start bash")?;
    ensure!(
        output.status.success(),
        "it is no shell script: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
