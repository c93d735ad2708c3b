//! The line of a dispatch, held by its source: which modules talk to the world, and who calls which step.

use std::path::{Path, PathBuf};

/// The modules that talk to Juju, Pebble, the cluster, the disk or the clock, with what for. All others are functions of what
/// they are given.
const WORLD: [(&str, &str); 50] = [
    ("cos/world.rs", "reads for gather"),
    ("main.rs", "makes the Env"),
    ("lib.rs", "hands the event on"),
    ("env.rs", "is the world"),
    ("steps/mod.rs", "is the line"),
    ("steps/gather/mod.rs", "step 1: reads"),
    ("steps/gather/container.rs", "step 1: reads what Pebble says"),
    ("steps/gather/in_cluster.rs", "step 1: reads what Kubernetes says"),
    (
        "steps/prepare_volume/mod.rs",
        "step 2: reads again what it has changed",
    ),
    (
        "steps/prepare_volume/cut_off.rs",
        "step 2: ends a restore that was cut off",
    ),
    (
        "steps/prepare_volume/on_deploy.rs",
        "step 2: restores before the first start",
    ),
    ("steps/apply.rs", "step 6: changes"),
    ("steps/apply/give.rs", "step 6: changes"),
    (
        "steps/start_restored.rs",
        "the part of the line that a restore needs",
    ),
    ("steps/leave.rs", "the line of a unit that goes"),
    (
        "steps/in_doubt.rs",
        "stops what may be seen where the line breaks",
    ),
    (
        "actions/mod.rs",
        "gathers for an action, and tells Juju how it ended",
    ),
    (
        "actions/backup_now.rs",
        "marks the pod, asks for a backup, measures the time",
    ),
    ("actions/choice.rs", "reads what time it is"),
    ("actions/contents.rs", "asks the volume what it holds"),
    ("actions/list_backups.rs", "lists the backups"),
    ("actions/restore.rs", "restores"),
    (
        "actions/restored_app.rs",
        "stops and starts the app for a restore",
    ),
    ("actions/safety.rs", "makes a backup before a restore"),
    ("actions/rotate.rs", "runs the line, reads the secret's id"),
    ("actions/show_backup_spec.rs", "measures the volume"),
    (
        "actions/start_empty.rs",
        "writes what the unit gives up, runs the line",
    ),
    ("actions/verify.rs", "restores beside the app and checks"),
    (
        "test_restore/mod.rs",
        "restores beside the app and checks, and removes what is left of it",
    ),
    ("test_restore/run.rs", "does so when it is due"),
    ("notify/mod.rs", "reads the secret, and waits for the receiver"),
    ("notify/send.rs", "sends a notification"),
    (
        "actions/test_notification.rs",
        "sends a notification, and waits for the receiver",
    ),
    ("recovery/mod.rs", "names what is asked of the engine"),
    ("recovery/kube.rs", "is the engine"),
    ("service.rs", "asks for the app's service, and waits for its end"),
    ("recovery/health.rs", "waits for the app"),
    ("recovery/standing.rs", "reads for gather"),
    ("recovery/progress.rs", "measures the time"),
    ("recovery/examine.rs", "looks at a restored volume"),
    ("kubernetes/mod.rs", "names what is asked of the cluster"),
    ("kubernetes/client.rs", "is the cluster"),
    (
        "kubernetes/silence.rs",
        "knows since when the cluster gives no answer",
    ),
    ("backup/facts.rs", "reads for gather"),
    ("media/claim.rs", "reads for gather, changes for apply"),
    ("vpn/world.rs", "reads for gather, changes for apply"),
    ("remembered.rs", "is kept by Juju and on the disk"),
    ("contents/record.rs", "is a file of the unit's"),
    ("contents/seen.rs", "is kept by Juju and on the disk"),
    ("names.rs", "takes the unit's name from Juju"),
];

/// The same for the disk alone.
const DISK: [(&str, &str); 12] = [
    ("exporter/settings.rs", "is a file of the unit's"),
    ("exporter/process.rs", "starts and ends the exporter for apply"),
    (
        "exporter/look.rs",
        "is the exporter, outside of any dispatch: reads what time it is",
    ),
    ("cluster_seen.rs", "is a file of the unit's"),
    ("credentials_seen.rs", "is a file of the unit's"),
    ("unit_file.rs", "is a file of the unit's"),
    (
        "charm_yaml.rs",
        "reads the charm's own files, and keeps what it read",
    ),
    ("packaging.rs", "writes a charm's folder"),
    (
        "volume.rs",
        "reads for gather, and files that may come from anywhere",
    ),
    ("profile/read.rs", "reads the app file"),
    ("backup/hooks.rs", "is run by Velero, outside of any dispatch"),
    ("backup/refused.rs", "is a file of the unit's"),
];

/// By what a module that talks to the world is known.
const SIGNS: [&str; 25] = [
    "Env<",
    "Env {",
    "&Juju",
    ".juju",
    "juju: Juju",
    "hook_tools",
    "dyn Pebble",
    "dyn Cluster",
    "dyn Recovery",
    "KubeCluster",
    "std::fs",
    "unix::fs",
    "std::env",
    "unit_file::",
    "own_file::",
    "config_volume::ask",
    "config_volume::finish",
    "config_volume::measure",
    "config_volume::prepare",
    "config_volume::put_in_place",
    "config_volume::verify",
    "config_volume::withdraw",
    "Swap::",
    "Timestamp::now",
    "Instant::now",
];

