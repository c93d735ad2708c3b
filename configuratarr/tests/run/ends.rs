//! How runs end: well, badly, before they began, and without their end being seen.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use insta::assert_snapshot;

use crate::home::{Home, RESTORED};

#[test]
fn one_app_and_several_are_restored_from_the_backup_of_the_plan() {
    let home = Home::with(&["radarr", "sonarr", "prowlarr"]);
    home.has_data("radarr", 0);
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(0);
    let uids = home.ran("radarr", "restore-from-backup");
    assert_eq!(uids.len(), 1, "{}", ran.shown());
    assert!(home.ran("sonarr", "restore-from-backup").is_empty());
    assert_snapshot!("restored_one", without_uids(&ran.stdout));
    let ran = home
        .test
        .run(&["restore", "--all", "--yes", "--format", "json"])
        .exits(0);
    let run = ran.json();
    for (number, app) in ["prowlarr", "radarr", "sonarr"].into_iter().enumerate() {
        let item = &run["plan"]["items"][number];
        assert_eq!(item["app"], app);
        assert_eq!(run["progress"][number]["state"], "done", "{}", ran.shown());
        // What was planned is what the charm was asked for.
        let asked = home.ran(app, "restore-from-backup").pop().unwrap();
        assert!(asked.contains(item["backup"]["uid"].as_str().unwrap()), "{asked}");
    }
}

