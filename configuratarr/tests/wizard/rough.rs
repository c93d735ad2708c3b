//! What happens to a terminal that nobody means to do to it.

use std::process::Command;
use std::time::{Duration, Instant};

use juju_sim::{Rights, StandInCluster};
use rustix::process::{Signal, kill_process};
use serde_json::json;

use super::common::{App, Apps, PAUSE, TOKEN, Test};
use super::juju::Juju;
use super::{CTRL_C, Home, Terminal};

/// A window manager makes windows of any size, and of none.
#[test]
fn it_lives_through_every_size() {
    let home = Home::new();
    home.has_no_operations().can_be_restored();
    let mut terminal = home.start();
    terminal.shows("apps of model home").shows("FAIL");
    for screen in ["", "\r", "\u{1b}", "r", "\r"] {
        terminal.types(screen);
        for (columns, rows) in [(1, 1), (1, 200), (500, 1), (2, 24), (80, 2), (400, 150)] {
            terminal.resize(columns, rows);
            let seen = terminal.bytes();
            terminal.patient(Duration::from_secs(60)).until_more(seen);
        }
        terminal.resize(80, 24).shows("? help");
    }
    terminal.types(CTRL_C);
    assert!(terminal.ends().success());
}

/// A file in the wrong window is through in seconds, and has begun nothing. More than 4 kB do not go into the terminal at once: who reads it only
/// when something comes hears nothing any more.
#[test]
fn a_large_paste_is_lived_through() {
    let home = Home::new();
    let mut terminal = home.start();
    terminal.shows("apps of model home").shows("FAIL");
    let begin = Instant::now();
    for keys in ["u", "x\n", "?l", "\u{1b}[A", "ä"] {
        terminal.types(&keys.repeat((40 << 10) / keys.len()));
    }
    // Whatever is open now is left.
    terminal.types(CTRL_C);
    terminal.ends();
    terminal.is_as_it_was();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let calls = std::fs::read_to_string(home.test.path("answers/calls")).unwrap();
    assert!(
        calls.lines().count() < 400,
        "{} calls of juju",
        calls.lines().count()
    );
    assert!(!calls.lines().any(|call| call.starts_with("run ")), "{calls}");
}

/// Somebody closes the window: nobody reads, nothing can be written, and the program ends by itself. The window is that of `script` here.
#[test]
fn it_ends_with_its_terminal() {
    let home = Home::new();
    let wizard = home.test.command(&[]);
    let note = home.test.path("pid");
    let program = wizard.get_program().to_str().unwrap();
    let line = format!("echo $$ >'{}'; exec '{program}'", note.display());
    let mut window = Command::new("/usr/bin/script");
    window.args(["-qec", &line, "/dev/null"]);
    for (name, value) in wizard.get_envs() {
        window.env(name, value.unwrap());
    }
    let mut terminal = Terminal::start(&window, (80, 24));
    terminal.shows("apps of model home").shows("FAIL");
    let pid = std::fs::read_to_string(note).unwrap();
    kill_process(terminal.process(), Signal::KILL).unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
    let begin = Instant::now();
    while std::fs::read(&process).is_ok_and(|line| !line.is_empty()) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "it lives on without a terminal"
        );
        std::thread::sleep(PAUSE);
    }
}

/// A program that logs in, and does not come to its end: keys are heard meanwhile.
#[test]
fn somebody_who_leaves_waits_for_no_login() {
    let home = Home::new();
    let text = std::fs::read_to_string(home.test.path("kubeconfig")).unwrap();
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).unwrap();
    let begun = home.test.path("login-begun");
    let line = format!("touch '{}'; exec /bin/sleep 100", begun.display());
    kubeconfig["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "interactiveMode": "IfAvailable",
        "args": ["-c", line.replace("touch", "/usr/bin/touch")],
    }});
    home.test.kubeconfig(&kubeconfig.to_string());
    let mut terminal = home.start();
    terminal.shows("Asking Juju and the cluster");
    while !begun.exists() {
        std::thread::sleep(PAUSE);
    }
    let begin = Instant::now();
    terminal.types("?").shows("Keys here").types(CTRL_C);
    terminal.ends();
    terminal.is_as_it_was();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

/// A terminal that says it can do nothing.
#[test]
fn a_dumb_terminal_is_told_what_to_use() {
    let home = Home::new();
    let mut command = home.test.command(&[]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::start_as(&command, (80, 24), "dumb");
    terminal.shows("configuratarr status");
    terminal.ends();
    assert!(!terminal.seen().contains('\u{1b}'));
}

/// A thousand apps: the first screen, the way to the last one, all of them marked.
#[test]
fn a_thousand_apps_are_shown_and_chosen() {
    let long = "a".repeat(63);
    let name = |number: usize| match number {
        0 => long.clone(),
        _ => format!("app{number}"),
    };
    let apps = || (0..1000).map(|number| App::new(&name(number)).daily(1, 20_000_000));
    let test = Test::with(apps());
    let _juju = Juju::of(&test, &Apps::of(apps()).status("home"));
    let mut terminal = Terminal::start(&test.command(&[]), (80, 24));
    let begin = Instant::now();
    terminal.shows("apps of model home").shows("app1");
    terminal.types("\u{1b}[F").shows("app999");
    terminal.types("ar").shows("which apps");
    terminal.types("\u{1b}").shows("apps of model home");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    terminal.types(CTRL_C);
    terminal.ends();
}

/// Somebody changes the current context while the plan is read: it is carried out, followed and written down where it was made.
#[test]
fn a_plan_stays_in_the_cluster_that_it_was_made_for() {
    let home = Home::new();
    home.has_no_operations().can_be_restored().is_being_restored();
    let uid = |uid: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid}});
    home.test.put(uid("uid-of-the-first"));
    let mut terminal = home.start();
    home.to_the_plan(&mut terminal);
    let other = StandInCluster::start().unwrap();
    other.admit("admin", TOKEN, Rights::Everything);
    other.put(uid("uid-of-the-second")).unwrap();
    let kubeconfig = other.kubeconfig(TOKEN).replace("\"home\"", "\"lab\"");
    home.test.kubeconfig(&kubeconfig);
    terminal
        .types("radarr")
        .types("\r")
        .shows("restoring data with Velero");
    home.has_bytes(5_000_000);
    terminal.shows("5 MB of 20 MB");
    terminal.types(CTRL_C);
    assert_eq!(terminal.ends().code(), Some(4));
    let runs = std::fs::read_dir(home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let mut paths = runs.map(|entry| entry.unwrap().path());
    let journal = paths.find(|path| path.extension().is_some_and(|end| end == "json"));
    let run = std::fs::read_to_string(journal.unwrap()).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["origin"]["clusterUid"], "uid-of-the-first");
    assert_eq!(run["origin"]["context"], "home");
}