/// Who may call a step. A step calls none that comes after it, and none calls the line.
const CALLERS: [(&str, &[&str]); 11] = [
    (
        "gather(env, ",
        &[
            "steps/mod.rs",
            "steps/prepare_volume/mod.rs",
            "steps/start_restored.rs",
            "actions/mod.rs",
        ],
    ),
    ("prepare_volume(env, ", &["steps/mod.rs"]),
    ("plan::plan(", &["steps/mod.rs"]),
    ("apply::apply(", &["steps/mod.rs", "steps/start_restored.rs"]),
    ("apply::tell(", &["steps/mod.rs"]),
    // Parts of the step that others need where the line does not reach. A restore stops the app in its own time; so does what
    // ends one that was cut off, and what a broken line leaves in doubt.
    (
        "apply::stop(",
        &[
            "actions/restored_app.rs",
            "steps/in_doubt.rs",
            // The line itself: what an app saves as it ends is read before its file is written.
            "steps/mod.rs",
            "steps/prepare_volume/cut_off.rs",
        ],
    ),
    // Pebble is told to start something in one place, with a plan that cannot be made without a `MayStart`. By itself it starts what ended,
    // and nothing when it begins itself: Juju runs it with `--hold`.
    (".replan()", &["steps/apply.rs"]),
    (".autostart(", &[]),
    (".restart(&[", &[]),
    (".start(&[", &[]),
    // A backup that is asked for now carries what the next event would have brought.
    ("apply::mark(", &["actions/backup_now.rs"]),
];

/// The modules of the charm without their tests and comments, by path.
fn modules() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if name.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((name, code(&text)));
        }
    }
    found.sort();
    found
}

/// The text without comments, and without the items that are compiled for tests alone. `cargo fmt` lays the source out so that an
/// item ends at the first line as far in as its attribute that closes it.
fn code(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines();
    let mut code = Vec::new();
    while let Some(line) = lines.next() {
        match line.trim() {
            "#[cfg(test)]" => {
                let is_end = |inner: &str| {
                    let is_attribute = inner.trim_start().starts_with(['#', '/']);
                    indent(inner) == indent(line) && !is_attribute && inner.ends_with([';', ',', '}'])
                };
                lines.by_ref().find(|inner| is_end(inner));
            }
            comment if comment.starts_with("//") => {}
            _ => code.push(line),
        }
    }
    code.join("\n")
}

#[test]
fn only_what_is_for_tests_is_left_out() {
    let text = "\
use a;
#[cfg(test)]
mod tests;
// comment
mod b {
    #[cfg(test)]
    #[derive(Debug)]
    struct OfTests {
        env: u8,
    }
    c();
}
#[cfg(test)]
fn of_tests(
    a: u8,
) -> u8 {
    a
}

d();
#[cfg(test)]
#[path = \"tests.rs\"]
mod others;
#[cfg(test)]
mod last {
    fn e() {}
}
f();
";
    assert_eq!(code(text), "use a;\nmod b {\n    c();\n}\n\nd();\nf();");
}

#[test]
fn only_the_named_modules_talk_to_the_world() {
    let modules = modules();
    assert!(modules.len() > 50, "{}", modules.len());
    let named: Vec<&str> = WORLD.iter().chain(&DISK).map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for (name, code) in &modules {
        // Names of labels and annotations, and labels in the text of an alert.
        let code = code.replace(".juju.is/", "").replace("$labels.juju_", "");
        let signs: Vec<&str> = SIGNS.into_iter().filter(|sign| code.contains(sign)).collect();
        if signs.is_empty() == named.contains(&name.as_str()) {
            wrong.push(format!("{name}: {signs:?}"));
        }
    }
    assert_eq!(
        wrong, [""; 0],
        "what a module needs of the world is read by gather and changed by apply; the tables in this test name the exceptions"
    );
    for name in named {
        assert!(
            modules.iter().any(|(module, _)| module == name),
            "there is no {name}"
        );
    }
}

#[test]
fn a_step_is_called_by_the_line_alone() {
    let modules = modules();
    for (call, callers) in CALLERS {
        let found: Vec<&str> = modules
            .iter()
            .filter(|(_, code)| code.contains(call))
            .map(|(name, _)| name.as_str())
            .collect();
        let mut expected = callers.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{call}");
    }
    // By another name a call would not be found.
    let imported = |statement: &str| {
        let names: Vec<&str> = statement
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        names.contains(&"use")
            && names.contains(&"apply")
            && names.iter().any(|name| ["stop", "mark"].contains(name))
    };
    for (name, code) in &modules {
        let found: Vec<&str> = code.split(';').filter(|statement| imported(statement)).collect();
        assert_eq!(found, [""; 0], "{name}: call it as apply::stop or apply::mark");
    }
}

/// What has to be remembered is a record with types. Of the status that Juju has, only its name is looked at.
#[test]
fn nothing_reads_the_words_of_a_status_that_was_told() {
    let mut seen = 0;
    for (name, code) in modules() {
        for (place, call) in code.match_indices(".status()?") {
            let rest = &code[place + call.len()..];
            assert!(
                rest.starts_with(".name"),
                "{name}: {}",
                rest.lines().next().unwrap()
            );
            seen += 1;
        }
        // Another way to it.
        assert!(!code.contains("status_get"), "{name}");
    }
    assert!(
        seen > 0,
        "it is read by another name, which this test has to know"
    );
}
