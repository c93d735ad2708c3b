//! Seven apps are restored in the wizard, by the simulated Juju, and the wizard is killed in the middle: with SIGKILL, at several steps.

use std::fs;

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::ENTER;
use super::home::{Home, RESTORED};
use super::terminal::Terminal;

const APPS: [&str; 7] = [
    "bazarr", "lidarr", "plex", "prowlarr", "radarr", "sonarr", "tautulli",
];

/// What a restore does before it begins to restore: nothing in a dry run, which finds nothing against it.
fn restores(home: &Home, app: &str, before: &str) {
    let script = format!(
        "case \"$(action-get --format=json)\" in\n*'\"dry-run\":true'*) action-set result=checked;;\n*) {before}{RESTORED};;\nesac\n"
    );
    home.does(app, "restore-from-backup", &script);
}

/// Through the screens of a new wizard, until the restore of all is begun.
fn begins(home: &Home) -> Terminal {
    let mut terminal = Terminal::start(&home.test.command(&["--tick=100"]), (80, 24));
    terminal.shows("apps of model home").shows("tautulli");
    terminal.types("ar").shows("which apps");
    terminal
        .types(ENTER)
        .shows("what the charms say before it begins");
    terminal.types(ENTER).shows("Type \"restore 7 apps\"");
    terminal.types("restore 7 apps").types(ENTER);
    terminal
}

/// Another wizard goes on with what was killed, to its end.
fn goes_on(home: &Home) {
    let mut terminal = Terminal::start(&home.test.command(&["--tick=100"]), (80, 24));
    terminal.shows("a run was interrupted").types(ENTER);
    terminal
        .shows("report of run")
        .shows("bazarr: restored")
        .types("q");
    assert_eq!(terminal.ends().code(), Some(0));
    // What came of it is told where it was started.
    terminal.shows("tautulli: restored");
}

/// Each app was restored so often, and no run is left.
#[track_caller]
fn is_restored(home: &Home, times: usize, why: &str) {
    for app in APPS {
        let ran = home.ran(app, "restore-from-backup");
        let restores = ran.iter().filter(|asked| !asked.contains("\"dry-run\":true"));
        assert_eq!(restores.count(), times, "{why}: {app}: {ran:?}");
    }
    let runs = fs::read_dir(home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let runs = runs.map(|entry| entry.unwrap().path());
    let runs: Vec<Value> = runs
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    assert_eq!(runs.len(), times, "{why}");
    for run in runs {
        let progress = run["progress"].as_array().unwrap();
        assert_eq!(progress.len(), APPS.len(), "{why}");
        assert!(
            progress.iter().all(|progress| progress["state"] == "done"),
            "{why}: {run}"
        );
    }
}

#[test]
fn seven_apps_are_restored_each_once_wherever_the_wizard_is_killed() {
    let home = Home::with(&APPS);
    for app in APPS {
        restores(&home, app, "");
    }
    // What asks a charm for more than a dry run, and how many were asked in this round.
    let start = |what: &str| format!("case \"$*\" in *dry-run*) ;; run*) {what};; esac");
    let kill = "kill -9 $PPID; exit 1";
    let moments = [
        ("before the first is asked", start(kill), String::new()),
        (
            "after the fourth was asked",
            String::new(),
            start(&format!(
                "echo >>asked.4; if [ $(wc -l <asked.4) -eq 4 ]; then {kill}; fi"
            )),
        ),
        (
            "at the first look at all",
            format!(
                "case \"$*\" in show-task*) if [ -e asked.7 ] && [ $(wc -l <asked.7) -eq 7 ]; then {kill}; fi;; esac"
            ),
            start("echo >>asked.7"),
        ),
    ];
    let mut times = 0;
    for (moment, before, after) in &moments {
        home.around_juju(before, after);
        let mut terminal = begins(&home);
        assert_eq!(terminal.ends().code(), None, "{moment}");
        home.around_juju("", "");
        goes_on(&home);
        times += 1;
        is_restored(&home, times, moment);
    }
    // The simulated Juju does one after the other: five are restored, one is under way, one waits.
    let gate = home.gate("gate");
    restores(&home, "sonarr", &gate.wait());
    let mut terminal = begins(&home);
    terminal.shows("5 of 7 ended");
    kill_process(terminal.process(), Signal::KILL).unwrap();
    assert_eq!(terminal.ends().code(), None);
    gate.open();
    goes_on(&home);
    is_restored(&home, times + 1, "while one of them is being restored");
}
