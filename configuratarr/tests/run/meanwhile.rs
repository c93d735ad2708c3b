//! What others do to an app while its volume is restored and imported, and a second configuratarr that begins in the middle.

use insta::assert_snapshot;

use crate::ends::kill;
use crate::home::{Home, RESTORED};
use crate::imported::{IMPORTS, without_what_differs};
use crate::imports::Imports;

/// Once the volume is imported, and before the app is removed, this is done.
fn meanwhile(imports: &Imports, command: &str) {
    imports.home.around_juju(
        "",
        &format!("case \"$*\" in import-filesystem*) {command} >/dev/null 2>&1;; esac"),
    );
}

const WEEKLY: &str = "real/juju config radarr backup-schedule=@weekly";

#[test]
fn options_that_are_changed_meanwhile_are_those_that_it_is_deployed_with() {
    let imports = Imports::with(IMPORTS);
    meanwhile(&imports, WEEKLY);
    let ran = imports.restore().exits(0);
    imports.is_restored_with("@weekly", "changed meanwhile");
    assert!(
        ran.stderr
            .contains("radarr was changed since this was planned (option backup-schedule)"),
        "{}",
        ran.shown()
    );
}

/// What was read is written down: the next process finds no app to read it from.
#[test]
fn options_that_are_changed_meanwhile_outlive_a_kill_after_the_removal() {
    let imports = Imports::with(IMPORTS);
    imports.home.around_juju(
        "",
        &format!(
            "case \"$*\" in import-filesystem*) {WEEKLY} >/dev/null 2>&1;; remove-application*) kill -9 $PPID; exit 1;; esac"
        ),
    );
    let killed = imports.restore();
    assert_eq!(killed.code, None, "{}", killed.shown());
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored_with("@weekly", "changed, then killed");
}

/// Its file is not that of the plan any more, and which one it is Juju does not say.
#[test]
fn an_app_whose_charm_is_refreshed_meanwhile_is_not_removed() {
    let imports = Imports::with(IMPORTS);
    let refresh = format!("real/juju refresh radarr --path {}", imports.charm);
    meanwhile(&imports, &refresh);
    let ran = imports.restore().exits(4);
    assert_snapshot!(
        "import_refreshed_meanwhile",
        without_what_differs(&ran.shown(), &imports)
    );
    assert_eq!(imports.volume(), imports.old);
    let calls = imports.home.test.juju_calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("remove-application")),
        "{calls:?}"
    );
}

/// Somebody else asks the charm for a restore: the app is not removed in the middle of that.
#[test]
fn an_app_whose_charm_is_at_work_is_not_removed() {
    let imports = Imports::with(IMPORTS);
    let gate = imports.home.gate("gate");
    imports.home.does(
        "radarr",
        "restore-from-backup",
        &format!("{}{RESTORED}", gate.wait()),
    );
    meanwhile(
        &imports,
        "real/juju run radarr/0 restore-from-backup backup-uid=other --background",
    );
    let ran = imports.restore().exits(4);
    assert!(
        ran.stderr
            .contains("of Juju is under way on radarr/0; radarr is still there"),
        "{}",
        ran.shown()
    );
    let calls = imports.home.test.juju_calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("remove-application")),
        "{calls:?}"
    );
    gate.open();
    // As it says.
    let watch = calls.iter().rfind(|call| call.starts_with("operations")).unwrap();
    assert!(watch.contains("restore-from-backup,"), "{watch}");
    let (_, rest) = ran.stderr.split_once("wait for its end: juju ").unwrap();
    let (words, _) = rest.split_once(';').unwrap();
    imports.home.juju(&words.split(' ').collect::<Vec<_>>());
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("its charm has come to the end");
}

/// A restore that somebody follows is not at its end: nobody removes the app of it, or asks its charm for another one.
#[test]
fn nothing_else_is_begun_while_somebody_follows_a_restore() {
    let home = Home::with(&["radarr"]);
    let gate = home.gate("gate");
    let here = home.gate("here");
    let script = format!("echo >'{}'\n{}{RESTORED}", here.path().display(), gate.wait());
    home.does("radarr", "restore-from-backup", &script);
    let mut running = home
        .test
        .command(&["--tick=100", "restore", "radarr", "--yes"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(std::fs::read_to_string(here.path()).unwrap(), "\n");
    for arguments in [
        &["restore", "radarr", "--yes"] as &[&str],
        &["restore", "--all", "--yes"],
        &["refresh", "radarr", "--yes"],
    ] {
        let ran = home.test.run(arguments).exits(1);
        assert!(
            ran.stderr.contains("is in the middle of the restore of radarr")
                && ran
                    .stderr
                    .contains("another configuratarr carries it out: wait for its end"),
            "{}",
            ran.shown()
        );
    }
    kill("INT", running.id());
    assert_eq!(running.wait().unwrap().code(), Some(4));
    gate.open();
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}