/// Whoever restores everything and reads an exit code of 0 takes everything for restored.
#[test]
fn an_app_that_cannot_be_restored_is_left_out_and_told_by_the_exit_code() {
    let home = Home::with_backups(&["radarr"], &["plex"]);
    let ran = home.test.run(&["restore", "--all", "--yes", "--quiet"]).exits(1);
    assert_snapshot!("left_out", without_uids(&ran.stdout));
    let document = home
        .test
        .run(&["restore", "--all", "--yes", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(document["plan"]["leftOut"][0]["app"], "plex");
    // What is left of an app that is gone is no task of a run over all apps.
    let home = Home::with_backups(&["radarr"], &[]);
    home.gone("lidarr");
    let ran = home.test.run(&["restore", "--all", "--yes"]).exits(0);
    assert!(
        ran.stdout.contains("left out: lidarr: lidarr is not deployed"),
        "{}",
        ran.shown()
    );
}

#[test]
fn a_charm_that_fails_or_does_not_say_that_it_restored_is_no_restore() {
    let home = Home::with(&["radarr", "sonarr", "prowlarr"]);
    home.does(
        "radarr",
        "restore-from-backup",
        "action-set safety-backup=s-1 undo='juju run it'\naction-fail 'backup b is damaged'",
    );
    home.does("sonarr", "restore-from-backup", "action-set result=checked");
    home.does("prowlarr", "restore-from-backup", "kill -9 $$");
    let ran = home.test.run(&["restore", "--all", "--yes"]).exits(1);
    assert_snapshot!("not_restored", without_uids(&ran.stdout));
    for app in ["radarr", "sonarr", "prowlarr"] {
        assert_eq!(
            home.ran(app, "restore-from-backup").len(),
            1,
            "nothing is tried twice"
        );
    }
    // A run that is at its end is not gone on with.
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(
        ran.stderr.contains("there is no run that is not at its end"),
        "{}",
        ran.shown()
    );
}

/// That the charm says so, and does not touch the app, is in `tests/system/tests/recovery.rs`.
#[test]
fn a_backup_that_goes_between_plan_and_run_is_no_restore_and_leaves_no_run_open() {
    let home = Home::with(&["radarr"]);
    is_killed_before_it_starts(&home);
    home.around_juju("", "");
    for mut backup in home.test.cluster.list("/apis/velero.io/v1/backups") {
        backup["metadata"]["uid"] = "another".into();
        home.test.put(backup);
    }
    let gone = "there is no backup u-1; list-backups shows the uids";
    home.does("radarr", "restore-from-backup", &format!("action-fail '{gone}'"));
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(ran.stdout.contains(gone), "{}", ran.shown());
    // The one of the plan was asked for, and no other in its place.
    let asked = home.ran("radarr", "restore-from-backup");
    assert!(asked.len() == 1 && !asked[0].contains("another"), "{asked:?}");
    let again = home.test.run(&["resume"]).exits(1);
    assert!(again.stderr.contains("there is no run"), "{}", again.shown());
}

#[test]
fn backups_are_made_and_verified() {
    let home = Home::with(&["radarr", "sonarr"]);
    for app in ["radarr", "sonarr"] {
        home.does(
            app,
            "backup-now",
            "action-set backup-uid=u-1 backup-name=n bytes=20000000 seconds=9",
        );
        home.does(
            app,
            "verify-backup",
            "action-set backup-uid=\"$(action-get backup-uid)\" files=10 bytes=20000000 databases=1 'differences=films 412 -> 398'",
        );
    }
    let ran = home.test.run(&["backup", "--all"]).exits(0);
    assert_snapshot!("backed_up", without_uids(&ran.stdout));
    let ran = home.test.run(&["verify", "sonarr"]).exits(0);
    assert_snapshot!("verified", without_uids(&ran.stdout));
    assert!(home.ran("radarr", "verify-backup").is_empty());
}

#[test]
fn a_dry_run_shows_what_the_charm_says_and_restores_nothing() {
    let home = Home::with(&["radarr"]);
    home.does(
        "radarr",
        "restore-from-backup",
        "action-set result=checked 'steps=1. radarr is stopped' 'differences=films 412 -> 398'",
    );
    let ran = home.test.run(&["restore", "radarr", "--dry-run"]).exits(0);
    assert_snapshot!("previewed", without_uids(&ran.stdout));
    assert!(home.ran("radarr", "restore-from-backup")[0].contains("\"dry-run\":true"));
}

#[test]
fn nothing_begins_without_the_word() {
    let home = Home::with(&["radarr"]);
    let ran = home.test.run(&["restore", "radarr"]).exits(2);
    assert_snapshot!("nobody_to_ask", ran.shown());
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
}

#[test]
fn what_runs_already_is_not_started_beside_itself() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("gate");
    home.does(
        "radarr",
        "restore-from-backup",
        &format!("{}{RESTORED}", gate.wait()),
    );
    home.juju(&[
        "run",
        "radarr/0",
        "restore-from-backup",
        "backup-uid=other",
        "--background",
    ]);
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(1);
    assert!(
        ran.stdout.contains(
            "another restore-from-backup is under way on radarr/0: juju show-task 1 -m ctl:home shows it; wait for its end, or juju cancel-task 1 -m ctl:home ends it"
        ),
        "{}",
        ran.shown()
    );
    gate.open();
    home.juju(&["show-task", "1", "--watch", "--format", "json"]);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// Both have looked and seen nothing: the one who asked first goes on, the other one takes back what waits.
#[test]
fn of_two_who_begin_in_the_same_moment_one_goes_on() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("gate");
    home.does(
        "radarr",
        "restore-from-backup",
        &format!("{}{RESTORED}", gate.wait()),
    );
    home.around_juju(
        "case \"$*\" in run*) real/juju run radarr/0 restore-from-backup backup-uid=other --background >/dev/null 2>&1;; esac",
        "",
    );
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(1);
    assert!(
        ran.stdout
            .contains("in this moment, task 1; this one was taken back"),
        "{}",
        ran.shown()
    );
    gate.open();
    home.juju(&["show-task", "1", "--watch", "--format", "json"]);
    let asked = home.ran("radarr", "restore-from-backup");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("other"), "{asked:?}");
}

