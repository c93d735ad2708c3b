//! The wizard in a real pseudo-terminal: keys in, screen out.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../run/home.rs"]
#[allow(dead_code, reason = "what tests of the commands need of it is more")]
mod home;
mod juju;
mod rough;
mod seven;
#[path = "../common/terminal.rs"]
mod terminal;

use std::time::{Duration, Instant};

use config_recovery::backups::AppId;
use config_recovery::scratch::{self, Purpose};
use rustix::process::{Signal, kill_process};
use serde_json::json;

use common::{App, Apps, Test};
use juju::Juju;
use terminal::Terminal;

const UP: &str = "\x1b[A";
const ENTER: &str = "\r";
const CTRL_C: &str = "\x03";

/// A home with radarr, which has three backups, and sonarr, of which nothing makes any.
struct Home {
    test: Test,
    juju: Juju,
    /// Uid of radarr's newest backup.
    newest: String,
}

impl Home {
    fn new() -> Self {
        let apps = || {
            [
                App::new("radarr").daily(3, 20_000_000),
                App::new("sonarr").unrelated(),
            ]
        };
        let test = Test::with(apps());
        let juju = Juju::of(&test, &Apps::of(apps()).status("home"));
        let backups = test.run(&["backups", "radarr", "-m", "home", "--format", "json"]);
        let backups: serde_json::Value = serde_json::from_str(&backups.stdout).unwrap();
        let newest = backups["backups"][0]["uid"].as_str().unwrap().to_owned();
        Self { test, juju, newest }
    }

    fn start(&self) -> Terminal {
        self.sized((80, 24))
    }

    fn sized(&self, size: (u16, u16)) -> Terminal {
        Terminal::start(&self.test.command(&[]), size)
    }

    /// What starts the restore of the newest backup.
    fn restore(&self, more: &str) -> String {
        format!(
            "run radarr/0 restore-from-backup backup-uid={}{more}",
            self.newest
        )
    }

    /// No restore of radarr was ever begun. From the plan on the model is named: the current one may become another.
    fn has_no_operations(&self) -> &Self {
        let query = "operations --units radarr/0 --actions restore-from-backup --limit 100000 --format json -m ctl:home";
        self.juju.prints(query, "");
        self
    }

    /// The dry run finds nothing against it.
    fn can_be_restored(&self) -> &Self {
        self.juju.starts(&self.restore(" dry-run=true"), 1, 2);
        self.juju.task(
            2,
            "completed",
            &["checking"],
            json!({"result": "checked", "contents": "films 412", "differences": "films: 3 fewer"}),
        );
        self
    }

    /// The restore begins, and goes on.
    fn is_being_restored(&self) -> &Self {
        self.juju.starts(&self.restore(""), 3, 4);
        self.juju
            .task(4, "running", &["restoring data with Velero"], json!({}));
        self
    }

    /// Velero's node agent has so many bytes there.
    fn has_bytes(&self, done: u64) -> &Self {
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "home".to_owned(),
        };
        let namespace = scratch::namespace(&whose, Purpose::Restore);
        self.test.put(json!({
            "apiVersion": "velero.io/v1", "kind": "PodVolumeRestore",
            "metadata": {
                "name": "radarr-restore", "namespace": "velero", "uid": "pvr-radarr",
                "labels": {"app.kubernetes.io/managed-by": "configuratarr"},
            },
            "spec": {
                "backupStorageLocation": "default", "pod": {"kind": "Pod", "name": "scratch", "namespace": namespace},
                "repoIdentifier": "", "snapshotID": "5c1e", "sourceNamespace": "home", "uploaderType": "kopia",
                "volume": "config",
            },
            "status": {"phase": "InProgress", "progress": {"bytesDone": done, "totalBytes": 20_000_000}},
        }));
        self
    }

    fn is_restored(&self) -> &Self {
        self.juju.task(
            4,
            "completed",
            &["restoring data with Velero", "restored"],
            json!({
                "result": "restored", "bytes": "20000000", "files": "1204", "databases": "2",
                "safety-backup": "uid-of-the-safety-backup",
            }),
        );
        self
    }

    /// Through the screens to the plan of a restore of radarr.
    fn to_the_plan<'a>(&self, terminal: &'a mut Terminal) -> &'a mut Terminal {
        terminal.shows("apps of model home").shows("FAIL");
        terminal.types("r").shows("> [x] radarr");
        terminal
            .types(ENTER)
            .shows("can be restored")
            .shows("films: 3 fewer");
        terminal.types(ENTER).shows("Type \"radarr\"")
    }
}

