//! Refreshes that go well, and those that are rolled back.

use insta::assert_snapshot;

use crate::ends::without_uids;
use crate::home::{Home, Kill, Killed, RESTORED};
use crate::redeploy::without_run;

/// A charm that is active in each revision but 8.
pub const NOT_IN_8: &str = "case $(cat which) in 8) status-set waiting 'the database is of a later version';; *) status-set active;; esac";

/// radarr of Charmhub in revision 7, with a backup and revisions to refresh to.
pub fn home() -> Home {
    let home = Home::with_backups(&[], &[]);
    home.each_hook_takes_a_second();
    home.charmhub("radarr", &[7, 8]);
    home.juju(&["deploy", "radarr", "--channel", "latest/edge", "--revision", "7"]);
    home.does(
        "radarr",
        "backup-now",
        "action-set backup-uid=u-1 backup-name=n bytes=20000000",
    );
    home.does(
        "radarr",
        "verify-backup",
        "action-set backup-uid=\"$(action-get backup-uid)\" files=10",
    );
    home.does(
        "radarr",
        "restore-from-backup",
        &format!(
            "cat which >>{}\n{RESTORED}",
            home.test.path("restored-by").display()
        ),
    );
    home
}

/// The revision of the charm at each restore.
pub fn restored_by(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.test.path("restored-by")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn steady(home: &Home, text: &str) -> String {
    without_run(&without_uids(text)).replace(&home.test.path("").display().to_string(), "[FOLDER]/")
}

#[test]
fn a_refresh_that_goes_well_was_backed_up_and_verified_before() {
    let home = home();
    let plan = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--revision", "8", "--dry-run"])
        .exits(0);
    assert_snapshot!("refresh_plan", steady(&home, &plan.stdout));
    assert!(home.ran("radarr", "backup-now").is_empty());
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes"])
        .exits(0);
    assert_snapshot!("refreshed", steady(&home, &ran.stdout));
    assert_eq!(home.application("radarr")["charm-rev"], 8);
    assert!(home.ran("radarr", "verify-backup")[0].contains("u-1"));
    assert!(home.ran("radarr", "restore-from-backup").is_empty());
    // There is none newer.
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes"])
        .exits(0);
    assert_snapshot!("refresh_up_to_date", steady(&home, &ran.stdout));
}

#[test]
fn one_that_does_not_become_active_is_rolled_back_charm_and_content() {
    let home = home();
    home.does("radarr", "start", NOT_IN_8);
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"])
        .exits(1);
    assert_snapshot!("rolled_back", steady(&home, &ran.stdout));
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    assert_eq!(
        home.application("radarr")["application-status"]["current"],
        "active"
    );
    // The content is restored by the charm that wrote it.
    assert_eq!(restored_by(&home), ["7"]);
    assert!(home.ran("radarr", "restore-from-backup")[0].contains("u-1"));
}

#[test]
fn nothing_is_refreshed_without_a_backup_that_comes_back() {
    for (name, action, script) in [
        (
            "refresh_no_backup",
            "backup-now",
            "action-fail 'the backup is EMPTY'",
        ),
        // Juju has removed the task when it is looked at.
        (
            "refresh_backup_forgotten",
            "backup-now",
            "action-set backup-uid=u-1",
        ),
        ("refresh_no_uid", "backup-now", "action-set bytes=1"),
        (
            "refresh_damaged",
            "verify-backup",
            "action-fail 'backup n is damaged'",
        ),
        ("refresh_verify_says_nothing", "verify-backup", "true"),
    ] {
        let home = home();
        home.does("radarr", action, script);
        if name == "refresh_backup_forgotten" {
            let gone =
                "case \"$*\" in show-task*) echo '{}'; echo \"ERROR task $2 not found\" >&2; exit 1;; esac";
            home.around_juju(gone, "");
        }
        let ran = home
            .test
            .run(&["--tick=100", "refresh", "radarr", "--yes"])
            .exits(1);
        assert_snapshot!(name, steady(&home, &ran.stdout));
        assert_eq!(home.application("radarr")["charm-rev"], 7);
        assert_eq!(home.starts("radarr").len(), 1);
    }
}

#[test]
fn what_is_rolled_back_and_not_well_says_what_to_do() {
    let home = home();
    home.does("radarr", "start", NOT_IN_8);
    home.does(
        "radarr",
        "restore-from-backup",
        "action-fail 'no room for the backup'",
    );
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"])
        .exits(1);
    assert_snapshot!("rolled_back_without_content", steady(&home, &ran.stdout));
    let home = self::home();
    home.does(
        "radarr",
        "start",
        "case $(cat which) in 8) status-set waiting 'no';; *) status-set active;; esac",
    );
    home.does(
        "radarr",
        "restore-from-backup",
        &format!("{RESTORED}status-set waiting 'still not'"),
    );
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"])
        .exits(1);
    assert_snapshot!("rolled_back_not_active", steady(&home, &ran.stdout));
    let home = self::home();
    home.does("radarr", "start", NOT_IN_8);
    home.around_juju(
        "case \"$*\" in *force-units*) echo 'ERROR no releases found' >&2; exit 1;; esac",
        "",
    );
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"])
        .exits(1);
    assert_snapshot!("not_rolled_back", steady(&home, &ran.stdout));
    assert!(
        home.ran("radarr", "restore-from-backup").is_empty(),
        "the content belongs to the charm"
    );
}

#[test]
fn a_charm_from_a_file_is_rolled_back_where_the_previous_file_is_named() {
    let with_file = || {
        let home = Home::with(&["radarr"]);
        std::fs::write(home.test.path("charm-radarr/which"), "old\n").unwrap();
        home.does("radarr", "backup-now", "action-set backup-uid=u-1");
        home.does("radarr", "verify-backup", "action-set backup-uid=u-1");
        let new = home.charm_in("radarr", "new");
        std::fs::write(new.join("which"), "8\n").unwrap();
        home.does("radarr", "start", NOT_IN_8);
        home.does(
            "radarr",
            "restore-from-backup",
            &format!(
                "cat which >>{}\n{RESTORED}",
                home.test.path("restored-by").display()
            ),
        );
        home
    };
    let home = with_file();
    let plan = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--path", "../new", "--dry-run"])
        .exits(0);
    assert_snapshot!("refresh_plan_without_way_back", steady(&home, &plan.stdout));
    let ran = home
        .test
        .run(&[
            "--tick=100",
            "refresh",
            "radarr",
            "--path",
            "../new",
            "--yes",
            "--wait",
            "1s",
        ])
        .exits(1);
    assert_snapshot!("cannot_roll_back", steady(&home, &ran.stdout));
    assert!(restored_by(&home).is_empty());
    let home = with_file();
    let ran = home
        .test
        .run(&[
            "--tick=100",
            "refresh",
            "radarr",
            "--path",
            "../new",
            "--previous-path",
            "../charm-radarr",
            "--yes",
            "--wait",
            "1s",
        ])
        .exits(1);
    assert!(ran.stdout.contains("radarr: ROLLED BACK: "), "{}", ran.shown());
    assert_eq!(restored_by(&home), ["old"]);
    assert_eq!(
        home.application("radarr")["application-status"]["current"],
        "active"
    );
}

#[test]
fn what_cannot_be_refreshed_is_refused_before_anything_begins() {
    let home = Home::with(&["radarr"]);
    for (name, code, arguments) in [
        (
            "refresh_local_without_path",
            2,
            vec!["--tick=100", "refresh", "radarr", "--yes"],
        ),
        (
            "refresh_no_such_file",
            2,
            vec!["--tick=100", "refresh", "radarr", "--path", "../nothing", "--yes"],
        ),
        (
            "refresh_path_and_revision",
            2,
            vec![
                "--tick=100",
                "refresh",
                "radarr",
                "--path",
                "../charm-radarr",
                "--revision",
                "3",
                "--yes",
            ],
        ),
        (
            "refresh_nobody_to_ask",
            2,
            vec!["--tick=100", "refresh", "radarr", "--path", "../charm-radarr"],
        ),
        (
            "refresh_no_such_app",
            1,
            vec!["--tick=100", "refresh", "plex", "--yes"],
        ),
        (
            "refresh_bad_resource",
            2,
            vec![
                "--tick=100",
                "refresh",
                "radarr",
                "--path",
                "../charm-radarr",
                "--resource",
                "x",
                "--yes",
            ],
        ),
    ] {
        let ran = home.test.run(&arguments).exits(code);
        assert_snapshot!(name, steady(&home, &ran.stderr));
    }
    assert!(home.ran("radarr", "backup-now").is_empty());
    assert_eq!(home.starts("radarr").len(), 1);
    // Juju refuses it after the backup was made.
    let home = self::home();
    let ran = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--revision", "99", "--yes"])
        .exits(1);
    assert_snapshot!("refresh_no_such_revision", steady(&home, &ran.stdout));
    assert_eq!(home.application("radarr")["charm-rev"], 7);
}

/// Every how many-th call `cargo test` kills at.
const QUICK: usize = 6;
/// So many kills come to nothing, and so many are gone on with, at least.
const LEAST: (usize, usize) = (2, 15);

/// SIGKILL before and after a call of `juju`: it is gone on with.
#[test]
fn killed_before_a_call_a_rollback_is_gone_on_with() {
    Kill::anywhere(false, (1, QUICK), LEAST, gone_on_with);
}

/// The same after it, at other calls.
#[test]
fn killed_after_a_call_a_rollback_is_gone_on_with() {
    Kill::anywhere(true, (1 + QUICK / 2, QUICK), LEAST, gone_on_with);
}

/// The same before and after each.
#[test]
#[ignore = "takes minutes: cargo test -p configuratarr --test run -- --ignored"]
fn killed_at_any_call_a_rollback_is_gone_on_with() {
    for is_after in [false, true] {
        Kill::anywhere(is_after, (1, 1), LEAST, gone_on_with);
    }
}

fn gone_on_with(kill: Kill) -> Killed {
    let home = home();
    home.does("radarr", "start", NOT_IN_8);
    kill.is_due(&home);
    let first = home
        .test
        .run(&["--tick=100", "refresh", "radarr", "--yes", "--wait", "1s"]);
    if first.code.is_some() {
        assert_eq!(first.code, Some(1), "{}", first.shown());
        assert!(first.stdout.contains("ROLLED BACK: "), "{}", first.shown());
        return Killed::Whole;
    }
    home.around_juju("", "");
    let again = home.test.run(&["resume", "--tick=100"]).exits(1);
    if again.stderr.contains("there is no run that is not at its end") {
        assert!(home.ran("radarr", "backup-now").is_empty());
        return Killed::Nothing;
    }
    let at = format!("{kill:?}: {}", again.shown());
    assert!(again.stdout.contains("radarr: ROLLED BACK: "), "{at}");
    assert_eq!(home.application("radarr")["charm-rev"], 7, "{at}");
    for action in ["backup-now", "verify-backup", "restore-from-backup"] {
        assert_eq!(home.ran("radarr", action).len(), 1, "{action}: {at}");
    }
    assert_eq!(restored_by(&home), ["7"], "{at}");
    // Deployed, refreshed, rolled back.
    assert_eq!(home.starts("radarr").len(), 3, "{at}");
    Killed::Resumed
}
