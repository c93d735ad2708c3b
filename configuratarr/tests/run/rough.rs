//! What goes wrong between the steps of a redeploy and of a refresh: answers that are lost, machines that sleep, and whoever begins something else in
//! the middle.

use std::fs;
use std::path::PathBuf;

use insta::assert_snapshot;
use serde_json::Value;

use crate::home::{Home, ON_DEPLOY};
use crate::redeploy::{is_related, without_run};
use crate::refresh::{NOT_IN_8, home as of_charmhub, restored_by};

/// `refresh radarr` to its end.
const REFRESH: [&str; 6] = ["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"];

/// The journal of the only run.
pub fn journal(home: &Home) -> PathBuf {
    let runs = fs::read_dir(home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let paths = runs.map(|entry| entry.unwrap().path());
    let mut paths = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let only = paths.next().unwrap();
    assert_eq!(paths.next(), None);
    only
}

/// Changes what is written down of the only run. Gives back its name.
pub fn change(home: &Home, change: impl FnOnce(&mut Value)) -> String {
    let path = journal(home);
    let mut run: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut run);
    fs::write(&path, run.to_string()).unwrap();
    run["id"].as_str().unwrap().to_owned()
}

/// The program is killed at its first look after it has refreshed radarr, which is not active then.
pub fn killed_after_the_refresh() -> Home {
    let home = of_charmhub();
    home.does("radarr", "start", NOT_IN_8);
    home.around_juju(
        "case \"$*\" in status*) if [ -e refreshed ]; then kill -9 $PPID; exit 1; fi;; esac",
        "case \"$*\" in refresh*) touch refreshed;; esac",
    );
    let killed = home.test.run(&REFRESH);
    assert_eq!(killed.code, None, "{}", killed.shown());
    home.around_juju("", "");
    assert_eq!(home.application("radarr")["charm-rev"], 8);
    home
}

/// One app is not restored in time, and another one is: that waits with its relations for the first one, and nobody waits for ever.
#[test]
fn what_waits_for_an_app_that_is_not_restored_is_told_too() {
    let home = Home::without(&["radarr", "sonarr"]);
    home.test.env("XDG_STATE_HOME", home.test.path("my state"));
    home.does("radarr", "start", "status-set waiting 'Velero is not ready'");
    let ran = home
        .test
        .run(&[
            "--tick=100",
            "redeploy",
            "radarr",
            "sonarr",
            "--charm",
            "radarr=../charm-radarr",
            "--charm",
            "sonarr=../charm-sonarr",
            "--resource",
            "radarr:radarr-image=example.org/radarr:1",
            "--resource",
            "sonarr:sonarr-image=example.org/sonarr:1",
            "--yes",
            "--wait",
            "1s",
        ])
        .exits(4);
    assert!(
        ran.stdout
            .contains("sonarr: under way: restored; making its relations again"),
        "{}",
        ran.shown()
    );
    assert!(
        ran.stderr
            .contains("radarr is deployed, and was not restored within 1 s"),
        "{}",
        ran.shown()
    );
    // What is typed as it is shown gives this run up, and touches nothing else.
    let folder = home.test.path("my state").display().to_string();
    assert!(
        ran.stderr.contains(&format!("rm '{folder}/configuratarr/runs/")),
        "{}",
        ran.shown()
    );
    assert!(!is_related(&home, "sonarr"));
    home.does(
        "radarr",
        "list-backups",
        &format!("status-set active\n{ON_DEPLOY}"),
    );
    home.juju(&["run", "radarr/0", "list-backups"]);
    home.test.run(&["resume", "--tick=100"]).exits(0);
    for app in ["radarr", "sonarr"] {
        assert!(is_related(&home, app), "{app}");
        assert_eq!(home.starts(app).len(), 1);
    }
}

/// The charm never says what became of the backup: that is not waited for any longer than for the rest.
#[test]
fn a_charm_that_does_not_answer_is_not_waited_for_for_ever() {
    let home = Home::without(&["radarr"]);
    let gate = home.gate("gate");
    home.does("radarr", "list-backups", &format!("{}{ON_DEPLOY}", gate.wait()));
    let redeploy = [
        "--tick=100",
        "redeploy",
        "radarr",
        "--charm",
        "../charm-radarr",
        "--resource",
        "radarr-image=example.org/radarr:1",
        "--yes",
        "--wait",
        "1s",
    ];
    let ran = home.test.run(&redeploy).exits(4);
    assert!(
        ran.stderr
            .contains("radarr/0 does not come to the end of what it was asked"),
        "{}",
        ran.shown()
    );
    gate.open();
    home.test.run(&["resume", "--tick=100"]).exits(0);
    assert_eq!(home.ran("radarr", "list-backups").len(), 1);
}