#[test]
fn an_app_is_restored_from_the_overview_to_the_saved_report() {
    let home = Home::new();
    home.has_no_operations().can_be_restored().is_being_restored();
    let mut terminal = home.start();
    home.to_the_plan(&mut terminal)
        .shows(&format!("juju {} -m ctl:home", home.restore("")));
    terminal.types("radar").types(ENTER).shows("nothing was begun");
    terminal.types("radarr").types(ENTER);
    terminal
        .shows("radarr            running")
        .shows("restoring data with Velero");
    home.has_bytes(5_000_000);
    terminal.shows("[#####---------------] 5 MB of 20 MB, 25 %");
    home.has_bytes(15_000_000);
    terminal.shows("15 MB of 20 MB, 75 %").shows("left");
    home.is_restored();
    terminal
        .shows("report of run")
        .shows("radarr: restored")
        .shows("uid-of-the-safety-backup");
    terminal.types("s").shows("Save to");
    for _ in 0..100 {
        terminal.types("\x7f");
    }
    terminal.types("~/report.txt").types(ENTER).shows("Saved to");
    let report = std::fs::read_to_string(home.test.path("home").join("report.txt")).unwrap();
    for part in [
        "radarr: restored",
        &home.restore(""),
        "radarr: restoring data with Velero",
    ] {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
    terminal.types("q");
    assert_eq!(terminal.ends().code(), Some(0));
    // What came of it is told where the wizard was started, too.
    terminal.is_as_it_was().shows("radarr: restored");
    let runs = |call: &&String| call.starts_with("run ");
    let calls = home.juju.calls();
    let calls: Vec<&String> = calls.iter().filter(runs).collect();
    assert_eq!(
        calls,
        [
            &format!(
                "{} --background --format json -m ctl:home",
                home.restore(" dry-run=true")
            ),
            &format!("{} --background --format json -m ctl:home", home.restore("")),
        ]
    );
}

#[test]
fn a_run_that_was_left_is_offered_and_gone_on_with() {
    let home = Home::new();
    home.has_no_operations().can_be_restored().is_being_restored();
    let mut terminal = home.start();
    home.to_the_plan(&mut terminal);
    terminal
        .types("radarr")
        .types(ENTER)
        .shows("restoring data with Velero");
    terminal.types(CTRL_C);
    assert_eq!(terminal.ends().code(), Some(4));
    terminal
        .is_as_it_was()
        .shows("what was started goes on in Juju")
        .shows("next: configuratarr resume ");
    home.juju.task(
        4,
        "running",
        &["restoring data with Velero", "checking"],
        json!({}),
    );
    let mut terminal = home.start();
    terminal.shows("a run was interrupted").shows("radarr: under way");
    terminal.types(ENTER).shows("0 of 1 ended");
    home.is_restored();
    terminal
        .shows("report of run")
        .shows("radarr: restored")
        .types("q");
    assert_eq!(terminal.ends().code(), Some(0));
    terminal.is_as_it_was();
    let starts = home.juju.calls();
    let starts = starts
        .iter()
        .filter(|call| call.starts_with("run ") && !call.contains("dry-run"));
    assert_eq!(starts.count(), 1);
}

/// SIGKILL, as when the machine has no memory left: what was started goes on in Juju, and is found again.
#[test]
fn a_wizard_that_was_killed_goes_on_with_its_run() {
    let home = Home::new();
    home.has_no_operations().can_be_restored().is_being_restored();
    let mut terminal = home.start();
    home.to_the_plan(&mut terminal);
    terminal
        .types("radarr")
        .types(ENTER)
        .shows("restoring data with Velero");
    kill_process(terminal.process(), Signal::KILL).unwrap();
    assert_eq!(terminal.ends().code(), None);
    let mut terminal = home.start();
    terminal
        .shows("a run was interrupted")
        .types(ENTER)
        .shows("0 of 1 ended");
    home.is_restored();
    terminal
        .shows("report of run")
        .shows("radarr: restored")
        .types("q");
    assert_eq!(terminal.ends().code(), Some(0));
    let starts = home.juju.calls();
    let starts = starts
        .iter()
        .filter(|call| call.starts_with("run ") && !call.contains("dry-run"));
    assert_eq!(starts.count(), 1);
}

#[test]
fn the_terminal_is_as_it_was_wherever_the_wizard_is_left() {
    let home = Home::new();
    home.has_no_operations().can_be_restored().is_being_restored();
    // The keys to a screen, each with what tells that it is there.
    let screens: [&[(&str, &str)]; 6] = [
        &[],
        &[("?", "Keys here")],
        &[(ENTER, "backups of radarr: 3")],
        &[("r", "which apps")],
        &[("r", "which apps"), (ENTER, "can be restored")],
        &[
            ("r", "which apps"),
            (ENTER, "can be restored"),
            (ENTER, "Type \"radarr\""),
        ],
    ];
    for (number, steps) in screens.iter().enumerate() {
        for leave in ["q", CTRL_C] {
            // The help takes any key for "back", and where something is typed q is a letter.
            if leave == "q" && matches!(number, 1 | 5) {
                continue;
            }
            let mut terminal = home.start();
            terminal.shows("apps of model home").shows("FAIL");
            for (key, text) in *steps {
                terminal.types(key).shows(text);
            }
            terminal.types(leave);
            assert_eq!(terminal.ends().code(), Some(0), "screen {number}, {leave:?}");
            terminal.is_as_it_was();
        }
    }
}

#[test]
fn a_dry_run_that_is_left_leaves_nothing_to_go_on_with() {
    let home = Home::new();
    home.has_no_operations().can_be_restored();
    home.juju
        .task(2, "running", &["looking into the backup"], json!({}));
    let runs = home.test.path("home/.local/state/configuratarr/runs");
    // But for the file by which it is one process's turn to begin, which stays.
    let is_of_run = |entry: &std::fs::DirEntry| entry.file_name() != "turn";
    let entries = || std::fs::read_dir(&runs).unwrap().map(Result::unwrap);
    let written = || entries().filter(is_of_run).count();
    for leave in [CTRL_C, "\x1b"] {
        let mut terminal = home.start();
        terminal.shows("apps of model home").shows("FAIL");
        terminal.types("r").shows("which apps");
        terminal.types(ENTER).shows("looking into the backup");
        // The run and its lock.
        assert_eq!(written(), 2);
        terminal.types(leave);
        if leave != CTRL_C {
            terminal.shows("which apps").types("q");
        }
        assert_eq!(terminal.ends().code(), Some(0));
        assert_eq!(written(), 0);
        terminal.is_as_it_was();
    }
}

#[test]
fn an_app_is_backed_up_and_verified_from_the_overview() {
    let home = Home::new();
    for (action, operation, parameters) in [("backup-now", 1, ""), ("verify-backup", 3, " backup-uid=")] {
        let query = format!(
            "operations --units radarr/0 --actions {action} --limit 100000 --format json -m ctl:home"
        );
        home.juju.prints(&query, "");
        let uid = if parameters.is_empty() { "" } else { &home.newest };
        home.juju.starts(
            &format!("run radarr/0 {action}{parameters}{uid}"),
            operation,
            operation + 1,
        );
        home.juju.task(
            operation + 1,
            "completed",
            &[],
            json!({"backup-uid": "uid-of-it", "bytes": "20000000"}),
        );
    }
    let mut terminal = home.start();
    terminal.shows("apps of model home").shows("FAIL");
    terminal
        .types("b")
        .shows("juju run radarr/0 backup-now -m ctl:home")
        .types(ENTER);
    terminal
        .shows("report of run")
        .shows("radarr: backed up")
        .types(ENTER);
    terminal.shows("apps of model home").shows("FAIL");
    terminal
        .types("v")
        .shows("juju run radarr/0 verify-backup")
        .types(ENTER);
    terminal
        .shows("report of run")
        .shows("radarr: comes back")
        .types("q");
    assert_eq!(terminal.ends().code(), Some(0));
    // Both are told where the wizard was started.
    terminal
        .is_as_it_was()
        .shows("radarr: backed up")
        .shows("radarr: comes back");
}

#[test]
fn the_terminal_is_as_it_was_after_a_signal() {
    let home = Home::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = home.start();
        terminal.shows("apps of model home");
        kill_process(terminal.process(), signal).unwrap();
        assert_eq!(terminal.ends().code(), Some(0), "{signal:?}");
        terminal.is_as_it_was();
    }
}

