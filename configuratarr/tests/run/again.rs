//! What a person reads is done as it says, and runs are gone on with later, elsewhere, and by a clock that was wrong.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::common::{PAUSE, Ran};
use crate::ends::is_killed_before_it_starts;
use crate::home::{Home, RESTORED};
use crate::imported::IMPORTS;
use crate::imports::Imports;
use crate::places::killed_in;
use crate::refresh::{NOT_IN_8, home as of_charmhub, restored_by};
use crate::rough::{change, journal, killed_after_the_refresh};
use crate::silent::has_agent;

/// `refresh radarr` to its end.
const REFRESH: [&str; 6] = ["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"];

/// A refresh that was killed by what stands before or after Juju's commands.
fn killed_refresh(home: Home, before: &str, after: &str) -> Home {
    home.around_juju(before, after);
    assert_eq!(home.test.run(&REFRESH).code, None);
    home.around_juju("", "");
    home
}

/// The one to a charm that the app is not well with.
fn killed_bad_refresh(before: &str, after: &str) -> Home {
    let home = of_charmhub();
    home.does("radarr", "start", NOT_IN_8);
    killed_refresh(home, before, after)
}

/// It is gone on with when its backup is ten hours old. `is_so` looks at the run before.
fn resumed_late(home: &Home, is_so: impl Fn(&Value)) -> Ran {
    change(home, |run| {
        is_so(run);
        run["progress"][0]["seen"]["backedUp"] = hours_ago(10).into();
    });
    home.test.run(&["resume", "--tick=100"]).exits(1)
}

/// So many hours ago.
fn hours_ago(hours: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(hours)).to_string()
}

