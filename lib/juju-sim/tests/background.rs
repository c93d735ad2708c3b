//! Actions that nobody waits for: they go on in a process of their own, one after the other, and everybody can watch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::probe_charm;
use juju_sim::Simulation;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// A model with the probe charm.
struct Bed {
    folder: TempDir,
}

impl Drop for Bed {
    fn drop(&mut self) {
        // What the command deployed runs on: the simulated Pebble too.
        let _ = self
            .command(&["destroy-model", "home", "--no-prompt", "--destroy-storage"])
            .output();
    }
}

impl Bed {
    fn new() -> Bed {
        let bed = Bed {
            folder: tempfile::tempdir().unwrap(),
        };
        bed.juju(&["add-model", "home"]);
        let charm = probe_charm();
        bed.juju(&[
            "deploy",
            charm.to_str().unwrap(),
            "probe",
            "--resource",
            "app-image=busybox",
        ]);
        bed
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_juju-sim"));
        command
            .arg("juju")
            .args(arguments)
            .env("JUJU_SIM_DIR", self.model());
        command
    }

    fn juju(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.juju(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Runs a shell line in the background, and says its task.
    fn run(&self, line: &str) -> String {
        let output = self.background(line).output().unwrap();
        task_of(&output)
    }

    fn background(&self, line: &str) -> Command {
        let line = format!("cmd={line}");
        self.command(&["run", "probe/0", "sh", &line, "--string-args", "--background"])
    }

    fn task(&self, task: &str) -> Value {
        self.json(&["show-task", task])
    }

    /// The task once it has ended.
    fn ended(&self, task: &str) -> Value {
        self.json(&["show-task", task, "--wait", "60s"])
    }

    /// The task once it is as wanted. Each look is a process, so that this loop leaves the others their time.
    fn once(&self, task: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let shown = self.task(task);
            if is_so(&shown) {
                return shown;
            }
            assert!(Instant::now() < end, "in time, the task is still {shown}");
        }
    }

    /// A pipe that an action waits at until it is let go.
    fn gate(&self, name: &str) -> Gate {
        let path = self.folder.path().join(name);
        let status = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(status.success());
        Gate { path }
    }
}

struct Gate {
    path: PathBuf,
}

impl Gate {
    /// What an action does to wait.
    fn wait(&self) -> String {
        format!("cat {} > /dev/null", self.path.display())
    }

    fn open(&self) {
        // Opening it waits for the action to be there.
        OpenOptions::new()
            .write(true)
            .open(&self.path)
            .unwrap()
            .write_all(b"go")
            .unwrap();
    }
}

fn task_of(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = said.lines().next().unwrap_or_default();
    let (_, task) = first
        .rsplit_once(' ')
        .unwrap_or_else(|| panic!("no task in {said:?}"));
    task.to_owned()
}

fn lines(task: &Value) -> Vec<String> {
    let log = task["log"].as_array().into_iter().flatten();
    let text = |line: &Value| line.as_str().unwrap().split_once(" UTC ").unwrap().1.to_owned();
    log.map(text).collect()
}

#[test]
fn what_an_action_logs_and_its_status_are_seen_while_it_runs() {
    let bed = Bed::new();
    let gate = bed.gate("gate");
    let task = bed.run(&format!(
        "action-log begun; status-set maintenance 'at work'; action-log 'two\nlines'; {}; action-log over; action-set a.b=1",
        gate.wait()
    ));
    let running = bed.once(&task, |task| lines(task).len() == 2);
    assert_eq!(running["status"], "running");
    assert_eq!(lines(&running), ["begun", "two\nlines"]);
    assert_eq!(running.get("results"), None, "{running}");
    let status = bed.json(&["status"]);
    let unit = &status["applications"]["probe"]["units"]["probe/0"];
    assert_eq!(unit["workload-status"]["message"], "at work");
    assert_eq!(unit["juju-status"]["current"], "executing");
    assert_eq!(unit["juju-status"]["message"], "running action sh");
    let listed = bed.json(&["operations", "--status", "running"]);
    assert_eq!(listed["0"]["tasks"][&task]["host"], "probe/0");

    gate.open();
    let ended = bed.ended(&task);
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["results"]["a"], json!({ "b": "1" }));
    assert_eq!(lines(&ended), ["begun", "two\nlines", "over"]);
    let status = bed.json(&["status"]);
    let unit = &status["applications"]["probe"]["units"]["probe/0"];
    assert_eq!(unit["juju-status"]["current"], "idle");
}