#[test]
fn the_screen_follows_the_size_of_the_terminal() {
    let home = Home::new();
    let mut terminal = home.start();
    terminal.shows("apps of model home").shows("Enter its backups");
    terminal.resize(60, 20).shows("60x20 is too small");
    terminal.resize(120, 40).shows("mark all or none");
    terminal
        .resize(80, 24)
        .shows_no("mark all or none")
        .shows("? help");
    terminal.types("q");
    terminal.ends();
    terminal.is_as_it_was();
}

#[test]
fn without_colours_nothing_is_painted() {
    let home = Home::new();
    let painted = |terminal: &mut Terminal| terminal.shows("apps of model home").shows("FAIL").has_colors();
    assert!(painted(&mut home.start()));
    home.test.env("NO_COLOR", "1");
    assert!(!painted(&mut home.start()));
}

#[test]
fn nothing_is_sent_when_nothing_changed() {
    let home = Home::new();
    let mut terminal = home.start();
    terminal.shows("apps of model home").shows("FAIL");
    let before = terminal.bytes();
    // The pointer is at the first app already: the key changes nothing that is seen. The second one does.
    terminal.types(UP).types("?").shows("Keys here");
    let after = terminal.bytes() - before;
    // Two frames at most, of which one has the help.
    assert!(after < 2500, "{after} bytes");
}

#[test]
fn there_are_at_most_ten_frames_a_second() {
    let home = Home::new();
    let mut terminal = home.start();
    terminal.shows("apps of model home").shows("FAIL");
    let (begin, before) = (Instant::now(), terminal.frames());
    for _ in 0..8 {
        terminal
            .types("?")
            .shows("Keys here")
            .types(" ")
            .shows_no("Keys here");
    }
    let (took, frames) = (begin.elapsed(), terminal.frames() - before);
    // The first one may follow at once.
    assert!(frames >= 15, "{frames} frames");
    assert!(
        took >= Duration::from_millis(100) * u32::try_from(frames - 1).unwrap(),
        "{frames} in {took:?}"
    );
    terminal.types("q");
    terminal.ends();
}

#[test]
fn without_a_terminal_it_names_the_command_to_use() {
    let home = Home::new();
    let ran = home.test.run(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ran.stderr, @r"
    error: without a command it is a wizard, and that needs a terminal for its screens and keys
    next: configuratarr status shows the apps; configuratarr --help all commands
    ");
    let ran = home.test.run(&["--format", "json"]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(ran.stderr, @r"
    error: without a command it is a wizard, which prints no data
    next: configuratarr status shows the apps; configuratarr --help all commands
    ");
}