/// Juju has to be logged in to first. What was typed leads to the cluster of the run all the same.
#[test]
fn what_goes_on_after_a_login_names_the_kubeconfig_that_was_typed() {
    let home = killed_in("uid");
    let kubeconfig = home.test.path("my config");
    fs::rename(home.test.path("kubeconfig"), &kubeconfig).unwrap();
    home.around_juju(
        "case \"$*\" in show-model*) echo 'ERROR controller \"ctl\": not logged in' >&2; exit 1;; esac",
        "",
    );
    let kubeconfig = kubeconfig.to_str().unwrap();
    let ran = home.test.run(&["resume", "--kubeconfig", kubeconfig]).exits(4);
    let path = journal(&home);
    let name = path.file_stem().unwrap().to_str().unwrap();
    let next =
        format!("juju login; then configuratarr resume {name} --kubeconfig '{kubeconfig}'; to give it up");
    assert!(ran.stderr.contains(&next), "{}", ran.shown());
    home.around_juju("", "");
    home.test
        .run(&["resume", name, "--kubeconfig", kubeconfig])
        .exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// Only what is in a run's file is needed to go on: its lock may have stayed on another machine.
#[test]
fn a_run_that_was_copied_without_its_lock_is_gone_on_with() {
    let home = killed_in("uid");
    let lock = journal(&home).with_extension("lock");
    fs::remove_file(&lock).unwrap();
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
    assert!(lock.is_file());
}

/// A lock that cannot be opened, as one of root's, is no run that is not there.
#[test]
fn a_lock_that_cannot_be_opened_is_no_missing_run() {
    let home = killed_in("uid");
    let path = journal(&home);
    let lock = path.with_extension("lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(
        ran.stderr
            .contains(&format!("cannot write down what is done in {}", path.display()))
            && !ran.stderr.contains("there is no run"),
        "{}",
        ran.shown()
    );
}

/// An import is carried out in the cluster. Why that cannot be asked is what helps.
#[test]
fn an_import_that_cannot_reach_its_cluster_says_why() {
    let imports = Imports::with(IMPORTS);
    assert!(imports.killed_at_write(1, false));
    let ran = imports
        .home
        .test
        .run(&["resume", "--kubeconfig", "/nowhere/config"])
        .exits(4);
    let path = journal(&imports.home);
    let name = path.file_stem().unwrap().to_str().unwrap();
    assert!(
        ran.stderr.contains("cannot read kubeconfig /nowhere/config")
            && !ran.stderr.contains("an import needs the cluster")
            && ran.stderr.contains(&format!("configuratarr resume {name}"))
            // It would lead nowhere again.
            && !ran.stderr.contains("--kubeconfig /nowhere/config"),
        "{}",
        ran.shown()
    );
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("the cluster is there");
}

/// A connection to Juju that breaks off at the last step ends no run: whether the app is well was not seen yet.
#[test]
fn juju_that_breaks_off_in_the_check_of_an_import_ends_nothing() {
    let imports = Imports::with(IMPORTS);
    imports.home.around_juju(
        "case \"$*\" in status*) if [ -e joined ]; then echo 'ERROR connection is shut down' >&2; exit 1; fi;; esac",
        "case \"$*\" in integrate*) /bin/touch joined;; esac",
    );
    let ran = imports.restore().exits(4);
    assert!(
        ran.stderr
            .contains("connection is shut down; radarr is deployed with its relations"),
        "{}",
        ran.shown()
    );
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("Juju answers again");
}

/// The run is left before the refresh for longer than a night. What was written since is in no backup that it could go back to.
#[test]
fn nothing_is_refreshed_from_a_backup_that_has_become_old() {
    let home = killed_bad_refresh("case \"$*\" in refresh*) kill -9 $PPID; exit 1;; esac", "");
    let ran = resumed_late(&home, |run| {
        let made = run["progress"][0]["seen"]["backedUp"].as_str();
        assert!(made.is_some_and(|made| made < hours_ago(-1).as_str()), "{run}");
    });
    assert!(
        ran.stdout.contains("so nothing was refreshed")
            && ran
                .stdout
                .contains("configuratarr refresh radarr --model ctl:home makes a new one"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    assert!(restored_by(&home).is_empty());
}

/// Each new backup would be called as old, after all the work that it takes.
#[test]
fn clocks_that_differ_are_told_and_no_backup_is_called_old_for_them() {
    let home = of_charmhub();
    // Juju's clock is years behind.
    home.around_juju(
        "case \"$*\" in show-task*) real/juju \"$@\" | sed -E 's/(enqueued|started|completed)(\"[: ]*\")20[0-9]{2}/\\1\\22019/g'; exit;; esac",
        "",
    );
    let ran = home.test.run(&REFRESH).exits(1);
    assert!(
        ran.stdout.contains("the clock of this machine is ")
            && ran
                .stdout
                .contains(" ahead of Juju's, so nobody can tell how old the backup is")
            && ran.stdout.contains("nothing was refreshed")
            && ran.stdout.contains("date -u shows this machine's")
            && !ran.stdout.contains("makes a new one"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    assert!(home.ran("radarr", "verify-backup").is_empty());
}

/// The same after the refresh: the charm's content of a night is not thrown away without a word.
#[test]
fn nothing_is_rolled_back_to_a_backup_that_has_become_old() {
    let home = killed_after_the_refresh();
    let ran = resumed_late(&home, |_| {});
    assert!(
        ran.stdout.contains("NOT WELL, AND NOT ROLLED BACK")
            && ran.stdout.contains("too old to roll back to"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.application("radarr")["charm-rev"], 8);
    assert!(restored_by(&home).is_empty());
}

/// And after the charm was rolled back.
#[test]
fn no_content_is_restored_from_a_backup_that_has_become_old() {
    let home = killed_bad_refresh(
        "case \"$*\" in operations*restore-from-backup*) kill -9 $PPID; exit 1;; esac",
        "",
    );
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    let ran = resumed_late(&home, |run| {
        assert_eq!(run["progress"][0]["step"], "restore-data", "{run}");
    });
    assert!(
        ran.stdout.contains("ROLLED BACK, BUT NOT WELL")
            && ran.stdout.contains("what was written since would be lost"),
        "{}",
        ran.shown()
    );
    assert!(restored_by(&home).is_empty());
}

/// An earlier release did not write down when the backup was made. The run is older.
#[test]
fn a_run_that_does_not_tell_when_its_backup_was_made_is_as_old_as_it_is() {
    let home = killed_refresh(
        of_charmhub(),
        "case \"$*\" in refresh*) kill -9 $PPID; exit 1;; esac",
        "",
    );
    change(&home, |run| {
        run["plan"]["made"] = hours_ago(10).into();
        run["progress"][0]["seen"]
            .as_object_mut()
            .unwrap()
            .remove("backedUp");
    });
    let ran = home.test.run(&["resume", "--tick=100"]).exits(1);
    assert!(ran.stdout.contains("so nothing was refreshed"), "{}", ran.shown());
    assert_eq!(home.application("radarr")["charm-rev"], 7);
}

/// A refresh with a resource that Juju took before the end: the charm does not tell, and the text claims nothing of the resource.
#[test]
fn a_resource_that_was_taken_is_not_called_refreshed_or_not() {
    let home = of_charmhub();
    home.around_juju("", "case \"$*\" in refresh*) kill -9 $PPID; exit 1;; esac");
    let mut typed = REFRESH.to_vec();
    typed.extend(["--revision", "7", "--resource", "radarr-image=other"]);
    assert_eq!(home.test.run(&typed).code, None);
    home.around_juju("", "");
    let ran = resumed_late(&home, |_| {});
    assert!(
        ran.stdout.contains("tells which resources it has") && !ran.stdout.contains("nothing was refreshed"),
        "{}",
        ran.shown()
    );
}

/// The way back had not begun. The previous charm is not put over an app of the next morning, whose content would have to stay.
#[test]
fn no_charm_is_taken_back_without_its_content() {
    let home = killed_bad_refresh(
        "case \"$*\" in refresh*) if [ -e once ]; then kill -9 $PPID; exit 1; fi; /bin/touch once;; esac",
        "",
    );
    let ran = resumed_late(&home, |run| {
        assert_eq!(run["progress"][0]["step"], "roll-back", "{run}");
    });
    assert!(
        ran.stdout.contains("NOT WELL, AND NOT ROLLED BACK")
            && ran.stdout.contains("too old to roll back to"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.application("radarr")["charm-rev"], 8);
    assert!(restored_by(&home).is_empty());
}

/// It was written down that the content is to be restored, and Juju had not taken it: that is no reason to do it the next morning. What Juju
/// took is followed to its end.
#[test]
fn old_content_is_not_restored_where_juju_had_not_taken_it() {
    for (before, after, is_taken) in [
        (
            "case \"$*\" in run*restore-from-backup*) kill -9 $PPID; exit 1;; esac",
            "",
            false,
        ),
        (
            "",
            "case \"$*\" in run*restore-from-backup*) kill -9 $PPID; exit 1;; esac",
            true,
        ),
    ] {
        let home = killed_bad_refresh(before, after);
        let ran = resumed_late(&home, |run| {
            let seen = &run["progress"][0]["seen"];
            assert!(seen["isAsked"] == true && seen["task"].is_null(), "{seen}");
        });
        let says = match is_taken {
            false => "what was written since would be lost",
            true => "charm and content are those of before, and it is active",
        };
        assert!(ran.stdout.contains(says), "{}", ran.shown());
        assert_eq!(restored_by(&home).is_empty(), !is_taken, "{}", ran.shown());
    }
}

/// The clock was ahead when the time was written down until which the app is waited for.
#[test]
fn a_clock_that_is_set_back_lets_no_app_wait_for_years() {
    let home = killed_after_the_refresh();
    change(&home, |run| {
        let until = &mut run["progress"][0]["seen"]["until"];
        assert!(until.is_string(), "{until}");
        *until = "2199-01-01T00:00:00Z".into();
    });
    home.test.run(&["resume", "--tick=100"]).exits(1);
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    assert_eq!(restored_by(&home), ["7"]);
}

/// It was ahead when the run was begun: how old that is nobody knows, nor whether Juju has forgotten what it started.
#[test]
fn a_run_of_the_future_starts_nothing_again_and_is_taken_by_its_name_only() {
    let home = Home::with(&["radarr"]);
    is_killed_before_it_starts(&home);
    home.around_juju("", "");
    let name = change(&home, |run| run["plan"]["made"] = "2199-01-01T00:00:00Z".into());
    let ran = home.test.run(&["resume"]).exits(1);
    assert!(
        ran.stderr
            .contains("is a restore of a time to come by this machine's clock"),
        "{}",
        ran.shown()
    );
    let ran = home.test.run(&["resume", &name]).exits(1);
    assert!(
        ran.stdout
            .contains("whether restore-from-backup was started on radarr/0 is not known"),
        "{}",
        ran.shown()
    );
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
}

/// Who waits behind another action is told what for, and not that the charm says nothing.
#[test]
fn an_action_that_has_not_begun_is_told_as_one_that_waits() {
    let home = Home::with(&["radarr"]);
    has_agent(&home);
    let gate = home.gate("gate");
    home.does("radarr", "verify-backup", &gate.wait());
    home.juju(&["run", "radarr/0", "verify-backup", "backup-uid=u", "--background"]);
    home.does("radarr", "restore-from-backup", RESTORED);
    let said = home.test.path("said");
    let mut running = home
        .test
        .command(&["--tick=10", "--silence=1000", "restore", "radarr", "--yes"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let waits = " has waited for 1 s: radarr/0 is there and does something else first, which juju operations --units radarr/0 \
                 --status running -m ctl:home and ";
    let begin = Instant::now();
    let text = || fs::read_to_string(&said).unwrap();
    while !text().contains(waits) {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", text());
        std::thread::sleep(PAUSE);
    }
    gate.open();
    assert!(running.wait().unwrap().success(), "{}", text());
}