/// Juju takes a deploy, and its answer is lost: nobody may read that nothing was deployed.
#[test]
fn a_deploy_whose_answer_is_lost_is_gone_on_with() {
    let home = Home::without(&["radarr"]);
    home.around_juju(
        "",
        "case \"$*\" in deploy*) echo 'ERROR connection is shut down' >&2; CODE=1;; esac",
    );
    let ran = home
        .test
        .run(&[
            "--tick=100",
            "redeploy",
            "radarr",
            "--charm",
            "../charm-radarr",
            "--resource",
            "radarr-image=example.org/radarr:1",
            "--yes",
        ])
        .exits(0);
    assert!(
        ran.stdout.contains("radarr: deployed again and restored"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.starts("radarr").len(), 1);
    assert!(is_related(&home, "radarr"));
}

/// The same of a refresh and of its way back: an app that nobody watches any more would not be rolled back.
#[test]
fn a_refresh_whose_answer_is_lost_is_watched_and_rolled_back() {
    let home = of_charmhub();
    home.does("radarr", "start", NOT_IN_8);
    home.around_juju(
        "",
        "case \"$*\" in refresh*) echo 'ERROR read tcp 10.0.0.1:17070: connection reset by peer' >&2; CODE=1;; esac",
    );
    let ran = home.test.run(&REFRESH).exits(1);
    assert!(ran.stdout.contains("radarr: ROLLED BACK: "), "{}", ran.shown());
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    assert_eq!(restored_by(&home), ["7"]);
    // Deployed, refreshed, rolled back.
    assert_eq!(home.starts("radarr").len(), 3);
}

#[test]
fn a_moments_trouble_does_not_end_the_way_back() {
    let home = of_charmhub();
    home.does("radarr", "start", NOT_IN_8);
    home.around_juju(
        "case \"$*\" in *force-units*) if [ ! -e once ]; then touch once; echo 'ERROR unable to connect to API' >&2; exit 1; fi;; esac",
        "",
    );
    let ran = home.test.run(&REFRESH).exits(1);
    assert!(ran.stdout.contains("radarr: ROLLED BACK: "), "{}", ran.shown());
    assert_eq!(home.application("radarr")["charm-rev"], 7);
}

/// Juju takes a refresh of a resource, and its unit does not start anew. That it came to rest after the verify is no sign that it did.
#[test]
fn the_end_of_the_verify_is_no_sign_of_the_refresh() {
    let home = of_charmhub();
    home.around_juju(
        "case \"$*\" in
         run*verify-backup*) touch verifying;;
         show-task*) if [ -e verifying ]; then real/juju \"$@\" --watch >/dev/null 2>&1; touch over; fi;;
         status*) if [ ! -e over ]; then
           real/juju \"$@\" | sed 's/\"since\": *\"[^\"]*\"/\"since\":\"before\"/g; s/\"current\": *\"idle\"/\"current\":\"executing\"/g'
           exit 0
         fi;;
         refresh*) exit 0;;
         esac",
        "",
    );
    let arguments = [&REFRESH as &[&str], &["--resource", "app-image=radarr:6"]].concat();
    let ran = home.test.run(&arguments).exits(0);
    assert!(home.test.bin().join("over").exists());
    assert!(
        ran.stdout.contains("the unit did not start anew"),
        "{}",
        ran.shown()
    );
}