/// Ctrl-C is heard while a juju hangs.
#[test]
fn somebody_who_leaves_waits_for_no_juju_that_hangs() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("hangs");
    let hangs = format!(
        "case \"$*\" in show-task*) echo here >'{}'; exec sleep 1000;; esac",
        gate.path().display()
    );
    home.around_juju(&hangs, "");
    let mut command = home.test.command(&["restore", "radarr", "--yes"]);
    let mut running = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(fs::read_to_string(gate.path()).unwrap(), "here\n");
    kill("INT", running.id());
    assert_eq!(running.wait().unwrap().code(), Some(4));
    home.around_juju("", "");
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// What Juju gives no answer to may still be on its way there: it is no failure, and whoever goes on looks first.
#[test]
fn a_start_that_juju_does_not_answer_is_looked_for_by_who_goes_on() {
    let home = Home::with(&["radarr"]);
    home.around_juju("case \"$*\" in run*) exec sleep 1000;; esac", "");
    let ran = home
        .test
        .run(&["--juju-limit=1", "restore", "radarr", "--yes"])
        .exits(4);
    assert!(ran.stdout.contains("radarr: perhaps begun"), "{}", ran.shown());
    // It has come there.
    let run: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(crate::rough::journal(&home)).unwrap()).unwrap();
    let uid = run["plan"]["items"][0]["backup"]["uid"].as_str().unwrap();
    let uid = format!("backup-uid={uid}");
    home.juju(&["run", "radarr/0", "restore-from-backup", &uid]);
    home.around_juju("", "");
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// Somebody switches to another model while a plan is read: each command after it names the model of the plan.
#[test]
fn a_run_stays_with_the_model_of_its_plan() {
    let home = Home::with(&["radarr"]);
    home.around_juju("", "");
    home.test.run(&["restore", "radarr", "--yes"]).exits(0);
    let calls = home.test.juju_calls();
    let about_actions = ["operations", "run", "show-task"];
    let named = calls
        .iter()
        .filter(|call| about_actions.iter().any(|verb| call.starts_with(verb)));
    let named: Vec<&String> = named.collect();
    assert!(named.len() >= 3, "{calls:?}");
    for call in named {
        assert!(call.ends_with("-m ctl:home"), "{call}");
    }
}

/// Ctrl-C ends this program, and not what the charm does.
#[test]
fn an_interrupted_run_goes_on_in_juju_and_is_found_again() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("gate");
    let script = format!("action-log 'here I am'\n{}{RESTORED}", gate.wait());
    home.does("radarr", "restore-from-backup", &script);
    let mut command = home.test.command(&["restore", "radarr", "--yes"]);
    let mut running = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("here I am") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended before");
    }
    // While somebody follows it nobody else does.
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(
        ran.stderr.contains("another configuratarr carries out run"),
        "{}",
        ran.shown()
    );
    kill("INT", running.id());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(4), "{rest}");
    assert!(rest.contains("next: configuratarr resume"), "{rest}");
    gate.open();
    let ran = home.test.run(&["resume"]).exits(0);
    assert!(ran.stdout.contains("radarr: restored"), "{}", ran.shown());
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// What was begun goes on although its number cannot be written down: nobody may read that nothing was begun.
#[test]
fn a_restore_that_was_begun_and_cannot_be_written_down_is_no_failure() {
    let home = Home::with(&["radarr"]);
    let runs = home.test.path("home/.local/state/configuratarr/runs");
    let away = format!(
        "case \"$*\" in run*) mv '{0}' '{0}.away'; touch '{0}';; esac",
        runs.display()
    );
    home.around_juju("", &away);
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(4);
    assert!(
        ran.stderr.contains("what was started goes on in Juju\nnext: make it writable, or make room; then configuratarr resume ")
            && !ran.stderr.contains("nothing is begun"),
        "{}",
        ran.shown()
    );
    fs::remove_file(&runs).unwrap();
    fs::rename(runs.with_extension("away"), &runs).unwrap();
    home.around_juju("", "");
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// The cluster tells bytes only: a restore that is under way comes to its end without it.
#[test]
fn a_restore_comes_to_its_end_while_the_cluster_does_not_answer() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("gate");
    let script = format!("action-log 'here I am'\n{}{RESTORED}", gate.wait());
    home.does("radarr", "restore-from-backup", &script);
    let mut command = home.test.command(&["restore", "radarr", "--yes"]);
    let mut running = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("here I am") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended before");
    }
    home.test.cluster.answers(false);
    gate.open();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("radarr: restored"), "{rest}");
}

