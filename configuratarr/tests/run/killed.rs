//! SIGKILL before and after each call of `juju`, which is between any two steps that are written down.

use std::fs;

use crate::home::{Home, Kill, Killed};

/// Two apps are restored, and the program is killed.
fn gone_on_with(version: &str, kill: Kill) -> Killed {
    let home = Home::of(&["radarr", "sonarr"], version);
    kill.is_due(&home);
    let first = home.test.run(&["restore", "radarr", "sonarr", "--yes"]);
    if first.code.is_some() {
        // It has fewer calls.
        assert_eq!(first.code, Some(0), "{}", first.shown());
        return Killed::Whole;
    }
    home.around_juju("", "");
    let again = home.test.run(&["resume"]);
    match again.code {
        Some(0) => {}
        // Nothing was written down, so nothing was begun.
        Some(1) => {
            assert!(
                again.stderr.contains("there is no run that is not at its end"),
                "{}",
                again.shown()
            );
            for app in ["radarr", "sonarr"] {
                assert!(home.ran(app, "restore-from-backup").is_empty());
            }
            return Killed::Nothing;
        }
        _ => panic!("{kill:?}: {}", again.shown()),
    }
    for app in ["radarr", "sonarr"] {
        let ran = home.ran(app, "restore-from-backup");
        assert_eq!(ran.len(), 1, "Juju {version}, {kill:?}: {app} ran {ran:?}");
        assert!(
            again.stdout.contains(&format!("{app}: restored")),
            "{}",
            again.shown()
        );
    }
    let runs = fs::read_dir(home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let journals = runs.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "json")
    });
    assert_eq!(journals.count(), 1);
    Killed::Resumed
}

#[test]
fn killed_anywhere_it_is_gone_on_with_and_no_charm_is_asked_twice() {
    for (version, is_after) in [("4.0.14", false), ("4.0.14", true), ("3.6.12", true)] {
        // Asking for the version; then two apps, each with a list, a start and a look at least.
        Kill::anywhere(is_after, (1, 1), (1, 5), |kill| gone_on_with(version, kill));
    }
}