/// The lid was closed while it waited. The first look finds a unit that is just doing something, and the time is over.
#[test]
fn one_look_after_a_pause_rolls_nothing_back() {
    let home = of_charmhub();
    home.around_juju(
        "case \"$*\" in status*) if [ -e refreshed ] && [ ! -e slept ]; then touch slept
         until [ \"$(date +%s)\" -gt $(($(cat refreshed) + 1)) ]; do :; done
         real/juju \"$@\" | sed 's/\"current\": *\"idle\"/\"current\":\"executing\"/g'; exit 0; fi;; esac",
        "case \"$*\" in refresh*) date +%s >refreshed;; esac",
    );
    let ran = home.test.run(&REFRESH).exits(0);
    assert!(
        ran.stdout.contains("radarr: refreshed, and active"),
        "{}",
        ran.shown()
    );
    assert!(home.test.bin().join("slept").exists());
    assert_eq!(home.application("radarr")["charm-rev"], 8);
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
}

/// Nobody looked for hours, and somebody may have used the app: what they did since would be lost by a rollback.
#[test]
fn what_is_seen_hours_too_late_is_not_rolled_back() {
    let home = killed_after_the_refresh();
    change(&home, |run| {
        run["progress"][0]["seen"]["until"] = "2026-01-01T12:00:00Z".into();
    });
    let ran = home.test.run(&["resume", "--tick=100"]).exits(1);
    assert_snapshot!("refresh_seen_too_late", ran.stdout);
    assert_eq!(home.application("radarr")["charm-rev"], 8);
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
}

/// The backup of a second refresh would be of the app that is not active: there would be no way back from it.
#[test]
fn nothing_else_is_begun_in_the_middle_of_a_refresh() {
    let home = killed_after_the_refresh();
    // It has a backup to restore.
    home.gone("radarr");
    let mut told = None;
    for arguments in [
        &["refresh", "radarr", "--yes"] as &[&str],
        &["restore", "radarr", "--yes"],
        &["restore", "--all", "--yes"],
        &["redeploy", "radarr", "--charm", "radarr", "--yes"],
    ] {
        let ran = home.test.run(arguments).exits(1);
        let said = without_run(
            &ran.stderr
                .replace(&journal(&home).display().to_string(), "JOURNAL"),
        );
        assert_eq!(told.get_or_insert_with(|| said.clone()), &said);
    }
    assert_snapshot!("in_the_middle_of_a_refresh", told.unwrap());
    assert_eq!(home.ran("radarr", "backup-now").len(), 1);
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
    // What changes nothing of the app may be.
    home.test.run(&["backup", "radarr"]).exits(0);
    let ran = home.test.run(&["resume", "--tick=100"]).exits(1);
    assert!(ran.stdout.contains("radarr: ROLLED BACK: "), "{}", ran.shown());
    home.test.run(&["restore", "radarr", "--yes"]).exits(0);
}

/// Somebody who goes on with today's run does not mean the one of last week.
#[test]
fn a_run_of_long_ago_is_gone_on_with_by_its_name_only() {
    let home = Home::with(&["radarr"]);
    crate::ends::is_killed_before_it_starts(&home);
    home.around_juju("", "");
    let name = change(&home, |run| {
        let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(50);
        run["plan"]["made"] = made.to_string().into();
    });
    let ran = home.test.run(&["resume"]).exits(1);
    let said = ran
        .stderr
        .replace(&journal(&home).display().to_string(), "JOURNAL");
    assert_snapshot!("resume_of_long_ago", said.replace(&name, "RUN"));
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
    home.test.run(&["resume", &name]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// The run that was meant cannot be read: the one before it is not taken in its place.
#[test]
fn a_run_that_cannot_be_read_is_not_passed_over() {
    let home = Home::with(&["radarr"]);
    crate::ends::is_killed_before_it_starts(&home);
    home.around_juju("", "");
    let path = journal(&home);
    fs::write(
        path.with_file_name("29991231-235959-restore.json"),
        "{\"schema\":",
    )
    .unwrap();
    let ran = home.test.run(&["resume"]).exits(1);
    let name = path.file_stem().unwrap().to_str().unwrap();
    assert!(
        ran.stderr.contains("29991231-235959-restore.json")
            && ran
                .stderr
                .contains(&format!("the one before it: configuratarr resume {name}")),
        "{}",
        ran.shown()
    );
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
}

/// A model that was made anew under its name counts its tasks from the beginning: task 1 is another app's.
#[test]
fn a_task_of_another_app_says_nothing_of_this_one() {
    let home = Home::with(&["radarr"]);
    let other = r#"case "$*" in show-task*) echo '{"id": "1", "unit": "sonarr/0", "status": "completed", "results": {"result": "restored"}}'; exit 0;; esac"#;
    home.around_juju(other, "");
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(1);
    assert!(
        ran.stdout.contains("radarr: FAILED: Juju has removed task"),
        "{}",
        ran.shown()
    );
}

/// A charm says a line of a megabyte.
#[test]
fn what_a_charm_says_is_no_longer_than_a_person_reads() {
    let home = Home::with(&["radarr"]);
    let line = "word ".repeat(20_000);
    let script = home.test.path("long");
    fs::write(&script, &line).unwrap();
    home.does(
        "radarr",
        "restore-from-backup",
        &format!(
            "action-log \"$(cat {})\"\n{}",
            script.display(),
            crate::home::RESTORED
        ),
    );
    let ran = home.test.run(&["restore", "radarr", "--yes"]).exits(0);
    assert!(
        ran.stderr.contains("word word"),
        "the line is not shown: {:.400}",
        ran.stderr
    );
    for line in ran.stderr.lines() {
        assert!(
            line.chars().count() <= 1100,
            "{} characters",
            line.chars().count()
        );
    }
}

/// What a terminal would obey, by a charm: cursor, title, line ends, text from right to left.
#[test]
fn what_a_charm_says_is_not_obeyed() {
    let evil = "x\u{1b}[2J\u{1b}]0;title\u{7}\\rradarr: restored\\n\u{202e}evil\u{2028}\u{200b}y";
    let home = Home::with(&["radarr", "sonarr"]);
    let script = format!(
        "EVIL=\"$(printf '{evil}')\"\naction-log \"$EVIL\"\naction-set result=restored notes=\"$EVIL\" undo=\"$EVIL\"\n"
    );
    home.does("radarr", "restore-from-backup", &script);
    home.does(
        "sonarr",
        "restore-from-backup",
        &format!("{script}action-fail \"$EVIL\""),
    );
    for format in ["table", "json", "yaml"] {
        let ran = home
            .test
            .run(&["restore", "--all", "--yes", "--format", format])
            .exits(1);
        let is_obeyed = |character: char| {
            character.is_control() && character != '\n' || "\u{202e}\u{2028}\u{200b}".contains(character)
        };
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(is_obeyed), "{format}: {text:?}");
        }
        let lines = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("radarr: restored"));
        assert_eq!(lines.count(), 1, "{format}: a line is faked: {}", ran.stderr);
    }
}