/// Nobody can read what it prints: that somebody has to go on with it is told all the same.
#[test]
fn an_interrupted_run_whose_data_cannot_be_printed_is_unfinished() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("gate");
    let script = format!("action-log 'here I am'\n{}{RESTORED}", gate.wait());
    home.does("radarr", "restore-from-backup", &script);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = home.test.command(&["restore", "radarr", "--yes"]);
    let mut running = command.stderr(Stdio::piped()).stdout(full).spawn().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("here I am") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended before");
    }
    kill("INT", running.id());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(4), "{rest}");
    assert!(
        rest.contains("cannot write to standard output") && rest.contains("next: configuratarr resume"),
        "{rest}"
    );
    gate.open();
    home.test.run(&["resume"]).exits(0);
}

/// Juju removes what is older than two weeks, or too much: it is told, and not waited for.
#[test]
fn a_task_that_juju_has_removed_is_not_waited_for() {
    let home = Home::with(&["radarr"]);
    let gone = "case \"$*\" in show-task*) echo '{}'; echo 'ERROR task 1 not found' >&2; exit 1;; esac";
    home.around_juju(gone, "");
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(1);
    assert_snapshot!("task_removed", without_uids(&ran.stdout));
    let looks = home.test.juju_calls();
    let looks = looks.iter().filter(|call| call.starts_with("show-task"));
    assert_eq!(looks.count(), 3);
}

/// The program is killed when it has written down that it starts a restore, and before Juju hears of it.
pub fn is_killed_before_it_starts(home: &Home) {
    home.around_juju("case \"$*\" in run*) kill -9 $PPID; exit 1;; esac", "");
    let killed = home.test.run(&["restore", "radarr", "--yes"]);
    assert_eq!(killed.code, None, "{}", killed.shown());
}

/// Whether such a restore was started only Juju knows, as long as it does.
#[test]
fn what_juju_has_forgotten_is_not_started_again() {
    let home = Home::with(&["radarr"]);
    // Nothing was asked for before, and three weeks are gone.
    is_killed_before_it_starts(&home);
    let runs = fs::read_dir(home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let mut paths = runs.map(|entry| entry.unwrap().path());
    let journal = paths
        .find(|path| path.extension().is_some_and(|end| end == "json"))
        .unwrap();
    let text = fs::read_to_string(&journal).unwrap();
    let mut run: serde_json::Value = serde_json::from_str(&text).unwrap();
    run["plan"]["made"] = "2026-01-01T12:00:00Z".into();
    fs::write(&journal, run.to_string()).unwrap();
    home.around_juju("", "");
    // Of so long ago it is named by whoever means it.
    let name = journal.file_stem().unwrap().to_str().unwrap();
    let ran = home.test.run(&["resume", name]).exits(1);
    assert_snapshot!("start_forgotten", without_uids(&ran.stdout));
    assert!(home.ran("radarr", "restore-from-backup").is_empty());

    // Something was, and Juju has removed it.
    home.test.run(&["restore", "radarr", "--yes"]).exits(0);
    is_killed_before_it_starts(&home);
    home.around_juju("case \"$*\" in operations*) exit 0;; esac", "");
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(ran.stdout.contains("it was not started again"), "{}", ran.shown());
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);

    // What was asked for before is still there: so would be what came after it, and it was not started.
    is_killed_before_it_starts(&home);
    home.around_juju("", "");
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 2);
}

/// Somebody who is told that there is no unfinished run believes that nothing is left to do.
#[test]
fn a_run_that_cannot_be_read_is_told_by_who_looks_for_unfinished_ones() {
    let home = Home::with(&["radarr"]);
    home.test.run(&["restore", "radarr", "--yes"]).exits(0);
    let runs = home.test.path("home/.local/state/configuratarr/runs");
    fs::write(
        runs.join("20261129-010203-restore.json"),
        "{\"schema\": \"configuratarr/run/v2\"",
    )
    .unwrap();
    fs::write(runs.join("20261129-010203-restore.lock"), "").unwrap();
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(ran.stderr.contains("20261129-010203-restore"), "{}", ran.shown());
}

pub fn kill(signal: &str, process: u32) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{signal}"), &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Uids of the fixtures are long and say nothing here.
pub fn without_uids(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let is_uid = |word: &str| word.trim().len() == 36 && word.trim().matches('-').count() == 4;
    words
        .map(|word| match is_uid(word) {
            true => word.replace(word.trim(), "UID"),
            false => word.to_owned(),
        })
        .collect()
}