/// The session of this test as its action sees its own: 0 where it began outside of the PID namespace, which
/// `rustix::process::getsid` cannot return.
fn our_session() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.split_whitespace().nth(3).unwrap().to_owned()
}

#[test]
fn an_action_outlives_the_command_its_process_group_and_its_session() {
    use std::os::unix::process::CommandExt;
    let bed = Bed::new();
    let gate = bed.gate("gate");
    // The session is the sixth field; no name here has a blank in it.
    let session = "action-set session=$(cut -d' ' -f6 /proc/self/stat)";
    let mut command = bed.background(&format!("action-log begun; {}; {session}", gate.wait()));
    let child = command
        .process_group(0)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let group = Pid::from_child(&child);
    let output = child.wait_with_output().unwrap();
    let task = task_of(&output);
    bed.once(&task, |task| lines(task) == ["begun"]);
    let killed = kill_process_group(group, Signal::KILL);
    assert_eq!(
        killed,
        Err(rustix::io::Errno::SRCH),
        "nothing is left in the group of the command"
    );
    gate.open();
    let ended = bed.ended(&task);
    assert_eq!(ended["status"], "completed");
    let session = ended["results"]["session"].as_str().unwrap();
    assert_ne!(session, our_session());
}

#[test]
fn actions_run_one_after_the_other_in_the_order_they_were_asked_for() {
    let bed = Bed::new();
    let gate = bed.gate("gate");
    let order = bed.folder.path().join("order");
    let note = |name: &str| format!("echo {name} >> {}", order.display());
    let first = bed.run(&format!("{}; {}", gate.wait(), note("first")));
    let second = bed.run(&note("second"));
    let cancelled = bed.run(&note("cancelled"));
    bed.once(&first, |task| task["status"] == "running");
    assert_eq!(bed.task(&second)["status"], "pending");
    let said = bed.json(&["cancel-task", &cancelled]);
    assert_eq!(said["actions"][0]["status"], "cancelled");
    assert_eq!(said["actions"][0]["unit"], "probe/0");
    // A command that waits takes its turn too.
    let third = bed
        .command(&["run", "probe/0", "sh", &format!("cmd={}", note("third"))])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut third = third.unwrap();
    gate.open();
    assert!(third.wait().unwrap().success());
    assert_eq!(bed.ended(&second)["status"], "completed");
    let order = std::fs::read_to_string(order).unwrap();
    assert_eq!(order, "first\nsecond\nthird\n");
    let refused = bed.command(&["cancel-task", &second]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn an_action_whose_agent_was_killed_has_failed() {
    let bed = Bed::new();
    let gate = bed.gate("gate");
    let task = bed.run(&format!(
        "action-log begun; echo $PPID > {}/agent; {}",
        bed.folder.path().display(),
        gate.wait()
    ));
    bed.once(&task, |task| lines(task) == ["begun"]);
    // The agent is the one who started the charm.
    let agent = bed.folder.path().join("agent");
    let end = Instant::now() + DEADLINE;
    let agent = loop {
        let text = std::fs::read_to_string(&agent).unwrap_or_default();
        if let Ok(number) = text.trim().parse::<i32>() {
            break Pid::from_raw(number).unwrap();
        }
        assert!(Instant::now() < end, "the action did not say who started it");
        std::thread::sleep(Duration::from_millis(2));
    };
    rustix::process::kill_process(agent, Signal::KILL).unwrap();
    // What the charm started would wait for ever.
    gate.open();
    // The next agent finds it.
    drop(Simulation::open(bed.model()).unwrap());
    let ended = bed.task(&task);
    assert_eq!(ended["status"], "failed");
    assert_eq!(ended["message"], "action terminated");
    assert_eq!(lines(&ended), ["begun"]);
    let next = bed.run("true");
    assert_eq!(bed.ended(&next)["status"], "completed");
}
