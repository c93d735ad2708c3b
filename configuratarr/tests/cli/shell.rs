//! The program among others in a shell: help, pipes, colours, what it talks of beside its data.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::common::{App, TOKEN, Test, goal};

fn home() -> Test {
    Test::with([App::healthy("radarr", 5_243_046), App::new("sonarr")])
}

/// How long the median of some runs took.
fn median(test: &Test, arguments: &[&str]) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let begin = Instant::now();
            assert_eq!(test.run(arguments).code, Some(0));
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn help_and_version_ask_nobody_and_are_quick() {
    let test = Test::new();
    for arguments in [["--help"], ["--version"]] {
        let ran = test.run(&arguments).exits(0);
        assert!(ran.requests.is_empty() && ran.juju_calls.is_empty());
        assert!(ran.stderr.is_empty(), "{}", ran.shown());
        let took = median(&test, &arguments);
        println!("{}: {took:?}", arguments[0]);
        let most = goal(Duration::from_millis(50), Duration::from_millis(500));
        assert!(took < most, "{took:?}");
    }
}

#[test]
fn what_is_typed_wrongly_is_said_and_exits_with_two() {
    let test = Test::new();
    for arguments in [
        &["frobnicate"] as &[&str],
        &["status", "--format", "xml"],
        &["status", "--quiet", "--verbose"],
        &["backups", "radarr", "--all-models"],
        &["status", "--juju-limit", "0"],
    ] {
        let ran = test.run(arguments).exits(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{}", ran.shown());
        assert!(ran.requests.is_empty() && ran.juju_calls.is_empty());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let test = Test::with([App::new("radarr").daily(2000, 5_243_046)]);
    let mut child = test
        .command(&["backups"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    // More than a pipe holds is still to come.
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"APP ");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_full_disk_is_an_error() {
    let test = home();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = test.command(&["status"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!("full_disk", String::from_utf8(output.stderr).unwrap());
}

#[test]
fn quiet_leaves_data_and_errors() {
    let test = home();
    let (loud, quiet) = (test.run(&["status"]), test.run(&["status", "--quiet"]));
    assert_eq!(loud.stdout, quiet.stdout);
    std::fs::remove_file(test.bin().join("juju")).unwrap();
    let failed = test.run(&["status", "--quiet"]).exits(3);
    assert!(failed.stderr.contains("juju"), "{}", failed.shown());
}

#[test]
fn verbose_tells_what_is_asked_and_no_secret() {
    let test = home();
    test.env("RUST_LOG", "trace");
    let ran = test.run(&["status", "--verbose"]);
    assert!(
        ran.stderr.contains("juju status --format json"),
        "{}",
        ran.shown()
    );
    assert!(
        ran.stderr.contains("GET /apis/velero.io/v1/backups"),
        "{}",
        ran.shown()
    );
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(TOKEN), "{text}");
    }
    // Without it nothing is told, whatever the environment asks for.
    assert_eq!(test.run(&["status"]).stderr, "");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let test = home();
    let plain = test.run(&["status"]).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    test.env("CLICOLOR_FORCE", "1");
    let coloured = test.run(&["status"]).stdout;
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    assert_eq!(console::strip_ansi_codes(&coloured), plain);
    assert_eq!(test.run(&["status", "--no-color"]).stdout, plain);
    let json = test.run(&["status", "--format", "json"]).stdout;
    assert!(!json.contains('\u{1b}'), "{json:?}");
    test.env("NO_COLOR", "1");
    assert_eq!(test.run(&["status"]).stdout, plain);
}

#[test]
fn version_says_what_was_built_and_as_a_plugin_help_says_what_is_typed() {
    let test = Test::new();
    let version = test.run(&["--version"]).exits(0).stdout;
    let (release, build) = version.trim().split_once(" (").unwrap();
    assert_eq!(release, concat!("configuratarr ", env!("CARGO_PKG_VERSION")));
    let build: Vec<&str> = build.trim_end_matches(')').split(", ").collect();
    assert_eq!(build.len(), 3, "{version}");
    let is_commit = build[0].len() == 12 && build[0].bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_commit || build[0] == "no commit known", "{version}");
    assert_eq!(
        build[2],
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        }
    );

    // Juju starts `juju-configuratarr --description` for `juju help plugins`, and kubectl `kubectl-configuratarr`.
    let one_line = test.run(&["--description"]).exits(0).stdout;
    assert_eq!(one_line.lines().count(), 1);
    for (plugin, typed) in [
        ("juju-configuratarr", "juju configuratarr"),
        ("kubectl-configuratarr", "kubectl configuratarr"),
    ] {
        let link = test.path(plugin);
        std::os::unix::fs::symlink(test.command(&[]).get_program(), &link).unwrap();
        let output = std::process::Command::new(link)
            .args(["restore", "--help"])
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Usage: {typed} restore")), "{help}");
    }
}

#[test]
fn completions_name_every_command_and_ask_nobody() {
    let test = Test::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = test.run(&["completions", shell]).exits(0);
        assert!(ran.requests.is_empty() && ran.juju_calls.is_empty());
        for command in configuratarr::args::definition(None).get_subcommands() {
            assert!(
                ran.stdout.contains(command.get_name()),
                "{shell}: {}",
                command.get_name()
            );
        }
    }
    test.run(&["completions", "csh"]).exits(2);
}
