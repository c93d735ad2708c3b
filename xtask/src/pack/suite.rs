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

/// The program that waits, and says what did not come.
const AWAIT: &str = "spread/await";

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
                    check_script(script).with_context(|| format!("{key} of a task of {suite}"))?;
                }
            }
            of_suite += 1;
        }
        ensure!(of_suite > 0, "the suite {suite} has no task");
        tasks += of_suite;
    }
    let extension = repository.join("spread/.extension");
    check_programs(repository)?;
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

/// The programs of the suite.
fn check_programs(repository: &Path) -> Result<()> {
    for program in ["spread/.extension", "spread/cluster", AWAIT] {
        let path = repository.join(program);
        let mode = std::fs::metadata(&path)
            .with_context(|| format!("cannot look at {program}"))?
            .permissions()
            .mode();
        ensure!(mode & 0o111 == 0o111, "{program} is not executable");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {program}"))?;
        match program {
            AWAIT => parses_as_shell(&text),
            _ => check_script(&text),
        }
        .context(program)?;
    }
    Ok(())
}

/// A script that is the shell's, takes whatever it installs from a named channel, and waits in words.
fn check_script(script: &str) -> Result<()> {
    parses_as_shell(script)?;
    for command in commands(script) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let follows = |first: &str, second: &str| {
            let at = words.windows(2).position(|pair| pair == [first, second]);
            at.map(|at| &words[at + 2..])
        };
        let has_channel = |words: &[&str]| words.iter().any(|word| word.starts_with("--channel"));
        if let Some(rest) = follows("juju", "deploy") {
            let is_local = rest.iter().any(|word| word.contains("$CRAFT_ARTIFACT"));
            ensure!(
                is_local || has_channel(rest),
                "{command:?} takes whatever is newest: name a --channel"
            );
        }
        if let Some(rest) = follows("snap", "install") {
            ensure!(
                has_channel(rest),
                "{command:?} takes whatever is newest: name a --channel"
            );
        }
        ensure!(
            follows("juju", "wait-for").is_none(),
            "{command:?} does not say what did not come: use {AWAIT}"
        );
    }
    Ok(())
}

/// The lines of a script without comments, with those that go on in the next one as one.
fn commands(script: &str) -> Vec<String> {
    let joined = script.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn the_scripts_of_this_repository_are_pinned_and_wait_in_words() {
        check_programs(repository()).unwrap();
        let task = std::fs::read_to_string(repository().join("spread/backup/nightly/task.yaml")).unwrap();
        let task: serde_json::Map<String, serde_json::Value> = serde_yaml::from_str(&task).unwrap();
        for (key, script) in task.iter().filter(|(key, _)| is_script(key)) {
            check_script(script.as_str().unwrap()).unwrap_or_else(|error| panic!("{key}: {error:#}"));
        }
        let prepare = task["prepare"].as_str().unwrap();
        let (chown, deploy) = (prepare.find("chown \"$(id"), prepare.find("juju deploy --model"));
        assert!(
            chown.is_some() && chown < deploy,
            "the charm is not its user's when it is deployed"
        );
    }

    #[test]
    fn what_is_not_pinned_and_waits_without_words_are_refused() {
        for (script, refused) in [
            ("juju deploy minio --model m", Some("name a --channel")),
            ("juju deploy minio --channel ckf-1.10/stable", None),
            ("juju deploy minio \\\n  --channel=ckf-1.10/stable", None),
            ("juju deploy minio \\\n  --trust", Some("name a --channel")),
            ("juju deploy --trust \"$CRAFT_ARTIFACT\" \"$app\"", None),
            ("if true; then juju deploy minio; fi", Some("name a --channel")),
            ("snap install k8s --classic", Some("name a --channel")),
            (
                "sudo snap install k8s --classic --channel 1.32-classic/stable",
                None,
            ),
            ("# juju deploy minio, and juju wait-for application minio", None),
            (
                "juju wait-for application minio --timeout 15m",
                Some("use spread/await"),
            ),
            ("if", Some("it is no shell script")),
        ] {
            let answer = check_script(script).map_err(|error| format!("{error:#}"));
            match refused {
                None => assert_eq!(answer, Ok(()), "{script}"),
                Some(reason) => assert!(
                    answer.as_ref().is_err_and(|text| text.contains(reason)),
                    "{script}: {answer:?}"
                ),
            }
        }
    }

    /// A `juju` whose waits end as they are told to.
    fn await_with(waits: &str) -> std::process::Output {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\ncase $1 in wait-for) shift; echo \"waits $*\"; exit {waits};; *) echo \"shows $*\";; esac\n"
        );
        test_programs::write(&folder.path().join("juju"), &script).unwrap();
        let path = std::env::var("PATH").unwrap();
        Command::new(repository().join(AWAIT))
            .args([
                "homelab",
                "15m",
                "unit",
                "s3-integrator/0",
                "workload-status==\"blocked\"",
            ])
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .output()
            .unwrap()
    }

    #[test]
    fn a_wait_that_times_out_says_what_did_not_come_and_what_there_is() {
        let output = await_with("1");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        for part in [
            "cannot go on: unit s3-integrator/0 of model homelab was not workload-status==\"blocked\" within 15m",
            "shows status --model homelab",
            "shows debug-log --model homelab",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_wait_that_is_over_says_nothing_of_its_own() {
        let output = await_with("0");
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said,
            "waits unit s3-integrator/0 --model homelab --timeout 15m --query workload-status==\"blocked\"\n"
        );
    }
}
