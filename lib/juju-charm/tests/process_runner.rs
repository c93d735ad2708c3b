//! Hook tools as real processes: shell scripts in a temporary folder, found through `PATH`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use juju_charm::hook_tools;
use juju_charm::secret::{SecretContent, SecretMetadata, SecretOwner};
use juju_charm::{ErrorKind, ProcessRunner, ToolOutput, ToolRunner};
use tempfile::TempDir;

/// Runs tools of a folder. As arguments of `sh`, not by themselves: a file that was just written cannot be executed while
/// any process that was started meanwhile, by another test, still has it open.
struct FolderRunner(TempDir);

impl ToolRunner for FolderRunner {
    fn run(&self, tool: &str, args: &[&str], stdin: Option<&[u8]>) -> io::Result<ToolOutput> {
        let path = self.0.path().join(tool);
        let mut words = vec![path.to_str().unwrap()];
        words.extend(args);
        ProcessRunner.run("sh", &words, stdin)
    }

    fn run_beside(&self, tool: &str, args: &[&str], meanwhile: &mut dyn FnMut()) -> io::Result<ToolOutput> {
        let path = self.0.path().join(tool);
        let mut words = vec![path.to_str().unwrap()];
        words.extend(args);
        ProcessRunner.run_beside("sh", &words, meanwhile)
    }
}

fn tools<const N: usize>(scripts: [(&str, &str); N]) -> FolderRunner {
    let folder = TempDir::new().unwrap();
    for (tool, script) in scripts {
        std::fs::write(folder.path().join(tool), format!("{script}\n")).unwrap();
    }
    FolderRunner(folder)
}

#[test]
fn a_tools_output_and_exit_code_are_read() {
    let runner = tools([
        ("is-leader", "echo true"),
        ("status-set", "echo ERROR boom >&2; exit 1"),
    ]);
    assert!(hook_tools::is_leader(&runner).unwrap());
    let output = runner.run("status-set", &["active"], None).unwrap();
    assert_eq!(
        (output.exit_code, output.stderr.as_slice()),
        (Some(1), b"ERROR boom\n".as_slice())
    );
}

#[test]
fn a_tool_without_input_sees_its_end_at_once() {
    let runner = tools([("state-get", "cat; echo null")]);
    assert_eq!(hook_tools::state_get(&runner).unwrap(), BTreeMap::new());
}

#[test]
fn input_larger_than_a_pipe_arrives_whole_while_output_as_large_is_read() {
    let runner = tools([("relation-set", "cat")]);
    let input = "x".repeat(1_000_000);
    let output = runner.run("relation-set", &[], Some(input.as_bytes())).unwrap();
    assert_eq!(output.stdout.len(), input.len());
}

#[test]
fn something_is_done_while_a_tool_runs() {
    // It ends only after it was given what is written meanwhile.
    let runner = tools([("config-get", "timeout 20 head -n 1 \"$0.pipe\"")]);
    let pipe = runner.0.path().join("config-get.pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut opened = None;
    let config = hook_tools::config_get_beside(&runner, &mut || {
        // For both, so that nobody waits for the other to open it.
        let mut both = File::options().read(true).write(true).open(&pipe).unwrap();
        both.write_all(b"{\"key\": 1}\n").unwrap();
        opened = Some(both);
    });
    assert_eq!(config.unwrap(), BTreeMap::from([("key".to_owned(), 1.into())]));
    assert!(opened.is_some());
}

#[test]
fn nothing_is_done_beside_a_tool_that_is_not_there() {
    let error = hook_tools::config_get_beside(&ProcessRunner, &mut || panic!("it was done"));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ToolMissing);
}

#[test]
fn a_tool_that_ends_before_it_reads_its_input_says_why_itself() {
    let runner = tools([("state-set", "echo 'ERROR no' >&2; exit 2")]);
    let state = BTreeMap::from([("key".to_owned(), "x".repeat(1_000_000))]);
    let error = hook_tools::state_set(&runner, &state).unwrap_err();
    assert_eq!(error.to_string(), "cannot run state-set --file -: no");
    assert_eq!(error.kind(), ErrorKind::BadArguments);
}

#[test]
fn a_tool_that_a_signal_ends_is_an_error() {
    let runner = tools([("is-leader", "kill -9 $$")]);
    let error = hook_tools::is_leader(&runner).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run is-leader --format=json: ended by a signal"
    );
}

#[test]
fn a_tool_that_is_not_there_is_missing() {
    let error = hook_tools::relation_model_get(&ProcessRunner, &"db:1".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolMissing);
    assert!(
        error
            .to_string()
            .starts_with("cannot run hook tool relation-model-get; "),
        "{error}"
    );
}

#[test]
fn tools_are_found_through_path() {
    let output = ProcessRunner
        .run("sh", &["-c", "printf '%s' \"$1\"", "sh", "-x y"], None)
        .unwrap();
    assert_eq!(output.stdout, b"-x y");
}

#[test]
fn a_secrets_files_are_private_and_gone_afterwards() {
    let script = r#"
for arg in "$@"; do
    case "$arg" in
        *'#file='*) file=${arg#*=}; cp "$file" "$0.content"; stat -c %a "$file" > "$0.mode"; printf '%s' "$file" > "$0.path" ;;
    esac
done
printf '%s\n' "$@" > "$0.args"
echo secret:9m4e2mr0ui3e8a215n4g"#;
    let runner = tools([("secret-add", script)]);
    let content = SecretContent::from([("api-key", "hunter2\n")]);
    hook_tools::secret_add(
        &runner,
        &content,
        SecretOwner::Application,
        &SecretMetadata::default(),
    )
    .unwrap();
    let left = |name: &str| std::fs::read_to_string(runner.0.path().join(name)).unwrap();
    assert_eq!(left("secret-add.content"), "hunter2\n");
    assert_eq!(left("secret-add.mode").trim(), "600");
    assert!(!left("secret-add.args").contains("hunter2"));
    assert!(!Path::new(&left("secret-add.path")).exists());
}
